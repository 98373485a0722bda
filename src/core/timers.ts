// Timers on market time. The engine asks for the next due time; whoever drives the clock (wall, venue, test) calls runDue.
// Ties fire in the order they were set, so a run is reproducible. Off the hot path: timers are few.

export type TimerTask = (nowUs: number) => void;

interface Entry {
  readonly id: number;
  readonly atUs: number;
  readonly task: TimerTask;
}

export class Timers {
  #entries: Entry[] = [];
  #nextId = 1;

  /** Runs `task` once when market time reaches `atUs`. Returns an id for `cancel`. */
  at(atUs: number, task: TimerTask): number {
    const entry = { id: this.#nextId++, atUs, task };
    let index = this.#entries.length;
    while (index > 0 && this.#entries[index - 1]!.atUs > atUs) index--;
    this.#entries.splice(index, 0, entry);
    return entry.id;
  }

  cancel(id: number): void {
    this.#entries = this.#entries.filter((entry) => entry.id !== id);
  }

  /** Time of the earliest timer, epoch microseconds; Infinity when there is none. */
  nextUs(): number {
    return this.#entries.length > 0 ? this.#entries[0]!.atUs : Number.POSITIVE_INFINITY;
  }

  /** Runs every timer due at `nowUs`, earliest first; a task may set further timers. */
  runDue(nowUs: number): void {
    while (this.#entries.length > 0 && this.#entries[0]!.atUs <= nowUs) {
      this.#entries.shift()!.task(nowUs);
    }
  }
}
