import { describe, expect, test } from "bun:test";
import { Arena } from "../../../src/core/arena.ts";
import { InvariantError } from "../../../src/core/assert.ts";
import {
  FEATURE_ATR_14,
  FEATURE_CLOSE_LOCATION,
  FEATURE_LOG_RETURN_1,
  FEATURE_LOG_RETURN_5,
  FEATURE_LOG_VOLUME_Z,
  FEATURE_RSI_14,
  FEATURE_VOLUME_IMBALANCE,
  FEATURE_VWAP_DEVIATION,
  READY_BARS,
} from "../../../src/features/catalogue.ts";
import { BAR_BAD_VALUE, BAR_OK, BAR_OUT_OF_ORDER, FeatureEngine } from "../../../src/features/feature-engine.ts";
import type { FeatureBar } from "../../../src/features/reference.ts";
import { closeBar, engineRows, featureEngine, flatBar, windowOf } from "../../support/feature-bars.ts";

/** Minutes from `from` to `to`, each a flat bar at the price that `pxOf` gives. */
function bars(from: number, to: number, pxOf: (minute: number) => number): FeatureBar[] {
  return Array.from({ length: to - from }, (_, i) => flatBar(pxOf(from + i), from + i));
}

describe("a price that never moves", () => {
  for (const volume of [0, 100]) {
    test(`gives rows of zeros at volume ${volume}`, () => {
      const rows = engineRows(
        featureEngine(),
        0,
        Array.from({ length: 100 }, (_, minute) => flatBar(123.4567, minute, volume)),
      );
      // The VWAP is a quotient of sums and may miss the price by a rounding; everything else is exactly 0.
      for (const row of rows) {
        expect(Math.abs(row[FEATURE_VWAP_DEVIATION]!)).toBeLessThan(1e-14);
        expect(row.filter((value, i) => i !== FEATURE_VWAP_DEVIATION && value !== 0)).toEqual([]);
      }
    });
  }

  test("gives zeros again after a move has left the windows, and RSI keeps the side of the last move", () => {
    const engine = featureEngine();
    engineRows(
      engine,
      0,
      bars(0, 200, (minute) => (minute < 50 ? 100 : 101)),
    );
    expect(engine.lastRow[FEATURE_LOG_RETURN_5]).toBe(0);
    expect(engine.volPerBar(0)).toBe(0);
    expect(engine.lastRow[FEATURE_RSI_14]).toBe(1);
    expect(engine.lastRow[FEATURE_ATR_14]).toBeLessThan(1e-6);
  });
});

describe("zero volume", () => {
  test("leaves the VWAP where it was", () => {
    const engine = featureEngine();
    engineRows(engine, 0, [flatBar(100, 0, 50), flatBar(110, 1, 0)]);
    expect(engine.vwapPx(0)).toBe(100);
    expect(engine.lastRow[FEATURE_VWAP_DEVIATION]).toBeCloseTo(0.1, 12);
  });

  test("on the whole day makes the close the VWAP", () => {
    const engine = featureEngine();
    engineRows(engine, 0, [flatBar(100, 0, 0), flatBar(110, 1, 0)]);
    expect(engine.vwapPx(0)).toBe(110);
    expect(engine.lastRow[FEATURE_VWAP_DEVIATION]).toBe(0);
  });

  test("counts as a low volume, not as none", () => {
    const engine = featureEngine();
    engineRows(
      engine,
      0,
      Array.from({ length: 30 }, (_, minute) => flatBar(100, minute, minute === 29 ? 0 : 1000)),
    );
    // One value of 20 far below the 19 others: -sqrt(19) deviations.
    expect(engine.lastRow[FEATURE_LOG_VOLUME_Z]).toBeCloseTo(-Math.sqrt(19), 12);
  });
});

describe("a new day", () => {
  const days = [...bars(0, 40, () => 100), flatBar(120, 0, 100, 1)];

  test("leaves the overnight return out by default", () => {
    const engine = featureEngine(1, false);
    engineRows(engine, 0, days);
    expect(engine.barLogReturn(0, 0)).toBe(0);
    expect(engine.lastRow[FEATURE_VOLUME_IMBALANCE]).toBe(0);
  });

  test("takes the overnight return in where the configuration says so", () => {
    const engine = featureEngine(1, true);
    engineRows(engine, 0, days);
    expect(engine.lastRow[FEATURE_LOG_RETURN_1]).toBeCloseTo(Math.log(1.2), 15);
    expect(engine.lastRow[FEATURE_LOG_RETURN_5]).toBeCloseTo(Math.log(1.2), 15);
  });

  test("starts the VWAP afresh and carries the averages on", () => {
    const engine = featureEngine();
    engineRows(engine, 0, days);
    expect(engine.vwapPx(0)).toBe(120);
    // The gap is a true range: the Wilder average of 13 zeros' worth of memory and one 20.
    expect(engine.atrPx(0)).toBeCloseTo(20 / 14, 12);
  });
});

describe("a turnover that does not fit the bar", () => {
  test.each([0, -5, Number.NaN, Number.POSITIVE_INFINITY, 1e-9, 1e15])(
    "(%p) counts as typical price x volume",
    (turnoverUsd) => {
      const engine = featureEngine();
      closeBar(engine, 0, { ...flatBar(100, 0), highPx: 103, lowPx: 97, closePx: 103, turnoverUsd });
      expect(engine.vwapPx(0)).toBe(101);
    },
  );
});

describe("a bar that cannot be", () => {
  const good: FeatureBar = { ...flatBar(100, 5), highPx: 101, lowPx: 99 };
  const cases: [string, Partial<FeatureBar>, number][] = [
    ["has a NaN price", { closePx: Number.NaN }, BAR_BAD_VALUE],
    ["has an infinite high", { highPx: Number.POSITIVE_INFINITY }, BAR_BAD_VALUE],
    ["has a price of 0", { lowPx: 0 }, BAR_BAD_VALUE],
    ["has a negative price", { lowPx: -1 }, BAR_BAD_VALUE],
    ["has an absurd price", { highPx: 2e7 }, BAR_BAD_VALUE],
    ["closes above its high", { closePx: 102 }, BAR_BAD_VALUE],
    ["opens below its low", { openPx: 98 }, BAR_BAD_VALUE],
    ["has a negative volume", { volume: -1 }, BAR_BAD_VALUE],
    ["has a NaN volume", { volume: Number.NaN }, BAR_BAD_VALUE],
    ["starts with the bar before it", { startUs: flatBar(100, 4).startUs }, BAR_OUT_OF_ORDER],
    ["starts before the bar before it", { startUs: flatBar(100, 3).startUs }, BAR_OUT_OF_ORDER],
    ["has no time", { startUs: Number.NaN }, BAR_OUT_OF_ORDER],
    ["is of an earlier day", { dayNumber: -1 }, BAR_OUT_OF_ORDER],
  ];
  test.each(cases)(
    "because it %s is refused and counted, and the next one is as if it had not been",
    (_, wrong, code) => {
      const engine = featureEngine();
      engineRows(
        engine,
        0,
        bars(0, 5, () => 100),
      );
      expect(closeBar(engine, 0, { ...good, ...wrong })).toBe(code);
      expect([engine.badBars, engine.outOfOrderBars]).toEqual(code === BAR_BAD_VALUE ? [1, 0] : [0, 1]);
      expect(closeBar(engine, 0, good)).toBe(BAR_OK);

      const clean = featureEngine();
      engineRows(clean, 0, [...bars(0, 5, () => 100), good]);
      expect(windowOf(engine, 0)).toEqual(windowOf(clean, 0));
    },
  );
});

describe("what the strategy reads", () => {
  test("is neutral before the first bar", () => {
    const engine = featureEngine();
    expect([engine.barCount(0), engine.closePx(0), engine.atrPx(0), engine.vwapPx(0), engine.volPerBar(0)]).toEqual([
      0, 0, 0, 0, 0,
    ]);
    expect(engine.oldestBarStartUs(0)).toBe(0);
    expect(engine.barLogReturn(0, 3)).toBe(0);
    expect(engine.isReady(0)).toBe(false);
  });

  test("is ready with the 83rd bar", () => {
    const engine = featureEngine();
    engineRows(
      engine,
      0,
      bars(0, READY_BARS - 1, () => 100),
    );
    expect(engine.isReady(0)).toBe(false);
    closeBar(engine, 0, flatBar(100, READY_BARS - 1));
    expect(engine.isReady(0)).toBe(true);
  });

  test("knows the start of the window's oldest bar, gaps included", () => {
    const engine = featureEngine();
    engineRows(
      engine,
      0,
      bars(0, 20, () => 100),
    );
    expect(engine.oldestBarStartUs(0)).toBe(flatBar(1, 0).startUs);
    engineRows(
      engine,
      0,
      bars(60, 180, () => 100),
    );
    expect(engine.oldestBarStartUs(0)).toBe(flatBar(1, 130).startUs);
    expect(engine.lastBarStartUs(0)).toBe(flatBar(1, 179).startUs);
  });

  test("gives the returns of past bars by age", () => {
    const engine = featureEngine();
    engineRows(
      engine,
      0,
      bars(0, 70, (minute) => 100 + minute),
    );
    expect(engine.barLogReturn(0, 0)).toBe(Math.log(169 / 168));
    expect(engine.barLogReturn(0, 31)).toBe(Math.log(138 / 137));
    expect(() => engine.barLogReturn(0, 32)).toThrow(InvariantError);
  });

  test("locates the close in the range from -1 to 1", () => {
    const engine = featureEngine();
    closeBar(engine, 0, { ...flatBar(100, 0), highPx: 102, lowPx: 98, closePx: 99 });
    expect(engine.lastRow[FEATURE_CLOSE_LOCATION]).toBe(-0.5);
  });

  test("is refused for an instrument that does not exist", () => {
    const engine = featureEngine(2);
    expect(() => engine.windowOffset(2)).toThrow(InvariantError);
    expect(() => closeBar(engine, -1, flatBar(1, 0))).toThrow(InvariantError);
  });
});

test("all columns come from the arena", () => {
  const arena = new Arena();
  const engine = new FeatureEngine(arena, 4);
  expect(arena.table().map((entry) => entry.name)).toEqual([
    "features.windows",
    "features.lastRow",
    "features.state",
    "features.startUs",
    "features.revision",
    "features.formingRows",
    "features.saved",
    "features.previewRow",
  ]);
  expect(engine.windows).toHaveLength(4 * 2 * 600);
});
