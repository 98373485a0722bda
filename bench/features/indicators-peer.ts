// trading-signals as the peer of the features suite: eight of the twelve features are in it. The returns are plain there, not logs;
// realised volatility, the z-score of volume, close location and volume imbalance have no counterpart.
// A development dependency: null where it is not installed, as in the executable.

import type { ATR, BollingerBands, MACD, ROC, RSI, VWAP } from "trading-signals";
import { isCompiled } from "../../src/core/worker.ts";

/** Not a literal where it is imported, so that the executable does not take it in. */
const PEER: string = "trading-signals";

export class IndicatorsPeer {
  readonly #rsi: RSI;
  readonly #macd: MACD;
  readonly #bands: BollingerBands;
  readonly #atr: ATR;
  readonly #vwap: VWAP;
  readonly #returns: ROC[];

  /** One for each stock, null where the peer is not installed. */
  static async load(stocks: number): Promise<IndicatorsPeer[] | null> {
    if (isCompiled()) return null;
    try {
      const library: typeof import("trading-signals") = await import(PEER);
      return Array.from({ length: stocks }, () => new IndicatorsPeer(library));
    } catch {
      return null;
    }
  }

  private constructor(library: typeof import("trading-signals")) {
    this.#rsi = new library.RSI(14);
    this.#macd = new library.MACD(new library.EMA(12), new library.EMA(26), new library.EMA(9));
    this.#bands = new library.BollingerBands(20, 2);
    this.#atr = new library.ATR(14);
    this.#vwap = new library.VWAP();
    this.#returns = [1, 5, 20].map((bars) => new library.ROC(bars));
  }

  /** One bar into every indicator. @returns RSI, so that nothing can be left out */
  update(open: number, high: number, low: number, close: number, volume: number): number {
    const candle = { open, high, low, close, volume };
    const rsi = this.#rsi.update(close, false);
    this.#macd.update(close, false);
    this.#bands.update(close, false);
    this.#atr.update(candle, false);
    this.#vwap.update(candle, false);
    for (const change of this.#returns) change.update(close, false);
    return rsi ?? 0;
  }

  /** [RSI, MACD histogram over price, %B - 0.5, ATR over price, VWAP deviation, returns 1, 5, 20] as gyr's features would have them. */
  row(closePx: number): number[] {
    const bands = this.#bands.getResultOrThrow();
    return [
      (this.#rsi.getResultOrThrow() - 50) / 50,
      this.#macd.getResultOrThrow().histogram / closePx,
      (closePx - bands.lower) / (bands.upper - bands.lower) - 0.5,
      this.#atr.getResultOrThrow() / closePx,
      closePx / this.#vwap.getResultOrThrow() - 1,
      ...this.#returns.map((change) => Math.log1p(change.getResultOrThrow())),
    ];
  }
}
