// A venue of market data for tests: timeline, tape and Polygon server on a free port, and a raw WebSocket client.

import type { DayBars } from "../../src/market/flat-file.ts";
import { PolygonServer, type PolygonServerOptions } from "../../src/sim/market/polygon-server.ts";
import type { MarketTape } from "../../src/sim/market/tape.ts";
import type { Timeline } from "../../src/sim/timeline.ts";
import { makeTape, type TapeSetup } from "./sim-market.ts";

export const KEY = "test-key";

export const VIX_DAILY = [
  { date: "2019-12-13", close: 12.63 },
  { date: "2019-12-16", close: 12.14 },
  { date: "2019-12-17", close: 12.29 },
  { date: "2019-12-18", close: 12.58 },
  { date: "2019-12-19", close: 12.5 },
];

export interface PolygonVenue {
  readonly timeline: Timeline;
  readonly tape: MarketTape;
  readonly server: PolygonServer;
  readonly restUrl: string;
  readonly socketUrl: string;
}

/** Starts a server; stop it in the test's `finally` or `afterAll`. */
export function startPolygon(
  setup: TapeSetup & { day: DayBars; previousDay: DayBars | null },
  options: Partial<PolygonServerOptions> = {},
): PolygonVenue {
  const { timeline, tape } = makeTape(setup);
  const server = new PolygonServer({
    timeline,
    tape,
    day: setup.day,
    previousDay: setup.previousDay,
    vixDaily: VIX_DAILY,
    apiKey: KEY,
    port: 0,
    feedIntervalMs: 250,
    ...options,
  });
  return { timeline, tape, server, ...server.start() };
}

export type WireEvent = Readonly<Record<string, unknown>>;

/** A client that keeps every frame and lets a test wait for what it needs. */
export class RawClient {
  readonly frames: WireEvent[][] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  isClosed = false;
  readonly #socket: WebSocket;
  #wake: () => void = () => {};

  constructor(url: string) {
    this.#socket = new WebSocket(url);
    this.closed = new Promise((resolve) => {
      this.#socket.onclose = (event) => {
        this.isClosed = true;
        resolve({ code: event.code, reason: event.reason });
        this.#wake();
      };
    });
    this.#socket.onmessage = (event) => {
      this.frames.push(JSON.parse(String(event.data)) as WireEvent[]);
      this.#wake();
    };
  }

  get events(): WireEvent[] {
    return this.frames.flat();
  }

  /** Texts of the status frames, "status: message". */
  get statuses(): string[] {
    return this.events.filter((event) => event.ev === "status").map((event) => `${event.status}: ${event.message}`);
  }

  send(message: unknown): void {
    this.#socket.send(typeof message === "string" ? message : JSON.stringify(message));
  }

  sendBytes(bytes: Uint8Array<ArrayBuffer>): void {
    this.#socket.send(bytes);
  }

  /** Waits for frames, not for time. */
  async until(isReached: (client: this) => boolean): Promise<void> {
    while (!isReached(this)) {
      if (this.isClosed) throw new Error(`socket closed while waiting; it had said ${this.statuses.join(" | ")}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async untilStatus(status: string): Promise<void> {
    await this.until((client) => client.statuses.includes(status));
  }

  /** Sends something that is answered at once, so that every answer to what was sent before has arrived. */
  async settle(): Promise<void> {
    const marks = (): number => this.statuses.filter((status) => status.startsWith("error: unknown action")).length;
    const before = marks();
    this.send({ action: "mark", params: "" });
    await this.until(() => marks() > before);
  }

  close(): void {
    this.#socket.close();
  }
}

/** A client with its key accepted. */
export async function authenticated(url: string): Promise<RawClient> {
  const client = new RawClient(url);
  await client.untilStatus("connected: Connected Successfully");
  client.send({ action: "auth", params: KEY });
  await client.untilStatus("auth_success: authenticated");
  return client;
}
