import { expect, test } from "bun:test";
import fc from "fast-check";
import { Arena } from "../../src/core/arena.ts";
import { INSTRUMENT_TYPE_FUND, INSTRUMENT_TYPE_STOCK, Instruments } from "../../src/market/instruments.ts";
import { marketCapTier, PositionSizer, type SizingParams } from "../../src/sizing/position-sizer.ts";

const PARAMS: SizingParams = {
  dailyCapitalUsd: 50_000,
  positionsMax: 20,
  positionFracMax: 0.1,
  tierBoundariesUsd: [200e9, 10e9, 2e9, 300e6],
  tierMultipliers: [1.2, 1.1, 1, 0.9, 0.7],
  winRate: 0.52,
};

function sizerFor(type: number, marketCapUsd: number): PositionSizer {
  const arena = new Arena();
  const instruments = new Instruments(arena);
  const slot = instruments.add("TEST");
  instruments.type[slot] = type;
  instruments.marketCapUsd[slot] = marketCapUsd;
  const sizer = new PositionSizer(arena, PARAMS);
  sizer.prepare(instruments);
  return sizer;
}

const unit = fc.double({ min: 0, max: 1, noNaN: true });

test("a size is whole shares, never above the fraction of available capital, and grows with strength", () => {
  fc.assert(
    fc.property(
      unit,
      unit,
      unit,
      fc.double({ min: 5, max: 90, noNaN: true }),
      fc.integer({ min: 1, max: 10_000_000 }),
      fc.integer({ min: -1_000_000, max: 2_000_000_000 }),
      (strengthA, strengthB, confidence, vix, pxTicks, availableTicks) => {
        const sizer = sizerFor(INSTRUMENT_TYPE_STOCK, 5e9);
        const [weak, strong] = strengthA < strengthB ? [strengthA, strengthB] : [strengthB, strengthA];
        const qty = sizer.qty(0, strong, confidence, vix, pxTicks, availableTicks);
        expect(Number.isInteger(qty)).toBe(true);
        expect(qty).toBeGreaterThanOrEqual(0);
        expect(qty * pxTicks).toBeLessThanOrEqual(Math.max(0, availableTicks) * PARAMS.positionFracMax + 1e-6);
        expect(sizer.qty(0, weak, confidence, vix, pxTicks, availableTicks)).toBeLessThanOrEqual(qty);
      },
    ),
  );
});

test("a base position of 2,500 USD at full strength, 52% and calm markets buys 14 shares of 100 USD", () => {
  // 2,500 x 0.56 (52%, lowest confidence, VIX under 10) = 1,400 USD.
  expect(sizerFor(INSTRUMENT_TYPE_FUND, 0).qty(0, 1, 0, 9, 1_000_000, 1_000_000_000)).toBe(14);
});

test("the market-cap tier multiplies the size, and a fund has multiplier 1", () => {
  const shares = (type: number, cap: number) => sizerFor(type, cap).qty(0, 1, 0, 9, 10_000, 1e12);
  expect(shares(INSTRUMENT_TYPE_STOCK, 300e9)).toBe(1680);
  expect(shares(INSTRUMENT_TYPE_STOCK, 50e9)).toBe(1540);
  expect(shares(INSTRUMENT_TYPE_STOCK, 5e9)).toBe(1400);
  expect(shares(INSTRUMENT_TYPE_STOCK, 1e9)).toBe(1260);
  expect(shares(INSTRUMENT_TYPE_STOCK, 100e6)).toBe(980);
  expect(shares(INSTRUMENT_TYPE_FUND, 0)).toBe(1400);
});

test("a market cap on a boundary is of the larger tier, and an unknown one of the smallest", () => {
  expect(marketCapTier(200e9, PARAMS.tierBoundariesUsd)).toBe(0);
  expect(marketCapTier(199.9e9, PARAMS.tierBoundariesUsd)).toBe(1);
  expect(marketCapTier(0, PARAMS.tierBoundariesUsd)).toBe(4);
});
