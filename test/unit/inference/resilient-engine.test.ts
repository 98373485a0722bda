// An engine that fails is replaced within the call, told once and made anew. The same with a real GPU device is in
// test/shader/resilient-engine.test.ts.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Prng } from "../../../src/core/prng.ts";
import { ENGINE_OK, OUTPUT_SENTINEL, OUTPUT_STRIDE, WINDOW_ELEMS } from "../../../src/inference/engine.ts";
import { RESTORE_FIRST_MS, RESTORE_LONGEST_MS } from "../../../src/inference/engine-restorer.ts";
import { ResilientEngine } from "../../../src/inference/resilient-engine.ts";
import { WasmEngine } from "../../../src/inference/wasm/forward-pass.ts";
import { type Fault, FaultyEngine } from "../../support/faulty-engine.ts";
import { ManualDelays, settled } from "../../support/manual-delays.ts";
import { randomModel } from "../../support/models.ts";
import { randomWindows } from "../../support/windows.ts";

const WINDOWS = 3;
const model = randomModel(7);
const windows = randomWindows(model, WINDOWS, 1);
const offsets = Int32Array.from({ length: WINDOWS }, (_, i) => i * WINDOW_ELEMS);
let wasm: WasmEngine;
let expected: Float32Array<ArrayBuffer>;

beforeAll(async () => {
  wasm = await WasmEngine.create(model);
  expected = new Float32Array(WINDOWS * OUTPUT_STRIDE);
  wasm.predict(windows, offsets, WINDOWS, expected);
});
afterAll(() => wasm.close());

class World {
  readonly delays = new ManualDelays();
  readonly told: string[] = [];
  readonly made: FaultyEngine[] = [];
  /** Null: cannot be made. */
  next: FaultyEngine | null = new FaultyEngine(wasm);
  readonly primary = new FaultyEngine(wasm);
  readonly engine: ResilientEngine;
  /** Milliseconds until the thread can be spared. */
  quietInMs = 0;
  readonly #out = new Float32Array(WINDOWS * OUTPUT_STRIDE);

  constructor() {
    this.engine = new ResilientEngine({
      primary: this.primary,
      fallback: wasm,
      delays: this.delays,
      prng: new Prng(1),
      quietInMs: () => this.quietInMs,
      remake: async () => {
        if (this.next === null) throw new Error("no such device");
        this.made.push(this.next);
        return this.next;
      },
    });
    this.engine.onTold = (text) => this.told.push(text);
  }

  predict(): Float32Array {
    this.#out.fill(9);
    expect(this.engine.predict(windows, offsets, WINDOWS, this.#out)).toBe(ENGINE_OK);
    return this.#out;
  }
}

describe.each<[Fault, string]>([
  ["code", "told to fail"],
  ["throw", "told to throw"],
  ["silent", "it did not write its answer"],
])("an engine that fails by %s", (fault, reason) => {
  test("is answered for by the fallback in the same call, to the bit", () => {
    const world = new World();
    expect(world.predict()).toEqual(expected);
    world.primary.fault = fault;
    expect(world.predict()).toEqual(expected);
    expect(world.engine.failedCalls).toBe(1);
    expect(world.engine.fallbackCalls).toBe(1);
    expect(world.engine.isWhole).toBe(false);
  });

  test("is told once, with the reason, after the call, and closed", async () => {
    const world = new World();
    world.primary.fault = fault;
    for (let call = 0; call < 5; call++) world.predict();
    expect(world.told).toEqual([]);
    await settled();
    expect(world.told).toHaveLength(1);
    expect(world.told[0]).toContain(`webgpu engine on test adapter failed: ${reason}`);
    expect(world.primary.callCount).toBe(1);
    expect(world.primary.closeCount).toBe(1);
    expect(world.engine).toMatchObject({ failedCalls: 1, fallbackCalls: 5, restores: 0 });
  });

  test("is made anew after a delay and answers again", async () => {
    const world = new World();
    world.primary.fault = fault;
    world.predict();
    await settled();
    world.predict();
    expect(await world.delays.pass()).toBeWithin(RESTORE_FIRST_MS / 2, RESTORE_FIRST_MS + 1);
    expect(world.predict()).toEqual(expected);
    expect(world.made[0]!.callCount).toBe(1);
    expect(world.engine).toMatchObject({ failedCalls: 1, fallbackCalls: 2, restores: 1, isWhole: true });
    expect(world.told[1]).toBe("the webgpu engine is back and passed its self-test");
  });
});

test("an answer with what an earlier call left in the sentinels is no answer", () => {
  const world = new World();
  const out = expected.slice();
  world.primary.fault = "silent";
  world.engine.predict(windows, offsets, WINDOWS, out);
  expect(world.engine.failedCalls).toBe(1);
  expect(out).toEqual(expected);
});

test("a window with a NaN in it is the window's fault, not the engine's", () => {
  const world = new World();
  const broken = windows.slice();
  broken[WINDOW_ELEMS + 5] = Number.NaN;
  const out = new Float32Array(WINDOWS * OUTPUT_STRIDE);
  expect(world.engine.predict(broken, offsets, WINDOWS, out)).toBe(ENGINE_OK);
  expect(out[OUTPUT_STRIDE + OUTPUT_SENTINEL]).toBe(0);
  expect(world.engine.failedCalls).toBe(0);
  expect(world.engine.isWhole).toBe(true);
});

test("pauses double up to the longest while the device stays away, and nobody is told again", async () => {
  const world = new World();
  world.next = null;
  world.primary.fault = "code";
  world.predict();
  await settled();
  for (let attempt = 0; attempt < 12; attempt++) {
    const longest = Math.min(RESTORE_FIRST_MS * 2 ** attempt, RESTORE_LONGEST_MS);
    expect(await world.delays.pass()).toBeWithin(longest / 2, longest + 1);
    expect(world.predict()).toEqual(expected);
  }
  expect(world.engine.failedRestores).toBe(12);
  expect(world.told).toHaveLength(1);
  world.next = new FaultyEngine(wasm);
  await world.delays.pass();
  expect(world.engine.restores).toBe(1);
  expect(world.told).toHaveLength(2);
});

test("a device that is back and fails again at once goes on where the pauses were", async () => {
  const world = new World();
  world.primary.fault = "code";
  world.predict();
  await settled();
  for (let attempt = 0; attempt < 4; attempt++) {
    const longest = RESTORE_FIRST_MS * 2 ** attempt;
    expect(await world.delays.pass()).toBeWithin(longest / 2, longest + 1);
    world.made.at(-1)!.fault = "throw";
    world.next = new FaultyEngine(wasm);
    expect(world.predict()).toEqual(expected);
    await settled();
  }
  expect(world.engine).toMatchObject({ failedCalls: 5, restores: 4 });
});

test("an engine is made anew only when the thread can be spared", async () => {
  const world = new World();
  world.primary.fault = "code";
  world.predict();
  await settled();
  world.quietInMs = 12_000;
  await world.delays.pass();
  expect(world.engine.restores).toBe(0);
  world.quietInMs = 0;
  expect(await world.delays.pass()).toBe(12_000);
  expect(world.engine.restores).toBe(1);
});

test("a closed engine closes its primary and does not try to have it back", async () => {
  const world = new World();
  world.primary.fault = "code";
  world.predict();
  await settled();
  world.engine.close();
  expect(world.delays.waiting).toHaveLength(0);

  const late = new World();
  late.primary.fault = "code";
  late.predict();
  await settled();
  const { task } = late.delays.waiting[0]!;
  task();
  late.engine.close();
  await settled();
  expect(late.made[0]!.closeCount).toBe(1);
  expect(late.engine.restores).toBe(0);
});

test("a caller's mistake is still an assertion", () => {
  const world = new World();
  const out = new Float32Array(OUTPUT_STRIDE);
  expect(() => world.engine.predict(windows, Int32Array.of(windows.length), 1, out)).toThrow(
    "inside the feature column",
  );
});
