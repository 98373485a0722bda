// A small venue under the test's thumb: speaks Polygon's socket protocol politely unless told otherwise, and never on its own.

import type { Server, ServerWebSocket } from "bun";
import { Arena } from "../../src/core/arena.ts";
import { ManualClock } from "../../src/core/clock.ts";
import { Prng } from "../../src/core/prng.ts";
import { Timers } from "../../src/core/timers.ts";
import { MarketDelays } from "../../src/feed/delays.ts";
import type { FeedStatus } from "../../src/feed/feed.ts";
import { PolygonFeed, type PolygonFeedOptions } from "../../src/feed/polygon/socket.ts";
import { MarketEventRing } from "../../src/market/events.ts";
import { Instruments } from "../../src/market/instruments.ts";

export const API_KEY = "secret-key-123";

export type VenueSocket = ServerWebSocket<undefined>;

export function statusFrame(status: string, message = ""): string {
  return JSON.stringify([{ ev: "status", status, message }]);
}

/** What the venue does; each may be replaced. */
export interface VenueScript {
  onOpen(socket: VenueSocket): void;
  onAuth(socket: VenueSocket, key: string): void;
  onSubscribe(socket: VenueSocket, params: string[]): void;
}

export class TestVenue {
  readonly server: Server<undefined>;
  /** Sockets in the order they were opened, closed ones included. */
  readonly sockets: VenueSocket[] = [];
  readonly paths: string[] = [];
  /** Parameters of each subscribe message. */
  readonly subscribed: string[][] = [];
  /** Whether new connections are let in. */
  isOpen = true;
  readonly script: VenueScript = {
    onOpen: (socket) => void socket.send(statusFrame("connected", "Connected Successfully")),
    onAuth: (socket, key) =>
      void socket.send(
        key === API_KEY
          ? statusFrame("auth_success", "authenticated")
          : statusFrame("auth_failed", "authentication failed"),
      ),
    onSubscribe: (socket, params) => {
      for (const param of params) socket.send(statusFrame("success", `subscribed to: ${param}`));
    },
  };

  constructor(script: Partial<VenueScript> = {}) {
    Object.assign(this.script, script);
    this.server = Bun.serve({
      port: 0,
      fetch: (request, server) => {
        this.paths.push(new URL(request.url).pathname);
        if (this.isOpen && server.upgrade(request)) return undefined;
        return new Response("closed", { status: 503 });
      },
      websocket: {
        open: (socket: VenueSocket) => {
          this.sockets.push(socket);
          this.script.onOpen(socket);
        },
        message: (socket: VenueSocket, text) => {
          const { action, params } = JSON.parse(String(text)) as { action: string; params: string };
          if (action === "auth") this.script.onAuth(socket, params);
          else if (action === "subscribe") {
            this.subscribed.push(params.split(","));
            this.script.onSubscribe(socket, params.split(","));
          }
        },
      },
    });
  }

  get url(): string {
    return `ws://127.0.0.1:${this.server.port}`;
  }

  /** The newest connection. */
  get socket(): VenueSocket {
    return this.sockets.at(-1)!;
  }

  async stop(): Promise<void> {
    await this.server.stop(true);
  }
}

export interface FeedRig {
  readonly feed: PolygonFeed;
  readonly ring: MarketEventRing;
  /** Every status told, oldest first. */
  readonly statuses: { status: FeedStatus; detail: string }[];
  /** Resolves when `status` is told the `count`-th time. */
  until(status: FeedStatus, count?: number): Promise<string>;
  /** Resolves once the feed has seen `count` frames on its present connection. */
  untilFrames(count: number): Promise<void>;
  /** Moves the feed's time-outs, pings and back-off on. */
  advanceMs(ms: number): void;
  /** Milliseconds until its next time-out; Infinity when it waits for nothing. */
  nextMs(): number;
}

export function feedRig(
  url: string,
  over: Partial<PolygonFeedOptions> = {},
  symbols: readonly string[] = ["AAPL", "MSFT"],
): FeedRig {
  const arena = new Arena();
  const ring = new MarketEventRing(arena);
  const instruments = new Instruments(arena);
  for (const symbol of symbols) instruments.add(symbol);
  const clock = new ManualClock(0);
  const timers = new Timers();
  const feed = new PolygonFeed({
    url,
    apiKey: API_KEY,
    ring,
    instruments,
    trades: true,
    quotes: true,
    prng: new Prng(1),
    delays: new MarketDelays(clock, timers),
    connectTimeoutMs: 1_000,
    ...over,
  });
  const statuses: FeedRig["statuses"] = [];
  const waiters: (() => void)[] = [];
  const recheck = () => {
    for (const waiter of waiters.splice(0)) waiter();
  };
  /** Resolves when `isTrue`, asked again after each status and each frame. */
  const when = (isTrue: () => boolean) =>
    new Promise<void>((resolve) => {
      const check = () => {
        if (isTrue()) resolve();
        else waiters.push(check);
      };
      check();
    });
  feed.onStatus = (status, detail) => {
    statuses.push({ status, detail });
    recheck();
  };
  feed.onFrame = recheck;
  return {
    feed,
    ring,
    statuses,
    until: async (status, count = 1) => {
      const told = () => statuses.filter((entry) => entry.status === status);
      await when(() => told().length >= count);
      return told()[count - 1]!.detail;
    },
    untilFrames: (count) => when(() => feed.counters.frames >= count),
    advanceMs: (ms) => {
      clock.advanceTo(clock.nowUs() + ms * 1000);
      timers.runDue(clock.nowUs());
    },
    nextMs: () => (timers.nextUs() - clock.nowUs()) / 1000,
  };
}

/** Accepts a WebSocket, greets and confirms everything, then neither reads nor writes again: a peer whose network has gone. */
export function halfOpenVenue(): { url: string; stop(): void; silenced: Promise<void> } {
  let silence: () => void = () => {};
  const silenced = new Promise<void>((resolve) => {
    silence = resolve;
  });
  const listener = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data(socket, bytes) {
        const key = /Sec-WebSocket-Key: (.+)\r\n/i.exec(bytes.toString("latin1"))?.[1];
        if (key === undefined) return;
        const accept = new Bun.CryptoHasher("sha1")
          .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
          .digest("base64");
        socket.write(
          `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
        );
        for (const frame of [
          statusFrame("connected"),
          statusFrame("auth_success"),
          statusFrame("success", "subscribed to: T.AAPL"),
        ]) {
          socket.write(Buffer.concat([Buffer.from([0x81, frame.length]), Buffer.from(frame)]));
        }
        silence();
      },
    },
  });
  return { url: `ws://127.0.0.1:${listener.port}`, stop: () => listener.stop(true), silenced };
}
