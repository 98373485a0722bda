// Suite `feed`, within the process: a frame's text to rows of the ring, by the scanner and by JSON.parse, and a trade into its
// bar. Mixed trades and quotes over a hundred stocks. Correctness first: both ways must write the same rows.

import { do_not_optimize, measure } from "mitata";
import { BarBuilder } from "../../src/bars/bar-builder.ts";
import { Arena } from "../../src/core/arena.ts";
import { Prng } from "../../src/core/prng.ts";
import { FrameParser } from "../../src/feed/polygon/parse.ts";
import { MarketEventRing } from "../../src/market/events.ts";
import { Instruments } from "../../src/market/instruments.ts";
import { cpuNs, type SuiteSize } from "../size.ts";

const STOCKS = 100;
/** Events in the frames of a set; enough text, some 3 MB, not to sit in the second-level cache. */
const SET_EVENTS = 25_600;
const TRADES = 1 << 15;
const MIN_CPU_NS = 500e6;
/** 2019-12-18 10:00 in New York, epoch ms. */
const START_MS = 1_576_681_200_000;

type Read = (frame: string) => number;

export async function run(size: SuiteSize = "full"): Promise<Record<string, number>> {
  const { ring, parser, symbols } = newParser();
  const scan: Read = (frame) => parser.parseFrame(frame, 1);
  const json: Read = (frame) => parser.parseFrameJson(frame, 1);
  const figures: Record<string, number> = {};
  const options = { min_cpu_time: cpuNs(size, MIN_CPU_NS) };
  for (const [name, eventsPerFrame] of [
    ["", 100],
    ["Single", 1],
  ] as const) {
    const frames = newFrames(symbols, eventsPerFrame);
    checkSame(ring, frames, scan, json);
    for (const [way, read] of [
      ["scan", scan],
      ["json", json],
    ] as const) {
      const stats = await measure(() => do_not_optimize(readAll(ring, frames, read)), options);
      figures[`${way}${name}P50Ns`] = stats.p50 / SET_EVENTS;
      figures[`${way}${name}P99Ns`] = stats.p99 / SET_EVENTS;
    }
  }
  return { ...figures, ...(await benchBars(options)) };
}

function newParser() {
  const arena = new Arena();
  const ring = new MarketEventRing(arena);
  const instruments = new Instruments(arena);
  const symbols = Array.from({ length: STOCKS }, (_, i) => `SYM${i}`);
  for (const symbol of symbols) instruments.add(symbol);
  const counters = { frames: 0, events: 0, unknownEvents: 0, badEvents: 0, badFrames: 0, reconnects: 0 };
  return { ring, symbols, parser: new FrameParser(ring, instruments, counters) };
}

/** Frames in the venue's form, their fields in its order. */
function newFrames(symbols: readonly string[], eventsPerFrame: number): string[] {
  const prng = Prng.stream(1, "bench.feed");
  const event = (i: number) => {
    const sym = symbols[prng.nextInt(STOCKS)]!;
    const cents = 500 + prng.nextInt(50_000);
    const lots = () => 1 + prng.nextInt(20);
    const t = START_MS + i;
    const trade = {
      ev: "T",
      sym,
      x: 4,
      i: String(52_983_525 + i),
      z: 3,
      p: cents / 100,
      s: 100 * lots(),
      c: [0, 12],
      t,
      q: 3_681_328 + i,
    };
    const [bp, ap] = [cents / 100, (cents + 1) / 100];
    const quote = {
      ev: "Q",
      sym,
      bx: 4,
      bp,
      bs: lots(),
      ax: 7,
      ap,
      as: lots(),
      c: 0,
      i: [604],
      t,
      q: 50_385_480 + i,
      z: 3,
    };
    return i % 2 === 0 ? trade : quote;
  };
  return Array.from({ length: SET_EVENTS / eventsPerFrame }, (_, f) => {
    const text = JSON.stringify(Array.from({ length: eventsPerFrame }, (_, i) => event(f * eventsPerFrame + i)));
    // Flat text as a socket hands it over, not the rope that building it may leave.
    return new TextDecoder().decode(new TextEncoder().encode(text));
  });
}

function readAll(ring: MarketEventRing, frames: readonly string[], read: Read): number {
  let events = 0;
  for (let i = 0; i < frames.length; i++) {
    events += read(frames[i]!);
    ring.tail = ring.head;
  }
  return events;
}

function checkSame(ring: MarketEventRing, frames: readonly string[], scan: Read, json: Read): void {
  const sum = (read: Read) => {
    let total = 0;
    for (const frame of frames) {
      read(frame);
      for (; ring.tail < ring.head; ring.tail++) {
        const i = ring.tail & ring.mask;
        const isTrade = ring.kind[i] === 1;
        total +=
          ring.slot[i]! +
          ring.tsVenueUs[i]! / 1e6 +
          (isTrade ? ring.px[i]! * ring.qty[i]! : ring.bidPx[i]! - 3 * ring.askPx[i]!);
      }
    }
    return total;
  };
  const [scanned, parsed] = [sum(scan), sum(json)];
  if (scanned !== parsed) throw new Error(`scanner and JSON.parse differ (${scanned}, ${parsed}); not timing them`);
}

async function benchBars(options: { readonly min_cpu_time: number }): Promise<Record<string, number>> {
  const prng = Prng.stream(1, "bench.bars");
  const slot = Int32Array.from({ length: TRADES }, () => prng.nextInt(STOCKS));
  const px = Float64Array.from({ length: TRADES }, () => 5 + prng.nextInt(50_000) / 100);
  const bars = new BarBuilder(new Arena(), { intervalUs: 60_000_000, closeGraceUs: 1_000_000 });
  let nowUs = START_MS * 1000;
  let sent = 0;
  const applyAll = () => {
    for (let i = 0; i < TRADES; i++) {
      nowUs += 5_000;
      bars.applyTrade(slot[i]!, px[i]!, 100, nowUs);
    }
    sent += TRADES;
    return bars.counters.bars;
  };
  applyAll();
  let trades = 0;
  for (let s = 0; s < STOCKS; s++) trades += bars.formingTradeCount[s]!;
  if (!(trades > 0 && bars.counters.lateTrades === 0 && bars.counters.bars > 0 && sent === TRADES)) {
    throw new Error("the bars are wrong; not timing them");
  }
  const stats = await measure(() => do_not_optimize(applyAll()), options);
  return { barP50Ns: stats.p50 / TRADES, barP99Ns: stats.p99 / TRADES };
}
