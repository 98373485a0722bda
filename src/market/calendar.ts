// The trading calendar of US equities (NYSE, Nasdaq), 2000 to 2030, and New York time. Holidays and early closes are
// rules; closures that no rule gives (mourning, storms, the week of 2001-09-11) are a list. Late openings are not modelled.
//
// Off the hot path: ask once a day and keep the epoch microseconds. Only this file knows a time zone.

import { UserError } from "../core/user-error.ts";

/** One session of the exchange. All times epoch microseconds. */
export interface TradingDay {
  /** New York date, YYYY-MM-DD. */
  readonly date: string;
  /** 04:00, first trades of the early session. */
  readonly preOpenUs: number;
  /** 09:30. */
  readonly openUs: number;
  /** 16:00; 13:00 on a half day. */
  readonly closeUs: number;
  /** 20:00; 17:00 on a half day. */
  readonly postCloseUs: number;
  readonly isHalfDay: boolean;
}

/** First and last year the rules are right for: before 2000 other holidays, after 2030 nothing is announced. */
export const CALENDAR_YEAR_FIRST = 2000;
export const CALENDAR_YEAR_LAST = 2030;

/** A date or time that the calendar cannot answer for: badly written, or outside its years. */
export class CalendarError extends UserError {
  override name = "CalendarError";
  constructor(message: string) {
    super("usage", message);
  }
}

const ZONE = "America/New_York";
const US_PER_MS = 1_000;
const US_PER_SEC = 1_000_000;

/** Closures no rule gives. */
const SPECIAL_CLOSURES: Readonly<Record<string, string>> = {
  "2001-09-11": "attack on the World Trade Center",
  "2001-09-12": "attack on the World Trade Center",
  "2001-09-13": "attack on the World Trade Center",
  "2001-09-14": "attack on the World Trade Center",
  "2004-06-11": "mourning for Ronald Reagan",
  "2007-01-02": "mourning for Gerald Ford",
  "2012-10-29": "hurricane Sandy",
  "2012-10-30": "hurricane Sandy",
  "2018-12-05": "mourning for George H. W. Bush",
  "2025-01-09": "mourning for Jimmy Carter",
};

/** In 2002 the half day went to the Friday after Independence Day; in 2003 the Friday after Christmas was one more. */
const SPECIAL_HALF_DAYS: ReadonlySet<string> = new Set(["2002-07-05", "2003-12-26"]);
const SPECIAL_FULL_DAYS: ReadonlySet<string> = new Set(["2002-07-03"]);

const dayByDate = new Map<string, TradingDay | null>();

/**
 * The session of a New York date; null on weekends and holidays.
 * Throws CalendarError when `date` is no date or lies outside 2000 to 2030.
 */
export function tradingDay(date: string): TradingDay | null {
  const known = dayByDate.get(date);
  if (known !== undefined) return known;
  const day = makeTradingDay(parseDate(date));
  dayByDate.set(date, day);
  return day;
}

/** Why there is no session on `date`, for messages: a holiday's name, "Saturday", "Sunday"; null on a trading day. */
export function closedReason(date: string): string | null {
  return closureOf(parseDate(date));
}

/** First session after `date`, which need not be a trading day itself. */
export function nextTradingDay(date: string): TradingDay {
  return nearestTradingDay(date, 1);
}

/** Last session before `date`, which need not be a trading day itself. */
export function previousTradingDay(date: string): TradingDay {
  return nearestTradingDay(date, -1);
}

/** New York date of an instant, YYYY-MM-DD. */
export function newYorkDate(tsUs: number): string {
  const at = newYorkCivil(tsUs);
  return `${String(at.getUTCFullYear()).padStart(4, "0")}-${twoDigits(at.getUTCMonth() + 1)}-${twoDigits(at.getUTCDate())}`;
}

/**
 * Instant of a New York wall-clock time, epoch us. An hour that daylight saving skips means the time after the gap; one
 * that it repeats means the first.
 *
 * @param time "HH:MM" or "HH:MM:SS", 24 hours
 */
export function newYorkTimeUs(date: string, time: string): number {
  const day = parseDate(date);
  const match = /^([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?$/.exec(time);
  if (match === null) {
    throw new CalendarError(`invalid time of day '${time}'; write HH:MM or HH:MM:SS, 24 hours, such as 09:30`);
  }
  const [, hour, minute, second] = match;
  return instantUs(day, Number(hour), Number(minute), Number(second ?? 0));
}

/** New York wall-clock time of an instant, "HH:MM:SS". */
export function formatNewYorkTime(tsUs: number): string {
  const at = newYorkCivil(tsUs);
  return `${twoDigits(at.getUTCHours())}:${twoDigits(at.getUTCMinutes())}:${twoDigits(at.getUTCSeconds())}`;
}

/** New York time minus UTC at an instant, microseconds: -5 h in winter, -4 h in summer. */
export function newYorkOffsetUs(tsUs: number): number {
  if (tsUs >= offsetFromUs && tsUs < offsetUntilUs) return offsetUs;
  if (!Number.isFinite(tsUs)) throw new CalendarError(`invalid instant, was ${tsUs}; give epoch microseconds`);
  const at = Temporal.Instant.fromEpochMilliseconds(Math.floor(tsUs / US_PER_MS)).toZonedDateTimeISO(ZONE);
  const next = at.getTimeZoneTransition("next");
  const previous = at.add({ nanoseconds: 1 }).getTimeZoneTransition("previous");
  offsetUs = at.offsetNanoseconds / 1_000;
  offsetFromUs = previous === null ? Number.NEGATIVE_INFINITY : previous.epochMilliseconds * US_PER_MS;
  offsetUntilUs = next === null ? Number.POSITIVE_INFINITY : next.epochMilliseconds * US_PER_MS;
  return offsetUs;
}

// The span between two changes of daylight saving asked about last: a run stays within one.
let offsetFromUs = 0;
let offsetUntilUs = 0;
let offsetUs = 0;

/** A Date whose UTC fields read as New York's wall clock. */
function newYorkCivil(tsUs: number): Date {
  return new Date(Math.floor((tsUs + newYorkOffsetUs(tsUs)) / US_PER_MS));
}

function makeTradingDay(day: Temporal.PlainDate): TradingDay | null {
  if (closureOf(day) !== null) return null;
  const isHalfDay = isEarlyClose(day);
  return {
    date: day.toString(),
    preOpenUs: instantUs(day, 4, 0, 0),
    openUs: instantUs(day, 9, 30, 0),
    closeUs: instantUs(day, isHalfDay ? 13 : 16, 0, 0),
    postCloseUs: instantUs(day, isHalfDay ? 17 : 20, 0, 0),
    isHalfDay,
  };
}

function nearestTradingDay(date: string, step: 1 | -1): TradingDay {
  let day = parseDate(date);
  for (;;) {
    day = day.add({ days: step });
    if (day.year < CALENDAR_YEAR_FIRST || day.year > CALENDAR_YEAR_LAST) throw outsideCalendar(date);
    const found = tradingDay(day.toString());
    if (found !== null) return found;
  }
}

function instantUs(day: Temporal.PlainDate, hour: number, minute: number, second: number): number {
  const minuteStart = day.toZonedDateTime({ timeZone: ZONE, plainTime: new Temporal.PlainTime(hour, minute) });
  return minuteStart.epochMilliseconds * US_PER_MS + second * US_PER_SEC;
}

function parseDate(date: string): Temporal.PlainDate {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(date)) throw invalidDate(date);
  let day: Temporal.PlainDate;
  try {
    day = Temporal.PlainDate.from(date, { overflow: "reject" });
  } catch {
    throw invalidDate(date);
  }
  if (day.year < CALENDAR_YEAR_FIRST || day.year > CALENDAR_YEAR_LAST) throw outsideCalendar(date);
  return day;
}

function invalidDate(date: string): CalendarError {
  return new CalendarError(`invalid date '${date}'; write a day that exists as YYYY-MM-DD, such as 2019-12-18`);
}

function outsideCalendar(date: string): CalendarError {
  const allowed = `${CALENDAR_YEAR_FIRST} to ${CALENDAR_YEAR_LAST}`;
  return new CalendarError(`date ${date} leaves the trading calendar, which knows ${allowed}; choose a day within it`);
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}

const SATURDAY = 6;
const SUNDAY = 7;
const MONDAY = 1;
const THURSDAY = 4;

/** Name of what keeps the exchange closed on this day, null when it is open. NYSE Rule 7.2. */
function closureOf(day: Temporal.PlainDate): string | null {
  if (day.dayOfWeek === SATURDAY) return "Saturday";
  if (day.dayOfWeek === SUNDAY) return "Sunday";
  return SPECIAL_CLOSURES[day.toString()] ?? mondayHoliday(day) ?? datedHoliday(day) ?? movableHoliday(day);
}

function mondayHoliday(day: Temporal.PlainDate): string | null {
  if (day.dayOfWeek !== MONDAY) return null;
  const nth = Math.ceil(day.day / 7);
  if (day.month === 1 && nth === 3) return "Martin Luther King Jr. Day";
  if (day.month === 2 && nth === 3) return "Washington's Birthday";
  if (day.month === 5 && day.day + 7 > 31) return "Memorial Day";
  if (day.month === 9 && nth === 1) return "Labor Day";
  return null;
}

/** Holidays with a date: a Sunday moves to Monday, a Saturday to Friday, but for New Year's Day, which then is lost. */
function datedHoliday(day: Temporal.PlainDate): string | null {
  if (isObserved(day, 1, 1) && day.month === 1) return "New Year's Day";
  if (isObserved(day, 6, 19) && day.year >= 2022) return "Juneteenth";
  if (isObserved(day, 7, 4)) return "Independence Day";
  if (isObserved(day, 12, 25)) return "Christmas Day";
  return null;
}

function isObserved(day: Temporal.PlainDate, month: number, dayOfMonth: number): boolean {
  const actual = new Temporal.PlainDate(day.year, month, dayOfMonth);
  const shift = actual.dayOfWeek === SATURDAY ? -1 : actual.dayOfWeek === SUNDAY ? 1 : 0;
  return actual.add({ days: shift }).equals(day);
}

function movableHoliday(day: Temporal.PlainDate): string | null {
  if (isThanksgiving(day)) return "Thanksgiving Day";
  if (easterSunday(day.year).subtract({ days: 2 }).equals(day)) return "Good Friday";
  return null;
}

function isThanksgiving(day: Temporal.PlainDate): boolean {
  return day.month === 11 && day.dayOfWeek === THURSDAY && Math.ceil(day.day / 7) === 4;
}

/** 13:00 close: the day after Thanksgiving, and 3 July and 24 December where they are Monday to Thursday. */
function isEarlyClose(day: Temporal.PlainDate): boolean {
  const date = day.toString();
  if (SPECIAL_HALF_DAYS.has(date)) return true;
  if (SPECIAL_FULL_DAYS.has(date)) return false;
  if (isThanksgiving(day.subtract({ days: 1 }))) return true;
  const isEve = (day.month === 7 && day.day === 3) || (day.month === 12 && day.day === 24);
  return isEve && day.dayOfWeek <= THURSDAY;
}

/** Gregorian computus. Meeus, "Astronomical Algorithms", 2nd ed., chapter 8. */
function easterSunday(year: number): Temporal.PlainDate {
  const a = year % 19;
  const b = Math.floor(year / 100);
  const c = year % 100;
  const d = Math.floor(b / 4);
  const f = Math.floor((b + 8) / 25);
  const g = Math.floor((b - f + 1) / 3);
  const h = (19 * a + b - d - g + 15) % 30;
  const k = Math.floor(c / 4);
  const l = (32 + 2 * (b % 4) + 2 * k - h - (c % 4)) % 7;
  const m = Math.floor((a + 11 * h + 22 * l) / 451);
  const n = h + l - 7 * m + 114;
  return new Temporal.PlainDate(year, Math.floor(n / 31), (n % 31) + 1);
}
