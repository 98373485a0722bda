// Hot path: no allocation after start.
// Closed bars in, feature rows out: twelve features for each bar (catalogue.ts), computed once when the bar closes and then frozen.
// Recursive state (EMA, Wilder averages) is carried across bars and days for each stock, the VWAP within a day; rolling sums are
// taken afresh over the last 20 bars, so nothing drifts. Called by the pipeline on each closed bar; engines read the windows.
//
// Rules for poor data, so that every number in a window is finite:
// - A value that is not yet defined (catalogue: definedFromBar) is 0.
// - Nothing moved: RSI, %B, volume z-score, close location and imbalance are 0, as are the returns.
// - Volume 0 is a bar like any other; while a day has no volume its VWAP is the close.
// - A turnover that does not fit the bar (under half of low x volume, over twice high x volume, not a number) counts as typical
//   price x volume.
// - A bar that is out of order, not finite, or whose prices contradict each other is refused by code; nothing changes.

import type { Arena } from "../core/arena.ts";
import { assert, assertIndex } from "../core/assert.ts";
import { FEATURE_COUNT, WINDOW_BARS, WINDOW_ELEMS } from "../inference/engine.ts";
import { INSTRUMENT_CAPACITY } from "../market/instruments.ts";
import {
  BOLLINGER_DEVIATIONS,
  EMA_FAST_BARS,
  EMA_SIGNAL_BARS,
  EMA_SLOW_BARS,
  FEATURE_ATR_14,
  FEATURE_BOLLINGER_B,
  FEATURE_CLOSE_LOCATION,
  FEATURE_LOG_RETURN_1,
  FEATURE_LOG_RETURN_5,
  FEATURE_LOG_RETURN_20,
  FEATURE_LOG_VOLUME_Z,
  FEATURE_MACD_HISTOGRAM,
  FEATURE_RSI_14,
  FEATURE_VOLATILITY_20,
  FEATURE_VOLUME_IMBALANCE,
  FEATURE_VWAP_DEVIATION,
  READY_BARS,
  RETURN_BARS_LONG,
  RETURN_BARS_SHORT,
  ROLLING_BARS,
  WILDER_BARS,
} from "./catalogue.ts";

export const BAR_OK = 0;
/** Starts no later than the bar before it, or belongs to an earlier day. */
export const BAR_OUT_OF_ORDER = 1;
/** A price or volume is not finite, absurd, or contradicts another (low above close, ...). */
export const BAR_BAD_VALUE = 2;

/** One tick of 1/10,000 USD, and ten times the dearest share there is: between them no feature leaves the range of f32. */
const PX_USD_MIN = 1e-4;
const PX_USD_MAX = 1e7;
/** Shares; the busiest stock of all trades under 1e10 a day. */
const VOLUME_MAX = 1e12;

/** Rows are written twice, WINDOW_BARS apart, so that the newest 50 always lie side by side. */
const MIRRORED_ELEMS = 2 * WINDOW_ELEMS;

// Row of the state column, one for each instrument, f64 elements.
/** Bars taken so far. */
const BAR_COUNT = 0;
const LAST_START_US = 1;
const LAST_DAY = 2;
const CLOSE_PX = 3;
const EMA_FAST = 4;
const EMA_SLOW = 5;
const EMA_SIGNAL = 6;
/** Wilder averages, USD. */
const GAIN = 7;
const LOSS = 8;
const TRUE_RANGE = 9;
const DAY_TURNOVER_USD = 10;
const DAY_VOLUME = 11;
/** Row in the mirrored ring that the newest bar was written to, 0..WINDOW_BARS-1. */
const WINDOW_ROW = 12;
/** What a bar changes by its prices and volume: fields side by side, besides the newest entry of the history. */
const MOVING_FIRST = CLOSE_PX;
const MOVING_COUNT = DAY_VOLUME + 1 - CLOSE_PX;
/** History ring: HISTORY_BARS entries of HISTORY_FIELDS. */
const HISTORY = 16;
const HISTORY_LOG_RETURN = 0;
const HISTORY_CLOSE_PX = 1;
const HISTORY_LOG_VOLUME = 2;
const HISTORY_VOLUME = 3;
/** Volume with the sign of the log return. */
const HISTORY_SIGNED_VOLUME = 4;
const HISTORY_FIELDS = 5;
/** Power of two above the longest rolling window. */
const HISTORY_BARS = 32;
const HISTORY_MASK = HISTORY_BARS - 1;
const STATE_STRIDE = HISTORY + HISTORY_BARS * HISTORY_FIELDS;
assert(HISTORY_BARS >= ROLLING_BARS && ROLLING_BARS === RETURN_BARS_LONG, "the history holds the longest window");

/** Start times are kept for a whole window. Power of two. */
const START_RING = 64;
const START_MASK = START_RING - 1;
assert(START_RING >= WINDOW_BARS, "start times of a whole window are kept");

// Weight of the newest value in an average of n: 1/1, 1/2, ... 1/n, which is the plain mean of the first n, then the final weight.
const FAST_WEIGHTS = averageWeights(EMA_FAST_BARS, 2 / (EMA_FAST_BARS + 1));
const SLOW_WEIGHTS = averageWeights(EMA_SLOW_BARS, 2 / (EMA_SLOW_BARS + 1));
const SIGNAL_WEIGHTS = averageWeights(EMA_SIGNAL_BARS, 2 / (EMA_SIGNAL_BARS + 1));
const WILDER_WEIGHTS = averageWeights(WILDER_BARS, 1 / WILDER_BARS);
/** Bar with the first MACD line, and with the first histogram. */
const MACD_FROM_BAR = EMA_SLOW_BARS - 1;
const HISTOGRAM_FROM_BAR = MACD_FROM_BAR + EMA_SIGNAL_BARS - 1;

export interface FeatureOptions {
  /** [bars] include_overnight_return */
  readonly includeOvernightReturn: boolean;
}

export class FeatureEngine {
  readonly capacity: number;
  /** (instrument, 2 * 50, 12) raw rows, the newest 50 contiguous from windowOffset(slot). */
  readonly windows: Float32Array<ArrayBuffer>;
  /** (instrument, 12) newest row in full precision. */
  readonly lastRow: Float64Array<ArrayBuffer>;
  /** (instrument, 12) row of the forming bar as last previewed. */
  readonly formingRows: Float32Array<ArrayBuffer>;
  /** Bars refused since start, by reason. */
  outOfOrderBars = 0;
  badBars = 0;
  readonly #includeOvernightReturn: boolean;
  /** (instrument, STATE_STRIDE) see the constants above. */
  readonly #state: Float64Array;
  /** (instrument, START_RING) start of each bar, epoch us. */
  readonly #startUs: Float64Array;
  /** (instrument) see revision(). */
  readonly #revision: Float64Array;
  /** What a preview must leave as it was: the moving fields and an entry of the history; and the row it makes. */
  readonly #saved: Float64Array;
  readonly #previewRow: Float64Array;

  constructor(
    arena: Arena,
    capacity = INSTRUMENT_CAPACITY,
    options: FeatureOptions = { includeOvernightReturn: false },
  ) {
    this.capacity = capacity;
    this.#includeOvernightReturn = options.includeOvernightReturn;
    this.windows = arena.f32("features.windows", capacity * MIRRORED_ELEMS);
    this.lastRow = arena.f64("features.lastRow", capacity * FEATURE_COUNT);
    this.#state = arena.f64("features.state", capacity * STATE_STRIDE);
    this.#startUs = arena.f64("features.startUs", capacity * START_RING);
    this.#revision = arena.f64("features.revision", capacity);
    this.formingRows = arena.f32("features.formingRows", capacity * FEATURE_COUNT);
    this.#saved = arena.f64("features.saved", MOVING_COUNT + HISTORY_FIELDS);
    this.#previewRow = arena.f64("features.previewRow", FEATURE_COUNT);
    for (let slot = 0; slot < capacity; slot++) this.reset(slot);
  }

  /** Forgets an instrument: as if no bar had come. */
  reset(slot: number): void {
    assertIndex(slot, this.capacity, "instrument slot");
    // More than a bar: the window after is not the one before, moved by a row.
    this.#revision[slot]! += 2;
    this.#state.fill(0, slot * STATE_STRIDE, (slot + 1) * STATE_STRIDE);
    this.#state[slot * STATE_STRIDE + LAST_START_US] = Number.NEGATIVE_INFINITY;
    this.#state[slot * STATE_STRIDE + LAST_DAY] = Number.NEGATIVE_INFINITY;
    this.#state[slot * STATE_STRIDE + WINDOW_ROW] = WINDOW_BARS - 1;
    this.#startUs.fill(0, slot * START_RING, (slot + 1) * START_RING);
    this.formingRows.fill(0, slot * FEATURE_COUNT, (slot + 1) * FEATURE_COUNT);
    this.lastRow.fill(0, slot * FEATURE_COUNT, (slot + 1) * FEATURE_COUNT);
    this.windows.fill(0, slot * MIRRORED_ELEMS, (slot + 1) * MIRRORED_ELEMS);
  }

  /**
   * Adds the row of one closed bar.
   *
   * @param slot        instrument
   * @param volume      shares, 0 allowed
   * @param turnoverUsd sum of price x quantity; 0 where it is not known
   * @param startUs     start of the bar, epoch us; later than the bar before
   * @param dayNumber   trading day, any number that grows by day; a new one starts the VWAP afresh
   * @returns BAR_OK, or BAR_OUT_OF_ORDER or BAR_BAD_VALUE and then the bar is counted and nothing else has changed
   */
  closeBar(
    slot: number,
    openPx: number,
    highPx: number,
    lowPx: number,
    closePx: number,
    volume: number,
    turnoverUsd: number,
    startUs: number,
    dayNumber: number,
  ): number {
    assertIndex(slot, this.capacity, "instrument slot");
    const state = this.#state;
    const base = slot * STATE_STRIDE;
    const lastDay = state[base + LAST_DAY]!;
    if (!(startUs > state[base + LAST_START_US]! && dayNumber >= lastDay)) {
      this.outOfOrderBars += 1;
      return BAR_OUT_OF_ORDER;
    }
    if (!areGoodValues(openPx, highPx, lowPx, closePx, volume, dayNumber)) {
      this.badBars += 1;
      return BAR_BAD_VALUE;
    }

    const row = this.lastRow;
    const to = slot * FEATURE_COUNT;
    this.#advance(slot, highPx, lowPx, closePx, volume, turnoverUsd, dayNumber, row, to);
    const bar = state[base + BAR_COUNT]!;
    this.#revision[slot]! += 1;
    state[base + BAR_COUNT] = bar + 1;
    state[base + LAST_START_US] = startUs;
    state[base + LAST_DAY] = dayNumber;
    this.#startUs[slot * START_RING + (bar & START_MASK)] = startUs;

    const windows = this.windows;
    const lastWindowRow = state[base + WINDOW_ROW]!;
    const windowRow = lastWindowRow === WINDOW_BARS - 1 ? 0 : lastWindowRow + 1;
    state[base + WINDOW_ROW] = windowRow;
    const into = slot * MIRRORED_ELEMS + windowRow * FEATURE_COUNT;
    for (let feature = 0; feature < FEATURE_COUNT; feature++) {
      const value = row[to + feature]!;
      windows[into + feature] = value;
      windows[into + WINDOW_ELEMS + feature] = value;
    }
    return BAR_OK;
  }

  /**
   * Leaves in `formingRows` the row that the forming bar would add if it closed now. Nothing else changes, however often it is
   * asked; the bar is frozen by `closeBar` alone.
   *
   * @returns BAR_OK, or BAR_OUT_OF_ORDER (an earlier day) or BAR_BAD_VALUE and then the row is as it was; parameters as for `closeBar`
   */
  previewBar(
    slot: number,
    openPx: number,
    highPx: number,
    lowPx: number,
    closePx: number,
    volume: number,
    turnoverUsd: number,
    dayNumber: number,
  ): number {
    const state = this.#state;
    const base = slot * STATE_STRIDE;
    if (!(dayNumber >= this.#at(slot, LAST_DAY))) return BAR_OUT_OF_ORDER;
    if (!areGoodValues(openPx, highPx, lowPx, closePx, volume, dayNumber)) return BAR_BAD_VALUE;
    const saved = this.#saved;
    const moving = base + MOVING_FIRST;
    const entry = base + HISTORY + (state[base + BAR_COUNT]! & HISTORY_MASK) * HISTORY_FIELDS;
    for (let i = 0; i < MOVING_COUNT; i++) saved[i] = state[moving + i]!;
    for (let i = 0; i < HISTORY_FIELDS; i++) saved[MOVING_COUNT + i] = state[entry + i]!;
    const row = this.#previewRow;
    this.#advance(slot, highPx, lowPx, closePx, volume, turnoverUsd, dayNumber, row, 0);
    for (let i = 0; i < MOVING_COUNT; i++) state[moving + i] = saved[i]!;
    for (let i = 0; i < HISTORY_FIELDS; i++) state[entry + i] = saved[MOVING_COUNT + i]!;
    const to = slot * FEATURE_COUNT;
    for (let feature = 0; feature < FEATURE_COUNT; feature++) this.formingRows[to + feature] = row[feature]!;
    return BAR_OK;
  }

  /** Moves averages and history on by one good bar, and writes its row to `row` from `to`. */
  #advance(
    slot: number,
    highPx: number,
    lowPx: number,
    closePx: number,
    volume: number,
    turnoverUsd: number,
    dayNumber: number,
    row: Float64Array,
    to: number,
  ): void {
    const state = this.#state;
    const base = slot * STATE_STRIDE;
    const bar = state[base + BAR_COUNT]!;
    const previousPx = bar > 0 ? state[base + CLOSE_PX]! : closePx;
    const isNewDay = dayNumber !== state[base + LAST_DAY]!;
    state[base + CLOSE_PX] = closePx;

    // The day's VWAP.
    const isTurnoverGood = turnoverUsd >= 0.5 * lowPx * volume && turnoverUsd <= 2 * highPx * volume;
    const barTurnoverUsd = isTurnoverGood ? turnoverUsd : ((highPx + lowPx + closePx) / 3) * volume;
    const dayTurnoverUsd = (isNewDay ? 0 : state[base + DAY_TURNOVER_USD]!) + barTurnoverUsd;
    const dayVolume = (isNewDay ? 0 : state[base + DAY_VOLUME]!) + volume;
    state[base + DAY_TURNOVER_USD] = dayTurnoverUsd;
    state[base + DAY_VOLUME] = dayVolume;

    // Moving averages: A += weight * (x - A).
    const emaFast =
      state[base + EMA_FAST]! + FAST_WEIGHTS[Math.min(bar, EMA_FAST_BARS)]! * (closePx - state[base + EMA_FAST]!);
    const emaSlow =
      state[base + EMA_SLOW]! + SLOW_WEIGHTS[Math.min(bar, EMA_SLOW_BARS)]! * (closePx - state[base + EMA_SLOW]!);
    state[base + EMA_FAST] = emaFast;
    state[base + EMA_SLOW] = emaSlow;
    let histogramPx = 0;
    if (bar >= MACD_FROM_BAR) {
      const line = emaFast - emaSlow;
      const lines = bar - MACD_FROM_BAR;
      const emaSignal =
        state[base + EMA_SIGNAL]! +
        SIGNAL_WEIGHTS[Math.min(lines, EMA_SIGNAL_BARS)]! * (line - state[base + EMA_SIGNAL]!);
      state[base + EMA_SIGNAL] = emaSignal;
      if (bar >= HISTOGRAM_FROM_BAR) histogramPx = line - emaSignal;
    }
    let strength = 0;
    let atrPx = 0;
    if (bar > 0) {
      const weight = WILDER_WEIGHTS[bar <= WILDER_BARS ? bar - 1 : WILDER_BARS]!;
      const change = closePx - previousPx;
      const gain = state[base + GAIN]! + weight * (Math.max(change, 0) - state[base + GAIN]!);
      const loss = state[base + LOSS]! + weight * ((change < 0 ? -change : 0) - state[base + LOSS]!);
      const trueRangePx = Math.max(highPx, previousPx) - Math.min(lowPx, previousPx);
      const range = state[base + TRUE_RANGE]! + weight * (trueRangePx - state[base + TRUE_RANGE]!);
      state[base + GAIN] = gain;
      state[base + LOSS] = loss;
      state[base + TRUE_RANGE] = range;
      if (bar >= WILDER_BARS) {
        strength = gain + loss > 0 ? (gain - loss) / (gain + loss) : 0;
        atrPx = range;
      }
    }

    // History, then the rolling windows over it.
    const logReturn = bar === 0 || (isNewDay && !this.#includeOvernightReturn) ? 0 : Math.log(closePx / previousPx);
    const logVolume = Math.log1p(volume);
    const history = base + HISTORY;
    const newest = history + (bar & HISTORY_MASK) * HISTORY_FIELDS;
    state[newest + HISTORY_LOG_RETURN] = logReturn;
    state[newest + HISTORY_CLOSE_PX] = closePx;
    state[newest + HISTORY_LOG_VOLUME] = logVolume;
    state[newest + HISTORY_VOLUME] = volume;
    state[newest + HISTORY_SIGNED_VOLUME] = logReturn > 0 ? volume : logReturn < 0 ? -volume : 0;

    let return5 = 0;
    let return20 = 0;
    let squares = 0;
    let volumeSum = 0;
    let signedVolumeSum = 0;
    // Sums of differences from the newest value. That value is in the window, so sum(d^2) / n is at most n + 1 times the
    // variance and nothing cancels; and where all values are the same, the variance is exactly 0.
    let pxDiff = 0;
    let pxDiff2 = 0;
    let logVolumeDiff = 0;
    let logVolumeDiff2 = 0;
    for (let ago = 0; ago < ROLLING_BARS; ago++) {
      const at = history + ((bar - ago) & HISTORY_MASK) * HISTORY_FIELDS;
      const r = state[at + HISTORY_LOG_RETURN]!;
      if (ago < RETURN_BARS_SHORT) return5 += r;
      return20 += r;
      squares += r * r;
      const px = state[at + HISTORY_CLOSE_PX]! - closePx;
      pxDiff += px;
      pxDiff2 += px * px;
      const lv = state[at + HISTORY_LOG_VOLUME]! - logVolume;
      logVolumeDiff += lv;
      logVolumeDiff2 += lv * lv;
      volumeSum += state[at + HISTORY_VOLUME]!;
      signedVolumeSum += state[at + HISTORY_SIGNED_VOLUME]!;
    }

    row[to + FEATURE_LOG_RETURN_1] = logReturn;
    row[to + FEATURE_LOG_RETURN_5] = bar >= RETURN_BARS_SHORT ? return5 : 0;
    const isLongDefined = bar >= RETURN_BARS_LONG;
    row[to + FEATURE_LOG_RETURN_20] = isLongDefined ? return20 : 0;
    row[to + FEATURE_VOLATILITY_20] = isLongDefined ? Math.sqrt(squares / ROLLING_BARS) : 0;
    row[to + FEATURE_RSI_14] = strength;
    row[to + FEATURE_MACD_HISTOGRAM] = histogramPx / closePx;
    const isRollingFull = bar >= ROLLING_BARS - 1;
    row[to + FEATURE_BOLLINGER_B] = isRollingFull ? zScore(pxDiff, pxDiff2) / (2 * BOLLINGER_DEVIATIONS) : 0;
    row[to + FEATURE_ATR_14] = atrPx / closePx;
    row[to + FEATURE_VWAP_DEVIATION] = dayTurnoverUsd > 0 ? (closePx * dayVolume) / dayTurnoverUsd - 1 : 0;
    row[to + FEATURE_LOG_VOLUME_Z] = isRollingFull ? zScore(logVolumeDiff, logVolumeDiff2) : 0;
    row[to + FEATURE_CLOSE_LOCATION] = highPx > lowPx ? (2 * closePx - highPx - lowPx) / (highPx - lowPx) : 0;
    row[to + FEATURE_VOLUME_IMBALANCE] = isLongDefined && volumeSum > 0 ? signedVolumeSum / volumeSum : 0;
  }

  /** Element in `windows` of the oldest bar of the newest 50; rows before the first bar are 0. */
  windowOffset(slot: number): number {
    return slot * MIRRORED_ELEMS + (this.#at(slot, WINDOW_ROW) + 1) * FEATURE_COUNT;
  }

  /** Which window this is: grows by 1 with each bar taken, by 2 with a reset, so that no two windows of a stock have the same. */
  revision(slot: number): number {
    assertIndex(slot, this.capacity, "instrument slot");
    return this.#revision[slot]!;
  }

  /** Bars taken since start or reset. */
  barCount(slot: number): number {
    return this.#at(slot, BAR_COUNT);
  }

  /** Whether all 50 rows are defined in all twelve features: READY_BARS bars have come. */
  isReady(slot: number): boolean {
    return this.#at(slot, BAR_COUNT) >= READY_BARS;
  }

  /** Start of the oldest bar in the window, or of the first bar while there are fewer than 50; epoch us, 0 before any. */
  oldestBarStartUs(slot: number): number {
    const bars = this.#at(slot, BAR_COUNT);
    if (bars === 0) return 0;
    return this.#startUs[slot * START_RING + ((bars > WINDOW_BARS ? bars - WINDOW_BARS : 0) & START_MASK)]!;
  }

  /** Start of the newest bar, epoch us; -Infinity before any. */
  lastBarStartUs(slot: number): number {
    return this.#at(slot, LAST_START_US);
  }

  /** Close of the newest bar, USD; 0 before any. */
  closePx(slot: number): number {
    return this.#at(slot, CLOSE_PX);
  }

  /** Average true range over 14 bars, USD; 0 until it is defined. */
  atrPx(slot: number): number {
    return this.#at(slot, BAR_COUNT) > WILDER_BARS ? this.#at(slot, TRUE_RANGE) : 0;
  }

  /** The day's volume-weighted average price, USD; the close while nothing has traded, 0 before any bar. */
  vwapPx(slot: number): number {
    const dayTurnoverUsd = this.#at(slot, DAY_TURNOVER_USD);
    return dayTurnoverUsd > 0 ? dayTurnoverUsd / this.#at(slot, DAY_VOLUME) : this.#at(slot, CLOSE_PX);
  }

  /** Realised volatility of a bar over the last 20, log return; 0 until it is defined. */
  volPerBar(slot: number): number {
    assertIndex(slot, this.capacity, "instrument slot");
    return this.lastRow[slot * FEATURE_COUNT + FEATURE_VOLATILITY_20]!;
  }

  /** Log return of the bar `barsAgo` before the newest (0 is the newest, at most 31); 0 where there was none. */
  barLogReturn(slot: number, barsAgo: number): number {
    assertIndex(barsAgo, HISTORY_BARS, "bars ago");
    const index = (this.#at(slot, BAR_COUNT) - 1 - barsAgo) & HISTORY_MASK;
    return this.#at(slot, HISTORY + index * HISTORY_FIELDS + HISTORY_LOG_RETURN);
  }

  #at(slot: number, field: number): number {
    assertIndex(slot, this.capacity, "instrument slot");
    return this.#state[slot * STATE_STRIDE + field]!;
  }
}

/** Whether a bar can be one. Written so that a NaN fails. */
function areGoodValues(
  openPx: number,
  highPx: number,
  lowPx: number,
  closePx: number,
  volume: number,
  dayNumber: number,
): boolean {
  return (
    lowPx >= PX_USD_MIN &&
    highPx <= PX_USD_MAX &&
    openPx >= lowPx &&
    openPx <= highPx &&
    closePx >= lowPx &&
    closePx <= highPx &&
    volume >= 0 &&
    volume <= VOLUME_MAX &&
    dayNumber < Number.POSITIVE_INFINITY
  );
}

/** Deviations of the newest value from the mean, from sums of differences and their squares; 0 where all are the same. */
function zScore(diffSum: number, diffSquareSum: number): number {
  const mean = diffSum / ROLLING_BARS;
  const variance = diffSquareSum / ROLLING_BARS - mean * mean;
  return variance > 0 ? -mean / Math.sqrt(variance) : 0;
}

// hot-ok: once, for the constructor
function averageWeights(bars: number, finalWeight: number): Float64Array {
  const weights = new Float64Array(bars + 1);
  for (let i = 0; i < bars; i++) weights[i] = 1 / (i + 1);
  weights[bars] = finalWeight;
  return weights;
}
