// A recorded day through both sockets, by the command that users run.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, statSync } from "node:fs";
import { GYR_FROM_SOURCE, type GyrResult, lastJson, runGyr, TestFolder } from "../support/gyr-process.ts";

/** Runs of the same day that must agree. */
const RUN_COUNT = 20;

const folder = new TestFolder();
afterAll(() => folder.dispose());

describe("the sample day with the default configuration", () => {
  let result: GyrResult;
  let report: Record<string, unknown>;

  beforeAll(async () => {
    result = await runGyr(["run", "--json", "--report", "day.html"], { cwd: folder.path });
    report = lastJson(result);
  });

  test("ends flat, in order, with every stage at work", () => {
    expect(result.code).toBe(0);
    expect(report.outcome).toBe("completed");
    expect(report.positionsAtClose).toBe(0);
    expect(report.symbols).toBe(100);
    expect(report.bars).toBeGreaterThan(30_000);
    expect(report.predictions).toBeGreaterThan(30_000);
    expect(report.orders).toBeGreaterThan(20);
    expect(report.fills).toBeGreaterThan(20);
    expect(report.denials).toBeGreaterThan(0);
    expect(report.engine).toBe("wasm");
    expect(report.model).toBe("untrained");
    expect(report.isModelTrained).toBe(false);
    expect(report.fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(report.tickToOrderP50Us).toBeGreaterThan(0);
    expect(report.tickToOrderP99Us).toBeGreaterThanOrEqual(report.tickToOrderP50Us as number);
  });

  test("money adds up to the cent", () => {
    const cents = (name: string) => Math.round((report[name] as number) * 100);
    expect(cents("pnlUsd")).toBe(cents("pnlGrossUsd") - cents("feesUsd"));
    expect(report.feesUsd).toBeGreaterThan(0);
  });

  test("leaves a report of one file and a journal", () => {
    const html = readFileSync(report.reportPath as string, "utf8");
    expect(html).toContain(report.fingerprint as string);
    expect(html).not.toMatch(/<(script|link|img)[^>]+(src|href)=/);
    expect(statSync(report.journalPath as string).size).toBeGreaterThan(100_000);
  });
});

test(`the same day gives the same trades to the cent, ${RUN_COUNT} times in a row under load from another process`, async () => {
  const burner = Bun.spawn([process.execPath, "-e", "for (;;) Math.sqrt(Math.random())"], {
    stdio: ["ignore", "ignore", "ignore"],
  });
  try {
    const seen = new Set<string>();
    for (let i = 0; i < RUN_COUNT; i++) {
      const result = await runGyr(["run", "--json", "--report", "same.html"], { cwd: folder.path });
      expect(result.code).toBe(0);
      const { fingerprint, fills, orders, denials, bars, predictions, pnlUsd, feesUsd } = lastJson(result);
      seen.add(JSON.stringify({ fingerprint, fills, orders, denials, bars, predictions, pnlUsd, feesUsd }));
    }
    expect([...seen]).toHaveLength(1);
  } finally {
    burner.kill();
  }
});

test("another seed, another rule or another engine gives another fingerprint", async () => {
  const config = folder.write("short.toml", "[strategy]\nallow_short = true\n");
  const seeded = folder.write("seed.toml", "seed = 2\n");
  const reference = folder.write("reference.toml", '[inference]\nengine = "reference"\n');
  const fingerprints = new Set<unknown>();
  for (const args of [[], ["--config", config], ["--config", seeded], ["--config", reference]]) {
    const result = await runGyr(["run", "--json", "--report", "other.html", ...args], { cwd: folder.path });
    expect(result.code).toBe(0);
    const report = lastJson(result);
    expect(report.positionsAtClose).toBe(0);
    fingerprints.add(report.fingerprint);
  }
  expect(fingerprints.size).toBe(4);
});

test.each([1, 300])("bars of %i seconds trade the day and end flat", async (intervalSec) => {
  const config = folder.write("interval.toml", `[bars]\ninterval_sec = ${intervalSec}\n`);
  const result = await runGyr(["run", "--json", "--report", "interval.html", "--config", config], { cwd: folder.path });
  expect(result.code).toBe(0);
  const report = lastJson(result);
  expect(report.positionsAtClose).toBe(0);
  // No history of such bars is recorded, so windows fill during the day first.
  expect(report.predictions).toBeGreaterThan(1_000);
  expect(report.predictions).toBeLessThan(report.bars as number);
});

test("the network can decide, and short sales end flat too", async () => {
  const config = folder.write("cnn.toml", '[strategy]\nsignal = "cnn"\nallow_short = true\ncnn_prob_min = 0.34\n');
  const result = await runGyr(["run", "--json", "--report", "cnn.html", "--config", config], { cwd: folder.path });
  expect(result.code).toBe(0);
  expect(lastJson(result).positionsAtClose).toBe(0);
});

test("the vendor's SDK as transport trades the same day to the same positions", async () => {
  const config = folder.write("sdk.toml", '[gateway]\ntransport = "sdk"\n');
  const result = await runGyr(["run", "--json", "--report", "sdk.html", "--config", config], { cwd: folder.path });
  expect(result.code).toBe(0);
  const report = lastJson(result);
  expect(report.positionsAtClose).toBe(0);
  expect(report.orders).toBeGreaterThan(20);
});

test("a numeric speed runs on scaled wall time and ends flat", async () => {
  // 390 minutes in under a minute, with rough time: what is checked is that it trades and ends in order.
  const result = await runGyr(["run", "--json", "--speed", "1500", "--report", "scaled.html"], { cwd: folder.path });
  expect(result.code).toBe(0);
  const report = lastJson(result);
  expect(report.positionsAtClose).toBe(0);
  expect(report.predictions).toBeGreaterThan(10_000);
});

test("gyr starts from another folder by the command line alone", async () => {
  const help = await runGyr(["--help"], { cwd: folder.path, command: GYR_FROM_SOURCE });
  expect(help.code).toBe(0);
  for (const command of ["run", "sim", "bench", "config", "doctor", "model", "explain"])
    expect(help.stdout).toContain(command);
});
