// Resident memory of a process that ticks on the GPU stays where it is: 20,000 ticks in every run, and GYR_SOAK_TICKS of them in
// `bun run test:soak`. In a process of its own, because a test runner's memory is its own affair.

import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { useTestAdapter } from "../support/vulkan.ts";

const TICKS = Number(process.env.GYR_SOAK_TICKS ?? 20_000);
/**
 * Growth over all ticks. One command buffer kept at each tick would be 50 MB in 20,000, half of all. Memory also comes and goes
 * by some hundredths with the collector's and the allocator's mood, so the floor of the first quarter is compared with the
 * floor of the last: what is kept for good raises the floor.
 */
const GROWTH_FRAC_MAX = 0.05;
/** Part of the ticks between the middles of these quarters. */
const BETWEEN_QUARTERS = 0.75;
/** A tick takes 0.7 ms on idle cores; ten times that, and a minute to start. */
const TIMEOUT_MS = 60_000 + TICKS * 7;

const adapter = await useTestAdapter();

describe.skipIf(adapter.skipReason !== "")(`memory on ${adapter.name || adapter.skipReason}`, () => {
  test(
    `is flat within ${GROWTH_FRAC_MAX * 100}% over ${TICKS} ticks`,
    async () => {
      const loop = Bun.spawn([process.execPath, join(import.meta.dir, "memory-loop.ts"), String(TICKS)], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      const [text, errors] = await Promise.all([new Response(loop.stdout).text(), new Response(loop.stderr).text()]);
      if ((await loop.exited) !== 0) throw new Error(`the loop failed: ${errors}`);
      const { rssBytes, failedCalls } = JSON.parse(text) as { rssBytes: number[]; failedCalls: number };
      expect(failedCalls).toBe(0);
      const quarter = rssBytes.length / 4;
      const [first, last] = [Math.min(...rssBytes.slice(0, quarter)), Math.min(...rssBytes.slice(-quarter))];
      // Written so that a NaN fails.
      if (!((last - first) / first / BETWEEN_QUARTERS <= GROWTH_FRAC_MAX))
        throw new Error(`resident memory, MB: ${rssBytes.map((bytes) => (bytes / 1e6).toFixed(1)).join(" ")}`);
    },
    TIMEOUT_MS,
  );
});
