// From nothing to armed: what has to be known before the first tick, each step as early as its inputs allow.

import type { Config } from "../../config/schema.ts";
import type { Clock } from "../../core/clock.ts";
import { WallDelays } from "../../feed/delays.ts";
import type { PolygonRest } from "../../feed/polygon/rest.ts";
import type { InferenceEngine } from "../../inference/engine.ts";
import { chooseEngine, type EngineChoice } from "../../inference/engine-choice.ts";
import { loadModelByName, type Model } from "../../inference/model-file.ts";
import type { ShadowMember } from "../../inference/model-set.ts";
import { WasmEngine } from "../../inference/wasm/forward-pass.ts";
import type { Trader } from "./trader.ts";

/** The engine that predicts: the one named, or the faster one where real time counts. */
export function makeEngine(config: Config, model: Model, clock: Clock): Promise<EngineChoice> {
  const { engine, precision, adapter } = config.inference;
  return chooseEngine({
    model,
    engine,
    precision,
    adapter,
    isMeasured: config.mode !== "sim",
    universeCount: config.universe.size,
    delays: new WallDelays(),
    // In sim the market waits, or nothing is at stake.
    quietInMs: config.mode === "sim" ? () => 0 : () => quietInMs(clock.nowUs(), config.bars.intervalSec),
    seed: config.seed,
  });
}

/** Part of a bar's interval in which nothing is decided: late bars of the one before are in, and its end is far. */
const QUIET_FROM = 0.25;
const QUIET_UNTIL = 0.6;

/** Milliseconds of market time until the middle of a bar, 0 within it. */
export function quietInMs(nowUs: number, intervalSec: number): number {
  const intervalMs = intervalSec * 1_000;
  const phaseMs = (nowUs / 1_000) % intervalMs;
  const fromMs = QUIET_FROM * intervalMs;
  if (phaseMs < fromMs) return Math.ceil(fromMs - phaseMs);
  return phaseMs < QUIET_UNTIL * intervalMs ? 0 : Math.ceil(intervalMs - phaseMs + fromMs);
}

/** The engine that runs everywhere. */
export function makeWasm(model: Model): Promise<InferenceEngine> {
  return WasmEngine.create(model);
}

/** The models of `[inference] shadow`, each in an engine of its own. A model that cannot be used is an error, as the first is. */
export async function makeShadow(names: readonly string[]): Promise<ShadowMember[]> {
  const models = await Promise.all(names.map((name) => loadModelByName(name)));
  return Promise.all(models.map(async (model, i) => ({ name: names[i]!, engine: await makeWasm(model) })));
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
