// Stands between gyr and the broker of a `gyr sim`, on the wire: HTTP requests one by one, so that a test can delay them, answer
// in the broker's place, lose an answer or break the connection; WebSockets (order stream, clock) as bytes that can be cut.

import { connect, createServer, type Server, type Socket } from "node:net";

export interface ProxiedRequest {
  /** From 1, over all connections. */
  readonly number: number;
  readonly method: string;
  /** Path with query. */
  readonly target: string;
  readonly body: string;
}

export type Treatment =
  | { readonly kind: "pass" }
  /** Passed on after `ms` of wall time. */
  | { readonly kind: "delay"; readonly ms: number }
  /** Passed on; the connection breaks when the broker has answered. */
  | { readonly kind: "lose-answer" }
  /** Passed on; gyr hears nothing more on this connection. */
  | { readonly kind: "no-answer" }
  /** The connection breaks, and the broker never hears of it. */
  | { readonly kind: "lose-request" }
  /** Passed on; gyr gets this answer instead of the broker's. */
  | { readonly kind: "replace-answer"; readonly status: number; readonly body: string }
  /** Not passed on. */
  | { readonly kind: "answer"; readonly status: number; readonly body: string; readonly headers?: readonly string[] };

export const PASS: Treatment = { kind: "pass" };

interface Head {
  readonly method: string;
  readonly target: string;
  readonly isUpgrade: boolean;
  /** Bytes of the whole message. */
  readonly length: number;
}

export class OrderProxy {
  /** Host and port for [gateway] URLs. */
  host = "";
  readonly requests: ProxiedRequest[] = [];
  onRequest: (request: ProxiedRequest) => Treatment = () => PASS;
  /** Called when an order stream was opened through here, with how many there have been. */
  onStream: (count: number) => void = () => {};
  /** New order streams break at once, too. */
  isStreamBlocked = false;
  /** Where the clock's WebSocket goes; the broker itself by default. */
  clockPort: number;
  readonly #brokerPort: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #streams = new Set<Socket>();
  #streamCount = 0;

  constructor(brokerUrl: string) {
    this.#brokerPort = Number(new URL(brokerUrl).port);
    this.clockPort = this.#brokerPort;
    this.#server = createServer((client) => this.#onClient(client));
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    this.host = `127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  stop(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Breaks the order stream. */
  cutStream(): void {
    for (const socket of [...this.#streams]) socket.destroy();
  }

  #track(socket: Socket): Socket {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    return socket;
  }

  #onClient(client: Socket): void {
    this.#track(client);
    client.setNoDelay(true);
    let bytes = Buffer.alloc(0);
    let turn = Promise.resolve();
    const onData = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      for (let head = readHead(bytes); head !== null; head = readHead(bytes)) {
        if (head.isUpgrade) {
          client.off("data", onData);
          this.#pipe(client, head.target, bytes);
          return;
        }
        const message = bytes.subarray(0, head.length);
        bytes = bytes.subarray(head.length);
        const { method, target } = head;
        turn = turn.then(() => this.#treat(client, method, target, Buffer.from(message)));
      }
    };
    client.on("data", onData);
  }

  async #treat(client: Socket, method: string, target: string, message: Buffer): Promise<void> {
    const body = message.subarray(message.indexOf("\r\n\r\n") + 4).toString("utf8");
    const request: ProxiedRequest = { number: this.requests.length + 1, method, target, body };
    this.requests.push(request);
    const treatment = this.onRequest(request);
    if (treatment.kind === "lose-request") client.resetAndDestroy();
    else if (treatment.kind === "answer") client.write(answerBytes(treatment));
    else {
      if (treatment.kind === "delay") await Bun.sleep(treatment.ms);
      const answer = await this.#ask(message);
      if (treatment.kind === "no-answer") return;
      if (treatment.kind === "lose-answer") client.resetAndDestroy();
      else client.write(treatment.kind === "replace-answer" ? answerBytes(treatment) : answer);
    }
  }

  /** The broker's answer, whole. A connection for each request: what is lost on one concerns no other. */
  #ask(message: Buffer): Promise<Buffer> {
    return new Promise((resolve) => {
      const broker = this.#track(connect(this.#brokerPort, "127.0.0.1"));
      let bytes = Buffer.alloc(0);
      broker.on("data", (chunk: Buffer) => {
        bytes = Buffer.concat([bytes, chunk]);
        const length = answerLength(bytes);
        if (length < 0 || bytes.length < length) return;
        broker.destroy();
        resolve(bytes);
      });
      broker.on("close", () => resolve(bytes));
      broker.write(message);
    });
  }

  #pipe(client: Socket, target: string, firstBytes: Buffer): void {
    const isStream = target.startsWith("/stream");
    if (isStream && this.isStreamBlocked) {
      client.destroy();
      return;
    }
    const broker = this.#track(connect(isStream ? this.#brokerPort : this.clockPort, "127.0.0.1"));
    broker.setNoDelay(true);
    broker.write(firstBytes);
    client.on("data", (chunk: Buffer) => broker.write(chunk));
    broker.on("data", (chunk: Buffer) => client.write(chunk));
    client.on("close", () => broker.destroy());
    broker.on("close", () => client.destroy());
    if (!isStream) return;
    this.#streams.add(client);
    client.on("close", () => this.#streams.delete(client));
    this.#streamCount += 1;
    this.onStream(this.#streamCount);
  }
}

/** The first line and the length of a request; null where it is not whole yet. */
function readHead(bytes: Buffer): Head | null {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return null;
  const text = bytes.subarray(0, end).toString("latin1");
  const [method = "", target = ""] = text.split(" ", 2);
  const length = end + 4 + Number(/^content-length:\s*(\d+)/im.exec(text)?.[1] ?? 0);
  if (bytes.length < length) return null;
  return { method, target, isUpgrade: /^upgrade:\s*websocket/im.test(text), length };
}

/** Bytes of an answer, -1 where that is not known yet. */
function answerLength(bytes: Buffer): number {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return -1;
  const text = bytes.subarray(0, end).toString("latin1");
  return end + 4 + Number(/^content-length:\s*(\d+)/im.exec(text)?.[1] ?? 0);
}

function answerBytes(answer: { status: number; body: string; headers?: readonly string[] }): Buffer {
  const head = [
    `HTTP/1.1 ${answer.status} Answered by the proxy`,
    "content-type: application/json",
    `content-length: ${Buffer.byteLength(answer.body)}`,
    ...(answer.headers ?? []),
  ];
  return Buffer.from(`${head.join("\r\n")}\r\n\r\n${answer.body}`);
}
