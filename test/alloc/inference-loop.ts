// Run by inference.alloc.test.ts in a process of its own: warms up, collects, then works between two marks on standard error.
//
//   bun test/alloc/inference-loop.ts predict|resilient|shadow|features|garbage

import { writeSync } from "node:fs";
import { Arena } from "../../src/core/arena.ts";
import { Prng } from "../../src/core/prng.ts";
import { FeatureEngine } from "../../src/features/feature-engine.ts";
import { FEATURE_COUNT, OUTPUT_SENTINEL, OUTPUT_STRIDE, WINDOW_ELEMS } from "../../src/inference/engine.ts";
import { loadModelByName } from "../../src/inference/model-file.ts";
import { ModelSet } from "../../src/inference/model-set.ts";
import { ResilientEngine } from "../../src/inference/resilient-engine.ts";
import { WasmEngine } from "../../src/inference/wasm/forward-pass.ts";
import { FaultyEngine } from "../support/faulty-engine.ts";
import { ManualDelays } from "../support/manual-delays.ts";
import { randomWindows } from "../support/windows.ts";

const CALLS = 200_000;
const WARM_UP_CALLS = 20_000;
/** Cheap enough for a million predictions. */
const INCREMENTAL_CALLS_PER_CALL = 5;
const STDERR = 2;

const WORK: Record<string, () => Promise<(calls: number) => number>> = {
  async predict() {
    const model = await loadModelByName("untrained");
    const engine = await WasmEngine.create(model);
    const windows = randomWindows(model, 64, 1);
    const offset = new Int32Array(1);
    const out = new Float32Array(OUTPUT_STRIDE);
    return (calls) => {
      let answered = 0;
      for (let call = 0; call < calls; call++) {
        offset[0] = (call % 64) * WINDOW_ELEMS;
        engine.predict(windows, offset, 1, out);
        answered += out[OUTPUT_SENTINEL]!;
      }
      return answered;
    };
  },

  /** An engine that can fail and does not: what its fallback waits behind. */
  async resilient() {
    const wasm = await WasmEngine.create(await loadModelByName("untrained"));
    const engine = new ResilientEngine({
      primary: new FaultyEngine(wasm),
      fallback: wasm,
      remake: () => Promise.reject(new Error("nothing failed")),
      delays: new ManualDelays(),
      prng: new Prng(1),
    });
    const BATCH = 4;
    const windows = randomWindows(await loadModelByName("untrained"), 64, 1);
    const offsets = new Int32Array(BATCH);
    const out = new Float32Array(BATCH * OUTPUT_STRIDE);
    return (calls) => {
      for (let call = 0; call < calls; call += BATCH) {
        for (let i = 0; i < BATCH; i++) offsets[i] = ((call + i) % 64) * WINDOW_ELEMS;
        engine.predict(windows, offsets, BATCH, out);
      }
      if (engine.fallbackCalls > 0) throw new Error("the primary failed");
      return calls;
    };
  },

  /** Two models in the shadow. */
  async shadow() {
    const STOCKS = 50;
    const engines = [0, 1].map(async () => WasmEngine.create(await loadModelByName("untrained")));
    const members = (await Promise.all(engines)).map((engine) => ({ name: "untrained", engine }));
    const windows = randomWindows(await loadModelByName("untrained"), STOCKS, 1);
    let seen = 0;
    const journal = {
      shadowPrediction(_tsUs: number, slot: number) {
        seen += slot;
      },
    };
    const set = new ModelSet({ members, capacity: STOCKS, budgetUs: Number.POSITIVE_INFINITY, journal });
    return (calls) => {
      for (let call = 0; call < calls; call += 2) {
        const slot = (call >> 1) % STOCKS;
        set.note(slot, slot * WINDOW_ELEMS, call);
        set.work(windows);
      }
      return seen;
    };
  },

  /** Bars and ticks of a hundred stocks. */
  async incremental() {
    const STOCKS = 100;
    const model = await loadModelByName("untrained");
    const engine = await WasmEngine.create(model);
    const features = new FeatureEngine(new Arena());
    const forming = randomWindows(model, 1, 2);
    const out = new Float32Array(OUTPUT_STRIDE);
    let minute = 0;
    return (calls) => {
      let answered = 0;
      for (let call = 0; call < INCREMENTAL_CALLS_PER_CALL * calls; call++) {
        const slot = call % STOCKS;
        if (slot === 0) minute += 1;
        const offset = features.windowOffset(slot);
        if (minute % 2 === 0) {
          const px = 100 + (call % 7);
          features.previewBar(slot, px, px + 1, px - 1, px, call % 1000, 0, 0);
          const row = call % 3 === 0 ? forming : features.formingRows;
          const rowOffset = call % 3 === 0 ? 0 : slot * FEATURE_COUNT;
          engine.predictForming(slot, features.revision(slot), features.windows, offset, row, rowOffset, out);
        } else {
          const px = 100 + (call % 5);
          features.closeBar(slot, px, px + 1, px - 1, px, call % 1000, 0, minute * 60_000_000, 0);
          const closed = features.windowOffset(slot);
          engine.predictPrepared(slot, features.revision(slot), features.windows, closed, out);
          engine.prepare(slot, features.revision(slot), features.windows, closed);
        }
        answered += out[OUTPUT_SENTINEL]!;
      }
      return answered;
    };
  },

  async features() {
    const BARS = 4096;
    const STOCKS = 100;
    const engine = new FeatureEngine(new Arena());
    const prng = Prng.stream(1, "test.alloc");
    const px = Float64Array.from({ length: BARS }, () => 100 * Math.exp(0.01 * prng.nextNormal()));
    const volume = Float64Array.from({ length: BARS }, () => prng.nextInt(10_000));
    let minute = 0;
    return (calls) => {
      let ready = 0;
      for (let call = 0; call < calls; call++) {
        const slot = call % STOCKS;
        if (slot === 0) minute += 1;
        const bar = (call * 7) % BARS;
        const close = px[bar]!;
        const dayNumber = (minute / 390) | 0;
        engine.closeBar(
          slot,
          close,
          close * 1.001,
          close * 0.999,
          close,
          volume[bar]!,
          0,
          minute * 60_000_000,
          dayNumber,
        );
        if (engine.isReady(slot)) ready += 1;
        // What the strategy reads of each bar.
        ready +=
          0 * (engine.atrPx(slot) + engine.vwapPx(slot) + engine.barLogReturn(slot, 3) + engine.windowOffset(slot));
      }
      return ready;
    };
  },

  /** Shows that collections are seen: a small object for each call. */
  async garbage() {
    const kept: { call: number }[] = [];
    return (calls) => {
      for (let call = 0; call < calls; call++) kept[call & 1023] = { call };
      return kept.length;
    };
  },
};

const work = await WORK[process.argv[2]!]!();
work(WARM_UP_CALLS);
Bun.gc(true);
writeSync(STDERR, "\nMARK BEGIN\n");
const result = work(CALLS);
writeSync(STDERR, "\nMARK END\n");
// The work cannot be left out by the compiler, since its result is printed.
console.log(result);
