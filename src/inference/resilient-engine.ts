// Hot path: no allocation after start.
// An engine that always answers: what its primary cannot, the fallback answers in the same call, for as long as the primary is
// being made anew (engine-restorer.ts). For primaries that live outside the process's own memory, such as a GPU; the
// fallback is wasm, which cannot fail.

import { assert } from "../core/assert.ts";
import {
  ENGINE_FAILED,
  ENGINE_OK,
  type EngineInfo,
  type InferenceEngine,
  OUTPUT_SENTINEL,
  OUTPUT_STRIDE,
} from "./engine.ts";
import { EngineRestorer, type RestorerOptions } from "./engine-restorer.ts";

export interface ResilientOptions extends RestorerOptions {
  readonly primary: InferenceEngine;
  /** Stays its maker's: it is not closed here. */
  readonly fallback: InferenceEngine;
}

export class ResilientEngine implements InferenceEngine {
  readonly info: EngineInfo;
  readonly batchMax: number;
  readonly prefersBatch: boolean;
  /** Calls that the primary failed, and calls that the fallback answered: those, and all until the primary is back. */
  failedCalls = 0;
  fallbackCalls = 0;
  readonly #fallback: InferenceEngine;
  readonly #restorer: EngineRestorer;
  /** Null from its failure until it is made anew. */
  #primary: InferenceEngine | null;
  /** What the primary threw, "" where it answered or failed by code. */
  #thrown = "";

  constructor(options: ResilientOptions) {
    const { primary, fallback } = options;
    this.info = primary.info;
    this.batchMax = Math.min(primary.batchMax, fallback.batchMax);
    this.prefersBatch = primary.prefersBatch ?? primary.info.engine === "webgpu";
    this.#primary = primary;
    this.#fallback = fallback;
    this.#restorer = new EngineRestorer(options, (restored) => this.#restore(restored));
  }

  /** True while the primary answers. */
  get isWhole(): boolean {
    return this.#primary !== null;
  }

  /** Times the primary was made anew, and attempts at it that failed. */
  get restores(): number {
    return this.#restorer.restores;
  }
  get failedRestores(): number {
    return this.#restorer.failedAttempts;
  }

  /** Is given a sentence when the primary fails and when it is back, outside of the call that found out. */
  set onTold(onTold: (text: string) => void) {
    this.#restorer.onTold = onTold;
  }

  /** As the port says, and never ENGINE_FAILED as long as the fallback answers. */
  predict(features: Float32Array, offsets: Int32Array, count: number, out: Float32Array): number {
    assert(count >= 0 && count <= this.batchMax, "a call takes 0 to batchMax windows");
    const primary = this.#primary;
    if (primary === null) {
      this.fallbackCalls += 1;
      return this.#fallback.predict(features, offsets, count, out);
    }
    const code = this.#ask(primary, features, offsets, count, out);
    if (code === ENGINE_OK && isWritten(out, count)) return ENGINE_OK;
    return this.#answerInstead(primary, code, features, offsets, count, out);
  }

  /** Gives the primary up and answers; closing it, telling it and making it anew come after the call. */
  #answerInstead(
    primary: InferenceEngine,
    code: number,
    features: Float32Array,
    offsets: Int32Array,
    count: number,
    out: Float32Array,
  ): number {
    const answer = this.#fallback.predict(features, offsets, count, out);
    this.fallbackCalls += 1;
    // A window with a NaN in it has no outputs in any engine: the primary was right.
    if (code === ENGINE_OK && !isWritten(out, count)) return answer;
    this.failedCalls += 1;
    this.#primary = null;
    this.#restorer.begin(primary, this.#thrown);
    return answer;
  }

  /** The primary's code. An addon may throw, which must not take the tick with it. */
  #ask(
    primary: InferenceEngine,
    features: Float32Array,
    offsets: Int32Array,
    count: number,
    out: Float32Array,
  ): number {
    // Sentinels of an earlier call must not pass for this one's.
    for (let window = 0; window < count; window++) out[window * OUTPUT_STRIDE + OUTPUT_SENTINEL] = 0;
    this.#thrown = "";
    // hot-ok: a try that nothing is thrown in costs nothing
    try {
      return primary.predict(features, offsets, count, out);
      // hot-ok: the engine has failed, and its answer is late already
    } catch (error) {
      this.#thrown = error instanceof Error ? error.message : String(error);
      return ENGINE_FAILED;
    }
  }

  #restore(primary: InferenceEngine): void {
    this.#primary = primary;
  }

  /** Closes the primary and stops trying to have it back. */
  close(): void {
    this.#primary?.close();
    this.#primary = null;
    this.#restorer.close();
  }
}

/** True where every output slot carries its sentinel. */
function isWritten(out: Float32Array, count: number): boolean {
  for (let window = 0; window < count; window++) {
    if (out[window * OUTPUT_STRIDE + OUTPUT_SENTINEL] !== 1) return false;
  }
  return true;
}
