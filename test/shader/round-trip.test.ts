// What every GPU engine stands on: answers by stamp, the awaited path, what is made at start and counted, and guard words
// around the buffers. The empty kernel is the one that runs; the forward passes where it must be a real one.

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { ENGINE_FAILED, ENGINE_OK, OUTPUT_STRIDE, type Precision, WINDOW_ELEMS } from "../../src/inference/engine.ts";
import { engineBufferTable } from "../../src/inference/webgpu/buffer-table.ts";
import { makeFloor } from "../../src/inference/webgpu/floor.ts";
import { WebGpuEngine } from "../../src/inference/webgpu/forward-pass.ts";
import { readBytes } from "../../src/inference/webgpu/resources.ts";
import { randomModel } from "../support/models.ts";
import { useTestAdapter } from "../support/vulkan.ts";
import { randomWindows } from "../support/windows.ts";

/** Software Vulkan compiles a kernel in half a second on idle cores, in several on busy ones. */
setDefaultTimeout(60_000);

const adapter = await useTestAdapter();
const model = randomModel(7);

describe.skipIf(adapter.skipReason !== "")(`round trips on ${adapter.name || adapter.skipReason}`, () => {
  const closing: { close(): void }[] = [];
  const closed = <T extends { close(): void }>(made: T): T => {
    closing.push(made);
    return made;
  };
  afterAll(() => {
    for (const made of closing) made.close();
  });

  test("without work answer with an empty slot for each window, call after call", async () => {
    const floor = closed(await makeFloor(adapter.name, 3, true));
    const out = new Float32Array(4 * OUTPUT_STRIDE).fill(-1);
    // More calls than there are stamps.
    for (let call = 0; call < 600; call++) expect(floor.run(3, out)).toBe(ENGINE_OK);
    expect([...out.slice(0, 8)]).toEqual([0, 0, 0, 0, 0, 0, 0, 1]);
    expect([...out.slice(16, 24)]).toEqual([0, 0, 0, 0, 0, 0, 0, 1]);
    expect(out.slice(24).every((value) => value === -1)).toBe(true);
  });

  test.skipIf(adapter.name !== "swiftshader")("that starve are ENGINE_FAILED once the bound has passed", async () => {
    // A thousand windows take software Vulkan some hundred milliseconds; it gets one.
    const engine = closed(await makeEngine("fp32", 1000, { timeoutMs: 1 }));
    const windows = randomWindows(model, 1000, 7);
    const out = new Float32Array(1000 * OUTPUT_STRIDE).fill(-5);
    expect(engine.predict(windows, offsetsOf(1000), 1000, out)).toBe(ENGINE_FAILED);
    expect(engine.failure).toContain("no answer from the GPU within 1 ms");
    expect(out.every((value) => value === -5)).toBe(true);
    expect(engine.predict(windows, offsetsOf(1000), 1000, out)).toBe(ENGINE_FAILED);
    expect(engine.failedCalls).toBe(2);
  });

  describe("that are awaited", () => {
    test("give the answer of the call that waits", async () => {
      const engine = closed(await makeEngine("fp32", 100));
      const windows = randomWindows(model, 100, 1);
      const [waited, awaited] = [new Float32Array(100 * OUTPUT_STRIDE), new Float32Array(100 * OUTPUT_STRIDE)];
      expect(engine.predict(windows, offsetsOf(100), 100, waited)).toBe(ENGINE_OK);
      let turns = 0;
      const answer = engine.predictAsync(windows, offsetsOf(100), 100, awaited);
      let isThere = false;
      answer.then(() => {
        isThere = true;
      });
      while (!isThere) {
        turns += 1;
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(await answer).toBe(ENGINE_OK);
      expect(awaited).toEqual(waited);
      // A hundred windows take software Vulkan far longer than the spin.
      if (adapter.name === "swiftshader") expect(turns).toBeGreaterThan(1);
    });

    test("refuse other calls until the answer is there, and nothing is lost", async () => {
      const engine = closed(await makeEngine("fp32", 100));
      const windows = randomWindows(model, 100, 2);
      const [first, second, expected] = [1, 2, 3].map(() => new Float32Array(100 * OUTPUT_STRIDE)) as [
        Float32Array,
        Float32Array,
        Float32Array,
      ];
      expect(engine.predict(windows, offsetsOf(100), 100, expected)).toBe(ENGINE_OK);
      const answer = engine.predictAsync(windows, offsetsOf(100), 100, first);
      const meanwhile = engine.predict(windows, offsetsOf(100), 100, second);
      if (adapter.name === "swiftshader") expect(meanwhile).toBe(ENGINE_FAILED);
      expect(await answer).toBe(ENGINE_OK);
      expect(first).toEqual(expected);
      expect(engine.failure).toBe("");
      expect(engine.predict(windows, offsetsOf(100), 100, second)).toBe(ENGINE_OK);
      expect(second).toEqual(expected);
    });

    test("of one engine do not keep others from answering, at once or awaited", async () => {
      const [slow, quick, other] = [
        closed(await makeEngine("fp32", 100)),
        closed(await makeEngine("int8", 1)),
        closed(await makeEngine("fp32", 1)),
      ];
      const windows = randomWindows(model, 100, 8);
      const [many, one, two] = [100, 1, 1].map((count) => new Float32Array(count * OUTPUT_STRIDE)) as [
        Float32Array,
        Float32Array,
        Float32Array,
      ];
      const slowAnswer = slow.predictAsync(windows, offsetsOf(100), 100, many);
      expect(quick.predict(windows, offsetsOf(1), 1, one)).toBe(ENGINE_OK);
      const otherAnswer = other.predictAsync(windows, offsetsOf(1), 1, two);
      expect(quick.predict(windows, offsetsOf(1), 1, one)).toBe(ENGINE_OK);
      expect(await Promise.all([slowAnswer, otherAnswer])).toEqual([ENGINE_OK, ENGINE_OK]);
      expect(two).toEqual(many.slice(0, OUTPUT_STRIDE));
      expect(slow.predict(windows, offsetsOf(1), 1, one)).toBe(ENGINE_OK);
    });

    test("fail when the answer does not come in time, and when the device is destroyed", async () => {
      const windows = randomWindows(model, 4, 3);
      const out = new Float32Array(4 * OUTPUT_STRIDE);
      const late = closed(await makeEngine("fp32", 4, { timeoutMs: 0 }));
      expect(await late.predictAsync(windows, offsetsOf(4), 4, out)).toBe(ENGINE_FAILED);
      expect(late.failure).toContain("no answer from the GPU within 0 ms");
      const lost = closed(await makeEngine("fp32", 4));
      lost.resources.device.destroy();
      expect(await lost.predictAsync(windows, offsetsOf(4), 4, out)).toBe(ENGINE_FAILED);
      expect(lost.failedCalls).toBe(1);
    });
  });

  test("make nothing on the device after start but command buffers", async () => {
    const made: string[] = [];
    const engine = closed(await makeEngine("fp32", 100, { onDevice: (device) => count(device, made) }));
    const atStart = made.length;
    expect(made.filter((what) => what === "createBuffer").length).toBe(engine.buffers.length);
    const windows = randomWindows(model, 100, 4);
    const out = new Float32Array(100 * OUTPUT_STRIDE);
    for (const size of [1, 100, 7, 1, 100]) expect(engine.predict(windows, offsetsOf(size), size, out)).toBe(ENGINE_OK);
    expect([...new Set(made.slice(atStart))]).toEqual(["createCommandEncoder"]);
  });

  test("hold few bytes on the device, all of them in the table, which can be had without a device", async () => {
    for (const precision of ["fp32", "int8"] as const) {
      const engine = closed(await makeEngine(precision, 100));
      expect(engineBufferTable(100, precision)).toEqual([...engine.buffers]);
      const bytes = engine.buffers.reduce((sum, entry) => sum + entry.bytes, 0);
      expect(bytes).toBe(engine.resources.bytes());
      expect(engine.buffers.map((entry) => entry.name)).toContain("weights");
      expect(bytes).toBeGreaterThan(100 * WINDOW_ELEMS * 4);
      expect(bytes).toBeLessThan(1e6);
      expect([engine.resources.pipelineCount, engine.resources.bindGroupCount]).toEqual([1, 1]);
    }
  });

  describe.each(["fp32", "int8"] as const)("guard words around every buffer of %s", (precision) => {
    test.each([1, 2, 99, 100, 101, 1000])("are whole after a batch of %i, bounds checks off", async (size) => {
      const engine = closed(await makeEngine(precision, size, { isChecked: false, isGuarded: true }));
      const windows = randomWindows(model, size, 5);
      const out = new Float32Array(size * OUTPUT_STRIDE);
      for (const count of [size, 1, Math.ceil(size / 2), size])
        expect(engine.predict(windows, offsetsOf(count), count, out)).toBe(ENGINE_OK);
      windows.fill(Number.POSITIVE_INFINITY);
      engine.predict(windows, offsetsOf(size), size, out);
      expect(await engine.resources.brokenGuards()).toEqual([]);
    });
  });

  test("guard words that are written to are found", async () => {
    const engine = closed(await makeEngine("fp32", 2, { isGuarded: true }));
    const { device } = engine.resources;
    let outputs: GPUBuffer | undefined;
    const broken = closed(
      await makeEngine("fp32", 2, {
        isGuarded: true,
        onDevice: (opened) => {
          const own = opened.createBuffer.bind(opened);
          opened.createBuffer = (descriptor) => {
            const buffer = own(descriptor);
            if (descriptor.label === "outputs") outputs = buffer;
            return buffer;
          };
        },
      }),
    );
    expect(await broken.resources.brokenGuards()).toEqual([]);
    broken.resources.device.queue.writeBuffer(outputs!, outputs!.size - 4, new Uint32Array(1));
    expect(await broken.resources.brokenGuards()).toEqual(["outputs"]);
    expect(new Uint8Array(await readBytes(broken.resources.device, outputs!, outputs!.size - 4, 4))).toEqual(
      new Uint8Array(4),
    );
    expect(device).not.toBe(broken.resources.device);
  });
});

function makeEngine(
  precision: Precision,
  batchMax: number,
  options: Partial<Parameters<typeof WebGpuEngine.create>[0]> = {},
): Promise<WebGpuEngine> {
  return WebGpuEngine.create({ model, adapterName: adapter.name, batchMax, precision, isChecked: true, ...options });
}

/** Notes every call that makes something on the device. */
function count(device: GPUDevice, made: string[]): void {
  const target = device as unknown as Record<string, (...args: unknown[]) => unknown>;
  for (const name of ["createBuffer", "createBindGroup", "createComputePipelineAsync", "createShaderModule"].concat([
    "createCommandEncoder",
    "createBindGroupLayout",
    "createQuerySet",
  ])) {
    const own = target[name]!.bind(device);
    target[name] = (...args) => {
      made.push(name);
      return own(...args);
    };
  }
}

function offsetsOf(count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, window) => window * WINDOW_ELEMS);
}
