// The vendor's own SDK, unchanged, against the simulated market: every REST call and both sockets.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  GetIndicesAggregatesTimespanEnum,
  GetStocksAggregatesSortEnum,
  GetStocksAggregatesTimespanEnum,
  ListTickersMarketEnum,
  ListTickersTypeEnum,
  restClient,
  websocketClient,
} from "@polygon.io/client-js";
import { KEY, type PolygonVenue, startPolygon, type WireEvent } from "../../support/polygon-sim.ts";
import { DAY, MINUTE_US, OPEN_US, PREVIOUS_DAY, sampleDays } from "../../support/sim-market.ts";

const { day, previousDay } = await sampleDays();
let venue: PolygonVenue;

beforeAll(() => {
  venue = startPolygon({ day, previousDay });
  venue.tape.activate(venue.tape.slotOf("SPY"));
  venue.timeline.advanceTo(OPEN_US + 30 * MINUTE_US);
});
afterAll(() => venue.server.stop());

const rest = () => restClient(KEY, venue.restUrl);

describe("the vendor's REST client", () => {
  test("reads the snapshot, whole and in part, with its repeated array parameter or a joined one", async () => {
    const whole = await rest().getStocksSnapshotTickers();
    expect(whole.count).toBe(300);
    const some = await rest().getStocksSnapshotTickers(["SPY", "QQQ"]);
    expect(some.tickers?.map((entry) => entry.ticker)).toEqual(["SPY", "QQQ"]);
    const joined = await rest().getStocksSnapshotTickers(["SPY,QQQ"]);
    expect(joined.tickers).toEqual(some.tickers!);
    const one = await rest().getStocksSnapshotTicker("SPY");
    expect(one.ticker?.day?.v).toBeGreaterThan(0);
    expect(one.ticker?.lastQuote?.P).toBeGreaterThan(one.ticker?.lastQuote?.p ?? Number.POSITIVE_INFINITY);
  });

  test("reads grouped days, aggregates and the previous session", async () => {
    const grouped = await rest().getGroupedStocksAggregates(PREVIOUS_DAY, true);
    expect(grouped.resultsCount).toBe(300);
    const bars = await rest().getStocksAggregates(
      "SPY",
      1,
      GetStocksAggregatesTimespanEnum.Minute,
      PREVIOUS_DAY,
      DAY,
      true,
      GetStocksAggregatesSortEnum.Desc,
      200,
    );
    expect(bars.results).toHaveLength(200);
    expect(bars.results?.[0]?.t).toBe((OPEN_US + 29 * MINUTE_US) / 1_000);
    expect(bars.next_url).toStartWith(venue.restUrl);
    const previous = await rest().getPreviousStocksAggregates("SPY");
    const spy = grouped.results?.find((bar) => bar.T === "SPY");
    expect(previous.results?.[0]?.c).toBe(spy?.c as number);
  });

  test("follows next_url by itself", async () => {
    const paging = restClient(KEY, venue.restUrl, { pagination: true });
    const bars = await paging.getStocksAggregates(
      "SPY",
      1,
      GetStocksAggregatesTimespanEnum.Minute,
      PREVIOUS_DAY,
      PREVIOUS_DAY,
      true,
      GetStocksAggregatesSortEnum.Asc,
      100,
    );
    const slot = previousDay.symbols.indexOf("SPY");
    expect(new Set(bars.results?.map((bar) => bar.t)).size).toBe(previousDay.rowCount[slot]!);
  });

  test("reads reference data, indices and status", async () => {
    const tickers = await rest().listTickers(
      undefined,
      ListTickersTypeEnum.Etf,
      ListTickersMarketEnum.Stocks,
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
      true,
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
      1_000,
    );
    expect(tickers.results).toHaveLength(300);
    expect((await rest().getTicker("SPY")).results?.ticker).toBe("SPY");
    const vix = await rest().getIndicesSnapshot("I:VIX");
    expect(vix.results?.[0]?.value).toBe(12.29);
    const history = await rest().getIndicesAggregates(
      "I:VIX",
      1,
      GetIndicesAggregatesTimespanEnum.Day,
      "2019-12-01",
      "2019-12-31",
    );
    expect(history.results?.map((bar) => bar.c)).toEqual([12.63, 12.14, 12.29]);
    expect((await rest().getMarketStatus()).market).toBe("open");
    expect((await rest().getMarketHolidays()).length).toBeGreaterThan(4);
  });

  test("sees errors as the vendor sends them", async () => {
    const failure = async (call: Promise<unknown>): Promise<unknown> =>
      call.then(
        () => null,
        (error: { response?: { status: number; data: unknown } }) => [error.response?.status, error.response?.data],
      );
    expect(await failure(restClient("wrong", venue.restUrl).getMarketStatus())).toMatchObject([
      401,
      { status: "ERROR", error: "Unknown API Key" },
    ]);
    expect(await failure(rest().getTicker("NOPE"))).toMatchObject([404, { status: "NOT_FOUND" }]);
    expect(await failure(rest().getLastStocksTrade("SPY"))).toMatchObject([403, { status: "NOT_AUTHORIZED" }]);
  });
});

describe("the vendor's WebSocket client", () => {
  /** What is used of it; the package it comes from has no types. */
  interface VendorSocket {
    onmessage: (message: { data: unknown }) => void;
  }

  /** Keeps what arrives; `until` waits for frames. The client sends its key by itself. */
  function listen(socket: VendorSocket): { events: WireEvent[]; until: (isReached: () => boolean) => Promise<void> } {
    const events: WireEvent[] = [];
    let wake = (): void => {};
    socket.onmessage = (message) => {
      events.push(...(JSON.parse(String(message.data)) as WireEvent[]));
      wake();
    };
    const until = async (isReached: () => boolean): Promise<void> => {
      while (!isReached()) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    };
    return { events, until };
  }

  const says = (events: readonly WireEvent[], text: string): boolean => events.some((event) => event.message === text);

  test("connects to /stocks, subscribes and receives trades, quotes and minute bars", async () => {
    const socket = websocketClient(KEY, venue.socketUrl).stocks();
    const { events, until } = listen(socket);
    await until(() => says(events, "authenticated"));
    socket.send(JSON.stringify({ action: "subscribe", params: "T.SPY,Q.SPY,AM.SPY" }));
    await until(() => says(events, "subscribed to: AM.SPY"));
    venue.timeline.advanceTo(OPEN_US + 33 * MINUTE_US);
    await until(() => events.filter((event) => event.ev === "AM").length === 3);
    const slot = day.symbols.indexOf("SPY");
    const firstUs = OPEN_US + 30 * MINUTE_US;
    const row = day.startUs.findIndex((startUs, i) => i >= day.firstRow[slot]! && startUs === firstUs);
    expect(events.find((event) => event.ev === "AM")).toMatchObject({
      sym: "SPY",
      o: day.openPxTicks[row]! / 10_000,
      h: day.highPxTicks[row]! / 10_000,
      l: day.lowPxTicks[row]! / 10_000,
      c: day.closePxTicks[row]! / 10_000,
      v: day.volume[row]!,
      s: firstUs / 1_000,
    });
    expect(events.filter((event) => event.ev === "T").length).toBeGreaterThan(5);
    expect(events.filter((event) => event.ev === "Q").length).toBeGreaterThan(5);
    const closed = new Promise<{ code: number }>((resolve) => {
      socket.onclose = resolve;
    });
    socket.close();
    await closed;
  });

  test("connects to /indices and receives the level of the VIX", async () => {
    const socket = websocketClient(KEY, venue.socketUrl).indices();
    const { events, until } = listen(socket);
    await until(() => says(events, "authenticated"));
    socket.send(JSON.stringify({ action: "subscribe", params: "V.I:VIX" }));
    await until(() => events.some((event) => event.ev === "V"));
    expect(events.find((event) => event.ev === "V")).toMatchObject({ T: "I:VIX", val: 12.29 });
    socket.close();
  });

  test("is told and closed with 1008 when a newcomer takes over", async () => {
    const older = websocketClient(KEY, venue.socketUrl).stocks();
    const first = listen(older);
    const closed = new Promise<{ code: number }>((resolve) => {
      older.onclose = resolve;
    });
    await first.until(() => says(first.events, "authenticated"));
    const newer = websocketClient(KEY, venue.socketUrl).stocks();
    const second = listen(newer);
    await second.until(() => says(second.events, "authenticated"));
    expect((await closed).code).toBe(1008);
    expect(first.events.at(-1)).toMatchObject({ ev: "status", status: "max_connections" });
    newer.close();
  });
});
