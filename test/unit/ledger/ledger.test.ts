import { expect, test } from "bun:test";
import { Arena } from "../../../src/core/arena.ts";
import { Ledger } from "../../../src/ledger/ledger.ts";
import { SIDE_BUY, SIDE_SELL } from "../../../src/market/orders.ts";

function opened(): Ledger {
  const ledger = new Ledger(new Arena());
  ledger.openDay(1_000_000_000);
  return ledger;
}

test("a long bought in two parts and sold in two", () => {
  const ledger = opened();
  ledger.applyFill(4, SIDE_BUY, 10, 1_000_000, 0);
  ledger.applyFill(4, SIDE_BUY, 10, 1_010_000, 0);
  expect([ledger.positionQty[4], ledger.costTicks[4], ledger.costTotalTicks, ledger.positionCount]).toEqual([
    20, 20_100_000, 20_100_000, 1,
  ]);
  expect(ledger.unrealisedTicks(4, 1_020_000)).toBe(300_000);
  ledger.applyFill(4, SIDE_SELL, 5, 1_020_000, 100);
  expect(ledger.realisedPnlTicks[4]).toBe(75_000);
  ledger.applyFill(4, SIDE_SELL, 15, 1_000_000, 100);
  expect([ledger.positionQty[4], ledger.costTicks[4], ledger.positionCount]).toEqual([0, 0, 0]);
  expect(ledger.realisedTotalTicks).toBe(0);
  expect(ledger.cashTicks).toBe(1_000_000_000 - 200);
  expect([ledger.feesTicks[4], ledger.tradedQty[4], ledger.fillCount]).toEqual([200, 40, 4]);
});

test("a short earns when the price falls", () => {
  const ledger = opened();
  ledger.applyFill(0, SIDE_SELL, 10, 500_000, 0);
  expect([ledger.positionQty[0], ledger.costTicks[0]]).toEqual([-10, 5_000_000]);
  expect(ledger.unrealisedTicks(0, 490_000)).toBe(100_000);
  ledger.applyFill(0, SIDE_BUY, 10, 480_000, 0);
  expect(ledger.realisedPnlTicks[0]).toBe(200_000);
});

test("a sale larger than the position closes it and opens a short at the price of the sale", () => {
  const ledger = opened();
  ledger.applyFill(0, SIDE_BUY, 10, 500_000, 0);
  ledger.applyFill(0, SIDE_SELL, 25, 510_000, 0);
  expect([ledger.positionQty[0], ledger.costTicks[0], ledger.realisedPnlTicks[0], ledger.positionCount]).toEqual([
    -15, 7_650_000, 100_000, 1,
  ]);
});

test("a tick that does not divide stays with the open shares", () => {
  const ledger = opened();
  ledger.applyFill(0, SIDE_BUY, 2, 100, 0);
  ledger.applyFill(0, SIDE_BUY, 1, 101, 0);
  ledger.applyFill(0, SIDE_SELL, 1, 100, 0);
  expect([ledger.costTicks[0], ledger.realisedPnlTicks[0]]).toEqual([201, 0]);
});

test("a new day begins flat", () => {
  const ledger = opened();
  ledger.applyFill(0, SIDE_BUY, 10, 500_000, 7);
  ledger.openDay(42);
  expect([
    ledger.cashTicks,
    ledger.positionQty[0],
    ledger.costTotalTicks,
    ledger.feesTotalTicks,
    ledger.positionCount,
  ]).toEqual([42, 0, 0, 0, 0]);
});

test.each([
  ["a side of 0", 0, 1, 1, 0],
  ["no shares", 1, 0, 1, 0],
  ["a fraction of a share", 1, 1.5, 1, 0],
  ["a price that is no number", 1, 1, Number.NaN, 0],
  ["a price of 0", 1, 1, 0, 0],
  ["a fraction of a tick", 1, 1, 1.5, 0],
  ["a fee in fractions", 1, 1, 1, 0.5],
  ["a notional beyond exactness", 1, 1e9, 1e9, 0],
])("%s is a bug, not a booking", (_what, side, qty, pxTicks, feeTicks) => {
  const ledger = opened();
  expect(() => ledger.applyFill(0, side, qty, pxTicks, feeTicks)).toThrow("Invariant");
  expect([ledger.cashTicks, ledger.positionQty[0]]).toEqual([1_000_000_000, 0]);
});
