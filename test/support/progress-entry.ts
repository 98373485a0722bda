// A process that shows the progress of a short made-up day, for tests in a terminal and in a pipe.
// Arguments: "exit" ends in the middle of the day, as a second signal does.

import { makeProgress } from "../../src/observe/progress.ts";

const progress = makeProgress({ isQuiet: process.argv[2] === "quiet" });
const OPEN_US = 1_000_000_000;
const MINUTE_US = 60_000_000;

progress.step("opening the venue");
for (let minute = 0; minute <= 390; minute++) {
  const clock = `${String(9 + Math.floor((30 + minute) / 60)).padStart(2, "0")}:${String((30 + minute) % 60).padStart(2, "0")}`;
  progress.update({
    nowUs: OPEN_US + minute * MINUTE_US,
    openUs: OPEN_US,
    closeUs: OPEN_US + 390 * MINUTE_US,
    clock,
    positions: 20,
    orders: 9_999,
    pnlUsd: -12_345.67,
  });
  if (minute === 200) progress.warn("feed down: connection lost");
  if (minute === 300 && process.argv[2] === "exit") process.exit(130);
}
progress.step("closing the books");
progress.stop();
