// What the simulated broker sees of the simulated market: prices at the venue's own time, before any feed delay.

export interface MarketListener {
  /** A trade printed. Called at its own time on the timeline. */
  onTrade(slot: number, pxTicks: number, qty: number, tsUs: number): void;
  /** The best bid or offer changed. */
  onQuote(slot: number, bidPxTicks: number, askPxTicks: number, tsUs: number): void;
}

export interface SimMarket {
  /** All symbols of the recorded day, sorted; a slot is an index into this (the venue's own slots, not the engine's). */
  readonly symbols: readonly string[];
  /** -1 where the symbol is not in the day. */
  slotOf(symbol: string): number;
  /** Starts trades and quotes of this symbol; idempotent. Its path does not depend on when or whether it was activated. */
  activate(slot: number): void;
  /** Best bid and offer, ticks; 0 before the first quote of the day. */
  bidPxTicks(slot: number): number;
  askPxTicks(slot: number): number;
  /** Shares shown at the bid and the ask. */
  bidQty(slot: number): number;
  askQty(slot: number): number;
  /** Last trade of this day, ticks; before the first, the previous session's close; 0 where there is neither. */
  lastPxTicks(slot: number): number;
  /** Close of the session before, ticks; 0 where unknown. */
  previousClosePxTicks(slot: number): number;
  addListener(listener: MarketListener): void;
}
