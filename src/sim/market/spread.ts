// Quotes around simulated trades. The recording has none, so width and sizes come from a model of what is known before the
// minute: how far the symbol's past bars ranged and how much money they turned over. docs/simulation.md states it.

import { pxIncrementTicks, roundPxTicks } from "../../core/fixed-point.ts";
import type { Prng } from "../../core/prng.ts";
import type { DayBars } from "../../market/flat-file.ts";

/** Weight of the newest bar in the means: half of a mean is the last 14 bars. */
const MEAN_WEIGHT = 0.05;
/** A quote is this part of the mean range of a minute wider than the narrowest. */
const SPREAD_PER_RANGE = 0.25;
/** Turnover of a bar, ticks (1,000,000 USD), from which on a symbol quotes the narrowest spread. */
const LIQUID_TURNOVER_TICKS = 1e10;
/** Thin symbols quote at most this many times the narrowest spread. */
const THIN_FACTOR_MAX = 5;
/** Standard deviation of the log of a minute's spread. */
const SPREAD_NOISE = 0.2;
/** Mean size shown is this part of the mean volume of a bar, 1 to 200 round lots. */
const SIZE_PER_VOLUME = 0.1;
const SIZE_LOTS_MEAN_MAX = 200;
export const ROUND_LOT = 100;

/** Where nothing of a symbol is known yet. */
const RANGE_FRAC_DEFAULT = 5e-4;
const TURNOVER_TICKS_DEFAULT = 1e9;
const VOLUME_DEFAULT = 2_000;

export class SpreadModel {
  readonly #spreadMinFrac: number;
  /** (slot) mean of (high - low) / close over past bars. */
  readonly #rangeFrac: Float64Array;
  /** (slot) mean of close x volume over past bars, ticks. */
  readonly #turnoverTicks: Float64Array;
  /** (slot) mean volume of past bars, shares. */
  readonly #volume: Float64Array;
  /** Quote drawn last. */
  bidPxTicks = 0;
  askPxTicks = 0;
  bidQty = 0;
  askQty = 0;

  constructor(slotCount: number, spreadMinBps: number) {
    this.#spreadMinFrac = spreadMinBps / 10_000;
    this.#rangeFrac = new Float64Array(slotCount).fill(RANGE_FRAC_DEFAULT);
    this.#turnoverTicks = new Float64Array(slotCount).fill(TURNOVER_TICKS_DEFAULT);
    this.#volume = new Float64Array(slotCount).fill(VOLUME_DEFAULT);
  }

  /** Takes a bar that is over into the symbol's means. */
  learn(slot: number, day: DayBars, row: number): void {
    const close = day.closePxTicks[row]!;
    const volume = day.volume[row]!;
    if (!(close > 0)) return;
    mixIn(this.#rangeFrac, slot, (day.highPxTicks[row]! - day.lowPxTicks[row]!) / close);
    mixIn(this.#turnoverTicks, slot, close * volume);
    mixIn(this.#volume, slot, volume);
  }

  /** Width of a symbol's quote for the coming minute, ticks, at least one price increment. */
  drawWidth(slot: number, pxTicks: number, prng: Prng): number {
    const thin = Math.sqrt(LIQUID_TURNOVER_TICKS / Math.max(1, this.#turnoverTicks[slot]!));
    const narrowest = this.#spreadMinFrac * Math.min(THIN_FACTOR_MAX, Math.max(1, thin));
    const frac = narrowest + SPREAD_PER_RANGE * this.#rangeFrac[slot]!;
    const width = frac * pxTicks * Math.exp(SPREAD_NOISE * prng.nextNormal());
    const increment = pxIncrementTicks(pxTicks);
    return Math.max(increment, Math.round(width / increment) * increment);
  }

  /**
   * Bid and ask around a trade at `pxTicks`, which prints in their middle, or at one of them where the width is one
   * increment. An odd increment goes above or below for good, by `leansUp`: were it drawn anew, the mid would jump about the
   * price, and whoever waited for the jump would trade without paying for the spread.
   */
  place(pxTicks: number, widthTicks: number, leansUp: boolean): void {
    const increment = pxIncrementTicks(pxTicks);
    const steps = Math.round(widthTicks / increment);
    const below = (leansUp ? Math.floor(steps / 2) : Math.ceil(steps / 2)) * increment;
    // A bid never falls to zero: a cheap symbol is then quoted upwards.
    this.bidPxTicks = Math.max(1, roundPxTicks(pxTicks - below, -1));
    this.askPxTicks = Math.max(roundPxTicks(this.bidPxTicks + widthTicks, 1), roundPxTicks(pxTicks, 1));
  }

  /** Sizes in round lots, exponential around the mean. */
  drawSizes(slot: number, prng: Prng): void {
    const meanLots = Math.min(SIZE_LOTS_MEAN_MAX, (this.#volume[slot]! * SIZE_PER_VOLUME) / ROUND_LOT);
    this.bidQty = ROUND_LOT * (1 + Math.floor(-Math.log(1 - prng.next()) * meanLots));
    this.askQty = ROUND_LOT * (1 + Math.floor(-Math.log(1 - prng.next()) * meanLots));
  }
}

function mixIn(means: Float64Array, slot: number, value: number): void {
  means[slot]! += MEAN_WEIGHT * (value - means[slot]!);
}
