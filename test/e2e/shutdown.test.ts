// SIGINT and SIGTERM at different moments of a run.

import { afterAll, describe, expect, test } from "bun:test";
import { GyrProcess, lastJson, TestFolder } from "../support/gyr-process.ts";

const folder = new TestFolder();
afterAll(() => folder.dispose());

function start(name: string, args: readonly string[] = [], toml = ""): GyrProcess {
  const config = folder.write(`${name}.toml`, toml);
  return new GyrProcess(["run", "--config", config, "--report", `${name}.html`, ...args], { cwd: folder.path });
}

describe.each(["SIGINT", "SIGTERM"] as const)("%s", (signal) => {
  test.each(["opening the venue", "choosing the universe", "connecting"])(
    "while %s ends at once with 130",
    async (moment) => {
      const gyr = start(`start-${signal}`);
      await gyr.until(moment);
      gyr.kill(signal);
      const result = await gyr.end();
      expect(result.code).toBe(130);
      expect(result.stderr).toContain(`interrupted by ${signal}`);
    },
  );

  test.each(["armed at", "10:00 New York", "12:00 New York", "15:00 New York"])(
    "after '%s' flattens what is held and writes the report",
    async (moment) => {
      const gyr = start(`run-${signal}`);
      await gyr.until(moment);
      gyr.kill(signal);
      const result = await gyr.end();
      expect(result.code).toBe(130);
      expect(result.stderr).toContain(`${signal}: no further entries, flattening`);
      expect(result.stdout).toContain("INTERRUPTED");
      expect(result.stdout).toMatch(/INTERRUPTED after .* flat$/m);
    },
  );
});

test("[shutdown] positions = keep leaves positions with their brackets and no entry open", async () => {
  const gyr = start("keep", [], '[shutdown]\npositions = "keep"\n');
  await gyr.until("12:00 New York");
  gyr.kill("SIGTERM");
  const result = await gyr.end();
  expect(result.code).toBe(130);
  expect(result.stderr).toContain("keeping positions");
  const held = Number(/(\d+) POSITIONS? STILL HELD/.exec(result.stdout)?.[1]);
  expect(held).toBeGreaterThan(0);
});

test("a second signal leaves at once", async () => {
  const gyr = start("twice");
  await gyr.until("11:00 New York");
  gyr.kill("SIGINT");
  gyr.kill("SIGTERM");
  const result = await gyr.end();
  expect(result.code).toBe(130);
  expect(result.stderr).toContain("again: leaving at once");
});

test("with --json the last line says that the run was interrupted, before and after it was armed", async () => {
  for (const moment of ["opening the venue", "13:00 New York"]) {
    const gyr = start("json", ["--json"]);
    await gyr.until(moment);
    gyr.kill("SIGINT");
    const result = await gyr.end();
    expect(result.code).toBe(130);
    expect(lastJson(result).outcome).toBe("interrupted");
  }
});
