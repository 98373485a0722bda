// Hot path: no allocation after start, up to the write of a request. Answers allocate.
// A warm pool of sockets that speak HTTP/1.1 themselves: one request in flight on each, the others wait in order of arrival.
// No request is ever sent twice from here. What became of it is told by one of three outcomes; whatever may have reached the
// server and was not answered whole (close, reset, time-out, an answer that is not HTTP) is ambiguous.

import type { Socket } from "bun";
import { assert } from "../../core/assert.ts";
import { type Clock, monotonicNs } from "../../core/clock.ts";
import type { Prng } from "../../core/prng.ts";
import type { Timers } from "../../core/timers.ts";
import { UserError } from "../../core/user-error.ts";
import { HttpResponse, RESPONSE_BAD, RESPONSE_DONE } from "./http-response.ts";
import { REQUEST_BYTES_MAX } from "./order-bytes.ts";

/** A complete answer is in `pool.response`. */
export const OUTCOME_ANSWERED = 1;
/** The server may or may not have acted. */
export const OUTCOME_AMBIGUOUS = 2;
/** Not a byte left this machine. */
export const OUTCOME_NOT_SENT = 3;

/** Requests that can wait or be in flight: the broker takes 200 a minute. Power of two. */
export const REQUEST_CAPACITY = 256;
/** Of them kept free for exits, cancels and questions, so that entries cannot crowd them out. */
export const REQUEST_RESERVE = 64;

const RECONNECT_FIRST_US = 100_000;
const RECONNECT_MAX_US = 5_000_000;

export interface HttpPoolOptions {
  readonly url: URL;
  readonly connections: number;
  /** How long an answer may take, in market time. */
  readonly timeoutUs: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly prng: Prng;
  /** Certificate authorities in PEM to trust instead of the usual ones; for servers of one's own. */
  readonly tlsCa?: string;
  /** What became of a request; it may be sent again only as a new one. */
  readonly onOutcome: (request: HttpRequest, outcome: number, detail: string) => void;
  /** The last usable socket was lost, or the first is back. */
  readonly onStatus: (isUp: boolean, detail: string) => void;
}

/** One request: its bytes and what its sender wants to know when it is over. Reused. */
export class HttpRequest {
  readonly bytes = new Uint8Array(REQUEST_BYTES_MAX);
  length = 0;
  /** The sender's own mark for the kind of request. */
  tag = 0;
  row = -1;
  /** Monotonic ns after the last byte was handed to the system; 0 before. */
  sentNs = 0;
  /** Monotonic ns when the answer was complete. */
  answeredNs = 0;
  writtenBytes = 0;
  deadlineUs = Number.POSITIVE_INFINITY;
  readonly index: number;
  constructor(index: number) {
    this.index = index;
  }
}

const CLOSED = 0;
const CONNECTING = 1;
const IDLE = 2;
const BUSY = 3;

class Connection {
  state = CLOSED;
  socket: Socket<Connection> | null = null;
  request: HttpRequest | null = null;
  readonly response = new HttpResponse();
  /** Failed attempts to connect in a row. */
  attempts = 0;
  /** Settles the attempt in work. */
  onAttempt: ((error: Error | null) => void) | null = null;
}

export class HttpPool {
  /** Times a socket was opened again after a loss. */
  reconnectCount = 0;
  /** The answer being told by onOutcome; valid only during the call. */
  response = new HttpResponse();
  readonly #options: HttpPoolOptions;
  readonly #connections: Connection[] = [];
  readonly #requests: HttpRequest[] = [];
  /** Indices of requests not in use. */
  readonly #free = new Int32Array(REQUEST_CAPACITY);
  #freeCount = 0;
  /** Indices of requests waiting for a socket; a ring. */
  readonly #queue = new Int32Array(REQUEST_CAPACITY);
  #queueHead = 0;
  #queueTail = 0;
  #isTimerSet = false;
  #isStopped = false;
  #isUp = false;
  readonly #checkDeadlines = (nowUs: number): void => this.#onDeadline(nowUs);

  constructor(options: HttpPoolOptions) {
    this.#options = options;
    for (let i = 0; i < REQUEST_CAPACITY; i++) {
      this.#requests.push(new HttpRequest(i));
      this.#free[this.#freeCount++] = i;
    }
    for (let i = 0; i < options.connections; i++) this.#connections.push(new Connection());
  }

  /** Requests waiting or in flight. */
  get inFlight(): number {
    return REQUEST_CAPACITY - this.#freeCount;
  }

  /** True where a socket is usable or being opened. */
  get isUp(): boolean {
    return this.#isUp;
  }

  /** Opens all sockets; throws UserError with the host and the reason where that fails. */
  async start(): Promise<void> {
    const attempts = this.#connections.map(
      (connection) =>
        new Promise<void>((resolve, reject) => {
          connection.onAttempt = (error) => (error === null ? resolve() : reject(error));
          this.#connect(connection);
        }),
    );
    try {
      await Promise.all(attempts);
    } catch (error) {
      this.stop();
      throw new UserError(
        "failed",
        `no connection to the broker at ${this.#options.url.host}: ${(error as Error).message}`,
        "Check the network and [gateway] trading_url.",
        { cause: error },
      );
    }
  }

  /** Closes the sockets; what is in flight ends ambiguous, what waits ends unsent. */
  stop(): void {
    this.#isStopped = true;
    this.#isUp = false;
    for (const connection of this.#connections) this.#drop(connection, "gyr is stopping");
    this.#failQueue("gyr is stopping");
  }

  /**
   * A request to fill and `send`; null where all are in use.
   *
   * @param isUrgent true for what must always find room: exits, cancels, questions
   */
  acquire(isUrgent: boolean): HttpRequest | null {
    if (this.#freeCount <= (isUrgent ? 0 : REQUEST_RESERVE)) return null;
    const request = this.#requests[this.#free[--this.#freeCount]!]!;
    request.sentNs = 0;
    request.answeredNs = 0;
    request.writtenBytes = 0;
    request.row = -1;
    request.deadlineUs = Number.POSITIVE_INFINITY;
    return request;
  }

  /** Writes the request to an idle socket, or queues it. Its outcome is told later, never from within this call. */
  send(request: HttpRequest): void {
    assert(request.length > 0 && request.length <= REQUEST_BYTES_MAX, "a request of 1 byte to its capacity");
    if (this.#queueHead === this.#queueTail) {
      const connections = this.#connections;
      for (let i = 0; i < connections.length; i++) {
        if (connections[i]!.state === IDLE && this.#write(connections[i]!, request)) return;
      }
    }
    request.deadlineUs = this.#options.clock.nowUs() + this.#options.timeoutUs;
    this.#queue[this.#queueHead++ & (REQUEST_CAPACITY - 1)] = request.index;
  }

  /** @returns false where the socket turned out to be closed before the first byte */
  #write(connection: Connection, request: HttpRequest): boolean {
    const written = connection.socket!.write(request.bytes, 0, request.length);
    if (written < 0) {
      connection.state = CLOSED;
      return false;
    }
    connection.state = BUSY;
    connection.request = request;
    request.writtenBytes = written;
    if (written === request.length) request.sentNs = monotonicNs();
    request.deadlineUs = this.#options.clock.nowUs() + this.#options.timeoutUs;
    if (!this.#isTimerSet) this.#setTimer(request.deadlineUs);
    return true;
  }

  /** The rest of a request of which the system took only a part. */
  #onDrain(connection: Connection): void {
    const { request, socket } = connection;
    if (request === null || socket === null || request.writtenBytes >= request.length) return;
    const written = socket.write(request.bytes, request.writtenBytes, request.length - request.writtenBytes);
    if (written < 0) return; // its close is told separately
    request.writtenBytes += written;
    if (request.writtenBytes === request.length) request.sentNs = monotonicNs();
  }

  #onData(connection: Connection, bytes: Uint8Array): void {
    const { request, response } = connection;
    if (request === null) {
      // Nothing was asked: a farewell such as 408 before an idle close. The socket is of no further use.
      this.#drop(connection, "the server sent what was not asked for");
      return;
    }
    const result = response.push(bytes);
    if (result === RESPONSE_DONE) this.#finish(connection, request);
    else if (result === RESPONSE_BAD) this.#drop(connection, "the answer was not HTTP/1.1");
  }

  #finish(connection: Connection, request: HttpRequest): void {
    request.answeredNs = monotonicNs();
    connection.request = null;
    connection.state = IDLE;
    const isClose = connection.response.isClose || request.writtenBytes < request.length;
    this.response = connection.response;
    // Closed first, so that what the answer causes to be sent goes out on a socket that will live.
    if (isClose) this.#drop(connection, "the server closed after its answer");
    this.#tell(request, OUTCOME_ANSWERED, "");
    connection.response.reset();
    this.#pump();
  }

  #onClose(connection: Connection, detail: string): void {
    const { request } = connection;
    if (request !== null && connection.response.close() === RESPONSE_DONE) {
      connection.socket = null;
      this.#finish(connection, request);
      return;
    }
    this.#drop(connection, detail);
  }

  /** Closes a socket, settles what was in flight on it, and begins to open it again. */
  #drop(connection: Connection, detail: string): void {
    const { socket, request } = connection;
    const wasConnecting = connection.state === CONNECTING;
    connection.socket = null;
    connection.request = null;
    connection.state = CLOSED;
    if (socket !== null) {
      socket.data = new Connection(); // its later callbacks concern nobody
      socket.terminate();
    }
    if (!this.#isStopped && !wasConnecting) {
      this.reconnectCount += 1;
      this.#connect(connection);
    }
    if (request !== null) {
      connection.response.reset();
      const isUnsent = request.writtenBytes === 0;
      this.#tell(request, isUnsent ? OUTCOME_NOT_SENT : OUTCOME_AMBIGUOUS, detail);
    }
  }

  #tell(request: HttpRequest, outcome: number, detail: string): void {
    this.#options.onOutcome(request, outcome, detail);
    this.#free[this.#freeCount++] = request.index;
  }

  /** Gives waiting requests to idle sockets, oldest first. */
  #pump(): void {
    const connections = this.#connections;
    for (let i = 0; i < connections.length && this.#queueTail < this.#queueHead; i++) {
      const connection = connections[i]!;
      if (connection.state !== IDLE) continue;
      const request = this.#requests[this.#queue[this.#queueTail & (REQUEST_CAPACITY - 1)]!]!;
      if (request.deadlineUs <= this.#options.clock.nowUs()) {
        // Decided too long ago to be sent now.
        this.#queueTail += 1;
        this.#tell(request, OUTCOME_NOT_SENT, "waited too long for a free socket");
        i -= 1;
      } else if (this.#write(connection, request)) this.#queueTail += 1;
    }
  }

  #failQueue(detail: string): void {
    while (this.#queueTail < this.#queueHead) {
      const request = this.#requests[this.#queue[this.#queueTail++ & (REQUEST_CAPACITY - 1)]!]!;
      this.#tell(request, OUTCOME_NOT_SENT, detail);
    }
  }

  #connect(connection: Connection): void {
    const { url, tlsCa } = this.#options;
    connection.state = CONNECTING;
    const isTls = url.protocol === "https:";
    const hostname = url.hostname.replace(/^\[|\]$/g, "");
    const tls = tlsCa === undefined ? { serverName: hostname } : { serverName: hostname, ca: tlsCa };
    const port = url.port === "" ? (isTls ? 443 : 80) : Number(url.port);
    const handlers = {
      open: (socket: Socket<Connection>) => {
        socket.setNoDelay(true);
        if (!isTls) this.#onReady(socket);
      },
      handshake: (socket: Socket<Connection>, isAuthorised: boolean, error: Error | null) => {
        if (!isTls) return;
        if (isAuthorised && error === null) this.#onReady(socket);
        else
          this.#onConnectFailed(
            socket.data,
            new Error(`its certificate was refused: ${error?.message ?? "unknown"}`),
            socket,
          );
      },
      data: (socket: Socket<Connection>, bytes: Uint8Array) => {
        if (socket.data.socket === socket) this.#onData(socket.data, bytes);
      },
      drain: (socket: Socket<Connection>) => this.#onDrain(socket.data),
      end: (socket: Socket<Connection>) => this.#onGone(socket, "the server closed the connection"),
      close: (socket: Socket<Connection>) => this.#onGone(socket, "the connection was closed"),
      error: (socket: Socket<Connection>, error: Error) => this.#onGone(socket, error.message),
      connectError: (_socket: Socket<Connection>, error: Error) => this.#onConnectFailed(connection, error, null),
    };
    const options = { hostname, port, socket: handlers, data: connection };
    Bun.connect(isTls ? { ...options, tls } : options).catch((error: Error) => {
      this.#onConnectFailed(connection, error, null);
    });
  }

  #onReady(socket: Socket<Connection>): void {
    const connection = socket.data;
    if (this.#isStopped || connection.state !== CONNECTING) {
      socket.terminate();
      return;
    }
    connection.socket = socket;
    connection.state = IDLE;
    connection.attempts = 0;
    connection.response.reset();
    const wasUp = this.#isUp;
    this.#isUp = true;
    connection.onAttempt?.(null);
    connection.onAttempt = null;
    if (!wasUp) this.#options.onStatus(true, `order sockets to ${this.#options.url.host} are up`);
    this.#pump();
  }

  #onGone(socket: Socket<Connection>, detail: string): void {
    const connection = socket.data;
    if (connection.socket === socket) this.#onClose(connection, detail);
    else if (connection.state === CONNECTING) this.#onConnectFailed(connection, new Error(detail), socket);
  }

  #onConnectFailed(connection: Connection, error: Error, socket: Socket<Connection> | null): void {
    if (connection.state !== CONNECTING) return;
    connection.state = CLOSED;
    if (socket !== null) {
      socket.data = new Connection();
      socket.terminate();
    }
    if (connection.onAttempt !== null) {
      connection.onAttempt(error);
      connection.onAttempt = null;
      return;
    }
    if (this.#isStopped) return;
    const { clock, timers, prng } = this.#options;
    const waitUs =
      Math.min(RECONNECT_MAX_US, RECONNECT_FIRST_US * 2 ** connection.attempts) * (0.8 + 0.4 * prng.next());
    connection.attempts += 1;
    timers.at(clock.nowUs() + waitUs, () => {
      if (!this.#isStopped && connection.state === CLOSED) this.#connect(connection);
    });
    if (this.#connections.some(({ state }) => state !== CLOSED)) return;
    const wasUp = this.#isUp;
    this.#isUp = false;
    if (wasUp) this.#options.onStatus(false, `order sockets to ${this.#options.url.host} are down: ${error.message}`);
    this.#failQueue(`no connection to the broker: ${error.message}`);
  }

  /** One timer at a time, for the earliest deadline; all requests may take equally long, so later ones come later. */
  #setTimer(atUs: number): void {
    this.#isTimerSet = true;
    this.#options.timers.at(atUs, this.#checkDeadlines);
  }

  #onDeadline(nowUs: number): void {
    this.#isTimerSet = false;
    for (const connection of this.#connections) {
      const { request } = connection;
      if (request !== null && request.deadlineUs <= nowUs) {
        this.#drop(connection, `no answer within ${this.#options.timeoutUs / 1000} ms`);
      }
    }
    let nextUs = Number.POSITIVE_INFINITY;
    for (const { request } of this.#connections) {
      if (request !== null && request.deadlineUs < nextUs) nextUs = request.deadlineUs;
    }
    if (nextUs < Number.POSITIVE_INFINITY && !this.#isTimerSet) this.#setTimer(nextUs);
  }
}
