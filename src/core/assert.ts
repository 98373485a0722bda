// Assertions that stay on in production. A failed one is a bug of ours, never bad input.

export class InvariantError extends Error {
  override name = "InvariantError";
}

/** Throws InvariantError unless `condition` holds. `what` states what was required. */
export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new InvariantError(`Invariant: ${what}`);
}

/** Throws InvariantError unless `index` is an integer in 0..count-1. */
export function assertIndex(index: number, count: number, what: string): void {
  if (!(index >= 0 && index < count) || (index | 0) !== index) {
    throw new InvariantError(`Invariant: ${what} in 0..${count - 1}, was ${index}`);
  }
}
