// The twelve features in float64, straight from the formulas of the catalogue, two passes and no state: what feature-engine.ts
// is held to. Slow on purpose; tests and tools only.

import { assert } from "../core/assert.ts";
import {
  BOLLINGER_DEVIATIONS,
  CATALOGUE,
  EMA_FAST_BARS,
  EMA_SIGNAL_BARS,
  EMA_SLOW_BARS,
  RETURN_BARS_LONG,
  RETURN_BARS_SHORT,
  ROLLING_BARS,
  WILDER_BARS,
} from "./catalogue.ts";

export interface FeatureBar {
  readonly openPx: number;
  readonly highPx: number;
  readonly lowPx: number;
  readonly closePx: number;
  readonly volume: number;
  /** Sum of price x quantity, USD. */
  readonly turnoverUsd: number;
  readonly startUs: number;
  readonly dayNumber: number;
}

/** One row of twelve for each bar. */
export function featureRows(bars: readonly FeatureBar[], includeOvernightReturn: boolean): number[][] {
  const closes = bars.map((bar) => bar.closePx);
  const returns = bars.map((bar, t) => {
    if (t === 0) return 0;
    const isFirstOfDay = bar.dayNumber !== bars[t - 1]!.dayNumber;
    return isFirstOfDay && !includeOvernightReturn ? 0 : Math.log(bar.closePx / closes[t - 1]!);
  });
  const logVolumes = bars.map((bar) => Math.log1p(bar.volume));
  const macd = minus(emaSeries(closes, EMA_FAST_BARS), emaSeries(closes, EMA_SLOW_BARS));
  const signal = emaSeries(macd, EMA_SIGNAL_BARS);
  const rsi = rsiSeries(closes);
  const atr = atrSeries(bars);
  const vwap = vwapSeries(bars);

  return bars.map((bar, t) => {
    const newest = <T>(series: readonly T[], count: number): T[] => series.slice(t + 1 - count, t + 1);
    const row = [
      () => returns[t]!,
      () => sum(newest(returns, RETURN_BARS_SHORT)),
      () => sum(newest(returns, RETURN_BARS_LONG)),
      () => Math.sqrt(mean(newest(returns, ROLLING_BARS).map((r) => r * r))),
      () => (rsi[t]! - 50) / 50,
      () => (macd[t]! - signal[t]!) / bar.closePx,
      () => zScore(newest(closes, ROLLING_BARS)) / (2 * BOLLINGER_DEVIATIONS),
      () => atr[t]! / bar.closePx,
      () => bar.closePx / vwap[t]! - 1,
      () => zScore(newest(logVolumes, ROLLING_BARS)),
      () => (bar.highPx === bar.lowPx ? 0 : (2 * bar.closePx - bar.highPx - bar.lowPx) / (bar.highPx - bar.lowPx)),
      () => {
        const volumes = newest(bars, ROLLING_BARS).map((b) => b.volume);
        const signed = newest(returns, ROLLING_BARS).map((r, i) => Math.sign(r) * volumes[i]!);
        return sum(volumes) === 0 ? 0 : sum(signed) / sum(volumes);
      },
    ];
    assert(row.length === CATALOGUE.length, "one function for each feature of the catalogue");
    return row.map((feature, index) => (t < CATALOGUE[index]!.definedFromBar ? 0 : feature()));
  });
}

/** Relative strength index 0..100; 50 where nothing moved. NaN before it is defined. */
export function rsiSeries(closes: readonly number[]): number[] {
  const changes = closes.slice(1).map((close, i) => close - closes[i]!);
  const gains = wilderSeries(changes.map((change) => Math.max(change, 0)));
  const losses = wilderSeries(changes.map((change) => Math.max(-change, 0)));
  return [Number.NaN, ...gains.map((gain, i) => (gain + losses[i]! === 0 ? 50 : (100 * gain) / (gain + losses[i]!)))];
}

/** Average true range, USD. NaN before it is defined. */
export function atrSeries(bars: readonly Pick<FeatureBar, "highPx" | "lowPx" | "closePx">[]): number[] {
  const ranges = bars
    .slice(1)
    .map((bar, i) => Math.max(bar.highPx, bars[i]!.closePx) - Math.min(bar.lowPx, bars[i]!.closePx));
  return [Number.NaN, ...wilderSeries(ranges)];
}

/** Volume-weighted average price since the day's first bar, USD; the close while nothing has traded. */
export function vwapSeries(bars: readonly FeatureBar[]): number[] {
  return bars.map((bar, t) => {
    const today = bars.slice(0, t + 1).filter((other) => other.dayNumber === bar.dayNumber);
    const volume = sum(today.map((other) => other.volume));
    return volume === 0 ? bar.closePx : sum(today.map((other) => other.turnoverUsd)) / volume;
  });
}

/** Wilder's average; the first is the plain mean. NaN before it. */
function wilderSeries(values: readonly number[]): number[] {
  return smoothedSeries(values, WILDER_BARS, 1 / WILDER_BARS);
}

/** Exponential average over `bars`; the first is the plain mean. NaN before it, and leading NaN are skipped. */
export function emaSeries(values: readonly number[], bars: number): number[] {
  return smoothedSeries(values, bars, 2 / (bars + 1));
}

function smoothedSeries(values: readonly number[], seedCount: number, weight: number): number[] {
  const first = values.findIndex((value) => !Number.isNaN(value));
  if (first < 0) return values.map(() => Number.NaN);
  const seedAt = first + seedCount - 1;
  let smoothed = Number.NaN;
  return values.map((value, t) => {
    if (t === seedAt) smoothed = mean(values.slice(first, t + 1));
    else if (t > seedAt) smoothed += weight * (value - smoothed);
    return smoothed;
  });
}

/** Deviations of the last value from the mean of all; 0 where all are the same. */
function zScore(values: readonly number[]): number {
  if (values.every((value) => value === values[0])) return 0;
  const centre = mean(values);
  const deviation = Math.sqrt(mean(values.map((value) => (value - centre) ** 2)));
  return (values.at(-1)! - centre) / deviation;
}

function minus(a: readonly number[], b: readonly number[]): number[] {
  return a.map((value, i) => value - b[i]!);
}
function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}
