// Hot path: no allocation after start.
// Latest price of every instrument as the feed told it. Written by the engine's market-event stage only; read by strategy,
// risk and marking to market.

import type { Arena } from "../core/arena.ts";
import { ticksFromUsd } from "../core/fixed-point.ts";
import { INSTRUMENT_CAPACITY } from "./instruments.ts";

export class Prices {
  /** (instrument) last trade of today, ticks; 0 before the first. */
  readonly lastPxTicks: Float64Array;
  /** (instrument) best bid and ask, ticks; 0 where unknown. */
  readonly bidPxTicks: Float64Array;
  readonly askPxTicks: Float64Array;
  /** (instrument) venue time of the latest event, epoch us; 0 before the first. */
  readonly tsEventUs: Float64Array;
  /** (instrument) venue time of the last trade and of the quote, epoch us: what comes out of order is older, and changes nothing. */
  readonly #tsTradeUs: Float64Array;
  readonly #tsQuoteUs: Float64Array;

  constructor(arena: Arena) {
    this.lastPxTicks = arena.f64("prices.lastPxTicks", INSTRUMENT_CAPACITY);
    this.bidPxTicks = arena.f64("prices.bidPxTicks", INSTRUMENT_CAPACITY);
    this.askPxTicks = arena.f64("prices.askPxTicks", INSTRUMENT_CAPACITY);
    this.tsEventUs = arena.f64("prices.tsEventUs", INSTRUMENT_CAPACITY);
    this.#tsTradeUs = arena.f64("prices.tsTradeUs", INSTRUMENT_CAPACITY);
    this.#tsQuoteUs = arena.f64("prices.tsQuoteUs", INSTRUMENT_CAPACITY);
  }

  applyTrade(slot: number, px: number, tsUs: number): void {
    if (tsUs < this.#tsTradeUs[slot]!) return;
    this.#tsTradeUs[slot] = tsUs;
    this.lastPxTicks[slot] = ticksFromUsd(px);
    if (tsUs > this.tsEventUs[slot]!) this.tsEventUs[slot] = tsUs;
  }

  applyQuote(slot: number, bidPx: number, askPx: number, tsUs: number): void {
    if (tsUs < this.#tsQuoteUs[slot]!) return;
    this.#tsQuoteUs[slot] = tsUs;
    this.bidPxTicks[slot] = ticksFromUsd(bidPx);
    this.askPxTicks[slot] = ticksFromUsd(askPx);
    if (tsUs > this.tsEventUs[slot]!) this.tsEventUs[slot] = tsUs;
  }

  /** Spread over mid, basis points; NaN without a two-sided, uncrossed quote. */
  spreadBps(slot: number): number {
    const bid = this.bidPxTicks[slot]!;
    const ask = this.askPxTicks[slot]!;
    if (bid <= 0 || ask <= bid) return Number.NaN;
    return ((ask - bid) / ((ask + bid) / 2)) * 10_000;
  }

  /** Price an order of this side would meet now: ask for a buy, bid for a sale, else the last trade; 0 where none is known. */
  expectedPxTicks(slot: number, side: number): number {
    const quote = side > 0 ? this.askPxTicks[slot]! : this.bidPxTicks[slot]!;
    return quote > 0 ? quote : this.lastPxTicks[slot]!;
  }
}
