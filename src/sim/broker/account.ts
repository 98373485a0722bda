// Cash, positions and buying power of the one account, in ticks (1/10,000 USD) and whole shares, so every sum is exact.
// Fills go in through `applyFill`; nothing else moves cash or shares.

import { assert } from "../../core/assert.ts";
import type { SimMarket } from "../market/port.ts";
import type { Side } from "./venue-order.ts";

export interface Position {
  readonly slot: number;
  readonly symbol: string;
  /** Negative when short. */
  qty: number;
  /** What the shares cost; negative (what they brought) when short. */
  costTicks: number;
}

export class Account {
  readonly startCashTicks: number;
  cashTicks: number;
  /** Buying power promised to open orders. */
  reservedTicks = 0;
  /** How much gross exposure a dollar of equity carries: 1 cash account, 2 Reg T, 4 intraday. */
  multiplier: number;
  readonly positions = new Map<number, Position>();
  readonly #market: SimMarket;

  constructor(cashTicks: number, multiplier: number, market: SimMarket) {
    this.startCashTicks = cashTicks;
    this.cashTicks = cashTicks;
    this.multiplier = multiplier;
    this.#market = market;
  }

  positionQty(slot: number): number {
    return this.positions.get(slot)?.qty ?? 0;
  }

  /** Books one execution. A fill may open, add to, reduce or close a position, but not turn it over. */
  applyFill(slot: number, side: Side, pxTicks: number, qty: number): void {
    const signedQty = side === "buy" ? qty : -qty;
    this.cashTicks -= signedQty * pxTicks;
    let position = this.positions.get(slot);
    if (position === undefined) {
      position = { slot, symbol: this.#market.symbols[slot]!, qty: 0, costTicks: 0 };
      this.positions.set(slot, position);
    }
    if (position.qty * signedQty >= 0) {
      position.costTicks += signedQty * pxTicks;
    } else {
      assert(
        Math.abs(signedQty) <= Math.abs(position.qty),
        `a fill of ${signedQty} does not turn over ${position.qty}`,
      );
      position.costTicks -= Math.round((position.costTicks * qty) / Math.abs(position.qty));
    }
    position.qty += signedQty;
    if (position.qty === 0) this.positions.delete(slot);
  }

  /** Price a position is valued at: the last trade, or its own cost where the stock has no price. */
  markPxTicks(position: Position): number {
    const last = this.#market.lastPxTicks(position.slot);
    return last > 0 ? last : Math.round(position.costTicks / position.qty);
  }

  longValueTicks(): number {
    let sum = 0;
    for (const position of this.positions.values()) {
      if (position.qty > 0) sum += position.qty * this.markPxTicks(position);
    }
    return sum;
  }

  /** Zero or negative. */
  shortValueTicks(): number {
    let sum = 0;
    for (const position of this.positions.values()) {
      if (position.qty < 0) sum += position.qty * this.markPxTicks(position);
    }
    return sum;
  }

  equityTicks(): number {
    return this.cashTicks + this.longValueTicks() + this.shortValueTicks();
  }

  /** multiplier x equity - gross exposure - reservations. Can go negative when the market moves against the positions. */
  buyingPowerTicks(): number {
    const long = this.longValueTicks();
    const short = this.shortValueTicks();
    return Math.floor(this.multiplier * (this.cashTicks + long + short)) - (long - short) - this.reservedTicks;
  }
}
