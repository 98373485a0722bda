// Writes docs/features.md from the catalogue: `bun src/features/write-docs.ts` from the root of the checkout. A test checks that it is current.

import { CATALOGUE, CATALOGUE_HASH, READY_BARS, ROW_DEFINED_FROM_BAR } from "./catalogue.ts";

export const FEATURES_DOC_PATH = "docs/features.md";

export function featuresDoc(): string {
  const rows = CATALOGUE.map(
    ({ name, unit, window, definedFromBar, formula, source }, index) =>
      `| ${index} | ${name} | ${unit} | ${window} | ${definedFromBar} | ${formula.replaceAll("|", "\\|")} | ${source} |\n`,
  );
  return `# Features

Generated from \`src/features/catalogue.ts\` by \`bun src/features/write-docs.ts\`; do not edit.

Each closed bar of a stock gives one row of twelve numbers, which then never changes. \`o h l c v\` are open, high, low, close (USD)
and volume (shares) of bar t; a prime is the value one bar before; sums run over the window. A minute without a trade makes no
bar, so windows count bars, not minutes. Averages are carried across bars and days; the VWAP starts afresh each day.

| # | feature | unit | window, bars | from bar | formula | source |
|---|---|---|---|---|---|---|
${rows.join("")}
*From bar* is the first bar of a stock, counted from 0, at which the value is defined; before it the value is 0. All twelve are
defined from bar ${ROW_DEFINED_FROM_BAR}, so a window of 50 is complete after ${READY_BARS} bars, and no stock is traded before. The moving averages then still
remember how they began: RSI and ATR forget half of it in 10 bars, the slow EMA in 9.

Against others: over the 502 daily quotes of Stock.Indicators, RSI, MACD histogram, %B, ATR and VWAP agree with its published results
to 1e-9 relative, from the first value on. Both take the mean of the first n values as the first average, as Wilder's tables do. Where
libraries differ it is nearly always in this beginning, and the difference dies out with the average. ta, for one:

| indicator | in ta | here, and why |
|---|---|---|
| RSI | averages of gains and losses begin at 0 | the mean of 14 changes: Wilder's own, and no value leans on the first bar |
| MACD | averages begin with the first close | the mean of n closes, for the same reason |
| ATR | the first bar counts with its own high and low | the first bar has no true range, which needs a close before it |
| Bollinger %B | the same | population deviation, as Bollinger has it |
| VWAP | of the last 14 bars | of the day: what the day's orders are measured against |

The other seven look at one bar or sum over a window: nothing to begin. Tests: \`test/golden/features.golden.test.ts\`.

Poor data: a bar whose prices contradict each other, are not finite or lie outside 0.0001 to 10,000,000 USD is refused and
counted, and so is one that does not start after the bar before it. Volume 0 is allowed. A turnover that does not fit the bar's
prices and volume counts as (h + l + c) / 3 * v. Where nothing moves or trades the values are 0: every number in a window is finite.

Networks see each value as (x - mean) / deviation of their own training data, clamped to +-10.

Hash of this catalogue, in every model card: \`${CATALOGUE_HASH}\`
`;
}

if (import.meta.main) await Bun.write(FEATURES_DOC_PATH, featuresDoc());
