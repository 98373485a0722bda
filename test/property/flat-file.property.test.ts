// Laws of the flat-file reader over random days.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { formatTicks } from "../../src/core/fixed-point.ts";
import { newYorkTimeUs } from "../../src/market/calendar.ts";
import { FlatFileError, parseFlatFile } from "../../src/market/flat-file-parse.ts";

const DATE = "2019-12-18";
const OPEN_US = newYorkTimeUs(DATE, "09:30");
const US_PER_MINUTE = 60_000_000;
const COLUMNS = ["ticker", "volume", "open", "close", "high", "low", "window_start", "vwap"] as const;

interface Row {
  readonly ticker: string;
  readonly minute: number;
  /** Ticks, rising. */
  readonly low: number;
  readonly open: number;
  readonly close: number;
  readonly high: number;
  readonly volume: number;
}

const arbitraryRow: fc.Arbitrary<Row> = fc
  .record({
    ticker: fc.constantFrom("A", "AA", "AAPL", "BRK.B", "SPY", "ZION"),
    minute: fc.integer({ min: 0, max: 389 }),
    prices: fc.array(fc.integer({ min: 1, max: 2_000_000_000 }), { minLength: 4, maxLength: 4 }),
    isUp: fc.boolean(),
    volume: fc.integer({ min: 1, max: 1_000_000_000 }),
  })
  .map(({ ticker, minute, prices, isUp, volume }) => {
    const [low, a, b, high] = prices.sort((x, y) => x - y) as [number, number, number, number];
    return { ticker, minute, low, open: isUp ? a : b, close: isUp ? b : a, high, volume };
  });

const arbitraryRows = fc.uniqueArray(arbitraryRow, {
  minLength: 1,
  maxLength: 60,
  selector: (row) => `${row.ticker}@${row.minute}`,
});

function csvOf(rows: readonly Row[], columns: readonly string[] = COLUMNS): Uint8Array {
  const lines = rows.map((row) => {
    const fields: Record<string, string> = {
      ticker: row.ticker,
      volume: String(row.volume),
      open: formatTicks(row.open),
      close: formatTicks(row.close),
      high: formatTicks(row.high),
      low: formatTicks(row.low),
      window_start: `${OPEN_US + row.minute * US_PER_MINUTE}000`,
      vwap: "1.23456789",
    };
    return columns.map((column) => fields[column]).join(",");
  });
  return new TextEncoder().encode(`${[columns.join(","), ...lines].join("\n")}\n`);
}

describe("flat-file reader", () => {
  test("gives back every number that was written, sorted, with contiguous symbols", () => {
    fc.assert(
      fc.property(arbitraryRows, (rows) => {
        const day = parseFlatFile(csvOf(rows), `${DATE}.csv`);
        const found: Row[] = [];
        let next = 0;
        for (const [index, ticker] of day.symbols.entries()) {
          expect(day.firstRow[index]).toBe(next);
          next += day.rowCount[index]!;
          for (let row = day.firstRow[index]!; row < next; row++) {
            found.push({
              ticker,
              minute: (day.startUs[row]! - OPEN_US) / US_PER_MINUTE,
              low: day.lowPxTicks[row]!,
              open: day.openPxTicks[row]!,
              close: day.closePxTicks[row]!,
              high: day.highPxTicks[row]!,
              volume: day.volume[row]!,
            });
          }
        }
        const expected = rows.toSorted((a, b) =>
          a.ticker < b.ticker ? -1 : a.ticker > b.ticker ? 1 : a.minute - b.minute,
        );
        expect(found).toEqual(expected);
        expect(day.quality.keptRows).toBe(rows.length);
      }),
    );
  });

  test("does not depend on the order of rows or columns", () => {
    const shuffled = arbitraryRows.chain((rows) =>
      fc.tuple(
        fc.constant(rows),
        fc.shuffledSubarray(rows, { minLength: rows.length }),
        fc.shuffledSubarray([...COLUMNS], { minLength: COLUMNS.length }),
      ),
    );
    fc.assert(
      fc.property(shuffled, ([rows, otherRows, otherColumns]) => {
        const { quality: _, ...day } = parseFlatFile(csvOf(rows), `${DATE}.csv`);
        const { quality: __, ...other } = parseFlatFile(csvOf(otherRows, otherColumns), `${DATE}.csv`);
        expect(other).toEqual(day);
      }),
    );
  });

  test("a byte changed anywhere gives a day that keeps its invariants or a FlatFileError, never a crash", () => {
    const damage = fc.tuple(arbitraryRows, fc.nat(), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(damage, ([rows, where, byte]) => {
        const csv = csvOf(rows);
        csv[where % csv.length] = byte;
        let day: ReturnType<typeof parseFlatFile>;
        try {
          day = parseFlatFile(csv, `${DATE}.csv`);
        } catch (error) {
          expect(error).toBeInstanceOf(FlatFileError);
          return;
        }
        const { quality: q } = day;
        const leftOut =
          q.badPriceRows + q.badRangeRows + q.badVolumeRows + q.repeatedRows + q.contradictingRows + q.zeroVolumeRows;
        expect(q.keptRows + leftOut).toBe(q.rows);
        for (let row = 0; row < q.keptRows; row++) {
          const low = day.lowPxTicks[row]!;
          const high = day.highPxTicks[row]!;
          expect(low).toBeGreaterThanOrEqual(1);
          expect(Math.min(day.openPxTicks[row]!, day.closePxTicks[row]!)).toBeGreaterThanOrEqual(low);
          expect(Math.max(day.openPxTicks[row]!, day.closePxTicks[row]!)).toBeLessThanOrEqual(high);
          expect(day.volume[row]!).toBeGreaterThan(0);
        }
      }),
      { numRuns: 500 },
    );
  });
});
