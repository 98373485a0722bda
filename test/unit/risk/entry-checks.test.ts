import { beforeEach, describe, expect, test } from "bun:test";
import { Arena } from "../../../src/core/arena.ts";
import { Instruments } from "../../../src/market/instruments.ts";
import { SIDE_BUY, SIDE_SELL } from "../../../src/market/orders.ts";
import { Prices } from "../../../src/market/prices.ts";
import { DENIALS } from "../../../src/risk/denials.ts";
import { EntryChecks, TRADING_ACTIVE, TRADING_HALTED, TRADING_REDUCING } from "../../../src/risk/entry-checks.ts";
import { Exposure } from "../../../src/risk/exposure.ts";

const NOW_US = 1_000_000_000;
const USD = 10_000;

let instruments: Instruments;
let prices: Prices;
let exposure: Exposure;
let checks: EntryChecks;

beforeEach(() => {
  const arena = new Arena();
  instruments = new Instruments(arena);
  prices = new Prices(arena);
  exposure = new Exposure(arena);
  const slot = instruments.add("TEST");
  instruments.isTradable[slot] = 1;
  instruments.isShortable[slot] = 1;
  prices.applyTrade(slot, 100, NOW_US);
  prices.applyQuote(slot, 99.99, 100.01, NOW_US);
  checks = new EntryChecks(instruments, prices, exposure, {
    positionsMax: 2,
    capitalMaxUsd: 5_000,
    notionalMinUsd: 100,
    notionalMaxUsd: 3_000,
    collarBps: 100,
    staleAfterUs: 1_000,
    windowAgeMaxUs: 10_000,
    allowShort: false,
  });
  checks.tradingState = TRADING_ACTIVE;
  checks.entryStartUs = NOW_US;
  checks.entryEndUs = NOW_US + 500_000;
});

const before = (
  over: Partial<{ slot: number; side: number; nowUs: number; ready: boolean; oldest: number; held: number }>,
) => {
  const { slot = 0, side = SIDE_BUY, nowUs = NOW_US, ready = true, oldest = NOW_US, held = 0 } = over;
  return DENIALS[checks.beforeSizing(slot, side, nowUs, ready, oldest, held)]!.code;
};
const after = (qty: number, positions = 0, committedTicks = 0, buyingPowerTicks = 1e9) =>
  DENIALS[checks.afterSizing(qty, 100 * USD, positions, committedTicks, buyingPowerTicks)]!.code;

describe("checks before sizing", () => {
  test("an ordinary entry passes", () => expect(before({})).toBe("OK"));
  test("an unknown symbol is denied", () => {
    expect(before({ slot: -1 })).toBe("SYMBOL_UNKNOWN");
    expect(before({ slot: 1 })).toBe("SYMBOL_UNKNOWN");
  });
  test("halted and reducing states deny", () => {
    checks.tradingState = TRADING_HALTED;
    expect(before({})).toBe("TRADING_HALTED");
    checks.tradingState = TRADING_REDUCING;
    expect(before({})).toBe("REDUCE_ONLY");
  });
  test("the window includes its start and excludes its end", () => {
    expect(before({ nowUs: NOW_US - 1 })).toBe("OUTSIDE_ENTRY_WINDOW");
    expect(before({ nowUs: NOW_US + 500_000 })).toBe("OUTSIDE_ENTRY_WINDOW");
    expect(before({ nowUs: Number.NaN })).toBe("OUTSIDE_ENTRY_WINDOW");
  });
  test("an instrument that is not tradable is denied", () => {
    instruments.isTradable[0] = 0;
    expect(before({})).toBe("NOT_TRADABLE");
  });
  test("a short sale is denied while short sales are off", () =>
    expect(before({ side: SIDE_SELL })).toBe("NOT_SHORTABLE"));
  test("an incomplete window is denied", () => expect(before({ ready: false })).toBe("WARMING_UP"));
  test("an old window is denied", () => {
    expect(before({ oldest: NOW_US - 10_000 })).toBe("OK");
    expect(before({ oldest: NOW_US - 10_001 })).toBe("WINDOW_STALE");
  });
  test("a stale feed is denied", () => {
    expect(before({ nowUs: NOW_US + 1_000, oldest: NOW_US })).toBe("OK");
    expect(before({ nowUs: NOW_US + 1_001, oldest: NOW_US })).toBe("FEED_STALE");
  });
  test("a position or an open entry in the instrument is denied", () => {
    expect(before({ held: 5 })).toBe("POSITION_EXISTS");
    exposure.open(0, 7, 1, USD);
    expect(before({})).toBe("POSITION_EXISTS");
    exposure.close(0);
    expect(before({})).toBe("OK");
  });
  test("no price, a crossed quote or half a quote is denied", () => {
    prices.applyQuote(0, 100.01, 99.99, NOW_US);
    expect(before({})).toBe("PRICE_UNKNOWN");
    prices.applyQuote(0, 0, 100.01, NOW_US);
    expect(before({})).toBe("PRICE_UNKNOWN");
    prices.applyQuote(0, 0, 0, NOW_US);
    expect(before({})).toBe("OK");
    prices.lastPxTicks[0] = 0;
    expect(before({})).toBe("PRICE_UNKNOWN");
  });
  test("a quote farther than the collar from the last trade is denied", () => {
    prices.applyQuote(0, 100.5, 101, NOW_US);
    expect(before({})).toBe("OK");
    prices.applyQuote(0, 100.5, 101.01, NOW_US);
    expect(before({})).toBe("PRICE_OUTSIDE_COLLAR");
  });
});

describe("checks after sizing", () => {
  test("an ordinary size passes", () => expect(after(10)).toBe("OK"));
  test("nothing is its own denial", () => {
    expect(after(0)).toBe("QTY_ROUNDS_TO_ZERO");
    expect(after(Number.NaN)).toBe("QTY_ROUNDS_TO_ZERO");
  });
  test("notional limits include their ends", () => {
    expect(after(1)).toBe("OK");
    expect(after(0.99)).toBe("NOTIONAL_UNDER_MINIMUM");
    expect(after(30)).toBe("OK");
    expect(after(31)).toBe("NOTIONAL_OVER_LIMIT");
  });
  test("positions and open entries count together", () => {
    expect(after(10, 1)).toBe("OK");
    expect(after(10, 2)).toBe("POSITIONS_OVER_LIMIT");
    exposure.open(0, 7, 1, USD);
    expect(after(10, 1)).toBe("POSITIONS_OVER_LIMIT");
  });
  test("cost held and on its way counts against the capital", () => {
    expect(after(10, 1, 4_000 * USD)).toBe("OK");
    expect(after(10, 1, 4_001 * USD)).toBe("CAPITAL_OVER_LIMIT");
    exposure.open(0, 7, 10, 100 * USD);
    expect(after(10, 0, 3_000 * USD)).toBe("OK");
    expect(after(10, 0, 3_001 * USD)).toBe("CAPITAL_OVER_LIMIT");
  });
  test("buying power covers what is reserved and the order", () => {
    expect(after(10, 0, 0, 1_000 * USD)).toBe("OK");
    expect(after(10, 0, 0, 999 * USD)).toBe("BUYING_POWER_EXCEEDED");
  });
});

test("a partly filled entry reserves what is still open, and ending it releases all", () => {
  exposure.open(0, 7, 10, 100 * USD);
  exposure.shrink(0, 4);
  expect(exposure.reservedTotalTicks).toBe(400 * USD);
  exposure.shrink(0, 1);
  expect(exposure.reservedTotalTicks).toBe(100 * USD);
  exposure.close(0);
  exposure.close(0);
  expect(exposure.reservedTotalTicks).toBe(0);
  expect(exposure.entryCount).toBe(0);
});

test("denial codes are unique and each says what to do", () => {
  expect(new Set(DENIALS.map((denial) => denial.code)).size).toBe(DENIALS.length);
  for (const denial of DENIALS) {
    expect(denial.meaning.length).toBeGreaterThan(5);
    expect(denial.remedy.length).toBeGreaterThan(5);
  }
});
