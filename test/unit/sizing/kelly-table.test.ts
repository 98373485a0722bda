import { describe, expect, test } from "bun:test";
import {
  CONFIDENCE_LEVELS,
  confidenceIndex,
  KELLY_TABLE,
  kellyFrac,
  kellyMultiplier,
  VIX_LEVELS,
  vixIndex,
  WIN_RATE_LEVELS,
  winRateIndex,
} from "../../../src/sizing/kelly-table.ts";

describe("Kelly table indices", () => {
  test.each([
    [0.5, 0],
    [0.5199, 0],
    [0.52, 1],
    [0.54, 2],
    [0.56, 3],
    [0.58, 4],
    [0.6, 5],
    [0.62, 6],
    [0.64, 7],
    [0.66, 8],
    [0.68, 9],
    [0.7, 10],
    [0.99, 10],
    [0.3, 0],
    [Number.NaN, 0],
    [Number.POSITIVE_INFINITY, 10],
    [Number.NEGATIVE_INFINITY, 0],
  ])("a win rate of %p is row %p", (winRate, index) => {
    expect(winRateIndex(winRate)).toBe(index);
  });

  test.each([
    [0, 0],
    [0.2499, 0],
    [0.25, 1],
    [0.5, 2],
    [0.75, 3],
    [0.9999, 3],
    [1, 4],
    [7, 4],
    [-1, 0],
    [Number.NaN, 0],
  ])("a confidence of %p is column %p", (confidence, index) => {
    expect(confidenceIndex(confidence)).toBe(index);
  });

  test.each([
    [0, 0],
    [9.99, 0],
    [10, 1],
    [19.99, 1],
    [20, 2],
    [30, 3],
    [40, 4],
    [89.53, 4],
    [-1, 4],
    [Number.NaN, 4],
  ])("a VIX of %p is level %p", (vix, index) => {
    expect(vixIndex(vix)).toBe(index);
  });
});

describe("Kelly table values", () => {
  test("the first cells are those of the source plan", () => {
    expect(kellyMultiplier(0.5, 0, 9)).toBeCloseTo(0.5, 12);
    expect(kellyMultiplier(0.5, 0, 15)).toBeCloseTo(0.4, 12);
  });

  test("the second row follows Kelly at 2:1, not the plan's jump", () => {
    expect(kellyMultiplier(0.52, 0, 9)).toBeCloseTo((0.5 * 0.28) / 0.25, 12);
    expect(kellyMultiplier(0.52, 0, 15)).toBeCloseTo((0.4 * 0.28) / 0.25, 12);
  });

  test("every cell is above zero, and grows with win rate and confidence and falls with VIX", () => {
    const at = (w: number, c: number, v: number) => KELLY_TABLE[(w * CONFIDENCE_LEVELS + c) * VIX_LEVELS + v]!;
    expect(KELLY_TABLE.length).toBe(275);
    for (let w = 0; w < WIN_RATE_LEVELS; w++) {
      for (let c = 0; c < CONFIDENCE_LEVELS; c++) {
        for (let v = 0; v < VIX_LEVELS; v++) {
          expect(at(w, c, v)).toBeGreaterThan(0);
          if (w > 0) expect(at(w, c, v)).toBeGreaterThan(at(w - 1, c, v));
          if (c > 0) expect(at(w, c, v)).toBeGreaterThan(at(w, c - 1, v));
          if (v > 0) expect(at(w, c, v)).toBeLessThan(at(w, c, v - 1));
        }
      }
    }
  });

  test.each([
    [0.5, 2, 0.25],
    [0.6, 2, 0.4],
    [1, 2, 1],
    [1 / 3, 2, 0],
    [0.2, 2, 0],
    [0.5, 1, 0],
  ])("the Kelly fraction of p=%p at %p:1 is %p", (prob, rewardRisk, frac) => {
    expect(kellyFrac(prob, rewardRisk)).toBeCloseTo(frac, 12);
  });
});
