import { afterEach, describe, expect, test } from "bun:test";
import { ManualClock } from "../../../src/core/clock.ts";
import { Timers } from "../../../src/core/timers.ts";
import { MarketDelays } from "../../../src/feed/delays.ts";
import { PolygonRest, type PolygonRestOptions } from "../../../src/feed/polygon/rest.ts";
import { FRAME_TS_MS } from "../../support/feed-frames.ts";

const API_KEY = "secret-key-123";
const TS_US = FRAME_TS_MS * 1000;
const MINUTE_MS = 60_000;

type Answer = unknown | Response;
type Handler = (url: URL, request: Request) => Answer | Promise<Answer>;

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

function openRest(transport: "fetch" | "sdk", handler: Handler, options: Partial<PolygonRestOptions> = {}) {
  const requests: URL[] = [];
  const server = Bun.serve({
    port: 0,
    fetch: async (request) => {
      const url = new URL(request.url);
      requests.push(url);
      const answer = await handler(url, request);
      return answer instanceof Response ? answer : Response.json(answer);
    },
  });
  cleanups.push(() => server.stop(true));
  const clock = new ManualClock(0);
  const timers = new Timers();
  const waits: number[] = [];
  // Every wait is over at once and written down.
  const delays = new MarketDelays(clock, timers);
  const instant = {
    after: (ms: number, task: () => void) => {
      waits.push(ms);
      const id = delays.after(ms, task);
      clock.advanceTo(clock.nowUs() + ms * 1000);
      queueMicrotask(() => timers.runDue(clock.nowUs()));
      return id;
    },
    cancel: (id: number) => delays.cancel(id),
  };
  const rest = new PolygonRest({
    url: `http://127.0.0.1:${server.port}`,
    apiKey: API_KEY,
    transport,
    delays: instant,
    ...options,
  });
  return { rest, requests, waits, base: `http://127.0.0.1:${server.port}` };
}

async function failureOf(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => new Error("it did not fail"),
    (reason: unknown) => reason,
  );
  const everything = Bun.inspect(error, { depth: 10 });
  expect(everything).not.toContain(API_KEY);
  return (error as Error).message;
}

const bar = (i: number, over: object = {}) => ({
  t: FRAME_TS_MS + i * MINUTE_MS,
  o: 10,
  h: 12,
  l: 9,
  c: 11,
  v: 100 + i,
  vw: 10.5,
  n: 7,
  ...over,
});

for (const transport of ["fetch", "sdk"] as const) {
  describe(`over ${transport}`, () => {
    test("gives the key in the way of its transport, and asks the documented paths", async () => {
      const keys: (string | null)[] = [];
      const { rest, requests } = openRest(transport, (url, request) => {
        keys.push(transport === "fetch" ? request.headers.get("authorization") : url.searchParams.get("apiKey"));
        return { status: "OK" };
      });
      await rest.snapshotAll();
      await rest.groupedDaily("2019-12-17");
      await rest.referenceTickers();
      await rest.tickerDetails("BRK.B", "2019-12-17");
      await rest.vixPreviousClose("2019-12-18");
      await rest.vixLatest();
      await rest.aggregates({ symbol: "SPY", fromMs: 1, toMs: 2, multiplier: 5, timespan: "minute", countMax: 10 });
      expect(new Set(keys)).toEqual(new Set([transport === "fetch" ? `Bearer ${API_KEY}` : API_KEY]));
      for (const url of requests) url.searchParams.delete("apiKey");
      expect(requests.map((url) => url.pathname + url.search)).toEqual([
        "/v2/snapshot/locale/us/markets/stocks/tickers",
        "/v2/aggs/grouped/locale/us/market/stocks/2019-12-17?adjusted=true",
        expect.stringMatching(/^\/v3\/reference\/tickers\?(?=.*market=stocks)(?=.*active=true)(?=.*limit=1000)/),
        "/v3/reference/tickers/BRK.B?date=2019-12-17",
        "/v2/aggs/ticker/I%3AVIX/range/1/day/2019-12-08/2019-12-17?sort=desc&limit=10",
        "/v3/snapshot/indices?ticker.any_of=I%3AVIX",
        "/v2/aggs/ticker/SPY/range/5/minute/1/2?adjusted=true&sort=desc&limit=50",
      ]);
    });

    test("reads a snapshot; stocks without a quote have none, broken rows are counted", async () => {
      const { rest } = openRest(transport, () => ({
        tickers: [
          { ticker: "A", lastQuote: { p: 20.5, s: 13, P: 20.6, S: 22, t: FRAME_TS_MS * 1e6 } },
          { ticker: "B" },
          { ticker: "C", lastQuote: { p: 0, P: 0, t: 0 } },
          { ticker: "D", lastQuote: { p: -1, P: 3, t: FRAME_TS_MS } },
          { ticker: "E", lastQuote: { p: 1, P: 2, t: "now" } },
          { ticker: 5 },
          null,
        ],
      }));
      expect(await rest.snapshotAll()).toEqual([
        { symbol: "A", bidPx: 20.5, askPx: 20.6, quoteTsUs: TS_US },
        { symbol: "B", bidPx: 0, askPx: 0, quoteTsUs: 0 },
        { symbol: "C", bidPx: 0, askPx: 0, quoteTsUs: 0 },
        { symbol: "D", bidPx: 0, askPx: 0, quoteTsUs: 0 },
        { symbol: "E", bidPx: 1, askPx: 2, quoteTsUs: 0 },
      ]);
      expect(Object.fromEntries(rest.skipped)).toEqual({
        "snapshot: quote has a price that is missing or not believable": 1,
        "snapshot: symbol is missing or not text": 1,
        "snapshot: row is not an object": 1,
      });
    });

    test("reads grouped daily bars and skips the impossible ones", async () => {
      const good = { T: "A", o: 10, h: 12, l: 9, c: 11, v: 1000, vw: 10.4, n: 3, t: FRAME_TS_MS };
      const { rest } = openRest(transport, () => ({
        results: [
          good,
          { ...good, T: "B", v: 0 },
          { ...good, h: 10.5 },
          { ...good, c: "11" },
          { ...good, v: -5 },
          { ...good, T: "" },
          7,
        ],
      }));
      expect(await rest.groupedDaily("2019-12-17")).toEqual([
        { symbol: "A", open: 10, high: 12, low: 9, close: 11, volume: 1000 },
        { symbol: "B", open: 10, high: 12, low: 9, close: 11, volume: 0 },
      ]);
      expect([...rest.skipped.values()].reduce((sum, count) => sum + count, 0)).toBe(5);
    });

    test("reads all pages of the reference tickers in the venue's order, asking only its own host", async () => {
      const pages: Record<string, unknown> = {
        null: {
          results: [{ ticker: "A", type: "CS", cik: "1" }],
          next_url: "https://elsewhere.example/v3/reference/tickers?cursor=two",
        },
        two: {
          results: [{ ticker: "B", type: "ETF" }],
          next_url: "https://elsewhere.example/v3/reference/tickers?cursor=three&apiKey=x",
        },
        three: { results: [{ ticker: "C" }, {}] },
      };
      const { rest, requests } = openRest(transport, (url) => pages[String(url.searchParams.get("cursor"))]);
      expect(await rest.referenceTickers()).toEqual([
        { symbol: "A", type: "CS", cik: "1" },
        { symbol: "B", type: "ETF", cik: "" },
        { symbol: "C", type: "", cik: "" },
      ]);
      expect(requests).toHaveLength(3);
    });

    test("pages that lead round in a circle are an error, not an endless loop", async () => {
      const { rest, requests } = openRest(transport, () => ({
        results: [],
        next_url: "http://x/v3/reference/tickers?cursor=same",
      }));
      expect(await failureOf(rest.referenceTickers())).toContain("pages that never end");
      expect(requests).toHaveLength(2);
    });

    test("knows a market cap, none, and an unknown symbol apart", async () => {
      const answers: Record<string, Answer> = {
        "/v3/reference/tickers/A": { results: { ticker: "A", market_cap: 2e12 } },
        "/v3/reference/tickers/B": { results: { ticker: "B" } },
        "/v3/reference/tickers/C": { results: { ticker: "C", market_cap: -1 } },
      };
      const notFound = () => Response.json({ status: "NOT_FOUND", message: "Ticker not found." }, { status: 404 });
      const { rest } = openRest(transport, (url) => answers[url.pathname] ?? notFound());
      expect(await rest.tickerDetails("A", "2019-12-17")).toEqual({ symbol: "A", marketCapUsd: 2e12 });
      expect(await rest.tickerDetails("B", "2019-12-17")).toEqual({ symbol: "B", marketCapUsd: null });
      expect(await rest.tickerDetails("C", "2019-12-17")).toEqual({ symbol: "C", marketCapUsd: null });
      expect(await rest.tickerDetails("NOPE", "2019-12-17")).toBeNull();
    });

    test("gives bars rising in time whatever their order, over several pages, each once", async () => {
      const { rest } = openRest(transport, (url) =>
        url.searchParams.has("cursor")
          ? { results: [bar(1), bar(0), bar(0), bar(9, { o: null }), bar(9, { t: 5 })] }
          : { results: [bar(3), bar(2, { vw: undefined, n: undefined })], next_url: "http://x/v2/more?cursor=1" },
      );
      const bars = await rest.aggregates({ symbol: "A", fromMs: 0, toMs: 1, multiplier: 1, timespan: "minute" });
      expect(bars.map((row) => row.volume)).toEqual([100, 101, 102, 103]);
      expect(bars[0]).toEqual({
        startUs: TS_US,
        open: 10,
        high: 12,
        low: 9,
        close: 11,
        volume: 100,
        vwap: 10.5,
        tradeCount: 7,
      });
      expect(bars[2]).toMatchObject({ vwap: 0, tradeCount: 0 });
      expect(Object.fromEntries(rest.skipped)).toEqual({
        "minute bars: second bar of the same time": 1,
        "minute bars: price is missing or not believable": 1,
        "minute bars: time is missing or not believable": 1,
      });
    });

    test("warms up with the last closed bars of each symbol, in the order of the symbols, none still forming", async () => {
      const { rest, requests } = openRest(transport, (url) => {
        const symbol = url.pathname.split("/")[4];
        if (symbol === "EMPTY") return { status: "OK", resultsCount: 0 };
        // Newest first, one of them starting with the minute that is still open.
        return { results: [bar(0), bar(-1), bar(-2), bar(-3), bar(-4)].map((row) => ({ ...row, v: symbol!.length })) };
      });
      const symbols = ["A", "EMPTY", ...Array.from({ length: 50 }, (_, i) => `S${i}`.padEnd(i + 3, "X"))];
      const bars = await rest.warmupBars(symbols, 3, TS_US + 59_999_999);
      expect(bars.map((list) => list.length)).toEqual([2, 0, ...Array.from({ length: 50 }, () => 2)]);
      expect(bars[0]!.map((row) => row.startUs)).toEqual([TS_US - 120_000_000, TS_US - 60_000_000]);
      for (const [i, symbol] of symbols.entries()) for (const row of bars[i]!) expect(row.volume).toBe(symbol.length);
      const [from, to] = requests[0]!.pathname.split("/").slice(-2).map(Number) as [number, number];
      expect(to).toBe(Math.floor((TS_US - 1) / 1000));
      expect(to - from).toBe(30 * 86_400_000);
    });

    test("asks for minutes where bars are whole minutes and for seconds where not, with the venue's way of counting", async () => {
      const { rest, requests } = openRest(transport, () => ({}));
      await rest.warmupBars(["A"], 200, TS_US, 300);
      await rest.warmupBars(["A"], 200, TS_US, 15);
      expect(
        requests.map((url) => [url.pathname.split("/").slice(5, 8).join("/"), url.searchParams.get("limit")]),
      ).toEqual([
        ["range/5/minute", "1000"],
        ["range/15/second", "3000"],
      ]);
    });

    test("takes the VIX close of the session before, never the day's own", async () => {
      const day = (date: string, close: unknown) => ({
        t: Date.parse(`${date}T05:00:00Z`),
        o: 12,
        h: 13,
        l: 11,
        c: close,
      });
      const { rest } = openRest(transport, () => ({
        results: [day("2019-12-18", 99), day("2019-12-16", 12.14), day("2019-12-17", 12.29), day("2019-12-13", "x")],
      }));
      expect(await rest.vixPreviousClose("2019-12-18")).toBe(12.29);
      expect(await rest.vixPreviousClose("2019-12-10")).toBeNull();
    });

    test("tells a missing VIX entitlement, which hides in a good answer", async () => {
      const answers: Answer[] = [
        { results: [{ ticker: "I:VIX", value: 17.42 }] },
        { results: [{ ticker: "I:VIX", error: "NOT_ENTITLED", message: "Not entitled to this ticker." }] },
        { results: [{ ticker: "I:VIX", value: -1 }] },
        { results: [] },
      ];
      const { rest } = openRest(transport, () => answers.shift());
      expect(await rest.vixLatest()).toBe(17.42);
      expect(await failureOf(rest.vixLatest())).toContain("NOT_ENTITLED");
      expect(await rest.vixLatest()).toBeNull();
      expect(await rest.vixLatest()).toBeNull();
    });

    for (const [status, word] of [
      [401, "Unknown API Key"],
      [403, "You are not entitled to this data."],
      [400, "bad request"],
    ] as const) {
      test(`status ${status} fails at once, with the venue's words and without the key`, async () => {
        const { rest, requests, base } = openRest(transport, () =>
          Response.json({ error: `${word} ${API_KEY}` }, { status }),
        );
        const message = await failureOf(rest.snapshotAll());
        expect(message).toContain(
          `${base.slice(7)} /v2/snapshot/locale/us/markets/stocks/tickers was answered with status ${status}`,
        );
        expect(message).toContain(`${word} ***`);
        expect(requests).toHaveLength(1);
      });
    }

    test("waits when the venue says too many requests, as long as it says, and then gets its answer", async () => {
      let count = 0;
      const { rest, waits } = openRest(transport, () => {
        count += 1;
        if (count === 1) return Response.json({ error: "exceeded" }, { status: 429, headers: { "Retry-After": "12" } });
        if (count < 4) return Response.json({ error: "exceeded" }, { status: 429 });
        return { tickers: [{ ticker: "A" }] };
      });
      expect(await rest.snapshotAll()).toHaveLength(1);
      expect(waits).toEqual([12_000, 500, 1_000]);
    });

    test("does not wait for ever", async () => {
      const { rest, waits } = openRest(transport, () => Response.json({ error: "exceeded" }, { status: 429 }));
      expect(await failureOf(rest.snapshotAll())).toContain("status 429");
      expect(waits.reduce((sum, ms) => sum + ms, 0)).toBeLessThanOrEqual(90_000);
      expect(waits.length).toBeGreaterThan(5);
    });

    test("tries again after a fault of the venue, three times in all", async () => {
      let count = 0;
      const { rest } = openRest(transport, () =>
        ++count < 3 ? new Response("oops", { status: 502 }) : { tickers: [{ ticker: "A" }] },
      );
      expect(await rest.snapshotAll()).toHaveLength(1);
      count = -10;
      expect(await failureOf(rest.snapshotAll())).toContain("status 502");
      expect(count).toBe(-7);
    });

    test("an answer that is not a JSON object is told as that, not taken for an empty one", async () => {
      const answers = [
        new Response("<html>maintenance</html>"),
        new Response("[]"),
        new Response("null"),
        new Response('{"tick'),
      ];
      for (const answer of answers) {
        const { rest } = openRest(transport, () => answer.clone());
        expect(await failureOf(rest.snapshotAll())).toContain("did not answer with a JSON object, 3 times");
      }
    });

    test("fails when nothing listens, and when the answer does not come in time", async () => {
      const { rest } = openRest(transport, () => ({}), { url: "http://127.0.0.1:1" });
      expect(await failureOf(rest.snapshotAll())).toMatch(/could not be reached( \(\w+\))?, 3 times/);
      const release = Promise.withResolvers<Answer>();
      const slow = openRest(transport, () => release.promise, { timeoutMs: 20 });
      expect(await failureOf(slow.rest.snapshotAll())).toContain("did not answer within 20 ms, 3 times");
      release.resolve({});
    });
  });
}

test("over fetch a redirect is not followed, since it could take the key elsewhere", async () => {
  let visits = 0;
  const other = openRest("fetch", () => {
    visits += 1;
    return {};
  });
  const moved = openRest("fetch", () => Response.redirect(`${other.base}/v2`, 302));
  expect(await failureOf(moved.rest.snapshotAll())).toContain("could not be reached");
  expect(visits).toBe(0);
});
