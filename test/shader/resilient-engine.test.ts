// What goes wrong with a real device in the middle of trading, provoked: the tick is answered by wasm, told and counted, and the
// device is had back where that is possible. On SwiftShader (test/support/vulkan.ts) or a GPU named in GYR_TEST_ADAPTER.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Prng } from "../../src/core/prng.ts";
import { ENGINE_OK, OUTPUT_STRIDE, WINDOW_ELEMS } from "../../src/inference/engine.ts";
import { chooseEngine, type EngineChoiceOptions } from "../../src/inference/engine-choice.ts";
import { loadModelByName, type Model } from "../../src/inference/model-file.ts";
import { ResilientEngine } from "../../src/inference/resilient-engine.ts";
import { WasmEngine } from "../../src/inference/wasm/forward-pass.ts";
import { WebGpuEngine, type WebGpuEngineOptions } from "../../src/inference/webgpu/forward-pass.ts";
import { KERNELS } from "../../src/inference/webgpu/kernels.ts";
import { ManualDelays, settled } from "../support/manual-delays.ts";
import { decisionsOf, PipelineWorld } from "../support/pipeline-world.ts";
import { useTestAdapter } from "../support/vulkan.ts";
import { randomWindows } from "../support/windows.ts";

/** Between wasm and fp32 on a GPU, absolute: each is within 5e-7 of the reference, and Metal's relaxed math needs room. */
const TOLERANCE = 4e-5;
const BATCH_MAX = 20;
const SOURCE = KERNELS["forward-pass"].source;
const adapter = await useTestAdapter();

describe.skipIf(adapter.skipReason !== "")(`an engine on ${adapter.name || adapter.skipReason}`, () => {
  let model: Model;
  let wasm: WasmEngine;
  let windows: Float32Array<ArrayBuffer>;
  let expected: Float32Array;
  const offsets = Int32Array.from({ length: BATCH_MAX }, (_, i) => i * WINDOW_ELEMS);

  beforeAll(async () => {
    model = await loadModelByName("untrained");
    wasm = await WasmEngine.create(model);
    windows = randomWindows(model, BATCH_MAX, 3);
    expected = new Float32Array(BATCH_MAX * OUTPUT_STRIDE);
    wasm.predict(windows, offsets, BATCH_MAX, expected);
  });
  afterAll(() => wasm?.close());

  /** A resilient engine, the device under it, and what becomes of it. */
  class World {
    readonly delays = new ManualDelays();
    readonly told: string[] = [];
    readonly out = new Float32Array(BATCH_MAX * OUTPUT_STRIDE);
    /** Options of the engines made from now on. */
    next: Partial<WebGpuEngineOptions> = {};
    engine!: ResilientEngine;
    device!: GPUDevice;

    static async open(options: Partial<WebGpuEngineOptions> = {}): Promise<World> {
      const world = new World();
      world.next = options;
      world.engine = new ResilientEngine({
        primary: await world.#make(),
        fallback: wasm,
        remake: () => world.#make(),
        delays: world.delays,
        prng: new Prng(1),
      });
      world.engine.onTold = (text) => world.told.push(text);
      world.next = {};
      return world;
    }

    #make(): Promise<WebGpuEngine> {
      return WebGpuEngine.create({
        model,
        adapterName: adapter.name,
        batchMax: BATCH_MAX,
        isChecked: true,
        onDevice: (device) => {
          this.device = device;
        },
        ...this.next,
      });
    }

    /** Predicts all windows and holds them to wasm. */
    predict(count = BATCH_MAX): void {
      this.out.fill(9);
      expect(this.engine.predict(windows, offsets, count, this.out)).toBe(ENGINE_OK);
      for (let i = 0; i < count * OUTPUT_STRIDE; i++) {
        expect(Math.abs(this.out[i]! - expected[i]!)).toBeLessThanOrEqual(TOLERANCE);
      }
    }

    /** Lets the restorer try once; making an engine takes several turns. */
    async tryAgain(): Promise<void> {
      const { restores, failedRestores } = this.engine;
      await this.delays.pass();
      while (this.engine.restores + this.engine.failedRestores === restores + failedRestores) await settled();
    }
  }

  test("whose device is destroyed goes on by wasm in the same call, and is had back", async () => {
    const world = await World.open();
    world.predict();
    expect(world.engine.fallbackCalls).toBe(0);
    world.device.destroy();
    world.predict();
    world.predict(1);
    expect(world.engine).toMatchObject({ failedCalls: 1, fallbackCalls: 2, isWhole: false });
    await settled();
    expect(world.told).toHaveLength(1);
    expect(world.told[0]).toMatch(/^the webgpu engine on .+ failed: .+ wasm answers instead\.$/);
    await world.tryAgain();
    expect(world.engine).toMatchObject({ restores: 1, isWhole: true });
    world.predict();
    expect(world.engine.fallbackCalls).toBe(2);
    world.engine.close();
  });

  test("whose device reports an error that nobody caught goes on by wasm", async () => {
    const world = await World.open();
    world.device.createBuffer({ size: 4, usage: 0 });
    // Reported with the next calls at the earliest, or in the next turn.
    world.predict();
    await settled();
    world.predict();
    world.predict();
    expect(world.engine.failedCalls).toBe(1);
    await settled();
    expect(world.told[0]).toContain("WebGPU error");
    world.engine.close();
  });

  test("that gets no answer in time goes on by wasm, and does so again when it comes back as slow", async () => {
    const world = await World.open({ timeoutMs: 0 });
    world.predict();
    await settled();
    expect(world.told[0]).toContain("no answer from the GPU within 0 ms");
    world.next = { timeoutMs: 0 };
    await world.tryAgain();
    world.predict();
    expect(world.engine).toMatchObject({ failedCalls: 2, fallbackCalls: 2, restores: 1 });
    await settled();
    world.next = {};
    await world.tryAgain();
    world.predict();
    expect(world.engine).toMatchObject({ fallbackCalls: 2, restores: 2, isWhole: true });
    world.engine.close();
  });

  test("whose shader stops writing in the middle goes on by wasm", async () => {
    // Right for as many calls as self-test and warm-up take, and some: each call has a stamp of its own.
    const source = SOURCE.replace("0.0, stamp, sentinel)", "0.0, select(-1.0, stamp, stamp < 60.0), sentinel)");
    expect(source).not.toBe(SOURCE);
    const world = await World.open({ source });
    for (let call = 0; call < 60; call++) world.predict(1);
    expect(world.engine.failedCalls).toBe(1);
    expect(world.engine.fallbackCalls).toBeWithin(1, 60);
    await settled();
    expect(world.told[0]).toContain("did not write its answer");
    world.engine.close();
  });

  test.each<[string, Partial<WebGpuEngineOptions>]>([
    ["whose adapter has gone", { adapterName: "voodoo 2" }],
    ["whose shader no longer compiles", { source: SOURCE.replace("@compute", "@computer") }],
    [
      "that computes wrongly when it is back",
      { source: SOURCE.replace("let momentum = tanh(", "let momentum = sin(") },
    ],
  ])("%s is not let in again, and tried on", async (_name, broken) => {
    const world = await World.open();
    world.device.destroy();
    world.predict();
    await settled();
    world.next = broken;
    await world.tryAgain();
    await world.tryAgain();
    world.predict();
    expect(world.engine).toMatchObject({ failedCalls: 1, fallbackCalls: 2, failedRestores: 2, restores: 0 });
    expect(world.told).toHaveLength(1);
    world.next = {};
    await world.tryAgain();
    world.predict();
    expect(world.engine).toMatchObject({ fallbackCalls: 2, restores: 1, isWhole: true });
    world.engine.close();
  });

  test("decides a market as wasm does, with its device destroyed in the middle and had back", async () => {
    const PREDICTIONS = 600;
    const ofWasm = await PipelineWorld.open({ inference: wasm });
    await ofWasm.run(3 * PREDICTIONS);
    const wanted = await ofWasm.close();

    const gpu = await World.open();
    const world = await PipelineWorld.open({ inference: gpu.engine });
    await world.run(PREDICTIONS);
    expect(gpu.engine.fallbackCalls).toBe(0);
    gpu.device.destroy();
    await world.run(PREDICTIONS);
    expect(gpu.engine.failedCalls).toBe(1);
    const { fallbackCalls } = gpu.engine;
    await gpu.tryAgain();
    // The first runs may have gone a few predictions too far.
    await world.run(3 * PREDICTIONS - world.trader.pipeline.predictionCount);
    const found = await world.close();
    expect(gpu.engine.fallbackCalls).toBe(fallbackCalls);
    expect(gpu.engine.restores).toBe(1);

    expect(decisionsOf(wanted).length).toBeGreaterThan(200);
    expect(decisionsOf(found)).toEqual(decisionsOf(wanted));
    expect(found.predictions).toHaveLength(wanted.predictions.length);
    for (const [i, { slot, tsUs, momentum }] of found.predictions.entries()) {
      expect([slot, tsUs]).toEqual([wanted.predictions[i]!.slot, wanted.predictions[i]!.tsUs]);
      expect(Math.abs(momentum - wanted.predictions[i]!.momentum)).toBeLessThanOrEqual(TOLERANCE);
    }
    gpu.engine.close();
  });

  describe("choice", () => {
    function choose(options: Partial<EngineChoiceOptions>) {
      return chooseEngine({
        model,
        engine: "auto",
        precision: "fp32",
        adapter: adapter.name,
        isMeasured: true,
        universeCount: BATCH_MAX,
        delays: new ManualDelays(),
        seed: 1,
        ...options,
      });
    }

    test("measures wasm and the GPU for one stock and for the universe, and takes the one with the shorter wait", async () => {
      const choice = await choose({});
      expect(choice.timings.map(({ engine }) => engine)).toEqual(["wasm", "webgpu"]);
      for (const { oneUs, universeUs, waitUs, universeCount } of choice.timings) {
        expect(oneUs).toBeGreaterThan(0);
        expect(universeUs).toBeGreaterThanOrEqual(oneUs);
        expect(waitUs).toBeWithin(oneUs / 2, oneUs + universeUs);
        expect(universeCount).toBe(BATCH_MAX);
      }
      const [ofWasm, ofGpu] = choice.timings;
      expect(choice.engine.info.engine).toBe(ofGpu!.waitUs < ofWasm!.waitUs ? "webgpu" : "wasm");
      expect(choice.text).toMatch(/^engine: wasm .+ us for one stock, .+; webgpu fp32 on .+ is taken$/);
      expect(choice.warnings).toEqual([]);
      choice.engine.close();
    });

    test("takes the GPU that is named, unmeasured, with wasm behind it", async () => {
      const choice = await choose({ engine: "webgpu", isMeasured: false });
      expect(choice.engine).toBeInstanceOf(ResilientEngine);
      expect(choice.engine.prefersBatch).toBe(true);
      expect(choice.engine.info).toMatchObject({ engine: "webgpu", precision: "fp32" });
      expect(choice.text).toBe("");
      choice.engine.close();
    });

    test("of a GPU that is not there says which there are, and is wasm with a warning where it may choose", async () => {
      await expect(choose({ engine: "webgpu", adapter: "voodoo 2" })).rejects.toThrow('"voodoo 2"');
      const choice = await choose({ adapter: "voodoo 2" });
      expect(choice.engine.info.engine).toBe("wasm");
      expect(choice.text).toContain("webgpu is not to be had");
      expect(choice.warnings).toEqual([choice.text]);
    });

    test.skipIf(adapter.name !== "swiftshader")("takes no software adapter unasked", async () => {
      const choice = await choose({ adapter: "" });
      expect(choice.engine.info.engine).toBe("wasm");
      expect(choice.text).toContain("software adapter");
      expect(choice.warnings).toEqual([]);
    });
  });
});
