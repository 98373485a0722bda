// What every inference engine must do: the same answers as the float64 reference, and nothing outside its outputs.
//
//   inferenceConformance("wasm", (model) => WasmEngine.create(model));

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  ENGINE_OK,
  FEATURE_COUNT,
  INPUT_CLAMP,
  type InferenceEngine,
  OUTPUT_BUY_PROB,
  OUTPUT_HOLD_PROB,
  OUTPUT_MOMENTUM,
  OUTPUT_SELL_PROB,
  OUTPUT_SENTINEL,
  OUTPUT_STRIDE,
  OUTPUT_VOLATILITY,
  WINDOW_ELEMS,
} from "../../src/inference/engine.ts";
import { loadModelByName, type Model } from "../../src/inference/model-file.ts";
import { ReferenceEngine } from "../../src/inference/reference/forward-pass.ts";
import { randomModel } from "../support/models.ts";
import { randomWindows, realWindows } from "../support/windows.ts";

/**
 * Largest difference of an fp32 engine from the float64 reference, absolute on outputs. A score is a sum of about 600 terms with
 * f32 rounding (6e-8 each, growing like the square root of their number) through three layers; measured 7e-7 (wasm). The rest is for the
 * exponentials of GPUs, which may be wrong in the last 8 bits.
 */
export const FP32_TOLERANCE = 2e-5;

export interface ConformanceOptions {
  /** Largest absolute difference of an output from the reference. */
  readonly tolerance?: number;
  /** Random windows, and as many real ones. */
  readonly windowCount?: number;
  readonly batchSizes?: readonly number[];
  /** Why the whole suite is skipped; "" or absent where it is not. */
  readonly skipReason?: string;
}

const DEFAULT_WINDOWS = 1_000;
/** One, one below and at the number of stocks traded, and two. */
const DEFAULT_BATCH_SIZES = [1, 2, 99, 100];
/** Outputs that mean something; the others of a slot are the engine's own. */
const OUTPUTS = [OUTPUT_SELL_PROB, OUTPUT_HOLD_PROB, OUTPUT_BUY_PROB, OUTPUT_VOLATILITY, OUTPUT_MOMENTUM];
/** A value no output has. */
const UNTOUCHED = -12345;

/** Runs the suite on the engine that `make` gives for a model: the shipped one, and one with random weights. */
export function inferenceConformance(
  name: string,
  make: (model: Model) => Promise<InferenceEngine>,
  options: ConformanceOptions = {},
): void {
  const { tolerance = FP32_TOLERANCE, windowCount = DEFAULT_WINDOWS, batchSizes = DEFAULT_BATCH_SIZES } = options;
  const models: [string, () => Promise<Model>][] = [
    ["the shipped model", () => loadModelByName("untrained")],
    ["a random model", async () => randomModel(42)],
  ];
  for (const [modelName, load] of models) {
    describe.skipIf((options.skipReason ?? "") !== "")(`${name} with ${modelName}`, () => {
      let model: Model;
      let engine: InferenceEngine;
      let reference: ReferenceEngine;
      beforeAll(async () => {
        model = await load();
        engine = await make(model);
        reference = new ReferenceEngine(model);
      });
      afterAll(() => engine?.close());

      /** Predicts all windows in batches and returns the largest difference from the reference. */
      function worstDifference(windows: Float32Array, batch: number): number {
        const offsets = offsetsOf(windows);
        const [got, expected] = [
          predictAll(engine, windows, offsets, batch),
          predictAll(reference, windows, offsets, 1),
        ];
        let worst = 0;
        for (let window = 0; window < offsets.length; window++) {
          expect(got[window * OUTPUT_STRIDE + OUTPUT_SENTINEL]).toBe(1);
          for (const output of OUTPUTS) {
            const at = window * OUTPUT_STRIDE + output;
            const difference = Math.abs(got[at]! - expected[at]!);
            // Written so that a NaN is the worst of all.
            if (!(difference <= worst)) worst = difference;
          }
        }
        return worst;
      }

      test("says which engine and model it is", () => {
        expect(engine.info.model).toBe(model.name);
        expect(engine.info.modelSha256).toBe(model.weightsSha256);
        expect(engine.batchMax).toBeGreaterThanOrEqual(Math.max(...batchSizes));
      });

      test(`agrees with the reference on ${windowCount} random windows`, () => {
        expect(worstDifference(randomWindows(model, windowCount, 1), 100)).toBeLessThanOrEqual(tolerance);
      });

      test(`agrees with the reference on ${windowCount} real windows`, async () => {
        expect(worstDifference(await realWindows(windowCount), 100)).toBeLessThanOrEqual(tolerance);
      });

      test.each(adversarialWindows())("agrees with the reference on a window of %s", (_, valueAt) => {
        const window = Float32Array.from({ length: WINDOW_ELEMS }, (_, i) => valueAt(i));
        expect(worstDifference(window, 1)).toBeLessThanOrEqual(tolerance);
      });

      test("clamps inputs to 10 deviations either way", () => {
        const deviations = (n: number) =>
          Float32Array.from({ length: WINDOW_ELEMS }, (_, i) => {
            const sign = i % 7 < 3 ? -1 : 1;
            return (
              model.tensors["input.mean"][i % FEATURE_COUNT]! +
              sign * n * model.tensors["input.std"][i % FEATURE_COUNT]!
            );
          });
        const at = (n: number) => outputsOf(predictAll(engine, deviations(n), Int32Array.of(0), 1), 0);
        const atClamp = outputsOf(predictAll(reference, deviations(INPUT_CLAMP), Int32Array.of(0), 1), 0);
        for (const n of [INPUT_CLAMP, 1.5 * INPUT_CLAMP, 1e6]) {
          for (const [i, value] of at(n).entries())
            expect(Math.abs(value - atClamp[i]!)).toBeLessThanOrEqual(tolerance);
        }
      });

      test.each(batchSizes.map((size) => [size]))(
        "answers the same in a batch of %i as one by one, and touches no slot beyond",
        (size) => {
          const windows = randomWindows(model, size, 2);
          const offsets = offsetsOf(windows).reverse();
          const alone = predictAll(engine, windows, offsets, 1);
          const out = new Float32Array((size + 3) * OUTPUT_STRIDE).fill(UNTOUCHED);
          expect(engine.predict(windows, offsets, size, out)).toBe(ENGINE_OK);
          for (let slot = 0; slot < size; slot++) expect(outputsOf(out, slot)).toEqual(outputsOf(alone, slot));
          expect(out.slice(size * OUTPUT_STRIDE).every((value) => value === UNTOUCHED)).toBe(true);
        },
      );

      test("reads windows where the offsets say and leaves them as they are", () => {
        const windows = randomWindows(model, 3, 3);
        // A column with space around the windows, at an offset that is no multiple of a window.
        const column = new Float32Array(12 + windows.length + 12).fill(UNTOUCHED);
        column.set(windows, 12);
        const before = column.slice();
        const offsets = Int32Array.of(12 + 2 * WINDOW_ELEMS, 12, 12 + 2 * WINDOW_ELEMS);
        const got = predictAll(engine, column, offsets, 3);
        const plain = predictAll(engine, windows, offsetsOf(windows), 1);
        expect([0, 1, 2].map((slot) => outputsOf(got, slot))).toEqual([2, 0, 2].map((slot) => outputsOf(plain, slot)));
        expect(column).toEqual(before);
      });

      test("gives probabilities, a volatility in 0..1 and a momentum in -1..1", () => {
        const windows = randomWindows(model, 200, 4);
        const out = predictAll(engine, windows, offsetsOf(windows), 100);
        for (let slot = 0; slot < 200; slot++) {
          const [sell, hold, buy, volatility, momentum] = outputsOf(out, slot) as [
            number,
            number,
            number,
            number,
            number,
          ];
          expect(Math.abs(sell + hold + buy - 1)).toBeLessThanOrEqual(1e-6);
          expect(Math.min(sell, hold, buy, volatility)).toBeGreaterThanOrEqual(0);
          expect(Math.max(volatility, Math.abs(momentum))).toBeLessThanOrEqual(1);
        }
      });

      test("answers nothing when nothing is asked", () => {
        const out = new Float32Array(OUTPUT_STRIDE).fill(UNTOUCHED);
        expect(engine.predict(new Float32Array(WINDOW_ELEMS), new Int32Array(1), 0, out)).toBe(ENGINE_OK);
        expect(out.every((value) => value === UNTOUCHED)).toBe(true);
      });
    });
  }
}

function adversarialWindows(): [string, (i: number) => number][] {
  return [
    ["zeros", () => 0],
    ["the same value", () => 0.37],
    ["a huge value", () => 1e30],
    ["huge values of both signs", (i) => (i % 2 === 0 ? 1e30 : -1e30)],
    ["denormals", (i) => (i % 3 === 0 ? 1e-40 : -3e-42)],
    ["values that alternate by bar", (i) => (Math.floor(i / FEATURE_COUNT) % 2 === 0 ? 1 : -1)],
    ["one value in its first bar", (i) => (i === 4 ? 1 : 0)],
    ["one value in its last bar", (i) => (i === WINDOW_ELEMS - 5 ? 1 : 0)],
  ];
}

function offsetsOf(windows: Float32Array): Int32Array {
  return Int32Array.from({ length: windows.length / WINDOW_ELEMS }, (_, i) => i * WINDOW_ELEMS);
}

function predictAll(engine: InferenceEngine, features: Float32Array, offsets: Int32Array, batch: number): Float32Array {
  const all = new Float32Array(offsets.length * OUTPUT_STRIDE);
  const out = new Float32Array(batch * OUTPUT_STRIDE);
  for (let first = 0; first < offsets.length; first += batch) {
    const count = Math.min(batch, offsets.length - first);
    expect(engine.predict(features, offsets.slice(first, first + count), count, out)).toBe(ENGINE_OK);
    all.set(out.slice(0, count * OUTPUT_STRIDE), first * OUTPUT_STRIDE);
  }
  return all;
}

function outputsOf(out: Float32Array, slot: number): number[] {
  return OUTPUTS.map((output) => out[slot * OUTPUT_STRIDE + output]!);
}
