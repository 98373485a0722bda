// Hot path: no allocation after start, up to the write of an order.
// The order path over our own warm sockets.

import { Arena } from "../../core/arena.ts";
import type { Clock } from "../../core/clock.ts";
import type { Prng } from "../../core/prng.ts";
import type { Timers } from "../../core/timers.ts";
import { Instruments } from "../../market/instruments.ts";
import {
  ORDER_ROLE_ENTRY,
  ORDER_ROLE_EXIT,
  ORDER_TYPE_MARKET,
  OrderTable,
  SIDE_BUY,
  SIDE_SELL,
} from "../../market/orders.ts";
import { formatClientOrderId } from "../client-order-id.ts";
import { HttpPool, type HttpRequest, OUTCOME_AMBIGUOUS, OUTCOME_ANSWERED } from "./http-socket.ts";
import { OrderBytes, REQUEST_BYTES_MAX } from "./order-bytes.ts";
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
  readonly #options: SocketTransportOptions;
  readonly #pool: HttpPool;
  readonly #bytes: OrderBytes;
  readonly #orders: OrderTable;
  readonly #instruments: Instruments;
  readonly #idPrefix: string;
  readonly #clock: Clock;
  readonly #handler: TransportHandler;

  constructor(options: SocketTransportOptions, handler: TransportHandler) {
    const { url, keyId, secret, idPrefix, orders, instruments } = options;
    this.#options = options;
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

  async start(): Promise<void> {
    const opened = this.#pool.start();
    this.#bytes.encodeSymbols();
    warmUp(this.#options);
    await opened;
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

/** Encodes that make the engine compile the code: the first order takes as long as the thousandth, 2 us instead of 25. */
const WARM_UP_COUNT = 500;

/** Writes orders that nobody sends, of a table of their own. */
function warmUp({ url, keyId, secret, idPrefix }: SocketTransportOptions): void {
  const arena = new Arena();
  const orders = new OrderTable(arena);
  const instruments = new Instruments(arena);
  instruments.add("WARM");
  const bytes = new OrderBytes(url, keyId, secret, idPrefix, orders, instruments);
  const into = new Uint8Array(REQUEST_BYTES_MAX);
  const entry = orders.open(0, SIDE_BUY, ORDER_ROLE_ENTRY, 123);
  orders.type[entry] = ORDER_TYPE_MARKET;
  orders.bracketTargetPxTicks[entry] = 3_251_100;
  orders.bracketStopPxTicks[entry] = 3_175_500;
  const exit = orders.open(0, SIDE_SELL, ORDER_ROLE_EXIT, 123);
  orders.type[exit] = ORDER_TYPE_MARKET;
  for (let i = 0; i < WARM_UP_COUNT; i++) {
    bytes.encodeSubmit(into, entry);
    bytes.encodeSubmit(into, exit);
  }
}
