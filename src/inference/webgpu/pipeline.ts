// Bars in, predictions out, on the GPU: features and forward pass in one upload, one command buffer and one read-back. The bars
// of every stock stay in a ring on the GPU; what goes up for a stock is its newest bar with the recursive state before it, 80
// bytes in place of a window's 2,400.
// Hot path: `pushBar`, `replaceBar`, `run`. What a run allocates is WebGPU's own, see round-trip.ts; the caller returns to the
// event loop at least every TURN_CALLS_MAX runs, as with forward-pass.ts.

import { assert, assertIndex } from "../../core/assert.ts";
import { Prng } from "../../core/prng.ts";
import {
  ENGINE_OK,
  type EngineInfo,
  FEATURE_COUNT,
  OUTPUT_STRIDE,
  type Precision,
  WINDOW_BARS,
  WINDOW_ELEMS,
} from "../engine.ts";
import type { Model } from "../model-file.ts";
import { openAdapter } from "./adapters.ts";
import { BarRecords, ENTRY_ELEMS, ENTRY_HEAD_ELEMS, RECORD_ELEMS, RING_BARS } from "./bar-records.ts";
import { loadDawn } from "./dawn.ts";
import { openDevice } from "./device.ts";
import { FEATURE_TOLERANCES } from "./feature-tolerances.ts";
import { makeEmptyStage } from "./floor.ts";
import {
  ANSWER_TIMEOUT_MS,
  ANSWER_TIMEOUT_SOFTWARE_MS,
  FIRST_ANSWER_TIMEOUT_MS,
  WARM_UP_CALLS,
} from "./forward-pass.ts";
import {
  instanceFlags,
  makeForwardStage,
  REFERENCE_TOLERANCES,
  REQUIRED_FEATURES,
  referenceOf,
} from "./forward-stage.ts";
import { KERNELS } from "./kernels.ts";
import { type GpuBufferEntry, GpuResources, type GpuSpan, readBytes } from "./resources.ts";
import { makeAnswerBuffers, RoundTrip, type Stage } from "./round-trip.ts";
import { WebGpuError } from "./webgpu-error.ts";

const RING_MASK = RING_BARS - 1;
const RECORD_BYTES = RECORD_ELEMS * Float32Array.BYTES_PER_ELEMENT;
const ENTRY_BYTES = ENTRY_ELEMS * Float32Array.BYTES_PER_ELEMENT;
const WINDOW_BYTES = WINDOW_ELEMS * Float32Array.BYTES_PER_ELEMENT;
/** `runAsync` spins this long before it gives the event loop its turns. */
const SPIN_MS = 0.5;

/** A bar as the reference of the features takes it: src/features/reference.ts. */
export interface ReferenceBar {
  readonly openPx: number;
  readonly highPx: number;
  readonly lowPx: number;
  readonly closePx: number;
  readonly volume: number;
  readonly turnoverUsd: number;
  readonly startUs: number;
  readonly dayNumber: number;
}

export interface WebGpuPipelineOptions {
  readonly model: Model;
  /** Part of the adapter's name; "" takes the fastest GPU and refuses a software adapter. */
  readonly adapterName: string;
  /** Stocks, and the most that one run takes. */
  readonly capacity: number;
  /** fp32 where it is not given. */
  readonly precision?: Precision;
  /** [bars] include_overnight_return */
  readonly includeOvernightReturn?: boolean;
  /** The features in float64, `featureRows` of src/features/reference.ts, which the self-test holds the kernel to. */
  readonly featureRows: (bars: readonly ReferenceBar[], includeOvernightReturn: boolean) => number[][];
  /** Take timestamps around the stages where the adapter can; they cost a pass each. For benches. */
  readonly isTimed?: boolean;
  /** Answers are empty slots: features alone, for benches. */
  readonly isForwardLeftOut?: boolean;

  // For tests:
  readonly isChecked?: boolean;
  readonly isGuarded?: boolean;
  /** WGSL to run in place of shaders/features.wgsl. */
  readonly featureSource?: string;
  readonly timeoutMs?: number;
  readonly onDevice?: (device: GPUDevice) => void;
}

interface Timer {
  readonly querySet: GPUQuerySet;
  readonly resolved: GpuSpan;
}

interface Parts {
  readonly resources: GpuResources;
  readonly ring: GpuSpan;
  readonly inbox: GpuSpan;
  readonly windows: GpuSpan;
  readonly stages: readonly Stage[];
  readonly trip: RoundTrip;
  readonly timer: Timer | null;
}

export class WebGpuPipeline {
  readonly info: EngineInfo;
  readonly capacity: number;
  readonly resources: GpuResources;
  readonly #parts: Parts;
  readonly #records: BarRecords;
  /** (stock) 1 where the newest bar is in the ring on the GPU. */
  readonly #isDelivered: Uint8Array;
  /** (count, ENTRY_ELEMS) the inbox on its way up. */
  readonly #staging: Float32Array<ArrayBuffer>;
  #isClosed = false;

  /** Makes, checks and warms a pipeline. Throws WebGpuError: no adapter, a shader that does not compile, wrong answers. */
  static async create(options: WebGpuPipelineOptions): Promise<WebGpuPipeline> {
    const { model, capacity, precision = "fp32" } = options;
    assert(Number.isInteger(capacity) && capacity >= 1, `capacity is a whole number from 1, was ${capacity}`);
    const flags = instanceFlags(precision, options.isChecked ?? false);
    if (options.isTimed) flags.push("disable-dawn-features=timestamp_quantization");
    const opened = await openAdapter(options.adapterName, flags);
    const isTimed = (options.isTimed ?? false) && opened.adapter.features.has("timestamp-query");
    const device = await openDevice(opened, [
      ...REQUIRED_FEATURES[precision],
      ...(isTimed ? (["timestamp-query"] as const) : []),
    ]);
    options.onDevice?.(device);
    try {
      const parts = await makeParts(device, options, precision, isTimed);
      const info = { engine: "webgpu", precision, adapter: opened.name, model: model.name } as const;
      const pipeline = new WebGpuPipeline(parts, { ...info, modelSha256: model.weightsSha256 }, options);
      await pipeline.#selfTest(options);
      await pipeline.#warmUp();
      const timeoutMs = opened.isSoftware ? ANSWER_TIMEOUT_SOFTWARE_MS : ANSWER_TIMEOUT_MS;
      parts.trip.timeoutNs = (options.timeoutMs ?? timeoutMs) * 1e6;
      return pipeline;
    } catch (error) {
      device.destroy();
      throw error;
    }
  }

  private constructor(parts: Parts, info: EngineInfo, options: WebGpuPipelineOptions) {
    this.#parts = parts;
    this.resources = parts.resources;
    this.info = info;
    this.capacity = options.capacity;
    this.#records = new BarRecords(options.capacity, options.includeOvernightReturn ?? false);
    this.#isDelivered = new Uint8Array(options.capacity);
    this.#staging = new Float32Array(options.capacity * ENTRY_ELEMS);
  }

  /** Why there are no more answers; "" while there are. */
  get failure(): string {
    return this.#parts.trip.failure;
  }

  /** Runs that were answered with ENGINE_FAILED. */
  get failedCalls(): number {
    return this.#parts.trip.failedCalls;
  }

  /** What it holds on the GPU, in bytes, for `gyr doctor`. */
  get buffers(): readonly GpuBufferEntry[] {
    return this.resources.table();
  }

  /**
   * The next bar of a stock: BarRecords.push says what it may be. It goes up with the next run of the stock; where none came since
   * the bar before, as in the warm-up, that one goes up now, by itself.
   */
  pushBar(
    slot: number,
    highPx: number,
    lowPx: number,
    closePx: number,
    volume: number,
    turnoverUsd: number,
    dayNumber: number,
  ): void {
    const bars = this.#records.barCount(slot);
    if (bars > 0 && this.#isDelivered[slot] === 0) this.#deliver(slot, bars - 1);
    this.#records.push(slot, highPx, lowPx, closePx, volume, turnoverUsd, dayNumber);
    this.#isDelivered[slot] = 0;
  }

  /** The newest bar of a stock as it is now: a tick inside the bar. Its row changes with the next run, and no other. */
  replaceBar(
    slot: number,
    highPx: number,
    lowPx: number,
    closePx: number,
    volume: number,
    turnoverUsd: number,
    dayNumber: number,
  ): void {
    this.#records.replace(slot, highPx, lowPx, closePx, volume, turnoverUsd, dayNumber);
    this.#isDelivered[slot] = 0;
  }

  /** Forgets a stock: as if no bar had come. */
  reset(slot: number): void {
    this.#records.reset(slot);
    this.#isDelivered[slot] = 0;
  }

  /** Bars of a stock so far. */
  barCount(slot: number): number {
    return this.#records.barCount(slot);
  }

  /**
   * Features and forward pass of `count` stocks.
   *
   * @param slots (count) stocks, each at most once and with a bar at least
   * @param out   (count, OUTPUT_STRIDE) outputs, in the order of `slots`
   * @returns ENGINE_OK, or ENGINE_FAILED and then `out` is not to be used
   */
  run(slots: Int32Array, count: number, out: Float32Array): number {
    if (count === 0) return ENGINE_OK;
    return this.#upload(slots, count, out) ? this.#parts.trip.run(count, out) : this.#parts.trip.refuse();
  }

  /** As `run`, but waits on the event loop where the GPU takes long; until the answer is there other runs are refused. */
  runAsync(slots: Int32Array, count: number, out: Float32Array): Promise<number> {
    if (count === 0) return Promise.resolve(ENGINE_OK);
    const { trip } = this.#parts;
    if (!this.#upload(slots, count, out)) return Promise.resolve(trip.refuse());
    return trip.runAsync(count, out, SPIN_MS * 1e6);
  }

  /** Gives the device back. Later runs fail. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#parts.trip.fail("the pipeline is closed");
    this.resources.device.destroy();
  }

  /** (count, 50, 12) the raw windows that the last run made. Tests and benches. */
  async readWindows(count: number): Promise<Float32Array<ArrayBuffer>> {
    const { buffer, offset } = this.#parts.windows;
    return new Float32Array(await readBytes(this.resources.device, buffer, offset, count * WINDOW_BYTES));
  }

  /** Time of each stage of the last run on the GPU, ns; null where the adapter takes no timestamps. Benches. */
  async stageNs(): Promise<Record<string, number> | null> {
    const { timer, stages, resources } = this.#parts;
    if (timer === null) return null;
    const encoder = resources.device.createCommandEncoder();
    encoder.resolveQuerySet(timer.querySet, 0, 2 * stages.length, timer.resolved.buffer, timer.resolved.offset);
    resources.device.queue.submit([encoder.finish()]);
    const { buffer, offset, bytes } = timer.resolved;
    const times = new BigUint64Array(await readBytes(resources.device, buffer, offset, bytes));
    return Object.fromEntries(stages.map(({ name }, i) => [name, Number(times[2 * i + 1]! - times[2 * i]!)]));
  }

  #upload(slots: Int32Array, count: number, out: Float32Array): boolean {
    assert(count > 0 && count <= this.capacity, "a run takes 0 to capacity stocks");
    assert(out.length >= count * OUTPUT_STRIDE, "out holds a slot for each stock");
    const { trip, inbox } = this.#parts;
    if (trip.failure !== "" || trip.isBusy) return false;
    const staging = this.#staging;
    const { entries } = this.#records;
    for (let i = 0; i < count; i++) {
      const slot = slots[i]!;
      assertIndex(slot, this.capacity, "stock slot");
      assert(this.#records.barCount(slot) > 0, "a stock of a run has a bar");
      const from = slot * ENTRY_ELEMS;
      const to = i * ENTRY_ELEMS;
      for (let elem = 0; elem < ENTRY_ELEMS; elem++) staging[to + elem] = entries[from + elem]!;
      this.#isDelivered[slot] = 1;
    }
    return this.#write(inbox.buffer, inbox.offset, staging, 0, count * ENTRY_ELEMS);
  }

  /** Puts the newest bar of a stock, bar number `bar`, into the ring. */
  #deliver(slot: number, bar: number): void {
    const { ring } = this.#parts;
    const at = ring.offset + (slot * RING_BARS + (bar & RING_MASK)) * RECORD_BYTES;
    this.#write(ring.buffer, at, this.#records.entries, slot * ENTRY_ELEMS + ENTRY_HEAD_ELEMS, RECORD_ELEMS);
  }

  #write(buffer: GPUBuffer, at: number, from: Float32Array<ArrayBuffer>, first: number, elems: number): boolean {
    try {
      this.resources.device.queue.writeBuffer(buffer, at, from, first, elems);
      return true;
    } catch (error) {
      this.#parts.trip.fail(error instanceof Error ? error.message : String(error));
      return false;
    }
  }

  /** Seeded bars: every feature against its reference, and the answers against the forward pass of the windows read back. */
  async #selfTest(options: WebGpuPipelineOptions): Promise<void> {
    const { model, featureRows, includeOvernightReturn = false } = options;
    const count = Math.min(SELF_TEST_STOCKS, this.capacity);
    const slots = Int32Array.from({ length: count }, (_, slot) => slot);
    const days = Array.from(slots, (slot) => selfTestBars(slot));
    for (const [slot, bars] of days.entries()) for (const bar of bars) this.#push(slot, bar);
    const out = new Float32Array(count * OUTPUT_STRIDE);
    if (this.run(slots, count, out) !== ENGINE_OK) throw this.#selfTestError(`gives no answer: ${this.failure}`);
    const windows = await this.readWindows(count);
    for (const [slot, bars] of days.entries()) {
      const rows = featureRows(bars, includeOvernightReturn).slice(-WINDOW_BARS).flat();
      for (let i = 0; i < WINDOW_ELEMS; i++) {
        const [found, want] = [windows[slot * WINDOW_ELEMS + i]!, rows[i]!];
        if (Math.abs(found - want) <= FEATURE_TOLERANCES[i % FEATURE_COUNT]!) continue;
        const where = `feature ${i % FEATURE_COUNT} of row ${Math.floor(i / FEATURE_COUNT)}`;
        throw this.#selfTestError(`computes wrongly: ${where} is ${found}, the reference says ${want}`);
      }
    }
    if (options.isForwardLeftOut) return;
    const expected = new Float32Array(count * OUTPUT_STRIDE);
    const offsets = slots.map((slot) => slot * WINDOW_ELEMS);
    referenceOf(model, this.info.precision).predict(windows, offsets, count, expected);
    const wrong = expected.findIndex(
      (want, i) => !(Math.abs(out[i]! - want) <= REFERENCE_TOLERANCES[this.info.precision]),
    );
    if (wrong >= 0)
      throw this.#selfTestError(
        `computes wrongly: output ${wrong} is ${out[wrong]}, the reference says ${expected[wrong]}`,
      );
  }

  #selfTestError(what: string): WebGpuError {
    return new WebGpuError(
      "SELF_TEST_FAILED",
      `the GPU "${this.info.adapter}" ${what}`,
      'update its driver, or use engine = "wasm" in [inference]',
    );
  }

  #push(slot: number, bar: ReferenceBar): void {
    this.pushBar(slot, bar.highPx, bar.lowPx, bar.closePx, bar.volume, bar.turnoverUsd, bar.dayNumber);
  }

  async #warmUp(): Promise<void> {
    const out = new Float32Array(OUTPUT_STRIDE);
    for (let i = 0; i < WARM_UP_CALLS; i++) this.run(new Int32Array(1), 1, out);
    for (let slot = 0; slot < Math.min(SELF_TEST_STOCKS, this.capacity); slot++) this.reset(slot);
    // One turn of the event loop, so that what the warm-up left behind is freed before the first tick.
    await new Promise((resolve) => setImmediate(resolve));
    if (this.failure !== "") throw this.#selfTestError(`fails at start: ${this.failure}`);
  }
}

async function makeParts(
  device: GPUDevice,
  options: WebGpuPipelineOptions,
  precision: Precision,
  isTimed: boolean,
): Promise<Parts> {
  const { capacity, model, featureSource } = options;
  const resources = new GpuResources(device, options.isGuarded ?? false);
  const { GPUBufferUsage: usage } = loadDawn().globals;
  const ring = resources.buffer("bars", capacity * RING_BARS * RECORD_BYTES, usage.STORAGE | usage.COPY_DST);
  const inbox = resources.buffer("inbox", capacity * ENTRY_BYTES, usage.STORAGE | usage.COPY_DST);
  const windows = resources.buffer("windows", capacity * WINDOW_BYTES, usage.STORAGE | usage.COPY_SRC);
  const answers = makeAnswerBuffers(resources, capacity);
  const layout = resources.layout(["read", "write", "write"]);
  const kernel = { ...KERNELS.features, source: featureSource ?? KERNELS.features.source };
  const features = {
    name: "features",
    pipeline: await resources.pipeline("features", kernel, layout),
    bindGroup: resources.bindGroup(layout, [inbox, ring, windows]),
    hasStamp: false,
  };
  const last = options.isForwardLeftOut
    ? await makeEmptyStage(resources, answers)
    : await makeForwardStage(resources, model, precision, windows, answers);
  const stages = [features, last];
  const timer = isTimed ? makeTimer(resources, 2 * stages.length) : null;
  resources.freeze();
  const trip = new RoundTrip(device, stages, answers, capacity, FIRST_ANSWER_TIMEOUT_MS * 1e6, timer);
  return { resources, ring, inbox, windows, stages, trip, timer };
}

function makeTimer(resources: GpuResources, count: number): Timer {
  const { QUERY_RESOLVE, COPY_SRC } = loadDawn().globals.GPUBufferUsage;
  const querySet = resources.device.createQuerySet({ type: "timestamp", count });
  const resolved = resources.buffer("timestamps", count * BigUint64Array.BYTES_PER_ELEMENT, QUERY_RESOLVE | COPY_SRC);
  return { querySet, resolved };
}

const SELF_TEST_SEED = 20_191_218;
const SELF_TEST_STOCKS = 4;
/** More than the ring holds, so that it wraps. */
const SELF_TEST_BARS = RING_BARS + 21;
/** Bars of a day in the self-test: two nights lie in the last window. */
const SELF_TEST_DAY_BARS = 20;

/** A seeded walk of a stock. */
function selfTestBars(slot: number): ReferenceBar[] {
  const prng = new Prng(SELF_TEST_SEED + slot);
  let closePx = 20 + 90 * slot;
  return Array.from({ length: SELF_TEST_BARS }, (_, bar) => {
    const openPx = closePx;
    closePx *= Math.exp(0.001 * prng.nextNormal());
    const highPx = Math.max(openPx, closePx) * (1 + 0.001 * prng.next());
    const lowPx = Math.min(openPx, closePx) * (1 - 0.001 * prng.next());
    const volume = prng.nextInt(100_000);
    const turnoverUsd = ((openPx + closePx) / 2) * volume;
    const dayNumber = Math.floor(bar / SELF_TEST_DAY_BARS);
    return { openPx, highPx, lowPx, closePx, volume, turnoverUsd, startUs: bar * 60_000_000, dayNumber };
  });
}
