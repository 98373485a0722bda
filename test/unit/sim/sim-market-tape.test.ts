// The tape: one recorded day on a timeline, the same for everybody, whoever else is watching.

import { describe, expect, test } from "bun:test";
import {
  DAY,
  handDay,
  MINUTE_US,
  makeTape,
  OPEN_US,
  PREVIOUS_DAY,
  recordTape,
  sampleDays,
  type TapeEvent,
} from "../../support/sim-market.ts";

const END_US = OPEN_US + 391 * MINUTE_US;
const { day, previousDay } = await sampleDays();

/** Events of one symbol over the sample's first `minutes`, with the symbols of `others` active too. */
function eventsOf(symbol: string, others: readonly string[], minutes: number, seed = 1): TapeEvent[] {
  const { timeline, tape } = makeTape({ day, previousDay, seed });
  const events = recordTape(tape);
  for (const other of [...others, symbol]) tape.activate(tape.slotOf(other));
  timeline.advanceTo(OPEN_US + minutes * MINUTE_US);
  const slot = tape.slotOf(symbol);
  return events.filter((event) => event.slot === slot);
}

describe("a day on the tape", () => {
  test("adds up to the recorded bars: open, high, low, close and volume of every minute", () => {
    const { timeline, tape } = makeTape({ day, previousDay });
    const events = recordTape(tape);
    for (let slot = 0; slot < 40; slot++) tape.activate(slot);
    timeline.advanceTo(END_US);
    const seen = new Map<string, { prices: number[]; volume: number }>();
    for (const event of events) {
      if (event.kind !== "trade") continue;
      const key = `${event.slot}/${Math.floor(event.tsUs / MINUTE_US)}`;
      const bar = seen.get(key) ?? { prices: [], volume: 0 };
      bar.prices.push(event.pxTicks);
      bar.volume += event.qty;
      seen.set(key, bar);
    }
    let rows = 0;
    for (let slot = 0; slot < 40; slot++) {
      for (let row = day.firstRow[slot]!; row < day.firstRow[slot]! + day.rowCount[slot]!; row++) {
        const bar = seen.get(`${slot}/${day.startUs[row]! / MINUTE_US}`)!;
        expect(bar.volume).toBe(day.volume[row]!);
        expect(bar.prices.at(-1)).toBe(day.closePxTicks[row]!);
        if (day.volume[row]! >= 4) {
          expect(bar.prices[0]).toBe(day.openPxTicks[row]!);
          expect(Math.max(...bar.prices)).toBe(day.highPxTicks[row]!);
          expect(Math.min(...bar.prices)).toBe(day.lowPxTicks[row]!);
        }
        rows += 1;
      }
    }
    expect(seen.size).toBe(rows);
  });

  test("runs in order of time, a quote before each trade, every trade at bid, ask or between", () => {
    const { timeline, tape } = makeTape({ day, previousDay });
    const events = recordTape(tape);
    for (let slot = 0; slot < day.symbols.length; slot++) tape.activate(slot);
    timeline.advanceTo(OPEN_US + 60 * MINUTE_US);
    expect(events.length).toBeGreaterThan(50_000);
    let isOrdered = true;
    let isInside = true;
    let isWide = true;
    for (let i = 0; i < events.length; i += 2) {
      const [quote, trade] = [events[i]!, events[i + 1]!];
      if (quote.kind !== "quote" || trade.kind !== "trade" || quote.slot !== trade.slot) isOrdered = false;
      if (quote.tsUs !== trade.tsUs || (i > 0 && quote.tsUs < events[i - 1]!.tsUs)) isOrdered = false;
      if (trade.pxTicks < quote.pxTicks || trade.pxTicks > quote.askPxTicks) isInside = false;
      if (quote.askPxTicks - quote.pxTicks < 100) isWide = false;
    }
    expect([isOrdered, isInside, isWide]).toEqual([true, true, true]);
  });

  test("is the same again under the same seed, and another under another", () => {
    expect(eventsOf("SPY", [], 30)).toEqual(eventsOf("SPY", [], 30));
    expect(eventsOf("SPY", [], 30, 2)).not.toEqual(eventsOf("SPY", [], 30));
  });
});

describe("activation", () => {
  test("of other symbols changes nothing, in any order", () => {
    const alone = eventsOf("SPY", [], 30);
    expect(alone.length).toBeGreaterThan(150);
    expect(eventsOf("SPY", ["QQQ", "IWM", "AGG"], 30)).toEqual(alone);
    expect(eventsOf("SPY", ["XLF", "AGG"], 30)).toEqual(alone);
  });

  test("in the middle of a minute joins the path exactly where it is", () => {
    const fromStart = makeTape({ day, previousDay });
    const late = makeTape({ day, previousDay });
    const slot = late.tape.slotOf("SPY");
    fromStart.tape.activate(slot);
    late.tape.activate(late.tape.slotOf("QQQ"));
    const all = recordTape(fromStart.tape);
    const rest = recordTape(late.tape);
    const joinUs = OPEN_US + 12 * MINUTE_US + 17_123_456;
    fromStart.timeline.advanceTo(joinUs);
    late.timeline.advanceTo(joinUs);
    late.tape.activate(slot);
    const state = ({ tape }: typeof late): number[] => [
      tape.lastPxTicks(slot),
      tape.lastQty(slot),
      tape.lastTradeUs(slot),
      tape.bidPxTicks(slot),
      tape.askPxTicks(slot),
      tape.bidQty(slot),
      tape.askQty(slot),
      tape.dayOpenPxTicks(slot),
      tape.dayHighPxTicks(slot),
      tape.dayLowPxTicks(slot),
      tape.dayVolume(slot),
      tape.dayNotionalTicks(slot),
    ];
    expect(state(late)).toEqual(state(fromStart));
    for (const side of [fromStart, late]) side.timeline.advanceTo(OPEN_US + 30 * MINUTE_US);
    expect(rest.filter((event) => event.slot === slot)).toEqual(all.filter((event) => event.tsUs > joinUs));
    expect(state(late)).toEqual(state(fromStart));
  });

  test("from inside a listener takes effect at once and keeps the order of time", () => {
    const { timeline, tape } = makeTape({ day, previousDay });
    const spy = tape.slotOf("SPY");
    const events = recordTape(tape);
    let hasJoined = false;
    tape.addListener({
      onQuote() {},
      onTrade(_slot, _px, _qty, tsUs) {
        if (hasJoined || tsUs < OPEN_US + 5 * MINUTE_US + 20_000_000) return;
        hasJoined = true;
        tape.activate(spy);
      },
    });
    tape.activate(tape.slotOf("QQQ"));
    timeline.advanceTo(OPEN_US + 10 * MINUTE_US);
    const times = events.map((event) => event.tsUs);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    const joined = events.filter((event) => event.slot === spy);
    expect(joined).toEqual(eventsOf("SPY", [], 10).filter((event) => event.tsUs >= joined[0]!.tsUs));
  });

  test("after the last bar of the day leaves the last state, and nothing is scheduled", () => {
    const { timeline, tape } = makeTape({ day, previousDay });
    timeline.advanceTo(END_US + MINUTE_US);
    expect(timeline.nextUs()).toBe(Number.POSITIVE_INFINITY);
    const slot = tape.slotOf("SPY");
    tape.activate(slot);
    const lastRow = day.firstRow[slot]! + day.rowCount[slot]! - 1;
    expect(tape.lastPxTicks(slot)).toBe(day.closePxTicks[lastRow]!);
    expect(tape.bidPxTicks(slot)).toBeGreaterThan(0);
    expect(timeline.nextUs()).toBe(Number.POSITIVE_INFINITY);
  });

  test("of a slot that does not exist is refused", () => {
    const { tape } = makeTape({ day });
    expect(() => tape.activate(-1)).toThrow("Invariant: market slot in 0..299, was -1");
  });
});

describe("prices of a symbol", () => {
  const hand = handDay(DAY, { AA: [[1, 10, 10.05, 9.95, 10.02, 5_000]], BB: [[0, 20, 20, 20, 20, 100]] });
  const before = handDay(PREVIOUS_DAY, {
    AA: [
      [0, 9, 9, 9, 9, 100],
      [5, 9.5, 9.7, 9.4, 9.6, 900],
    ],
  });

  test("before its first trade: no quote, the close of the session before as last price", () => {
    const { timeline, tape } = makeTape({ day: hand, previousDay: before });
    tape.activate(0);
    timeline.advanceTo(OPEN_US + MINUTE_US - 1);
    expect([tape.bidPxTicks(0), tape.askPxTicks(0), tape.bidQty(0), tape.askQty(0)]).toEqual([0, 0, 0, 0]);
    expect(tape.lastPxTicks(0)).toBe(96_000);
    expect(tape.previousClosePxTicks(0)).toBe(96_000);
  });

  test("that did not trade in the session before: 0 until it trades", () => {
    const { timeline, tape } = makeTape({ day: hand, previousDay: before });
    expect([tape.lastPxTicks(1), tape.previousClosePxTicks(1)]).toEqual([0, 0]);
    tape.activate(1);
    timeline.advanceTo(OPEN_US + MINUTE_US);
    expect(tape.lastPxTicks(1)).toBe(200_000);
    expect(tape.bidQty(1) % 100).toBe(0);
    expect(tape.askQty(1)).toBeGreaterThanOrEqual(100);
  });

  test("that nobody follows: the close of its last whole minute", () => {
    const { timeline, tape } = makeTape({ day: hand, previousDay: before });
    timeline.advanceTo(OPEN_US + 2 * MINUTE_US - 1);
    expect(tape.lastPxTicks(0)).toBe(96_000);
    timeline.advanceTo(OPEN_US + 2 * MINUTE_US);
    expect(tape.lastPxTicks(0)).toBe(100_200);
  });

  test("unknown to the day: slot -1", () => {
    const { tape } = makeTape({ day: hand });
    expect(tape.slotOf("ZZ")).toBe(-1);
    expect(tape.symbols).toEqual(["AA", "BB"]);
  });
});

describe("spreads", () => {
  const flat = (px: number, volume: number) =>
    Array.from({ length: 60 }, (_, minute) => [minute, px, px, px, px, volume] as const);

  /** Ticks of width over USD of price are basis points: 10,000 of one are 1 of the other. */
  function meanSpreadBps(px: number, volume: number, spreadMinBps: number): number {
    const bars = flat(px, volume);
    const { timeline, tape } = makeTape({
      day: handDay(DAY, { AA: bars }),
      previousDay: handDay(PREVIOUS_DAY, { AA: bars }),
      spreadMinBps,
    });
    const events = recordTape(tape);
    tape.activate(0);
    timeline.advanceTo(OPEN_US + 60 * MINUTE_US);
    const quotes = events.filter((event) => event.kind === "quote");
    return quotes.reduce((sum, quote) => sum + (quote.askPxTicks - quote.pxTicks) / px, 0) / quotes.length;
  }

  test("are never below a cent, and the configured minimum where that is wider", () => {
    expect(meanSpreadBps(10, 200_000, 0)).toBe(10);
    expect(meanSpreadBps(500, 200_000, 10)).toBeGreaterThan(9);
  });

  test("are wider where little money changes hands", () => {
    expect(meanSpreadBps(100, 200, 5)).toBeGreaterThan(2 * meanSpreadBps(100, 200_000, 5));
  });

  test("of a minute do not depend on that minute's own range", () => {
    const calm = flat(100, 10_000);
    const wild = calm.map((bar, i) => (i === 30 ? ([30, 100, 108, 92, 100, 10_000] as const) : bar));
    const widthAt = (bars: typeof calm, minute: number): number => {
      const { timeline, tape } = makeTape({ day: handDay(DAY, { AA: bars }), spreadMinBps: 2 });
      const events = recordTape(tape);
      tape.activate(0);
      timeline.advanceTo(OPEN_US + 60 * MINUTE_US);
      const quote = events.find((event) => event.kind === "quote" && event.tsUs >= OPEN_US + minute * MINUTE_US)!;
      return quote.askPxTicks - quote.pxTicks;
    };
    expect(widthAt(wild, 30)).toBe(widthAt(calm, 30));
    expect(widthAt(wild, 31)).toBeGreaterThan(2 * widthAt(calm, 31));
  });
});

test("a whole day of 100 symbols is generated well within two seconds", () => {
  const { timeline, tape } = makeTape({ day, previousDay });
  let trades = 0;
  tape.addListener({ onQuote() {}, onTrade: () => trades++ });
  for (let slot = 0; slot < 100; slot++) tape.activate(slot);
  const startNs = Bun.nanoseconds();
  timeline.advanceTo(END_US);
  expect(trades).toBeGreaterThan(80_000);
  expect((Bun.nanoseconds() - startNs) / 1e9).toBeLessThan(2);
});
