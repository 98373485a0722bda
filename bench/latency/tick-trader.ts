// gyr's side of suite `tickToOrder`, in a process of its own: the real Trader and the real driver of wall-clock modes on
// sockets to tick-venue.ts. The floor events come over the same two sockets: WebSocket and Bun.connect are wrapped here, so
// that a frame of the floor is answered with canned bytes before gyr's own code sees it. Both kinds pass the same check.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Socket } from "bun";
import { WallDriver } from "../../src/cli/run/drivers.ts";
import { makeWasm } from "../../src/cli/run/start-up.ts";
import { Trader } from "../../src/cli/run/trader.ts";
import { type Config, configSchema } from "../../src/config/schema.ts";
import { WallClock } from "../../src/core/clock.ts";
import { Prng } from "../../src/core/prng.ts";
import { loadModelByName } from "../../src/inference/model-file.ts";
import { DENIALS } from "../../src/risk/denials.ts";
import { TRADING_ACTIVE } from "../../src/risk/entry-checks.ts";
import { FILTERS } from "../../src/strategy/filters.ts";
import { CANNED_LETTER, type TraderReply, type TraderRequest } from "./tick-messages.ts";
import { barPx, FIRST_BAR_US, FLOOR_CODE, HISTORY_BARS, KIND_OFFSET, MINUTE_US, SYMBOLS } from "./tick-path.ts";
import { CAPITAL_USD, DAY_NUMBER, VIX, WIN_RATE } from "./tick-settings.ts";

const TICKS_PER_USD = 10_000;
const BAR_VOLUME = 10_000;

function reply(message: TraderReply): void {
  process.send!(message);
}

/** Answers floor events on gyr's own sockets. */
class FloorTap {
  canned = new Uint8Array(0);
  #orders: Socket<unknown> | null = null;

  /** From now on sockets that are opened are tapped. */
  install(): void {
    this.#tapConnect();
    this.#tapWebSocket();
  }

  #tapConnect(): void {
    const connect = Bun.connect;
    Bun.connect = ((options: Bun.TCPSocketConnectOptions<unknown>) => {
      const { open } = options.socket;
      const socket = {
        ...options.socket,
        open: (opened: Socket<unknown>) => {
          this.#orders = opened;
          return open?.(opened);
        },
      };
      return connect({ ...options, socket });
    }) as typeof Bun.connect;
  }

  #tapWebSocket(): void {
    const tap = this;
    globalThis.WebSocket = class extends WebSocket {
      override set onmessage(handler: (event: MessageEvent) => void) {
        super.onmessage = (event: MessageEvent) => {
          const { data } = event;
          if (typeof data === "string" && data.charCodeAt(KIND_OFFSET) === FLOOR_CODE) {
            tap.#orders!.write(tap.canned, 0, tap.canned.length);
          } else handler(event);
        };
      }
    } as typeof WebSocket;
  }
}

/** The defaults, paper mode, with those filters open that would stop a price that only ever rises, and rose years ago. */
function benchConfig(): Config {
  const config = configSchema.parse({ mode: "paper", gateway: { connections: 1 } });
  const open = Number.POSITIVE_INFINITY;
  return {
    ...config,
    feed: { ...config.feed, staleAfterMs: open },
    strategy: { ...config.strategy, timingExtensionMaxAtr: open },
    bars: { ...config.bars, windowAgeMaxMinutes: open },
  };
}

class TickTrader {
  readonly #trader: Trader;
  readonly #driver: WallDriver;
  readonly #tap: FloorTap;
  readonly #folder: string;

  private constructor(trader: Trader, tap: FloorTap, folder: string) {
    this.#trader = trader;
    this.#tap = tap;
    this.#folder = folder;
    this.#driver = new WallDriver(trader);
  }

  static async open(web: number, orders: number, seed: number): Promise<TickTrader> {
    const model = await loadModelByName("untrained");
    const folder = mkdtempSync(join(tmpdir(), "gyr-bench-"));
    const inference = await makeWasm(model);
    const trader = new Trader({
      config: benchConfig(),
      date: "2026-11-20",
      clock: new WallClock(),
      isLockstep: false,
      urls: {
        feedSocket: `ws://127.0.0.1:${web}`,
        trading: `http://127.0.0.1:${orders}`,
        stream: `ws://127.0.0.1:${web}/stream`,
      },
      keys: { polygonKey: "bench-polygon-key-0123456789abcdef", keyId: "PKBENCH0123456789ABC", secret: "s".repeat(40) },
      members: SYMBOLS.map((symbol) => ({
        symbol,
        score: 0,
        type: "ETF" as const,
        marketCapUsd: 0,
        previousClosePxTicks: 80 * TICKS_PER_USD,
      })),
      inference,
      winRate: WIN_RATE,
      runFolder: folder,
    });
    const tap = new FloorTap();
    const tick = new TickTrader(trader, tap, folder);
    tick.#warmUp(seed);
    tap.install();
    await Promise.all([trader.feed.start(trader.instruments.symbols), trader.gateway.start(), trader.journal.start()]);
    trader.journal.instruments(trader.instruments.symbols);
    trader.arena.freeze();
    tick.#driver.start();
    return tick;
  }

  arm(cannedBytes: number): void {
    this.#tap.canned = new Uint8Array(cannedBytes).fill(CANNED_LETTER.charCodeAt(0));
    for (const histogram of Object.values(this.#trader.latencies)) histogram.reset();
  }

  async stop(): Promise<TraderReply> {
    const { pipeline, latencies } = this.#trader;
    const stageP50Us: Record<string, number> = {};
    for (const [name, histogram] of Object.entries(latencies)) stageP50Us[name] = histogram.quantileNs(0.5) / 1e3;
    const refusals: Record<string, number> = {};
    for (let i = 1; i < DENIALS.length; i++) {
      if (pipeline.denialCounts[i]! > 0) refusals[DENIALS[i]!.code] = pipeline.denialCounts[i]!;
    }
    for (let i = 1; i < FILTERS.length; i++) {
      if (pipeline.filterCounts[i]! > 0) refusals[FILTERS[i]!.code] = pipeline.filterCounts[i]!;
    }
    this.#driver.stop();
    const { feed, gateway, journal } = this.#trader;
    await Promise.all([feed.stop(), gateway.stop(), journal.close()]);
    rmSync(this.#folder, { recursive: true, force: true });
    return { kind: "stopped", stageP50Us, orderCount: pipeline.orderCount, refusals };
  }

  /** What `gyr run` does between start and armed, without asking anybody for it. */
  #warmUp(seed: number): void {
    const { features, instruments, pipeline, checks, ledger, bars } = this.#trader;
    const prng = Prng.stream(seed, "bench.tick-trader");
    for (let slot = 0; slot < instruments.count; slot++) {
      for (let bar = -HISTORY_BARS; bar < -1; bar++) {
        const px = barPx(bar, prng);
        const startUs = FIRST_BAR_US + bar * MINUTE_US;
        features.closeBar(slot, px, px, px, px, BAR_VOLUME, px * BAR_VOLUME, startUs, DAY_NUMBER);
      }
      // The first event closes this one.
      bars.applyTrade(slot, barPx(-1, prng), BAR_VOLUME, FIRST_BAR_US - MINUTE_US);
      instruments.isTradable[slot] = 1;
    }
    pipeline.vix = VIX;
    pipeline.dayNumber = DAY_NUMBER;
    pipeline.capitalTicks = CAPITAL_USD * TICKS_PER_USD;
    ledger.openDay(pipeline.capitalTicks);
    checks.tradingState = TRADING_ACTIVE;
    // The events are of a year to come, so that none is ever stale.
    this.#trader.gate.aheadUsMax = Number.POSITIVE_INFINITY;
    checks.entryStartUs = 0;
    checks.entryEndUs = Number.POSITIVE_INFINITY;
  }
}

let tick: TickTrader | null = null;

async function onRequest(request: TraderRequest): Promise<void> {
  if (request.kind === "open") {
    tick = await TickTrader.open(request.web, request.orders, request.seed);
    reply({ kind: "opened" });
  } else if (request.kind === "arm") {
    tick!.arm(request.cannedBytes);
    reply({ kind: "armed" });
  } else {
    reply(await tick!.stop());
    process.exit(0);
  }
}

process.on("message", (request: TraderRequest) => void onRequest(request));
process.on("disconnect", () => process.exit(0));
