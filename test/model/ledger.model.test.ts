// The ledger against a model that keeps every open share by itself, in bigints.

import { expect, test } from "bun:test";
import fc from "fast-check";
import { Arena } from "../../src/core/arena.ts";
import { Ledger } from "../../src/ledger/ledger.ts";
import { INSTRUMENT_CAPACITY } from "../../src/market/instruments.ts";

const SLOTS = 3;

interface Fill {
  readonly slot: number;
  readonly side: number;
  readonly qty: number;
  readonly pxTicks: number;
  readonly feeTicks: number;
}

/** Cash and shares, nothing averaged: what must be conserved however cost is told apart. */
class Model {
  cash: bigint;
  fees = 0n;
  readonly held = Array.from({ length: SLOTS }, () => 0n);
  constructor(cashTicks: number) {
    this.cash = BigInt(cashTicks);
  }
  apply({ slot, side, qty, pxTicks, feeTicks }: Fill): void {
    this.cash -= BigInt(side) * BigInt(qty) * BigInt(pxTicks) + BigInt(feeTicks);
    this.fees += BigInt(feeTicks);
    this.held[slot]! += BigInt(side) * BigInt(qty);
  }
}

const fill = fc.record({
  slot: fc.nat({ max: SLOTS - 1 }),
  side: fc.constantFrom(1, -1),
  qty: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 100_000 })),
  pxTicks: fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 50_000_000 })),
  feeTicks: fc.nat({ max: 50_000 }),
});

const lastPx = fc.array(fc.integer({ min: 1, max: 50_000_000 }), { minLength: SLOTS, maxLength: SLOTS });

test("cash, positions, cost and profit are conserved to the tick through any fills, flips included", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 1e12 }),
      fc.array(fill, { maxLength: 60 }),
      lastPx,
      (cashTicks, fills, marks) => {
        const ledger = new Ledger(new Arena());
        ledger.openDay(cashTicks);
        const model = new Model(cashTicks);
        const pxTicks = new Float64Array(INSTRUMENT_CAPACITY);
        pxTicks.set(marks);
        for (const each of fills) {
          ledger.applyFill(each.slot, each.side, each.qty, each.pxTicks, each.feeTicks);
          model.apply(each);
          expect(BigInt(ledger.cashTicks)).toBe(model.cash);
          let cost = 0;
          let positions = 0;
          let equity = model.cash;
          let exposure = 0n;
          let profit = BigInt(ledger.realisedTotalTicks);
          for (let slot = 0; slot < SLOTS; slot++) {
            const held = ledger.positionQty[slot]!;
            expect(BigInt(held)).toBe(model.held[slot]!);
            expect(Number.isSafeInteger(ledger.costTicks[slot]!)).toBe(true);
            expect(ledger.costTicks[slot]).toBeGreaterThanOrEqual(0);
            if (held === 0) expect(ledger.costTicks[slot]).toBe(0);
            cost += ledger.costTicks[slot]!;
            positions += held === 0 ? 0 : 1;
            equity += BigInt(held) * BigInt(marks[slot]!);
            exposure += BigInt(Math.abs(held)) * BigInt(marks[slot]!);
            profit += BigInt(ledger.unrealisedTicks(slot, marks[slot]!));
          }
          expect(ledger.costTotalTicks).toBe(cost);
          expect(ledger.positionCount).toBe(positions);
          expect(BigInt(ledger.feesTotalTicks)).toBe(model.fees);
          expect(BigInt(ledger.equityTicks(pxTicks))).toBe(equity);
          expect(BigInt(ledger.exposureTicks(pxTicks))).toBe(exposure);
          // Opening cash + realised + unrealised - fees = equity.
          expect(BigInt(cashTicks) + profit - model.fees).toBe(equity);
        }
      },
    ),
    { numRuns: 500 },
  );
});

test("closing everything leaves profit equal to the cash gained and no cost behind", () => {
  fc.assert(
    fc.property(fc.array(fill, { minLength: 1, maxLength: 30 }), (fills) => {
      const ledger = new Ledger(new Arena());
      ledger.openDay(0);
      for (const { slot, side, qty, pxTicks } of fills) ledger.applyFill(slot, side, qty, pxTicks, 0);
      for (let slot = 0; slot < SLOTS; slot++) {
        const held = ledger.positionQty[slot]!;
        if (held !== 0) ledger.applyFill(slot, held > 0 ? -1 : 1, Math.abs(held), 12_345, 0);
      }
      expect(ledger.costTotalTicks).toBe(0);
      expect(ledger.positionCount).toBe(0);
      expect(ledger.realisedTotalTicks).toBe(ledger.cashTicks);
    }),
  );
});

test("the cost taken out by a partial close is within a tick of the average", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 1_000_000 }),
      fc.integer({ min: 1, max: 5_000_000 }),
      fc.integer({ min: 1, max: 1_000_000 }),
      fc.integer({ min: 1, max: 5_000_000 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (qtyA, pxA, qtyB, pxB, part) => {
        const ledger = new Ledger(new Arena());
        ledger.openDay(0);
        ledger.applyFill(0, 1, qtyA, pxA, 0);
        ledger.applyFill(0, 1, qtyB, pxB, 0);
        const qty = qtyA + qtyB;
        const cost = BigInt(qtyA) * BigInt(pxA) + BigInt(qtyB) * BigInt(pxB);
        const closed = Math.max(1, Math.min(qty - 1, Math.floor(part * qty)));
        ledger.applyFill(0, -1, closed, 100, 0);
        const taken = cost - BigInt(ledger.costTicks[0]!);
        expect(taken).toBe((cost * BigInt(closed)) / BigInt(qty));
      },
    ),
  );
});
