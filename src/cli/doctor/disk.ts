// Can gyr write where it must: journals, report, temporary files? Each check writes, reads back and removes.

import { Database } from "bun:sqlite";
import { accessSync, chmodSync, constants, mkdtempSync, rmSync, statfsSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { Config } from "../../config/schema.ts";
import { type Finding, findingsOf, reasonOf } from "./finding.ts";

/** A day's journal and report take a few tens of megabytes. */
const FREE_BYTES_MIN = 256 * 1024 * 1024;
const FREE_BYTES_COMFORT = 2 * 1024 * 1024 * 1024;

export function checkDisk(config: Config): Finding[] {
  return [...checkRunFolder(config.paths.runDir), checkReport(config.paths.report)];
}

/** A database like the journal's in the folder of runs, and the room left there. */
export function checkRunFolder(runDir: string): Finding[] {
  const { ok, warn, fail } = findingsOf("disk");
  const remedy = "name a folder you can write to in [paths] run_dir, or pass --run-dir";
  const folder = nearestFolder(runDir);
  if (folder === null)
    return [fail(`run folder '${runDir}' cannot be made: a part of its path is not a folder`, remedy)];
  const findings: Finding[] = [];
  try {
    findings.push(ok(`run folder '${runDir}' takes a journal (${tryJournal(folder)})`));
  } catch (error) {
    findings.push(fail(`run folder '${runDir}' does not take a journal: ${reasonOf(error)}`, remedy));
  }
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  const what = `${(free / 2 ** 30).toFixed(1)} GiB free at '${folder}'`;
  if (free < FREE_BYTES_MIN) findings.push(fail(what, "make room: a day needs some 256 MiB"));
  else findings.push(free < FREE_BYTES_COMFORT ? warn(what, "make room soon") : ok(what));
  return findings;
}

/** Writes and reads a database in WAL mode in a folder of its own, removes it, returns the version of SQLite. */
function tryJournal(parent: string): string {
  const folder = mkdtempSync(join(parent, ".gyr-doctor-"));
  try {
    using database = new Database(join(folder, "journal.sqlite"));
    const { journal_mode: mode } = database.query("PRAGMA journal_mode = WAL").get() as { journal_mode: string };
    if (mode !== "wal") throw new Error(`the file system does not carry SQLite's WAL (journal mode is ${mode})`);
    database.run("CREATE TABLE record (value INTEGER)");
    database.run("INSERT INTO record VALUES (42)");
    const { value, version } = database.query("SELECT value, sqlite_version() AS version FROM record").get() as {
      value: number;
      version: string;
    };
    if (value !== 42) throw new Error(`a record written as 42 was read as ${value}`);
    return `SQLite ${version}, WAL`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function checkReport(report: string): Finding {
  const { ok, fail } = findingsOf("disk");
  const remedy = "name another place in [paths] report, or pass --report";
  const folder = nearestFolder(dirname(resolve(report)));
  if (folder === null) return fail(`report '${report}' cannot be written: a part of its path is not a folder`, remedy);
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    const existing = statSync(report, { throwIfNoEntry: false });
    if (existing?.isDirectory() === true) return fail(`report '${report}' is a folder`, remedy);
    if (existing !== undefined) accessSync(report, constants.W_OK);
    return ok(`report can be written to '${report}'`);
  } catch (error) {
    return fail(`report '${report}' cannot be written: ${reasonOf(error)}`, remedy);
  }
}

/** The folder itself or the closest one above it that exists; null where a file is in the way. */
function nearestFolder(path: string): string | null {
  let folder = resolve(path);
  for (;;) {
    try {
      return statSync(folder).isDirectory() ? folder : null;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") return null;
    }
    folder = dirname(folder);
  }
}

/** The temporary folder: SQLite spills there, and the GPU addon of a compiled executable is loaded from there. */
export function checkTemporaryFolder(folder = tmpdir()): Finding[] {
  const { ok, warn, fail } = findingsOf("temporary folder");
  const remedy = "set TMPDIR to a folder you can write to";
  let own: string;
  try {
    own = mkdtempSync(join(folder, "gyr-doctor-"));
  } catch (error) {
    return [fail(`'${folder}' cannot be written: ${reasonOf(error)}`, remedy)];
  }
  try {
    const program = join(own, "program");
    writeFileSync(program, "#!/bin/sh\nexit 42\n");
    chmodSync(program, 0o700);
    const { exitCode } = Bun.spawnSync([program], { stdin: "ignore", stdout: "ignore", stderr: "ignore" });
    if (exitCode === 42) return [ok(`'${folder}' can be written and programs run from it`)];
    return [warn(`a program in '${folder}' ended with ${exitCode}, required is 42`, remedy)];
  } catch (error) {
    const noExec = `'${folder}' can be written but runs no programs (${reasonOf(error)}): the GPU addon may not load`;
    return [warn(noExec, "mount it without noexec, or set TMPDIR to another folder")];
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
}
