import { closedReason, newYorkDate, newYorkOffsetUs, newYorkTimeUs, tradingDay } from "../../market/calendar.ts";
import type { Timeline } from "../timeline.ts";
import { MINUTE_US } from "./intrabar.ts";
import {
  bucketStart,
  EMPTY_MINUTE,
  envelope,
  type Item,
  mergeDays,
  ns,
  ohlcv,
  pushBuckets,
  pushMinutes,
  renderDay,
  renderSum,
  renderVix,
  round4,
  sumItem,
  takePage,
  usd,
} from "./polygon-aggregates.ts";
import {
  badRequest,
  decodePart,
  instant,
  isAdjusted,
  listParam,
  oneOf,
  Refusal,
  requireDate,
  toCursor,
  wholeNumber,
  withCursor,
} from "./polygon-params.ts";
import type { RecordedDay, RecordedDays } from "./recorded-days.ts";
import { ROUND_LOT } from "./spread.ts";
import type { MarketTape } from "./tape.ts";

/** What the reference routes say about a symbol; without it, it is an ETF known by its symbol alone. */
export interface TickerReference {
  readonly name: string;
  readonly type: string;
  readonly primaryExchange: string;
  /** USD; absent for funds. */
  readonly marketCapUsd?: number;
}

export interface PolygonRestOptions {
  readonly timeline: Timeline;
  readonly tape: MarketTape;
  readonly days: RecordedDays;
  readonly apiKey: string;
  readonly reference?: ReadonlyMap<string, TickerReference>;
  /** Requests answered in a minute of the venue's time; the paid plans have no limit. */
  readonly requestsPerMinuteMax?: number;
}

const US_PER_MS = 1_000;
const HOUR_US = 60 * MINUTE_US;
const DAY_US = 24 * HOUR_US;
const AGGREGATES_LIMIT_DEFAULT = 5_000;
const AGGREGATES_LIMIT_MAX = 50_000;
const TICKERS_LIMIT_DEFAULT = 100;
const TICKERS_LIMIT_MAX = 1_000;
const HOLIDAY_DAYS_AHEAD = 370;
const VIX_TICKER = "I:VIX";
const VIX_NAME = "Cboe Volatility Index";
const REFERENCE_DEFAULT = { type: "ETF", primaryExchange: "ARCX" } as const;

const SNAPSHOT_ALL = "/v2/snapshot/locale/us/markets/stocks/tickers";
const GROUPED = /^\/v2\/aggs\/grouped\/locale\/us\/market\/stocks\/([^/]+)$/;
const AGGREGATES = /^\/v2\/aggs\/ticker\/([^/]+)\/range\/([^/]+)\/([^/]+)\/([^/]+)\/([^/]+)$/;
const PREVIOUS = /^\/v2\/aggs\/ticker\/([^/]+)\/prev$/;
const SNAPSHOT_ONE = /^\/v2\/snapshot\/locale\/us\/markets\/stocks\/tickers\/([^/]+)$/;
const TICKERS = "/v3/reference/tickers";
const TICKER_DETAILS = /^\/v3\/reference\/tickers\/([^/]+)$/;
const INDICES_SNAPSHOT = "/v3/snapshot/indices";
/** Routes of the vendor that exist and that this venue's plan does not include. */
const REFUSED = /^\/(v3\/(trades|quotes|snapshot\/options)|v2\/last|v1\/(last|last_quote|indicators))\//;

/** One request being answered. */
interface Query {
  readonly nowUs: number;
  readonly requestId: string;
  readonly origin: string;
  readonly params: URLSearchParams;
}

/** Length of each timespan but the day, whose length the calendar knows. */
const SPAN_US: Readonly<Record<string, number>> = { second: 1_000_000, minute: MINUTE_US, hour: HOUR_US };

export class PolygonRest {
  readonly #timeline: Timeline;
  readonly #tape: MarketTape;
  readonly #days: RecordedDays;
  readonly #apiKey: string;
  readonly #reference: ReadonlyMap<string, TickerReference>;
  readonly #requestsPerMinuteMax: number;
  #requestCount = 0;
  #minuteUs = 0;
  #minuteRequests = 0;

  constructor(options: PolygonRestOptions) {
    this.#timeline = options.timeline;
    this.#tape = options.tape;
    this.#days = options.days;
    this.#apiKey = options.apiKey;
    this.#reference = options.reference ?? new Map();
    this.#requestsPerMinuteMax = options.requestsPerMinuteMax ?? Number.POSITIVE_INFINITY;
  }

  /** Answers one request. Never throws: what cannot be answered gets the vendor's error body. */
  fetch(request: Request): Response {
    const url = new URL(request.url);
    this.#requestCount += 1;
    const query: Query = {
      nowUs: this.#timeline.nowUs,
      requestId: this.#requestCount.toString(16).padStart(32, "0"),
      origin: url.origin,
      params: url.searchParams,
    };
    try {
      this.#admit(request, query);
      return json(200, this.#route(url.pathname, query));
    } catch (error) {
      return refuse(error, query.requestId);
    }
  }

  /** Method, key and rate limit. */
  #admit(request: Request, query: Query): void {
    if (request.method !== "GET") throw new Refusal(405, "ERROR", `method ${request.method} not allowed, use GET`);
    const bearer = /^Bearer (.*)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
    const key = query.params.get("apiKey") ?? bearer ?? "";
    if (key === "") throw new Refusal(401, "ERROR", "API Key was not provided");
    if (key !== this.#apiKey) throw new Refusal(401, "ERROR", "Unknown API Key");
    const minuteUs = Math.floor(query.nowUs / MINUTE_US) * MINUTE_US;
    if (minuteUs !== this.#minuteUs) {
      this.#minuteUs = minuteUs;
      this.#minuteRequests = 0;
    }
    this.#minuteRequests += 1;
    if (this.#minuteRequests > this.#requestsPerMinuteMax) {
      throw new Refusal(
        429,
        "ERROR",
        "You've exceeded the maximum requests per minute, please wait or upgrade your subscription to continue.",
      );
    }
  }

  #route(pathname: string, query: Query): string {
    let match = AGGREGATES.exec(pathname);
    if (match !== null) return this.#aggregates(match.slice(1).map(decodePart), query);
    if (pathname === SNAPSHOT_ALL) return this.#snapshotAll(query);
    match = SNAPSHOT_ONE.exec(pathname);
    if (match !== null) return this.#snapshotOne(decodePart(match[1]!), query);
    match = GROUPED.exec(pathname);
    if (match !== null) return this.#grouped(decodePart(match[1]!), query);
    match = PREVIOUS.exec(pathname);
    if (match !== null) return this.#previous(decodePart(match[1]!), query);
    if (pathname === TICKERS) return this.#tickers(query);
    match = TICKER_DETAILS.exec(pathname);
    if (match !== null) return this.#tickerDetails(decodePart(match[1]!), query);
    if (pathname === INDICES_SNAPSHOT) return this.#indicesSnapshot(query);
    if (pathname === "/v1/marketstatus/now") return this.#marketStatus(query);
    if (pathname === "/v1/marketstatus/upcoming") return this.#upcoming(query);
    if (REFUSED.test(pathname)) {
      throw new Refusal(403, "NOT_AUTHORIZED", "You are not entitled to this data. Please upgrade your plan.");
    }
    throw new Refusal(404, "NOT_FOUND", "Page not found.");
  }

  // Snapshots

  #snapshotAll(query: Query): string {
    const asked = listParam(query.params, "tickers");
    const symbols = asked.length === 0 ? this.#days.symbols : asked.filter((symbol) => this.#days.has(symbol));
    const tickers = symbols.map((symbol) => this.#snapshot(symbol, query.nowUs));
    return `{"count":${tickers.length},"status":"OK","request_id":"${query.requestId}","tickers":[${tickers.join(",")}]}`;
  }

  #snapshotOne(symbol: string, query: Query): string {
    if (!this.#days.has(symbol)) throw new Refusal(404, "NOT_FOUND", "Ticker not found.");
    return `{"status":"OK","request_id":"${query.requestId}","ticker":${this.#snapshot(symbol, query.nowUs)}}`;
  }

  #snapshot(symbol: string, nowUs: number): string {
    const today = this.#days.sessionOf(newYorkDate(nowUs));
    const before = this.#days.sessionBefore(nowUs);
    const day = today === null ? null : this.#days.session(today, symbol, nowUs);
    const previous = before === null ? null : this.#days.session(before, symbol, nowUs);
    const change = day === null || previous === null ? 0 : day.closePxTicks - previous.closePxTicks;
    const changePerc = previous === null ? 0 : round4((change / previous.closePxTicks) * 100);
    const minute = today === null ? null : this.#lastMinute(today, symbol, nowUs);
    const slot = this.#tape.slotOf(symbol);
    const tradeUs = slot >= 0 && this.#tape.isActive(slot) ? this.#tape.lastTradeUs(slot) : 0;
    const updatedUs = Math.max(tradeUs, minute?.endUs ?? 0);
    return (
      `{"ticker":${JSON.stringify(symbol)},"todaysChange":${usd(change)},"todaysChangePerc":${changePerc},` +
      `"updated":${ns(updatedUs)},"day":${renderDay(day)},"min":${minute?.text ?? EMPTY_MINUTE},"prevDay":${renderDay(previous)}` +
      `${tradeUs > 0 ? this.#renderLast(slot, tradeUs) : ""}}`
    );
  }

  /** The last minute that is over, with the volume of the session up to it. */
  #lastMinute(day: RecordedDay, symbol: string, nowUs: number): { text: string; endUs: number } | null {
    const range = this.#days.minutes(symbol, 0, Number.POSITIVE_INFINITY, nowUs).find((found) => found.day === day);
    if (range === undefined) return null;
    const { bars } = day;
    const row = range.to - 1;
    const dayVolume = this.#days.session(day, symbol, nowUs)?.volume ?? 0;
    const startUs = bars.startUs[row]!;
    return {
      text: `{${ohlcv(bars, row)},"av":${dayVolume},"t":${startUs / US_PER_MS}}`,
      endUs: startUs + MINUTE_US,
    };
  }

  #renderLast(slot: number, tradeUs: number): string {
    const tape = this.#tape;
    return (
      `,"lastTrade":{"p":${usd(tape.lastPxTicks(slot))},"s":${tape.lastQty(slot)},"t":${ns(tradeUs)},"x":11},` +
      `"lastQuote":{"p":${usd(tape.bidPxTicks(slot))},"s":${tape.bidQty(slot) / ROUND_LOT},` +
      `"P":${usd(tape.askPxTicks(slot))},"S":${tape.askQty(slot) / ROUND_LOT},"t":${ns(tradeUs)}}`
    );
  }

  // Aggregates

  #grouped(date: string, query: Query): string {
    requireDate(date, "date");
    const day = this.#days.sessionOf(date);
    const results: string[] = [];
    for (const symbol of day?.bars.symbols ?? []) {
      const sum = this.#days.session(day!, symbol, query.nowUs);
      if (sum !== null)
        results.push(`{"T":${JSON.stringify(symbol)},${renderSum(sum)},"t":${day!.closeUs / US_PER_MS}}`);
    }
    return envelope(results, results.length, isAdjusted(query.params), query.requestId, "");
  }

  #previous(symbol: string, query: Query): string {
    const results: string[] = [];
    const day = this.#days.sessionBefore(query.nowUs);
    const sum = day === null ? null : this.#days.session(day, symbol, query.nowUs);
    if (symbol === VIX_TICKER) {
      const today = newYorkDate(query.nowUs);
      const vix = this.#days.vixCloses(query.nowUs).findLast((close) => close.date < today);
      if (vix !== undefined) results.push(`{"T":"${VIX_TICKER}",${renderVix(vix)}}`);
    } else if (sum !== null) {
      results.push(`{"T":${JSON.stringify(symbol)},${renderSum(sum)},"t":${day!.closeUs / US_PER_MS}}`);
    }
    const head = `"ticker":${JSON.stringify(symbol)},`;
    return envelope(results, results.length, isAdjusted(query.params), query.requestId, head);
  }

  #aggregates(parts: string[], query: Query): string {
    const [symbol, multiplierText, timespan, fromText, toText] = parts as [string, string, string, string, string];
    const params = withCursor(query.params);
    const multiplier = wholeNumber(multiplierText, "multiplier", 1, 50_000);
    const fromUs = instant(fromText, "from", false);
    const toUs = instant(toText, "to", true);
    if (fromUs > toUs) throw badRequest(`from ${fromText} is after to ${toText}`);
    const isDescending = oneOf(params.get("sort") ?? "asc", "sort", ["asc", "desc"]) === "desc";
    const limit = wholeNumber(
      params.get("limit") ?? String(AGGREGATES_LIMIT_DEFAULT),
      "limit",
      1,
      AGGREGATES_LIMIT_MAX,
    );
    oneOf(timespan, "timespan", ["second", "minute", "hour", "day"]);

    const items =
      timespan === "day"
        ? this.#dayItems(symbol, multiplier, fromUs, toUs, query.nowUs)
        : this.#minuteItems(symbol, multiplier * SPAN_US[timespan]!, fromUs, toUs, query.nowUs);
    if (isDescending) items.reverse();
    const page = takePage(items, limit);
    const head = `"ticker":${JSON.stringify(symbol)},"queryCount":${page.baseCount},`;
    const next =
      page.next === null ? "" : this.#nextAggregatesUrl(parts, params, page.next, isDescending, query.origin);
    return envelope(page.texts, page.texts.length, isAdjusted(params), query.requestId, head, next);
  }

  /** Buckets of minutes, rising in time. */
  #minuteItems(symbol: string, lengthUs: number, fromUs: number, toUs: number, nowUs: number): Item[] {
    // The recording is of minutes: it has no bars that would split one.
    if (lengthUs % MINUTE_US !== 0) return [];
    // The vendor stretches both ends to whole buckets.
    const firstUs = bucketStart(fromUs, lengthUs);
    const lastUs = bucketStart(toUs, lengthUs) + lengthUs - 1;
    const items: Item[] = [];
    for (const range of this.#days.minutes(symbol, firstUs, lastUs, nowUs)) {
      if (lengthUs === MINUTE_US) pushMinutes(items, range);
      else pushBuckets(items, range, lengthUs);
    }
    return items;
  }

  /** Sessions, rising; with a multiplier, several of them to a bucket counted in days from the first of the range. */
  #dayItems(symbol: string, multiplier: number, fromUs: number, toUs: number, nowUs: number): Item[] {
    const items: Item[] = [];
    const [fromDate, toDate] = [newYorkDate(fromUs), newYorkDate(toUs)];
    if (symbol === VIX_TICKER) {
      for (const vix of this.#days.vixCloses(nowUs)) {
        if (vix.date < fromDate || vix.date > toDate) continue;
        const startUs = newYorkTimeUs(vix.date, "00:00");
        items.push({ startUs, baseCount: 1, sum: null, render: () => `{${renderVix(vix)}}` });
      }
      return items;
    }
    for (const day of this.#days.days) {
      const sum = this.#days.session(day, symbol, nowUs);
      if (sum === null || day.bars.date < fromDate || day.bars.date > toDate) continue;
      items.push(sumItem(newYorkTimeUs(day.bars.date, "00:00"), 1, sum));
    }
    return multiplier === 1 ? items : mergeDays(items, multiplier, fromUs);
  }

  #nextAggregatesUrl(
    parts: string[],
    params: URLSearchParams,
    next: Item,
    isDescending: boolean,
    origin: string,
  ): string {
    const [symbol, multiplier, timespan, from, to] = parts as [string, string, string, string, string];
    const startMs = String(next.startUs / US_PER_MS);
    const range = isDescending ? `${from}/${startMs}` : `${startMs}/${to}`;
    const kept = new URLSearchParams();
    for (const name of ["adjusted", "sort", "limit"]) {
      const value = params.get(name);
      if (value !== null) kept.set(name, value);
    }
    const path = `/v2/aggs/ticker/${encodeURIComponent(symbol)}/range/${multiplier}/${timespan}/${range}`;
    return `${origin}${path}?cursor=${toCursor(kept)}`;
  }

  // Reference

  #tickers(query: Query): string {
    const params = withCursor(query.params);
    const limit = wholeNumber(params.get("limit") ?? String(TICKERS_LIMIT_DEFAULT), "limit", 1, TICKERS_LIMIT_MAX);
    const isDescending = oneOf(params.get("order") ?? "asc", "order", ["asc", "desc"]) === "desc";
    const found = this.#days.symbols.filter((symbol) => this.#isListed(symbol, params));
    if (isDescending) found.reverse();
    const after = params.get("after");
    const start = after === null ? 0 : found.indexOf(after) + 1;
    const page = found.slice(start, start + limit);
    let next = "";
    if (start + limit < found.length) {
      const kept = new URLSearchParams(params);
      kept.delete("apiKey");
      kept.delete("cursor");
      kept.set("after", page.at(-1)!);
      next = `,"next_url":"${query.origin}${TICKERS}?cursor=${toCursor(kept)}"`;
    }
    const results = page.map((symbol) => this.#renderTicker(symbol));
    return `{"results":[${results.join(",")}],"status":"OK","request_id":"${query.requestId}","count":${page.length}${next}}`;
  }

  #isListed(symbol: string, params: URLSearchParams): boolean {
    const reference = this.#referenceOf(symbol);
    const is = (name: string, holds: (value: string) => boolean): boolean => {
      const value = params.get(name);
      return value === null || value === "" || holds(value);
    };
    return (
      is("ticker", (value) => symbol === value) &&
      is("ticker.gt", (value) => symbol > value) &&
      is("ticker.gte", (value) => symbol >= value) &&
      is("ticker.lt", (value) => symbol < value) &&
      is("ticker.lte", (value) => symbol <= value) &&
      is("type", (value) => reference.type === value) &&
      is("market", (value) => value === "stocks") &&
      is("active", (value) => value === "true") &&
      is("exchange", (value) => reference.primaryExchange === value) &&
      is("search", (value) => `${symbol} ${reference.name}`.toLowerCase().includes(value.toLowerCase()))
    );
  }

  #referenceOf(symbol: string): TickerReference {
    return this.#reference.get(symbol) ?? { ...REFERENCE_DEFAULT, name: symbol };
  }

  /** Fields common to list and details, without the closing brace. */
  #tickerHead(symbol: string): string {
    const { name, type, primaryExchange } = this.#referenceOf(symbol);
    return (
      `{"ticker":${JSON.stringify(symbol)},"name":${JSON.stringify(name)},"market":"stocks","locale":"us",` +
      `"primary_exchange":${JSON.stringify(primaryExchange)},"type":${JSON.stringify(type)},"active":true,"currency_name":"usd"`
    );
  }

  #renderTicker(symbol: string): string {
    return `${this.#tickerHead(symbol)}}`;
  }

  #tickerDetails(symbol: string, query: Query): string {
    if (!this.#days.has(symbol)) throw new Refusal(404, "NOT_FOUND", "Ticker not found.");
    const { marketCapUsd } = this.#referenceOf(symbol);
    const cap = marketCapUsd === undefined ? "" : `,"market_cap":${marketCapUsd}`;
    return `{"request_id":"${query.requestId}","results":${this.#tickerHead(symbol)}${cap},"round_lot":${ROUND_LOT}},"status":"OK"}`;
  }

  // Indices and status

  #indicesSnapshot(query: Query): string {
    const asked = [...listParam(query.params, "ticker.any_of"), ...listParam(query.params, "ticker")];
    const results = (asked.length === 0 ? [VIX_TICKER] : asked).map((ticker) => this.#renderIndex(ticker, query.nowUs));
    return `{"request_id":"${query.requestId}","results":[${results.join(",")}],"status":"OK"}`;
  }

  #renderIndex(ticker: string, nowUs: number): string {
    const closes = ticker === VIX_TICKER ? this.#days.vixCloses(nowUs) : [];
    const last = closes.at(-1);
    if (last === undefined) {
      return `{"error":"NOT_FOUND","message":"Ticker not found.","ticker":${JSON.stringify(ticker)}}`;
    }
    const before = closes.at(-2) ?? last;
    const change = round4(last.close - before.close);
    const updatedUs = (tradingDay(last.date)?.closeUs ?? newYorkTimeUs(last.date, "16:00")) + 15 * MINUTE_US;
    return (
      `{"ticker":"${VIX_TICKER}","name":"${VIX_NAME}","type":"indices","value":${last.close},` +
      `"market_status":"${sessionState(nowUs)}","timeframe":"REAL-TIME","last_updated":${ns(updatedUs)},` +
      `"session":{"change":${change},"change_percent":${round4((change / before.close) * 100)},` +
      `"open":${last.close},"high":${last.close},"low":${last.close},"close":${last.close},"previous_close":${before.close}}}`
    );
  }

  #marketStatus(query: Query): string {
    const state = sessionState(query.nowUs);
    const session = tradingDay(newYorkDate(query.nowUs));
    const isEarly = state === "extended-hours" && session !== null && query.nowUs < session.openUs;
    const isLate = state === "extended-hours" && !isEarly;
    return (
      `{"market":"${state}","afterHours":${isLate},"earlyHours":${isEarly},"serverTime":"${newYorkRfc3339(query.nowUs)}",` +
      `"exchanges":{"nyse":"${state}","nasdaq":"${state}","otc":"${state === "open" ? "open" : "closed"}"},` +
      `"currencies":{"fx":"open","crypto":"open"}}`
    );
  }

  #upcoming(query: Query): string {
    const entries: string[] = [];
    for (let ahead = 0; ahead < HOLIDAY_DAYS_AHEAD; ahead++) {
      const date = newYorkDate(query.nowUs + ahead * DAY_US);
      for (const exchange of ["NYSE", "NASDAQ"]) {
        const entry = holiday(date, exchange);
        if (entry !== null) entries.push(JSON.stringify(entry));
      }
    }
    return `[${entries.join(",")}]`;
  }
}

function sessionState(nowUs: number): "open" | "closed" | "extended-hours" {
  const session = tradingDay(newYorkDate(nowUs));
  if (session === null || nowUs < session.preOpenUs || nowUs >= session.postCloseUs) return "closed";
  return nowUs >= session.openUs && nowUs < session.closeUs ? "open" : "extended-hours";
}

/** "2019-12-18T09:30:00-05:00". */
function newYorkRfc3339(tsUs: number): string {
  const offsetUs = newYorkOffsetUs(tsUs);
  const local = new Date((tsUs + offsetUs) / US_PER_MS).toISOString().slice(0, 19);
  const hours = String(Math.abs(offsetUs) / HOUR_US).padStart(2, "0");
  return `${local}${offsetUs < 0 ? "-" : "+"}${hours}:00`;
}

/** A holiday or half day as the vendor lists it, null for other days. */
function holiday(date: string, exchange: string): object | null {
  let session: ReturnType<typeof tradingDay>;
  try {
    session = tradingDay(date);
  } catch {
    return null; // Beyond the calendar nothing is announced.
  }
  if (session === null) {
    const name = closedReason(date)!;
    return name === "Saturday" || name === "Sunday" ? null : { date, exchange, name, status: "closed" };
  }
  if (!session.isHalfDay) return null;
  const open = new Date(session.openUs / US_PER_MS).toISOString();
  const close = new Date(session.closeUs / US_PER_MS).toISOString();
  return { date, exchange, name: "Early close", status: "early-close", open, close };
}

function json(status: number, body: string): Response {
  return new Response(body, { status, headers: { "content-type": "application/json" } });
}

/** Refusals are expected; anything else is a bug of this server and is answered as one. 401, 429 and 400 carry `error`, the others `message`, as the vendor's do. */
function refuse(error: unknown, requestId: string): Response {
  if (!(error instanceof Refusal)) {
    const found = error instanceof Error ? error.message : String(error);
    return json(500, JSON.stringify({ status: "ERROR", request_id: requestId, error: `internal error: ${found}` }));
  }
  const field = error.status === "ERROR" ? "error" : "message";
  return json(
    error.httpStatus,
    JSON.stringify({ status: error.status, request_id: requestId, [field]: error.message }),
  );
}
