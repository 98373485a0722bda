// Hot path: no allocation after start.
// HTTP/1.1 requests of the order path as bytes, straight from the order table into a preallocated buffer: no strings, no
// JSON.stringify. Keys stand in the order in which the vendor's SDK sends them (alphabetical), amounts are decimal strings.
//
// The head of a POST is the same for every order but for the three digits of Content-Length, so it is made once and copied.

import { assert } from "../../core/assert.ts";
import { TICKS_PER_USD } from "../../core/fixed-point.ts";
import { INSTRUMENT_CAPACITY, type Instruments } from "../../market/instruments.ts";
import {
  ORDER_TYPE_LIMIT,
  ORDER_TYPE_MARKET,
  ORDER_TYPE_STOP,
  ORDER_TYPE_STOP_LIMIT,
  type OrderTable,
  SIDE_BUY,
} from "../../market/orders.ts";
import { isOrderableSymbol } from "../client-order-id.ts";

/** Room for one request: a head of about 300 bytes with the longest keys and hosts, a body of at most 999. */
export const REQUEST_BYTES_MAX = 2048;
/** Heads longer than this leave no room for the body. */
const HEAD_BYTES_MAX = REQUEST_BYTES_MAX - 1024;
/** The body always has three digits of length: never under 100 bytes, asserted to be under 1000. */
const LENGTH_DIGITS = 3;

const ENCODER = new TextEncoder();
const ascii = (text: string): Uint8Array => ENCODER.encode(text);

const CLIENT_ORDER_ID = ascii('{"client_order_id":"');
const LIMIT_PRICE = ascii('","limit_price":"');
const ORDER_CLASS_BRACKET = ascii('","order_class":"bracket');
const QTY = ascii('","qty":"');
const SIDE_IS_BUY = ascii('","side":"buy');
const SIDE_IS_SELL = ascii('","side":"sell');
const STOP_LOSS = ascii('","stop_loss":{"stop_price":"');
const STOP_PRICE = ascii('","stop_price":"');
const SYMBOL_AFTER_STRING = ascii('","symbol":"');
const SYMBOL_AFTER_OBJECT = ascii('"},"symbol":"');
const TAKE_PROFIT = ascii('","take_profit":{"limit_price":"');
const DAY_AFTER_STRING = ascii('","time_in_force":"day","type":"');
const DAY_AFTER_OBJECT = ascii('"},"time_in_force":"day","type":"');
const TYPE_MARKET = ascii('market"}');
const TYPE_LIMIT = ascii('limit"}');
const TYPE_STOP = ascii('stop"}');
const TYPE_STOP_LIMIT = ascii('stop_limit"}');

export class OrderBytes {
  readonly #orders: OrderTable;
  readonly #instruments: Instruments;
  readonly #postHead: Uint8Array;
  /** Where the digits of Content-Length stand in the head. */
  readonly #lengthOffset: number;
  readonly #idPrefix: Uint8Array;
  readonly #getHead: Uint8Array;
  readonly #deleteHead: Uint8Array;
  /** What follows the path of a request without a body. */
  readonly #tail: Uint8Array;
  /** (instrument) bytes of the symbol. */
  readonly #symbols: Uint8Array[] = [];

  /**
   * @param url    base of the trading API, with a path in front of /v2 where a proxy needs one
   * @param idPrefix what our order ids of the day begin with
   */
  constructor(url: URL, keyId: string, secret: string, idPrefix: string, orders: OrderTable, instruments: Instruments) {
    this.#orders = orders;
    this.#instruments = instruments;
    this.#idPrefix = ascii(idPrefix);
    const base = url.pathname.replace(/\/$/, "");
    const common =
      ` HTTP/1.1\r\nHost: ${url.host}\r\nUser-Agent: gyr\r\nAccept: application/json\r\n` +
      `APCA-API-KEY-ID: ${keyId}\r\nAPCA-API-SECRET-KEY: ${secret}\r\n`;
    const beforeLength = `POST ${base}/v2/orders${common}Content-Type: application/json\r\nContent-Length: `;
    this.#postHead = ascii(`${beforeLength}${"0".repeat(LENGTH_DIGITS)}\r\n\r\n`);
    this.#lengthOffset = beforeLength.length;
    this.#getHead = ascii(`GET ${base}`);
    this.#deleteHead = ascii(`DELETE ${base}/v2/orders/`);
    this.#tail = ascii(`${common}\r\n`);
    assert(this.#postHead.length <= HEAD_BYTES_MAX, `a request head of at most ${HEAD_BYTES_MAX} bytes`);
  }

  /**
   * Writes the POST of an order.
   *
   * @param into REQUEST_BYTES_MAX bytes
   * @param row  an entry or exit with its intent number; an entry with both bracket prices goes out as a bracket
   * @returns bytes written
   */
  encodeSubmit(into: Uint8Array, row: number): number {
    const bodyStart = this.#postHead.length;
    into.set(this.#postHead, 0);
    const end = this.#body(into, bodyStart, row);
    const bodyBytes = end - bodyStart;
    assert(bodyBytes >= 100 && bodyBytes <= 999, "an order body of 100 to 999 bytes");
    const offset = this.#lengthOffset;
    into[offset] = 48 + Math.floor(bodyBytes / 100);
    into[offset + 1] = 48 + (Math.floor(bodyBytes / 10) % 10);
    into[offset + 2] = 48 + (bodyBytes % 10);
    return end;
  }

  /** Writes the DELETE of the order with this id of the broker's. @returns bytes written */
  encodeCancel(into: Uint8Array, brokerId: string): number {
    into.set(this.#deleteHead, 0);
    const at = putText(into, this.#deleteHead.length, brokerId);
    return putBytes(into, at, this.#tail);
  }

  /** Writes a GET of a path with its query, "/v2/orders:by_client_order_id?client_order_id=...". @returns bytes written */
  encodeGet(into: Uint8Array, path: string): number {
    into.set(this.#getHead, 0);
    const at = putText(into, this.#getHead.length, path);
    return putBytes(into, at, this.#tail);
  }

  #body(into: Uint8Array, start: number, row: number): number {
    const { slot, side, type, qty, limitPxTicks, stopPxTicks, intentNumber } = this.#orders;
    const targetPxTicks = this.#orders.bracketTargetPxTicks[row]!;
    const stopLossPxTicks = this.#orders.bracketStopPxTicks[row]!;
    const isBracket = targetPxTicks > 0 && stopLossPxTicks > 0;
    const symbol = this.#symbolBytes(slot[row]!);
    const orderType = type[row]!;
    assert(intentNumber[row]! >= 0, "an order of ours has an intent number");

    let at = putBytes(into, start, CLIENT_ORDER_ID);
    at = putBytes(into, at, this.#idPrefix);
    at = putBytes(into, at, symbol);
    into[at++] = 45;
    at = putInteger(into, at, intentNumber[row]!);
    if (orderType === ORDER_TYPE_LIMIT || orderType === ORDER_TYPE_STOP_LIMIT) {
      at = putBytes(into, at, LIMIT_PRICE);
      at = putTicks(into, at, limitPxTicks[row]!);
    }
    if (isBracket) at = putBytes(into, at, ORDER_CLASS_BRACKET);
    at = putBytes(into, at, QTY);
    at = putInteger(into, at, qty[row]!);
    at = putBytes(into, at, side[row] === SIDE_BUY ? SIDE_IS_BUY : SIDE_IS_SELL);
    if (isBracket) {
      at = putBytes(into, at, STOP_LOSS);
      at = putTicks(into, at, stopLossPxTicks);
      at = putBytes(into, at, SYMBOL_AFTER_OBJECT);
    } else {
      if (orderType === ORDER_TYPE_STOP || orderType === ORDER_TYPE_STOP_LIMIT) {
        at = putBytes(into, at, STOP_PRICE);
        at = putTicks(into, at, stopPxTicks[row]!);
      }
      at = putBytes(into, at, SYMBOL_AFTER_STRING);
    }
    at = putBytes(into, at, symbol);
    if (isBracket) {
      at = putBytes(into, at, TAKE_PROFIT);
      at = putTicks(into, at, targetPxTicks);
      at = putBytes(into, at, DAY_AFTER_OBJECT);
    } else {
      at = putBytes(into, at, DAY_AFTER_STRING);
    }
    return putBytes(into, at, typeBytes(orderType));
  }

  #symbolBytes(slot: number): Uint8Array {
    if (slot >= this.#symbols.length) this.encodeSymbols();
    return this.#symbols[slot]!;
  }

  /** Encodes the symbols that the table of instruments has gained; it is complete before the first order. */
  // hot-ok: at start
  encodeSymbols(): void {
    const { symbols } = this.#instruments;
    assert(symbols.length <= INSTRUMENT_CAPACITY, "instruments within capacity");
    for (let slot = this.#symbols.length; slot < symbols.length; slot++) {
      const symbol = symbols[slot]!;
      assert(isOrderableSymbol(symbol), "a symbol of letters, digits and dots: checked at the start");
      this.#symbols.push(ascii(symbol));
    }
  }
}

function typeBytes(type: number): Uint8Array {
  if (type === ORDER_TYPE_MARKET) return TYPE_MARKET;
  if (type === ORDER_TYPE_LIMIT) return TYPE_LIMIT;
  if (type === ORDER_TYPE_STOP) return TYPE_STOP;
  assert(type === ORDER_TYPE_STOP_LIMIT, "an order type of the order table");
  return TYPE_STOP_LIMIT;
}

function putBytes(into: Uint8Array, at: number, bytes: Uint8Array): number {
  into.set(bytes, at);
  return at + bytes.length;
}

/** ASCII only: paths and the broker's ids. */
function putText(into: Uint8Array, at: number, text: string): number {
  assert(at + text.length < HEAD_BYTES_MAX, "a request path that fits its buffer");
  for (let i = 0; i < text.length; i++) into[at + i] = text.charCodeAt(i);
  return at + text.length;
}

/** Decimal digits of a whole number of 0 or more. @returns the offset after them */
export function putInteger(into: Uint8Array, at: number, value: number): number {
  assert(Number.isInteger(value) && value >= 0, "a whole number of 0 or more to write");
  let digits = 1;
  for (let bound = 10; value >= bound; bound *= 10) digits += 1;
  let rest = value;
  for (let i = digits - 1; i >= 0; i--) {
    const tens = Math.floor(rest / 10);
    into[at + i] = 48 + (rest - tens * 10);
    rest = tens;
  }
  return at + digits;
}

/** A price in ticks as a decimal without trailing zeros: 1501000 -> 150.1, as `formatTicks`. @returns the offset after it */
export function putTicks(into: Uint8Array, at: number, ticks: number): number {
  assert(Number.isInteger(ticks) && ticks > 0, "a price of whole ticks above 0");
  const whole = Math.floor(ticks / TICKS_PER_USD);
  let fraction = ticks - whole * TICKS_PER_USD;
  let end = putInteger(into, at, whole);
  if (fraction === 0) return end;
  into[end++] = 46;
  for (let scale = TICKS_PER_USD / 10; fraction > 0; scale /= 10) {
    const digit = Math.floor(fraction / scale);
    into[end++] = 48 + digit;
    fraction -= digit * scale;
  }
  return end;
}
