// An error that is not a bug of ours: bad input, a broken set-up, a refusal. The command line prints what it says without a
// stack and ends with the exit code of its kind; any other error is printed with its stack.

export type UserErrorKind =
  /** Something outside gyr went wrong: a file, a port, a host. Exit code 1. */
  | "failed"
  /** Wrong arguments or configuration. Exit code 2. */
  | "usage"
  /** Allowed by nobody: it could cost money or give away a key. Exit code 3. */
  | "refused";

export class UserError extends Error {
  override name = "UserError";
  readonly kind: UserErrorKind;
  /** What the user can do about it; "" where the message says it already. */
  readonly remedy: string;

  /** `message` says what was required, what was found and where. */
  constructor(kind: UserErrorKind, message: string, remedy = "", options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
    this.remedy = remedy;
  }
}
