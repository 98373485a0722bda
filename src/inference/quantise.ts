// A model in 8 bits, as every int8 engine runs it: the three convolutions on signed bytes with exact int32 sums, everything
// after them in float. One scale for the inputs, one for each filter's weights. Off the hot path; the reference that int8
// engines are held to is reference/forward-pass-int8.ts.
//
//   step of an input   q = clamp(round((x - mean) * factor), -127, 127), ties to even, each operation rounded to f32
//   sum of a filter    a = sum of weight step * q over taps and features, exact in int32; bars outside the window count 0
//   its response       a * outputScale + bias, then ReLU, pools, dense layers and heads as in fp32

import { assert } from "../core/assert.ts";
import { CONV_BRANCHES, type ConvBranch, type ConvName, type Tensors } from "./architecture.ts";
import { FEATURE_COUNT, INPUT_CLAMP } from "./engine.ts";
import type { Model } from "./model-file.ts";

/** Version of the rules above and of the scales in a model file. */
export const INT8_VERSION = 1;
/** Largest step either way; -128 is not used, so that a sign change is exact. */
export const INT8_STEP_MAX = 127;
/** Deviations of one input step when the whole clamped range is to fit; a larger one would leave steps unused. */
export const INPUT_SCALE_MAX = Math.fround(INPUT_CLAMP / INT8_STEP_MAX);

/** What calibration decides. */
export interface Int8Scales {
  /** Deviations from the mean of one input step, above 0 and at most INPUT_SCALE_MAX; a smaller one clips earlier. f32. */
  readonly inputScale: number;
  /** (filters of the branch) weight of one weight step, above 0. */
  readonly weightScales: Readonly<Record<ConvName, Float32Array<ArrayBuffer>>>;
}

/** Tensors of a calibrated model's file beside those of the architecture, f32: all of them or none. */
export const INT8_TENSOR_SHAPES = {
  "input.int8_scale": [1],
  "conv_k3d1.int8_scale": [32],
  "conv_k5d2.int8_scale": [64],
  "conv_k3d4.int8_scale": [32],
} as const satisfies Record<"input.int8_scale" | `${ConvName}.int8_scale`, readonly number[]>;
export type Int8TensorName = keyof typeof INT8_TENSOR_SHAPES;
export const INT8_TENSOR_NAMES = Object.keys(INT8_TENSOR_SHAPES) as Int8TensorName[];

/** The scales as tensors of a file. */
export function int8Tensors(scales: Int8Scales): Record<Int8TensorName, Float32Array<ArrayBuffer>> {
  const byBranch = CONV_BRANCHES.map(({ name }) => [`${name}.int8_scale`, scales.weightScales[name]]);
  return { "input.int8_scale": Float32Array.of(scales.inputScale), ...Object.fromEntries(byBranch) };
}

/** Why scales cannot be used, with the tensor's name and index in front; "" where they can. */
export function int8ScalesFault({ inputScale, weightScales }: Int8Scales): string {
  if (!(inputScale > 0 && inputScale <= INPUT_SCALE_MAX)) return `input.int8_scale[0] = ${inputScale}`;
  for (const { name } of CONV_BRANCHES) {
    const bad = weightScales[name].findIndex((scale) => !(scale > 0 && Number.isFinite(scale)));
    if (bad >= 0) return `${name}.int8_scale[${bad}] = ${weightScales[name][bad]}`;
  }
  return "";
}

export interface QuantisedBranch extends ConvBranch {
  /** [filter][tap][feature], -127..127: the 12 steps of a tap are three groups of four for dot4I8Packed. */
  readonly weights: Int8Array<ArrayBuffer>;
  /** (filters) response of one unit of the int32 sum: f32(inputScale * weightScale). */
  readonly outputScales: Float32Array<ArrayBuffer>;
  /** (filters) */
  readonly bias: Float32Array<ArrayBuffer>;
}

export interface QuantisedModel {
  readonly model: Model;
  readonly scales: Int8Scales;
  /** (feature) */
  readonly inputMean: Float32Array<ArrayBuffer>;
  /** (feature) steps of one unit of the raw feature: f32(1 / (std * inputScale)). */
  readonly inputFactor: Float32Array<ArrayBuffer>;
  /** In the order of CONV_BRANCHES. Dense layers and heads are those of `model.tensors`. */
  readonly branches: readonly QuantisedBranch[];
}

/** The model in 8 bits with the scales of its file, or the default ones where it has none. */
export function quantise(model: Model): QuantisedModel {
  const scales = model.int8Scales ?? defaultInt8Scales(model.tensors);
  assert(int8ScalesFault(scales) === "", "scales were checked when the model was read");
  return {
    model,
    scales,
    inputMean: model.tensors["input.mean"],
    inputFactor: model.tensors["input.std"].map((std) => 1 / (std * scales.inputScale)),
    branches: CONV_BRANCHES.map((branch) => quantiseBranch(model.tensors, branch, scales)),
  };
}

/** Scales that clip nothing: the inputs' clamp range, and each filter's largest weight. */
export function defaultInt8Scales(tensors: Tensors): Int8Scales {
  const weightScales = {} as Record<ConvName, Float32Array<ArrayBuffer>>;
  for (const { name, filters, taps } of CONV_BRANCHES) {
    const weight = tensors[`${name}.weight`];
    weightScales[name] = Float32Array.from({ length: filters }, (_, filter) => {
      let largest = 0;
      for (let i = 0; i < FEATURE_COUNT * taps; i++) {
        largest = Math.max(largest, Math.abs(weight[filter * FEATURE_COUNT * taps + i]!));
      }
      // Any scale serves a filter without weights, and one so small that f32 loses it.
      return Math.fround(largest / INT8_STEP_MAX) || 1;
    });
  }
  return { inputScale: INPUT_SCALE_MAX, weightScales };
}

function quantiseBranch(tensors: Tensors, branch: ConvBranch, scales: Int8Scales): QuantisedBranch {
  const { name, filters, taps } = branch;
  const weight = tensors[`${name}.weight`];
  const weightScales = scales.weightScales[name];
  const weights = new Int8Array(filters * taps * FEATURE_COUNT);
  for (let filter = 0; filter < filters; filter++) {
    for (let tap = 0; tap < taps; tap++) {
      for (let feature = 0; feature < FEATURE_COUNT; feature++) {
        const value = weight[(filter * FEATURE_COUNT + feature) * taps + tap]!;
        weights[(filter * taps + tap) * FEATURE_COUNT + feature] = stepOf(value / weightScales[filter]!);
      }
    }
  }
  const outputScales = weightScales.map((scale) => scale * scales.inputScale);
  return { ...branch, weights, outputScales, bias: tensors[`${name}.bias`] };
}

/** Step of a raw feature in the f32 arithmetic of the rules above, which every engine can follow to the bit; NaN for NaN. */
export function inputStep(value: number, mean: number, factor: number): number {
  return stepOf(Math.fround(Math.fround(value - mean) * factor));
}

/** Nearest whole number, ties to even, within the steps. */
function stepOf(value: number): number {
  if (!(Math.abs(value) < INT8_STEP_MAX)) return Math.sign(value) * INT8_STEP_MAX;
  const below = Math.floor(value);
  const above = value - below;
  const isUp = above > 0.5 || (above === 0.5 && below % 2 !== 0);
  return isUp ? below + 1 : below;
}
