// Hot path: no allocation after start.
// Frame text -> rows of the market event ring. In: what the socket handed over. Out: committed rows and counters. The scanner
// takes frames of the usual form; every other goes through JSON.parse. Trades are never dropped: when the ring is full,
// `onFull` must make room.

import { MARKET_EVENT_CAPACITY, type MarketEventRing } from "../../market/events.ts";
import type { Instruments } from "../../market/instruments.ts";
import type { FeedCounters } from "../feed.ts";
import { JsonFrameReader } from "./parse-json.ts";
import { EVENT_CHARS_MIN, FrameScanner, SCAN_BYTES_MAX, SCAN_REFUSED } from "./scan.ts";

export class FrameParser {
  /** Frames that the scanner refused and JSON.parse read; status frames are among them. */
  jsonFrames = 0;
  readonly #ring: MarketEventRing;
  readonly #counters: FeedCounters;
  readonly #scanner: FrameScanner;
  readonly #json: JsonFrameReader;

  constructor(ring: MarketEventRing, instruments: Instruments, counters: FeedCounters) {
    this.#ring = ring;
    this.#counters = counters;
    this.#scanner = new FrameScanner(ring, instruments);
    this.#json = new JsonFrameReader(ring, instruments, counters);
  }

  /** Drains the ring; called before it would overflow. Rows of the frame so far may be in it. */
  set onFull(drain: () => void) {
    this.#json.onFull = drain;
  }

  /** Called for each status event, in order with the market events around it. */
  set onStatusEvent(tell: (status: string, message: string) => void) {
    this.#json.onStatusEvent = tell;
  }

  /** Reads one frame into the ring. `recvNs`: when the socket had it, monotonic. Returns the events written. */
  parseFrame(frame: string, recvNs: number): number {
    if (frame.length <= SCAN_BYTES_MAX && this.#hasRoom(frame.length)) {
      const rows = this.#scanner.scan(frame, recvNs);
      if (rows !== SCAN_REFUSED) {
        this.#ring.head += rows;
        this.#counters.events += rows;
        this.#counters.badEvents += this.#scanner.badCount;
        this.#counters.unknownEvents += this.#scanner.unknownCount;
        return rows;
      }
    }
    return this.parseFrameJson(frame, recvNs);
  }

  /** The same by JSON.parse. */
  parseFrameJson(frame: string, recvNs: number): number {
    this.jsonFrames += 1;
    return this.#json.read(frame, recvNs);
  }

  /** True when the ring has room for as many events as a frame of this length can hold, drained if need be. */
  #hasRoom(frameChars: number): boolean {
    const rowsMax = Math.ceil(frameChars / EVENT_CHARS_MIN);
    if (this.#ring.depth + rowsMax <= MARKET_EVENT_CAPACITY) return true;
    this.#json.onFull();
    return this.#ring.depth + rowsMax <= MARKET_EVENT_CAPACITY;
  }
}
