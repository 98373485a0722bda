// Makes an engine that failed anew, in the background: tries, waits longer each time, tries again. What it hands over has passed
// its self-test. Not hot: everything here runs between ticks.

import { monotonicNs } from "../core/clock.ts";
import type { Prng } from "../core/prng.ts";
import type { InferenceEngine } from "./engine.ts";

/** When something is done later: wall time in the product, a test's own in tests. */
export interface RestoreDelays {
  after(delayMs: number, task: () => void): number;
  cancel(id: number): void;
}

export interface RestorerOptions {
  /** A new engine of the same kind, compiled, self-tested and warm; rejects where there is none. */
  readonly remake: () => Promise<InferenceEngine>;
  readonly delays: RestoreDelays;
  /** Milliseconds until the thread can be spared for a while, 0 now. Making a device holds it up: no tick shall wait for that. */
  readonly quietInMs?: () => number;
  /** Spreads the attempts, so that several processes on one GPU do not try at once. */
  readonly prng: Prng;
}

/** A device that was lost is not back at once, and making one may hold up the thread: the first try waits for the rush to end. */
export const RESTORE_FIRST_MS = 2_000;
/** Longest pause between two tries. */
export const RESTORE_LONGEST_MS = 300_000;
/** An engine that worked this long had recovered; one that fails sooner goes on where the pauses were. */
const RECOVERED_NS = 600 * 1e9;

export class EngineRestorer {
  restores = 0;
  failedAttempts = 0;
  onTold: (text: string) => void = () => {};
  readonly #options: RestorerOptions;
  readonly #onRestored: (engine: InferenceEngine) => void;
  /** Tries since the engine last worked for long. */
  #attempts = 0;
  #restoredNs = Number.NEGATIVE_INFINITY;
  #timer = -1;
  #isClosed = false;

  constructor(options: RestorerOptions, onRestored: (engine: InferenceEngine) => void) {
    this.#options = options;
    this.#onRestored = onRestored;
  }

  /** `failed` answers no more, because of what it says itself or `thrown`. Returns at once; the rest follows. */
  begin(failed: InferenceEngine, thrown: string): void {
    const reason = thrown || failed.failure || "it did not write its answer";
    if (monotonicNs() - this.#restoredNs > RECOVERED_NS) this.#attempts = 0;
    queueMicrotask(() => {
      closeQuietly(failed);
      const { engine, adapter } = failed.info;
      this.#tell(
        `the ${engine} engine${adapter === "" ? "" : ` on ${adapter}`} failed: ${reason}. wasm answers instead.`,
      );
      this.#tryLater();
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#options.delays.cancel(this.#timer);
  }

  #tryLater(): void {
    if (this.#isClosed) return;
    const { delays, prng } = this.#options;
    const longest = Math.min(RESTORE_FIRST_MS * 2 ** this.#attempts, RESTORE_LONGEST_MS);
    this.#attempts += 1;
    this.#timer = delays.after(longest * (0.5 + 0.5 * prng.next()), () => this.#tryWhenQuiet());
  }

  #tryWhenQuiet(): void {
    const { delays, quietInMs } = this.#options;
    const waitMs = quietInMs?.() ?? 0;
    if (waitMs > 0) this.#timer = delays.after(waitMs, () => this.#tryWhenQuiet());
    else void this.#try();
  }

  async #try(): Promise<void> {
    let made: InferenceEngine;
    try {
      made = await this.#options.remake();
    } catch {
      // Told once, when it failed; how often it could not be had back is a counter.
      this.failedAttempts += 1;
      this.#tryLater();
      return;
    }
    if (this.#isClosed) {
      closeQuietly(made);
      return;
    }
    this.restores += 1;
    this.#restoredNs = monotonicNs();
    this.#onRestored(made);
    this.#tell(`the ${made.info.engine} engine is back and passed its self-test`);
  }

  #tell(text: string): void {
    if (!this.#isClosed) this.onTold(text);
  }
}

/** An engine that has failed may fail to close too, and there is nothing left to do about it. */
function closeQuietly(engine: InferenceEngine): void {
  try {
    engine.close();
  } catch {}
}
