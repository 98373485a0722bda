// The obvious bar builder: keeps every trade, sorts, folds. What bars ought to be.

import type { BarBuilder } from "../../src/bars/bar-builder.ts";

export interface Trade {
  readonly slot: number;
  readonly px: number;
  readonly qty: number;
  readonly tsUs: number;
}

export interface Bar {
  readonly slot: number;
  readonly startUs: number;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly volume: number;
  readonly turnoverUsd: number;
  readonly tradeCount: number;
}

/** The last closed bar of `slot` in a builder. */
export function closedBar(builder: BarBuilder, slot: number): Bar {
  return {
    slot,
    startUs: builder.closedStartUs[slot]!,
    open: builder.closedOpenPx[slot]!,
    high: builder.closedHighPx[slot]!,
    low: builder.closedLowPx[slot]!,
    close: builder.closedClosePx[slot]!,
    volume: builder.closedVolume[slot]!,
    turnoverUsd: builder.closedTurnoverUsd[slot]!,
    tradeCount: builder.closedTradeCount[slot]!,
  };
}

/** Bar of the trades of one interval, given in arrival order. */
export function foldTrades(slot: number, startUs: number, trades: readonly Trade[]): Bar {
  const byTime = trades.toSorted((a, b) => a.tsUs - b.tsUs);
  const prices = trades.map((trade) => trade.px);
  return {
    slot,
    startUs,
    open: byTime[0]!.px,
    high: Math.max(...prices),
    low: Math.min(...prices),
    close: byTime.at(-1)!.px,
    volume: trades.reduce((sum, trade) => sum + trade.qty, 0),
    turnoverUsd: trades.reduce((sum, trade) => sum + trade.px * trade.qty, 0),
    tradeCount: trades.length,
  };
}

export class NaiveBars {
  readonly bars: Bar[] = [];
  lateTrades = 0;
  readonly #forming = new Map<number, { startUs: number; trades: Trade[] }>();
  readonly #lastStartUs = new Map<number, number>();
  readonly #intervalUs: number;
  readonly #graceUs: number;

  constructor(intervalUs: number, graceUs: number) {
    this.#intervalUs = intervalUs;
    this.#graceUs = graceUs;
  }

  trade(trade: Trade): void {
    const startUs = trade.tsUs - (trade.tsUs % this.#intervalUs);
    const forming = this.#forming.get(trade.slot);
    if (startUs === forming?.startUs) forming.trades.push(trade);
    else if (startUs <= (forming?.startUs ?? this.#lastStartUs.get(trade.slot) ?? -1)) this.lateTrades += 1;
    else {
      this.#close(trade.slot);
      this.#forming.set(trade.slot, { startUs, trades: [trade] });
    }
  }

  time(nowUs: number): void {
    for (const slot of [...this.#forming.keys()].sort((a, b) => a - b)) {
      if (this.#forming.get(slot)!.startUs + this.#intervalUs + this.#graceUs <= nowUs) this.#close(slot);
    }
  }

  #close(slot: number): void {
    const forming = this.#forming.get(slot);
    if (forming === undefined) return;
    this.#forming.delete(slot);
    this.#lastStartUs.set(slot, forming.startUs);
    this.bars.push(foldTrades(slot, forming.startUs, forming.trades));
  }
}
