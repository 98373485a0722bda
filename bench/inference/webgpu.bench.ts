// Suite `webgpu`: the forward pass on a GPU as a whole round trip: upload, dispatch, read-back. The engine checks itself against
// the reference before it is handed out. Runs on the fastest GPU, or on the adapter that GYR_BENCH_ADAPTER names (a software
// adapter must be named); without one the only figure is gpuCount 0. Timed by hand, because the event loop needs its turn
// between calls, which mitata's synchronous loop does not give.

import { monotonicNs } from "../../src/core/clock.ts";
import { Histogram } from "../../src/core/histogram.ts";
import { ENGINE_OK, OUTPUT_STRIDE, WINDOW_ELEMS } from "../../src/inference/engine.ts";
import { loadModelByName } from "../../src/inference/model-file.ts";
import { WebGpuEngine } from "../../src/inference/webgpu/forward-pass.ts";
import { WebGpuError } from "../../src/inference/webgpu/webgpu-error.ts";
import { cpuNs, type SuiteSize } from "../size.ts";

const WINDOWS = 100;
const CALLS_MAX = 5_000;
const DURATION_NS = 2e9;

export async function run(size: SuiteSize = "full"): Promise<Record<string, number>> {
  const model = await loadModelByName("untrained");
  const startNs = monotonicNs();
  let engine: WebGpuEngine;
  try {
    const adapterName = process.env.GYR_BENCH_ADAPTER ?? "";
    engine = await WebGpuEngine.create({ model, adapterName, batchMax: WINDOWS });
  } catch (error) {
    const isWithoutGpu = error instanceof WebGpuError && error.code !== "SELF_TEST_FAILED";
    if (isWithoutGpu && process.env.GYR_BENCH_ADAPTER === undefined) return { gpuCount: 0 };
    throw error;
  }
  const createMs = (monotonicNs() - startNs) / 1e6;
  const one = await roundTrips(engine, 1, cpuNs(size, DURATION_NS));
  const universe = await roundTrips(engine, WINDOWS, cpuNs(size, DURATION_NS));
  engine.close();
  return {
    gpuCount: 1,
    createMs,
    gpuP50Us: one.quantileNs(0.5) / 1e3,
    gpuP99Us: one.quantileNs(0.99) / 1e3,
    gpu100P50Us: universe.quantileNs(0.5) / 1e3,
    gpu100P99Us: universe.quantileNs(0.99) / 1e3,
  };
}

/** Calls with `count` windows, each followed by a turn of the event loop that is not timed. */
async function roundTrips(engine: WebGpuEngine, count: number, durationNs: number): Promise<Histogram> {
  const histogram = new Histogram();
  const windows = new Float32Array(count * WINDOW_ELEMS);
  const offsets = Int32Array.from({ length: count }, (_, i) => i * WINDOW_ELEMS);
  const out = new Float32Array(count * OUTPUT_STRIDE);
  const endNs = monotonicNs() + durationNs;
  for (let call = 0; call < CALLS_MAX && monotonicNs() < endNs; call++) {
    const startNs = monotonicNs();
    const code = engine.predict(windows, offsets, count, out);
    histogram.record(monotonicNs() - startNs);
    if (code !== ENGINE_OK) throw new Error(`the GPU failed while it was timed: ${engine.failure}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return histogram;
}
