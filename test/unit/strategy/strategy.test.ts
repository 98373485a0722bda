import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { OUTPUT_STRIDE } from "../../../src/inference/engine.ts";
import { Bracket } from "../../../src/strategy/bracket.ts";
import { cnnSignal } from "../../../src/strategy/cnn-rule.ts";
import {
  consistencyFilter,
  FILTER_CLOSE_LOCATION_ADVERSE,
  FILTER_EXTENDED,
  FILTER_MOMENTUM_INCONSISTENT,
  FILTER_PASS,
  FILTER_SPREAD_WIDE,
  FILTER_VIX_BLOCKED,
  timingFilter,
  vixGate,
} from "../../../src/strategy/filters.ts";
import { momentumSignal } from "../../../src/strategy/momentum-rule.ts";
import { Signal } from "../../../src/strategy/signal.ts";

/** Volatility 0.001 a bar: one deviation over 20 bars is 0.00447. */
function momentum(
  r20: number,
  over: Partial<Record<"r5" | "vol" | "macd" | "rsi" | "vwap" | "imbalance", number>> = {},
) {
  const signal = new Signal();
  const sign = Math.sign(r20);
  const { r5 = sign, vol = 0.001, macd = sign, rsi = sign, vwap = sign, imbalance = sign } = over;
  momentumSignal(r5, r20, vol, macd, rsi, vwap, imbalance, 1.5, signal);
  return signal;
}

describe("momentum rule", () => {
  test("a return of 1.5 deviations is the first that signals, at half strength", () => {
    expect(momentum(0.0067).direction).toBe(0);
    const signal = momentum(0.0068);
    expect(signal.direction).toBe(1);
    expect(signal.strength).toBeGreaterThan(0.5);
    expect(signal.strength).toBeLessThan(0.52);
  });
  test("strength saturates at twice the threshold", () => expect(momentum(0.1).strength).toBe(1));
  test("a fall signals a sale", () => expect(momentum(-0.01).direction).toBe(-1));
  test("a MACD histogram against the move, or none, gives no signal", () => {
    expect(momentum(0.01, { macd: -1 }).direction).toBe(0);
    expect(momentum(0.01, { macd: 0 }).direction).toBe(0);
  });
  test("confidence is the share of the four signs that agree", () => {
    expect(momentum(0.01).confidence).toBe(1);
    expect(momentum(0.01, { r5: -1 }).confidence).toBe(0.75);
    expect(momentum(0.01, { r5: -1, vwap: 0, rsi: -1, imbalance: -1 }).confidence).toBe(0);
  });
  test("a constant price gives no signal, and neither does NaN", () => {
    expect(momentum(0, { vol: 0 }).direction).toBe(0);
    expect(momentum(Number.NaN).direction).toBe(0);
    expect(momentum(0.01, { vol: Number.NaN }).direction).toBe(0);
  });
  test("mirrored inputs give the mirrored signal", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 6, maxLength: 6 }), (v) => {
        const [r5, r20, macd, rsi, vwap, imbalance] = v as [number, number, number, number, number, number];
        const a = new Signal();
        const b = new Signal();
        momentumSignal(r5, r20, 0.01, macd, rsi, vwap, imbalance, 1.5, a);
        momentumSignal(-r5, -r20, 0.01, -macd, -rsi, -vwap, -imbalance, 1.5, b);
        expect(b.direction).toBe(a.direction === 0 ? 0 : -a.direction);
        expect(b.strength).toBe(a.strength);
        expect(b.confidence).toBe(a.confidence);
      }),
    );
  });
});

describe("network signal", () => {
  const signalOf = (sell: number, hold: number, buy: number, momentumHead: number) => {
    const out = new Float32Array(2 * OUTPUT_STRIDE);
    out.set([sell, hold, buy, 0.5, momentumHead], OUTPUT_STRIDE);
    const signal = new Signal();
    cnnSignal(out, OUTPUT_STRIDE, 0.45, signal);
    return signal;
  };
  test("the likelier side signals with the strength of the momentum head", () => {
    const signal = signalOf(0.1, 0.3, 0.6, 0.4);
    expect(signal.direction).toBe(1);
    expect(signal.strength).toBeCloseTo(0.4, 6);
    expect(signal.confidence).toBeCloseTo(0.4, 6);
  });
  test.each([
    ["below the least probability", 0.2, 0.36, 0.44, 0.5],
    ["below hold", 0.01, 0.5, 0.49, 0.5],
    ["against the momentum head", 0.1, 0.3, 0.6, -0.4],
    ["with a momentum head of zero", 0.1, 0.3, 0.6, 0],
    ["NaN", Number.NaN, Number.NaN, Number.NaN, Number.NaN],
  ])("no signal %s", (_name, sell, hold, buy, head) => {
    expect(signalOf(sell, hold, buy, head).direction).toBe(0);
  });
});

describe("filters", () => {
  test("VIX above the level, or unknown, blocks", () => {
    expect(vixGate(35, 35)).toBe(FILTER_PASS);
    expect(vixGate(35.01, 35)).toBe(FILTER_VIX_BLOCKED);
    expect(vixGate(Number.NaN, 35)).toBe(FILTER_VIX_BLOCKED);
  });
  test("three of five bars are consistent, two are not", () => {
    expect(consistencyFilter(3, 5, 0.6)).toBe(FILTER_PASS);
    expect(consistencyFilter(2, 5, 0.6)).toBe(FILTER_MOMENTUM_INCONSISTENT);
  });
  test.each([
    ["near VWAP, closing high, tight", 100.2, 100, 0.1, 0.5, 5, FILTER_PASS],
    ["three ATR away is the last that passes", 100.3, 100, 0.1, 0.5, 5, FILTER_PASS],
    ["farther", 100.31, 100, 0.1, 0.5, 5, FILTER_EXTENDED],
    ["closing on the low", 100.2, 100, 0.1, -0.5, 5, FILTER_CLOSE_LOCATION_ADVERSE],
    ["a wide spread", 100.2, 100, 0.1, 0.5, 16, FILTER_SPREAD_WIDE],
    ["an unknown spread", 100.2, 100, 0.1, 0.5, Number.NaN, FILTER_PASS],
  ])("long entry %s", (_name, close, vwap, atr, location, spread, expected) => {
    expect(timingFilter(1, close, vwap, atr, location, spread, 3.0000001, 0, 15)).toBe(expected);
    const mirrored = timingFilter(-1, 2 * vwap - close, vwap, atr, -location, spread, 3.0000001, 0, 15);
    expect(mirrored).toBe(expected);
  });
});

describe("bracket", () => {
  test("stop and target stand at 1:2 around the entry, on whole cents", () => {
    const bracket = new Bracket();
    expect(bracket.place(1, 1_000_000, 0.1, 3, 20, 2)).toBe(true);
    expect(bracket.stopPxTicks).toBe(997_000);
    expect(bracket.targetPxTicks).toBe(1_006_000);
  });
  test("the floor in basis points holds where the range is small", () => {
    const bracket = new Bracket();
    bracket.place(1, 1_000_000, 0.0001, 3, 20, 2);
    expect(bracket.stopPxTicks).toBe(998_000);
  });
  test("a stop at or below zero is refused", () => {
    expect(new Bracket().place(1, 10_000, 1, 3, 20, 2)).toBe(false);
    expect(new Bracket().place(-1, 10_000, 0.4, 2, 20, 2)).toBe(false);
  });
  test("prices are on the increment, on the right sides, and rounding never tightens", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(1, -1),
        fc.integer({ min: 20_000, max: 10_000_000 }),
        fc.double({ min: 0.0001, max: 0.1, noNaN: true }),
        (side, entry, atr) => {
          const bracket = new Bracket();
          if (!bracket.place(side, entry, atr, 3, 20, 2)) return;
          const distance = Math.max(3 * atr * 10_000, (entry * 20) / 10_000);
          expect(bracket.stopPxTicks % 100).toBe(0);
          expect(bracket.targetPxTicks % 100).toBe(0);
          expect((entry - bracket.stopPxTicks) * side).toBeGreaterThanOrEqual(distance - 1e-6);
          expect((bracket.targetPxTicks - entry) * side).toBeGreaterThanOrEqual(2 * distance - 1e-6);
          expect((entry - bracket.stopPxTicks) * side).toBeLessThan(distance + 100);
        },
      ),
    );
  });
});
