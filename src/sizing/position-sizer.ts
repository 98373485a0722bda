// Hot path: no allocation after start.
// From a signal to a whole number of shares. Notional of each market-cap tier at multiplier 1 is computed once at start.
//
//   notional = min( dailyCapital / positionsMax * kelly * tier * strength,  positionFracMax * available )
//   shares   = floor( notional / price )
//
// 0 shares is an answer: the caller denies it as QTY_ROUNDS_TO_ZERO.

import type { Arena } from "../core/arena.ts";
import { assert } from "../core/assert.ts";
import { TICKS_PER_USD } from "../core/fixed-point.ts";
import { INSTRUMENT_CAPACITY, INSTRUMENT_TYPE_FUND, type Instruments } from "../market/instruments.ts";
import { kellyMultiplier } from "./kelly-table.ts";

export interface SizingParams {
  readonly dailyCapitalUsd: number;
  readonly positionsMax: number;
  readonly positionFracMax: number;
  /** Four boundaries between the five market-cap tiers, falling, USD. */
  readonly tierBoundariesUsd: readonly number[];
  /** Five multipliers, largest companies first. */
  readonly tierMultipliers: readonly number[];
  readonly winRate: number;
}

/** Funds have no company behind them: multiplier 1. */
const FUND_MULTIPLIER = 1;

/** Tier 0 (mega) to 4 (micro) of a market cap; unknown (0) is the smallest tier. */
export function marketCapTier(marketCapUsd: number, boundariesUsd: readonly number[]): number {
  for (let tier = 0; tier < boundariesUsd.length; tier++) {
    if (marketCapUsd >= boundariesUsd[tier]!) return tier;
  }
  return boundariesUsd.length;
}

export class PositionSizer {
  /** (instrument) notional at Kelly multiplier 1 and strength 1, ticks. Written at start. */
  readonly #baseNotionalTicks: Float64Array;
  readonly #params: SizingParams;

  constructor(arena: Arena, params: SizingParams) {
    assert(params.positionsMax > 0, "positionsMax is above 0");
    this.#params = params;
    this.#baseNotionalTicks = arena.f64("sizing.baseNotionalTicks", INSTRUMENT_CAPACITY);
  }

  /** Fills the tier notional of every instrument; once, after the universe step. */
  prepare(instruments: Instruments): void {
    const { dailyCapitalUsd, positionsMax, tierBoundariesUsd, tierMultipliers } = this.#params;
    const baseTicks = (dailyCapitalUsd / positionsMax) * TICKS_PER_USD;
    for (let slot = 0; slot < instruments.count; slot++) {
      const isFund = instruments.type[slot] === INSTRUMENT_TYPE_FUND;
      const tier = marketCapTier(instruments.marketCapUsd[slot]!, tierBoundariesUsd);
      this.#baseNotionalTicks[slot] = baseTicks * (isFund ? FUND_MULTIPLIER : tierMultipliers[tier]!);
    }
  }

  /**
   * @param slot           instrument
   * @param strength       of the signal, 0..1
   * @param confidence     of the signal, 0..1
   * @param vix            percent a year
   * @param pxTicks        price expected to be paid, ticks, above 0
   * @param availableTicks capital not yet in positions or open entries, ticks
   * @returns whole shares, 0 or more
   */
  qty(
    slot: number,
    strength: number,
    confidence: number,
    vix: number,
    pxTicks: number,
    availableTicks: number,
  ): number {
    const multiplier = kellyMultiplier(this.#params.winRate, confidence, vix);
    const wantedTicks = this.#baseNotionalTicks[slot]! * multiplier * strength;
    const capTicks = Math.max(0, availableTicks) * this.#params.positionFracMax;
    const qty = Math.floor(Math.min(wantedTicks, capTicks) / pxTicks);
    return Math.max(qty, 0);
  }
}
