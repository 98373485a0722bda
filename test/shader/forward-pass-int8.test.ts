// The int8 forward pass in WGSL against its dequantised reference: the suite that every engine passes, inputs on the edge
// between two steps, and guard words around every buffer.

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { ENGINE_OK, OUTPUT_STRIDE, WINDOW_ELEMS } from "../../src/inference/engine.ts";
import { INPUT_SCALE_MAX, inputStep, quantise } from "../../src/inference/quantise.ts";
import { ReferenceInt8Engine } from "../../src/inference/reference/forward-pass-int8.ts";
import { WebGpuEngine } from "../../src/inference/webgpu/forward-pass.ts";
import { INT8_TOLERANCE, inferenceConformance } from "../conformance/inference-engine.ts";
import { modelOf, randomModel } from "../support/models.ts";
import { useTestAdapter } from "../support/vulkan.ts";

const BATCH_MAX = 101;
/** Software Vulkan compiles a kernel in half a second on idle cores, in several on busy ones. */
setDefaultTimeout(60_000);

const adapter = await useTestAdapter();
const options = { adapterName: adapter.name, batchMax: BATCH_MAX, precision: "int8", isChecked: true } as const;

inferenceConformance(
  `webgpu int8 on ${adapter.name || adapter.skipReason}`,
  (model) => WebGpuEngine.create({ model, ...options }),
  {
    skipReason: adapter.skipReason,
    tolerance: INT8_TOLERANCE,
    reference: (model) => new ReferenceInt8Engine(model),
    windowCount: 300,
  },
);

describe.skipIf(adapter.skipReason !== "")(`WGSL int8 forward pass on ${adapter.name || adapter.skipReason}`, () => {
  const engines: WebGpuEngine[] = [];
  afterAll(() => {
    for (const engine of engines) engine.close();
  });

  test("rounds inputs that lie between two steps as the reference does", async () => {
    // Deviations that make one unit of a feature one step.
    const { tensors } = randomModel(5);
    tensors["input.std"].fill(1 / INPUT_SCALE_MAX);
    const model = modelOf(tensors);
    const { inputMean, inputFactor } = quantise(model);
    expect(inputFactor[0]).toBe(1);
    // Every half within the steps, on and around it, and beyond them.
    const window = Float32Array.from({ length: WINDOW_ELEMS }, (_, i) => (i % 400) / 2 - 100 + ((i % 3) - 1) * 1e-5);
    expect(new Set(Array.from(window, (x) => inputStep(x, inputMean[0]!, 1))).size).toBeGreaterThan(190);
    const engine = await WebGpuEngine.create({ model, ...options, batchMax: 1 });
    engines.push(engine);
    const [found, expected] = [new Float32Array(OUTPUT_STRIDE), new Float32Array(OUTPUT_STRIDE)];
    expect(engine.predict(window, new Int32Array(1), 1, found)).toBe(ENGINE_OK);
    new ReferenceInt8Engine(model).predict(window, new Int32Array(1), 1, expected);
    for (let i = 0; i < OUTPUT_STRIDE; i++) expect(found[i]).toBeCloseTo(expected[i]!, 5);
  });

  test("differs from fp32: it is another kernel", async () => {
    const model = randomModel(6);
    const window = Float32Array.from({ length: WINDOW_ELEMS }, (_, i) => Math.sin(i));
    const out = new Float32Array(2 * OUTPUT_STRIDE);
    for (const precision of ["int8", "fp32"] as const) {
      const engine = await WebGpuEngine.create({ model, ...options, precision, batchMax: 1 });
      engines.push(engine);
      expect(engine.info.precision).toBe(precision);
      const one = new Float32Array(OUTPUT_STRIDE);
      expect(engine.predict(window, new Int32Array(1), 1, one)).toBe(ENGINE_OK);
      out.set(one, precision === "int8" ? 0 : OUTPUT_STRIDE);
    }
    const differences = Array.from({ length: 5 }, (_, i) => Math.abs(out[i]! - out[OUTPUT_STRIDE + i]!));
    expect(Math.max(...differences)).toBeGreaterThan(INT8_TOLERANCE);
    expect(Math.max(...differences)).toBeLessThan(0.1);
  });
});
