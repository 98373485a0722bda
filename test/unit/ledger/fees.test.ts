import { expect, test } from "bun:test";
import fc from "fast-check";
import { DayFees, feeRatesOn, feesTicks } from "../../../src/ledger/fees.ts";
import { SIDE_BUY, SIDE_SELL } from "../../../src/market/orders.ts";

const USD = 10_000;

test.each([
  // date, SEC cents per million, TAF and its cap in billionths, CAT in billionths
  ["2014-03-18", 2210, 119_000, 5_950_000_000, 0],
  ["2018-05-21", 2310, 119_000, 5_950_000_000, 0],
  ["2018-05-22", 1300, 119_000, 5_950_000_000, 0],
  ["2019-12-18", 2070, 119_000, 5_950_000_000, 0],
  ["2020-02-17", 2070, 119_000, 5_950_000_000, 0],
  ["2020-02-18", 2210, 119_000, 5_950_000_000, 0],
  ["2021-02-25", 510, 119_000, 5_950_000_000, 0],
  ["2024-09-30", 2780, 166_000, 8_300_000_000, 35_000],
  ["2025-05-14", 0, 166_000, 8_300_000_000, 48_000],
  ["2026-11-20", 2060, 195_000, 9_790_000_000, 48_000],
])("the rates of %s", (date, sec, taf, cap, cat) => {
  expect(feeRatesOn(date)).toEqual({
    secCentsPerMillionUsd: sec,
    tafNanoUsdPerShare: taf,
    tafCapNanoUsd: cap,
    catNanoUsdPerShare: cat,
  });
});

test("a sale of 100 shares at 320 USD in 2019: SEC 0.6624 up to 0.67, TAF 0.0119 up to 0.02", () => {
  expect(feesTicks("2019-12-18", SIDE_SELL, 100, 100 * 320 * USD)).toBe(6_900);
});

test("a purchase costs nothing before the audit trail was charged for", () => {
  expect(feesTicks("2019-12-18", SIDE_BUY, 100, 100 * 320 * USD)).toBe(0);
  expect(feesTicks("2024-12-18", SIDE_BUY, 1_000, 1_000 * 320 * USD)).toBe(500);
});

test("the activity fee stops at its cap for each trade", () => {
  const day = new DayFees("2025-06-02");
  // 100,000 shares would be 16.60 and are 8.30; the audit trail takes 4.80.
  expect(day.add(SIDE_SELL, 100_000, 100_000 * USD)).toBe(131_000);
});

test("the fees of a day's fills add up to the day's totals rounded up once", () => {
  const fill = fc.record({
    side: fc.constantFrom(SIDE_BUY, SIDE_SELL),
    qty: fc.integer({ min: 1, max: 20_000 }),
    pxTicks: fc.integer({ min: 1, max: 10_000_000 }),
  });
  fc.assert(
    fc.property(
      fc.constantFrom("2019-12-18", "2024-11-01", "2026-06-01"),
      fc.array(fill, { maxLength: 80 }),
      (date, fills) => {
        const rates = feeRatesOn(date);
        const day = new DayFees(date);
        let charged = 0;
        let sec = 0n;
        let taf = 0n;
        let cat = 0n;
        for (const { side, qty, pxTicks } of fills) {
          const added = day.add(side, qty, qty * pxTicks);
          expect(added).toBeGreaterThanOrEqual(0);
          expect(added % 100).toBe(0);
          charged += added;
          cat += BigInt(qty) * BigInt(rates.catNanoUsdPerShare);
          if (side !== SIDE_SELL) continue;
          sec += BigInt(qty) * BigInt(pxTicks) * BigInt(rates.secCentsPerMillionUsd);
          const uncapped = qty * rates.tafNanoUsdPerShare;
          taf += BigInt(Math.min(uncapped, rates.tafCapNanoUsd));
        }
        const up = (value: bigint, unit: bigint): bigint => (value + unit - 1n) / unit;
        const cents = up(sec, 10_000_000_000n) + up(taf, 10_000_000n) + up(cat, 10_000_000n);
        expect(BigInt(charged)).toBe(cents * 100n);
        expect(day.totalTicks).toBe(charged);
      },
    ),
  );
});

test("no date before the tables and no text that is no date", () => {
  expect(() => feeRatesOn("2014-03-17")).toThrow("2014-03-18");
  expect(() => feeRatesOn("18.12.2019")).toThrow("YYYY-MM-DD");
});
