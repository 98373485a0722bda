// Hot path: no allocation after start.
// Filters between a signal and an intent. Each answers with FILTER_PASS or a code; docs/strategy.md defines the inputs.
// A code's number is its place in the list; append, never reorder: journals hold numbers.

export const FILTERS = [
  { code: "PASS", meaning: "The signal became an intent." },
  { code: "SHORTS_OFF", meaning: "A sell signal while [strategy] allow_short is false." },
  { code: "VIX_BLOCKED", meaning: "VIX is above [strategy] vix_block_above, or unknown." },
  { code: "COOLING_DOWN", meaning: "The stock was exited less than [strategy] cooldown_bars ago." },
  { code: "MOMENTUM_INCONSISTENT", meaning: "Too few of the last bars moved with the signal." },
  { code: "EXTENDED", meaning: "The price is already farther than timing_extension_max_atr from the day's VWAP." },
  { code: "CLOSE_LOCATION_ADVERSE", meaning: "The bar closed on the wrong side of its range." },
  { code: "SPREAD_WIDE", meaning: "The spread is wider than timing_spread_max_bps." },
] as const;

export const FILTER_PASS = 0;
export const FILTER_SHORTS_OFF = 1;
export const FILTER_VIX_BLOCKED = 2;
export const FILTER_COOLING_DOWN = 3;
export const FILTER_MOMENTUM_INCONSISTENT = 4;
export const FILTER_EXTENDED = 5;
export const FILTER_CLOSE_LOCATION_ADVERSE = 6;
export const FILTER_SPREAD_WIDE = 7;

/**
 * VIX scaler as a gate: entries only below a level. (Its graded effect is the Kelly table's third axis.)
 *
 * @param vix percent a year; NaN when unknown, which blocks
 */
export function vixGate(vix: number, blockAbove: number): number {
  return vix <= blockAbove ? FILTER_PASS : FILTER_VIX_BLOCKED;
}

/**
 * Momentum consistency: how many of the last bars moved with the signal.
 *
 * @param agreeing bars with a return of the signal's sign
 * @param barCount bars looked at, above 0
 * @param fracMin  0..1
 */
export function consistencyFilter(agreeing: number, barCount: number, fracMin: number): number {
  return agreeing >= fracMin * barCount ? FILTER_PASS : FILTER_MOMENTUM_INCONSISTENT;
}

/**
 * Entry timing: not after the move, not against the bar, not across a wide spread.
 *
 * @param direction        1 or -1
 * @param closePx, vwapPx  USD
 * @param atrPx            average true range of a bar, USD
 * @param closeLocation    -1 (low) .. 1 (high) of the last bar
 * @param spreadBps        NaN where no quote is known, which passes
 */
export function timingFilter(
  direction: number,
  closePx: number,
  vwapPx: number,
  atrPx: number,
  closeLocation: number,
  spreadBps: number,
  extensionMaxAtr: number,
  closeLocationMin: number,
  spreadMaxBps: number,
): number {
  if ((closePx - vwapPx) * direction > extensionMaxAtr * atrPx) return FILTER_EXTENDED;
  if (!(closeLocation * direction >= closeLocationMin)) return FILTER_CLOSE_LOCATION_ADVERSE;
  if (spreadBps > spreadMaxBps) return FILTER_SPREAD_WIDE;
  return FILTER_PASS;
}
