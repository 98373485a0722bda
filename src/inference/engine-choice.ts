// Which engine predicts. Named: that one. "auto": wasm where a run must give the same bits on every machine; otherwise whichever
// answers sooner on this machine, measured at start the way the pipeline would call it. Off the hot path.

import { monotonicNs } from "../core/clock.ts";
import { Prng } from "../core/prng.ts";
import { UserError } from "../core/user-error.ts";
import {
  ENGINE_OK,
  type EngineInfo,
  FEATURE_COUNT,
  type InferenceEngine,
  OUTPUT_STRIDE,
  type Precision,
  WINDOW_ELEMS,
  worksAhead,
} from "./engine.ts";
import type { RestoreDelays } from "./engine-restorer.ts";
import type { Model } from "./model-file.ts";
import { ReferenceEngine } from "./reference/forward-pass.ts";
import { ResilientEngine } from "./resilient-engine.ts";
import { WasmEngine } from "./wasm/forward-pass.ts";
import { WebGpuError, type WebGpuErrorCode } from "./webgpu/webgpu-error.ts";

/** Windows one call of a GPU takes; the whole universe at its largest. */
const BATCH_MAX = 256;

/** Longest time that one engine is measured at one size: four of them leave the start under 300 ms. */
const MEASURE_NS = 60 * 1e6;
const MEASURE_CALLS_MAX = 200;
/** So that there is a median, however slow the engine. */
const MEASURE_CALLS_MIN = 3;

/**
 * Windows of the known-answer test: one meets every weight, a second the offsets; the float64 reference takes 3 ms for each of
 * its first. How far wasm may be from it: measured 4e-7.
 */
const SELF_TEST_WINDOWS = 2;
const SELF_TEST_TOLERANCE = 2e-5;
const WINDOW_SEED = 20_191_218;

/** Reasons for which there is simply no GPU to be had: no cause for a warning. */
const NO_GPU: readonly WebGpuErrorCode[] = [
  "ADDON_UNAVAILABLE",
  "VULKAN_LOADER_MISSING",
  "ADAPTER_NONE",
  "ADAPTER_SOFTWARE",
];

export interface EngineChoiceOptions {
  readonly model: Model;
  readonly engine: "auto" | EngineInfo["engine"];
  readonly precision: Precision;
  /** Part of a GPU adapter's name; "" the fastest that is no software adapter. */
  readonly adapter: string;
  /** "auto" measures; otherwise it is wasm. */
  readonly isMeasured: boolean;
  /** Stocks of the universe. */
  readonly universeCount: number;
  /** For attempts to have a failed GPU back. */
  readonly delays: RestoreDelays;
  readonly quietInMs?: () => number;
  readonly seed: number;
  /** Makes the GPU's engine. Tests break it; default the real one. */
  readonly makeWebGpu?: () => Promise<InferenceEngine>;
}

/** Medians of what an engine took at start, microseconds. */
export interface EngineTiming {
  readonly engine: EngineInfo["engine"];
  readonly precision: Precision;
  readonly adapter: string;
  /** One window. */
  readonly oneUs: number;
  /** A window of each stock of the universe. */
  readonly universeUs: number;
  readonly universeCount: number;
  /** Mean wait for an answer, over a bar that closes alone and one that closes with all others. */
  readonly waitUs: number;
}

export interface EngineChoice {
  readonly engine: InferenceEngine;
  /** The same where it can fail, for its counters; null where it cannot. */
  readonly resilient: ResilientEngine | null;
  /** Candidates in the order in which they were measured; empty where nothing was. */
  readonly timings: readonly EngineTiming[];
  /** What was measured and chosen, for people; "" where nothing was measured. */
  readonly text: string;
  readonly warnings: readonly string[];
}

/** Throws where a named engine cannot be had, or where wasm or the reference compute wrongly. */
export async function chooseEngine(options: EngineChoiceOptions): Promise<EngineChoice> {
  const { engine, model } = options;
  if (engine === "reference") return chosen(new ReferenceEngine(model));
  const wasm = await WasmEngine.create(model);
  selfTest(wasm, model);
  if (engine === "wasm" || (engine === "auto" && !options.isMeasured)) return chosen(wasm);
  if (engine === "webgpu") return chosen(await makeResilient(options, wasm));
  return await measured(options, wasm);
}

function chosen(engine: InferenceEngine): EngineChoice {
  const resilient = engine instanceof ResilientEngine ? engine : null;
  return { engine, resilient, timings: [], text: "", warnings: [] };
}

async function measured(options: EngineChoiceOptions, wasm: WasmEngine): Promise<EngineChoice> {
  let gpu: ResilientEngine;
  try {
    gpu = await makeResilient(options, wasm);
  } catch (error) {
    if (!(error instanceof WebGpuError)) throw error;
    const reason = error.message.split("\n")[0]!;
    const text = `engine: wasm; webgpu is not to be had: ${reason}`;
    return { ...chosen(wasm), text, warnings: NO_GPU.includes(error.code) ? [] : [text] };
  }
  // What it keeps of these windows it forgets when it is given those of the day, which lie in another column.
  const wasmTiming = timeEngine(wasm, options.model, options.universeCount);
  let failure = "";
  gpu.onTold = (text) => {
    failure = text;
  };
  const gpuTiming = timeEngine(gpu, options.model, options.universeCount);
  // What failed is told once its call is over.
  await Promise.resolve();
  gpu.onTold = () => {};
  if (!gpu.isWhole) {
    gpu.close();
    const text = `engine: wasm; while it was measured, ${failure}`;
    return { ...chosen(wasm), text, warnings: [text] };
  }
  const timings = [wasmTiming, gpuTiming];
  const isGpuChosen = gpuTiming.waitUs < wasmTiming.waitUs;
  if (!isGpuChosen) gpu.close();
  const choice = chosen(isGpuChosen ? gpu : wasm);
  const figures = timings.map(describeTiming).join("; ");
  return { ...choice, timings, text: `engine: ${figures}; ${choice.engine.info.engine} is taken` };
}

async function makeResilient(options: EngineChoiceOptions, fallback: InferenceEngine): Promise<ResilientEngine> {
  const remake = options.makeWebGpu ?? (() => makeWebGpu(options));
  const { delays, quietInMs = () => 0, seed } = options;
  const primary = await remake();
  return new ResilientEngine({
    primary,
    fallback,
    remake,
    delays,
    quietInMs,
    prng: Prng.stream(seed, "inference.restore"),
  });
}

async function makeWebGpu({ model, adapter, precision }: EngineChoiceOptions): Promise<InferenceEngine> {
  const { WebGpuEngine } = await import("./webgpu/forward-pass.ts");
  const wanted = { model, adapterName: adapter, batchMax: BATCH_MAX, precision };
  const engine = await WebGpuEngine.create(wanted);
  if (engine.info.precision === precision) return engine;
  engine.close();
  throw new UserError(
    "failed",
    `the GPU engine computes in ${engine.info.precision}, not in ${precision} as [inference] precision says`,
    'set precision = "fp32" in [inference]',
  );
}

/**
 * What an engine takes, the way the pipeline calls it: all windows at once where it prefers that, otherwise one after another,
 * with what can be done ahead done before.
 */
export function timeEngine(engine: InferenceEngine, model: Model, universeCount: number): EngineTiming {
  const count = Math.min(universeCount, engine.batchMax);
  const windows = seededWindows(model, count);
  const isBatch = engine.prefersBatch === true;
  const oneUs = medianUs(engine, windows, 1, isBatch);
  const universeUs = medianUs(engine, windows, count, isBatch);
  // One after another, a stock waits for those before it: half of them on the average.
  const meanUs = isBatch ? universeUs : (universeUs * (count + 1)) / (2 * count);
  return {
    engine: engine.info.engine,
    precision: engine.info.precision,
    adapter: engine.info.adapter,
    oneUs,
    universeUs,
    universeCount: count,
    waitUs: (oneUs + meanUs) / 2,
  };
}

function medianUs(engine: InferenceEngine, windows: Float32Array, count: number, isBatch: boolean): number {
  const ahead = worksAhead(engine);
  const offsets = Int32Array.from({ length: count }, (_, window) => window * WINDOW_ELEMS);
  const one = new Int32Array(1);
  const out = new Float32Array(count * OUTPUT_STRIDE);
  const tookNs: number[] = [];
  const startNs = monotonicNs();
  while (tookNs.length < MEASURE_CALLS_MAX) {
    // One bar after the other: what is prepared is taken, whatever its rows are.
    const revision = tookNs.length;
    for (let slot = 0; ahead !== null && slot < count; slot++) ahead.prepare(slot, revision, windows, offsets[slot]!);
    const fromNs = monotonicNs();
    if (isBatch) engine.predict(windows, offsets, count, out);
    else {
      for (let slot = 0; slot < count; slot++) {
        one[0] = offsets[slot]!;
        if (ahead !== null) ahead.predictPrepared(slot, revision + 1, windows, offsets[slot]!, out);
        else engine.predict(windows, one, 1, out);
      }
    }
    const nowNs = monotonicNs();
    tookNs.push(nowNs - fromNs);
    if (nowNs - startNs > MEASURE_NS && tookNs.length >= MEASURE_CALLS_MIN) break;
  }
  tookNs.sort((a, b) => a - b);
  return tookNs[tookNs.length >> 1]! / 1_000;
}

/** Known answers before anything is armed: a machine or a build that computes wrongly must not trade. */
export function selfTest(engine: InferenceEngine, model: Model): void {
  const windows = seededWindows(model, SELF_TEST_WINDOWS);
  const offsets = Int32Array.from({ length: SELF_TEST_WINDOWS }, (_, window) => window * WINDOW_ELEMS);
  const expected = new Float32Array(SELF_TEST_WINDOWS * OUTPUT_STRIDE);
  const found = new Float32Array(SELF_TEST_WINDOWS * OUTPUT_STRIDE);
  new ReferenceEngine(model).predict(windows, offsets, SELF_TEST_WINDOWS, expected);
  const code = engine.predict(windows, offsets, SELF_TEST_WINDOWS, found);
  // Written so that a NaN is not near.
  const wrong = found.findIndex((value, i) => !(Math.abs(value - expected[i]!) <= SELF_TEST_TOLERANCE));
  if (code === ENGINE_OK && wrong < 0) return;
  const what =
    code === ENGINE_OK ? `output ${wrong} is ${found[wrong]}, the reference says ${expected[wrong]}` : "no answer";
  throw new UserError(
    "failed",
    `the ${engine.info.engine} engine fails its self-test: ${what}`,
    "do not trade on this machine",
  );
}

/** Seeded windows around the model's means, as wide as what it was made for. */
function seededWindows(model: Model, count: number): Float32Array<ArrayBuffer> {
  const { "input.mean": mean, "input.std": std } = model.tensors;
  const prng = new Prng(WINDOW_SEED);
  return Float32Array.from({ length: count * WINDOW_ELEMS }, (_, i) => {
    const feature = i % FEATURE_COUNT;
    return mean[feature]! + std[feature]! * prng.nextNormal();
  });
}

function describeTiming({ engine, precision, adapter, oneUs, universeUs, universeCount }: EngineTiming): string {
  const name = engine === "webgpu" ? `webgpu ${precision} on ${adapter}` : engine;
  return `${name} ${formatUs(oneUs)} us for one stock, ${formatUs(universeUs)} us for ${universeCount}`;
}

function formatUs(us: number): string {
  return us < 100 ? us.toFixed(1) : Math.round(us).toString();
}
