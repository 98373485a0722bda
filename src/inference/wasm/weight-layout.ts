// Weights as src/kernels/forward-pass.ts reads them: filters and neurons side by side in SIMD lanes. Once, at start.

import { assert } from "../../core/assert.ts";
import { CONV_BRANCHES, DENSE1, DENSE2, DIRECTIONS, POOLED, type TensorName } from "../architecture.ts";
import {
  FEATURE_COUNT,
  OUTPUT_BUY_PROB,
  OUTPUT_MOMENTUM,
  OUTPUT_SELL_PROB,
  OUTPUT_STRIDE,
  OUTPUT_VOLATILITY,
} from "../engine.ts";
import type { Model } from "../model-file.ts";

/** Filters of a convolution tile and neurons of a dense pass, as in the kernel. */
const TILE_FILTERS = 8;
const PASS_NEURONS = 32;

/** Element index in the kernel's memory of an exported offset. */
export function elemOf(instance: WebAssembly.Instance, name: string): number {
  const global = instance.exports[name];
  assert(global instanceof WebAssembly.Global, `the kernel exports '${name}'`);
  return (global.value as number) / Float32Array.BYTES_PER_ELEMENT;
}

/** Writes a model's weights into the kernel's memory. */
export function layOutWeights(model: Model, heap: Float32Array, instance: WebAssembly.Instance): void {
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
