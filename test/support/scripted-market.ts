// A SimMarket whose quotes and trades the test sets, one call at a time, at the timeline's present.

import { ticksFromUsd } from "../../src/core/fixed-point.ts";
import type { MarketListener, SimMarket } from "../../src/sim/market/port.ts";
import type { Timeline } from "../../src/sim/timeline.ts";

const SHOWN_QTY = 300;

export class ScriptedMarket implements SimMarket {
  readonly symbols: readonly string[];
  /** Slots the broker asked to have started, in order. */
  readonly activated: number[] = [];
  readonly #timeline: Timeline;
  readonly #listeners: MarketListener[] = [];
  readonly #bidPx: number[];
  readonly #askPx: number[];
  readonly #bidQty: number[];
  readonly #askQty: number[];
  readonly #lastPx: number[];
  readonly #previousClosePx: number[];

  constructor(timeline: Timeline, previousCloseUsd: Readonly<Record<string, number>>) {
    this.#timeline = timeline;
    this.symbols = Object.keys(previousCloseUsd).sort();
    const zeros = (): number[] => this.symbols.map(() => 0);
    this.#bidPx = zeros();
    this.#askPx = zeros();
    this.#bidQty = zeros();
    this.#askQty = zeros();
    this.#previousClosePx = this.symbols.map((symbol) => ticksFromUsd(previousCloseUsd[symbol]!));
    this.#lastPx = [...this.#previousClosePx];
  }

  slotOf(symbol: string): number {
    return this.symbols.indexOf(symbol);
  }
  activate(slot: number): void {
    this.activated.push(slot);
  }
  bidPxTicks(slot: number): number {
    return this.#bidPx[slot]!;
  }
  askPxTicks(slot: number): number {
    return this.#askPx[slot]!;
  }
  bidQty(slot: number): number {
    return this.#bidQty[slot]!;
  }
  askQty(slot: number): number {
    return this.#askQty[slot]!;
  }
  lastPxTicks(slot: number): number {
    return this.#lastPx[slot]!;
  }
  previousClosePxTicks(slot: number): number {
    return this.#previousClosePx[slot]!;
  }
  addListener(listener: MarketListener): void {
    this.#listeners.push(listener);
  }

  /** Sets the best bid and offer, USD, and the shares shown at each. */
  quote(symbol: string, bidUsd: number, askUsd: number, bidQty = SHOWN_QTY, askQty = SHOWN_QTY): void {
    const slot = this.slotOf(symbol);
    this.#bidPx[slot] = ticksFromUsd(bidUsd);
    this.#askPx[slot] = ticksFromUsd(askUsd);
    this.#bidQty[slot] = bidQty;
    this.#askQty[slot] = askQty;
    for (const listener of this.#listeners) {
      listener.onQuote(slot, this.#bidPx[slot]!, this.#askPx[slot]!, this.#timeline.nowUs);
    }
  }

  /** Prints a trade, USD. */
  trade(symbol: string, pxUsd: number, qty = 1_000): void {
    const slot = this.slotOf(symbol);
    this.#lastPx[slot] = ticksFromUsd(pxUsd);
    for (const listener of this.#listeners) listener.onTrade(slot, this.#lastPx[slot]!, qty, this.#timeline.nowUs);
  }
}
