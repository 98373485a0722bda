// The f16 forward pass in WGSL. Where the adapter has shader-f16 it passes the suite of every engine; where it has not, it is
// refused in clear words, and the shader with every f16 read as f32 is held to the reference: all of it but the rounding.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { ENGINE_OK, OUTPUT_STRIDE, WINDOW_ELEMS } from "../../src/inference/engine.ts";
import { ReferenceEngine } from "../../src/inference/reference/forward-pass.ts";
import { openAdapter } from "../../src/inference/webgpu/adapters.ts";
import { loadDawn } from "../../src/inference/webgpu/dawn.ts";
import { openDevice } from "../../src/inference/webgpu/device.ts";
import { WebGpuEngine } from "../../src/inference/webgpu/forward-pass.ts";
import { instanceFlags } from "../../src/inference/webgpu/forward-stage.ts";
import { KERNELS } from "../../src/inference/webgpu/kernels.ts";
import { GpuResources } from "../../src/inference/webgpu/resources.ts";
import { makeAnswerBuffers, RoundTrip } from "../../src/inference/webgpu/round-trip.ts";
import type { WebGpuError } from "../../src/inference/webgpu/webgpu-error.ts";
import { packWeights } from "../../src/inference/webgpu/weight-layout.ts";
import { F16_TOLERANCE, FP32_TOLERANCE, inferenceConformance } from "../conformance/inference-engine.ts";
import { randomModel } from "../support/models.ts";
import { useTestAdapter } from "../support/vulkan.ts";
import { randomWindows } from "../support/windows.ts";

/** Software Vulkan compiles a kernel in half a second on idle cores, in several on busy ones. */
setDefaultTimeout(60_000);

const adapter = await useTestAdapter();
const skipReason = adapter.skipReason || (await missingFeature());
const TIMEOUT_MS = 30_000;

inferenceConformance(
  `webgpu f16 on ${adapter.name}${skipReason === "" ? "" : `, which ${skipReason}`}`,
  (model) =>
    WebGpuEngine.create({ model, adapterName: adapter.name, batchMax: 101, precision: "f16", isChecked: true }),
  { skipReason, tolerance: F16_TOLERANCE, windowCount: 300 },
);

async function missingFeature(): Promise<string> {
  const opened = await openAdapter(adapter.name, instanceFlags("f16", true));
  return opened.adapter.features.has("shader-f16") ? "" : "has no shader-f16";
}

describe.skipIf(adapter.skipReason !== "" || skipReason === "")(`f16 on ${adapter.name}, which ${skipReason}`, () => {
  test("is refused with the adapter, what it lacks and what to do", async () => {
    const engine = WebGpuEngine.create({
      model: randomModel(1),
      adapterName: adapter.name,
      batchMax: 1,
      precision: "f16",
    });
    const error = await engine.then(
      () => null,
      (reason: WebGpuError) => reason,
    );
    expect(error?.code).toBe("FEATURE_MISSING");
    expect(error?.message).toContain("shader-f16");
    expect(error?.remedy).toContain('precision = "fp32"');
  });
});

describe.skipIf(adapter.skipReason !== "")(`WGSL f16 forward pass with f32 for f16 on ${adapter.name}`, () => {
  const COUNT = 100;
  const model = randomModel(8);
  let device: GPUDevice;
  let trip: RoundTrip;
  let upload: (windows: Float32Array<ArrayBuffer>) => void;

  beforeAll(async () => {
    device = await openDevice(await openAdapter(adapter.name, []));
    const resources = new GpuResources(device, true);
    const { STORAGE, COPY_DST } = loadDawn().globals.GPUBufferUsage;
    const source = KERNELS["forward-pass-f16"].source.replace("enable f16;", "").replaceAll("f16>", "f32>");
    expect(source).not.toMatch(/^[^/]*\bf16\b/m);
    const { weights, extra } = packWeights(model, "f16");
    const windows = resources.buffer("windows", COUNT * WINDOW_ELEMS * 4, STORAGE | COPY_DST);
    const answers = makeAnswerBuffers(resources, COUNT);
    const layout = resources.layout(["read", "read", "write", "read", "stamp"]);
    const pipeline = await resources.pipeline("forward-pass-f16", { ...KERNELS["forward-pass-f16"], source }, layout);
    const bindGroup = resources.bindGroup(layout, [
      windows,
      resources.upload("weights", Float32Array.from(weights as Float16Array), STORAGE),
      answers.outputs,
      resources.upload("standards", extra!.data, STORAGE),
      answers.stamp,
    ]);
    trip = new RoundTrip(
      device,
      [{ name: "forward", pipeline, bindGroup, hasStamp: true }],
      answers,
      COUNT,
      TIMEOUT_MS * 1e6,
    );
    upload = (data) => device.queue.writeBuffer(windows.buffer, windows.offset, data);
  });
  afterAll(() => device?.destroy());

  test("gives what the reference gives for weights rounded to f16", () => {
    const windows = randomWindows(model, COUNT, 3);
    const tensors = Object.fromEntries(
      Object.entries(model.tensors).map(([name, values]) => [
        name,
        name.startsWith("input.") ? values : Float32Array.from(Float16Array.from(values)),
      ]),
    );
    const rounded = { ...model, tensors: tensors as typeof model.tensors };
    const offsets = Int32Array.from({ length: COUNT }, (_, i) => i * WINDOW_ELEMS);
    const [found, expected] = [new Float32Array(COUNT * OUTPUT_STRIDE), new Float32Array(COUNT * OUTPUT_STRIDE)];
    upload(windows);
    expect(trip.run(COUNT, found)).toBe(ENGINE_OK);
    new ReferenceEngine(rounded).predict(windows, offsets, COUNT, expected);
    const differences = Array.from(found, (value, i) => Math.abs(value - expected[i]!));
    expect(Math.max(...differences)).toBeLessThanOrEqual(FP32_TOLERANCE);
  });
});
