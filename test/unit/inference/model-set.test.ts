// Models in the shadow: none waits for another, and the trading model for none of them.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { monotonicNs } from "../../../src/core/clock.ts";
import { OUTPUT_MOMENTUM, OUTPUT_STRIDE, WINDOW_ELEMS } from "../../../src/inference/engine.ts";
import { ModelSet, type ShadowJournal, SLOW_CALLS_MAX, STUCK_CALL_US } from "../../../src/inference/model-set.ts";
import { WasmEngine } from "../../../src/inference/wasm/forward-pass.ts";
import { type Fault, FaultyEngine } from "../../support/faulty-engine.ts";
import { settled } from "../../support/manual-delays.ts";
import { randomModel } from "../../support/models.ts";
import { randomWindows } from "../../support/windows.ts";

const SLOTS = 40;
const model = randomModel(7);
const windows = randomWindows(model, SLOTS, 1);
let wasm: WasmEngine;

beforeAll(async () => {
  wasm = await WasmEngine.create(model);
});
afterAll(() => wasm.close());

interface Seen {
  readonly model: number;
  readonly slot: number;
  readonly tsUs: number;
  readonly momentum: number;
}

class World {
  readonly seen: Seen[] = [];
  readonly told: string[] = [];
  readonly engines: FaultyEngine[];
  readonly set: ModelSet;

  constructor(faults: readonly Fault[], budgetUs = Number.POSITIVE_INFINITY) {
    const journal: ShadowJournal = {
      shadowPrediction: (tsUs, slot, index, _sell, _hold, _buy, _volatility, momentum) =>
        this.seen.push({ model: index, slot, tsUs, momentum }),
    };
    this.engines = faults.map((fault) => {
      const engine = new FaultyEngine(wasm);
      engine.fault = fault;
      return engine;
    });
    const members = this.engines.map((engine, i) => ({ name: `m${i + 1}`, engine }));
    this.set = new ModelSet({ members, capacity: SLOTS, budgetUs, journal });
    this.set.onTold = (text) => this.told.push(text);
  }

  noteAll(tsUs: number): void {
    for (let slot = 0; slot < SLOTS; slot++) this.set.note(slot, slot * WINDOW_ELEMS, tsUs);
  }
}

test("every member predicts every window, in turns, with its number and the window's time", () => {
  const { seen, set } = ((world) => {
    world.noteAll(77);
    world.set.work(windows);
    return world;
  })(new World(["none", "none", "none"]));
  expect(seen).toHaveLength(3 * SLOTS);
  expect(seen.slice(0, 4).map(({ model, slot }) => [model, slot])).toEqual([
    [1, 0],
    [2, 0],
    [3, 0],
    [1, 1],
  ]);
  const out = new Float32Array(OUTPUT_STRIDE);
  for (const { slot, momentum, tsUs } of seen) {
    wasm.predict(windows, Int32Array.of(slot * WINDOW_ELEMS), 1, out);
    expect(momentum).toBe(out[OUTPUT_MOMENTUM]!);
    expect(tsUs).toBe(77);
  }
  expect(set.pendingCount).toBe(0);
});

test.each<[Fault, string]>([
  ["code", "told to fail"],
  ["throw", "told to throw"],
  ["silent", "it did not write its answer"],
])("a member that fails by %s is switched off and told; the others go on", async (fault, reason) => {
  const world = new World(["none", fault, "none"]);
  world.noteAll(1);
  world.set.work(windows);
  world.noteAll(2);
  world.set.work(windows);
  await settled();
  expect(world.told).toEqual([`the shadow model m2 is switched off: ${reason}`]);
  expect(world.engines[1]!.callCount).toBe(1);
  expect(world.seen.filter((prediction) => prediction.model === 1)).toHaveLength(2 * SLOTS);
  expect(world.seen.filter((prediction) => prediction.model === 3)).toHaveLength(2 * SLOTS);
  expect(world.set.pendingCount).toBe(0);
  expect(world.set.counters()).toMatchObject({
    "shadow.1.m1.predictions": 2 * SLOTS,
    "shadow.1.m1.switchedOff": 0,
    "shadow.2.m2.predictions": 0,
    "shadow.2.m2.switchedOff": 1,
  });
});

test("a slow member takes one call more than the budget of a drain, and is switched off after a few", async () => {
  const BUDGET_US = 1_000;
  const world = new World(["none", "slow"], BUDGET_US);
  const slow = world.engines[1]!;
  world.noteAll(1);
  let drains = 0;
  while (world.set.pendingCount > 0) {
    const slowCallsBefore = slow.callCount;
    world.set.work(windows);
    // Its 3 ms use the budget up, so no drain waits for two of them.
    expect(slow.callCount - slowCallsBefore).toBeLessThanOrEqual(1);
    drains += 1;
    expect(drains).toBeLessThan(1_000);
  }
  await settled();
  expect(world.told).toEqual(["the shadow model m2 is switched off: it is too slow"]);
  expect(slow.callCount).toBe(SLOW_CALLS_MAX);
  expect(world.seen.filter((prediction) => prediction.model === 1)).toHaveLength(SLOTS);
});

test("a member that is stuck for long is switched off after one call", async () => {
  const world = new World(["slow", "none"], 1_000);
  world.engines[0]!.slowUs = STUCK_CALL_US + 1_000;
  world.noteAll(1);
  world.set.work(windows);
  await settled();
  expect(world.told).toEqual(["the shadow model m1 is switched off: it is too slow"]);
  expect(world.engines[0]!.callCount).toBe(1);
});

test("where the market waits, slow is no fault and nothing is left over", () => {
  const world = new World(["slow"]);
  world.engines[0]!.slowUs = 2_100;
  world.noteAll(1);
  world.set.work(windows);
  expect(world.seen).toHaveLength(SLOTS);
  expect(world.set.counters()["shadow.1.m1.switchedOff"]).toBe(0);
});

test("a window that the next bar overtakes is skipped and counted, and the newer one predicted once", () => {
  const world = new World(["none"]);
  world.set.note(3, 0, 1);
  world.set.note(3, WINDOW_ELEMS, 2);
  world.set.work(windows);
  expect(world.seen).toHaveLength(1);
  expect(world.seen[0]!.tsUs).toBe(2);
  expect(world.set.counters()["shadow.1.m1.skipped"]).toBe(1);
});

test("a budget that is used up leaves the rest for the next drain, where it goes on in turn", () => {
  const world = new World(["none", "none"], 0.001);
  world.noteAll(1);
  let drains = 0;
  while (world.set.pendingCount > 0) {
    world.set.work(windows);
    drains += 1;
  }
  // Under any clock one window is more than a nanosecond.
  expect(drains).toBe(2 * SLOTS);
  expect(world.seen.map((prediction) => prediction.model).slice(0, 4)).toEqual([1, 2, 1, 2]);
});

test("a drain with nothing to do costs next to nothing", () => {
  const { set } = new World(["none"], 500);
  const startNs = monotonicNs();
  for (let drain = 0; drain < 10_000; drain++) set.work(windows);
  expect((monotonicNs() - startNs) / 10_000).toBeLessThan(20_000);
});
