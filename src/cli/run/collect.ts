// What a finished run has to tell, gathered from the trader's columns into one plain RunReport.

import type { Config } from "../../config/schema.ts";
import { usdFromTicks } from "../../core/fixed-point.ts";
import { bucketUpperNs, HISTOGRAM_BUCKET_COUNT, type Histogram } from "../../core/histogram.ts";
import { MINUTE_COUNT } from "../../engine/day-record.ts";
import { fillLines, fingerprintOf, ROLE_NAMES } from "../../engine/fingerprint.ts";
import { LATENCY_MEANINGS, type Latencies } from "../../engine/latencies.ts";
import type { Schedule } from "../../engine/schedule.ts";
import type { EngineChoice } from "../../inference/engine-choice.ts";
import type { LatencyStage, ReportFill, ReportSeries, ReportTrade, RunReport } from "../../observe/run-report.ts";
import { DENIALS, DENIED_OK } from "../../risk/denials.ts";
import { FILTER_PASS, FILTERS } from "../../strategy/filters.ts";
import type { Universe } from "../../universe/build.ts";
import { VERSION } from "../version.ts";
import type { Trader } from "./trader.ts";
import type { EquitySample } from "./trading-day.ts";

export interface CollectInputs {
  readonly trader: Trader;
  readonly config: Config;
  readonly configSha256: string;
  readonly schedule: Schedule;
  readonly universe: Universe;
  readonly choice: EngineChoice;
  readonly isModelTrained: boolean;
  readonly outcome: RunReport["outcome"];
  readonly exitReason: "flatten" | "shutdown";
  readonly equity: readonly EquitySample[];
  readonly cashStartTicks: number;
  readonly positionsAtClose: number;
  readonly startedWallIso: string;
  readonly wallSeconds: number;
  readonly dataOrigin: string;
  readonly warnings: readonly string[];
  readonly reportPath: string;
  readonly journalPath: string;
}

const MINUTE_US = 60_000_000;

export function collectReport(inputs: CollectInputs): RunReport {
  const { trader, config, schedule, choice } = inputs;
  const engine = choice.engine.info;
  const { pipeline, record, orders, instruments, ledger } = trader;
  const fills = reportFills(trader);
  const trades = reportTrades(trader, inputs.exitReason);
  const pnlNetTicks = ledger.equityTicks(trader.prices.lastPxTicks) - inputs.cashStartTicks;
  const lines = fillLines(record, orders, instruments);
  return {
    version: VERSION,
    mode: config.mode,
    day: schedule.date,
    outcome: inputs.outcome,
    signal: config.strategy.signal,
    startedWallIso: inputs.startedWallIso,
    wallSeconds: inputs.wallSeconds,
    sessionOpenUs: schedule.openUs,
    sessionCloseUs: schedule.closeUs,
    universe: inputs.universe.members.map(({ symbol, score }) => ({ symbol, score })),
    universeCandidates: inputs.universe.candidatesCount,
    bars: pipeline.barCount,
    marketEvents: pipeline.eventCount,
    predictions: pipeline.predictionCount,
    signals: pipeline.signalCount,
    orders: pipeline.orderCount + trader.flattener.exitCount,
    fills,
    trades,
    denials: counted(pipeline.denialCounts, DENIALS, DENIED_OK),
    filtered: counted(pipeline.filterCounts, FILTERS, FILTER_PASS),
    positionsAtClose: inputs.positionsAtClose,
    cashStartUsd: usdFromTicks(inputs.cashStartTicks),
    pnlGrossUsd: usdFromTicks(pnlNetTicks + ledger.feesTotalTicks),
    feesUsd: usdFromTicks(ledger.feesTotalTicks),
    pnlNetUsd: usdFromTicks(pnlNetTicks),
    drawdownMaxFrac: drawdownMax(inputs.equity),
    winRate: winRate(trades),
    profitFactor: profitFactor(trades),
    equity: {
      tsUs: inputs.equity.map((sample) => sample.tsUs),
      equityUsd: inputs.equity.map((sample) => usdFromTicks(sample.equityTicks)),
    },
    series: tradedSeries(trader, fills),
    latencies: latencyStages(trader),
    engine: engine.engine,
    precision: engine.precision,
    adapter: engine.adapter,
    ...(choice.text === "" ? {} : { engineChoice: choice.text }),
    model: engine.model,
    modelSha256: engine.modelSha256,
    isModelTrained: inputs.isModelTrained,
    configSha256: inputs.configSha256,
    seed: config.seed,
    fingerprint: fingerprintOf(
      {
        date: schedule.date,
        engine: engine.engine,
        precision: engine.precision,
        modelSha256: engine.modelSha256,
        configSha256: inputs.configSha256,
      },
      lines,
    ),
    dataOrigin: inputs.dataOrigin,
    warnings: inputs.warnings,
    reportPath: inputs.reportPath,
    journalPath: inputs.journalPath,
    counters: counters(trader, choice),
  };
}

function reportFills(trader: Trader): ReportFill[] {
  const { record, orders, instruments } = trader;
  return Array.from({ length: record.fillCount }, (_, i) => {
    const row = record.fillRow[i]!;
    return {
      tsUs: record.fillTsUs[i]!,
      symbol: instruments.symbols[orders.slot[row]!]!,
      side: orders.side[row]! > 0 ? "buy" : "sell",
      role: ROLE_NAMES[orders.role[row]!]!,
      qty: record.fillQty[i]!,
      pxUsd: usdFromTicks(record.fillPxTicks[i]!),
      clientOrderId: orders.clientOrderId[row]!,
    };
  });
}

interface OpenTrade {
  direction: "long" | "short";
  entryTsUs: number;
  qty: number;
  entryNotionalTicks: number;
  exitQty: number;
  exitNotionalTicks: number;
  feeTicks: number;
}

/** Entries matched with what closed them; a trade begins and ends with the position at zero. */
function reportTrades(trader: Trader, exitReason: "flatten" | "shutdown"): ReportTrade[] {
  const { record, orders, instruments } = trader;
  const open = new Map<number, OpenTrade>();
  const trades: ReportTrade[] = [];
  for (let i = 0; i < record.fillCount; i++) {
    const row = record.fillRow[i]!;
    const slot = orders.slot[row]!;
    const qty = record.fillQty[i]!;
    const notionalTicks = qty * record.fillPxTicks[i]!;
    const direction = orders.side[row]! > 0 ? "long" : "short";
    const trade = open.get(slot) ?? newTrade(direction, record.fillTsUs[i]!);
    open.set(slot, trade);
    trade.feeTicks += record.fillFeeTicks[i]!;
    if (trade.direction === direction) {
      trade.qty += qty;
      trade.entryNotionalTicks += notionalTicks;
    } else {
      trade.exitQty += qty;
      trade.exitNotionalTicks += notionalTicks;
    }
    if (trade.exitQty < trade.qty) continue;
    open.delete(slot);
    const role = ROLE_NAMES[orders.role[row]!]!;
    const sign = trade.direction === "long" ? 1 : -1;
    trades.push({
      symbol: instruments.symbols[slot]!,
      direction: trade.direction,
      entryTsUs: trade.entryTsUs,
      exitTsUs: record.fillTsUs[i]!,
      qty: trade.qty,
      entryPxUsd: usdFromTicks(trade.entryNotionalTicks / trade.qty),
      exitPxUsd: usdFromTicks(trade.exitNotionalTicks / trade.exitQty),
      exitReason: role === "target" || role === "stop" ? role : exitReason,
      pnlUsd: usdFromTicks(sign * (trade.exitNotionalTicks - trade.entryNotionalTicks)),
      feesUsd: usdFromTicks(trade.feeTicks),
    });
  }
  return trades;
}

function newTrade(direction: "long" | "short", entryTsUs: number): OpenTrade {
  return { direction, entryTsUs, qty: 0, entryNotionalTicks: 0, exitQty: 0, exitNotionalTicks: 0, feeTicks: 0 };
}

function counted(
  counts: Float64Array,
  names: readonly { readonly code: string; readonly meaning: string }[],
  passIndex: number,
): { code: string; count: number; meaning: string }[] {
  return names
    .map(({ code, meaning }, index) => ({ code, meaning, count: counts[index]!, index }))
    .filter(({ count, index }) => count > 0 && index !== passIndex)
    .sort((a, b) => b.count - a.count || a.index - b.index)
    .map(({ code, count, meaning }) => ({ code, count, meaning }));
}

function drawdownMax(equity: readonly EquitySample[]): number {
  let peak = 0;
  let worst = 0;
  for (const { equityTicks } of equity) {
    peak = Math.max(peak, equityTicks);
    if (peak > 0) worst = Math.max(worst, (peak - equityTicks) / peak);
  }
  return worst;
}

function winRate(trades: readonly ReportTrade[]): number | null {
  if (trades.length === 0) return null;
  return trades.filter((trade) => trade.pnlUsd - trade.feesUsd > 0).length / trades.length;
}

function profitFactor(trades: readonly ReportTrade[]): number | null {
  let won = 0;
  let lost = 0;
  for (const { pnlUsd, feesUsd } of trades) {
    const net = pnlUsd - feesUsd;
    if (net > 0) won += net;
    else lost -= net;
  }
  return lost > 0 ? won / lost : null;
}

function tradedSeries(trader: Trader, fills: readonly ReportFill[]): ReportSeries[] {
  const { record, instruments } = trader;
  return [...new Set(fills.map((fill) => fill.symbol))].sort().map((symbol) => {
    const first = instruments.slotOf(symbol) * MINUTE_COUNT;
    const tsUs: number[] = [];
    const closeUsd: number[] = [];
    for (let minute = 0; minute < MINUTE_COUNT; minute++) {
      const close = record.minuteClosePx[first + minute]!;
      if (close === 0) continue;
      tsUs.push(record.dayStartUs + minute * MINUTE_US);
      closeUsd.push(close);
    }
    return { symbol, tsUs, closeUsd };
  });
}

function latencyStages(trader: Trader): LatencyStage[] {
  const { latencies, orders } = trader;
  for (let row = 0; row < orders.count; row++) {
    const sentNs = orders.tsSentNs[row]!;
    const ackNs = orders.tsAckNs[row]!;
    if (sentNs > 0 && ackNs > 0) latencies.acknowledged.record(ackNs - sentNs);
  }
  const stages = Object.keys(LATENCY_MEANINGS) as (keyof Latencies)[];
  return stages.map((stage) => stageOf(stage, latencies[stage]));
}

function stageOf(stage: keyof Latencies, histogram: Histogram): LatencyStage {
  const buckets: [number, number][] = [];
  for (let i = 0; i < HISTOGRAM_BUCKET_COUNT; i++) {
    const count = histogram.counts[i]!;
    if (count > 0) buckets.push([bucketUpperNs(i) / 1000, count]);
  }
  return {
    stage,
    meaning: LATENCY_MEANINGS[stage],
    count: histogram.count,
    p50Us: histogram.quantileNs(0.5) / 1000,
    p90Us: histogram.quantileNs(0.9) / 1000,
    p99Us: histogram.quantileNs(0.99) / 1000,
    p999Us: histogram.quantileNs(0.999) / 1000,
    maxUs: histogram.maxNs / 1000,
    buckets,
  };
}

function counters(trader: Trader, { resilient }: EngineChoice): Record<string, number> {
  const { feed, gate, gateway, bars, record, shadow } = trader;
  const prefixed = (prefix: string, values: object) =>
    Object.fromEntries(
      Object.entries(values)
        .filter((entry): entry is [string, number] => typeof entry[1] === "number")
        .map(([name, value]) => [`${prefix}.${name}`, value]),
    );
  return {
    ...prefixed("feed", feed.counters),
    ...prefixed("events", gate.counters),
    ...prefixed("bars", bars.counters),
    ...prefixed("gateway", gateway.counters),
    "inference.failedCalls": resilient?.failedCalls ?? 0,
    "inference.fallbackCalls": resilient?.fallbackCalls ?? 0,
    "inference.restores": resilient?.restores ?? 0,
    "inference.failedRestores": resilient?.failedRestores ?? 0,
    ...shadow?.counters(),
    "report.fillsDropped": record.fillsDropped,
  };
}
