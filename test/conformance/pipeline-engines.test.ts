// The same market through the whole pipeline with engines that differ in how they are called and how they fail: what is decided
// is the same, in the same order. The network decides here. test/shader/resilient-engine.test.ts does it on a GPU device.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Prng } from "../../src/core/prng.ts";
import type { InferenceEngine } from "../../src/inference/engine.ts";
import { loadModelByName } from "../../src/inference/model-file.ts";
import { ResilientEngine } from "../../src/inference/resilient-engine.ts";
import { WasmEngine } from "../../src/inference/wasm/forward-pass.ts";
import type { JournalDay } from "../../src/ledger/journal-reader.ts";
import { type Fault, FaultyEngine } from "../support/faulty-engine.ts";
import { ManualDelays } from "../support/manual-delays.ts";
import { decisionsOf, PipelineWorld, type PipelineWorldOptions } from "../support/pipeline-world.ts";

const PREDICTIONS = 1_500;
const HALF = PREDICTIONS / 2;
let wasm: WasmEngine;
let expected: JournalDay;

beforeAll(async () => {
  wasm = await WasmEngine.create(await loadModelByName("untrained"));
  expected = await dayOf({ inference: oneByOne() });
});
afterAll(() => wasm.close());

async function dayOf(options: PipelineWorldOptions, atHalf: () => void = () => {}): Promise<JournalDay> {
  const world = await PipelineWorld.open(options);
  await world.run(HALF);
  atHalf();
  await world.run(HALF);
  return world.close();
}

/** wasm without what it does ahead, which may differ in the last bit. */
function oneByOne(): InferenceEngine {
  const { info, batchMax } = wasm;
  return { info, batchMax, predict: wasm.predict.bind(wasm), close: () => {} };
}

function resilient(primary: InferenceEngine): ResilientEngine {
  const remake = async () => new FaultyEngine(wasm);
  return new ResilientEngine({ primary, fallback: wasm, remake, delays: new ManualDelays(), prng: new Prng(1) });
}

function expectSameDay(day: JournalDay): void {
  const predictionsOf = (of: JournalDay) =>
    of.predictions.slice(0, PREDICTIONS).map(({ number: _, ...prediction }) => prediction);
  expect(decisionsOf(expected).length).toBeGreaterThan(200);
  expect(decisionsOf(day)).toEqual(decisionsOf(expected));
  expect(predictionsOf(day)).toEqual(predictionsOf(expected));
}

test("windows given together are decided on as if each came alone, with what was known when its bar closed", async () => {
  const primary = new FaultyEngine(wasm);
  const engine = resilient(primary);
  const day = await dayOf({ inference: engine });
  expect(primary.countMax).toBeGreaterThan(5);
  expect(primary.callCount).toBeLessThan(PREDICTIONS / 2);
  expect(engine.failedCalls).toBe(0);
  expectSameDay(day);
});

test("an engine that takes few windows at once is given no more", async () => {
  const primary = new FaultyEngine(wasm, 3);
  expectSameDay(await dayOf({ inference: resilient(primary) }));
  expect(primary.countMax).toBe(3);
});

test.each<Fault>(["code", "throw", "silent"])(
  "an engine that fails by %s in the middle changes no decision",
  async (fault) => {
    const primary = new FaultyEngine(wasm);
    const engine = resilient(primary);
    const day = await dayOf({ inference: engine }, () => {
      primary.fault = fault;
    });
    expectSameDay(day);
    expect(engine.failedCalls).toBe(1);
    expect(engine.fallbackCalls).toBeGreaterThan(100);
  },
);

describe("models in the shadow", () => {
  test("change no decision and see every window, where the market waits", async () => {
    const shadow = [
      { name: "same", engine: wasm },
      { name: "failing", engine: new FaultyEngine(wasm) },
    ];
    const day = await dayOf({ inference: oneByOne(), shadow }, () => {
      (shadow[1]!.engine as FaultyEngine).fault = "throw";
    });
    expectSameDay(day);
    const same = day.shadowPredictions.filter(({ model }) => model === 1);
    expect(same.map(({ number: _, model: __, ...prediction }) => prediction)).toEqual(
      day.predictions.map(({ number: _, ...prediction }) => prediction),
    );
    const failing = day.shadowPredictions.filter(({ model }) => model === 2);
    expect(failing.length).toBeGreaterThanOrEqual(HALF);
    expect(failing.length).toBeLessThan(day.predictions.length);
  });

  test("that are slow are switched off, and change no decision", async () => {
    const slow = new FaultyEngine(wasm);
    slow.fault = "slow";
    const day = await dayOf({ inference: oneByOne(), shadow: [{ name: "slow", engine: slow }], isLockstep: false });
    expectSameDay(day);
    expect(slow.callCount).toBe(3);
    expect(day.shadowPredictions.length).toBe(3);
  });
});
