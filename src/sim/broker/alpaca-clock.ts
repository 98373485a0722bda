// Clock and calendar routes: what the trading calendar says, in Alpaca's two dialects (v2 and v3).

import {
  CALENDAR_YEAR_FIRST,
  CALENDAR_YEAR_LAST,
  newYorkDate,
  nextTradingDay,
  type TradingDay,
  tradingDay,
} from "../../market/calendar.ts";
import { calendarDayJson, marketCalendarDayJson } from "./alpaca-json.ts";
import type { Query } from "./query.ts";
import { invalid, Refusal, unprocessable } from "./refusal.ts";
import { formatNewYork, formatUtc } from "./rfc3339.ts";

const DAY_MS = 86_400_000;

/** Exchanges that share the calendar of US equities. */
const MARKETS: Readonly<Record<string, { mic: string; bic: string; name: string }>> = {
  NYSE: { mic: "XNYS", bic: "XNYSUS33", name: "New York Stock Exchange" },
  XNYS: { mic: "XNYS", bic: "XNYSUS33", name: "New York Stock Exchange" },
  NASDAQ: { mic: "XNAS", bic: "XNASUS33", name: "Nasdaq Stock Market" },
  XNAS: { mic: "XNAS", bic: "XNASUS33", name: "Nasdaq Stock Market" },
};

/** GET /v2/clock. */
export function clockJson(nowUs: number): string {
  const { day, nextOpenUs, nextCloseUs } = clockAt(nowUs);
  return JSON.stringify({
    timestamp: formatNewYork(nowUs),
    is_open: day !== null && nowUs >= day.openUs && nowUs < day.closeUs,
    next_open: formatNewYork(nextOpenUs),
    next_close: formatNewYork(nextCloseUs),
  });
}

/** GET /v3/clock. */
export function marketClocksJson(query: Query, nowUs: number): string | Refusal {
  const atUs = query.timestampUs("time", nowUs);
  if (atUs instanceof Refusal) return atUs;
  if (!isInCalendar(atUs)) return outsideCalendar("time");
  const markets = query.list("markets");
  const clocks: unknown[] = [];
  for (const market of markets.length > 0 ? markets : ["NYSE"]) {
    const info = marketInfo(market);
    if (info === null) return invalid(`invalid markets: ${market.slice(0, 20)}`);
    const { day, nextOpenUs, nextCloseUs } = clockAt(atUs);
    const { phase, untilUs } = phaseAt(day, atUs, nextOpenUs);
    clocks.push({
      market: info,
      timestamp: formatNewYork(atUs),
      is_market_day: day !== null,
      phase,
      phase_until: formatNewYork(untilUs),
      next_market_open: formatNewYork(nextOpenUs),
      next_market_close: formatNewYork(nextCloseUs),
    });
  }
  return JSON.stringify({ clocks });
}

/** GET /v2/calendar. Without a range: the year of `today` and the next. */
export function calendarJson(query: Query, today: string): string | Refusal {
  const days = calendarDays(query, today);
  return days instanceof Refusal ? days : `[${days.map(calendarDayJson).join(",")}]`;
}

/** GET /v3/calendar/{market}. */
export function marketCalendarJson(market: string, query: Query, today: string): string | Refusal {
  const info = marketInfo(market);
  if (info === null) return unprocessable(`market ${market.slice(0, 20)} is not supported`);
  const days = calendarDays(query, today);
  if (days instanceof Refusal) return days;
  const isUtc = query.text("timezone") === "UTC";
  return `{"market":${JSON.stringify(info)},"calendar":[${days.map((day) => marketCalendarDayJson(day, isUtc)).join(",")}]}`;
}

function marketInfo(market: string): object | null {
  const acronym = market.toUpperCase();
  if (!Object.hasOwn(MARKETS, acronym)) return null;
  return { acronym, ...MARKETS[acronym], timezone: "America/New_York" };
}

interface ClockReading {
  /** The session of this New York date, if there is one. */
  readonly day: TradingDay | null;
  readonly nextOpenUs: number;
  readonly nextCloseUs: number;
}

function clockAt(atUs: number): ClockReading {
  const date = newYorkDate(atUs);
  const day = tradingDay(date);
  const next = nextTradingDay(date);
  return {
    day,
    nextOpenUs: day !== null && atUs < day.openUs ? day.openUs : next.openUs,
    nextCloseUs: day !== null && atUs < day.closeUs ? day.closeUs : next.closeUs,
  };
}

function phaseAt(day: TradingDay | null, atUs: number, nextOpenUs: number): { phase: string; untilUs: number } {
  if (day !== null) {
    if (atUs < day.preOpenUs) return { phase: "closed", untilUs: day.preOpenUs };
    if (atUs < day.openUs) return { phase: "pre", untilUs: day.openUs };
    if (atUs < day.closeUs) return { phase: "core", untilUs: day.closeUs };
    if (atUs < day.postCloseUs) return { phase: "post", untilUs: day.postCloseUs };
  }
  return { phase: "closed", untilUs: tradingDay(newYorkDate(nextOpenUs))!.preOpenUs };
}

function calendarDays(query: Query, today: string): TradingDay[] | Refusal {
  const year = Number(today.slice(0, 4));
  const start = query.date("start", `${year}-01-01`);
  if (start instanceof Refusal) return start;
  const end = query.date("end", `${year + 1}-12-31`);
  if (end instanceof Refusal) return end;
  const firstMs = Math.max(Date.parse(start), Date.UTC(CALENDAR_YEAR_FIRST, 0, 1));
  const lastMs = Math.min(Date.parse(end), Date.UTC(CALENDAR_YEAR_LAST, 11, 31));
  const days: TradingDay[] = [];
  for (let ms = firstMs; ms <= lastMs; ms += DAY_MS) {
    const day = tradingDay(formatUtc(ms * 1_000).slice(0, 10));
    if (day !== null) days.push(day);
  }
  return days;
}

/** With room for the session after it. */
function isInCalendar(tsUs: number): boolean {
  const ms = tsUs / 1_000;
  return ms >= Date.UTC(CALENDAR_YEAR_FIRST, 0, 2) && ms < Date.UTC(CALENDAR_YEAR_LAST, 11, 1);
}

function outsideCalendar(name: string): Refusal {
  return invalid(`invalid ${name}: the calendar knows ${CALENDAR_YEAR_FIRST} to ${CALENDAR_YEAR_LAST}`);
}
