import { expect, test } from "bun:test";
import { Arena } from "../../../src/core/arena.ts";
import { DayRecord, FILL_CAPACITY, MINUTE_COUNT } from "../../../src/engine/day-record.ts";
import { type FingerprintInputs, fillLines, fingerprintOf } from "../../../src/engine/fingerprint.ts";
import { Instruments } from "../../../src/market/instruments.ts";
import { ORDER_ROLE_ENTRY, ORDER_ROLE_TARGET, OrderTable, SIDE_BUY, SIDE_SELL } from "../../../src/market/orders.ts";

const INPUTS: FingerprintInputs = {
  date: "2019-12-18",
  engine: "wasm",
  precision: "fp32",
  modelSha256: "aa",
  configSha256: "bb",
};

function twoFills() {
  const arena = new Arena();
  const instruments = new Instruments(arena);
  const orders = new OrderTable(arena);
  const record = new DayRecord(arena);
  const slot = instruments.add("SPY");
  record.fill(orders.open(slot, SIDE_BUY, ORDER_ROLE_ENTRY, 10), 1_000, 10, 3_200_100, 0);
  record.fill(orders.open(slot, SIDE_SELL, ORDER_ROLE_TARGET, 10), 2_000, 10, 3_210_000, 100);
  return { record, orders, instruments };
}

test("a fill is one line of time, symbol, role, side, shares and price", () => {
  const { record, orders, instruments } = twoFills();
  expect(fillLines(record, orders, instruments)).toEqual([
    "1000 SPY entry buy 10 320.01",
    "2000 SPY target sell 10 321",
  ]);
});

test("anything that made the decisions changes the fingerprint, and nothing else does", () => {
  const lines = ["1000 SPY entry buy 10 320.01"];
  const base = fingerprintOf(INPUTS, lines);
  expect(base).toMatch(/^[0-9a-f]{64}$/);
  expect(fingerprintOf({ ...INPUTS }, [...lines])).toBe(base);
  for (const key of Object.keys(INPUTS) as (keyof FingerprintInputs)[]) {
    expect(fingerprintOf({ ...INPUTS, [key]: "other" }, lines)).not.toBe(base);
  }
  expect(fingerprintOf(INPUTS, ["1000 SPY entry buy 10 320.02"])).not.toBe(base);
  expect(fingerprintOf(INPUTS, [])).not.toBe(base);
});

test("a record that is full counts what it drops and keeps what it has", () => {
  const { record } = twoFills();
  for (let i = 0; i < FILL_CAPACITY; i++) record.fill(0, 3_000 + i, 1, 10_000, 0);
  expect(record.fillCount).toBe(FILL_CAPACITY);
  expect(record.fillsDropped).toBe(2);
  expect(record.fillTsUs[0]).toBe(1_000);
});

test("a minute keeps the close of its last bar, and bars outside the day are left out", () => {
  const { record } = twoFills();
  record.dayStartUs = 0;
  record.bar(1, 60_000_000, 100);
  record.bar(1, 90_000_000, 101);
  record.bar(1, -1, 5);
  record.bar(1, MINUTE_COUNT * 60_000_000, 6);
  expect(record.minuteClosePx[MINUTE_COUNT + 1]).toBe(101);
  expect(record.minuteClosePx.filter((px) => px !== 0)).toHaveLength(1);
});
