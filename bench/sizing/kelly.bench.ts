// Suite `kelly`: one look-up of the size multiplier, throughput over varying inputs so that nothing is predicted or hoisted.

import { do_not_optimize, measure } from "mitata";
import { Prng } from "../../src/core/prng.ts";
import { kellyFrac, kellyMultiplier } from "../../src/sizing/kelly-table.ts";
import { cpuNs, type SuiteSize } from "../size.ts";

const INPUT_COUNT = 4096;
const MASK = INPUT_COUNT - 1;

export async function run(size: SuiteSize = "full"): Promise<Record<string, number>> {
  if (Math.abs(kellyMultiplier(0.58, 0.5, 15) - (0.4 * 1.5 * kellyFrac(0.58, 2)) / kellyFrac(0.5, 2)) > 1e-12) {
    throw new Error("the Kelly table is wrong; not timing it");
  }
  const prng = Prng.stream(1, "bench.kelly");
  const winRates = Float64Array.from({ length: INPUT_COUNT }, () => 0.45 + prng.next() * 0.3);
  const confidences = Float64Array.from({ length: INPUT_COUNT }, () => prng.next());
  const vixes = Float64Array.from({ length: INPUT_COUNT }, () => prng.next() * 60);
  const stats = await measure(
    () => {
      let sum = 0;
      for (let i = 0; i < INPUT_COUNT; i++) {
        sum += kellyMultiplier(winRates[i & MASK]!, confidences[i & MASK]!, vixes[i & MASK]!);
      }
      return do_not_optimize(sum);
    },
    { min_cpu_time: cpuNs(size, 500e6) },
  );
  return { lookupP50Ns: stats.p50 / INPUT_COUNT, lookupP99Ns: stats.p99 / INPUT_COUNT };
}
