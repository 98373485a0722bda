// Windows for the shader tests: random ones around a model's mean and real ones out of the sample.

import { Arena } from "../../src/core/arena.ts";
import { usdFromTicks } from "../../src/core/fixed-point.ts";
import { Prng } from "../../src/core/prng.ts";
import { ROW_DEFINED_FROM_BAR } from "../../src/features/catalogue.ts";
import { FeatureEngine } from "../../src/features/feature-engine.ts";
import { FEATURE_COUNT, WINDOW_BARS, WINDOW_ELEMS } from "../../src/inference/engine.ts";
import type { Model } from "../../src/inference/model-file.ts";
import { loadSampleDay } from "../../src/market/sample.ts";

export interface Windows {
  readonly count: number;
  readonly features: Float32Array<ArrayBuffer>;
  readonly offsets: Int32Array;
}

/** Normal inputs, `deviations` wide in units of the model's own; from 4 on some are clamped. */
export function randomWindows(model: Model, count: number, seed: number, deviations: number): Windows {
  const prng = new Prng(seed);
  const { "input.mean": mean, "input.std": std } = model.tensors;
  const features = new Float32Array(count * WINDOW_ELEMS);
  for (let i = 0; i < features.length; i++) {
    const feature = i % FEATURE_COUNT;
    features[i] = mean[feature]! + std[feature]! * prng.nextNormal() * deviations;
  }
  return { count, features, offsets: Int32Array.from({ length: count }, (_, window) => window * WINDOW_ELEMS) };
}

/** The first `count` windows of 2019-12-18 that are full of defined rows, one every 37 minutes of each symbol. */
export async function realWindows(count: number): Promise<Windows> {
  const STEP_BARS = 37;
  const day = await loadSampleDay("2019-12-18");
  const engine = new FeatureEngine(new Arena(), 1);
  const features = new Float32Array(count * WINDOW_ELEMS);
  let window = 0;
  for (let symbol = 0; symbol < day.symbols.length && window < count; symbol++) {
    engine.reset(0);
    const first = day.firstRow[symbol]!;
    for (let row = first; row < first + day.rowCount[symbol]! && window < count; row++) {
      engine.closeBar(
        0,
        usdFromTicks(day.openPxTicks[row]!),
        usdFromTicks(day.highPxTicks[row]!),
        usdFromTicks(day.lowPxTicks[row]!),
        usdFromTicks(day.closePxTicks[row]!),
        day.volume[row]!,
        0,
        day.startUs[row]!,
        0,
      );
      const bars = engine.barCount(0);
      if (bars < ROW_DEFINED_FROM_BAR + WINDOW_BARS || bars % STEP_BARS !== 0) continue;
      const from = engine.windowOffset(0);
      features.set(engine.windows.subarray(from, from + WINDOW_ELEMS), window * WINDOW_ELEMS);
      window++;
    }
  }
  if (window < count) throw new Error(`the sample holds ${window} such windows, ${count} were asked for`);
  return { count, features, offsets: Int32Array.from({ length: count }, (_, i) => i * WINDOW_ELEMS) };
}
