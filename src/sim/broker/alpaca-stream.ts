// The order stream (/stream): authenticate, listen, then every order event as it reaches the client side, in order.
// Frames to the client are binary and carry JSON, or MessagePack where the handshake asked for it. Nothing is replayed.

import { decode, encode } from "@msgpack/msgpack";
import { isJsonObject } from "./order-request.ts";

/** What the server needs of a WebSocket. */
export interface FrameSink {
  sendBinary(data: Uint8Array): number;
}

const STREAMS: readonly string[] = ["trade_updates"];
const textEncoder = new TextEncoder();
const textDecoder = new TextDecoder();

/** One client's connection. */
export class StreamConnection {
  isAuthorized = false;
  isListening = false;
  /** Frames sent to this client, control frames included. */
  framesSent = 0;
  sink: FrameSink | null = null;
  readonly isMsgpack: boolean;

  constructor(isMsgpack: boolean) {
    this.isMsgpack = isMsgpack;
  }
}

export class AlpacaStream {
  /** Called after every frame that was sent, with the count of the connection it went to. */
  onSent: (framesSent: number) => void = () => {};
  readonly #keyId: string;
  readonly #secret: string;
  readonly #connections = new Set<StreamConnection>();
  #newest: StreamConnection | null = null;

  constructor(keyId: string, secret: string) {
    this.#keyId = keyId;
    this.#secret = secret;
  }

  /** Frames sent to the client that was authorised last, since it connected; 0 before the first. */
  get framesSent(): number {
    return this.#newest?.framesSent ?? 0;
  }

  /** Clients that hear trade updates now. */
  get listenerCount(): number {
    let count = 0;
    for (const connection of this.#connections) if (connection.isListening) count += 1;
    return count;
  }

  open(connection: StreamConnection, sink: FrameSink): void {
    connection.sink = sink;
    this.#connections.add(connection);
  }

  close(connection: StreamConnection): void {
    connection.sink = null;
    connection.isListening = false;
    this.#connections.delete(connection);
  }

  message(connection: StreamConnection, data: string | Uint8Array): void {
    const message = decodeFrame(data);
    if (!isJsonObject(message)) {
      this.#sendError(connection, "invalid message");
      return;
    }
    switch (message.action) {
      case "auth":
      case "authenticate":
        this.#authenticate(connection, message);
        return;
      case "listen":
        this.#listen(connection, message);
        return;
      default:
        this.#sendError(connection, "unknown action");
    }
  }

  /** @param frame a trade update as JSON bytes */
  publish(frame: Uint8Array): void {
    for (const connection of this.#connections) {
      if (!connection.isListening) continue;
      this.#sendBytes(connection, connection.isMsgpack ? encode(JSON.parse(textDecoder.decode(frame))) : frame);
    }
  }

  /** Both forms are in use: data.key_id with data.secret_key, and key with secret. */
  #authenticate(connection: StreamConnection, message: Readonly<Record<string, unknown>>): void {
    const data = isJsonObject(message.data) ? message.data : message;
    const keyId = data.key_id ?? data.key;
    const secret = data.secret_key ?? data.secret;
    connection.isAuthorized = keyId === this.#keyId && secret === this.#secret;
    if (connection.isAuthorized) this.#newest = connection;
    else connection.isListening = false;
    this.#sendAuthorization(connection, "authenticate");
  }

  /** Sets the complete list of streams; an empty one ends listening. */
  #listen(connection: StreamConnection, message: Readonly<Record<string, unknown>>): void {
    if (!connection.isAuthorized) {
      this.#sendAuthorization(connection, "listen");
      return;
    }
    const wanted = isJsonObject(message.data) ? message.data.streams : undefined;
    if (!Array.isArray(wanted)) {
      this.#sendError(connection, "streams must be a list");
      return;
    }
    const streams = STREAMS.filter((stream) => wanted.includes(stream));
    connection.isListening = streams.length > 0;
    this.#send(connection, { stream: "listening", data: { streams } });
  }

  #sendAuthorization(connection: StreamConnection, action: string): void {
    const status = connection.isAuthorized ? "authorized" : "unauthorized";
    this.#send(connection, { stream: "authorization", data: { status, action } });
  }

  #sendError(connection: StreamConnection, message: string): void {
    this.#send(connection, { action: "error", data: { error_message: message } });
  }

  #send(connection: StreamConnection, message: object): void {
    this.#sendBytes(connection, connection.isMsgpack ? encode(message) : textEncoder.encode(JSON.stringify(message)));
  }

  #sendBytes(connection: StreamConnection, bytes: Uint8Array): void {
    if (connection.sink === null) return;
    connection.framesSent += 1;
    connection.sink.sendBinary(bytes);
    this.onSent(connection.framesSent);
  }
}

/** JSON in a text or binary frame, or MessagePack; undefined where it is neither. A JSON object cannot begin like a map. */
function decodeFrame(data: string | Uint8Array): unknown {
  const isJson = typeof data === "string" || data[0] === 0x7b;
  try {
    if (!isJson) return decode(data);
    return JSON.parse(typeof data === "string" ? data : textDecoder.decode(data));
  } catch {
    return undefined;
  }
}
