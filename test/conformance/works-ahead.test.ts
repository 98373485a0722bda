// An engine that works ahead must answer as if it did not, to the last bit, whatever was prepared before.

import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import { FEATURE_COUNT, OUTPUT_STRIDE, WINDOW_BARS, WINDOW_ELEMS } from "../../src/inference/engine.ts";
import { WasmEngine } from "../../src/inference/wasm/forward-pass.ts";
import { INSTRUMENT_CAPACITY } from "../../src/market/instruments.ts";
import { randomModel } from "../support/models.ts";

const BARS = 120;
let engine: WasmEngine;
beforeAll(async () => {
  engine = await WasmEngine.create(randomModel(7));
});
afterAll(() => engine.close());

const offset = new Int32Array(1);

function predict(features: Float32Array, at: number): number[] {
  const out = new Float32Array(OUTPUT_STRIDE);
  offset[0] = at;
  engine.predict(features, offset, 1, out);
  return [...out];
}

function predictPrepared(slot: number, features: Float32Array, at: number): number[] {
  const out = new Float32Array(OUTPUT_STRIDE);
  engine.predictPrepared(slot, features, at, out);
  return [...out];
}

/** Rows of many bars, so that windows of one stock slide over them. */
const rows = fc.float32Array({
  minLength: BARS * FEATURE_COUNT,
  maxLength: BARS * FEATURE_COUNT,
  min: -5,
  max: 5,
});
const bar = fc.nat(BARS - WINDOW_BARS - 1);
const slot = fc.nat(INSTRUMENT_CAPACITY - 1);

test("a window that slides bar by bar gives the same bits prepared and not", () => {
  fc.assert(
    fc.property(rows, slot, (features, at) => {
      for (let first = 0; first < BARS - WINDOW_BARS; first += 7) {
        engine.prepare(at, features, first * FEATURE_COUNT);
        expect(predictPrepared(at, features, first * FEATURE_COUNT)).toEqual(predict(features, first * FEATURE_COUNT));
      }
    }),
    { numRuns: 20 },
  );
});

test("what was prepared for other rows, or for another slot, is not used", () => {
  fc.assert(
    fc.property(rows, slot, slot, bar, bar, (features, a, b, prepared, asked) => {
      engine.prepare(a, features, prepared * FEATURE_COUNT);
      const expected = predict(features, asked * FEATURE_COUNT);
      expect(predictPrepared(b, features, asked * FEATURE_COUNT)).toEqual(expected);
    }),
    { numRuns: 100 },
  );
});

test("one changed bit in any known row makes what was prepared unusable", () => {
  const features = Float32Array.from({ length: WINDOW_ELEMS }, (_, i) => Math.sin(i));
  const words = new Uint32Array(features.buffer);
  for (let elem = 0; elem < WINDOW_ELEMS - FEATURE_COUNT; elem += 5) {
    engine.prepare(0, features, 0);
    words[elem]! ^= 1;
    expect(predictPrepared(0, features, 0)).toEqual(predict(features, 0));
  }
});

test("a slot that was never prepared answers for a window of zeros and for one of NaN", async () => {
  const fresh = await WasmEngine.create(randomModel(7));
  const out = new Float32Array(OUTPUT_STRIDE);
  for (const value of [0, Number.NaN]) {
    const features = new Float32Array(WINDOW_ELEMS).fill(value);
    for (const at of [0, 1, INSTRUMENT_CAPACITY - 1]) {
      fresh.predictPrepared(at, features, 0, out);
      expect([...out]).toEqual(predict(features, 0));
    }
  }
  fresh.close();
});

test("the last slot lies within the engine's memory, and one beyond is refused", () => {
  const features = new Float32Array(WINDOW_ELEMS);
  expect(engine.preparedCapacity).toBe(INSTRUMENT_CAPACITY);
  engine.prepare(INSTRUMENT_CAPACITY - 1, features, 0);
  expect(() => engine.prepare(INSTRUMENT_CAPACITY, features, 0)).toThrow("prepared slot");
  expect(() => engine.predictPrepared(-1, features, 0, new Float32Array(OUTPUT_STRIDE))).toThrow("prepared slot");
});
