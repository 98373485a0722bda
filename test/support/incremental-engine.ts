// The incremental pass behind the plain port, so that the suite of all engines runs over it: each window is predicted from what was kept
// of the one a bar before.

import {
  ENGINE_OK,
  FEATURE_COUNT,
  type InferenceEngine,
  OUTPUT_STRIDE,
  WINDOW_ELEMS,
  type WorksAhead,
} from "../../src/inference/engine.ts";

/** As a bar that has closed, or as one that is still forming. */
export type IncrementalPath = "bar" | "forming";

export function incrementalEngine(engine: InferenceEngine & WorksAhead, path: IncrementalPath): InferenceEngine {
  // A row that leaves, then the window.
  const column = new Float32Array(FEATURE_COUNT + WINDOW_ELEMS);
  const slotOut = new Float32Array(OUTPUT_STRIDE);
  let predictions = 0;
  let revision = 0;

  function predictOne(features: Float32Array, offset: number): number {
    column.set(features.subarray(offset, offset + FEATURE_COUNT), 0);
    column.set(features.subarray(offset, offset + WINDOW_ELEMS), FEATURE_COUNT);
    const slot = predictions++ % 3;
    // A leap: what the slot has kept is another window's.
    revision += 10;
    engine.prepare(slot, revision, column, 0);
    if (path === "bar") return engine.predictPrepared(slot, ++revision, column, FEATURE_COUNT, slotOut);
    return engine.predictForming(slot, revision, column, 0, column, WINDOW_ELEMS, slotOut);
  }

  return {
    info: engine.info,
    batchMax: engine.batchMax,
    predict(features, offsets, count, out) {
      for (let window = 0; window < count; window++) {
        const code = predictOne(features, offsets[window]!);
        if (code !== ENGINE_OK) return code;
        out.set(slotOut, window * OUTPUT_STRIDE);
      }
      return ENGINE_OK;
    },
    close: () => engine.close(),
  };
}
