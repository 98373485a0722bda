// Exit codes of every command; stable, and shown at the end of every help text.

import type { UserErrorKind } from "../core/user-error.ts";

export const EXIT_DONE = 0;
/** The command ran and did not succeed, or gyr has a bug. */
export const EXIT_FAILED = 1;
/** Arguments or configuration are wrong; nothing was started. */
export const EXIT_USAGE = 2;
/** Refused for safety. */
export const EXIT_REFUSED = 3;
/** Ended by SIGINT or SIGTERM, in order. */
export const EXIT_INTERRUPTED = 130;

export const EXIT_CODE_HELP = `Exit codes:
  ${EXIT_DONE}    done
  ${EXIT_FAILED}    failed
  ${EXIT_USAGE}    bad usage or configuration
  ${EXIT_REFUSED}    refused for safety
  ${EXIT_INTERRUPTED}  interrupted`;

/** Exit code of an error the user can do something about. */
export function exitCodeOf(kind: UserErrorKind): number {
  return kind === "refused" ? EXIT_REFUSED : kind === "usage" ? EXIT_USAGE : EXIT_FAILED;
}
