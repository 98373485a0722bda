// Bars for the tests of the features: random sequences with what real days hold, and the way they go into the engine.

import fc from "fast-check";
import { Arena } from "../../src/core/arena.ts";
import { BAR_OK, FeatureEngine } from "../../src/features/feature-engine.ts";
import type { FeatureBar } from "../../src/features/reference.ts";
import { FEATURE_COUNT, WINDOW_ELEMS } from "../../src/inference/engine.ts";

const MINUTE_US = 60_000_000;
const DAY_US = 1440 * MINUTE_US;
const FIRST_START_US = Date.UTC(2019, 11, 17, 14, 30) * 1000;

export function featureEngine(capacity = 1, includeOvernightReturn = false): FeatureEngine {
  return new FeatureEngine(new Arena(), capacity, { includeOvernightReturn });
}

export function closeBar(engine: FeatureEngine, slot: number, bar: FeatureBar): number {
  return engine.closeBar(
    slot,
    bar.openPx,
    bar.highPx,
    bar.lowPx,
    bar.closePx,
    bar.volume,
    bar.turnoverUsd,
    bar.startUs,
    bar.dayNumber,
  );
}

/** Feeds all bars, each of which must be taken, and returns the row after each. */
export function engineRows(engine: FeatureEngine, slot: number, bars: readonly FeatureBar[]): number[][] {
  return bars.map((bar) => {
    if (closeBar(engine, slot, bar) !== BAR_OK) throw new Error(`bar refused: ${JSON.stringify(bar)}`);
    return [...engine.lastRow.slice(slot * FEATURE_COUNT, (slot + 1) * FEATURE_COUNT)];
  });
}

/** The newest 50 rows as the engines see them. */
export function windowOf(engine: FeatureEngine, slot: number): number[] {
  const offset = engine.windowOffset(slot);
  return [...engine.windows.slice(offset, offset + WINDOW_ELEMS)];
}

/** A bar at `pxUsd` where nothing moved. */
export function flatBar(pxUsd: number, minute: number, volume = 100, dayNumber = 0): FeatureBar {
  return {
    openPx: pxUsd,
    highPx: pxUsd,
    lowPx: pxUsd,
    closePx: pxUsd,
    volume,
    turnoverUsd: pxUsd * volume,
    startUs: FIRST_START_US + dayNumber * DAY_US + minute * MINUTE_US,
    dayNumber,
  };
}

const step = fc.record({
  /** Ticks of 0.0001 USD; often none, sometimes a jump. */
  openTicks: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.integer({ min: -20_000, max: 20_000 })),
  closeTicks: fc.oneof(
    { weight: 2, arbitrary: fc.constant(0) },
    { weight: 5, arbitrary: fc.integer({ min: -3_000, max: 3_000 }) },
  ),
  aboveTicks: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2_000 })),
  belowTicks: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2_000 })),
  volume: fc.oneof(
    { weight: 1, arbitrary: fc.constant(0) },
    { weight: 5, arbitrary: fc.integer({ min: 1, max: 1_000_000 }) },
    { weight: 1, arbitrary: fc.constant(500) },
  ),
  isTurnoverKnown: fc.boolean(),
  missingMinutes: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 90 })),
  daysLater: fc.oneof({ weight: 30, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 4 })),
});

/** Random bars: flat stretches, jumps, missing minutes, nights and week-ends, zero volume, unknown turnover. */
export function arbitraryBars(minLength: number, maxLength: number): fc.Arbitrary<FeatureBar[]> {
  return fc
    .record({
      firstTicks: fc.integer({ min: 50_000, max: 5_000_000 }),
      steps: fc.array(step, { minLength, maxLength, size: "max" }),
    })
    .map(({ firstTicks, steps }) => {
      let ticks = firstTicks;
      let startUs = FIRST_START_US;
      let dayNumber = 0;
      return steps.map((s) => {
        startUs += (1 + s.missingMinutes) * MINUTE_US + s.daysLater * DAY_US;
        dayNumber += s.daysLater;
        const open = Math.max(ticks + s.openTicks, 10_000);
        const close = Math.max(open + s.closeTicks, 10_000);
        ticks = close;
        const [openPx, closePx] = [open / 10_000, close / 10_000];
        const highPx = (Math.max(open, close) + s.aboveTicks) / 10_000;
        const lowPx = Math.max(Math.min(open, close) - s.belowTicks, 1) / 10_000;
        const typicalPx = (highPx + lowPx + closePx) / 3;
        return {
          openPx,
          highPx,
          lowPx,
          closePx,
          volume: s.volume,
          turnoverUsd: (s.isTurnoverKnown ? (openPx + closePx) / 2 : typicalPx) * s.volume,
          startUs,
          dayNumber,
        };
      });
    });
}
