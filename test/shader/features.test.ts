// The feature kernel against src/features/reference.ts, each feature within its own tolerance, and the pipeline of features and
// forward pass on it: bars that are pushed, replaced and reset, in runs of any stocks. WebGPU's validation and the shader's
// bounds checks are on, except where a test says otherwise.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import { usdFromTicks } from "../../src/core/fixed-point.ts";
import * as catalogue from "../../src/features/catalogue.ts";
import { type FeatureBar, featureRows } from "../../src/features/reference.ts";
import {
  ENGINE_FAILED,
  ENGINE_OK,
  FEATURE_COUNT,
  OUTPUT_SENTINEL,
  OUTPUT_STRIDE,
  WINDOW_BARS,
  WINDOW_ELEMS,
} from "../../src/inference/engine.ts";
import { pipelineBufferTable } from "../../src/inference/webgpu/buffer-table.ts";
import { FEATURE_TOLERANCES } from "../../src/inference/webgpu/feature-tolerances.ts";
import { REFERENCE_TOLERANCES, referenceOf } from "../../src/inference/webgpu/forward-stage.ts";
import { KERNELS } from "../../src/inference/webgpu/kernels.ts";
import { WebGpuPipeline, type WebGpuPipelineOptions } from "../../src/inference/webgpu/pipeline.ts";
import type { WebGpuError } from "../../src/inference/webgpu/webgpu-error.ts";
import { loadSampleDay, sampleDates } from "../../src/market/sample.ts";
import { arbitraryBars, flatBar } from "../support/feature-bars.ts";
import { randomModel } from "../support/models.ts";
import { useTestAdapter } from "../support/vulkan.ts";

const CAPACITY = 101;
/** Software Vulkan compiles a kernel in half a second on idle cores, in several on busy ones. */
setDefaultTimeout(60_000);

const adapter = await useTestAdapter();
const SOURCE = KERNELS.features.source;
const model = randomModel(7);

test("the shader's lengths are those of the catalogue", () => {
  const { EMA_FAST_BARS, EMA_SIGNAL_BARS, EMA_SLOW_BARS, RETURN_BARS_SHORT, ROLLING_BARS, WILDER_BARS } = catalogue;
  const lengths = { EMA_FAST_BARS, EMA_SIGNAL_BARS, EMA_SLOW_BARS, RETURN_BARS_SHORT, ROLLING_BARS, WILDER_BARS };
  for (const [name, bars] of Object.entries(lengths)) expect(SOURCE).toContain(`const ${name} = ${bars}u;`);
  expect(SOURCE).toContain(`const LONG_FROM_BAR = ${catalogue.CATALOGUE[2]!.definedFromBar}u;`);
  expect(SOURCE).toContain(`const ROLLING_FROM_BAR = ${catalogue.CATALOGUE[6]!.definedFromBar}u;`);
  expect(SOURCE).toContain(`const BAND_WIDTH = ${(2 * catalogue.BOLLINGER_DEVIATIONS).toFixed(1)};`);
  for (const bars of [EMA_FAST_BARS, EMA_SLOW_BARS, EMA_SIGNAL_BARS]) expect(SOURCE).toContain(`2.0 / ${bars + 1}.0`);
  expect(SOURCE).toContain(`1.0 / ${WILDER_BARS}.0`);
});

describe.skipIf(adapter.skipReason !== "")(`WGSL features on ${adapter.name || adapter.skipReason}`, () => {
  let pipeline: WebGpuPipeline;
  beforeAll(async () => {
    pipeline = await makePipeline();
  });
  afterAll(() => pipeline?.close());

  /** The windows of these stocks after a run, which must give the forward pass of them. */
  async function windowsOf(slots: readonly number[], of = pipeline): Promise<Float32Array> {
    const count = slots.length;
    const out = new Float32Array(count * OUTPUT_STRIDE);
    expect(of.run(Int32Array.from(slots), count, out)).toBe(ENGINE_OK);
    const windows = await of.readWindows(count);
    const expected = new Float32Array(count * OUTPUT_STRIDE);
    const offsets = Int32Array.from({ length: count }, (_, i) => i * WINDOW_ELEMS);
    referenceOf(model, "fp32").predict(windows, offsets, count, expected);
    for (let i = 0; i < out.length; i++) {
      expect(Math.abs(out[i]! - expected[i]!)).toBeLessThanOrEqual(REFERENCE_TOLERANCES.fp32);
    }
    return windows;
  }

  function expectRows(windows: Float32Array, at: number, bars: readonly FeatureBar[], overnight = false): void {
    const rows = featureRows(bars, overnight).slice(-WINDOW_BARS);
    const missing = WINDOW_BARS - rows.length;
    for (let row = 0; row < WINDOW_BARS; row++) {
      for (let feature = 0; feature < FEATURE_COUNT; feature++) {
        const found = windows[at * WINDOW_ELEMS + row * FEATURE_COUNT + feature]!;
        const want = row < missing ? 0 : rows[row - missing]![feature]!;
        // Written so that a NaN fails.
        if (!(Math.abs(found - want) <= FEATURE_TOLERANCES[feature]!)) {
          const { name } = catalogue.CATALOGUE[feature]!;
          throw new Error(`${name} of row ${row} is ${found}, the reference says ${want}`);
        }
      }
    }
  }

  test("are the reference's for random bars, however many there were", async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryBars(1, 220), async (bars) => {
        pipeline.reset(3);
        for (const bar of bars) push(pipeline, 3, bar);
        expectRows(await windowsOf([3]), 0, bars);
      }),
      { numRuns: 60 },
    );
  });

  test("are the reference's for a recorded day of a hundred stocks", async () => {
    const day = await loadSampleDay(sampleDates[0]!);
    const recorded = Array.from(day.symbols.keys(), (symbol) => barsOfDay(day, symbol)).filter(
      (bars) => bars.length > 0,
    );
    const days = recorded.slice(0, 100);
    expect(days.length).toBe(100);
    for (const [slot, bars] of days.entries()) {
      pipeline.reset(slot);
      for (const bar of bars) push(pipeline, slot, bar);
    }
    const windows = await windowsOf([...days.keys()]);
    for (const [slot, bars] of days.entries()) expectRows(windows, slot, bars);
  });

  test("are the reference's after every single bar, with a run or without between", async () => {
    const bars = fc.sample(arbitraryBars(150, 150), { numRuns: 1, seed: 5 })[0]!;
    pipeline.reset(9);
    for (const [i, bar] of bars.entries()) {
      push(pipeline, 9, bar);
      if (i % 7 < 4) expectRows(await windowsOf([9]), 0, bars.slice(0, i + 1));
    }
  });

  test("count the overnight return where it is wanted", async () => {
    const bars = fc.sample(arbitraryBars(90, 90), { numRuns: 1, seed: 6 })[0]!;
    const overnight = await makePipeline({ capacity: 1, includeOvernightReturn: true });
    for (const bar of bars) push(overnight, 0, bar);
    expectRows(await windowsOf([0], overnight), 0, bars, true);
    overnight.close();
  });

  test("follow a bar as it forms, and change no row but its own", async () => {
    const bars = fc.sample(arbitraryBars(100, 100), { numRuns: 1, seed: 7 })[0]!;
    pipeline.reset(4);
    for (const bar of bars.slice(0, -1)) push(pipeline, 4, bar);
    const last = bars.at(-1)!;
    let before: Float32Array | null = null;
    for (const [i, close] of [last.openPx, last.highPx, last.lowPx, last.closePx].entries()) {
      const forming = { ...last, closePx: close };
      if (i === 0) push(pipeline, 4, forming);
      else replace(pipeline, 4, forming);
      const windows = await windowsOf([4]);
      expectRows(windows, 0, [...bars.slice(0, -1), forming]);
      if (before !== null) expect(windows.slice(0, -FEATURE_COUNT)).toEqual(before.slice(0, -FEATURE_COUNT));
      before = windows;
    }
    // The bar after it stands on what it was in the end.
    const next = { ...last, startUs: last.startUs + 60_000_000 };
    push(pipeline, 4, next);
    expectRows(await windowsOf([4]), 0, [...bars, next]);
  });

  test.each([
    ["bars where nothing ever moves", () => flatBar(12.34, 0)],
    ["bars without volume", (i: number) => ({ ...flatBar(100 + (i % 3), i, 0) })],
    ["a price of a ten-thousandth", (i: number) => flatBar(1e-4 * (1 + (i % 2)), i)],
    ["the dearest price", (i: number) => flatBar(1e7 - (i % 5), i, 10)],
    ["the largest volume", (i: number) => flatBar(50 + (i % 4), i, i % 2 === 0 ? 1e10 : 1)],
    ["a price that doubles and halves", (i: number) => flatBar(i % 2 === 0 ? 100 : 200, i)],
    ["one cent up and down on a thousand dollars", (i: number) => flatBar(1000 + (i % 2) / 100, i, 1000 + i)],
    ["a new day with every bar", (i: number) => flatBar(70 + (i % 6) / 10, 0, 300, i)],
  ])("are finite and the reference's for %s", async (_name, barAt) => {
    const bars = Array.from({ length: 160 }, (_, i) => ({ ...barAt(i), startUs: i * 60_000_000 }));
    pipeline.reset(5);
    for (const bar of bars) push(pipeline, 5, bar);
    const windows = await windowsOf([5]);
    expect(windows.every(Number.isFinite)).toBe(true);
    expectRows(windows, 0, bars);
  });

  test("of many stocks stay apart: runs of any stocks in any order", async () => {
    const days = fc.sample(arbitraryBars(60, 150), { numRuns: CAPACITY, seed: 8 });
    for (const [slot, bars] of days.entries()) {
      pipeline.reset(slot);
      for (const bar of bars) push(pipeline, slot, bar);
    }
    for (const size of [1, 2, 99, 100, CAPACITY]) {
      const slots = Array.from({ length: size }, (_, i) => (CAPACITY - 1 - i * 7 + 7 * CAPACITY) % CAPACITY);
      const windows = await windowsOf(slots);
      for (const [at, slot] of slots.entries()) expectRows(windows, at, days[slot]!);
    }
  });

  test.each([1, 2, 63, 64, 65, 100, 1000])("of %i stocks touch no guard word, bounds checks off", async (size) => {
    const guarded = await makePipeline({ capacity: size, isChecked: false, isGuarded: true });
    const slots = Int32Array.from({ length: size }, (_, slot) => slot);
    for (let bar = 0; bar < 3; bar++) {
      for (let slot = 0; slot < size; slot++) push(guarded, slot, flatBar(10 + bar, bar));
      const out = new Float32Array((size + 1) * OUTPUT_STRIDE).fill(-5);
      expect(guarded.run(slots, size, out)).toBe(ENGINE_OK);
      expect(out[(size - 1) * OUTPUT_STRIDE + OUTPUT_SENTINEL]).toBe(1);
      expect(out.slice(size * OUTPUT_STRIDE).every((value) => value === -5)).toBe(true);
    }
    expect(await guarded.resources.brokenGuards()).toEqual([]);
    guarded.close();
  });

  test("run in int8 as well", async () => {
    const bars = fc.sample(arbitraryBars(120, 120), { numRuns: 1, seed: 9 })[0]!;
    const int8 = await makePipeline({ capacity: 1, precision: "int8" });
    for (const bar of bars) push(int8, 0, bar);
    const [out, expected] = [new Float32Array(OUTPUT_STRIDE), new Float32Array(OUTPUT_STRIDE)];
    expect(int8.run(new Int32Array(1), 1, out)).toBe(ENGINE_OK);
    referenceOf(model, "int8").predict(await int8.readWindows(1), new Int32Array(1), 1, expected);
    for (let i = 0; i < OUTPUT_STRIDE; i++)
      expect(Math.abs(out[i]! - expected[i]!)).toBeLessThanOrEqual(REFERENCE_TOLERANCES.int8);
    int8.close();
  });

  test("come by the awaited path, and one run at a time", async () => {
    const slots = Int32Array.from({ length: CAPACITY }, (_, slot) => slot);
    for (let slot = 0; slot < CAPACITY; slot++) {
      pipeline.reset(slot);
      for (let bar = 0; bar < 3; bar++) push(pipeline, slot, flatBar(10 + bar + slot, bar));
    }
    const [waited, awaited] = [new Float32Array(CAPACITY * OUTPUT_STRIDE), new Float32Array(CAPACITY * OUTPUT_STRIDE)];
    expect(pipeline.run(slots, CAPACITY, waited)).toBe(ENGINE_OK);
    const answer = pipeline.runAsync(slots, CAPACITY, awaited);
    if (adapter.name === "swiftshader") expect(pipeline.run(slots, 1, new Float32Array(8))).toBe(ENGINE_FAILED);
    expect(await answer).toBe(ENGINE_OK);
    expect(awaited).toEqual(waited);
  });

  test("of a hundred stocks hold under 50 MB on the device, all of it in the table", async () => {
    const hundred = await makePipeline({ capacity: 100 });
    expect([...hundred.buffers]).toEqual(pipelineBufferTable(100, "fp32"));
    expect(hundred.resources.bytes()).toBeLessThan(50e6);
    expect([hundred.resources.pipelineCount, hundred.resources.bindGroupCount]).toEqual([2, 2]);
    hundred.close();
  });

  test.each([
    ["a wrong weight", "2.0 / 13.0", "2.0 / 12.0"],
    ["a row too old", "WINDOW_BARS - 1u - ago) * ROW", "ago) * ROW"],
    ["a ring too short", "const RING_BARS = 128u", "const RING_BARS = 64u"],
    ["a return by one bar", "for (var back = 0u; back < ROLLING_BARS", "for (var back = 1u; back < ROLLING_BARS"],
  ])("broken in the shader are caught by the self-test: %s", async (_name, from, to) => {
    expect(SOURCE).toContain(from);
    const error = await makePipeline({ capacity: 4, featureSource: SOURCE.replace(from, to) }).then(
      () => null,
      (reason: WebGpuError) => reason,
    );
    expect(error?.code).toBe("SELF_TEST_FAILED");
    expect(error?.message).toContain("computes wrongly");
  });

  test("fail by code when the device is lost, and bars may still come", async () => {
    const lost = await makePipeline({ capacity: 1 });
    push(lost, 0, flatBar(10, 0));
    lost.resources.device.destroy();
    push(lost, 0, flatBar(11, 1));
    push(lost, 0, flatBar(12, 2));
    expect(lost.run(new Int32Array(1), 1, new Float32Array(OUTPUT_STRIDE))).toBe(ENGINE_FAILED);
    expect(lost.failure).not.toBe("");
    lost.close();
  });
});

function barsOfDay(day: Awaited<ReturnType<typeof loadSampleDay>>, symbol: number): FeatureBar[] {
  const first = day.firstRow[symbol]!;
  return Array.from({ length: day.rowCount[symbol]! }, (_, i) => {
    const row = first + i;
    const [openPx, highPx, lowPx, closePx] = [day.openPxTicks, day.highPxTicks, day.lowPxTicks, day.closePxTicks].map(
      (column) => usdFromTicks(column[row]!),
    ) as [number, number, number, number];
    const volume = day.volume[row]!;
    const turnoverUsd = ((highPx + lowPx + closePx) / 3) * volume;
    return { openPx, highPx, lowPx, closePx, volume, turnoverUsd, startUs: day.startUs[row]!, dayNumber: 0 };
  });
}

function makePipeline(options: Partial<WebGpuPipelineOptions> = {}): Promise<WebGpuPipeline> {
  return WebGpuPipeline.create({
    model,
    adapterName: adapter.name,
    capacity: CAPACITY,
    featureRows,
    isChecked: true,
    ...options,
  });
}

function push(pipeline: WebGpuPipeline, slot: number, bar: FeatureBar): void {
  pipeline.pushBar(slot, bar.highPx, bar.lowPx, bar.closePx, bar.volume, bar.turnoverUsd, bar.dayNumber);
}

function replace(pipeline: WebGpuPipeline, slot: number, bar: FeatureBar): void {
  pipeline.replaceBar(slot, bar.highPx, bar.lowPx, bar.closePx, bar.volume, bar.turnoverUsd, bar.dayNumber);
}
