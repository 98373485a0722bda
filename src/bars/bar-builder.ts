// Hot path: no allocation after start.
// Trades (or the venue's aggregates) -> one forming bar per instrument and the last closed one, as columns. Called by the
// engine for every market event and on its timer; the features read the columns. Bars depend on the trades of their interval
// and the venue's times, not on the order in which trades arrive: the open is the earliest, the close the latest of them.
// Invariant: an instrument's closed bars have rising start times, and a closed bar never changes.

import type { Arena } from "../core/arena.ts";
import { assert, assertIndex } from "../core/assert.ts";
import { INSTRUMENT_CAPACITY } from "../market/instruments.ts";

/** Result codes of `applyTrade` and `applyAggregate`. */
export const BAR_NONE = 0;
/** A bar closed: read it in the closed* columns before the next event of the same instrument. */
export const BAR_CLOSED = 1;

/** Start of "no bar". Below every start, so comparisons need no special case. */
export const BAR_START_NONE = -1;

/** Relative difference in volume up to which our bar and the venue's agree: rounding of sums, nothing else. */
const VOLUME_TOLERANCE = 1e-9;
/** Difference in price up to which they agree, USD: half a tick. */
const PX_TOLERANCE_USD = 0.00005;

export interface BarBuilderOptions {
  /** Length of a bar; divides an hour. Bars start at multiples of it since the epoch. */
  readonly intervalUs: number;
  /**
   * Time after the end of an interval at which `closeDue` closes its bar. Longer than trades (or, when bars are made of them,
   * the interval's last aggregate) take to arrive: what comes later is not in the bar.
   */
  readonly closeGraceUs: number;
  /** Where bars come from. Aggregates make bars with "aggregates" and only check ours with "trades". Default "trades". */
  readonly source?: "trades" | "aggregates";
  /** Length of the venue's aggregates: 60 s for AM, 1 s for A. Default 60 s. */
  readonly aggregateUs?: number;
}

/** What was skipped or compared; shown in the summary. */
export interface BarCounters {
  /** Bars closed, by whatever cause. */
  bars: number;
  /** Trades of an interval that is already closed: ignored. */
  lateTrades: number;
  /** Aggregates of an interval that is already closed, or one given before: ignored. */
  duplicateBars: number;
  /** Aggregates of the venue that agreed with our bar, and that did not. */
  barMatches: number;
  barMismatches: number;
  /** Aggregates of an interval in which we saw no trade: the venue has a bar and we have none. */
  barsMissed: number;
}

export class BarBuilder {
  readonly intervalUs: number;
  readonly closeGraceUs: number;
  readonly counters: BarCounters = {
    bars: 0,
    lateTrades: 0,
    duplicateBars: 0,
    barMatches: 0,
    barMismatches: 0,
    barsMissed: 0,
  };
  /** No forming bar is due before this, epoch us; Infinity when none forms. When to call `closeDue` next. */
  nextDueUs = Number.POSITIVE_INFINITY;

  /** (instrument) forming bar: start of its interval, epoch us; BAR_START_NONE when none forms. */
  readonly formingStartUs: Float64Array;
  /** (instrument) forming bar: prices, USD. */
  readonly formingOpenPx: Float64Array;
  readonly formingHighPx: Float64Array;
  readonly formingLowPx: Float64Array;
  readonly formingClosePx: Float64Array;
  /** (instrument) forming bar: shares; sum of price x shares, USD; trades (aggregates when built from them). */
  readonly formingVolume: Float64Array;
  readonly formingTurnoverUsd: Float64Array;
  readonly formingTradeCount: Float64Array;

  /** (instrument) last closed bar, as above. */
  readonly closedStartUs: Float64Array;
  readonly closedOpenPx: Float64Array;
  readonly closedHighPx: Float64Array;
  readonly closedLowPx: Float64Array;
  readonly closedClosePx: Float64Array;
  readonly closedVolume: Float64Array;
  readonly closedTurnoverUsd: Float64Array;
  readonly closedTradeCount: Float64Array;

  /** (row) instruments whose bars the last `closeDue` closed, in slot order. */
  readonly closedSlots: Int32Array;
  /** (instrument) venue time of the newest event, epoch us, 0 before the first: for staleness. */
  readonly tsLastEventUs: Float64Array;

  /** (instrument) venue times of the trades that set open and close of the forming bar. */
  readonly #openTsUs: Float64Array;
  readonly #closeTsUs: Float64Array;
  /** (instrument) newest aggregate of the venue taken. */
  readonly #aggregateStartUs: Float64Array;
  /** (instrument) aggregate that waits for our bar to close: start, or BAR_START_NONE, and its values. */
  readonly #pendingStartUs: Float64Array;
  readonly #pendingOpenPx: Float64Array;
  readonly #pendingHighPx: Float64Array;
  readonly #pendingLowPx: Float64Array;
  readonly #pendingClosePx: Float64Array;
  readonly #pendingVolume: Float64Array;

  readonly #isFromTrades: boolean;
  readonly #aggregateUs: number;
  /** Slots below this have had an event. */
  #slotCount = 0;

  constructor(arena: Arena, options: BarBuilderOptions) {
    const { intervalUs, closeGraceUs, source = "trades", aggregateUs = 60_000_000 } = options;
    assert(intervalUs > 0 && Number.isInteger(intervalUs), `bar interval is whole microseconds, was ${intervalUs}`);
    assert(closeGraceUs >= 0, `close grace is not negative, was ${closeGraceUs}`);
    assert(
      source === "trades" || intervalUs % aggregateUs === 0,
      `bars of ${intervalUs} us cannot be made of aggregates of ${aggregateUs} us`,
    );
    this.intervalUs = intervalUs;
    this.closeGraceUs = closeGraceUs;
    this.#isFromTrades = source === "trades";
    this.#aggregateUs = aggregateUs;

    const column = (name: string) => arena.f64(`bars.${name}`, INSTRUMENT_CAPACITY);
    this.formingStartUs = column("formingStartUs").fill(BAR_START_NONE);
    this.formingOpenPx = column("formingOpenPx");
    this.formingHighPx = column("formingHighPx");
    this.formingLowPx = column("formingLowPx");
    this.formingClosePx = column("formingClosePx");
    this.formingVolume = column("formingVolume");
    this.formingTurnoverUsd = column("formingTurnoverUsd");
    this.formingTradeCount = column("formingTradeCount");
    this.closedStartUs = column("closedStartUs").fill(BAR_START_NONE);
    this.closedOpenPx = column("closedOpenPx");
    this.closedHighPx = column("closedHighPx");
    this.closedLowPx = column("closedLowPx");
    this.closedClosePx = column("closedClosePx");
    this.closedVolume = column("closedVolume");
    this.closedTurnoverUsd = column("closedTurnoverUsd");
    this.closedTradeCount = column("closedTradeCount");
    this.closedSlots = arena.i32("bars.closedSlots", INSTRUMENT_CAPACITY);
    this.tsLastEventUs = column("tsLastEventUs");
    this.#openTsUs = column("openTsUs");
    this.#closeTsUs = column("closeTsUs");
    this.#aggregateStartUs = column("aggregateStartUs").fill(BAR_START_NONE);
    this.#pendingStartUs = column("pendingStartUs").fill(BAR_START_NONE);
    this.#pendingOpenPx = column("pendingOpenPx");
    this.#pendingHighPx = column("pendingHighPx");
    this.#pendingLowPx = column("pendingLowPx");
    this.#pendingClosePx = column("pendingClosePx");
    this.#pendingVolume = column("pendingVolume");
  }

  /** Start of the bar that holds `tsUs`, epoch us. */
  startOf(tsUs: number): number {
    return Math.floor(tsUs / this.intervalUs) * this.intervalUs;
  }

  /** Notes an event that makes no bar, such as a quote, for staleness. */
  touch(slot: number, tsUs: number): void {
    assertIndex(slot, INSTRUMENT_CAPACITY, "instrument slot");
    if (tsUs > this.tsLastEventUs[slot]!) this.tsLastEventUs[slot] = tsUs;
  }

  /**
   * Adds a trade to its bar.
   *
   * @param px   price, USD, > 0     @param qty shares, > 0     @param tsUs venue time, epoch us
   * @returns BAR_CLOSED when the trade opened a later interval: the bar before is in the closed* columns
   */
  applyTrade(slot: number, px: number, qty: number, tsUs: number): number {
    this.touch(slot, tsUs);
    const formingStartUs = this.formingStartUs[slot]!;
    if (formingStartUs !== BAR_START_NONE && tsUs >= formingStartUs && tsUs < formingStartUs + this.intervalUs) {
      this.#addTrade(slot, px, qty, tsUs);
      return BAR_NONE;
    }
    const startUs = this.startOf(tsUs);
    if (startUs < formingStartUs || startUs <= this.closedStartUs[slot]!) {
      this.counters.lateTrades += 1;
      return BAR_NONE;
    }
    const result = formingStartUs === BAR_START_NONE ? BAR_NONE : this.#close(slot);
    this.#open(slot, startUs);
    this.formingOpenPx[slot] = px;
    this.formingHighPx[slot] = px;
    this.formingLowPx[slot] = px;
    this.formingClosePx[slot] = px;
    this.formingVolume[slot] = qty;
    this.formingTurnoverUsd[slot] = px * qty;
    this.formingTradeCount[slot] = 1;
    this.#openTsUs[slot] = tsUs;
    this.#closeTsUs[slot] = tsUs;
    return result;
  }

  /**
   * Takes an aggregate of the venue (AM, or A): a part of a bar, or a check of ours, by the builder's source.
   *
   * @param startUs start of the aggregate, epoch us
   * @param vwap    volume-weighted mean price, USD
   * @returns BAR_CLOSED when a bar closed: one that this aggregate completes, or one before it (then the aggregate's own bar forms)
   */
  applyAggregate(
    slot: number,
    startUs: number,
    open: number,
    high: number,
    low: number,
    close: number,
    volume: number,
    vwap: number,
  ): number {
    assertIndex(slot, INSTRUMENT_CAPACITY, "instrument slot");
    if (startUs <= this.#aggregateStartUs[slot]!) {
      this.counters.duplicateBars += 1;
      return BAR_NONE;
    }
    this.#aggregateStartUs[slot] = startUs;
    if (!this.#isFromTrades) return this.#addAggregate(slot, startUs, open, high, low, close, volume, vwap);
    // Only bars of the aggregate's own length can be held against it.
    if (this.intervalUs === this.#aggregateUs) this.#checkAggregate(slot, startUs, open, high, low, close, volume);
    return BAR_NONE;
  }

  /**
   * Closes every forming bar whose interval ended at least the grace before `nowUs`.
   *
   * @returns how many; their slots are in `closedSlots`, their values in the closed* columns
   */
  closeDue(nowUs: number): number {
    if (nowUs < this.nextDueUs) return 0;
    const ageUs = this.intervalUs + this.closeGraceUs;
    let count = 0;
    let nextDueUs = Number.POSITIVE_INFINITY;
    for (let slot = 0; slot < this.#slotCount; slot++) {
      const startUs = this.formingStartUs[slot]!;
      if (startUs === BAR_START_NONE) continue;
      const dueUs = startUs + ageUs;
      if (dueUs <= nowUs) {
        this.#close(slot);
        this.closedSlots[count++] = slot;
      } else if (dueUs < nextDueUs) nextDueUs = dueUs;
    }
    this.nextDueUs = nextDueUs;
    return count;
  }

  #addTrade(slot: number, px: number, qty: number, tsUs: number): void {
    if (px > this.formingHighPx[slot]!) this.formingHighPx[slot] = px;
    if (px < this.formingLowPx[slot]!) this.formingLowPx[slot] = px;
    if (tsUs >= this.#closeTsUs[slot]!) {
      this.formingClosePx[slot] = px;
      this.#closeTsUs[slot] = tsUs;
    } else if (tsUs < this.#openTsUs[slot]!) {
      this.formingOpenPx[slot] = px;
      this.#openTsUs[slot] = tsUs;
    }
    this.formingVolume[slot]! += qty;
    this.formingTurnoverUsd[slot]! += px * qty;
    this.formingTradeCount[slot]! += 1;
  }

  #addAggregate(
    slot: number,
    startUs: number,
    open: number,
    high: number,
    low: number,
    close: number,
    volume: number,
    vwap: number,
  ): number {
    this.touch(slot, startUs + this.#aggregateUs);
    const barStartUs = this.startOf(startUs);
    if (barStartUs <= this.closedStartUs[slot]!) {
      this.counters.duplicateBars += 1;
      return BAR_NONE;
    }
    const formingStartUs = this.formingStartUs[slot]!;
    let result = BAR_NONE;
    if (barStartUs === formingStartUs) {
      if (high > this.formingHighPx[slot]!) this.formingHighPx[slot] = high;
      if (low < this.formingLowPx[slot]!) this.formingLowPx[slot] = low;
    } else {
      if (formingStartUs !== BAR_START_NONE) result = this.#close(slot);
      this.#open(slot, barStartUs);
      this.formingOpenPx[slot] = open;
      this.formingHighPx[slot] = high;
      this.formingLowPx[slot] = low;
      this.formingVolume[slot] = 0;
      this.formingTurnoverUsd[slot] = 0;
      this.formingTradeCount[slot] = 0;
    }
    this.formingClosePx[slot] = close;
    this.formingVolume[slot]! += volume;
    this.formingTurnoverUsd[slot]! += vwap * volume;
    this.formingTradeCount[slot]! += 1;
    // The last part of its bar. When an earlier bar closed just now, this one waits for `closeDue`, so that none is passed over.
    const isComplete = startUs + this.#aggregateUs >= barStartUs + this.intervalUs;
    return isComplete && result === BAR_NONE ? this.#close(slot) : result;
  }

  #checkAggregate(
    slot: number,
    startUs: number,
    open: number,
    high: number,
    low: number,
    close: number,
    volume: number,
  ): void {
    this.#pendingStartUs[slot] = startUs;
    this.#pendingOpenPx[slot] = open;
    this.#pendingHighPx[slot] = high;
    this.#pendingLowPx[slot] = low;
    this.#pendingClosePx[slot] = close;
    this.#pendingVolume[slot] = volume;
    if (startUs === this.closedStartUs[slot]!) this.#comparePending(slot);
    else if (startUs !== this.formingStartUs[slot]!) {
      this.#pendingStartUs[slot] = BAR_START_NONE;
      this.counters.barsMissed += 1;
    }
  }

  /** Holds the closed bar of `slot` against the aggregate that waits for it. */
  #comparePending(slot: number): void {
    this.#pendingStartUs[slot] = BAR_START_NONE;
    const isSame =
      Math.abs(this.closedOpenPx[slot]! - this.#pendingOpenPx[slot]!) < PX_TOLERANCE_USD &&
      Math.abs(this.closedHighPx[slot]! - this.#pendingHighPx[slot]!) < PX_TOLERANCE_USD &&
      Math.abs(this.closedLowPx[slot]! - this.#pendingLowPx[slot]!) < PX_TOLERANCE_USD &&
      Math.abs(this.closedClosePx[slot]! - this.#pendingClosePx[slot]!) < PX_TOLERANCE_USD &&
      Math.abs(this.closedVolume[slot]! - this.#pendingVolume[slot]!) <= VOLUME_TOLERANCE * this.#pendingVolume[slot]!;
    if (isSame) this.counters.barMatches += 1;
    else this.counters.barMismatches += 1;
  }

  #open(slot: number, startUs: number): void {
    this.formingStartUs[slot] = startUs;
    if (slot >= this.#slotCount) this.#slotCount = slot + 1;
    const dueUs = startUs + this.intervalUs + this.closeGraceUs;
    if (dueUs < this.nextDueUs) this.nextDueUs = dueUs;
  }

  #close(slot: number): number {
    const startUs = this.formingStartUs[slot]!;
    this.closedStartUs[slot] = startUs;
    this.closedOpenPx[slot] = this.formingOpenPx[slot]!;
    this.closedHighPx[slot] = this.formingHighPx[slot]!;
    this.closedLowPx[slot] = this.formingLowPx[slot]!;
    this.closedClosePx[slot] = this.formingClosePx[slot]!;
    this.closedVolume[slot] = this.formingVolume[slot]!;
    this.closedTurnoverUsd[slot] = this.formingTurnoverUsd[slot]!;
    this.closedTradeCount[slot] = this.formingTradeCount[slot]!;
    this.formingStartUs[slot] = BAR_START_NONE;
    this.counters.bars += 1;
    if (this.#pendingStartUs[slot] === startUs) this.#comparePending(slot);
    return BAR_CLOSED;
  }
}
