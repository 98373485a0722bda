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
