// Every bench suite runs at its smallest size, so that none rots: their own checks of correctness run, the figures are not looked at.

import { expect, test } from "bun:test";
import { SUITES } from "../../../bench/suites.ts";

const UNITS = /(?:Ns|Us|Ms|Ratio|Count)$/;
const TIMEOUT_MS = 120_000;

for (const [name, suite] of Object.entries(SUITES)) {
  test(
    `suite ${name} measures, and names its figures by their unit`,
    async () => {
      const { run } = await suite.load();
      const figures = await run("smoke");
      expect(Object.keys(figures)).not.toBeEmpty();
      for (const [figure, value] of Object.entries(figures)) {
        expect(figure).toMatch(UNITS);
        expect(value).toBeNumber();
        expect(value).not.toBeNaN();
      }
    },
    TIMEOUT_MS,
  );
}

test(
  "a venue of the bench is asked for orders that come, and says how many did not",
  async () => {
    const { run } = await SUITES.tickToOrder!.load();
    const { orderCount, noOrderCount, p50Us, p99Us, p999Us } = await run("smoke");
    expect(orderCount).toBeGreaterThan(0);
    expect(noOrderCount).toBe(0);
    expect(p50Us).toBeLessThanOrEqual(p99Us!);
    expect(p99Us).toBeLessThanOrEqual(p999Us!);
  },
  TIMEOUT_MS,
);
