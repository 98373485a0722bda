// A trader with every part real but the sockets, and a seeded market in its event ring: what an engine makes of the same
// market is compared by what the journal says was decided. Orders that pass risk are denied by the gateway, which is not connected.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Trader } from "../../src/cli/run/trader.ts";
import { type Config, configSchema } from "../../src/config/schema.ts";
import { ManualClock } from "../../src/core/clock.ts";
import { Prng } from "../../src/core/prng.ts";
import type { InferenceEngine } from "../../src/inference/engine.ts";
import type { ShadowMember } from "../../src/inference/model-set.ts";
import { type JournalDay, readJournal } from "../../src/ledger/journal-reader.ts";
import { newYorkTimeUs } from "../../src/market/calendar.ts";
import { MARKET_EVENT_QUOTE, MARKET_EVENT_TRADE } from "../../src/market/events.ts";
import { TRADING_ACTIVE } from "../../src/risk/entry-checks.ts";

/** Events of one drain, and market time between two: each stock trades about each 12 s. */
const DRAIN_EVENTS = 40;
const STEP_US = 300_000;
const STOCKS = 20;

export interface PipelineWorldOptions {
  readonly inference: InferenceEngine;
  readonly shadow?: readonly ShadowMember[];
  readonly isLockstep?: boolean;
  readonly config?: { readonly [section: string]: object };
}

export class PipelineWorld {
  readonly trader: Trader;
  readonly #folder: string;
  readonly #clock = new ManualClock(newYorkTimeUs("2019-12-18", "09:30"));
  readonly #prng = Prng.stream(1, "test.pipeline-world");
  readonly #px = new Float64Array(STOCKS).fill(100);
  #event = 0;

  static async open(options: PipelineWorldOptions): Promise<PipelineWorld> {
    const world = new PipelineWorld(options);
    const { trader } = world;
    await trader.journal.start();
    trader.pipeline.vix = 15;
    trader.pipeline.capitalTicks = 1e9;
    trader.ledger.openDay(1e9);
    trader.checks.tradingState = TRADING_ACTIVE;
    trader.checks.entryEndUs = Number.POSITIVE_INFINITY;
    trader.instruments.isTradable.fill(1);
    trader.arena.freeze();
    return world;
  }

  private constructor({ inference, shadow = [], isLockstep = true, config = {} }: PipelineWorldOptions) {
    this.#folder = mkdtempSync(join(tmpdir(), "gyr-pipeline-"));
    const strategy = { signal: "cnn", cnnProbMin: 0.34, allowShort: true };
    this.trader = new Trader({
      config: configSchema.parse({ strategy, ...config }) as Config,
      date: "2019-12-18",
      clock: this.#clock,
      isLockstep,
      urls: { feedSocket: "ws://127.0.0.1:9", trading: "http://127.0.0.1:9", stream: "ws://127.0.0.1:9/stream" },
      keys: { polygonKey: "k", keyId: "k", secret: "s" },
      members: Array.from({ length: STOCKS }, (_, i) => ({
        symbol: `SYM${i}`,
        score: 1,
        type: "ETF" as const,
        marketCapUsd: 0,
        previousClosePxTicks: 1_000_000,
      })),
      inference,
      shadow,
      winRate: 0.52,
      runFolder: this.#folder,
    });
  }

  /** Goes on with the market until `count` more predictions were made. `between` is called after each drain. */
  async run(count: number, between: () => void = () => {}): Promise<void> {
    const { pipeline, bars, journal } = this.trader;
    const end = pipeline.predictionCount + count;
    while (pipeline.predictionCount < end) {
      for (let i = 0; i < DRAIN_EVENTS; i++) this.#nextEvent();
      const nowUs = this.#clock.nowUs();
      pipeline.drain(nowUs);
      if (nowUs >= bars.nextDueUs) pipeline.onTime(nowUs);
      between();
      // A turn of the event loop, as each frame is one; and the journal's worker must keep up.
      do await new Promise((resolve) => setImmediate(resolve));
      while (journal.depth > 1 << 12);
    }
  }

  /** Ends the journal and reads it back. */
  async close(): Promise<JournalDay> {
    const { journal } = this.trader;
    await journal.close();
    const day = readJournal(journal.path);
    rmSync(this.#folder, { recursive: true, force: true });
    return day;
  }

  #nextEvent(): void {
    const prng = this.#prng;
    const { events } = this.trader;
    // Uneven, so that some stocks close their bar by a trade and others by the clock.
    const slot = prng.nextInt(STOCKS);
    const nowUs = this.#clock.nowUs() + Math.floor(STEP_US * 2 * prng.next());
    this.#clock.advanceTo(nowUs);
    this.#px[slot]! *= 1 + prng.nextNormal() * 0.0004;
    const px = this.#px[slot]!;
    const row = events.claim();
    events.slot[row] = slot;
    events.tsVenueUs[row] = nowUs;
    events.tsRecvNs[row] = 0;
    if ((this.#event++ & 1) === 0) {
      events.kind[row] = MARKET_EVENT_QUOTE;
      // Around the widest spread that the strategy takes, so that a decision made a quote too late is another one.
      const halfSpreadPx = px * 0.0015 * prng.next();
      events.bidPx[row] = px - halfSpreadPx;
      events.askPx[row] = px + halfSpreadPx;
    } else {
      events.kind[row] = MARKET_EVENT_TRADE;
      events.px[row] = px;
      events.qty[row] = 100;
    }
    events.commit();
  }
}

/** What was decided, in order: every signal's filter or denial with its stock and time. */
export function decisionsOf(day: JournalDay): string[] {
  const filtered = day.filtered.map(({ tsUs, slot, filter }) => `${tsUs} ${slot} filter ${filter}`);
  const denials = day.denials.map(({ tsUs, slot, denial }) => `${tsUs} ${slot} denial ${denial}`);
  const intents = day.intents.map(({ tsUs, slot, qty }) => `${tsUs} ${slot} intent ${qty}`);
  return [...filtered, ...denials, ...intents];
}
