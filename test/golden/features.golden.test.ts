// Indicators against values computed by others (test/golden/data/indicators, 502 daily quotes), to 1e-9 relative.
//
// Definitions agree in RSI 14, MACD histogram, %B, ATR 14 and VWAP over their whole length, beginnings included: first averages
// are plain means, the first bar has no true range. What differs is only how a value is put into a feature: RSI around 50,
// histogram and ATR over the close, %B minus a half, the close over the VWAP. One difference in substance: that VWAP is anchored
// at the first quote, ours at the day's first bar, so here all quotes are bars of one day.

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
const FOLDER = join(import.meta.dir, "data", "indicators");

async function readCsv(name: string): Promise<Record<string, string>[]> {
  const [header, ...lines] = (await Bun.file(join(FOLDER, name)).text()).trim().split("\n");
  const names = header!.split(",");
  return lines.map((line) => Object.fromEntries(line.split(",").map((field, i) => [names[i]!, field])));
}

const quotes = await readCsv("quotes.csv");
const expected = await readCsv("expected.csv");
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
