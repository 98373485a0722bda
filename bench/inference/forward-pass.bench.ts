// Suite `inference`: the forward pass on the CPU, one raw window to one prediction, in full and prepared. Correctness first: the engine must agree with
// the float64 reference on every window that is timed.

import { do_not_optimize, measure } from "mitata";
import { Prng } from "../../src/core/prng.ts";
import { FEATURE_COUNT, OUTPUT_STRIDE, WINDOW_ELEMS } from "../../src/inference/engine.ts";
import { loadModelByName, type Model } from "../../src/inference/model-file.ts";
import { ReferenceEngine } from "../../src/inference/reference/forward-pass.ts";
import { WasmEngine } from "../../src/inference/wasm/forward-pass.ts";
import { cpuNs, type SuiteSize } from "../size.ts";

/** More windows than fit the first-level cache, so that none is timed with its input at hand. */
const WINDOWS = 100;
const TOLERANCE = 2e-5;
const MIN_CPU_NS = 1e9;

export async function run(size: SuiteSize = "full"): Promise<Record<string, number>> {
  const model = await loadModelByName("untrained");
  const engine = await WasmEngine.create(model);
  const windows = standardNormalWindows(model);
  const offsets = Int32Array.from({ length: WINDOWS }, (_, i) => i * WINDOW_ELEMS);
  checkAnswers(engine, new ReferenceEngine(model), windows, offsets);

  const offset = new Int32Array(1);
  const out = new Float32Array(WINDOWS * OUTPUT_STRIDE);
  let next = 0;
  const one = await measure(
    () => {
      offset[0] = next * WINDOW_ELEMS;
      next = next === WINDOWS - 1 ? 0 : next + 1;
      engine.predict(windows, offset, 1, out);
      return do_not_optimize(out[0]);
    },
    { min_cpu_time: cpuNs(size, MIN_CPU_NS) },
  );
  const universe = await measure(
    () => {
      engine.predict(windows, offsets, WINDOWS, out);
      return do_not_optimize(out[0]);
    },
    { min_cpu_time: cpuNs(size, MIN_CPU_NS) },
  );
  // Each window is its own next one here: its rows but the newest are prepared for its slot.
  for (let slot = 0; slot < WINDOWS; slot++) engine.prepare(slot, windows, slot * WINDOW_ELEMS);
  const prepared = await measure(
    () => {
      engine.predictPrepared(next, windows, next * WINDOW_ELEMS, out);
      next = next === WINDOWS - 1 ? 0 : next + 1;
      return do_not_optimize(out[0]);
    },
    { min_cpu_time: cpuNs(size, MIN_CPU_NS) },
  );
  engine.close();
  return {
    wasmFullP50Us: one.p50 / 1e3,
    wasmFullP99Us: one.p99 / 1e3,
    wasmFull100P50Us: universe.p50 / 1e3,
    wasmPreparedP50Us: prepared.p50 / 1e3,
    wasmPreparedP99Us: prepared.p99 / 1e3,
  };
}

function standardNormalWindows(model: Model): Float32Array {
  const prng = Prng.stream(1, "bench.inference");
  const mean = model.tensors["input.mean"];
  const std = model.tensors["input.std"];
  return Float32Array.from(
    { length: WINDOWS * WINDOW_ELEMS },
    (_, i) => mean[i % FEATURE_COUNT]! + std[i % FEATURE_COUNT]! * prng.nextNormal(),
  );
}

function checkAnswers(
  engine: WasmEngine,
  reference: ReferenceEngine,
  windows: Float32Array,
  offsets: Int32Array,
): void {
  const got = new Float32Array(WINDOWS * OUTPUT_STRIDE);
  const expected = new Float32Array(WINDOWS * OUTPUT_STRIDE);
  engine.predict(windows, offsets, WINDOWS, got);
  reference.predict(windows, offsets, WINDOWS, expected);
  const worst = got.reduce((max, value, i) => Math.max(max, Math.abs(value - expected[i]!)), 0);
  if (!(worst <= TOLERANCE)) throw new Error(`the wasm engine is off by ${worst}; not timing it`);
}
