// Loads a model and runs it: the same windows through the float64 reference and the WebAssembly engine must agree.
// `gyr model verify` and `gyr doctor` print the answer.

import { Prng } from "../core/prng.ts";
import { OUTPUT_SENTINEL, OUTPUT_STRIDE, WINDOW_ELEMS } from "../inference/engine.ts";
import { loadModelByName, type Model } from "../inference/model-file.ts";
import { ReferenceEngine } from "../inference/reference/forward-pass.ts";
import { WasmEngine } from "../inference/wasm/forward-pass.ts";

const WINDOW_COUNT = 16;
/** float32 against float64, as the engines' own tests allow. */
const TOLERANCE_ABS = 2e-5;

export interface ModelCheck {
  readonly model: Model;
  /** Largest difference of an output between the two engines. */
  readonly errorMax: number;
  readonly isAgreed: boolean;
}

/** Throws ModelFileError where the files cannot be used. */
export async function checkModel(nameOrPath: string): Promise<ModelCheck> {
  const model = await loadModelByName(nameOrPath);
  const windows = makeWindows(model);
  const offsets = Int32Array.from({ length: WINDOW_COUNT }, (_, window) => window * WINDOW_ELEMS);
  const expected = new Float32Array(WINDOW_COUNT * OUTPUT_STRIDE);
  const found = new Float32Array(WINDOW_COUNT * OUTPUT_STRIDE);
  new ReferenceEngine(model).predict(windows, offsets, WINDOW_COUNT, expected);
  (await WasmEngine.create(model)).predict(windows, offsets, WINDOW_COUNT, found);
  const errorMax = expected.reduce((most, value, index) => Math.max(most, Math.abs(value - found[index]!)), 0);
  const isWritten = offsets.every((_, window) => found[window * OUTPUT_STRIDE + OUTPUT_SENTINEL] === 1);
  // A NaN is not below the tolerance, so it disagrees.
  return { model, errorMax, isAgreed: isWritten && errorMax <= TOLERANCE_ABS };
}

/** Windows spread as the model expects its inputs: its own mean and deviation. */
function makeWindows(model: Model): Float32Array {
  const prng = Prng.stream(1, "model-check");
  const { mean, std } = model.card.standardisation;
  return Float32Array.from({ length: WINDOW_COUNT * WINDOW_ELEMS }, (_, index) => {
    const feature = index % mean.length;
    return mean[feature]! + std[feature]! * prng.nextNormal();
  });
}
