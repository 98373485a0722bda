// The twelve features as data: what the network sees of a stock, one row for each closed bar. The formulas here are what
// feature-engine.ts computes incrementally and reference.ts computes plainly; docs/features.md is generated from this file.
// The hash of the catalogue is in every model card: a change of a formula is a change of the model's input.

import { WINDOW_BARS } from "../inference/engine.ts";

export const FEATURE_LOG_RETURN_1 = 0;
export const FEATURE_LOG_RETURN_5 = 1;
export const FEATURE_LOG_RETURN_20 = 2;
export const FEATURE_VOLATILITY_20 = 3;
export const FEATURE_RSI_14 = 4;
export const FEATURE_MACD_HISTOGRAM = 5;
export const FEATURE_BOLLINGER_B = 6;
export const FEATURE_ATR_14 = 7;
export const FEATURE_VWAP_DEVIATION = 8;
export const FEATURE_LOG_VOLUME_Z = 9;
export const FEATURE_CLOSE_LOCATION = 10;
export const FEATURE_VOLUME_IMBALANCE = 11;

export interface Feature {
  readonly name: string;
  /** Unit of the value. */
  readonly unit: string;
  /** Bars it looks back on, the newest included; "day" since the day's first bar; "all" for recursive state. */
  readonly window: string;
  /** 0-based bar of a stock from which the value is defined; before it the value is 0. */
  readonly definedFromBar: number;
  readonly formula: string;
  readonly source: string;
}

/** Numbers in the formulas. */
export const RETURN_BARS_SHORT = 5;
export const RETURN_BARS_LONG = 20;
export const ROLLING_BARS = 20;
export const WILDER_BARS = 14;
export const EMA_FAST_BARS = 12;
export const EMA_SLOW_BARS = 26;
export const EMA_SIGNAL_BARS = 9;
export const BOLLINGER_DEVIATIONS = 2;

/** In the order of a row. Symbols: o h l c v are open, high, low, close (USD) and volume (shares) of bar t; sums run over the window. */
export const CATALOGUE: readonly Feature[] = [
  {
    name: "log return 1",
    unit: "log return",
    window: "2",
    definedFromBar: 1,
    formula: "r(t) = ln(c(t) / c(t-1)); 0 on a day's first bar unless [bars] include_overnight_return",
    source:
      "continuously compounded return; Campbell, Lo and MacKinlay, The Econometrics of Financial Markets, 1997, section 1.4",
  },
  {
    name: "log return 5",
    unit: "log return",
    window: "6",
    definedFromBar: 5,
    formula: "sum of r over 5 bars",
    source: "as log return 1",
  },
  {
    name: "log return 20",
    unit: "log return",
    window: "21",
    definedFromBar: 20,
    formula: "sum of r over 20 bars",
    source: "as log return 1",
  },
  {
    name: "realised volatility 20",
    unit: "log return per bar",
    window: "21",
    definedFromBar: 20,
    formula: "sqrt(sum of r^2 over 20 bars / 20); the mean is taken as 0",
    source: "Andersen and Bollerslev, Answering the Skeptics, International Economic Review 39, 1998",
  },
  {
    name: "RSI 14",
    unit: "-1..1",
    window: "all",
    definedFromBar: 14,
    formula:
      "(RSI - 50) / 50 = (G - L) / (G + L), G and L Wilder averages of max(c - c', 0) and max(c' - c, 0), c' = c(t-1); first average: mean of 14 changes, then A = (13 A' + x) / 14; 0 where G + L = 0",
    source: "Wilder, New Concepts in Technical Trading Systems, 1978",
  },
  {
    name: "MACD histogram over price",
    unit: "fraction of price",
    window: "all",
    definedFromBar: 33,
    formula:
      "(m - s) / c, m = EMA12(c) - EMA26(c), s = EMA9(m); EMA of n: first value the mean of n, then E = E' + 2 / (n + 1) * (x - E')",
    source: "Appel, Technical Analysis: Power Tools for Active Investors, 2005; histogram: Aspray, 1986",
  },
  {
    name: "Bollinger %B 20, 2 minus a half",
    unit: "fraction of the band",
    window: "20",
    definedFromBar: 19,
    formula: "(c - mean) / (4 * sd), mean and population sd of 20 closes; 0 where sd = 0",
    source: "Bollinger, Bollinger on Bollinger Bands, 2001",
  },
  {
    name: "ATR 14 over price",
    unit: "fraction of price",
    window: "all",
    definedFromBar: 14,
    formula:
      "A / c, A the Wilder average of the true range max(h, c') - min(l, c'), c' = c(t-1); first average: mean of 14 ranges, the first bar of all has none",
    source: "Wilder, New Concepts in Technical Trading Systems, 1978",
  },
  {
    name: "deviation from the day's VWAP",
    unit: "fraction of VWAP",
    window: "day",
    definedFromBar: 0,
    formula:
      "c / VWAP - 1, VWAP = sum of turnover / sum of v since the day's first bar; turnover is price x quantity, or (h + l + c) / 3 * v where trades are unknown; 0 while nothing has traded",
    source: "Berkowitz, Logue and Noser, The Total Cost of Transactions on the NYSE, Journal of Finance 43, 1988",
  },
  {
    name: "z-score of log volume 20",
    unit: "deviations",
    window: "20",
    definedFromBar: 19,
    formula: "(x - mean) / sd, x = ln(1 + v), mean and population sd of 20 values; 0 where sd = 0",
    source:
      "own; log because volume is close to log-normal: Ajinkya and Jain, Journal of Accounting and Economics 11, 1989",
  },
  {
    name: "close location in the bar's range",
    unit: "-1..1",
    window: "1",
    definedFromBar: 0,
    formula: "(2 c - h - l) / (h - l); 0 where h = l",
    source: "Chaikin's close location value, as in the accumulation/distribution line",
  },
  {
    name: "signed volume imbalance 20",
    unit: "-1..1",
    window: "21",
    definedFromBar: 20,
    formula: "sum of sign(r) * v / sum of v over 20 bars; 0 where nothing traded",
    source:
      "on-balance volume (Granville, 1963) as a fraction; sign by the tick test of Lee and Ready, Journal of Finance 46, 1991, on closes",
  },
];

/** Bar of a stock from which a whole row is defined: the latest of the twelve. */
export const ROW_DEFINED_FROM_BAR = Math.max(...CATALOGUE.map((feature) => feature.definedFromBar));
/** Bars a stock needs before all rows of its window are defined. */
export const READY_BARS = ROW_DEFINED_FROM_BAR + WINDOW_BARS;

/** What is hashed: everything that decides a number, one line for each feature. Sources are left out: a better citation is no other feature. */
export function catalogueText(): string {
  return CATALOGUE.map(
    ({ name, unit, window, definedFromBar, formula }, index) =>
      `${index}\t${name}\t${unit}\t${window}\t${definedFromBar}\t${formula}\n`,
  ).join("");
}

/** SHA-256 of catalogueText(), hex. */
export const CATALOGUE_HASH = new Bun.CryptoHasher("sha256").update(catalogueText()).digest("hex");
