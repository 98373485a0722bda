// The forward pass as a stage of a round trip, in the precision asked for. Start only, not hot.

import { Prng } from "../../core/prng.ts";
import { FEATURE_COUNT, type InferenceEngine, type Precision, WINDOW_ELEMS } from "../engine.ts";
import type { Model } from "../model-file.ts";
import { ReferenceEngine } from "../reference/forward-pass.ts";
import { ReferenceInt8Engine } from "../reference/forward-pass-int8.ts";
import { loadDawn } from "./dawn.ts";
import { FORWARD_KERNELS, KERNELS } from "./kernels.ts";
import type { GpuResources, GpuSpan } from "./resources.ts";
import type { AnswerBuffers, Stage } from "./round-trip.ts";
import { packWeights } from "./weight-layout.ts";

/** Largest difference from the reference of its precision, absolute, on every output. */
export const REFERENCE_TOLERANCES: Readonly<Record<Precision, number>> = {
  /** Measured 5e-7; Metal's relaxed math and fused multiply-adds need room. */
  fp32: 2e-5,
  /** f16 has 11 bits, and a response is a sum of up to 60 products; measured 2e-3. */
  f16: 1e-2,
  /** Whole-number sums are exact, so only the float32 of dense layers and heads differs; measured 5e-7. */
  int8: 1e-5,
};

/** What the adapter must have. */
export const REQUIRED_FEATURES: Readonly<Record<Precision, readonly GPUFeatureName[]>> = {
  fp32: [],
  f16: ["shader-f16"],
  int8: [],
};

/**
 * Checks that production turns off, because the kernels need none of them: every workgroup variable is written before it
 * is read, no index leaves its buffer, and every call passes validation in the tests. A third of the time of a window on
 * software Vulkan.
 */
const PRODUCTION_TOGGLES = ["skip_validation", "disable_workgroup_init", "disable_robustness"];
/** Dawn hides f16 of NVIDIA's Vulkan drivers for the bugs of old ones; the self-test finds a wrong answer. */
const F16_TOGGLES = ["vulkan_enable_f16_on_nvidia"];

/** Flags of Dawn's instance. */
export function instanceFlags(precision: Precision, isChecked: boolean): string[] {
  const toggles = [...(isChecked ? [] : PRODUCTION_TOGGLES), ...(precision === "f16" ? F16_TOGGLES : [])];
  return toggles.length > 0 ? [`enable-dawn-features=${toggles.join(",")}`] : [];
}

/** The stage that reads raw `windows` and writes answers. `source` is WGSL in place of the shader's, for tests. */
export async function makeForwardStage(
  resources: GpuResources,
  model: Model,
  precision: Precision,
  windows: GpuSpan,
  answers: AnswerBuffers,
  source?: string,
): Promise<Stage> {
  const stem = FORWARD_KERNELS[precision];
  const { STORAGE } = loadDawn().globals.GPUBufferUsage;
  const packed = packWeights(model, precision);
  const weights = resources.upload("weights", packed.weights, STORAGE);
  const extra = packed.extra === null ? [] : [resources.upload(packed.extra.name, packed.extra.data, STORAGE)];
  const layout = resources.layout(["read", "read", "write", ...extra.map(() => "read" as const), "stamp"]);
  const pipeline = await resources.pipeline(stem, { ...KERNELS[stem], source: source ?? KERNELS[stem].source }, layout);
  const bindGroup = resources.bindGroup(layout, [windows, weights, answers.outputs, ...extra, answers.stamp]);
  return { name: "forward", pipeline, bindGroup, hasStamp: true };
}

/** What the precision is held to. */
export function referenceOf(model: Model, precision: Precision): InferenceEngine {
  return precision === "int8" ? new ReferenceInt8Engine(model) : new ReferenceEngine(model);
}

const SELF_TEST_SEED = 20_191_218;
/** Wide enough that 1 in 80 inputs is clamped. */
const SELF_TEST_DEVIATIONS = 4;

/** `count` seeded windows around the model's mean. */
export function selfTestWindows(model: Model, count: number): Float32Array<ArrayBuffer> {
  const { "input.mean": mean, "input.std": std } = model.tensors;
  const prng = new Prng(SELF_TEST_SEED);
  const features = new Float32Array(count * WINDOW_ELEMS);
  for (let i = 0; i < features.length; i++) {
    const feature = i % FEATURE_COUNT;
    features[i] = mean[feature]! + std[feature]! * prng.nextNormal() * SELF_TEST_DEVIATIONS;
  }
  return features;
}
