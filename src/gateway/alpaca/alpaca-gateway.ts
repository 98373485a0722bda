// Alpaca behind the Gateway port: orders over warm sockets (or the SDK), their events from the order stream, everything else
// through the SDK. Decides what each outcome of a request means:
//   definite    the broker answered: the order is what it says, or was refused
//   denied      not a byte was sent: the order is rejected here, and a later one may be tried
//   ambiguous   close, reset, time-out, 5xx: the order stays in flight and the broker is asked for it by our id, again and
//               again with pauses; its POST is never repeated
// Executions go to the ring; the engine drains them. With `isDeferred` the stream's events wait for `applyPending`, so that a
// driver in lockstep has one order of events: answers as they come on the one connection, then the stream's.

import type { Arena } from "../../core/arena.ts";
import type { Clock } from "../../core/clock.ts";
import { parseTicks } from "../../core/fixed-point.ts";
import type { Prng } from "../../core/prng.ts";
import type { Timers } from "../../core/timers.ts";
import { UserError } from "../../core/user-error.ts";
import type { Instruments } from "../../market/instruments.ts";
import {
  isTerminal,
  ORDER_CAPACITY,
  ORDER_ROLE_ENTRY,
  ORDER_ROLE_EXIT,
  ORDER_ROLE_STOP,
  ORDER_ROLE_TARGET,
  ORDER_STATUS_IN_FLIGHT,
  ORDER_STATUS_NAMES,
  ORDER_STATUS_NONE,
  ORDER_STATUS_PENDING_CANCEL,
  ORDER_TYPE_LIMIT,
  ORDER_TYPE_STOP,
  ORDER_TYPE_STOP_LIMIT,
  type OrderTable,
  SIDE_BUY,
} from "../../market/orders.ts";
import { clientOrderIdPrefix, formatClientOrderId, isOrderableSymbol, parseClientOrderId } from "../client-order-id.ts";
import { earlierRunOf } from "../earlier-run.ts";
import {
  type AccountSnapshot,
  type BrokerAsset,
  type BrokerDay,
  type BrokerOrder,
  type BrokerPosition,
  type ExecutionRing,
  GATEWAY_BACK_PRESSURED,
  GATEWAY_NOT_CANCELABLE,
  GATEWAY_NOT_CONNECTED,
  GATEWAY_OK,
  type Gateway,
  type GatewayCounters,
} from "../gateway.ts";
import { OrderIndex } from "../order-index.ts";
import { OrderState, type WireOrder, type WireTradeUpdate } from "../order-state.ts";
import { SdkReader } from "./sdk.ts";
import { SdkTransport } from "./sdk-transport.ts";
import { SocketTransport } from "./socket-transport.ts";
import { TradeStream } from "./trade-stream.ts";
import {
  LIST_LIMIT,
  type OrderTransport,
  REQUEST_ASK_OURS,
  REQUEST_CANCEL,
  REQUEST_LIST,
  REQUEST_SUBMIT,
  type TransportHandler,
} from "./transport.ts";

/** Pauses before the questions about an ambiguous order, ms; after the last one a 404 is believed. 62 s in all. */
const ASK_PAUSES_MS = [0, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000];
/** Times a cancel is sent again after an unclear outcome; repeating it is harmless. */
const CANCEL_TRIES_MAX = 5;
/** Bounds of the wait that a 429 asks for. */
const RATE_WAIT_MIN_US = 100_000;
const RATE_WAIT_MAX_US = 60_000_000;
/** Events of orders we cannot place yet: legs whose entry's answer is still on its way. */
const ORPHAN_COUNT_MAX = 256;
const PING_US = 10_000_000;

export interface AlpacaGatewayOptions {
  /** REST base, "https://paper-api.alpaca.markets"; http only on loopback. */
  readonly tradingUrl: string;
  /** "wss://paper-api.alpaca.markets/stream". */
  readonly streamUrl: string;
  readonly keyId: string;
  readonly secret: string;
  readonly transport: "socket" | "sdk";
  /** Warm sockets; 1 in lockstep. */
  readonly connections: number;
  /** How long an answer may take, market time. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly prng: Prng;
  readonly arena: Arena;
  readonly orders: OrderTable;
  readonly executions: ExecutionRing;
  readonly instruments: Instruments;
  /** Trading day, YYYY-MM-DD. */
  readonly day: string;
  /** Short name of the strategy in order ids, 1 to 16 of a-z and 0-9. */
  readonly strategyTag: string;
  /** Lockstep: events of the stream wait for `applyPending`, and the stream is not pinged. */
  readonly isDeferred: boolean;
  /** Certificate authorities in PEM to trust instead of the usual ones; for servers of one's own. */
  readonly tlsCa?: string;
}

export class AlpacaCounters implements GatewayCounters {
  requests = 0;
  ambiguous = 0;
  rateLimited = 0;
  /** Events and listed orders that are not ours. */
  foreignOrders = 0;
  /** Answers that were not the JSON expected. */
  badAnswers = 0;
  readonly #stream: TradeStream;
  readonly #transport: OrderTransport;

  constructor(stream: TradeStream, transport: OrderTransport) {
    this.#stream = stream;
    this.#transport = transport;
  }

  get streamFrames(): number {
    return this.#stream.frames;
  }

  /** Frames of the stream that were not the broker's JSON. */
  get badFrames(): number {
    return this.#stream.badFrames;
  }

  get reconnects(): number {
    return this.#stream.reconnects + this.#transport.reconnectCount;
  }
}

/** What a comparison of the broker with us has found. */
export interface Reconciliation {
  /** True where nothing speaks against trading: no problems. Foreign orders and positions are no problem, only counted. */
  readonly isClean: boolean;
  /** Open orders that are not gyr's; never touched. */
  readonly foreignOrders: number;
  /** Positions of which gyr holds nothing; never touched. */
  readonly foreignPositions: number;
  /** One sentence each: who thinks what. */
  readonly problems: readonly string[];
}

export class AlpacaGateway implements Gateway, TransportHandler {
  onExecution: () => void = () => {};
  onStatus: (isUp: boolean, detail: string) => void = () => {};
  /** Called after each frame and each answer: something may have changed for a driver that waits for `requestsInFlight`. */
  onActivity: () => void = () => {};
  readonly orderState: OrderState;
  readonly counters: AlpacaCounters;
  readonly #o: AlpacaGatewayOptions;
  readonly #transport: OrderTransport;
  readonly #stream: TradeStream;
  readonly #reader: SdkReader;
  readonly #index: OrderIndex;
  readonly #idPrefix: string;
  /** (order) questions asked since the outcome became unclear. */
  readonly #askCount: Uint8Array;
  /** (order) 1 while a question is out or set on a timer. */
  readonly #isAsking: Uint8Array;
  /** (order) cancels sent. */
  readonly #cancelCount: Uint8Array;
  /** Events of orders we do not know, oldest first: they may be legs that we learn of later. */
  readonly #orphans: WireTradeUpdate[] = [];
  #isStarted = false;
  #isStopped = false;
  /** True from the loss of the stream until the orders were fetched again. */
  #hasGap = false;

  constructor(options: AlpacaGatewayOptions) {
    const { arena, orders, executions, instruments, keyId, secret, clock, timers, prng } = options;
    const url = tradingUrl(options.tradingUrl);
    this.#o = options;
    this.#idPrefix = clientOrderIdPrefix(options.day, options.strategyTag);
    this.orderState = new OrderState(arena, orders, executions);
    this.#index = new OrderIndex(arena, instruments, this.#idPrefix);
    this.#askCount = arena.u8("gateway.askCount", ORDER_CAPACITY);
    this.#isAsking = arena.u8("gateway.isAsking", ORDER_CAPACITY);
    this.#cancelCount = arena.u8("gateway.cancelCount", ORDER_CAPACITY);
    this.#reader = new SdkReader(url, keyId, secret);
    const transportOptions = { ...options, url, timeoutUs: options.timeoutMs * 1000, idPrefix: this.#idPrefix };
    this.#transport =
      options.transport === "socket"
        ? new SocketTransport(transportOptions, this)
        : new SdkTransport(transportOptions, this);
    this.#stream = new TradeStream({
      url: options.streamUrl,
      keyId,
      secret,
      clock,
      timers,
      prng,
      pingUs: options.isDeferred ? 0 : PING_US,
      isDeferred: options.isDeferred,
      onUpdate: (update) => this.#onUpdate(update),
      onUp: (isFirst) => this.#onStreamUp(isFirst),
      onDown: (detail) => this.#onStreamDown(detail),
      onFrame: () => this.onActivity(),
    });
    this.counters = new AlpacaCounters(this.#stream, this.#transport);
  }

  /** Frames received on the present connection of the order stream, status frames included. */
  get streamFrames(): number {
    return this.#stream.frames;
  }

  get requestsInFlight(): number {
    return this.#transport.inFlight + this.#reader.inFlight;
  }

  /** True where entries may be sent: sockets and stream are up and no gap is open. */
  get isUp(): boolean {
    return this.#transport.isUp && this.#stream.isUp && !this.#hasGap;
  }

  async start(): Promise<void> {
    const odd = this.#o.instruments.symbols.find((symbol) => !isOrderableSymbol(symbol));
    if (odd !== undefined) {
      const remedy = "Leave it out of the universe.";
      throw new UserError("usage", `the symbol '${odd}' cannot be traded here: letters, digits and dots only`, remedy);
    }
    try {
      await Promise.all([this.#transport.start(), this.#stream.start()]);
      this.#isStarted = true;
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#transport.stop();
    this.#stream.stop();
  }

  /** Events of the stream that have waited have their effect now, in order of arrival. */
  applyPending(): void {
    if (this.#stream.pendingCount === 0) return;
    this.#stream.applyPending();
    this.onExecution();
  }

  submit(row: number): number {
    const { orders } = this.#o;
    const isEntry = orders.role[row] === ORDER_ROLE_ENTRY;
    if (this.#isStopped || !this.#transport.isUp) return GATEWAY_NOT_CONNECTED;
    if (isEntry && (!this.#stream.isUp || this.#hasGap)) return GATEWAY_BACK_PRESSURED;
    this.#index.put(orders.slot[row]!, orders.intentNumber[row]!, row);
    this.orderState.submitted(row);
    if (!this.#transport.submit(row, !isEntry)) {
      orders.status[row] = ORDER_STATUS_NONE;
      return GATEWAY_BACK_PRESSURED;
    }
    this.counters.requests += 1;
    return GATEWAY_OK;
  }

  /**
   * Cancels an order, or a bracket through one of its orders: the broker ends the other leg with the first, so nothing is
   * sent for it while that is under way.
   */
  cancel(row: number): number {
    const { status, brokerId, parentRow } = this.#o.orders;
    const now = status[row]!;
    if (brokerId[row] === "" || isTerminal(now) || now === ORDER_STATUS_NONE) return GATEWAY_NOT_CANCELABLE;
    if (now === ORDER_STATUS_PENDING_CANCEL) return GATEWAY_OK;
    if (parentRow[row]! >= 0 && this.#isBracketEnding(parentRow[row]!)) return GATEWAY_OK;
    if (this.#isStopped || !this.#transport.isUp) return GATEWAY_NOT_CONNECTED;
    if (!this.#sendCancel(row)) return GATEWAY_BACK_PRESSURED;
    this.#cancelCount[row] = 1;
    this.orderState.cancelAsked(row);
    return GATEWAY_OK;
  }

  /** Cancels the live legs of an entry. @returns how many are still live: sell what is left when it is 0 */
  cancelLegs(entryRow: number): number {
    const { parentRow, status, count } = this.#o.orders;
    let live = 0;
    for (let row = entryRow + 1; row < count; row++) {
      if (parentRow[row] !== entryRow || isTerminal(status[row]!)) continue;
      live += 1;
      this.cancel(row);
    }
    return live;
  }

  account(): Promise<AccountSnapshot> {
    return this.#reader.account();
  }

  positions(): Promise<BrokerPosition[]> {
    return this.#reader.positions();
  }

  openOrders(): Promise<BrokerOrder[]> {
    return this.#reader.openOrders();
  }

  assets(symbols: readonly string[]): Promise<BrokerAsset[]> {
    return this.#reader.assets(symbols);
  }

  calendar(fromDate: string, toDate: string): Promise<BrokerDay[]> {
    return this.#reader.calendar(fromDate, toDate);
  }

  /**
   * Compares the broker's positions and open orders with ours. Throws UserError where the broker cannot be asked: that is
   * not the same as "flat".
   *
   * @param positionQty (instrument) shares that our ledger holds
   */
  async reconcile(positionQty: Float64Array): Promise<Reconciliation> {
    const [positions, openOrders] = await Promise.all([this.positions(), this.openOrders()]);
    const problems: string[] = [];
    const foreignPositions = this.#comparePositions(positions, positionQty, problems);
    const foreignOrders = this.#compareOrders(openOrders, problems);
    return { isClean: problems.length === 0, foreignOrders, foreignPositions, problems };
  }

  /**
   * Goes on where earlier processes of this day have ended: their intent numbers are counted on from.
   *
   * @returns what they left open, one sentence each; nothing may be traded on top of it
   */
  async continueDay(): Promise<readonly string[]> {
    const { day, instruments, orders } = this.#o;
    const [dayOrders, positions] = await Promise.all([this.#reader.dayOrders(day), this.positions()]);
    const { nextIntents, problems } = earlierRunOf(dayOrders, positions, this.#idPrefix);
    for (const [symbol, next] of nextIntents) {
      const slot = instruments.slotOf(symbol);
      if (slot >= 0) orders.intentCount[slot] = next;
    }
    return problems;
  }

  onAnswer(
    kind: number,
    row: number,
    status: number,
    body: string,
    waitSec: number,
    sentNs: number,
    answeredNs: number,
  ): void {
    if (kind === REQUEST_SUBMIT) {
      this.#o.orders.tsSentNs[row] = sentNs;
      this.#o.orders.tsAckNs[row] = answeredNs;
    }
    if (status === 429) this.#onRateLimited(kind, row, body, waitSec);
    else if (status >= 500 || status === 408) this.onAmbiguous(kind, row, `the broker answered ${status}`);
    else if (kind === REQUEST_SUBMIT) this.#onSubmitAnswer(row, status, body);
    else if (kind === REQUEST_CANCEL) this.#onCancelAnswer(row, status, body);
    else if (kind === REQUEST_LIST) this.#onListAnswer(status, body);
    else this.#onAskAnswer(kind, row, status, body);
    this.onExecution();
    this.onActivity();
  }

  onAmbiguous(kind: number, row: number, detail: string): void {
    if (this.#isStopped) return;
    this.counters.ambiguous += 1;
    if (kind === REQUEST_SUBMIT) this.#ask(row);
    else if (kind === REQUEST_CANCEL) this.#repeatCancel(row, detail);
    else if (kind === REQUEST_LIST) this.#fetchGapLater();
    else this.#askAgain(row);
    this.onExecution();
    this.onActivity();
  }

  onNotSent(kind: number, row: number, detail: string): void {
    if (kind === REQUEST_SUBMIT) this.orderState.concludeRejected(row, this.#nowUs(), `not sent: ${detail}`);
    else if (kind === REQUEST_CANCEL) this.orderState.cancelRefused(row, this.#nowUs(), `not sent: ${detail}`);
    else if (this.#isStopped) return;
    else if (kind === REQUEST_LIST) this.#fetchGapLater();
    else this.#askAgain(row);
    this.onExecution();
    this.onActivity();
  }

  onTransportStatus(isUp: boolean, detail: string): void {
    if (this.#isStarted) this.onStatus(isUp && this.isUp, detail);
  }

  #nowUs(): number {
    return this.#o.clock.nowUs();
  }

  // --- submit ---------------------------------------------------------------------------------------------------------

  #onSubmitAnswer(row: number, status: number, body: string): void {
    const answer = parseObject(body);
    if (status >= 200 && status < 300) {
      if (answer === null || typeof answer.id !== "string") {
        this.counters.badAnswers += 1;
        this.onAmbiguous(REQUEST_SUBMIT, row, "the answer was not an order");
      } else {
        this.#applyOrder(row, answer);
        this.#askForLegs(row);
      }
      return;
    }
    const message = messageOf(answer, status);
    // The broker has an order of this id: the one we are asking about, or one of the process we replace.
    if (status === 422 && /client_order_id must be unique/i.test(message)) this.#ask(row);
    else this.orderState.concludeRejected(row, this.#nowUs(), message);
  }

  /** An order of the broker's, about one of ours: names, fills, status, and its legs. */
  #applyOrder(row: number, order: WireOrder): void {
    if (typeof order.id === "string") this.#index.putBrokerId(order.id, row);
    this.orderState.applyOrder(row, order, this.#nowUs());
    if (Array.isArray(order.legs)) this.#learnLegs(row, order.legs);
  }

  #learnLegs(parentRow: number, legs: readonly WireOrder[]): void {
    for (const leg of legs) {
      if (typeof leg.id !== "string") continue;
      let row = this.#index.rowOfBrokerId(leg.id);
      const isNew = row < 0;
      if (isNew) row = this.#openLeg(parentRow, leg);
      if (row < 0) continue;
      this.orderState.applyOrder(row, leg, this.#nowUs());
      if (isNew) this.#adoptOrphans(leg.id, row);
    }
  }

  #openLeg(parentRow: number, leg: WireOrder): number {
    const { orders } = this.#o;
    const type = leg.type ?? leg.order_type ?? "";
    const qty = Number(leg.qty ?? orders.qty[parentRow]);
    const role = type === "limit" ? ORDER_ROLE_TARGET : ORDER_ROLE_STOP;
    const side = leg.side === undefined ? -orders.side[parentRow]! : leg.side === "buy" ? SIDE_BUY : -SIDE_BUY;
    const row = orders.open(orders.slot[parentRow]!, side, role, qty > 0 ? qty : orders.qty[parentRow]!);
    if (row < 0) {
      this.onStatus(false, "the order table is full: a bracket leg is not followed");
      return -1;
    }
    orders.parentRow[row] = parentRow;
    orders.type[row] =
      type === "limit" ? ORDER_TYPE_LIMIT : type === "stop_limit" ? ORDER_TYPE_STOP_LIMIT : ORDER_TYPE_STOP;
    orders.limitPxTicks[row] = ticksOrZero(leg.limit_price);
    orders.stopPxTicks[row] = ticksOrZero(leg.stop_price);
    orders.tsIntentUs[row] = orders.tsIntentUs[parentRow]!;
    this.#index.putBrokerId(leg.id!, row);
    return row;
  }

  // --- questions ------------------------------------------------------------------------------------------------------

  /** Begins to ask the broker what it knows of the order. */
  #ask(row: number): void {
    if (this.#isAsking[row] !== 0) return;
    this.#askCount[row] = 0;
    this.#askAgain(row);
  }

  #askAgain(row: number): void {
    this.#isAsking[row] = 1;
    const pauseMs = ASK_PAUSES_MS[Math.min(this.#askCount[row]!, ASK_PAUSES_MS.length - 1)]!;
    if (pauseMs === 0) this.#sendQuestion(row);
    else this.#o.timers.at(this.#nowUs() + pauseMs * 1000, () => this.#sendQuestion(row));
  }

  #sendQuestion(row: number): void {
    if (this.#isStopped) return;
    if (this.#askCount[row]! < 255) this.#askCount[row]! += 1;
    const isOurs = this.#o.orders.brokerId[row] === "";
    const isSent = this.#transport.isUp && (isOurs ? this.#transport.askOurs(row) : this.#transport.askTheirs(row));
    if (isSent) this.counters.requests += 1;
    else this.#askAgain(row);
  }

  #onAskAnswer(kind: number, row: number, status: number, body: string): void {
    const answer = parseObject(body);
    this.#isAsking[row] = 0;
    if (status === 200 && answer !== null && typeof answer.id === "string") {
      this.#applyOrder(row, answer);
      if (kind === REQUEST_ASK_OURS) this.#askForLegs(row);
      return;
    }
    if (status === 200) this.counters.badAnswers += 1;
    if (status === 404 && this.#askCount[row]! >= ASK_PAUSES_MS.length) {
      const asked = `${this.#askCount[row]} questions in ${ASK_PAUSES_MS.reduce((sum, ms) => sum + ms, 0) / 1000} s`;
      this.orderState.concludeRejected(row, this.#nowUs(), `the broker does not know the order after ${asked}`);
      return;
    }
    if (status === 401 || status === 403) this.onStatus(false, `the broker refused a question (${status})`);
    // An order whose end has been told meanwhile by the stream needs no answer.
    if (!isTerminal(this.#o.orders.status[row]!) || this.#lacksLegs(row)) this.#askAgain(row);
  }

  /** Asks for the legs of a bracket where the answer did not name them. */
  #askForLegs(row: number): void {
    if (this.#lacksLegs(row)) this.#ask(row);
  }

  /** True for an entry sent as a bracket and alive or filled, of which no leg is known. */
  #lacksLegs(entryRow: number): boolean {
    const { role, bracketTargetPxTicks, bracketStopPxTicks, status, filledQty, parentRow, count } = this.#o.orders;
    if (
      role[entryRow] !== ORDER_ROLE_ENTRY ||
      !(bracketTargetPxTicks[entryRow]! > 0 && bracketStopPxTicks[entryRow]! > 0)
    ) {
      return false;
    }
    if (isTerminal(status[entryRow]!) && filledQty[entryRow] === 0) return false;
    for (let row = entryRow + 1; row < count; row++) {
      if (parentRow[row] === entryRow) return false;
    }
    return true;
  }

  // --- cancel ---------------------------------------------------------------------------------------------------------

  #sendCancel(row: number): boolean {
    if (!this.#transport.cancel(row)) return false;
    this.counters.requests += 1;
    return true;
  }

  #onCancelAnswer(row: number, status: number, body: string): void {
    if (status >= 200 && status < 300) {
      // The stream tells the end. Where it does not, the order is asked about.
      const { timers, timeoutMs, orders } = this.#o;
      timers.at(this.#nowUs() + timeoutMs * 1000, () => {
        if (!isTerminal(orders.status[row]!)) this.#ask(row);
      });
      return;
    }
    this.orderState.cancelRefused(row, this.#nowUs(), messageOf(parseObject(body), status));
    if (!isTerminal(this.#o.orders.status[row]!)) this.#ask(row);
  }

  /** A cancel may be sent twice without harm, so an unclear one is. */
  #repeatCancel(row: number, detail: string): void {
    if (isTerminal(this.#o.orders.status[row]!)) return;
    this.#cancelCount[row]! += 1;
    if (this.#cancelCount[row]! <= CANCEL_TRIES_MAX && this.#transport.isUp && this.#sendCancel(row)) return;
    this.orderState.cancelRefused(row, this.#nowUs(), detail);
    this.#ask(row);
  }

  /** True while a cancel of the entry or of one of its legs is under way. */
  #isBracketEnding(entryRow: number): boolean {
    const { parentRow, status, count } = this.#o.orders;
    if (status[entryRow] === ORDER_STATUS_PENDING_CANCEL) return true;
    for (let row = entryRow + 1; row < count; row++) {
      if (parentRow[row] === entryRow && status[row] === ORDER_STATUS_PENDING_CANCEL) return true;
    }
    return false;
  }

  // --- rate limit -----------------------------------------------------------------------------------------------------

  /**
   * A 429 is definite: nothing was done. An entry is rejected, since its reason is a moment old; an exit, a cancel or a
   * question is sent when the broker says that there is room again.
   */
  #onRateLimited(kind: number, row: number, body: string, waitSec: number): void {
    this.counters.rateLimited += 1;
    const { orders, timers } = this.#o;
    if (kind === REQUEST_SUBMIT && orders.role[row] !== ORDER_ROLE_EXIT) {
      this.orderState.concludeRejected(row, this.#nowUs(), messageOf(parseObject(body), 429));
      return;
    }
    const waitUs = Math.min(RATE_WAIT_MAX_US, Math.max(RATE_WAIT_MIN_US, waitSec * 1e6 || 0));
    timers.at(this.#nowUs() + waitUs, () => this.#sendAgain(kind, row));
  }

  /** Only for what was definitely not done. */
  #sendAgain(kind: number, row: number): void {
    if (this.#isStopped) return;
    const { orders } = this.#o;
    if (kind === REQUEST_LIST) this.#fetchGap();
    else if (kind === REQUEST_SUBMIT) {
      if (orders.status[row] !== ORDER_STATUS_IN_FLIGHT) return;
      if (this.#transport.isUp && this.#transport.submit(row, true)) this.counters.requests += 1;
      else this.onNotSent(kind, row, "no socket after the wait for the rate limit");
    } else if (kind === REQUEST_CANCEL) {
      if (orders.status[row] !== ORDER_STATUS_PENDING_CANCEL) return;
      if (!this.#transport.isUp || !this.#sendCancel(row)) this.onNotSent(kind, row, "no socket after the wait");
    } else this.#sendQuestion(row);
  }

  // --- stream ---------------------------------------------------------------------------------------------------------

  #onUpdate(update: WireTradeUpdate): void {
    const order = update.order;
    const row = order === undefined ? -1 : this.#rowOf(order);
    if (row < 0) {
      this.#keepOrphan(update);
      return;
    }
    if (typeof order!.id === "string") this.#index.putBrokerId(order!.id, row);
    this.orderState.applyTradeUpdate(row, update, this.#nowUs());
    if (Array.isArray(order!.legs)) this.#learnLegs(row, order!.legs);
    if (!this.#o.isDeferred) this.onExecution();
  }

  /** Row of an order of the broker's; one that replaces an order of ours gets a row of its own. -1 where it is not ours. */
  #rowOf(order: WireOrder): number {
    const known = this.#index.rowOfBrokerId(order.id ?? "");
    if (known >= 0) return known;
    const ours = this.#index.rowOfClientOrderId(order.client_order_id ?? "");
    if (ours >= 0) return ours;
    const replaced = this.#index.rowOfBrokerId(order.replaces ?? "");
    const parentRow = replaced < 0 ? -1 : this.#o.orders.parentRow[replaced]!;
    return parentRow >= 0 && typeof order.id === "string" ? this.#openLeg(parentRow, order) : -1;
  }

  #keepOrphan(update: WireTradeUpdate): void {
    const orderClass = update.order?.order_class ?? "";
    if (orderClass === "" || orderClass === "simple" || update.order?.id === undefined) {
      this.counters.foreignOrders += 1;
      return;
    }
    this.#orphans.push(update);
    if (this.#orphans.length <= ORPHAN_COUNT_MAX) return;
    this.#orphans.shift();
    this.counters.foreignOrders += 1;
  }

  /** Applies what came before the order was known, in order of arrival. */
  #adoptOrphans(brokerId: string, row: number): void {
    for (let i = 0; i < this.#orphans.length; ) {
      const update = this.#orphans[i]!;
      if (update.order?.id !== brokerId) {
        i += 1;
        continue;
      }
      this.#orphans.splice(i, 1);
      this.orderState.applyTradeUpdate(row, update, this.#nowUs());
    }
  }

  #onStreamUp(isFirst: boolean): void {
    if (isFirst) return;
    this.#hasGap = true;
    this.#fetchGap();
  }

  #onStreamDown(detail: string): void {
    this.#hasGap = true;
    this.onStatus(false, detail);
    this.onActivity();
  }

  /** Fetches the day's orders: what the stream told nobody while it was down. */
  #fetchGap(afterIso = `${this.#o.day}T00:00:00Z`): void {
    if (this.#isStopped) return;
    if (this.#transport.isUp && this.#transport.list(afterIso)) this.counters.requests += 1;
    else this.#fetchGapLater();
  }

  #fetchGapLater(): void {
    this.#o.timers.at(this.#nowUs() + 1_000_000, () => this.#fetchGap());
  }

  #onListAnswer(status: number, body: string): void {
    const orders = status === 200 ? parseArray(body) : null;
    if (orders === null) {
      this.counters.badAnswers += 1;
      this.onStatus(false, `the broker answered ${status} when asked for the day's orders`);
      this.#fetchGapLater();
      return;
    }
    for (const order of orders) this.#applyListed(order);
    const last = orders.at(-1)?.submitted_at;
    if (orders.length >= LIST_LIMIT && typeof last === "string") {
      this.#fetchGap(last);
      return;
    }
    this.#hasGap = false;
    if (this.#stream.isUp) this.onStatus(true, "order stream is back and the orders of the gap are known");
  }

  #applyListed(order: WireOrder): void {
    const row = this.#rowOf(order);
    if (row >= 0) this.#applyOrder(row, order);
    else this.counters.foreignOrders += 1;
  }

  // --- reconciliation -------------------------------------------------------------------------------------------------

  #comparePositions(positions: readonly BrokerPosition[], positionQty: Float64Array, problems: string[]): number {
    const { instruments } = this.#o;
    const seen = new Set<number>();
    let foreign = 0;
    for (const { symbol, qty } of positions) {
      const slot = instruments.slotOf(symbol);
      const ours = slot < 0 ? 0 : positionQty[slot]!;
      if (slot >= 0) seen.add(slot);
      if (ours === 0 && qty !== 0) foreign += 1;
      else if (ours !== qty) problems.push(`${symbol}: gyr holds ${ours} shares, the broker ${qty}`);
    }
    for (let slot = 0; slot < instruments.count; slot++) {
      if (positionQty[slot] === 0 || seen.has(slot)) continue;
      problems.push(`${instruments.symbols[slot]}: gyr holds ${positionQty[slot]} shares, the broker none`);
    }
    return foreign;
  }

  #compareOrders(openOrders: readonly BrokerOrder[], problems: string[]): number {
    const { orders, instruments } = this.#o;
    const open = new Set<number>();
    let foreign = 0;
    for (const order of openOrders) {
      const wire = { id: order.id, client_order_id: order.clientOrderId };
      const row = this.#rowOf(wire);
      if (row >= 0) {
        open.add(row);
        if (isTerminal(orders.status[row]!)) {
          const name = ORDER_STATUS_NAMES[orders.status[row]!];
          problems.push(
            `${order.symbol}: order ${order.clientOrderId} is ${name} for gyr, ${order.status} at the broker`,
          );
        }
      } else if (parseClientOrderId(order.clientOrderId) !== null) {
        problems.push(`${order.symbol}: order ${order.clientOrderId} of an earlier run of gyr is open at the broker`);
      } else foreign += 1;
    }
    for (let row = 0; row < orders.count; row++) {
      const status = orders.status[row]!;
      if (status === ORDER_STATUS_NONE || isTerminal(status) || open.has(row)) continue;
      const symbol = instruments.symbols[orders.slot[row]!]!;
      const id = orders.clientOrderId[row] || formatClientOrderId(this.#idPrefix, symbol, orders.intentNumber[row]!);
      problems.push(`${symbol}: order ${id} is ${ORDER_STATUS_NAMES[status]} for gyr, not open at the broker`);
      this.#ask(row);
    }
    return foreign;
  }
}

/** The base URL; UserError where it is not one that a key may be sent to. */
function tradingUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isLoopback = url !== null && /^(127\.\d+\.\d+\.\d+|localhost|\[::1\])$/.test(url.hostname);
  if (url !== null && (url.protocol === "https:" || (url.protocol === "http:" && isLoopback))) return url;
  throw new UserError(
    "refused",
    `the broker's address should be https://, or http:// on loopback, was '${text}'`,
    "Keys are not sent over plain connections. See [gateway] trading_url.",
  );
}

type WireAnswer = WireOrder & { readonly code?: number; readonly message?: string };

function parseObject(body: string): WireAnswer | null {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as WireAnswer) : null;
  } catch {
    return null;
  }
}

function parseArray(body: string): WireOrder[] | null {
  try {
    const value: unknown = JSON.parse(body);
    if (!Array.isArray(value)) return null;
    return value.filter((order) => typeof order === "object" && order !== null) as WireOrder[];
  } catch {
    return null;
  }
}

function messageOf(answer: WireAnswer | null, status: number): string {
  return typeof answer?.message === "string" ? `${status}: ${answer.message}` : `the broker answered ${status}`;
}

function ticksOrZero(price: string | null | undefined): number {
  const ticks = parseTicks(price ?? "");
  return Number.isNaN(ticks) ? 0 : ticks;
}
