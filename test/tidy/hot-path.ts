// What the hot path may not contain (CONTRIBUTING.md, "The hot path"), found by reading the text of files that call
// themselves hot. Code that runs at start only is exempt: module level, constructors, and blocks or lines under a comment
// `// hot-ok: reason`. A `throw` is exempt too: it is a bug of ours and ends the run.

import { blankCommentsAndStrings, lineAt } from "./repository.ts";

export const HOT_MARK = "// Hot path: no allocation after start.";

interface Ban {
  readonly pattern: RegExp;
  readonly what: string;
  readonly instead: string;
}

const BANS: readonly Ban[] = [
  { pattern: /\bfor\s*(?:await\s*)?\([^;{}]*?\sof\s/g, what: "for...of", instead: "a loop by index" },
  { pattern: /\bfor\s*\([^;{}]*?\sin\s/g, what: "for...in", instead: "a loop by index" },
  {
    pattern: /\.(?:forEach|map|filter|reduce|reduceRight|flatMap)\(/g,
    what: "an array method with a closure",
    instead: "a loop by index",
  },
  // These names are good names for own methods too: only a closure as the argument tells.
  {
    pattern: /\.(?:some|every|find|findIndex|findLast|sort)\(\s*(?:\(|[\w$]+\s*=>)/g,
    what: "an array method with a closure",
    instead: "a loop by index",
  },
  { pattern: /\.\.\./g, what: "spread or rest", instead: "named arguments and owned columns" },
  { pattern: /\b(?:const|let|var)\s*\[/g, what: "array destructuring", instead: "an index" },
  { pattern: /(?:^|[;{}])\s*\[[^\]]*\]\s*=(?!=)/gm, what: "array destructuring", instead: "an index" },
  { pattern: /\.subarray\(/g, what: ".subarray", instead: "an offset and a count, or copyWithin" },
  {
    pattern: /\.(?:slice|concat|split|join|padStart|toString|toFixed)\(/g,
    what: "a copying method",
    instead: "owned columns",
  },
  {
    pattern: /\bBig(?:Int|Uint)64Array\b|\bBigInt\b|\b\d+n\b/g,
    what: "BigInt",
    instead: "a double of microseconds, ticks or lots",
  },
  { pattern: /\bJSON\s*\./g, what: "JSON", instead: "a byte scanner or fixed columns" },
  { pattern: /`/g, what: "a template string", instead: "a code, or text made where it is shown" },
  {
    pattern: /\+\s*(?:""|'')|(?:""|'')\s*\+/g,
    what: "string building",
    instead: "a code, or text made where it is shown",
  },
  { pattern: /\btry\s*\{|\bcatch\b/g, what: "try/catch", instead: "a result code" },
  { pattern: /\basync\b|\bawait\b|\bPromise\b/g, what: "a promise", instead: "a callback at the edge" },
  { pattern: /\bnew\s+[A-Za-z]/g, what: "new", instead: "a column made in the constructor" },
  { pattern: /\bset(?:Timeout|Interval|Immediate)\(/g, what: "a timer", instead: "core/timers.ts on market time" },
];

/** One thing that is banned in a hot file. */
export interface HotViolation {
  readonly line: number;
  readonly message: string;
}

export function isHot(text: string): boolean {
  return text.split("\n", 3).some((line) => line.includes(HOT_MARK));
}

/** What a hot file contains that it may not. */
export function hotViolations(text: string): HotViolation[] {
  const code = blankCommentsAndStrings(text);
  const lines = text.split("\n");
  const cold = coldSpans(code, lines);
  const violations = new Map<string, HotViolation>();
  for (const { pattern, what, instead } of BANS) {
    for (const match of code.matchAll(pattern)) {
      const at = match.index + match[0].length - 1;
      const line = lineAt(code, at);
      const isExempt =
        cold.some((span) => at >= span.from && at < span.to) || isAllowedLine(lines, line) || isThrow(code, at);
      const message = `${what} is banned here, use ${instead}`;
      if (!isExempt) violations.set(`${line} ${message}`, { line, message });
    }
  }
  return [...violations.values()].sort((a, b) => a.line - b.line);
}

/** A `hot-ok` comment with a reason on the line itself or alone on the line above. */
function isAllowedLine(lines: readonly string[], line: number): boolean {
  const above = lines[line - 2] ?? "";
  return hasHotOk(lines[line - 1]!) || (above.trim().startsWith("//") && hasHotOk(above));
}

function hasHotOk(line: string): boolean {
  return /\/\/ hot-ok: \S/.test(line);
}

/** Inside a throw statement: from `throw` to here there is no end of statement. */
function isThrow(code: string, at: number): boolean {
  const before = code.slice(Math.max(0, at - 2_000), at);
  const start = Math.max(before.lastIndexOf(";"), before.lastIndexOf("{\n"), before.lastIndexOf("}\n"));
  return /\bthrow\b/.test(before.slice(start + 1));
}

interface Span {
  readonly from: number;
  readonly to: number;
}

/** Spans that run at start only: everything outside functions, and the bodies of constructors and of blocks marked hot-ok. */
function coldSpans(code: string, lines: readonly string[]): Span[] {
  const cold: Span[] = [];
  const stack: { isFunction: boolean; isCold: boolean; from: number }[] = [];
  let functions = 0;
  let outsideFrom = 0;
  let headerFrom = 0;
  let parentheses = 0;
  for (let at = 0; at < code.length; at++) {
    const char = code[at]!;
    if (char === "(") parentheses += 1;
    else if (char === ")") parentheses -= 1;
    else if (char === "{") {
      const header = code.slice(headerFrom, at);
      const isFunction = opensFunction(header);
      const isMarked = isAllowedLine(lines, lineAt(code, headerFrom + header.search(/\S|$/)));
      const isCold = isFunction && (/\bconstructor\s*\(/.test(header) || isMarked);
      // A function's parameters belong to it: a default value is computed at each call.
      if (isFunction && functions++ === 0) cold.push({ from: outsideFrom, to: headerFrom });
      stack.push({ isFunction, isCold: isCold || (!isFunction && isMarked), from: at });
    } else if (char === "}") {
      const block = stack.pop();
      if (block?.isCold) cold.push({ from: block.from, to: at });
      if (block?.isFunction && --functions === 0) outsideFrom = at;
    }
    if (char === "{" || char === "}" || (char === ";" && parentheses === 0)) headerFrom = at + 1;
  }
  cold.push({ from: outsideFrom, to: code.length });
  return cold;
}

/** Whether the text before a brace begins a function's body: a declaration, a method or an arrow. */
function opensFunction(header: string): boolean {
  const text = header.trim();
  if (/=>$/.test(text) || /\bfunction\b/.test(text)) return true;
  if (
    /^(?:if|for|while|switch|do|else|try|catch|finally|class|interface|export\s+interface|return|const|let|with)\b/.test(
      text,
    )
  ) {
    return false;
  }
  return /(?:^|\s)[#\w$]+\s*(?:<[^()]*>)?\s*\([\s\S]*\)\s*(?::[^=]+)?$/.test(text);
}
