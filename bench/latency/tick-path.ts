// The prices of suite `tickToOrder`: a hundred stocks that rise ever faster with a little noise, so that the momentum rule buys at
// every bar, and one trade in each bar, so that every trade closes the bar before it.

import { Prng } from "../../src/core/prng.ts";

export const STOCKS = 100;
export const SYMBOLS: readonly string[] = Array.from({ length: STOCKS }, (_, i) => `B${String(i).padStart(3, "0")}`);
/** Bars of history before the first event: the averages have settled. */
export const HISTORY_BARS = 120;
export const MINUTE_US = 60_000_000;
/** Start of the bar of each stock's first event, epoch us: 2019-12-18 09:30 in New York. */
export const FIRST_BAR_US = 1_576_679_400_000_000;
const PX_START_USD = 80;
/** Return of a bar, and by how much it grows with each: the MACD histogram stays above 0 only while a rise quickens. */
const DRIFT_LOG_RET = 0.0002;
const QUICKENING_LOG_RET = 0.000003;
const NOISE_LOG_RET = 0.00005;
const TRADE_QTY = 100;

/** Offset in a frame of the letter that says what kind of event it is: `[{"ev":"T"`. */
export const KIND_OFFSET = 8;
export const FLOOR_CODE = 0x46;

/** Price of a bar of any stock, USD; the history has bars from -HISTORY_BARS. */
export function barPx(bar: number, prng: Prng): number {
  const n = bar + HISTORY_BARS;
  const logRet = DRIFT_LOG_RET * n + (QUICKENING_LOG_RET * n * n) / 2 + (prng.next() * 2 - 1) * NOISE_LOG_RET;
  return Math.round(PX_START_USD * Math.exp(logRet) * 100) / 100;
}

export interface TickEvent {
  readonly symbol: string;
  readonly px: number;
}

export class TickPath {
  /** The last work event. */
  last: TickEvent = { symbol: "", px: 0 };
  readonly #prng: Prng;
  #count = 0;

  constructor(seed: number) {
    this.#prng = Prng.stream(seed, "bench.tick-path");
  }

  /** The next trade of the next stock; for the floor the same text with another kind of event, and the path stays. */
  frame(isWork: boolean): string {
    const bar = Math.floor(this.#count / STOCKS);
    const symbol = SYMBOLS[this.#count % STOCKS]!;
    const px = barPx(bar, this.#prng);
    const ms = (FIRST_BAR_US + bar * MINUTE_US) / 1000 + (this.#count % STOCKS) * 7;
    const kind = isWork ? "T" : "F";
    const id = 52_983_525 + this.#count;
    if (isWork) {
      this.#count += 1;
      this.last = { symbol, px };
    }
    return `[{"ev":"${kind}","sym":"${symbol}","x":4,"i":"${id}","z":3,"p":${px.toFixed(2)},"s":${TRADE_QTY},"c":[0,12],"t":${ms},"q":${3_681_328 + this.#count}}]`;
  }
}
