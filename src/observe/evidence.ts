// What a day's result is worth as evidence: intervals of its averages, and what worse fills would have left of it. Goes into
// report.html and the summary, so that no figure of a run stands there without its doubt.

import type { ReportTrade, RunReport } from "./run-report.ts";

/** Quantile of the standard normal distribution for a two-sided interval of 95%. */
const Z_95 = 1.959964;

/** Fewest trades for which an interval of their mean is given; below it the normal approximation means nothing. */
export const TRADES_FOR_INTERVAL_MIN = 10;

/** Slippage rows of the report, bps on every fill that is not a limit order's. */
const SLIPPAGE_BPS = [0, 0.5, 1, 2, 5] as const;

/** What the design was asked for: shown beside what was measured, never as a promise. */
export const TARGET_PNL_USD = 1_000;
export const TARGET_WIN_FRAC = 0.6;
export const TARGET_DRAWDOWN_FRAC = 0.05;

export interface Interval {
  readonly low: number;
  readonly high: number;
}

export interface ExitGroup {
  readonly reason: ReportTrade["exitReason"];
  readonly count: number;
  readonly wonCount: number;
  /** After fees. */
  readonly netUsd: number;
}

export interface Evidence {
  readonly wonCount: number;
  /** Wilson's interval of the win rate, 95%; null without a trade. */
  readonly winRate: Interval | null;
  /** Mean of a trade after costs; null without a trade. */
  readonly meanUsd: number | null;
  /** Its interval, 95%, as if trades were independent; null under TRADES_FOR_INTERVAL_MIN. */
  readonly mean: Interval | null;
  /** Value of fills that took the market's price: entries, stops and flattening. Targets are limit orders. */
  readonly marketNotionalUsd: number;
  /** What one basis point worse on each of those would have cost. */
  readonly usdPerBp: number;
  /** Slippage at which the result after costs is zero, bps; null where it is not above zero already. */
  readonly breakEvenBps: number | null;
  readonly slippage: readonly { readonly bps: number; readonly pnlUsd: number }[];
  readonly exits: readonly ExitGroup[];
  readonly heldMinutesMedian: number | null;
  /** Money lost between the highest and the lowest later point of the equity curve. */
  readonly drawdownUsd: number;
}

export function evidenceOf(report: RunReport): Evidence {
  const nets = report.trades.map(netUsd);
  const wonCount = nets.filter((net) => net > 0).length;
  const meanUsd = nets.length === 0 ? null : sum(nets) / nets.length;
  const marketNotionalUsd = sum(
    report.fills.filter(({ role }) => role !== "target").map(({ qty, pxUsd }) => qty * pxUsd),
  );
  const usdPerBp = marketNotionalUsd / 10_000;
  return {
    wonCount,
    winRate: nets.length === 0 ? null : wilson(wonCount, nets.length),
    meanUsd,
    mean: meanUsd === null || nets.length < TRADES_FOR_INTERVAL_MIN ? null : intervalOfMean(nets, meanUsd),
    marketNotionalUsd,
    usdPerBp,
    breakEvenBps: report.pnlNetUsd > 0 && usdPerBp > 0 ? report.pnlNetUsd / usdPerBp : null,
    slippage: SLIPPAGE_BPS.map((bps) => ({ bps, pnlUsd: report.pnlNetUsd - bps * usdPerBp })),
    exits: exitGroups(report.trades),
    heldMinutesMedian: median(report.trades.map(({ entryTsUs, exitTsUs }) => (exitTsUs - entryTsUs) / 60e6)),
    drawdownUsd: drawdown(report.equity.equityUsd),
  };
}

/** A trade after its fees, USD. */
export function netUsd(trade: ReportTrade): number {
  return trade.pnlUsd - trade.feesUsd;
}

/** The trade with the highest, or with `sign` -1 the lowest, result after fees; the first of equals; null without one. */
export function extremeTrade(trades: readonly ReportTrade[], sign: 1 | -1): ReportTrade | null {
  return trades.reduce<ReportTrade | null>(
    (found, trade) => (found === null || sign * netUsd(trade) > sign * netUsd(found) ? trade : found),
    null,
  );
}

/**
 * Interval of a proportion that stays within 0..1 and is sound for few trials.
 * E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", 1927.
 */
export function wilson(wonCount: number, count: number): Interval {
  const frac = wonCount / count;
  const z2 = Z_95 * Z_95;
  const middle = (frac + z2 / (2 * count)) / (1 + z2 / count);
  const half = (Z_95 / (1 + z2 / count)) * Math.sqrt((frac * (1 - frac)) / count + z2 / (4 * count * count));
  return { low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}

function intervalOfMean(values: readonly number[], mean: number): Interval {
  const variance = sum(values.map((value) => (value - mean) ** 2)) / (values.length - 1);
  const half = Z_95 * Math.sqrt(variance / values.length);
  return { low: mean - half, high: mean + half };
}

function exitGroups(trades: readonly ReportTrade[]): ExitGroup[] {
  const order = ["target", "stop", "flatten", "shutdown"] as const;
  return order
    .map((reason) => {
      const nets = trades.filter((trade) => trade.exitReason === reason).map(netUsd);
      return { reason, count: nets.length, wonCount: nets.filter((net) => net > 0).length, netUsd: sum(nets) };
    })
    .filter(({ count }) => count > 0);
}

function drawdown(equityUsd: readonly number[]): number {
  let peak = Number.NEGATIVE_INFINITY;
  let worst = 0;
  for (const value of equityUsd) {
    peak = Math.max(peak, value);
    worst = Math.max(worst, peak - value);
  }
  return worst;
}

/**
 * Cost of what is held at each time: shares times their mean entry price, longs and shorts added up.
 *
 * @param tsUs times, rising
 * @returns USD, one for each time
 */
export function capitalAtWork(fills: RunReport["fills"], tsUs: readonly number[]): number[] {
  const held = new Map<string, { qty: number; costUsd: number }>();
  const sorted = fills.toSorted((a, b) => a.tsUs - b.tsUs);
  let next = 0;
  return tsUs.map((ts) => {
    for (; next < sorted.length && sorted[next]!.tsUs <= ts; next++) apply(held, sorted[next]!);
    return sum([...held.values()].map(({ costUsd }) => costUsd));
  });
}

function apply(held: Map<string, { qty: number; costUsd: number }>, fill: RunReport["fills"][number]): void {
  const signed = fill.side === "buy" ? fill.qty : -fill.qty;
  const { qty, costUsd } = held.get(fill.symbol) ?? { qty: 0, costUsd: 0 };
  const left = qty + signed;
  const isAdding = qty === 0 || Math.sign(qty) === Math.sign(signed);
  if (left === 0) held.delete(fill.symbol);
  else if (isAdding) held.set(fill.symbol, { qty: left, costUsd: costUsd + fill.qty * fill.pxUsd });
  else if (Math.sign(left) === Math.sign(qty)) held.set(fill.symbol, { qty: left, costUsd: (costUsd * left) / qty });
  else held.set(fill.symbol, { qty: left, costUsd: Math.abs(left) * fill.pxUsd });
}

function median(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
