// Polygon's WebSocket as the vendor documents it: clusters /stocks and /indices, status, auth, subscriptions, T, Q, A, AM, V.
// Tape events are rendered when they happen and sent in array frames at multiples of the feed interval on the timeline.
//
// One connection to a cluster: a newcomer that authenticates pushes the older one out. Nothing is replayed, and what is
// subscribed to and never trades is simply silent. Bad client messages get a status frame; they never end the server.

import type { ServerWebSocket } from "bun";
import { TICKS_PER_USD } from "../../core/fixed-point.ts";
import { PRIORITY_DELIVERY, type Timeline } from "../timeline.ts";
import { AggregateWindow } from "./aggregate-window.ts";
import { MINUTE_US } from "./intrabar.ts";
import type { MarketListener } from "./port.ts";
import { ROUND_LOT } from "./spread.ts";
import type { MarketTape } from "./tape.ts";

export type Cluster = "stocks" | "indices";

export interface PolygonSocketOptions {
  readonly timeline: Timeline;
  readonly tape: MarketTape;
  readonly apiKey: string;
  readonly feedIntervalMs: number;
  /** Level of the index at the venue's time: the last close; null where unknown. */
  readonly vixLevel: () => number | null;
  /** Called after anything was sent to any client. */
  readonly onSent?: () => void;
  /** Wall time a client has for its key. */
  readonly authTimeoutMs?: number;
  /** Bytes a client may leave unread before it is disconnected. */
  readonly unreadBytesMax?: number;
}

/** What Bun keeps with a socket. */
export interface PolygonSocketData {
  readonly cluster: Cluster;
  connection: Connection | null;
}

type Socket = ServerWebSocket<PolygonSocketData>;

const AUTH_TIMEOUT_MS_DEFAULT = 10_000;
const UNREAD_BYTES_MAX_DEFAULT = 16 * 1024 * 1024;
/** Clients refuse frames above 1 MiB; a quarter of that leaves room and keeps one burst in few frames. */
const FRAME_CHARS_MAX = 256 * 1024;
/** A client message holds a list of subscriptions: 10,000 symbols on four channels fit. */
const CLIENT_MESSAGE_BYTES_MAX = 1024 * 1024;
const SECOND_US = 1_000_000;
const US_PER_MS = 1_000;
const CLOSE_POLICY = 1008;

/** Aggregates close before the trades of the same microsecond, which belong to the next window. */
const PRIORITY_WINDOW_END = -1;

const BIT_TRADES = 1;
const BIT_QUOTES = 2;
const BIT_SECONDS = 4;
const BIT_MINUTES = 8;
const CHANNEL_BITS: Readonly<Record<string, number>> = {
  T: BIT_TRADES,
  Q: BIT_QUOTES,
  A: BIT_SECONDS,
  AM: BIT_MINUTES,
};
const INDEX_CHANNELS: ReadonlySet<string> = new Set(["V", "A", "AM"]);
/** Channels that exist and that this venue's plan does not include. */
const REFUSED_CHANNELS: ReadonlySet<string> = new Set(["LULD", "NOI", "FMV"]);
const VIX_TICKER = "I:VIX";

/** NYSE Arca, and the tape of what is listed there; the recording says neither. */
const EXCHANGE_ID = 11;
const TAPE_ID = 2;

/** One client. */
class Connection {
  readonly id: number;
  readonly socket: Socket;
  readonly cluster: Cluster;
  isAuthenticated = false;
  framesSent = 0;
  /** Channel.symbol as the client wrote it. */
  readonly subscriptions = new Set<string>();
  /** (slot) BIT_* of single subscriptions. */
  readonly bits: Uint8Array;
  /** BIT_* of subscriptions to every symbol. */
  everyBits = 0;
  /** Events not yet sent, comma-separated: full frames, and the one being filled. */
  readonly fullFrames: string[] = [];
  frame = "";
  isDeliveryDue = false;
  authTimer: ReturnType<typeof setTimeout> | null = null;

  constructor(id: number, socket: Socket, slotCount: number) {
    this.id = id;
    this.socket = socket;
    this.cluster = socket.data.cluster;
    this.bits = new Uint8Array(slotCount);
  }

  wants(slot: number, bit: number): boolean {
    return ((this.bits[slot]! | this.everyBits) & bit) !== 0;
  }

  get wantsSeconds(): boolean {
    return (this.everyBits & BIT_SECONDS) !== 0 || this.bits.some((bits) => (bits & BIT_SECONDS) !== 0);
  }
}

export class PolygonSocket implements MarketListener {
  /** Clients disconnected because they did not read. */
  slowConsumers = 0;
  readonly #timeline: Timeline;
  readonly #tape: MarketTape;
  readonly #options: PolygonSocketOptions;
  readonly #intervalUs: number;
  readonly #unreadBytesMax: number;
  readonly #connections = new Set<Connection>();
  #nextConnectionId = 1;
  /** Newest authenticated connection of each cluster. */
  #stocks: Connection | null = null;
  #indices: Connection | null = null;
  #hasSecondSubscriptions = false;
  readonly #minute: AggregateWindow;
  readonly #second: AggregateWindow;
  /** (slot) events of the symbol so far: sequence numbers and trade ids. */
  readonly #sequence: Float64Array;
  /** (slot) beginnings of T and Q events. */
  readonly #tradeHead: string[];
  readonly #quoteHead: string[];

  constructor(options: PolygonSocketOptions) {
    const { tape } = options;
    this.#timeline = options.timeline;
    this.#tape = tape;
    this.#options = options;
    this.#intervalUs = options.feedIntervalMs * US_PER_MS;
    this.#unreadBytesMax = options.unreadBytesMax ?? UNREAD_BYTES_MAX_DEFAULT;
    this.#minute = new AggregateWindow(tape.symbols.length, MINUTE_US);
    this.#second = new AggregateWindow(tape.symbols.length, SECOND_US);
    this.#sequence = new Float64Array(tape.symbols.length);
    this.#tradeHead = tape.symbols.map(
      (symbol) => `{"ev":"T","sym":${JSON.stringify(symbol)},"x":${EXCHANGE_ID},"i":"`,
    );
    this.#quoteHead = tape.symbols.map(
      (symbol) => `{"ev":"Q","sym":${JSON.stringify(symbol)},"bx":${EXCHANGE_ID},"bp":`,
    );
    tape.addListener(this);
  }

  /** Frames sent to the newest authenticated /stocks connection since it was opened, status frames included; 0 without one. */
  get framesSent(): number {
    return this.#stocks?.framesSent ?? 0;
  }

  /** Number of that connection, counted from 1; 0 without one. */
  get connectionId(): number {
    return this.#stocks?.id ?? 0;
  }

  /** Cluster of a request path; null where there is none. */
  static clusterOf(pathname: string): Cluster | null {
    return pathname === "/stocks" ? "stocks" : pathname === "/indices" ? "indices" : null;
  }

  /** For Bun.serve. */
  get handlers(): Bun.WebSocketHandler<PolygonSocketData> {
    return {
      maxPayloadLength: CLIENT_MESSAGE_BYTES_MAX,
      // Our own limit acts first; Bun's must not drop a frame silently before.
      backpressureLimit: 4 * (this.#unreadBytesMax + FRAME_CHARS_MAX),
      idleTimeout: 240,
      perMessageDeflate: false,
      open: (socket) => this.#onOpen(socket),
      message: (socket, message) => this.#onMessage(socket, message),
      close: (socket) => this.#onClose(socket),
    };
  }

  stop(): void {
    for (const connection of this.#connections) {
      if (connection.authTimer !== null) clearTimeout(connection.authTimer);
      connection.socket.close(1001, "server stops");
    }
  }

  onTrade(slot: number, pxTicks: number, qty: number, tsUs: number): void {
    this.#addToWindow(this.#minute, slot, pxTicks, qty, tsUs);
    if (this.#hasSecondSubscriptions) this.#addToWindow(this.#second, slot, pxTicks, qty, tsUs);
    this.#sequence[slot]! += 1;
    const connection = this.#stocks;
    if (connection === null || !connection.wants(slot, BIT_TRADES)) return;
    const sequence = this.#sequence[slot]!;
    this.#queue(
      connection,
      `${this.#tradeHead[slot]!}${sequence}","z":${TAPE_ID},"p":${pxTicks / TICKS_PER_USD},"s":${qty},"t":${Math.floor(tsUs / US_PER_MS)},"q":${sequence}}`,
    );
  }

  onQuote(slot: number, bidPxTicks: number, askPxTicks: number, tsUs: number): void {
    this.#sequence[slot]! += 1;
    const connection = this.#stocks;
    if (connection === null || !connection.wants(slot, BIT_QUOTES)) return;
    const bidLots = this.#tape.bidQty(slot) / ROUND_LOT;
    const askLots = this.#tape.askQty(slot) / ROUND_LOT;
    this.#queue(
      connection,
      `${this.#quoteHead[slot]!}${bidPxTicks / TICKS_PER_USD},"bs":${bidLots},"ax":${EXCHANGE_ID},"ap":${askPxTicks / TICKS_PER_USD},"as":${askLots},"c":0,"t":${Math.floor(tsUs / US_PER_MS)},"q":${this.#sequence[slot]!},"z":${TAPE_ID}}`,
    );
  }

  #addToWindow(window: AggregateWindow, slot: number, pxTicks: number, qty: number, tsUs: number): void {
    if (window.count === 0) {
      window.open(tsUs);
      this.#timeline.at(window.endUs, PRIORITY_WINDOW_END, () => this.#endWindow(window));
    }
    window.add(slot, pxTicks, qty);
  }

  #endWindow(window: AggregateWindow): void {
    const isMinute = window === this.#minute;
    const connection = this.#stocks;
    for (let i = 0; connection !== null && i < window.count; i++) {
      const slot = window.slots[i]!;
      if (!connection.wants(slot, isMinute ? BIT_MINUTES : BIT_SECONDS)) continue;
      this.#queue(connection, this.#renderAggregate(isMinute ? "AM" : "A", window, slot));
    }
    window.clear();
  }

  #renderAggregate(event: string, window: AggregateWindow, slot: number): string {
    const tape = this.#tape;
    const volume = window.volume[slot]!;
    const dayVolume = tape.dayVolume(slot);
    return (
      `{"ev":"${event}","sym":${JSON.stringify(tape.symbols[slot])},"v":${volume},"av":${dayVolume},` +
      `"op":${tape.dayOpenPxTicks(slot) / TICKS_PER_USD},"vw":${meanPx(window.notionalTicks[slot]!, volume)},` +
      `"o":${window.openPxTicks[slot]! / TICKS_PER_USD},"c":${window.closePxTicks[slot]! / TICKS_PER_USD},` +
      `"h":${window.highPxTicks[slot]! / TICKS_PER_USD},"l":${window.lowPxTicks[slot]! / TICKS_PER_USD},` +
      `"a":${meanPx(tape.dayNotionalTicks(slot), dayVolume)},"z":${Math.round(volume / window.tradeCount[slot]!)},` +
      `"s":${window.startUs / US_PER_MS},"e":${window.endUs / US_PER_MS}}`
    );
  }

  /** Adds an event to what the connection gets at the next delivery time. */
  #queue(connection: Connection, event: string): void {
    if (connection.frame.length + event.length + 2 > FRAME_CHARS_MAX) {
      connection.fullFrames.push(connection.frame);
      connection.frame = event;
    } else {
      connection.frame = connection.frame === "" ? event : `${connection.frame},${event}`;
    }
    if (connection.isDeliveryDue) return;
    connection.isDeliveryDue = true;
    const dueUs = Math.ceil(this.#timeline.nowUs / this.#intervalUs) * this.#intervalUs;
    this.#timeline.at(dueUs, PRIORITY_DELIVERY, () => this.#deliver(connection));
  }

  #deliver(connection: Connection): void {
    connection.isDeliveryDue = false;
    for (const frame of connection.fullFrames) this.#send(connection, `[${frame}]`);
    connection.fullFrames.length = 0;
    if (connection.frame !== "") this.#send(connection, `[${connection.frame}]`);
    connection.frame = "";
  }

  #send(connection: Connection, frame: string): void {
    if (!this.#connections.has(connection)) return;
    connection.socket.send(frame);
    connection.framesSent += 1;
    if (connection.socket.getBufferedAmount() > this.#unreadBytesMax) {
      // As the vendor does it: no status and no close frame, the client would not read them.
      this.slowConsumers += 1;
      this.#forget(connection);
      connection.socket.terminate();
    }
    this.#options.onSent?.();
  }

  #status(connection: Connection, status: string, message: string): void {
    this.#send(connection, `[{"ev":"status","status":"${status}","message":${JSON.stringify(message)}}]`);
  }

  #onOpen(socket: Socket): void {
    const connection = new Connection(this.#nextConnectionId++, socket, this.#tape.symbols.length);
    socket.data.connection = connection;
    this.#connections.add(connection);
    connection.authTimer = setTimeout(() => {
      this.#status(connection, "auth_timeout", "No authentication request received.");
      socket.close(CLOSE_POLICY, "auth_timeout");
    }, this.#options.authTimeoutMs ?? AUTH_TIMEOUT_MS_DEFAULT);
    this.#status(connection, "connected", "Connected Successfully");
  }

  #onClose(socket: Socket): void {
    const { connection } = socket.data;
    if (connection !== null) this.#forget(connection);
  }

  #forget(connection: Connection): void {
    this.#connections.delete(connection);
    if (connection.authTimer !== null) clearTimeout(connection.authTimer);
    if (this.#stocks === connection) this.#stocks = null;
    if (this.#indices === connection) this.#indices = null;
    this.#noteSecondSubscriptions();
  }

  #onMessage(socket: Socket, message: string | Buffer): void {
    const { connection } = socket.data;
    if (connection === null || !this.#connections.has(connection)) return;
    const request = parseRequest(typeof message === "string" ? message : message.toString("utf8"));
    if (request === null) {
      this.#status(connection, "error", "invalid request, expected {action, params} with text values");
    } else if (request.action === "auth") {
      this.#authenticate(connection, request.params);
    } else if (!connection.isAuthenticated) {
      this.#status(connection, "error", "not authorized");
    } else if (request.action === "subscribe") {
      this.#subscribe(connection, request.params);
    } else if (request.action === "unsubscribe") {
      this.#unsubscribe(connection, request.params);
    } else {
      this.#status(connection, "error", "unknown action, expected auth, subscribe or unsubscribe");
    }
  }

  #authenticate(connection: Connection, key: string): void {
    if (connection.authTimer !== null) clearTimeout(connection.authTimer);
    if (key !== this.#options.apiKey) {
      this.#status(connection, "auth_failed", "authentication failed");
      connection.socket.close(CLOSE_POLICY, "authentication failed");
      return;
    }
    if (!connection.isAuthenticated) this.#takeOver(connection);
    this.#status(connection, "auth_success", "authenticated");
  }

  /** The newcomer becomes the cluster's connection; the one before it is told and closed. */
  #takeOver(connection: Connection): void {
    connection.isAuthenticated = true;
    const older = connection.cluster === "stocks" ? this.#stocks : this.#indices;
    if (connection.cluster === "stocks") this.#stocks = connection;
    else this.#indices = connection;
    if (older === null) return;
    this.#status(older, "max_connections", "Maximum number of websocket connections exceeded.");
    this.#forget(older);
    older.socket.close(CLOSE_POLICY, "max_connections");
  }

  #subscribe(connection: Connection, params: string): void {
    const wanted = splitParams(params);
    // A refusal names no subscription and comes before the confirmations.
    for (const { channel } of wanted) {
      if (REFUSED_CHANNELS.has(channel)) this.#status(connection, "error", "not authorized");
    }
    for (const { text, channel, symbol } of wanted) {
      if (!isKnownChannel(connection.cluster, channel) || connection.subscriptions.has(text)) continue;
      connection.subscriptions.add(text);
      if (connection.cluster === "stocks") this.#setBit(connection, channel, symbol, true);
      this.#status(connection, "success", `subscribed to: ${text}`);
      if (connection.cluster === "indices") this.#sendIndexLevel(connection, channel, symbol);
    }
    this.#noteSecondSubscriptions();
  }

  #unsubscribe(connection: Connection, params: string): void {
    for (const { text, channel, symbol } of splitParams(params)) {
      if (!connection.subscriptions.delete(text)) continue;
      if (connection.cluster === "stocks") this.#setBit(connection, channel, symbol, false);
      this.#status(connection, "success", `unsubscribed to: ${text}`);
    }
    this.#noteSecondSubscriptions();
  }

  /** Switches a channel of one symbol or of all; a symbol that is not in the day stays silent. */
  #setBit(connection: Connection, channel: string, symbol: string, isOn: boolean): void {
    const bit = CHANNEL_BITS[channel]!;
    if (symbol === "*") {
      connection.everyBits = isOn ? connection.everyBits | bit : connection.everyBits & ~bit;
      for (let slot = 0; isOn && slot < this.#tape.symbols.length; slot++) this.#tape.activate(slot);
      return;
    }
    const slot = this.#tape.slotOf(symbol);
    if (slot < 0) return;
    const bits = connection.bits[slot]!;
    connection.bits[slot] = isOn ? bits | bit : bits & ~bit;
    if (isOn) this.#tape.activate(slot);
  }

  /** The recording has one value of the index a day: a subscriber gets the last close once, and no more. */
  #sendIndexLevel(connection: Connection, channel: string, symbol: string): void {
    const level = this.#options.vixLevel();
    if (channel !== "V" || (symbol !== VIX_TICKER && symbol !== "*") || level === null) return;
    const tMs = Math.floor(this.#timeline.nowUs / US_PER_MS);
    this.#send(connection, `[{"ev":"V","val":${level},"T":"${VIX_TICKER}","t":${tMs}}]`);
  }

  #noteSecondSubscriptions(): void {
    const has = this.#stocks?.wantsSeconds ?? false;
    if (!has && this.#second.count > 0) this.#second.clear();
    this.#hasSecondSubscriptions = has;
  }
}

interface Request {
  readonly action: string;
  readonly params: string;
}

/** A client message, null where it is not one. */
function parseRequest(text: string): Request | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const { action, params } = value as { action?: unknown; params?: unknown };
  return typeof action === "string" && typeof params === "string" ? { action, params } : null;
}

interface Param {
  readonly text: string;
  readonly channel: string;
  readonly symbol: string;
}

/** "T.SPY,Q.*" -> its parts; what has no dot has no symbol. */
function splitParams(params: string): Param[] {
  return params
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map((text) => {
      const dot = text.indexOf(".");
      return dot < 0
        ? { text, channel: text, symbol: "" }
        : { text, channel: text.slice(0, dot), symbol: text.slice(dot + 1) };
    });
}

function isKnownChannel(cluster: Cluster, channel: string): boolean {
  return cluster === "stocks" ? Object.hasOwn(CHANNEL_BITS, channel) : INDEX_CHANNELS.has(channel);
}

/** Mean price in USD of a sum of price x shares, four decimals as the vendor has them. */
function meanPx(notionalTicks: number, volume: number): number {
  return volume > 0 ? Math.round(notionalTicks / volume) / TICKS_PER_USD : 0;
}
