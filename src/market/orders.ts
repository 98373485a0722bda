// Orders as columns: one row per order of ours, entries, exits and bracket legs alike. Written by the gateway's state
// machine (status, fills, broker ids) and by `open` at intent time; read by risk, ledger and strategy.

import type { Arena } from "../core/arena.ts";
import { assert } from "../core/assert.ts";
import { INSTRUMENT_CAPACITY } from "./instruments.ts";

/** Rows. 20 positions x 3 orders, turned over many times: 200 orders a minute for 390 minutes is the broker's ceiling. */
export const ORDER_CAPACITY = 1 << 14;

export const SIDE_BUY = 1;
export const SIDE_SELL = -1;

export const ORDER_TYPE_MARKET = 1;
export const ORDER_TYPE_LIMIT = 2;
export const ORDER_TYPE_STOP = 3;
export const ORDER_TYPE_STOP_LIMIT = 4;

/** What an order is for. */
export const ORDER_ROLE_ENTRY = 1;
export const ORDER_ROLE_EXIT = 2;
/** Bracket legs, held by the broker. */
export const ORDER_ROLE_TARGET = 3;
export const ORDER_ROLE_STOP = 4;

/** Status of an order as we know it. The broker's seventeen statuses fold into these. */
export const ORDER_STATUS_NONE = 0;
/** Intent recorded, bytes not yet answered. */
export const ORDER_STATUS_IN_FLIGHT = 1;
/** Accepted by the broker: pending_new, accepted, held (legs), accepted_for_bidding. */
export const ORDER_STATUS_ACCEPTED = 2;
/** Working at the venue: new, stopped, suspended, calculated, done_for_day. */
export const ORDER_STATUS_WORKING = 3;
export const ORDER_STATUS_PARTIALLY_FILLED = 4;
/** Cancel asked for and not yet answered. */
export const ORDER_STATUS_PENDING_CANCEL = 5;
/** Terminal from here on. */
export const ORDER_STATUS_FILLED = 6;
export const ORDER_STATUS_CANCELED = 7;
export const ORDER_STATUS_REJECTED = 8;
export const ORDER_STATUS_EXPIRED = 9;
export const ORDER_STATUS_REPLACED = 10;

export const ORDER_STATUS_NAMES = [
  "none",
  "in_flight",
  "accepted",
  "working",
  "partially_filled",
  "pending_cancel",
  "filled",
  "canceled",
  "rejected",
  "expired",
  "replaced",
] as const;

/** True where no further event can change the order. */
export function isTerminal(status: number): boolean {
  return status >= ORDER_STATUS_FILLED;
}

export class OrderTable {
  /** Rows in use. */
  count = 0;
  /** (order) instrument slot. */
  readonly slot: Int32Array;
  /** (order) SIDE_*. */
  readonly side: Int32Array;
  /** (order) ORDER_TYPE_*. */
  readonly type: Uint8Array;
  /** (order) ORDER_ROLE_*. */
  readonly role: Uint8Array;
  /** (order) ORDER_STATUS_*. */
  readonly status: Uint8Array;
  /** (order) shares asked for. */
  readonly qty: Float64Array;
  /** (order) limit price, ticks; 0 none. */
  readonly limitPxTicks: Float64Array;
  /** (order) stop price of a stop order, ticks; 0 none. */
  readonly stopPxTicks: Float64Array;
  /** (order) take-profit limit of the bracket this entry carries, ticks; 0 no bracket. */
  readonly bracketTargetPxTicks: Float64Array;
  /** (order) stop-loss price of the bracket this entry carries, ticks; 0 no bracket. */
  readonly bracketStopPxTicks: Float64Array;
  /** (order) shares filled so far. */
  readonly filledQty: Float64Array;
  /** (order) sum of fill price x shares, ticks. */
  readonly filledNotionalTicks: Float64Array;
  /** (order) row of the entry a leg belongs to, -1 none. */
  readonly parentRow: Int32Array;
  /** (order) intent number of the instrument on this day, 0-based; -1 for legs, whose ids the broker makes. */
  readonly intentNumber: Int32Array;
  /** (order) market time of the intent, epoch us. */
  readonly tsIntentUs: Float64Array;
  /** (order) monotonic ns when the tick that caused it was received, its bytes were sent, and the answer was read. */
  readonly tsTickNs: Float64Array;
  readonly tsSentNs: Float64Array;
  readonly tsAckNs: Float64Array;
  /** (order) the broker's id; "" until known. */
  readonly brokerId: string[] = [];
  /** (order) our id; legs: the broker's. */
  readonly clientOrderId: string[] = [];
  /** (instrument) intents numbered so far on this day; the next entry or exit takes this number. */
  readonly intentCount: Int32Array;

  constructor(arena: Arena) {
    this.slot = arena.i32("orders.slot", ORDER_CAPACITY);
    this.side = arena.i32("orders.side", ORDER_CAPACITY);
    this.type = arena.u8("orders.type", ORDER_CAPACITY);
    this.role = arena.u8("orders.role", ORDER_CAPACITY);
    this.status = arena.u8("orders.status", ORDER_CAPACITY);
    this.qty = arena.f64("orders.qty", ORDER_CAPACITY);
    this.limitPxTicks = arena.f64("orders.limitPxTicks", ORDER_CAPACITY);
    this.stopPxTicks = arena.f64("orders.stopPxTicks", ORDER_CAPACITY);
    this.bracketTargetPxTicks = arena.f64("orders.bracketTargetPxTicks", ORDER_CAPACITY);
    this.bracketStopPxTicks = arena.f64("orders.bracketStopPxTicks", ORDER_CAPACITY);
    this.filledQty = arena.f64("orders.filledQty", ORDER_CAPACITY);
    this.filledNotionalTicks = arena.f64("orders.filledNotionalTicks", ORDER_CAPACITY);
    this.parentRow = arena.i32("orders.parentRow", ORDER_CAPACITY);
    this.intentNumber = arena.i32("orders.intentNumber", ORDER_CAPACITY);
    this.tsIntentUs = arena.f64("orders.tsIntentUs", ORDER_CAPACITY);
    this.tsTickNs = arena.f64("orders.tsTickNs", ORDER_CAPACITY);
    this.tsSentNs = arena.f64("orders.tsSentNs", ORDER_CAPACITY);
    this.tsAckNs = arena.f64("orders.tsAckNs", ORDER_CAPACITY);
    this.intentCount = arena.i32("orders.intentCount", INSTRUMENT_CAPACITY);
  }

  /** Takes a fresh row, zeroed; the caller fills it. Entries and exits get their intent number here. -1 when the table is full. */
  open(slot: number, side: number, role: number, qty: number): number {
    assert(side === SIDE_BUY || side === SIDE_SELL, `side is 1 or -1, was ${side}`);
    assert(qty > 0 && Number.isFinite(qty), `order quantity is above 0, was ${qty}`);
    if (this.count >= ORDER_CAPACITY) return -1;
    const row = this.count++;
    this.slot[row] = slot;
    this.side[row] = side;
    this.role[row] = role;
    this.qty[row] = qty;
    this.status[row] = ORDER_STATUS_NONE;
    this.parentRow[row] = -1;
    const isOurs = role === ORDER_ROLE_ENTRY || role === ORDER_ROLE_EXIT;
    this.intentNumber[row] = isOurs ? this.intentCount[slot]!++ : -1;
    this.brokerId.push("");
    this.clientOrderId.push("");
    return row;
  }

  get isFull(): boolean {
    return this.count >= ORDER_CAPACITY;
  }
}
