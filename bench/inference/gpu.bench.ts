// Suite `gpu`: everything a GPU does for gyr, on any machine that has one, in under two minutes. Every shader is checked against
// its reference first; then the round trip that computes nothing, features and forward pass of 1, 100 and 1,000 stocks in each
// precision, each half alone, and what the stages take by the GPU's own clock where it tells.
//
//   bun run bench gpu      gyr bench gpu
//
// Runs on the fastest GPU, or on the adapter that GYR_BENCH_ADAPTER names part of (a software adapter must be named, and is timed
// with fewer calls). Without one the only figure is gpuCount 0, and why is said on standard error. f16 is left out where the
// adapter has none. Timed by hand, because the event loop needs its turn between calls.
//
//   *P50Us            run to answer: upload, dispatches, read-back; the bars themselves were pushed before (pushBarNs each)
//   *FloorRatio       that over the empty round trip of one slot (floorP50Us)
//   *ErrorRatio       worst error over the tolerance of that kernel
//   *GpuUs            a stage by the GPU's clock, a run of 100 stocks in fp32
//   gpu100BytesCount  bytes of all buffers for 100 stocks

import { monotonicNs } from "../../src/core/clock.ts";
import { Histogram } from "../../src/core/histogram.ts";
import { Prng } from "../../src/core/prng.ts";
import { type FeatureBar, featureRows } from "../../src/features/reference.ts";
import { ENGINE_OK, FEATURE_COUNT, OUTPUT_STRIDE, type Precision, WINDOW_ELEMS } from "../../src/inference/engine.ts";
import { loadModelByName, type Model } from "../../src/inference/model-file.ts";
import { openAdapter } from "../../src/inference/webgpu/adapters.ts";
import { FEATURE_TOLERANCES } from "../../src/inference/webgpu/feature-tolerances.ts";
import { makeFloor } from "../../src/inference/webgpu/floor.ts";
import { WebGpuEngine } from "../../src/inference/webgpu/forward-pass.ts";
import { REFERENCE_TOLERANCES, referenceOf } from "../../src/inference/webgpu/forward-stage.ts";
import { WebGpuPipeline } from "../../src/inference/webgpu/pipeline.ts";
import { WebGpuError } from "../../src/inference/webgpu/webgpu-error.ts";
import { cpuNs, type SuiteSize } from "../size.ts";

const STOCK_COUNTS = [1, 100, 1000] as const;
const STOCKS_MAX = Math.max(...STOCK_COUNTS);
const PRECISIONS = ["fp32", "int8", "f16"] as const;
/** Bars of each stock: more than the ring holds. */
const BARS = 140;
const CALLS_MAX = 2_000;
const CALLS_MIN = 3;
const DURATION_NS = 1.5e9;
const DURATION_SOFTWARE_NS = 0.7e9;
/** Windows of the check of each forward pass, and stocks of the features'. */
const CHECK_WINDOWS = 500;
const CHECK_STOCKS = 100;
const SEED = 20_191_218;

/** One timed thing: a call that gives a code. */
type Call = () => number;

export async function run(size: SuiteSize = "full"): Promise<Record<string, number>> {
  const adapterName = process.env.GYR_BENCH_ADAPTER ?? "";
  let isSoftware: boolean;
  try {
    const opened = await openAdapter(adapterName, []);
    isSoftware = opened.isSoftware;
    console.error(`gpu: ${opened.name}${isSoftware ? ", a software adapter: its times say nothing of a GPU" : ""}`);
  } catch (error) {
    if (!(error instanceof WebGpuError) || adapterName !== "") throw error;
    console.error(`gpu: nothing to measure: ${error.message}; ${error.remedy}`);
    return { gpuCount: 0 };
  }
  const model = await loadModelByName("untrained");
  const durationNs = cpuNs(size, isSoftware ? DURATION_SOFTWARE_NS : DURATION_NS);
  const days = Array.from({ length: STOCKS_MAX }, (_, stock) => barsOf(stock));
  const figures: Record<string, number> = { gpuCount: 1 };
  const startNs = monotonicNs();

  const floor = await makeFloor(adapterName, STOCKS_MAX);
  const out = new Float32Array(STOCKS_MAX * OUTPUT_STRIDE);
  for (const count of STOCK_COUNTS) {
    const histogram = await timed(() => floor.run(count, out), durationNs);
    const name = count === 1 ? "floor" : `floor${count}`;
    figures[`${name}P50Us`] = histogram.quantileNs(0.5) / 1e3;
    if (count === 1) figures.floorP99Us = histogram.quantileNs(0.99) / 1e3;
  }
  floor.close();

  for (const precision of PRECISIONS) {
    try {
      Object.assign(figures, await measurePrecision(adapterName, model, precision, days, durationNs));
    } catch (error) {
      if (!(error instanceof WebGpuError) || error.code !== "FEATURE_MISSING") throw error;
      console.error(`gpu: ${precision} left out: ${error.message}`);
    }
  }
  Object.assign(figures, await measureFeatures(adapterName, model, days, durationNs));
  Object.assign(figures, await measureForward(adapterName, model, days, durationNs));
  Object.assign(figures, await measureStages(adapterName, model, days));

  for (const count of STOCK_COUNTS) {
    const ratioOf = (p50Us: number) => p50Us / figures.floorP50Us!;
    figures[`webgpu${count}FloorRatio`] = ratioOf(figures[`fp32Stocks${count}P50Us`]!);
    for (const precision of ["int8", "f16"] as const) {
      const p50Us = figures[`${precision}Stocks${count}P50Us`];
      if (p50Us !== undefined) figures[`${precision}Webgpu${count}FloorRatio`] = ratioOf(p50Us);
    }
  }
  figures.wholeSuiteMs = (monotonicNs() - startNs) / 1e6;
  return figures;
}

/** Checks a precision on windows of its own, then times features and forward pass together. */
async function measurePrecision(
  adapterName: string,
  model: Model,
  precision: Precision,
  days: readonly FeatureBar[][],
  durationNs: number,
): Promise<Record<string, number>> {
  const figures: Record<string, number> = {};
  figures[`${precision}ErrorRatio`] = await checkForward(adapterName, model, precision);
  const pipeline = await WebGpuPipeline.create({ model, adapterName, capacity: STOCKS_MAX, precision, featureRows });
  try {
    const pushNs = pushAll(pipeline, days);
    if (precision === "fp32") {
      figures.pushBarNs = pushNs;
      figures.featuresErrorRatio = await checkFeatures(pipeline, days);
    }
    for (const count of STOCK_COUNTS) {
      const histogram = await timed(runOf(pipeline, count), durationNs);
      figures[`${precision}Stocks${count}P50Us`] = histogram.quantileNs(0.5) / 1e3;
      if (precision === "fp32") figures[`${precision}Stocks${count}P99Us`] = histogram.quantileNs(0.99) / 1e3;
    }
  } finally {
    pipeline.close();
  }
  return figures;
}

/** The feature kernel alone: the empty kernel answers in place of the forward pass. */
async function measureFeatures(
  adapterName: string,
  model: Model,
  days: readonly FeatureBar[][],
  durationNs: number,
): Promise<Record<string, number>> {
  const figures: Record<string, number> = {};
  const pipeline = await WebGpuPipeline.create({
    model,
    adapterName,
    capacity: STOCKS_MAX,
    featureRows,
    isForwardLeftOut: true,
  });
  pushAll(pipeline, days);
  for (const count of STOCK_COUNTS) {
    const histogram = await timed(runOf(pipeline, count), durationNs);
    figures[`featuresStocks${count}P50Us`] = histogram.quantileNs(0.5) / 1e3;
  }
  pipeline.close();
  return figures;
}

/** The forward pass alone: windows that were made elsewhere go up, 2,400 bytes each. */
async function measureForward(
  adapterName: string,
  model: Model,
  days: readonly FeatureBar[][],
  durationNs: number,
): Promise<Record<string, number>> {
  const figures: Record<string, number> = {};
  const engine = await WebGpuEngine.create({ model, adapterName, batchMax: STOCKS_MAX });
  const rows = featureRows(days[0]!, false).slice(-WINDOW_ELEMS / FEATURE_COUNT);
  const windows = Float32Array.from(rows.flat());
  const offsets = new Int32Array(STOCKS_MAX);
  const out = new Float32Array(STOCKS_MAX * OUTPUT_STRIDE);
  for (const count of STOCK_COUNTS) {
    const histogram = await timed(() => engine.predict(windows, offsets, count, out), durationNs);
    figures[`forwardStocks${count}P50Us`] = histogram.quantileNs(0.5) / 1e3;
  }
  engine.close();
  return figures;
}

/** Medians of the stages' own times; none where the adapter takes no timestamps. */
async function measureStages(
  adapterName: string,
  model: Model,
  days: readonly FeatureBar[][],
): Promise<Record<string, number>> {
  const TIMED_STOCKS = 100;
  const RUNS = 15;
  const pipeline = await WebGpuPipeline.create({
    model,
    adapterName,
    capacity: TIMED_STOCKS,
    featureRows,
    isTimed: true,
  });
  pushAll(pipeline, days.slice(0, TIMED_STOCKS));
  const runOnce = runOf(pipeline, TIMED_STOCKS);
  const figures = { gpu100BytesCount: pipeline.resources.bytes() };
  const times: Record<string, number>[] = [];
  for (let i = 0; i < RUNS; i++) {
    if (runOnce() !== ENGINE_OK) throw new Error(`the GPU failed while it was timed: ${pipeline.failure}`);
    const stageNs = await pipeline.stageNs();
    if (stageNs !== null) times.push(stageNs);
  }
  pipeline.close();
  if (times.length === 0) {
    console.error("gpu: the adapter takes no timestamps");
    return figures;
  }
  const median = (stage: string) => times.map((each) => each[stage]!).sort((a, b) => a - b)[times.length >> 1]! / 1e3;
  return { ...figures, featuresStocks100GpuUs: median("features"), forwardStocks100GpuUs: median("forward") };
}

/** Worst error of a forward pass over its tolerance; throws above 1. */
async function checkForward(adapterName: string, model: Model, precision: Precision): Promise<number> {
  const engine = await WebGpuEngine.create({ model, adapterName, batchMax: CHECK_WINDOWS, precision });
  const prng = new Prng(SEED);
  const windows = new Float32Array(CHECK_WINDOWS * WINDOW_ELEMS);
  for (let i = 0; i < windows.length; i++) {
    const feature = i % FEATURE_COUNT;
    const spread = 4 * ((Math.floor(i / WINDOW_ELEMS) + 1) / CHECK_WINDOWS);
    windows[i] =
      model.tensors["input.mean"][feature]! + spread * model.tensors["input.std"][feature]! * prng.nextNormal();
  }
  const offsets = Int32Array.from({ length: CHECK_WINDOWS }, (_, i) => i * WINDOW_ELEMS);
  const [found, expected] = [0, 1].map(() => new Float32Array(CHECK_WINDOWS * OUTPUT_STRIDE)) as [
    Float32Array,
    Float32Array,
  ];
  if (engine.predict(windows, offsets, CHECK_WINDOWS, found) !== ENGINE_OK) throw new Error(engine.failure);
  engine.close();
  referenceOf(model, precision).predict(windows, offsets, CHECK_WINDOWS, expected);
  let worst = 0;
  for (let i = 0; i < found.length; i++) worst = Math.max(worst, Math.abs(found[i]! - expected[i]!));
  return checkedRatio(`forward pass in ${precision}`, worst / REFERENCE_TOLERANCES[precision]);
}

/** Worst error of a feature over its tolerance; throws above 1. */
async function checkFeatures(pipeline: WebGpuPipeline, days: readonly FeatureBar[][]): Promise<number> {
  if (runOf(pipeline, CHECK_STOCKS)() !== ENGINE_OK) throw new Error(pipeline.failure);
  const windows = await pipeline.readWindows(CHECK_STOCKS);
  let worst = 0;
  for (let stock = 0; stock < CHECK_STOCKS; stock++) {
    const rows = featureRows(days[stock]!, false)
      .slice(-WINDOW_ELEMS / FEATURE_COUNT)
      .flat();
    for (let i = 0; i < WINDOW_ELEMS; i++) {
      const error = windows[stock * WINDOW_ELEMS + i]! - rows[i]!;
      worst = Math.max(worst, Math.abs(error) / FEATURE_TOLERANCES[i % FEATURE_COUNT]!);
    }
  }
  return checkedRatio("feature kernel", worst);
}

/** The ratio, which a NaN in any error has made NaN. */
function checkedRatio(what: string, ratio: number): number {
  if (ratio <= 1) return ratio;
  throw new Error(
    `the ${what} is wrong on this adapter: its worst error is ${ratio.toPrecision(3)} times the tolerance`,
  );
}

function runOf(pipeline: WebGpuPipeline, count: number): Call {
  const slots = Int32Array.from({ length: count }, (_, slot) => slot);
  const out = new Float32Array(count * OUTPUT_STRIDE);
  return () => pipeline.run(slots, count, out);
}

/** Gives every stock its bars; returns the mean time of the newest ones, ns, which go up with the next run. */
function pushAll(pipeline: WebGpuPipeline, days: readonly FeatureBar[][]): number {
  for (const [slot, bars] of days.entries()) for (const bar of bars.slice(0, -1)) push(pipeline, slot, bar);
  const slots = Int32Array.from(days.keys());
  if (pipeline.run(slots, days.length, new Float32Array(days.length * OUTPUT_STRIDE)) !== ENGINE_OK)
    throw new Error(pipeline.failure);
  const startNs = monotonicNs();
  for (const [slot, bars] of days.entries()) push(pipeline, slot, bars.at(-1)!);
  return (monotonicNs() - startNs) / days.length;
}

function push(pipeline: WebGpuPipeline, slot: number, bar: FeatureBar): void {
  pipeline.pushBar(slot, bar.highPx, bar.lowPx, bar.closePx, bar.volume, bar.turnoverUsd, bar.dayNumber);
}

/** Times of calls, each followed by a turn of the event loop that is not timed. */
async function timed(call: Call, durationNs: number): Promise<Histogram> {
  const histogram = new Histogram();
  if (call() !== ENGINE_OK) throw new Error("the GPU gives no answer");
  const endNs = monotonicNs() + durationNs;
  for (let calls = 0; calls < CALLS_MIN || (calls < CALLS_MAX && monotonicNs() < endNs); calls++) {
    const startNs = monotonicNs();
    const code = call();
    histogram.record(monotonicNs() - startNs);
    if (code !== ENGINE_OK) throw new Error("the GPU failed while it was timed");
    await new Promise((resolve) => setImmediate(resolve));
  }
  return histogram;
}

/** A seeded walk of a stock. */
function barsOf(stock: number): FeatureBar[] {
  const prng = Prng.stream(SEED + stock, "bench.gpu");
  let closePx = 10 + prng.nextInt(400);
  return Array.from({ length: BARS }, (_, bar) => {
    const openPx = closePx;
    closePx *= Math.exp(0.001 * prng.nextNormal());
    const highPx = Math.max(openPx, closePx) * (1 + 0.001 * prng.next());
    const lowPx = Math.min(openPx, closePx) * (1 - 0.001 * prng.next());
    const volume = prng.nextInt(100_000);
    const turnoverUsd = ((openPx + closePx) / 2) * volume;
    return { openPx, highPx, lowPx, closePx, volume, turnoverUsd, startUs: bar * 60_000_000, dayNumber: bar >> 6 };
  });
}
