// Hot path: no allocation after start.
// Stop and target of an entry. The stop is a multiple of the average true range, but never closer than a floor in basis
// points; the target is rewardRisk times as far. Both are rounded to the price increment, away from the entry for the stop
// and for the target, so that rounding never tightens what was asked for. Ticks throughout.

import { roundPxTicks, TICKS_PER_USD } from "../core/fixed-point.ts";

export class Bracket {
  stopPxTicks = 0;
  targetPxTicks = 0;

  /**
   * @param side       SIDE_BUY or SIDE_SELL of the entry
   * @param entryTicks expected entry price, ticks
   * @param atrPx      average true range of a bar, USD
   * @returns false where no sane bracket exists (a stop at or below zero)
   */
  place(
    side: number,
    entryTicks: number,
    atrPx: number,
    stopAtr: number,
    stopMinBps: number,
    rewardRisk: number,
  ): boolean {
    const distanceTicks = Math.max(stopAtr * atrPx * TICKS_PER_USD, (entryTicks * stopMinBps) / 10_000);
    const stop = entryTicks - side * distanceTicks;
    const target = entryTicks + side * distanceTicks * rewardRisk;
    if (!(stop > 0) || !(target > 0)) return false;
    this.stopPxTicks = roundPxTicks(stop, side > 0 ? -1 : 1);
    this.targetPxTicks = roundPxTicks(target, side > 0 ? 1 : -1);
    return this.stopPxTicks > 0 && this.targetPxTicks > 0;
  }
}
