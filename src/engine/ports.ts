// What the engine needs of stages that live behind a thread or a file: the journal. Everything else it imports directly.

/** Hot path: every method copies a fixed record and returns; none throws, none waits. */
export interface EngineJournal {
  /** False once a record could not be written: entries stop until it is true again. */
  readonly isHealthy: boolean;
  prediction(
    tsUs: number,
    slot: number,
    sellProb: number,
    holdProb: number,
    buyProb: number,
    volatility: number,
    momentum: number,
  ): void;
  /** @returns false when the intent is not recorded; it must not be sent then. */
  intent(tsUs: number, row: number): boolean;
  orderStatus(tsUs: number, row: number, status: number): void;
  fill(tsUs: number, row: number, qty: number, pxTicks: number, feeTicks: number): void;
  denial(tsUs: number, slot: number, denial: number): void;
  filtered(tsUs: number, slot: number, filter: number): void;
  state(tsUs: number, state: number, reason: number): void;
}
