// A finished run by code: reports of any shape, for the tests of what people see.

import { Prng } from "../../src/core/prng.ts";
import { netUsd } from "../../src/observe/evidence.ts";
import type { LatencyStage, ReportFill, ReportTrade, RunReport } from "../../src/observe/run-report.ts";

/** 2019-12-18 09:30 and 16:00 in New York. */
export const OPEN_US = Date.UTC(2019, 11, 18, 14, 30) * 1000;
export const CLOSE_US = Date.UTC(2019, 11, 18, 21, 0) * 1000;
const MINUTE_US = 60_000_000;
const CASH_USD = 100_000;

/** A run in which nothing happened at all. */
export function emptyReport(changes: Partial<RunReport> = {}): RunReport {
  return {
    version: "0.1.0",
    mode: "sim",
    day: "2019-12-18",
    outcome: "completed",
    signal: "momentum",
    startedWallIso: "2026-01-02T03:04:05.000Z",
    wallSeconds: 4.56,
    sessionOpenUs: OPEN_US,
    sessionCloseUs: CLOSE_US,
    universe: [],
    universeCandidates: 0,
    bars: 0,
    marketEvents: 0,
    predictions: 0,
    signals: 0,
    orders: 0,
    fills: [],
    trades: [],
    denials: [],
    filtered: [],
    positionsAtClose: 0,
    cashStartUsd: CASH_USD,
    pnlGrossUsd: 0,
    feesUsd: 0,
    pnlNetUsd: 0,
    drawdownMaxFrac: 0,
    winRate: null,
    profitFactor: null,
    equity: { tsUs: [], equityUsd: [] },
    series: [],
    latencies: [],
    engine: "wasm",
    precision: "fp32",
    adapter: "",
    model: "untrained",
    modelSha256: "a".repeat(64),
    isModelTrained: false,
    configSha256: "b".repeat(64),
    seed: 1,
    fingerprint: "c".repeat(64),
    dataOrigin: "a fixture",
    warnings: [],
    reportPath: "/somewhere/report.html",
    journalPath: "/somewhere/runs/2019-12-18-sim/journal.sqlite",
    counters: {},
    ...changes,
  };
}

/**
 * A run with `tradeCount` trades over `symbolCount` stocks; every kind of exit, longs and shorts. Same arguments, same report.
 */
export function tradedReport(
  tradeCount: number,
  symbolCount = Math.min(tradeCount, 40),
  changes: Partial<RunReport> = {},
): RunReport {
  const prng = new Prng(7);
  const symbols = Array.from({ length: symbolCount }, (_, i) => `S${String(i).padStart(3, "0")}`);
  const trades = Array.from({ length: tradeCount }, (_, i) => makeTrade(prng, symbols[i % symbolCount]!, i));
  const fills = trades.flatMap(fillsOf).sort((a, b) => a.tsUs - b.tsUs);
  const minutes = Array.from({ length: 391 }, (_, i) => OPEN_US + i * MINUTE_US);
  const nets = trades.map(netUsd);
  const [won, lost] = [sum(nets.filter((net) => net > 0)), -sum(nets.filter((net) => net <= 0))];
  const feesUsd = sum(trades.map((trade) => trade.feesUsd));
  return emptyReport({
    universe: symbols.map((symbol, i) => ({ symbol, score: 1 - i / 1000 })),
    universeCandidates: 300,
    bars: 390 * symbolCount,
    marketEvents: 3_000 * symbolCount,
    predictions: 390 * symbolCount,
    signals: tradeCount + 30,
    orders: tradeCount,
    fills,
    trades,
    denials: [{ code: "POSITION_EXISTS", count: 7, meaning: "There is already a position." }],
    filtered: [
      { code: "SHORTS_OFF", count: 20, meaning: "A sell signal while shorts are off." },
      { code: "EXTENDED", count: 3, meaning: "Too far from the mean price." },
    ],
    pnlGrossUsd: sum(nets) + feesUsd,
    feesUsd,
    pnlNetUsd: sum(nets),
    drawdownMaxFrac: 0.0123,
    winRate: tradeCount === 0 ? null : nets.filter((net) => net > 0).length / tradeCount,
    profitFactor: lost > 0 ? won / lost : null,
    equity: {
      tsUs: minutes,
      equityUsd: minutes.map(
        (ts) => CASH_USD + sum(trades.filter((trade) => trade.exitTsUs <= ts).map((trade) => netUsd(trade))),
      ),
    },
    series: symbols.map((symbol) => ({
      symbol,
      tsUs: minutes.slice(0, 390),
      closeUsd: walk(prng, 390),
    })),
    latencies: [latency("inference", 33_158, 14), latency("tickToOrder", Math.max(tradeCount, 1), 800)],
    warnings: ["daily bars of 1 session where 20 were asked for"],
    counters: { "feed.badFrames": 0, "feed.frames": 5_000 },
    ...changes,
  });
}

const REASONS = ["target", "stop", "flatten", "shutdown"] as const;

function makeTrade(prng: Prng, symbol: string, index: number): ReportTrade {
  const direction = index % 5 === 4 ? "short" : "long";
  const exitReason = REASONS[index % REASONS.length]!;
  const entryTsUs = OPEN_US + Math.floor((5 + prng.next() * 300) * MINUTE_US);
  const entryPxUsd = round(95 + prng.next() * 10);
  const move = exitReason === "target" ? 1 : exitReason === "stop" ? -0.5 : prng.next() - 0.5;
  const sign = direction === "long" ? 1 : -1;
  return {
    symbol,
    direction,
    entryTsUs,
    exitTsUs: entryTsUs + Math.floor((1 + prng.next() * 60) * MINUTE_US),
    qty: 10 + (index % 7),
    entryPxUsd,
    exitPxUsd: round(entryPxUsd + sign * move),
    exitReason,
    pnlUsd: round((10 + (index % 7)) * round(sign * (round(entryPxUsd + sign * move) - entryPxUsd))),
    feesUsd: 0.03,
  };
}

function fillsOf(trade: ReportTrade, index: number): ReportFill[] {
  const { symbol, qty } = trade;
  const isLong = trade.direction === "long";
  const role = trade.exitReason === "target" || trade.exitReason === "stop" ? trade.exitReason : "exit";
  const clientOrderId = `gyr-20191218-m1-${symbol}-${index}`;
  return [
    {
      tsUs: trade.entryTsUs,
      symbol,
      side: isLong ? "buy" : "sell",
      role: "entry",
      qty,
      pxUsd: trade.entryPxUsd,
      clientOrderId,
    },
    {
      tsUs: trade.exitTsUs,
      symbol,
      side: isLong ? "sell" : "buy",
      role,
      qty,
      pxUsd: trade.exitPxUsd,
      clientOrderId: `${clientOrderId}-x`,
    },
  ];
}

function latency(stage: string, count: number, p50Us: number): LatencyStage {
  return {
    stage,
    meaning: `what ${stage} spans`,
    count,
    p50Us,
    p90Us: p50Us * 1.5,
    p99Us: p50Us * 3,
    p999Us: p50Us * 9,
    maxUs: p50Us * 20,
    buckets: [
      [p50Us, Math.ceil(count / 2)],
      [p50Us * 2, Math.floor(count / 2)],
      [p50Us * 20, 1],
    ],
  };
}

function walk(prng: Prng, length: number): number[] {
  let px = 100;
  return Array.from({ length }, () => {
    px = round(px + (prng.next() - 0.5) * 0.2);
    return px;
  });
}

function round(usd: number): number {
  return Math.round(usd * 100) / 100;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
