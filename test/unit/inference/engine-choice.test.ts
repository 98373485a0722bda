// Which engine is taken, with GPUs that are as fast or as broken as a test needs. A real device: test/shader/resilient-engine.test.ts.

import { beforeAll, describe, expect, test } from "bun:test";
import {
  ENGINE_OK,
  type EngineInfo,
  type InferenceEngine,
  OUTPUT_SENTINEL,
  OUTPUT_STRIDE,
  worksAhead,
} from "../../../src/inference/engine.ts";
import { chooseEngine, type EngineChoiceOptions, selfTest } from "../../../src/inference/engine-choice.ts";
import { loadModelByName, type Model } from "../../../src/inference/model-file.ts";
import { WasmEngine } from "../../../src/inference/wasm/forward-pass.ts";
import { WebGpuError } from "../../../src/inference/webgpu/webgpu-error.ts";
import { FaultyEngine } from "../../support/faulty-engine.ts";
import { ManualDelays, settled } from "../../support/manual-delays.ts";
import { randomWindows } from "../../support/windows.ts";

let model: Model;
let wasm: WasmEngine;
beforeAll(async () => {
  model = await loadModelByName("untrained");
  wasm = await WasmEngine.create(model);
});

/** Answers everything at once, with nothing. */
class InstantEngine implements InferenceEngine {
  readonly batchMax = 256;
  closeCount = 0;
  readonly info: EngineInfo = { ...wasm.info, engine: "webgpu", adapter: "instant" };

  predict(_features: Float32Array, _offsets: Int32Array, count: number, out: Float32Array): number {
    for (let window = 0; window < count; window++) out[window * OUTPUT_STRIDE + OUTPUT_SENTINEL] = 1;
    return ENGINE_OK;
  }

  close(): void {
    this.closeCount += 1;
  }
}

function choose(options: Partial<EngineChoiceOptions>) {
  return chooseEngine({
    model,
    engine: "auto",
    precision: "fp32",
    adapter: "",
    isMeasured: true,
    universeCount: 100,
    delays: new ManualDelays(),
    seed: 1,
    ...options,
  });
}

describe("auto, where it measures", () => {
  test("takes a GPU that answers sooner, with wasm behind it", async () => {
    const choice = await choose({ makeWebGpu: async () => new InstantEngine() });
    expect(choice.engine.info.engine).toBe("webgpu");
    expect(choice.resilient).toBe(choice.engine as typeof choice.resilient);
    expect(choice.timings.map(({ engine, universeCount }) => [engine, universeCount])).toEqual([
      ["wasm", 100],
      ["webgpu", 100],
    ]);
    expect(choice.text).toMatch(/^engine: wasm .+; webgpu fp32 on instant .+ us for 100; webgpu is taken$/);
    choice.engine.close();
  });

  test("leaves a GPU that answers later, and closes it", async () => {
    const slow = new FaultyEngine(wasm);
    slow.fault = "slow";
    const choice = await choose({ makeWebGpu: async () => slow });
    expect(choice.engine.info.engine).toBe("wasm");
    expect(choice.resilient).toBeNull();
    expect(slow.closeCount).toBe(1);
  });

  test("leaves a GPU that fails while it is measured, however fast, and does not try to have it back", async () => {
    const broken = new FaultyEngine(new InstantEngine());
    broken.fault = "code";
    const delays = new ManualDelays();
    const choice = await choose({ makeWebGpu: async () => broken, delays });
    await settled();
    expect(choice.engine.info.engine).toBe("wasm");
    expect(choice.warnings).toEqual([choice.text]);
    expect(choice.text).toContain("while it was measured, the webgpu engine on test adapter failed: told to fail");
    expect(broken.closeCount).toBe(1);
    expect(delays.waiting).toEqual([]);
  });

  test.each([
    ["ADAPTER_NONE", 0],
    ["VULKAN_LOADER_MISSING", 0],
    ["ADAPTER_NOT_FOUND", 1],
    ["SHADER_INVALID", 1],
    ["SELF_TEST_FAILED", 1],
  ] as const)("is wasm where there is no GPU: %s makes %d warnings", async (code, warningCount) => {
    const choice = await choose({ makeWebGpu: () => Promise.reject(new WebGpuError(code, "nothing here")) });
    expect(choice.engine.info.engine).toBe("wasm");
    expect(choice.text).toContain("nothing here");
    expect(choice.warnings).toHaveLength(warningCount);
    expect(choice.timings).toEqual([]);
  });

  test("leaves nothing of the windows it was measured on in the engine that trades", async () => {
    const slow = new FaultyEngine(wasm);
    slow.fault = "slow";
    const STOCKS = 256;
    const { engine } = await choose({ makeWebGpu: async () => slow, universeCount: STOCKS });
    const ahead = worksAhead(engine)!;
    const windows = randomWindows(model, 1, 5);
    const [found, expected] = [new Float32Array(OUTPUT_STRIDE), new Float32Array(OUTPUT_STRIDE)];
    wasm.predict(windows, new Int32Array(1), 1, expected);
    // Each stock at another revision, among them the one that measuring ended with: what is kept under it is not the stock's.
    for (let slot = 0; slot < STOCKS; slot++) {
      ahead.predictPrepared(slot, slot, windows, 0, found);
      for (let i = 0; i < OUTPUT_STRIDE; i++) expect(found[i]).toBeCloseTo(expected[i]!, 5);
    }
  });

  test("does not pass a bug off as a missing GPU", async () => {
    await expect(choose({ makeWebGpu: () => Promise.reject(new TypeError("a bug")) })).rejects.toThrow("a bug");
  });
});

test.each([
  ["auto", "wasm"],
  ["wasm", "wasm"],
  ["reference", "reference"],
] as const)("%s is %s where nothing is measured, and asks no GPU", async (engine, expected) => {
  let asked = 0;
  const makeWebGpu = async () => {
    asked += 1;
    return new InstantEngine();
  };
  const choice = await choose({ engine, isMeasured: false, makeWebGpu });
  expect(choice.engine.info.engine).toBe(expected);
  expect(choice).toMatchObject({ resilient: null, timings: [], text: "", warnings: [] });
  expect(asked).toBe(0);
});

test("a named GPU that is not there is an error", async () => {
  const makeWebGpu = () => Promise.reject(new WebGpuError("ADAPTER_NONE", "no GPU here"));
  await expect(choose({ engine: "webgpu", makeWebGpu })).rejects.toThrow("no GPU here");
});

test("an engine that computes wrongly fails its known answers, by name of the output", () => {
  expect(() => selfTest(wasm, model)).not.toThrow();
  expect(() => selfTest(new InstantEngine(), model)).toThrow(/self-test: output \d+ is/);
  const mute = new FaultyEngine(wasm);
  mute.fault = "code";
  expect(() => selfTest(mute, model)).toThrow("no answer");
  const one: InferenceEngine = {
    info: wasm.info,
    batchMax: 256,
    predict(features, offsets, count, out) {
      const code = wasm.predict(features, offsets, count, out);
      out[OUTPUT_STRIDE]! += 1e-4;
      return code;
    },
    close() {},
  };
  expect(() => selfTest(one, model)).toThrow(`output ${OUTPUT_STRIDE} is`);
});
