// Seeded weights: the model shipped until a trained one exists, and random models for tests. Deterministic from (seed, name).

import { Prng } from "../core/prng.ts";
import { elemsOf, TENSOR_NAMES, TENSOR_SHAPES, type TensorName, type Tensors } from "../inference/architecture.ts";

/**
 * Deviation of the heads' weights over Glorot's. The pools raise the scale (a maximum over 50 bars of a standard normal is about
 * 2.2), so scores would have a deviation near 3 and the outputs sit at their ends; with a fifth it is near 0.6.
 */
const HEAD_SCALE = 0.2;
/** Biases differ from 0 so that an engine that forgets one gives another answer. */
const BIAS_DEVIATION = 0.05;

/**
 * Tensors with weights after He (layers with ReLU) and Glorot (heads), normal deviates from `Prng.stream(seed, tensor name)`.
 *
 * @param mean, std standardisation of the inputs, one value for each feature
 */
export function seededTensors(seed: number, mean: ArrayLike<number>, std: ArrayLike<number>): Tensors {
  const tensors = {} as Record<TensorName, Float32Array<ArrayBuffer>>;
  for (const name of TENSOR_NAMES) {
    const shape: readonly number[] = TENSOR_SHAPES[name];
    if (name === "input.mean") tensors[name] = Float32Array.from(mean);
    else if (name === "input.std") tensors[name] = Float32Array.from(std);
    else tensors[name] = normals(Prng.stream(seed, name), elemsOf(shape), weightDeviation(name, shape));
  }
  return tensors;
}

/** He: sqrt(2 / inputs). Glorot: sqrt(2 / (inputs + outputs)). */
function weightDeviation(name: string, shape: readonly number[]): number {
  if (name.endsWith(".bias")) return BIAS_DEVIATION;
  const outputs = shape[0]!;
  const inputs = elemsOf(shape.slice(1));
  return name.startsWith("head_") ? HEAD_SCALE * Math.sqrt(2 / (inputs + outputs)) : Math.sqrt(2 / inputs);
}

function normals(prng: Prng, count: number, deviation: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: count }, () => prng.nextNormal() * deviation);
}
