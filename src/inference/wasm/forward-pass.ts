// Hot path: no allocation after start.
// The WebAssembly SIMD engine: lays the weights out for src/kernels/forward-pass.ts once, then feeds it one window at a time.
// Raw windows in, outputs out; the kernel standardises and clamps.

import kernelPath from "../../../build/kernels/forward-pass.wasm" with { type: "file" };
import { assert } from "../../core/assert.ts";
import { CONV_BRANCHES, DENSE1, DENSE2, DIRECTIONS, POOLED, type TensorName } from "../architecture.ts";
import {
  ENGINE_OK,
  type EngineInfo,
  FEATURE_COUNT,
  type InferenceEngine,
  OUTPUT_BUY_PROB,
  OUTPUT_MOMENTUM,
  OUTPUT_SELL_PROB,
  OUTPUT_STRIDE,
  OUTPUT_VOLATILITY,
  WINDOW_ELEMS,
} from "../engine.ts";
import type { Model } from "../model-file.ts";

/** Windows are taken one by one, so any count works; the bound catches a wrong count. */
const BATCH_MAX = 4096;
/** Filters of a convolution tile and neurons of a dense pass, as in the kernel. */
const TILE_FILTERS = 8;
const PASS_NEURONS = 32;
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

/** Element index in the kernel's memory of an exported offset. */
function elemOf(instance: WebAssembly.Instance, name: string): number {
  const global = instance.exports[name];
  assert(global instanceof WebAssembly.Global, `the kernel exports '${name}'`);
  return (global.value as number) / Float32Array.BYTES_PER_ELEMENT;
}

function layOutWeights(model: Model, heap: Float32Array, instance: WebAssembly.Instance): void {
  const { tensors } = model;
  const standardiseElem = elemOf(instance, "STANDARDISE");
  heap.set(tensors["input.mean"], standardiseElem);
  heap.set(
    tensors["input.std"].map((std) => 1 / std),
    standardiseElem + FEATURE_COUNT,
  );

  for (const { name, filters, taps, firstChannel } of CONV_BRANCHES) {
    const weight = tensors[`${name}.weight`];
    let to = elemOf(instance, name.toUpperCase());
    for (let tile = 0; tile < filters; tile += TILE_FILTERS) {
      for (let tap = 0; tap < taps; tap++) {
        for (let feature = 0; feature < FEATURE_COUNT; feature++) {
          for (let lane = 0; lane < TILE_FILTERS; lane++) {
            heap[to++] = weight[((tile + lane) * FEATURE_COUNT + feature) * taps + tap]!;
          }
        }
      }
    }
    heap.set(tensors[`${name}.bias`], elemOf(instance, "CONV_BIAS") + firstChannel);
  }

  layOutDense(tensors["dense1.weight"], DENSE1, POOLED, heap, elemOf(instance, "DENSE1"));
  heap.set(tensors["dense1.bias"], elemOf(instance, "DENSE1_BIAS"));
  layOutDense(tensors["dense2.weight"], DENSE2, DENSE1, heap, elemOf(instance, "DENSE2"));
  heap.set(tensors["dense2.bias"], elemOf(instance, "DENSE2_BIAS"));

  // The heads are one layer of five scores in the order of the outputs.
  const headsElem = elemOf(instance, "HEADS");
  const headsBiasElem = elemOf(instance, "HEADS_BIAS");
  const layOutHead = (head: string, firstOutput: number, outputs: number): void => {
    const weight = tensors[`${head}.weight` as TensorName];
    const bias = tensors[`${head}.bias` as TensorName];
    for (let output = 0; output < outputs; output++) {
      for (let input = 0; input < DENSE2; input++) {
        heap[headsElem + input * OUTPUT_STRIDE + firstOutput + output] = weight[output * DENSE2 + input]!;
      }
      heap[headsBiasElem + firstOutput + output] = bias[output]!;
    }
  };
  assert(OUTPUT_BUY_PROB - OUTPUT_SELL_PROB === DIRECTIONS - 1, "the directions lie side by side");
  layOutHead("head_direction", OUTPUT_SELL_PROB, DIRECTIONS);
  layOutHead("head_volatility", OUTPUT_VOLATILITY, 1);
  layOutHead("head_momentum", OUTPUT_MOMENTUM, 1);
}

/** [output][input] to passes of [input][32 outputs]. */
function layOutDense(weight: Float32Array, outputs: number, inputs: number, heap: Float32Array, toElem: number): void {
  let to = toElem;
  for (let pass = 0; pass < outputs; pass += PASS_NEURONS) {
    for (let input = 0; input < inputs; input++) {
      for (let lane = 0; lane < PASS_NEURONS; lane++) heap[to++] = weight[(pass + lane) * inputs + input]!;
    }
  }
}
