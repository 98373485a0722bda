// Bun's TOML parser says what is wrong and not where. The line is found by parsing the text up to each line: from the line of
// the mistake on, every beginning of the file fails in the same way.

/** Longer files are searched by halves, which a file with two like mistakes could lead to the earlier one. */
const LINES_SCANNED_MAX = 1_000;

/** Line, from 1, at which parsing `text` fails with `error`. */
export function syntaxErrorLine(text: string, error: unknown): number {
  const wanted = messageOf(error);
  const ends = lineEnds(text);
  const fails = (line: number): boolean => failure(text.slice(0, ends[line - 1]!)) === wanted;
  if (ends.length > LINES_SCANNED_MAX) return bisect(ends.length, fails);
  let line = ends.length;
  while (line > 1 && fails(line - 1)) line--;
  return line;
}

function bisect(lineCount: number, fails: (line: number) => boolean): number {
  let low = 1;
  let high = lineCount;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (fails(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Offset after each line, its line end included; the empty line after a last line end is none. */
function lineEnds(text: string): number[] {
  const ends: number[] = [];
  let at = text.indexOf("\n");
  while (at >= 0) {
    ends.push(at + 1);
    at = text.indexOf("\n", at + 1);
  }
  if (ends.at(-1) !== text.length || ends.length === 0) ends.push(text.length);
  return ends;
}

function failure(text: string): string | null {
  try {
    Bun.TOML.parse(text);
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
