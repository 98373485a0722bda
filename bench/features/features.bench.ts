// Suite `features`: twelve features of one stock on a new bar, incrementally, and of a bar that is still forming. Beside them a library
// of indicators on the same bars, with the eight of them that it has. Correctness first: the rows must be those of the plain
// formulas, and the library must agree.

import { do_not_optimize, measure } from "mitata";
import { Arena } from "../../src/core/arena.ts";
import { Prng } from "../../src/core/prng.ts";
import {
  FEATURE_ATR_14,
  FEATURE_BOLLINGER_B,
  FEATURE_LOG_RETURN_1,
  FEATURE_LOG_RETURN_5,
  FEATURE_LOG_RETURN_20,
  FEATURE_MACD_HISTOGRAM,
  FEATURE_RSI_14,
  FEATURE_VWAP_DEVIATION,
} from "../../src/features/catalogue.ts";
import { BAR_OK, FeatureEngine } from "../../src/features/feature-engine.ts";
import { type FeatureBar, featureRows } from "../../src/features/reference.ts";
import { FEATURE_COUNT } from "../../src/inference/engine.ts";
import { cpuNs, type SuiteSize } from "../size.ts";
import { IndicatorsPeer } from "./indicators-peer.ts";

/** As many as are traded: their state, 140 KB, leaves the first-level cache as it does in trading. */
const STOCKS = 100;
const BARS = 4096;
const BARS_PER_DAY = 390;
/** Within the first day, since the library knows no days; long enough that averages have forgotten how they began. */
const CHECKED_BARS = 380;
const MINUTE_US = 60_000_000;
const TOLERANCE = 1e-9;
/** What is left of a first value in a Wilder average of 14 after 366 bars is 2e-12 of it. */
const PEER_TOLERANCE = 1e-9;
/** What the peer has, in the order of its rows. */
const PEER_FEATURES = [
  FEATURE_RSI_14,
  FEATURE_MACD_HISTOGRAM,
  FEATURE_BOLLINGER_B,
  FEATURE_ATR_14,
  FEATURE_VWAP_DEVIATION,
  FEATURE_LOG_RETURN_1,
  FEATURE_LOG_RETURN_5,
  FEATURE_LOG_RETURN_20,
];
/** Both take turns, so that a busy neighbour hits both. */
const ROUNDS = 4;

export async function run(size: SuiteSize = "full"): Promise<Record<string, number>> {
  const { openPx, highPx, lowPx, closePx, volume } = randomBars();
  const engine = new FeatureEngine(new Arena());
  let minute = 0;
  /** One new bar for each stock; stocks differ in which bar of the tape it is. */
  const closeMinute = (): number => {
    minute += 1;
    const dayNumber = Math.floor(minute / BARS_PER_DAY);
    let codes = 0;
    for (let slot = 0; slot < STOCKS; slot++) {
      const bar = (minute + slot * 31) % BARS;
      codes += engine.closeBar(
        slot,
        openPx[bar]!,
        highPx[bar]!,
        lowPx[bar]!,
        closePx[bar]!,
        volume[bar]!,
        0,
        minute * MINUTE_US,
        dayNumber,
      );
    }
    return codes;
  };

  const peer = await IndicatorsPeer.load(STOCKS);
  let peerBar = 0;
  const updatePeer = (peers: IndicatorsPeer[]): number => {
    peerBar += 1;
    let sum = 0;
    for (let slot = 0; slot < STOCKS; slot++) {
      const bar = (peerBar + slot * 31) % BARS;
      sum += peers[slot]!.update(openPx[bar]!, highPx[bar]!, lowPx[bar]!, closePx[bar]!, volume[bar]!);
    }
    return sum;
  };

  const checked: FeatureBar[] = [];
  for (let i = 0; i < CHECKED_BARS; i++) {
    if (closeMinute() !== BAR_OK) throw new Error("a bar was refused; not timing the features");
    if (peer !== null) updatePeer(peer);
    const bar = minute % BARS;
    checked.push({
      openPx: openPx[bar]!,
      highPx: highPx[bar]!,
      lowPx: lowPx[bar]!,
      closePx: closePx[bar]!,
      volume: volume[bar]!,
      turnoverUsd: ((highPx[bar]! + lowPx[bar]! + closePx[bar]!) / 3) * volume[bar]!,
      startUs: minute * MINUTE_US,
      dayNumber: Math.floor(minute / BARS_PER_DAY),
    });
  }
  const expected = featureRows(checked, false).at(-1)!;
  for (let i = 0; i < FEATURE_COUNT; i++) {
    if (!(Math.abs(engine.lastRow[i]! - expected[i]!) <= TOLERANCE)) {
      throw new Error(
        `feature ${i} is ${engine.lastRow[i]}, the formula gives ${expected[i]}; not timing the features`,
      );
    }
  }

  for (const [index, value] of (peer?.[0]?.row(engine.closePx(0)) ?? []).entries()) {
    const own = engine.lastRow[PEER_FEATURES[index]!]!;
    if (!(Math.abs(own - value) <= PEER_TOLERANCE)) {
      throw new Error(`feature ${PEER_FEATURES[index]} is ${own}, the peer says ${value}; not timing the features`);
    }
  }

  /** A tick for each stock: the row of its forming bar. */
  const previewAll = (): number => {
    minute += 1;
    const dayNumber = Math.floor(minute / BARS_PER_DAY);
    let codes = 0;
    for (let slot = 0; slot < STOCKS; slot++) {
      const bar = (minute + slot * 31) % BARS;
      const [open, high, low, close] = [openPx[bar]!, highPx[bar]!, lowPx[bar]!, closePx[bar]!];
      codes += engine.previewBar(slot, open, high, low, close, volume[bar]!, 0, dayNumber);
    }
    return codes;
  };
  const best: Record<string, number> = {};
  const record = (name: string, ns: number) => {
    best[name] = Math.min(best[name] ?? Number.POSITIVE_INFINITY, ns / STOCKS);
  };
  const options = { min_cpu_time: cpuNs(size, 1e9 / ROUNDS) };
  for (let round = 0; round < (size === "full" ? ROUNDS : 1); round++) {
    const bars = await measure(() => do_not_optimize(closeMinute()), options);
    record("featuresBarP50Ns", bars.p50);
    record("featuresBarP99Ns", bars.p99);
    if (peer !== null) {
      const others = await measure(() => do_not_optimize(updatePeer(peer)), options);
      record("peerBarP50Ns", others.p50);
    }
    const ticks = await measure(() => do_not_optimize(previewAll()), options);
    record("featuresTickP50Ns", ticks.p50);
  }
  if (peer !== null) best.featuresPeerRatio = best.featuresBarP50Ns! / best.peerBarP50Ns!;
  return best;
}

/** A random walk of 0.1% a bar with a range around it. */
function randomBars(): Record<"openPx" | "highPx" | "lowPx" | "closePx" | "volume", Float64Array> {
  const prng = Prng.stream(1, "bench.features");
  const columns = {
    openPx: new Float64Array(BARS),
    highPx: new Float64Array(BARS),
    lowPx: new Float64Array(BARS),
    closePx: new Float64Array(BARS),
    volume: new Float64Array(BARS),
  };
  let px = 100;
  for (let bar = 0; bar < BARS; bar++) {
    columns.openPx[bar] = px;
    px *= Math.exp(0.001 * prng.nextNormal());
    columns.closePx[bar] = px;
    columns.highPx[bar] = Math.max(columns.openPx[bar]!, px) * (1 + 0.001 * prng.next());
    columns.lowPx[bar] = Math.min(columns.openPx[bar]!, px) * (1 - 0.001 * prng.next());
    columns.volume[bar] = prng.nextInt(100_000);
  }
  return columns;
}
