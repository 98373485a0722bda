// SIGINT and SIGTERM: the first asks for an orderly end, the second exits at once.

import { EXIT_INTERRUPTED } from "../exit-codes.ts";

/** Thrown by steps of the start that a signal cut short. */
export class InterruptedError extends Error {
  override name = "InterruptedError";
}

export class Interrupt {
  /** Name of the signal that came, "" before. */
  signal = "";
  #onSignal: (signal: string) => void = () => {};
  readonly #handlers = new Map<NodeJS.Signals, () => void>();

  constructor() {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      const handler = () => this.#handle(signal);
      this.#handlers.set(signal, handler);
      process.on(signal, handler);
    }
  }

  /** Called once with the first signal; at once where it has come already. */
  set onSignal(listener: (signal: string) => void) {
    this.#onSignal = listener;
    if (this.signal !== "") listener(this.signal);
  }

  /** Throws InterruptedError where a signal has come. Asked between the steps of the start. */
  check(): void {
    if (this.signal !== "") throw new InterruptedError(`interrupted by ${this.signal} before trading began`);
  }

  dispose(): void {
    for (const [signal, handler] of this.#handlers) process.off(signal, handler);
  }

  #handle(signal: string): void {
    if (this.signal !== "") {
      console.error(`${signal} again: leaving at once; see the journal for what is open`);
      process.exit(EXIT_INTERRUPTED);
    }
    this.signal = signal;
    this.#onSignal(signal);
  }
}
