import { expect, test } from "bun:test";
import fc from "fast-check";
import { BAR_CLOSED, BarBuilder } from "../../src/bars/bar-builder.ts";
import { Arena } from "../../src/core/arena.ts";
import { type Bar, closedBar, foldTrades, NaiveBars, type Trade } from "../support/bars-model.ts";

const START_US = 1_576_681_200_000_000;
const SECOND_US = 1_000_000;
const intervalUs = fc.constantFrom(1, 5, 60, 300).map((sec) => sec * SECOND_US);
const graceUs = fc.constantFrom(0, 1, SECOND_US, 10 * SECOND_US);

/** Prices in cents and whole shares, so that sums are exact in any order. */
const trade = (spanUs: number): fc.Arbitrary<Trade> =>
  fc.record({
    slot: fc.constantFrom(0, 1, 7, 255),
    px: fc.integer({ min: 1, max: 50_000 }).map((quarters) => quarters / 4),
    qty: fc.integer({ min: 1, max: 10_000 }),
    tsUs: fc.integer({ min: 0, max: spanUs }).map((us) => START_US + us),
  });

function newBuilder(interval: number, grace: number): BarBuilder {
  return new BarBuilder(new Arena(), { intervalUs: interval, closeGraceUs: grace });
}

function applyTrade(builder: BarBuilder, t: Trade, bars: Bar[]): void {
  if (builder.applyTrade(t.slot, t.px, t.qty, t.tsUs) === BAR_CLOSED) bars.push(closedBar(builder, t.slot));
}

function closeDue(builder: BarBuilder, nowUs: number, bars: Bar[]): void {
  const count = builder.closeDue(nowUs);
  for (let i = 0; i < count; i++) bars.push(closedBar(builder, builder.closedSlots[i]!));
}

test("bars equal those of the naive model, with late and out-of-order trades and a clock that runs beside them", () => {
  const step = (interval: number) =>
    fc.oneof(
      { weight: 5, arbitrary: trade(6 * interval) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 7 * interval }).map((us) => START_US + us) },
    );
  const scenario = fc
    .tuple(intervalUs, graceUs)
    .chain(([interval, grace]) =>
      fc.tuple(fc.constant(interval), fc.constant(grace), fc.array(step(interval), { maxLength: 80 })),
    );
  fc.assert(
    fc.property(scenario, ([interval, grace, steps]) => {
      const builder = newBuilder(interval, grace);
      const naive = new NaiveBars(interval, grace);
      const bars: Bar[] = [];
      for (const item of [...steps, START_US + 20 * interval + grace]) {
        if (typeof item === "number") {
          closeDue(builder, item, bars);
          naive.time(item);
        } else {
          applyTrade(builder, item, bars);
          naive.trade(item);
        }
      }
      expect(bars).toEqual(naive.bars);
      expect(builder.counters).toMatchObject({ bars: bars.length, lateTrades: naive.lateTrades });
      expect(builder.nextDueUs).toBe(Number.POSITIVE_INFINITY);
    }),
    { numRuns: 500 },
  );
});

test("a bar's prices lie within low..high, and all volume and turnover that was not late is in some bar", () => {
  fc.assert(
    fc.property(fc.array(trade(5 * 60 * SECOND_US), { minLength: 1, maxLength: 100 }), (trades) => {
      const builder = newBuilder(60 * SECOND_US, 0);
      const bars: Bar[] = [];
      for (const t of trades) applyTrade(builder, t, bars);
      closeDue(builder, START_US + 3600 * SECOND_US, bars);
      for (const bar of bars) {
        expect(bar.low).toBeLessThanOrEqual(Math.min(bar.open, bar.close));
        expect(bar.high).toBeGreaterThanOrEqual(Math.max(bar.open, bar.close));
        expect(bar.turnoverUsd).toBeGreaterThanOrEqual(bar.low * bar.volume);
        expect(bar.turnoverUsd).toBeLessThanOrEqual(bar.high * bar.volume);
        expect(bar.startUs % (60 * SECOND_US)).toBe(0);
      }
      const inBars = bars.reduce((sum, bar) => sum + bar.tradeCount, 0);
      expect(inBars + builder.counters.lateTrades).toBe(trades.length);
    }),
  );
});

const streamInOrder = fc
  .array(trade(8 * 60 * SECOND_US), { minLength: 1, maxLength: 100 })
  .map((trades) => trades.toSorted((a, b) => a.tsUs - b.tsUs));

test("bars of a stream handed over in pieces, the clock told between them, equal bars of the whole", () => {
  fc.assert(
    fc.property(streamInOrder, fc.infiniteStream(fc.boolean()), (trades, cuts) => {
      const [whole, split] = [newBuilder(60 * SECOND_US, SECOND_US), newBuilder(60 * SECOND_US, SECOND_US)];
      const [wholeBars, splitBars]: [Bar[], Bar[]] = [[], []];
      for (const t of trades) {
        applyTrade(whole, t, wholeBars);
        if (cuts.next().value) closeDue(split, t.tsUs, splitBars);
        applyTrade(split, t, splitBars);
      }
      closeDue(whole, START_US + 3600 * SECOND_US, wholeBars);
      closeDue(split, START_US + 3600 * SECOND_US, splitBars);
      const order = (bars: Bar[]) => bars.toSorted((a, b) => a.slot - b.slot || a.startUs - b.startUs);
      expect(order(splitBars)).toEqual(order(wholeBars));
    }),
  );
});

test("the order in which the trades of one interval arrive does not matter", () => {
  const minute = fc.uniqueArray(
    trade(60 * SECOND_US - 1).map((t) => ({ ...t, slot: 3 })),
    {
      selector: (t) => t.tsUs,
      minLength: 1,
      maxLength: 20,
    },
  );
  const shuffled = minute.chain((trades) =>
    fc.tuple(fc.constant(trades), fc.shuffledSubarray(trades, { minLength: trades.length })),
  );
  fc.assert(
    fc.property(shuffled, ([trades, arrival]) => {
      const builder = newBuilder(60 * SECOND_US, 0);
      const bars: Bar[] = [];
      for (const t of arrival) applyTrade(builder, t, bars);
      closeDue(builder, START_US + 60 * SECOND_US, bars);
      expect(bars).toEqual([foldTrades(3, START_US, trades)]);
    }),
  );
});

test("bars of several minutes made of the venue's minute aggregates equal bars made of the trades", () => {
  fc.assert(
    fc.property(streamInOrder, (trades) => {
      const fiveMinutesUs = 300 * SECOND_US;
      const minutes = newBuilder(60 * SECOND_US, 0);
      const fromTrades = newBuilder(fiveMinutesUs, 0);
      const fromMinutes = new BarBuilder(new Arena(), {
        intervalUs: fiveMinutesUs,
        closeGraceUs: 0,
        source: "aggregates",
      });
      const [minuteBars, tradeBars, aggregateBars]: [Bar[], Bar[], Bar[]] = [[], [], []];
      for (const t of trades) {
        applyTrade(minutes, t, minuteBars);
        applyTrade(fromTrades, t, tradeBars);
      }
      closeDue(minutes, START_US + 3600 * SECOND_US, minuteBars);
      closeDue(fromTrades, START_US + 3600 * SECOND_US, tradeBars);
      for (const b of minuteBars.toSorted((x, y) => x.startUs - y.startUs)) {
        closeDue(fromMinutes, b.startUs, aggregateBars);
        const vwap = b.turnoverUsd / b.volume;
        const code = fromMinutes.applyAggregate(b.slot, b.startUs, b.open, b.high, b.low, b.close, b.volume, vwap);
        if (code === BAR_CLOSED) aggregateBars.push(closedBar(fromMinutes, b.slot));
      }
      closeDue(fromMinutes, START_US + 3600 * SECOND_US, aggregateBars);
      const prices = (bars: Bar[]) =>
        bars
          .toSorted((a, b) => a.slot - b.slot || a.startUs - b.startUs)
          .map(({ slot, startUs, open, high, low, close, volume }) => ({
            slot,
            startUs,
            open,
            high,
            low,
            close,
            volume,
          }));
      expect(prices(aggregateBars)).toEqual(prices(tradeBars));
    }),
  );
});
