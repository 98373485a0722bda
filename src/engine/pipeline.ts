// Hot path: no allocation after start.
// The table of contents of gyr: what happens to a market event, to a prediction and to an execution, in three straight
// functions. Sim, paper, live, backtest and replay differ only in which Feed, Gateway and Clock are wired to it.
//
//   onMarketEvent   prices -> bars -> features -> prediction
//   onPrediction    signal -> filters -> sizing -> risk -> intent recorded -> sent
//   onExecution     order state -> ledger -> exposure -> journal
//
// One thread owns everything here. Socket callbacks only fill the two rings; `drain` empties them at the engine's own pace.

import { BAR_CLOSED, type BarBuilder } from "../bars/bar-builder.ts";
import { assert } from "../core/assert.ts";
import { monotonicNs } from "../core/clock.ts";
import {
  FEATURE_CLOSE_LOCATION,
  FEATURE_LOG_RETURN_5,
  FEATURE_LOG_RETURN_20,
  FEATURE_MACD_HISTOGRAM,
  FEATURE_RSI_14,
  FEATURE_VOLUME_IMBALANCE,
  FEATURE_VWAP_DEVIATION,
} from "../features/catalogue.ts";
import type { FeatureEngine } from "../features/feature-engine.ts";
import {
  EXECUTION_CANCELED,
  EXECUTION_EXPIRED,
  EXECUTION_FILL,
  EXECUTION_REJECTED,
  type ExecutionRing,
  GATEWAY_OK,
  type Gateway,
} from "../gateway/gateway.ts";
import {
  ENGINE_OK,
  FEATURE_COUNT,
  type InferenceEngine,
  OUTPUT_BUY_PROB,
  OUTPUT_HOLD_PROB,
  OUTPUT_MOMENTUM,
  OUTPUT_SELL_PROB,
  OUTPUT_STRIDE,
  OUTPUT_VOLATILITY,
  type WorksAhead,
  worksAhead,
} from "../inference/engine.ts";
import type { ModelSet } from "../inference/model-set.ts";
import type { Ledger } from "../ledger/ledger.ts";
import {
  MARKET_EVENT_MINUTE_BAR,
  MARKET_EVENT_QUOTE,
  MARKET_EVENT_TRADE,
  type MarketEventRing,
} from "../market/events.ts";
import { INSTRUMENT_CAPACITY, type Instruments } from "../market/instruments.ts";
import {
  isTerminal,
  ORDER_ROLE_ENTRY,
  ORDER_TYPE_MARKET,
  type OrderTable,
  SIDE_BUY,
  SIDE_SELL,
} from "../market/orders.ts";
import type { Prices } from "../market/prices.ts";
import { DENIALS, DENIED_OK, denialIndex } from "../risk/denials.ts";
import type { EntryChecks } from "../risk/entry-checks.ts";
import type { Exposure } from "../risk/exposure.ts";
import type { PositionSizer } from "../sizing/position-sizer.ts";
import type { Bracket } from "../strategy/bracket.ts";
import { cnnSignal } from "../strategy/cnn-rule.ts";
import {
  consistencyFilter,
  FILTER_COOLING_DOWN,
  FILTER_PASS,
  FILTER_SHORTS_OFF,
  FILTERS,
  timingFilter,
  vixGate,
} from "../strategy/filters.ts";
import { momentumSignal } from "../strategy/momentum-rule.ts";
import type { Signal } from "../strategy/signal.ts";
import type { DayRecord } from "./day-record.ts";
import type { EventGate } from "./event-gate.ts";
import type { Flattener } from "./flattener.ts";
import type { Latencies } from "./latencies.ts";
import type { EngineJournal } from "./ports.ts";

export interface StrategyParams {
  readonly signal: "momentum" | "cnn";
  readonly allowShort: boolean;
  readonly momentumEntryMin: number;
  readonly cnnProbMin: number;
  readonly consistencyBars: number;
  readonly consistencyFracMin: number;
  readonly timingExtensionMaxAtr: number;
  readonly timingCloseLocationMin: number;
  readonly timingSpreadMaxBps: number;
  readonly vixBlockAbove: number;
  readonly cooldownUs: number;
  readonly stopAtr: number;
  readonly stopMinBps: number;
  readonly rewardRisk: number;
}

/** Everything the pipeline works on; made once by the wiring. */
export interface PipelineParts {
  readonly instruments: Instruments;
  readonly prices: Prices;
  readonly events: MarketEventRing;
  readonly gate: EventGate;
  readonly executions: ExecutionRing;
  readonly orders: OrderTable;
  readonly bars: BarBuilder;
  readonly features: FeatureEngine;
  /** Always answers: an engine that can fail has one behind it that cannot. */
  readonly inference: InferenceEngine;
  /** Models that predict beside it; null where there are none. */
  readonly shadow: ModelSet | null;
  readonly signal: Signal;
  readonly bracket: Bracket;
  readonly sizer: PositionSizer;
  readonly checks: EntryChecks;
  readonly exposure: Exposure;
  readonly ledger: Ledger;
  readonly gateway: Gateway;
  readonly journal: EngineJournal;
  readonly flattener: Flattener;
  readonly latencies: Latencies;
  readonly record: DayRecord;
  /** Bars come from trades, or from the venue's minute aggregates. */
  readonly isBarsFromTrades: boolean;
  /** Fees of a fill, ticks. */
  readonly feeTicks: (side: number, qty: number, notionalTicks: number) => number;
}

const GATEWAY_BACK_PRESSURED_DENIAL = denialIndex("GATEWAY_BACK_PRESSURED");
const ORDER_TABLE_FULL = denialIndex("ORDER_TABLE_FULL");
const JOURNAL_UNAVAILABLE = denialIndex("JOURNAL_UNAVAILABLE");
const PRICE_UNKNOWN = denialIndex("PRICE_UNKNOWN");

export class Pipeline {
  /** Events, closed bars, predictions, signals and orders since start. */
  eventCount = 0;
  barCount = 0;
  predictionCount = 0;
  signalCount = 0;
  orderCount = 0;
  fillCount = 0;
  /** (denial) and (filter) counts. */
  readonly denialCounts = new Float64Array(DENIALS.length);
  readonly filterCounts = new Float64Array(FILTERS.length);
  /** VIX, percent a year. Written by the wiring; NaN blocks entries. */
  vix = Number.NaN;
  /** New York day number of the bars now closing. Written by the wiring at the start of a day. */
  dayNumber = 0;
  /** Capital of the day: the smaller of the account's cash and buying power at its start, ticks. Written by the wiring. */
  capitalTicks = 0;
  /** (instrument) market time of the last exit, epoch us; 0 none. */
  readonly #tsExitUs = new Float64Array(INSTRUMENT_CAPACITY);
  readonly #p: PipelineParts;
  readonly #s: StrategyParams;
  /** The engine where it can work ahead; slots for which it shall, as soon as nothing else is to be done. */
  readonly #ahead: (InferenceEngine & WorksAhead) | null;
  readonly #toPrepare = new Int32Array(INSTRUMENT_CAPACITY);
  #toPrepareCount = 0;
  /**
   * Windows that wait for the end of the drain, in the order in which their bars closed, where the engine would rather have
   * many at once: slot, element offset, when the tick came and when its feature row was done (monotonic ns).
   */
  readonly #isBatching: boolean;
  readonly #waitingSlot: Int32Array;
  readonly #offsets: Int32Array;
  readonly #waitingTickNs: Float64Array;
  readonly #waitingStartNs: Float64Array;
  /** (instrument) 1 while its window waits. */
  readonly #isWaiting = new Uint8Array(INSTRUMENT_CAPACITY);
  #waitingCount = 0;
  /** (window of the call) outputs. */
  readonly #outputs: Float32Array;
  /** Monotonic ns when the frame of the event in work was received. */
  #tsTickNs = 0;

  constructor(parts: PipelineParts, strategy: StrategyParams) {
    this.#p = parts;
    this.#s = strategy;
    this.#ahead = worksAhead(parts.inference);
    this.#isBatching = parts.inference.prefersBatch === true && this.#ahead === null;
    const batchMax = this.#isBatching ? Math.min(parts.inference.batchMax, INSTRUMENT_CAPACITY) : 1;
    this.#waitingSlot = new Int32Array(batchMax);
    this.#offsets = new Int32Array(batchMax);
    this.#waitingTickNs = new Float64Array(batchMax);
    this.#waitingStartNs = new Float64Array(batchMax);
    this.#outputs = new Float32Array(batchMax * OUTPUT_STRIDE);
    assert(
      this.#ahead === null || this.#ahead.preparedCapacity >= INSTRUMENT_CAPACITY,
      "every instrument can be prepared",
    );
  }

  /**
   * Empties both rings, executions first: what the broker says is known before new prices are acted on.
   *
   * @param nowUs market time
   * @returns rows worked on
   */
  drain(nowUs: number): number {
    const work = this.drainExecutions(nowUs);
    const { events } = this.#p;
    const count = events.head - events.tail;
    while (events.tail < events.head) {
      this.#onMarketEvent(events.tail & events.mask, nowUs);
      events.tail += 1;
    }
    this.eventCount += count;
    this.#predictWaiting(nowUs);
    // All orders of these events are out: time to work ahead, then for the models in the shadow.
    this.#prepare();
    this.workAside();
    return work + count;
  }

  drainExecutions(nowUs: number): number {
    const { executions } = this.#p;
    const count = executions.head - executions.tail;
    while (executions.tail < executions.head) {
      this.#onExecution(executions.tail & executions.mask, nowUs);
      executions.tail += 1;
    }
    return count;
  }

  /** Closes bars whose interval has ended without a later trade. Called when market time moves on. */
  onTime(nowUs: number): void {
    const { bars } = this.#p;
    const count = bars.closeDue(nowUs);
    if (count === 0) return;
    this.#tsTickNs = monotonicNs();
    for (let i = 0; i < count; i++) this.#onBarClosed(bars.closedSlots[i]!, nowUs, monotonicNs());
    this.#predictWaiting(nowUs);
    this.#prepare();
    this.workAside();
  }

  /** Lets the models in the shadow go on for as long as their budget says. Called when there is nothing else to do. */
  workAside(): void {
    this.#p.shadow?.work(this.#p.features.windows);
  }

  /** Market event in, possibly order out. */
  #onMarketEvent(index: number, nowUs: number): void {
    const { events, gate, prices, bars, latencies } = this.#p;
    const slot = events.slot[index]!;
    const tsVenueUs = events.tsVenueUs[index]!;
    const kind = events.kind[index]!;
    // A decision is made on what was known when its bar closed, however many windows are predicted with it.
    if (this.#isWaiting[slot] === 1) this.#predictWaiting(nowUs);
    if (!gate.isTimely(tsVenueUs, nowUs)) return;
    if (kind === MARKET_EVENT_QUOTE) {
      prices.applyQuote(slot, events.bidPx[index]!, events.askPx[index]!, tsVenueUs);
      return;
    }
    if (!gate.isPlausible(slot, events.px[index]!)) return;
    if (kind === MARKET_EVENT_TRADE) {
      prices.applyTrade(slot, events.px[index]!, tsVenueUs);
      if (!this.#p.isBarsFromTrades) return;
      const startNs = monotonicNs();
      const code = bars.applyTrade(slot, events.px[index]!, events.qty[index]!, tsVenueUs);
      if (code !== BAR_CLOSED) return;
      const tickNs = events.tsRecvNs[index]!;
      this.#tsTickNs = tickNs;
      const barNs = monotonicNs();
      this.#onBarClosed(slot, nowUs, barNs);
      latencies.received.record(startNs - tickNs);
      latencies.bars.record(barNs - startNs);
      return;
    }
    if (kind === MARKET_EVENT_MINUTE_BAR) {
      const code = bars.applyAggregate(
        slot,
        tsVenueUs,
        events.bidPx[index]!,
        events.askPx[index]!,
        events.bidLots[index]!,
        events.px[index]!,
        events.qty[index]!,
        events.askLots[index]!,
      );
      if (code !== BAR_CLOSED) return;
      prices.applyTrade(slot, events.px[index]!, tsVenueUs);
      this.#tsTickNs = events.tsRecvNs[index]!;
      this.#onBarClosed(slot, nowUs, monotonicNs());
    }
  }

  /**
   * The bar in `bars.closed*` is final: a feature row, then a prediction. What only the report and the journal want to know
   * is written after the order has gone out; so are the latencies.
   *
   * @param startNs monotonic ns when the bar was closed
   */
  #onBarClosed(slot: number, nowUs: number, startNs: number): void {
    const { bars, features, latencies } = this.#p;
    features.closeBar(
      slot,
      bars.closedOpenPx[slot]!,
      bars.closedHighPx[slot]!,
      bars.closedLowPx[slot]!,
      bars.closedClosePx[slot]!,
      bars.closedVolume[slot]!,
      bars.closedTurnoverUsd[slot]!,
      bars.closedStartUs[slot]!,
      this.dayNumber,
    );
    this.barCount += 1;
    const featuresNs = monotonicNs();
    if (features.isReady(slot)) {
      if (this.#isBatching) this.#predictLater(slot, nowUs, featuresNs);
      else this.#predict(slot, nowUs, featuresNs);
    }
    this.#p.record.bar(slot, bars.closedStartUs[slot]!, bars.closedClosePx[slot]!);
    latencies.features.record(featuresNs - startNs);
  }

  /** Window in, prediction out and acted on. */
  #predict(slot: number, nowUs: number, startNs: number): void {
    const { features, inference } = this.#p;
    const offset = features.windowOffset(slot);
    this.#offsets[0] = offset;
    const code =
      this.#ahead === null
        ? inference.predict(features.windows, this.#offsets, 1, this.#outputs)
        : this.#ahead.predictPrepared(slot, features.revision(slot), features.windows, offset, this.#outputs);
    assert(code === ENGINE_OK, "the engine, or the one behind it, always answers");
    this.#onPredicted(slot, 0, nowUs, startNs, monotonicNs());
  }

  /** Puts the window beside those that wait. */
  #predictLater(slot: number, nowUs: number, startNs: number): void {
    if (this.#waitingCount === this.#waitingSlot.length) this.#predictWaiting(nowUs);
    const at = this.#waitingCount++;
    this.#waitingSlot[at] = slot;
    this.#offsets[at] = this.#p.features.windowOffset(slot);
    this.#waitingTickNs[at] = this.#tsTickNs;
    this.#waitingStartNs[at] = startNs;
    this.#isWaiting[slot] = 1;
  }

  /** Windows that wait in, predictions out and acted on in the order of the bars. */
  #predictWaiting(nowUs: number): void {
    const count = this.#waitingCount;
    if (count === 0) return;
    const { features, inference } = this.#p;
    const code = inference.predict(features.windows, this.#offsets, count, this.#outputs);
    assert(code === ENGINE_OK, "the engine, or the one behind it, always answers");
    const inferenceNs = monotonicNs();
    this.#waitingCount = 0;
    for (let i = 0; i < count; i++) {
      const slot = this.#waitingSlot[i]!;
      this.#isWaiting[slot] = 0;
      this.#tsTickNs = this.#waitingTickNs[i]!;
      this.#onPredicted(slot, i * OUTPUT_STRIDE, nowUs, this.#waitingStartNs[i]!, inferenceNs);
    }
  }

  /** The outputs at `at` are in: decision and order first, then what can wait. */
  #onPredicted(slot: number, at: number, nowUs: number, startNs: number, inferenceNs: number): void {
    const { features, latencies, journal, shadow } = this.#p;
    this.predictionCount += 1;
    this.#onPrediction(slot, at, nowUs, inferenceNs);
    this.#prepareLater(slot);
    const out = this.#outputs;
    journal.prediction(
      nowUs,
      slot,
      out[at + OUTPUT_SELL_PROB]!,
      out[at + OUTPUT_HOLD_PROB]!,
      out[at + OUTPUT_BUY_PROB]!,
      out[at + OUTPUT_VOLATILITY]!,
      out[at + OUTPUT_MOMENTUM]!,
    );
    if (shadow !== null) shadow.note(slot, features.windowOffset(slot), nowUs);
    latencies.inference.record(inferenceNs - startNs);
  }

  /** Notes that the network can be run ahead for the next bar of `slot`. */
  #prepareLater(slot: number): void {
    if (this.#ahead === null) return;
    if (this.#toPrepareCount === INSTRUMENT_CAPACITY) this.#prepare();
    this.#toPrepare[this.#toPrepareCount++] = slot;
  }

  /** Runs the network ahead as far as the rows are known: all of the next window but its newest. */
  #prepare(): void {
    if (this.#ahead === null) return;
    const { features } = this.#p;
    for (let i = 0; i < this.#toPrepareCount; i++) {
      const slot = this.#toPrepare[i]!;
      this.#ahead.prepare(slot, features.revision(slot), features.windows, features.windowOffset(slot));
    }
    this.#toPrepareCount = 0;
  }

  /** Prediction in, possibly order out. */
  #onPrediction(slot: number, at: number, nowUs: number, startNs: number): void {
    this.#decide(slot, at);
    const { signal, journal } = this.#p;
    if (signal.direction === 0) return;
    this.signalCount += 1;

    const filter = this.#filter(slot, nowUs);
    this.filterCounts[filter]! += 1;
    if (filter !== FILTER_PASS) {
      journal.filtered(nowUs, slot, filter);
      return;
    }
    const denial = this.#enter(slot, nowUs, startNs);
    this.denialCounts[denial]! += 1;
    if (denial !== DENIED_OK) journal.denial(nowUs, slot, denial);
  }

  /** Leaves the signal of the configured rule in `signal`. */
  #decide(slot: number, at: number): void {
    const { features, signal } = this.#p;
    if (this.#s.signal === "cnn") {
      cnnSignal(this.#outputs, at, this.#s.cnnProbMin, signal);
      return;
    }
    const row = slot * FEATURE_COUNT;
    const f = features.lastRow;
    momentumSignal(
      f[row + FEATURE_LOG_RETURN_5]!,
      f[row + FEATURE_LOG_RETURN_20]!,
      features.volPerBar(slot),
      f[row + FEATURE_MACD_HISTOGRAM]!,
      f[row + FEATURE_RSI_14]!,
      f[row + FEATURE_VWAP_DEVIATION]!,
      f[row + FEATURE_VOLUME_IMBALANCE]!,
      this.#s.momentumEntryMin,
      signal,
    );
  }

  /** @returns FILTER_PASS or the first filter that stops the signal. */
  #filter(slot: number, nowUs: number): number {
    const { features, prices, signal } = this.#p;
    const s = this.#s;
    const { direction } = signal;
    if (direction < 0 && !s.allowShort) return FILTER_SHORTS_OFF;
    const vix = vixGate(this.vix, s.vixBlockAbove);
    if (vix !== FILTER_PASS) return vix;
    if (nowUs - this.#tsExitUs[slot]! < s.cooldownUs) return FILTER_COOLING_DOWN;
    let agreeing = 0;
    for (let bars = 0; bars < s.consistencyBars; bars++) {
      if (features.barLogReturn(slot, bars) * direction > 0) agreeing += 1;
    }
    const consistency = consistencyFilter(agreeing, s.consistencyBars, s.consistencyFracMin);
    if (consistency !== FILTER_PASS) return consistency;
    return timingFilter(
      direction,
      features.closePx(slot),
      features.vwapPx(slot),
      features.atrPx(slot),
      features.lastRow[slot * FEATURE_COUNT + FEATURE_CLOSE_LOCATION]!,
      prices.spreadBps(slot),
      s.timingExtensionMaxAtr,
      s.timingCloseLocationMin,
      s.timingSpreadMaxBps,
    );
  }

  /** Checks, sizes, records and sends an entry. @returns DENIED_OK or the index of a denial. */
  #enter(slot: number, nowUs: number, startNs: number): number {
    const { checks, features, ledger, prices, exposure, sizer, signal, latencies } = this.#p;
    const side = signal.direction > 0 ? SIDE_BUY : SIDE_SELL;
    const early = checks.beforeSizing(
      slot,
      side,
      nowUs,
      features.isReady(slot),
      features.oldestBarStartUs(slot),
      ledger.positionQty[slot]!,
    );
    if (early !== DENIED_OK) return early;

    const pxTicks = prices.expectedPxTicks(slot, side);
    const buyingPowerTicks = this.capitalTicks - ledger.costTotalTicks;
    const freeTicks = buyingPowerTicks - exposure.reservedTotalTicks;
    const qty = sizer.qty(slot, signal.strength, signal.confidence, this.vix, pxTicks, freeTicks);
    const decisionNs = monotonicNs();
    const denial = this.#checkAndSend(slot, side, qty, pxTicks, buyingPowerTicks, nowUs, decisionNs);
    latencies.decision.record(decisionNs - startNs);
    return denial;
  }

  /** The checks of the sized order, its bracket, and out. @returns DENIED_OK or the index of a denial */
  #checkAndSend(
    slot: number,
    side: number,
    qty: number,
    pxTicks: number,
    buyingPowerTicks: number,
    nowUs: number,
    startNs: number,
  ): number {
    const { checks, features, ledger, bracket } = this.#p;
    const denial = checks.afterSizing(qty, pxTicks, ledger.positionCount, ledger.costTotalTicks, buyingPowerTicks);
    if (denial !== DENIED_OK) return denial;
    const s = this.#s;
    if (!bracket.place(side, pxTicks, features.atrPx(slot), s.stopAtr, s.stopMinBps, s.rewardRisk))
      return PRICE_UNKNOWN;
    return this.#send(slot, side, qty, pxTicks, nowUs, startNs);
  }

  #send(slot: number, side: number, qty: number, pxTicks: number, nowUs: number, startNs: number): number {
    const { orders, bracket, journal, gateway, exposure, latencies } = this.#p;
    if (!journal.isHealthy) return JOURNAL_UNAVAILABLE;
    const row = orders.open(slot, side, ORDER_ROLE_ENTRY, qty);
    if (row < 0) return ORDER_TABLE_FULL;
    orders.type[row] = ORDER_TYPE_MARKET;
    orders.bracketStopPxTicks[row] = bracket.stopPxTicks;
    orders.bracketTargetPxTicks[row] = bracket.targetPxTicks;
    orders.tsIntentUs[row] = nowUs;
    orders.tsTickNs[row] = this.#tsTickNs;
    if (!journal.intent(nowUs, row)) return JOURNAL_UNAVAILABLE;
    const riskNs = monotonicNs();
    if (gateway.submit(row) !== GATEWAY_OK) return GATEWAY_BACK_PRESSURED_DENIAL;
    const sentNs = monotonicNs();
    latencies.risk.record(riskNs - startNs);
    latencies.sent.record(sentNs - riskNs);
    latencies.tickToOrder.record(sentNs - this.#tsTickNs);
    exposure.open(slot, row, qty, pxTicks);
    this.orderCount += 1;
    return DENIED_OK;
  }

  /** Execution in: ledger, exposure, journal; then the flattener, which may be waiting for it. */
  #onExecution(index: number, nowUs: number): void {
    const { executions, orders, ledger, exposure, journal, flattener } = this.#p;
    const row = executions.row[index]!;
    const kind = executions.kind[index]!;
    const slot = orders.slot[row]!;
    if (kind === EXECUTION_FILL) this.#onFill(index, row, slot);
    journal.orderStatus(executions.tsVenueUs[index]!, row, orders.status[row]!);
    const hasEnded =
      kind === EXECUTION_CANCELED ||
      kind === EXECUTION_REJECTED ||
      kind === EXECUTION_EXPIRED ||
      isTerminal(orders.status[row]!);
    if (hasEnded && exposure.entryRow[slot] === row) exposure.close(slot);
    if (ledger.positionQty[slot] === 0 && kind === EXECUTION_FILL) this.#tsExitUs[slot] = executions.tsVenueUs[index]!;
    flattener.onExecution(slot, nowUs);
  }

  #onFill(index: number, row: number, slot: number): void {
    const { executions, orders, ledger, exposure, journal } = this.#p;
    const qty = executions.qty[index]!;
    const pxTicks = executions.pxTicks[index]!;
    const side = orders.side[row]!;
    const feeTicks = this.#p.feeTicks(side, qty, qty * pxTicks);
    ledger.applyFill(slot, side, qty, pxTicks, feeTicks);
    this.fillCount += 1;
    if (exposure.entryRow[slot] === row) {
      exposure.shrink(slot, orders.qty[row]! - orders.filledQty[row]!);
    }
    this.#p.record.fill(row, executions.tsVenueUs[index]!, qty, pxTicks, feeTicks);
    journal.fill(executions.tsVenueUs[index]!, row, qty, pxTicks, feeTicks);
  }
}
