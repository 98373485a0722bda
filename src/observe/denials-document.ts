// docs/denials.md out of the code's own lists: every reason for which a signal became no order, in the order of asking.

import { DENIALS, DENIED_OK } from "../risk/denials.ts";
import { FILTER_PASS, FILTERS } from "../strategy/filters.ts";

const INTRODUCTION = `# Why an order was not sent

This page is generated from \`src/risk/denials.ts\` and \`src/strategy/filters.ts\` by \`bun src/observe/write-docs.ts\`; a test fails
when it is out of date.

A signal first meets the strategy's filters, then sizing, then the checks of risk. Whatever stops it has a code that never changes
its meaning; the summary, the report and the journal count it, and \`gyr explain CODE\` says the same as this page. The number is
what the journal holds. Exits and cancels pass none of this: nothing here can keep a position from being closed.`;

export function denialsMarkdown(): string {
  const denials = DENIALS.map(
    ({ code, meaning, remedy }, number) => `| ${number} | \`${code}\` | ${meaning} | ${remedy} |`,
  );
  const filters = FILTERS.map(({ code, meaning }, number) => `| ${number} | \`${code}\` | ${meaning} |`);
  return `${INTRODUCTION}

## Denied by risk

| number | code | meaning | what to do |
|---|---|---|---|
${denials.filter((_, number) => number !== DENIED_OK).join("\n")}

## Stopped by the strategy's filters

What each looks at, with its formula, is in [strategy.md](strategy.md#2-filters-srcstrategyfiltersts).

| number | code | meaning |
|---|---|---|
${filters.filter((_, number) => number !== FILTER_PASS).join("\n")}
`;
}
