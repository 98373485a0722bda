// Laws of the trades inside one minute bar, for any bar, any seed and any calibration.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Prng } from "../../src/core/prng.ts";
import type { DayBars } from "../../src/market/flat-file.ts";
import { calibrateIntrabar, distanceClass, IntrabarPath, minuteSeed } from "../../src/sim/market/intrabar.ts";
import { DAY, handDay, MINUTE_US } from "../support/sim-market.ts";

interface Drawn {
  readonly offsets: readonly number[];
  readonly prices: readonly number[];
  readonly qtys: readonly number[];
}

/** One bar, prices in ticks. */
interface Bar {
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly volume: number;
}

interface Setup {
  readonly one: Bar;
  readonly tradesPerMinuteMax: number;
}

const bar: fc.Arbitrary<Bar> = fc
  .record({
    low: fc.integer({ min: 1, max: 500_000 }),
    range: fc.oneof(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 20_000 })),
    openAt: fc.double({ min: 0, max: 1, noNaN: true }),
    closeAt: fc.double({ min: 0, max: 1, noNaN: true }),
    volume: fc.oneof(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 1, max: 100_000_000 })),
    step: fc.constantFrom(1, 100),
  })
  .map(({ low, range, openAt, closeAt, volume, step }) => ({
    low: low * step,
    high: (low + range) * step,
    open: (low + Math.round(range * openAt)) * step,
    close: (low + Math.round(range * closeAt)) * step,
    volume,
  }));

function dayOf(one: Bar): DayBars {
  const usd = (ticks: number): number => ticks / 10_000;
  return handDay(DAY, { A: [[0, usd(one.open), usd(one.high), usd(one.low), usd(one.close), one.volume]] });
}

function draw(day: DayBars, tradesPerMinuteMax: number, restProb: number, isBusy: boolean, seed: number): Drawn {
  const calibration = calibrateIntrabar(day, tradesPerMinuteMax);
  calibration.extremeRestProb.fill(restProb);
  calibration.betweenRestProb.fill(restProb);
  const path = new IntrabarPath(tradesPerMinuteMax);
  const count = path.draw(day, 0, 0, calibration, isBusy, new Prng(seed));
  return {
    offsets: [...path.offsetUs.slice(0, count)],
    prices: [...path.pxTicks.slice(0, count)],
    qtys: [...path.qty.slice(0, count)],
  };
}

const anyDraw = fc.record({
  one: bar,
  tradesPerMinuteMax: fc.integer({ min: 2, max: 60 }),
  restProb: fc.constantFrom(0, 0.5, 1),
  isBusy: fc.boolean(),
  seed: fc.integer({ min: 0, max: 0xffffffff }),
});

function check(law: (drawn: Drawn, setup: Setup) => void): void {
  fc.assert(
    fc.property(anyDraw, ({ one, tradesPerMinuteMax, restProb, isBusy, seed }) => {
      law(draw(dayOf(one), tradesPerMinuteMax, restProb, isBusy, seed), { one, tradesPerMinuteMax });
    }),
    { numRuns: 2_000 },
  );
}

describe("trades inside a minute", () => {
  test("volumes are whole shares and add up to the bar's; no volume, no trade", () => {
    check(({ qtys }, { one }) => {
      expect(qtys.every((qty) => Number.isInteger(qty) && qty >= 1)).toBe(true);
      expect(qtys.reduce((sum, qty) => sum + qty, 0)).toBe(one.volume);
    });
  });

  test("there are never more than allowed, and at least two where two shares traded", () => {
    check(({ prices }, { one, tradesPerMinuteMax }) => {
      expect(prices.length).toBeLessThanOrEqual(tradesPerMinuteMax);
      expect(prices.length).toBeGreaterThanOrEqual(Math.min(2, one.volume));
    });
  });

  test("times are whole microseconds inside the minute and increase", () => {
    check(({ offsets }) => {
      offsets.forEach((offset, i) => {
        expect(Number.isInteger(offset) && offset > (offsets[i - 1] ?? 0) && offset < MINUTE_US).toBe(true);
      });
    });
  });

  test("prices stay within low and high, begin at the open and end at the close", () => {
    check(({ prices }, { one }) => {
      expect(prices.every((px) => px >= one.low && px <= one.high)).toBe(true);
      if (one.volume >= 2) expect(prices[0]).toBe(one.open);
      if (one.volume >= 1) expect(prices.at(-1)).toBe(one.close);
    });
  });

  test("high and low are touched where four trades fit", () => {
    check(({ prices }, { one, tradesPerMinuteMax }) => {
      if (Math.min(one.volume, tradesPerMinuteMax) < 4) return;
      expect(Math.max(...prices)).toBe(one.high);
      expect(Math.min(...prices)).toBe(one.low);
    });
  });

  test("before the close level is reached the price rests at one further level at most", () => {
    check(({ prices, offsets }, { one }) => {
      const touch = (i: number): boolean => (offsets[i + 1] ?? Number.POSITIVE_INFINITY) - offsets[i]! <= 3_100;
      const rests = new Set(prices.filter((px, i) => px !== one.open && px !== one.close && !touch(i)));
      expect(rests.size).toBeLessThanOrEqual(1);
    });
  });
});

test("the same minute of the same symbol under the same seed is drawn the same; any other seed differs", () => {
  const day = dayOf({ open: 1_000_000, high: 1_010_000, low: 990_000, close: 1_005_000, volume: 50_000 });
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffffffff }), (seed) => {
      const first = draw(day, 6, 0.5, true, seed);
      expect(draw(day, 6, 0.5, true, seed)).toEqual(first);
      expect(draw(day, 6, 0.5, true, (seed + 1) >>> 0)).not.toEqual(first);
    }),
    { numRuns: 200 },
  );
});

test("seeds of neighbouring minutes, symbols and runs do not coincide", () => {
  const seeds = new Set<number>();
  for (let run = 0; run < 10; run++) {
    for (let symbol = 0; symbol < 20; symbol++) {
      for (let minute = 0; minute < 100; minute++) seeds.add(minuteSeed(run, symbol * 7_919, minute * MINUTE_US));
    }
  }
  // 20,000 draws of 32 bits: 0.05 coincidences are expected.
  expect(seeds.size).toBeGreaterThanOrEqual(19_998);
});

test("distance classes hold 1, 2, 3, 4, 5-8, 9-16 increments and so on", () => {
  const classes = [1, 2, 3, 4, 5, 8, 9, 16, 17, 1e9].map(distanceClass);
  expect(classes).toEqual([0, 1, 2, 3, 4, 4, 5, 5, 6, 15]);
});
