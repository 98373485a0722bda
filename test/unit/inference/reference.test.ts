// The oracle against numbers worked out by hand: networks with a handful of weights that are not 0.

import { describe, expect, test } from "bun:test";
import {
  FEATURE_COUNT,
  OUTPUT_BUY_PROB,
  OUTPUT_HOLD_PROB,
  OUTPUT_MOMENTUM,
  OUTPUT_SELL_PROB,
  OUTPUT_SENTINEL,
  OUTPUT_VOLATILITY,
  WINDOW_BARS,
  WINDOW_ELEMS,
} from "../../../src/inference/engine.ts";
import type { Model } from "../../../src/inference/model-file.ts";
import { forwardPass } from "../../../src/inference/reference/forward-pass.ts";
import { WasmEngine } from "../../../src/inference/wasm/forward-pass.ts";
import { sparseModel } from "../../support/models.ts";

const window = (valueAt: (bar: number, feature: number) => number): Float32Array =>
  Float32Array.from({ length: WINDOW_ELEMS }, (_, i) => valueAt(Math.floor(i / FEATURE_COUNT), i % FEATURE_COUNT));
const outputs = (model: Model, input: Float32Array): Float64Array => forwardPass(model.tensors, input, 0);

/** Momentum is tanh of the given pooled channel (0..127 maxima, 128..255 averages). */
function channelToMomentum(
  channel: number,
  set: (tensors: Parameters<Parameters<typeof sparseModel>[0]>[0]) => void,
): Model {
  return sparseModel((tensors) => {
    tensors["dense1.weight"][3 * 256 + channel] = 1;
    tensors["dense2.weight"][5 * 64 + 3] = 1;
    tensors["head_momentum.weight"][5] = 1;
    set(tensors);
  });
}

test("no weights at all: no opinion", () => {
  const out = outputs(
    sparseModel(() => {}),
    window((bar) => bar),
  );
  expect(out[OUTPUT_SELL_PROB]).toBeCloseTo(1 / 3, 15);
  expect(out[OUTPUT_HOLD_PROB]).toBeCloseTo(1 / 3, 15);
  expect(out[OUTPUT_BUY_PROB]).toBeCloseTo(1 / 3, 15);
  expect(out[OUTPUT_VOLATILITY]).toBe(0.5);
  expect(out[OUTPUT_MOMENTUM]).toBe(0);
  expect(out[OUTPUT_SENTINEL]).toBe(1);
});

test("the heads' biases go through softmax, sigmoid and tanh in the order sell, hold, buy, volatility, momentum", () => {
  const model = sparseModel((tensors) => {
    tensors["head_direction.bias"].set([Math.log(1), Math.log(2), Math.log(5)]);
    tensors["head_volatility.bias"][0] = Math.log(3);
    tensors["head_momentum.bias"][0] = -0.5;
  });
  const out = outputs(model, new Float32Array(WINDOW_ELEMS));
  for (const [output, expected] of [1 / 8, 2 / 8, 5 / 8, 3 / 4, Math.tanh(-0.5)].entries()) {
    expect(out[output]).toBeCloseTo(expected, 7);
  }
});

// A filter with a single weight 1 on feature 4 copies one bar of that feature, shifted by its tap.
const shifts = [
  { branch: "conv_k3d1", filter: 31, taps: 3, tap: 0, shift: -1, channel: 31 },
  { branch: "conv_k3d1", filter: 0, taps: 3, tap: 2, shift: 1, channel: 0 },
  { branch: "conv_k5d2", filter: 0, taps: 5, tap: 0, shift: -4, channel: 32 },
  { branch: "conv_k5d2", filter: 63, taps: 5, tap: 3, shift: 2, channel: 95 },
  { branch: "conv_k3d4", filter: 0, taps: 3, tap: 2, shift: 4, channel: 96 },
  { branch: "conv_k3d4", filter: 31, taps: 3, tap: 1, shift: 0, channel: 127 },
] as const;

describe.each(shifts)("tap $tap of $branch looks $shift bars away", ({ branch, filter, taps, tap, shift, channel }) => {
  const setTap = (tensors: Parameters<Parameters<typeof sparseModel>[0]>[0]): void => {
    tensors[`${branch}.weight`][(filter * FEATURE_COUNT + 4) * taps + tap] = 1;
  };
  // 2 ^ -bar tells bars apart: the largest visible one is the first that the tap reaches.
  const input = window((bar, feature) => (feature === 4 ? 2 ** -bar : 9));
  const seen = Array.from({ length: WINDOW_BARS }, (_, bar) => bar + shift).filter(
    (bar) => bar >= 0 && bar < WINDOW_BARS,
  );

  test("in the maximum", () => {
    const out = outputs(channelToMomentum(channel, setTap), input);
    expect(out[OUTPUT_MOMENTUM]).toBeCloseTo(Math.tanh(2 ** -seen[0]!), 14);
  });

  test("in the average over 50 bars, those outside the window counting 0", () => {
    const out = outputs(channelToMomentum(128 + channel, setTap), input);
    const sum = seen.reduce((total, bar) => total + 2 ** -bar, 0);
    expect(out[OUTPUT_MOMENTUM]).toBeCloseTo(Math.tanh(sum / 50), 14);
  });

  test("and the wasm engine sees the same", async () => {
    const engine = await WasmEngine.create(channelToMomentum(128 + channel, setTap));
    const out = new Float32Array(8);
    engine.predict(input, Int32Array.of(0), 1, out);
    const sum = seen.reduce((total, bar) => total + 2 ** -bar, 0);
    expect(out[OUTPUT_MOMENTUM]).toBeCloseTo(Math.tanh(sum / 50), 6);
  });
});

test("a convolution's bias counts in every bar, and its negative responses count as 0", () => {
  const model = channelToMomentum(128 + 32, (tensors) => {
    tensors["conv_k5d2.bias"][0] = 0.5;
    tensors["conv_k5d2.weight"][2] = 1; // filter 0, feature 0, middle tap
  });
  // 0.5 + 1 in 20 bars, rectified 0.5 - 1 in 30.
  const out = outputs(
    model,
    window((bar, feature) => (feature === 0 ? (bar < 20 ? 1 : -1) : 0)),
  );
  expect(out[OUTPUT_MOMENTUM]).toBeCloseTo(Math.tanh((20 * 1.5) / 50), 14);
});

test("inputs are standardised by feature and clamped to 10", () => {
  const model = channelToMomentum(128, (tensors) => {
    tensors["input.mean"][7] = 3;
    tensors["input.std"][7] = 2;
    tensors["conv_k3d1.weight"][7 * 3 + 1] = 0.01;
  });
  const momentumAt = (value: number): number =>
    outputs(
      model,
      window((_, feature) => (feature === 7 ? value : 0)),
    )[OUTPUT_MOMENTUM]!;
  expect(momentumAt(5)).toBeCloseTo(Math.tanh(0.01), 8);
  expect(momentumAt(3 + 2 * 10)).toBeCloseTo(Math.tanh(0.1), 8);
  expect(momentumAt(1000)).toBe(momentumAt(3 + 2 * 10));
});

test("a hidden layer's bias counts and its negative sums count as 0", () => {
  const model = sparseModel((tensors) => {
    tensors["dense1.bias"].set([1, -1]);
    tensors["dense2.weight"].set([1, 7]); // neuron 0 from both
    tensors["dense2.bias"][0] = 0.25;
    tensors["head_volatility.weight"][0] = 1;
  });
  expect(outputs(model, new Float32Array(WINDOW_ELEMS))[OUTPUT_VOLATILITY]).toBeCloseTo(1 / (1 + Math.exp(-1.25)), 14);
});

describe("a NaN in a window", () => {
  const model = channelToMomentum(0, (tensors) => void tensors["conv_k3d1.weight"].fill(0.01));
  const poisoned = window((bar, feature) => (bar === 30 && feature === 5 ? Number.NaN : 1));

  test("is answered without the sentinel by the reference", () => {
    expect(outputs(model, poisoned)[OUTPUT_SENTINEL]).toBe(0);
  });

  test("is answered without the sentinel by wasm, and leaves the next window alone", async () => {
    const engine = await WasmEngine.create(model);
    const both = new Float32Array([...poisoned, ...window(() => 1)]);
    const out = new Float32Array(16);
    engine.predict(both, Int32Array.of(0, WINDOW_ELEMS), 2, out);
    expect(out[OUTPUT_SENTINEL]).toBe(0);
    expect(out[8 + OUTPUT_SENTINEL]).toBe(1);
  });
});
