// Hot path: no allocation after start.
// Fills in, positions and profit out, in whole ticks: no money is ever a fraction. Average cost with the remainder kept: what
// a partial close takes out of the cost is rounded down to a tick, the rest stays with the open shares, so that
//   cash + value of positions = opening cash + realised + unrealised - fees
// holds to the tick after every fill.

import type { Arena } from "../core/arena.ts";
import { assert } from "../core/assert.ts";
import { INSTRUMENT_CAPACITY } from "../market/instruments.ts";

export class Ledger {
  /** Cash, ticks: falls with purchases, rises with sales, short ones too; fees are taken out. */
  cashTicks = 0;
  /** Cash at the start of the day, ticks. */
  openingCashTicks = 0;
  /** Sum of realisedPnlTicks: before fees. */
  realisedTotalTicks = 0;
  feesTotalTicks = 0;
  /** Sum of costTicks: what the open positions, long and short, were entered at. */
  costTotalTicks = 0;
  /** Instruments with a position. */
  positionCount = 0;
  fillCount = 0;
  /** (instrument) shares held, negative when short. */
  readonly positionQty: Float64Array;
  /** (instrument) notional at which the open shares were entered, ticks, 0 or more; short ones too. */
  readonly costTicks: Float64Array;
  /** (instrument) profit of closed shares before fees, ticks. */
  readonly realisedPnlTicks: Float64Array;
  /** (instrument) fees paid, ticks. */
  readonly feesTicks: Float64Array;
  /** (instrument) shares bought and sold. */
  readonly tradedQty: Float64Array;

  constructor(arena: Arena) {
    this.positionQty = arena.f64("ledger.positionQty", INSTRUMENT_CAPACITY);
    this.costTicks = arena.f64("ledger.costTicks", INSTRUMENT_CAPACITY);
    this.realisedPnlTicks = arena.f64("ledger.realisedPnlTicks", INSTRUMENT_CAPACITY);
    this.feesTicks = arena.f64("ledger.feesTicks", INSTRUMENT_CAPACITY);
    this.tradedQty = arena.f64("ledger.tradedQty", INSTRUMENT_CAPACITY);
  }

  /** Starts a day flat with this much cash. */
  openDay(cashTicks: number): void {
    assert(Number.isSafeInteger(cashTicks), "cash of whole ticks");
    this.cashTicks = cashTicks;
    this.openingCashTicks = cashTicks;
    this.realisedTotalTicks = 0;
    this.feesTotalTicks = 0;
    this.costTotalTicks = 0;
    this.positionCount = 0;
    this.fillCount = 0;
    this.positionQty.fill(0);
    this.costTicks.fill(0);
    this.realisedPnlTicks.fill(0);
    this.feesTicks.fill(0);
    this.tradedQty.fill(0);
  }

  /**
   * Books one fill.
   *
   * @param side     SIDE_BUY (1) or SIDE_SELL (-1)
   * @param qty      whole shares, above 0
   * @param pxTicks  price of each, whole ticks, above 0
   * @param feeTicks fees of this fill, whole ticks
   */
  applyFill(slot: number, side: number, qty: number, pxTicks: number, feeTicks: number): void {
    assert(side === 1 || side === -1, "side is 1 or -1");
    assert(Number.isSafeInteger(qty) && qty > 0, "whole shares above 0");
    assert(Number.isSafeInteger(pxTicks) && pxTicks > 0, "a price of whole ticks above 0");
    assert(Number.isSafeInteger(feeTicks), "fees of whole ticks");
    assert(qty * pxTicks <= Number.MAX_SAFE_INTEGER, "a notional that is exact in a double");

    const heldBefore = this.positionQty[slot]!;
    const isReducing = heldBefore * side < 0;
    const closedQty = isReducing ? Math.min(qty, Math.abs(heldBefore)) : 0;
    if (closedQty > 0) this.#close(slot, heldBefore, closedQty, pxTicks);
    const openedTicks = (qty - closedQty) * pxTicks;
    this.costTicks[slot]! += openedTicks;
    this.costTotalTicks += openedTicks;

    const held = heldBefore + side * qty;
    this.positionQty[slot] = held;
    if (heldBefore === 0) this.positionCount += 1;
    if (held === 0) this.positionCount -= 1;
    this.tradedQty[slot]! += qty;
    this.cashTicks -= side * qty * pxTicks + feeTicks;
    this.feesTicks[slot]! += feeTicks;
    this.feesTotalTicks += feeTicks;
    this.fillCount += 1;
  }

  /** Takes the closed shares out of the cost at their average, and books what they earned. */
  #close(slot: number, held: number, closedQty: number, pxTicks: number): void {
    const openQty = Math.abs(held);
    const cost = this.costTicks[slot]!;
    // cost x closed / open without leaving the exact range: whole ticks of each share, then the remainder.
    const costEach = Math.floor(cost / openQty);
    const remainder = cost - costEach * openQty;
    const closedCost = costEach * closedQty + Math.floor((remainder * closedQty) / openQty);
    const proceeds = closedQty * pxTicks;
    const pnl = held > 0 ? proceeds - closedCost : closedCost - proceeds;
    this.costTicks[slot]! -= closedCost;
    this.costTotalTicks -= closedCost;
    this.realisedPnlTicks[slot]! += pnl;
    this.realisedTotalTicks += pnl;
  }

  /** Profit of the open shares at a price, before fees, ticks. */
  unrealisedTicks(slot: number, lastPxTicks: number): number {
    const held = this.positionQty[slot]!;
    if (held === 0) return 0;
    const value = held * lastPxTicks;
    return held > 0 ? value - this.costTicks[slot]! : value + this.costTicks[slot]!;
  }

  /** Cash and positions at the last prices, ticks. @param lastPxTicks (instrument) ticks */
  equityTicks(lastPxTicks: Float64Array): number {
    let equity = this.cashTicks;
    for (let slot = 0; slot < INSTRUMENT_CAPACITY; slot++) {
      const held = this.positionQty[slot]!;
      if (held !== 0) equity += held * lastPxTicks[slot]!;
    }
    return equity;
  }

  /** Value of all positions at the last prices, long and short added, ticks. @param lastPxTicks (instrument) ticks */
  exposureTicks(lastPxTicks: Float64Array): number {
    let exposure = 0;
    for (let slot = 0; slot < INSTRUMENT_CAPACITY; slot++) {
      const held = this.positionQty[slot]!;
      if (held !== 0) exposure += Math.abs(held) * lastPxTicks[slot]!;
    }
    return exposure;
  }
}
