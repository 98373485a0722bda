// Where the report goes: looked at before the day, so that a wrong path does not cost a day's report, and written after it.

import { accessSync, constants, lstatSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { UserError } from "../../core/user-error.ts";
import { renderReport } from "../../observe/report.ts";
import type { RunReport } from "../../observe/run-report.ts";

const REMEDY = "set [paths] report, or --report, to a file gyr may write";

/** Makes the report's folder; throws UserError where the report could not be written now. */
export function checkReportPath(report: string): void {
  const path = resolve(report);
  try {
    mkdirSync(dirname(path), { recursive: true });
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat?.isDirectory()) throw new UserError("failed", `the report cannot be written: ${path} is a folder`, REMEDY);
    accessSync(stat === undefined ? dirname(path) : path, constants.W_OK);
  } catch (cause) {
    if (cause instanceof UserError) throw cause;
    throw new UserError("failed", `the report cannot be written to ${path}: ${reasonOf(cause)}`, REMEDY, { cause });
  }
}

/** Writes the report. @returns "" or why that failed; half a report is not left behind */
export function writeReport(report: RunReport): string {
  const { reportPath } = report;
  try {
    writeFileSync(reportPath, renderReport(report));
    return "";
  } catch (cause) {
    // A device or a link that somebody named as the report is not ours to remove.
    if (lstatSync(reportPath, { throwIfNoEntry: false })?.isFile()) rmSync(reportPath, { force: true });
    return `the report could not be written to ${reportPath}: ${reasonOf(cause)}`;
  }
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
