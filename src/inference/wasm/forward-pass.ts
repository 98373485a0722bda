// Hot path: no allocation after start.
// The WebAssembly SIMD engine: lays the weights out for src/kernels/forward-pass.ts once, then feeds it one window at a time, or of
// a stock that it follows one row at a time. Raw rows in, outputs out; the kernel standardises and clamps.

import kernelPath from "../../../build/kernels/forward-pass.wasm" with { type: "file" };
import { assert, assertIndex } from "../../core/assert.ts";
import { INSTRUMENT_CAPACITY } from "../../market/instruments.ts";
import { CHANNELS } from "../architecture.ts";
import {
  ENGINE_OK,
  type EngineInfo,
  FEATURE_COUNT,
  type InferenceEngine,
  OUTPUT_STRIDE,
  WINDOW_ELEMS,
  type WorksAhead,
} from "../engine.ts";
import type { Model } from "../model-file.ts";
import { elemOf, layOutWeights } from "./weight-layout.ts";

/** Windows are taken one by one, so any count works; the bound catches a wrong count. */
const BATCH_MAX = 4096;
/** Calls after which JavaScriptCore has compiled the kernel fully; 15 ms at start instead of in the first seconds of trading. */
const WARM_UP_CALLS = 300;

const WASM_PAGE_BYTES = 65_536;
/** Elements of the rows of a window but its newest. */
const KNOWN_ELEMS = WINDOW_ELEMS - FEATURE_COUNT;

interface KernelExports {
  readonly memory: WebAssembly.Memory;
  readonly forward: () => void;
  readonly rebuild: (slot: number) => void;
  readonly push: (slot: number) => void;
  readonly finish: (slot: number) => void;
  readonly copyOutputs: (slot: number, row: number) => void;
  readonly SLOTS: WebAssembly.Global;
  readonly SLOT_BYTES: WebAssembly.Global;
}

export class WasmEngine implements InferenceEngine, WorksAhead {
  readonly info: EngineInfo;
  readonly batchMax = BATCH_MAX;
  readonly preparedCapacity: number;
  readonly #kernel: KernelExports;
  /** The kernel's whole memory as floats; it never grows after the constructor, so the view stays good. */
  readonly #heap: Float32Array;
  /** Where rows go and results come from, elements of #heap. */
  readonly #inputElem: number;
  readonly #outputElem: number;
  readonly #pooledElem: number;
  readonly #outputsElem: number;
  /** (slot) revision of the window that the kernel's state of a slot is of; NaN where it is of none. */
  readonly #revisions: Float64Array;
  /** The column that the revisions are of. */
  #column: Float32Array | null = null;

  /**
   * Compiles the kernel, lays out the weights and warms up.
   *
   * @param slots stocks that can be followed, 65 KB each
   */
  // hot-ok: once, at start
  static async create(model: Model, slots = INSTRUMENT_CAPACITY): Promise<WasmEngine> {
    const { instance } = await WebAssembly.instantiate(await Bun.file(kernelPath).arrayBuffer());
    return new WasmEngine(model, instance, slots);
  }

  private constructor(model: Model, instance: WebAssembly.Instance, slots: number) {
    assert(slots >= 1, "at least one slot, to warm up on");
    const kernel = instance.exports as unknown as KernelExports;
    const bytes = (kernel.SLOTS.value as number) + slots * (kernel.SLOT_BYTES.value as number);
    const { memory } = kernel;
    const missingBytes = bytes - memory.buffer.byteLength;
    if (missingBytes > 0) memory.grow(Math.ceil(missingBytes / WASM_PAGE_BYTES));
    this.info = { engine: "wasm", precision: "fp32", adapter: "", model: model.name, modelSha256: model.weightsSha256 };
    this.preparedCapacity = slots;
    this.#kernel = kernel;
    this.#heap = new Float32Array(memory.buffer);
    this.#inputElem = elemOf(instance, "INPUT");
    this.#outputElem = elemOf(instance, "OUTPUT");
    this.#pooledElem = elemOf(instance, "POOLED");
    this.#outputsElem = elemOf(instance, "OUTPUTS");
    this.#revisions = new Float64Array(slots).fill(Number.NaN);
    layOutWeights(model, this.#heap, instance);
    for (let call = 0; call < WARM_UP_CALLS; call++) {
      // Off the path from tick to order: a third of the calls. A rebuild is 49 times push().
      if (call % 3 === 0) kernel.forward();
      if (call % 16 === 0) kernel.rebuild(0);
      kernel.push(0);
      kernel.finish(0);
    }
  }

  predict(features: Float32Array, offsets: Int32Array, count: number, out: Float32Array): number {
    // Constant messages: a template would be built, and collected, on every call.
    assert(count >= 0 && count <= BATCH_MAX, "windows in 0..batchMax");
    assert(out.length >= count * OUTPUT_STRIDE, "room for all outputs");
    const heap = this.#heap;
    const inputElem = this.#inputElem;
    const outputElem = this.#outputElem;
    for (let window = 0; window < count; window++) {
      const from = offsets[window]!;
      assert(from >= 0 && from + WINDOW_ELEMS <= features.length, "a window lies inside the feature column");
      for (let i = 0; i < WINDOW_ELEMS; i++) heap[inputElem + i] = features[from + i]!;
      this.#kernel.forward();
      const to = window * OUTPUT_STRIDE;
      for (let i = 0; i < OUTPUT_STRIDE; i++) out[to + i] = heap[outputElem + i]!;
    }
    return ENGINE_OK;
  }

  prepare(slot: number, revision: number, features: Float32Array, offset: number): void {
    assertIndex(slot, this.preparedCapacity, "prepared slot");
    assert(offset >= 0 && offset + WINDOW_ELEMS <= features.length, "a window lies inside the feature column");
    this.#follow(slot, revision, features, offset + FEATURE_COUNT);
  }

  predictPrepared(slot: number, revision: number, features: Float32Array, offset: number, out: Float32Array): number {
    assertIndex(slot, this.preparedCapacity, "prepared slot");
    assert(offset >= 0 && offset + WINDOW_ELEMS <= features.length, "a window lies inside the feature column");
    this.#follow(slot, revision - 1, features, offset);
    return this.#finish(slot, features, offset + KNOWN_ELEMS, out);
  }

  predictForming(
    slot: number,
    revision: number,
    features: Float32Array,
    offset: number,
    row: Float32Array,
    rowOffset: number,
    out: Float32Array,
  ): number {
    assertIndex(slot, this.preparedCapacity, "prepared slot");
    assert(offset >= 0 && offset + WINDOW_ELEMS <= features.length, "a window lies inside the feature column");
    assert(rowOffset >= 0 && rowOffset + FEATURE_COUNT <= row.length, "the row lies inside its column");
    this.#follow(slot, revision, features, offset + FEATURE_COUNT);
    return this.#finish(slot, row, rowOffset, out);
  }

  /**
   * Brings the state of a slot to a revision. Nothing is to be done where it is there, one row is added where it is one bar behind;
   * else it is built anew.
   *
   * @param from element of the second row of the window of that revision: 49 rows
   */
  #follow(slot: number, revision: number, features: Float32Array, from: number): void {
    if (features !== this.#column) {
      this.#revisions.fill(Number.NaN);
      this.#column = features;
    }
    const known = this.#revisions[slot]!;
    if (known === revision) return;
    const isNext = known === revision - 1;
    const count = isNext ? FEATURE_COUNT : KNOWN_ELEMS;
    const first = from + KNOWN_ELEMS - count;
    const heap = this.#heap;
    const inputElem = this.#inputElem;
    for (let i = 0; i < count; i++) heap[inputElem + i] = features[first + i]!;
    if (isNext) this.#kernel.push(slot);
    else this.#kernel.rebuild(slot);
    this.#revisions[slot] = revision;
  }

  #finish(slot: number, row: Float32Array, rowOffset: number, out: Float32Array): number {
    assert(out.length >= OUTPUT_STRIDE, "room for the outputs");
    const heap = this.#heap;
    const inputElem = this.#inputElem;
    const outputElem = this.#outputElem;
    for (let i = 0; i < FEATURE_COUNT; i++) heap[inputElem + i] = row[rowOffset + i]!;
    this.#kernel.finish(slot);
    for (let i = 0; i < OUTPUT_STRIDE; i++) out[i] = heap[outputElem + i]!;
    return ENGINE_OK;
  }

  /** For tests: the 128 outputs of the convolutions at `row`, 0..49, of the window that was last predicted, which was of `slot`. */
  copyOutputs(slot: number, row: number, out: Float32Array): void {
    this.#kernel.copyOutputs(slot, row);
    for (let i = 0; i < CHANNELS; i++) out[i] = this.#heap[this.#outputsElem + i]!;
  }

  /** For tests: 128 maxima and 128 averages of the window that was last predicted. */
  copyPooled(out: Float32Array): void {
    for (let i = 0; i < 2 * CHANNELS; i++) out[i] = this.#heap[this.#pooledElem + i]!;
  }

  close(): void {}
}
