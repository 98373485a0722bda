import { beforeEach, describe, expect, test } from "bun:test";
import { Arena } from "../../../src/core/arena.ts";
import { EventGate } from "../../../src/engine/event-gate.ts";
import { newYorkTimeUs } from "../../../src/market/calendar.ts";
import { Instruments } from "../../../src/market/instruments.ts";
import { Prices } from "../../../src/market/prices.ts";

const DAY_START_US = newYorkTimeUs("2019-12-18", "04:00");
const NOW_US = newYorkTimeUs("2019-12-18", "10:00");
const MINUTE_US = 60_000_000;

let prices: Prices;
let instruments: Instruments;
let gate: EventGate;
let slot: number;

beforeEach(() => {
  const arena = new Arena();
  prices = new Prices(arena);
  instruments = new Instruments(arena);
  gate = new EventGate(instruments, prices);
  gate.dayStartUs = DAY_START_US;
  slot = instruments.add("SPY");
});

describe("an event's time", () => {
  test.each([
    ["the start of the day", DAY_START_US, true],
    ["just before it", DAY_START_US - 1, false],
    ["now", NOW_US, true],
    ["a minute ahead", NOW_US + MINUTE_US, true],
    ["more than that", NOW_US + MINUTE_US + 1, false],
  ])("%s", (_what, tsUs, isTimely) => {
    expect(gate.isTimely(tsUs, NOW_US)).toBe(isTimely);
  });

  test("is counted where it is refused, early and future apart", () => {
    gate.isTimely(DAY_START_US - 1, NOW_US);
    gate.isTimely(NOW_US + 2 * MINUTE_US, NOW_US);
    gate.isTimely(NOW_US + 3 * MINUTE_US, NOW_US);
    gate.isTimely(NOW_US, NOW_US);
    expect(gate.counters).toEqual({ earlyEvents: 1, futureEvents: 2, absurdTrades: 0 });
  });
});

describe("a trade's price", () => {
  test("any is possible where none is known", () => {
    expect(gate.isPlausible(slot, 0.0001)).toBe(true);
    expect(gate.isPlausible(slot, 10_000_000)).toBe(true);
  });

  test.each([
    [300, true],
    [300.0001, false],
    [33.3334, true],
    [33.3333, false],
  ])("after 100, %d: %p", (px, isPlausible) => {
    prices.applyTrade(slot, 100, NOW_US);
    expect(gate.isPlausible(slot, px)).toBe(isPlausible);
    expect(gate.counters.absurdTrades).toBe(isPlausible ? 0 : 1);
  });

  test("the first of the day is held against the previous close, later ones against the last trade", () => {
    instruments.previousClosePxTicks[slot] = 100 * 10_000;
    expect(gate.isPlausible(slot, 250)).toBe(true);
    expect(gate.isPlausible(slot, 700)).toBe(false);
    prices.applyTrade(slot, 250, NOW_US);
    expect(gate.isPlausible(slot, 700)).toBe(true);
  });
});
