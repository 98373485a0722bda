// The one place where an error becomes text and an exit code. What the user can mend is said without a stack; what is our bug
// comes with one.

import { UserError, type UserErrorKind } from "../core/user-error.ts";
import { EXIT_FAILED, exitCodeOf } from "./exit-codes.ts";

export interface ErrorReport {
  readonly exitCode: number;
  /** For people, on standard error. */
  readonly text: string;
  /** For `--json`, on standard output. */
  readonly json: {
    readonly error: {
      readonly kind: UserErrorKind | "bug";
      readonly message: string;
      readonly remedy: string;
      /** Problems of a configuration. */
      readonly problems?: unknown;
    };
  };
}

export function reportOf(error: unknown): ErrorReport {
  if (error instanceof UserError) return userReport(error);
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof Error && isSystemError(error)) {
    return {
      exitCode: EXIT_FAILED,
      text: `gyr: ${message}`,
      json: { error: { kind: "failed", message, remedy: "" } },
    };
  }
  const stack = error instanceof Error ? (error.stack ?? message) : message;
  return {
    exitCode: EXIT_FAILED,
    text: `gyr: this is a bug of gyr, please report it with the lines below\n${stack}${causes(error)}`,
    json: { error: { kind: "bug", message, remedy: "report it with the lines on standard error" } },
  };
}

function userReport(error: UserError): ErrorReport {
  const { kind, message, remedy } = error;
  const problems = "problems" in error ? { problems: error.problems } : {};
  return {
    exitCode: exitCodeOf(kind),
    text: `gyr: ${message}${remedy === "" ? "" : `\n  remedy:   ${remedy}`}`,
    json: { error: { kind, message, remedy, ...problems } },
  };
}

/** An error of the operating system: no such file, port in use, disk full. */
function isSystemError(error: Error): boolean {
  const { code, syscall } = error as NodeJS.ErrnoException;
  return typeof code === "string" && /^E[A-Z0-9]+$/.test(code) && typeof syscall === "string";
}

function causes(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  if (cause === undefined) return "";
  const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  return `\ncaused by: ${text}${causes(cause)}`;
}
