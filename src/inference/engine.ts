// The port of the three inference engines: reference (float64), wasm (SIMD) and webgpu. One conformance suite holds them
// to each other. Inputs are raw features; every engine standardises with the model's mean and deviation and clamps to +-10.

/** Bars in a window. */
export const WINDOW_BARS = 50;
/** Features of a bar. */
export const FEATURE_COUNT = 12;
export const WINDOW_ELEMS = WINDOW_BARS * FEATURE_COUNT;
/** Output slot of one window: 8 floats, 32 bytes. */
export const OUTPUT_STRIDE = 8;
export const OUTPUT_SELL_PROB = 0;
export const OUTPUT_HOLD_PROB = 1;
export const OUTPUT_BUY_PROB = 2;
/** Coming volatility on a 0..1 scale. */
export const OUTPUT_VOLATILITY = 3;
/** Momentum, -1..1. */
export const OUTPUT_MOMENTUM = 4;
/** Always 1.0 after a good pass; anything else means the slot was not written. */
export const OUTPUT_SENTINEL = 7;
/** Standardised inputs are clamped to +- this. */
export const INPUT_CLAMP = 10;

export type Precision = "fp32" | "f16" | "int8";

export interface EngineInfo {
  readonly engine: "reference" | "wasm" | "webgpu";
  readonly precision: Precision;
  /** Adapter name of a GPU engine, "" otherwise. */
  readonly adapter: string;
  /** Name and SHA-256 of the model's weights. */
  readonly model: string;
  readonly modelSha256: string;
}

export const ENGINE_OK = 0;
export const ENGINE_FAILED = 1;

export interface InferenceEngine {
  readonly info: EngineInfo;
  /** Windows one call can take. */
  readonly batchMax: number;
  /** One call of many windows takes little more than one of a single window: whoever has several gives them together. */
  readonly prefersBatch?: boolean;
  /** Why the engine no longer answers; "" while it does. An engine without it cannot fail. */
  readonly failure?: string;
  /**
   * Forward pass of `count` windows.
   *
   * @param features column that holds raw windows, each WINDOW_ELEMS floats, row-major [bar][feature], oldest bar first
   * @param offsets  (count) element offset of each window in `features`
   * @param out      (count, OUTPUT_STRIDE) outputs
   * @returns ENGINE_OK, or ENGINE_FAILED and then `out` is not to be used
   */
  predict(features: Float32Array, offsets: Int32Array, count: number, out: Float32Array): number;
  close(): void;
}

/**
 * What an engine may offer besides: it keeps of each slot what one window has in common with the next, so that a new bar costs
 * what a new bar changes, and most of that can be done in the idle time before. Outputs differ from those of `predict` by the
 * order of a sum (1e-6), and do not depend on what was kept, or whether anything was.
 *
 * A `revision` says what is in a window: that of a slot grows by 1 with each bar, by more when anything else happens to its rows
 * (a reset), and never comes again (FeatureEngine.revision). All calls are given one and the same column.
 */
export interface WorksAhead {
  /** Slots that can be kept, from 0. */
  readonly preparedCapacity: number;
  /**
   * Does what can be done for the window after this one.
   *
   * @param revision of the window
   * @param features column that holds the raw window, at `offset`
   */
  prepare(slot: number, revision: number, features: Float32Array, offset: number): void;
  /** As `predict` for one window; fast where the one before was prepared. */
  predictPrepared(slot: number, revision: number, features: Float32Array, offset: number, out: Float32Array): number;
  /**
   * As `predict` for the window that would follow this one if its newest row were the one at `row[rowOffset]`: a bar that is
   * still forming. Keeps nothing of that row; fast where the window was prepared.
   */
  predictForming(
    slot: number,
    revision: number,
    features: Float32Array,
    offset: number,
    row: Float32Array,
    rowOffset: number,
    out: Float32Array,
  ): number;
}

/** The engine's way of working ahead, null where it has none. */
export function worksAhead(engine: InferenceEngine): (InferenceEngine & WorksAhead) | null {
  return "predictPrepared" in engine ? (engine as InferenceEngine & WorksAhead) : null;
}
