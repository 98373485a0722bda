// Hot path: no allocation after start, up to the write of an order.
// The order path over our own warm sockets.

import type { Clock } from "../../core/clock.ts";
import type { Prng } from "../../core/prng.ts";
import type { Timers } from "../../core/timers.ts";
import type { Instruments } from "../../market/instruments.ts";
import type { OrderTable } from "../../market/orders.ts";
import { formatClientOrderId } from "../client-order-id.ts";
import { HttpPool, type HttpRequest, OUTCOME_AMBIGUOUS, OUTCOME_ANSWERED } from "./http-socket.ts";
import { OrderBytes } from "./order-bytes.ts";
import {
  LIST_LIMIT,
  type OrderTransport,
  REQUEST_ASK_OURS,
  REQUEST_ASK_THEIRS,
  REQUEST_CANCEL,
  REQUEST_LIST,
  REQUEST_SUBMIT,
  type TransportHandler,
} from "./transport.ts";

export interface SocketTransportOptions {
  readonly url: URL;
  readonly keyId: string;
  readonly secret: string;
  readonly connections: number;
  readonly timeoutUs: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly prng: Prng;
  readonly orders: OrderTable;
  readonly instruments: Instruments;
  readonly idPrefix: string;
  readonly tlsCa?: string;
}

export class SocketTransport implements OrderTransport {
  readonly #pool: HttpPool;
  readonly #bytes: OrderBytes;
  readonly #orders: OrderTable;
  readonly #instruments: Instruments;
  readonly #idPrefix: string;
  readonly #clock: Clock;
  readonly #handler: TransportHandler;

  constructor(options: SocketTransportOptions, handler: TransportHandler) {
    const { url, keyId, secret, idPrefix, orders, instruments } = options;
    this.#bytes = new OrderBytes(url, keyId, secret, idPrefix, orders, instruments);
    this.#orders = orders;
    this.#instruments = instruments;
    this.#idPrefix = idPrefix;
    this.#clock = options.clock;
    this.#handler = handler;
    this.#pool = new HttpPool({
      ...options,
      onOutcome: (request, outcome, detail) => this.#onOutcome(request, outcome, detail),
      onStatus: (isUp, detail) => handler.onTransportStatus(isUp, detail),
    });
  }

  get isUp(): boolean {
    return this.#pool.isUp;
  }

  get inFlight(): number {
    return this.#pool.inFlight;
  }

  get reconnectCount(): number {
    return this.#pool.reconnectCount;
  }

  start(): Promise<void> {
    return this.#pool.start();
  }

  stop(): void {
    this.#pool.stop();
  }

  submit(row: number, isUrgent: boolean): boolean {
    const request = this.#pool.acquire(isUrgent);
    if (request === null) return false;
    request.tag = REQUEST_SUBMIT;
    request.row = row;
    request.length = this.#bytes.encodeSubmit(request.bytes, row);
    this.#pool.send(request);
    this.#orders.tsSentNs[row] = request.sentNs;
    return true;
  }

  cancel(row: number): boolean {
    const request = this.#pool.acquire(true);
    if (request === null) return false;
    request.tag = REQUEST_CANCEL;
    request.row = row;
    request.length = this.#bytes.encodeCancel(request.bytes, this.#orders.brokerId[row]!);
    this.#pool.send(request);
    return true;
  }

  askOurs(row: number): boolean {
    const symbol = this.#instruments.symbols[this.#orders.slot[row]!]!;
    const id = formatClientOrderId(this.#idPrefix, symbol, this.#orders.intentNumber[row]!);
    return this.#get(REQUEST_ASK_OURS, row, `/v2/orders:by_client_order_id?client_order_id=${id}`);
  }

  askTheirs(row: number): boolean {
    return this.#get(REQUEST_ASK_THEIRS, row, `/v2/orders/${this.#orders.brokerId[row]}?nested=true`);
  }

  list(afterIso: string): boolean {
    const query = `status=all&limit=${LIST_LIMIT}&direction=asc&nested=true&after=${encodeURIComponent(afterIso)}`;
    return this.#get(REQUEST_LIST, -1, `/v2/orders?${query}`);
  }

  #get(kind: number, row: number, path: string): boolean {
    const request = this.#pool.acquire(true);
    if (request === null) return false;
    request.tag = kind;
    request.row = row;
    request.length = this.#bytes.encodeGet(request.bytes, path);
    this.#pool.send(request);
    return true;
  }

  #onOutcome(request: HttpRequest, outcome: number, detail: string): void {
    const { tag, row } = request;
    if (outcome === OUTCOME_ANSWERED) {
      const { status, body, retryAfterSec, rateLimitResetSec } = this.#pool.response;
      const waitSec = Number.isNaN(retryAfterSec) ? rateLimitResetSec - this.#clock.nowUs() / 1e6 : retryAfterSec;
      this.#handler.onAnswer(tag, row, status, body, waitSec, request.sentNs, request.answeredNs);
    } else if (outcome === OUTCOME_AMBIGUOUS) this.#handler.onAmbiguous(tag, row, detail);
    else this.#handler.onNotSent(tag, row, detail);
  }
}
