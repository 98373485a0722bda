// An answer of the broker that says no: HTTP status, Alpaca's own code and sentence, and the further fields some carry.

export class Refusal {
  constructor(
    readonly httpStatus: number,
    readonly code: number,
    readonly message: string,
    readonly detail: Readonly<Record<string, unknown>> = {},
  ) {}

  /** The body as Alpaca writes it. */
  json(): string {
    return JSON.stringify({ code: this.code, message: this.message, ...this.detail });
  }
}

export const CODE_MALFORMED = 40_010_000;
export const CODE_INVALID = 40_010_001;
export const CODE_FORBIDDEN = 40_310_000;
export const CODE_NOT_FOUND = 40_410_000;
export const CODE_UNPROCESSABLE = 42_210_000;
export const CODE_RATE_LIMITED = 42_910_000;

/** The request itself is wrong: a field missing, of the wrong type or at odds with another. */
export function invalid(message: string): Refusal {
  return new Refusal(422, CODE_INVALID, message);
}

/** Well-formed, but against a rule of the venue. */
export function unprocessable(message: string, detail: Readonly<Record<string, unknown>> = {}): Refusal {
  return new Refusal(422, CODE_UNPROCESSABLE, message, detail);
}

/** Well-formed and sensible, but this account may not. */
export function forbidden(message: string, detail: Readonly<Record<string, unknown>> = {}): Refusal {
  return new Refusal(403, CODE_FORBIDDEN, message, detail);
}

export function notFound(message: string): Refusal {
  return new Refusal(404, CODE_NOT_FOUND, message);
}
