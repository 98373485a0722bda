// The WGSL forward pass against the float64 reference, on SwiftShader (test/support/vulkan.ts) or a GPU named in
// GYR_TEST_ADAPTER: the suite that every engine passes, then what only a GPU can do wrong. WebGPU's validation and the
// shader's bounds checks are on, except where a test says otherwise.

import { heapStats } from "bun:jsc";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { Prng } from "../../src/core/prng.ts";
import {
  ENGINE_FAILED,
  ENGINE_OK,
  type InferenceEngine,
  OUTPUT_MOMENTUM,
  OUTPUT_SENTINEL,
  OUTPUT_STRIDE,
  WINDOW_ELEMS,
} from "../../src/inference/engine.ts";
import { ReferenceEngine } from "../../src/inference/reference/forward-pass.ts";
import { listAdapters } from "../../src/inference/webgpu/adapters.ts";
import { WebGpuEngine, type WebGpuEngineOptions } from "../../src/inference/webgpu/forward-pass.ts";
import { REFERENCE_TOLERANCES } from "../../src/inference/webgpu/forward-stage.ts";
import { KERNELS } from "../../src/inference/webgpu/kernels.ts";
import type { WebGpuError } from "../../src/inference/webgpu/webgpu-error.ts";
import { inferenceConformance } from "../conformance/inference-engine.ts";
import { randomModel } from "../support/models.ts";
import { useTestAdapter } from "../support/vulkan.ts";
import { randomWindows } from "../support/windows.ts";

const BATCH_MAX = 100;
const REFERENCE_TOLERANCE = REFERENCE_TOLERANCES.fp32;
/** Software Vulkan compiles a kernel in half a second on idle cores, in several on busy ones. */
setDefaultTimeout(60_000);

const adapter = await useTestAdapter();
const SOURCE = KERNELS["forward-pass"].source;

inferenceConformance(
  `webgpu on ${adapter.name || adapter.skipReason}`,
  (model) => WebGpuEngine.create({ model, adapterName: adapter.name, batchMax: BATCH_MAX, isChecked: true }),
  { skipReason: adapter.skipReason, tolerance: REFERENCE_TOLERANCES.fp32 },
);

describe.skipIf(adapter.skipReason !== "")(`WGSL forward pass on ${adapter.name || adapter.skipReason}`, () => {
  const model = randomModel(7);
  const reference = new ReferenceEngine(model);
  let engine: WebGpuEngine;

  beforeAll(async () => {
    engine = await makeEngine();
  });
  afterAll(() => engine?.close());

  function makeEngine(options: Partial<WebGpuEngineOptions> = {}): Promise<WebGpuEngine> {
    return WebGpuEngine.create({
      model,
      adapterName: adapter.name,
      batchMax: BATCH_MAX,
      isChecked: true,
      ...options,
    });
  }

  async function creationError(options: Partial<WebGpuEngineOptions>): Promise<WebGpuError> {
    try {
      (await makeEngine(options)).close();
    } catch (error) {
      return error as WebGpuError;
    }
    throw new Error("an engine was made");
  }

  /** Outputs of windows that lie one after another, in one call. */
  function outputsOf(of: InferenceEngine, windows: Float32Array): Float32Array {
    const count = windows.length / WINDOW_ELEMS;
    const out = new Float32Array(count * OUTPUT_STRIDE);
    expect(of.predict(windows, offsetsOf(count), count, out)).toBe(ENGINE_OK);
    return out;
  }

  function expectAgreement(found: Float32Array, expected: Float32Array): void {
    expect(found.length).toBe(expected.length);
    let worst = 0;
    let squares = 0;
    for (let i = 0; i < found.length; i++) {
      const difference = Math.abs(found[i]! - expected[i]!);
      // Written so that a NaN is the worst of all.
      if (!(difference <= worst)) worst = difference;
      squares += difference * difference;
    }
    expect(worst).toBeLessThanOrEqual(REFERENCE_TOLERANCE);
    // Not every output is as wrong as the worst may be.
    expect(Math.sqrt(squares / found.length)).toBeLessThan(REFERENCE_TOLERANCE / 10);
  }

  describe("numbers", () => {
    test("are near the reference throughout, not only within the largest error allowed", () => {
      const windows = randomWindows(model, BATCH_MAX, 11);
      expectAgreement(outputsOf(engine, windows), outputsOf(reference, windows));
    });

    test("are the same with production's flags as with every check on", async () => {
      const production = await makeEngine({ isChecked: false });
      const windows = randomWindows(model, BATCH_MAX, 15);
      expectAgreement(outputsOf(production, windows), outputsOf(engine, windows));
      production.close();
    });

    test("come out when sizes change from call to call", () => {
      const prng = new Prng(16);
      const windows = randomWindows(model, BATCH_MAX, 16);
      const expected = outputsOf(reference, windows);
      const out = new Float32Array(BATCH_MAX * OUTPUT_STRIDE);
      for (let call = 0; call < 40; call++) {
        const count = 1 + prng.nextInt(12);
        const first = prng.nextInt(BATCH_MAX - count);
        const offsets = offsetsOf(BATCH_MAX).slice(first, first + count);
        expect(engine.predict(windows, offsets, count, out)).toBe(ENGINE_OK);
        expectAgreement(
          out.slice(0, count * OUTPUT_STRIDE),
          expected.slice(first * OUTPUT_STRIDE, (first + count) * OUTPUT_STRIDE),
        );
      }
    });

    test("come out of a column in shared memory", () => {
      const windows = randomWindows(model, 2, 20);
      const shared = new Float32Array(new SharedArrayBuffer(windows.byteLength));
      shared.set(windows);
      expect(outputsOf(engine, shared)).toEqual(outputsOf(engine, windows));
      const out = new Float32Array(OUTPUT_STRIDE);
      expect(engine.predict(shared, Int32Array.of(WINDOW_ELEMS), 1, out)).toBe(ENGINE_OK);
      expect(out).toEqual(outputsOf(engine, windows).slice(OUTPUT_STRIDE));
    });
  });

  test("leave nothing behind once the event loop has turned", async () => {
    const CALLS = 500;
    const window = randomWindows(model, 1, 19);
    const objectsAfterCalls = async (): Promise<number> => {
      for (let call = 0; call < CALLS; call++) outputsOf(engine, window);
      // Collecting finds what is dead, a turn runs its finalizers, collecting again frees what they held.
      for (let round = 0; round < 2; round++) {
        Bun.gc(true);
        await new Promise((resolve) => setImmediate(resolve));
      }
      return heapStats().objectCount;
    };
    await objectsAfterCalls();
    const before = await objectsAfterCalls();
    const after = await objectsAfterCalls();
    // One object kept by each call would be 500.
    expect(after - before).toBeLessThan(CALLS / 10);
  });

  describe("inputs that are not ordinary numbers", () => {
    test.each([
      ["the largest float", 3.4e38],
      ["the smallest", -3.4e38],
      ["infinity", Number.POSITIVE_INFINITY],
      ["minus infinity", Number.NEGATIVE_INFINITY],
    ])("%s give what the reference gives", (_name, value) => {
      const window = new Float32Array(WINDOW_ELEMS).fill(value);
      expectAgreement(outputsOf(engine, window), outputsOf(reference, window));
    });

    test("a NaN gives its window NaN and sentinel 0, and leaves the others alone", () => {
      const windows = randomWindows(model, 3, 17);
      const clean = outputsOf(engine, windows);
      windows[2 * WINDOW_ELEMS - 1] = Number.NaN;
      const found = outputsOf(engine, windows);
      for (let i = 0; i <= OUTPUT_MOMENTUM; i++) expect(found[OUTPUT_STRIDE + i]).toBeNaN();
      expect(found[OUTPUT_STRIDE + OUTPUT_SENTINEL]).toBe(0);
      expect(found.slice(0, OUTPUT_STRIDE)).toEqual(clean.slice(0, OUTPUT_STRIDE));
      expect(found.slice(2 * OUTPUT_STRIDE)).toEqual(clean.slice(2 * OUTPUT_STRIDE));
    });
  });

  describe("adapters", () => {
    test("are listed with what they can do", async () => {
      const { adapters, problem } = await listAdapters();
      expect(problem).toBe("");
      const own = adapters.find(({ name }) => name.toLowerCase().includes(adapter.name.toLowerCase()));
      expect(own?.backend).toMatch(/^(vulkan|metal)$/);
      expect(own?.limits.maxComputeInvocationsPerWorkgroup).toBeGreaterThanOrEqual(256);
      expect(own?.features).toContain("core-features-and-limits");
    });

    test.skipIf(adapter.name !== "swiftshader")("that run on the processor are refused unless named", async () => {
      const error = await creationError({ adapterName: "" });
      expect(error.code).toBe("ADAPTER_SOFTWARE");
      expect(error.message).toContain("SwiftShader");
      expect(error.remedy).toContain("[inference] adapter");
    });

    test("are found by part of their name in any case", async () => {
      const named = await makeEngine({ adapterName: adapter.name.toUpperCase() });
      expect(named.info.adapter.toLowerCase()).toContain(adapter.name.toLowerCase());
      expect(named.info).toMatchObject({ engine: "webgpu", precision: "fp32", model: model.name });
      named.close();
    });

    test("that are not there are an error that names those that are", async () => {
      const error = await creationError({ adapterName: "voodoo 2" });
      expect(error.code).toBe("ADAPTER_NOT_FOUND");
      expect(error.message).toContain('"voodoo 2"');
      expect(error.message).toContain(engine.info.adapter);
    });
  });

  describe("a broken kernel", () => {
    test("is refused with the compiler's lines", async () => {
      const error = await creationError({ source: SOURCE.replace("let window = group.x;", "let window = group.x") });
      expect(error.code).toBe("SHADER_INVALID");
      expect(error.message).toMatch(/forward-pass\.wgsl:\d+:\d+: /);
    });

    test("is refused when it wants other bindings", async () => {
      const error = await creationError({ source: SOURCE.replace("@binding(3)", "@binding(9)") });
      expect(error.code).toBe("SHADER_INVALID");
    });

    test.each([
      ["a wrong activation", "let momentum = tanh(", "let momentum = sin(", "computes wrongly"],
      ["a wrong tap", "rows[a + 26u]", "rows[a + 25u]", "computes wrongly"],
      [
        "an answer that only the first window gets",
        "if (lane == 0u) {\n    let",
        "if (lane == 0u && window == 0u) {\n    let",
        "",
      ],
      ["no stamp", "0.0, stamp, sentinel)", "0.0, -1.0, sentinel)", "did not write its answer"],
    ])("is caught by the self-test: %s", async (_name, from, to, message) => {
      expect(SOURCE).toContain(from);
      const error = await creationError({ source: SOURCE.replace(from, to) });
      expect(error.code).toBe("SELF_TEST_FAILED");
      expect(error.message).toContain(message);
    });
  });

  describe("failure", () => {
    /** An engine and its device, and one window to try it with. */
    async function victim(options: Partial<WebGpuEngineOptions> = {}) {
      let device: GPUDevice | undefined;
      const made = await makeEngine({
        batchMax: 4,
        onDevice: (opened) => {
          device = opened;
        },
        ...options,
      });
      const windows = randomWindows(model, 4, 18);
      const out = new Float32Array(4 * OUTPUT_STRIDE);
      const predict = (): number => made.predict(windows, offsetsOf(4), 4, out);
      return { engine: made, device: device!, predict };
    }

    test("of the device answers ENGINE_FAILED from then on, counted", async () => {
      const { engine: broken, device, predict } = await victim();
      expect(predict()).toBe(ENGINE_OK);
      device.destroy();
      expect(predict()).toBe(ENGINE_FAILED);
      expect(predict()).toBe(ENGINE_FAILED);
      expect(broken.failedCalls).toBe(2);
      expect(broken.failure).not.toBe("");
      broken.close();
    });

    test("of a WebGPU call anywhere on the device stops the engine", async () => {
      const { engine: broken, device, predict } = await victim();
      device.createBuffer({ size: 4, usage: 0 });
      const codes = [predict(), predict()];
      expect(codes).toContain(ENGINE_FAILED);
      expect(broken.failure).toContain("WebGPU error");
      broken.close();
    });

    test("to answer in time is ENGINE_FAILED", async () => {
      const { engine: late, predict } = await victim({ timeoutMs: 0 });
      expect(predict()).toBe(ENGINE_FAILED);
      expect(late.failure).toContain("no answer from the GPU within 0 ms");
      late.close();
    });

    test("after close is ENGINE_FAILED, and closing twice is nothing", async () => {
      const { engine: closed, predict } = await victim();
      closed.close();
      closed.close();
      expect(predict()).toBe(ENGINE_FAILED);
      expect(closed.failure).toBe("the engine is closed");
    });

    test("to lie inside the column is an assertion, for the caller's bug", () => {
      const out = new Float32Array(OUTPUT_STRIDE);
      const tooShort = new Float32Array(WINDOW_ELEMS - 1);
      expect(() => engine.predict(tooShort, new Int32Array(1), 1, out)).toThrow("inside the feature column");
      const oneTooMany = new Int32Array(BATCH_MAX + 1);
      expect(() => engine.predict(tooShort, oneTooMany, BATCH_MAX + 1, out)).toThrow("0 to batchMax windows");
    });

    test("of another task on the same device does not come from waiting in between", async () => {
      const { engine: busy, device, predict } = await victim();
      const ownSetImmediate = globalThis.setImmediate;
      const done = device.queue.onSubmittedWorkDone();
      expect(predict()).toBe(ENGINE_OK);
      expect(globalThis.setImmediate).toBe(ownSetImmediate);
      expect(predict()).toBe(ENGINE_OK);
      await done;
      expect(predict()).toBe(ENGINE_OK);
      busy.close();
    });
  });
});

function offsetsOf(count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, window) => window * WINDOW_ELEMS);
}
