// The forward pass on a GPU: raw windows in, predictions out, in one upload, one dispatch and one read-back.
// Hot path: `predict`. What a call allocates is WebGPU's own: one command buffer with its encoder and pass, one mapped
// range, one promise. Everything else is made in `create`.
//
// Synchronous although WebGPU is not: Dawn polls for finished work in a native function that it passes to
// globalThis.setImmediate, looked up at each poll. `predict` puts its own function there for the length of one map, gets
// Dawn's poll handed to it and calls that until the buffer is mapped. No turn of the event loop, no promise is waited for.
//
// Who returns to the event loop: the caller. Wrappers of mapped ranges and command buffers are freed by finalizers that
// run only there, and 2.8 to 4.5 KB stay behind with every call until then. In trading each frame of the feed is a turn
// of its own; a loop that only predicts (backtest, bench) must await a macrotask at least every TURN_CALLS_MAX calls.

import { assert } from "../../core/assert.ts";
import { monotonicNs } from "../../core/clock.ts";
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
import { type OpenedAdapter, openAdapter } from "./adapters.ts";
import { type Dawn, loadDawn } from "./dawn.ts";
import { KERNELS } from "./kernels.ts";
import { yieldCore } from "./libc.ts";
import { WebGpuError } from "./webgpu-error.ts";
import { packWeights } from "./weight-layout.ts";

/** A loop of predictions must return to the event loop this often: 1,000 calls hold 5 MB at most. */
export const TURN_CALLS_MAX = 1_000;

/** Largest difference from the reference that the self-test takes; measured 4.2e-7, Metal's relaxed math may need more. */
export const REFERENCE_TOLERANCE = 2e-5;

/** Longest wait for an answer. A GPU needs 0.5 ms at most; software Vulkan 120 ms for 100 windows on two busy cores. */
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

/** Stamps in use; one stands in each 256-byte slot, WebGPU's smallest alignment of a dynamic offset. */
const STAMP_COUNT = 256;
const STAMP_SLOT_BYTES = 256;
const OUTPUT_STAMP = 6;

const OUTPUT_BYTES = OUTPUT_STRIDE * Float32Array.BYTES_PER_ELEMENT;
const WINDOW_BYTES = WINDOW_ELEMS * Float32Array.BYTES_PER_ELEMENT;

/**
 * Checks that production turns off, as the kernels need none of them: every workgroup variable is written before it is
 * read, no index leaves its buffer, and the calls of this file have passed validation in tests. Saves 2 to 4 us a call.
 */
const PRODUCTION_FLAGS = ["enable-dawn-features=skip_validation,disable_workgroup_init,disable_robustness"];

export interface WebGpuEngineOptions {
  readonly model: Model;
  /** Part of the adapter's name; "" takes the fastest GPU and refuses a software adapter. */
  readonly adapterName: string;
  /** Windows one call can take. */
  readonly batchMax: number;
  /** Keep WebGPU's validation and the shader's bounds checks. For tests. */
  readonly isChecked?: boolean;
  /** WGSL to run in place of shaders/forward-pass.wgsl. For tests. */
  readonly source?: string;
  /** Longest wait for an answer. For tests. */
  readonly timeoutMs?: number;
  /** Is given the device, to break it. For tests. */
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
  readonly #mapModeRead: number;
  /** (count) next command buffer for a batch of `count`, made ahead after the last one of its size was used. */
  readonly #encoded: (GPUCommandBuffer | null)[];
  /** (count) stamp that #encoded[count] writes into every output slot. */
  readonly #stamps: Float32Array;
  #stampNext = 1;

  /** Dawn's poll, as last passed to setImmediate. */
  #poll: () => void = noop;
  #isPollScheduled = false;
  readonly #takePoll: typeof setImmediate;

  #timeoutNs: number;
  #failure = "";
  #failedCalls = 0;
  #isClosed = false;

  /** Makes, warms and checks an engine. Throws WebGpuError: no adapter, a shader that does not compile, wrong answers. */
  static async create(options: WebGpuEngineOptions): Promise<WebGpuEngine> {
    const { model, batchMax } = options;
    assert(Number.isInteger(batchMax) && batchMax >= 1, `batchMax is a whole number from 1, was ${batchMax}`);
    const opened = await openAdapter(options.adapterName, options.isChecked ? [] : PRODUCTION_FLAGS);
    const device = await requestDevice(opened);
    options.onDevice?.(device);
    try {
      const kernel = KERNELS["forward-pass"];
      const resources = await makeResources(device, options.source ?? kernel.source, model, batchMax);
      const timeoutMs = options.timeoutMs ?? (opened.isSoftware ? ANSWER_TIMEOUT_SOFTWARE_MS : ANSWER_TIMEOUT_MS);
      const engine = new WebGpuEngine(resources, opened.name, model, batchMax);
      engine.#selfTest(model);
      await engine.#warmUp();
      engine.#timeoutNs = timeoutMs * 1e6;
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
    this.#mapModeRead = loadDawn().globals.GPUMapMode.READ;
    this.#encoded = new Array(batchMax + 1).fill(null);
    this.#stamps = new Float32Array(batchMax + 1);
    this.#timeoutNs = FIRST_ANSWER_TIMEOUT_MS * 1e6;
    this.#takePoll = ((poll: () => void) => {
      this.#poll = poll;
      this.#isPollScheduled = true;
    }) as unknown as typeof setImmediate;
    const { device } = resources;
    device.onuncapturederror = (event) => this.#fail(`WebGPU error: ${event.error.message}`);
    device.lost.then((info) => this.#fail(`the GPU device was lost (${info.reason}): ${info.message}`), noop);
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
    assert(count >= 0 && count <= this.batchMax, `count in 0..${this.batchMax}, was ${count}`);
    assert(out.length >= count * OUTPUT_STRIDE, "out holds a slot for each window");
    if (count === 0) return ENGINE_OK;
    if (this.#failure === "") {
      try {
        this.#upload(features, offsets, count);
        this.#run(count, out);
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

  /** Windows that lie one after another, as in the feature store, go up in one piece; others run by run. */
  #upload(features: Float32Array, offsets: Int32Array, count: number): void {
    const { device, windows } = this.#gpu;
    let first = 0;
    for (let i = 1; i <= count; i++) {
      if (i < count && offsets[i]! === offsets[i - 1]! + WINDOW_ELEMS) continue;
      const elems = (i - first) * WINDOW_ELEMS;
      const offset = offsets[first]!;
      assert(offset >= 0 && offset + elems <= features.length, `window ${first} lies inside the features column`);
      device.queue.writeBuffer(windows, first * WINDOW_BYTES, features as Float32Array<ArrayBuffer>, offset, elems);
      first = i;
    }
  }

  #run(count: number, out: Float32Array): void {
    const { device, readback } = this.#gpu;
    const commands = this.#encoded[count] ?? this.#encode(count);
    const stamp = this.#stamps[count]!;
    this.#encoded[count] = null;
    device.queue.submit([commands]);
    if (!this.#map(count * OUTPUT_BYTES)) return;
    this.#copyOut(new Float32Array(readback.getMappedRange(0, count * OUTPUT_BYTES)), stamp, count, out);
    readback.unmap();
    this.#encode(count);
  }

  /** Maps the read-back buffer before it returns. False when the engine failed. */
  #map(bytes: number): boolean {
    const { readback } = this.#gpu;
    const ownSetImmediate = globalThis.setImmediate;
    const deadlineNs = monotonicNs() + this.#timeoutNs;
    globalThis.setImmediate = this.#takePoll;
    try {
      // A rejection shows in mapState as well; its reason comes through device.lost or onuncapturederror.
      readback.mapAsync(this.#mapModeRead, 0, bytes).catch(noop);
      while (readback.mapState === "pending") {
        this.#isPollScheduled = false;
        this.#poll();
        if (readback.mapState !== "pending") break;
        yieldCore();
        if (monotonicNs() > deadlineNs) {
          this.#fail(`no answer from the GPU within ${this.#timeoutNs / 1e6} ms`);
          break;
        }
      }
    } finally {
      globalThis.setImmediate = ownSetImmediate;
      // Something else still waits on Dawn: give its poll back to the event loop.
      if (this.#isPollScheduled) ownSetImmediate(this.#poll);
      this.#isPollScheduled = false;
    }
    if (readback.mapState !== "mapped") this.#fail("the GPU's answer cannot be read");
    return this.#failure === "";
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

  /** Makes the next command buffer for a batch of `count`. Command buffers are for one use. */
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
    const count = Math.min(SELF_TEST_WINDOWS, this.batchMax);
    const { features, offsets } = selfTestWindows(model, this.batchMax, count);
    const expected = new Float32Array(count * OUTPUT_STRIDE);
    const reference = new ReferenceEngine(model);
    reference.predict(features, offsets, count, expected);
    const found = new Float32Array(this.batchMax * OUTPUT_STRIDE);
    for (const size of new Set([1, this.batchMax])) {
      found.fill(Number.NaN);
      if (this.predict(features, offsets, size, found) !== ENGINE_OK) {
        throw new WebGpuError("SELF_TEST_FAILED", `the GPU gives no answer: ${this.#failure}`);
      }
      this.#compare(found, expected, size, count);
    }
  }

  #compare(found: Float32Array, expected: Float32Array, size: number, period: number): void {
    for (let window = 0; window < size; window++) {
      for (let i = 0; i < OUTPUT_STRIDE; i++) {
        const want = expected[(window % period) * OUTPUT_STRIDE + i]!;
        const got = found[window * OUTPUT_STRIDE + i]!;
        if (Math.abs(got - want) <= REFERENCE_TOLERANCE) continue;
        throw new WebGpuError(
          "SELF_TEST_FAILED",
          `${this.info.adapter} computes wrongly: output ${i} of window ${window} in a batch of ${size} is ${got}, ` +
            `the reference says ${want} (tolerance ${REFERENCE_TOLERANCE}); update the GPU's driver or use engine = "wasm"`,
        );
      }
    }
  }

  async #warmUp(): Promise<void> {
    const features = new Float32Array(WINDOW_ELEMS);
    const offsets = new Int32Array(1);
    const out = new Float32Array(OUTPUT_STRIDE);
    for (let i = 0; i < WARM_UP_CALLS; i++) this.predict(features, offsets, 1, out);
    // One turn, so that the finalizers of the warm-up run before the first tick.
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#failure !== "") throw new WebGpuError("DEVICE_FAILED", `the GPU failed at start: ${this.#failure}`);
  }

  #fail(reason: string): void {
    if (this.#failure === "") this.#failure = reason;
  }
}

function noop(): void {}

async function requestDevice({ adapter, name }: OpenedAdapter): Promise<GPUDevice> {
  try {
    return await adapter.requestDevice({ label: "gyr" });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new WebGpuError("DEVICE_FAILED", `the GPU "${name}" gives no device: ${reason}`, { cause: error });
  }
}

async function makeResources(device: GPUDevice, source: string, model: Model, batchMax: number): Promise<Resources> {
  const { GPUBufferUsage: usage } = loadDawn().globals;
  const weights = upload(device, packWeights(model.tensors), usage.STORAGE | usage.COPY_DST);
  const stamps = upload(device, stampSlots(), usage.UNIFORM | usage.COPY_DST);
  const windows = device.createBuffer({ size: batchMax * WINDOW_BYTES, usage: usage.STORAGE | usage.COPY_DST });
  const outputs = device.createBuffer({ size: batchMax * OUTPUT_BYTES, usage: usage.STORAGE | usage.COPY_SRC });
  const readback = device.createBuffer({ size: batchMax * OUTPUT_BYTES, usage: usage.MAP_READ | usage.COPY_DST });

  const layout = bindGroupLayout(device, loadDawn());
  const pipeline = await compile(device, source, layout);
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

function bindGroupLayout(device: GPUDevice, dawn: Dawn): GPUBindGroupLayout {
  const visibility = dawn.globals.GPUShaderStage.COMPUTE;
  return device.createBindGroupLayout({
    entries: [
      { binding: 0, visibility, buffer: { type: "read-only-storage" } },
      { binding: 1, visibility, buffer: { type: "read-only-storage" } },
      { binding: 2, visibility, buffer: { type: "storage" } },
      { binding: 3, visibility, buffer: { type: "uniform", hasDynamicOffset: true } },
    ],
  });
}

/** WebGPU takes a broken shader in silence and then computes nothing, so its compiler is asked. Throws SHADER_INVALID. */
async function compile(device: GPUDevice, source: string, layout: GPUBindGroupLayout): Promise<GPUComputePipeline> {
  const { entryPoint } = KERNELS["forward-pass"];
  device.pushErrorScope("validation");
  const module = device.createShaderModule({ code: source, label: "forward-pass" });
  const { messages } = await module.getCompilationInfo();
  const scopeError = await device.popErrorScope();
  const errors = messages.filter(({ type }) => type === "error");
  if (errors.length > 0 || scopeError !== null) {
    const lines = errors.map(({ lineNum, linePos, message }) => `forward-pass.wgsl:${lineNum}:${linePos}: ${message}`);
    throw new WebGpuError(
      "SHADER_INVALID",
      `forward-pass.wgsl does not compile:\n${lines.join("\n") || scopeError?.message}`,
    );
  }
  try {
    return await device.createComputePipelineAsync({
      label: "forward-pass",
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module, entryPoint },
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new WebGpuError("SHADER_INVALID", `forward-pass.wgsl makes no pipeline: ${reason}`, { cause: error });
  }
}

function upload(device: GPUDevice, data: Float32Array<ArrayBuffer>, usage: number): GPUBuffer {
  const buffer = device.createBuffer({ size: data.byteLength, usage });
  device.queue.writeBuffer(buffer, 0, data);
  return buffer;
}

function stampSlots(): Float32Array<ArrayBuffer> {
  const elems = STAMP_SLOT_BYTES / Float32Array.BYTES_PER_ELEMENT;
  const slots = new Float32Array(STAMP_COUNT * elems);
  for (let stamp = 0; stamp < STAMP_COUNT; stamp++) slots[stamp * elems] = stamp;
  return slots;
}

/** `count` seeded windows around the model's mean, some beyond the clamp; a batch of any size repeats them. */
function selfTestWindows(
  model: Model,
  batchMax: number,
  count: number,
): { features: Float32Array; offsets: Int32Array } {
  const prng = new Prng(SELF_TEST_SEED);
  const { "input.mean": mean, "input.std": std } = model.tensors;
  const features = new Float32Array(count * WINDOW_ELEMS);
  for (let i = 0; i < features.length; i++) {
    const feature = i % FEATURE_COUNT;
    features[i] = mean[feature]! + std[feature]! * prng.nextNormal() * SELF_TEST_DEVIATIONS;
  }
  const offsets = new Int32Array(batchMax);
  for (let i = 0; i < batchMax; i++) offsets[i] = (i % count) * WINDOW_ELEMS;
  return { features, offsets };
}
