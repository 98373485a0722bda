// Hot path: no allocation after start.
// Closed or forming bars in, records for shaders/features.wgsl out: a bar with the recursive state before it, computed in float64
// and rounded once to f32. The head of the shader says what a record holds and why prices are differences from the close.
//
// The state moves on when the next bar comes, not when its own does, so the newest bar can be given again as it forms.

import { assert, assertIndex } from "../../core/assert.ts";
import { EMA_FAST_BARS, EMA_SIGNAL_BARS, EMA_SLOW_BARS, WILDER_BARS } from "../../features/catalogue.ts";

/** f32 elements of a record, and of an inbox entry: stock, index of the bar and two spare, then the record. */
export const RECORD_ELEMS = 16;
export const ENTRY_HEAD_ELEMS = 4;
export const ENTRY_ELEMS = ENTRY_HEAD_ELEMS + RECORD_ELEMS;

/** Bars of a stock on the GPU, as in the shader. A power of two above the 69 that a window looks back on. */
export const RING_BARS = 128;

// Row of the state column, one for each stock, f64 elements. State before the newest bar:
/** Bars so far, the newest included. */
const BAR_COUNT = 0;
const PREVIOUS_CLOSE_PX = 1;
const PREVIOUS_DAY = 2;
const EMA_FAST = 3;
const EMA_SLOW = 4;
const EMA_SIGNAL = 5;
const GAIN = 6;
const LOSS = 7;
const TRUE_RANGE = 8;
const DAY_TURNOVER_USD = 9;
const DAY_VOLUME = 10;
// The newest bar:
const HIGH_PX = 11;
const LOW_PX = 12;
const CLOSE_PX = 13;
const VOLUME = 14;
const TURNOVER_USD = 15;
const DAY = 16;
const STATE_STRIDE = 17;

const MACD_FROM_BAR = EMA_SLOW_BARS - 1;

export class BarRecords {
  readonly capacity: number;
  /** (stock, ENTRY_ELEMS) what goes up for each stock; the head as u32 in `heads`, the same memory. */
  readonly entries: Float32Array<ArrayBuffer>;
  readonly heads: Uint32Array<ArrayBuffer>;
  readonly #includeOvernightReturn: boolean;
  /** (stock, STATE_STRIDE) see the constants above. */
  readonly #state: Float64Array;

  constructor(capacity: number, includeOvernightReturn: boolean) {
    this.capacity = capacity;
    this.#includeOvernightReturn = includeOvernightReturn;
    this.entries = new Float32Array(capacity * ENTRY_ELEMS);
    this.heads = new Uint32Array(this.entries.buffer);
    this.#state = new Float64Array(capacity * STATE_STRIDE);
    for (let slot = 0; slot < capacity; slot++) this.heads[slot * ENTRY_ELEMS] = slot;
  }

  /** Forgets a stock: as if no bar had come. */
  reset(slot: number): void {
    assertIndex(slot, this.capacity, "stock slot");
    this.#state.fill(0, slot * STATE_STRIDE, (slot + 1) * STATE_STRIDE);
  }

  /** Bars so far. */
  barCount(slot: number): number {
    assertIndex(slot, this.capacity, "stock slot");
    return this.#state[slot * STATE_STRIDE + BAR_COUNT]!;
  }

  /**
   * The next bar of a stock. Prices and volume as FeatureEngine.closeBar takes them: what it refuses must not come here.
   *
   * @param turnoverUsd sum of price x quantity; typical price x volume is taken where it does not fit the bar
   * @param dayNumber   trading day; a new one starts the VWAP afresh
   */
  push(
    slot: number,
    highPx: number,
    lowPx: number,
    closePx: number,
    volume: number,
    turnoverUsd: number,
    dayNumber: number,
  ): void {
    assertIndex(slot, this.capacity, "stock slot");
    const base = slot * STATE_STRIDE;
    if (this.#state[base + BAR_COUNT]! > 0) this.#advance(base);
    this.#state[base + BAR_COUNT]! += 1;
    this.replace(slot, highPx, lowPx, closePx, volume, turnoverUsd, dayNumber);
  }

  /** The newest bar of a stock as it is now. */
  replace(
    slot: number,
    highPx: number,
    lowPx: number,
    closePx: number,
    volume: number,
    turnoverUsd: number,
    dayNumber: number,
  ): void {
    const state = this.#state;
    const base = slot * STATE_STRIDE;
    assert(state[base + BAR_COUNT]! > 0, "a bar is pushed before it is replaced");
    // Written so that a NaN fails.
    assert(lowPx > 0 && highPx >= closePx && closePx >= lowPx && volume >= 0, "a bar that the features took");
    state[base + HIGH_PX] = highPx;
    state[base + LOW_PX] = lowPx;
    state[base + CLOSE_PX] = closePx;
    state[base + VOLUME] = volume;
    const isTurnoverGood = turnoverUsd >= 0.5 * lowPx * volume && turnoverUsd <= 2 * highPx * volume;
    state[base + TURNOVER_USD] = isTurnoverGood ? turnoverUsd : ((highPx + lowPx + closePx) / 3) * volume;
    state[base + DAY] = dayNumber;
    this.#record(slot);
  }

  /** Takes the newest bar into the state. */
  #advance(base: number): void {
    const state = this.#state;
    const bar = state[base + BAR_COUNT]! - 1;
    const closePx = state[base + CLOSE_PX]!;
    const fast =
      state[base + EMA_FAST]! +
      averageWeight(bar, EMA_FAST_BARS, 2 / (EMA_FAST_BARS + 1)) * (closePx - state[base + EMA_FAST]!);
    const slow =
      state[base + EMA_SLOW]! +
      averageWeight(bar, EMA_SLOW_BARS, 2 / (EMA_SLOW_BARS + 1)) * (closePx - state[base + EMA_SLOW]!);
    state[base + EMA_FAST] = fast;
    state[base + EMA_SLOW] = slow;
    if (bar >= MACD_FROM_BAR) {
      const weight = averageWeight(bar - MACD_FROM_BAR, EMA_SIGNAL_BARS, 2 / (EMA_SIGNAL_BARS + 1));
      state[base + EMA_SIGNAL]! += weight * (fast - slow - state[base + EMA_SIGNAL]!);
    }
    if (bar > 0) {
      const previousPx = state[base + PREVIOUS_CLOSE_PX]!;
      const weight = averageWeight(bar - 1, WILDER_BARS, 1 / WILDER_BARS);
      const change = closePx - previousPx;
      const trueRangePx = Math.max(state[base + HIGH_PX]!, previousPx) - Math.min(state[base + LOW_PX]!, previousPx);
      state[base + GAIN]! += weight * (Math.max(change, 0) - state[base + GAIN]!);
      state[base + LOSS]! += weight * (Math.max(-change, 0) - state[base + LOSS]!);
      state[base + TRUE_RANGE]! += weight * (trueRangePx - state[base + TRUE_RANGE]!);
    }
    const isSameDay = bar > 0 && state[base + DAY]! === state[base + PREVIOUS_DAY]!;
    state[base + DAY_TURNOVER_USD] = (isSameDay ? state[base + DAY_TURNOVER_USD]! : 0) + state[base + TURNOVER_USD]!;
    state[base + DAY_VOLUME] = (isSameDay ? state[base + DAY_VOLUME]! : 0) + state[base + VOLUME]!;
    state[base + PREVIOUS_DAY] = state[base + DAY]!;
    state[base + PREVIOUS_CLOSE_PX] = closePx;
  }

  #record(slot: number): void {
    const state = this.#state;
    const base = slot * STATE_STRIDE;
    const bar = state[base + BAR_COUNT]! - 1;
    const closePx = state[base + CLOSE_PX]!;
    const volume = state[base + VOLUME]!;
    const isSameDay = bar > 0 && state[base + DAY]! === state[base + PREVIOUS_DAY]!;
    const dayVolume = isSameDay ? state[base + DAY_VOLUME]! : 0;
    const dayTurnoverUsd = isSameDay ? state[base + DAY_TURNOVER_USD]! : 0;
    const isReturnCounted = bar > 0 && (isSameDay || this.#includeOvernightReturn);
    const at = slot * ENTRY_ELEMS + ENTRY_HEAD_ELEMS;
    const entries = this.entries;
    this.heads[slot * ENTRY_ELEMS + 1] = bar;
    entries[at] = closePx;
    entries[at + 1] = bar > 0 ? closePx - state[base + PREVIOUS_CLOSE_PX]! : 0;
    entries[at + 2] = state[base + HIGH_PX]! - closePx;
    entries[at + 3] = closePx - state[base + LOW_PX]!;
    entries[at + 4] = volume;
    entries[at + 5] = state[base + TURNOVER_USD]! - closePx * volume;
    entries[at + 6] = dayVolume;
    entries[at + 7] = dayTurnoverUsd - closePx * dayVolume;
    entries[at + 8] = state[base + EMA_FAST]! - closePx;
    entries[at + 9] = state[base + EMA_SLOW]! - closePx;
    entries[at + 10] = state[base + EMA_SIGNAL]!;
    entries[at + 11] = state[base + GAIN]!;
    entries[at + 12] = state[base + LOSS]!;
    entries[at + 13] = state[base + TRUE_RANGE]!;
    entries[at + 14] = isReturnCounted ? 1 : 0;
    entries[at + 15] = 0;
  }
}

/** Weight of the newest value in an average: the plain mean of the first `bars`, then the final weight. */
function averageWeight(count: number, bars: number, finalWeight: number): number {
  return count < bars ? 1 / (count + 1) : finalWeight;
}
