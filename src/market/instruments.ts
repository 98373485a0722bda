// The instruments of a run: a fixed table, slot <-> symbol, filled once after the universe step and then read-only.

import type { Arena } from "../core/arena.ts";
import { assert } from "../core/assert.ts";

/** Slots a run can hold: 100 traded stocks plus held ones that left the universe. Power of two. */
export const INSTRUMENT_CAPACITY = 256;

export const INSTRUMENT_TYPE_STOCK = 1;
export const INSTRUMENT_TYPE_FUND = 2;

export class Instruments {
  readonly symbols: string[] = [];
  readonly #slotBySymbol = new Map<string, number>();
  /** (instrument) INSTRUMENT_TYPE_*. */
  readonly type: Uint8Array;
  /** (instrument) market capitalisation, USD; 0 where unknown or a fund. */
  readonly marketCapUsd: Float64Array;
  /** (instrument) last close before the trading day, ticks; 0 where unknown. */
  readonly previousClosePxTicks: Float64Array;
  /** (instrument) 1 where the broker allows orders. */
  readonly isTradable: Uint8Array;
  /** (instrument) 1 where the broker allows short sales. */
  readonly isShortable: Uint8Array;

  constructor(arena: Arena) {
    this.type = arena.u8("instruments.type", INSTRUMENT_CAPACITY);
    this.marketCapUsd = arena.f64("instruments.marketCapUsd", INSTRUMENT_CAPACITY);
    this.previousClosePxTicks = arena.f64("instruments.previousClosePxTicks", INSTRUMENT_CAPACITY);
    this.isTradable = arena.u8("instruments.isTradable", INSTRUMENT_CAPACITY);
    this.isShortable = arena.u8("instruments.isShortable", INSTRUMENT_CAPACITY);
  }

  get count(): number {
    return this.symbols.length;
  }

  /** Adds a symbol and returns its slot; the same symbol twice is a bug. */
  add(symbol: string): number {
    assert(!this.#slotBySymbol.has(symbol), `symbol added once, '${symbol}' was added twice`);
    assert(this.symbols.length < INSTRUMENT_CAPACITY, `at most ${INSTRUMENT_CAPACITY} instruments`);
    const slot = this.symbols.length;
    this.symbols.push(symbol);
    this.#slotBySymbol.set(symbol, slot);
    return slot;
  }

  /** Slot of a symbol, -1 where unknown. */
  slotOf(symbol: string): number {
    return this.#slotBySymbol.get(symbol) ?? -1;
  }
}
