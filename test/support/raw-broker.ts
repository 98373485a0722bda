// A broker that can misbehave: a TCP server to which the test dictates every byte of the answers, and an order stream that
// says what the test says. For what no well-behaved server can be made to do.

import type { Socket, TCPSocketListener } from "bun";
import type { WireTradeUpdate } from "../../src/gateway/order-state.ts";

interface Peer {
  received: string;
}

/** One request as it came, with the socket on which it came. */
export class RawRequest {
  readonly method: string;
  readonly path: string;
  readonly head: string;
  readonly body: string;
  readonly #socket: Socket<Peer>;

  constructor(head: string, body: string, socket: Socket<Peer>) {
    const [method = "", path = ""] = head.split(" ");
    this.method = method;
    this.path = path;
    this.head = head;
    this.body = body;
    this.#socket = socket;
  }

  /** Writes these bytes, whatever they are. */
  write(text: string): void {
    this.#socket.write(text);
    this.#socket.flush();
  }

  /** A plain answer. */
  reply(status: number, body: unknown = "", headers = ""): void {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    this.write(`HTTP/1.1 ${status} Whatever\r\n${headers}Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
  }

  /** Ends the connection in good order. */
  close(): void {
    this.#socket.end();
  }

  /** Tears the connection down. */
  reset(): void {
    this.#socket.terminate();
  }
}

export interface RawServerOptions {
  readonly tls?: { readonly key: string; readonly cert: string };
  readonly hostname?: string;
}

export class RawServer {
  readonly port: number;
  /** Connections accepted so far. */
  connectionCount = 0;
  readonly #listener: TCPSocketListener<Peer>;
  readonly #requests: RawRequest[] = [];
  readonly #waiting: ((request: RawRequest) => void)[] = [];

  constructor(options: RawServerOptions = {}) {
    this.#listener = Bun.listen<Peer>({
      hostname: options.hostname ?? "127.0.0.1",
      port: 0,
      ...(options.tls === undefined ? {} : { tls: options.tls }),
      socket: {
        open: (socket) => {
          socket.data = { received: "" };
          this.connectionCount += 1;
        },
        data: (socket, bytes) => this.#onData(socket, bytes.toString("latin1")),
      },
    });
    this.port = this.#listener.port;
  }

  /** The next request, when it has come whole. */
  next(): Promise<RawRequest> {
    const request = this.#requests.shift();
    if (request !== undefined) return Promise.resolve(request);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Requests that have come and were not asked for. */
  get waitingCount(): number {
    return this.#requests.length;
  }

  stop(): void {
    this.#listener.stop(true);
  }

  #onData(socket: Socket<Peer>, text: string): void {
    const peer = socket.data;
    peer.received += text;
    for (;;) {
      const end = peer.received.indexOf("\r\n\r\n");
      if (end < 0) return;
      const head = peer.received.slice(0, end);
      const length = Number(/content-length: *(\d+)/i.exec(head)?.[1] ?? 0);
      if (peer.received.length < end + 4 + length) return;
      const request = new RawRequest(head, peer.received.slice(end + 4, end + 4 + length), socket);
      peer.received = peer.received.slice(end + 4 + length);
      const waiting = this.#waiting.shift();
      if (waiting === undefined) this.#requests.push(request);
      else waiting(request);
    }
  }
}

/** An order stream that authorises everybody but the key "refused", and otherwise says what it is told to. */
export class RawStream {
  readonly url: string;
  /** Messages of clients, parsed. */
  readonly received: { action?: string; data?: Record<string, unknown> }[] = [];
  connectionCount = 0;
  /** Frames are text instead of binary. */
  isText = false;
  /** A client that asks to be let in hears nothing. */
  isSilent = false;
  readonly #server: Bun.Server<undefined>;
  #sockets: Bun.ServerWebSocket<undefined>[] = [];

  constructor() {
    this.#server = Bun.serve<undefined>({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request, server) =>
        server.upgrade(request, { data: undefined }) ? undefined : new Response("", { status: 400 }),
      websocket: {
        open: (socket) => {
          this.connectionCount += 1;
          this.#sockets.push(socket);
        },
        message: (socket, text) => this.#onMessage(socket, String(text)),
        close: (socket) => {
          this.#sockets = this.#sockets.filter((each) => each !== socket);
        },
      },
    });
    this.url = `ws://127.0.0.1:${this.#server.port}/stream`;
  }

  update(update: WireTradeUpdate): void {
    this.send({ stream: "trade_updates", data: update });
  }

  send(message: unknown): void {
    const text = typeof message === "string" ? message : JSON.stringify(message);
    for (const socket of this.#sockets) socket.send(this.isText ? text : Buffer.from(text));
  }

  /** Loses all clients without a word. */
  drop(): void {
    for (const socket of this.#sockets) socket.terminate();
  }

  async stop(): Promise<void> {
    await this.#server.stop(true);
  }

  #onMessage(socket: Bun.ServerWebSocket<undefined>, text: string): void {
    const message = JSON.parse(text) as { action: string; data: Record<string, unknown> };
    this.received.push(message);
    if (this.isSilent) return;
    const answer = (value: unknown): void => {
      const json = JSON.stringify(value);
      socket.send(this.isText ? json : Buffer.from(json));
    };
    if (message.action === "authenticate") {
      const status = message.data.key_id === "refused" ? "unauthorized" : "authorized";
      answer({ stream: "authorization", data: { status, action: "authenticate" } });
    } else if (message.action === "listen") answer({ stream: "listening", data: { streams: ["trade_updates"] } });
  }
}
