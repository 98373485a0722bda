// Frame text -> rows of the market event ring by JSON.parse: the reference for the scanner, and the way of every frame that
// is not exactly as the scanner expects, status frames among them. Allocates. Bad input is counted and skipped, event by event;
// only a frame that is not a JSON array is skipped whole.

import { assert } from "../../core/assert.ts";
import type { MarketEventRing } from "../../market/events.ts";
import type { Instruments } from "../../market/instruments.ts";
import type { FeedCounters } from "../feed.ts";
import { writeBar, writeQuote, writeTrade } from "./validate.ts";

/** Outcome of one event. */
const EVENT_WRITTEN = 1;
const EVENT_BAD = 2;
const EVENT_UNKNOWN = 3;
const EVENT_STATUS = 4;

export class JsonFrameReader {
  /** Drains the ring; called when it is full, between two events of a frame. */
  onFull: () => void = () => {};
  /** Called for each status event, in order with the market events around it. */
  onStatusEvent: (status: string, message: string) => void = () => {};
  readonly #ring: MarketEventRing;
  readonly #instruments: Instruments;
  readonly #counters: FeedCounters;

  constructor(ring: MarketEventRing, instruments: Instruments, counters: FeedCounters) {
    this.#ring = ring;
    this.#instruments = instruments;
    this.#counters = counters;
  }

  /** Reads one frame into committed rows. `recvNs`: when the socket had it, monotonic. Returns the events written. */
  read(frame: string, recvNs: number): number {
    const events = parseArray(frame);
    if (events === null) {
      this.#counters.badFrames += 1;
      return 0;
    }
    let written = 0;
    for (const event of events) {
      const outcome = this.#event(event, recvNs);
      if (outcome === EVENT_WRITTEN) written += 1;
      else if (outcome === EVENT_BAD) this.#counters.badEvents += 1;
      else if (outcome === EVENT_UNKNOWN) this.#counters.unknownEvents += 1;
    }
    this.#counters.events += written;
    return written;
  }

  #event(event: unknown, recvNs: number): number {
    if (typeof event !== "object" || event === null || Array.isArray(event)) return EVENT_BAD;
    const fields = event as Record<string, unknown>;
    const ev = own(fields, "ev");
    if (typeof ev !== "string") return EVENT_BAD;
    if (ev === "status") return this.#status(fields);
    if (ev !== "T" && ev !== "Q" && ev !== "AM" && ev !== "A") return EVENT_UNKNOWN;
    const symbol = own(fields, "sym");
    if (typeof symbol !== "string") return EVENT_BAD;
    const slot = this.#instruments.slotOf(symbol);
    if (slot < 0) return EVENT_UNKNOWN;
    this.#ensureRow();
    if (!this.#write(ev, fields, this.#ring.claim(), slot, recvNs)) return EVENT_BAD;
    this.#ring.commit();
    return EVENT_WRITTEN;
  }

  #write(ev: string, fields: Record<string, unknown>, row: number, slot: number, recvNs: number): boolean {
    const ring = this.#ring;
    if (ev === "T") {
      const qty = sizeOf(fields, "s", "ds");
      return writeTrade(ring, row, slot, numberOf(fields, "p"), qty, numberOf(fields, "t"), recvNs);
    }
    if (ev === "Q") {
      const bidPx = numberOf(fields, "bp");
      const askPx = numberOf(fields, "ap");
      const bidLots = numberOf(fields, "bs");
      const askLots = numberOf(fields, "as");
      return writeQuote(ring, row, slot, bidPx, askPx, bidLots, askLots, numberOf(fields, "t"), recvNs);
    }
    return writeBar(
      ring,
      row,
      ev === "A",
      slot,
      numberOf(fields, "o"),
      numberOf(fields, "h"),
      numberOf(fields, "l"),
      numberOf(fields, "c"),
      sizeOf(fields, "v", "dv"),
      numberOf(fields, "vw"),
      numberOf(fields, "s"),
      recvNs,
    );
  }

  #status(fields: Record<string, unknown>): number {
    const status = own(fields, "status");
    if (typeof status !== "string") return EVENT_BAD;
    const message = own(fields, "message");
    this.onStatusEvent(status, typeof message === "string" ? message : "");
    return EVENT_STATUS;
  }

  #ensureRow(): void {
    if (!this.#ring.isFull) return;
    this.onFull();
    assert(!this.#ring.isFull, "onFull makes room in the market event ring");
  }
}

/** The elements of a JSON array; null where the text is something else. */
function parseArray(frame: string): unknown[] | null {
  try {
    const parsed: unknown = JSON.parse(frame);
    return Array.isArray(parsed) ? parsed : null;
  } catch {
    return null;
  }
}

/** A field of the object itself, never one that it inherits. */
function own(fields: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(fields, key) ? fields[key] : undefined;
}

/** A numeric field, NaN where it is missing or of another type. */
function numberOf(fields: Record<string, unknown>, key: string): number {
  const value = own(fields, key);
  return typeof value === "number" ? value : Number.NaN;
}

/** A size: the decimal string where the venue sends one, since the plain field may be rounded to whole shares. */
function sizeOf(fields: Record<string, unknown>, key: string, decimalKey: string): number {
  const decimal = own(fields, decimalKey);
  if (decimal === undefined) return numberOf(fields, key);
  return typeof decimal === "string" && /^\d+(\.\d+)?$/.test(decimal) ? Number(decimal) : Number.NaN;
}
