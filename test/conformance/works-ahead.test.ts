// The incremental pass must answer as the full one, whatever came before: every output of the convolutions and every maximum to
// the last bit, predictions within 1e-6 (the average sums in another order). And it must give the same bits whatever was kept.

import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import { Prng } from "../../src/core/prng.ts";
import { CHANNELS, CONV_BRANCHES } from "../../src/inference/architecture.ts";
import {
  FEATURE_COUNT,
  INPUT_CLAMP,
  OUTPUT_SENTINEL,
  OUTPUT_STRIDE,
  WINDOW_BARS,
  WINDOW_ELEMS,
} from "../../src/inference/engine.ts";
import type { Model } from "../../src/inference/model-file.ts";
import { WasmEngine } from "../../src/inference/wasm/forward-pass.ts";
import { INSTRUMENT_CAPACITY } from "../../src/market/instruments.ts";
import { randomModel } from "../support/models.ts";

/** The sum of 50 outputs in fixed point instead of f32, and an f32 sum of a few; measured 3e-7. */
const INCREMENTAL_TOLERANCE = 1e-6;
/** Rows to slide over, and room for the forming row in `formed`. */
const TAPE_BARS = 400;
/** Slots that take turns, and one that is always built anew. */
const SLOTS = [0, 1, INSTRUMENT_CAPACITY - 2];
const ANEW_SLOT = INSTRUMENT_CAPACITY - 1;

const model = randomModel(7);
let engine: WasmEngine;
beforeAll(async () => {
  engine = await WasmEngine.create(model);
});
afterAll(() => engine.close());

/** The column: a tape of rows, then a window for each slot whose newest row is a forming one. */
const column = new Float32Array(TAPE_BARS * FEATURE_COUNT + WINDOW_ELEMS);
const FORMED = TAPE_BARS * FEATURE_COUNT;
fillTape(1);

const offset = new Int32Array(1);
const got = new Float32Array(OUTPUT_STRIDE);
const full = new Float32Array(OUTPUT_STRIDE);
const gotPools = new Float32Array(2 * CHANNELS);
const fullPools = new Float32Array(2 * CHANNELS);
let anewRevision = 0;

/** Rows in which little happens, rows far outside the clamp, huge and denormal ones. */
function fillTape(seed: number): void {
  const prng = Prng.stream(seed, "test.works-ahead");
  for (let bar = 0; bar < TAPE_BARS; bar++) {
    const spread = [0, 1e-40, 0.1, 1, 1, 1, 3, 20, 1e30][prng.nextInt(9)]!;
    for (let i = 0; i < FEATURE_COUNT; i++) column[bar * FEATURE_COUNT + i] = spread * prng.nextNormal();
  }
  // The last window is the first, so that the tape can go round.
  column.copyWithin((TAPE_BARS - WINDOW_BARS) * FEATURE_COUNT, 0, WINDOW_ELEMS);
}

/** Holds what was just predicted into `got` to the full pass over the window at `from`. */
function compareWithFull(from: number): void {
  engine.copyPooled(gotPools);
  offset[0] = from;
  engine.predict(column, offset, 1, full);
  engine.copyPooled(fullPools);
  for (let i = 0; i < OUTPUT_STRIDE; i++) {
    if (!(Math.abs(got[i]! - full[i]!) <= INCREMENTAL_TOLERANCE)) {
      throw new Error(`output ${i} is ${got[i]}, the full pass gives ${full[i]}`);
    }
  }
  for (let channel = 0; channel < CHANNELS; channel++) {
    if (!Object.is(gotPools[channel], fullPools[channel])) {
      throw new Error(`maximum ${channel} is ${gotPools[channel]}, the full pass gives ${fullPools[channel]}`);
    }
  }
}

/** Holds the prediction in `got` to one of a slot that was built anew from the window at `from`. */
function compareWithAnew(from: number): void {
  const anew = new Float32Array(OUTPUT_STRIDE);
  anewRevision += 10;
  engine.predictPrepared(ANEW_SLOT, anewRevision, column, from, anew);
  expect(anew).toEqual(got);
}

/** Outputs of the convolutions at one row of a window, in f32 and in the order of the filters' taps: plain, slow, sure. */
function plainOutputs(ofModel: Model, from: number, row: number): Float32Array<ArrayBuffer> {
  const f = Math.fround;
  const mean = ofModel.tensors["input.mean"];
  const std = ofModel.tensors["input.std"];
  const outputs = new Float32Array(CHANNELS);
  for (const { name, filters, taps, dilation, firstChannel } of CONV_BRANCHES) {
    const weight = ofModel.tensors[`${name}.weight`];
    for (let filter = 0; filter < filters; filter++) {
      let sum = f(ofModel.tensors[`${name}.bias`][filter]!);
      for (let tap = 0; tap < taps; tap++) {
        const at = row + (tap - (taps - 1) / 2) * dilation;
        if (at < 0 || at >= WINDOW_BARS) continue;
        for (let i = 0; i < FEATURE_COUNT; i++) {
          const value = f(f(column[from + at * FEATURE_COUNT + i]! - mean[i]!) * f(1 / std[i]!));
          const x = Math.min(Math.max(value, -INPUT_CLAMP), INPUT_CLAMP);
          sum = f(sum + f(x * weight[(filter * FEATURE_COUNT + i) * taps + tap]!));
        }
      }
      outputs[firstChannel + filter] = Math.max(sum, 0);
    }
  }
  return outputs;
}

function copyFormed(from: number, rowFrom: number): void {
  column.copyWithin(FORMED, from + FEATURE_COUNT, from + WINDOW_ELEMS);
  column.copyWithin(FORMED + WINDOW_ELEMS - FEATURE_COUNT, rowFrom, rowFrom + FEATURE_COUNT);
}

type Step = { readonly slot: number } & (
  | { readonly kind: "bar"; readonly isIdleAfter: boolean }
  | { readonly kind: "tick"; readonly rowBar: number }
  | { readonly kind: "gap"; readonly bars: number }
  | { readonly kind: "reset"; readonly bar: number }
);
const slot = fc.nat(SLOTS.length - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant("bar" as const), slot, isIdleAfter: fc.boolean() }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("tick" as const), slot, rowBar: fc.nat(TAPE_BARS - 1) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("gap" as const), slot, bars: fc.integer({ min: 1, max: 60 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("reset" as const), slot, bar: fc.nat(100) }) },
);

/** Where the windows of the slots are, as FeatureEngine would have it. Kept from one sequence to the next. */
const firstBars = SLOTS.map(() => 0);
const revisions = SLOTS.map(() => 1);

/** A step and its checks. @returns element of the window that was predicted, -1 where none was */
function take(step: Step): number {
  const index = step.slot;
  const at = SLOTS[index]!;
  const isAtEnd = firstBars[index]! + 62 > TAPE_BARS - WINDOW_BARS;
  if (step.kind === "reset" || isAtEnd) {
    firstBars[index] = step.kind === "reset" ? step.bar : 0;
    revisions[index]! += 2;
    return -1;
  }
  if (step.kind === "gap") {
    firstBars[index]! += step.bars;
    revisions[index]! += step.bars;
    return -1;
  }
  if (step.kind === "tick") {
    const from = firstBars[index]! * FEATURE_COUNT;
    const rowFrom = step.rowBar * FEATURE_COUNT;
    engine.predictForming(at, revisions[index]!, column, from, column, rowFrom, got);
    copyFormed(from, rowFrom);
    compareWithFull(FORMED);
    return FORMED;
  }
  firstBars[index]! += 1;
  revisions[index]! += 1;
  const from = firstBars[index]! * FEATURE_COUNT;
  engine.predictPrepared(at, revisions[index]!, column, from, got);
  compareWithFull(from);
  if (step.isIdleAfter) engine.prepare(at, revisions[index]!, column, from);
  return from;
}

test("after any sequence of bars, ticks, gaps and resets the answers and maxima are those of the full pass", () => {
  let predicted = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
      for (const next of steps) {
        const from = take(next);
        if (from < 0) continue;
        predicted += 1;
        if (predicted % 5 === 0) compareWithAnew(from);
      }
    }),
    { numRuns: 10_000 },
  );
  expect(predicted).toBeGreaterThan(30_000);
});

test("after any sequence every output of the convolutions has the bits of plain f32 arithmetic", () => {
  const outputs = new Float32Array(CHANNELS);
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 60, size: "max" }), fc.nat(3), (steps, phase) => {
      let [from, last] = [-1, 0];
      for (const next of steps) {
        const predictedAt = take(next);
        if (predictedAt >= 0) [from, last] = [predictedAt, next.slot];
        if (predictedAt >= 0 && from === FORMED) break;
      }
      if (from < 0) return;
      // The state of a slot is that of its last prediction until the next bar is prepared, so this is asked again.
      const lastBar = firstBars[last]! * FEATURE_COUNT;
      engine.predictForming(SLOTS[last]!, revisions[last]!, column, lastBar, column, phase * FEATURE_COUNT, got);
      copyFormed(lastBar, phase * FEATURE_COUNT);
      compareWithFull(FORMED);
      engine.predictForming(SLOTS[last]!, revisions[last]!, column, lastBar, column, phase * FEATURE_COUNT, got);
      for (let row = 0; row < WINDOW_BARS; row++) {
        engine.copyOutputs(SLOTS[last]!, row, outputs);
        expect(outputs).toEqual(plainOutputs(model, FORMED, row));
      }
    }),
    { numRuns: 100 },
  );
});

test("does not drift over a million updates", () => {
  let bar = 0;
  let revision = 1e7;
  engine.prepare(0, revision, column, 0);
  for (let update = 1; update <= 1_000_000; update++) {
    bar += 1;
    revision += 1;
    const from = bar * FEATURE_COUNT;
    engine.predictPrepared(0, revision, column, from, got);
    if (update % 997 === 0) {
      compareWithFull(from);
      compareWithAnew(from);
    }
    engine.prepare(0, revision, column, from);
    if (bar === TAPE_BARS - WINDOW_BARS) bar = 0;
  }
});

test("a NaN makes no prediction while it is in the window, and leaves nothing behind", () => {
  const from = 3 * WINDOW_ELEMS;
  const rows = column.slice(0, 3 * WINDOW_ELEMS);
  rows[60 * FEATURE_COUNT + 5] = Number.NaN;
  const fresh = new Float32Array(OUTPUT_STRIDE);
  for (let bar = 0; bar * FEATURE_COUNT + WINDOW_ELEMS <= from; bar++) {
    offset[0] = bar * FEATURE_COUNT;
    engine.predictPrepared(0, 2e7 + bar, rows, bar * FEATURE_COUNT, got);
    engine.predict(rows, offset, 1, full);
    const isInside = bar + WINDOW_BARS > 60 && bar <= 60;
    expect([got[OUTPUT_SENTINEL], full[OUTPUT_SENTINEL]]).toEqual(isInside ? [0, 0] : [1, 1]);
    expect(Number.isNaN(got[0])).toBe(isInside);
    for (let i = 0; i < OUTPUT_STRIDE && !isInside; i++) {
      expect(Math.abs(got[i]! - full[i]!)).toBeLessThanOrEqual(INCREMENTAL_TOLERANCE);
    }
    engine.prepare(0, 2e7 + bar, rows, bar * FEATURE_COUNT);
    // A forming row of NaN harms only its own prediction.
    engine.predictForming(0, 2e7 + bar, rows, bar * FEATURE_COUNT, rows, 60 * FEATURE_COUNT, fresh);
    expect(fresh[OUTPUT_SENTINEL]).toBe(0);
  }
});

test("another column is never answered from what was kept of the first", () => {
  const other = column.slice().reverse();
  engine.prepare(0, 1, column, 0);
  engine.predictPrepared(0, 2, other, FEATURE_COUNT, got);
  const first = got.slice();
  offset[0] = FEATURE_COUNT;
  engine.predict(other, offset, 1, full);
  for (let i = 0; i < OUTPUT_STRIDE; i++) {
    expect(Math.abs(first[i]! - full[i]!)).toBeLessThanOrEqual(INCREMENTAL_TOLERANCE);
  }
});

test("a forming row is read only: the bar that closes answers as if it had never been asked about", () => {
  const quiet = new Float32Array(OUTPUT_STRIDE);
  for (const isAsked of [false, true]) {
    const revision = isAsked ? 4e7 : 3e7;
    engine.prepare(2, revision, column, 0);
    for (let tick = 0; isAsked && tick < 100; tick++) {
      engine.predictForming(2, revision, column, 0, column, tick * FEATURE_COUNT, got);
    }
    engine.predictPrepared(2, revision + 1, column, FEATURE_COUNT, isAsked ? got : quiet);
  }
  expect(got).toEqual(quiet);
});

test("slots are as many as were asked for, and one beyond is refused", async () => {
  const windows = new Float32Array(WINDOW_ELEMS);
  for (const count of [1, 3, 1000]) {
    const sized = await WasmEngine.create(model, count);
    expect(sized.preparedCapacity).toBe(count);
    sized.prepare(count - 1, 1, windows, 0);
    sized.predictPrepared(count - 1, 2, windows, 0, got);
    expect(got[OUTPUT_SENTINEL]).toBe(1);
    expect(() => sized.prepare(count, 1, windows, 0)).toThrow("prepared slot");
    expect(() => sized.predictPrepared(-1, 1, windows, 0, got)).toThrow("prepared slot");
    expect(() => sized.predictForming(0, 1, windows, 0, windows, WINDOW_ELEMS, got)).toThrow("the row lies inside");
    sized.close();
  }
});
