// Hot path: no allocation after start.
// What decides: the momentum rule or the network. Both leave the same three numbers here for the stages after them.

/** One signal at a time; written by a rule, read at once by filters and sizing. */
export class Signal {
  /** 1 buy, -1 sell, 0 none. */
  direction = 0;
  /** How far beyond its threshold, 0..1. Scales the size. */
  strength = 0;
  /** How many independent signs agree, 0..1. Row of the Kelly table. */
  confidence = 0;

  clear(): void {
    this.direction = 0;
    this.strength = 0;
    this.confidence = 0;
  }
}
