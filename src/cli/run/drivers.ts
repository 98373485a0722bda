// Who moves time. Lockstep: the venue, step by step. Wall: socket callbacks drain at once, timers fire when due on the clock
// (the wall's own in paper and live, scaled in sim at a numeric speed).

import type { ManualClock } from "../../core/clock.ts";
import { LockstepClient } from "../../sim/lockstep-client.ts";
import type { Trader } from "./trader.ts";

export interface Driver {
  /** Begins to work on events. */
  start(): void;
  /** Rejects when time cannot go on: the venue went away. Never resolves before `stop`. */
  readonly failed: Promise<never>;
  stop(): void;
}

/** Journal records that may wait in lockstep: a quarter of its ring, so that a day replayed at full speed loses none. */
const JOURNAL_DEPTH_MAX = 1 << 12;

/** Market time between checks of the timers in wall mode. */
const TIMER_CHECK_MS = 5;

export class WallDriver implements Driver {
  readonly failed: Promise<never> = new Promise(() => {});
  readonly #trader: Trader;
  #interval: ReturnType<typeof setInterval> | null = null;

  constructor(trader: Trader) {
    this.#trader = trader;
  }

  start(): void {
    const { feed, gateway, pipeline, clock, timers } = this.#trader;
    feed.onFrame = () => void pipeline.drain(clock.nowUs());
    gateway.onExecution = () => void pipeline.drainExecutions(clock.nowUs());
    this.#interval = setInterval(() => {
      timers.runDue(clock.nowUs());
      pipeline.workAside();
    }, TIMER_CHECK_MS);
  }

  stop(): void {
    if (this.#interval !== null) clearInterval(this.#interval);
    const { feed, gateway } = this.#trader;
    feed.onFrame = () => {};
    gateway.onExecution = () => {};
  }
}

export class LockstepDriver implements Driver {
  readonly failed: Promise<never>;
  readonly #client: LockstepClient;
  readonly #trader: Trader;

  constructor(trader: Trader, client: LockstepClient) {
    this.#trader = trader;
    this.#client = client;
    this.failed = client.ended.then(() => new Promise<never>(() => {}));
  }

  start(): void {
    const { feed, gateway } = this.#trader;
    const poke = () => this.#client.poke();
    feed.onFrame = poke;
    // Told in the middle of an answer; its request counts as in flight until the callback has returned.
    gateway.onActivity = () => queueMicrotask(poke);
    this.#client.join();
  }

  stop(): void {
    this.#client.close();
  }
}

/** A lockstep client that works this trader at market time. The trader may be made after the client has connected. */
export function lockstepClientFor(clock: ManualClock, trader: () => Trader): LockstepClient {
  return new LockstepClient({
    clock,
    nextTimerUs: () => trader().timers.nextUs(),
    feedFrames: () => trader().feed.counters.frames,
    streamFrames: () => trader().gateway.counters.streamFrames,
    requestsInFlight: () => trader().gateway.requestsInFlight,
    // One that has failed may never catch up: entries stop, and the day goes on to its end.
    isBehind: () => trader().journal.isHealthy && trader().journal.depth > JOURNAL_DEPTH_MAX,
    work: (nowUs) => {
      const { gateway, pipeline } = trader();
      gateway.applyPending();
      pipeline.drain(nowUs);
    },
    runTimers: (nowUs) => trader().timers.runDue(nowUs),
  });
}
