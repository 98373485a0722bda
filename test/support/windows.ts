// Windows to predict on: random ones scaled to a model, and real ones of the sample day.

import { basename } from "node:path";
import { Arena } from "../../src/core/arena.ts";
import { usdFromTicks } from "../../src/core/fixed-point.ts";
import { Prng } from "../../src/core/prng.ts";
import { BAR_OK, FeatureEngine } from "../../src/features/feature-engine.ts";
import { FEATURE_COUNT, WINDOW_ELEMS } from "../../src/inference/engine.ts";
import type { Model } from "../../src/inference/model-file.ts";
import { loadDay, sampleDates } from "../../src/market/sample.ts";

/** Normal deviates around the model's means; every window with a spread of its own, so that some inputs are clamped. */
export function randomWindows(model: Model, count: number, seed: number): Float32Array<ArrayBuffer> {
  const prng = Prng.stream(seed, "test.windows");
  const mean = model.tensors["input.mean"];
  const std = model.tensors["input.std"];
  const windows = new Float32Array(count * WINDOW_ELEMS);
  for (let window = 0; window < count; window++) {
    const spread = 4 * prng.next();
    for (let i = 0; i < WINDOW_ELEMS; i++) {
      const feature = i % FEATURE_COUNT;
      windows[window * WINDOW_ELEMS + i] = mean[feature]! + spread * std[feature]! * prng.nextNormal();
    }
  }
  return windows;
}

/** Days that a folder of flat files holds, rising. */
export async function recordedDates(dataDir: string): Promise<string[]> {
  const paths = await Array.fromAsync(new Bun.Glob("*/*/*.csv.gz").scan(dataDir));
  return paths.map((path) => basename(path, ".csv.gz")).sort();
}

/** `count` complete windows of a day, the sample's first without `date`, spread evenly over its stocks and hours. */
export async function realWindows(
  count: number,
  date = sampleDates[0]!,
  dataDir = "",
): Promise<Float32Array<ArrayBuffer>> {
  const day = await loadDay(dataDir, date);
  const engine = new FeatureEngine(new Arena(), 1);
  const windows: Float32Array[] = [];
  for (let symbol = 0; symbol < day.symbols.length; symbol++) {
    engine.reset(0);
    const first = day.firstRow[symbol]!;
    for (let row = first; row < first + day.rowCount[symbol]!; row++) {
      const [open, high, low, close] = [day.openPxTicks, day.highPxTicks, day.lowPxTicks, day.closePxTicks].map((px) =>
        usdFromTicks(px[row]!),
      );
      const code = engine.closeBar(0, open!, high!, low!, close!, day.volume[row]!, 0, day.startUs[row]!, 0);
      // One bar in sixteen of the sample: 1,000 windows of 300 stocks are wanted, not 45,000.
      if (code === BAR_OK && engine.isReady(0) && (dataDir !== "" || row % 16 === 0)) {
        windows.push(engine.windows.slice(engine.windowOffset(0), engine.windowOffset(0) + WINDOW_ELEMS));
      }
    }
  }
  if (windows.length < count) throw new Error(`${date} gives ${windows.length} windows, ${count} were asked for`);
  const chosen = new Float32Array(count * WINDOW_ELEMS);
  for (let i = 0; i < count; i++) chosen.set(windows[Math.floor((i * windows.length) / count)]!, i * WINDOW_ELEMS);
  return chosen;
}
