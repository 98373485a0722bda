import { expect, test } from "bun:test";
import {
  BAR_CLOSED,
  BAR_NONE,
  BAR_START_NONE,
  BarBuilder,
  type BarBuilderOptions,
} from "../../../src/bars/bar-builder.ts";
import { Arena } from "../../../src/core/arena.ts";
import { closedBar } from "../../support/bars-model.ts";

const SECOND_US = 1_000_000;
const MINUTE_US = 60 * SECOND_US;
/** 2019-12-18 10:00 in New York. */
const TEN_US = 1_576_681_200_000_000;

function newBuilder(options: Partial<BarBuilderOptions> = {}): BarBuilder {
  return new BarBuilder(new Arena(), { intervalUs: MINUTE_US, closeGraceUs: SECOND_US, ...options });
}

test("a trade of a later minute closes the bar and starts the next with itself", () => {
  const bars = newBuilder();
  expect(bars.applyTrade(4, 10, 100, TEN_US)).toBe(BAR_NONE);
  expect(bars.applyTrade(4, 12, 50, TEN_US + 1)).toBe(BAR_NONE);
  expect(bars.applyTrade(4, 9, 10, TEN_US + 2)).toBe(BAR_NONE);
  expect(bars.applyTrade(4, 11, 40, TEN_US + MINUTE_US - 1)).toBe(BAR_NONE);
  expect(bars.applyTrade(4, 20, 7, TEN_US + MINUTE_US)).toBe(BAR_CLOSED);
  const prices = { open: 10, high: 12, low: 9, close: 11 };
  expect(closedBar(bars, 4)).toEqual({
    slot: 4,
    startUs: TEN_US,
    ...prices,
    volume: 200,
    turnoverUsd: 2130,
    tradeCount: 4,
  });
  expect(bars.formingStartUs[4]).toBe(TEN_US + MINUTE_US);
  expect([bars.formingOpenPx[4], bars.formingVolume[4], bars.formingTradeCount[4]]).toEqual([20, 7, 1]);
  expect(bars.counters.bars).toBe(1);
});

test("a minute without a trade makes no bar", () => {
  const bars = newBuilder();
  bars.applyTrade(0, 10, 1, TEN_US);
  expect(bars.applyTrade(0, 11, 1, TEN_US + 5 * MINUTE_US)).toBe(BAR_CLOSED);
  expect(bars.closedStartUs[0]).toBe(TEN_US);
  expect(bars.counters.bars).toBe(1);
});

test("ignores and counts a trade of a closed minute, whether a trade or the clock closed it", () => {
  const bars = newBuilder();
  bars.applyTrade(0, 10, 1, TEN_US);
  bars.applyTrade(0, 11, 1, TEN_US + MINUTE_US);
  expect(bars.applyTrade(0, 99, 1, TEN_US + 5)).toBe(BAR_NONE);
  expect(bars.closeDue(TEN_US + 2 * MINUTE_US + SECOND_US)).toBe(1);
  expect(bars.applyTrade(0, 99, 1, TEN_US + MINUTE_US + 5)).toBe(BAR_NONE);
  expect(bars.counters.lateTrades).toBe(2);
  expect(bars.closedHighPx[0]).toBe(11);
  expect(bars.formingStartUs[0]).toBe(BAR_START_NONE);
});

test("an out-of-order trade within the forming bar moves open, high and low but not the close", () => {
  const bars = newBuilder();
  bars.applyTrade(0, 10, 1, TEN_US + 100);
  bars.applyTrade(0, 12, 1, TEN_US + 200);
  bars.applyTrade(0, 8, 1, TEN_US + 50);
  bars.applyTrade(0, 15, 1, TEN_US + 150);
  bars.closeDue(TEN_US + 2 * MINUTE_US);
  expect(closedBar(bars, 0)).toMatchObject({ open: 8, high: 15, low: 8, close: 12 });
});

test("trades of one microsecond keep their order of arrival", () => {
  const bars = newBuilder();
  for (const px of [10, 11, 12]) bars.applyTrade(0, px, 1, TEN_US);
  bars.closeDue(TEN_US + 2 * MINUTE_US);
  expect(closedBar(bars, 0)).toMatchObject({ open: 10, close: 12 });
});

test("the clock closes bars at the end of the minute plus the grace, not a microsecond before, in slot order", () => {
  const bars = newBuilder();
  for (const slot of [9, 2, 255]) bars.applyTrade(slot, 10, 1, TEN_US + slot);
  bars.applyTrade(3, 10, 1, TEN_US + MINUTE_US);
  const dueUs = TEN_US + MINUTE_US + SECOND_US;
  expect(bars.nextDueUs).toBe(dueUs);
  expect(bars.closeDue(dueUs - 1)).toBe(0);
  expect(bars.closeDue(dueUs)).toBe(3);
  expect([...bars.closedSlots.slice(0, 3)]).toEqual([2, 9, 255]);
  expect(bars.nextDueUs).toBe(dueUs + MINUTE_US);
  expect(bars.closeDue(dueUs)).toBe(0);
  expect(bars.closeDue(dueUs + MINUTE_US)).toBe(1);
  expect(bars.closedSlots[0]).toBe(3);
  expect(bars.nextDueUs).toBe(Number.POSITIVE_INFINITY);
});

for (const intervalSec of [1, 5, 10, 60, 300]) {
  test(`bars of ${intervalSec} s start at multiples of their length and hold their first and last microsecond`, () => {
    const intervalUs = intervalSec * SECOND_US;
    const bars = newBuilder({ intervalUs });
    expect(TEN_US % intervalUs).toBe(0);
    expect(bars.startOf(TEN_US)).toBe(TEN_US);
    expect(bars.startOf(TEN_US + intervalUs - 1)).toBe(TEN_US);
    expect(bars.startOf(TEN_US - 1)).toBe(TEN_US - intervalUs);
    bars.applyTrade(0, 1, 1, TEN_US + intervalUs - 1);
    expect(bars.applyTrade(0, 1, 1, TEN_US)).toBe(BAR_NONE);
    expect(bars.applyTrade(0, 1, 1, TEN_US + intervalUs)).toBe(BAR_CLOSED);
    expect(bars.closedTradeCount[0]).toBe(2);
  });
}

test("knows when each instrument last had an event, never going back", () => {
  const bars = newBuilder();
  bars.applyTrade(0, 10, 1, TEN_US + 10);
  bars.touch(0, TEN_US + 30);
  bars.applyTrade(0, 10, 1, TEN_US + 20);
  expect(bars.tsLastEventUs[0]).toBe(TEN_US + 30);
  expect(bars.tsLastEventUs[1]).toBe(0);
});

test("an instrument slot out of range is a bug, said so", () => {
  const bars = newBuilder();
  for (const slot of [-1, 256, 1.5, Number.NaN]) {
    expect(() => bars.applyTrade(slot, 10, 1, TEN_US)).toThrow("Invariant: instrument slot");
    expect(() => bars.applyAggregate(slot, TEN_US, 1, 1, 1, 1, 1, 1)).toThrow("Invariant: instrument slot");
  }
});

test("refuses an interval that the venue's aggregates cannot make up", () => {
  const aggregates = { source: "aggregates" } as const;
  expect(() => newBuilder({ ...aggregates, intervalUs: 30 * SECOND_US })).toThrow("cannot be made of aggregates");
  expect(() => newBuilder({ ...aggregates, intervalUs: 30 * SECOND_US, aggregateUs: SECOND_US })).not.toThrow();
});

test("without trades a minute aggregate is a closed bar at once; a second one of the same minute is ignored", () => {
  const bars = newBuilder({ source: "aggregates" });
  expect(bars.applyAggregate(1, TEN_US, 10, 12, 9, 11, 200, 10.5)).toBe(BAR_CLOSED);
  const bar = {
    slot: 1,
    startUs: TEN_US,
    open: 10,
    high: 12,
    low: 9,
    close: 11,
    volume: 200,
    turnoverUsd: 2100,
    tradeCount: 1,
  };
  expect(closedBar(bars, 1)).toEqual(bar);
  expect(bars.applyAggregate(1, TEN_US, 1, 1, 1, 1, 1, 1)).toBe(BAR_NONE);
  expect(bars.applyAggregate(1, TEN_US - MINUTE_US, 1, 1, 1, 1, 1, 1)).toBe(BAR_NONE);
  expect(closedBar(bars, 1)).toEqual(bar);
  expect(bars.counters).toMatchObject({ bars: 1, duplicateBars: 2 });
  expect(bars.tsLastEventUs[1]).toBe(TEN_US + MINUTE_US);
});

test("without trades several aggregates make a longer bar, which its last one closes", () => {
  const bars = newBuilder({ source: "aggregates", intervalUs: 3 * MINUTE_US });
  expect(bars.applyAggregate(0, TEN_US, 10, 12, 9, 11, 100, 10)).toBe(BAR_NONE);
  expect(bars.applyAggregate(0, TEN_US + 2 * MINUTE_US, 11, 15, 11, 14, 100, 12)).toBe(BAR_CLOSED);
  expect(closedBar(bars, 0)).toMatchObject({
    open: 10,
    high: 15,
    low: 9,
    close: 14,
    volume: 200,
    turnoverUsd: 2200,
    tradeCount: 2,
  });
});

test("without trades a longer bar that lost its last part is closed by the next bar or by the clock, and none is passed over", () => {
  const bars = newBuilder({ source: "aggregates", intervalUs: 2 * MINUTE_US });
  bars.applyAggregate(0, TEN_US, 10, 10, 10, 10, 1, 10);
  // The second half of the next bar: completes it, and closes the one before.
  expect(bars.applyAggregate(0, TEN_US + 3 * MINUTE_US, 20, 20, 20, 20, 1, 20)).toBe(BAR_CLOSED);
  expect(bars.closedClosePx[0]).toBe(10);
  expect(bars.closeDue(TEN_US + 4 * MINUTE_US + SECOND_US)).toBe(1);
  expect(bars.closedClosePx[0]).toBe(20);
  expect(bars.applyAggregate(0, TEN_US + 2 * MINUTE_US, 1, 1, 1, 1, 1, 1)).toBe(BAR_NONE);
  expect(bars.counters.duplicateBars).toBe(1);
});

test("with trades the venue's aggregates only check ours, whether they come before or after ours closes", () => {
  const bars = newBuilder();
  bars.applyTrade(0, 10, 100, TEN_US);
  bars.applyTrade(0, 11, 100, TEN_US + 5);
  expect(bars.applyAggregate(0, TEN_US, 10, 11, 10, 11, 200, 10.5)).toBe(BAR_NONE);
  expect(bars.counters).toMatchObject({ barMatches: 0, barMismatches: 0 });
  bars.closeDue(TEN_US + 2 * MINUTE_US);
  expect(bars.counters).toMatchObject({ barMatches: 1, barMismatches: 0 });

  bars.applyTrade(1, 10, 100, TEN_US);
  bars.closeDue(TEN_US + 2 * MINUTE_US);
  bars.applyAggregate(1, TEN_US, 10, 10, 10, 10, 101, 10);
  expect(bars.counters).toMatchObject({ barMatches: 1, barMismatches: 1, barsMissed: 0, bars: 2 });
  expect(bars.closedVolume[1]).toBe(100);
});

const DIFFERENCES: [string, [number, number, number, number, number]][] = [
  ["open", [10.01, 12, 9, 11, 200]],
  ["high", [10, 12.01, 9, 11, 200]],
  ["low", [10, 12, 8.99, 11, 200]],
  ["close", [10, 12, 9, 11.01, 200]],
  ["volume", [10, 12, 9, 11, 201]],
];
for (const [what, [open, high, low, close, volume]] of DIFFERENCES) {
  test(`counts a bar that differs from the venue's in its ${what}`, () => {
    const bars = newBuilder();
    for (const [i, px] of [10, 12, 9, 11].entries()) bars.applyTrade(0, px, 50, TEN_US + i);
    bars.closeDue(TEN_US + 2 * MINUTE_US);
    bars.applyAggregate(0, TEN_US, open, high, low, close, volume, 10.5);
    expect(bars.counters).toMatchObject({ barMatches: 0, barMismatches: 1 });
  });
}

test("counts the venue's bar of a minute in which we saw no trade as missed", () => {
  const bars = newBuilder();
  bars.applyTrade(0, 10, 1, TEN_US);
  bars.applyAggregate(0, TEN_US + MINUTE_US, 10, 10, 10, 10, 1, 10);
  expect(bars.counters).toMatchObject({ barsMissed: 1, barMatches: 0, barMismatches: 0 });
});
