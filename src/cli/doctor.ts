// `gyr doctor`: checks the machine and the set-up for the configured mode. Findings are printed as they come, adapters last,
// because a broken GPU driver can end the process.

import { loadConfig } from "../config/load.ts";
import { ConfigError, formatProblem } from "../config/problems.ts";
import type { Config } from "../config/schema.ts";
import { checkClock } from "./doctor/clock.ts";
import { checkConnectivity } from "./doctor/connectivity.ts";
import { checkDisk, checkTemporaryFolder } from "./doctor/disk.ts";
import { type Finding, findingsOf } from "./doctor/finding.ts";
import { checkAdapters, checkData, checkKeys, checkModelFile, checkRuntime } from "./doctor/setup.ts";
import { EXIT_DONE, EXIT_FAILED } from "./exit-codes.ts";
import type { ConfigOptions } from "./options.ts";

export async function doctorCommand(options: ConfigOptions): Promise<number> {
  const findings: Finding[] = [];
  const tell = (more: readonly Finding[]) => {
    findings.push(...more);
    if (options.json !== true) for (const finding of more) console.log(formatFinding(finding));
  };
  const { config, found } = configuration(options.config);
  tell(found);
  tell(await checkRuntime());
  tell(await checkClock());
  tell(checkKeys(config, process.env));
  tell(checkDisk(config));
  tell(checkTemporaryFolder());
  tell(await checkConnectivity(config));
  tell(await checkData(config));
  tell(await checkModelFile(config));
  tell(await checkAdapters(config));
  const failed = findings.filter(({ status }) => status === "fail").length;
  if (options.json === true) console.log(JSON.stringify({ ok: failed === 0, mode: config.mode, findings }));
  else
    console.log(
      failed === 0 ? `\n${config.mode} mode can run` : `\n${failed} to mend before ${config.mode} mode can run`,
    );
  return failed === 0 ? EXIT_DONE : EXIT_FAILED;
}

/** The configuration, or the defaults with its problems as findings, so that the rest is checked all the same. */
function configuration(path: string | undefined): { config: Config; found: Finding[] } {
  const { ok, fail } = findingsOf("configuration");
  try {
    const { config, file } = loadConfig({ path, env: process.env });
    return { config, found: [ok(`${file ?? "no file: the defaults"}, mode ${config.mode}`)] };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const found = error.problems.map((problem) => fail(formatProblem({ ...problem, remedy: "" }), problem.remedy));
    return { config: loadConfig({ text: "" }).config, found };
  }
}

const MARKS = { ok: "ok  ", warn: "warn", fail: "FAIL" } as const;

function formatFinding({ area, status, what, remedy }: Finding): string {
  const indented = what.replaceAll("\n", `\n${" ".repeat(24)}`);
  const line = `${MARKS[status]} ${area.padEnd(18)} ${indented}`;
  return remedy === "" || status === "ok" ? line : `${line}\n${" ".repeat(24)}remedy: ${remedy}`;
}
