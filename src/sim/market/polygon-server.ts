// The Polygon-compatible server: REST routes and the WebSocket clusters on one loopback port.

import { UserError } from "../../core/user-error.ts";
import type { DayBars } from "../../market/flat-file.ts";
import type { Timeline } from "../timeline.ts";
import { PolygonRest, type TickerReference } from "./polygon-rest.ts";
import { PolygonSocket, type PolygonSocketData } from "./polygon-socket.ts";
import { RecordedDays, type VixClose } from "./recorded-days.ts";
import type { MarketTape } from "./tape.ts";

export interface PolygonServerOptions {
  readonly timeline: Timeline;
  readonly tape: MarketTape;
  readonly day: DayBars;
  readonly previousDay: DayBars | null;
  /** Closes of the volatility index; those after the venue's time are not told. */
  readonly vixDaily: readonly VixClose[];
  readonly apiKey: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly feedIntervalMs: number;
  /** Called after anything was sent to a WebSocket client. */
  readonly onSent?: () => void;
  readonly reference?: ReadonlyMap<string, TickerReference>;
  /** REST requests answered in a minute of market time; without it there is no limit. */
  readonly requestsPerMinuteMax?: number;
  readonly authTimeoutMs?: number;
  readonly unreadBytesMax?: number;
}

const HOST = "127.0.0.1";

export class PolygonServer {
  readonly #options: PolygonServerOptions;
  readonly #socket: PolygonSocket;
  readonly #rest: PolygonRest;
  #server: Bun.Server<PolygonSocketData> | null = null;

  constructor(options: PolygonServerOptions) {
    this.#options = options;
    const days = new RecordedDays(options.day, options.previousDay, options.vixDaily);
    this.#rest = new PolygonRest({ ...options, days });
    this.#socket = new PolygonSocket({
      ...options,
      vixLevel: () => days.vixCloses(options.timeline.nowUs).at(-1)?.close ?? null,
    });
  }

  /** Frames sent to the newest authenticated /stocks connection since it was opened; 0 without one. */
  get framesSent(): number {
    return this.#socket.framesSent;
  }

  /** Number of that connection, counted from 1; 0 without one. */
  get connectionId(): number {
    return this.#socket.connectionId;
  }

  /** Clients disconnected because they left too much unread. */
  get slowConsumers(): number {
    return this.#socket.slowConsumers;
  }

  /** Listens; throws UserError where the port cannot be had. */
  start(): { restUrl: string; socketUrl: string } {
    const { port } = this.#options;
    try {
      this.#server = Bun.serve<PolygonSocketData>({
        hostname: HOST,
        port,
        // A lockstep client may think for as long as it likes.
        idleTimeout: 0,
        fetch: (request, server) => this.#fetch(request, server),
        websocket: this.#socket.handlers,
      });
    } catch (cause) {
      const found = cause instanceof Error ? cause.message : String(cause);
      throw new UserError(
        "failed",
        `the simulated market-data server cannot listen on ${HOST}:${port}: ${found}`,
        "stop what uses that port, choose another, or 0 for any free one",
        { cause },
      );
    }
    const bound = this.#server.port;
    return { restUrl: `http://${HOST}:${bound}`, socketUrl: `ws://${HOST}:${bound}` };
  }

  stop(): void {
    this.#socket.stop();
    this.#server?.stop(true);
    this.#server = null;
  }

  #fetch(request: Request, server: Bun.Server<PolygonSocketData>): Response | undefined {
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") return this.#rest.fetch(request);
    const cluster = PolygonSocket.clusterOf(new URL(request.url).pathname);
    if (cluster === null) return new Response("no such cluster, use /stocks or /indices", { status: 404 });
    if (server.upgrade(request, { data: { cluster, connection: null } })) return undefined;
    return new Response("not a valid WebSocket upgrade", { status: 400 });
  }
}
