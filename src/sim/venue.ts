// The venue: one timeline, the simulated market with its Polygon wire, the simulated broker with its Alpaca wire, and the
// driver that moves time. Two drivers: lockstep (a client on the control channel paces it) and scaled wall time.

import type { ServerWebSocket } from "bun";
import { wallUs } from "../core/clock.ts";
import { UserError } from "../core/user-error.ts";
import { tradingDay } from "../market/calendar.ts";
import type { DayBars } from "../market/flat-file.ts";
import { AlpacaServer } from "./broker/alpaca-server.ts";
import { type HelloMessage, parseClientMessage, type StepMessage } from "./control.ts";
import { PolygonServer } from "./market/polygon-server.ts";
import { MarketTape } from "./market/tape.ts";
import { Timeline } from "./timeline.ts";

export interface VenueOptions {
  readonly day: DayBars;
  readonly previousDay: DayBars | null;
  readonly vixDaily: readonly { readonly date: string; readonly close: number }[];
  readonly seed: number;
  /** "max" is lockstep; a number is market seconds in a wall second. */
  readonly speed: "max" | number;
  readonly keyId: string;
  readonly secret: string;
  readonly polygonKey: string;
  readonly polygonPort: number;
  readonly alpacaPort: number;
  readonly cashUsd: number;
  readonly feedIntervalMs: number;
  readonly orderLatencyMs: number;
  readonly answerLatencyMs: number;
  readonly tradesPerMinuteMax: number;
  readonly spreadMinBps: number;
}

export interface VenueUrls {
  readonly polygonRest: string;
  readonly polygonWs: string;
  readonly alpacaRest: string;
  readonly alpacaWs: string;
  /** Control channel. */
  readonly control: string;
}

/** The venue opens this long before the market and closes this long after, so that expiries and late answers are seen. */
const LEAD_US = 5 * 60_000_000;
const TAIL_US = 60_000_000;
/** Wall time between two moves of the scaled clock. */
const SCALED_TICK_MS = 2;

type ControlSocket = ServerWebSocket<unknown>;

export class Venue {
  readonly timeline: Timeline;
  readonly endUs: number;
  readonly #options: VenueOptions;
  readonly #polygon: PolygonServer;
  readonly #alpaca: AlpacaServer;
  /** Something went out to a client since the last step. */
  #hasSent = false;
  #controller: ControlSocket | null = null;
  #wakeUs = Number.POSITIVE_INFINITY;
  #hasEnded = false;
  #anchorWallUs = 0;
  #anchorMarketUs = 0;
  /** Market seconds in a wall second, 0 in lockstep. */
  #scaledSpeed = 0;
  #ticker: ReturnType<typeof setInterval> | null = null;
  /** Resolves when the day is over or the venue is stopped. */
  readonly ended: Promise<void>;
  #resolveEnded: () => void = () => {};

  constructor(options: VenueOptions) {
    const session = tradingDay(options.day.date);
    if (session === null) {
      throw new UserError("usage", `${options.day.date} is not a trading day`, "choose another [sim] day");
    }
    this.#options = options;
    this.timeline = new Timeline(session.openUs - LEAD_US);
    this.endUs = session.closeUs + TAIL_US;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    const tape = new MarketTape({
      timeline: this.timeline,
      day: options.day,
      previousDay: options.previousDay,
      seed: options.seed,
      tradesPerMinuteMax: options.tradesPerMinuteMax,
      spreadMinBps: options.spreadMinBps,
    });
    this.#polygon = new PolygonServer({
      timeline: this.timeline,
      tape,
      day: options.day,
      previousDay: options.previousDay,
      vixDaily: options.vixDaily,
      apiKey: options.polygonKey,
      port: options.polygonPort,
      feedIntervalMs: options.feedIntervalMs,
      onSent: () => {
        this.#hasSent = true;
      },
    });
    this.#alpaca = new AlpacaServer({
      timeline: this.timeline,
      market: tape,
      keyId: options.keyId,
      secret: options.secret,
      port: options.alpacaPort,
      cashUsd: options.cashUsd,
      orderLatencyMs: options.orderLatencyMs,
      answerLatencyMs: options.answerLatencyMs,
      seed: options.seed,
      day: session,
      vix: () => this.#previousVix(),
      beforeRequest: () => this.#catchUp(),
      onInternalError: (error) => console.error(`the venue's broker failed: ${String(error)}`),
      controlSocket: {
        open: (socket: ControlSocket) => this.#onControlOpen(socket),
        message: (socket: ControlSocket, text: string) => this.#onControlMessage(socket, text),
        close: (socket: ControlSocket) => this.#onControlClose(socket),
      },
    });
    this.#alpaca.stream.onSent = () => {
      this.#hasSent = true;
    };
  }

  start(): VenueUrls {
    const polygon = this.#polygon.start();
    const alpaca = this.#alpaca.start();
    if (this.#options.speed !== "max") this.#startScaled(this.#options.speed);
    return {
      polygonRest: polygon.restUrl,
      polygonWs: polygon.socketUrl,
      alpacaRest: alpaca.restUrl,
      alpacaWs: alpaca.streamUrl,
      control: `${alpaca.restUrl.replace("http://", "ws://")}/sim/clock`,
    };
  }

  stop(): void {
    if (this.#ticker !== null) clearInterval(this.#ticker);
    this.#polygon.stop();
    this.#alpaca.stop();
    this.#resolveEnded();
  }

  #startScaled(speed: number): void {
    this.#anchorWallUs = wallUs();
    this.#anchorMarketUs = this.timeline.nowUs;
    this.#scaledSpeed = speed;
    this.#ticker = setInterval(() => this.#catchUp(), SCALED_TICK_MS);
  }

  /** Brings scaled market time up to the wall's; does nothing in lockstep. */
  #catchUp(): void {
    if (this.#scaledSpeed === 0 || this.#hasEnded) return;
    const nowUs = this.#anchorMarketUs + (wallUs() - this.#anchorWallUs) * this.#scaledSpeed;
    this.timeline.advanceTo(Math.min(Math.max(nowUs, this.timeline.nowUs), this.endUs));
    if (this.timeline.nowUs >= this.endUs) this.#end();
  }

  /** The last daily VIX close before the venue's day; the day's own is not known yet. */
  #previousVix(): number | null {
    const { vixDaily, day } = this.#options;
    return vixDaily.findLast(({ date }) => date < day.date)?.close ?? null;
  }

  #onControlOpen(socket: ControlSocket): void {
    const { speed, day } = this.#options;
    const hello: HelloMessage = {
      type: "hello",
      day: day.date,
      nowUs: speed === "max" ? this.timeline.nowUs : this.#anchorMarketUs,
      endUs: this.endUs,
      mode: speed === "max" ? "lockstep" : "scaled",
      wallUs: this.#anchorWallUs,
      speed: speed === "max" ? 0 : speed,
    };
    socket.send(JSON.stringify(hello));
    if (speed !== "max") this.#controller = socket;
  }

  #onControlMessage(socket: ControlSocket, text: string): void {
    const message = parseClientMessage(text);
    if (message === null) {
      socket.close(1003, "a control message is {type: join} or {type: done, nowUs, wakeUs}");
      return;
    }
    if (this.#options.speed !== "max") return;
    if (message.type === "join") {
      if (this.#controller !== null && this.#controller !== socket) {
        socket.close(1008, "another client paces this venue");
        return;
      }
      this.#controller = socket;
      this.#sendStep();
      return;
    }
    if (socket !== this.#controller) return;
    this.#wakeUs = message.wakeUs;
    this.#moveOn();
  }

  #onControlClose(socket: ControlSocket): void {
    if (socket === this.#controller) this.#controller = null;
  }

  /** Runs the timeline until something is sent, the client wants to wake, or the day ends; then tells the client. */
  #moveOn(): void {
    const limitUs = Math.min(this.#wakeUs, this.endUs);
    this.#hasSent = false;
    while (!this.#hasSent && this.timeline.runNext(limitUs)) {}
    if (!this.#hasSent && limitUs > this.timeline.nowUs) this.timeline.advanceTo(limitUs);
    if (this.timeline.nowUs >= this.endUs && !this.#hasSent) {
      this.#end();
      return;
    }
    this.#sendStep();
  }

  #sendStep(): void {
    const step: StepMessage = {
      type: "step",
      nowUs: this.timeline.nowUs,
      feedFrames: this.#polygon.framesSent,
      streamFrames: this.#alpaca.framesSent,
    };
    this.#controller?.send(JSON.stringify(step));
  }

  #end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    if (this.#ticker !== null) clearInterval(this.#ticker);
    this.#controller?.send(JSON.stringify({ type: "end", nowUs: this.timeline.nowUs }));
    this.#resolveEnded();
  }
}
