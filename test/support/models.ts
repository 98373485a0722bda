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

/** All weights 0 but those given by `set`, on inputs that are not rescaled. */
export function sparseModel(set: (tensors: Record<TensorName, Float32Array<ArrayBuffer>>) => void): Model {
  const tensors = {} as Record<TensorName, Float32Array<ArrayBuffer>>;
  for (const name of TENSOR_NAMES) tensors[name] = new Float32Array(elemsOf(TENSOR_SHAPES[name]));
  tensors["input.std"].fill(1);
  set(tensors);
  return modelOf(tensors);
}
