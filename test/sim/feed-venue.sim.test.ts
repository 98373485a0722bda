// The feed and the bars on the simulated venue, over its sockets: what comes out must be the recorded day.

import { afterEach, expect, test } from "bun:test";
import { BAR_CLOSED, BarBuilder } from "../../src/bars/bar-builder.ts";
import { Arena } from "../../src/core/arena.ts";
import { ticksFromUsd } from "../../src/core/fixed-point.ts";
import { PolygonRest } from "../../src/feed/polygon/rest.ts";
import { tradingDay } from "../../src/market/calendar.ts";
import { MARKET_EVENT_MINUTE_BAR, MARKET_EVENT_QUOTE, MARKET_EVENT_TRADE } from "../../src/market/events.ts";
import { loadSampleDay } from "../../src/market/sample.ts";
import { PolygonServer } from "../../src/sim/market/polygon-server.ts";
import { MarketTape } from "../../src/sim/market/tape.ts";
import { Timeline } from "../../src/sim/timeline.ts";
import { API_KEY, feedRig } from "../support/feed-venue.ts";

const DATE = "2019-12-18";
const PREVIOUS_DATE = "2019-12-17";
const MINUTE_US = 60_000_000;
/** Two that trade every minute and some that do not. */
const SYMBOLS = ["SPY", "QQQ", "XLK", "UVXY", "EWZ"];

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

const session = tradingDay(DATE)!;
const [day, previousDay] = await Promise.all([loadSampleDay(DATE), loadSampleDay(PREVIOUS_DATE)]);

function openVenue() {
  const timeline = new Timeline(session.openUs - MINUTE_US);
  const shared = { timeline, day: day, previousDay: previousDay };
  const tape = new MarketTape({ ...shared, seed: 1, tradesPerMinuteMax: 6, spreadMinBps: 2 });
  const vixDaily = [
    { date: PREVIOUS_DATE, close: 12.29 },
    { date: DATE, close: 12.58 },
  ];
  const server = new PolygonServer({ ...shared, tape, vixDaily, apiKey: API_KEY, port: 0, feedIntervalMs: 250 });
  const urls = server.start();
  cleanups.push(() => server.stop());
  return { timeline, server, ...urls };
}

interface Bar {
  symbol: string;
  startUs: number;
  open: number;
  high: number;
  low: number;
  close: number;
  volume: number;
}

/** The recorded bars of SYMBOLS, prices in ticks. */
function recordedBars(): Bar[] {
  return SYMBOLS.flatMap((symbol) => {
    const index = day.symbols.indexOf(symbol);
    const rows = Array.from({ length: day.rowCount[index]! }, (_, i) => day.firstRow[index]! + i);
    return rows.map((row) => ({
      symbol,
      startUs: day.startUs[row]!,
      open: day.openPxTicks[row]!,
      high: day.highPxTicks[row]!,
      low: day.lowPxTicks[row]!,
      close: day.closePxTicks[row]!,
      volume: day.volume[row]!,
    }));
  });
}

function inOrder(bars: Bar[]): Bar[] {
  return bars.toSorted((a, b) => (a.symbol < b.symbol ? -1 : a.symbol > b.symbol ? 1 : a.startUs - b.startUs));
}

/** Plays the whole day through the sockets. */
async function playDay() {
  const venue = openVenue();
  const rig = feedRig(venue.socketUrl, { minuteBars: true }, SYMBOLS);
  cleanups.push(() => rig.feed.stop());
  const builder = new BarBuilder(new Arena(), { intervalUs: MINUTE_US, closeGraceUs: 1_000_000 });
  const bars: Bar[] = [];
  const counts = { trades: 0, quotes: 0, aggregates: 0 };
  const keep = (slot: number) => {
    bars.push({
      symbol: SYMBOLS[slot]!,
      startUs: builder.closedStartUs[slot]!,
      open: ticksFromUsd(builder.closedOpenPx[slot]!),
      high: ticksFromUsd(builder.closedHighPx[slot]!),
      low: ticksFromUsd(builder.closedLowPx[slot]!),
      close: ticksFromUsd(builder.closedClosePx[slot]!),
      volume: builder.closedVolume[slot]!,
    });
  };
  const drain = () => {
    const { ring } = rig;
    for (; ring.tail < ring.head; ring.tail++) {
      const i = ring.tail & ring.mask;
      const [slot, tsUs] = [ring.slot[i]!, ring.tsVenueUs[i]!];
      if (ring.kind[i] === MARKET_EVENT_TRADE) {
        counts.trades += 1;
        if (builder.applyTrade(slot, ring.px[i]!, ring.qty[i]!, tsUs) === BAR_CLOSED) keep(slot);
      } else if (ring.kind[i] === MARKET_EVENT_QUOTE) counts.quotes += 1;
      else if (ring.kind[i] === MARKET_EVENT_MINUTE_BAR) {
        counts.aggregates += 1;
        const [open, high, low] = [ring.bidPx[i]!, ring.askPx[i]!, ring.bidLots[i]!];
        builder.applyAggregate(slot, tsUs, open, high, low, ring.px[i]!, ring.qty[i]!, ring.askLots[i]!);
      }
    }
  };
  await rig.feed.start(SYMBOLS);
  for (let minute = 0; minute <= 392; minute++) {
    venue.timeline.advanceTo(session.openUs + minute * MINUTE_US);
    await rig.untilFrames(venue.server.framesSent);
    drain();
    const due = builder.closeDue(venue.timeline.nowUs);
    for (let i = 0; i < due; i++) keep(builder.closedSlots[i]!);
  }
  return { bars, builder, rig, counts };
}

test("bars built from the venue's trades are the recorded bars, and the venue's own aggregates agree with every one", async () => {
  const { bars, builder, rig, counts } = await playDay();
  expect(inOrder(bars)).toEqual(inOrder(recordedBars()));
  expect(rig.feed.counters).toMatchObject({ badFrames: 0, badEvents: 0, unknownEvents: 0, reconnects: 0 });
  expect(builder.counters).toEqual({
    bars: bars.length,
    lateTrades: 0,
    duplicateBars: 0,
    barMatches: bars.length,
    barMismatches: 0,
    barsMissed: 0,
  });
  expect(counts.aggregates).toBe(bars.length);
  expect(counts.trades).toBeGreaterThan(bars.length);
  expect(counts.quotes).toBeGreaterThan(bars.length);
  // Every frame of market data is in the form the scanner knows; only status frames, one event each, go through JSON.parse.
  expect(rig.feed.slowFrames).toBe(2 + 3 * SYMBOLS.length);
});

test("the venue's REST answers read as they are meant over both transports", async () => {
  const venue = openVenue();
  venue.timeline.advanceTo(session.openUs + 90 * MINUTE_US + 1);
  for (const transport of ["fetch", "sdk"] as const) {
    const rest = new PolygonRest({ url: venue.restUrl, apiKey: API_KEY, transport });
    const tickers = await rest.referenceTickers();
    expect(tickers.map((ticker) => ticker.symbol)).toEqual(
      [...new Set([...day.symbols, ...previousDay.symbols])].sort(),
    );
    expect((await rest.snapshotAll()).length).toBe(tickers.length);
    expect((await rest.groupedDaily(PREVIOUS_DATE)).length).toBe(previousDay.symbols.length);
    expect(await rest.tickerDetails("SPY", PREVIOUS_DATE)).toEqual({ symbol: "SPY", marketCapUsd: null });
    expect(await rest.tickerDetails("NOPE", PREVIOUS_DATE)).toBeNull();
    expect(await rest.vixPreviousClose(DATE)).toBe(12.29);
    expect(await rest.vixLatest()).toBe(12.29);

    const warmup = await rest.warmupBars(SYMBOLS, 200, venue.timeline.nowUs);
    const recorded = recordedBars();
    for (const [slot, bars] of warmup.entries()) {
      expect(bars).toHaveLength(200);
      const today = recorded.filter(
        (bar) => bar.symbol === SYMBOLS[slot] && bar.startUs < session.openUs + 90 * MINUTE_US,
      );
      const tail = bars
        .slice(-today.length)
        .map((bar) => [bar.startUs, ticksFromUsd(bar.open), ticksFromUsd(bar.close), bar.volume]);
      expect(tail).toEqual(today.map((bar) => [bar.startUs, bar.open, bar.close, bar.volume]));
    }
    expect(Object.fromEntries(rest.skipped)).toEqual({});
  }
});

test("a second connection with the key takes the feed over, and the first gives way", async () => {
  const venue = openVenue();
  const [first, second] = [feedRig(venue.socketUrl, {}, SYMBOLS), feedRig(venue.socketUrl, {}, SYMBOLS)];
  cleanups.push(
    () => first.feed.stop(),
    () => second.feed.stop(),
  );
  await first.feed.start(SYMBOLS);
  await second.feed.start(SYMBOLS);
  expect(await first.until("refused")).toContain("another one uses the same key");
  expect(second.statuses.at(-1)!.status).toBe("up");
});

test("a wrong key is refused by the venue", async () => {
  const venue = openVenue();
  const rig = feedRig(venue.socketUrl, { apiKey: "wrong" }, SYMBOLS);
  await expect(rig.feed.start(SYMBOLS)).rejects.toThrow("refused the API key");
  expect(rig.statuses.at(-1)!.status).toBe("refused");
});
