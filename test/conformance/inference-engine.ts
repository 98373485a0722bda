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
import { sampleDates } from "../../src/market/sample.ts";
import { randomModel, unevenModel } from "../support/models.ts";
import { randomWindows, realWindows, recordedDates } from "../support/windows.ts";

/**
 * Largest difference of an fp32 engine from the float64 reference, absolute on outputs. A score is a sum of about 600 terms with
 * f32 rounding (6e-8 each, growing like the square root of their number) through three layers; measured 7e-7 (wasm). The rest is for the
 * exponentials of GPUs, which may be wrong in the last 8 bits.
 */
export const FP32_TOLERANCE = 2e-5;
/**
 * Of an f16 engine, from the float64 reference. An f16 has 11 bits, so every input, weight and product may be wrong by 5e-4 of itself;
 * errors of a sum of 60 terms and of two dense layers grow like the square root of their number to some thousandths of a score.
 */
export const F16_TOLERANCE = 1e-2;
/**
 * Of an int8 engine, from its dequantised reference (src/inference/reference/forward-pass-int8.ts), which takes the same whole-number steps: the convolutions
 * are exact, so only the dense layers' f32 rounding is left. One step rounded otherwise would show as 1e-4 and more.
 */
export const INT8_TOLERANCE = 1e-5;

export interface ConformanceOptions {
  /** What the engine is held to; the float64 reference unless its precision has one of its own. */
  readonly reference?: (model: Model) => InferenceEngine;
  /** Largest absolute difference of an output from the reference. */
  readonly tolerance?: number;
  /** Random windows, and as many real ones. */
  readonly windowCount?: number;
  readonly batchSizes?: readonly number[];
  /** Why the whole suite is skipped; "" or absent where it is not. */
  readonly skipReason?: string;
}

const DEFAULT_WINDOWS = 1_000;
/** One, two, around the number of stocks traded, and many; an engine that takes fewer a call gets several calls. */
const DEFAULT_BATCH_SIZES = [1, 2, 99, 100, 101, 1000];
/** Every engine takes the stocks of a universe in one call. */
const BATCH_MAX_AT_LEAST = 100;
/** Folder of flat files (YYYY/MM/YYYY-MM-DD.csv.gz) with further real days to predict on. */
const DATA_DIR = process.env.GYR_TEST_DATA_DIR ?? "";
/** Windows of each further day, and as many days at most, spread over those of the folder. */
const FURTHER_DAY_WINDOWS = 100;
const FURTHER_DAYS = 5;
/** Outputs that mean something; the others of a slot are the engine's own. */
const OUTPUTS = [OUTPUT_SELL_PROB, OUTPUT_HOLD_PROB, OUTPUT_BUY_PROB, OUTPUT_VOLATILITY, OUTPUT_MOMENTUM];
/** A value no output has. */
const UNTOUCHED = -12345;
/** Output slots before and after those asked for. */
const GUARD_SLOTS = 3;

/** Runs the suite on the engine that `make` gives for a model: the shipped one, and one with random weights. */
export function inferenceConformance(
  name: string,
  make: (model: Model) => Promise<InferenceEngine>,
  options: ConformanceOptions = {},
): void {
  const {
    tolerance = FP32_TOLERANCE,
    windowCount = DEFAULT_WINDOWS,
    batchSizes = DEFAULT_BATCH_SIZES,
    reference: makeReference = (model) => new ReferenceEngine(model),
  } = options;
  const models: [string, () => Promise<Model>][] = [
    ["the shipped model", () => loadModelByName("untrained")],
    ["a random model", async () => randomModel(42)],
    ["weights of all sizes", async () => unevenModel(43)],
  ];
  for (const [modelName, load] of models) {
    describe.skipIf((options.skipReason ?? "") !== "")(`${name} with ${modelName}`, () => {
      let model: Model;
      let engine: InferenceEngine;
      let reference: InferenceEngine;
      beforeAll(async () => {
        model = await load();
        engine = await make(model);
        reference = makeReference(model);
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
        expect(engine.batchMax).toBeGreaterThanOrEqual(BATCH_MAX_AT_LEAST);
      });

      test(`agrees with the reference on ${windowCount} random windows`, () => {
        expect(worstDifference(randomWindows(model, windowCount, 1), 100)).toBeLessThanOrEqual(tolerance);
      });

      test.each(sampleDates.map((date) => [date]))(
        `agrees with the reference on ${windowCount} real windows of %s`,
        async (date) => {
          expect(worstDifference(await realWindows(windowCount, date), 100)).toBeLessThanOrEqual(tolerance);
        },
      );

      test.skipIf(DATA_DIR === "")("agrees with the reference on days of GYR_TEST_DATA_DIR", async () => {
        const dates = await recordedDates(DATA_DIR);
        expect(dates.length).toBeGreaterThan(0);
        const step = Math.ceil(dates.length / FURTHER_DAYS);
        for (const date of dates.filter((_, i) => i % step === 0)) {
          const windows = await realWindows(FURTHER_DAY_WINDOWS, date, DATA_DIR);
          expect(worstDifference(windows, 100), date).toBeLessThanOrEqual(tolerance);
        }
      });

      test.each(ADVERSARIAL_WINDOWS)("agrees with the reference on a window of %s", (_, valueAt) => {
        const window = Float32Array.from({ length: WINDOW_ELEMS }, (_, i) => valueAt(i, model));
        expect(worstDifference(window, 1)).toBeLessThanOrEqual(tolerance);
      });

      test("answers a window that holds a NaN without the sentinel, and the others of its batch as ever", () => {
        const windows = randomWindows(model, 3, 5);
        const good = predictAll(engine, windows, offsetsOf(windows), 3);
        windows[WINDOW_ELEMS + 17] = Number.NaN;
        const got = predictAll(engine, windows, offsetsOf(windows), 3);
        expect([0, 1, 2].map((slot) => got[slot * OUTPUT_STRIDE + OUTPUT_SENTINEL] === 1)).toEqual([true, false, true]);
        for (const slot of [0, 2]) expect(outputsOf(got, slot)).toEqual(outputsOf(good, slot));
      });

      test("clamps inputs to 10 deviations either way", () => {
        const deviations = (n: number) =>
          Float32Array.from({ length: WINDOW_ELEMS }, (_, i) => deviationsAt(model, i, i % 7 < 3 ? -n : n));
        const at = (n: number) => outputsOf(predictAll(engine, deviations(n), Int32Array.of(0), 1), 0);
        const atClamp = outputsOf(predictAll(reference, deviations(INPUT_CLAMP), Int32Array.of(0), 1), 0);
        for (const n of [INPUT_CLAMP, 1.5 * INPUT_CLAMP, 1e6]) {
          for (const [i, value] of at(n).entries())
            expect(Math.abs(value - atClamp[i]!)).toBeLessThanOrEqual(tolerance);
        }
      });

      test.each(batchSizes.map((size) => [size]))(
        "answers the same in a batch of %i as one by one, and touches nothing around its outputs",
        (size) => {
          const windows = randomWindows(model, size, 2);
          const offsets = offsetsOf(windows).reverse();
          const alone = predictAll(engine, windows, offsets, 1);
          // Outputs in the middle of a column: an engine that forgets where a view begins would write before it.
          const column = new Float32Array((size + 2 * GUARD_SLOTS) * OUTPUT_STRIDE).fill(UNTOUCHED);
          for (let first = 0; first < size; first += engine.batchMax) {
            const count = Math.min(engine.batchMax, size - first);
            const out = column.subarray((GUARD_SLOTS + first) * OUTPUT_STRIDE);
            expect(engine.predict(windows, offsets.slice(first, first + count), count, out)).toBe(ENGINE_OK);
            expect(column.slice((GUARD_SLOTS + first + count) * OUTPUT_STRIDE).every(isUntouched)).toBe(true);
          }
          expect(column.slice(0, GUARD_SLOTS * OUTPUT_STRIDE).every(isUntouched)).toBe(true);
          for (let slot = 0; slot < size; slot++) {
            expect(outputsOf(column, GUARD_SLOTS + slot)).toEqual(outputsOf(alone, slot));
          }
        },
      );

      test("answers the same again, whatever came between", () => {
        const [windows, others] = [randomWindows(model, 20, 6), randomWindows(model, 100, 7)];
        const first = predictAll(engine, windows, offsetsOf(windows), 20);
        predictAll(engine, others, offsetsOf(others), 100);
        expect(predictAll(engine, windows, offsetsOf(windows), 20)).toEqual(first);
      });

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

/** Windows by name, from the element's index: feature `i % FEATURE_COUNT` of bar `i / FEATURE_COUNT`. */
export const ADVERSARIAL_WINDOWS: [string, (i: number, model: Model) => number][] = [
  ["zeros", () => 0],
  ["the same value", () => 0.37],
  ["its means", (i, model) => deviationsAt(model, i, 0)],
  ["a huge value", () => 1e30],
  ["huge values of both signs", (i) => (i % 2 === 0 ? 1e30 : -1e30)],
  ["the largest floats of both signs", (i) => (i % 5 === 0 ? 3.4028235e38 : -3.4028235e38)],
  ["denormals", (i) => (i % 3 === 0 ? 1e-40 : -3e-42)],
  ["values that alternate by bar", (i) => (barOf(i) % 2 === 0 ? 1 : -1)],
  ["values that alternate by element", (i, model) => deviationsAt(model, i, i % 2 === 0 ? 3 : -3)],
  ["every input at the upper clamp", (i, model) => deviationsAt(model, i, INPUT_CLAMP)],
  ["every input at the lower clamp", (i, model) => deviationsAt(model, i, -INPUT_CLAMP)],
  ["inputs clamped one way, then the other", (i, model) => deviationsAt(model, i, barOf(i) < 25 ? 99 : -99)],
  ["inputs just within and just beyond the clamp", (i, model) => deviationsAt(model, i, 10 + (i % 3) / 1e5 - 1e-5)],
  ["one value in its first bar", (i) => (i === 4 ? 1 : 0)],
  ["one value in its last bar", (i) => (i === WINDOW_ELEMS - 5 ? 1 : 0)],
];

function barOf(i: number): number {
  return Math.floor(i / FEATURE_COUNT);
}

/** Raw value of element `i` that lies so many deviations from the model's mean. */
function deviationsAt(model: Model, i: number, deviations: number): number {
  const feature = i % FEATURE_COUNT;
  return model.tensors["input.mean"][feature]! + deviations * model.tensors["input.std"][feature]!;
}

function isUntouched(value: number): boolean {
  return value === UNTOUCHED;
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
