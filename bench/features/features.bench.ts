// Suite `features`: twelve features of one stock on a new bar, incrementally. Correctness first: the rows must be those of the plain
// formulas.

import { do_not_optimize, measure } from "mitata";
import { Arena } from "../../src/core/arena.ts";
import { Prng } from "../../src/core/prng.ts";
import { BAR_OK, FeatureEngine } from "../../src/features/feature-engine.ts";
import { type FeatureBar, featureRows } from "../../src/features/reference.ts";
import { FEATURE_COUNT } from "../../src/inference/engine.ts";
import { cpuNs, type SuiteSize } from "../size.ts";

/** As many as are traded: their state, 140 KB, leaves the first-level cache as it does in trading. */
const STOCKS = 100;
const BARS = 4096;
const CHECKED_BARS = 200;
const BARS_PER_DAY = 390;
const MINUTE_US = 60_000_000;
const TOLERANCE = 1e-9;

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

  const checked: FeatureBar[] = [];
  for (let i = 0; i < CHECKED_BARS; i++) {
    if (closeMinute() !== BAR_OK) throw new Error("a bar was refused; not timing the features");
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

  const stats = await measure(() => do_not_optimize(closeMinute()), { min_cpu_time: cpuNs(size, 1e9) });
  return { featuresBarP50Ns: stats.p50 / STOCKS, featuresBarP99Ns: stats.p99 / STOCKS };
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
