// Hot path: no allocation after start.
// The pre-trade checks of an entry as one ordered list, cheapest first; the first breach is the answer. Exits and cancels
// do not come here: what reduces a position is never held up by a limit on entries.

import { assertIndex } from "../core/assert.ts";
import { TICKS_PER_USD } from "../core/fixed-point.ts";
import { INSTRUMENT_CAPACITY, type Instruments } from "../market/instruments.ts";
import type { Prices } from "../market/prices.ts";
import { DENIED_OK, denialIndex } from "./denials.ts";
import type { Exposure } from "./exposure.ts";

/** What gyr may do now. Moves only through the engine, and every move is journaled. */
export const TRADING_ACTIVE = 0;
/** Exits only. */
export const TRADING_REDUCING = 1;
/** Nothing but cancels. */
export const TRADING_HALTED = 2;

export interface RiskParams {
  readonly positionsMax: number;
  readonly capitalMaxUsd: number;
  readonly notionalMinUsd: number;
  readonly notionalMaxUsd: number;
  readonly collarBps: number;
  readonly staleAfterUs: number;
  readonly windowAgeMaxUs: number;
  readonly allowShort: boolean;
}

const SYMBOL_UNKNOWN = denialIndex("SYMBOL_UNKNOWN");
const NOT_TRADABLE = denialIndex("NOT_TRADABLE");
const NOT_SHORTABLE = denialIndex("NOT_SHORTABLE");
const TRADING_HALTED_DENIAL = denialIndex("TRADING_HALTED");
const REDUCE_ONLY = denialIndex("REDUCE_ONLY");
const OUTSIDE_ENTRY_WINDOW = denialIndex("OUTSIDE_ENTRY_WINDOW");
const WARMING_UP = denialIndex("WARMING_UP");
const FEED_STALE = denialIndex("FEED_STALE");
const WINDOW_STALE = denialIndex("WINDOW_STALE");
const QTY_ROUNDS_TO_ZERO = denialIndex("QTY_ROUNDS_TO_ZERO");
const NOTIONAL_UNDER_MINIMUM = denialIndex("NOTIONAL_UNDER_MINIMUM");
const NOTIONAL_OVER_LIMIT = denialIndex("NOTIONAL_OVER_LIMIT");
const PRICE_OUTSIDE_COLLAR = denialIndex("PRICE_OUTSIDE_COLLAR");
const PRICE_UNKNOWN = denialIndex("PRICE_UNKNOWN");
const POSITION_EXISTS = denialIndex("POSITION_EXISTS");
const POSITIONS_OVER_LIMIT = denialIndex("POSITIONS_OVER_LIMIT");
const CAPITAL_OVER_LIMIT = denialIndex("CAPITAL_OVER_LIMIT");
const BUYING_POWER_EXCEEDED = denialIndex("BUYING_POWER_EXCEEDED");

export class EntryChecks {
  /** TRADING_*. Written by the engine. */
  tradingState = TRADING_REDUCING;
  /** Entries are allowed from (inclusive) and until (exclusive), epoch us. Written by the schedule. */
  entryStartUs = 0;
  entryEndUs = 0;
  readonly #instruments: Instruments;
  readonly #prices: Prices;
  readonly #exposure: Exposure;
  readonly #allowShort: boolean;
  readonly #staleAfterUs: number;
  readonly #windowAgeMaxUs: number;
  readonly #positionsMax: number;
  readonly #capitalMaxTicks: number;
  readonly #notionalMinTicks: number;
  readonly #notionalMaxTicks: number;
  readonly #collarFrac: number;

  constructor(instruments: Instruments, prices: Prices, exposure: Exposure, params: RiskParams) {
    this.#instruments = instruments;
    this.#prices = prices;
    this.#exposure = exposure;
    this.#allowShort = params.allowShort;
    this.#staleAfterUs = params.staleAfterUs;
    this.#windowAgeMaxUs = params.windowAgeMaxUs;
    this.#positionsMax = params.positionsMax;
    this.#capitalMaxTicks = params.capitalMaxUsd * TICKS_PER_USD;
    this.#notionalMinTicks = params.notionalMinUsd * TICKS_PER_USD;
    this.#notionalMaxTicks = params.notionalMaxUsd * TICKS_PER_USD;
    this.#collarFrac = params.collarBps / 10_000;
  }

  /**
   * Checks that need no quantity; asked before sizing.
   *
   * @param slot             instrument, -1 unknown
   * @param side             SIDE_BUY or SIDE_SELL
   * @param nowUs            market time
   * @param isReady          the instrument's window is complete
   * @param oldestBarStartUs start of the window's oldest bar, epoch us
   * @param positionQty      shares held now, signed
   * @returns DENIED_OK or the index of a denial
   */
  beforeSizing(
    slot: number,
    side: number,
    nowUs: number,
    isReady: boolean,
    oldestBarStartUs: number,
    positionQty: number,
  ): number {
    if (slot < 0 || slot >= this.#instruments.count) return SYMBOL_UNKNOWN;
    assertIndex(slot, INSTRUMENT_CAPACITY, "instrument slot");
    if (this.tradingState === TRADING_HALTED) return TRADING_HALTED_DENIAL;
    if (this.tradingState === TRADING_REDUCING) return REDUCE_ONLY;
    if (!(nowUs >= this.entryStartUs && nowUs < this.entryEndUs)) return OUTSIDE_ENTRY_WINDOW;
    if (this.#instruments.isTradable[slot] === 0) return NOT_TRADABLE;
    if (side < 0 && (!this.#allowShort || this.#instruments.isShortable[slot] === 0)) return NOT_SHORTABLE;
    if (!isReady) return WARMING_UP;
    if (nowUs - oldestBarStartUs > this.#windowAgeMaxUs) return WINDOW_STALE;
    if (nowUs - this.#prices.tsEventUs[slot]! > this.#staleAfterUs) return FEED_STALE;
    if (positionQty !== 0 || this.#exposure.entryRow[slot] !== -1) return POSITION_EXISTS;
    return this.#checkPrice(slot, side);
  }

  /**
   * Checks of the sized order.
   *
   * @param slot             instrument
   * @param qty              shares, 0 or more
   * @param pxTicks          expected price, ticks
   * @param positionCount    instruments with a position now
   * @param committedTicks   cost of all positions, ticks
   * @param buyingPowerTicks the account's buying power less what positions opened since took, ticks
   * @returns DENIED_OK or the index of a denial
   */
  afterSizing(
    qty: number,
    pxTicks: number,
    positionCount: number,
    committedTicks: number,
    buyingPowerTicks: number,
  ): number {
    if (!(qty > 0)) return QTY_ROUNDS_TO_ZERO;
    const notionalTicks = qty * pxTicks;
    if (notionalTicks < this.#notionalMinTicks) return NOTIONAL_UNDER_MINIMUM;
    if (!(notionalTicks <= this.#notionalMaxTicks)) return NOTIONAL_OVER_LIMIT;
    if (positionCount + this.#exposure.entryCount >= this.#positionsMax) return POSITIONS_OVER_LIMIT;
    const reservedTicks = this.#exposure.reservedTotalTicks;
    if (committedTicks + reservedTicks + notionalTicks > this.#capitalMaxTicks) return CAPITAL_OVER_LIMIT;
    if (reservedTicks + notionalTicks > buyingPowerTicks) return BUYING_POWER_EXCEEDED;
    return DENIED_OK;
  }

  /** A price is known, the quote is sane, and last trade and quote are not farther apart than the collar. */
  #checkPrice(slot: number, side: number): number {
    const last = this.#prices.lastPxTicks[slot]!;
    const bid = this.#prices.bidPxTicks[slot]!;
    const ask = this.#prices.askPxTicks[slot]!;
    if (!(last > 0)) return PRICE_UNKNOWN;
    const isQuoteKnown = bid > 0 || ask > 0;
    if (isQuoteKnown && !(bid > 0 && ask > bid)) return PRICE_UNKNOWN;
    const px = isQuoteKnown ? (side > 0 ? ask : bid) : last;
    if (Math.abs(px - last) > last * this.#collarFrac) return PRICE_OUTSIDE_COLLAR;
    return DENIED_OK;
  }
}
