// From a name of an order to its row. Our own orders are found by (instrument, intent number) in a fixed hash table, so no
// string is kept for them on the way out; everything the broker has named is found by the broker's id.

import type { Arena } from "../core/arena.ts";
import { assert } from "../core/assert.ts";
import { INSTRUMENT_CAPACITY, type Instruments } from "../market/instruments.ts";
import { ORDER_CAPACITY } from "../market/orders.ts";

/** Entries of the table: at most half full when every row of the order table is used. Power of two. */
const TABLE_ELEMS = ORDER_CAPACITY * 2;
const MASK = TABLE_ELEMS - 1;
const FREE = -1;
/** Spreads (slot, number) pairs; odd, from the golden ratio. */
const SPREAD = 0x9e3779b1;

export class OrderIndex {
  readonly #instruments: Instruments;
  readonly #prefix: string;
  /** (entry) slot + number * INSTRUMENT_CAPACITY, FREE where unused. */
  readonly #keys: Int32Array;
  /** (entry) row of the order table. */
  readonly #rows: Int32Array;
  readonly #rowByBrokerId = new Map<string, number>();

  /** @param prefix what our ids of this day and strategy begin with */
  constructor(arena: Arena, instruments: Instruments, prefix: string) {
    this.#instruments = instruments;
    this.#prefix = prefix;
    this.#keys = arena.i32("orderIndex.keys", TABLE_ELEMS).fill(FREE);
    this.#rows = arena.i32("orderIndex.rows", TABLE_ELEMS);
  }

  /** Remembers the row of an intent; the same intent again moves it to `row`. */
  put(slot: number, intentNumber: number, row: number): void {
    assert(
      intentNumber >= 0 && intentNumber < ORDER_CAPACITY,
      `intent number in 0..${ORDER_CAPACITY - 1}, was ${intentNumber}`,
    );
    const entry = this.#find(slot + intentNumber * INSTRUMENT_CAPACITY);
    this.#keys[entry] = slot + intentNumber * INSTRUMENT_CAPACITY;
    this.#rows[entry] = row;
  }

  /** Row of an intent, -1 where unknown. */
  rowOf(slot: number, intentNumber: number): number {
    const entry = this.#find(slot + intentNumber * INSTRUMENT_CAPACITY);
    return this.#keys[entry] === FREE ? -1 : this.#rows[entry]!;
  }

  putBrokerId(brokerId: string, row: number): void {
    this.#rowByBrokerId.set(brokerId, row);
  }

  /** Row of an order the broker has named, -1 where unknown. */
  rowOfBrokerId(brokerId: string): number {
    return this.#rowByBrokerId.get(brokerId) ?? -1;
  }

  /** Row of one of our own ids of this day and strategy, -1 for any other. */
  rowOfClientOrderId(id: string): number {
    const prefix = this.#prefix;
    if (!id.startsWith(prefix)) return -1;
    const dash = id.lastIndexOf("-");
    if (dash <= prefix.length) return -1;
    const slot = this.#instruments.slotOf(id.slice(prefix.length, dash));
    const number = Number(id.slice(dash + 1));
    if (slot < 0 || !Number.isInteger(number) || number < 0 || number >= ORDER_CAPACITY) return -1;
    return this.rowOf(slot, number);
  }

  /** Entry that holds `key`, or the free one where it would go. */
  #find(key: number): number {
    let entry = (Math.imul(key, SPREAD) >>> 17) & MASK;
    while (this.#keys[entry] !== FREE && this.#keys[entry] !== key) entry = (entry + 1) & MASK;
    return entry;
  }
}
