// Every bench suite by name. A suite measures one thing, checks its correctness first, and returns figures whose names end
// in their unit. `bun run bench` runs them from source; `gyr bench` runs those marked `inBinary` from the executable.

export type SuiteRun = () => Promise<Record<string, number>>;

export interface Suite {
  readonly what: string;
  /** True where it needs no peer library and no second process of the checkout. */
  readonly inBinary: boolean;
  readonly load: () => Promise<{ run: SuiteRun }>;
}

export const SUITES: Readonly<Record<string, Suite>> = {
  kelly: { what: "size multiplier look-up", inBinary: true, load: () => import("./sizing/kelly.bench.ts") },
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
