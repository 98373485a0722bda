// Open, high, low, close, volume of every symbol over one second or one minute, from trades: what A and AM events say.
// Columns by slot, and a list of the slots that traded. Used by the Polygon socket.

import { assert } from "../../core/assert.ts";

export class AggregateWindow {
  readonly #lengthUs: number;
  /** Start of the window in progress, epoch us. */
  startUs = 0;
  /** Symbols that traded in it, and which, in order of their first trade. */
  count = 0;
  readonly slots: Int32Array;
  /** (slot) trades; the other columns hold nothing where this is 0. */
  readonly tradeCount: Float64Array;
  /** (slot) ticks. */
  readonly openPxTicks: Float64Array;
  readonly highPxTicks: Float64Array;
  readonly lowPxTicks: Float64Array;
  readonly closePxTicks: Float64Array;
  /** (slot) shares. */
  readonly volume: Float64Array;
  /** (slot) sum of price x shares, ticks. */
  readonly notionalTicks: Float64Array;

  constructor(slotCount: number, lengthUs: number) {
    this.#lengthUs = lengthUs;
    this.slots = new Int32Array(slotCount);
    const column = () => new Float64Array(slotCount);
    this.tradeCount = column();
    this.openPxTicks = column();
    this.highPxTicks = column();
    this.lowPxTicks = column();
    this.closePxTicks = column();
    this.volume = column();
    this.notionalTicks = column();
  }

  get endUs(): number {
    return this.startUs + this.#lengthUs;
  }

  /** Begins the window that holds `tsUs`; the one before must have been cleared. */
  open(tsUs: number): void {
    assert(this.count === 0, "an aggregate window opens empty");
    this.startUs = Math.floor(tsUs / this.#lengthUs) * this.#lengthUs;
  }

  add(slot: number, pxTicks: number, qty: number): void {
    if (this.tradeCount[slot] === 0) {
      this.slots[this.count++] = slot;
      this.openPxTicks[slot] = pxTicks;
      this.highPxTicks[slot] = pxTicks;
      this.lowPxTicks[slot] = pxTicks;
      this.volume[slot] = 0;
      this.notionalTicks[slot] = 0;
    }
    this.tradeCount[slot]! += 1;
    if (pxTicks > this.highPxTicks[slot]!) this.highPxTicks[slot] = pxTicks;
    if (pxTicks < this.lowPxTicks[slot]!) this.lowPxTicks[slot] = pxTicks;
    this.closePxTicks[slot] = pxTicks;
    this.volume[slot]! += qty;
    this.notionalTicks[slot]! += pxTicks * qty;
  }

  clear(): void {
    for (let i = 0; i < this.count; i++) this.tradeCount[this.slots[i]!] = 0;
    this.count = 0;
  }
}
