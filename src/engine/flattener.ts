// Gets gyr out of what it holds: cancels its own legs and entries, waits for the broker's word, then sells its own quantity.
// Never the broker's cancel-all or close-all: what is not ours stays untouched. One small state for each instrument, moved
// by executions and, where an answer is missing, by `retry` on a market-time timer.

import type { Arena } from "../core/arena.ts";
import { GATEWAY_OK, type Gateway } from "../gateway/gateway.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { INSTRUMENT_CAPACITY, type Instruments } from "../market/instruments.ts";
import {
  isTerminal,
  ORDER_ROLE_EXIT,
  ORDER_STATUS_NONE,
  ORDER_STATUS_PENDING_CANCEL,
  ORDER_TYPE_MARKET,
  type OrderTable,
  SIDE_BUY,
  SIDE_SELL,
} from "../market/orders.ts";
import type { EngineJournal } from "./ports.ts";

const IDLE = 0;
/** Waiting until every open order of ours in the instrument has ended. */
const CANCELING = 1;
/** The exit order is out. */
const EXITING = 2;

export class Flattener {
  /** Exit orders sent. */
  exitCount = 0;
  /** (instrument) IDLE, CANCELING or EXITING. */
  readonly #state: Uint8Array;
  readonly #instruments: Instruments;
  readonly #orders: OrderTable;
  readonly #ledger: Ledger;
  readonly #gateway: Gateway;
  readonly #journal: EngineJournal;

  constructor(
    arena: Arena,
    instruments: Instruments,
    orders: OrderTable,
    ledger: Ledger,
    gateway: Gateway,
    journal: EngineJournal,
  ) {
    this.#state = arena.u8("flattener.state", INSTRUMENT_CAPACITY);
    this.#instruments = instruments;
    this.#orders = orders;
    this.#ledger = ledger;
    this.#gateway = gateway;
    this.#journal = journal;
  }

  /** Begins to flatten every instrument in which gyr has an order or a position. */
  flattenAll(nowUs: number): void {
    for (let slot = 0; slot < this.#instruments.count; slot++) this.flatten(slot, nowUs);
  }

  flatten(slot: number, nowUs: number): void {
    if (this.#state[slot] !== IDLE) return;
    if (this.#ledger.positionQty[slot] === 0 && !this.#hasOpenOrder(slot)) return;
    this.#state[slot] = CANCELING;
    this.#cancelOpenOrders(slot);
    this.#advance(slot, nowUs);
  }

  /** Cancels open entries everywhere and leaves positions with their brackets. */
  cancelEntries(entryRow: Int32Array): void {
    for (let slot = 0; slot < this.#instruments.count; slot++) {
      const row = entryRow[slot]!;
      if (row >= 0) this.#gateway.cancel(row);
    }
  }

  /** Called after each execution of the instrument has had its effect. */
  onExecution(slot: number, nowUs: number): void {
    const state = this.#state[slot]!;
    if (state === IDLE) return;
    // An exit that ended without closing the position is sent again by `retry` only, so a rejecting broker is not flooded.
    if (state === EXITING && this.#ledger.positionQty[slot] !== 0) return;
    this.#advance(slot, nowUs);
  }

  /** Asks again where nothing has moved: an answer may have been lost, or a leg learnt late. */
  retry(nowUs: number): void {
    for (let slot = 0; slot < this.#instruments.count; slot++) {
      if (this.#state[slot] === CANCELING) this.#cancelOpenOrders(slot);
      if (this.#state[slot] !== IDLE) this.#advance(slot, nowUs);
    }
  }

  /** True when no instrument has an order or a position of ours. */
  get isFlat(): boolean {
    for (let slot = 0; slot < this.#instruments.count; slot++) {
      if (this.#ledger.positionQty[slot] !== 0 || this.#hasOpenOrder(slot)) return false;
    }
    return true;
  }

  #advance(slot: number, nowUs: number): void {
    if (this.#hasOpenOrder(slot)) return;
    const qty = this.#ledger.positionQty[slot]!;
    if (qty === 0) {
      this.#state[slot] = IDLE;
      return;
    }
    this.#state[slot] = EXITING;
    this.#sendExit(slot, qty > 0 ? SIDE_SELL : SIDE_BUY, Math.abs(qty), nowUs);
  }

  /** An exit passes no entry check; where it cannot be sent now, `retry` comes back to it. */
  #sendExit(slot: number, side: number, qty: number, nowUs: number): void {
    const row = this.#orders.open(slot, side, ORDER_ROLE_EXIT, qty);
    if (row < 0) return;
    this.#orders.type[row] = ORDER_TYPE_MARKET;
    this.#orders.tsIntentUs[row] = nowUs;
    this.#journal.intent(nowUs, row);
    if (this.#gateway.submit(row) === GATEWAY_OK) this.exitCount += 1;
  }

  #hasOpenOrder(slot: number): boolean {
    const { count, slot: slots, status } = this.#orders;
    for (let row = 0; row < count; row++) {
      if (slots[row] === slot && status[row] !== ORDER_STATUS_NONE && !isTerminal(status[row]!)) return true;
    }
    return false;
  }

  #cancelOpenOrders(slot: number): void {
    const { count, slot: slots, status } = this.#orders;
    for (let row = 0; row < count; row++) {
      if (slots[row] !== slot || isTerminal(status[row]!)) continue;
      if (status[row] === ORDER_STATUS_NONE || status[row] === ORDER_STATUS_PENDING_CANCEL) continue;
      this.#gateway.cancel(row);
    }
  }
}
