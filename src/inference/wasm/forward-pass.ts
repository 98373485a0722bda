// Hot path: no allocation after start.
// The WebAssembly SIMD engine: lays the weights out for src/kernels/forward-pass.ts once, then feeds it one window at a time.
// Raw windows in, outputs out; the kernel standardises and clamps.

import kernelPath from "../../../build/kernels/forward-pass.wasm" with { type: "file" };
import { assert, assertIndex } from "../../core/assert.ts";
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

interface KernelExports {
  readonly memory: WebAssembly.Memory;
  readonly forward: () => void;
  readonly prepare: (slot: number) => void;
  readonly forwardPrepared: (slot: number) => void;
  readonly PREPARED_CAPACITY: WebAssembly.Global;
  readonly PREPARED_BYTES: WebAssembly.Global;
}

export class WasmEngine implements InferenceEngine, WorksAhead {
  readonly info: EngineInfo;
  readonly batchMax = BATCH_MAX;
  readonly preparedCapacity: number;
  readonly #forward: () => void;
  readonly #prepare: (slot: number) => void;
  readonly #forwardPrepared: (slot: number) => void;
  /** The kernel's whole memory as floats; it never grows, so the view stays good. */
  readonly #heap: Float32Array;
  /** Where a window goes and outputs come from, elements of #heap. */
  readonly #inputElem: number;
  readonly #outputElem: number;

  /** Compiles the kernel, lays out the weights and warms up. */
  // hot-ok: once, at start
  static async create(model: Model): Promise<WasmEngine> {
    const { instance } = await WebAssembly.instantiate(await Bun.file(kernelPath).arrayBuffer());
    return new WasmEngine(model, instance);
  }

  private constructor(model: Model, instance: WebAssembly.Instance) {
    const kernel = instance.exports as unknown as KernelExports;
    this.info = { engine: "wasm", precision: "fp32", adapter: "", model: model.name, modelSha256: model.weightsSha256 };
    this.preparedCapacity = kernel.PREPARED_CAPACITY.value as number;
    this.#forward = kernel.forward;
    this.#prepare = kernel.prepare;
    this.#forwardPrepared = kernel.forwardPrepared;
    this.#heap = new Float32Array(kernel.memory.buffer);
    this.#inputElem = elemOf(instance, "INPUT");
    this.#outputElem = elemOf(instance, "OUTPUT");
    layOutWeights(model, this.#heap, instance);
    const preparedWords = (this.preparedCapacity * (kernel.PREPARED_BYTES.value as number)) / 4;
    const preparedWord = elemOf(instance, "PREPARED");
    // All bits set is a NaN that no computation makes: nothing is prepared.
    new Uint32Array(kernel.memory.buffer).fill(0xffffffff, preparedWord, preparedWord + preparedWords);
    for (let call = 0; call < WARM_UP_CALLS; call++) {
      this.#forward();
      this.#prepare(0);
      // Zeros and what they prepared fit together.
      this.#forwardPrepared(0);
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
      this.#forward();
      const to = window * OUTPUT_STRIDE;
      for (let i = 0; i < OUTPUT_STRIDE; i++) out[to + i] = heap[outputElem + i]!;
    }
    return ENGINE_OK;
  }

  prepare(slot: number, features: Float32Array, offset: number): void {
    assertIndex(slot, this.preparedCapacity, "prepared slot");
    const count = WINDOW_ELEMS - FEATURE_COUNT;
    assert(offset >= 0 && offset + count <= features.length, "the known rows lie inside the feature column");
    const heap = this.#heap;
    const inputElem = this.#inputElem;
    for (let i = 0; i < count; i++) heap[inputElem + i] = features[offset + i]!;
    this.#prepare(slot);
  }

  predictPrepared(slot: number, features: Float32Array, offset: number, out: Float32Array): number {
    assertIndex(slot, this.preparedCapacity, "prepared slot");
    assert(out.length >= OUTPUT_STRIDE, "room for the outputs");
    assert(offset >= 0 && offset + WINDOW_ELEMS <= features.length, "a window lies inside the feature column");
    const heap = this.#heap;
    const inputElem = this.#inputElem;
    const outputElem = this.#outputElem;
    for (let i = 0; i < WINDOW_ELEMS; i++) heap[inputElem + i] = features[offset + i]!;
    this.#forwardPrepared(slot);
    for (let i = 0; i < OUTPUT_STRIDE; i++) out[i] = heap[outputElem + i]!;
    return ENGINE_OK;
  }

  close(): void {}
}
