// The dequantised reference of int8: whole-number steps and sums exactly as quantise.ts defines them, everything after the
// convolutions in float64. What an int8 engine may differ from it is rounding alone.

import { assert } from "../../core/assert.ts";
import { CHANNELS, POOLED } from "../architecture.ts";
import {
  ENGINE_OK,
  type EngineInfo,
  FEATURE_COUNT,
  type InferenceEngine,
  OUTPUT_STRIDE,
  WINDOW_BARS,
  WINDOW_ELEMS,
} from "../engine.ts";
import type { Model } from "../model-file.ts";
import { inputStep, type QuantisedBranch, type QuantisedModel, quantise } from "../quantise.ts";
import { outputsOfPools, relu } from "./forward-pass.ts";

/** As the float64 reference. */
const BATCH_MAX = 4096;

export class ReferenceInt8Engine implements InferenceEngine {
  readonly info: EngineInfo;
  readonly batchMax = BATCH_MAX;
  readonly #quantised: QuantisedModel;

  constructor(model: Model) {
    this.info = {
      engine: "reference",
      precision: "int8",
      adapter: "",
      model: model.name,
      modelSha256: model.weightsSha256,
    };
    this.#quantised = quantise(model);
  }

  predict(features: Float32Array, offsets: Int32Array, count: number, out: Float32Array): number {
    assert(count >= 0 && count <= BATCH_MAX, "windows in 0..batchMax");
    for (let window = 0; window < count; window++) {
      const outputs = forwardPassInt8(this.#quantised, features, offsets[window]!);
      for (let i = 0; i < OUTPUT_STRIDE; i++) out[window * OUTPUT_STRIDE + i] = outputs[i]!;
    }
    return ENGINE_OK;
  }

  close(): void {}
}

/** Outputs (OUTPUT_STRIDE) of the raw window at `offset`. A NaN in the window gives NaN outputs and sentinel 0. */
export function forwardPassInt8(quantised: QuantisedModel, features: ArrayLike<number>, offset: number): Float64Array {
  const steps = inputSteps(quantised, features, offset);
  const pooled = new Float64Array(POOLED);
  for (const branch of quantised.branches) convolveAndPool(branch, steps, pooled);
  return outputsOfPools(quantised.model.tensors, pooled);
}

/** (bar, feature) */
export function inputSteps(quantised: QuantisedModel, features: ArrayLike<number>, offset: number): Float64Array {
  const { inputMean, inputFactor } = quantised;
  const steps = new Float64Array(WINDOW_ELEMS);
  for (let i = 0; i < WINDOW_ELEMS; i++) {
    const feature = i % FEATURE_COUNT;
    steps[i] = inputStep(features[offset + i]!, inputMean[feature]!, inputFactor[feature]!);
  }
  return steps;
}

function convolveAndPool(branch: QuantisedBranch, steps: Float64Array, pooled: Float64Array): void {
  const { filters, taps, dilation, firstChannel, weights, outputScales, bias } = branch;
  const reach = ((taps - 1) * dilation) / 2;
  for (let filter = 0; filter < filters; filter++) {
    let largest = Number.NEGATIVE_INFINITY;
    let total = 0;
    for (let bar = 0; bar < WINDOW_BARS; bar++) {
      // At most 60 products of 127 x 127: below 2^20, exact in int32 as in a double.
      let sum = 0;
      for (let tap = 0; tap < taps; tap++) {
        const from = bar - reach + tap * dilation;
        if (from < 0 || from >= WINDOW_BARS) continue;
        for (let feature = 0; feature < FEATURE_COUNT; feature++) {
          sum += weights[(filter * taps + tap) * FEATURE_COUNT + feature]! * steps[from * FEATURE_COUNT + feature]!;
        }
      }
      const response = relu(sum * outputScales[filter]! + bias[filter]!);
      largest = Math.max(largest, response);
      total += response;
    }
    pooled[firstChannel + filter] = largest;
    pooled[CHANNELS + firstChannel + filter] = total / WINDOW_BARS;
  }
}
