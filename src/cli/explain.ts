// `gyr explain CODE`: what a denial code means and what to do about it.

import { nearest } from "../config/nearest.ts";
import { UserError } from "../core/user-error.ts";
import { DENIALS } from "../risk/denials.ts";
import { EXIT_DONE } from "./exit-codes.ts";

export async function explainCommand(code: string | undefined, options: { json?: boolean }): Promise<number> {
  if (code === undefined) {
    if (options.json === true) console.log(JSON.stringify(DENIALS));
    else for (const denial of DENIALS) console.log(`${denial.code.padEnd(24)} ${denial.meaning}`);
    return EXIT_DONE;
  }
  const wanted = code.toUpperCase().replaceAll("-", "_");
  const denial = DENIALS.find((known) => known.code === wanted);
  if (denial === undefined) {
    const likely = nearest(
      wanted,
      DENIALS.map((known) => known.code),
    );
    const remedy = likely === null ? "gyr explain lists all codes" : `did you mean ${likely}?`;
    throw new UserError("usage", `there is no denial code '${code}'`, remedy);
  }
  if (options.json === true) console.log(JSON.stringify(denial));
  else console.log(`${denial.code}\n  meaning:  ${denial.meaning}\n  remedy:   ${denial.remedy}`);
  return EXIT_DONE;
}
