// gyr's side of the control channel in lockstep: takes a step when everything the venue sent has arrived, lets the engine
// work on it at exactly that market time, and says `done` when nothing of ours is unanswered.

import type { ManualClock } from "../core/clock.ts";
import type { HelloMessage, StepMessage, VenueMessage } from "./control.ts";

/** What the client drives. */
export interface LockstepParts {
  readonly clock: ManualClock;
  /** Market time of our next timer, epoch us; Infinity where there is none. */
  readonly nextTimerUs: () => number;
  /** Runs our timers due at market time `nowUs`. */
  readonly runTimers: (nowUs: number) => void;
  /** Frames received on the data socket and the order stream since each was opened. */
  readonly feedFrames: () => number;
  readonly streamFrames: () => number;
  /** Requests of ours that are unanswered. */
  readonly requestsInFlight: () => number;
  /** Another thread of ours (the journal's) has more to do than fits its ring soon: the market waits for it. */
  readonly isBehind: () => boolean;
  /** Applies what arrived, at market time `nowUs`. */
  readonly work: (nowUs: number) => void;
}

/** Longest wall time between a step and its frames; the venue has sent them, so more means a lost connection. */
const STEP_TIMEOUT_MS = 10_000;

/** Wall time between looks at a thread that is behind. */
const BEHIND_POLL_MS = 1;

export class LockstepClient {
  readonly #parts: LockstepParts;
  #socket: WebSocket | null = null;
  #step: StepMessage | null = null;
  /** The step's events have been worked on; waiting for answers to what they caused. */
  #isSettling = false;
  #isWorking = false;
  #watchdog: ReturnType<typeof setTimeout> | null = null;
  #resolveEnd: () => void = () => {};
  #rejectEnd: (reason: Error) => void = () => {};
  /** Steps taken. */
  stepCount = 0;
  /** Resolves at the end of the venue's day; rejects when the venue goes away or a step cannot be completed. */
  readonly ended: Promise<void>;

  constructor(parts: LockstepParts) {
    this.#parts = parts;
    this.ended = new Promise((resolve, reject) => {
      this.#resolveEnd = resolve;
      this.#rejectEnd = reject;
    });
    this.ended.catch(() => {});
  }

  /** Connects; resolves with the venue's greeting. The clock is set to the venue's time; it does not move before `join`. */
  connect(url: string): Promise<HelloMessage> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url, { perMessageDeflate: false } as never);
      this.#socket = socket;
      socket.onmessage = (event) => {
        const message = JSON.parse(String(event.data)) as VenueMessage;
        if (message.type === "hello") {
          this.#parts.clock.advanceTo(message.nowUs);
          resolve(message);
        } else if (message.type === "step") {
          this.#onStep(message);
        } else {
          this.#parts.clock.advanceTo(message.nowUs);
          this.#finish(null);
        }
      };
      socket.onerror = () => reject(new Error(`cannot reach the venue's control channel at ${url}`));
      socket.onclose = () => this.#finish(new Error("the venue closed its control channel before the end of the day"));
    });
  }

  /** Lets the market move. */
  join(): void {
    this.#socket?.send('{"type":"join"}');
  }

  /** To be called when a frame or an answer arrived. */
  poke(): void {
    if (!this.#isWorking) this.#advance();
  }

  /** Leaves; the venue stands still. */
  close(): void {
    this.#finish(null);
    this.#socket?.close();
  }

  #onStep(step: StepMessage): void {
    this.#step = step;
    this.#isSettling = false;
    this.#watchdog ??= setTimeout(() => this.#onTimeout(), STEP_TIMEOUT_MS);
    this.#advance();
  }

  #advance(): void {
    const step = this.#step;
    if (step === null) return;
    const { clock } = this.#parts;
    this.#isWorking = true;
    if (!this.#isSettling) {
      if (this.#parts.feedFrames() < step.feedFrames || this.#parts.streamFrames() < step.streamFrames) {
        this.#isWorking = false;
        return;
      }
      clock.advanceTo(step.nowUs);
      this.#parts.work(step.nowUs);
      this.#parts.runTimers(step.nowUs);
      this.#isSettling = true;
    }
    // Answers may have caused executions, and those further requests: work until nothing is left to do at this time.
    this.#parts.work(step.nowUs);
    this.#isWorking = false;
    if (this.#parts.requestsInFlight() > 0) return;
    if (this.#parts.isBehind()) setTimeout(() => this.poke(), BEHIND_POLL_MS);
    else this.#done(step);
  }

  #done(step: StepMessage): void {
    this.#step = null;
    this.stepCount += 1;
    if (this.#watchdog !== null) {
      this.#watchdog.refresh();
    }
    const wakeUs = this.#parts.nextTimerUs();
    this.#socket?.send(`{"type":"done","nowUs":${step.nowUs},"wakeUs":${Number.isFinite(wakeUs) ? wakeUs : "null"}}`);
  }

  #onTimeout(): void {
    const step = this.#step;
    const detail =
      step === null
        ? "the venue sent no step"
        : `step at ${step.nowUs}: frames ${this.#parts.feedFrames()} of ${step.feedFrames}, order stream ` +
          `${this.#parts.streamFrames()} of ${step.streamFrames}, requests in flight ${this.#parts.requestsInFlight()}`;
    this.#finish(new Error(`lockstep stalled for ${STEP_TIMEOUT_MS / 1000} s: ${detail}`));
  }

  #finish(error: Error | null): void {
    if (this.#watchdog !== null) clearTimeout(this.#watchdog);
    this.#watchdog = null;
    this.#step = null;
    if (error === null) this.#resolveEnd();
    else this.#rejectEnd(error);
  }
}
