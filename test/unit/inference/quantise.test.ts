// The int8 reference by hand: steps, scales and sums, and that eight bits stay close to thirty-two.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { CONV_BRANCHES } from "../../../src/inference/architecture.ts";
import {
  FEATURE_COUNT,
  OUTPUT_BUY_PROB,
  OUTPUT_MOMENTUM,
  OUTPUT_SENTINEL,
  OUTPUT_STRIDE,
  WINDOW_ELEMS,
} from "../../../src/inference/engine.ts";
import { loadModelByName } from "../../../src/inference/model-file.ts";
import {
  defaultInt8Scales,
  INPUT_SCALE_MAX,
  INT8_STEP_MAX,
  inputStep,
  quantise,
} from "../../../src/inference/quantise.ts";
import { forwardPass } from "../../../src/inference/reference/forward-pass.ts";
import { forwardPassInt8 } from "../../../src/inference/reference/forward-pass-int8.ts";
import { randomModel, sparseModel, unevenModel } from "../../support/models.ts";
import { realWindows } from "../../support/windows.ts";

describe("an input step", () => {
  test.each([
    [0, 0],
    [0.49, 0],
    [0.5, 0],
    [0.51, 1],
    [1.5, 2],
    [2.5, 2],
    [-0.5, -0],
    [-1.5, -2],
    [-2.5, -2],
    [126.4, 126],
    [126.6, 127],
    [127.5, 127],
    [1e30, 127],
    [-126.5, -126],
    [-127.5, -127],
    [Number.NEGATIVE_INFINITY, -127],
    [Number.NaN, Number.NaN],
  ])("of %d units is %d", (value, step) => {
    // 0 and -0 are one step.
    expect(inputStep(value, 0, 1) + 0).toBe(step + 0);
  });

  test("is taken in f32: the difference first, then the product, each rounded", () => {
    // In double precision 16777217 - 1 is 2^24; in f32 the feature is 2^24 already, and 2^24 - 1 remains.
    expect(inputStep(Math.fround(16_777_217), 1, 2 ** -18)).toBe(64);
    fc.assert(
      fc.property(
        fc.float({ noNaN: true, noDefaultInfinity: true }),
        fc.float({ noNaN: true, min: -1000, max: 1000 }),
        (value, mean) => {
          const step = inputStep(value, mean, 12.5);
          expect(Number.isInteger(step)).toBe(true);
          expect(Math.abs(step)).toBeLessThanOrEqual(INT8_STEP_MAX);
          const exact = Math.fround(Math.fround(value - mean) * 12.5);
          if (Math.abs(exact) <= INT8_STEP_MAX) expect(Math.abs(step - exact)).toBeLessThanOrEqual(0.5);
        },
      ),
    );
  });
});

test("weights keep to half a step of their filter, laid out [filter][tap][feature]", () => {
  for (const model of [randomModel(3), unevenModel(3)]) {
    for (const branch of quantise(model).branches) {
      const weight = model.tensors[`${branch.name}.weight`];
      const { weightScales } = quantise(model).scales;
      for (let filter = 0; filter < branch.filters; filter++) {
        const scale = weightScales[branch.name][filter]!;
        for (let tap = 0; tap < branch.taps; tap++) {
          for (let feature = 0; feature < FEATURE_COUNT; feature++) {
            const exact = weight[(filter * FEATURE_COUNT + feature) * branch.taps + tap]! / scale;
            const step = branch.weights[(filter * branch.taps + tap) * FEATURE_COUNT + feature]!;
            expect(Math.abs(step - exact)).toBeLessThanOrEqual(0.5 + 1e-4);
          }
        }
        expect(branch.outputScales[filter]).toBe(Math.fround(scale * INPUT_SCALE_MAX));
      }
    }
  }
});

test("a filter without weights gets a scale, and no step", () => {
  const model = unevenModel(3);
  const dead = 4;
  for (const { name } of CONV_BRANCHES) expect(defaultInt8Scales(model.tensors).weightScales[name][dead]).toBe(1);
  const branch = quantise(model).branches[0]!;
  const perFilter = branch.taps * FEATURE_COUNT;
  expect(branch.weights.slice(dead * perFilter, (dead + 1) * perFilter).every((step) => step === 0)).toBe(true);
});

test("one weight on one input gives the response worked out by hand", () => {
  // Filter 5 of the dilated branch sees feature 2 of the bar two before; its average goes straight to momentum.
  const model = sparseModel((tensors) => {
    tensors["conv_k5d2.weight"][(5 * FEATURE_COUNT + 2) * 5 + 1] = 0.5;
    tensors["conv_k5d2.bias"][5] = 0.25;
    tensors["dense1.weight"][128 + 32 + 5] = 1;
    tensors["dense2.weight"][0] = 1;
    tensors["head_momentum.weight"][0] = 1;
  });
  const window = new Float32Array(WINDOW_ELEMS);
  window[10 * FEATURE_COUNT + 2] = 3;
  // 3 deviations are 3 / (10 / 127) = 38.1, hence 38 steps of 10 / 127; the largest weight has 127 steps and is exact.
  const response = 0.5 * 38 * (10 / 127) + 0.25;
  const average = (response + 49 * 0.25) / 50;
  const outputs = forwardPassInt8(quantise(model), window, 0);
  expect(outputs[OUTPUT_MOMENTUM]).toBeCloseTo(Math.tanh(average), 6);
  expect(outputs[OUTPUT_SENTINEL]).toBe(1);
});

test("on real windows eight bits give what thirty-two give, within a few thousandths of a probability", async () => {
  const model = await loadModelByName("untrained");
  const quantised = quantise(model);
  const count = 100;
  const windows = await realWindows(count);
  let worst = 0;
  for (let window = 0; window < count; window++) {
    const int8 = forwardPassInt8(quantised, windows, window * WINDOW_ELEMS);
    const exact = forwardPass(model.tensors, windows, window * WINDOW_ELEMS);
    for (let i = 0; i < OUTPUT_STRIDE; i++) {
      if (i <= OUTPUT_BUY_PROB) worst = Math.max(worst, Math.abs(int8[i]! - exact[i]!));
    }
  }
  expect(worst).toBeGreaterThan(0);
  expect(worst).toBeLessThan(0.01);
});
