// Order of the weights in the GPU buffer of shaders/forward-pass.wgsl. One vec4 holds one output's weights for four
// neighbouring inputs, and outputs lie side by side, so that the lanes of a group read one contiguous piece.

import { assert } from "../../core/assert.ts";
import { CHANNELS, CONV_BRANCHES, DENSE1, DENSE2, DIRECTIONS, POOLED, type Tensors } from "../architecture.ts";
import { FEATURE_COUNT } from "../engine.ts";

/** Heads in the order of the output slot, padded to two vec4s. */
const HEADS_PADDED = 8;
const ROW_VEC4S = FEATURE_COUNT / 4;

/** Length of each section in vec4s, in order of the buffer, under the names of the shader's constants. */
const SECTIONS = {
  MEAN_AT: ROW_VEC4S,
  INVERSE_STD_AT: ROW_VEC4S,
  CONV1_AT: CONV_BRANCHES[0]!.taps * ROW_VEC4S * CONV_BRANCHES[0]!.filters,
  CONV2_AT: CONV_BRANCHES[1]!.taps * ROW_VEC4S * CONV_BRANCHES[1]!.filters,
  CONV3_AT: CONV_BRANCHES[2]!.taps * ROW_VEC4S * CONV_BRANCHES[2]!.filters,
  CONV_BIAS_AT: CHANNELS / 4,
  DENSE1_AT: (POOLED / 4) * DENSE1,
  DENSE1_BIAS_AT: DENSE1 / 4,
  DENSE2_AT: (DENSE1 / 4) * DENSE2,
  DENSE2_BIAS_AT: DENSE2 / 4,
  HEADS_AT: (DENSE2 / 4) * HEADS_PADDED,
  HEADS_BIAS_AT: HEADS_PADDED / 4,
} as const satisfies Record<string, number>;

type Section = keyof typeof SECTIONS;
const CONV_SECTIONS = ["CONV1_AT", "CONV2_AT", "CONV3_AT"] as const;

/** Where each section begins, and WEIGHT_VEC4S, the length of all; in vec4s, as in the shader. */
export const WEIGHT_LAYOUT = layOut();

function layOut(): Readonly<Record<Section | "WEIGHT_VEC4S", number>> {
  const layout: Record<string, number> = {};
  let at = 0;
  for (const [section, vec4s] of Object.entries(SECTIONS)) {
    layout[section] = at;
    at += vec4s;
  }
  layout.WEIGHT_VEC4S = at;
  return layout as Record<Section | "WEIGHT_VEC4S", number>;
}

/** The buffer's contents for a model's tensors. */
export function packWeights(tensors: Tensors): Float32Array<ArrayBuffer> {
  const packed = new Float32Array(WEIGHT_LAYOUT.WEIGHT_VEC4S * 4);
  const put = (section: Section, values: Float32Array): void => packed.set(values, WEIGHT_LAYOUT[section] * 4);

  put("MEAN_AT", tensors["input.mean"]);
  put(
    "INVERSE_STD_AT",
    tensors["input.std"].map((std) => 1 / std),
  );
  CONV_BRANCHES.forEach(({ name, taps, filters, firstChannel }, branch) => {
    put(CONV_SECTIONS[branch]!, packConvolution(tensors[`${name}.weight`], taps, filters));
    packed.set(tensors[`${name}.bias`], WEIGHT_LAYOUT.CONV_BIAS_AT * 4 + firstChannel);
  });
  put("DENSE1_AT", packDense(tensors["dense1.weight"], POOLED, DENSE1));
  put("DENSE1_BIAS_AT", tensors["dense1.bias"]);
  put("DENSE2_AT", packDense(tensors["dense2.weight"], DENSE1, DENSE2));
  put("DENSE2_BIAS_AT", tensors["dense2.bias"]);

  const heads = ["head_direction", "head_volatility", "head_momentum"] as const;
  put("HEADS_AT", packDense(concatenate(heads.map((head) => tensors[`${head}.weight`])), DENSE2, HEADS_PADDED));
  put("HEADS_BIAS_AT", concatenate(heads.map((head) => tensors[`${head}.bias`])));
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
