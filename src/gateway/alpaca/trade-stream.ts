// Our own client of the broker's order stream, on Bun's native WebSocket. Frames are JSON in binary or text frames. The stream
// has neither sequence numbers nor replay, so whoever listens must fetch the orders again after every gap; `onUp` says when.

import type { Clock } from "../../core/clock.ts";
import type { Prng } from "../../core/prng.ts";
import type { Timers } from "../../core/timers.ts";
import { UserError } from "../../core/user-error.ts";
import type { WireTradeUpdate } from "../order-state.ts";

const RECONNECT_FIRST_US = 250_000;
const RECONNECT_MAX_US = 30_000_000;
/** From the open of the socket to "listening", and from a ping to its pong. */
const HANDSHAKE_US = 10_000_000;
const DECODER = new TextDecoder();

/** Bun's WebSocket, of which the DOM types know only a part. */
interface BunSocket extends WebSocket {
  ping(): void;
}
const BunWebSocket = WebSocket as unknown as new (url: string, options: Bun.WebSocketOptions) => BunSocket;

export interface TradeStreamOptions {
  readonly url: string;
  readonly keyId: string;
  readonly secret: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly prng: Prng;
  /** Market time between pings, us; 0 none, for a venue in lockstep, whose market time runs faster than the wire. */
  readonly pingUs: number;
  /** Keeps updates until `applyPending`, so that the driver decides their place among all other events. */
  readonly isDeferred: boolean;
  readonly onUpdate: (update: WireTradeUpdate) => void;
  /** Authorised and listening; `isFirst` false after a gap. */
  readonly onUp: (isFirst: boolean) => void;
  readonly onDown: (detail: string) => void;
  /** A frame came; with `isDeferred` it waits. */
  readonly onFrame: () => void;
}

interface Frame {
  readonly stream?: string;
  readonly action?: string;
  readonly data?: Record<string, unknown>;
}

export class TradeStream {
  /** Frames received on the present connection, status frames included. */
  frames = 0;
  reconnects = 0;
  /** Frames that were not the broker's JSON: skipped. */
  badFrames = 0;
  isUp = false;
  readonly #o: TradeStreamOptions;
  readonly #pending: WireTradeUpdate[] = [];
  #socket: BunSocket | null = null;
  #wasUp = false;
  #isStopped = false;
  #attempts = 0;
  #handshakeTimer = 0;
  #pingTimer = 0;
  #isAlive = false;
  #settleStart: ((error: Error | null) => void) | null = null;

  constructor(options: TradeStreamOptions) {
    this.#o = options;
  }

  /** True where the peer has been heard of since the last ping. */
  get isAnswered(): boolean {
    return this.#isAlive;
  }

  /** Updates that wait for `applyPending`. */
  get pendingCount(): number {
    return this.#pending.length;
  }

  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#settleStart = (error) => (error === null ? resolve() : reject(error));
      this.#open();
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.isUp = false;
    this.#clearTimers();
    this.#socket?.close();
    this.#socket = null;
  }

  /** Hands over what has waited, in order of arrival. */
  applyPending(): void {
    for (let i = 0; i < this.#pending.length; i++) this.#o.onUpdate(this.#pending[i]!);
    this.#pending.length = 0;
  }

  #open(): void {
    const { url, timers, clock, pingUs } = this.#o;
    this.frames = 0;
    const socket = new BunWebSocket(url, { perMessageDeflate: false });
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    const isCurrent = (): boolean => this.#socket === socket;
    socket.onopen = () => {
      if (isCurrent())
        this.#send({ action: "authenticate", data: { key_id: this.#o.keyId, secret_key: this.#o.secret } });
    };
    socket.onmessage = ({ data }) => {
      if (isCurrent()) this.#onFrame(data as string | ArrayBuffer);
    };
    socket.addEventListener("pong", () => {
      this.#isAlive = true;
    });
    socket.onerror = (event) => {
      if (isCurrent()) this.#lost((event as ErrorEvent).message ?? "connection failed");
    };
    socket.onclose = ({ code, reason }) => {
      if (isCurrent()) this.#lost(`closed by the broker (${code}${reason === "" ? "" : `, ${reason}`})`);
    };
    if (pingUs > 0) {
      this.#handshakeTimer = timers.at(clock.nowUs() + HANDSHAKE_US, () => {
        if (isCurrent() && !this.isUp) this.#lost("no authorisation within 10 s");
      });
    }
  }

  #send(message: object): void {
    this.#socket?.send(JSON.stringify(message));
  }

  #onFrame(data: string | ArrayBuffer): void {
    this.frames += 1;
    this.#isAlive = true;
    const frame = parseFrame(data);
    if (frame === null) this.badFrames += 1;
    else if (frame.stream === "trade_updates" && isObject(frame.data)) this.#onUpdate(frame.data as WireTradeUpdate);
    else if (frame.stream === "authorization") this.#onAuthorization(String(frame.data?.status));
    else if (frame.stream === "listening") this.#onListening(frame.data?.streams);
    else if (frame.action === "error") this.#lost(`the broker says: ${String(frame.data?.error_message)}`);
    this.#o.onFrame();
  }

  #onUpdate(update: WireTradeUpdate): void {
    if (this.#o.isDeferred) this.#pending.push(update);
    else this.#o.onUpdate(update);
  }

  #onAuthorization(status: string): void {
    if (status === "authorized") {
      this.#send({ action: "listen", data: { streams: ["trade_updates"] } });
      return;
    }
    const error = new UserError(
      "failed",
      `the broker refused the key for its order stream at ${new URL(this.#o.url).host} (${status})`,
      "Check that the key belongs to this mode (paper and live differ).",
    );
    if (this.#settleStart !== null) this.#isStopped = true;
    this.#lost(error.message);
    this.#settle(error);
  }

  #onListening(streams: unknown): void {
    if (!Array.isArray(streams) || !streams.includes("trade_updates") || this.isUp) return;
    const isFirst = !this.#wasUp;
    this.isUp = true;
    this.#wasUp = true;
    this.#attempts = 0;
    this.#o.timers.cancel(this.#handshakeTimer);
    if (this.#o.pingUs > 0) this.#setPing();
    this.#settle(null);
    this.#o.onUp(isFirst);
  }

  #settle(error: Error | null): void {
    this.#settleStart?.(error);
    this.#settleStart = null;
  }

  #lost(detail: string): void {
    const socket = this.#socket;
    const wasUp = this.isUp;
    this.#socket = null;
    this.isUp = false;
    this.#clearTimers();
    socket?.close();
    if (wasUp) this.#o.onDown(`order stream lost: ${detail}`);
    if (this.#settleStart !== null && !this.#wasUp) {
      this.#isStopped = true;
      const remedy = "Check the network and [gateway] stream_url.";
      this.#settle(new UserError("failed", `no order stream at ${new URL(this.#o.url).host}: ${detail}`, remedy));
    }
    if (this.#isStopped) return;
    this.reconnects += 1;
    const { timers, clock, prng } = this.#o;
    const attempt = this.#attempts++;
    if (attempt === 0) {
      this.#open();
      return;
    }
    const waitUs = Math.min(RECONNECT_MAX_US, RECONNECT_FIRST_US * 2 ** (attempt - 1)) * (0.8 + 0.4 * prng.next());
    timers.at(clock.nowUs() + waitUs, () => {
      if (!this.#isStopped && this.#socket === null) this.#open();
    });
  }

  #setPing(): void {
    const { timers, clock, pingUs } = this.#o;
    this.#isAlive = false;
    this.#socket?.ping();
    this.#pingTimer = timers.at(clock.nowUs() + pingUs, () => {
      if (!this.isUp) return;
      if (this.#isAlive) this.#setPing();
      else this.#lost(`no answer to a ping within ${pingUs / 1e6} s`);
    });
  }

  #clearTimers(): void {
    this.#o.timers.cancel(this.#handshakeTimer);
    this.#o.timers.cancel(this.#pingTimer);
  }
}

function parseFrame(data: string | ArrayBuffer): Frame | null {
  try {
    const frame: unknown = JSON.parse(typeof data === "string" ? data : DECODER.decode(data));
    return isObject(frame) ? (frame as Frame) : null;
  } catch {
    return null;
  }
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
