// Hot path: no allocation after start.
// Further models that predict on the same windows as the one that trades, in its shadow: after the orders are out, within a
// budget of time, one window after another in turns. What they say is journaled and decides nothing. A member that fails, throws
// or is slow is switched off, and neither the trading model nor another member waits for it.

import { assertIndex } from "../core/assert.ts";
import { monotonicNs } from "../core/clock.ts";
import {
  ENGINE_OK,
  type InferenceEngine,
  OUTPUT_BUY_PROB,
  OUTPUT_HOLD_PROB,
  OUTPUT_MOMENTUM,
  OUTPUT_SELL_PROB,
  OUTPUT_SENTINEL,
  OUTPUT_STRIDE,
  OUTPUT_VOLATILITY,
} from "./engine.ts";

/** Time the members may take together after the orders of one drain: under 1 ms, in which no frame waits long. */
export const SHADOW_BUDGET_US = 500;
/** One window takes wasm 14 us. A call this long is slow, one of the second size stops trading for everyone to feel. */
export const SLOW_CALL_US = 2_000;
export const STUCK_CALL_US = 50_000;
/** Slow calls in a row that switch a member off. One alone may be the machine's fault: another process, a collection. */
export const SLOW_CALLS_MAX = 3;

export interface ShadowMember {
  /** As the configuration names it. */
  readonly name: string;
  /** Its own instance; closed by the set. */
  readonly engine: InferenceEngine;
}

/** Where predictions of members go. `model` counts from 1; 0 is the model that trades. */
export interface ShadowJournal {
  shadowPrediction(
    tsUs: number,
    slot: number,
    model: number,
    sellProb: number,
    holdProb: number,
    buyProb: number,
    volatility: number,
    momentum: number,
  ): void;
}

export interface ModelSetOptions {
  readonly members: readonly ShadowMember[];
  /** Instruments, slots from 0. */
  readonly capacity: number;
  /** Infinity where market time waits for gyr: every window is then predicted by every member, in each run. */
  readonly budgetUs: number;
  readonly journal: ShadowJournal;
}

/** A member with its windows to come. */
class Member {
  isOn = true;
  predictions = 0;
  /** Windows that the next bar overtook before their turn came. */
  skipped = 0;
  slowInRow = 0;
  /** Slots in the order in which their bars closed: a ring, each slot in it at most once. */
  readonly queue: Int32Array;
  /** (slot) 1 while in the queue. */
  readonly isQueued: Uint8Array;
  head = 0;
  count = 0;
  readonly name: string;
  readonly engine: InferenceEngine;

  constructor(member: ShadowMember, capacity: number) {
    this.name = member.name;
    this.engine = member.engine;
    this.queue = new Int32Array(capacity);
    this.isQueued = new Uint8Array(capacity);
  }
}

export class ModelSet {
  /** Is given a sentence when a member is switched off. */
  onTold: (text: string) => void = () => {};
  readonly #members: readonly Member[];
  readonly #capacity: number;
  readonly #budgetNs: number;
  readonly #journal: ShadowJournal;
  /** (slot) newest window: element offset, and market time of its bar's end. */
  readonly #offset: Int32Array;
  readonly #tsUs: Float64Array;
  readonly #one = new Int32Array(1);
  readonly #out = new Float32Array(OUTPUT_STRIDE);
  /** Whose turn is next. */
  #turn = 0;
  #pendingCount = 0;

  constructor(options: ModelSetOptions) {
    this.#capacity = options.capacity;
    this.#budgetNs = options.budgetUs * 1_000;
    this.#journal = options.journal;
    this.#members = options.members.map((member) => new Member(member, options.capacity));
    this.#offset = new Int32Array(options.capacity);
    this.#tsUs = new Float64Array(options.capacity);
  }

  /** Windows that wait, over all members. */
  get pendingCount(): number {
    return this.#pendingCount;
  }

  /** `slot` has a new window: each member shall see it. One that has not seen the window before it never will. */
  note(slot: number, offset: number, tsUs: number): void {
    assertIndex(slot, this.#capacity, "shadow slot");
    this.#offset[slot] = offset;
    this.#tsUs[slot] = tsUs;
    for (let i = 0; i < this.#members.length; i++) {
      const member = this.#members[i]!;
      if (!member.isOn) continue;
      if (member.isQueued[slot] === 1) {
        member.skipped += 1;
        continue;
      }
      member.isQueued[slot] = 1;
      member.queue[(member.head + member.count) % this.#capacity] = slot;
      member.count += 1;
      this.#pendingCount += 1;
    }
  }

  /** Predicts until nothing waits or the budget is used up; one window more than fits it at the most. */
  work(windows: Float32Array): void {
    if (this.#pendingCount === 0) return;
    const startNs = monotonicNs();
    let nowNs = startNs;
    while (this.#pendingCount > 0 && nowNs - startNs < this.#budgetNs) {
      const index = this.#turn;
      const member = this.#members[index]!;
      this.#turn = (index + 1) % this.#members.length;
      if (member.count === 0) continue;
      const fault = this.#predict(member, index + 1, windows);
      const endNs = monotonicNs();
      if (fault !== "") this.#switchOff(member, fault);
      else this.#judge(member, endNs - nowNs);
      nowNs = endNs;
    }
  }

  /** One window of a member. @returns why it did not answer, "" where it did */
  #predict(member: Member, model: number, windows: Float32Array): string {
    const slot = member.queue[member.head]!;
    member.head = (member.head + 1) % this.#capacity;
    member.count -= 1;
    member.isQueued[slot] = 0;
    this.#pendingCount -= 1;
    const out = this.#out;
    this.#one[0] = this.#offset[slot]!;
    out[OUTPUT_SENTINEL] = Number.NaN;
    // hot-ok: a try that nothing is thrown in costs nothing
    try {
      const code = member.engine.predict(windows, this.#one, 1, out);
      if (code !== ENGINE_OK) return member.engine.failure || "it gave no answer";
      // hot-ok: its last call
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
    // 0 is a window with a NaN in it: no fault of the model, and nothing to journal.
    if (out[OUTPUT_SENTINEL] !== 1) return out[OUTPUT_SENTINEL] === 0 ? "" : "it did not write its answer";
    member.predictions += 1;
    this.#journal.shadowPrediction(
      this.#tsUs[slot]!,
      slot,
      model,
      out[OUTPUT_SELL_PROB]!,
      out[OUTPUT_HOLD_PROB]!,
      out[OUTPUT_BUY_PROB]!,
      out[OUTPUT_VOLATILITY]!,
      out[OUTPUT_MOMENTUM]!,
    );
    return "";
  }

  /** Where the market waits there is no slow: a run must not depend on the machine's mood. */
  #judge(member: Member, tookNs: number): void {
    if (this.#budgetNs === Number.POSITIVE_INFINITY) return;
    member.slowInRow = tookNs > SLOW_CALL_US * 1_000 ? member.slowInRow + 1 : 0;
    if (member.slowInRow < SLOW_CALLS_MAX && tookNs <= STUCK_CALL_US * 1_000) return;
    this.#switchOff(member, "it is too slow");
  }

  // hot-ok: once for each member at the most
  #switchOff(member: Member, reason: string): void {
    member.isOn = false;
    member.skipped += member.count;
    this.#pendingCount -= member.count;
    member.count = 0;
    queueMicrotask(() => this.onTold(`the shadow model ${member.name} is switched off: ${reason}`));
  }

  /** For the report: what each member did, by its number and name. */
  // hot-ok: at the end of the run
  counters(): Record<string, number> {
    const counters: Record<string, number> = {};
    for (const [index, { name, predictions, skipped, count, isOn }] of this.#members.entries()) {
      const prefix = `shadow.${index + 1}.${name}`;
      counters[`${prefix}.predictions`] = predictions;
      counters[`${prefix}.skipped`] = skipped + count;
      counters[`${prefix}.switchedOff`] = isOn ? 0 : 1;
    }
    return counters;
  }

  close(): void {
    for (let i = 0; i < this.#members.length; i++) this.#members[i]!.engine.close();
  }
}
