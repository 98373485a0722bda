import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { gzipSame, linesOf, mostTraded, vixCloses } from "../../../data/make-sample.ts";
import { tradingDay } from "../../../src/market/calendar.ts";
import { FlatFileError } from "../../../src/market/flat-file-parse.ts";
import {
  loadDay,
  loadDayFromFolder,
  loadSampleDay,
  loadVixDaily,
  NoRecordedDayError,
  parseVixDaily,
  previousSessionDate,
  previousVixClose,
  sampleDates,
} from "../../../src/market/sample.ts";

describe("the embedded sample", () => {
  test("holds two consecutive sessions", () => {
    expect(sampleDates).toEqual(["2019-12-17", "2019-12-18"]);
    expect(previousSessionDate(sampleDates[1]!)).toBe(sampleDates[0]!);
  });

  test.each([
    ["2019-12-17", 80_588, 357],
    ["2019-12-18", 90_657, 338],
  ])("%s has 300 funds, only minutes of the regular session, and no bad row", async (date, rows, zeroVolumeRows) => {
    const day = await loadSampleDay(date);
    const session = tradingDay(date)!;
    expect(day.date).toBe(date);
    expect(day.symbols.length).toBe(300);
    expect(day.symbols).toContain("SPY");
    expect(day.startUs.every((us) => us >= session.openUs && us < session.closeUs)).toBe(true);
    expect(day.quality).toEqual({
      rows,
      keptRows: rows - zeroVolumeRows,
      zeroVolumeRows,
      badPriceRows: 0,
      badRangeRows: 0,
      badVolumeRows: 0,
      repeatedRows: 0,
      contradictingRows: 0,
      outOfOrderRows: 0,
      roundedPriceRows: 0,
    });
  });

  test("both days hold the same funds, the most traded of the first", async () => {
    const [first, second] = await Promise.all(sampleDates.map(loadSampleDay));
    expect(second!.symbols).toEqual(first!.symbols);
    expect(mostTraded(first!, 300)).toEqual([...first!.symbols]);
  });

  test("any other day is refused with the reason and what there is", async () => {
    await expect(loadSampleDay("2019-12-25")).rejects.toThrow(
      /2019-12-25.*closed: Christmas Day.*2019-12-17 and 2019-12-18/,
    );
    await expect(loadSampleDay("2024-03-21")).rejects.toThrow(NoRecordedDayError);
  });
});

describe("the script that made the sample", () => {
  test("ranks by traded value of that day and breaks ties by name", async () => {
    const day = await loadSampleDay("2019-12-17");
    const five = mostTraded(day, 5);
    expect(five).toEqual(["EEM", "HYG", "LQD", "QQQ", "SPY"]);
  });

  test("keeps lines as they stand and gzips them to the same bytes every time", () => {
    const text = linesOf("ticker,volume\nA,1\nAA,2\nB,3\n", new Set(["AA", "B"]));
    expect(text).toBe("ticker,volume\nAA,2\nB,3\n");
    const zipped = gzipSame(text);
    expect(Array.from(zipped.slice(0, 10))).toEqual([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255]);
    expect(gunzipSync(zipped).toString()).toBe(text);
  });

  test("cuts the VIX file to date and close", () => {
    expect(vixCloses("DATE,OPEN,HIGH,LOW,CLOSE\n1990-01-02,1,2,3,17.240000\n")).toBe("DATE,CLOSE\n1990-01-02,17.24\n");
  });
});

describe("a folder of flat files", () => {
  const row = "SPY,100,10,10,10,10,1576679400000000000";
  const text = `ticker,volume,open,close,high,low,window_start\n${row}\n`;

  function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), "gyr-flat-files-"));
    mkdirSync(join(folder, "2019", "12"), { recursive: true });
    return use(folder).finally(() => rmSync(folder, { recursive: true }));
  }

  test("gives the day as csv.gz or csv", () =>
    withFolder(async (folder) => {
      await Bun.write(join(folder, "2019/12/2019-12-18.csv"), text);
      expect((await loadDay(folder, "2019-12-18")).symbols).toEqual(["SPY"]);
      await Bun.write(join(folder, "2019/12/2019-12-18.csv.gz"), gzipSame(text.replace("SPY", "QQQ")));
      expect((await loadDay(folder, "2019-12-18")).symbols).toEqual(["QQQ"]);
    }));

  test("says which files it looked for when the day is missing", () =>
    withFolder(async (folder) => {
      const attempt = loadDayFromFolder(folder, "2019-12-20");
      await expect(attempt).rejects.toThrow(NoRecordedDayError);
      await expect(attempt).rejects.toThrow(/neither .*2019-12-20\.csv\.gz nor .*2019-12-20\.csv exists/);
    }));

  test("names the file when it is broken", () =>
    withFolder(async (folder) => {
      const path = join(folder, "2019/12/2019-12-18.csv.gz");
      await Bun.write(path, gzipSame(text).slice(0, 40));
      await expect(loadDayFromFolder(folder, "2019-12-18")).rejects.toThrow(`${path}: invalid gzip`);
    }));

  // Root may read everything.
  test.skipIf(process.getuid?.() === 0)("names the file when it may not be read", () =>
    withFolder(async (folder) => {
      const path = join(folder, "2019/12/2019-12-18.csv");
      await Bun.write(path, text);
      chmodSync(path, 0);
      await expect(loadDayFromFolder(folder, "2019-12-18")).rejects.toThrow(`${path}: cannot be read`);
    }),
  );

  test('"" means the sample', async () => {
    expect((await loadDay("", "2019-12-18")).symbols.length).toBe(300);
  });
});

describe("VIX closes", () => {
  test("rise by date from 1990 and cover the sample", () => {
    const closes = loadVixDaily();
    expect(closes.length).toBe(9_235);
    expect(closes[0]).toEqual({ date: "1990-01-02", close: 17.24 });
    expect(previousVixClose(closes, "2019-12-18")).toEqual({ date: "2019-12-17", close: 12.29 });
  });

  test("the close of the day itself is never used: no look-ahead", () => {
    const closes = loadVixDaily();
    const last = closes.at(-1)!;
    expect(previousVixClose(closes, last.date)!.date).toBe(closes.at(-2)!.date);
  });

  test("reach over the longest closure of the exchange, but an old level is not taken for a new one", () => {
    const closes = loadVixDaily();
    expect(previousVixClose(closes, "2001-09-17")!.date).toBe("2001-09-10");
    expect(previousVixClose(closes, "1990-01-02")).toBeNull();
    expect(previousVixClose(closes, "2030-01-02")).toBeNull();
  });

  test.each([
    ["another header", "Date;Close\n", 1],
    ["a close of zero", "DATE,CLOSE\n2019-12-17,0\n", 2],
    ["a close that is no number", "DATE,CLOSE\n2019-12-17,n/a\n", 2],
    ["a missing close", "DATE,CLOSE\n2019-12-17,\n", 2],
    ["falling dates", "DATE,CLOSE\n2019-12-18,12\n2019-12-17,12\n", 3],
    ["a date twice", "DATE,CLOSE\n2019-12-18,12\n2019-12-18,12\n", 3],
    ["nothing but a header", "DATE,CLOSE\n", 0],
  ])("refuse a file with %s", (_, text, line) => {
    expect(() => parseVixDaily(text, "vix.csv")).toThrow(FlatFileError);
    expect(() => parseVixDaily(text, "vix.csv")).toThrow(line > 0 ? `vix.csv:${line}: ` : "vix.csv: ");
  });
});
