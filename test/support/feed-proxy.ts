// Stands between gyr and the feed of a `gyr sim`: passes frames on, and lets a test add to them, change them or cut the wire.
// In lockstep gyr counts the frames of each step, so whoever adds frames must add them to the count too: the clock's messages
// go through here as well (see `relayClock`) and wait until the frames they speak of have been passed on.

import type { Server, ServerWebSocket } from "bun";

/** Frames that go to gyr in place of one of the venue's. */
export type FrameHook = (frame: string, number: number) => readonly (string | Uint8Array)[];

interface Wire {
  readonly path: string;
  upstream: WebSocket | null;
  /** What gyr said before the venue was reached. */
  readonly waiting: string[];
}

type Downstream = ServerWebSocket<Wire>;

const passOn: FrameHook = (frame) => [frame];

export class FeedProxy {
  readonly url: string;
  /** Frames of the venue and frames sent to gyr, on the present connection. */
  received = 0;
  sent = 0;
  onFrame: FrameHook = passOn;
  /** Connections gyr has made. */
  connections = 0;
  /** (frame of the venue) frames sent to gyr once it had been passed on. */
  #sentAfter: number[] = [0];
  readonly #server: Server<Wire>;
  readonly #open = new Set<Downstream>();
  #onPassed: () => void = () => {};

  /** @param upstreamUrl the venue's feed, ws://host:port */
  constructor(upstreamUrl: string) {
    this.#server = Bun.serve<Wire>({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request, server) => {
        const path = new URL(request.url).pathname;
        if (server.upgrade(request, { data: { path, upstream: null, waiting: [] } })) return undefined;
        return new Response("not a WebSocket", { status: 400 });
      },
      websocket: {
        open: (socket) => this.#connect(socket, upstreamUrl),
        message: (socket, text) => {
          const { upstream, waiting } = socket.data;
          if (upstream?.readyState === WebSocket.OPEN) upstream.send(String(text));
          else waiting.push(String(text));
        },
        close: (socket) => {
          this.#open.delete(socket);
          socket.data.upstream?.close();
        },
      },
    });
    this.url = `ws://127.0.0.1:${this.#server.port}`;
  }

  /** Drops every connection as a broken wire would. */
  cut(): void {
    for (const socket of [...this.#open]) socket.terminate();
  }

  /** Sends to gyr out of turn. Not in lockstep, whose counts it would upset. */
  say(frame: string | Uint8Array): void {
    for (const socket of this.#open) socket.send(frame);
  }

  stop(): void {
    this.cut();
    this.#server.stop(true);
  }

  /** Resolves with the frames sent to gyr once the venue's first `number` frames have been passed on. */
  async sentAfter(number: number): Promise<number> {
    while (this.received < number) await new Promise<void>((resolve) => (this.#onPassed = resolve));
    return this.#sentAfter[number]!;
  }

  #connect(socket: Downstream, upstreamUrl: string): void {
    this.connections += 1;
    this.received = 0;
    this.sent = 0;
    this.#sentAfter = [0];
    this.#open.add(socket);
    const upstream = new WebSocket(`${upstreamUrl}${socket.data.path}`, { perMessageDeflate: false } as never);
    socket.data.upstream = upstream;
    upstream.onopen = () => {
      for (const text of socket.data.waiting.splice(0)) upstream.send(text);
    };
    upstream.onmessage = ({ data }) => {
      if (!this.#open.has(socket)) return;
      this.received += 1;
      for (const frame of this.onFrame(String(data), this.received)) {
        socket.send(frame);
        this.sent += 1;
      }
      this.#sentAfter[this.received] = this.sent;
      this.#onPassed();
    };
    upstream.onclose = () => socket.close();
    upstream.onerror = () => {};
  }
}

/** Passes the clock's messages on, with the count of feed frames as gyr sees it. */
export class ClockRelay {
  readonly port: number;
  readonly #server: Server<Wire>;

  constructor(controlUrl: string, feed: FeedProxy) {
    this.#server = Bun.serve<Wire>({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request, server) => {
        if (server.upgrade(request, { data: { path: "", upstream: null, waiting: [] } })) return undefined;
        return new Response("not a WebSocket", { status: 400 });
      },
      websocket: {
        open: (socket) => {
          const upstream = new WebSocket(controlUrl);
          socket.data.upstream = upstream;
          upstream.onmessage = ({ data }) => void this.#pass(socket, String(data), feed);
          upstream.onclose = () => socket.close();
        },
        message: (socket, text) => void socket.data.upstream?.send(String(text)),
        close: (socket) => void socket.data.upstream?.close(),
      },
    });
    this.port = this.#server.port!;
  }

  stop(): void {
    this.#server.stop(true);
  }

  async #pass(socket: Downstream, text: string, feed: FeedProxy): Promise<void> {
    const message = JSON.parse(text) as { type: string; feedFrames: number };
    if (message.type === "step") message.feedFrames = await feed.sentAfter(message.feedFrames);
    socket.send(JSON.stringify(message));
  }
}
