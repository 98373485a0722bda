// One HTTP/1.1 response at a time, out of bytes as they come: any cutting of the same bytes gives the same answer.
// Content-Length, chunked, until-close and bodiless answers; 1xx answers are passed over. Whatever is not plain HTTP/1.x is
// refused, because what cannot be read must count as an unknown outcome, not as an answer.

export const RESPONSE_NEEDS_MORE = 0;
export const RESPONSE_DONE = 1;
/** Not HTTP, or more than we are willing to hold. The connection is of no further use. */
export const RESPONSE_BAD = 2;

/** Largest head; servers allow 8 to 64 KiB. */
const HEAD_BYTES_MAX = 1 << 16;
/** Largest body: 500 orders with legs are about 2 MB. */
const BODY_BYTES_MAX = 1 << 24;

const AT_HEAD = 0;
const AT_LENGTH_BODY = 1;
const AT_CHUNK_SIZE = 2;
const AT_CHUNK_DATA = 3;
const AT_CHUNK_END = 4;
const AT_TRAILERS = 5;
const AT_CLOSE_BODY = 6;
const AT_DONE = 7;
const AT_BAD = 8;

const LF = 10;
const CR = 13;
const DECODER = new TextDecoder();

export class HttpResponse {
  status = 0;
  /** True where the server will close the connection after this answer. */
  isClose = false;
  /** Seconds of Retry-After, NaN where absent. */
  retryAfterSec = Number.NaN;
  /** Unix seconds of X-RateLimit-Reset, NaN where absent. */
  rateLimitResetSec = Number.NaN;
  #state = AT_HEAD;
  #raw = new Uint8Array(1 << 14);
  #rawEnd = 0;
  #at = 0;
  #body = new Uint8Array(1 << 14);
  #bodyEnd = 0;
  /** Bytes of the body, or of the chunk, still to come. */
  #left = 0;

  /** Body as text. */
  get body(): string {
    return DECODER.decode(this.#body.subarray(0, this.#bodyEnd));
  }

  /** True where bytes of an answer have been seen and it is not complete. */
  get isPartial(): boolean {
    return this.#state !== AT_DONE && (this.#state !== AT_HEAD || this.#rawEnd > 0);
  }

  /** Ready for the next answer; bytes beyond the last one are dropped by the caller, who closes the connection. */
  reset(): void {
    this.#state = AT_HEAD;
    this.#rawEnd = 0;
    this.#at = 0;
    this.#bodyEnd = 0;
    this.#clearHead();
  }

  /**
   * Takes more bytes.
   *
   * @returns RESPONSE_DONE, RESPONSE_NEEDS_MORE or RESPONSE_BAD; bytes after a complete answer are bad, since nothing more
   *   was asked for
   */
  push(bytes: Uint8Array): number {
    this.#append(bytes);
    for (;;) {
      const state = this.#state;
      const hasMoved = this.#step();
      if (this.#state === AT_BAD) return RESPONSE_BAD;
      if (this.#state === AT_DONE) return this.#at === this.#rawEnd ? RESPONSE_DONE : this.#bad();
      if (!hasMoved && this.#state === state) return RESPONSE_NEEDS_MORE;
    }
  }

  /** The server has closed: completes an answer whose end is the close. */
  close(): number {
    if (this.#state !== AT_CLOSE_BODY) return RESPONSE_BAD;
    this.#state = AT_DONE;
    return RESPONSE_DONE;
  }

  #bad(): number {
    this.#state = AT_BAD;
    return RESPONSE_BAD;
  }

  /** @returns whether anything was consumed */
  #step(): boolean {
    switch (this.#state) {
      case AT_HEAD:
        return this.#head();
      case AT_CHUNK_SIZE:
        return this.#chunkSize();
      case AT_CHUNK_END:
        return this.#chunkEnd();
      case AT_TRAILERS:
        return this.#trailer();
      case AT_CLOSE_BODY:
        return this.#take(this.#rawEnd - this.#at);
      case AT_LENGTH_BODY:
      case AT_CHUNK_DATA:
        return this.#counted();
      default:
        return false;
    }
  }

  #head(): boolean {
    const end = this.#headEnd();
    if (end < 0) {
      if (this.#rawEnd - this.#at > HEAD_BYTES_MAX) this.#bad();
      return false;
    }
    const lines = DECODER.decode(this.#raw.subarray(this.#at, end)).split(/\r?\n/);
    this.#at = end;
    const status = /^HTTP\/1\.([01]) (\d{3})(?: |$)/.exec(lines[0]!);
    if (status === null) {
      this.#bad();
      return false;
    }
    this.#clearHead();
    this.status = Number(status[2]);
    this.isClose = status[1] === "0";
    let lengthBytes = -1;
    let isChunked = false;
    for (let i = 1; i < lines.length; i++) {
      const line = lines[i]!;
      if (line === "") continue;
      const colon = line.indexOf(":");
      if (colon <= 0) {
        this.#bad();
        return false;
      }
      const name = line.slice(0, colon).toLowerCase();
      const value = line.slice(colon + 1).trim();
      if (name === "content-length") {
        const length = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
        if (Number.isNaN(length) || (lengthBytes >= 0 && lengthBytes !== length)) this.#bad();
        lengthBytes = length;
      } else if (name === "transfer-encoding") {
        isChunked = value.toLowerCase() === "chunked";
        if (!isChunked) this.#bad();
      } else if (name === "content-encoding") {
        if (value.toLowerCase() !== "identity") this.#bad();
      } else if (name === "connection") {
        const tokens = value.toLowerCase();
        if (tokens.includes("close")) this.isClose = true;
        else if (tokens.includes("keep-alive")) this.isClose = false;
      } else if (name === "retry-after") this.retryAfterSec = numberOf(value);
      else if (name === "x-ratelimit-reset") this.rateLimitResetSec = numberOf(value);
    }
    if (this.#state === AT_BAD) return false;
    this.#afterHead(isChunked, lengthBytes);
    return true;
  }

  #afterHead(isChunked: boolean, lengthBytes: number): void {
    if (this.status === 101 || lengthBytes > BODY_BYTES_MAX) {
      this.#bad();
      return;
    }
    if (this.status < 200) return; // an interim answer: the real one follows
    if (this.status === 204 || this.status === 304 || (lengthBytes === 0 && !isChunked)) this.#state = AT_DONE;
    else if (isChunked) this.#state = AT_CHUNK_SIZE;
    else if (lengthBytes > 0) {
      this.#left = lengthBytes;
      this.#state = AT_LENGTH_BODY;
    } else {
      this.isClose = true;
      this.#state = AT_CLOSE_BODY;
    }
  }

  #counted(): boolean {
    const hasMoved = this.#take(Math.min(this.#left, this.#rawEnd - this.#at));
    if (this.#left === 0) this.#state = this.#state === AT_LENGTH_BODY ? AT_DONE : AT_CHUNK_END;
    return hasMoved;
  }

  #chunkSize(): boolean {
    const line = this.#line();
    if (line === null) return false;
    const size = /^([0-9a-fA-F]{1,8})[ \t]*(?:;.*)?$/.exec(line);
    if (size === null) {
      this.#bad();
      return false;
    }
    this.#left = Number.parseInt(size[1]!, 16);
    this.#state = this.#left === 0 ? AT_TRAILERS : AT_CHUNK_DATA;
    return true;
  }

  #chunkEnd(): boolean {
    const line = this.#line();
    if (line === null) return false;
    this.#state = AT_CHUNK_SIZE;
    if (line !== "") this.#bad();
    return true;
  }

  #trailer(): boolean {
    const line = this.#line();
    if (line === null) return false;
    if (line === "") this.#state = AT_DONE;
    return true;
  }

  /** The next line without its end; null where it is not complete. */
  #line(): string | null {
    for (let i = this.#at; i < this.#rawEnd; i++) {
      if (this.#raw[i] !== LF) continue;
      const end = i > this.#at && this.#raw[i - 1] === CR ? i - 1 : i;
      const line = DECODER.decode(this.#raw.subarray(this.#at, end));
      this.#at = i + 1;
      return line;
    }
    if (this.#rawEnd - this.#at > HEAD_BYTES_MAX) this.#bad();
    return null;
  }

  /** Offset after the blank line that ends the head, -1 where it has not come. */
  #headEnd(): number {
    const raw = this.#raw;
    for (let i = this.#at; i < this.#rawEnd; i++) {
      if (raw[i] !== LF) continue;
      if (i + 1 < this.#rawEnd && raw[i + 1] === LF) return i + 2;
      if (i + 2 < this.#rawEnd && raw[i + 1] === CR && raw[i + 2] === LF) return i + 3;
    }
    return -1;
  }

  /** Moves `count` bytes from the input to the body. */
  #take(count: number): boolean {
    if (count <= 0) return false;
    if (this.#bodyEnd + count > BODY_BYTES_MAX) {
      this.#bad();
      return false;
    }
    this.#body = withRoom(this.#body, this.#bodyEnd, count);
    this.#body.set(this.#raw.subarray(this.#at, this.#at + count), this.#bodyEnd);
    this.#bodyEnd += count;
    this.#at += count;
    this.#left -= count;
    return true;
  }

  #append(bytes: Uint8Array): void {
    if (this.#at > 0) {
      this.#raw.copyWithin(0, this.#at, this.#rawEnd);
      this.#rawEnd -= this.#at;
      this.#at = 0;
    }
    this.#raw = withRoom(this.#raw, this.#rawEnd, bytes.length);
    this.#raw.set(bytes, this.#rawEnd);
    this.#rawEnd += bytes.length;
  }

  #clearHead(): void {
    this.status = 0;
    this.isClose = false;
    this.retryAfterSec = Number.NaN;
    this.rateLimitResetSec = Number.NaN;
  }
}

/** `bytes`, or a larger copy of its first `used` bytes when `more` would not fit. */
function withRoom(bytes: Uint8Array<ArrayBuffer>, used: number, more: number): Uint8Array<ArrayBuffer> {
  if (used + more <= bytes.length) return bytes;
  let capacity = bytes.length;
  while (capacity < used + more) capacity *= 2;
  const larger = new Uint8Array(capacity);
  larger.set(bytes.subarray(0, used));
  return larger;
}

function numberOf(text: string): number {
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
}
