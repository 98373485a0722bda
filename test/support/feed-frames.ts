// Frames in the venue's own form, and what a parser made of them as plain rows.

import { Arena } from "../../src/core/arena.ts";
import type { FeedCounters } from "../../src/feed/feed.ts";
import { FrameParser } from "../../src/feed/polygon/parse.ts";
import {
  MARKET_EVENT_MINUTE_BAR,
  MARKET_EVENT_QUOTE,
  MARKET_EVENT_SECOND_BAR,
  MARKET_EVENT_TRADE,
  MarketEventRing,
} from "../../src/market/events.ts";
import { Instruments } from "../../src/market/instruments.ts";

/** 2019-12-18 10:00 in New York, epoch ms. */
export const FRAME_TS_MS = 1_576_681_200_000;

export type Fields = Record<string, unknown>;

export function tradeFields(symbol: string, over: Fields = {}): Fields {
  const usual = {
    ev: "T",
    sym: symbol,
    x: 4,
    i: "12345",
    z: 3,
    p: 114.125,
    s: 100,
    c: [0, 12],
    t: FRAME_TS_MS,
    q: 3681328,
  };
  return { ...usual, ...over };
}

export function quoteFields(symbol: string, over: Fields = {}): Fields {
  const usual = {
    ev: "Q",
    sym: symbol,
    bx: 4,
    bp: 114.12,
    bs: 3,
    ax: 7,
    ap: 114.13,
    as: 5,
    c: 0,
    i: [604],
    t: FRAME_TS_MS,
    q: 5,
    z: 3,
  };
  return { ...usual, ...over };
}

export function barFields(symbol: string, over: Fields = {}): Fields {
  const usual = {
    ev: "AM",
    sym: symbol,
    v: 4110,
    av: 9470157,
    op: 0.4372,
    vw: 114.2,
    o: 114.1,
    c: 114.3,
    h: 114.4,
    l: 114,
    a: 113.9,
    z: 685,
  };
  return { ...usual, s: FRAME_TS_MS, e: FRAME_TS_MS + 60_000, ...over };
}

export interface ParserRig {
  readonly ring: MarketEventRing;
  readonly instruments: Instruments;
  readonly counters: FeedCounters;
  readonly parser: FrameParser;
  readonly statuses: string[];
}

export function newCounters(): FeedCounters {
  return { frames: 0, events: 0, unknownEvents: 0, badEvents: 0, badFrames: 0, reconnects: 0 };
}

export function parserRig(symbols: readonly string[] = ["AAPL", "MSFT", "BRK.B"]): ParserRig {
  const arena = new Arena();
  const ring = new MarketEventRing(arena);
  const instruments = new Instruments(arena);
  for (const symbol of symbols) instruments.add(symbol);
  const counters = newCounters();
  const parser = new FrameParser(ring, instruments, counters);
  const statuses: string[] = [];
  parser.onStatusEvent = (status, message) => statuses.push(`${status}: ${message}`);
  return { ring, instruments, counters, parser, statuses };
}

/** Takes every waiting row out of the ring, with only the columns that its kind uses. */
export function takeRows(ring: MarketEventRing): Fields[] {
  const rows: Fields[] = [];
  for (; ring.tail < ring.head; ring.tail++) rows.push(rowAt(ring, ring.tail & ring.mask));
  return rows;
}

function rowAt(ring: MarketEventRing, i: number): Fields {
  const common = { slot: ring.slot[i], tsUs: ring.tsVenueUs[i], recvNs: ring.tsRecvNs[i] };
  const sides = { bidPx: ring.bidPx[i], askPx: ring.askPx[i], bidLots: ring.bidLots[i], askLots: ring.askLots[i] };
  const trade = { px: ring.px[i], qty: ring.qty[i] };
  switch (ring.kind[i]) {
    case MARKET_EVENT_TRADE:
      return { kind: "trade", ...common, ...trade };
    case MARKET_EVENT_QUOTE:
      return { kind: "quote", ...common, ...sides };
    case MARKET_EVENT_MINUTE_BAR:
      return { kind: "minute bar", ...common, ...trade, ...sides };
    case MARKET_EVENT_SECOND_BAR:
      return { kind: "second bar", ...common, ...trade, ...sides };
    default:
      return { kind: `unknown ${ring.kind[i]}` };
  }
}
