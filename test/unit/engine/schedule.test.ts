import { expect, test } from "bun:test";
import { scheduleOf } from "../../../src/engine/schedule.ts";
import { newYorkTimeUs, tradingDay } from "../../../src/market/calendar.ts";

function scheduleFor(date: string) {
  const day = tradingDay(date)!;
  return scheduleOf(day, {
    entryStartUs: newYorkTimeUs(date, "09:35"),
    entryEndUs: newYorkTimeUs(date, "15:30"),
    flatByUs: newYorkTimeUs(date, "15:45"),
    usualCloseUs: newYorkTimeUs(date, "16:00"),
    flattenLeadUs: 60_000_000,
  });
}

test("an ordinary day keeps the configured times", () => {
  const schedule = scheduleFor("2019-12-18");
  expect(schedule.entryStartUs).toBe(newYorkTimeUs("2019-12-18", "09:35"));
  expect(schedule.entryEndUs).toBe(newYorkTimeUs("2019-12-18", "15:30"));
  expect(schedule.flattenUs).toBe(newYorkTimeUs("2019-12-18", "15:44"));
  expect(schedule.flatByUs).toBe(newYorkTimeUs("2019-12-18", "15:45"));
});

test("an early close at 13:00 moves entries and flat-by three hours forward, the start stays", () => {
  const schedule = scheduleFor("2019-12-24");
  expect(schedule.entryStartUs).toBe(newYorkTimeUs("2019-12-24", "09:35"));
  expect(schedule.entryEndUs).toBe(newYorkTimeUs("2019-12-24", "12:30"));
  expect(schedule.flatByUs).toBe(newYorkTimeUs("2019-12-24", "12:45"));
});

test("the day of a clock change keeps New York times", () => {
  const winter = scheduleFor("2026-03-06");
  const summer = scheduleFor("2026-03-09");
  // Three calendar days apart, one hour of which the clocks skipped.
  expect(summer.flatByUs - winter.flatByUs).toBe((3 * 24 - 1) * 3_600_000_000);
});
