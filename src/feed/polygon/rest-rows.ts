// JSON of the venue's REST answers -> typed rows. Nothing is believed: a row that is not as it should be is skipped and counted
// by reason, never repaired.

import { isPx, isQty, tsUsOf } from "./validate.ts";

type Fields = Record<string, unknown>;

/** A bar of history. Prices USD, volume shares. */
export interface RestBar {
  /** Start of the interval, epoch us. */
  readonly startUs: number;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly volume: number;
  /** Volume-weighted mean price, USD; 0 where the venue sends none. */
  readonly vwap: number;
  /** Trades in it; 0 where the venue sends none. */
  readonly tradeCount: number;
}

/** Last quote of one stock in a snapshot of the whole market. */
export interface RestSnapshotTicker {
  readonly symbol: string;
  /** Best bid and offer, USD; 0 where the venue has none. */
  readonly bidPx: number;
  readonly askPx: number;
  /** When the quote was made, epoch us; 0 where unknown. */
  readonly quoteTsUs: number;
}

/** One stock's daily bar in the grouped bars of a session. */
export interface RestGroupedBar {
  readonly symbol: string;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly volume: number;
}

/** A listed security. */
export interface RestReferenceTicker {
  readonly symbol: string;
  /** The venue's kind: CS, ETF, ADRC, WARRANT, PFD ...; "" where unknown. */
  readonly type: string;
  /** Company number; "" where unknown. */
  readonly cik: string;
}

export interface RestTickerDetails {
  readonly symbol: string;
  /** Market capitalisation, USD; null where the venue does not know it. */
  readonly marketCapUsd: number | null;
}

/** Called with the reason for each row that is skipped. */
export type Skip = (reason: string) => void;

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The rows under `key`; an answer without them has none, which is how the venue says "nothing found". */
export function rowsOf(answer: unknown, key: string, skip: Skip): Fields[] {
  const rows = isFields(answer) ? answer[key] : undefined;
  if (rows === undefined || rows === null) return [];
  if (!Array.isArray(rows)) {
    skip(`${key} is not a list`);
    return [];
  }
  const good = rows.filter(isFields);
  for (let i = good.length; i < rows.length; i++) skip("row is not an object");
  return good;
}

/** A bar, or null with its reason told. */
export function barOf(row: Fields, skip: Skip): RestBar | null {
  const prices = pricesOf(row, skip);
  if (prices === null) return null;
  const { open, high, low, close, volume } = prices;
  const startUs = tsUsOf(number(row.t));
  if (!(startUs > 0)) return refuse(skip, "time is missing or not believable");
  if (!isQty(volume)) return refuse(skip, "volume is missing or not believable");
  const vwap = number(row.vw);
  return { startUs, open, high, low, close, volume, vwap: isPx(vwap) ? vwap : 0, tradeCount: countOf(row.n) };
}

/** Rising in time whatever order they came in; a second bar of the same start is skipped. */
export function sortBars(bars: RestBar[], skip: Skip): RestBar[] {
  bars.sort((a, b) => a.startUs - b.startUs);
  return bars.filter((bar, i) => {
    const isFirst = i === 0 || bars[i - 1]!.startUs !== bar.startUs;
    if (!isFirst) skip("second bar of the same time");
    return isFirst;
  });
}

export function groupedBarOf(row: Fields, skip: Skip): RestGroupedBar | null {
  const symbol = symbolOf(row.T, skip);
  const prices = symbol === null ? null : pricesOf(row, skip);
  if (symbol === null || prices === null) return null;
  // A day without a trade has a volume of 0 and is a fact, not an error.
  if (!(prices.volume === 0 || isQty(prices.volume))) return refuse(skip, "volume is missing or not believable");
  return { symbol, ...prices };
}

export function snapshotTickerOf(row: Fields, skip: Skip): RestSnapshotTicker | null {
  const symbol = symbolOf(row.ticker, skip);
  if (symbol === null) return null;
  const none = { symbol, bidPx: 0, askPx: 0, quoteTsUs: 0 };
  // Plans without quotes leave lastQuote out; before the first quote of the day it holds zeros.
  const quote = row.lastQuote;
  if (!isFields(quote) || (number(quote.p) === 0 && number(quote.P) === 0)) return none;
  const [bidPx, askPx, tsUs] = [number(quote.p), number(quote.P), tsUsOf(number(quote.t))];
  if (!isPx(bidPx) || !isPx(askPx)) {
    skip("quote has a price that is missing or not believable");
    return none;
  }
  return { symbol, bidPx, askPx, quoteTsUs: Number.isNaN(tsUs) ? 0 : tsUs };
}

export function referenceTickerOf(row: Fields, skip: Skip): RestReferenceTicker | null {
  const symbol = symbolOf(row.ticker, skip);
  return symbol === null ? null : { symbol, type: text(row.type), cik: text(row.cik) };
}

export function tickerDetailsOf(row: Fields, skip: Skip): RestTickerDetails | null {
  const symbol = symbolOf(row.ticker, skip);
  const marketCapUsd = number(row.market_cap);
  return symbol === null
    ? null
    : { symbol, marketCapUsd: marketCapUsd > 0 && marketCapUsd < 1e15 ? marketCapUsd : null };
}

function pricesOf(row: Fields, skip: Skip) {
  const open = number(row.o);
  const high = number(row.h);
  const low = number(row.l);
  const close = number(row.c);
  const volume = number(row.v);
  if (!(isPx(open) && isPx(high) && isPx(low) && isPx(close)))
    return refuse(skip, "price is missing or not believable");
  if (!(low <= Math.min(open, close) && high >= Math.max(open, close)))
    return refuse(skip, "price is outside low to high");
  return { open, high, low, close, volume };
}

function symbolOf(value: unknown, skip: Skip): string | null {
  return typeof value === "string" && /^[\x21-\x7e]{1,32}$/.test(value)
    ? value
    : refuse(skip, "symbol is missing or not text");
}

function refuse(skip: Skip, reason: string): null {
  skip(reason);
  return null;
}

function number(value: unknown): number {
  return typeof value === "number" ? value : Number.NaN;
}

function countOf(value: unknown): number {
  return typeof value === "number" && value >= 0 && Number.isFinite(value) ? value : 0;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
