// The summary a person reads and the JSON a machine reads.

import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { RunReport } from "../../../src/observe/run-report.ts";
import { formatSummary, SUMMARY_WIDTH, signedUsd, sparkline, summaryJson, usd } from "../../../src/observe/summary.ts";
import { emptyReport, tradedReport } from "../../support/run-report.ts";

const plain = (report: RunReport, workingFolder = "/elsewhere") =>
  formatSummary(report, { isColoured: false, workingFolder });

/** The line that starts with a label, without it. */
function lineOf(summary: string, label: string): string | undefined {
  const line = summary.split("\n").find((text) => text.trimStart().startsWith(label));
  return line?.trim().slice(label.length).trim();
}

describe("money", () => {
  test.each([
    [0, "$0.00", "$0.00"],
    [1234.5, "$1,234.50", "+$1,234.50"],
    [-1234.5, "-$1,234.50", "-$1,234.50"],
    [0.004, "$0.00", "$0.00"],
    [-0.004, "$0.00", "$0.00"],
    [-0, "$0.00", "$0.00"],
    [0.005, "$0.01", "+$0.01"],
    [-0.005, "-$0.01", "-$0.01"],
    [123_456_789_012.34, "$123,456,789,012.34", "+$123,456,789,012.34"],
    [null, "-", "-"],
    [Number.NaN, "-", "-"],
    [Number.POSITIVE_INFINITY, "-", "-"],
  ])("%p is %s, with its sign %s", (value, unsigned, signed) => {
    expect(usd(value)).toBe(unsigned);
    expect(signedUsd(value)).toBe(signed);
  });
});

describe("sparkline", () => {
  test("goes from the lowest to the highest block and ends where the values end", () => {
    expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8)).toBe("▁▂▃▄▅▆▇█");
    expect(sparkline([5, 0], 2)).toBe("█▁");
  });

  test("is as wide as asked, or as there are values", () => {
    const values = Array.from({ length: 391 }, (_, i) => Math.sin(i / 40));
    expect(sparkline(values, 64)).toHaveLength(64);
    expect(sparkline(values.slice(0, 7), 64)).toHaveLength(7);
    expect(sparkline([...values, 100], 64).at(-1)).toBe("█");
  });

  test.each([[[]], [[1]], [[2, 2, 2]], [[Number.NaN, 1]]])("of %p is empty", (values) => {
    expect(sparkline(values, 10)).toBe("");
  });
});

describe("formatSummary", () => {
  const reports: [string, RunReport][] = [
    ["an empty run", emptyReport()],
    ["one trade", tradedReport(1)],
    ["hundreds of trades", tradedReport(400, 100)],
    [
      "huge numbers",
      tradedReport(40, 9, { pnlNetUsd: -98_765_432.1, pnlGrossUsd: 1e9, feesUsd: 1e6, marketEvents: 9e9 }),
    ],
    ["an interrupted run", tradedReport(12, 3, { outcome: "interrupted", positionsAtClose: 3 })],
    [
      "long warnings",
      emptyReport({ warnings: ["word ".repeat(60).trim(), "second"], dataOrigin: "origin ".repeat(30).trim() }),
    ],
  ];

  test.each(reports)("of %s fits 80 columns", (_, report) => {
    const tooWide = plain(report)
      .split("\n")
      .filter((line) => line.length > SUMMARY_WIDTH && !line.includes(report.fingerprint));
    expect(tooWide).toEqual([]);
  });

  test.each(reports)("of %s holds no undefined, null or NaN", (_, report) => {
    expect(plain(report)).not.toMatch(/undefined|null|NaN|Infinity/);
  });

  test("tells P&L before and after costs, fees, trades, the best and the worst", () => {
    const summary = plain(tradedReport(8, 4, { pnlGrossUsd: 10, feesUsd: 1.5, pnlNetUsd: 8.5 }));
    expect(lineOf(summary, "P&L")).toBe("+$8.50 after costs   (+$10.00 before, $1.50 of fees)");
    expect(lineOf(summary, "Trades")).toMatch(/^8 closed, \d won \(\d+\.\d%\), profit factor \d/);
    expect(lineOf(summary, "Best")).toMatch(
      /^\+\$\d+\.\d\d +S\d{3}, (long|short) \d+ at \d+\.\d\d -> \d+\.\d\d, target$/,
    );
    expect(lineOf(summary, "Worst")).toMatch(/^-\$\d+\.\d\d +S\d{3}/);
    expect(lineOf(summary, "Fills")).toContain("1 bp worse costs");
  });

  test("shows a dash for rates that do not exist", () => {
    const summary = plain(tradedReport(3, 3, { winRate: null, profitFactor: null }));
    expect(lineOf(summary, "Trades")).toMatch(/\(-\), profit factor -$/);
    expect(lineOf(plain(emptyReport()), "Trades")).toBe("none was closed");
  });

  test("a single trade is the best, and not the worst too", () => {
    const summary = plain(tradedReport(1));
    expect(lineOf(summary, "Best")).toBeDefined();
    expect(lineOf(summary, "Worst")).toBeUndefined();
  });

  test("puts the codes of filters and of risk side by side with their totals", () => {
    const lines = plain(tradedReport(2, 2)).split("\n");
    const at = lines.findIndex((line) => line.includes("Stopped by filters"));
    expect(lines[at]).toMatch(/Stopped by filters +23 +Denied by risk +7$/);
    expect(lines[at + 1]).toMatch(/SHORTS_OFF +20 +POSITION_EXISTS +7$/);
    expect(lines[at + 2]).toMatch(/EXTENDED +3$/);
  });

  test("shows no p99 of fewer than 100 samples", () => {
    const summary = plain(tradedReport(50, 5));
    expect(lineOf(summary, "inference")).toBe("33,158     14.0 us     42.0 us    280.0 us");
    expect(lineOf(summary, "tickToOrder")).toBe("50    800.0 us           -    16.00 ms");
  });

  test("says loudly what is not as it should be", () => {
    const summary = plain(tradedReport(3, 3, { outcome: "failed", positionsAtClose: 2, mode: "live" }));
    expect(summary).toContain("FAILED after 4.6 s");
    expect(summary).toContain("2 POSITIONS STILL HELD");
    expect(summary).toContain("LIVE on 2019-12-18");
    expect(summary).toContain("UNTRAINED");
    expect(summary).not.toContain("simulated");
    expect(plain(emptyReport({ positionsAtClose: 1 }))).toContain("1 POSITION STILL HELD");
    expect(plain(emptyReport({ isModelTrained: true }))).not.toContain("UNTRAINED");
  });

  test("says what decides, on what, with which fingerprint", () => {
    const summary = plain(emptyReport({ signal: "cnn", adapter: "Some GPU", engine: "webgpu", seed: 7 }));
    expect(lineOf(summary, "Decides")).toBe("the network");
    expect(lineOf(summary, "Engine")).toBe("webgpu fp32 on Some GPU, seed 7");
    expect(lineOf(summary, "Fingerprint")).toBe("c".repeat(64));
  });

  test("shows paths inside the working folder relative to it, others whole", () => {
    const report = emptyReport({ reportPath: "/srv/a/runs/report.html", journalPath: "/var/journal.sqlite" });
    expect(lineOf(plain(report, "/srv/a/runs"), "Report")).toBe("report.html");
    expect(lineOf(plain(report, "/srv/a/runs"), "Journal")).toBe("/var/journal.sqlite");
    expect(lineOf(plain(report, "/srv/a/run"), "Report")).toBe("/srv/a/runs/report.html");
  });

  test("text from outside cannot move the cursor or paint", () => {
    const report = emptyReport({ warnings: ["\x1b[2Jgone\r\nx"], dataOrigin: "\x1b]0;title\x07", model: "\x9b31m" });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what must not be there
    expect(plain(report)).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  });

  test("colours add escape codes and nothing else", () => {
    const report = tradedReport(8, 4);
    const coloured = formatSummary(report, { isColoured: true, workingFolder: "/elsewhere" });
    expect(coloured).toContain("\x1b[32m");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape codes
    expect(coloured.replace(/\x1b\[\d+m/g, "")).toBe(plain(report));
  });
});

describe("by itself, formatSummary", () => {
  const SCRIPT = `
    import { formatSummary } from "./src/observe/summary.ts";
    import { emptyReport } from "./test/support/run-report.ts";
    console.log(formatSummary(emptyReport()));
  `;
  const command = [process.execPath, "-e", SCRIPT];
  const cwd = join(import.meta.dir, "../../..");

  async function inTerminal(env: Record<string, string>): Promise<string> {
    const decoder = new TextDecoder();
    let screen = "";
    await using terminal = new Bun.Terminal({
      cols: 80,
      rows: 24,
      data: (_, bytes) => {
        screen += decoder.decode(bytes, { stream: true });
      },
    });
    const { NO_COLOR: _, ...inherited } = process.env;
    await Bun.spawn(command, { terminal, cwd, env: { ...inherited, ...env } }).exited;
    return screen;
  }

  test("is coloured on a terminal", async () => {
    expect(await inTerminal({})).toContain("\x1b[32mflat\x1b[0m");
  });

  test("is plain where NO_COLOR asks for it", async () => {
    const screen = await inTerminal({ NO_COLOR: "1" });
    expect(screen).toContain("flat");
    expect(screen).not.toContain("\x1b[32m");
  });

  test("is plain in a pipe", async () => {
    const child = Bun.spawn(command, { cwd, stdio: ["ignore", "pipe", "inherit"] });
    expect(await new Response(child.stdout).text()).toBe(`${plain(emptyReport())}\n`);
  });
});

describe("summaryJson", () => {
  test("holds the stable fields, counted", () => {
    const json = summaryJson(tradedReport(4, 2));
    expect(json).toMatchObject({
      mode: "sim",
      day: "2019-12-18",
      symbols: 2,
      fills: 8,
      denials: 7,
      denialsByCode: { POSITION_EXISTS: 7 },
      positionsAtClose: 0,
      tickToOrderP50Us: 800,
      tickToOrderP99Us: 2400,
      isModelTrained: false,
    });
    for (const name of ["bars", "predictions", "orders", "pnlUsd", "feesUsd", "engine", "model", "fingerprint"])
      expect(json).toHaveProperty(name);
    for (const name of ["reportPath", "journalPath"]) expect(json[name]).toStartWith("/");
  });

  test("latencies that were not measured are null", () => {
    expect(summaryJson(emptyReport())).toMatchObject({ tickToOrderP50Us: null, tickToOrderP99Us: null });
  });
});
