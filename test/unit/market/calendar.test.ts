import { describe, expect, test } from "bun:test";
import {
  CalendarError,
  closedReason,
  formatNewYorkTime,
  newYorkDate,
  newYorkOffsetUs,
  newYorkTimeUs,
  nextTradingDay,
  previousTradingDay,
  tradingDay,
} from "../../../src/market/calendar.ts";

const utcUs = (iso: string) => Date.parse(iso) * 1000;
const HOUR_US = 3_600_000_000;

describe("trading day", () => {
  test("has the four times of a full day in winter (UTC-5)", () => {
    expect(tradingDay("2019-12-18")).toEqual({
      date: "2019-12-18",
      preOpenUs: utcUs("2019-12-18T09:00:00Z"),
      openUs: utcUs("2019-12-18T14:30:00Z"),
      closeUs: utcUs("2019-12-18T21:00:00Z"),
      postCloseUs: utcUs("2019-12-19T01:00:00Z"),
      isHalfDay: false,
    });
  });

  test("closes at 13:00 and ends at 17:00 on a half day in summer (UTC-4)", () => {
    expect(tradingDay("2025-07-03")).toEqual({
      date: "2025-07-03",
      preOpenUs: utcUs("2025-07-03T08:00:00Z"),
      openUs: utcUs("2025-07-03T13:30:00Z"),
      closeUs: utcUs("2025-07-03T17:00:00Z"),
      postCloseUs: utcUs("2025-07-03T21:00:00Z"),
      isHalfDay: true,
    });
  });

  // 2029 and 2030 lie beyond the published list: dates worked out by hand from the rules.
  test.each([
    ["2029-01-01", "New Year's Day"],
    ["2029-03-30", "Good Friday"],
    ["2029-06-19", "Juneteenth"],
    ["2029-11-22", "Thanksgiving Day"],
    ["2030-01-21", "Martin Luther King Jr. Day"],
    ["2030-02-18", "Washington's Birthday"],
    ["2030-04-19", "Good Friday"],
    ["2030-05-27", "Memorial Day"],
    ["2030-07-04", "Independence Day"],
    ["2030-09-02", "Labor Day"],
    ["2030-12-25", "Christmas Day"],
    ["2025-01-09", "mourning for Jimmy Carter"],
    ["2012-10-30", "hurricane Sandy"],
    ["2019-12-21", "Saturday"],
    ["2019-12-22", "Sunday"],
  ])("is closed on %s: %s", (date, reason) => {
    expect(tradingDay(date)).toBeNull();
    expect(closedReason(date)).toBe(reason);
  });

  test("a New Year's Day on a Saturday is not made up for on the Friday", () => {
    expect(closedReason("2021-12-31")).toBeNull();
    expect(closedReason("2010-12-31")).toBeNull();
  });

  test("a holiday on a Saturday closes the Friday, on a Sunday the Monday", () => {
    expect(closedReason("2020-07-03")).toBe("Independence Day");
    expect(closedReason("2022-12-26")).toBe("Christmas Day");
    expect(closedReason("2022-06-20")).toBe("Juneteenth");
  });

  test("next and previous skip weekends and holidays, from closed days too", () => {
    expect(previousTradingDay("2019-12-18").date).toBe("2019-12-17");
    expect(previousTradingDay("2019-12-26").date).toBe("2019-12-24");
    expect(nextTradingDay("2019-12-24").date).toBe("2019-12-26");
    expect(nextTradingDay("2001-09-10").date).toBe("2001-09-17");
    expect(nextTradingDay("2019-12-21").date).toBe("2019-12-23");
    expect(previousTradingDay("2020-01-01").date).toBe("2019-12-31");
  });

  test.each(["2019-02-30", "2019-13-01", "18.12.2019", "2019-12-18T09:30", "", "1999-12-31", "2031-01-02"])(
    "refuses '%s' and says what to write instead",
    (date) => {
      expect(() => tradingDay(date)).toThrow(CalendarError);
      expect(() => tradingDay(date)).toThrow(/write a day that exists as YYYY-MM-DD|2000 to 2030/);
    },
  );

  test("refuses to step out of its years", () => {
    expect(() => nextTradingDay("2030-12-31")).toThrow(CalendarError);
    expect(() => previousTradingDay("2000-01-03")).toThrow(CalendarError);
  });
});

describe("New York time", () => {
  test("changes its offset at 02:00 on the days daylight saving begins and ends", () => {
    const beginUs = utcUs("2019-03-10T07:00:00Z");
    expect(newYorkOffsetUs(beginUs - 1)).toBe(-5 * HOUR_US);
    expect(newYorkOffsetUs(beginUs)).toBe(-4 * HOUR_US);
    const endUs = utcUs("2019-11-03T06:00:00Z");
    expect(newYorkOffsetUs(endUs - 1)).toBe(-4 * HOUR_US);
    expect(newYorkOffsetUs(endUs)).toBe(-5 * HOUR_US);
  });

  test("began daylight saving in April and ended it in October until 2006", () => {
    expect(newYorkOffsetUs(utcUs("2006-03-20T12:00:00Z"))).toBe(-5 * HOUR_US);
    expect(newYorkOffsetUs(utcUs("2006-04-03T12:00:00Z"))).toBe(-4 * HOUR_US);
    expect(newYorkOffsetUs(utcUs("2006-10-30T12:00:00Z"))).toBe(-5 * HOUR_US);
  });

  test("the open is at 09:30 on the Friday before and the Monday after each change", () => {
    for (const date of ["2019-03-08", "2019-03-11", "2019-11-01", "2019-11-04", "2027-03-12", "2027-03-15"]) {
      const { openUs } = tradingDay(date)!;
      expect(formatNewYorkTime(openUs)).toBe("09:30:00");
      expect(newYorkDate(openUs)).toBe(date);
    }
  });

  test("an hour that is skipped means the time after the gap, one that is repeated the first", () => {
    expect(newYorkTimeUs("2019-03-10", "02:30")).toBe(utcUs("2019-03-10T07:30:00Z"));
    expect(newYorkTimeUs("2019-11-03", "01:30")).toBe(utcUs("2019-11-03T05:30:00Z"));
  });

  test("the date changes at New York's midnight, not at UTC's", () => {
    expect(newYorkDate(utcUs("2019-12-19T04:59:59Z"))).toBe("2019-12-18");
    expect(newYorkDate(utcUs("2019-12-19T05:00:00Z"))).toBe("2019-12-19");
  });

  test("takes and gives seconds, and cuts what is below one", () => {
    expect(formatNewYorkTime(newYorkTimeUs("2019-12-18", "15:45:07") + 999_999)).toBe("15:45:07");
  });

  test.each(["9:30", "24:00", "12:60", "noon", "09:30:00.5"])("refuses the time '%s'", (time) => {
    expect(() => newYorkTimeUs("2019-12-18", time)).toThrow(/write HH:MM or HH:MM:SS/);
  });

  test("refuses an instant that is no number", () => {
    expect(() => newYorkDate(Number.NaN)).toThrow(CalendarError);
  });
});
