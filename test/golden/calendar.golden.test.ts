// The calendar's rules against a list of holidays and early closes kept by others (data/market-hours, origin inside).

import { describe, expect, test } from "bun:test";
import { CALENDAR_YEAR_FIRST, tradingDay } from "../../src/market/calendar.ts";
import golden from "./data/market-hours/equity-usa.json";

const SATURDAY = 6;
const holidays = new Set<string>(golden.holidays);
const earlyCloses = new Map<string, string>(Object.entries(golden.earlyCloses));

/** Every weekday from 2000 to the last year of the list. */
function weekdays(): string[] {
  const days: string[] = [];
  let day = new Temporal.PlainDate(CALENDAR_YEAR_FIRST, 1, 1);
  for (; day.year <= golden.lastYear; day = day.add({ days: 1 }))
    if (day.dayOfWeek < SATURDAY) days.push(day.toString());
  return days;
}

describe("trading calendar against the published list", () => {
  test("the list is there: 29 years, more than 9 holidays and 2 early closes a year", () => {
    expect(weekdays().length).toBe(7565);
    expect(holidays.size).toBeGreaterThan(29 * 9);
    expect(earlyCloses.size).toBeGreaterThan(29 * 2);
  });

  test("is open on exactly the weekdays that are no holiday", () => {
    const wrong = weekdays().filter((date) => (tradingDay(date) === null) !== holidays.has(date));
    expect(wrong).toEqual([]);
  });

  test("closes at 13:00 on exactly the early closes of the list", () => {
    const wrong = weekdays().filter((date) => (tradingDay(date)?.isHalfDay ?? false) !== earlyCloses.has(date));
    expect(wrong).toEqual([]);
    expect(new Set(earlyCloses.values())).toEqual(new Set(["13:00"]));
  });
});
