// How far a feature computed in f32 on a GPU may be from its float64 reference, absolute, in the feature's own unit. Each record is
// rounded once, to 6e-8 of itself, and nothing that is nearly equal is subtracted after that (shaders/features.wgsl), so
// errors are a few roundings of the terms a feature is the sum of.

import { assert } from "../../core/assert.ts";
import { FEATURE_COUNT } from "../engine.ts";

/**
 * In the order of the catalogue. Measured (the worst of 48,000 rows of random bars, SwiftShader and llvmpipe) beside each; about five
 * times that is allowed, because WGSL promises less than they give: 2.5 ulps for a division, 3 for a logarithm.
 */
export const FEATURE_TOLERANCES: readonly number[] = [
  /** Log return 1: 1.7e-7 of 1.1. */
  1e-6,
  /** Log return 5 and 20, sums of so many: 2.8e-7 of 1.5, 4.2e-7 of 2.2. */
  2e-6, 3e-6,
  /** Volatility 20: 7.6e-8 of 0.4. */
  5e-7,
  /** RSI, a ratio up to 1: 1.1e-7. */
  1e-6,
  /** MACD, differences of averages as fractions of the price: 2.5e-7 of 0.45. */
  1e-6,
  /** %B, from a mean and a deviation of 20: 4.8e-7 of 1.1. */
  3e-6,
  /** ATR as a fraction of the price: 5.7e-8 of 0.6. */
  5e-7,
  /** Deviation from VWAP: 4.7e-7 of 2.5. */
  2e-6,
  /** z-score of log volume: 9.3e-7 of 4.1. */
  5e-6,
  /** Close location, a ratio up to 1: 1.3e-7. */
  1e-6,
  /** Volume imbalance, a ratio of sums of 20: 3.0e-8. */
  1e-6,
];
assert(FEATURE_TOLERANCES.length === FEATURE_COUNT, "a tolerance for each feature");
