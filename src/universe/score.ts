// The score that ranks the stocks that pass the filters, from daily bars that were complete before the open.
//
//   score = range x (1 + efficiency) x activity
//
//   range       mean true range of the sessions known, as a log return: how far the stock goes in a day. Stops, targets and
//               the momentum rule are all in units of range, while spread and fees are not: a stock that moves little
//               cannot earn its costs. Capped at RANGE_MAX: above it is news or an error, not a day to be repeated.
//               True range: Wilder, "New Concepts in Technical Trading Systems", 1978; here ln(highest / lowest) with the
//               close before included.
//   efficiency  |ln(last close / first price)| over the sum of the true ranges of the last EFFICIENCY_SESSIONS sessions,
//               0..1: how much of the way it went was in one direction. This is the momentum term; it doubles the score
//               at most. Kaufman's efficiency ratio ("Trading Systems and Methods") with true range for the path.
//   activity    square root of the last session's volume over the mean, within ACTIVITY_MIN..ACTIVITY_MAX: a stock in play
//               goes on being traded. 1 where only one session is known.
//
// With one session (the sample) range is ln(high / low), efficiency |ln(close / open)| / range, activity 1.
// Unit: log return per session. The direction is left out: strategies may go either way, and the momentum rule decides it.

/** ln 1.22; about the range that 1 in 1,000 sessions of liquid US stocks exceeds. */
export const RANGE_MAX = 0.2;
/** One trading week. */
export const EFFICIENCY_SESSIONS = 5;
export const ACTIVITY_MIN = 0.5;
export const ACTIVITY_MAX = 2;

/** Daily bars of one stock, newest session first; prices in one unit, all above 0 and high >= low. */
export interface DailyHistory {
  readonly count: number;
  readonly open: Float64Array;
  readonly high: Float64Array;
  readonly low: Float64Array;
  readonly close: Float64Array;
  readonly volume: Float64Array;
}

/** Score of one stock, 0 to 2 x ACTIVITY_MAX x RANGE_MAX; 0 when it did not move. At least one session is needed. */
export function momentumVolatilityScore(history: DailyHistory): number {
  const range = Math.min(meanTrueRange(history, history.count), RANGE_MAX);
  return range * (1 + directionEfficiency(history)) * activity(history);
}

/** True range of session `index` (0 is the newest), log. */
function trueRange(history: DailyHistory, index: number): number {
  const isOldest = index + 1 >= history.count;
  const before = isOldest ? history.open[index]! : history.close[index + 1]!;
  const highest = Math.max(history.high[index]!, before);
  const lowest = Math.min(history.low[index]!, before);
  return Math.log(highest / lowest);
}

function meanTrueRange(history: DailyHistory, sessions: number): number {
  let sum = 0;
  for (let index = 0; index < sessions; index++) sum += trueRange(history, index);
  return sum / sessions;
}

function directionEfficiency(history: DailyHistory): number {
  const sessions = Math.min(history.count, EFFICIENCY_SESSIONS);
  const oldest = sessions - 1;
  const start = sessions < history.count ? history.close[sessions]! : history.open[oldest]!;
  const path = meanTrueRange(history, sessions) * sessions;
  return path > 0 ? Math.min(Math.abs(Math.log(history.close[0]! / start)) / path, 1) : 0;
}

function activity(history: DailyHistory): number {
  let sum = 0;
  for (let index = 0; index < history.count; index++) sum += history.volume[index]!;
  if (history.count < 2 || sum === 0) return 1;
  const ratio = Math.sqrt((history.volume[0]! * history.count) / sum);
  return Math.min(Math.max(ratio, ACTIVITY_MIN), ACTIVITY_MAX);
}
