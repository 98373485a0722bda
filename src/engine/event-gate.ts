// Hot path: no allocation after start.
// What of the feed may reach prices and bars: events of this day that have happened, at prices near the last one. The feed's
// own checks know neither the time nor the instrument. One print from the future would close the forming bar and make every
// later trade a late one, until that future is reached; one absurd price would be in the features for as long as they look
// back. What is refused is counted, and the run's summary says how much.

import { TICKS_PER_USD } from "../core/fixed-point.ts";
import type { Instruments } from "../market/instruments.ts";
import type { Prices } from "../market/prices.ts";

/** Farthest that an event's time may be ahead of ours: clocks differ, though by less; a bar lost to it is one. */
const EVENT_AHEAD_US_MAX = 60_000_000;
/**
 * Largest ratio between a trade and the one before it (the first: the previous close). Halts stop real prices long before
 * this: limit bands are 5 to 20 %, in the last minutes of the cheapest stocks 150 %.
 */
const PX_RATIO_MAX = 3;

export interface EventGateCounters {
  /** Events from before this day. */
  earlyEvents: number;
  /** Events more than a minute ahead of our clock. */
  futureEvents: number;
  /** Trades at less than a third of the last price, or more than three times it. */
  absurdTrades: number;
}

export class EventGate {
  readonly counters: EventGateCounters = { earlyEvents: 0, futureEvents: 0, absurdTrades: 0 };
  /** Start of the day, epoch us. Written by the wiring. */
  dayStartUs = 0;
  /** Farthest that an event may be ahead of our clock, us. */
  aheadUsMax = EVENT_AHEAD_US_MAX;
  readonly #instruments: Instruments;
  readonly #prices: Prices;

  constructor(instruments: Instruments, prices: Prices) {
    this.#instruments = instruments;
    this.#prices = prices;
  }

  /** True for an event at a time that can be. */
  isTimely(tsUs: number, nowUs: number): boolean {
    if (tsUs < this.dayStartUs) {
      this.counters.earlyEvents += 1;
      return false;
    }
    if (tsUs > nowUs + this.aheadUsMax) {
      this.counters.futureEvents += 1;
      return false;
    }
    return true;
  }

  /** True for a trade price, USD, that can follow the instrument's last one; any where none is known. */
  isPlausible(slot: number, px: number): boolean {
    const last = this.#prices.lastPxTicks[slot]!;
    const referenceTicks = last > 0 ? last : this.#instruments.previousClosePxTicks[slot]!;
    const pxTicks = px * TICKS_PER_USD;
    if (referenceTicks <= 0) return true;
    if (pxTicks <= referenceTicks * PX_RATIO_MAX && pxTicks * PX_RATIO_MAX >= referenceTicks) return true;
    this.counters.absurdTrades += 1;
    return false;
  }
}
