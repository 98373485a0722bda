// docs/denials.md is what the code says.

import { expect, test } from "bun:test";
import { join } from "node:path";
import { denialsMarkdown } from "../../../src/observe/denials-document.ts";
import { DENIALS, denialIndex } from "../../../src/risk/denials.ts";
import { FILTERS } from "../../../src/strategy/filters.ts";

test("docs/denials.md is current; bun src/observe/write-docs.ts writes it", async () => {
  const page = await Bun.file(join(import.meta.dir, "../../../docs/denials.md")).text();
  expect(page).toBe(denialsMarkdown());
});

test("names every code but the two that mean yes, denials with the number that the journal holds", () => {
  const page = denialsMarkdown();
  for (const { code } of DENIALS.slice(1)) expect(page).toContain(`| ${denialIndex(code)} | \`${code}\` |`);
  for (const { code } of FILTERS.slice(1)) expect(page).toContain(`\`${code}\``);
  expect(page).not.toContain("`OK`");
  expect(page).not.toContain("`PASS`");
});

test("every denial says what it means and what to do", () => {
  for (const { meaning, remedy } of DENIALS) {
    expect(meaning).toEndWith(".");
    expect(remedy).toEndWith(".");
  }
});
