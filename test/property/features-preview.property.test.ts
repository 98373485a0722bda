// The forming bar: its row may be asked for at every tick, and the bar that closes must not know.

import { expect, test } from "bun:test";
import fc from "fast-check";
import { BAR_BAD_VALUE, BAR_OK, BAR_OUT_OF_ORDER, type FeatureEngine } from "../../src/features/feature-engine.ts";
import type { FeatureBar } from "../../src/features/reference.ts";
import { FEATURE_COUNT } from "../../src/inference/engine.ts";
import { arbitraryBars, closeBar, engineRows, featureEngine, flatBar, windowOf } from "../support/feature-bars.ts";

function preview(engine: FeatureEngine, slot: number, bar: FeatureBar): number {
  const { openPx, highPx, lowPx, closePx, volume, turnoverUsd, dayNumber } = bar;
  return engine.previewBar(slot, openPx, highPx, lowPx, closePx, volume, turnoverUsd, dayNumber);
}

/** All that can be read of a stock. */
function stateOf(engine: FeatureEngine, slot: number): unknown[] {
  const row = slot * FEATURE_COUNT;
  return [
    ...windowOf(engine, slot),
    ...engine.lastRow.slice(row, row + FEATURE_COUNT),
    ...[0, 1, 19, 31].map((ago) => engine.barLogReturn(slot, ago)),
    engine.barCount(slot),
    engine.revision(slot),
    engine.closePx(slot),
    engine.atrPx(slot),
    engine.vwapPx(slot),
    engine.volPerBar(slot),
    engine.lastBarStartUs(slot),
    engine.oldestBarStartUs(slot),
    engine.badBars,
    engine.outOfOrderBars,
  ];
}

test("a preview is the row that the bar adds when it closes", () => {
  fc.assert(
    fc.property(arbitraryBars(1, 90), (bars) => {
      const engine = featureEngine(2);
      for (const bar of bars) {
        expect(preview(engine, 1, bar)).toBe(BAR_OK);
        const previewed = [...engine.formingRows.slice(FEATURE_COUNT, 2 * FEATURE_COUNT)];
        expect(closeBar(engine, 1, bar)).toBe(BAR_OK);
        expect(previewed).toEqual(windowOf(engine, 1).slice(-FEATURE_COUNT));
      }
    }),
    { numRuns: 150 },
  );
});

test("bars that were previewed at every tick leave the same state as bars that were not", () => {
  fc.assert(
    fc.property(arbitraryBars(1, 70), fc.array(fc.nat(69), { minLength: 1, maxLength: 4 }), (bars, others) => {
      const [asked, quiet] = [featureEngine(), featureEngine()];
      for (const bar of bars) {
        for (const other of others) {
          // Ticks of this bar: prices and volumes of any bar, on this bar's day.
          const tick = { ...bars[other % bars.length]!, dayNumber: bar.dayNumber };
          const before = stateOf(asked, 0);
          expect(preview(asked, 0, tick)).toBe(BAR_OK);
          expect(stateOf(asked, 0)).toEqual(before);
        }
        closeBar(asked, 0, bar);
        closeBar(quiet, 0, bar);
        expect(stateOf(asked, 0)).toEqual(stateOf(quiet, 0));
      }
    }),
    { numRuns: 100 },
  );
});

test("a preview that cannot be a bar is refused, and counts as none", () => {
  const engine = featureEngine();
  engineRows(engine, 0, [flatBar(100, 0, 100, 5)]);
  expect(preview(engine, 0, flatBar(101, 1, 100, 5))).toBe(BAR_OK);
  const row = engine.formingRows.slice();
  const before = stateOf(engine, 0);
  expect(preview(engine, 0, { ...flatBar(100, 1, 100, 5), lowPx: 101 })).toBe(BAR_BAD_VALUE);
  expect(preview(engine, 0, { ...flatBar(100, 1, 100, 5), closePx: Number.NaN })).toBe(BAR_BAD_VALUE);
  expect(preview(engine, 0, flatBar(100, 1, -1, 5))).toBe(BAR_BAD_VALUE);
  expect(preview(engine, 0, flatBar(100, 1, 100, 4))).toBe(BAR_OUT_OF_ORDER);
  expect(stateOf(engine, 0)).toEqual(before);
  expect(engine.formingRows).toEqual(row);
});

test("no two windows of a stock have the same revision, and bars count by one", () => {
  const engine = featureEngine(2);
  const seen = [engine.revision(0)];
  for (let bar = 0; bar < 6; bar++) {
    if (bar === 3) {
      engine.reset(0);
      seen.push(engine.revision(0));
    }
    closeBar(engine, 0, flatBar(100, bar));
    seen.push(engine.revision(0));
  }
  expect(seen.map((revision) => revision - seen[0]!)).toEqual([0, 1, 2, 3, 5, 6, 7, 8]);
  expect(closeBar(engine, 0, flatBar(100, 2))).toBe(BAR_OUT_OF_ORDER);
  expect(engine.revision(0)).toBe(seen.at(-1)!);
});
