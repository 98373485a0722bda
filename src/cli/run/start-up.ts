// From nothing to armed: what has to be known before the first tick, each step as early as its inputs allow.

import type { Config } from "../../config/schema.ts";
import type { PolygonRest } from "../../feed/polygon/rest.ts";
import type { InferenceEngine } from "../../inference/engine.ts";
import type { Model } from "../../inference/model-file.ts";
import { ReferenceEngine } from "../../inference/reference/forward-pass.ts";
import { WasmEngine } from "../../inference/wasm/forward-pass.ts";
import type { Trader } from "./trader.ts";

/** Windows one call of an engine takes; the whole universe. */
const BATCH_MAX = 256;

/**
 * The engine that predicts. `auto` is wasm in sim, where a run must give the same bits on every machine.
 * In paper and live `auto` is wasm too until it is measured against the others.
 */
export async function makeEngine(config: Config, model: Model): Promise<InferenceEngine> {
  const { engine, adapter } = config.inference;
  if (engine === "reference") return new ReferenceEngine(model);
  if (engine !== "webgpu") return makeWasm(model);
  const { WebGpuEngine } = await import("../../inference/webgpu/forward-pass.ts");
  return WebGpuEngine.create({ model, adapterName: adapter, batchMax: BATCH_MAX });
}

/** The engine that answers when the first one fails. */
export function makeWasm(model: Model): Promise<InferenceEngine> {
  return WasmEngine.create(model);
}

const US_PER_DAY = 86_400_000_000;
/** New York standard time; sessions lie inside one such day in summer too. */
const NEW_YORK_OFFSET_US = 5 * 3_600_000_000;

/** A number that is the same for all bars of one trading day. */
export function dayNumberOf(tsUs: number): number {
  return Math.floor((tsUs - NEW_YORK_OFFSET_US) / US_PER_DAY);
}

/**
 * Feeds each instrument's last closed bars before `beforeUs` to its features.
 * @returns instruments that have a complete window
 */
export async function warmUp(trader: Trader, rest: PolygonRest, config: Config, beforeUs: number): Promise<number> {
  const { instruments, features } = trader;
  const { warmupBars, intervalSec } = config.bars;
  const history = await rest.warmupBars(instruments.symbols, warmupBars, beforeUs, intervalSec);
  let readyCount = 0;
  for (let slot = 0; slot < instruments.count; slot++) {
    for (const bar of history[slot]!) {
      const turnoverUsd = bar.volume * (bar.vwap > 0 ? bar.vwap : (bar.high + bar.low + bar.close) / 3);
      const { open, high, low, close, volume, startUs } = bar;
      features.closeBar(slot, open, high, low, close, volume, turnoverUsd, startUs, dayNumberOf(startUs));
    }
    if (features.isReady(slot)) readyCount += 1;
  }
  return readyCount;
}
