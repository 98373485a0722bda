// The other side of suite `tickToOrder`, in a process of its own: a feed and an order stream on WebSockets, and a TCP socket
// that takes orders and speaks just enough HTTP to answer them. It stamps the time, sends one frame with one trade, and stamps
// when the bytes that the trade caused have arrived; both stamps are this process's own. What it sends and expects:
//
//   work    a trade that closes a bar and so causes an order; answered, and ended by an event on the order stream
//   floor   a frame of the same size that nobody reads; the other side writes canned bytes of an order's length
//
// One event at a time: the next goes out when the pong behind the last thing sent has come back, and a pause is over.

import type { Socket, TCPSocketListener } from "bun";
import { Prng } from "../../src/core/prng.ts";
import { isFloorBytes, type VenueReply, type VenueRequest } from "./tick-messages.ts";
import { TickPath } from "./tick-path.ts";

/** Pause before an event: 1 to PAUSE_MS_MAX ms, whole, at random. */
const PAUSE_MS_MAX = 2;
/** A work event that has caused no bytes by then caused no order. */
const NO_ORDER_MS = 250;
const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

type Kind = "feed" | "stream";
type Client = Bun.ServerWebSocket<{ readonly kind: Kind }>;

function reply(message: VenueReply): void {
  process.send!(message);
}

class TickVenue {
  readonly #path: TickPath;
  readonly #prng: Prng;
  readonly #server: Bun.Server<{ readonly kind: Kind }>;
  readonly #listener: TCPSocketListener<undefined>;
  #feed: Client | null = null;
  #stream: Client | null = null;
  #orders: Socket<undefined> | null = null;
  #orderCount = 0;
  #received = "";
  #cannedBytes = 0;

  // The event under way.
  #isWork = false;
  #sentNs = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** Told the latency, NaN where no order came, and the bytes. */
  #onEvent: (latencyNs: number, bytes: string) => void = () => {};
  /** Called when the event and all that followed from it are over. */
  #next: () => void = () => {};

  constructor(seed: number) {
    this.#path = new TickPath(seed);
    this.#prng = Prng.stream(seed, "bench.tick-venue");
    this.#server = Bun.serve<{ readonly kind: Kind }>({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request, server) => {
        const kind = new URL(request.url).pathname === "/stream" ? "stream" : "feed";
        return server.upgrade(request, { data: { kind } }) ? undefined : new Response("a WebSocket", { status: 426 });
      },
      websocket: {
        open: (socket) => this.#onOpen(socket),
        message: (socket, text) => this.#onMessage(socket, String(text)),
        pong: (socket) => {
          if (socket === this.#stream) this.#next();
        },
      },
    });
    this.#listener = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        open: (socket) => {
          socket.setNoDelay(true);
          this.#orders = socket;
        },
        data: (_socket, bytes) => this.#onBytes(bytes),
      },
    });
  }

  get ports(): { readonly web: number; readonly orders: number } {
    return { web: this.#server.port!, orders: this.#listener.port };
  }

  /** One work event; tells the bytes of its order. */
  check(): void {
    let order = "";
    this.#onEvent = (_latencyNs, bytes) => {
      order = bytes;
    };
    this.#next = () => reply({ kind: "checked", bytes: order, event: this.#path.last });
    this.#send(true);
  }

  /** `count` work and as many floor events, mixed at random; tells their latencies. */
  measure(count: number, cannedBytes: number): void {
    this.#cannedBytes = cannedBytes;
    const workNs: number[] = [];
    const floorNs: number[] = [];
    let noOrderCount = 0;
    let workLeft = count;
    let floorLeft = count;
    this.#onEvent = (latencyNs) => {
      if (Number.isNaN(latencyNs)) noOrderCount += 1;
      else (this.#isWork ? workNs : floorNs).push(latencyNs);
    };
    this.#next = () => {
      if (workLeft + floorLeft === 0) {
        reply({ kind: "measured", workNs, floorNs, noOrderCount });
        return;
      }
      const isWork = this.#prng.next() * (workLeft + floorLeft) < workLeft;
      if (isWork) workLeft -= 1;
      else floorLeft -= 1;
      setTimeout(() => this.#send(isWork), 1 + this.#prng.nextInt(PAUSE_MS_MAX));
    };
    this.#next();
  }

  stop(): void {
    this.#listener.stop(true);
    void this.#server.stop(true);
  }

  #send(isWork: boolean): void {
    const frame = this.#path.frame(isWork);
    this.#isWork = isWork;
    this.#timer = setTimeout(() => this.#onNoOrder(), NO_ORDER_MS);
    this.#sentNs = Bun.nanoseconds();
    this.#feed!.sendText(frame);
  }

  #onBytes(bytes: Uint8Array): void {
    const nowNs = Bun.nanoseconds();
    this.#received += DECODER.decode(bytes);
    if (!this.#isComplete()) return;
    clearTimeout(this.#timer!);
    const text = this.#received;
    this.#received = "";
    if (isFloorBytes(text) === this.#isWork) throw new Error(`bytes of the other kind of event: ${text.slice(0, 80)}`);
    this.#onEvent(nowNs - this.#sentNs, text);
    if (this.#isWork) this.#answer(text);
    this.#stream!.ping();
  }

  #isComplete(): boolean {
    const text = this.#received;
    if (isFloorBytes(text)) return text.length >= this.#cannedBytes;
    const headEnd = text.indexOf("\r\n\r\n");
    return headEnd >= 0 && text.length >= headEnd + 4 + Number(/Content-Length: (\d+)/.exec(text)?.[1] ?? 0);
  }

  #onNoOrder(): void {
    this.#onEvent(Number.NaN, "");
    this.#stream!.ping();
  }

  /** 200 with the order, at its end already so that its stock is free again, and the same on the stream. */
  #answer(request: string): void {
    const asked = JSON.parse(request.slice(request.indexOf("\r\n\r\n") + 4)) as Record<string, unknown>;
    const order = JSON.stringify(this.#order(asked));
    const head = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${order.length}\r\n\r\n`;
    this.#orders!.write(head + order);
    const id = `7b08df51-c1ac-453c-99f9-${this.#orderCount.toString(16).padStart(12, "0")}`;
    const event = `"event":"canceled","timestamp":"${new Date().toISOString()}","execution_id":"${id}"`;
    this.#stream!.sendBinary(ENCODER.encode(`{"stream":"trade_updates","data":{${event},"order":${order}}}`));
  }

  #order(asked: Record<string, unknown>): object {
    this.#orderCount += 1;
    const now = new Date().toISOString();
    return {
      id: `61e69015-8549-4bfd-b9c3-${this.#orderCount.toString(16).padStart(12, "0")}`,
      client_order_id: asked.client_order_id,
      created_at: now,
      updated_at: now,
      submitted_at: now,
      filled_at: null,
      expired_at: null,
      canceled_at: now,
      failed_at: null,
      replaced_at: null,
      replaced_by: null,
      replaces: null,
      asset_id: "904837e3-3b76-47ec-b432-046db621571b",
      symbol: asked.symbol,
      asset_class: "us_equity",
      notional: null,
      qty: asked.qty,
      filled_qty: "0",
      filled_avg_price: null,
      order_class: "bracket",
      order_type: "market",
      type: "market",
      side: asked.side,
      time_in_force: "day",
      limit_price: null,
      stop_price: null,
      status: "canceled",
      extended_hours: false,
      legs: null,
      trail_percent: null,
      trail_price: null,
      hwm: null,
    };
  }

  #onOpen(socket: Client): void {
    if (socket.data.kind === "stream") this.#stream = socket;
    else {
      this.#feed = socket;
      sendStatus(socket, "connected", "Connected Successfully");
    }
  }

  #onMessage(socket: Client, text: string): void {
    const { action, params } = JSON.parse(text) as { action: string; params?: string };
    if (action === "auth") sendStatus(socket, "auth_success", "authenticated");
    else if (action === "subscribe") {
      for (const param of params!.split(",")) sendStatus(socket, "success", `subscribed to: ${param}`);
    } else if (action === "authenticate") {
      sendBinary(socket, { stream: "authorization", data: { status: "authorized", action: "authenticate" } });
    } else if (action === "listen") sendBinary(socket, { stream: "listening", data: { streams: ["trade_updates"] } });
  }
}

function sendStatus(socket: Client, status: string, message: string): void {
  socket.sendText(JSON.stringify([{ ev: "status", status, message }]));
}

function sendBinary(socket: Client, message: object): void {
  socket.sendBinary(ENCODER.encode(JSON.stringify(message)));
}

let venue: TickVenue | null = null;
process.on("message", (request: VenueRequest) => {
  if (request.kind === "open") {
    venue = new TickVenue(request.seed);
    reply({ kind: "opened", ...venue.ports });
  } else if (request.kind === "check") venue!.check();
  else if (request.kind === "measure") venue!.measure(request.count, request.cannedBytes);
  else {
    venue?.stop();
    process.exit(0);
  }
});
process.on("disconnect", () => process.exit(0));
