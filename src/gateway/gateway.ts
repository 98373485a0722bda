// The port every broker implements. Orders go out by row of the OrderTable; what happens to them comes back as executions.

import type { Arena } from "../core/arena.ts";
import { assert } from "../core/assert.ts";

export const EXECUTION_ACCEPTED = 1;
export const EXECUTION_WORKING = 2;
export const EXECUTION_FILL = 3;
export const EXECUTION_CANCELED = 4;
export const EXECUTION_REJECTED = 5;
export const EXECUTION_EXPIRED = 6;
export const EXECUTION_REPLACED = 7;
export const EXECUTION_CANCEL_REJECTED = 8;

/** Rows; far above the 200 orders a minute a broker takes. Power of two. */
export const EXECUTION_CAPACITY = 1 << 12;
const MASK = EXECUTION_CAPACITY - 1;

/** Executions between the gateway (writer) and the engine (reader), in the order the gateway established. */
export class ExecutionRing {
  head = 0;
  tail = 0;
  readonly mask = MASK;
  /** (execution) EXECUTION_*. */
  readonly kind: Uint8Array;
  /** (execution) row of the OrderTable. */
  readonly row: Int32Array;
  /** (execution) price of this fill, ticks. */
  readonly pxTicks: Float64Array;
  /** (execution) shares of this fill. */
  readonly qty: Float64Array;
  /** (execution) when it happened at the broker, epoch us. */
  readonly tsVenueUs: Float64Array;
  /** (execution) the broker's words for a rejection; "" otherwise. */
  readonly reason: string[] = new Array<string>(EXECUTION_CAPACITY).fill("");
  /** (execution) the broker's execution id of a fill; "" otherwise. */
  readonly executionId: string[] = new Array<string>(EXECUTION_CAPACITY).fill("");

  constructor(arena: Arena) {
    this.kind = arena.u8("executions.kind", EXECUTION_CAPACITY);
    this.row = arena.i32("executions.row", EXECUTION_CAPACITY);
    this.pxTicks = arena.f64("executions.pxTicks", EXECUTION_CAPACITY);
    this.qty = arena.f64("executions.qty", EXECUTION_CAPACITY);
    this.tsVenueUs = arena.f64("executions.tsVenueUs", EXECUTION_CAPACITY);
  }

  get depth(): number {
    return this.head - this.tail;
  }

  claim(): number {
    assert(this.head - this.tail < EXECUTION_CAPACITY, "execution ring has room");
    return this.head & MASK;
  }

  commit(): void {
    this.head += 1;
  }
}

/** The account as the broker tells it. Money in ticks (1/10,000 USD). */
export interface AccountSnapshot {
  readonly accountNumber: string;
  readonly cashTicks: number;
  readonly equityTicks: number;
  readonly buyingPowerTicks: number;
  readonly isShortingEnabled: boolean;
  readonly isTradingBlocked: boolean;
}

export interface BrokerPosition {
  readonly symbol: string;
  /** Shares, negative when short. */
  readonly qty: number;
  readonly averageEntryPxTicks: number;
}

export interface BrokerOrder {
  readonly id: string;
  readonly clientOrderId: string;
  readonly symbol: string;
  readonly side: "buy" | "sell";
  readonly status: string;
  readonly qty: number;
  readonly filledQty: number;
}

export interface BrokerAsset {
  readonly symbol: string;
  readonly isTradable: boolean;
  readonly isShortable: boolean;
}

export interface BrokerDay {
  readonly date: string;
  /** Epoch us. */
  readonly openUs: number;
  readonly closeUs: number;
}

export interface GatewayCounters {
  requests: number;
  streamFrames: number;
  reconnects: number;
  /** Requests whose outcome is unknown (time-out, reset, 5xx) and was asked for by client order id. */
  ambiguous: number;
  rateLimited: number;
}

export interface Gateway {
  readonly counters: GatewayCounters;
  /** Requests sent and not answered, recovery queries included. 0 means everything we sent has had its effect here. */
  readonly requestsInFlight: number;
  /** Opens the sockets and the order stream; resolves when authorised and listening. */
  start(): Promise<void>;
  /** Sends the order of this row (an entry with bracket prices goes out as a bracket). @returns GATEWAY_OK or a code. */
  submit(row: number): number;
  /** Asks the broker to cancel the order of this row; its outcome comes as an execution. @returns GATEWAY_OK or a code. */
  cancel(row: number): number;
  /** Called when executions were written to the ring; the engine drains from here in wall-clock modes. */
  onExecution: () => void;
  /** Called with a sentence for a human when the stream or the order sockets are lost or back. */
  onStatus: (isUp: boolean, detail: string) => void;
  account(): Promise<AccountSnapshot>;
  positions(): Promise<BrokerPosition[]>;
  openOrders(): Promise<BrokerOrder[]>;
  assets(symbols: readonly string[]): Promise<BrokerAsset[]>;
  calendar(fromDate: string, toDate: string): Promise<BrokerDay[]>;
  stop(): Promise<void>;
}

export const GATEWAY_OK = 0;
/** No socket is free and the queue is full, or the order stream is down. */
export const GATEWAY_BACK_PRESSURED = 1;
export const GATEWAY_NOT_CONNECTED = 2;
/** The order has no broker id yet or is terminal: nothing to cancel. */
export const GATEWAY_NOT_CANCELABLE = 3;
