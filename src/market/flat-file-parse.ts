// Polygon flat file of minute aggregates (csv or csv.gz) -> DayBars. Called at start by the venue, the warm-up and the tools.
//
// The file is refused (FlatFileError) where it is not what it says it is: empty, cut off, not gzip, columns missing or named
// twice, a row with other fields than the header, a field that is no number, a timestamp of another day or not on a minute,
// or too many bad rows. A single row that cannot be true is left out and counted in `quality`: a price that is zero, negative
// or absurd, high below low, open or close outside them, a negative volume, a second row of a minute that says otherwise. A
// file may hold BAD_ROW_FRAC_MAX of such rows (a few always): beyond that nothing in it is to be trusted. Left out and
// counted too, but not bad: a row repeated, and a minute without volume, which on the feed makes no bar either.

import { gunzipSync } from "node:zlib";
import { TICKS_PER_USD } from "../core/fixed-point.ts";
import { UserError } from "../core/user-error.ts";
import { newYorkDate, newYorkTimeUs } from "./calendar.ts";
import type { DayBars } from "./flat-file.ts";

/** Highest believable price, USD. The dearest US stock is below one million. */
export const PX_MAX_USD = 10_000_000;
/** Highest believable volume of a minute, shares. */
export const VOLUME_MAX = 1e12;
/** Share of bad rows a file may hold, and a count that is always forgiven. */
export const BAD_ROW_FRAC_MAX = 0.01;
export const BAD_ROWS_FORGIVEN = 10;

/** What was found besides good rows. Everything that is left out is counted here. */
export interface FlatFileQuality {
  /** Rows of data in the file. */
  readonly rows: number;
  /** Rows kept. */
  readonly keptRows: number;
  /** Left out: a price of zero, negative, or above PX_MAX_USD. */
  readonly badPriceRows: number;
  /** Left out: high below low, or open or close outside them. */
  readonly badRangeRows: number;
  /** Left out: volume negative or above VOLUME_MAX. */
  readonly badVolumeRows: number;
  /** Left out: the same minute again with the same numbers. Not counted as bad. */
  readonly repeatedRows: number;
  /** Left out: the same minute again with other numbers; the first in the file stays. */
  readonly contradictingRows: number;
  /** Kept and put in order: earlier than the row before it of the same symbol. */
  readonly outOfOrderRows: number;
  /** Left out: no shares traded, so nothing happened. Not counted as bad; some vendors write them. */
  readonly zeroVolumeRows: number;
  /** Kept: a price with more digits than a tick, rounded to the nearest. */
  readonly roundedPriceRows: number;
}

export interface ParsedDay extends DayBars {
  readonly quality: FlatFileQuality;
}

/**
 * What was left out, moved or rounded, as one sentence for people; "" where there is nothing to tell. Minutes without volume
 * alone are nothing to tell: some vendors write them for every quiet minute.
 */
export function qualityNote({ date, quality }: ParsedDay): string {
  const { rows, keptRows, badPriceRows, badRangeRows, badVolumeRows, zeroVolumeRows } = quality;
  const counts: readonly (readonly [number, string])[] = [
    [badPriceRows, "with an impossible price"],
    [badRangeRows, "with open or close outside low..high"],
    [badVolumeRows, "with an impossible volume"],
    [quality.contradictingRows, "contradicting an earlier row of their minute"],
    [quality.repeatedRows, "repeated"],
  ];
  const found = counts.filter(([count]) => count > 0);
  const notes: string[] = [];
  if (found.length > 0) {
    const all = zeroVolumeRows > 0 ? [...found, [zeroVolumeRows, "without volume"] as const] : found;
    const kinds = all.map(([count, what]) => `${count} ${what}`).join(", ");
    notes.push(`${rows - keptRows} of ${rows} rows left out: ${kinds}`);
  }
  if (quality.outOfOrderRows > 0) notes.push(`${quality.outOfOrderRows} rows were out of order and put in place`);
  if (quality.roundedPriceRows > 0) notes.push(`${quality.roundedPriceRows} rows have prices rounded to a tick`);
  return notes.length === 0 ? "" : `data of ${date}: ${notes.join("; ")}`;
}

/** A flat file that cannot be used; says where, what was found, what is allowed and what to do. */
export class FlatFileError extends UserError {
  override name = "FlatFileError";
  readonly file: string;
  /** 1-based line of the text, 0 where the file as a whole is meant. */
  readonly line: number;
  constructor(file: string, line: number, what: string, cause?: unknown) {
    super("failed", `${file}${line > 0 ? `:${line}` : ""}: ${what}`, "", cause === undefined ? undefined : { cause });
    this.file = file;
    this.line = line;
  }
}

/** Columns read, by header name; the file may hold more and in any order. */
const COLUMNS = ["ticker", "volume", "open", "close", "high", "low", "window_start"] as const;
const COLUMN_TICKER = 0;
const COLUMN_VOLUME = 1;
const COLUMN_OPEN = 2;
const COLUMN_CLOSE = 3;
const COLUMN_HIGH = 4;
const COLUMN_LOW = 5;
const COLUMN_WINDOW_START = 6;
const COLUMN_OTHER = -1;

const NEWLINE = 10;
const CARRIAGE_RETURN = 13;
const COMMA = 44;
const DOT = 46;
const DIGIT_0 = 48;
const DIGIT_9 = 57;

const TICKER_LENGTH_MAX = 16;
const US_PER_MINUTE = 60_000_000;
/** Epoch nanoseconds have 19 digits from 2001-09-09 to 2286; before that 18. */
const NS_DIGITS_MIN = 18;
const NS_DIGITS_MAX = 19;

/**
 * Bars of one day.
 *
 * @param bytes the file, gzip or plain
 * @param name its name, for messages; a date in it (YYYY-MM-DD) is the day that every row must belong to, otherwise the
 *   first row's New York date is
 */
export function parseFlatFile(bytes: Uint8Array, name: string): ParsedDay {
  const text = plainBytes(bytes, name);
  const header = readHeader(text, name);
  const rows = new RowReader(text, name, header);
  rows.readAll();
  return rows.finish();
}

function plainBytes(bytes: Uint8Array, name: string): Uint8Array {
  const isGzip = bytes.length >= 2 && bytes[0] === 0x1f && bytes[1] === 0x8b;
  if (!isGzip && name.endsWith(".gz") && bytes.length > 0) {
    throw new FlatFileError(
      name,
      0,
      "invalid gzip: it does not begin with 1f 8b; fetch it again or drop .gz from its name",
    );
  }
  let text = bytes;
  if (isGzip) {
    try {
      text = gunzipSync(bytes);
    } catch (cause) {
      const found = cause instanceof Error ? cause.message : String(cause);
      throw new FlatFileError(name, 0, `invalid gzip, cut off or damaged: ${found}; fetch the file again`, cause);
    }
  }
  if (text.length === 0)
    throw new FlatFileError(name, 0, "empty file; a header line and rows are needed, fetch it again");
  return text;
}

interface Header {
  /** COLUMN_* of each field. */
  readonly columnOfField: Int32Array;
  /** Where the first row begins. */
  readonly bodyOffset: number;
}

function readHeader(text: Uint8Array, name: string): Header {
  const newline = text.indexOf(NEWLINE);
  const end = newline < 0 ? text.length : newline;
  const isBom = text[0] === 0xef && text[1] === 0xbb && text[2] === 0xbf;
  // A header longer than this is not one: do not print a megabyte of somebody's binary file.
  const line = new TextDecoder("latin1").decode(text.slice(isBom ? 3 : 0, Math.min(end, 1_000))).trimEnd();
  const names = line.split(",").map((field) =>
    field
      .trim()
      .replace(/^"(.*)"$/, "$1")
      .toLowerCase(),
  );
  const problem = headerProblem(names);
  if (problem !== null) {
    const allowed = `the columns ${COLUMNS.join(", ")} in any order, others are ignored`;
    const found = printable(line.length > 200 ? `${line.slice(0, 200)}...` : line);
    throw new FlatFileError(name, 1, `invalid header: ${problem}, was '${found}'; needed are ${allowed}`);
  }
  const columnOfField = Int32Array.from(names, (field) => (COLUMNS as readonly string[]).indexOf(field));
  return { columnOfField, bodyOffset: Math.min(end + 1, text.length) };
}

function headerProblem(names: readonly string[]): string | null {
  const missing = COLUMNS.filter((column) => !names.includes(column));
  if (missing.length > 0) return `no column ${missing.join(", ")}`;
  const twice = COLUMNS.find((column) => names.indexOf(column) !== names.lastIndexOf(column));
  return twice === undefined ? null : `column ${twice} twice`;
}

/** Rows in the order of the file, then sorted and stripped of duplicates by `finish`. */
class RowReader {
  readonly #text: Uint8Array;
  readonly #name: string;
  readonly #columnOfField: Int32Array;
  readonly #decoder = new TextDecoder("latin1");
  #offset: number;
  #line = 1;

  // Columns in file order, as long as the file could have rows: a row takes at least 2 bytes a field.
  readonly #symbolIndex: Int32Array;
  readonly #startUs: Float64Array;
  readonly #open: Float64Array;
  readonly #high: Float64Array;
  readonly #low: Float64Array;
  readonly #close: Float64Array;
  readonly #volume: Float64Array;
  #count = 0;

  readonly #indexBySymbol = new Map<string, number>();
  readonly #symbols: string[] = [];
  // Where the ticker of the row before lies: files are sorted by ticker, so most rows need no string.
  #tickerOffset = 0;
  #tickerLength = 0;
  #tickerIndex = -1;

  #date = "";
  #dayStartUs = 0;
  #dayEndUs = 0;
  // The row being read.
  #isRounded = false;
  readonly #value = new Float64Array(COLUMNS.length);

  #rows = 0;
  #badPriceRows = 0;
  #badRangeRows = 0;
  #badVolumeRows = 0;
  #zeroVolumeRows = 0;
  #roundedPriceRows = 0;

  constructor(text: Uint8Array, name: string, header: Header) {
    this.#text = text;
    this.#name = name;
    this.#columnOfField = header.columnOfField;
    this.#offset = header.bodyOffset;
    const capacity = countByte(text, NEWLINE, header.bodyOffset) + 1;
    this.#symbolIndex = new Int32Array(capacity);
    this.#startUs = new Float64Array(capacity);
    this.#open = new Float64Array(capacity);
    this.#high = new Float64Array(capacity);
    this.#low = new Float64Array(capacity);
    this.#close = new Float64Array(capacity);
    this.#volume = new Float64Array(capacity);
    const date = /\d{4}-\d{2}-\d{2}/.exec(name.slice(name.lastIndexOf("/") + 1));
    if (date !== null) this.#setDate(date[0]);
  }

  readAll(): void {
    const text = this.#text;
    if (text[text.length - 1] !== NEWLINE) {
      const lines = countByte(text, NEWLINE, 0) + 1;
      this.#fail(
        lines,
        "the last line does not end, so the file may be cut off; fetch it again, or end it with a newline",
      );
    }
    while (this.#offset < text.length) {
      this.#line += 1;
      if (!this.#skipEmptyLine()) this.#readRow();
    }
    if (this.#rows === 0) this.#fail(0, "no rows after the header; fetch the file again");
  }

  #skipEmptyLine(): boolean {
    const text = this.#text;
    let at = this.#offset;
    if (text[at] === CARRIAGE_RETURN) at++;
    if (text[at] !== NEWLINE) return false;
    this.#offset = at + 1;
    return true;
  }

  #readRow(): void {
    const columnOfField = this.#columnOfField;
    const value = this.#value;
    this.#isRounded = false;
    const fieldCount = columnOfField.length;
    for (let field = 0; field < fieldCount; field++) {
      const start = this.#offset;
      const end = this.#fieldEnd(start, field === fieldCount - 1);
      const column = columnOfField[field]!;
      if (column === COLUMN_TICKER) value[COLUMN_TICKER] = this.#ticker(start, end);
      else if (column === COLUMN_WINDOW_START) value[COLUMN_WINDOW_START] = this.#minuteUs(start, end);
      else if (column === COLUMN_VOLUME) value[COLUMN_VOLUME] = this.#number(start, end, column);
      else if (column !== COLUMN_OTHER) value[column] = this.#pxTicks(start, end, column);
    }
    this.#rows += 1;
    this.#keepRow(value);
  }

  /** End of the field at `start`, and the offset moves behind its comma or newline. */
  #fieldEnd(start: number, isLast: boolean): number {
    const text = this.#text;
    let at = start;
    let byte = text[at]!;
    while (byte !== COMMA && byte !== NEWLINE) byte = text[++at]!;
    if ((byte === NEWLINE) !== isLast) this.#failFieldCount();
    this.#offset = at + 1;
    return isLast && at > start && text[at - 1] === CARRIAGE_RETURN ? at - 1 : at;
  }

  #ticker(start: number, end: number): number {
    const length = end - start;
    if (length === this.#tickerLength && this.#tickerIndex >= 0) {
      const text = this.#text;
      const before = this.#tickerOffset - start;
      let at = start;
      while (at < end && text[at] === text[at + before]) at++;
      if (at === end) return this.#tickerIndex;
    }
    this.#tickerOffset = start;
    this.#tickerLength = length;
    this.#tickerIndex = this.#internTicker(start, end);
    return this.#tickerIndex;
  }

  #internTicker(start: number, end: number): number {
    const ticker = this.#fieldText(start, end);
    if (ticker.length > TICKER_LENGTH_MAX || !/^[A-Za-z0-9][A-Za-z0-9./+=^-]*$/.test(ticker)) {
      this.#failField("ticker", ticker, `a symbol of 1 to ${TICKER_LENGTH_MAX} letters, digits and ./-`);
    }
    const known = this.#indexBySymbol.get(ticker);
    if (known !== undefined) return known;
    this.#indexBySymbol.set(ticker, this.#symbols.length);
    return this.#symbols.push(ticker) - 1;
  }

  /** Start of the minute, epoch us: nanoseconds do not fit a double, so their last three digits are checked and dropped. */
  #minuteUs(start: number, end: number): number {
    const text = this.#text;
    const digits = end - start;
    if (digits < NS_DIGITS_MIN || digits > NS_DIGITS_MAX) this.#failWindowStart(start, end);
    let us = 0;
    for (let at = start; at < end; at++) {
      const byte = text[at]!;
      if (byte < DIGIT_0 || byte > DIGIT_9) this.#failWindowStart(start, end);
      if (at < end - 3) us = us * 10 + (byte - DIGIT_0);
      else if (byte !== DIGIT_0) this.#failOffMinute(start, end);
    }
    if (us % US_PER_MINUTE !== 0) this.#failOffMinute(start, end);
    if (this.#date === "") this.#setDate(newYorkDate(us));
    if (us < this.#dayStartUs || us >= this.#dayEndUs) {
      const found = `${this.#fieldText(start, end)} (${newYorkDate(us)} in New York)`;
      this.#failField(
        "window_start",
        found,
        `a minute of ${this.#date}; give the file its own day's name, or cut it by day`,
      );
    }
    return us;
  }

  /** Price in ticks, exact for up to four decimals. Plain decimals here, everything else through `#number`. */
  #pxTicks(start: number, end: number, column: number): number {
    const text = this.#text;
    let mantissa = 0;
    let decimals = -1;
    for (let at = start; at < end; at++) {
      const byte = text[at]!;
      if (byte === DOT && decimals < 0) decimals = 0;
      else if (byte >= DIGIT_0 && byte <= DIGIT_9 && at - start < 15) {
        mantissa = mantissa * 10 + (byte - DIGIT_0);
        if (decimals >= 0) decimals++;
      } else return this.#roundedPxTicks(start, end, column);
    }
    if (end === start || decimals > 4 || (decimals >= 0 && end - start === 1)) {
      return this.#roundedPxTicks(start, end, column);
    }
    return mantissa * TICKS_OF_LAST_DIGIT[Math.max(decimals, 0)]!;
  }

  #roundedPxTicks(start: number, end: number, column: number): number {
    const ticks = this.#number(start, end, column) * TICKS_PER_USD;
    const rounded = Math.round(ticks);
    // 53.17 as 5.317e1 is exact to the tick; 53.17004 is not.
    if (Math.abs(ticks - rounded) > 1e-6) this.#isRounded = true;
    return rounded;
  }

  #number(start: number, end: number, column: number): number {
    const text = this.#text;
    let value = 0;
    for (let at = start; at < end; at++) {
      const byte = text[at]!;
      if (byte < DIGIT_0 || byte > DIGIT_9 || at - start >= 15) return this.#generalNumber(start, end, column);
      value = value * 10 + (byte - DIGIT_0);
    }
    return end > start ? value : this.#generalNumber(start, end, column);
  }

  #generalNumber(start: number, end: number, column: number): number {
    const field = this.#fieldText(start, end);
    const value = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(field) ? Number(field) : Number.NaN;
    if (!Number.isFinite(value)) this.#failField(COLUMNS[column]!, field, "a finite decimal number");
    return value;
  }

  #keepRow(value: Float64Array): void {
    const open = value[COLUMN_OPEN]!;
    const high = value[COLUMN_HIGH]!;
    const low = value[COLUMN_LOW]!;
    const close = value[COLUMN_CLOSE]!;
    const volume = value[COLUMN_VOLUME]!;
    const lowest = Math.min(open, high, low, close);
    const highest = Math.max(open, high, low, close);
    if (!(lowest >= 1) || highest > PX_MAX_USD * TICKS_PER_USD) this.#badPriceRows += 1;
    else if (lowest < low || highest > high) this.#badRangeRows += 1;
    else if (!(volume >= 0) || volume > VOLUME_MAX) this.#badVolumeRows += 1;
    else if (volume === 0) this.#zeroVolumeRows += 1;
    else {
      const row = this.#count++;
      this.#symbolIndex[row] = value[COLUMN_TICKER]!;
      this.#startUs[row] = value[COLUMN_WINDOW_START]!;
      this.#open[row] = open;
      this.#high[row] = high;
      this.#low[row] = low;
      this.#close[row] = close;
      this.#volume[row] = volume;
      if (this.#isRounded) this.#roundedPriceRows += 1;
    }
  }

  /** Sorted by symbol, then time; duplicates out. */
  finish(): ParsedDay {
    const order = this.#order();
    const kept = new Int32Array(this.#count);
    const symbolCount = this.#symbols.length;
    const ranked = this.#symbols
      .map((symbol, index) => ({ symbol, index }))
      .sort((a, b) => (a.symbol < b.symbol ? -1 : 1));
    const symbols: string[] = [];
    const firstRow = new Int32Array(symbolCount);
    const rowCount = new Int32Array(symbolCount);
    let keptCount = 0;
    let repeatedRows = 0;
    let contradictingRows = 0;
    for (const { symbol, index } of ranked) {
      const first = keptCount;
      for (let at = order.firstOf[index]!; at < order.firstOf[index + 1]!; at++) {
        const row = order.rows[at]!;
        const before = keptCount > first ? kept[keptCount - 1]! : -1;
        if (before < 0 || this.#startUs[row] !== this.#startUs[before]) kept[keptCount++] = row;
        else if (this.#isSameBar(row, before)) repeatedRows += 1;
        else contradictingRows += 1;
      }
      if (keptCount === first) continue;
      firstRow[symbols.length] = first;
      rowCount[symbols.length] = keptCount - first;
      symbols.push(symbol);
    }
    const quality: FlatFileQuality = {
      rows: this.#rows,
      keptRows: keptCount,
      badPriceRows: this.#badPriceRows,
      badRangeRows: this.#badRangeRows,
      badVolumeRows: this.#badVolumeRows,
      repeatedRows,
      contradictingRows,
      outOfOrderRows: order.outOfOrderRows,
      zeroVolumeRows: this.#zeroVolumeRows,
      roundedPriceRows: this.#roundedPriceRows,
    };
    this.#refuseTooManyBadRows(quality);
    return {
      date: this.#date,
      symbols,
      firstRow: firstRow.slice(0, symbols.length),
      rowCount: rowCount.slice(0, symbols.length),
      startUs: gather(this.#startUs, kept, keptCount),
      openPxTicks: gather(this.#open, kept, keptCount),
      highPxTicks: gather(this.#high, kept, keptCount),
      lowPxTicks: gather(this.#low, kept, keptCount),
      closePxTicks: gather(this.#close, kept, keptCount),
      volume: gather(this.#volume, kept, keptCount),
      quality,
    };
  }

  /** Rows grouped by symbol (in order of first appearance) and, within one, by time; equal times keep the file's order. */
  #order(): { rows: Int32Array; firstOf: Int32Array; outOfOrderRows: number } {
    const count = this.#count;
    const symbolIndex = this.#symbolIndex;
    const startUs = this.#startUs;
    const firstOf = new Int32Array(this.#symbols.length + 1);
    for (let row = 0; row < count; row++) firstOf[symbolIndex[row]! + 1]! += 1;
    for (let symbol = 0; symbol < this.#symbols.length; symbol++) firstOf[symbol + 1]! += firstOf[symbol]!;
    const rows = new Int32Array(count);
    const next = firstOf.slice();
    for (let row = 0; row < count; row++) rows[next[symbolIndex[row]!]++] = row;
    let outOfOrderRows = 0;
    for (let symbol = 0; symbol < this.#symbols.length; symbol++) {
      const from = firstOf[symbol]!;
      const to = firstOf[symbol + 1]!;
      let swapped = 0;
      for (let at = from + 1; at < to; at++) if (startUs[rows[at]!]! < startUs[rows[at - 1]!]!) swapped += 1;
      if (swapped > 0) rows.subarray(from, to).sort((a, b) => startUs[a]! - startUs[b]! || a - b);
      outOfOrderRows += swapped;
    }
    return { rows, firstOf, outOfOrderRows };
  }

  #isSameBar(a: number, b: number): boolean {
    return (
      this.#open[a] === this.#open[b] &&
      this.#high[a] === this.#high[b] &&
      this.#low[a] === this.#low[b] &&
      this.#close[a] === this.#close[b] &&
      this.#volume[a] === this.#volume[b]
    );
  }

  #refuseTooManyBadRows(quality: FlatFileQuality): void {
    const { badPriceRows, badRangeRows, badVolumeRows, contradictingRows, rows, keptRows } = quality;
    const bad = badPriceRows + badRangeRows + badVolumeRows + contradictingRows;
    const isEmpty = keptRows === 0 && bad > 0;
    if (!isEmpty && (bad <= BAD_ROWS_FORGIVEN || bad <= rows * BAD_ROW_FRAC_MAX)) return;
    const kinds =
      `${badPriceRows} with a price not above 0 and up to ${PX_MAX_USD} USD, ${badRangeRows} with open or close outside ` +
      `low..high, ${badVolumeRows} with a bad volume, ${contradictingRows} contradicting an earlier row of their minute`;
    const allowed = `at most ${BAD_ROW_FRAC_MAX * 100}% or ${BAD_ROWS_FORGIVEN}`;
    this.#fail(
      0,
      `${bad} of ${rows} rows are bad (${kinds}); allowed are ${allowed}; check the columns or fetch it again`,
    );
  }

  #setDate(date: string): void {
    this.#date = date;
    this.#dayStartUs = newYorkTimeUs(date, "00:00");
    const next = Temporal.PlainDate.from(date).add({ days: 1 }).toString();
    this.#dayEndUs = newYorkTimeUs(next, "00:00");
  }

  #fieldText(start: number, end: number): string {
    return printable(this.#decoder.decode(this.#text.subarray(start, end)));
  }

  #fail(line: number, what: string): never {
    throw new FlatFileError(this.#name, line, what);
  }

  #failField(column: string, found: string, allowed: string): never {
    const shown = found.length > 60 ? `${found.slice(0, 60)}...` : found;
    this.#fail(this.#line, `invalid ${column} '${shown}'; needed is ${allowed}`);
  }

  #failFieldCount(): never {
    const text = this.#text;
    let lineStart = this.#offset;
    while (lineStart > 0 && text[lineStart - 1] !== NEWLINE) lineStart--;
    let lineEnd = text.indexOf(NEWLINE, lineStart);
    if (lineEnd < 0) lineEnd = text.length;
    const line = this.#fieldText(lineStart, Math.min(lineEnd, lineStart + 120));
    const found = countByte(text, COMMA, lineStart, lineEnd) + 1;
    const wanted = this.#columnOfField.length;
    this.#fail(
      this.#line,
      `${found} fields where the header has ${wanted}, was '${line}'; repair the line or fetch the file again`,
    );
  }

  #failWindowStart(start: number, end: number): never {
    const hint = "epoch nanoseconds, 19 digits; multiply milliseconds by 1,000,000, seconds by 1,000,000,000";
    this.#failField("window_start", this.#fieldText(start, end), hint);
  }

  #failOffMinute(start: number, end: number): never {
    this.#failField(
      "window_start",
      this.#fieldText(start, end),
      "the start of a minute; this reads minute aggregates only",
    );
  }
}

/** Ticks of one unit of the last digit, by number of decimals: 53.17 is 5317 units of 100 ticks. */
const TICKS_OF_LAST_DIGIT = [10_000, 1_000, 100, 10, 1] as const;

/** Text of a file that may go to a terminal: control characters, which could move its cursor, become "?". */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, "?");
}

function countByte(text: Uint8Array, byte: number, from: number, to = text.length): number {
  let count = 0;
  for (let at = from; at < to; at++) if (text[at] === byte) count += 1;
  return count;
}

function gather(column: Float64Array, rows: Int32Array, count: number): Float64Array {
  const out = new Float64Array(count);
  for (let at = 0; at < count; at++) out[at] = column[rows[at]!]!;
  return out;
}
