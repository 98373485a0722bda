// What the broker says about our orders, folded into the order table and told to the engine as executions.
// News comes as answers to requests (cumulative) and as events of the order stream (one execution each), in any order,
// twice, or only by one of the two ways. Invariants, whatever the order of arrival:
//   - filled quantity only grows, and every share is told once: an execution counts what its cumulative total adds to what
//     was counted before; executions are known by their id
//   - a terminal status stays, unless it was only our own conclusion and the broker then knows better
//   - of two non-terminal statuses the one the broker set later stands
// Fill prices are exact where the executions were seen. Where only a cumulative total is known, the difference is told as
// one or two fills whose prices are whole ticks and whose notional is exact.

import type { Arena } from "../core/arena.ts";
import { parseTicks, TICKS_PER_USD } from "../core/fixed-point.ts";
import {
  isTerminal,
  ORDER_CAPACITY,
  ORDER_STATUS_ACCEPTED,
  ORDER_STATUS_CANCELED,
  ORDER_STATUS_EXPIRED,
  ORDER_STATUS_FILLED,
  ORDER_STATUS_IN_FLIGHT,
  ORDER_STATUS_NONE,
  ORDER_STATUS_PARTIALLY_FILLED,
  ORDER_STATUS_PENDING_CANCEL,
  ORDER_STATUS_REJECTED,
  ORDER_STATUS_REPLACED,
  ORDER_STATUS_WORKING,
  type OrderTable,
} from "../market/orders.ts";
import {
  EXECUTION_ACCEPTED,
  EXECUTION_CANCEL_REJECTED,
  EXECUTION_CANCELED,
  EXECUTION_EXPIRED,
  EXECUTION_FILL,
  EXECUTION_REJECTED,
  EXECUTION_REPLACED,
  EXECUTION_WORKING,
  type ExecutionRing,
} from "./gateway.ts";
import { usFromIso } from "./iso-time.ts";

/** An order as the broker writes it, in answers and in events. Every field can be missing. */
export interface WireOrder {
  readonly id?: string;
  readonly client_order_id?: string;
  readonly status?: string;
  readonly symbol?: string;
  readonly side?: string;
  readonly type?: string;
  readonly order_type?: string;
  readonly order_class?: string;
  readonly qty?: string | null;
  readonly filled_qty?: string | null;
  readonly filled_avg_price?: string | null;
  readonly limit_price?: string | null;
  readonly stop_price?: string | null;
  readonly submitted_at?: string | null;
  readonly updated_at?: string | null;
  readonly replaces?: string | null;
  readonly replaced_by?: string | null;
  readonly reject_reason?: string | null;
  readonly legs?: readonly WireOrder[] | null;
}

/** The data of one event of the order stream. */
export interface WireTradeUpdate {
  readonly event?: string;
  readonly execution_id?: string | null;
  readonly price?: string | null;
  readonly qty?: string | null;
  readonly timestamp?: string | null;
  readonly order?: WireOrder;
}

/** The broker's seventeen statuses, folded. pending_replace says nothing that the others do not. */
const STATUS_BY_NAME: Readonly<Record<string, number>> = {
  pending_new: ORDER_STATUS_ACCEPTED,
  accepted: ORDER_STATUS_ACCEPTED,
  accepted_for_bidding: ORDER_STATUS_ACCEPTED,
  held: ORDER_STATUS_ACCEPTED,
  new: ORDER_STATUS_WORKING,
  stopped: ORDER_STATUS_WORKING,
  suspended: ORDER_STATUS_WORKING,
  calculated: ORDER_STATUS_WORKING,
  done_for_day: ORDER_STATUS_WORKING,
  pending_replace: ORDER_STATUS_WORKING,
  partially_filled: ORDER_STATUS_PARTIALLY_FILLED,
  pending_cancel: ORDER_STATUS_PENDING_CANCEL,
  filled: ORDER_STATUS_FILLED,
  canceled: ORDER_STATUS_CANCELED,
  rejected: ORDER_STATUS_REJECTED,
  expired: ORDER_STATUS_EXPIRED,
  replaced: ORDER_STATUS_REPLACED,
};

/** The status an event means when its order carries none. */
const STATUS_BY_EVENT: Readonly<Record<string, number>> = {
  ...STATUS_BY_NAME,
  partial_fill: ORDER_STATUS_PARTIALLY_FILLED,
  fill: ORDER_STATUS_FILLED,
  order_cancel_rejected: ORDER_STATUS_NONE,
  order_replace_rejected: ORDER_STATUS_NONE,
  restated: ORDER_STATUS_NONE,
};

const EXECUTION_BY_TERMINAL_STATUS: Readonly<Record<number, number>> = {
  [ORDER_STATUS_CANCELED]: EXECUTION_CANCELED,
  [ORDER_STATUS_REJECTED]: EXECUTION_REJECTED,
  [ORDER_STATUS_EXPIRED]: EXECUTION_EXPIRED,
  [ORDER_STATUS_REPLACED]: EXECUTION_REPLACED,
};

export interface OrderStateCounters {
  /** Statuses and events of a name we do not know: the rest of the news was used. */
  unknownNames: number;
  /** Events whose execution had been counted already. */
  duplicateExecutions: number;
  /** Fills told as the difference of cumulative totals, because their own events were not seen first. */
  differenceFills: number;
  /** News that cannot be true: more filled than ordered, a fill without price. Used as far as it makes sense. */
  contradictions: number;
  /** Orders we had concluded to be dead that the broker then told us about. */
  resurrected: number;
}

export class OrderState {
  readonly counters: OrderStateCounters = {
    unknownNames: 0,
    duplicateExecutions: 0,
    differenceFills: 0,
    contradictions: 0,
    resurrected: 0,
  };
  readonly #orders: OrderTable;
  readonly #executions: ExecutionRing;
  /** (order) the broker's own status, folded; NONE until it has spoken. */
  readonly #brokerStatus: Uint8Array;
  /** (order) when the broker set that status, epoch us. */
  readonly #tsStatusUs: Float64Array;
  /** (order) 1 while a cancel of ours is unanswered or on its way. */
  readonly #isCancelAsked: Uint8Array;
  /** (order) 1 where the terminal status is our conclusion, not the broker's word about an order it has. */
  readonly #isConcluded: Uint8Array;
  /** (order) 1 once EXECUTION_ACCEPTED, and 2 once EXECUTION_WORKING, was told. */
  readonly #toldMask: Uint8Array;
  /** (order) shares of the distinct executions seen. */
  readonly #seenQty: Float64Array;
  readonly #seenExecutions = new Set<string>();

  constructor(arena: Arena, orders: OrderTable, executions: ExecutionRing) {
    this.#orders = orders;
    this.#executions = executions;
    this.#brokerStatus = arena.u8("orderState.brokerStatus", ORDER_CAPACITY);
    this.#tsStatusUs = arena.f64("orderState.tsStatusUs", ORDER_CAPACITY);
    this.#isCancelAsked = arena.u8("orderState.isCancelAsked", ORDER_CAPACITY);
    this.#isConcluded = arena.u8("orderState.isConcluded", ORDER_CAPACITY);
    this.#toldMask = arena.u8("orderState.toldMask", ORDER_CAPACITY);
    this.#seenQty = arena.f64("orderState.seenQty", ORDER_CAPACITY);
  }

  /** The bytes of the order are about to be sent. */
  submitted(row: number): void {
    this.#orders.status[row] = ORDER_STATUS_IN_FLIGHT;
  }

  /** A cancel is about to be sent. */
  cancelAsked(row: number): void {
    this.#isCancelAsked[row] = 1;
    this.#settle(row, 0, "");
  }

  /** The broker, or the way to it, refused the cancel: the order is what it was before. */
  cancelRefused(row: number, tsUs: number, reason: string): void {
    if (this.#isCancelAsked[row] === 0 || isTerminal(this.#orders.status[row]!)) return;
    this.#isCancelAsked[row] = 0;
    this.#settle(row, tsUs, "");
    this.#tell(EXECUTION_CANCEL_REJECTED, row, 0, 0, tsUs, reason, "");
  }

  /**
   * The order will not happen as far as we can tell: refused in the answer to its POST, never sent, or unknown to the
   * broker after all asking. News of the broker about it afterwards is believed nevertheless.
   */
  concludeRejected(row: number, tsUs: number, reason: string): void {
    if (isTerminal(this.#orders.status[row]!) || this.#brokerStatus[row] !== ORDER_STATUS_NONE) return;
    this.#isConcluded[row] = 1;
    this.#orders.status[row] = ORDER_STATUS_REJECTED;
    this.#tell(EXECUTION_REJECTED, row, 0, 0, tsUs, reason, "");
  }

  /** An order entity out of an answer: cumulative truth at the time of its `updated_at`. */
  applyOrder(row: number, order: WireOrder, receivedUs: number): void {
    this.#learnNames(row, order);
    const tsUs = orElse(usFromIso(order.updated_at), receivedUs);
    this.#believe(row);
    const status = this.#statusOf(STATUS_BY_NAME, order.status);
    this.#tellAccepted(row, status, tsUs);
    const versionUs = orElse(usFromIso(order.updated_at), this.#tsStatusUs[row]!);
    this.#learnQty(row, order, versionUs);
    const filledQty = filledQtyOf(order, status, this.#orders.qty[row]!);
    if (filledQty > this.#orders.filledQty[row]!) this.#fillUpTo(row, filledQty, averagePxOf(order), tsUs);
    this.#setBrokerStatus(row, status, versionUs, tsUs, order.reject_reason ?? "");
  }

  /** One event of the order stream. */
  applyTradeUpdate(row: number, update: WireTradeUpdate, receivedUs: number): void {
    const order = update.order ?? {};
    const event = update.event ?? "";
    this.#learnNames(row, order);
    const tsUs = orElse(usFromIso(update.timestamp), receivedUs);
    this.#believe(row);
    if (event === "order_cancel_rejected") {
      this.cancelRefused(row, tsUs, order.reject_reason ?? "the broker rejected the cancel");
    }
    const status =
      order.status === undefined
        ? this.#statusOf(STATUS_BY_EVENT, event)
        : this.#statusOf(STATUS_BY_NAME, order.status);
    this.#tellAccepted(row, status, tsUs);
    const versionUs = orElse(usFromIso(order.updated_at), orElse(usFromIso(update.timestamp), this.#tsStatusUs[row]!));
    this.#learnQty(row, order, versionUs);
    if (event === "fill" || event === "partial_fill") this.#applyExecution(row, update, order, status, tsUs);
    else {
      const filledQty = filledQtyOf(order, status, this.#orders.qty[row]!);
      if (filledQty > this.#orders.filledQty[row]!) this.#fillUpTo(row, filledQty, averagePxOf(order), tsUs);
    }
    this.#setBrokerStatus(row, status, versionUs, tsUs, order.reject_reason ?? "");
  }

  /** One execution: its own shares at its own price, and before it whatever its cumulative total says we have missed. */
  #applyExecution(row: number, update: WireTradeUpdate, order: WireOrder, status: number, tsUs: number): void {
    const orders = this.#orders;
    const counters = this.counters;
    const qty = Number(update.qty ?? Number.NaN);
    const pxTicks = parseTicks(update.price ?? "");
    const id = update.execution_id ?? "";
    if (!(qty > 0) || !(pxTicks > 0)) {
      counters.contradictions += 1;
      const filledQty = filledQtyOf(order, status, orders.qty[row]!);
      if (filledQty > orders.filledQty[row]!) this.#fillUpTo(row, filledQty, averagePxOf(order), tsUs);
      return;
    }
    if (id !== "") {
      const key = `${row}:${id}`;
      if (this.#seenExecutions.has(key)) {
        counters.duplicateExecutions += 1;
        return;
      }
      this.#seenExecutions.add(key);
      this.#seenQty[row]! += qty;
    }
    let target = Math.max(filledQtyOf(order, status, 0), this.#seenQty[row]!);
    if (target > orders.qty[row]!) {
      counters.contradictions += 1;
      target = orders.qty[row]!;
    }
    const missing = target - orders.filledQty[row]!;
    if (missing <= 0) return;
    if (missing > qty) {
      const averagePx = averagePxOf(order);
      const earlierTicks =
        Math.round(averagePx * target * TICKS_PER_USD) - orders.filledNotionalTicks[row]! - qty * pxTicks;
      this.#fillNotional(row, missing - qty, earlierTicks > 0 ? earlierTicks : (missing - qty) * pxTicks, tsUs);
    }
    this.#fill(row, Math.min(missing, qty), pxTicks, tsUs, id);
  }

  /** Counts up to the cumulative `filledQty`, of which the mean price is known. */
  #fillUpTo(row: number, filledQty: number, averagePx: number, tsUs: number): void {
    const orders = this.#orders;
    let target = filledQty;
    if (target > orders.qty[row]!) {
      this.counters.contradictions += 1;
      target = orders.qty[row]!;
    }
    const missing = target - orders.filledQty[row]!;
    if (missing <= 0) return;
    const notionalTicks = Math.round(averagePx * target * TICKS_PER_USD) - orders.filledNotionalTicks[row]!;
    if (!(notionalTicks > 0)) {
      // A fill without a believable price: wait for its event, which has one.
      this.counters.contradictions += 1;
      return;
    }
    this.#fillNotional(row, missing, notionalTicks, tsUs);
  }

  /** Tells `qty` shares for exactly `notionalTicks`, at the one or two whole-tick prices nearest to their mean. */
  #fillNotional(row: number, qty: number, notionalTicks: number, tsUs: number): void {
    this.counters.differenceFills += 1;
    const pxTicks = Math.floor(notionalTicks / qty);
    const dearerQty = notionalTicks - pxTicks * qty;
    if (!Number.isInteger(qty) || dearerQty === 0) {
      this.#fill(row, qty, Math.round(notionalTicks / qty), tsUs, "");
      return;
    }
    this.#fill(row, qty - dearerQty, pxTicks, tsUs, "");
    this.#fill(row, dearerQty, pxTicks + 1, tsUs, "");
  }

  #fill(row: number, qty: number, pxTicks: number, tsUs: number, executionId: string): void {
    this.#orders.filledQty[row]! += qty;
    this.#orders.filledNotionalTicks[row]! += qty * pxTicks;
    this.#tell(EXECUTION_FILL, row, qty, pxTicks, tsUs, "", executionId);
  }

  #learnNames(row: number, order: WireOrder): void {
    if (order.id !== undefined && this.#orders.brokerId[row] === "") this.#orders.brokerId[row] = order.id;
    if (order.client_order_id !== undefined) this.#orders.clientOrderId[row] = order.client_order_id;
  }

  /** A leg of a bracket shrinks when its sibling fills in part. Our own orders keep the quantity we asked for. */
  #learnQty(row: number, order: WireOrder, versionUs: number): void {
    if (this.#orders.parentRow[row]! < 0 || versionUs < this.#tsStatusUs[row]!) return;
    const qty = Number(order.qty ?? Number.NaN);
    if (qty >= this.#orders.filledQty[row]! && qty > 0) this.#orders.qty[row] = qty;
  }

  /** The broker speaks of the order, so it has it: a conclusion of ours that it has not was wrong. */
  #believe(row: number): void {
    if (this.#isConcluded[row] === 0) return;
    this.#isConcluded[row] = 0;
    this.#orders.status[row] = ORDER_STATUS_IN_FLIGHT;
    this.counters.resurrected += 1;
  }

  #statusOf(table: Readonly<Record<string, number>>, name: string | undefined): number {
    const status = name === undefined ? undefined : table[name];
    if (status !== undefined) return status;
    this.counters.unknownNames += 1;
    return ORDER_STATUS_NONE;
  }

  #tellAccepted(row: number, status: number, tsUs: number): void {
    if ((this.#toldMask[row]! & 1) !== 0 || status === ORDER_STATUS_REJECTED) return;
    this.#toldMask[row]! |= 1;
    if (this.#brokerStatus[row] === ORDER_STATUS_NONE) this.#brokerStatus[row] = ORDER_STATUS_ACCEPTED;
    this.#tell(EXECUTION_ACCEPTED, row, 0, 0, tsUs, "", "");
  }

  /** @param versionUs when the broker set this status; of equal times the status further along stands */
  #setBrokerStatus(row: number, status: number, versionUs: number, tsUs: number, reason: string): void {
    if (isTerminal(this.#orders.status[row]!)) return;
    const before = this.#brokerStatus[row]!;
    const tsStatusUs = this.#tsStatusUs[row]!;
    const isLater = versionUs > tsStatusUs || (versionUs === tsStatusUs && status > before);
    if (status !== ORDER_STATUS_NONE && (isTerminal(status) || isLater)) {
      this.#brokerStatus[row] = status;
      this.#tsStatusUs[row] = versionUs;
    }
    this.#settle(row, tsUs, reason);
  }

  /** Our status out of what is known, and the news of it. */
  #settle(row: number, tsUs: number, reason: string): void {
    const orders = this.#orders;
    const before = orders.status[row]!;
    if (isTerminal(before)) return;
    const status = this.#effectiveStatus(row);
    orders.status[row] = status;
    if (status === before) return;
    if (status === ORDER_STATUS_WORKING && (this.#toldMask[row]! & 2) === 0) {
      this.#toldMask[row]! |= 2;
      this.#tell(EXECUTION_WORKING, row, 0, 0, tsUs, "", "");
    }
    const execution = EXECUTION_BY_TERMINAL_STATUS[status];
    if (execution !== undefined) this.#tell(execution, row, 0, 0, tsUs, reason, "");
  }

  #effectiveStatus(row: number): number {
    const { filledQty, qty, status } = this.#orders;
    const broker = this.#brokerStatus[row]!;
    if (filledQty[row]! >= qty[row]!) return ORDER_STATUS_FILLED;
    // "filled" with shares missing is a fill whose price is still to come; the order stays open until it does.
    if (isTerminal(broker) && broker !== ORDER_STATUS_FILLED) return broker;
    if (this.#isCancelAsked[row] !== 0 || broker === ORDER_STATUS_PENDING_CANCEL) return ORDER_STATUS_PENDING_CANCEL;
    if (filledQty[row]! > 0) return ORDER_STATUS_PARTIALLY_FILLED;
    if (broker === ORDER_STATUS_NONE) return status[row]!;
    return broker >= ORDER_STATUS_PARTIALLY_FILLED ? ORDER_STATUS_WORKING : broker;
  }

  #tell(
    kind: number,
    row: number,
    qty: number,
    pxTicks: number,
    tsUs: number,
    reason: string,
    executionId: string,
  ): void {
    const ring = this.#executions;
    const index = ring.claim();
    ring.kind[index] = kind;
    ring.row[index] = row;
    ring.qty[index] = qty;
    ring.pxTicks[index] = pxTicks;
    ring.tsVenueUs[index] = tsUs;
    ring.reason[index] = reason;
    ring.executionId[index] = executionId;
    ring.commit();
  }
}

function orElse(us: number, otherwise: number): number {
  return Number.isNaN(us) ? otherwise : us;
}

/** Cumulative shares filled; a filled order without the field is filled whole. 0 where nothing is said. */
function filledQtyOf(order: WireOrder, status: number, orderQty: number): number {
  const filledQty = Number(order.filled_qty ?? Number.NaN);
  if (filledQty >= 0) return filledQty;
  return status === ORDER_STATUS_FILLED ? orderQty : 0;
}

/** Mean fill price, USD; NaN where nothing is said. */
function averagePxOf(order: WireOrder): number {
  return Number(order.filled_avg_price ?? Number.NaN);
}
