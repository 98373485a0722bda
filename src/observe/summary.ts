// A finished run for a terminal, and the one JSON object of `gyr run --json`.

import type { ReportTrade, RunReport } from "./run-report.ts";

const WIDTH = 76;

/** The summary a person reads; plain text, no colour codes, at most 76 columns where the data allows. */
export function formatSummary(report: RunReport): string {
  const sections = [
    headline(report),
    results(report),
    orders(report),
    table("Denied by risk", report.denials),
    table("Stopped by the strategy's filters", report.filtered),
    latencies(report),
    made(report),
    report.warnings.length > 0 ? `Warnings\n${report.warnings.map((text) => `  ! ${text}`).join("\n")}` : "",
    `Report    ${report.reportPath}\nJournal   ${report.journalPath}`,
  ];
  const rule = "─".repeat(WIDTH);
  return `${rule}\n${sections.filter((section) => section !== "").join("\n\n")}\n${rule}`;
}

function headline(report: RunReport): string {
  const outcome = { completed: "completed", interrupted: "INTERRUPTED", failed: "FAILED" }[report.outcome];
  const wall = `${report.wallSeconds.toFixed(1)} s`;
  return `gyr ${report.version}   ${report.mode}   ${report.day}   ${outcome} in ${wall}`;
}

function results(report: RunReport): string {
  const trades = report.trades.length;
  const best = extreme(report.trades, (a, b) => netOf(a) > netOf(b));
  const worst = extreme(report.trades, (a, b) => netOf(a) < netOf(b));
  const rate = report.winRate === null ? "-" : `${(report.winRate * 100).toFixed(1)}%`;
  const factor = report.profitFactor === null ? "-" : report.profitFactor.toFixed(2);
  return [
    "Result",
    `  P&L before costs  ${usd(report.pnlGrossUsd).padStart(14)}    after costs ${usd(report.pnlNetUsd).padStart(14)}`,
    `  Costs             ${usd(-report.feesUsd).padStart(14)}    drawdown    ${percent(report.drawdownMaxFrac).padStart(14)}`,
    `  Trades            ${String(trades).padStart(14)}    wins ${rate}, profit factor ${factor}`,
    best === null ? "" : `  Biggest winner    ${tradeLine(best)}`,
    worst === null ? "" : `  Biggest loser     ${tradeLine(worst)}`,
    `  Positions at close${String(report.positionsAtClose).padStart(14)}    ${report.positionsAtClose === 0 ? "flat" : "NOT FLAT"}`,
  ]
    .filter((line) => line !== "")
    .join("\n");
}

function orders(report: RunReport): string {
  const count = (value: number) => value.toLocaleString("en-US");
  return [
    "Work",
    `  ${count(report.universe.length)} of ${count(report.universeCandidates)} stocks, ${count(report.marketEvents)} market events, ${count(report.bars)} bars, ${count(report.predictions)} predictions`,
    `  ${count(report.signals)} signals, ${count(report.orders)} orders, ${count(report.fills.length)} fills`,
  ].join("\n");
}

function table(title: string, rows: RunReport["denials"]): string {
  if (rows.length === 0) return "";
  const lines = rows.map((row) => `  ${row.code.padEnd(26)}${row.count.toLocaleString("en-US").padStart(8)}`);
  return `${title}\n${lines.join("\n")}`;
}

function latencies(report: RunReport): string {
  const rows = report.latencies.filter((stage) => stage.count > 0);
  if (rows.length === 0) return "";
  const cell = (us: number) => (us >= 1000 ? `${(us / 1000).toFixed(1)} ms` : `${us.toFixed(1)} us`).padStart(11);
  const lines = rows.map(
    ({ stage, count, p50Us, p99Us, maxUs }) =>
      `  ${stage.padEnd(14)}${count.toLocaleString("en-US").padStart(9)}${cell(p50Us)}${cell(p99Us)}${cell(maxUs)}`,
  );
  return `Latency            count        p50        p99        max\n${lines.join("\n")}`;
}

function made(report: RunReport): string {
  const adapter = report.adapter === "" ? "" : ` on ${report.adapter}`;
  const network =
    report.signal === "cnn"
      ? `network '${report.model}' decides`
      : `momentum rule decides; network '${report.model}' runs in shadow`;
  const lines = [
    "Decided by",
    `  ${network}${report.isModelTrained ? "" : " and is UNTRAINED (seeded weights)"}`,
    `  engine ${report.engine} ${report.precision}${adapter}, seed ${report.seed}, data: ${report.dataOrigin}`,
    `  fingerprint ${report.fingerprint}`,
  ];
  return lines.join("\n");
}

function netOf(trade: ReportTrade): number {
  return trade.pnlUsd - trade.feesUsd;
}

function extreme(trades: readonly ReportTrade[], isBeyond: (a: ReportTrade, b: ReportTrade) => boolean) {
  return trades.reduce<ReportTrade | null>(
    (found, trade) => (found === null || isBeyond(trade, found) ? trade : found),
    null,
  );
}

function tradeLine(trade: ReportTrade): string {
  const { symbol, qty, entryPxUsd, exitPxUsd, exitReason } = trade;
  return `${usd(netOf(trade)).padStart(14)}    ${symbol} ${qty} x ${entryPxUsd.toFixed(2)} -> ${exitPxUsd.toFixed(2)} (${exitReason})`;
}

function usd(value: number): string {
  return `${value < 0 ? "-" : ""}$${Math.abs(value).toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
}

function percent(frac: number): string {
  return `${(frac * 100).toFixed(2)}%`;
}

/** The last line of `gyr run --json`. Field names are stable. */
export function summaryJson(report: RunReport): Record<string, unknown> {
  const tickToOrder = report.latencies.find((stage) => stage.stage === "tickToOrder");
  return {
    mode: report.mode,
    day: report.day,
    outcome: report.outcome,
    symbols: report.universe.length,
    bars: report.bars,
    predictions: report.predictions,
    orders: report.orders,
    fills: report.fills.length,
    denials: report.denials.reduce((sum, denial) => sum + denial.count, 0),
    denialsByCode: Object.fromEntries(report.denials.map(({ code, count }) => [code, count])),
    positionsAtClose: report.positionsAtClose,
    pnlUsd: report.pnlNetUsd,
    pnlGrossUsd: report.pnlGrossUsd,
    feesUsd: report.feesUsd,
    engine: report.engine,
    precision: report.precision,
    model: report.model,
    isModelTrained: report.isModelTrained,
    fingerprint: report.fingerprint,
    tickToOrderP50Us: tickToOrder?.p50Us ?? null,
    tickToOrderP99Us: tickToOrder?.p99Us ?? null,
    wallSeconds: report.wallSeconds,
    warnings: report.warnings,
    reportPath: report.reportPath,
    journalPath: report.journalPath,
  };
}
