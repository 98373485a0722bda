// What the recorded days hold as of the venue's time: minutes that are over, sessions so far, closes of the volatility index.
// Everything the REST side answers with comes from here, so nothing later than `nowUs` can get out.

import { newYorkDate, tradingDay } from "../../market/calendar.ts";
import type { DayBars } from "../../market/flat-file.ts";
import { MINUTE_US } from "./intrabar.ts";

/** Open, high, low, close, volume of some minutes. Prices in ticks, volume in shares, notional in price ticks x shares. */
export interface BarSum {
  openPxTicks: number;
  highPxTicks: number;
  lowPxTicks: number;
  closePxTicks: number;
  volume: number;
  notionalTicks: number;
}

/** One recorded session with its symbols and times. */
export interface RecordedDay {
  readonly bars: DayBars;
  readonly indexBySymbol: ReadonlyMap<string, number>;
  readonly closeUs: number;
}

/** Rows [from, to) of a day. */
export interface RowRange {
  readonly day: RecordedDay;
  readonly from: number;
  readonly to: number;
}

export interface VixClose {
  readonly date: string;
  readonly close: number;
}

/** The index is published for the last time a day 15 minutes after the close of stocks. */
const VIX_CLOSE_LAG_US = 15 * MINUTE_US;
/** A day without a session in the calendar (hand-made data) is taken to close this long after its last bar begins. */
const NO_SESSION_CLOSE_US = MINUTE_US;

export class RecordedDays {
  /** Rising by date. */
  readonly days: readonly RecordedDay[];
  /** Symbols of any day, sorted. A symbol that trades only later in the day is listed too, as it would be by the vendor. */
  readonly symbols: readonly string[];
  readonly #vixDaily: readonly VixClose[];
  readonly #wholeDays = new Map<RecordedDay, (BarSum | null)[]>();

  constructor(day: DayBars, previousDay: DayBars | null, vixDaily: readonly VixClose[]) {
    this.days = (previousDay === null ? [day] : [previousDay, day]).map(recordedDay);
    this.symbols = [...new Set(this.days.flatMap((recorded) => recorded.bars.symbols))].sort();
    this.#vixDaily = [...vixDaily].sort((a, b) => (a.date < b.date ? -1 : a.date > b.date ? 1 : 0));
  }

  has(symbol: string): boolean {
    return this.days.some((day) => day.indexBySymbol.has(symbol));
  }

  /** Last recorded session before the venue's date; null where there is none. */
  sessionBefore(nowUs: number): RecordedDay | null {
    const today = newYorkDate(nowUs);
    return this.days.findLast((day) => day.bars.date < today) ?? null;
  }

  /** The recorded session of a date, null where there is none. */
  sessionOf(date: string): RecordedDay | null {
    return this.days.find((day) => day.bars.date === date) ?? null;
  }

  /** Minutes of a symbol that start in [fromUs, toUs] and are over at `nowUs`, one range for each day that has some. */
  minutes(symbol: string, fromUs: number, toUs: number, nowUs: number): RowRange[] {
    const lastStartUs = Math.min(toUs, nowUs - MINUTE_US);
    const ranges: RowRange[] = [];
    for (const day of this.days) {
      const index = day.indexBySymbol.get(symbol);
      if (index === undefined) continue;
      const from = firstRowAt(day.bars, index, fromUs);
      const to = firstRowAt(day.bars, index, lastStartUs + 1);
      if (to > from) ranges.push({ day, from, to });
    }
    return ranges;
  }

  /** A symbol's session, as far as its minutes are over at `nowUs`; null before the first. */
  session(day: RecordedDay, symbol: string, nowUs: number): BarSum | null {
    const index = day.indexBySymbol.get(symbol);
    if (index === undefined) return null;
    if (nowUs >= day.closeUs) return this.#wholeSession(day, index);
    return sumRows(day.bars, day.bars.firstRow[index]!, firstRowAt(day.bars, index, nowUs - MINUTE_US + 1));
  }

  /** Closes of the index known at `nowUs`, rising by date. */
  vixCloses(nowUs: number): readonly VixClose[] {
    const today = newYorkDate(nowUs);
    const todayCloseUs = tradingDay(today)?.closeUs ?? Number.POSITIVE_INFINITY;
    const isTodayKnown = nowUs >= todayCloseUs + VIX_CLOSE_LAG_US;
    const end = this.#vixDaily.findIndex((vix) => vix.date > today || (vix.date === today && !isTodayKnown));
    return end < 0 ? this.#vixDaily : this.#vixDaily.slice(0, end);
  }

  #wholeSession(day: RecordedDay, index: number): BarSum | null {
    let sums = this.#wholeDays.get(day);
    if (sums === undefined) {
      const { bars } = day;
      sums = bars.symbols.map((_, i) => sumRows(bars, bars.firstRow[i]!, bars.firstRow[i]! + bars.rowCount[i]!));
      this.#wholeDays.set(day, sums);
    }
    return sums[index]!;
  }
}

function recordedDay(bars: DayBars): RecordedDay {
  const lastUs = bars.startUs.reduce((last, startUs) => Math.max(last, startUs), 0);
  return {
    bars,
    indexBySymbol: new Map(bars.symbols.map((symbol, index) => [symbol, index])),
    closeUs: tradingDay(bars.date)?.closeUs ?? lastUs + NO_SESSION_CLOSE_US,
  };
}

/** First row of a symbol that starts at or after `tsUs`; the row after its last where there is none. */
function firstRowAt(bars: DayBars, index: number, tsUs: number): number {
  let low = bars.firstRow[index]!;
  let high = low + bars.rowCount[index]!;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (bars.startUs[middle]! < tsUs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Sum of rows [from, to); null where there are none. */
export function sumRows(bars: DayBars, from: number, to: number): BarSum | null {
  if (to <= from) return null;
  const sum: BarSum = {
    openPxTicks: bars.openPxTicks[from]!,
    highPxTicks: bars.highPxTicks[from]!,
    lowPxTicks: bars.lowPxTicks[from]!,
    closePxTicks: bars.closePxTicks[to - 1]!,
    volume: 0,
    notionalTicks: 0,
  };
  for (let row = from; row < to; row++) {
    sum.highPxTicks = Math.max(sum.highPxTicks, bars.highPxTicks[row]!);
    sum.lowPxTicks = Math.min(sum.lowPxTicks, bars.lowPxTicks[row]!);
    sum.volume += bars.volume[row]!;
    sum.notionalTicks += typicalPxTicks(bars, row) * bars.volume[row]!;
  }
  return sum;
}

/** Mean of high, low and close: stands for the volume-weighted price, which the recording does not have. */
export function typicalPxTicks(bars: DayBars, row: number): number {
  return (bars.highPxTicks[row]! + bars.lowPxTicks[row]! + bars.closePxTicks[row]!) / 3;
}
