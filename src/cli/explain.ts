// `gyr explain CODE`: what a code of the summary means and what to do about it: why a signal became no order (filters of the
// strategy) or an order was not sent (denials).

import { nearest } from "../config/nearest.ts";
import { UserError } from "../core/user-error.ts";
import { DENIALS } from "../risk/denials.ts";
import { FILTERS } from "../strategy/filters.ts";
import { EXIT_DONE } from "./exit-codes.ts";

export interface Explanation {
  /** filter: the strategy let a signal pass by. denial: risk did not send an order. */
  readonly kind: "filter" | "denial";
  readonly code: string;
  readonly meaning: string;
  /** "" where nothing is to be mended. */
  readonly remedy: string;
}

/** Every code, in the order in which a signal meets them. */
export const EXPLANATIONS: readonly Explanation[] = [
  ...FILTERS.map((filter) => ({ kind: "filter", ...filter, remedy: "" }) as const),
  ...DENIALS.map((denial) => ({ kind: "denial", ...denial }) as const),
];

export async function explainCommand(code: string | undefined, options: { json?: boolean }): Promise<number> {
  const found = code === undefined ? EXPLANATIONS : [explanationOf(code)];
  if (options.json === true) console.log(JSON.stringify(code === undefined ? found : found[0]));
  else if (code === undefined)
    for (const one of found) console.log(`${one.code.padEnd(24)} ${one.kind}: ${one.meaning}`);
  else console.log(formatExplanation(found[0]!));
  return EXIT_DONE;
}

function explanationOf(code: string): Explanation {
  const wanted = code.toUpperCase().replaceAll("-", "_");
  const explanation = EXPLANATIONS.find((known) => known.code === wanted);
  if (explanation !== undefined) return explanation;
  const codes = EXPLANATIONS.map((known) => known.code);
  const likely = nearest(wanted, codes);
  const remedy = likely === null ? "gyr explain lists all codes" : `did you mean ${likely}?`;
  throw new UserError("usage", `there is no code '${code}'`, remedy);
}

function formatExplanation({ kind, code, meaning, remedy }: Explanation): string {
  const lines = [`${code} (${kind})`, `  meaning:  ${meaning}`];
  if (remedy !== "") lines.push(`  remedy:   ${remedy}`);
  return lines.join("\n");
}
