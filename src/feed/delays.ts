// "Do this in so many milliseconds", for connections: time-outs, keepalive, back-off. Off the hot path. Live and paper use the
// wall; where a run must be reproducible the same feed runs on market time.

import type { Clock } from "../core/clock.ts";
import type { Timers } from "../core/timers.ts";

export interface Delays {
  /** Runs `task` once, `delayMs` from now. Returns an id for `cancel`. */
  after(delayMs: number, task: () => void): number;
  /** Forgets a task; an id that has run or is unknown is no error. */
  cancel(id: number): void;
}

export class WallDelays implements Delays {
  readonly #handles = new Map<number, ReturnType<typeof setTimeout>>();
  #nextId = 1;

  after(delayMs: number, task: () => void): number {
    const id = this.#nextId++;
    const run = () => {
      this.#handles.delete(id);
      task();
    };
    this.#handles.set(id, setTimeout(run, delayMs));
    return id;
  }

  cancel(id: number): void {
    clearTimeout(this.#handles.get(id));
    this.#handles.delete(id);
  }
}

export class MarketDelays implements Delays {
  readonly #clock: Clock;
  readonly #timers: Timers;

  constructor(clock: Clock, timers: Timers) {
    this.#clock = clock;
    this.#timers = timers;
  }

  after(delayMs: number, task: () => void): number {
    return this.#timers.at(this.#clock.nowUs() + delayMs * 1000, () => task());
  }

  cancel(id: number): void {
    this.#timers.cancel(id);
  }
}
