// Delays that pass when a test says so.

export class ManualDelays {
  /** Waiting tasks, in the order in which they were set. */
  readonly waiting: { readonly id: number; readonly delayMs: number; readonly task: () => void }[] = [];
  #nextId = 1;

  after(delayMs: number, task: () => void): number {
    this.waiting.push({ id: this.#nextId, delayMs, task });
    return this.#nextId++;
  }

  cancel(id: number): void {
    const index = this.waiting.findIndex((entry) => entry.id === id);
    if (index >= 0) this.waiting.splice(index, 1);
  }

  /** Runs the first waiting task, and what follows from it at once. @returns how long it was to wait, ms */
  async pass(): Promise<number> {
    const entry = this.waiting.shift();
    if (entry === undefined) throw new Error("nothing waits");
    entry.task();
    await settled();
    return entry.delayMs;
  }
}

/** After every promise that is already on its way. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
