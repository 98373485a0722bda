// Is the machine's clock sane, and does it know New York? The offset from true time cannot be known without asking the network.

import { monotonicNs, wallUs } from "../../core/clock.ts";
import { CALENDAR_YEAR_FIRST, CALENDAR_YEAR_LAST } from "../../market/calendar.ts";
import { type Finding, findingsOf } from "./finding.ts";

const { ok, warn, fail } = findingsOf("clock");

/** How long the two clocks are watched, and how far they may part in that time. */
const WATCH_MS = 100;
const DRIFT_US_MAX = 5_000;

/** First year in which this program can run. */
const YEAR_MIN = 2025;

export async function checkClock(): Promise<Finding[]> {
  return [checkYear(wallUs()), await checkDrift(), checkTimeZone()];
}

export function checkYear(nowUs: number): Finding {
  const now = Temporal.Instant.fromEpochMilliseconds(Math.floor(nowUs / 1000));
  const { year } = now.toZonedDateTimeISO("UTC");
  const what = `it is ${now.toString({ smallestUnit: "second" })}`;
  if (year < YEAR_MIN)
    return fail(`${what}, before gyr was made`, "set the clock, best with NTP (timedatectl set-ntp true)");
  if (year > CALENDAR_YEAR_LAST) {
    return fail(
      `${what}, beyond the trading calendar of ${CALENDAR_YEAR_FIRST} to ${CALENDAR_YEAR_LAST}`,
      "set the clock, or use a newer version of gyr",
    );
  }
  return ok(`${what}; the offset from true time is not known without network`, "keep NTP running");
}

/** A wall clock that is being slewed or stepped runs away from the monotonic one. */
async function checkDrift(): Promise<Finding> {
  const wallStartUs = wallUs();
  const startNs = monotonicNs();
  await Bun.sleep(WATCH_MS);
  const elapsedUs = (monotonicNs() - startNs) / 1000;
  const driftUs = Math.abs(wallUs() - wallStartUs - elapsedUs);
  if (elapsedUs < WATCH_MS * 900)
    return fail(`the monotonic clock counted ${elapsedUs.toFixed(0)} us in ${WATCH_MS} ms`);
  if (driftUs > DRIFT_US_MAX) {
    return warn(
      `wall and monotonic clock parted by ${driftUs.toFixed(0)} us in ${WATCH_MS} ms`,
      "see whether NTP is stepping",
    );
  }
  return ok(`wall and monotonic clock agree within ${driftUs.toFixed(0)} us over ${WATCH_MS} ms`);
}

/** The time zone data knows both halves of a New York year: 09:30 is 14:30 UTC in winter and 13:30 in summer. */
export function checkTimeZone(zone = "America/New_York"): Finding {
  try {
    const utcOf = (date: string) =>
      Temporal.PlainDateTime.from(`${date}T09:30`).toZonedDateTime(zone).toInstant().toString().slice(11, 16);
    const winter = utcOf("2025-03-07");
    const summer = utcOf("2025-03-10");
    if (winter === "14:30" && summer === "13:30") return ok("time zone data knows New York's daylight saving time");
    return fail(`09:30 in New York is ${winter} UTC in winter and ${summer} in summer, required are 14:30 and 13:30`);
  } catch (error) {
    return fail(`there is no time zone data for New York (${error instanceof Error ? error.message : error})`);
  }
}
