// Polygon's stocks socket on Bun's own WebSocket client; hot only in `#onMessage`, the rest is staying connected.
// In: frames. Out: rows in the market event ring, counters, `onFrame`.
// One connection at a time: connect, wait for `connected`, auth, subscribe in chunks with every parameter confirmed; after a
// loss the same again, with back-off and jitter, for as long as it takes. A refusal (key, plan, another connection with the
// same key) is final and told: the newest connection of a key wins at the venue, so fighting it would cut off its owner.
// The vendor's own client does not reconnect, ping or resubscribe, and caps frames.

import { monotonicNs } from "../../core/clock.ts";
import type { Prng } from "../../core/prng.ts";
import { UserError } from "../../core/user-error.ts";
import type { MarketEventRing } from "../../market/events.ts";
import type { Instruments } from "../../market/instruments.ts";
import { type Delays, WallDelays } from "../delays.ts";
import type { Feed, FeedCounters, FeedStatus } from "../feed.ts";
import { FrameParser } from "./parse.ts";

/** Parameters in one subscribe message. Messages of 44 symbols have failed at the venue; this stays below. */
const SUBSCRIBE_CHUNK = 40;
/** Between keepalive pings; the venue's own clients use 20 to 25 s. A connection silent for a whole interval is dead. */
const PING_INTERVAL_MS = 20_000;
/** First and longest wait before connecting again; doubled each time, and cut by up to half at random. */
const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 30_000;
/** Wait for the other side to answer a close before the socket is dropped. */
const CLOSE_TIMEOUT_MS = 1_000;
/** Longest frame read, characters: sixteen times what the venue's own clients accept. */
const FRAME_CHARS_MAX = 1 << 24;
/** Parameters named in an error before "and N more". */
const NAMED_MAX = 5;

export interface PolygonFeedOptions {
  /** Host of the venue, such as wss://socket.polygon.io; /stocks is added unless the URL has a path. */
  readonly url: string;
  readonly apiKey: string;
  readonly ring: MarketEventRing;
  readonly instruments: Instruments;
  /** Subscribe to trades (T) and quotes (Q). */
  readonly trades: boolean;
  readonly quotes: boolean;
  /** Subscribe to aggregates: AM, A, both or none. Default: AM where there are no trades to make bars of. */
  readonly minuteBars?: boolean;
  readonly secondBars?: boolean;
  /** Jitter of the back-off. */
  readonly prng: Prng;
  /** Time-outs, pings and back-off. Default: the wall. */
  readonly delays?: Delays;
  /** Longest wait for connect, for auth and for each chunk of subscriptions. */
  readonly connectTimeoutMs: number;
}

/** Bun's client beyond the standard interface. */
type BunSocket = WebSocket & { ping(): void; terminate(): void };

type Phase = "idle" | "connecting" | "authenticating" | "subscribing" | "up" | "waiting" | "refused" | "stopped";

export class PolygonFeed implements Feed {
  readonly counters: FeedCounters = {
    frames: 0,
    events: 0,
    unknownEvents: 0,
    badEvents: 0,
    badFrames: 0,
    reconnects: 0,
  };
  onFrame: () => void = () => {};
  onStatus: (status: FeedStatus, detail: string) => void = () => {};
  /** Called before the ring would overflow within a frame; must drain it. */
  onFull: () => void = () => this.onFrame();
  /** Answers to keepalive pings since start. */
  pongs = 0;

  readonly #options: PolygonFeedOptions;
  readonly #address: URL;
  readonly #delays: Delays;
  readonly #parser: FrameParser;
  #phase: Phase = "idle";
  #socket: BunSocket | null = null;
  #params: string[] = [];
  /** Parameters sent in this connection, and of those the ones not yet confirmed. */
  #sentCount = 0;
  readonly #unconfirmed = new Set<string>();
  /** Something came over the connection since the last ping. */
  #isHeard = false;
  #hasBeenUp = false;
  #attempt = 0;
  #deadlineId = 0;
  #pingId = 0;
  #retryId = 0;
  #resolveStart: (() => void) | null = null;
  #rejectStart: ((reason: Error) => void) | null = null;

  constructor(options: PolygonFeedOptions) {
    this.#options = options;
    this.#address = new URL(options.url);
    if (this.#address.pathname === "/") this.#address.pathname = "/stocks";
    this.#delays = options.delays ?? new WallDelays();
    this.#parser = new FrameParser(options.ring, options.instruments, this.counters);
    this.#parser.onFull = () => this.onFull();
    this.#parser.onStatusEvent = (status, message) => this.#onStatusEvent(status, message);
  }

  /** Frames that were not in the usual form and took the slow way through JSON.parse; status frames are among them. */
  get slowFrames(): number {
    return this.#parser.jsonFrames;
  }

  start(symbols: readonly string[]): Promise<void> {
    if (this.#phase !== "idle") throw new Error("Invariant: a feed is started once");
    this.#params = this.#paramsOf(symbols);
    return new Promise((resolve, reject) => {
      this.#resolveStart = resolve;
      this.#rejectStart = reject;
      this.onStatus("connecting", `connecting to ${this.#where()}`);
      this.#open();
    });
  }

  async stop(): Promise<void> {
    this.#phase = "stopped";
    this.#cancelTimers();
    const socket = this.#socket;
    this.#socket = null;
    this.#settleStart(new UserError("failed", `the feed was stopped before ${this.#where()} was ready`));
    if (socket === null || socket.readyState === WebSocket.CLOSED) return;
    await new Promise<void>((resolve) => {
      const id = this.#delays.after(CLOSE_TIMEOUT_MS, () => {
        socket.terminate();
        resolve();
      });
      socket.onclose = () => {
        this.#delays.cancel(id);
        resolve();
      };
      if (socket.readyState === WebSocket.OPEN) socket.close(1000);
      else socket.terminate();
    });
  }

  #paramsOf(symbols: readonly string[]): string[] {
    const { trades, quotes, minuteBars = !trades, secondBars = false } = this.#options;
    const channels = [trades && "T", quotes && "Q", minuteBars && "AM", secondBars && "A"].filter((c) => c !== false);
    return [...new Set(symbols)].flatMap((symbol) => channels.map((channel) => `${channel}.${symbol}`));
  }

  #open(): void {
    this.#phase = "connecting";
    this.counters.frames = 0;
    this.#sentCount = 0;
    this.#unconfirmed.clear();
    // Compression costs three times the parsing; Bun's client asks for it unless told not to.
    const socket = new WebSocket(this.#address, { perMessageDeflate: false } as never) as BunSocket;
    this.#socket = socket;
    socket.onmessage = (event) => {
      if (socket === this.#socket) this.#onMessage(event.data);
    };
    socket.onclose = (event) => {
      if (socket === this.#socket) this.#onClose(event.code, event.reason);
    };
    // A close event follows and is what counts.
    socket.onerror = () => {};
    socket.addEventListener("pong" as never, () => {
      this.#isHeard = true;
      this.pongs += 1;
    });
    this.#setDeadline(`did not greet within ${this.#options.connectTimeoutMs} ms`);
  }

  #onMessage(data: unknown): void {
    const recvNs = monotonicNs();
    this.#isHeard = true;
    this.counters.frames += 1;
    if (typeof data === "string" && data.length <= FRAME_CHARS_MAX) this.#parser.parseFrame(data, recvNs);
    else this.counters.badFrames += 1;
    this.onFrame();
  }

  #onClose(code: number, reason: string): void {
    if (/max.*connections/i.test(reason)) this.#refuse(this.#maxConnections());
    else if (this.#phase === "connecting" && code === 1006)
      this.#lose("could not be reached, or dropped the connection");
    else this.#lose(`closed the connection (code ${code}${reason === "" ? "" : `, ${this.#quote(reason)}`})`);
  }

  #onStatusEvent(status: string, message: string): void {
    switch (status) {
      case "connected":
        if (this.#phase === "connecting") this.#authenticate();
        break;
      case "auth_success":
        if (this.#phase === "authenticating") this.#subscribe();
        break;
      case "auth_failed":
        this.#refuse(`refused the API key (${this.#quote(message)})`);
        break;
      case "auth_timeout":
        this.#lose(`got no key in time (${this.#quote(message)})`);
        break;
      case "max_connections":
        this.#refuse(this.#maxConnections());
        break;
      case "success":
        this.#confirm(message);
        break;
      case "error":
        this.#onErrorStatus(message);
        break;
      default:
        this.onStatus(this.#phase === "up" ? "up" : "connecting", `${this.#where()} says ${this.#quote(status)}`);
    }
  }

  #onErrorStatus(message: string): void {
    if (this.#phase === "up") this.onStatus("up", `${this.#where()} reports ${this.#quote(message)}`);
    else if (/not authorized/i.test(message)) {
      const channels = [...new Set(this.#params.map((param) => param.split(".")[0]))].join(", ");
      this.#refuse(`refused a subscription: the plan of this key does not cover one of the channels ${channels}`);
    } else this.#lose(`answered with an error (${this.#quote(message)})`);
  }

  #authenticate(): void {
    this.#phase = "authenticating";
    this.#setDeadline(`did not answer the authentication within ${this.#options.connectTimeoutMs} ms`);
    this.#send("auth", this.#options.apiKey);
  }

  /** Sends the next chunk of subscriptions; all confirmed means up. */
  #subscribe(): void {
    this.#phase = "subscribing";
    if (this.#sentCount >= this.#params.length) {
      if (this.#unconfirmed.size === 0) this.#becomeUp();
      return;
    }
    const chunk = this.#params.slice(this.#sentCount, this.#sentCount + SUBSCRIBE_CHUNK);
    this.#sentCount += chunk.length;
    for (const param of chunk) this.#unconfirmed.add(param);
    this.#setDeadline("");
    this.#send("subscribe", chunk.join(","));
  }

  /** "subscribed to: T.AAPL"; one parameter in each message, more are taken too. */
  #confirm(message: string): void {
    const match = /^subscribed to:\s*(.+)$/i.exec(message);
    if (match === null || this.#phase !== "subscribing") return;
    for (const param of match[1]!.split(",")) this.#unconfirmed.delete(param.trim());
    // The next chunk is on its way while the rest of this one is confirmed.
    if (this.#unconfirmed.size <= SUBSCRIBE_CHUNK / 2) this.#subscribe();
  }

  #becomeUp(): void {
    this.#phase = "up";
    this.#delays.cancel(this.#deadlineId);
    this.#attempt = 0;
    if (this.#hasBeenUp) this.counters.reconnects += 1;
    this.#hasBeenUp = true;
    this.#isHeard = true;
    this.#schedulePing();
    this.onStatus("up", `${this.#where()}: ${this.#params.length} subscriptions confirmed`);
    this.#settleStart(null);
  }

  #schedulePing(): void {
    this.#pingId = this.#delays.after(PING_INTERVAL_MS, () => {
      if (!this.#isHeard) {
        this.#lose(`was silent for ${PING_INTERVAL_MS / 1000} s and did not answer a ping`);
        return;
      }
      this.#isHeard = false;
      this.#socket?.ping();
      this.#schedulePing();
    });
  }

  /** `failure` completes "HOST ..."; empty: the parameters that are not confirmed. */
  #setDeadline(failure: string): void {
    this.#delays.cancel(this.#deadlineId);
    this.#deadlineId = this.#delays.after(this.#options.connectTimeoutMs, () => {
      this.#lose(failure === "" ? this.#unconfirmedText() : failure);
    });
  }

  #unconfirmedText(): string {
    const names = [...this.#unconfirmed];
    const more = names.length > NAMED_MAX ? ` and ${names.length - NAMED_MAX} more` : "";
    const list = names.slice(0, NAMED_MAX).join(", ");
    return `did not confirm ${list}${more} within ${this.#options.connectTimeoutMs} ms`;
  }

  /** The connection is gone or useless: fail the start, or try again after a while. */
  #lose(what: string): void {
    if (this.#phase === "refused" || this.#phase === "stopped" || this.#phase === "waiting") return;
    this.#drop();
    const detail = `${this.#where()} ${what}`;
    if (this.#rejectStart !== null) {
      this.#phase = "stopped";
      const remedy = "check the network, feed.socket_url and the venue's status page";
      this.#settleStart(new UserError("failed", `market data: ${detail}`, remedy));
      return;
    }
    this.#phase = "waiting";
    const retryMs = this.#retryMs();
    this.onStatus("down", `${detail}; connecting again in ${Math.round(retryMs)} ms`);
    this.#retryId = this.#delays.after(retryMs, () => {
      this.onStatus("connecting", `connecting to ${this.#where()} again, attempt ${this.#attempt}`);
      this.#open();
    });
  }

  /** The venue will not have us: stop and say so. */
  #refuse(what: string): void {
    if (this.#phase === "refused" || this.#phase === "stopped") return;
    this.#drop();
    this.#phase = "refused";
    const detail = `${this.#where()} ${what}`;
    this.onStatus("refused", detail);
    const remedy = "check the market-data key and its plan, and that no other program uses it";
    this.#settleStart(new UserError("failed", `market data: ${detail}`, remedy));
  }

  #drop(): void {
    this.#cancelTimers();
    const socket = this.#socket;
    this.#socket = null;
    socket?.terminate();
  }

  #retryMs(): number {
    const ceilingMs = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** this.#attempt);
    this.#attempt += 1;
    return ceilingMs * (0.5 + 0.5 * this.#options.prng.next());
  }

  #cancelTimers(): void {
    this.#delays.cancel(this.#deadlineId);
    this.#delays.cancel(this.#pingId);
    this.#delays.cancel(this.#retryId);
  }

  #settleStart(failure: Error | null): void {
    const resolve = this.#resolveStart;
    const reject = this.#rejectStart;
    this.#resolveStart = null;
    this.#rejectStart = null;
    if (failure === null) resolve?.();
    else reject?.(failure);
  }

  #send(action: "auth" | "subscribe", params: string): void {
    this.#socket?.send(JSON.stringify({ action, params }));
  }

  #maxConnections(): string {
    return "closed this connection because another one uses the same key; not connecting again";
  }

  /** The venue's address without anything secret in it. */
  #where(): string {
    return `${this.#address.host}${this.#address.pathname}`;
  }

  /** The venue's own words, shortened, without the key should it be among them. */
  #quote(text: string): string {
    const { apiKey } = this.#options;
    const clean = apiKey === "" ? text : text.replaceAll(apiKey, "***");
    return JSON.stringify(clean.slice(0, 200));
  }
}
