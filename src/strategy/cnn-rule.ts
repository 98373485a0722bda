// Hot path: no allocation after start.
// The network's outputs as a signal. docs/strategy.md, "Network".
//
//   direction  = the likelier of buy and sell, where its probability is at least probMin and above hold's
//   strength   = |momentum head|, where it points the same way; otherwise no signal
//   confidence = (p - 1/3) / (2/3), the probability above that of a guess among three

import { OUTPUT_BUY_PROB, OUTPUT_HOLD_PROB, OUTPUT_MOMENTUM, OUTPUT_SELL_PROB } from "../inference/engine.ts";
import type { Signal } from "./signal.ts";

/**
 * @param outputs one output slot of the engine, at `offset`
 * @param probMin lowest probability to act on, 0..1
 * @param signal  receives the answer
 */
export function cnnSignal(outputs: Float32Array, offset: number, probMin: number, signal: Signal): void {
  signal.clear();
  const buyProb = outputs[offset + OUTPUT_BUY_PROB]!;
  const sellProb = outputs[offset + OUTPUT_SELL_PROB]!;
  const direction = buyProb >= sellProb ? 1 : -1;
  const prob = direction > 0 ? buyProb : sellProb;
  if (!(prob >= probMin && prob > outputs[offset + OUTPUT_HOLD_PROB]!)) return;
  const momentum = outputs[offset + OUTPUT_MOMENTUM]!;
  if (!(momentum * direction > 0)) return;
  signal.direction = direction;
  signal.strength = Math.min(1, Math.abs(momentum));
  signal.confidence = Math.max(0, (prob - 1 / 3) / (2 / 3));
}
