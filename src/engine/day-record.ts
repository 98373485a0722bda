// Hot path: no allocation after start.
// What the report needs of a day, in columns: every fill, and the close of every minute of every instrument.
// Written by the pipeline, read after the run.

import type { Arena } from "../core/arena.ts";
import { INSTRUMENT_CAPACITY } from "../market/instruments.ts";
import { ORDER_CAPACITY } from "../market/orders.ts";

/** Fills a day can hold: every order in two parts. Later ones are in the journal, and counted. */
export const FILL_CAPACITY = ORDER_CAPACITY * 2;
/** Minutes from 04:00 to 20:00 New York time. */
export const MINUTE_COUNT = 16 * 60;
const MINUTE_US = 60_000_000;

export class DayRecord {
  fillCount = 0;
  /** Fills that did not fit. */
  fillsDropped = 0;
  /** (fill) row of the OrderTable. */
  readonly fillRow: Int32Array;
  readonly fillTsUs: Float64Array;
  readonly fillQty: Float64Array;
  readonly fillPxTicks: Float64Array;
  readonly fillFeeTicks: Float64Array;
  /** (instrument, minute since 04:00) close of the last bar that started in this minute, USD; 0 none. */
  readonly minuteClosePx: Float64Array;
  /** 04:00 New York time of the day, epoch us. Written at start. */
  dayStartUs = 0;

  constructor(arena: Arena) {
    this.fillRow = arena.i32("dayRecord.fillRow", FILL_CAPACITY);
    this.fillTsUs = arena.f64("dayRecord.fillTsUs", FILL_CAPACITY);
    this.fillQty = arena.f64("dayRecord.fillQty", FILL_CAPACITY);
    this.fillPxTicks = arena.f64("dayRecord.fillPxTicks", FILL_CAPACITY);
    this.fillFeeTicks = arena.f64("dayRecord.fillFeeTicks", FILL_CAPACITY);
    this.minuteClosePx = arena.f64("dayRecord.minuteClosePx", INSTRUMENT_CAPACITY * MINUTE_COUNT);
  }

  bar(slot: number, startUs: number, closePx: number): void {
    const minute = Math.floor((startUs - this.dayStartUs) / MINUTE_US);
    if (minute >= 0 && minute < MINUTE_COUNT) this.minuteClosePx[slot * MINUTE_COUNT + minute] = closePx;
  }

  fill(row: number, tsUs: number, qty: number, pxTicks: number, feeTicks: number): void {
    if (this.fillCount >= FILL_CAPACITY) {
      this.fillsDropped += 1;
      return;
    }
    const index = this.fillCount++;
    this.fillRow[index] = row;
    this.fillTsUs[index] = tsUs;
    this.fillQty[index] = qty;
    this.fillPxTicks[index] = pxTicks;
    this.fillFeeTicks[index] = feeTicks;
  }
}
