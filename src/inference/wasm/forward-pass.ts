// Hot path: no allocation after start.
// The WebAssembly SIMD engine: lays the weights out for src/kernels/forward-pass.ts once, then feeds it one window at a time.
// Raw windows in, outputs out; the kernel standardises and clamps.

import kernelPath from "../../../build/kernels/forward-pass.wasm" with { type: "file" };
import { assert } from "../../core/assert.ts";
import { ENGINE_OK, type EngineInfo, type InferenceEngine, OUTPUT_STRIDE, WINDOW_ELEMS } from "../engine.ts";
import type { Model } from "../model-file.ts";
import { elemOf, layOutWeights } from "./weight-layout.ts";

/** Windows are taken one by one, so any count works; the bound catches a wrong count. */
const BATCH_MAX = 4096;
/** Calls after which JavaScriptCore has compiled the kernel fully; 15 ms at start instead of in the first seconds of trading. */
const WARM_UP_CALLS = 300;

interface KernelExports {
  readonly memory: WebAssembly.Memory;
  readonly forward: () => void;
}

export class WasmEngine implements InferenceEngine {
  readonly info: EngineInfo;
  readonly batchMax = BATCH_MAX;
  readonly #forward: () => void;
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
    this.#forward = kernel.forward;
    this.#heap = new Float32Array(kernel.memory.buffer);
    this.#inputElem = elemOf(instance, "INPUT");
    this.#outputElem = elemOf(instance, "OUTPUT");
    layOutWeights(model, this.#heap, instance);
    for (let call = 0; call < WARM_UP_CALLS; call++) this.#forward();
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

  close(): void {}
}
