// The forward pass on a GPU: raw windows in, predictions out, in one upload, one dispatch and one read-back.
// Hot path: `predict`. What a call allocates is WebGPU's own, see round-trip.ts. Everything else is made in `create`.
//
// Who returns to the event loop: the caller. Wrappers of mapped ranges and command buffers are freed by finalizers that
// run only there, and 2.8 to 4.5 KB stay behind with every call until then. In trading each frame of the feed is a turn
// of its own; a loop that only predicts (backtest, bench) must await a macrotask at least every TURN_CALLS_MAX calls.

import { assert } from "../../core/assert.ts";
import {
  ENGINE_OK,
  type EngineInfo,
  type InferenceEngine,
  OUTPUT_STRIDE,
  type Precision,
  WINDOW_ELEMS,
} from "../engine.ts";
import type { Model } from "../model-file.ts";
import { openAdapter } from "./adapters.ts";
import { loadDawn } from "./dawn.ts";
import { openDevice } from "./device.ts";
import {
  instanceFlags,
  makeForwardStage,
  REFERENCE_TOLERANCES,
  REQUIRED_FEATURES,
  referenceOf,
  selfTestWindows,
} from "./forward-stage.ts";
import { type GpuBufferEntry, GpuResources, type GpuSpan } from "./resources.ts";
import { makeAnswerBuffers, RoundTrip } from "./round-trip.ts";
import { WebGpuError } from "./webgpu-error.ts";

/** A loop of predictions must return to the event loop this often: 1,000 calls hold 5 MB at most. */
export const TURN_CALLS_MAX = 1_000;

/** Longest wait for an answer. A GPU needs under 1 ms; software Vulkan 120 ms for 100 windows on two busy cores. */
export const ANSWER_TIMEOUT_MS = 100;
export const ANSWER_TIMEOUT_SOFTWARE_MS = 5_000;
/** The first dispatch may compile: 4 s on Mesa's llvmpipe, 9 s in f16. */
export const FIRST_ANSWER_TIMEOUT_MS = 30_000;
/** `predictAsync` spins this long before it gives the event loop its turns: a GPU answers 100 windows within it. */
const SPIN_MS = 0.5;

/** Calls before the engine is handed out: drivers compile, clocks rise, JIT tiers settle. */
export const WARM_UP_CALLS = 24;
const SELF_TEST_WINDOWS = 8;

const WINDOW_BYTES = WINDOW_ELEMS * Float32Array.BYTES_PER_ELEMENT;

export interface WebGpuEngineOptions {
  readonly model: Model;
  /** Part of the adapter's name; "" takes the fastest GPU and refuses a software adapter. */
  readonly adapterName: string;
  /** Windows one call can take. */
  readonly batchMax: number;
  /** fp32 where it is not given. */
  readonly precision?: Precision;

  // For tests:
  /** Keep WebGPU's validation and the shader's bounds checks. */
  readonly isChecked?: boolean;
  /** Guard words around every buffer that a kernel sees. */
  readonly isGuarded?: boolean;
  /** WGSL to run in place of the shader's. */
  readonly source?: string;
  /** Longest wait for an answer. */
  readonly timeoutMs?: number;
  /** Is given the device, to break it. */
  readonly onDevice?: (device: GPUDevice) => void;
}

export class WebGpuEngine implements InferenceEngine {
  readonly info: EngineInfo;
  readonly batchMax: number;
  readonly resources: GpuResources;

  readonly #windows: GpuSpan;
  readonly #trip: RoundTrip;
  /** (batch, 50, 12) windows on their way up. */
  readonly #staging: Float32Array<ArrayBuffer>;
  #isClosed = false;

  /** Makes, checks and warms an engine. Throws WebGpuError: no adapter, a shader that does not compile, wrong answers. */
  static async create(options: WebGpuEngineOptions): Promise<WebGpuEngine> {
    const { model, batchMax, precision = "fp32" } = options;
    assert(Number.isInteger(batchMax) && batchMax >= 1, `batchMax is a whole number from 1, was ${batchMax}`);
    const opened = await openAdapter(options.adapterName, instanceFlags(precision, options.isChecked ?? false));
    const device = await openDevice(opened, REQUIRED_FEATURES[precision]);
    options.onDevice?.(device);
    try {
      const resources = new GpuResources(device, options.isGuarded ?? false);
      const { GPUBufferUsage: usage } = loadDawn().globals;
      const windows = resources.buffer("windows", batchMax * WINDOW_BYTES, usage.STORAGE | usage.COPY_DST);
      const answers = makeAnswerBuffers(resources, batchMax);
      const stage = await makeForwardStage(resources, model, precision, windows, answers, options.source);
      resources.freeze();
      const trip = new RoundTrip(device, [stage], answers, batchMax, FIRST_ANSWER_TIMEOUT_MS * 1e6);
      const engine = new WebGpuEngine(resources, windows, trip, opened.name, model, precision, batchMax);
      engine.#selfTest(model);
      await engine.#warmUp();
      const timeoutMs = opened.isSoftware ? ANSWER_TIMEOUT_SOFTWARE_MS : ANSWER_TIMEOUT_MS;
      trip.timeoutNs = (options.timeoutMs ?? timeoutMs) * 1e6;
      return engine;
    } catch (error) {
      device.destroy();
      throw error;
    }
  }

  private constructor(
    resources: GpuResources,
    windows: GpuSpan,
    trip: RoundTrip,
    adapter: string,
    model: Model,
    precision: Precision,
    batchMax: number,
  ) {
    this.resources = resources;
    this.#windows = windows;
    this.#trip = trip;
    this.batchMax = batchMax;
    this.info = { engine: "webgpu", precision, adapter, model: model.name, modelSha256: model.weightsSha256 };
    this.#staging = new Float32Array(batchMax * WINDOW_ELEMS);
  }

  /** Why the engine no longer answers; "" while it does. A failed engine stays failed. */
  get failure(): string {
    return this.#trip.failure;
  }

  /** Calls that were answered with ENGINE_FAILED. */
  get failedCalls(): number {
    return this.#trip.failedCalls;
  }

  /** What the engine holds on the GPU, in bytes, for `gyr doctor`. */
  get buffers(): readonly GpuBufferEntry[] {
    return this.resources.table();
  }

  predict(features: Float32Array, offsets: Int32Array, count: number, out: Float32Array): number {
    this.#check(count, out);
    if (count === 0) return ENGINE_OK;
    return this.#upload(features, offsets, count) ? this.#trip.run(count, out) : this.#trip.refuse();
  }

  /**
   * As `predict`, but waits on the event loop where the GPU takes long. The windows are taken before it returns; until the answer
   * is there other calls of this engine are ENGINE_FAILED.
   */
  predictAsync(features: Float32Array, offsets: Int32Array, count: number, out: Float32Array): Promise<number> {
    this.#check(count, out);
    if (count === 0) return Promise.resolve(ENGINE_OK);
    if (!this.#upload(features, offsets, count)) return Promise.resolve(this.#trip.refuse());
    return this.#trip.runAsync(count, out, SPIN_MS * 1e6);
  }

  /** Gives the device back. Later calls fail. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#trip.fail("the engine is closed");
    this.resources.device.destroy();
  }

  #check(count: number, out: Float32Array): void {
    assert(count >= 0 && count <= this.batchMax, "a call takes 0 to batchMax windows");
    assert(out.length >= count * OUTPUT_STRIDE, "out holds a slot for each window");
  }

  /** Puts the windows of a batch side by side, since an upload of its own would cost 1.5 us for each. One stays put. */
  #upload(features: Float32Array, offsets: Int32Array, count: number): boolean {
    const staging = this.#staging;
    for (let window = 0; window < count; window++) {
      const from = offsets[window]!;
      assert(from >= 0 && from + WINDOW_ELEMS <= features.length, "a window lies inside the feature column");
      if (count === 1) break;
      const to = window * WINDOW_ELEMS;
      for (let i = 0; i < WINDOW_ELEMS; i++) staging[to + i] = features[from + i]!;
    }
    if (this.#trip.failure !== "" || this.#trip.isBusy) return false;
    const source = count === 1 ? (features as Float32Array<ArrayBuffer>) : staging;
    const { buffer, offset } = this.#windows;
    try {
      const from = count === 1 ? offsets[0]! : 0;
      this.resources.device.queue.writeBuffer(buffer, offset, source, from, count * WINDOW_ELEMS);
      return true;
    } catch (error) {
      this.#trip.fail(error instanceof Error ? error.message : String(error));
      return false;
    }
  }

  /** Known answers: one window, then a full batch, against the reference. Throws SELF_TEST_FAILED. */
  #selfTest(model: Model): void {
    const { precision } = this.info;
    const tolerance = REFERENCE_TOLERANCES[precision];
    const period = Math.min(SELF_TEST_WINDOWS, this.batchMax);
    const features = selfTestWindows(model, period);
    // A batch of any size repeats the windows.
    const offsets = Int32Array.from({ length: this.batchMax }, (_, window) => (window % period) * WINDOW_ELEMS);
    const expected = new Float32Array(period * OUTPUT_STRIDE);
    referenceOf(model, precision).predict(features, offsets, period, expected);
    const found = new Float32Array(this.batchMax * OUTPUT_STRIDE);
    for (const count of new Set([1, this.batchMax])) {
      found.fill(Number.NaN);
      if (this.predict(features, offsets, count, found) !== ENGINE_OK) {
        throw this.#selfTestError(`gives no answer: ${this.failure}`);
      }
      for (let i = 0; i < count * OUTPUT_STRIDE; i++) {
        const want = expected[i % expected.length]!;
        if (Math.abs(found[i]! - want) <= tolerance) continue;
        const where = `output ${i % OUTPUT_STRIDE} of window ${Math.floor(i / OUTPUT_STRIDE)} in a batch of ${count}`;
        throw this.#selfTestError(`computes wrongly: ${where} is ${found[i]}, the reference says ${want}`);
      }
    }
  }

  #selfTestError(what: string): WebGpuError {
    const { adapter, precision } = this.info;
    return new WebGpuError(
      "SELF_TEST_FAILED",
      `the GPU "${adapter}" ${what} (${precision}, tolerance ${REFERENCE_TOLERANCES[precision]})`,
      'update its driver, or use engine = "wasm" in [inference]',
    );
  }

  async #warmUp(): Promise<void> {
    const features = new Float32Array(WINDOW_ELEMS);
    const offsets = new Int32Array(1);
    const out = new Float32Array(OUTPUT_STRIDE);
    for (let i = 0; i < WARM_UP_CALLS; i++) this.predict(features, offsets, 1, out);
    // One turn of the event loop, so that what the warm-up left behind is freed before the first tick.
    await new Promise((resolve) => setImmediate(resolve));
    if (this.failure !== "") throw this.#selfTestError(`fails at start: ${this.failure}`);
  }
}
