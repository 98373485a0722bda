// The course of one day on market time: bars closed on the clock, equity sampled, flat before the close, and the orderly end
// that a signal or the close brings. Timers only; the path from tick to order is the pipeline's.

import type { Schedule } from "../../engine/schedule.ts";
import { formatNewYorkTime } from "../../market/calendar.ts";
import { TRADING_ACTIVE, TRADING_HALTED, TRADING_REDUCING } from "../../risk/entry-checks.ts";
import type { Trader } from "./trader.ts";

/** Why the trading state moved; numbers go to the journal. Append, never reorder. */
export const STATE_REASONS = [
  "armed",
  "flattening before the close",
  "interrupted",
  "order stream down",
  "order stream up",
  "end of the run",
] as const;
export type StateReason = (typeof STATE_REASONS)[number];

export interface DayOptions {
  readonly trader: Trader;
  readonly schedule: Schedule;
  readonly barIntervalUs: number;
  readonly barGraceUs: number;
  /** On a signal: flatten, or keep positions with their brackets. */
  readonly onSignal: "flatten" | "keep";
  /** Called once a market minute. */
  readonly onMinute: (nowUs: number) => void;
  readonly warn: (text: string) => void;
}

export interface EquitySample {
  readonly tsUs: number;
  readonly equityTicks: number;
}

const MINUTE_US = 60_000_000;
/** Market time between looks at an unfinished flatten. */
const RETRY_US = 1_000_000;

export class TradingDay {
  readonly equity: EquitySample[] = [];
  /** Resolves with the outcome when the day is over. */
  readonly over: Promise<"completed" | "interrupted">;
  readonly #options: DayOptions;
  #resolveOver: (outcome: "completed" | "interrupted") => void = () => {};
  #isEnding = false;
  #exitReason: "flatten" | "shutdown" = "flatten";
  /** The state to go back to when the order stream is up again. */
  #isStreamDown = false;
  #hasFlattened = false;

  constructor(options: DayOptions) {
    this.#options = options;
    this.over = new Promise((resolve) => {
      this.#resolveOver = resolve;
    });
  }

  /** What exits of the flattener are for. */
  get exitReason(): "flatten" | "shutdown" {
    return this.#exitReason;
  }

  /** Sets the day's timers and lets entries through from now on. */
  arm(): void {
    const { trader, schedule } = this.#options;
    const { timers, checks, clock } = trader;
    checks.entryStartUs = schedule.entryStartUs;
    checks.entryEndUs = schedule.entryEndUs;
    const nowUs = clock.nowUs();
    this.#setState(TRADING_ACTIVE, "armed", nowUs);
    this.#everyBar(this.#firstBarEnd(nowUs));
    this.#everyMinute(Math.max(schedule.openUs, Math.ceil(nowUs / MINUTE_US) * MINUTE_US));
    timers.at(schedule.flattenUs, (atUs) => this.#flatten("flattening before the close", atUs));
    timers.at(schedule.flatByUs, () => {
      if (!trader.flattener.isFlat) {
        this.#options.warn(`not flat at ${formatNewYorkTime(schedule.flatByUs)}; still trying until the close`);
      }
    });
    timers.at(schedule.closeUs, (atUs) => this.#end("completed", atUs));
  }

  /** A signal came: stop entries, then flatten or leave positions with their brackets. `over` resolves when it is done. */
  interrupt(): void {
    const { trader, onSignal } = this.#options;
    const nowUs = trader.clock.nowUs();
    this.#exitReason = "shutdown";
    if (onSignal === "flatten") this.#flatten("interrupted", nowUs);
    else {
      this.#setState(TRADING_REDUCING, "interrupted", nowUs);
      trader.flattener.cancelEntries(trader.exposure.entryRow);
    }
    this.#awaitQuiet(nowUs);
  }

  /** The order stream was lost or is back: entries pause while fills cannot be seen. */
  onStream(isUp: boolean): void {
    const { trader } = this.#options;
    if (isUp === !this.#isStreamDown || this.#isEnding) return;
    this.#isStreamDown = !isUp;
    if (this.#hasFlattened) return;
    if (isUp) this.#setState(TRADING_ACTIVE, "order stream up", trader.clock.nowUs());
    else this.#setState(TRADING_REDUCING, "order stream down", trader.clock.nowUs());
  }

  #flatten(reason: StateReason, nowUs: number): void {
    const { trader } = this.#options;
    this.#hasFlattened = true;
    this.#setState(TRADING_REDUCING, reason, nowUs);
    trader.flattener.flattenAll(nowUs);
    this.#retryLater(nowUs);
  }

  #retryLater(nowUs: number): void {
    const { trader } = this.#options;
    trader.timers.at(nowUs + RETRY_US, (atUs) => {
      if (this.#isEnding || trader.flattener.isFlat) return;
      trader.flattener.flattenAll(atUs);
      trader.flattener.retry(atUs);
      this.#retryLater(atUs);
    });
  }

  /** Ends the day once nothing of ours is open (or, keeping positions, no entry is). */
  #awaitQuiet(nowUs: number): void {
    const { trader, onSignal } = this.#options;
    const isQuiet = onSignal === "flatten" ? trader.flattener.isFlat : trader.exposure.entryCount === 0;
    if (isQuiet) this.#end("interrupted", nowUs);
    else trader.timers.at(nowUs + RETRY_US / 4, (atUs) => this.#awaitQuiet(atUs));
  }

  #end(outcome: "completed" | "interrupted", nowUs: number): void {
    if (this.#isEnding) return;
    this.#sampleEquity(nowUs);
    this.#setState(TRADING_HALTED, "end of the run", nowUs);
    this.#isEnding = true;
    this.#resolveOver(outcome);
  }

  #firstBarEnd(nowUs: number): number {
    const { barIntervalUs, barGraceUs, schedule } = this.#options;
    const fromUs = Math.max(nowUs, schedule.openUs);
    return Math.floor(fromUs / barIntervalUs) * barIntervalUs + barIntervalUs + barGraceUs;
  }

  #everyBar(atUs: number): void {
    const { trader, barIntervalUs } = this.#options;
    trader.timers.at(atUs, (nowUs) => {
      if (this.#isEnding) return;
      trader.pipeline.onTime(nowUs);
      // A wall clock may have jumped over some ends: go on with the next one to come.
      this.#everyBar(Math.max(atUs + barIntervalUs, atUs + Math.floor((nowUs - atUs) / barIntervalUs) * barIntervalUs));
    });
  }

  #everyMinute(atUs: number): void {
    this.#options.trader.timers.at(atUs, (nowUs) => {
      if (this.#isEnding) return;
      this.#sampleEquity(nowUs);
      this.#options.onMinute(nowUs);
      this.#everyMinute(Math.max(atUs + MINUTE_US, Math.floor(nowUs / MINUTE_US) * MINUTE_US));
    });
  }

  #sampleEquity(nowUs: number): void {
    const { trader } = this.#options;
    this.equity.push({ tsUs: nowUs, equityTicks: trader.ledger.equityTicks(trader.prices.lastPxTicks) });
  }

  #setState(state: number, reason: StateReason, nowUs: number): void {
    const { trader } = this.#options;
    if (trader.checks.tradingState === state) return;
    trader.checks.tradingState = state;
    trader.journal.state(nowUs, state, STATE_REASONS.indexOf(reason));
  }
}
