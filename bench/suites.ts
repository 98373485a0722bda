// Every bench suite by name. A suite measures one thing, checks its correctness first, and returns figures whose names end
// in their unit. `bun run bench` runs them from source; `gyr bench` runs those marked `inBinary` from the executable.

import type { SuiteSize } from "./size.ts";

/** Measures at a size, the full one where none is given; throws where what it would time is wrong. */
export type SuiteRun = (size?: SuiteSize) => Promise<Record<string, number>>;

export interface Suite {
  readonly what: string;
  /** True where it needs no peer library and no second process of the checkout. */
  readonly inBinary: boolean;
  readonly load: () => Promise<{ run: SuiteRun }>;
}

export const SUITES: Readonly<Record<string, Suite>> = {
  kelly: { what: "size multiplier look-up", inBinary: true, load: () => import("./sizing/kelly.bench.ts") },
  features: {
    what: "twelve features of a new bar",
    inBinary: true,
    load: () => import("./features/features.bench.ts"),
  },
  feed: {
    what: "frame text to events, by scanner and JSON.parse; a trade into its bar",
    inBinary: true,
    load: () => import("./feed/feed.bench.ts"),
  },
  inference: {
    what: "forward pass in WebAssembly, of one window and of a universe",
    inBinary: true,
    load: () => import("./inference/forward-pass.bench.ts"),
  },
  webgpu: {
    what: "forward pass on a GPU, upload to read-back",
    inBinary: true,
    load: () => import("./inference/webgpu.bench.ts"),
  },
  gpu: {
    what: "check of a GPU: every shader against its reference, then features and forward pass over the empty round trip",
    inBinary: true,
    load: () => import("./inference/gpu.bench.ts"),
  },
  universe: {
    what: "10,000 candidates to the best 100",
    inBinary: true,
    load: () => import("./universe/filter.bench.ts"),
  },
  tickToOrder: {
    what: "trade at the venue to its order there, beside the floor of the sockets alone",
    inBinary: false,
    load: () => import("./latency/tick-to-order.bench.ts"),
  },
  startup: {
    what: "exec of the executable to armed",
    inBinary: false,
    load: () => import("./latency/startup.bench.ts"),
  },
};

/** What the figures were measured on. */
export interface BenchMachine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly os: string;
  readonly bun: string;
  readonly date: string;
}

export interface BenchResult {
  readonly machine: BenchMachine;
  readonly suites: Record<string, Record<string, number>>;
}

/** Runs the named suites in order; `report` is told each figure as it comes. */
export async function runSuites(
  names: readonly string[],
  report: (suite: string, figures: Record<string, number>) => void,
): Promise<BenchResult["suites"]> {
  const results: BenchResult["suites"] = {};
  for (const name of names) {
    const { run } = await SUITES[name]!.load();
    const figures = await run();
    results[name] = figures;
    report(name, figures);
  }
  return results;
}
