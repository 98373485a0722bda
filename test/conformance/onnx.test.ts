// The judge from outside: onnxruntime on the exported graph against the reference and the wasm engine. It shares no code with either, and
// its standardisation, padding, pools and layouts are its own.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { InferenceSession, Tensor } from "onnxruntime-node";
import {
  ENGINE_OK,
  FEATURE_COUNT,
  type InferenceEngine,
  OUTPUT_BUY_PROB,
  OUTPUT_HOLD_PROB,
  OUTPUT_MOMENTUM,
  OUTPUT_SELL_PROB,
  OUTPUT_STRIDE,
  OUTPUT_VOLATILITY,
  WINDOW_BARS,
  WINDOW_ELEMS,
} from "../../src/inference/engine.ts";
import { loadModelByName, type Model } from "../../src/inference/model-file.ts";
import {
  exportOnnx,
  ONNX_DIRECTION,
  ONNX_INPUT,
  ONNX_MOMENTUM,
  ONNX_VOLATILITY,
} from "../../src/inference/onnx-export.ts";
import { ReferenceEngine } from "../../src/inference/reference/forward-pass.ts";
import { WasmEngine } from "../../src/inference/wasm/forward-pass.ts";
import { sampleDates } from "../../src/market/sample.ts";
import { largeModel, randomModel, unevenModel } from "../support/models.ts";
import { randomWindows, realWindows } from "../support/windows.ts";
import { ADVERSARIAL_WINDOWS } from "./inference-engine.ts";

/** Both sides are f32 sums in different orders, each within 1e-6 of the float64 reference; ten times that says they are one network. */
const JUDGE_TOLERANCE = 1e-5;
/** Where every weight is larger, so are the scores and the rounding errors in them. */
const LARGE_FACTOR = 2;
const OUTPUTS = [OUTPUT_SELL_PROB, OUTPUT_HOLD_PROB, OUTPUT_BUY_PROB, OUTPUT_VOLATILITY, OUTPUT_MOMENTUM];

const models: [string, () => Promise<Model>][] = [
  ["the shipped model", () => loadModelByName("untrained")],
  ["a random model", async () => randomModel(42)],
  ["another random model", async () => randomModel(1337)],
  ["weights of all sizes", async () => unevenModel(43)],
  [`weights ${LARGE_FACTOR} times as large`, async () => largeModel(44, LARGE_FACTOR)],
];

describe.each(models)("onnxruntime on the exported graph of %s", (_, load) => {
  let model: Model;
  let session: InferenceSession;
  let engines: InferenceEngine[];
  beforeAll(async () => {
    model = await load();
    session = await InferenceSession.create(exportOnnx(model), { intraOpNumThreads: 1, interOpNumThreads: 1 });
    engines = [new ReferenceEngine(model), await WasmEngine.create(model)];
  });
  afterAll(async () => {
    for (const engine of engines ?? []) engine.close();
    await session?.release();
  });

  /** Judges all windows in one call of the runtime. */
  async function expectAgreement(windows: Float32Array): Promise<void> {
    const judged = await judge(session, windows);
    for (const engine of engines) {
      const got = predictEach(engine, windows);
      let worst = 0;
      for (let at = 0; at < got.length; at++) {
        if (!OUTPUTS.includes(at % OUTPUT_STRIDE)) continue;
        const difference = Math.abs(got[at]! - judged[at]!);
        // Written so that a NaN is the worst of all.
        if (!(difference <= worst)) worst = difference;
      }
      expect(worst, engine.info.engine).toBeLessThanOrEqual(JUDGE_TOLERANCE);
    }
  }

  test.each([1, 2, 99, 100, 101, 1000].map((size) => [size]))(
    "agrees on a batch of %i random windows",
    async (size) => {
      await expectAgreement(randomWindows(model, size, size));
    },
  );

  test.each(sampleDates.map((date) => [date]))("agrees on 300 real windows of %s", async (date) => {
    await expectAgreement(await realWindows(300, date));
  });

  test.each(ADVERSARIAL_WINDOWS)("agrees on a window of %s", async (_, valueAt) => {
    await expectAgreement(Float32Array.from({ length: WINDOW_ELEMS }, (_, i) => valueAt(i, model)));
  });
});

/** Outputs by window and OUTPUT_STRIDE, as an engine lays them out. */
async function judge(session: InferenceSession, windows: Float32Array): Promise<Float32Array> {
  const count = windows.length / WINDOW_ELEMS;
  const results = await session.run({
    [ONNX_INPUT]: new Tensor("float32", windows, [count, WINDOW_BARS, FEATURE_COUNT]),
  });
  const direction = floats(results[ONNX_DIRECTION], [count, 3]);
  const volatility = floats(results[ONNX_VOLATILITY], [count, 1]);
  const momentum = floats(results[ONNX_MOMENTUM], [count, 1]);
  const outputs = new Float32Array(count * OUTPUT_STRIDE);
  for (let window = 0; window < count; window++) {
    outputs.set(direction.subarray(3 * window, 3 * window + 3), window * OUTPUT_STRIDE + OUTPUT_SELL_PROB);
    outputs[window * OUTPUT_STRIDE + OUTPUT_VOLATILITY] = volatility[window]!;
    outputs[window * OUTPUT_STRIDE + OUTPUT_MOMENTUM] = momentum[window]!;
  }
  return outputs;
}

function floats(tensor: Tensor | undefined, dims: number[]): Float32Array {
  expect(tensor?.dims).toEqual(dims);
  return tensor!.data as Float32Array;
}

function predictEach(engine: InferenceEngine, windows: Float32Array): Float32Array {
  const count = windows.length / WINDOW_ELEMS;
  const outputs = new Float32Array(count * OUTPUT_STRIDE);
  const out = new Float32Array(OUTPUT_STRIDE);
  for (let window = 0; window < count; window++) {
    expect(engine.predict(windows, Int32Array.of(window * WINDOW_ELEMS), 1, out)).toBe(ENGINE_OK);
    outputs.set(out, window * OUTPUT_STRIDE);
  }
  return outputs;
}
