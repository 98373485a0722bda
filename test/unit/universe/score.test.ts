import { describe, expect, test } from "bun:test";
import { momentumVolatilityScore, RANGE_MAX } from "../../../src/universe/score.ts";

/** [open, high, low, close, volume], newest first. */
type Bar = readonly [number, number, number, number, number];
const scoreOf = (...bars: Bar[]) => {
  const column = (field: number) => Float64Array.from(bars, (bar) => bar[field]!);
  return momentumVolatilityScore({
    count: bars.length,
    open: column(0),
    high: column(1),
    low: column(2),
    close: column(3),
    volume: column(4),
  });
};

describe("score of one session", () => {
  test("is the range times one plus the share of it that went one way", () => {
    expect(scoreOf([100, 104, 98, 103, 1_000])).toBeCloseTo(
      Math.log(104 / 98) * (1 + Math.log(103 / 100) / Math.log(104 / 98)),
      12,
    );
  });

  test("is twice the range when all of it was in one direction, up or down", () => {
    expect(scoreOf([100, 105, 100, 105, 1_000])).toBeCloseTo(2 * Math.log(1.05), 12);
    expect(scoreOf([105, 105, 100, 100, 1_000])).toBeCloseTo(2 * Math.log(1.05), 12);
  });

  test("is the range alone when the close is the open", () => {
    expect(scoreOf([100, 103, 98, 100, 1_000])).toBeCloseTo(Math.log(103 / 98), 12);
  });

  test("is zero when the price stood still", () => {
    expect(scoreOf([50, 50, 50, 50, 1_000])).toBe(0);
  });

  test("caps a range that is news or an error", () => {
    expect(scoreOf([100, 300, 50, 100, 1_000])).toBe(RANGE_MAX);
  });

  test("does not depend on volume", () => {
    expect(scoreOf([100, 104, 98, 103, 0])).toBe(scoreOf([100, 104, 98, 103, 1e9]));
  });
});

describe("score of several sessions", () => {
  const quiet: Bar = [100, 101, 99, 100, 1_000];

  test("counts the overnight gap as range", () => {
    const gapped = scoreOf([110, 111, 109, 110, 1_000], quiet);
    const range = (Math.log(111 / 100) + Math.log(101 / 99)) / 2;
    const efficiency = Math.log(110 / 100) / (2 * range);
    expect(gapped).toBeCloseTo(range * (1 + efficiency), 12);
  });

  test("grows with the square root of the last volume over the mean, within a half and two", () => {
    const flat = scoreOf(quiet, quiet, quiet, quiet);
    const busy = (volume: number) => scoreOf([100, 101, 99, 100, volume], quiet, quiet, quiet) / flat;
    expect(busy(1_000)).toBeCloseTo(1, 12);
    expect(busy(5_000)).toBeCloseTo(Math.sqrt(5_000 / 2_000), 12);
    expect(busy(0)).toBe(0.5);
    expect(scoreOf([100, 101, 99, 100, 1e9], ...Array<Bar>(19).fill(quiet)) / flat).toBeCloseTo(2, 12);
  });

  test("takes the direction from the last week only", () => {
    const week: Bar[] = [
      [104, 105, 104, 105, 1_000],
      [103, 104, 103, 104, 1_000],
      [102, 103, 102, 103, 1_000],
      [101, 102, 101, 102, 1_000],
      [100, 101, 100, 101, 1_000],
    ];
    const oneWay = scoreOf(...week, [100, 100, 99, 100, 1_000]);
    const range = (Math.log(105 / 100) + Math.log(100 / 99)) / 6;
    expect(oneWay).toBeCloseTo(2 * range, 12);
  });
});
