// The network as data: branches, layers, and the name and shape of every tensor of a model file. All engines, the model file
// and the shaders take their sizes from here.

import { FEATURE_COUNT } from "./engine.ts";

/** Name of this architecture in a model card; another shape gets another name. */
export const ARCHITECTURE = "cnn-k3d1x32-k5d2x64-k3d4x32-dense64-dense32";

/** A same-padded convolution over the bars, ReLU after it. Batch norm is folded into weight and bias. */
export interface ConvBranch {
  readonly name: ConvName;
  readonly filters: number;
  readonly taps: number;
  readonly dilation: number;
  /** Its first channel in the concatenation. */
  readonly firstChannel: number;
}
export type ConvName = "conv_k3d1" | "conv_k5d2" | "conv_k3d4";

export const CONV_BRANCHES: readonly ConvBranch[] = [
  { name: "conv_k3d1", filters: 32, taps: 3, dilation: 1, firstChannel: 0 },
  { name: "conv_k5d2", filters: 64, taps: 5, dilation: 2, firstChannel: 32 },
  { name: "conv_k3d4", filters: 32, taps: 3, dilation: 4, firstChannel: 96 },
];

/** Channels after concatenation. */
export const CHANNELS = 128;
/** Maxima of all channels, then averages of all channels. */
export const POOLED = 2 * CHANNELS;
export const DENSE1 = 64;
export const DENSE2 = 32;
/** Scores of sell, hold, buy. */
export const DIRECTIONS = 3;
/** Weights and biases; the standardisation is not counted. */
export const PARAMETER_COUNT = 24_965;

/**
 * Tensors of a model file, all f32, in the order of the file. Layouts are those of PyTorch: convolutions
 * [filter][feature][tap], dense layers [output][input].
 */
export const TENSOR_SHAPES = {
  "input.mean": [FEATURE_COUNT],
  "input.std": [FEATURE_COUNT],
  "conv_k3d1.weight": [32, FEATURE_COUNT, 3],
  "conv_k3d1.bias": [32],
  "conv_k5d2.weight": [64, FEATURE_COUNT, 5],
  "conv_k5d2.bias": [64],
  "conv_k3d4.weight": [32, FEATURE_COUNT, 3],
  "conv_k3d4.bias": [32],
  "dense1.weight": [DENSE1, POOLED],
  "dense1.bias": [DENSE1],
  "dense2.weight": [DENSE2, DENSE1],
  "dense2.bias": [DENSE2],
  "head_direction.weight": [DIRECTIONS, DENSE2],
  "head_direction.bias": [DIRECTIONS],
  "head_volatility.weight": [1, DENSE2],
  "head_volatility.bias": [1],
  "head_momentum.weight": [1, DENSE2],
  "head_momentum.bias": [1],
} as const satisfies Record<string, readonly number[]>;

export type TensorName = keyof typeof TENSOR_SHAPES;
export const TENSOR_NAMES = Object.keys(TENSOR_SHAPES) as TensorName[];
export type Tensors = Readonly<Record<TensorName, Float32Array<ArrayBuffer>>>;

/** Elements of a shape. */
export function elemsOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
