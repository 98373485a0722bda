import { describe, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { newYorkTimeUs } from "../../../src/market/calendar.ts";
import { FlatFileError, type ParsedDay, parseFlatFile } from "../../../src/market/flat-file-parse.ts";

const HEADER = "ticker,volume,open,close,high,low,window_start";
const NAME = "2019-12-18.csv";

/** window_start of a New York minute of 2019-12-18, nanoseconds as text. */
const at = (time: string, date = "2019-12-18") => `${newYorkTimeUs(date, time)}000`;
const bytes = (text: string) => new TextEncoder().encode(text);
const csv = (...lines: string[]) => bytes(`${[HEADER, ...lines].join("\n")}\n`);
const parse = (...lines: string[]) => parseFlatFile(csv(...lines), NAME);
const good = (symbol = "SPY", time = "09:30") => `${symbol},100,10,10,10,10,${at(time)}`;

function refusal(data: Uint8Array, name = NAME): FlatFileError {
  try {
    parseFlatFile(data, name);
  } catch (error) {
    if (error instanceof FlatFileError) return error;
    throw error;
  }
  throw new Error("the file was not refused");
}

function rowsOf(day: ParsedDay, symbol: string): { time: number[]; close: number[] } {
  const index = day.symbols.indexOf(symbol);
  const from = day.firstRow[index]!;
  const to = from + day.rowCount[index]!;
  return { time: Array.from(day.startUs.slice(from, to)), close: Array.from(day.closePxTicks.slice(from, to)) };
}

describe("a good flat file", () => {
  test("becomes columns, sorted by symbol and time, prices in ticks and times in microseconds", () => {
    const day = parse(
      `SPY,200,320.01,320.1234,320.2,319.5,${at("09:31")}`,
      `AAA,7,1.5,1.5,1.5,1.5,${at("15:59")}`,
      `SPY,100,320,320.01,320.5,319.99,${at("09:30")}`,
    );
    expect(day.date).toBe("2019-12-18");
    expect(day.symbols).toEqual(["AAA", "SPY"]);
    expect(Array.from(day.firstRow)).toEqual([0, 1]);
    expect(Array.from(day.rowCount)).toEqual([1, 2]);
    expect(Array.from(day.startUs)).toEqual(
      ["15:59", "09:30", "09:31"].map((time) => newYorkTimeUs("2019-12-18", time)),
    );
    expect(Array.from(day.openPxTicks)).toEqual([15_000, 3_200_000, 3_200_100]);
    expect(Array.from(day.closePxTicks)).toEqual([15_000, 3_200_100, 3_201_234]);
    expect(Array.from(day.highPxTicks)).toEqual([15_000, 3_205_000, 3_202_000]);
    expect(Array.from(day.lowPxTicks)).toEqual([15_000, 3_199_900, 3_195_000]);
    expect(Array.from(day.volume)).toEqual([7, 100, 200]);
    expect(day.quality.outOfOrderRows).toBe(1);
  });

  test("may have its columns in any order, further ones, CRLF, a byte order mark, upper case and quotes in the header", () => {
    const header = '\uFEFF"WINDOW_START",transactions,low,high,close,open,vwap,volume,ticker';
    const row = `${at("09:30")},3,9.5,10.5,10.25,10,10.1,100,SPY`;
    const day = parseFlatFile(bytes(`${header}\r\n${row}\r\n\r\n`), NAME);
    expect(day.symbols).toEqual(["SPY"]);
    expect([day.openPxTicks[0], day.highPxTicks[0], day.lowPxTicks[0], day.closePxTicks[0]]).toEqual([
      100_000, 105_000, 95_000, 102_500,
    ]);
    expect(day.volume[0]).toBe(100);
  });

  test("is the same from gzip, from several gzip members and from plain text", () => {
    const text = csv(good(), good("QQQ"));
    const cut = text.length >> 1;
    const members = Buffer.concat([gzipSync(text.slice(0, cut)), gzipSync(text.slice(cut))]);
    const plain = parseFlatFile(text, NAME);
    expect(parseFlatFile(gzipSync(text), "2019-12-18.csv.gz")).toEqual(plain);
    expect(parseFlatFile(members, "2019-12-18.csv.gz")).toEqual(plain);
  });

  test("without a date in its name is of the day of its first row", () => {
    expect(parseFlatFile(csv(good()), "bars.csv").date).toBe("2019-12-18");
  });

  test("a folder with a date in its name does not decide the day", () => {
    expect(parseFlatFile(csv(good()), "/archive/2020-01-02/bars.csv").date).toBe("2019-12-18");
  });

  test("holds early and late sessions, from New York's midnight to midnight", () => {
    const day = parse(good("SPY", "00:00"), good("SPY", "04:00"), good("SPY", "23:59"));
    expect(day.quality.keptRows).toBe(3);
  });

  test("reads exponents, and rounds what is finer than a tick and counts it", () => {
    const day = parse(`SPY,1.5e+03,1.0000e1,10.00004,1.1e1,9.99996,${at("09:30")}`);
    expect([day.openPxTicks[0], day.closePxTicks[0], day.highPxTicks[0], day.lowPxTicks[0]]).toEqual([
      100_000, 100_000, 110_000, 100_000,
    ]);
    expect(day.volume[0]).toBe(1_500);
    expect(day.quality.roundedPriceRows).toBe(1);
  });

  test("keeps symbols with classes and lower-case suffixes apart", () => {
    expect(parse(good("BRK.B"), good("BRK.A"), good("BACpA")).symbols).toEqual(["BACpA", "BRK.A", "BRK.B"]);
  });
});

describe("a single row that cannot be true is left out and counted", () => {
  const cases: [string, string, keyof ParsedDay["quality"]][] = [
    ["a negative price", "BAD,100,-10,10,10,10", "badPriceRows"],
    ["a price of zero", "BAD,100,10,10,10,0", "badPriceRows"],
    ["a price below half a tick", "BAD,100,10,10,10,0.00004", "badPriceRows"],
    ["an absurd price", "BAD,100,10,10,99999999,10", "badPriceRows"],
    ["high below low", "BAD,100,10,10,9,11", "badRangeRows"],
    ["an open above the high", "BAD,100,12,10,11,9", "badRangeRows"],
    ["an open below the low", "BAD,100,8,10,11,9", "badRangeRows"],
    ["a close above the high", "BAD,100,10,12,11,9", "badRangeRows"],
    ["a close below the low", "BAD,100,10,8,11,9", "badRangeRows"],
    ["a negative volume", "BAD,-1,10,10,11,9", "badVolumeRows"],
    ["an absurd volume", "BAD,1e13,10,10,11,9", "badVolumeRows"],
    ["no volume", "BAD,0,10,10,11,9", "zeroVolumeRows"],
  ];
  test.each(cases)("%s", (_, fields, counter) => {
    const day = parse(good(), `${fields},${at("09:31")}`);
    expect(day.symbols).toEqual(["SPY"]);
    expect(day.quality).toMatchObject({ rows: 2, keptRows: 1, [counter]: 1 });
  });

  test("the same minute with the same numbers again", () => {
    const day = parse(good(), good());
    expect(day.quality).toMatchObject({ rows: 2, keptRows: 1, repeatedRows: 1, contradictingRows: 0 });
  });

  test("the same minute with other numbers: the first in the file stays", () => {
    const day = parse(good("SPY", "09:31"), `SPY,100,11,11,11,11,${at("09:30")}`, `SPY,100,12,12,12,12,${at("09:30")}`);
    expect(rowsOf(day, "SPY").close).toEqual([110_000, 100_000]);
    expect(day.quality).toMatchObject({ keptRows: 2, contradictingRows: 1 });
  });

  test("up to ten in any file and one in a hundred in a large one, and beyond that the file is refused", () => {
    const bad = (index: number) => `BAD${index},100,10,10,9,11,${at("09:30")}`;
    const many = (count: number, make: (index: number) => string) =>
      Array.from({ length: count }, (_, index) => make(index));
    const few = parse(good(), ...many(10, bad));
    expect(few.quality.badRangeRows).toBe(10);
    expect(refusal(csv(good(), ...many(11, bad))).message).toContain("11 of 12 rows are bad");
    const large = many(2_000, (index) => good(`S${index}`));
    expect(parse(...large, ...many(20, bad)).quality.badRangeRows).toBe(20);
    expect(() => parse(...large, ...many(21, bad))).toThrow(/21 of 2021 rows are bad/);
  });

  test("a file in which no row is good is refused even if they are few", () => {
    expect(refusal(csv(`BAD,100,10,10,9,11,${at("09:30")}`)).message).toContain("1 of 1 rows are bad");
  });
});

describe("a file that is not what it says it is is refused, with file, line, found and allowed", () => {
  const first = good();
  const cases: [string, Uint8Array, number, RegExp][] = [
    ["empty", new Uint8Array(0), 0, /empty file/],
    ["only a header", csv(), 0, /no rows after the header/],
    [
      "a column missing",
      bytes("ticker,volume,open,close,high,low\nA,1,1,1,1,1\n"),
      1,
      /no column window_start, was 'ticker,vol/,
    ],
    ["a column twice", bytes(`${HEADER},open\n`), 1, /column open twice/],
    ["no header", bytes(`${first}\n`), 1, /no column ticker, volume/],
    ["another kind of file", new Uint8Array(5_000).fill(7), 1, /invalid header/],
    ["a field too few", csv(first, "SPY,100,10,10,10,10"), 3, /6 fields where the header has 7/],
    ["a field too many", csv(first, `${first},9`), 3, /8 fields where the header has 7/],
    ["a semicolon file", csv(first.replaceAll(",", ";")), 2, /1 fields where the header has 7/],
    ["no symbol", csv(first, `,100,10,10,10,10,${at("09:31")}`), 3, /invalid ticker ''/],
    ["a quoted symbol", csv(`"SPY",100,10,10,10,10,${at("09:31")}`), 2, /invalid ticker '"SPY"'/],
    ["an endless symbol", csv(`${"A".repeat(17)},100,10,10,10,10,${at("09:31")}`), 2, /invalid ticker 'AAAA/],
    [
      "a price that is no number",
      csv(`SPY,100,10,ten,10,10,${at("09:30")}`),
      2,
      /invalid close 'ten'; needed is a finite/,
    ],
    ["a missing price", csv(`SPY,100,,10,10,10,${at("09:30")}`), 2, /invalid open ''/],
    ["a price NaN", csv(`SPY,100,10,10,NaN,10,${at("09:30")}`), 2, /invalid high 'NaN'/],
    ["an infinite price", csv(`SPY,100,10,10,10,Infinity,${at("09:30")}`), 2, /invalid low 'Infinity'/],
    ["a lone point", csv(`SPY,100,.,10,10,10,${at("09:30")}`), 2, /invalid open '.'/],
    ["two points", csv(`SPY,100,1.0.0,10,10,10,${at("09:30")}`), 2, /invalid open '1.0.0'/],
    ["a hexadecimal price", csv(`SPY,100,0x10,10,10,10,${at("09:30")}`), 2, /invalid open '0x10'/],
    ["a price beyond all numbers", csv(`SPY,100,1e999,10,10,10,${at("09:30")}`), 2, /invalid open '1e999'/],
    ["a volume that is no number", csv(`SPY,many,10,10,10,10,${at("09:30")}`), 2, /invalid volume 'many'/],
    ["a missing volume", csv(`SPY,,10,10,10,10,${at("09:30")}`), 2, /invalid volume ''/],
    [
      "milliseconds",
      csv("SPY,100,10,10,10,10,1576679400000"),
      2,
      /invalid window_start '1576679400000'; needed is epoch nano/,
    ],
    [
      "a time with an exponent",
      csv("SPY,100,10,10,10,10,1.5766794e18000000"),
      2,
      /invalid window_start '1.5766794e18000000'/,
    ],
    ["a negative time", csv("SPY,100,10,10,10,10,-576679400000000000"), 2, /invalid window_start/],
    ["a second, not a minute", csv(`SPY,100,10,10,10,10,1576679401000000000`), 2, /the start of a minute/],
    ["a nanosecond off the minute", csv(`SPY,100,10,10,10,10,1576679400000000001`), 2, /the start of a minute/],
    [
      "another day",
      csv(good(), `SPY,100,10,10,10,10,${at("09:30", "2019-12-17")}`),
      3,
      /2019-12-17 in New York.*a minute of 2019-12-18/,
    ],
    ["the next midnight", csv(`SPY,100,10,10,10,10,${at("00:00", "2019-12-19")}`), 2, /2019-12-19 in New York/],
    ["cut off within the last line", csv(first, good("SPY", "09:31")).slice(0, -3), 3, /may be cut off/],
  ];
  test.each(cases)("%s", (_, data, line, message) => {
    const error = refusal(data);
    expect(error.message).toMatch(message);
    expect(error.line).toBe(line);
    expect(error.message.startsWith(line > 0 ? `${NAME}:${line}: ` : `${NAME}: `)).toBe(true);
  });

  test("gzip cut off at any byte, damaged, or not gzip at all", () => {
    const zipped = gzipSync(csv(good(), good("QQQ")));
    for (let length = 2; length < zipped.length; length++) {
      expect(refusal(zipped.slice(0, length), "2019-12-18.csv.gz").message).toMatch(/cut off or damaged/);
    }
    const damaged = zipped.slice();
    damaged[damaged.length - 6]! ^= 1;
    expect(refusal(damaged, "2019-12-18.csv.gz").message).toMatch(/cut off or damaged/);
    expect(refusal(csv(good()), "2019-12-18.csv.gz").message).toMatch(/does not begin with 1f 8b/);
  });

  test("a very long bad field or header is not printed whole", () => {
    expect(refusal(csv(`SPY,100,${"9".repeat(5_000)}x,10,10,10,${at("09:30")}`)).message.length).toBeLessThan(300);
    expect(refusal(bytes(`${"x".repeat(100_000)}\n`)).message.length).toBeLessThan(500);
  });

  test("a name with a date that does not exist", () => {
    expect(() => parseFlatFile(csv(good()), "2019-02-30.csv")).toThrow(/invalid date '2019-02-30'/);
  });
});
