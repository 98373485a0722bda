import { beforeEach, expect, test } from "bun:test";
import { Arena } from "../../../src/core/arena.ts";
import { Prices } from "../../../src/market/prices.ts";

const SLOT = 3;
const NOW_US = 1_576_681_200_000_000;

let prices: Prices;
beforeEach(() => {
  prices = new Prices(new Arena());
});

test("the last price is the latest trade's by the venue's time, not by arrival", () => {
  prices.applyTrade(SLOT, 100, NOW_US);
  prices.applyTrade(SLOT, 105, NOW_US - 1);
  expect(prices.lastPxTicks[SLOT]).toBe(1_000_000);
  prices.applyTrade(SLOT, 101, NOW_US);
  expect(prices.lastPxTicks[SLOT]).toBe(1_010_000);
});

test("an old quote does not replace a newer one, and trades and quotes have times of their own", () => {
  prices.applyQuote(SLOT, 99, 101, NOW_US);
  prices.applyQuote(SLOT, 90, 110, NOW_US - 1);
  expect([prices.bidPxTicks[SLOT], prices.askPxTicks[SLOT]]).toEqual([990_000, 1_010_000]);
  prices.applyTrade(SLOT, 100, NOW_US - 1);
  expect(prices.lastPxTicks[SLOT]).toBe(1_000_000);
  expect(prices.tsEventUs[SLOT]).toBe(NOW_US);
});
