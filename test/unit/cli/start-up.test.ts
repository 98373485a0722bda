// When a thread that trades may be held up for a while.

import { expect, test } from "bun:test";
import fc from "fast-check";
import { quietInMs } from "../../../src/cli/run/start-up.ts";
import { newYorkTimeUs } from "../../../src/market/calendar.ts";

const OPEN_US = newYorkTimeUs("2019-12-18", "09:30");
const SEC_US = 1_000_000;

test.each([
  [0, 60, 15_000],
  [14, 60, 1_000],
  [15, 60, 0],
  [35, 60, 0],
  [36, 60, 39_000],
  [59, 60, 16_000],
  [299, 300, 76_000],
])("%d s into a bar of %d s the middle of a bar is %d ms away", (second, intervalSec, expected) => {
  expect(quietInMs(OPEN_US + second * SEC_US, intervalSec)).toBe(expected);
});

test("after the wait it is quiet, and the end of the bar is far", () => {
  fc.assert(
    fc.property(fc.nat(23_400_000), fc.constantFrom(1, 5, 60, 300), (ms, intervalSec) => {
      const waitMs = quietInMs(OPEN_US + ms * 1_000, intervalSec);
      const atMs = ms + waitMs;
      expect(waitMs).toBeLessThan(intervalSec * 1_000);
      expect(quietInMs(OPEN_US + atMs * 1_000, intervalSec)).toBe(0);
      const toEndMs = intervalSec * 1_000 - (atMs % (intervalSec * 1_000));
      expect(toEndMs).toBeGreaterThanOrEqual(0.4 * intervalSec * 1_000);
    }),
  );
});
