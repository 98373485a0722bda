// A finished run for a terminal, and the one JSON object of `gyr run --json`.

import { evidenceOf, extremeTrade, netUsd } from "./evidence.ts";
import type { LatencyStage, ReportTrade, RunReport } from "./run-report.ts";
import { shownPath } from "./shown-path.ts";

/** Columns of the summary; a terminal has 80. Only what cannot be broken (a path, a hash) is longer. */
export const SUMMARY_WIDTH = 78;
const MARGIN = "  ";
const LABEL_WIDTH = 13;

export interface SummaryOptions {
  /** ANSI colours. By default on a terminal, unless NO_COLOR says no (https://no-color.org). */
  readonly isColoured?: boolean;
  /** Paths inside it are shown relative to it. */
  readonly workingFolder?: string;
}

type Paint = (text: string, tone: Tone) => string;
type Tone = keyof typeof TONES;
/** ANSI codes; 31 and 32 follow the terminal's own palette. */
const TONES = { good: 32, bad: 31, warn: 33, strong: 1, dim: 2 } as const;

/** The summary a person reads. */
export function formatSummary(report: RunReport, options: SummaryOptions = {}): string {
  const isColoured = options.isColoured ?? (process.stdout.isTTY === true && !process.env.NO_COLOR);
  const paint: Paint = (text, tone) => (isColoured ? `\x1b[${TONES[tone]}m${text}\x1b[0m` : text);
  const sections = [
    headline(report, paint),
    result(report, paint),
    trading(report, paint),
    funnel(report),
    stopped(report, paint),
    latencies(report, paint),
    made(report, paint),
    warnings(report, paint),
    files(report, options.workingFolder ?? process.cwd(), paint),
  ];
  const rule = paint("─".repeat(SUMMARY_WIDTH), "dim");
  return [rule, ...sections.filter((section) => section !== ""), rule].join("\n\n").replace(`${rule}\n\n`, `${rule}\n`);
}

const MODES = { sim: "simulation of", paper: "paper account on", live: "LIVE on" } as const;

function headline(report: RunReport, paint: Paint): string {
  const { outcome, positionsAtClose: held } = report;
  const wall = `in ${report.wallSeconds.toFixed(1)} s`;
  const ended =
    outcome === "completed" ? `completed ${wall}` : paint(`${outcome.toUpperCase()} after ${wall.slice(3)}`, "bad");
  const state = held === 0 ? paint("flat", "good") : paint(`${held} ${plural("POSITION", held)} STILL HELD`, "bad");
  const pieces = [`${paint("gyr", "strong")} ${report.version}`, `${MODES[report.mode]} ${report.day}`, ended, state];
  return flow(pieces, "   ", MARGIN, MARGIN);
}

function result(report: RunReport, paint: Paint): string {
  const tone = report.pnlNetUsd < 0 ? "bad" : "good";
  const net = paint(signedUsd(report.pnlNetUsd), report.pnlNetUsd === 0 ? "strong" : tone);
  const parts = `(${signedUsd(report.pnlGrossUsd)} before, ${usd(report.feesUsd)} of fees)`;
  const first = flow([`P&L  ${net} after costs`, parts], "   ", MARGIN, `${MARGIN}     `);
  const curve = sparkline(
    report.equity.equityUsd.map((value) => value - report.cashStartUsd),
    SPARK_WIDTH,
  );
  return curve === ""
    ? first
    : `${first}\n${MARGIN}${paint("open", "dim")} ${curve} ${paint(report.outcome === "completed" ? "close" : "end", "dim")}`;
}

function trading(report: RunReport, paint: Paint): string {
  const evidence = evidenceOf(report);
  const count = report.trades.length;
  const best = extremeTrade(report.trades, 1);
  const worst = extremeTrade(report.trades, -1);
  const lines = [
    labelled(
      "Trades",
      count === 0
        ? "none was closed"
        : `${number(count)} closed, ${number(evidence.wonCount)} won (${percent(report.winRate)}), profit factor ${ratio(report.profitFactor)}`,
    ),
    best === null ? "" : labelled("Best", tradeLine(best, paint)),
    worst === null || worst === best ? "" : labelled("Worst", tradeLine(worst, paint)),
    labelled("Drawdown", `${usd(evidence.drawdownUsd)}, ${percent(report.drawdownMaxFrac, 2)} of the account`),
  ];
  if (evidence.mean !== null) {
    const { low, high } = evidence.mean;
    const verdict = low > 0 || high < 0 ? "zero is outside; one day" : "zero is inside";
    lines.push(
      labelled(
        "Mean",
        `${signedUsd(evidence.meanUsd)} a trade, 95% ${signedUsd(low)} to ${signedUsd(high)}: ${verdict}`,
      ),
    );
  }
  if (report.mode === "sim" && report.fills.length > 0) {
    const end =
      evidence.breakEvenBps === null
        ? "there is no gain to lose"
        : `the gain is gone at ${ratio(evidence.breakEvenBps)} bp`;
    lines.push(wrapped("Fills", `simulated; 1 bp worse costs ${usd(evidence.usdPerBp)}, ${end}`));
  }
  return lines.filter((line) => line !== "").join("\n");
}

function funnel(report: RunReport): string {
  const steps: [string, number][] = [
    ["market events", report.marketEvents],
    ["bars", report.bars],
    ["predictions", report.predictions],
    ["signals", report.signals],
    ["orders", report.orders],
    ["fills", report.fills.length],
  ];
  const counts = steps.map(([name, value]) => `${number(value)} ${name}`);
  const stocks = `${number(report.universe.length)} of ${number(report.universeCandidates)} stocks`;
  return wrap([stocks, ...counts].join(", "), MARGIN, MARGIN);
}

/** Both lists of codes side by side: what the filters stopped and what risk denied. */
function stopped(report: RunReport, paint: Paint): string {
  const left = codeColumn("Stopped by filters", report.filtered);
  const right = codeColumn("Denied by risk", report.denials);
  if (left.length === 0 && right.length === 0) return "";
  const rows = Math.max(left.length, right.length);
  const width = 36;
  const lines = Array.from({ length: rows }, (_, row) => {
    const text = `${MARGIN}${(left[row] ?? "").padEnd(width)}   ${right[row] ?? ""}`.trimEnd();
    return row === 0 ? paint(text, "strong") : text;
  });
  return lines.join("\n");
}

function codeColumn(title: string, rows: RunReport["denials"]): string[] {
  if (rows.length === 0) return [];
  const line = (name: string, count: number) => {
    const shown = number(count);
    return `${name.padEnd(Math.max(36 - shown.length, name.length + 1))}${shown}`;
  };
  const total = rows.reduce((sum, row) => sum + row.count, 0);
  return [line(title, total), ...rows.map((row) => line(row.code, row.count))];
}

function latencies(report: RunReport, paint: Paint): string {
  const rows = report.latencies.filter((stage) => stage.count > 0);
  if (rows.length === 0) return "";
  const line = (name: string, cells: string[]) =>
    `${MARGIN}${name.padEnd(16)}${cells.map((cell) => cell.padStart(12)).join("")}`;
  const head = paint(line("Latency", ["count", "p50", "p99", "most"]), "strong");
  const body = rows.map((stage) =>
    line(stage.stage, [number(stage.count), micros(stage.p50Us), p99Of(stage), micros(stage.maxUs)]),
  );
  return [head, ...body].join("\n");
}

/** The 99th percentile of fewer than 100 samples is the largest of them, so none is shown. */
function p99Of(stage: LatencyStage): string {
  return stage.count < 100 ? "-" : micros(stage.p99Us);
}

function made(report: RunReport, paint: Paint): string {
  const adapter = report.adapter === "" ? "" : ` on ${printable(report.adapter)}`;
  const decides = report.signal === "cnn" ? "the network" : "the momentum rule; the network runs in shadow";
  const training = report.isModelTrained
    ? "trained"
    : paint("UNTRAINED: its weights are seeded random numbers", "warn");
  return [
    labelled("Decides", decides),
    labelled("Network", `'${printable(report.model)}', ${training}`),
    labelled("Engine", `${report.engine} ${report.precision}${adapter}, seed ${report.seed}`),
    wrapped("Data", report.dataOrigin),
    labelled("Fingerprint", report.fingerprint),
  ].join("\n");
}

function warnings(report: RunReport, paint: Paint): string {
  return report.warnings.map((text) => paint(wrap(printable(text), `${MARGIN}! `, `${MARGIN}  `), "warn")).join("\n");
}

function files(report: RunReport, workingFolder: string, paint: Paint): string {
  const line = (name: string, path: string) =>
    labelled(name, paint(printable(shownPath(path, workingFolder)), "strong"));
  return `${line("Report", report.reportPath)}\n${line("Journal", report.journalPath)}`;
}

function tradeLine(trade: ReportTrade, paint: Paint): string {
  const { symbol, direction, qty, entryPxUsd, exitPxUsd, exitReason } = trade;
  const net = netUsd(trade);
  const prices = `${entryPxUsd.toFixed(2)} -> ${exitPxUsd.toFixed(2)}`;
  return `${paint(signedUsd(net).padEnd(11), net < 0 ? "bad" : "good")}${printable(symbol)}, ${direction} ${number(qty)} at ${prices}, ${exitReason}`;
}

// ---- text --------------------------------------------------------------------------------------------------------------

function labelled(label: string, text: string): string {
  return `${MARGIN}${label.padEnd(LABEL_WIDTH)}${text}`;
}

function wrapped(label: string, text: string): string {
  return wrap(printable(text), `${MARGIN}${label.padEnd(LABEL_WIDTH)}`, MARGIN + " ".repeat(LABEL_WIDTH));
}

/** Breaks text at spaces to SUMMARY_WIDTH; a longer word stays whole. */
function wrap(text: string, first: string, indent: string): string {
  return flow(text.split(" "), " ", first, indent);
}

/** Puts pieces side by side, and on the next line what has no room. Colours take none. */
function flow(pieces: readonly string[], separator: string, first: string, indent: string): string {
  const lines: string[] = [];
  let line = first;
  let isEmpty = true;
  for (const piece of pieces) {
    if (!isEmpty && Bun.stringWidth(line + separator + piece) > SUMMARY_WIDTH) {
      lines.push(line);
      line = indent;
      isEmpty = true;
    }
    line += isEmpty ? piece : separator + piece;
    isEmpty = false;
  }
  return [...lines, line].join("\n");
}

/** Text from outside must not move the cursor or paint: control characters become a sign of their own. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what it looks for
  return text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, "␛");
}

function plural(noun: string, count: number): string {
  return count === 1 ? noun : `${noun}S`;
}

const SPARK_WIDTH = 64;
const SPARKS = "▁▂▃▄▅▆▇█";

/** A curve of blocks, `width` wide or less; "" for fewer than two values or a flat one. */
export function sparkline(values: readonly number[], width: number): string {
  const known = values.filter(Number.isFinite);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  if (known.length < 2 || low === high) return "";
  const length = Math.min(width, known.length);
  return Array.from({ length }, (_, at) => {
    // The last value of each part, so that the curve ends where the run did.
    const value = known[Math.floor(((at + 1) * known.length) / length) - 1]!;
    return SPARKS[Math.min(Math.floor(((value - low) / (high - low)) * SPARKS.length), SPARKS.length - 1)];
  }).join("");
}

// ---- numbers -----------------------------------------------------------------------------------------------------------

const NONE = "-";

function number(value: number): string {
  return Number.isFinite(value) ? value.toLocaleString("en-US") : NONE;
}

/** -$1,234.50; values that round to zero have no sign. */
export function usd(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return NONE;
  const text = Math.abs(value).toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  return value <= -0.005 ? `-$${text}` : `$${text}`;
}

/** usd with a plus for a gain. */
export function signedUsd(value: number | null): string {
  return value !== null && Number.isFinite(value) && value >= 0.005 ? `+${usd(value)}` : usd(value);
}

function percent(frac: number | null, digits = 1): string {
  return frac === null || !Number.isFinite(frac) ? NONE : `${(frac * 100).toFixed(digits)}%`;
}

function ratio(value: number | null): string {
  return value === null || !Number.isFinite(value) ? NONE : value.toFixed(2);
}

function micros(us: number): string {
  if (!Number.isFinite(us)) return NONE;
  if (us >= 1_000_000) return `${(us / 1_000_000).toFixed(2)} s`;
  return us >= 1_000 ? `${(us / 1_000).toFixed(2)} ms` : `${us.toFixed(1)} us`;
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
