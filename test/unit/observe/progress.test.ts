// The progress in a terminal and in a pipe, as a process shows it.

import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { barWidth } from "../../../src/observe/progress.ts";

const ENTRY = join(import.meta.dir, "../../support/progress-entry.ts");

async function inTerminal(columns: number, ...args: string[]): Promise<string> {
  let screen = "";
  const decoder = new TextDecoder();
  await using terminal = new Bun.Terminal({
    cols: columns,
    rows: 24,
    data: (_, bytes) => {
      screen += decoder.decode(bytes, { stream: true });
    },
  });
  const child = Bun.spawn([process.execPath, ENTRY, ...args], { terminal });
  await child.exited;
  return screen;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape code that goes to a column
const CURSOR_MOVES = /\x1b\[\d*G|\r?\n/;

/** What each move of the cursor to the line's start leaves on it, without escape codes. */
function linesOf(screen: string): string[] {
  return screen
    .split(CURSOR_MOVES)
    .map((line) => Bun.stripANSI(line))
    .filter((line) => line.trim() !== "");
}

describe("in a terminal", () => {
  test.each([80, 120, 200])("of %i columns every line fits and ends at the close", async (columns) => {
    const lines = linesOf(await inTerminal(columns));
    expect(lines[0]).toBe("  opening the venue");
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(columns);
    const bars = lines.filter((line) => line.includes("New York"));
    expect(bars.at(-1)).toMatch(/^ {2}16:00 New York {2}█+ 100% {3}20 held {3}9999 orders {3}-\$12,345\.67$/);
    expect(lines.at(-1)).toBe("  closing the books");
  });

  test("a warning stands on a line of its own, above the bar", async () => {
    const lines = linesOf(await inTerminal(80));
    const at = lines.indexOf("! feed down: connection lost");
    expect(at).toBeGreaterThan(0);
    expect(lines[at + 1]).toContain("New York");
  });

  test.each([[], ["exit"]])("gives the cursor and the wrapping of lines back, %p", async (...args) => {
    const screen = await inTerminal(80, ...args);
    expect(screen).toContain("\x1b[?25l");
    expect(screen.lastIndexOf("\x1b[?25h")).toBeGreaterThan(screen.lastIndexOf("\x1b[?25l"));
    expect(screen.lastIndexOf("\x1b[?7h")).toBeGreaterThan(screen.lastIndexOf("\x1b[?7l"));
  });
});

describe("in a pipe", () => {
  const inPipe = async (...args: string[]) => {
    const child = Bun.spawn([process.execPath, ENTRY, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    const [out, error] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    return { out, error };
  };

  test("writes a line an hour, warnings, and nothing to standard output", async () => {
    const { out, error } = await inPipe();
    expect(out).toBe("");
    const lines = error.trimEnd().split("\n");
    expect(lines.filter((line) => line.includes("New York"))).toHaveLength(7);
    expect(lines).toContain("- 10:00 New York   20 positions   9999 orders   -$12,345.67");
    expect(lines).toContain("! feed down: connection lost");
    expect(error).not.toContain("\x1b");
  });

  test("says nothing but warnings when it is to be quiet", async () => {
    expect(await inPipe("quiet")).toEqual({ out: "", error: "! feed down: connection lost\n" });
  });
});

test.each([
  [0, 5],
  [40, 5],
  [80, 15],
  [100, 35],
  [500, 40],
])("in %i columns the bar has %i", (columns, width) => {
  expect(barWidth(columns)).toBe(width);
});
