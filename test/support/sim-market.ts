// Recorded days for tests of the simulated market: written by hand, or the sample.

import { ticksFromUsd } from "../../src/core/fixed-point.ts";
import { newYorkTimeUs } from "../../src/market/calendar.ts";
import type { DayBars } from "../../src/market/flat-file.ts";
import { loadSampleDay } from "../../src/market/sample.ts";
import { MarketTape } from "../../src/sim/market/tape.ts";
import { Timeline } from "../../src/sim/timeline.ts";

export const MINUTE_US = 60_000_000;
export const DAY = "2019-12-18";
export const PREVIOUS_DAY = "2019-12-17";
export const OPEN_US = newYorkTimeUs(DAY, "09:30");

/** Minute of the session (0 is 09:30), open, high, low, close in USD, shares. */
export type HandBar = readonly [minute: number, open: number, high: number, low: number, close: number, volume: number];

/** A day from bars written by hand, each symbol's by rising minute. */
export function handDay(date: string, bars: Readonly<Record<string, readonly HandBar[]>>): DayBars {
  const symbols = Object.keys(bars).sort();
  const openUs = newYorkTimeUs(date, "09:30");
  const rows = symbols.flatMap((symbol) => bars[symbol]!);
  const column = (pick: (bar: HandBar) => number): Float64Array => Float64Array.from(rows, pick);
  const rowCount = Int32Array.from(symbols, (symbol) => bars[symbol]!.length);
  const firstRow = Int32Array.from(symbols, (_, index) => rowCount.slice(0, index).reduce((sum, n) => sum + n, 0));
  return {
    date,
    symbols,
    firstRow,
    rowCount,
    startUs: column((bar) => openUs + bar[0] * MINUTE_US),
    openPxTicks: column((bar) => ticksFromUsd(bar[1])),
    highPxTicks: column((bar) => ticksFromUsd(bar[2])),
    lowPxTicks: column((bar) => ticksFromUsd(bar[3])),
    closePxTicks: column((bar) => ticksFromUsd(bar[4])),
    volume: column((bar) => bar[5]),
  };
}

/** The two days of the sample. */
export async function sampleDays(): Promise<{ day: DayBars; previousDay: DayBars }> {
  return { day: await loadSampleDay(DAY), previousDay: await loadSampleDay(PREVIOUS_DAY) };
}

export interface TapeSetup {
  readonly day: DayBars;
  readonly previousDay?: DayBars | null;
  readonly seed?: number;
  readonly tradesPerMinuteMax?: number;
  readonly spreadMinBps?: number;
  readonly startUs?: number;
}

/** A tape with its timeline, five minutes before the open unless said otherwise. */
export function makeTape(setup: TapeSetup): { timeline: Timeline; tape: MarketTape } {
  const timeline = new Timeline(setup.startUs ?? OPEN_US - 5 * MINUTE_US);
  const tape = new MarketTape({
    timeline,
    day: setup.day,
    previousDay: setup.previousDay ?? null,
    seed: setup.seed ?? 1,
    tradesPerMinuteMax: setup.tradesPerMinuteMax ?? 6,
    spreadMinBps: setup.spreadMinBps ?? 2,
  });
  return { timeline, tape };
}

export interface TapeEvent {
  readonly kind: "trade" | "quote";
  readonly slot: number;
  readonly tsUs: number;
  readonly pxTicks: number;
  readonly qty: number;
  readonly askPxTicks: number;
}

/** Everything a tape tells, in order. A quote's bid is in `pxTicks`. */
export function recordTape(tape: MarketTape): TapeEvent[] {
  const events: TapeEvent[] = [];
  tape.addListener({
    onTrade: (slot, pxTicks, qty, tsUs) => events.push({ kind: "trade", slot, tsUs, pxTicks, qty, askPxTicks: 0 }),
    onQuote: (slot, bid, ask, tsUs) => {
      events.push({ kind: "quote", slot, tsUs, pxTicks: bid, qty: 0, askPxTicks: ask });
    },
  });
  return events;
}
