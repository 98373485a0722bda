// Models for tests: random ones, and files with exactly one thing wrong.

import type { Tensors } from "../../src/inference/architecture.ts";
import { elemsOf, TENSOR_NAMES, TENSOR_SHAPES, type TensorName } from "../../src/inference/architecture.ts";
import { FEATURE_COUNT } from "../../src/inference/engine.ts";
import { encodeModel, type Model, type ModelDescription, parseModel } from "../../src/inference/model-file.ts";
import { seededTensors } from "../../src/training/seeded-model.ts";

const DESCRIPTION: ModelDescription = {
  name: "test",
  isTrained: false,
  winRate: null,
  origin: "made for a test",
  licence: "MIT",
};

/** Standardisation that leaves inputs as they are. */
const ZEROS = new Array<number>(FEATURE_COUNT).fill(0);
const ONES = new Array<number>(FEATURE_COUNT).fill(1);

/** The model of these tensors, through its files and all checks. */
export function modelOf(tensors: Tensors): Model {
  const { weights, card } = encodeModel(DESCRIPTION, tensors);
  return parseModel(weights, card, "test model");
}

/** Seeded weights on inputs that are not rescaled. */
export function randomModel(seed: number): Model {
  return modelOf(seededTensors(seed, ZEROS, ONES));
}

/**
 * A random model whose filters differ in size by up to a factor of 400, one of them dead, on inputs as large as 1e4 and as small as 1e-4: scales that
 * an engine would mix up show.
 */
export function unevenModel(seed: number): Model {
  const mean = ZEROS.map((_, feature) => (feature % 2 === 0 ? 1 : -1) * 10 ** ((feature % 9) - 4));
  const tensors = seededTensors(
    seed,
    mean,
    mean.map((value) => Math.abs(value) / 3),
  );
  for (const name of ["conv_k3d1", "conv_k5d2", "conv_k3d4"] as const) {
    const weight = tensors[`${name}.weight`];
    const perFilter = weight.length / tensors[`${name}.bias`].length;
    for (const i of weight.keys()) weight[i]! *= [1, 0.01, 4, 0.3, 0][Math.floor(i / perFilter) % 5]!;
  }
  return modelOf(tensors);
}

/** A random model whose every weight is `factor` times as large: scores far from 0, outputs near their ends. */
export function largeModel(seed: number, factor: number): Model {
  const tensors = seededTensors(seed, ZEROS, ONES);
  for (const name of TENSOR_NAMES) {
    if (name.endsWith(".weight")) for (const i of tensors[name].keys()) tensors[name][i]! *= factor;
  }
  return modelOf(tensors);
}

/** All weights 0 but those given by `set`, on inputs that are not rescaled. */
export function sparseModel(set: (tensors: Record<TensorName, Float32Array<ArrayBuffer>>) => void): Model {
  const tensors = {} as Record<TensorName, Float32Array<ArrayBuffer>>;
  for (const name of TENSOR_NAMES) tensors[name] = new Float32Array(elemsOf(TENSOR_SHAPES[name]));
  tensors["input.std"].fill(1);
  set(tensors);
  return modelOf(tensors);
}
