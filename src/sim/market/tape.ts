// The simulated market: the trades and quotes of one recorded day on the venue's timeline, for the symbols somebody asked for.
// Rows of a minute are drawn at its start into columns, sorted by time, and applied by one task that is always scheduled for
// the next row. Every (seed, symbol, minute) is drawn from its own stream, so a symbol's path does not depend on the others.

import { assertIndex } from "../../core/assert.ts";
import { Prng } from "../../core/prng.ts";
import type { DayBars } from "../../market/flat-file.ts";
import { PRIORITY_MARKET, type Scheduled, type Timeline } from "../timeline.ts";
import {
  calibrateIntrabar,
  type IntrabarCalibration,
  IntrabarPath,
  MINUTE_US,
  minuteSeed,
  symbolSeedHash,
} from "./intrabar.ts";
import type { MarketListener, SimMarket } from "./port.ts";
import { SpreadModel } from "./spread.ts";

export interface MarketTapeOptions {
  readonly timeline: Timeline;
  readonly day: DayBars;
  /** The session before: previous closes and the first spreads. Null where there is none. */
  readonly previousDay: DayBars | null;
  readonly seed: number;
  /** At least 2. */
  readonly tradesPerMinuteMax: number;
  readonly spreadMinBps: number;
}

/** Rows of a minute a batch has room for at first; it doubles when a minute needs more. */
const BATCH_CAPACITY_FIRST = 4_096;
/** A sort key is offset * KEY_ROWS + row: 26 bits of microseconds and 24 of rows stay exact in a double. */
const KEY_ROWS = 1 << 24;

export class MarketTape implements SimMarket {
  readonly symbols: readonly string[];
  readonly #timeline: Timeline;
  readonly #day: DayBars;
  readonly #previousDay: DayBars | null;
  readonly #seed: number;
  readonly #calibration: IntrabarCalibration;
  readonly #path: IntrabarPath;
  readonly #spread: SpreadModel;
  readonly #listeners: MarketListener[] = [];
  readonly #slotBySymbol = new Map<string, number>();
  readonly #previousSlot = new Map<string, number>();

  /** (slot) 1 once activated. */
  readonly #isActive: Uint8Array;
  /** Active slots, rising. */
  readonly #active: number[] = [];
  /** (slot) first row of the day that is not over for the spread model yet. */
  readonly #cursor: Int32Array;
  /** (slot) symbol's part of the minute seeds. */
  readonly #symbolHash: Uint32Array;
  /** (slot) 1 where the odd increment of a quote lies above the price. */
  readonly #leansUp: Uint8Array;
  /** (slot) state, prices in ticks, sizes in shares, times epoch us; 0 where unknown. Written by #apply. */
  readonly #bid: Float64Array;
  readonly #ask: Float64Array;
  readonly #bidQty: Float64Array;
  readonly #askQty: Float64Array;
  readonly #last: Float64Array;
  readonly #lastQty: Float64Array;
  readonly #lastUs: Float64Array;
  readonly #previousClose: Float64Array;
  readonly #dayOpen: Float64Array;
  readonly #dayHigh: Float64Array;
  readonly #dayLow: Float64Array;
  readonly #dayVolume: Float64Array;
  readonly #dayNotional: Float64Array;

  /** Start of the minute in the batch, and of the last minute with a bar, epoch us. */
  #minuteUs: number;
  readonly #lastMinuteUs: number;
  /** Where the timeline began: a day joined in its middle tells nothing from before. */
  readonly #beginUs: number;
  #rowCount = 0;
  /** (batch row) */
  #rowSlot = new Int32Array(BATCH_CAPACITY_FIRST);
  #rowOffsetUs = new Float64Array(BATCH_CAPACITY_FIRST);
  #rowPx = new Float64Array(BATCH_CAPACITY_FIRST);
  #rowQty = new Float64Array(BATCH_CAPACITY_FIRST);
  #rowBid = new Float64Array(BATCH_CAPACITY_FIRST);
  #rowAsk = new Float64Array(BATCH_CAPACITY_FIRST);
  #rowBidQty = new Float64Array(BATCH_CAPACITY_FIRST);
  #rowAskQty = new Float64Array(BATCH_CAPACITY_FIRST);
  /** Sorted keys of the rows, and the next to apply. */
  #keys = new Float64Array(BATCH_CAPACITY_FIRST);
  #keyCount = 0;
  #next = 0;
  #scheduled: Scheduled | null = null;
  #scheduledUs = Number.POSITIVE_INFINITY;
  readonly #task = (nowUs: number): void => this.#run(nowUs);

  constructor(options: MarketTapeOptions) {
    const { day } = options;
    const count = day.symbols.length;
    this.symbols = day.symbols;
    this.#timeline = options.timeline;
    this.#day = day;
    this.#previousDay = options.previousDay;
    this.#seed = options.seed >>> 0;
    this.#calibration = calibrateIntrabar(day, options.tradesPerMinuteMax);
    this.#path = new IntrabarPath(options.tradesPerMinuteMax);
    this.#spread = new SpreadModel(count, options.spreadMinBps);
    for (let slot = 0; slot < count; slot++) this.#slotBySymbol.set(day.symbols[slot]!, slot);
    options.previousDay?.symbols.forEach((symbol, slot) => {
      this.#previousSlot.set(symbol, slot);
    });

    this.#isActive = new Uint8Array(count);
    this.#cursor = Int32Array.from(day.firstRow);
    this.#symbolHash = Uint32Array.from(day.symbols, symbolSeedHash);
    this.#leansUp = Uint8Array.from(this.#symbolHash, (hash) => new Prng(minuteSeed(this.#seed, hash, 0)).nextInt(2));
    const column = () => new Float64Array(count);
    this.#bid = column();
    this.#ask = column();
    this.#bidQty = column();
    this.#askQty = column();
    this.#last = column();
    this.#lastQty = column();
    this.#lastUs = column();
    this.#previousClose = column();
    this.#dayOpen = column();
    this.#dayHigh = column();
    this.#dayLow = column();
    this.#dayVolume = column();
    this.#dayNotional = column();
    for (let slot = 0; slot < count; slot++) this.#previousClose[slot] = this.#closeBefore(slot);

    let firstUs = Number.POSITIVE_INFINITY;
    let lastUs = Number.NEGATIVE_INFINITY;
    for (let row = 0; row < day.startUs.length; row++) {
      firstUs = Math.min(firstUs, day.startUs[row]!);
      lastUs = Math.max(lastUs, day.startUs[row]!);
    }
    const nowUs = options.timeline.nowUs;
    this.#beginUs = nowUs;
    this.#minuteUs = Math.max(firstUs, Math.floor(nowUs / MINUTE_US) * MINUTE_US) - MINUTE_US;
    this.#lastMinuteUs = lastUs;
    this.#schedule();
  }

  slotOf(symbol: string): number {
    return this.#slotBySymbol.get(symbol) ?? -1;
  }

  isActive(slot: number): boolean {
    return this.#isActive[slot] === 1;
  }

  activate(slot: number): void {
    assertIndex(slot, this.symbols.length, "market slot");
    if (this.#isActive[slot] === 1) return;
    this.#isActive[slot] = 1;
    let at = this.#active.length;
    while (at > 0 && this.#active[at - 1]! > slot) at--;
    this.#active.splice(at, 0, slot);
    this.#catchUp(slot, this.#timeline.nowUs);
  }

  bidPxTicks(slot: number): number {
    return this.#bid[slot]!;
  }
  askPxTicks(slot: number): number {
    return this.#ask[slot]!;
  }
  bidQty(slot: number): number {
    return this.#bidQty[slot]!;
  }
  askQty(slot: number): number {
    return this.#askQty[slot]!;
  }
  previousClosePxTicks(slot: number): number {
    return this.#previousClose[slot]!;
  }

  lastPxTicks(slot: number): number {
    const last = this.#isActive[slot] === 1 ? this.#last[slot]! : this.#lastClosedPx(slot);
    return last > 0 ? last : this.#previousClose[slot]!;
  }

  /** Last trade of an active symbol: shares, and when, epoch us; 0 before the first. */
  lastQty(slot: number): number {
    return this.#lastQty[slot]!;
  }
  lastTradeUs(slot: number): number {
    return this.#lastUs[slot]!;
  }

  /** Session so far of an active symbol: prices in ticks, shares, and the sum of price x shares in ticks; 0 before a trade. */
  dayOpenPxTicks(slot: number): number {
    return this.#dayOpen[slot]!;
  }
  dayHighPxTicks(slot: number): number {
    return this.#dayHigh[slot]!;
  }
  dayLowPxTicks(slot: number): number {
    return this.#dayLow[slot]!;
  }
  dayVolume(slot: number): number {
    return this.#dayVolume[slot]!;
  }
  dayNotionalTicks(slot: number): number {
    return this.#dayNotional[slot]!;
  }

  addListener(listener: MarketListener): void {
    this.#listeners.push(listener);
  }

  /** Applies what is due, draws the next minute when it has begun, and schedules itself again. */
  #run(nowUs: number): void {
    this.#scheduled = null;
    for (;;) {
      while (this.#next < this.#keyCount) {
        const row = this.#keys[this.#next]! % KEY_ROWS;
        const atUs = this.#minuteUs + this.#rowOffsetUs[row]!;
        if (atUs > nowUs) {
          this.#schedule();
          return;
        }
        this.#next += 1;
        this.#apply(row, atUs);
        for (let i = 0; i < this.#listeners.length; i++) this.#tell(this.#listeners[i]!, row, atUs);
      }
      if (this.#minuteUs >= this.#lastMinuteUs || this.#minuteUs + MINUTE_US > nowUs) break;
      this.#drawMinute(this.#minuteUs + MINUTE_US);
    }
    this.#schedule();
  }

  /** One task on the timeline: the next row, or the next minute. */
  #schedule(): void {
    let atUs = Number.POSITIVE_INFINITY;
    if (this.#next < this.#keyCount) atUs = this.#minuteUs + this.#rowOffsetUs[this.#keys[this.#next]! % KEY_ROWS]!;
    else if (this.#minuteUs < this.#lastMinuteUs) atUs = this.#minuteUs + MINUTE_US;
    if (this.#scheduled !== null) {
      if (this.#scheduledUs === atUs) return;
      this.#scheduled.cancel();
      this.#scheduled = null;
    }
    if (atUs === Number.POSITIVE_INFINITY) return;
    this.#scheduledUs = atUs;
    this.#scheduled = this.#timeline.at(atUs, PRIORITY_MARKET, this.#task);
  }

  #drawMinute(minuteUs: number): void {
    this.#minuteUs = minuteUs;
    this.#rowCount = 0;
    for (const slot of this.#active) this.#drawBar(slot, minuteUs, this.#beginUs - minuteUs);
    this.#sortRows();
  }

  /** Draws a symbol's bar of this minute, if it has one, and appends the rows from `fromOffsetUs` on to the batch. */
  #drawBar(slot: number, minuteUs: number, fromOffsetUs: number): void {
    const day = this.#day;
    const row = this.#advanceCursor(slot, minuteUs);
    if (row < 0) return;
    const isBusy = row > day.firstRow[slot]! && day.startUs[row - 1] === minuteUs - MINUTE_US;
    const prng = new Prng(minuteSeed(this.#seed, this.#symbolHash[slot]!, minuteUs));
    const path = this.#path;
    const spread = this.#spread;
    // The width first: nothing of the bar itself may reach it.
    const width = spread.drawWidth(slot, day.openPxTicks[row]!, prng);
    const count = path.draw(day, row, slot, this.#calibration, isBusy, prng);
    for (let i = 0; i < count; i++) {
      const px = path.pxTicks[i]!;
      // Quotes move only with the price; otherwise a trade just changes the sizes.
      if (i === 0 || px !== path.pxTicks[i - 1]) spread.place(px, width, this.#leansUp[slot] === 1);
      spread.drawSizes(slot, prng);
      const at = this.#rowCount;
      if (at === this.#rowSlot.length) this.#grow();
      this.#rowSlot[at] = slot;
      this.#rowOffsetUs[at] = path.offsetUs[i]!;
      this.#rowPx[at] = px;
      this.#rowQty[at] = path.qty[i]!;
      this.#rowBid[at] = spread.bidPxTicks;
      this.#rowAsk[at] = spread.askPxTicks;
      this.#rowBidQty[at] = spread.bidQty;
      this.#rowAskQty[at] = spread.askQty;
      // What is over before a late activation changes the state and tells nobody.
      if (path.offsetUs[i]! < fromOffsetUs) this.#apply(at, minuteUs + path.offsetUs[i]!);
      else this.#rowCount += 1;
    }
  }

  /** Row of the symbol's bar in this minute, -1 where it has none. Bars before it go into the spread model. */
  #advanceCursor(slot: number, minuteUs: number): number {
    const day = this.#day;
    const end = day.firstRow[slot]! + day.rowCount[slot]!;
    let row = this.#cursor[slot]!;
    while (row < end && day.startUs[row]! < minuteUs) this.#spread.learn(slot, day, row++);
    this.#cursor[slot] = row;
    return row < end && day.startUs[row] === minuteUs ? row : -1;
  }

  #apply(row: number, atUs: number): void {
    const slot = this.#rowSlot[row]!;
    const px = this.#rowPx[row]!;
    const qty = this.#rowQty[row]!;
    this.#bid[slot] = this.#rowBid[row]!;
    this.#ask[slot] = this.#rowAsk[row]!;
    this.#bidQty[slot] = this.#rowBidQty[row]!;
    this.#askQty[slot] = this.#rowAskQty[row]!;
    this.#last[slot] = px;
    this.#lastQty[slot] = qty;
    this.#lastUs[slot] = atUs;
    if (this.#dayVolume[slot] === 0) {
      this.#dayOpen[slot] = px;
      this.#dayHigh[slot] = px;
      this.#dayLow[slot] = px;
    } else if (px > this.#dayHigh[slot]!) this.#dayHigh[slot] = px;
    else if (px < this.#dayLow[slot]!) this.#dayLow[slot] = px;
    this.#dayVolume[slot]! += qty;
    this.#dayNotional[slot]! += px * qty;
  }

  #tell(listener: MarketListener, row: number, atUs: number): void {
    const slot = this.#rowSlot[row]!;
    listener.onQuote(slot, this.#rowBid[row]!, this.#rowAsk[row]!, atUs);
    listener.onTrade(slot, this.#rowPx[row]!, this.#rowQty[row]!, atUs);
  }

  /** Brings a symbol to where it would be had it been active from the start, and joins it to the minute in progress. */
  #catchUp(slot: number, nowUs: number): void {
    const day = this.#day;
    const previous = this.#previousSlot.get(this.symbols[slot]!);
    if (this.#previousDay !== null && previous !== undefined) {
      const first = this.#previousDay.firstRow[previous]!;
      for (let row = first; row < first + this.#previousDay.rowCount[previous]!; row++) {
        this.#spread.learn(slot, this.#previousDay, row);
      }
    }
    // The batch holds the minute in progress once that has been drawn; otherwise the coming task draws this symbol too.
    const minuteUs = Math.floor(nowUs / MINUTE_US) * MINUTE_US;
    const isDrawn = this.#minuteUs === minuteUs;
    const lastPastRow = this.#lastRowBefore(slot, minuteUs);
    for (let row = day.firstRow[slot]!; row <= lastPastRow; row++) {
      this.#drawBar(slot, day.startUs[row]!, Number.POSITIVE_INFINITY);
    }
    if (!isDrawn) return;
    const rowsBefore = this.#rowCount;
    // Rows of this very microsecond may or may not have been applied for the others: this symbol's are still to come.
    this.#drawBar(slot, minuteUs, nowUs - minuteUs);
    if (this.#rowCount === rowsBefore) return;
    this.#sortRows(rowsBefore);
    this.#schedule();
  }

  /** Last row of the symbol that starts before `tsUs`; the row before its first where there is none. */
  #lastRowBefore(slot: number, tsUs: number): number {
    const day = this.#day;
    let low = day.firstRow[slot]!;
    let high = low + day.rowCount[slot]!;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (day.startUs[middle]! < tsUs) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Close of the last bar that is over, for a symbol nobody follows; 0 before the first. */
  #lastClosedPx(slot: number): number {
    const row = this.#lastRowBefore(slot, this.#timeline.nowUs - MINUTE_US + 1);
    return row >= this.#day.firstRow[slot]! ? this.#day.closePxTicks[row]! : 0;
  }

  #closeBefore(slot: number): number {
    const previousDay = this.#previousDay;
    const previous = this.#previousSlot.get(this.symbols[slot]!);
    if (previousDay === null || previous === undefined) return 0;
    const count = previousDay.rowCount[previous]!;
    return count > 0 ? previousDay.closePxTicks[previousDay.firstRow[previous]! + count - 1]! : 0;
  }

  /** Sorts the rows by time; with `fromRow`, merges rows that were appended to a batch in progress. */
  #sortRows(fromRow = 0): void {
    if (this.#keys.length < this.#rowSlot.length) {
      const keys = new Float64Array(this.#rowSlot.length);
      keys.set(this.#keys.subarray(0, this.#keyCount));
      this.#keys = keys;
    }
    const keys = this.#keys;
    let count = 0;
    if (fromRow > 0) {
      keys.copyWithin(0, this.#next, this.#keyCount);
      count = this.#keyCount - this.#next;
    }
    for (let row = fromRow; row < this.#rowCount; row++) keys[count++] = this.#rowOffsetUs[row]! * KEY_ROWS + row;
    keys.subarray(0, count).sort();
    this.#keyCount = count;
    this.#next = 0;
  }

  #grow(): void {
    const capacity = this.#rowSlot.length * 2;
    const larger = (column: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> => {
      const copy = new Float64Array(capacity);
      copy.set(column);
      return copy;
    };
    const slots = new Int32Array(capacity);
    slots.set(this.#rowSlot);
    this.#rowSlot = slots;
    this.#rowOffsetUs = larger(this.#rowOffsetUs);
    this.#rowPx = larger(this.#rowPx);
    this.#rowQty = larger(this.#rowQty);
    this.#rowBid = larger(this.#rowBid);
    this.#rowAsk = larger(this.#rowAsk);
    this.#rowBidQty = larger(this.#rowBidQty);
    this.#rowAskQty = larger(this.#rowAskQty);
  }
}
