// Folders that cannot be written and disks that fill up, by the kernel's own means: paths where nothing can be made, /dev/full,
// and limits on the size of files (which write() answers with an error, as a full disk does).

import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { recoverJournal } from "../../src/ledger/journal.ts";
import { readJournal } from "../../src/ledger/journal-reader.ts";
import { ORDER_ROLE_ENTRY } from "../../src/market/orders.ts";
import { denialIndex } from "../../src/risk/denials.ts";
import { GYR_FROM_SOURCE, GyrProcess, type GyrResult, lastJson, runGyr, TestFolder } from "../support/gyr-process.ts";

const folder = new TestFolder();
afterAll(() => folder.dispose());

const JOURNAL_UNAVAILABLE = denialIndex("JOURNAL_UNAVAILABLE");
const isLinux = process.platform === "linux";
const prlimit = Bun.which("prlimit");
if (prlimit === null) console.log("skipped: disks that fill up during the day need prlimit (util-linux)");

function expectRefused(result: GyrResult, words: readonly string[]): void {
  for (const text of [...words, "remedy"]) expect(result.stderr).toContain(text);
  expect(result.stderr).not.toContain("bug of gyr");
  expect(result.stderr).not.toMatch(/^\s+at /m);
  expect(result.stderr).not.toContain("armed");
  expect(result.code).toBe(1);
}

describe("a path that cannot be written is told before the day", () => {
  const file = folder.write("file", "");
  const places: [what: string, path: string][] = [
    ["a file", file],
    ["under a file", join(file, "below")],
    ...(isLinux ? ([["where nothing can be made", "/proc/none"]] as [string, string][]) : []),
  ];

  test.each(places)("the folder of runs is %s", async (_what, path) => {
    const result = await runGyr(["run", "--run-dir", path, "--report", "r.html"], { cwd: folder.path });
    expectRefused(result, ["cannot make the run's folder", path, "run_dir"]);
  });

  test.each(places)("the report's folder is %s", async (_what, path) => {
    const report = join(path, "report.html");
    const result = await runGyr(["run", "--report", report], { cwd: folder.path });
    expectRefused(result, ["the report cannot be written", report]);
    expect(result.stderr).not.toContain("opening the venue");
  });

  test("the report is a folder", async () => {
    expectRefused(await runGyr(["run", "--report", folder.path], { cwd: folder.path }), ["is a folder"]);
  });
});

test("a disk with no room for the journal's ring ends the start with words", async () => {
  // 1,000 blocks of 1 KiB; the ring takes 4 MiB.
  const command = ["bash", "-c", 'ulimit -f 1000; exec "$@"', "gyr", ...GYR_FROM_SOURCE];
  const result = await runGyr(["run", "--run-dir", "small", "--report", "r.html"], { cwd: folder.path, command });
  expectRefused(result, ["the journal cannot be kept in", "Free space on the disk"]);
  // Half a ring would be taken for one.
  const runs = readdirSync(folder.join("small"), { recursive: true }).map(String);
  expect(runs.filter((name) => name.endsWith("journal.ring"))).toEqual([]);
});

test.skipIf(!isLinux)(
  "a report that finds no room costs the exit code, not the day; a device in its place survives",
  async () => {
    const result = await runGyr(["run", "--json", "--report", "/dev/full"], { cwd: folder.path });
    const report = lastJson(result);
    expect(report).toMatchObject({ outcome: "completed", positionsAtClose: 0 });
    expect(report.warnings).toContainEqual(
      expect.stringMatching(/the report could not be written to \/dev\/full: ENOSPC/),
    );
    expect(result.code).toBe(1);
    expect(statSync("/dev/full").isCharacterDevice()).toBe(true);
  },
);

describe.skipIf(prlimit === null)("a disk that fills up during the day", () => {
  /** Limits every file of the process to `bytes` from now on; what is open and larger cannot be written any more. */
  function limitFiles(gyr: GyrProcess, bytes: number | "unlimited"): void {
    const { pid } = gyr.child;
    const done = Bun.spawnSync([prlimit!, "--pid", String(pid), `--fsize=${bytes}:unlimited`]);
    expect(done.exitCode).toBe(0);
  }

  /** The journal holds what the run says it did. */
  function expectJournalOf(report: Record<string, unknown>): void {
    const day = readJournal(report.journalPath as string);
    expect(day.fills).toHaveLength(report.fills as number);
    expect(day.intents.length).toBeGreaterThanOrEqual(report.orders as number);
    const held = new Map<string, number>();
    for (const { symbol, side, qty } of day.fills) held.set(symbol, (held.get(symbol) ?? 0) + side * qty);
    expect([...held.values()].filter((qty) => qty !== 0)).toEqual([]);
  }

  test("stops entries, flattens, tells, and loses no order or fill", async () => {
    const gyr = new GyrProcess(["run", "--json", "--report", "full.html"], { cwd: folder.path });
    await gyr.until("11:00 New York");
    limitFiles(gyr, 1);
    const result = await gyr.end();
    const report = lastJson(result);
    expect(report).toMatchObject({ outcome: "completed", positionsAtClose: 0 });
    expect(result.code).toBe(1);
    expect((report.denialsByCode as Record<string, number>).JOURNAL_UNAVAILABLE).toBeGreaterThan(0);
    const warnings = (report.warnings as string[]).join("\n");
    expect(warnings).toMatch(/the journal \S+ cannot be written: .*No entries until it works again/);
    expect(warnings).toMatch(/the journal is not complete: .*\d+ records wait in its ring/);
    expect(warnings).toMatch(/the report could not be written to \S+full\.html: EFBIG/);
    expect(existsSync(report.reportPath as string)).toBe(false);

    const recovery = recoverJournal(dirname(report.journalPath as string));
    expect(recovery.recoveredCount).toBeGreaterThan(0);
    expect(recovery.damagedCount).toBe(0);
    expectJournalOf(report);
  });

  test("and is cleared again: entries go on, and the journal is whole", async () => {
    const gyr = new GyrProcess(["run", "--json", "--report", "cleared.html"], { cwd: folder.path });
    await gyr.until("11:00 New York");
    limitFiles(gyr, 1);
    await gyr.until("No entries until it works again");
    await gyr.until("13:00 New York");
    limitFiles(gyr, "unlimited");
    const result = await gyr.end();
    const report = lastJson(result);
    expect(report).toMatchObject({ outcome: "completed", positionsAtClose: 0 });
    expect(report.warnings).toContain("the journal is written again");
    expect(result.code).toBe(0);
    expect(existsSync(join(dirname(report.journalPath as string), "journal.ring"))).toBe(false);
    expectJournalOf(report);
    const day = readJournal(report.journalPath as string);
    const recovered = day.denials.findLast(({ denial }) => denial === JOURNAL_UNAVAILABLE)!.tsUs;
    expect(
      day.intents.filter(({ tsUs, role }) => tsUs > recovered && role === ORDER_ROLE_ENTRY).length,
    ).toBeGreaterThan(0);
  });
});
