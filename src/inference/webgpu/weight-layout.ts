// Order of the weights in the GPU buffers of shaders/forward-pass*.wgsl. One vec4 holds one output's weights for four
// neighbouring inputs, and outputs lie side by side, so that the lanes of a group read one contiguous piece.

import { assert } from "../../core/assert.ts";
import { CHANNELS, CONV_BRANCHES, DENSE1, DENSE2, DIRECTIONS, POOLED, type Tensors } from "../architecture.ts";
import { FEATURE_COUNT, type Precision } from "../engine.ts";
import type { Model } from "../model-file.ts";
import { type QuantisedBranch, quantise } from "../quantise.ts";

/** Heads in the order of the output slot, padded to two vec4s. */
const HEADS_PADDED = 8;
const ROW_VEC4S = FEATURE_COUNT / 4;

const DENSE_SECTIONS = {
  DENSE1_AT: (POOLED / 4) * DENSE1,
  DENSE1_BIAS_AT: DENSE1 / 4,
  DENSE2_AT: (DENSE1 / 4) * DENSE2,
  DENSE2_BIAS_AT: DENSE2 / 4,
  HEADS_AT: (DENSE2 / 4) * HEADS_PADDED,
  HEADS_BIAS_AT: HEADS_PADDED / 4,
} as const;
/** Vec4s in fp32 and f16, words of four steps in int8. */
const CONV_SECTIONS = {
  CONV1_AT: CONV_BRANCHES[0]!.taps * ROW_VEC4S * CONV_BRANCHES[0]!.filters,
  CONV2_AT: CONV_BRANCHES[1]!.taps * ROW_VEC4S * CONV_BRANCHES[1]!.filters,
  CONV3_AT: CONV_BRANCHES[2]!.taps * ROW_VEC4S * CONV_BRANCHES[2]!.filters,
} as const;
const CONV_NAMES = ["CONV1_AT", "CONV2_AT", "CONV3_AT"] as const;

/**
 * Where each section begins, under the names of the shaders' constants, and the length of all; one layout for each buffer of a
 * precision, in vec4s, but for the words of int8.
 */
export const WEIGHT_LAYOUTS = {
  fp32: layOut("WEIGHT_VEC4S", {
    MEAN_AT: ROW_VEC4S,
    INVERSE_STD_AT: ROW_VEC4S,
    ...CONV_SECTIONS,
    CONV_BIAS_AT: CHANNELS / 4,
    ...DENSE_SECTIONS,
  }),
  f16: layOut("WEIGHT_VEC4S", { ...CONV_SECTIONS, CONV_BIAS_AT: CHANNELS / 4, ...DENSE_SECTIONS }),
  f16Standards: layOut("STANDARD_VEC4S", { MEAN_AT: ROW_VEC4S, INVERSE_STD_AT: ROW_VEC4S }),
  int8: layOut("WEIGHT_VEC4S", {
    MEAN_AT: ROW_VEC4S,
    INPUT_FACTOR_AT: ROW_VEC4S,
    CONV_SCALE_AT: CHANNELS / 4,
    CONV_BIAS_AT: CHANNELS / 4,
    ...DENSE_SECTIONS,
  }),
  int8Words: layOut("CONV_WORDS", CONV_SECTIONS),
} as const;

export type WeightLayout = Readonly<Record<string, number>>;

/** What a precision's shader reads: binding 1, and binding 3 where it has one. */
export interface PackedWeights {
  readonly weights: ArrayBufferView<ArrayBuffer>;
  readonly extra: { readonly name: string; readonly data: ArrayBufferView<ArrayBuffer> } | null;
}

function layOut(total: string, sections: Readonly<Record<string, number>>): WeightLayout {
  const layout: Record<string, number> = {};
  let at = 0;
  for (const [section, length] of Object.entries(sections)) {
    layout[section] = at;
    at += length;
  }
  layout[total] = at;
  return layout;
}

/** The buffers' contents for a model. */
export function packWeights(model: Model, precision: Precision): PackedWeights {
  if (precision === "int8") return packInt8(model);
  if (precision === "f16") return packHalf(model.tensors);
  return { weights: packSingle(model.tensors), extra: null };
}

/** fp32: everything in one buffer. */
export function packSingle(tensors: Tensors): Float32Array<ArrayBuffer> {
  const layout = WEIGHT_LAYOUTS.fp32;
  const packed = new Float32Array(layout.WEIGHT_VEC4S! * 4);
  putStandards(packed, layout, tensors);
  putConvolutions(packed, layout, tensors);
  putDenses(packed, layout, tensors);
  return packed;
}

function packHalf(tensors: Tensors): PackedWeights {
  const layout = WEIGHT_LAYOUTS.f16;
  const weights = new Float32Array(layout.WEIGHT_VEC4S! * 4);
  putConvolutions(weights, layout, tensors);
  putDenses(weights, layout, tensors);
  const standards = new Float32Array(WEIGHT_LAYOUTS.f16Standards.STANDARD_VEC4S! * 4);
  putStandards(standards, WEIGHT_LAYOUTS.f16Standards, tensors);
  return { weights: Float16Array.from(weights), extra: { name: "standards", data: standards } };
}

function packInt8(model: Model): PackedWeights {
  const { inputMean, inputFactor, branches } = quantise(model);
  const layout = WEIGHT_LAYOUTS.int8;
  const weights = new Float32Array(layout.WEIGHT_VEC4S! * 4);
  put(weights, layout, "MEAN_AT", inputMean);
  put(weights, layout, "INPUT_FACTOR_AT", inputFactor);
  putDenses(weights, layout, model.tensors);
  const words = new Int8Array(WEIGHT_LAYOUTS.int8Words.CONV_WORDS! * 4);
  branches.forEach((branch, index) => {
    put(weights, layout, "CONV_SCALE_AT", branch.outputScales, branch.firstChannel);
    put(weights, layout, "CONV_BIAS_AT", branch.bias, branch.firstChannel);
    words.set(packSteps(branch), WEIGHT_LAYOUTS.int8Words[CONV_NAMES[index]!]! * 4);
  });
  return { weights, extra: { name: "conv words", data: words } };
}

function put(packed: Float32Array, layout: WeightLayout, section: string, values: Float32Array, from = 0): void {
  packed.set(values, layout[section]! * 4 + from);
}

function putStandards(packed: Float32Array, layout: WeightLayout, tensors: Tensors): void {
  put(packed, layout, "MEAN_AT", tensors["input.mean"]);
  const inverse = tensors["input.std"].map((std) => 1 / std);
  put(packed, layout, "INVERSE_STD_AT", inverse);
}

function putConvolutions(packed: Float32Array, layout: WeightLayout, tensors: Tensors): void {
  CONV_BRANCHES.forEach(({ name, taps, filters, firstChannel }, branch) => {
    put(packed, layout, CONV_NAMES[branch]!, packConvolution(tensors[`${name}.weight`], taps, filters));
    put(packed, layout, "CONV_BIAS_AT", tensors[`${name}.bias`], firstChannel);
  });
}

function putDenses(packed: Float32Array, layout: WeightLayout, tensors: Tensors): void {
  put(packed, layout, "DENSE1_AT", packDense(tensors["dense1.weight"], POOLED, DENSE1));
  put(packed, layout, "DENSE1_BIAS_AT", tensors["dense1.bias"]);
  put(packed, layout, "DENSE2_AT", packDense(tensors["dense2.weight"], DENSE1, DENSE2));
  put(packed, layout, "DENSE2_BIAS_AT", tensors["dense2.bias"]);
  const heads = ["head_direction", "head_volatility", "head_momentum"] as const;
  const headWeights = concatenate(heads.map((head) => tensors[`${head}.weight`]));
  put(packed, layout, "HEADS_AT", packDense(headWeights, DENSE2, HEADS_PADDED));
  put(packed, layout, "HEADS_BIAS_AT", concatenate(heads.map((head) => tensors[`${head}.bias`])));
}

/** [filter][tap][feature] to [tap][feature / 4][filter][feature % 4]. */
function packSteps({ weights, taps, filters }: QuantisedBranch): Int8Array {
  const packed = new Int8Array(weights.length);
  for (let filter = 0; filter < filters; filter++) {
    for (let tap = 0; tap < taps; tap++) {
      for (let feature = 0; feature < FEATURE_COUNT; feature++) {
        const word = (tap * ROW_VEC4S + (feature >> 2)) * filters + filter;
        packed[word * 4 + (feature & 3)] = weights[(filter * taps + tap) * FEATURE_COUNT + feature]!;
      }
    }
  }
  return packed;
}

/** [filter][feature][tap] to [tap][feature / 4][filter][feature % 4]. */
function packConvolution(weight: Float32Array, taps: number, filters: number): Float32Array {
  assert(weight.length === filters * FEATURE_COUNT * taps, "a convolution's weight has filters x features x taps");
  const packed = new Float32Array(weight.length);
  for (let filter = 0; filter < filters; filter++) {
    for (let feature = 0; feature < FEATURE_COUNT; feature++) {
      for (let tap = 0; tap < taps; tap++) {
        const vec4 = (tap * ROW_VEC4S + (feature >> 2)) * filters + filter;
        packed[vec4 * 4 + (feature & 3)] = weight[(filter * FEATURE_COUNT + feature) * taps + tap]!;
      }
    }
  }
  return packed;
}

/** [output][input] to [input / 4][output][input % 4]; outputs that `weight` does not have are zero. */
function packDense(weight: Float32Array, inputs: number, outputs: number): Float32Array {
  const packed = new Float32Array(inputs * outputs);
  for (let i = 0; i < weight.length; i++) {
    const output = Math.floor(i / inputs);
    const input = i % inputs;
    packed[((input >> 2) * outputs + output) * 4 + (input & 3)] = weight[i]!;
  }
  return packed;
}

function concatenate(parts: readonly Float32Array[]): Float32Array {
  return Float32Array.from(parts.flatMap((part) => [...part]));
}

assert(FEATURE_COUNT % 4 === 0, "rows are whole vec4s");
assert(DIRECTIONS + 2 <= HEADS_PADDED, "the heads fit into two vec4s");
