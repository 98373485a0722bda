// Everything a trading day is made of, wired once: columns, stages, sockets, journal. `gyr run` makes one for each mode; what
// differs between sim, paper and live is the URLs, the clock and who drives it.

import { BarBuilder } from "../../bars/bar-builder.ts";
import type { Config } from "../../config/schema.ts";
import { Arena } from "../../core/arena.ts";
import type { Clock } from "../../core/clock.ts";
import { Prng } from "../../core/prng.ts";
import { Timers } from "../../core/timers.ts";
import { DayRecord } from "../../engine/day-record.ts";
import { EventGate } from "../../engine/event-gate.ts";
import { Flattener } from "../../engine/flattener.ts";
import { Latencies } from "../../engine/latencies.ts";
import { Pipeline, type StrategyParams } from "../../engine/pipeline.ts";
import { FeatureEngine } from "../../features/feature-engine.ts";
import { PolygonFeed } from "../../feed/polygon/socket.ts";
import { AlpacaGateway } from "../../gateway/alpaca/alpaca-gateway.ts";
import { ExecutionRing } from "../../gateway/gateway.ts";
import type { InferenceEngine } from "../../inference/engine.ts";
import { ModelSet, SHADOW_BUDGET_US, type ShadowMember } from "../../inference/model-set.ts";
import { DayFees } from "../../ledger/fees.ts";
import { Journal } from "../../ledger/journal.ts";
import { Ledger } from "../../ledger/ledger.ts";
import { MarketEventRing } from "../../market/events.ts";
import {
  INSTRUMENT_CAPACITY,
  INSTRUMENT_TYPE_FUND,
  INSTRUMENT_TYPE_STOCK,
  Instruments,
} from "../../market/instruments.ts";
import { OrderTable } from "../../market/orders.ts";
import { Prices } from "../../market/prices.ts";
import { EntryChecks } from "../../risk/entry-checks.ts";
import { Exposure } from "../../risk/exposure.ts";
import { PositionSizer } from "../../sizing/position-sizer.ts";
import { Bracket } from "../../strategy/bracket.ts";
import { Signal } from "../../strategy/signal.ts";
import type { UniverseMember } from "../../universe/build.ts";

export interface TraderUrls {
  readonly feedSocket: string;
  readonly trading: string;
  readonly stream: string;
}

export interface TraderKeys {
  readonly polygonKey: string;
  readonly keyId: string;
  readonly secret: string;
}

export interface TraderOptions {
  readonly config: Config;
  readonly date: string;
  readonly clock: Clock;
  /** The venue paces us: frames and answers are applied only when its step says so, orders go over one socket. */
  readonly isLockstep: boolean;
  readonly urls: TraderUrls;
  readonly keys: TraderKeys;
  readonly members: readonly UniverseMember[];
  /** Always answers. */
  readonly inference: InferenceEngine;
  /** Models in the shadow; none where not given. */
  readonly shadow?: readonly ShadowMember[];
  /** Win rate for sizing, 0..1. */
  readonly winRate: number;
  /** Folder of the run's journal. */
  readonly runFolder: string;
}

/** Tag of the strategy in client order ids. */
const STRATEGY_TAG = "m1";

export class Trader {
  readonly arena = new Arena();
  readonly timers = new Timers();
  readonly latencies = new Latencies();
  readonly clock: Clock;
  readonly instruments: Instruments;
  readonly prices: Prices;
  readonly events: MarketEventRing;
  readonly gate: EventGate;
  readonly executions: ExecutionRing;
  readonly orders: OrderTable;
  readonly bars: BarBuilder;
  readonly features: FeatureEngine;
  readonly exposure: Exposure;
  readonly checks: EntryChecks;
  readonly ledger: Ledger;
  readonly sizer: PositionSizer;
  readonly record: DayRecord;
  readonly journal: Journal;
  readonly feed: PolygonFeed;
  readonly gateway: AlpacaGateway;
  readonly flattener: Flattener;
  readonly shadow: ModelSet | null;
  readonly pipeline: Pipeline;

  constructor(options: TraderOptions) {
    const { config } = options;
    const { arena } = this;
    this.clock = options.clock;
    this.instruments = new Instruments(arena);
    fillInstruments(this.instruments, options.members);
    this.prices = new Prices(arena);
    this.events = new MarketEventRing(arena);
    this.gate = new EventGate(this.instruments, this.prices);
    this.executions = new ExecutionRing(arena);
    this.orders = new OrderTable(arena);
    this.journal = new Journal({
      folder: options.runFolder,
      orders: this.orders,
      isDurable: config.mode !== "sim",
    });
    this.bars = new BarBuilder(arena, {
      intervalUs: config.bars.intervalSec * 1_000_000,
      closeGraceUs: config.bars.closeGraceMs * 1_000,
      source: config.feed.trades ? "trades" : "aggregates",
    });
    this.features = new FeatureEngine(arena, INSTRUMENT_CAPACITY, {
      includeOvernightReturn: config.bars.includeOvernightReturn,
    });
    this.exposure = new Exposure(arena);
    this.ledger = new Ledger(arena);
    this.record = new DayRecord(arena);
    this.checks = new EntryChecks(this.instruments, this.prices, this.exposure, {
      positionsMax: config.risk.positionsMax,
      capitalMaxUsd: config.risk.capitalMaxUsd,
      notionalMinUsd: config.risk.notionalMinUsd,
      notionalMaxUsd: config.risk.notionalMaxUsd,
      collarBps: config.risk.collarBps,
      staleAfterUs: config.feed.staleAfterMs * 1_000,
      windowAgeMaxUs: config.bars.windowAgeMaxMinutes * 60_000_000,
      allowShort: config.strategy.allowShort,
    });
    this.sizer = new PositionSizer(arena, {
      dailyCapitalUsd: config.sizing.dailyCapitalUsd,
      positionsMax: config.risk.positionsMax,
      positionFracMax: config.sizing.positionFracMax,
      tierBoundariesUsd: config.sizing.tierBoundariesUsd,
      tierMultipliers: config.sizing.tierMultipliers,
      winRate: options.winRate,
    });
    this.sizer.prepare(this.instruments);
    this.feed = new PolygonFeed({
      url: options.urls.feedSocket,
      apiKey: options.keys.polygonKey,
      ring: this.events,
      instruments: this.instruments,
      trades: config.feed.trades,
      quotes: config.feed.quotes,
      minuteBars: true,
      prng: Prng.stream(config.seed, "feed.jitter"),
      connectTimeoutMs: config.feed.connectTimeoutMs,
    });
    this.gateway = new AlpacaGateway({
      tradingUrl: options.urls.trading,
      streamUrl: options.urls.stream,
      keyId: options.keys.keyId,
      secret: options.keys.secret,
      transport: config.gateway.transport,
      connections: options.isLockstep ? 1 : config.gateway.connections,
      timeoutMs: config.gateway.timeoutMs,
      clock: options.clock,
      timers: this.timers,
      prng: Prng.stream(config.seed, "gateway.jitter"),
      arena,
      orders: this.orders,
      executions: this.executions,
      instruments: this.instruments,
      day: options.date,
      strategyTag: STRATEGY_TAG,
      isDeferred: options.isLockstep,
    });
    this.flattener = new Flattener(arena, this.instruments, this.orders, this.ledger, this.gateway, this.journal);
    this.shadow = shadowOf(options, this.journal);
    const fees = new DayFees(options.date);
    this.pipeline = new Pipeline(
      {
        instruments: this.instruments,
        prices: this.prices,
        events: this.events,
        gate: this.gate,
        executions: this.executions,
        orders: this.orders,
        bars: this.bars,
        features: this.features,
        inference: options.inference,
        shadow: this.shadow,
        signal: new Signal(),
        bracket: new Bracket(),
        sizer: this.sizer,
        checks: this.checks,
        exposure: this.exposure,
        ledger: this.ledger,
        gateway: this.gateway,
        journal: this.journal,
        flattener: this.flattener,
        latencies: this.latencies,
        record: this.record,
        isBarsFromTrades: config.feed.trades,
        feeTicks: (side, qty, notionalTicks) => fees.add(side, qty, notionalTicks),
      },
      strategyParams(config),
    );
    this.feed.onFull = () => void this.pipeline.drain(this.clock.nowUs());
  }
}

/** Null without members, so that the pipeline asks nothing of it. */
function shadowOf({ shadow = [], isLockstep }: TraderOptions, journal: Journal): ModelSet | null {
  if (shadow.length === 0) return null;
  // In lockstep the market waits: every member sees every window, in each run.
  const budgetUs = isLockstep ? Number.POSITIVE_INFINITY : SHADOW_BUDGET_US;
  return new ModelSet({ members: shadow, capacity: INSTRUMENT_CAPACITY, budgetUs, journal });
}

function fillInstruments(instruments: Instruments, members: readonly UniverseMember[]): void {
  for (const member of members) {
    const slot = instruments.add(member.symbol);
    instruments.type[slot] = member.type === "ETF" ? INSTRUMENT_TYPE_FUND : INSTRUMENT_TYPE_STOCK;
    instruments.marketCapUsd[slot] = member.marketCapUsd;
    instruments.previousClosePxTicks[slot] = member.previousClosePxTicks;
  }
}

function strategyParams(config: Config): StrategyParams {
  const { strategy, exits, bars } = config;
  return {
    signal: strategy.signal,
    allowShort: strategy.allowShort,
    momentumEntryMin: strategy.momentumEntryMin,
    cnnProbMin: strategy.cnnProbMin,
    consistencyBars: strategy.consistencyBars,
    consistencyFracMin: strategy.consistencyFracMin,
    timingExtensionMaxAtr: strategy.timingExtensionMaxAtr,
    timingCloseLocationMin: strategy.timingCloseLocationMin,
    timingSpreadMaxBps: strategy.timingSpreadMaxBps,
    vixBlockAbove: strategy.vixBlockAbove,
    cooldownUs: strategy.cooldownBars * bars.intervalSec * 1_000_000,
    stopAtr: exits.stopAtr,
    stopMinBps: exits.stopMinBps,
    rewardRisk: exits.rewardRisk,
  };
}
