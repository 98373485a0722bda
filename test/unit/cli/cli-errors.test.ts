import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { exitCodeOf } from "../../../src/cli/exit-codes.ts";
import { parsePort } from "../../../src/cli/options.ts";
import { reportOf } from "../../../src/cli/report-error.ts";
import { assert } from "../../../src/core/assert.ts";
import { UserError } from "../../../src/core/user-error.ts";
import { ModelFileError } from "../../../src/inference/model-file.ts";

function thrownBy(run: () => void): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error("was expected to throw");
}

describe("what becomes of an error", () => {
  test.each([
    ["failed", 1],
    ["usage", 2],
    ["refused", 3],
  ] as const)("%s ends with exit code %d, message and remedy, no stack", (kind, exitCode) => {
    const report = reportOf(new UserError(kind, "what is wrong", "what to do"));
    expect(report.exitCode).toBe(exitCode);
    expect(exitCodeOf(kind)).toBe(exitCode);
    expect(report.text).toBe("gyr: what is wrong\n  remedy:   what to do");
    expect(report.json.error).toEqual({ kind, message: "what is wrong", remedy: "what to do" });
  });

  test("an error of a lower layer keeps its kind and its remedy", () => {
    const detail = {
      code: "NOT_FOUND",
      what: "w",
      where: "x",
      found: "f",
      allowed: "a",
      remedy: "look again",
    } as const;
    const report = reportOf(new ModelFileError(detail));
    expect(report.json.error.kind).not.toBe("bug");
    expect(report.text).toContain("look again");
    expect(report.text).not.toMatch(/\n\s+at /);
  });

  test("an error of the operating system is not taken for a bug", () => {
    const error = thrownBy(() => readFileSync("/no/such/file")) as Error;
    expect(reportOf(error)).toEqual({
      exitCode: 1,
      text: `gyr: ${error.message}`,
      json: { error: { kind: "failed", message: error.message, remedy: "" } },
    });
  });

  test("a bug of ours comes with its stack and its causes", () => {
    const bug = new Error("outer", { cause: thrownBy(() => assert(false, "one is two")) });
    const report = reportOf(bug);
    expect(report.exitCode).toBe(1);
    expect(report.json.error.kind).toBe("bug");
    expect(report.text).toContain("cli-errors.test.ts");
    expect(report.text).toContain("caused by: InvariantError: Invariant: one is two");
  });

  test("anything can be thrown", () => {
    for (const thrown of ["text", undefined, null, 3, { message: "no error" }]) {
      expect(reportOf(thrown)).toMatchObject({ exitCode: 1, json: { error: { kind: "bug" } } });
    }
  });
});

describe("a port", () => {
  test.each([
    ["0", 0],
    ["80", 80],
    ["65535", 65535],
  ])("%s is one", (text, port) => expect(parsePort(text)).toBe(port));
  test.each(["", "-1", "65536", "80.5", "0x50", " 80", "eighty", "1e3", "999999"])("%j is none", (text) => {
    expect(() => parsePort(text)).toThrow(UserError);
  });
});
