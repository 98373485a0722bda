// The forward pass on a GPU: raw windows in, predictions out, in one upload, one dispatch and one read-back.
// Hot path: `predict`. What a call allocates is WebGPU's own: a command buffer with its encoder and pass, a mapped range and
// what synchronous-map.ts lists. Everything else is made in `create`.
//
// Who returns to the event loop: the caller. Wrappers of mapped ranges and command buffers are freed by finalizers that
// run only there, and 2.8 to 4.5 KB stay behind with every call until then. In trading each frame of the feed is a turn
// of its own; a loop that only predicts (backtest, bench) must await a macrotask at least every TURN_CALLS_MAX calls.

import { assert } from "../../core/assert.ts";
import { Prng } from "../../core/prng.ts";
import {
  ENGINE_FAILED,
  ENGINE_OK,
  type EngineInfo,
  FEATURE_COUNT,
  type InferenceEngine,
  OUTPUT_MOMENTUM,
  OUTPUT_SENTINEL,
  OUTPUT_STRIDE,
  WINDOW_ELEMS,
} from "../engine.ts";
import type { Model } from "../model-file.ts";
import { ReferenceEngine } from "../reference/forward-pass.ts";
import { openAdapter } from "./adapters.ts";
import { loadDawn } from "./dawn.ts";
import { compileKernel, openDevice, uploadBuffer } from "./device.ts";
import { KERNELS } from "./kernels.ts";
import { MAP_DONE, MAP_TIMED_OUT, SynchronousMap } from "./synchronous-map.ts";
import { WebGpuError } from "./webgpu-error.ts";
import { packWeights } from "./weight-layout.ts";

/** A loop of predictions must return to the event loop this often: 1,000 calls hold 5 MB at most. */
export const TURN_CALLS_MAX = 1_000;

/** Largest difference from the reference that the self-test takes: measured 5e-7, and Metal's relaxed math may need more. */
export const REFERENCE_TOLERANCE = 2e-5;

/** Longest wait for an answer. A GPU needs under 1 ms; software Vulkan 120 ms for 100 windows on two busy cores. */
const ANSWER_TIMEOUT_MS = 100;
const ANSWER_TIMEOUT_SOFTWARE_MS = 5_000;
/** The first dispatch may compile: 4 s on Mesa's llvmpipe. */
const FIRST_ANSWER_TIMEOUT_MS = 30_000;

/** Calls before the engine is handed out: drivers compile, clocks rise, JIT tiers settle. */
const WARM_UP_CALLS = 24;
const SELF_TEST_WINDOWS = 8;
const SELF_TEST_SEED = 20_191_218;
/** Wide enough that 1 in 80 inputs is clamped. */
const SELF_TEST_DEVIATIONS = 4;

/** Stamps in use; each stands in a slot of 256 bytes, WebGPU's smallest alignment of a dynamic offset. */
const STAMP_COUNT = 256;
const STAMP_SLOT_BYTES = 256;
const OUTPUT_STAMP = 6;

const OUTPUT_BYTES = OUTPUT_STRIDE * Float32Array.BYTES_PER_ELEMENT;
const WINDOW_BYTES = WINDOW_ELEMS * Float32Array.BYTES_PER_ELEMENT;

/**
 * Checks that production turns off, because the kernels need none of them: every workgroup variable is written before it
 * is read, no index leaves its buffer, and the calls of this file pass validation in the tests. A third of the time of
 * a window on software Vulkan.
 */
const PRODUCTION_FLAGS = ["enable-dawn-features=skip_validation,disable_workgroup_init,disable_robustness"];

export interface WebGpuEngineOptions {
  readonly model: Model;
  /** Part of the adapter's name; "" takes the fastest GPU and refuses a software adapter. */
  readonly adapterName: string;
  /** Windows one call can take. */
  readonly batchMax: number;

  // For tests:
  /** Keep WebGPU's validation and the shader's bounds checks. */
  readonly isChecked?: boolean;
  /** WGSL to run in place of shaders/forward-pass.wgsl. */
  readonly source?: string;
  /** Longest wait for an answer. */
  readonly timeoutMs?: number;
  /** Is given the device, to break it. */
  readonly onDevice?: (device: GPUDevice) => void;
}

interface Resources {
  readonly device: GPUDevice;
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly windows: GPUBuffer;
  readonly outputs: GPUBuffer;
  readonly readback: GPUBuffer;
}

export class WebGpuEngine implements InferenceEngine {
  readonly info: EngineInfo;
  readonly batchMax: number;

  readonly #gpu: Resources;
  readonly #mapper: SynchronousMap;
  /** (batch, 50, 12) windows on their way up. */
  readonly #staging: Float32Array<ArrayBuffer>;
  /** (count) next command buffer for a batch of `count`, made ahead when the last one of its size had been used. */
  readonly #encoded: (GPUCommandBuffer | null)[];
  /** (count) stamp that #encoded[count] writes into every output slot. */
  readonly #stamps: Float32Array;
  #stampNext = 1;
  #timeoutNs = FIRST_ANSWER_TIMEOUT_MS * 1e6;
  #failure = "";
  #failedCalls = 0;
  #isClosed = false;

  /** Makes, checks and warms an engine. Throws WebGpuError: no adapter, a shader that does not compile, wrong answers. */
  static async create(options: WebGpuEngineOptions): Promise<WebGpuEngine> {
    const { model, batchMax } = options;
    assert(Number.isInteger(batchMax) && batchMax >= 1, `batchMax is a whole number from 1, was ${batchMax}`);
    const opened = await openAdapter(options.adapterName, options.isChecked ? [] : PRODUCTION_FLAGS);
    const device = await openDevice(opened);
    options.onDevice?.(device);
    try {
      const kernel = { ...KERNELS["forward-pass"], source: options.source ?? KERNELS["forward-pass"].source };
      const layout = bindGroupLayout(device);
      const pipeline = await compileKernel(device, "forward-pass", kernel, layout);
      const engine = new WebGpuEngine(
        makeResources(device, pipeline, layout, model, batchMax),
        opened.name,
        model,
        batchMax,
      );
      engine.#selfTest(model);
      await engine.#warmUp();
      const timeoutMs = opened.isSoftware ? ANSWER_TIMEOUT_SOFTWARE_MS : ANSWER_TIMEOUT_MS;
      engine.#timeoutNs = (options.timeoutMs ?? timeoutMs) * 1e6;
      return engine;
    } catch (error) {
      device.destroy();
      throw error;
    }
  }

  private constructor(resources: Resources, adapter: string, model: Model, batchMax: number) {
    this.#gpu = resources;
    this.batchMax = batchMax;
    this.info = {
      engine: "webgpu",
      precision: "fp32",
      adapter,
      model: model.name,
      modelSha256: model.weightsSha256,
    };
    this.#mapper = new SynchronousMap(loadDawn().globals.GPUMapMode.READ);
    this.#staging = new Float32Array(batchMax * WINDOW_ELEMS);
    this.#encoded = new Array(batchMax + 1).fill(null);
    this.#stamps = new Float32Array(batchMax + 1);
    const { device } = resources;
    device.onuncapturederror = (event) => this.#fail(`WebGPU error: ${event.error.message}`);
    device.lost.then((info) => this.#fail(`the GPU device was lost (${info.reason}): ${info.message}`));
    this.#encode(1);
    if (batchMax > 1) this.#encode(batchMax);
  }

  /** Why the engine no longer answers; "" while it does. A failed engine stays failed. */
  get failure(): string {
    return this.#failure;
  }

  /** Calls that were answered with ENGINE_FAILED. */
  get failedCalls(): number {
    return this.#failedCalls;
  }

  predict(features: Float32Array, offsets: Int32Array, count: number, out: Float32Array): number {
    assert(count >= 0 && count <= this.batchMax, "a call takes 0 to batchMax windows");
    assert(out.length >= count * OUTPUT_STRIDE, "out holds a slot for each window");
    if (count === 0) return ENGINE_OK;
    this.#gather(features, offsets, count);
    if (this.#failure === "") {
      try {
        this.#run(features, offsets[0]!, count, out);
      } catch (error) {
        this.#fail(error instanceof Error ? error.message : String(error));
      }
    }
    if (this.#failure === "") return ENGINE_OK;
    this.#failedCalls++;
    return ENGINE_FAILED;
  }

  /** Gives the device back. Later calls fail. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#fail("the engine is closed");
    this.#gpu.device.destroy();
  }

  /** Puts the windows of a batch side by side, since an upload of its own would cost 1.5 us for each. One stays put. */
  #gather(features: Float32Array, offsets: Int32Array, count: number): void {
    const staging = this.#staging;
    for (let window = 0; window < count; window++) {
      const from = offsets[window]!;
      assert(from >= 0 && from + WINDOW_ELEMS <= features.length, "a window lies inside the feature column");
      if (count === 1) return;
      const to = window * WINDOW_ELEMS;
      for (let i = 0; i < WINDOW_ELEMS; i++) staging[to + i] = features[from + i]!;
    }
  }

  #run(features: Float32Array, firstOffset: number, count: number, out: Float32Array): void {
    const { device, windows, readback } = this.#gpu;
    const source = count === 1 ? (features as Float32Array<ArrayBuffer>) : this.#staging;
    device.queue.writeBuffer(windows, 0, source, count === 1 ? firstOffset : 0, count * WINDOW_ELEMS);
    const commands = this.#encoded[count] ?? this.#encode(count);
    const stamp = this.#stamps[count]!;
    this.#encoded[count] = null;
    device.queue.submit([commands]);
    const mapped = this.#mapper.map(readback, count * OUTPUT_BYTES, this.#timeoutNs);
    if (mapped !== MAP_DONE) {
      const isLate = mapped === MAP_TIMED_OUT;
      this.#fail(
        isLate ? `no answer from the GPU within ${this.#timeoutNs / 1e6} ms` : "the GPU's answer cannot be read",
      );
      return;
    }
    this.#copyOut(new Float32Array(readback.getMappedRange(0, count * OUTPUT_BYTES)), stamp, count, out);
    readback.unmap();
    this.#encode(count);
  }

  /** A missing stamp fails the engine; a NaN in a window gives that window NaN outputs and sentinel 0, as everywhere. */
  #copyOut(mapped: Float32Array, stamp: number, count: number, out: Float32Array): void {
    for (let slot = 0; slot < count * OUTPUT_STRIDE; slot += OUTPUT_STRIDE) {
      const sentinel = mapped[slot + OUTPUT_SENTINEL]!;
      if (mapped[slot + OUTPUT_STAMP] !== stamp || (sentinel !== 0 && sentinel !== 1)) {
        this.#fail("the GPU did not write its answer");
        return;
      }
      for (let i = 0; i <= OUTPUT_MOMENTUM; i++) out[slot + i] = sentinel === 1 ? mapped[slot + i]! : Number.NaN;
      for (let i = OUTPUT_MOMENTUM + 1; i < OUTPUT_SENTINEL; i++) out[slot + i] = 0;
      out[slot + OUTPUT_SENTINEL] = sentinel;
    }
  }

  /** Makes the next command buffer for a batch of `count`. A command buffer is for one use. */
  #encode(count: number): GPUCommandBuffer {
    const { device, pipeline, bindGroup, outputs, readback } = this.#gpu;
    const stamp = this.#stampNext;
    this.#stampNext = (stamp + 1) % STAMP_COUNT;
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup, [stamp * STAMP_SLOT_BYTES]);
    pass.dispatchWorkgroups(count);
    pass.end();
    encoder.copyBufferToBuffer(outputs, 0, readback, 0, count * OUTPUT_BYTES);
    const commands = encoder.finish();
    this.#encoded[count] = commands;
    this.#stamps[count] = stamp;
    return commands;
  }

  /** Known answers: one window, then a full batch, against the reference. Throws SELF_TEST_FAILED. */
  #selfTest(model: Model): void {
    const period = Math.min(SELF_TEST_WINDOWS, this.batchMax);
    const { features, offsets } = selfTestWindows(model, this.batchMax, period);
    const expected = new Float32Array(period * OUTPUT_STRIDE);
    new ReferenceEngine(model).predict(features, offsets, period, expected);
    const found = new Float32Array(this.batchMax * OUTPUT_STRIDE);
    for (const count of new Set([1, this.batchMax])) {
      found.fill(Number.NaN);
      if (this.predict(features, offsets, count, found) !== ENGINE_OK) {
        throw this.#selfTestError(`gives no answer: ${this.#failure}`);
      }
      for (let i = 0; i < count * OUTPUT_STRIDE; i++) {
        const want = expected[i % expected.length]!;
        if (Math.abs(found[i]! - want) <= REFERENCE_TOLERANCE) continue;
        const where = `output ${i % OUTPUT_STRIDE} of window ${Math.floor(i / OUTPUT_STRIDE)} in a batch of ${count}`;
        throw this.#selfTestError(`computes wrongly: ${where} is ${found[i]}, the reference says ${want}`);
      }
    }
  }

  #selfTestError(what: string): WebGpuError {
    return new WebGpuError(
      "SELF_TEST_FAILED",
      `the GPU "${this.info.adapter}" ${what} (tolerance ${REFERENCE_TOLERANCE})`,
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
    if (this.#failure !== "") throw this.#selfTestError(`fails at start: ${this.#failure}`);
  }

  #fail(reason: string): void {
    if (this.#failure === "") this.#failure = reason;
  }
}

function bindGroupLayout(device: GPUDevice): GPUBindGroupLayout {
  const visibility = loadDawn().globals.GPUShaderStage.COMPUTE;
  return device.createBindGroupLayout({
    entries: [
      { binding: 0, visibility, buffer: { type: "read-only-storage" } },
      { binding: 1, visibility, buffer: { type: "read-only-storage" } },
      { binding: 2, visibility, buffer: { type: "storage" } },
      { binding: 3, visibility, buffer: { type: "uniform", hasDynamicOffset: true } },
    ],
  });
}

function makeResources(
  device: GPUDevice,
  pipeline: GPUComputePipeline,
  layout: GPUBindGroupLayout,
  model: Model,
  batchMax: number,
): Resources {
  const { GPUBufferUsage: usage } = loadDawn().globals;
  const weights = uploadBuffer(device, packWeights(model.tensors), usage.STORAGE | usage.COPY_DST);
  const stamps = uploadBuffer(device, stampSlots(), usage.UNIFORM | usage.COPY_DST);
  const windows = device.createBuffer({ size: batchMax * WINDOW_BYTES, usage: usage.STORAGE | usage.COPY_DST });
  const outputs = device.createBuffer({ size: batchMax * OUTPUT_BYTES, usage: usage.STORAGE | usage.COPY_SRC });
  const readback = device.createBuffer({ size: batchMax * OUTPUT_BYTES, usage: usage.MAP_READ | usage.COPY_DST });
  const bindGroup = device.createBindGroup({
    layout,
    entries: [
      { binding: 0, resource: { buffer: windows } },
      { binding: 1, resource: { buffer: weights } },
      { binding: 2, resource: { buffer: outputs } },
      { binding: 3, resource: { buffer: stamps, size: Float32Array.BYTES_PER_ELEMENT } },
    ],
  });
  return { device, pipeline, bindGroup, windows, outputs, readback };
}

/** Stamp n at byte n * STAMP_SLOT_BYTES. */
function stampSlots(): Float32Array<ArrayBuffer> {
  const stride = STAMP_SLOT_BYTES / Float32Array.BYTES_PER_ELEMENT;
  const slots = new Float32Array(STAMP_COUNT * stride);
  for (let stamp = 0; stamp < STAMP_COUNT; stamp++) slots[stamp * stride] = stamp;
  return slots;
}

/** `period` seeded windows around the model's mean; a batch of any size repeats them. */
function selfTestWindows(
  model: Model,
  batchMax: number,
  period: number,
): { features: Float32Array<ArrayBuffer>; offsets: Int32Array } {
  const { "input.mean": mean, "input.std": std } = model.tensors;
  const prng = new Prng(SELF_TEST_SEED);
  const features = new Float32Array(period * WINDOW_ELEMS);
  for (let i = 0; i < features.length; i++) {
    const feature = i % FEATURE_COUNT;
    features[i] = mean[feature]! + std[feature]! * prng.nextNormal() * SELF_TEST_DEVIATIONS;
  }
  const offsets = Int32Array.from({ length: batchMax }, (_, window) => (window % period) * WINDOW_ELEMS);
  return { features, offsets };
}
