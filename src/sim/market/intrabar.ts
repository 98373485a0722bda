// Trades inside one recorded minute bar: a seeded path that starts at the open, touches the high and the low, ends at the
// close and, before it has ended, says nothing about where it will end (docs/simulation.md has the argument).
//
// The price rests at the open, then at most at one further level, then at the close. Extremes at which it does not rest are
// printed a few milliseconds before the close level is reached. A resting level is an extreme outside open..close, from which
// the rest of the bar is a reversal, or a level strictly between them, from which it is a continuation; how often each is
// used is calibrated so that the two cancel at every distance from the open. Called once per bar by the tape.

import { assert } from "../../core/assert.ts";
import { pxIncrementTicks } from "../../core/fixed-point.ts";
import { hashString, type Prng } from "../../core/prng.ts";
import type { DayBars } from "../../market/flat-file.ts";

export const MINUTE_US = 60_000_000;

/** Last moment for a paced trade; the touches just before the close level and the ties after it need the rest. */
const PACED_US_MAX = MINUTE_US - 40_000;
/** Latest first trade of a bar whose symbol traded in the minute before, and of one that did not. */
const FIRST_TRADE_BUSY_US_MAX = 6_000_000;
const FIRST_TRADE_QUIET_US_MAX = 45_000_000;
/** A touch of an extreme lasts 1 to 3 ms: shorter than any order can arrive in the market (orders take 20 ms by default). */
const TOUCH_US_MIN = 1_000;
const TOUCH_US_SPAN = 2_000;

/** Classes of distance, in price increments: 1, 2, 3, 4, 5-8, 9-16, and so on; the last holds everything above 16,384. */
const DISTANCE_CLASS_COUNT = 16;
/** Cells of one symbol: distance from the open by distance to the close. */
const CELL_COUNT = DISTANCE_CLASS_COUNT * DISTANCE_CLASS_COUNT;
/** Levels of one bar that the calibration looks at; of more, evenly spread ones. */
const LEVELS_COUNTED_MAX = 64;

/** How often a level that could be rested at is, by symbol and cell. */
export interface IntrabarCalibration {
  /** (symbol, cell) probability, 0..1, of resting at an extreme outside open..close. */
  readonly extremeRestProb: Float32Array;
  /** (symbol, cell) probability, 0..1, of resting at a level strictly between open and close. */
  readonly betweenRestProb: Float32Array;
}

/** Class of a distance in price increments, at least 1. */
export function distanceClass(increments: number): number {
  if (increments <= 4) return Math.max(0, Math.ceil(increments) - 1);
  return Math.min(DISTANCE_CLASS_COUNT - 1, Math.ceil(Math.log2(increments)) + 1);
}

/** Seed of one minute of one symbol, from nothing else. */
export function minuteSeed(seed: number, symbolHash: number, startUs: number): number {
  const minute = Math.floor(startUs / MINUTE_US);
  return (
    (Math.imul(seed ^ 0x5bd1e995, 0x9e3779b1) ^ Math.imul(symbolHash, 0x85ebca6b) ^ Math.imul(minute, 0xc2b2ae35)) >>> 0
  );
}

/** The symbol's part of `minuteSeed`. */
export function symbolSeedHash(symbol: string): number {
  return hashString(`intrabar/${symbol}`);
}

/** Which levels of a bar the path may rest at; shared by the generator and the calibration so that they cannot disagree. */
class RestCandidates {
  touchesHigh = false;
  touchesLow = false;
  /** Extremes outside open..close that get a trade. */
  touchCount = 0;
  /** Whether a level strictly between open and close may get a trade. */
  hasBetween = false;
  count = 0;
  increment = 1;

  /** `lowFirst` chooses the one extreme that is touched where there is room for one only. */
  read(open: number, high: number, low: number, close: number, tradeCountMax: number, lowFirst: boolean): void {
    const room = tradeCountMax - 2;
    this.increment = pxIncrementTicks(Math.min(open, close));
    this.touchesHigh = high > Math.max(open, close) && room > 0;
    this.touchesLow = low < Math.min(open, close) && room > 0;
    if (this.touchesHigh && this.touchesLow && room === 1) {
      this.touchesHigh = !lowFirst;
      this.touchesLow = lowFirst;
    }
    this.touchCount = (this.touchesHigh ? 1 : 0) + (this.touchesLow ? 1 : 0);
    this.hasBetween = room > this.touchCount && betweenCount(open, close, this.increment) > 0;
    this.count = this.touchCount + (this.hasBetween ? 1 : 0);
  }
}

/** Levels strictly between open and close, one increment apart. */
function betweenCount(open: number, close: number, increment: number): number {
  return Math.max(0, Math.ceil(Math.abs(close - open) / increment) - 1);
}

/** Trades that fit in a bar: a trade has at least one share. */
function tradeCountLimit(volume: number, tradesPerMinuteMax: number): number {
  return Math.min(tradesPerMinuteMax, Math.floor(volume));
}

/**
 * Balances reversal against continuation over the bars of a day. For every symbol, distance from the open and distance to
 * the close, as many bars rest at an extreme outside open..close (from where the price turns back) as at a level between
 * them (from where it goes on): what is still to come is then as likely up as down, by any amount. The
 * probabilities are the same for rising and falling bars, so they carry no direction.
 */
export function calibrateIntrabar(day: DayBars, tradesPerMinuteMax: number): IntrabarCalibration {
  const cells = day.symbols.length * CELL_COUNT;
  const extreme = new Float64Array(cells);
  const between = new Float64Array(cells);
  const candidates = new RestCandidates();
  for (let symbol = 0; symbol < day.symbols.length; symbol++) {
    const base = symbol * CELL_COUNT;
    const end = day.firstRow[symbol]! + day.rowCount[symbol]!;
    for (let row = day.firstRow[symbol]!; row < end; row++) {
      countBar(day, row, base, tradesPerMinuteMax, candidates, extreme, between);
    }
  }
  const extremeRestProb = new Float32Array(cells);
  const betweenRestProb = new Float32Array(cells);
  for (let cell = 0; cell < cells; cell++) {
    const balanced = Math.min(extreme[cell]!, between[cell]!);
    if (balanced === 0) continue;
    extremeRestProb[cell] = balanced / extreme[cell]!;
    betweenRestProb[cell] = balanced / between[cell]!;
  }
  return { extremeRestProb, betweenRestProb };
}

/** Cell of a resting level within a symbol: how far it is from the open, and how far the close is from it. */
function restCell(fromOpenIncrements: number, toCloseIncrements: number): number {
  return distanceClass(fromOpenIncrements) * DISTANCE_CLASS_COUNT + distanceClass(toCloseIncrements);
}

/** Counts one bar's candidate levels, weighted by the chance that each is the one drawn. */
function countBar(
  day: DayBars,
  row: number,
  base: number,
  tradesPerMinuteMax: number,
  candidates: RestCandidates,
  extreme: Float64Array,
  between: Float64Array,
): void {
  const open = day.openPxTicks[row]!;
  const high = day.highPxTicks[row]!;
  const low = day.lowPxTicks[row]!;
  const close = day.closePxTicks[row]!;
  const limit = tradeCountLimit(day.volume[row]!, tradesPerMinuteMax);
  if (high === low || limit < 3) return;
  // Both answers to "which extreme first" are equally likely.
  for (let lowFirst = 0; lowFirst < 2; lowFirst++) {
    candidates.read(open, high, low, close, limit, lowFirst === 1);
    const increment = candidates.increment;
    const weight = 0.5 / candidates.count;
    if (candidates.touchesHigh)
      extreme[base + restCell((high - open) / increment, (high - close) / increment)]! += weight;
    if (candidates.touchesLow) extreme[base + restCell((open - low) / increment, (close - low) / increment)]! += weight;
    if (candidates.hasBetween) countBetween(open, close, increment, weight, base, between);
  }
}

/** Every level between is equally likely; of many, an evenly spread part stands for all. */
function countBetween(
  open: number,
  close: number,
  increment: number,
  weight: number,
  base: number,
  between: Float64Array,
): void {
  const levels = betweenCount(open, close, increment);
  const distance = Math.abs(close - open) / increment;
  const counted = Math.min(levels, LEVELS_COUNTED_MAX);
  for (let i = 0; i < counted; i++) {
    const level = 1 + Math.floor(((i + 0.5) * levels) / counted);
    between[base + restCell(level, distance - level)]! += weight / counted;
  }
}

/** The trades of one bar, in reused columns. */
export class IntrabarPath {
  readonly #tradesPerMinuteMax: number;
  readonly #candidates = new RestCandidates();
  readonly #extraUs: Float64Array;
  readonly #weights: Float64Array;
  /** Trades of the bar drawn last. */
  count = 0;
  /** (trade) time since the start of the minute, us, whole and increasing. */
  readonly offsetUs: Float64Array;
  /** (trade) ticks. */
  readonly pxTicks: Float64Array;
  /** (trade) shares. */
  readonly qty: Float64Array;

  constructor(tradesPerMinuteMax: number) {
    assert(tradesPerMinuteMax >= 2, `at least 2 trades a minute, was ${tradesPerMinuteMax}`);
    this.#tradesPerMinuteMax = tradesPerMinuteMax;
    this.#extraUs = new Float64Array(tradesPerMinuteMax);
    this.#weights = new Float64Array(tradesPerMinuteMax);
    this.offsetUs = new Float64Array(tradesPerMinuteMax);
    this.pxTicks = new Float64Array(tradesPerMinuteMax);
    this.qty = new Float64Array(tradesPerMinuteMax);
  }

  /**
   * Draws the trades of row `row` of `day`, whose symbol has index `symbol`; `prng` is the minute's own.
   * A bar without volume makes none; one with a single share makes one, at the close.
   *
   * @param isBusy whether the symbol also traded in the minute before
   * @returns the number of trades
   */
  draw(
    day: DayBars,
    row: number,
    symbol: number,
    calibration: IntrabarCalibration,
    isBusy: boolean,
    prng: Prng,
  ): number {
    const volume = day.volume[row]!;
    const limit = tradeCountLimit(volume, this.#tradesPerMinuteMax);
    this.count = 0;
    if (limit < 1) return 0;
    const firstUs = 1 + Math.floor(prng.next() * (isBusy ? FIRST_TRADE_BUSY_US_MAX : FIRST_TRADE_QUIET_US_MAX));
    if (limit === 1) {
      this.#put(firstUs, day.closePxTicks[row]!);
    } else {
      this.#drawPrices(day, row, calibration, symbol * CELL_COUNT, limit, firstUs, prng);
    }
    this.#splitVolume(volume, prng);
    return this.count;
  }

  #drawPrices(
    day: DayBars,
    row: number,
    calibration: IntrabarCalibration,
    base: number,
    limit: number,
    firstUs: number,
    prng: Prng,
  ): void {
    const open = day.openPxTicks[row]!;
    const high = day.highPxTicks[row]!;
    const low = day.lowPxTicks[row]!;
    const close = day.closePxTicks[row]!;
    const candidates = this.#candidates;
    // Every draw is made for every bar, used or not: what a bar is like does not shift the draws that follow.
    const lowFirst = prng.next() < 0.5;
    const pick = prng.next();
    const restDraw = prng.next();
    const levelDraw = prng.next();
    const u = prng.next();
    const v = prng.next();
    candidates.read(open, high, low, close, limit, lowFirst);

    let rest = Number.NaN;
    const picked = Math.floor(pick * candidates.count);
    if (candidates.count > 0) {
      const isBetween = picked >= candidates.touchCount;
      const level = isBetween
        ? betweenLevel(open, close, candidates.increment, levelDraw)
        : picked === 0 && candidates.touchesHigh
          ? high
          : low;
      const cell =
        base + restCell(Math.abs(level - open) / candidates.increment, Math.abs(close - level) / candidates.increment);
      const prob = isBetween ? calibration.betweenRestProb[cell]! : calibration.extremeRestProb[cell]!;
      if (restDraw < prob) rest = level;
    }

    const spanUs = PACED_US_MAX - firstUs;
    const restUs = firstUs + 1 + Math.floor(Math.min(u, v) * spanUs);
    const closeUs = firstUs + 2 + Math.floor(Math.max(u, v) * spanUs);
    const isRestBetween = !Number.isNaN(rest) && rest !== high && rest !== low;
    const extraCount = this.#drawExtras(
      day.volume[row]!,
      limit - 2 - candidates.touchCount - (isRestBetween ? 1 : 0),
      firstUs,
      prng,
    );

    this.#put(firstUs, open);
    let extra = 0;
    if (!Number.isNaN(rest)) {
      extra = this.#putExtras(extra, extraCount, restUs, 0, open);
      this.#put(restUs, rest);
    }
    extra = this.#putExtras(extra, extraCount, closeUs, 0, Number.isNaN(rest) ? open : rest);
    const burstStartUs = Math.max(closeUs, this.offsetUs[this.count - 1]! + 1);
    let touchUs = burstStartUs;
    for (let i = 0; i < 2; i++) {
      const isHigh = (i === 0) !== lowFirst;
      const gapUs = TOUCH_US_MIN + Math.floor(prng.next() * TOUCH_US_SPAN);
      const level = isHigh ? high : low;
      if ((isHigh ? candidates.touchesHigh : candidates.touchesLow) && level !== rest) {
        this.#put(touchUs, level);
        touchUs += gapUs;
      }
    }
    this.#put(touchUs, close);
    this.#putExtras(extra, extraCount, Number.POSITIVE_INFINITY, touchUs - burstStartUs, close);
  }

  /** Times of further trades at whatever the price is then, sorted; more of them the larger the volume. */
  #drawExtras(volume: number, room: number, firstUs: number, prng: Prng): number {
    const busyFrac = Math.min(1, Math.log2(1 + volume / 100) / 8);
    const count = Math.min(room, Math.floor(prng.next() * (1 + (this.#tradesPerMinuteMax - 2) * busyFrac)));
    const times = this.#extraUs;
    for (let i = 0; i < count; i++) {
      const atUs = firstUs + 1 + Math.floor(prng.next() * (PACED_US_MAX - firstUs));
      let at = i;
      while (at > 0 && times[at - 1]! > atUs) {
        times[at] = times[at - 1]!;
        at--;
      }
      times[at] = atUs;
    }
    return count;
  }

  /** Prints the extras before `untilUs` at `px`, `shiftUs` later than drawn; returns the index of the next. */
  #putExtras(from: number, count: number, untilUs: number, shiftUs: number, px: number): number {
    let i = from;
    while (i < count && this.#extraUs[i]! < untilUs) this.#put(this.#extraUs[i++]! + shiftUs, px);
    return i;
  }

  /** Appends a trade, at least a microsecond after the one before. */
  #put(atUs: number, px: number): void {
    const at = this.count++;
    this.offsetUs[at] = at > 0 ? Math.max(atUs, this.offsetUs[at - 1]! + 1) : atUs;
    this.pxTicks[at] = px;
  }

  /** Splits the volume by exponential weights, in round lots where there are enough, every trade at least one share. */
  #splitVolume(volume: number, prng: Prng): void {
    const count = this.count;
    const shares = Math.floor(volume);
    const lot = shares >= 100 * count ? 100 : 1;
    const spare = Math.floor(shares / lot) - count;
    let weightSum = 0;
    for (let i = 0; i < count; i++) {
      const weight = -Math.log(1 - prng.next());
      this.#weights[i] = weight;
      weightSum += weight;
    }
    let given = 0;
    for (let i = 0; i < count; i++) {
      const lots = 1 + (weightSum > 0 ? Math.floor((spare * this.#weights[i]!) / weightSum) : 0);
      this.qty[i] = lots * lot;
      given += lots * lot;
    }
    this.qty[prng.nextInt(count)]! += shares - given;
  }
}

/** One of the levels strictly between open and close, uniformly, going from the open. */
function betweenLevel(open: number, close: number, increment: number, draw: number): number {
  const steps = 1 + Math.floor(draw * betweenCount(open, close, increment));
  return open + Math.sign(close - open) * steps * increment;
}
