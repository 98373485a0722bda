// An engine that does as it is told: computes as the one behind it does, or fails in one of the ways engines fail.

import { monotonicNs } from "../../src/core/clock.ts";
import { ENGINE_FAILED, type EngineInfo, type InferenceEngine } from "../../src/inference/engine.ts";

export type Fault = "none" | "code" | "throw" | "silent" | "slow";

export class FaultyEngine implements InferenceEngine {
  fault: Fault = "none";
  /** How long a slow call takes. */
  slowUs = 3_000;
  callCount = 0;
  closeCount = 0;
  /** Most windows of one call. */
  countMax = 0;
  readonly info: EngineInfo;
  readonly batchMax: number;
  readonly #inner: InferenceEngine;

  constructor(inner: InferenceEngine, batchMax = 256) {
    this.#inner = inner;
    this.batchMax = batchMax;
    this.info = { ...inner.info, engine: "webgpu", adapter: "test adapter" };
  }

  get failure(): string {
    return this.fault === "code" ? "told to fail" : "";
  }

  predict(features: Float32Array, offsets: Int32Array, count: number, out: Float32Array): number {
    this.callCount += 1;
    this.countMax = Math.max(this.countMax, count);
    if (this.fault === "code") {
      out.fill(0.25);
      return ENGINE_FAILED;
    }
    if (this.fault === "throw") throw new Error("told to throw");
    // Says that all is well and writes nothing.
    if (this.fault === "silent") return 0;
    if (this.fault === "slow") {
      const untilNs = monotonicNs() + this.slowUs * 1_000;
      while (monotonicNs() < untilNs);
    }
    return this.#inner.predict(features, offsets, count, out);
  }

  close(): void {
    this.closeCount += 1;
  }
}
