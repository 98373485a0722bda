// Hot path: no allocation after start.
// Symbol bytes -> instrument slot without making a string: up to eight ASCII characters packed into two 32-bit words, looked
// up by open addressing. Longer symbols are the caller's to look up by name.

import { assert } from "../../core/assert.ts";
import { INSTRUMENT_CAPACITY, type Instruments } from "../../market/instruments.ts";

/** Longest symbol that packs into two words. */
export const PACKED_SYMBOL_CHARS = 8;

/** At most a quarter full, so that a probe is rarely longer than one step. Power of two. */
const TABLE_CAPACITY = INSTRUMENT_CAPACITY * 4;
const MASK = TABLE_CAPACITY - 1;
const FREE = -1;

/** Odd multipliers from the golden ratio and from murmur3's finaliser; any that mix would do. */
const MULTIPLIER_HIGH = 0x9e3779b1;
const MULTIPLIER_LOW = 0x85ebca6b;

export class SymbolTable {
  /** Instruments the table was built from. */
  count = 0;
  readonly #high = new Int32Array(TABLE_CAPACITY);
  readonly #low = new Int32Array(TABLE_CAPACITY);
  readonly #slot = new Int32Array(TABLE_CAPACITY).fill(FREE);

  /** Rebuilds the table; at start, and again if instruments were added. */
  build(instruments: Instruments): void {
    this.#slot.fill(FREE);
    for (let slot = 0; slot < instruments.count; slot++) this.#insert(instruments.symbols[slot]!, slot);
    this.count = instruments.count;
  }

  /** Slot of the symbol packed into (high, low), -1 where unknown. */
  find(high: number, low: number): number {
    let index = indexOf(high, low);
    while (this.#slot[index] !== FREE) {
      if (this.#low[index] === low && this.#high[index] === high) return this.#slot[index]!;
      index = (index + 1) & MASK;
    }
    return FREE;
  }

  // hot-ok: once for each symbol, for the constructor
  #insert(symbol: string, slot: number): void {
    assert(/^[\x21-\x7e]+$/.test(symbol), `symbols are printable ASCII, was '${symbol}'`);
    if (symbol.length > PACKED_SYMBOL_CHARS) return;
    let high = 0;
    let low = 0;
    for (let i = 0; i < symbol.length; i++) {
      high = (high << 8) | (low >>> 24);
      low = (low << 8) | symbol.charCodeAt(i);
    }
    let index = indexOf(high, low);
    while (this.#slot[index] !== FREE) index = (index + 1) & MASK;
    this.#high[index] = high;
    this.#low[index] = low;
    this.#slot[index] = slot;
  }
}

function indexOf(high: number, low: number): number {
  const mixed = Math.imul(low ^ Math.imul(high, MULTIPLIER_HIGH), MULTIPLIER_LOW);
  return (mixed ^ (mixed >>> 15)) & MASK;
}
