// Run by pipeline.alloc.test.ts in a process of its own: a million trades and quotes from preallocated columns through the
// whole pipeline (bars, features, wasm network, signal, filters, sizing, risk), with every part real. The order sockets are
// not connected, so each order that passes risk is denied by the gateway: a socket's own allocation is stated elsewhere.

import { mkdtempSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeWasm } from "../../src/cli/run/start-up.ts";
import { Trader } from "../../src/cli/run/trader.ts";
import { configSchema } from "../../src/config/schema.ts";
import { ManualClock } from "../../src/core/clock.ts";
import { Prng } from "../../src/core/prng.ts";
import { loadModelByName } from "../../src/inference/model-file.ts";
import { newYorkTimeUs } from "../../src/market/calendar.ts";
import { MARKET_EVENT_QUOTE, MARKET_EVENT_TRADE } from "../../src/market/events.ts";
import { TRADING_ACTIVE } from "../../src/risk/entry-checks.ts";

const EVENTS = 1_000_000;
const WARM_UP_EVENTS = 400_000;
const STOCKS = 100;
const STDERR = 2;
/** Market time between two events: a stock trades each 4 s, so a fifteenth of its trades closes a bar. */
const STEP_US = 20_000;

const folder = mkdtempSync(join(tmpdir(), "gyr-alloc-"));
const clock = new ManualClock(newYorkTimeUs("2019-12-18", "09:30"));
const wasm = await makeWasm(await loadModelByName("untrained"));
const trader = new Trader({
  config: configSchema.parse({}),
  date: "2019-12-18",
  clock,
  isLockstep: true,
  urls: { feedSocket: "ws://127.0.0.1:9", trading: "http://127.0.0.1:9", stream: "ws://127.0.0.1:9/stream" },
  keys: { polygonKey: "k", keyId: "k", secret: "s" },
  members: Array.from({ length: STOCKS }, (_, i) => ({
    symbol: `SYM${i}`,
    score: 1,
    type: "ETF",
    marketCapUsd: 0,
    previousClosePxTicks: 1_000_000,
  })),
  inference: wasm,
  winRate: 0.52,
  runFolder: folder,
});
await trader.journal.start();
trader.pipeline.vix = 15;
trader.pipeline.capitalTicks = 1e9;
trader.ledger.openDay(1e9);
trader.checks.tradingState = TRADING_ACTIVE;
trader.checks.entryEndUs = Number.POSITIVE_INFINITY;
trader.instruments.isTradable.fill(1);
trader.arena.freeze();

const ROWS = 1 << 16;
const prng = Prng.stream(1, "test.alloc.pipeline");
const drift = Float64Array.from({ length: ROWS }, () => prng.nextNormal() * 0.0004);
const px = new Float64Array(STOCKS).fill(100);
let event = 0;

function work(events: number): number {
  const { events: ring, pipeline } = trader;
  for (let i = 0; i < events; i++) {
    // A stock gets a quote in one round and a trade in the next.
    const slot = event % STOCKS;
    const nowUs = clock.nowUs() + STEP_US;
    clock.advanceTo(nowUs);
    px[slot]! *= 1 + drift[event & (ROWS - 1)]!;
    const row = ring.claim();
    ring.slot[row] = slot;
    ring.tsVenueUs[row] = nowUs;
    ring.tsRecvNs[row] = 0;
    if (((event + Math.floor(event / STOCKS)) & 1) === 0) {
      ring.kind[row] = MARKET_EVENT_QUOTE;
      ring.bidPx[row] = px[slot]! - 0.01;
      ring.askPx[row] = px[slot]! + 0.01;
    } else {
      ring.kind[row] = MARKET_EVENT_TRADE;
      ring.px[row] = px[slot]!;
      ring.qty[row] = 100;
    }
    ring.commit();
    event += 1;
    pipeline.drain(nowUs);
  }
  return pipeline.predictionCount;
}

work(WARM_UP_EVENTS);
Bun.gc(true);
const before = { ...counts() };
writeSync(STDERR, "\nMARK BEGIN\n");
work(EVENTS);
writeSync(STDERR, "\nMARK END\n");
const after = counts();
await trader.journal.close();
rmSync(folder, { recursive: true, force: true });
console.log(JSON.stringify(after));
// Work that did not happen would allocate nothing.
for (const name of ["predictions", "signals", "filtered", "denied"] as const) {
  if (!(after[name] > before[name] + 100)) throw new Error(`too few ${name}: ${before[name]} then ${after[name]}`);
}

function counts(): { predictions: number; signals: number; filtered: number; denied: number } {
  const { predictionCount, signalCount, filterCounts, denialCounts } = trader.pipeline;
  const sum = (column: Float64Array) =>
    column.reduce((total, count, index) => (index === 0 ? total : total + count), 0);
  return { predictions: predictionCount, signals: signalCount, filtered: sum(filterCounts), denied: sum(denialCounts) };
}
