// The broker on a loopback port: REST, order stream, replayable events, and room for the venue's own control channel.
// Wires exchange -> (answer latency on the timeline) -> event log and stream. Everything runs on market time.

import { TICKS_PER_USD } from "../../core/fixed-point.ts";
import { UserError } from "../../core/user-error.ts";
import type { TradingDay } from "../../market/calendar.ts";
import type { SimMarket } from "../market/port.ts";
import { PRIORITY_DELIVERY, type Timeline } from "../timeline.ts";
import { type AssetInfo, tradeUpdateFrame } from "./alpaca-json.ts";
import { AlpacaRest } from "./alpaca-rest.ts";
import { AlpacaStream, StreamConnection } from "./alpaca-stream.ts";
import { EventLog } from "./event-log.ts";
import { Exchange } from "./exchange.ts";

const HOST = "127.0.0.1";
const US_PER_MS = 1_000;
const REQUEST_BYTES_MAX = 1 << 20;
const FRAME_BYTES_MAX = 1 << 16;
/** A client that does not read is cut off here instead of growing the venue. */
const BACKLOG_BYTES_MAX = 64 << 20;

/** A WebSocket as the control channel sees it. */
export interface ControlWebSocket {
  send(data: string | Uint8Array): number;
  close(code?: number, reason?: string): void;
}

export interface ControlSocket {
  /** Default "/sim/clock". */
  readonly path?: string;
  open(ws: ControlWebSocket): void;
  message(ws: ControlWebSocket, text: string): void;
  close(ws: ControlWebSocket): void;
}

export interface AlpacaServerOptions {
  readonly timeline: Timeline;
  readonly market: SimMarket;
  readonly day: TradingDay;
  /** 0 takes a free port. */
  readonly port: number;
  readonly keyId: string;
  readonly secret: string;
  readonly seed: number;
  readonly cashUsd: number;
  readonly orderLatencyMs: number;
  readonly answerLatencyMs: number;
  /** Gross exposure per dollar of equity; default 2. */
  readonly multiplier?: 1 | 2 | 4;
  /** On market time; 0 is no limit; default 200. */
  readonly requestsPerMinute?: number;
  /** What is known of a stock; fields left out are a plain tradable, shortable one on ARCA. */
  readonly assetInfo?: (symbol: string) => Partial<AssetInfo>;
  readonly vix?: (nowUs: number) => number | null;
  /** Called before a request or a frame is handled; at wall-clock speeds it brings the timeline up to the present. */
  readonly beforeRequest?: () => void;
  /** Asked for paths that are not the broker's. */
  readonly extraRoutes?: (
    request: Request,
    server: Bun.Server<SocketData>,
  ) => Response | undefined | Promise<Response | undefined>;
  readonly controlSocket?: ControlSocket;
  /** Told of exceptions inside the venue; the client gets a 500. */
  readonly onInternalError?: (error: unknown) => void;
}

/** What hangs on a WebSocket: a stream's connection, or null for the control channel. */
export interface SocketData {
  readonly connection: StreamConnection | null;
}

export class AlpacaServer {
  readonly exchange: Exchange;
  readonly stream: AlpacaStream;
  readonly log = new EventLog();
  readonly rest: AlpacaRest;
  readonly #options: AlpacaServerOptions;
  readonly #answerLatencyUs: number;
  readonly #controlPath: string;
  #server: Bun.Server<SocketData> | null = null;

  constructor(options: AlpacaServerOptions) {
    this.#options = options;
    this.#answerLatencyUs = Math.round(options.answerLatencyMs * US_PER_MS);
    this.#controlPath = options.controlSocket?.path ?? "/sim/clock";
    const infoBySymbol = new Map<string, AssetInfo>();
    const assetInfo = (symbol: string): AssetInfo => {
      let info = infoBySymbol.get(symbol);
      if (info === undefined) {
        const plain = { name: symbol, exchange: "ARCA", isTradable: true, isShortable: true };
        info = { ...plain, ...options.assetInfo?.(symbol) };
        infoBySymbol.set(symbol, info);
      }
      return info;
    };
    this.stream = new AlpacaStream(options.keyId, options.secret);
    this.exchange = new Exchange({
      timeline: options.timeline,
      market: options.market,
      day: options.day,
      cashTicks: Math.round(options.cashUsd * TICKS_PER_USD),
      seed: options.seed,
      orderLatencyMs: options.orderLatencyMs,
      multiplier: options.multiplier ?? 2,
      assetRules: assetInfo,
      // The order is written down as it is now; what was written travels.
      onEvent: (kind, order, execution, nowUs) => {
        this.#deliverLater(tradeUpdateFrame(kind, order, execution, nowUs), nowUs, order.rank);
      },
    });
    this.rest = new AlpacaRest({
      exchange: this.exchange,
      log: this.log,
      keyId: options.keyId,
      secret: options.secret,
      seed: options.seed,
      requestsPerMinute: options.requestsPerMinute ?? 200,
      assetInfo,
      vix: options.vix ?? (() => null),
      onInternalError: options.onInternalError ?? (() => {}),
    });
  }

  /** Frames sent to the stream client that was authorised last. */
  get framesSent(): number {
    return this.stream.framesSent;
  }

  /** Listens. Throws UserError when the port is taken. */
  start(): { restUrl: string; streamUrl: string } {
    const { port } = this.#options;
    try {
      this.#server = this.#listen(port);
    } catch (error) {
      const isTaken = (error as { code?: string }).code === "EADDRINUSE";
      const what = isTaken ? "the port is in use" : String(error);
      throw new UserError(
        "failed",
        `the simulated broker cannot listen on ${HOST}:${port}: ${what}; choose another port, 0 for any`,
        "",
        { cause: error },
      );
    }
    const address = `${HOST}:${this.#server.port}`;
    return { restUrl: `http://${address}`, streamUrl: `ws://${address}/stream` };
  }

  async stop(): Promise<void> {
    await this.#server?.stop(true);
    this.#server = null;
  }

  #listen(port: number): Bun.Server<SocketData> {
    return Bun.serve<SocketData>({
      hostname: HOST,
      port,
      // Warm order sockets stay open however long nothing is sent.
      idleTimeout: 0,
      maxRequestBodySize: REQUEST_BYTES_MAX,
      fetch: (request, server) => this.#fetch(request, server),
      error: (error) => {
        this.#options.onInternalError?.(error);
        return new Response('{"code":50010000,"message":"internal server error"}', { status: 500 });
      },
      websocket: {
        idleTimeout: 0,
        perMessageDeflate: false,
        maxPayloadLength: FRAME_BYTES_MAX,
        backpressureLimit: BACKLOG_BYTES_MAX,
        closeOnBackpressureLimit: true,
        open: (ws) => {
          if (ws.data.connection !== null) this.stream.open(ws.data.connection, ws);
          else this.#options.controlSocket?.open(ws);
        },
        message: (ws, data) => {
          if (ws.data.connection !== null) {
            this.#options.beforeRequest?.();
            this.stream.message(ws.data.connection, data);
          } else {
            this.#options.controlSocket?.message(ws, typeof data === "string" ? data : data.toString("utf8"));
          }
        },
        close: (ws) => {
          if (ws.data.connection !== null) this.stream.close(ws.data.connection);
          else this.#options.controlSocket?.close(ws);
        },
      },
    });
  }

  #fetch(request: Request, server: Bun.Server<SocketData>): Response | undefined | Promise<Response | undefined> {
    const { url } = request;
    const pathStart = url.indexOf("/", url.indexOf("//") + 2);
    const queryStart = url.indexOf("?", pathStart);
    const path = queryStart < 0 ? url.slice(pathStart) : url.slice(pathStart, queryStart);
    if (path.startsWith("/v")) {
      this.#options.beforeRequest?.();
      return this.rest.handle(request, path, queryStart < 0 ? "" : url.slice(queryStart + 1));
    }
    if (path === "/stream") {
      const isMsgpack = request.headers.get("content-type") === "application/msgpack";
      return this.#upgrade(request, server, new StreamConnection(isMsgpack));
    }
    if (path === this.#controlPath && this.#options.controlSocket !== undefined) {
      return this.#upgrade(request, server, null);
    }
    return this.#extra(request, server);
  }

  #upgrade(
    request: Request,
    server: Bun.Server<SocketData>,
    connection: StreamConnection | null,
  ): Response | undefined {
    if (server.upgrade(request, { data: { connection } })) return undefined;
    return new Response('{"code":40010000,"message":"a WebSocket handshake is required"}', { status: 400 });
  }

  async #extra(request: Request, server: Bun.Server<SocketData>): Promise<Response | undefined> {
    const answer = await this.#options.extraRoutes?.(request, server);
    return answer ?? new Response('{"code":40410000,"message":"endpoint not found"}', { status: 404 });
  }

  /** One family's events leave in the order they happened; at the same microsecond families go by rank. */
  #deliverLater(frame: Uint8Array, nowUs: number, rank: number): void {
    this.#options.timeline.at(nowUs + this.#answerLatencyUs, PRIORITY_DELIVERY + rank, () => {
      this.log.append(nowUs, frame);
      this.stream.publish(frame);
    });
  }
}
