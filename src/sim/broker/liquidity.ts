// What can be taken from the quote. The tape shows one price level on each side; behind it the model puts levels of the
// same size, one price increment apart. What was taken is gone until the next quote of that stock.

import { pxIncrementTicks } from "../../core/fixed-point.ts";
import type { SimMarket } from "../market/port.ts";
import type { Side } from "./venue-order.ts";

/** Shares behind a price whose size the tape does not give: a round lot. */
const SHOWN_QTY_DEFAULT = 100;

export class Liquidity {
  readonly #market: SimMarket;
  /** (symbol) shares taken since the last quote, from the offer by buys and from the bid by sells. */
  readonly #takenByBuys: Float64Array;
  readonly #takenBySells: Float64Array;

  constructor(market: SimMarket) {
    this.#market = market;
    this.#takenByBuys = new Float64Array(market.symbols.length);
    this.#takenBySells = new Float64Array(market.symbols.length);
  }

  /** A new quote: all of its size is there. */
  refresh(slot: number): void {
    this.#takenByBuys[slot] = 0;
    this.#takenBySells[slot] = 0;
  }

  hasQuote(slot: number, side: Side): boolean {
    return this.#touchPxTicks(slot, side) > 0;
  }

  /** Price a taker of this side gets for the next share, ticks; NaN when the book is exhausted. */
  nextPxTicks(slot: number, side: Side): number {
    return this.#levelPxTicks(slot, side, Math.floor(this.#taken(side)[slot]! / this.#shownQty(slot, side)));
  }

  /** Shares left at that price. */
  nextQty(slot: number, side: Side): number {
    const shown = this.#shownQty(slot, side);
    return shown - (this.#taken(side)[slot]! % shown);
  }

  /** Shares left at the quoted price itself, 0 when they are gone. */
  touchQty(slot: number, side: Side): number {
    return Math.max(0, this.#shownQty(slot, side) - this.#taken(side)[slot]!);
  }

  take(slot: number, side: Side, qty: number): void {
    this.#taken(side)[slot]! += qty;
  }

  /** Shares a taker can have at `limitPxTicks` or better, counted up to `qtyMax`. */
  qtyWithin(slot: number, side: Side, limitPxTicks: number, qtyMax: number): number {
    if (!this.hasQuote(slot, side)) return 0;
    const shown = this.#shownQty(slot, side);
    const taken = this.#taken(side)[slot]!;
    let level = Math.floor(taken / shown);
    let qty = -(taken % shown);
    while (qty < qtyMax && isWithin(this.#levelPxTicks(slot, side, level), limitPxTicks, side)) {
      qty += shown;
      level += 1;
    }
    return Math.max(0, Math.min(qty, qtyMax));
  }

  #taken(side: Side): Float64Array {
    return side === "buy" ? this.#takenByBuys : this.#takenBySells;
  }

  #touchPxTicks(slot: number, side: Side): number {
    return side === "buy" ? this.#market.askPxTicks(slot) : this.#market.bidPxTicks(slot);
  }

  #shownQty(slot: number, side: Side): number {
    const shown = Math.floor(side === "buy" ? this.#market.askQty(slot) : this.#market.bidQty(slot));
    return shown > 0 ? shown : SHOWN_QTY_DEFAULT;
  }

  #levelPxTicks(slot: number, side: Side, level: number): number {
    const touch = this.#touchPxTicks(slot, side);
    const step = pxIncrementTicks(touch) * level;
    const px = side === "buy" ? touch + step : touch - step;
    return px > 0 ? px : Number.NaN;
  }
}

/** Is `pxTicks` as good for a taker of `side` as its limit, or better? */
export function isWithin(pxTicks: number, limitPxTicks: number, side: Side): boolean {
  return side === "buy" ? pxTicks <= limitPxTicks : pxTicks >= limitPxTicks;
}
