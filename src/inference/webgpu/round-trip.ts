// One trip to the GPU and back: submit a command buffer made ahead, wait for its answer, check it, make the next one.
// Hot path: `run`. What a call allocates is WebGPU's own: a command buffer with its encoder and pass, a mapped range and
// what synchronous-map.ts lists. Used by every engine of this folder; the caller uploads before.
//
// An answer is a slot of 8 floats for each window. WebGPU is silent where a call is wrong and leaves what the buffer held, so each
// command buffer has a number, the stamp, which the last kernel writes into every slot beside a sentinel of 1, or 0 for a
// window with a NaN. A slot with another stamp fails the trip for good; so do a lost device, an error and a wait that is too long.

import { monotonicNs } from "../../core/clock.ts";
import { ENGINE_FAILED, ENGINE_OK, OUTPUT_MOMENTUM, OUTPUT_SENTINEL, OUTPUT_STRIDE } from "../engine.ts";
import { loadDawn } from "./dawn.ts";
import type { GpuResources, GpuSpan } from "./resources.ts";
import { MAP_DONE, MAP_TIMED_OUT, SynchronousMap } from "./synchronous-map.ts";

export const OUTPUT_BYTES = OUTPUT_STRIDE * Float32Array.BYTES_PER_ELEMENT;

/** Stamps in use; each stands in a slot of 256 bytes, WebGPU's smallest alignment of a dynamic offset. */
export const STAMP_COUNT = 256;
export const STAMP_SLOT_BYTES = 256;
const OUTPUT_STAMP = 6;

/** One dispatch of a workgroup for each window. */
export interface Stage {
  readonly name: string;
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  /** Its last binding is the stamp. */
  readonly hasStamp: boolean;
}

/** Where answers are written, and where they are read. */
export interface AnswerBuffers {
  readonly outputs: GpuSpan;
  readonly readback: GpuSpan;
  /** To bind: one stamp, at the dynamic offset. */
  readonly stamp: GpuSpan;
}

export function makeAnswerBuffers(resources: GpuResources, batchMax: number): AnswerBuffers {
  const { GPUBufferUsage: usage } = loadDawn().globals;
  const stride = STAMP_SLOT_BYTES / Float32Array.BYTES_PER_ELEMENT;
  const slots = new Float32Array(STAMP_COUNT * stride);
  for (let stamp = 0; stamp < STAMP_COUNT; stamp++) slots[stamp * stride] = stamp;
  const stamps = resources.upload("stamps", slots, usage.UNIFORM);
  return {
    outputs: resources.buffer("outputs", batchMax * OUTPUT_BYTES, usage.STORAGE | usage.COPY_SRC),
    readback: resources.buffer("readback", batchMax * OUTPUT_BYTES, usage.MAP_READ | usage.COPY_DST),
    stamp: { ...stamps, bytes: Float32Array.BYTES_PER_ELEMENT },
  };
}

/** Timestamps around the stages, for benches: query 2n before stage n and 2n + 1 after it. */
export interface StageTimer {
  readonly querySet: GPUQuerySet;
}

export class RoundTrip {
  /** Longest wait for an answer. */
  timeoutNs: number;
  readonly #device: GPUDevice;
  readonly #stages: readonly Stage[];
  readonly #answers: AnswerBuffers;
  readonly #timer: StageTimer | null;
  readonly #mapper: SynchronousMap;
  /** (count) next command buffer for a batch of `count`, made ahead when the last one of its size had been used. */
  readonly #encoded: (GPUCommandBuffer | null)[];
  /** (count) stamp that #encoded[count] writes into every slot. */
  readonly #stamps: Float32Array;
  #stampNext = 1;
  #failure = "";
  #failedCalls = 0;
  /** An awaited answer is on its way, and the read-back buffer with it. */
  #isAwaiting = false;

  constructor(
    device: GPUDevice,
    stages: readonly Stage[],
    answers: AnswerBuffers,
    batchMax: number,
    timeoutNs: number,
    timer: StageTimer | null = null,
  ) {
    this.#device = device;
    this.#stages = stages;
    this.#answers = answers;
    this.#timer = timer;
    this.timeoutNs = timeoutNs;
    this.#mapper = new SynchronousMap(loadDawn().globals.GPUMapMode.READ);
    this.#encoded = new Array(batchMax + 1).fill(null);
    this.#stamps = new Float32Array(batchMax + 1);
    device.onuncapturederror = (event) => this.fail(`WebGPU error: ${event.error.message}`);
    device.lost.then((info) => this.fail(`the GPU device was lost (${info.reason}): ${info.message}`));
    this.#encode(1);
    if (batchMax > 1) this.#encode(batchMax);
  }

  /** Why there are no more answers; "" while there are. */
  get failure(): string {
    return this.#failure;
  }

  /** Calls that were answered with ENGINE_FAILED. */
  get failedCalls(): number {
    return this.#failedCalls;
  }

  /** An answer is awaited; another call is refused until it is there. */
  get isBusy(): boolean {
    return this.#isAwaiting;
  }

  /** Every later call is refused. */
  fail(reason: string): void {
    if (this.#failure === "") this.#failure = reason;
  }

  /** A call that is not made: counted as failed. */
  refuse(): number {
    this.#failedCalls++;
    return ENGINE_FAILED;
  }

  /** Answers of `count` windows into `out`, before it returns; ENGINE_FAILED where there is none within `timeoutNs`. */
  run(count: number, out: Float32Array): number {
    if (this.#failure !== "" || this.#isAwaiting) return this.refuse();
    try {
      const stamp = this.#submit(count);
      const mapped = this.#mapper.map(this.#answers.readback.buffer, count * OUTPUT_BYTES, this.timeoutNs);
      if (mapped === MAP_DONE) this.#takeAnswer(stamp, count, out);
      else this.#failMap(mapped);
    } catch (error) {
      this.fail(messageOf(error));
    }
    return this.#failure === "" ? ENGINE_OK : this.refuse();
  }

  /**
   * As `run`, but spins for `spinNs` only and then gives the event loop its turns until the answer is there or `timeoutNs` have
   * passed. One at a time: until it is answered every other call is refused.
   */
  async runAsync(count: number, out: Float32Array, spinNs: number): Promise<number> {
    if (this.#failure !== "" || this.#isAwaiting) return this.refuse();
    this.#isAwaiting = true;
    try {
      const { buffer } = this.#answers.readback;
      const endNs = monotonicNs() + this.timeoutNs;
      const stamp = this.#submit(count);
      let mapped = this.#mapper.map(buffer, count * OUTPUT_BYTES, Math.min(spinNs, this.timeoutNs));
      // The promise is Dawn's and cannot be raced without a timer; turns of the loop are what its polls need anyway.
      while (mapped === MAP_TIMED_OUT && monotonicNs() < endNs && this.#failure === "") {
        await new Promise((resolve) => setImmediate(resolve));
        if (buffer.mapState === "mapped") mapped = MAP_DONE;
        else if (buffer.mapState !== "pending") break;
      }
      if (mapped === MAP_DONE) this.#takeAnswer(stamp, count, out);
      else this.#failMap(mapped);
    } catch (error) {
      this.fail(messageOf(error));
    } finally {
      this.#isAwaiting = false;
    }
    return this.#failure === "" ? ENGINE_OK : this.refuse();
  }

  #submit(count: number): number {
    const commands = this.#encoded[count] ?? this.#encode(count);
    const stamp = this.#stamps[count]!;
    this.#encoded[count] = null;
    this.#device.queue.submit([commands]);
    return stamp;
  }

  #failMap(mapped: number): void {
    const isLate = mapped === MAP_TIMED_OUT;
    this.fail(isLate ? `no answer from the GPU within ${this.timeoutNs / 1e6} ms` : "the GPU's answer cannot be read");
  }

  #takeAnswer(stamp: number, count: number, out: Float32Array): void {
    const { buffer } = this.#answers.readback;
    this.#copyOut(new Float32Array(buffer.getMappedRange(0, count * OUTPUT_BYTES)), stamp, count, out);
    buffer.unmap();
    this.#encode(count);
  }

  /** A missing stamp is a failure; a NaN in a window gives that window NaN outputs and sentinel 0, as everywhere. */
  #copyOut(mapped: Float32Array, stamp: number, count: number, out: Float32Array): void {
    for (let slot = 0; slot < count * OUTPUT_STRIDE; slot += OUTPUT_STRIDE) {
      const sentinel = mapped[slot + OUTPUT_SENTINEL]!;
      if (mapped[slot + OUTPUT_STAMP] !== stamp || (sentinel !== 0 && sentinel !== 1)) {
        this.fail("the GPU did not write its answer");
        return;
      }
      for (let i = 0; i <= OUTPUT_MOMENTUM; i++) out[slot + i] = sentinel === 1 ? mapped[slot + i]! : Number.NaN;
      for (let i = OUTPUT_MOMENTUM + 1; i < OUTPUT_SENTINEL; i++) out[slot + i] = 0;
      out[slot + OUTPUT_SENTINEL] = sentinel;
    }
  }

  /** Makes the next command buffer for a batch of `count`. A command buffer is for one use. */
  #encode(count: number): GPUCommandBuffer {
    const stamp = this.#stampNext;
    this.#stampNext = (stamp + 1) % STAMP_COUNT;
    const encoder = this.#device.createCommandEncoder();
    if (this.#timer === null) {
      const pass = encoder.beginComputePass();
      for (let i = 0; i < this.#stages.length; i++) dispatch(pass, this.#stages[i]!, count, stamp);
      pass.end();
    } else {
      for (let i = 0; i < this.#stages.length; i++) {
        const pass = encoder.beginComputePass({ timestampWrites: timestampsOf(this.#timer.querySet, i) });
        dispatch(pass, this.#stages[i]!, count, stamp);
        pass.end();
      }
    }
    const { outputs, readback } = this.#answers;
    encoder.copyBufferToBuffer(outputs.buffer, outputs.offset, readback.buffer, 0, count * OUTPUT_BYTES);
    const commands = encoder.finish();
    this.#encoded[count] = commands;
    this.#stamps[count] = stamp;
    return commands;
  }
}

function dispatch(pass: GPUComputePassEncoder, stage: Stage, count: number, stamp: number): void {
  pass.setPipeline(stage.pipeline);
  if (stage.hasStamp) pass.setBindGroup(0, stage.bindGroup, [stamp * STAMP_SLOT_BYTES]);
  else pass.setBindGroup(0, stage.bindGroup);
  pass.dispatchWorkgroups(count);
}

function timestampsOf(querySet: GPUQuerySet, stage: number): GPUComputePassTimestampWrites {
  return { querySet, beginningOfPassWriteIndex: 2 * stage, endOfPassWriteIndex: 2 * stage + 1 };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
