// Hot path: no allocation after start.
// Market events between the feed (writer) and the engine (reader): one power-of-two ring of columns in one thread.
// A row means what its kind says; columns that a kind does not use keep old values.

import type { Arena } from "../core/arena.ts";
import { assert } from "../core/assert.ts";

export const MARKET_EVENT_TRADE = 1;
export const MARKET_EVENT_QUOTE = 2;
/** A minute aggregate from the venue (Polygon AM). */
export const MARKET_EVENT_MINUTE_BAR = 3;
/** A second aggregate from the venue (Polygon A). */
export const MARKET_EVENT_SECOND_BAR = 4;

/** Rows. A 1 MiB frame of 90-byte events holds 11,650; several frames can wait in lockstep. Power of two. */
export const MARKET_EVENT_CAPACITY = 1 << 16;
const MASK = MARKET_EVENT_CAPACITY - 1;

export class MarketEventRing {
  /** Rows written since start. Written by the feed. */
  head = 0;
  /** Rows consumed since start. Written by the engine. */
  tail = 0;
  readonly mask = MASK;

  /** (event) MARKET_EVENT_*. */
  readonly kind: Uint8Array;
  /** (event) instrument slot. */
  readonly slot: Int32Array;
  /** (event) when it happened at the venue (SIP time), epoch us. Bars: start of the interval. */
  readonly tsVenueUs: Float64Array;
  /** (event) when our socket had the frame, monotonic ns. */
  readonly tsRecvNs: Float64Array;
  /** (event) trade price; bar close. USD. */
  readonly px: Float64Array;
  /** (event) trade size; bar volume. Shares. */
  readonly qty: Float64Array;
  /** (event) quote bid, USD; bar open. */
  readonly bidPx: Float64Array;
  /** (event) quote ask, USD; bar high. */
  readonly askPx: Float64Array;
  /** (event) bid size, round lots; bar low, USD. */
  readonly bidLots: Float64Array;
  /** (event) ask size, round lots; bar volume-weighted mean price, USD. */
  readonly askLots: Float64Array;

  constructor(arena: Arena) {
    this.kind = arena.u8("marketEvents.kind", MARKET_EVENT_CAPACITY);
    this.slot = arena.i32("marketEvents.slot", MARKET_EVENT_CAPACITY);
    this.tsVenueUs = arena.f64("marketEvents.tsVenueUs", MARKET_EVENT_CAPACITY);
    this.tsRecvNs = arena.f64("marketEvents.tsRecvNs", MARKET_EVENT_CAPACITY);
    this.px = arena.f64("marketEvents.px", MARKET_EVENT_CAPACITY);
    this.qty = arena.f64("marketEvents.qty", MARKET_EVENT_CAPACITY);
    this.bidPx = arena.f64("marketEvents.bidPx", MARKET_EVENT_CAPACITY);
    this.askPx = arena.f64("marketEvents.askPx", MARKET_EVENT_CAPACITY);
    this.bidLots = arena.f64("marketEvents.bidLots", MARKET_EVENT_CAPACITY);
    this.askLots = arena.f64("marketEvents.askLots", MARKET_EVENT_CAPACITY);
  }

  /** Rows waiting. */
  get depth(): number {
    return this.head - this.tail;
  }

  get isFull(): boolean {
    return this.head - this.tail >= MARKET_EVENT_CAPACITY;
  }

  /** Index of the next row to write; the caller fills the columns and then calls `commit`. */
  claim(): number {
    assert(!this.isFull, "market event ring has room (drain before parsing more)");
    return this.head & MASK;
  }

  commit(): void {
    this.head += 1;
  }
}
