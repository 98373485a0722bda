// onnxruntime as the peer of the inference suite: one thread, one session, the graph exported from the model that gyr runs itself.
// A development dependency: null where it is not installed, as in the executable.

import type { InferenceSession, Tensor } from "onnxruntime-node";
import { monotonicNs } from "../../src/core/clock.ts";
import { isCompiled } from "../../src/core/worker.ts";
import {
  FEATURE_COUNT,
  OUTPUT_MOMENTUM,
  OUTPUT_SELL_PROB,
  OUTPUT_SENTINEL,
  OUTPUT_STRIDE,
  OUTPUT_VOLATILITY,
  WINDOW_BARS,
  WINDOW_ELEMS,
} from "../../src/inference/engine.ts";
import type { Model } from "../../src/inference/model-file.ts";
import {
  exportOnnx,
  ONNX_DIRECTION,
  ONNX_INPUT,
  ONNX_MOMENTUM,
  ONNX_VOLATILITY,
} from "../../src/inference/onnx-export.ts";

/** Not a literal where it is imported, so that the executable does not take it in. */
const PEER: string = "onnxruntime-node";
const CALLS_MIN = 16;
const CALLS_MAX = 20_000;

export class OnnxPeer {
  readonly #runtime: typeof import("onnxruntime-node");
  readonly #session: InferenceSession;

  /** Null where the peer is not installed. */
  static async load(model: Model): Promise<OnnxPeer | null> {
    if (isCompiled()) return null;
    let runtime: typeof import("onnxruntime-node");
    try {
      runtime = await import(PEER);
    } catch {
      return null;
    }
    const options = { intraOpNumThreads: 1, interOpNumThreads: 1, executionMode: "sequential" } as const;
    return new OnnxPeer(runtime, await runtime.InferenceSession.create(exportOnnx(model), options));
  }

  private constructor(runtime: typeof import("onnxruntime-node"), session: InferenceSession) {
    this.#runtime = runtime;
    this.#session = session;
  }

  /** Answers for these windows, in gyr's slots. */
  async predict(features: Float32Array, offsets: Int32Array, out: Float32Array): Promise<void> {
    const answers = await this.#session.run({ [ONNX_INPUT]: this.#batch(features, offsets) });
    const direction = answers[ONNX_DIRECTION]!.data as Float32Array;
    const volatility = answers[ONNX_VOLATILITY]!.data as Float32Array;
    const momentum = answers[ONNX_MOMENTUM]!.data as Float32Array;
    for (let window = 0; window < offsets.length; window++) {
      const to = window * OUTPUT_STRIDE;
      out.set(direction.subarray(3 * window, 3 * window + 3), to + OUTPUT_SELL_PROB);
      out[to + OUTPUT_VOLATILITY] = volatility[window]!;
      out[to + OUTPUT_MOMENTUM] = momentum[window]!;
      out[to + OUTPUT_SENTINEL] = 1;
    }
  }

  /**
   * Median time of a call with as many windows as there are offsets. The tensor is made before, and the turn of the event loop that
   * the runtime's wrapper waits for is left out: what is timed is the call into the runtime alone.
   */
  async p50Ns(features: Float32Array, offsets: Int32Array, durationNs: number): Promise<number> {
    const feeds = { [ONNX_INPUT]: this.#batch(features, offsets) };
    const immediately = globalThis.setImmediate;
    const tookNs: number[] = [];
    const endNs = monotonicNs() + durationNs;
    while (tookNs.length < CALLS_MAX && (monotonicNs() < endNs || tookNs.length < CALLS_MIN)) {
      globalThis.setImmediate = ((work: () => void) => work()) as typeof setImmediate;
      const fromNs = monotonicNs();
      const answer = this.#session.run(feeds);
      tookNs.push(monotonicNs() - fromNs);
      globalThis.setImmediate = immediately;
      await answer;
    }
    return tookNs.sort((a, b) => a - b)[tookNs.length >> 1]!;
  }

  close(): Promise<void> {
    return this.#session.release();
  }

  #batch(features: Float32Array, offsets: Int32Array): Tensor {
    const windows = new Float32Array(offsets.length * WINDOW_ELEMS);
    for (let window = 0; window < offsets.length; window++) {
      const from = offsets[window]!;
      windows.set(features.subarray(from, from + WINDOW_ELEMS), window * WINDOW_ELEMS);
    }
    return new this.#runtime.Tensor("float32", windows, [offsets.length, WINDOW_BARS, FEATURE_COUNT]);
  }
}
