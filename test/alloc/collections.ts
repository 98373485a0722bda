// Counts the garbage collections of a process between two marks that it writes to standard error.

import { join } from "node:path";

const BEGIN = "MARK BEGIN";
const END = "MARK END";
/** What JavaScriptCore writes at the start of each collection when BUN_JSC_logGC=1. */
const COLLECTION = /\[GC<[^>]*>: START/g;

/** Runs `script` of this folder and counts its collections between the marks. Throws when it fails or writes no marks. */
export async function collectionsBetweenMarks(script: string, ...args: string[]): Promise<number> {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, script), ...args], {
    env: { ...process.env, BUN_JSC_logGC: "1" },
    stdout: "ignore",
    stderr: "pipe",
  });
  const [log, code] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  const begin = log.indexOf(BEGIN);
  const end = log.indexOf(END);
  if (code !== 0 || begin < 0 || end < begin) {
    throw new Error(`${script} ${args.join(" ")} ended with code ${code} without its marks:\n${log.slice(-2000)}`);
  }
  return log.slice(begin, end).match(COLLECTION)?.length ?? 0;
}
