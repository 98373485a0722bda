// Hot path: no allocation after start.
// The documented momentum rule that trades while no trained network does. docs/strategy.md, "Momentum rule".
//
//   z          = r20 / (vol20 * sqrt(20))        return over 20 bars in units of what a walk of this volatility would make
//   direction  = sign(z) where |z| >= entryMin and the MACD histogram has the same sign, else none
//   strength   = min(1, |z| / (2 * entryMin))
//   confidence = share of four signs that agree: return over 5 bars, price against VWAP, volume imbalance, RSI half
//
// Time-series momentum: Moskowitz, Ooi, Pedersen 2012; intraday: Gao, Han, Li, Zhou 2018. The rule is not claimed to earn.

import type { Signal } from "./signal.ts";

const SQRT_20 = Math.sqrt(20);

/**
 * @param logRet5, logRet20 log returns over 5 and 20 bars
 * @param volPerBar         realised volatility of one bar over 20 bars
 * @param macdHistogram     over price
 * @param rsi               (RSI - 50) / 50
 * @param vwapDeviation     (close - VWAP) / VWAP
 * @param volumeImbalance   -1..1
 * @param entryMin          lowest |z|, above 0
 * @param signal            receives the answer
 */
export function momentumSignal(
  logRet5: number,
  logRet20: number,
  volPerBar: number,
  macdHistogram: number,
  rsi: number,
  vwapDeviation: number,
  volumeImbalance: number,
  entryMin: number,
  signal: Signal,
): void {
  signal.clear();
  if (!(volPerBar > 0)) return;
  const z = logRet20 / (volPerBar * SQRT_20);
  if (!(Math.abs(z) >= entryMin)) return;
  const direction = z > 0 ? 1 : -1;
  if (!(macdHistogram * direction > 0)) return;
  let agreeing = 0;
  if (logRet5 * direction > 0) agreeing += 1;
  if (vwapDeviation * direction > 0) agreeing += 1;
  if (volumeImbalance * direction > 0) agreeing += 1;
  if (rsi * direction > 0) agreeing += 1;
  signal.direction = direction;
  signal.strength = Math.min(1, Math.abs(z) / (2 * entryMin));
  signal.confidence = agreeing / 4;
}
