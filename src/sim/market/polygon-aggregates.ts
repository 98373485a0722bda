// Aggregates as Polygon writes them: buckets of minutes, hours and days, pages of them, and prices, sums and times as text.
// Used by the REST routes.

import { TICKS_PER_USD } from "../../core/fixed-point.ts";
import { newYorkDate, newYorkOffsetUs, newYorkTimeUs } from "../../market/calendar.ts";
import type { DayBars } from "../../market/flat-file.ts";
import { MINUTE_US } from "./intrabar.ts";
import { type BarSum, type RowRange, sumRows, typicalPxTicks, type VixClose } from "./recorded-days.ts";

const US_PER_MS = 1_000;
const HOUR_US = 60 * MINUTE_US;
const DAY_US = 24 * HOUR_US;

/** One result of an aggregates call: a bucket and how many base bars it holds. */
export interface Item {
  readonly startUs: number;
  readonly baseCount: number;
  readonly sum: BarSum | null;
  /** Only what a page holds is rendered. */
  readonly render: () => string;
}

export function pushMinutes(items: Item[], range: RowRange): void {
  const { bars } = range.day;
  for (let row = range.from; row < range.to; row++) {
    const startUs = bars.startUs[row]!;
    items.push({ startUs, baseCount: 1, sum: null, render: () => `{${ohlcv(bars, row)},"t":${startUs / US_PER_MS}}` });
  }
}

export function pushBuckets(items: Item[], range: RowRange, lengthUs: number): void {
  const { bars } = range.day;
  let from = range.from;
  while (from < range.to) {
    const startUs = bucketStart(bars.startUs[from]!, lengthUs);
    let to = from + 1;
    while (to < range.to && bars.startUs[to]! < startUs + lengthUs) to++;
    const sum = sumRows(bars, from, to)!;
    items.push(sumItem(startUs, to - from, sum));
    from = to;
  }
}

export function sumItem(startUs: number, baseCount: number, sum: BarSum): Item {
  return { startUs, baseCount, sum, render: () => `{${renderSum(sum)},"t":${startUs / US_PER_MS}}` };
}

/** Start of the bucket that holds an instant; buckets are counted from midnight in New York. */
export function bucketStart(tsUs: number, lengthUs: number): number {
  const localUs = tsUs + newYorkOffsetUs(tsUs);
  const midnightUs = tsUs - (localUs - Math.floor(localUs / DAY_US) * DAY_US);
  return midnightUs + Math.floor((tsUs - midnightUs) / lengthUs) * lengthUs;
}

export function mergeDays(items: Item[], multiplier: number, fromUs: number): Item[] {
  const merged: Item[] = [];
  const anchorUs = newYorkTimeUs(newYorkDate(fromUs), "00:00");
  for (const item of items) {
    const sum = item.sum;
    if (sum === null) continue;
    const bucket = Math.floor(Math.round((item.startUs - anchorUs) / DAY_US) / multiplier);
    const startUs = newYorkTimeUs(newYorkDate(anchorUs + bucket * multiplier * DAY_US + 2 * HOUR_US), "00:00");
    const last = merged.at(-1);
    const all = last?.startUs === startUs ? joinSums(last.sum!, sum) : sum;
    const baseCount = last?.startUs === startUs ? last.baseCount + 1 : 1;
    if (last?.startUs === startUs) merged.pop();
    merged.push(sumItem(startUs, baseCount, all));
  }
  return merged;
}

function joinSums(first: BarSum, second: BarSum): BarSum {
  return {
    openPxTicks: first.openPxTicks,
    highPxTicks: Math.max(first.highPxTicks, second.highPxTicks),
    lowPxTicks: Math.min(first.lowPxTicks, second.lowPxTicks),
    closePxTicks: second.closePxTicks,
    volume: first.volume + second.volume,
    notionalTicks: first.notionalTicks + second.notionalTicks,
  };
}

/** The buckets that fit in `limit` base bars, at least one, and the first that does not. */
export function takePage(items: Item[], limit: number): { texts: string[]; baseCount: number; next: Item | null } {
  const texts: string[] = [];
  let baseCount = 0;
  for (const item of items) {
    if (texts.length > 0 && baseCount + item.baseCount > limit) return { texts, baseCount, next: item };
    texts.push(item.render());
    baseCount += item.baseCount;
  }
  return { texts, baseCount, next: null };
}

/** The answer around a list of aggregates; the vendor leaves `results` out where there are none. */
export function envelope(
  results: string[],
  count: number,
  adjusted: boolean,
  requestId: string,
  head: string,
  nextUrl = "",
): string {
  const list = results.length === 0 ? "" : `"results":[${results.join(",")}],`;
  const queryCount = head.includes('"queryCount"') ? "" : `"queryCount":${count},`;
  const next = nextUrl === "" ? "" : `,"next_url":${JSON.stringify(nextUrl)}`;
  return `{${head}${queryCount}"resultsCount":${count},"adjusted":${adjusted},${list}"status":"OK","request_id":"${requestId}","count":${count}${next}}`;
}

const EMPTY_DAY = '{"o":0,"h":0,"l":0,"c":0,"v":0,"vw":0}';
export const EMPTY_MINUTE = '{"o":0,"h":0,"l":0,"c":0,"v":0,"vw":0,"av":0,"t":0}';

export function ohlcv(bars: DayBars, row: number): string {
  return (
    `"v":${bars.volume[row]!},"vw":${usd(Math.round(typicalPxTicks(bars, row)))},"o":${usd(bars.openPxTicks[row]!)},` +
    `"c":${usd(bars.closePxTicks[row]!)},"h":${usd(bars.highPxTicks[row]!)},"l":${usd(bars.lowPxTicks[row]!)}`
  );
}

export function renderSum(sum: BarSum): string {
  const meanTicks = sum.volume > 0 ? Math.round(sum.notionalTicks / sum.volume) : sum.closePxTicks;
  return (
    `"v":${sum.volume},"vw":${usd(meanTicks)},"o":${usd(sum.openPxTicks)},"c":${usd(sum.closePxTicks)},` +
    `"h":${usd(sum.highPxTicks)},"l":${usd(sum.lowPxTicks)}`
  );
}

export function renderDay(sum: BarSum | null): string {
  return sum === null ? EMPTY_DAY : `{${renderSum(sum)}}`;
}

/** The index has a recorded close only: it stands for all four prices. */
export function renderVix(vix: VixClose): string {
  const tMs = newYorkTimeUs(vix.date, "00:00") / US_PER_MS;
  return `"o":${vix.close},"c":${vix.close},"h":${vix.close},"l":${vix.close},"t":${tMs}`;
}

export function usd(ticks: number): number {
  return ticks / TICKS_PER_USD;
}

export function round4(value: number): number {
  return Math.round(value * 10_000) / 10_000;
}

/** Nanoseconds as the vendor writes them: whole digits, beyond what a double holds. */
export function ns(tsUs: number): string {
  return tsUs > 0 ? `${Math.floor(tsUs)}000` : "0";
}
