// The REST side of the simulated market, with plain requests: what is answered, as of when, and how errors look.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { newYorkTimeUs } from "../../../src/market/calendar.ts";
import { KEY, type PolygonVenue, startPolygon } from "../../support/polygon-sim.ts";
import { DAY, handDay, MINUTE_US, OPEN_US, PREVIOUS_DAY, sampleDays } from "../../support/sim-market.ts";

const hand = handDay(DAY, {
  AA: [
    [0, 10, 10.4, 9.9, 10.1, 1_000],
    [1, 10.1, 10.2, 10, 10, 3_000],
    [3, 10, 10, 9.8, 9.9, 500],
    [70, 9.9, 11, 9.9, 11, 200],
  ],
  // Trades only in the afternoon: nobody may learn from the lists that it will.
  LATE: [[300, 5, 5, 5, 5, 100]],
});
const before = handDay(PREVIOUS_DAY, {
  AA: [
    [0, 9, 9.2, 8.9, 9.1, 400],
    [389, 9.1, 9.6, 9.1, 9.5, 600],
  ],
  GONE: [[5, 7, 7, 7, 7, 100]],
});
const openMs = OPEN_US / 1_000;
const previousMidnightMs = newYorkTimeUs(PREVIOUS_DAY, "00:00") / 1_000;
const midnightMs = newYorkTimeUs(DAY, "00:00") / 1_000;

type Json = Record<string, unknown>;
interface Answer {
  readonly status: number;
  readonly body: Json;
}

async function request(venue: PolygonVenue, path: string, init?: RequestInit): Promise<Answer> {
  const response = await fetch(`${venue.restUrl}${path}`, init);
  return { status: response.status, body: (await response.json()) as Json };
}

async function get(venue: PolygonVenue, path: string): Promise<Json> {
  const { status, body } = await request(venue, `${path}${path.includes("?") ? "&" : "?"}apiKey=${KEY}`);
  expect(status).toBe(200);
  return body;
}

/** Runs `use` against a venue that stands at a minute of the session. */
async function atMinute(minute: number, use: (venue: PolygonVenue) => Promise<void>): Promise<void> {
  const venue = startPolygon({ day: hand, previousDay: before, startUs: OPEN_US + minute * MINUTE_US });
  try {
    await use(venue);
  } finally {
    venue.server.stop();
  }
}

const aggregates = (path: string): string => `/v2/aggs/ticker/AA/range/${path}`;

describe("as of the venue's time", () => {
  test("before the open the snapshot has zeros for the day and the session before beside them", async () => {
    await atMinute(-5, async (venue) => {
      const body = await get(venue, "/v2/snapshot/locale/us/markets/stocks/tickers?tickers=AA");
      const zeros = { o: 0, h: 0, l: 0, c: 0, v: 0, vw: 0 };
      expect(body).toMatchObject({ count: 1, status: "OK" });
      expect(body.tickers).toEqual([
        {
          ticker: "AA",
          todaysChange: 0,
          todaysChangePerc: 0,
          updated: 0,
          day: zeros,
          min: { ...zeros, av: 0, t: 0 },
          prevDay: { o: 9, h: 9.6, l: 8.9, c: 9.5, v: 1_000, vw: 9.2667 },
        },
      ]);
    });
  });

  test("during the session it has the minutes that are over and, for a followed symbol, last trade and quote", async () => {
    await atMinute(-5, async (venue) => {
      venue.tape.activate(venue.tape.slotOf("AA"));
      venue.timeline.advanceTo(OPEN_US + 2 * MINUTE_US - 1);
      const path = "/v2/snapshot/locale/us/markets/stocks/tickers/AA";
      const during = (await get(venue, path)).ticker as Json;
      expect(during.day).toMatchObject({ o: 10, h: 10.4, l: 9.9, c: 10.1, v: 1_000 });
      expect(during.min).toMatchObject({ av: 1_000, t: openMs });
      venue.timeline.advanceTo(OPEN_US + 2 * MINUTE_US);
      const after = (await get(venue, path)).ticker as Json;
      expect(after.day).toMatchObject({ o: 10, h: 10.4, l: 9.9, c: 10, v: 4_000 });
      expect(after.min).toMatchObject({ o: 10.1, c: 10, v: 3_000, av: 4_000, t: openMs + 60_000 });
      expect(after).toMatchObject({ todaysChange: 0.5, todaysChangePerc: 5.2632 });
      expect(after.lastTrade).toMatchObject({ p: 10 });
      const quote = after.lastQuote as { p: number; P: number; s: number; S: number };
      expect(quote.p).toBeLessThan(quote.P);
      expect(quote.s).toBeGreaterThanOrEqual(1);
    });
  });

  test("times beyond milliseconds are whole nanoseconds", async () => {
    await atMinute(2, async (venue) => {
      const url = `${venue.restUrl}/v2/snapshot/locale/us/markets/stocks/tickers?tickers=AA&apiKey=${KEY}`;
      expect(await (await fetch(url)).text()).toContain(`"updated":${OPEN_US + 2 * MINUTE_US}000,`);
    });
  });

  test("minutes appear when they are over, and not before", async () => {
    await atMinute(-5, async (venue) => {
      const path = aggregates(`1/minute/${DAY}/${DAY}`);
      const starts = async (): Promise<unknown[]> =>
        ((await get(venue, path)).results as Json[] | undefined)?.map((bar) => bar.t) ?? [];
      venue.timeline.advanceTo(OPEN_US + MINUTE_US - 1);
      expect(await starts()).toEqual([]);
      venue.timeline.advanceTo(OPEN_US + MINUTE_US);
      expect(await starts()).toEqual([openMs]);
      venue.timeline.advanceTo(OPEN_US + 390 * MINUTE_US);
      expect(await starts()).toEqual([openMs, openMs + 60_000, openMs + 180_000, openMs + 4_200_000]);
    });
  });

  test("symbols that will trade only later are listed like those that traded the day before, without a price", async () => {
    await atMinute(-5, async (venue) => {
      const body = await get(venue, "/v2/snapshot/locale/us/markets/stocks/tickers");
      const tickers = body.tickers as Json[];
      expect(tickers.map((entry) => entry.ticker)).toEqual(["AA", "GONE", "LATE"]);
      const grouped = await get(venue, `/v2/aggs/grouped/locale/us/market/stocks/${PREVIOUS_DAY}`);
      expect((grouped.results as Json[]).map((bar) => bar.T)).toEqual(["AA", "GONE"]);
      const today = await get(venue, `/v2/aggs/grouped/locale/us/market/stocks/${DAY}`);
      expect(today).toMatchObject({ resultsCount: 0, status: "OK" });
      expect(today.results).toBeUndefined();
    });
  });

  test("the index is its last close; today's shows a quarter of an hour after the close", async () => {
    const path = `/v2/aggs/ticker/I:VIX/range/1/day/2019-12-16/2019-12-31`;
    const closes = async (venue: PolygonVenue): Promise<unknown[]> =>
      ((await get(venue, path)).results as Json[]).map((bar) => bar.c);
    await atMinute(400, async (venue) => expect(await closes(venue)).toEqual([12.14, 12.29]));
    await atMinute(405, async (venue) => expect(await closes(venue)).toEqual([12.14, 12.29, 12.58]));
    await atMinute(-5, async (venue) => {
      const body = await get(venue, "/v3/snapshot/indices?ticker.any_of=I:VIX,I:DJI");
      expect(body.results).toMatchObject([
        {
          ticker: "I:VIX",
          type: "indices",
          value: 12.29,
          session: { close: 12.29, previous_close: 12.14, change: 0.15 },
        },
        { ticker: "I:DJI", error: "NOT_FOUND", message: "Ticker not found." },
      ]);
    });
  });
});

describe("aggregates", () => {
  const close = 390;

  test("carry the documented fields", async () => {
    await atMinute(close, async (venue) => {
      expect(await get(venue, aggregates(`1/minute/${DAY}/${DAY}?limit=1`))).toMatchObject({
        ticker: "AA",
        queryCount: 1,
        resultsCount: 1,
        adjusted: true,
        status: "OK",
        count: 1,
        results: [{ v: 1_000, vw: 10.1333, o: 10, c: 10.1, h: 10.4, l: 9.9, t: openMs }],
      });
    });
  });

  test("of hours and of several minutes are counted from the New York clock", async () => {
    await atMinute(close, async (venue) => {
      const hours = (await get(venue, aggregates(`1/hour/${DAY}/${DAY}`))).results as Json[];
      expect(hours.map((bar) => [bar.t, bar.o, bar.h, bar.l, bar.c, bar.v])).toEqual([
        [openMs - 30 * 60_000, 10, 10.4, 9.8, 9.9, 4_500],
        [openMs + 30 * 60_000, 9.9, 11, 9.9, 11, 200],
      ]);
      const pairs = (await get(venue, aggregates(`2/minute/${DAY}/${DAY}`))).results as Json[];
      expect(pairs.map((bar) => [bar.t, bar.v])).toEqual([
        [openMs, 4_000],
        [openMs + 120_000, 500],
        [openMs + 4_200_000, 200],
      ]);
    });
  });

  test("of days span the recorded sessions", async () => {
    await atMinute(close, async (venue) => {
      const days = (await get(venue, aggregates(`1/day/2019-12-01/2019-12-31`))).results as Json[];
      expect(days.map((bar) => [bar.t, bar.o, bar.c, bar.v])).toEqual([
        [previousMidnightMs, 9, 9.5, 1_000],
        [midnightMs, 10, 11, 4_700],
      ]);
      const both = (await get(venue, aggregates(`2/day/${PREVIOUS_DAY}/${DAY}`))).results as Json[];
      expect(both.map((bar) => [bar.t, bar.o, bar.h, bar.c, bar.v])).toEqual([[previousMidnightMs, 9, 11, 11, 5_700]]);
    });
  });

  test("take epoch milliseconds as well as dates", async () => {
    await atMinute(close, async (venue) => {
      const path = aggregates(`1/minute/${openMs + 60_000}/${openMs + 180_000}`);
      expect(((await get(venue, path)).results as Json[]).map((bar) => bar.t)).toEqual([
        openMs + 60_000,
        openMs + 180_000,
      ]);
    });
  });

  test.each(["asc", "desc"])("page through everything, %s, each bar once, by next_url", async (sort) => {
    await atMinute(close, async (venue) => {
      const whole = await get(venue, aggregates(`1/minute/${PREVIOUS_DAY}/${DAY}?sort=${sort}`));
      const seen: unknown[] = [];
      let path = aggregates(`1/minute/${PREVIOUS_DAY}/${DAY}?sort=${sort}&limit=4&adjusted=false`);
      for (let page = 0; path !== ""; page++) {
        expect(page).toBeLessThan(3);
        const body = await get(venue, path);
        expect(body.adjusted).toBe(false);
        seen.push(...(body.results as unknown[]));
        const next = (body.next_url as string | undefined) ?? "";
        expect(next === "" || next.startsWith(`${venue.restUrl}/v2/aggs/ticker/AA/range/1/minute/`)).toBe(true);
        path = next.slice(venue.restUrl.length);
      }
      expect(seen).toEqual(whole.results as unknown[]);
      expect(seen).toHaveLength(6);
    });
  });

  test("the limit counts base minutes, and a bucket is never cut", async () => {
    await atMinute(close, async (venue) => {
      const body = await get(venue, aggregates(`1/hour/${DAY}/${DAY}?limit=1`));
      expect((body.results as Json[]).map((bar) => bar.v)).toEqual([4_500]);
      const rest = await get(venue, (body.next_url as string).slice(venue.restUrl.length));
      expect((rest.results as Json[]).map((bar) => bar.v)).toEqual([200]);
    });
  });

  test("of a symbol nobody knows are empty, as the vendor answers", async () => {
    await atMinute(close, async (venue) => {
      const body = await get(venue, "/v2/aggs/ticker/NOPE/range/1/minute/2019-12-17/2019-12-18");
      expect(body).toMatchObject({ ticker: "NOPE", resultsCount: 0, status: "OK" });
      expect(body.results).toBeUndefined();
    });
  });

  test("of the previous session stand at its close", async () => {
    await atMinute(10, async (venue) => {
      const body = await get(venue, "/v2/aggs/ticker/AA/prev");
      const closeMs = newYorkTimeUs(PREVIOUS_DAY, "16:00") / 1_000;
      expect(body.results).toEqual([{ T: "AA", v: 1_000, vw: 9.2667, o: 9, c: 9.5, h: 9.6, l: 8.9, t: closeMs }]);
      expect((await get(venue, "/v2/aggs/ticker/I:VIX/prev")).results).toMatchObject([{ T: "I:VIX", c: 12.29 }]);
    });
  });
});

describe("requests that cannot be answered", () => {
  let venue: PolygonVenue;
  beforeAll(() => {
    venue = startPolygon({ day: hand, previousDay: before }, {});
  });
  afterAll(() => venue.server.stop());

  test("without a key, with a wrong one, and with the right one in a header", async () => {
    const path = "/v1/marketstatus/now";
    expect(await request(venue, path)).toMatchObject({
      status: 401,
      body: { status: "ERROR", error: "API Key was not provided" },
    });
    const wrong = await request(venue, `${path}?apiKey=other`);
    expect(wrong).toMatchObject({ status: 401, body: { status: "ERROR", error: "Unknown API Key" } });
    expect(JSON.stringify(wrong.body)).not.toContain(KEY);
    expect((await request(venue, path, { headers: { authorization: `Bearer ${KEY}` } })).status).toBe(200);
  });

  test.each([
    ["/v2/last/trade/AA", 403, { status: "NOT_AUTHORIZED" }],
    ["/v3/trades/AA", 403, { status: "NOT_AUTHORIZED" }],
    ["/v3/reference/tickers/NOPE", 404, { status: "NOT_FOUND", message: "Ticker not found." }],
    ["/v2/snapshot/locale/us/markets/stocks/tickers/NOPE", 404, { message: "Ticker not found." }],
    ["/nothing/here", 404, { status: "NOT_FOUND" }],
    [aggregates("0/minute/2019-12-18/2019-12-18"), 400, { error: "'multiplier' must be a whole number 1 to 50000" }],
    [
      aggregates("1/decade/2019-12-18/2019-12-18"),
      400,
      { error: "'timespan' must be one of second, minute, hour, day" },
    ],
    [aggregates("1/minute/2019-12-18/2019-12-17"), 400, { error: "from 2019-12-18 is after to 2019-12-17" }],
    [aggregates("1/minute/yesterday/2019-12-17"), 400, { status: "ERROR" }],
    [aggregates("1/minute/2019-02-30/2019-12-17"), 400, { status: "ERROR" }],
    [aggregates("1/minute/999999999999999/999999999999999"), 400, { status: "ERROR" }],
    [
      aggregates("1/minute/2019-12-17/2019-12-18?limit=50001"),
      400,
      { error: "'limit' must be a whole number 1 to 50000" },
    ],
    [aggregates("1/minute/2019-12-17/2019-12-18?sort=up"), 400, { error: "'sort' must be one of asc, desc" }],
    [aggregates("1/minute/2019-12-17/2019-12-18?cursor=bm9uc2Vuc2U"), 400, { status: "ERROR" }],
    ["/v2/aggs/ticker/%E0%A4%A/prev", 400, { status: "ERROR" }],
    ["/v2/aggs/grouped/locale/us/market/stocks/soon", 400, { status: "ERROR" }],
    ["/v3/reference/tickers?limit=x", 400, { error: "'limit' must be a whole number 1 to 1000" }],
  ])("%s: %d", async (path, status, body) => {
    const answer = await request(venue, `${path}${path.includes("?") ? "&" : "?"}apiKey=${KEY}`);
    expect(answer).toMatchObject({ status, body });
    expect(String(answer.body.request_id)).toMatch(/^[0-9a-f]{32}$/);
  });

  test("with another method", async () => {
    expect((await request(venue, `/v1/marketstatus/now?apiKey=${KEY}`, { method: "POST" })).status).toBe(405);
  });

  test("beyond the rate limit of a minute of market time, and again in the next", async () => {
    const limited = startPolygon({ day: hand, previousDay: before }, { requestsPerMinuteMax: 2 });
    try {
      const ask = async (): Promise<number> => (await request(limited, `/v1/marketstatus/now?apiKey=${KEY}`)).status;
      expect([await ask(), await ask(), await ask()]).toEqual([200, 200, 429]);
      limited.timeline.advanceTo(limited.timeline.nowUs + MINUTE_US);
      expect(await ask()).toBe(200);
    } finally {
      limited.server.stop();
    }
  });
});

describe("reference and status", () => {
  test("tickers are funds unless the venue was told more; filters and pages hold", async () => {
    const reference = new Map([["AA", { name: "Alpha Corp", type: "CS", primaryExchange: "XNYS", marketCapUsd: 5e9 }]]);
    const venue = startPolygon({ day: hand, previousDay: before }, { reference });
    try {
      const all = (await get(venue, "/v3/reference/tickers?market=stocks&active=true&limit=1000")).results as Json[];
      expect(all.map((entry) => [entry.ticker, entry.type, entry.name])).toEqual([
        ["AA", "CS", "Alpha Corp"],
        ["GONE", "ETF", "GONE"],
        ["LATE", "ETF", "LATE"],
      ]);
      const tickers = async (params: string): Promise<unknown[]> =>
        ((await get(venue, `/v3/reference/tickers?${params}`)).results as Json[]).map((entry) => entry.ticker);
      expect(await tickers("type=ETF")).toEqual(["GONE", "LATE"]);
      expect(await tickers("ticker.gt=AA&order=desc")).toEqual(["LATE", "GONE"]);
      expect(await tickers("search=alpha")).toEqual(["AA"]);
      expect(await tickers("active=false")).toEqual([]);
      const first = await get(venue, "/v3/reference/tickers?limit=2");
      expect(first.count).toBe(2);
      const second = await get(venue, (first.next_url as string).slice(venue.restUrl.length));
      expect((second.results as Json[]).map((entry) => entry.ticker)).toEqual(["LATE"]);
      expect(second.next_url).toBeUndefined();
      expect((await get(venue, "/v3/reference/tickers/AA")).results).toMatchObject({ market_cap: 5e9, round_lot: 100 });
      const fund = (await get(venue, "/v3/reference/tickers/GONE")).results as Json;
      expect(fund.type).toBe("ETF");
      expect(fund.market_cap).toBeUndefined();
    } finally {
      venue.server.stop();
    }
  });

  test.each([
    [-335, "closed", false, false],
    [-5, "extended-hours", true, false],
    [0, "open", false, false],
    [389, "open", false, false],
    [390, "extended-hours", false, true],
    [631, "closed", false, false],
  ])("%d minutes after the open the market is %s", async (minute, market, earlyHours, afterHours) => {
    await atMinute(minute, async (venue) => {
      expect(await get(venue, "/v1/marketstatus/now")).toMatchObject({ market, earlyHours, afterHours });
    });
  });

  test("server time is New York's; holidays ahead carry half days with their hours", async () => {
    await atMinute(0, async (venue) => {
      expect((await get(venue, "/v1/marketstatus/now")).serverTime).toBe("2019-12-18T09:30:00-05:00");
      const ahead = (await get(venue, "/v1/marketstatus/upcoming")) as unknown as Json[];
      const nyse = ahead.filter((entry) => entry.exchange === "NYSE").slice(0, 3);
      expect(nyse.map((entry) => [entry.date, entry.status])).toEqual([
        ["2019-12-24", "early-close"],
        ["2019-12-25", "closed"],
        ["2020-01-01", "closed"],
      ]);
      expect(nyse[0]).toMatchObject({ open: "2019-12-24T14:30:00.000Z", close: "2019-12-24T18:00:00.000Z" });
    });
  });
});

test("a warm-up of 100 symbols by 200 bars is quick", async () => {
  const { day, previousDay } = await sampleDays();
  const venue = startPolygon({ day, previousDay });
  try {
    const ask = async (symbol: string): Promise<number> => {
      const path = `/v2/aggs/ticker/${symbol}/range/1/minute/${PREVIOUS_DAY}/${DAY}?sort=desc&limit=200`;
      return (await get(venue, path)).resultsCount as number;
    };
    await ask("SPY");
    const startNs = Bun.nanoseconds();
    let bars = 0;
    for (const symbol of day.symbols.slice(0, 100)) bars += await ask(symbol);
    const msPerCall = (Bun.nanoseconds() - startNs) / 1e6 / 100;
    expect(bars).toBeGreaterThan(15_000);
    // Client and server together take 0.2 ms on an idle machine; the bound is for a busy one.
    expect(msPerCall).toBeLessThan(5);
  } finally {
    venue.server.stop();
  }
});
