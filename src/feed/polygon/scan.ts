// Hot path: no allocation after start.
// Reads a frame of Polygon events byte by byte straight into rows past the ring's head, making no objects. It knows exactly
// one form: `[{...},{...}]` without spaces, escapes, nesting, negative numbers or exponents, which is what the venue sends.
// Anything else makes it return SCAN_REFUSED with nothing committed, and the caller reads the frame with JSON.parse instead;
// so the scanner never decides what a bad frame is, and a test holds the two to the same rows on mutated frames.

import {
  MARKET_EVENT_MINUTE_BAR,
  MARKET_EVENT_QUOTE,
  MARKET_EVENT_SECOND_BAR,
  MARKET_EVENT_TRADE,
  type MarketEventRing,
} from "../../market/events.ts";
import type { Instruments } from "../../market/instruments.ts";
import { PACKED_SYMBOL_CHARS, SymbolTable } from "./symbol-table.ts";
import { writeBar, writeQuote, writeTrade } from "./validate.ts";

/** Result of `scan`: the frame is not exactly as expected; read it with JSON.parse. */
export const SCAN_REFUSED = -1;

/** Longest frame scanned, bytes; the venue's own clients cap frames at 1 MiB. A longer one goes through JSON.parse. */
export const SCAN_BYTES_MAX = 1 << 20;

/** Shortest event that can become a row: {"ev":"T","sym":"A","p":1,"s":1,"t":1}. Bounds the events of a frame from above. */
export const EVENT_CHARS_MIN = 38;

const enum Byte {
  Quote = 0x22,
  Comma = 0x2c,
  Dot = 0x2e,
  Zero = 0x30,
  Colon = 0x3a,
  UpperE = 0x45,
  OpenBracket = 0x5b,
  Backslash = 0x5c,
  CloseBracket = 0x5d,
  LowerE = 0x65,
  F = 0x66,
  T = 0x74,
  OpenBrace = 0x7b,
  CloseBrace = 0x7d,
  FirstPrintable = 0x20,
}

/** Known keys, their characters packed big-endian. A key of four or more characters never equals one of these. */
const enum Key {
  Ev = 0x6576,
  Sym = 0x73796d,
}

/** Fields read, as bits of `seen` and `wrong` and as indices of the value column. */
const enum Field {
  None = 0,
  P,
  S,
  T,
  Bp,
  Ap,
  Bs,
  As,
  O,
  H,
  L,
  C,
  V,
  Vw,
  Ds,
  Dv,
}

const enum Bit {
  P = 1 << 1,
  S = 1 << 2,
  T = 1 << 3,
  Bp = 1 << 4,
  Ap = 1 << 5,
  Bs = 1 << 6,
  As = 1 << 7,
  O = 1 << 8,
  H = 1 << 9,
  L = 1 << 10,
  C = 1 << 11,
  V = 1 << 12,
  Vw = 1 << 13,
  Ds = 1 << 14,
  Dv = 1 << 15,
}

/** Fields an event of each kind must have besides its size, and all fields it reads. */
const TRADE_REQUIRED = Bit.P | Bit.T;
const TRADE_READ = TRADE_REQUIRED | Bit.S | Bit.Ds;
const QUOTE_REQUIRED = Bit.Bp | Bit.Ap | Bit.Bs | Bit.As | Bit.T;
const BAR_REQUIRED = Bit.O | Bit.H | Bit.L | Bit.C | Bit.Vw | Bit.S;
const BAR_READ = BAR_REQUIRED | Bit.V | Bit.Dv;

const KIND_UNSEEN = 0;
/** An event of a kind that is not read. Above every MARKET_EVENT_*. */
const KIND_OTHER = 255;
const SLOT_UNSEEN = -2;

/** Field of a key of one or two characters. */
const FIELD_OF_KEY = new Uint8Array(1 << 16);
// hot-ok: once, when the module is loaded
for (const [key, field] of [
  ["p", Field.P],
  ["s", Field.S],
  ["t", Field.T],
  ["bp", Field.Bp],
  ["ap", Field.Ap],
  ["bs", Field.Bs],
  ["as", Field.As],
  ["o", Field.O],
  ["h", Field.H],
  ["l", Field.L],
  ["c", Field.C],
  ["v", Field.V],
  ["vw", Field.Vw],
  ["ds", Field.Ds],
  ["dv", Field.Dv],
] as const) {
  FIELD_OF_KEY[key.length === 1 ? key.charCodeAt(0) : (key.charCodeAt(0) << 8) | key.charCodeAt(1)] = field;
}

/** Digits a mantissa may have and still be exact in a double, whatever they are (10^15 < 2^53). */
const EXACT_DIGITS = 15;
/** Exact powers of ten: an exact mantissa over one of these is the correctly rounded decimal, as JSON.parse gives. */
const POW10 = new Float64Array(EXACT_DIGITS + 1);
for (let i = 0; i <= EXACT_DIGITS; i++) POW10[i] = 10 ** i;

export class FrameScanner {
  /** What the last `scan` that was not refused skipped. */
  badCount = 0;
  unknownCount = 0;
  readonly #ring: MarketEventRing;
  readonly #instruments: Instruments;
  readonly #symbols = new SymbolTable();
  readonly #bytes = Buffer.alloc(SCAN_BYTES_MAX + 8);
  readonly #values = new Float64Array(16);

  constructor(ring: MarketEventRing, instruments: Instruments) {
    this.#ring = ring;
    this.#instruments = instruments;
  }

  /**
   * Writes the frame's events into rows past the ring's head, without committing them.
   *
   * @param frame  text of at most SCAN_BYTES_MAX characters; the ring has room for one row per EVENT_CHARS_MIN of them
   * @param recvNs when the socket had it, monotonic ns
   * @returns rows written, or SCAN_REFUSED
   */
  scan(frame: string, recvNs: number): number {
    if (this.#symbols.count !== this.#instruments.count) this.#symbols.build(this.#instruments);
    const bytes: Uint8Array = this.#bytes;
    const byteCount = this.#bytes.write(frame);
    // Not ASCII: byte and character positions would differ.
    if (byteCount !== frame.length) return SCAN_REFUSED;
    // No step below gets past a zero, so nothing left over from a longer frame is ever read.
    bytes[byteCount] = 0;
    return this.#scanEvents(bytes, byteCount, frame, recvNs);
  }

  // One long function on purpose: its state stays in registers.
  #scanEvents(bytes: Uint8Array, byteCount: number, frame: string, recvNs: number): number {
    const ring = this.#ring;
    const values = this.#values;
    const head = ring.head;
    let rows = 0;
    let badCount = 0;
    let unknownCount = 0;
    if (bytes[0] !== Byte.OpenBracket) return SCAN_REFUSED;
    let p = 1;

    for (;;) {
      if (bytes[p++] !== Byte.OpenBrace) return SCAN_REFUSED;
      let kind = KIND_UNSEEN;
      let slot = SLOT_UNSEEN;
      // Fields with a value of the right type, and of a wrong one. A repeated key counts with its last value, as in JSON.parse;
      // where one of its values is of a wrong type the event is refused below.
      let seen = 0;
      let wrong = 0;

      for (;;) {
        if (bytes[p++] !== Byte.Quote) return SCAN_REFUSED;
        let key = 0;
        let c = bytes[p++]!;
        while (c !== Byte.Quote) {
          if (c < Byte.FirstPrintable || c === Byte.Backslash) return SCAN_REFUSED;
          key = (key << 8) | c;
          c = bytes[p++]!;
        }
        if (bytes[p++] !== Byte.Colon) return SCAN_REFUSED;
        const field = key >>> 16 === 0 ? FIELD_OF_KEY[key]! : Field.None;
        const bit = field === Field.None ? 0 : 1 << field;

        c = bytes[p]!;
        let digit = c - Byte.Zero;
        if (digit >>> 0 < 10) {
          const start = p++;
          let mantissa = digit;
          let next = bytes[p]! - Byte.Zero;
          if (digit === 0 && next >>> 0 < 10) return SCAN_REFUSED;
          while (next >>> 0 < 10) {
            mantissa = mantissa * 10 + next;
            next = bytes[++p]! - Byte.Zero;
          }
          let digits = p - start;
          let decimals = 0;
          if (bytes[p] === Byte.Dot) {
            const first = ++p;
            digit = bytes[p]! - Byte.Zero;
            while (digit >>> 0 < 10) {
              mantissa = mantissa * 10 + digit;
              digit = bytes[++p]! - Byte.Zero;
            }
            decimals = p - first;
            if (decimals === 0) return SCAN_REFUSED;
            digits += decimals;
          }
          c = bytes[p]!;
          if (c === Byte.LowerE || c === Byte.UpperE) return SCAN_REFUSED;
          if (field !== Field.None) {
            if (field >= Field.Ds) wrong |= bit;
            else {
              seen |= bit;
              values[field] =
                digits > EXACT_DIGITS
                  ? Number(frame.slice(start, p)) // hot-ok: rare, a number of 16 or more digits
                  : decimals === 0
                    ? mantissa
                    : mantissa / POW10[decimals]!;
            }
          } else if (key === Key.Ev || key === Key.Sym) return SCAN_REFUSED;
        } else if (c === Byte.Quote) {
          const start = ++p;
          if (key === Key.Sym) {
            let high = 0;
            let low = 0;
            c = bytes[p]!;
            while (c !== Byte.Quote) {
              if (c < Byte.FirstPrintable || c === Byte.Backslash) return SCAN_REFUSED;
              high = (high << 8) | (low >>> 24);
              low = (low << 8) | c;
              c = bytes[++p]!;
            }
            slot =
              p - start <= PACKED_SYMBOL_CHARS
                ? this.#symbols.find(high, low)
                : this.#instruments.slotOf(frame.slice(start, p)); // hot-ok: rare, a symbol of more than 8 characters
          } else if (field >= Field.Ds) {
            const end = this.#decimal(bytes, start, field);
            if (end < 0) return SCAN_REFUSED;
            p = end;
            seen |= bit;
          } else {
            c = bytes[p]!;
            let text = 0;
            while (c !== Byte.Quote) {
              if (c < Byte.FirstPrintable || c === Byte.Backslash) return SCAN_REFUSED;
              text = (text << 8) | c;
              c = bytes[++p]!;
            }
            wrong |= bit;
            if (key === Key.Ev) {
              kind = kindOf(text, p - start);
              if (kind === KIND_UNSEEN) return SCAN_REFUSED;
            }
          }
          p++;
        } else if (c === Byte.OpenBracket) {
          p = skipIntegers(bytes, p);
          if (p < 0 || key === Key.Ev || key === Key.Sym) return SCAN_REFUSED;
          wrong |= bit;
        } else {
          p = skipBoolean(bytes, p);
          if (p < 0 || key === Key.Ev || key === Key.Sym) return SCAN_REFUSED;
          wrong |= bit;
        }

        c = bytes[p++]!;
        if (c === Byte.Comma) continue;
        if (c === Byte.CloseBrace) break;
        return SCAN_REFUSED;
      }

      // The event is whole. A missing or wrong-typed field that its kind reads is for JSON.parse to judge.
      if (kind === KIND_UNSEEN) return SCAN_REFUSED;
      if (kind === KIND_OTHER) unknownCount++;
      else if (slot === SLOT_UNSEEN) return SCAN_REFUSED;
      else if (slot < 0) unknownCount++;
      else {
        const row = (head + rows) & ring.mask;
        let isWritten = false;
        if (kind === MARKET_EVENT_TRADE) {
          if ((seen & TRADE_REQUIRED) !== TRADE_REQUIRED || (wrong & TRADE_READ) !== 0) return SCAN_REFUSED;
          if ((seen & (Bit.S | Bit.Ds)) === 0) return SCAN_REFUSED;
          const qty = (seen & Bit.Ds) !== 0 ? values[Field.Ds]! : values[Field.S]!;
          isWritten = writeTrade(ring, row, slot, values[Field.P]!, qty, values[Field.T]!, recvNs);
        } else if (kind === MARKET_EVENT_QUOTE) {
          if ((seen & QUOTE_REQUIRED) !== QUOTE_REQUIRED || (wrong & QUOTE_REQUIRED) !== 0) return SCAN_REFUSED;
          isWritten = writeQuote(
            ring,
            row,
            slot,
            values[Field.Bp]!,
            values[Field.Ap]!,
            values[Field.Bs]!,
            values[Field.As]!,
            values[Field.T]!,
            recvNs,
          );
        } else {
          if ((seen & BAR_REQUIRED) !== BAR_REQUIRED || (wrong & BAR_READ) !== 0) return SCAN_REFUSED;
          if ((seen & (Bit.V | Bit.Dv)) === 0) return SCAN_REFUSED;
          isWritten = writeBar(
            ring,
            row,
            kind === MARKET_EVENT_SECOND_BAR,
            slot,
            values[Field.O]!,
            values[Field.H]!,
            values[Field.L]!,
            values[Field.C]!,
            (seen & Bit.Dv) !== 0 ? values[Field.Dv]! : values[Field.V]!,
            values[Field.Vw]!,
            values[Field.S]!,
            recvNs,
          );
        }
        if (isWritten) rows++;
        else badCount++;
      }

      const c = bytes[p++]!;
      if (c === Byte.Comma) continue;
      if (c === Byte.CloseBracket) break;
      return SCAN_REFUSED;
    }

    if (p !== byteCount) return SCAN_REFUSED;
    this.badCount = badCount;
    this.unknownCount = unknownCount;
    return rows;
  }

  /** Reads a quoted plain decimal into the value column; the position of its closing quote, or -1 where it is not one. */
  #decimal(bytes: Uint8Array, start: number, field: number): number {
    let p = start;
    let mantissa = 0;
    let digit = bytes[p]! - Byte.Zero;
    while (digit >>> 0 < 10) {
      mantissa = mantissa * 10 + digit;
      digit = bytes[++p]! - Byte.Zero;
    }
    let digits = p - start;
    let decimals = 0;
    if (digits === 0) return -1;
    if (bytes[p] === Byte.Dot) {
      const first = ++p;
      digit = bytes[p]! - Byte.Zero;
      while (digit >>> 0 < 10) {
        mantissa = mantissa * 10 + digit;
        digit = bytes[++p]! - Byte.Zero;
      }
      decimals = p - first;
      digits += decimals;
      if (decimals === 0) return -1;
    }
    if (bytes[p] !== Byte.Quote || digits > EXACT_DIGITS) return -1;
    this.#values[field] = mantissa / POW10[decimals]!;
    return p;
  }
}

/** Kind of an event by the packed text of its `ev`; KIND_UNSEEN for status, which is not for the scanner. */
function kindOf(text: number, length: number): number {
  if (length === 1) {
    if (text === 0x54) return MARKET_EVENT_TRADE; // T
    if (text === 0x51) return MARKET_EVENT_QUOTE; // Q
    if (text === 0x41) return MARKET_EVENT_SECOND_BAR; // A
  } else if (length === 2) {
    if (text === 0x414d) return MARKET_EVENT_MINUTE_BAR; // AM
  } else if (length === 6) {
    if (text === 0x61747573) return KIND_UNSEEN; // ..atus, the end of status
  }
  return KIND_OTHER;
}

/** Past an array of non-negative integers without spaces; -1 where it is something else. */
function skipIntegers(bytes: Uint8Array, start: number): number {
  let p = start + 1;
  if (bytes[p] === Byte.CloseBracket) return p + 1;
  for (;;) {
    const first = bytes[p++]! - Byte.Zero;
    if (!(first >>> 0 < 10)) return -1;
    let c = bytes[p++]!;
    if (first === 0 && (c - Byte.Zero) >>> 0 < 10) return -1;
    while ((c - Byte.Zero) >>> 0 < 10) c = bytes[p++]!;
    if (c === Byte.CloseBracket) return p;
    if (c !== Byte.Comma) return -1;
  }
}

/** Past `true` or `false`; -1 where it is something else. */
function skipBoolean(bytes: Uint8Array, p: number): number {
  if (bytes[p] === Byte.T) {
    return bytes[p + 1] === 0x72 && bytes[p + 2] === 0x75 && bytes[p + 3] === Byte.LowerE ? p + 4 : -1;
  }
  if (bytes[p] !== Byte.F) return -1;
  return bytes[p + 1] === 0x61 && bytes[p + 2] === 0x6c && bytes[p + 3] === 0x73 && bytes[p + 4] === Byte.LowerE
    ? p + 5
    : -1;
}
