// Hot path: no allocation after start.
// What is committed: open entries on their way, by instrument. One entry for each instrument at a time, so a slot is enough.
// Written by the engine when an entry is sent, filled or ended. Positions themselves are the ledger's.

import type { Arena } from "../core/arena.ts";
import { assert } from "../core/assert.ts";
import { INSTRUMENT_CAPACITY } from "../market/instruments.ts";

export class Exposure {
  /** (instrument) row of the open entry, -1 none. */
  readonly entryRow: Int32Array;
  /** (instrument) price each share of it is reserved at, ticks. */
  readonly reservedPxTicks: Float64Array;
  /** (instrument) ticks reserved for what is not yet filled of it. */
  readonly reservedTicks: Float64Array;
  /** Sum of reservedTicks. */
  reservedTotalTicks = 0;
  /** Instruments with an open entry. */
  entryCount = 0;

  constructor(arena: Arena) {
    this.entryRow = arena.i32("exposure.entryRow", INSTRUMENT_CAPACITY).fill(-1);
    this.reservedPxTicks = arena.f64("exposure.reservedPxTicks", INSTRUMENT_CAPACITY);
    this.reservedTicks = arena.f64("exposure.reservedTicks", INSTRUMENT_CAPACITY);
  }

  /** An entry of `qty` shares was sent, expected to cost `pxTicks` each. */
  open(slot: number, row: number, qty: number, pxTicks: number): void {
    assert(this.entryRow[slot] === -1, "one open entry for each instrument");
    this.entryRow[slot] = row;
    this.reservedPxTicks[slot] = pxTicks;
    this.reservedTicks[slot] = qty * pxTicks;
    this.reservedTotalTicks += qty * pxTicks;
    this.entryCount += 1;
  }

  /** Part of the entry filled: `remainingQty` shares of it are still open. */
  shrink(slot: number, remainingQty: number): void {
    const ticks = Math.max(0, remainingQty) * this.reservedPxTicks[slot]!;
    this.reservedTotalTicks += ticks - this.reservedTicks[slot]!;
    this.reservedTicks[slot] = ticks;
  }

  /** The entry ended: filled, canceled, rejected or expired. */
  close(slot: number): void {
    if (this.entryRow[slot] === -1) return;
    this.reservedTotalTicks -= this.reservedTicks[slot]!;
    this.reservedTicks[slot] = 0;
    this.entryRow[slot] = -1;
    this.entryCount -= 1;
  }
}
