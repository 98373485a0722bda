// Weights as src/kernels/forward-pass.ts reads them: filters and neurons side by side in SIMD lanes. Once, at start.

import { assert } from "../../core/assert.ts";
import { CHANNELS, CONV_BRANCHES, DENSE1, DENSE2, DIRECTIONS, POOLED, type TensorName } from "../architecture.ts";
import {
  FEATURE_COUNT,
  INPUT_CLAMP,
  OUTPUT_BUY_PROB,
  OUTPUT_MOMENTUM,
  OUTPUT_SELL_PROB,
  OUTPUT_STRIDE,
  OUTPUT_VOLATILITY,
  WINDOW_BARS,
} from "../engine.ts";
import type { Model } from "../model-file.ts";

/** Filters of a convolution tile and neurons of a dense pass, as in the kernel. */
const TILE_FILTERS = 8;
const PASS_NEURONS = 32;
/** Filters that the incremental pass works on together. */
const GROUP_FILTERS = 32;
/** Half the range of a 32-bit integer, for the sum of a window of outputs; the other half is for their rounding. */
const FIXED_POINT_MAX = 2 ** 30;
/** Beyond these a scale or its reciprocal would leave the normal range of f32. */
const SCALE_EXPONENT_MAX = 100;

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
    const bias = tensors[`${name}.bias`];
    for (let filter = 0; filter < filters; filter++) {
      // Adding 0 makes a -0 a 0: outputs to which padding adds zeros, and those to which it does not, then have the same bits.
      heap[elemOf(instance, "CONV_BIAS") + firstChannel + filter] = bias[filter]! + 0;
    }
  }
  layOutTaps(model, heap, elemOf(instance, "TAPS"));
  layOutSumScales(model, heap, elemOf(instance, "SUM_SCALE"));

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

/** Taps of each group of 32 filters, oldest first: [feature][32 filters]. */
function layOutTaps(model: Model, heap: Float32Array, toElem: number): void {
  let to = toElem;
  for (const { name, filters, taps } of CONV_BRANCHES) {
    const weight = model.tensors[`${name}.weight`];
    for (let group = 0; group < filters; group += GROUP_FILTERS) {
      for (let tap = 0; tap < taps; tap++) {
        for (let feature = 0; feature < FEATURE_COUNT; feature++) {
          for (let lane = 0; lane < GROUP_FILTERS; lane++) {
            heap[to++] = weight[((group + lane) * FEATURE_COUNT + feature) * taps + tap]!;
          }
        }
      }
    }
  }
}

/**
 * Of each filter the largest power of two by which the sum of a window of its outputs fits 32 bits, then their reciprocals. No
 * output is above |bias| + INPUT_CLAMP x sum of |weights|.
 */
function layOutSumScales(model: Model, heap: Float32Array, toElem: number): void {
  for (const { name, filters, taps, firstChannel } of CONV_BRANCHES) {
    const weight = model.tensors[`${name}.weight`];
    const bias = model.tensors[`${name}.bias`];
    const weightsOfFilter = FEATURE_COUNT * taps;
    for (let filter = 0; filter < filters; filter++) {
      let outputMax = Math.abs(bias[filter]!);
      for (let i = 0; i < weightsOfFilter; i++) {
        outputMax += INPUT_CLAMP * Math.abs(weight[filter * weightsOfFilter + i]!);
      }
      const exponent = Math.floor(Math.log2(FIXED_POINT_MAX / (WINDOW_BARS * outputMax)));
      const bounded = Math.max(-SCALE_EXPONENT_MAX, Math.min(SCALE_EXPONENT_MAX, exponent));
      heap[toElem + firstChannel + filter] = 2 ** bounded;
      heap[toElem + CHANNELS + firstChannel + filter] = 2 ** -bounded;
    }
  }
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
