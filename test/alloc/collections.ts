// Counts the garbage collections of a process between two marks that it writes to standard error.

import { join } from "node:path";

const BEGIN = "MARK BEGIN";
const END = "MARK END";
/** What JavaScriptCore writes at the start of each collection when BUN_JSC_logGC=1, with the heap it is in. */
const COLLECTION = /\[GC<([^>]*)>: START/g;

/**
 * Runs `script` of this folder and counts the collections of its main thread between the marks; a Worker has a heap of its
 * own. Throws when it fails or writes no marks.
 */
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
  // The first collection of a process is its main thread's: scripts collect before they begin.
  const mainHeap = log.slice(0, begin).matchAll(COLLECTION).next().value?.[1];
  if (mainHeap === undefined) throw new Error(`${script} made no collection before its first mark`);
  return [...log.slice(begin, end).matchAll(COLLECTION)].filter((match) => match[1] === mainHeap).length;
}
