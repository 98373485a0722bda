// Indicators against values computed by others (test/golden/data/indicators, 502 daily quotes), to 1e-9 relative.
//
// Definitions agree in RSI 14, MACD histogram, %B, ATR 14 and VWAP over their whole length, beginnings included: first averages
// are plain means, the first bar has no true range. What differs is only how a value is put into a feature: RSI around 50,
// histogram and ATR over the close, %B minus a half, the close over the VWAP. One difference in substance: that VWAP is anchored
// at the first quote, ours at the day's first bar, so here all quotes are bars of one day.
//
// The values of ta (test/golden/data/indicators-ta) follow other conventions in four of the five; its tests show that nothing but the
// convention differs. docs/features.md says which and why.

import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import {
  FEATURE_ATR_14,
  FEATURE_BOLLINGER_B,
  FEATURE_MACD_HISTOGRAM,
  FEATURE_RSI_14,
  FEATURE_VWAP_DEVIATION,
} from "../../src/features/catalogue.ts";
import type { FeatureBar } from "../../src/features/reference.ts";
import { engineRows, featureEngine } from "../support/feature-bars.ts";

const TOLERANCE = 1e-9;
const FOLDER = join(import.meta.dir, "data");

async function readCsv(name: string): Promise<Record<string, string>[]> {
  const [header, ...lines] = (await Bun.file(join(FOLDER, name)).text()).trim().split(/\r?\n/);
  const names = header!.split(",");
  return lines.map((line) => Object.fromEntries(line.split(",").map((field, i) => [names[i]!, field])));
}

const quotes = await readCsv("indicators/quotes.csv");
const expected = await readCsv("indicators/expected.csv");
const bars: FeatureBar[] = quotes.map((quote) => ({
  openPx: Number(quote.open),
  highPx: Number(quote.high),
  lowPx: Number(quote.low),
  closePx: Number(quote.close),
  volume: Number(quote.volume),
  turnoverUsd: 0,
  startUs: Date.parse(quote.date!) * 1000,
  dayNumber: 0,
}));
const rows = engineRows(featureEngine(), 0, bars);

const indicators: { column: string; values: number; of: (row: number[], closePx: number) => number }[] = [
  { column: "rsi", values: 488, of: (row) => 50 + 50 * row[FEATURE_RSI_14]! },
  { column: "macd_histogram", values: 469, of: (row, closePx) => row[FEATURE_MACD_HISTOGRAM]! * closePx },
  { column: "percent_b", values: 483, of: (row) => row[FEATURE_BOLLINGER_B]! + 0.5 },
  { column: "atr", values: 488, of: (row, closePx) => row[FEATURE_ATR_14]! * closePx },
  { column: "vwap", values: 502, of: (row, closePx) => closePx / (1 + row[FEATURE_VWAP_DEVIATION]!) },
];

describe("features agree with Stock.Indicators in", () => {
  test("the dates of quotes and results", () => {
    expect(expected.map((row) => row.date)).toEqual(quotes.map((quote) => quote.date));
  });

  for (const { column, values, of } of indicators) {
    test(column, () => {
      let compared = 0;
      let worst = 0;
      for (const [t, row] of expected.entries()) {
        if (row[column] === "") continue;
        const value = Number(row[column]);
        worst = Math.max(worst, Math.abs(of(rows[t]!, bars[t]!.closePx) - value) / Math.abs(value));
        compared += 1;
      }
      expect(compared).toBe(values);
      expect(worst).toBeLessThanOrEqual(TOLERANCE);
    });
  }
});

describe("features against ta, which", () => {
  test("has our %B, to the six decimals it prints", async () => {
    const { rows, features } = await readTa("cs-bbands.csv");
    const known = rows.flatMap((row, t) => (row.PercentageBand === "" ? [] : [t]));
    expect(known.length).toBe(23);
    for (const t of known) {
      expect(Math.abs(features[t]![FEATURE_BOLLINGER_B]! + 0.5 - Number(rows[t]!.PercentageBand))).toBeLessThan(1e-6);
    }
  });

  test("has our VWAP for 14 bars, then forgets the oldest bar with each new one", async () => {
    const { rows, bars, features } = await readTa("cs-vwap.csv");
    for (const [t, row] of rows.entries()) {
      const ours = bars[t]!.closePx / (1 + features[t]![FEATURE_VWAP_DEVIATION]!);
      const difference = Math.abs(ours / Number(row.vwap) - 1);
      if (t < 14) expect(difference).toBeLessThanOrEqual(TOLERANCE);
      // Rolling over 14 bars is the anchored VWAP of those 14 alone.
      else {
        const window = engineRows(featureEngine(), 0, bars.slice(t - 13, t + 1));
        const rolling = bars[t]!.closePx / (1 + window[13]![FEATURE_VWAP_DEVIATION]!);
        expect(Math.abs(rolling / Number(row.vwap) - 1)).toBeLessThanOrEqual(TOLERANCE);
        expect(difference).toBeGreaterThan(TOLERANCE);
      }
    }
  });

  test("begins the ATR with the first bar's own range: the difference shrinks by 13/14 a bar and comes from nothing else", async () => {
    const { rows, bars, features } = await readTa("cs-atr.csv");
    const difference = (t: number) => Number(rows[t]!.ATR) - features[t]![FEATURE_ATR_14]! * bars[t]!.closePx;
    expect(difference(14)).toBeGreaterThan(0.02);
    // It prints ten digits.
    for (let t = 15; t < rows.length; t++)
      expect(Math.abs(difference(t) - (13 / 14) * difference(t - 1))).toBeLessThan(1e-9);
  });

  test("begins the RSI's averages at 0 instead of a mean of 14: with that beginning it is ours", async () => {
    const { rows, bars, features } = await readTa("cs-rsi.csv");
    const changes = bars.map((bar, t) => (t === 0 ? 0 : bar.closePx - bars[t - 1]!.closePx));
    const rsi = (average: (values: number[]) => number[]) => {
      const [gains, losses] = [1, -1].map((sign) => average(changes.map((change) => Math.max(sign * change, 0))));
      return gains!.map((gain, t) => (100 * gain) / (gain + losses![t]!));
    };
    const theirs = rsi((values) => smoothed(values, 0, 0, 1 / 14));
    const ours = rsi((values) => smoothed(values, 14, mean(values.slice(1, 15)), 1 / 14));
    for (let t = 14; t < rows.length; t++) {
      expect(Math.abs(theirs[t]! - Number(rows[t]!.RSI))).toBeLessThan(1e-6);
      expect(Math.abs(ours[t]! / (50 + 50 * features[t]![FEATURE_RSI_14]!) - 1)).toBeLessThanOrEqual(TOLERANCE);
    }
  });

  test("begins the MACD's averages with the first close instead of a mean, its signal at bar 2: with those beginnings it is ours", async () => {
    const { rows, bars, features } = await readTa("cs-macd.csv");
    const closes = bars.map((bar) => bar.closePx);
    const begun = (values: number[], n: number) => smoothed(values, 0, values[0]!, 2 / (n + 1));
    const begunByMean = (values: number[], from: number, n: number) =>
      smoothed(values, from + n - 1, mean(values.slice(from, from + n)), 2 / (n + 1));
    const theirLine = difference(begun(closes, 12), begun(closes, 26));
    const theirs = difference(theirLine, smoothed(theirLine, 2, Number(rows[2]!.MACD_signal), 2 / 10));
    const ourLine = difference(begunByMean(closes, 0, 12), begunByMean(closes, 0, 26));
    const ours = difference(ourLine, begunByMean(ourLine, 25, 9));
    for (let t = 33; t < rows.length; t++) {
      expect(Math.abs(theirs[t]! - Number(rows[t]!.MACD_diff))).toBeLessThan(1e-7);
      const value = features[t]![FEATURE_MACD_HISTOGRAM]! * closes[t]!;
      expect(Math.abs(ours[t]! - value)).toBeLessThanOrEqual(TOLERANCE);
    }
    expect(Math.abs(theirs[33]! - ours[33]!)).toBeGreaterThan(0.05);
    expect(Math.abs(theirs.at(-1)! - ours.at(-1)!)).toBeLessThan(1e-4);
  });
});

async function readTa(name: string) {
  const rows = await readCsv(`indicators-ta/${name}`);
  const bars = rows.map(
    (row, t): FeatureBar => ({
      openPx: Number(row.Close),
      highPx: Number(row.High ?? row.Close),
      lowPx: Number(row.Low ?? row.Close),
      closePx: Number(row.Close),
      volume: Number(row.Volume ?? 100),
      turnoverUsd: 0,
      startUs: Date.UTC(2019, 0, 2) * 1000 + t * 60_000_000,
      dayNumber: 0,
    }),
  );
  return { rows, bars, features: engineRows(featureEngine(), 0, bars) };
}

/** Exponential average that is `first` at index `from` and not defined before. */
function smoothed(values: number[], from: number, first: number, weight: number): number[] {
  let average = first;
  return values.map((value, t) => {
    if (t > from) average += weight * (value - average);
    return t < from ? Number.NaN : average;
  });
}

function difference(minuends: number[], subtrahends: number[]): number[] {
  return minuends.map((value, t) => value - subtrahends[t]!);
}

function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
