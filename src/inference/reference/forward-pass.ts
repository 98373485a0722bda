// The forward pass in float64, readable first: the oracle the other engines are held to. Kernel: src/kernels/forward-pass.ts.

import { assert } from "../../core/assert.ts";
import {
  CHANNELS,
  CONV_BRANCHES,
  type ConvBranch,
  DENSE1,
  DENSE2,
  DIRECTIONS,
  POOLED,
  type Tensors,
} from "../architecture.ts";
import {
  ENGINE_OK,
  type EngineInfo,
  FEATURE_COUNT,
  INPUT_CLAMP,
  type InferenceEngine,
  OUTPUT_BUY_PROB,
  OUTPUT_HOLD_PROB,
  OUTPUT_MOMENTUM,
  OUTPUT_SELL_PROB,
  OUTPUT_SENTINEL,
  OUTPUT_STRIDE,
  OUTPUT_VOLATILITY,
  WINDOW_BARS,
  WINDOW_ELEMS,
} from "../engine.ts";
import type { Model } from "../model-file.ts";

/** Any count works; a bound keeps a wrong count from looking like a hang. */
const BATCH_MAX = 4096;

export class ReferenceEngine implements InferenceEngine {
  readonly info: EngineInfo;
  readonly batchMax = BATCH_MAX;
  readonly #tensors: Tensors;

  constructor(model: Model) {
    this.info = {
      engine: "reference",
      precision: "fp32",
      adapter: "",
      model: model.name,
      modelSha256: model.weightsSha256,
    };
    this.#tensors = model.tensors;
  }

  predict(features: Float32Array, offsets: Int32Array, count: number, out: Float32Array): number {
    assert(count >= 0 && count <= BATCH_MAX, "windows in 0..batchMax");
    for (let window = 0; window < count; window++) {
      const outputs = forwardPass(this.#tensors, features, offsets[window]!);
      for (let i = 0; i < OUTPUT_STRIDE; i++) out[window * OUTPUT_STRIDE + i] = outputs[i]!;
    }
    return ENGINE_OK;
  }

  close(): void {}
}

/** Outputs (OUTPUT_STRIDE) of the raw window at `offset`. A NaN in the window gives NaN outputs and sentinel 0. */
export function forwardPass(tensors: Tensors, features: ArrayLike<number>, offset: number): Float64Array {
  const input = standardise(tensors, features, offset);
  const pooled = new Float64Array(POOLED);
  for (const branch of CONV_BRANCHES) convolveAndPool(tensors, branch, input, pooled);
  return outputsOfPools(tensors, pooled);
}

/** Dense layers and heads: outputs (OUTPUT_STRIDE) of the maxima and averages of all channels. */
export function outputsOfPools(tensors: Tensors, pooled: Float64Array): Float64Array {
  const hidden1 = dense(pooled, tensors["dense1.weight"], tensors["dense1.bias"], DENSE1).map(relu);
  const hidden2 = dense(hidden1, tensors["dense2.weight"], tensors["dense2.bias"], DENSE2).map(relu);
  const direction = softmax(
    dense(hidden2, tensors["head_direction.weight"], tensors["head_direction.bias"], DIRECTIONS),
  );
  const volatility = dense(hidden2, tensors["head_volatility.weight"], tensors["head_volatility.bias"], 1)[0]!;
  const momentum = dense(hidden2, tensors["head_momentum.weight"], tensors["head_momentum.bias"], 1)[0]!;

  const outputs = new Float64Array(OUTPUT_STRIDE);
  outputs[OUTPUT_SELL_PROB] = direction[0]!;
  outputs[OUTPUT_HOLD_PROB] = direction[1]!;
  outputs[OUTPUT_BUY_PROB] = direction[2]!;
  outputs[OUTPUT_VOLATILITY] = 1 / (1 + Math.exp(-volatility));
  outputs[OUTPUT_MOMENTUM] = Math.tanh(momentum);
  outputs[OUTPUT_SENTINEL] = outputs.some(Number.isNaN) ? 0 : 1;
  return outputs;
}

/** (bar, feature) inputs in units of deviations from the mean, clamped. */
export function standardise(tensors: Tensors, features: ArrayLike<number>, offset: number): Float64Array {
  const mean = tensors["input.mean"];
  const std = tensors["input.std"];
  const input = new Float64Array(WINDOW_ELEMS);
  for (let i = 0; i < WINDOW_ELEMS; i++) {
    const feature = i % FEATURE_COUNT;
    const deviations = (features[offset + i]! - mean[feature]!) / std[feature]!;
    input[i] = Math.min(Math.max(deviations, -INPUT_CLAMP), INPUT_CLAMP);
  }
  return input;
}

/** Maximum and average over all bars of each filter's rectified response. Bars outside the window count as 0. */
function convolveAndPool(tensors: Tensors, branch: ConvBranch, input: Float64Array, pooled: Float64Array): void {
  const weight = tensors[`${branch.name}.weight`];
  const bias = tensors[`${branch.name}.bias`];
  const reach = ((branch.taps - 1) * branch.dilation) / 2;
  for (let filter = 0; filter < branch.filters; filter++) {
    let largest = Number.NEGATIVE_INFINITY;
    let sum = 0;
    for (let bar = 0; bar < WINDOW_BARS; bar++) {
      let response = bias[filter]!;
      for (let tap = 0; tap < branch.taps; tap++) {
        const from = bar - reach + tap * branch.dilation;
        if (from < 0 || from >= WINDOW_BARS) continue;
        for (let feature = 0; feature < FEATURE_COUNT; feature++) {
          response +=
            weight[(filter * FEATURE_COUNT + feature) * branch.taps + tap]! * input[from * FEATURE_COUNT + feature]!;
        }
      }
      largest = Math.max(largest, relu(response));
      sum += relu(response);
    }
    pooled[branch.firstChannel + filter] = largest;
    pooled[CHANNELS + branch.firstChannel + filter] = sum / WINDOW_BARS;
  }
}

/** weight x values + bias; weight is [output][input]. */
function dense(values: Float64Array, weight: Float32Array, bias: Float32Array, outputs: number): Float64Array {
  const result = new Float64Array(outputs);
  for (let output = 0; output < outputs; output++) {
    let sum = bias[output]!;
    for (let i = 0; i < values.length; i++) sum += weight[output * values.length + i]! * values[i]!;
    result[output] = sum;
  }
  return result;
}

function softmax(scores: Float64Array): Float64Array {
  const largest = Math.max(...scores);
  const shares = scores.map((score) => Math.exp(score - largest));
  const sum = shares.reduce((a, b) => a + b, 0);
  return shares.map((share) => share / sum);
}

export function relu(value: number): number {
  return Math.max(value, 0);
}
