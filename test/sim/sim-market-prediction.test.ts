// What has happened inside a simulated minute must not tell what is still to come in it. Over every bar of the sample, at
// several fractions of the minute: the rest of the bar against the part so far, for trades and for the mid of the quotes.
// The same yardstick is then laid on paths known to leak; it must catch every one of them.

import { describe, expect, test } from "bun:test";
import { Prng } from "../../src/core/prng.ts";
import type { DayBars } from "../../src/market/flat-file.ts";
import {
  calibrateIntrabar,
  type IntrabarCalibration,
  IntrabarPath,
  minuteSeed,
  symbolSeedHash,
} from "../../src/sim/market/intrabar.ts";
import { MINUTE_US, makeTape, sampleDays } from "../support/sim-market.ts";

const FRACTIONS = [0.1, 0.25, 0.5, 0.75, 0.9];

/** Correlation of the rest of the bar with the part so far. Over 80,000 bars chance alone stays within 0.02. */
const CORRELATION_MAX = 0.03;
/** How far the share of bars that go on (of those that move) may be from one half. */
const CONTINUED_FRAC_TOLERANCE = 0.04;
/** Both in standard errors: beyond 4 chance has one case in 16,000. */
const STANDARD_ERRORS_MAX = 4;

/** Price at a moment of a bar, ticks; NaN before its first trade. */
type PriceAt = (row: number, offsetUs: number) => number;

class Yardstick {
  #products = 0;
  #productsSquared = 0;
  #soFarSquared = 0;
  #restSquared = 0;
  #continued = 0;
  #reversed = 0;

  /** One bar at one moment: log-return-like moves so far and still to come. */
  add(soFar: number, rest: number): void {
    const product = soFar * rest;
    this.#products += product;
    this.#productsSquared += product * product;
    this.#soFarSquared += soFar * soFar;
    this.#restSquared += rest * rest;
    if (product > 0) this.#continued += 1;
    if (product < 0) this.#reversed += 1;
  }

  get correlation(): number {
    return this.#products / Math.sqrt(this.#soFarSquared * this.#restSquared);
  }
  /** Mean product of the two moves in its own standard errors: whether there is a slope at all. */
  get slopeStandardErrors(): number {
    return this.#productsSquared === 0 ? 0 : this.#products / Math.sqrt(this.#productsSquared);
  }
  get movedCount(): number {
    return this.#continued + this.#reversed;
  }
  get continuedFrac(): number {
    return this.#continued / this.movedCount;
  }
  get signStandardErrors(): number {
    return (this.#continued - this.#reversed) / Math.sqrt(this.movedCount);
  }

  /** What is wrong with a price path, in words; nothing where the past of a bar says nothing about its rest. */
  findings(): string[] {
    const found: string[] = [];
    if (Math.abs(this.correlation) > CORRELATION_MAX) found.push(`correlation ${this.correlation.toFixed(3)}`);
    if (Math.abs(this.slopeStandardErrors) > STANDARD_ERRORS_MAX) {
      found.push(`slope of ${this.slopeStandardErrors.toFixed(1)} standard errors`);
    }
    if (Math.abs(this.continuedFrac - 0.5) > CONTINUED_FRAC_TOLERANCE) {
      found.push(`${(this.continuedFrac * 100).toFixed(1)}% of moves go on`);
    }
    if (Math.abs(this.signStandardErrors) > STANDARD_ERRORS_MAX) {
      found.push(`signs of ${this.signStandardErrors.toFixed(1)} standard errors`);
    }
    return found;
  }
}

/** Measures a path over the bars for which `isTaken` holds, at each fraction of the minute. */
function measure(day: DayBars, priceAt: PriceAt, isTaken: (row: number) => boolean = () => true): Yardstick[] {
  return FRACTIONS.map((fraction) => {
    const yardstick = new Yardstick();
    for (let row = 0; row < day.startUs.length; row++) {
      const first = priceAt(row, Number.NEGATIVE_INFINITY);
      const now = priceAt(row, fraction * MINUTE_US);
      const last = priceAt(row, MINUTE_US);
      if (isTaken(row) && !Number.isNaN(now)) yardstick.add((now - first) / first, (last - now) / first);
    }
    return yardstick;
  });
}

function findings(yardsticks: readonly Yardstick[]): string[] {
  return yardsticks.flatMap((yardstick, i) => yardstick.findings().map((found) => `at ${FRACTIONS[i]}: ${found}`));
}

/** Steps of a price inside each bar of a day. */
class Steps {
  readonly #offsets: number[][] = [];
  readonly #prices: number[][] = [];

  add(row: number, offsetUs: number, px: number): void {
    this.#offsets[row] ??= [];
    this.#prices[row] ??= [];
    this.#offsets[row].push(offsetUs);
    this.#prices[row].push(px);
  }

  /** -Infinity asks for the first price of the bar. */
  readonly priceAt: PriceAt = (row, offsetUs) => {
    const offsets = this.#offsets[row];
    if (offsets === undefined) return Number.NaN;
    if (offsetUs === Number.NEGATIVE_INFINITY) return this.#prices[row]![0]!;
    const next = offsets.findIndex((offset) => offset > offsetUs);
    const at = next < 0 ? offsets.length - 1 : next - 1;
    return at < 0 ? Number.NaN : this.#prices[row]![at]!;
  };
}

/** Plays the whole day on a tape and keeps trades and mids by bar. */
function playDay(day: DayBars, previousDay: DayBars, seed: number): { trades: PriceAt; mids: PriceAt } {
  const startUs = day.startUs.reduce((first, startUs) => Math.min(first, startUs), Number.POSITIVE_INFINITY);
  const { timeline, tape } = makeTape({ day, previousDay, seed, startUs });
  const trades = new Steps();
  const mids = new Steps();
  const rowOf = day.symbols.map((_, slot) => {
    const first = day.firstRow[slot]!;
    const rows = Array.from({ length: day.rowCount[slot]! }, (_, i) => [day.startUs[first + i]!, first + i] as const);
    return new Map(rows);
  });
  tape.addListener({
    onTrade(slot, pxTicks, _qty, tsUs) {
      const minuteUs = Math.floor(tsUs / MINUTE_US) * MINUTE_US;
      trades.add(rowOf[slot]!.get(minuteUs)!, tsUs - minuteUs, pxTicks);
    },
    onQuote(slot, bid, ask, tsUs) {
      const minuteUs = Math.floor(tsUs / MINUTE_US) * MINUTE_US;
      mids.add(rowOf[slot]!.get(minuteUs)!, tsUs - minuteUs, (bid + ask) / 2);
    },
  });
  for (let slot = 0; slot < day.symbols.length; slot++) tape.activate(slot);
  timeline.advanceTo(day.startUs.reduce((last, startUs) => Math.max(last, startUs), 0) + MINUTE_US);
  return { trades: trades.priceAt, mids: mids.priceAt };
}

/** The paths of a day under a calibration of the test's choosing. */
function drawDay(day: DayBars, calibration: IntrabarCalibration): PriceAt {
  const steps = new Steps();
  const path = new IntrabarPath(6);
  day.symbols.forEach((symbol, slot) => {
    for (let row = day.firstRow[slot]!; row < day.firstRow[slot]! + day.rowCount[slot]!; row++) {
      const prng = new Prng(minuteSeed(1, symbolSeedHash(symbol), day.startUs[row]!));
      const count = path.draw(day, row, slot, calibration, true, prng);
      for (let i = 0; i < count; i++) steps.add(row, path.offsetUs[i]!, path.pxTicks[i]!);
    }
  });
  return steps.priceAt;
}

const { day, previousDay } = await sampleDays();

describe.each([
  { name: "the traded day", bars: day, before: previousDay, seed: 1 },
  { name: "the traded day, another seed", bars: day, before: previousDay, seed: 20_191_218 },
  { name: "the day before", bars: previousDay, before: day, seed: 1 },
])("$name, all symbols", ({ bars, before, seed }) => {
  const played = playDay(bars, before, seed);

  test("trades so far predict neither the size nor the sign of the rest of the bar", () => {
    const yardsticks = measure(bars, played.trades);
    expect(findings(yardsticks)).toEqual([]);
    // Half-way through, the sample has thousands of bars that have moved and will move again: enough to see a leak.
    expect(yardsticks[2]!.movedCount).toBeGreaterThan(5_000);
  });

  test("neither does the mid of the quotes", () => {
    expect(findings(measure(bars, played.mids))).toEqual([]);
  });

  test("neither do trades of liquid, of thin, of cheap or of dear symbols alone", () => {
    const slotOfRow = new Int32Array(bars.startUs.length);
    bars.symbols.forEach((_, slot) => {
      slotOfRow.fill(slot, bars.firstRow[slot]!, bars.firstRow[slot]! + bars.rowCount[slot]!);
    });
    const half = (measureOf: (row: number) => number): ((row: number) => boolean) => {
      const sorted = Float64Array.from(bars.startUs, (_, row) => measureOf(row)).sort();
      const median = sorted[sorted.length >> 1]!;
      return (row) => measureOf(row) < median;
    };
    const isThin = half((row) => bars.rowCount[slotOfRow[row]!]!);
    const isCheap = half((row) => bars.openPxTicks[row]!);
    for (const isTaken of [isThin, isCheap]) {
      const both = [isTaken, (row: number) => !isTaken(row)].map((side) => measure(bars, played.trades, side)[2]!);
      expect(both.map((yardstick) => Math.abs(yardstick.slopeStandardErrors) < STANDARD_ERRORS_MAX)).toEqual([
        true,
        true,
      ]);
      expect(both.map((yardstick) => Math.abs(yardstick.signStandardErrors) < STANDARD_ERRORS_MAX)).toEqual([
        true,
        true,
      ]);
    }
  });
});

describe("the yardstick catches a path that leaks", () => {
  const price = (row: number, index: number): number =>
    [day.openPxTicks, day.highPxTicks, day.lowPxTicks, day.closePxTicks][index]![row]!;

  test("open, both extremes in random order, close at even times: what moved comes back", () => {
    const coin = Uint8Array.from(day.startUs, () => 0);
    const prng = new Prng(7);
    for (let row = 0; row < coin.length; row++) coin[row] = prng.nextInt(2);
    const priceAt: PriceAt = (row, offsetUs) => {
      const step = Math.min(3, Math.max(0, Math.floor((offsetUs / MINUTE_US) * 4)));
      return price(row, step === 0 ? 0 : step === 3 ? 3 : (step === 1) === (coin[row] === 1) ? 1 : 2);
    };
    const half = measure(day, priceAt)[2]!;
    expect(half.findings().length).toBe(4);
    expect(half.correlation).toBeLessThan(-0.3);
  });

  test("a straight line from open to close: what moved goes on", () => {
    const priceAt: PriceAt = (row, offsetUs) =>
      price(row, 0) + (price(row, 3) - price(row, 0)) * Math.min(1, Math.max(0, offsetUs / MINUTE_US));
    const half = measure(day, priceAt)[2]!;
    expect(half.findings().length).toBe(4);
    expect(half.continuedFrac).toBe(1);
  });

  test("our own path without its calibration, resting wherever it can", () => {
    const calibration = calibrateIntrabar(day, 6);
    calibration.extremeRestProb.fill(1);
    calibration.betweenRestProb.fill(1);
    const half = measure(day, drawDay(day, calibration))[2]!;
    expect(half.findings().length).toBe(4);
    expect(half.correlation).toBeLessThan(-0.05);
  });

  test("our own path with one bar in five at the middle of open and close while it lasts", () => {
    const { trades } = playDay(day, previousDay, 1);
    const prng = new Prng(11);
    const isTold = Uint8Array.from(day.startUs, () => (prng.next() < 0.2 ? 1 : 0));
    const priceAt: PriceAt = (row, offsetUs) => {
      if (isTold[row] === 0 || !(offsetUs > 0) || offsetUs >= MINUTE_US) return trades(row, offsetUs);
      return (price(row, 0) + price(row, 3)) / 2;
    };
    expect(measure(day, priceAt)[2]!.findings()).not.toEqual([]);
  });
});
