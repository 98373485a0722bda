// Time. The only file besides the calendar that may ask the machine what time it is.
// Market time (`nowUs`) is epoch microseconds in a double, exact until 2255. Durations come from `monotonicNs` only.

/** Where a process gets its time from. Wall clock in paper and live, market time told by the venue in sim. */
export interface Clock {
  /** Market time, epoch microseconds. */
  nowUs(): number;
}

/** Monotonic nanoseconds since process start; for durations, never for dates. */
export function monotonicNs(): number {
  return Bun.nanoseconds();
}

/** Wall-clock epoch microseconds. */
export function wallUs(): number {
  return (performance.timeOrigin + performance.now()) * 1000;
}

export class WallClock implements Clock {
  nowUs(): number {
    return wallUs();
  }
}

/** Market time that somebody else moves: the venue in lockstep, a test, a replay. Never goes back. */
export class ManualClock implements Clock {
  #nowUs: number;
  constructor(startUs = 0) {
    this.#nowUs = startUs;
  }
  nowUs(): number {
    return this.#nowUs;
  }
  /** Moves the clock forward; an earlier time leaves it where it is. */
  advanceTo(tsUs: number): void {
    if (tsUs > this.#nowUs) this.#nowUs = tsUs;
  }
}

/** Market time that runs `speed` times as fast as the wall from an anchor. */
export class ScaledClock implements Clock {
  #anchorWallUs: number;
  #anchorMarketUs: number;
  #speed: number;
  constructor(anchorWallUs: number, anchorMarketUs: number, speed: number) {
    this.#anchorWallUs = anchorWallUs;
    this.#anchorMarketUs = anchorMarketUs;
    this.#speed = speed;
  }
  nowUs(): number {
    return this.#anchorMarketUs + (wallUs() - this.#anchorWallUs) * this.#speed;
  }
}
