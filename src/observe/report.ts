// report.html: one file with everything in it (styles, chart library, data), readable offline and years later.
//
// Text of a run can never become markup: data travels as JSON in a script element with `<` escaped, the page writes text nodes
// only, and its content security policy lets nothing run but the scripts below, by their hashes, and nothing be fetched.

import uplotJs from "uplot/dist/uPlot.iife.min.js" with { type: "text" };
import uplotCss from "uplot/dist/uPlot.min.css" with { type: "text" };
import { capitalAtWork, evidenceOf, TARGET_DRAWDOWN_FRAC, TARGET_PNL_USD, TARGET_WIN_FRAC } from "./evidence.ts";
import chartsJs from "./report/charts.client.js" with { type: "text" };
import formatJs from "./report/format.client.js" with { type: "text" };
import pageJs from "./report/page.client.js" with { type: "text" };
import pageCss from "./report/page.css" with { type: "text" };
import pageHtmlText from "./report/page.html" with { type: "text" };
import tablesJs from "./report/tables.client.js" with { type: "text" };
import type { RunReport } from "./run-report.ts";
import { shownPath } from "./shown-path.ts";

/** Bun's types know .html imports only as pages to serve. */
const pageHtml = pageHtmlText as unknown as string;

/** In this order: each uses what stands before it. */
const SCRIPTS = [formatJs, uplotJs, chartsJs, tablesJs, pageJs].join("\n;\n");
const STYLES = `${uplotCss}\n${pageCss}`;

/** @param workingFolder paths inside it are shown relative to it */
export function renderReport(report: RunReport, workingFolder = process.cwd()): string {
  const data = JSON.stringify(pageData(report, workingFolder)).replaceAll("<", "\\u003c");
  const parts: Record<string, string> = {
    POLICY: `default-src 'none'; script-src '${sourceHash(SCRIPTS)}'; style-src '${sourceHash(STYLES)}'; base-uri 'none'; form-action 'none'`,
    TITLE: escapeHtml(`gyr ${report.mode} ${report.day}`),
    STYLES,
    DATA: data,
    SCRIPTS,
  };
  // One pass with a function: what is put in is neither searched again nor read as a replacement pattern.
  return pageHtml.replace(/%(POLICY|TITLE|STYLES|DATA|SCRIPTS)%/g, (_, name: string) => parts[name]!);
}

/** What the page reads: the report, the doubts that belong to it, and long columns in a shorter form. */
function pageData(report: RunReport, workingFolder: string): object {
  return {
    ...report,
    reportPath: shownPath(report.reportPath, workingFolder),
    journalPath: shownPath(report.journalPath, workingFolder),
    evidence: evidenceOf(report),
    target: { pnlUsd: TARGET_PNL_USD, winFrac: TARGET_WIN_FRAC, drawdownFrac: TARGET_DRAWDOWN_FRAC },
    equity: {
      time: packTimes(report.equity.tsUs),
      pnlUsd: report.equity.equityUsd.map((value) => toTick(value - report.cashStartUsd)),
      capitalUsd: capitalAtWork(report.fills, report.equity.tsUs).map((value) => Math.round(value)),
    },
    series: report.series.map(({ symbol, tsUs, closeUsd }) => ({
      symbol,
      time: packTimes(tsUs),
      closeUsd: closeUsd.map(toTick),
    })),
  };
}

/** First time in epoch seconds, then steps: a tenth of the characters of the times themselves. */
function packTimes(tsUs: readonly number[]): { startSec: number; stepsSec: number[] } {
  return {
    startSec: (tsUs[0] ?? 0) / 1e6,
    stepsSec: tsUs.slice(1).map((ts, index) => (ts - tsUs[index]!) / 1e6),
  };
}

/** To a hundredth of a cent, the finest price there is. */
function toTick(usd: number): number {
  return Math.round(usd * 10_000) / 10_000;
}

function sourceHash(source: string): string {
  return `sha256-${new Bun.CryptoHasher("sha256").update(source).digest("base64")}`;
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
