// `gyr bench`: the latency benches that need no peer library, in the downloaded binary as from source.

import { arch, cpus, platform, release, totalmem } from "node:os";
import { type BenchMachine, type BenchResult, runSuites, SUITES } from "../../bench/suites.ts";
import { wallUs } from "../core/clock.ts";
import { UserError } from "../core/user-error.ts";
import { isCompiled } from "../core/worker.ts";
import { EXIT_DONE } from "./exit-codes.ts";

export interface BenchOptions {
  readonly suite?: string | undefined;
  /** File for the figures; "-" or true is standard output. */
  readonly json?: string | boolean | undefined;
}

export async function benchCommand(options: BenchOptions): Promise<number> {
  const names = suiteNames(options.suite);
  const isQuiet = options.json === true || options.json === "-";
  const say = (line: string) => {
    if (!isQuiet) console.log(line);
  };
  const skipped = Object.keys(SUITES).filter((name) => isCompiled() && !SUITES[name]!.inBinary);
  if (options.suite === undefined && skipped.length > 0) {
    say(`not in the binary, run them from the source checkout: ${skipped.join(", ")}\n`);
  }
  const machine = benchMachine();
  say(`${machine.cpu}, ${machine.cores} cores, ${machine.os}, Bun ${machine.bun}`);
  const suites = await runSuites(names, (suite, figures) => {
    say(`\n${suite}: ${SUITES[suite]!.what}`);
    for (const [name, value] of Object.entries(figures)) say(`  ${name.padEnd(28)} ${formatFigure(value)}`);
  });
  const result: BenchResult = { machine, suites };
  if (isQuiet) console.log(JSON.stringify(result));
  else if (typeof options.json === "string") await Bun.write(options.json, `${JSON.stringify(result, null, 2)}\n`);
  return EXIT_DONE;
}

function suiteNames(suite: string | undefined): string[] {
  const available = Object.keys(SUITES).filter((name) => !isCompiled() || SUITES[name]!.inBinary);
  if (suite === undefined) return available;
  if (!available.includes(suite)) {
    const where = suite in SUITES ? "runs from the source checkout only" : "is no suite";
    throw new UserError("usage", `'${suite}' ${where}; suites here: ${available.join(", ")}`);
  }
  return [suite];
}

function benchMachine(): BenchMachine {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    os: `${platform()} ${release()} ${arch()}`,
    bun: Bun.version,
    date: new Date(wallUs() / 1000).toISOString(),
  };
}

function formatFigure(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString("en-US") : value.toPrecision(4);
}
