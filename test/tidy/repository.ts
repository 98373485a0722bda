// The files of the repository and what they say of each other, for the tidy test. Reads text only; runs nothing.

import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

export const ROOT = join(import.meta.dir, "..", "..");

/** Paths from the root, sorted: what git tracks or would track. */
export function listFiles(): string[] {
  const git = Bun.spawnSync(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: ROOT });
  // An unpacked archive has no git: then everything but what .gitignore names.
  const paths = git.success ? git.stdout.toString().split("\0") : walk();
  return paths
    .filter((path) => path !== "" && existsSync(join(ROOT, path)) && statSync(join(ROOT, path)).isFile())
    .sort();
}

function walk(): string[] {
  const ignored = readText(".gitignore").split("\n");
  const isIgnored = (path: string) =>
    path.split("/").some((part) => ignored.includes(`${part}/`) || ignored.includes(part));
  return Array.from(new Bun.Glob("**").scanSync({ cwd: ROOT, dot: true })).filter(
    (path) => !isIgnored(path) && !path.startsWith(".git/"),
  );
}

export function readText(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

/** True for files that hold text written by people; data, weights, archives and the lock file are not. */
export function isProse(path: string): boolean {
  if (path === "bun.lock" || /(^|\/)data\/(?!.*\.(ts|md)$)/.test(path)) return false;
  return (
    /\.(ts|js|wgsl|md|json|toml|html|css|sh|yml|yaml)$/.test(path) ||
    /(^|\/)(LICENSE|NOTICE|run|\.gitignore)[^/]*$/.test(path)
  );
}

export interface Import {
  /** Importing file and line. */
  readonly from: string;
  readonly line: number;
  /** Path from the root where relative, otherwise the package. */
  readonly to: string;
  readonly isRelative: boolean;
}

/** Every import of a file, types and dynamic ones too (the bundler's own scan leaves types out). */
export function importsOf(path: string, text: string): Import[] {
  const imports: Import[] = [];
  const code = blankComments(text);
  const pattern = /(?:\bfrom\s*|\bimport\s*\(?\s*|\brequire\s*\(\s*)(["'])([^"'\n]+)\1/g;
  for (const match of code.matchAll(pattern)) {
    const target = match[2]!;
    const isRelative = target.startsWith(".");
    const to = isRelative ? normalize(join(dirname(path), target)) : target;
    imports.push({ from: path, line: lineAt(code, match.index), to, isRelative });
  }
  return imports;
}

export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let index = text.indexOf("\n"); index >= 0 && index < offset; index = text.indexOf("\n", index + 1)) line += 1;
  return line;
}

/** The text with comments as spaces, line breaks kept. */
export function blankComments(text: string): string {
  return blank(text, false);
}

/** The text with comments, and the insides of strings and regular expressions, as spaces; line breaks and quotes kept. */
export function blankCommentsAndStrings(text: string): string {
  return blank(text, true);
}

/** A scanner for TypeScript's comments, strings, templates and regular expressions: enough to look for words in code. */
function blank(text: string, alsoStrings: boolean): string {
  const out = text.split("");
  const erase = (from: number, to: number) => {
    for (let at = from; at < to; at++) if (out[at] !== "\n") out[at] = " ";
  };
  // Depth of braces at which each open `${` of a template ends.
  const templates: number[] = [];
  let depth = 0;
  let at = 0;
  while (at < text.length) {
    const char = text[at]!;
    const pair = text.slice(at, at + 2);
    let end = at + 1;
    if (pair === "//") {
      end = indexOrEnd(text, "\n", at);
      erase(at, end);
    } else if (pair === "/*") {
      end = indexOrEnd(text, "*/", at + 2) + 2;
      erase(at, Math.min(end, text.length));
    } else if (char === '"' || char === "'") {
      end = endOfQuoted(text, at, char);
      if (alsoStrings) erase(at + 1, end - 1);
    } else if (char === "/" && startsRegExp(out, at)) {
      end = endOfRegExp(text, at);
      if (alsoStrings) erase(at + 1, end - 1);
    } else if (char === "`" || (char === "}" && templates.at(-1) === depth)) {
      if (char === "}") templates.pop();
      end = endOfTemplatePart(text, at + 1);
      const opensHole = text.slice(end - 2, end) === "${";
      if (alsoStrings) erase(at + 1, opensHole ? end - 2 : end - 1);
      if (opensHole) templates.push(depth);
    } else if (char === "{") depth += 1;
    else if (char === "}") depth -= 1;
    at = end;
  }
  return out.join("");
}

function indexOrEnd(text: string, what: string, from: number): number {
  const found = text.indexOf(what, from);
  return found < 0 ? text.length : found;
}

function endOfQuoted(text: string, from: number, quote: string): number {
  let at = from + 1;
  while (at < text.length && text[at] !== quote && text[at] !== "\n") at += text[at] === "\\" ? 2 : 1;
  return at + 1;
}

/** Behind the closing backtick or the `${` that opens a hole. */
function endOfTemplatePart(text: string, from: number): number {
  let at = from;
  while (at < text.length) {
    if (text[at] === "\\") at += 2;
    else if (text[at] === "`") return at + 1;
    else if (text[at] === "$" && text[at + 1] === "{") return at + 2;
    else at += 1;
  }
  return at;
}

/** A slash begins a regular expression where a value may begin. */
function startsRegExp(out: readonly string[], at: number): boolean {
  let before = at - 1;
  while (before >= 0 && /\s/.test(out[before]!)) before -= 1;
  if (before < 0) return true;
  if (/[([{,;:=!&|?+\-*%<>~^]/.test(out[before]!)) return true;
  return /\b(return|typeof|case|in|of)$/.test(out.slice(Math.max(0, before - 6), before + 1).join(""));
}

function endOfRegExp(text: string, from: number): number {
  let isClass = false;
  let at = from + 1;
  for (; at < text.length && text[at] !== "\n"; at++) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === "[") isClass = true;
    else if (text[at] === "]") isClass = false;
    else if (text[at] === "/" && !isClass) return at + 1;
  }
  return at;
}
