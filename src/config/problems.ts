// What is wrong with a configuration, all of it at once.

import { UserError } from "../core/user-error.ts";

export interface ConfigProblem {
  /** File as it was named, or null where the problem is not in a file. */
  readonly file: string | null;
  /** Line from 1, or null where the problem has none: a missing file, a flag. */
  readonly line: number | null;
  /** Key in snake_case with its section, "--day" for a flag, "" for the file as a whole. */
  readonly key: string;
  /** What is wrong, as a sentence without a full stop. */
  readonly what: string;
  /** The value, as far as it may be shown; "" where there is none. Printed where `what` does not hold it. */
  readonly found: string;
  /** What is allowed there; "" where that makes no sense. */
  readonly allowed: string;
  readonly remedy: string;
  /** The key or word that was probably meant. */
  readonly suggestion: string | null;
  /** True where the configuration is understood and refused for safety (exit code 3 rather than 2). */
  readonly isRefusal: boolean;
}

/** Thrown by the loader with every problem there is. */
export class ConfigError extends UserError {
  override name = "ConfigError";
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(problems.some((problem) => problem.isRefusal) ? "refused" : "usage", formatProblems(problems));
    this.problems = problems;
  }
}

function formatProblems(problems: readonly ConfigProblem[]): string {
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  return `the configuration has ${count}\n\n${problems.map(formatProblem).join("\n\n")}`;
}

/** One problem as a few lines of text, the first starting with file:line as editors understand it. */
export function formatProblem(problem: ConfigProblem): string {
  const place = [problem.file, problem.line].filter((part) => part !== null).join(":");
  const lines = [`${place === "" ? "" : `${place}: `}${problem.what}`];
  if (!problem.what.includes(problem.found)) lines.push(`  found:    ${problem.found}`);
  if (problem.allowed !== "") lines.push(`  allowed:  ${problem.allowed}`);
  if (problem.suggestion !== null) lines.push(`  did you mean ${problem.suggestion}?`);
  if (problem.remedy !== "") lines.push(`  remedy:   ${problem.remedy}`);
  return lines.join("\n");
}
