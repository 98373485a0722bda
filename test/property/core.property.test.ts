import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { formatTicks, parseTicks, roundPxTicks, ticksFromUsd, usdFromTicks } from "../../src/core/fixed-point.ts";
import { bucketUpperNs, HISTOGRAM_BUCKET_COUNT, Histogram } from "../../src/core/histogram.ts";
import { Prng } from "../../src/core/prng.ts";
import { Timers } from "../../src/core/timers.ts";
import { Timeline } from "../../src/sim/timeline.ts";

describe("ticks", () => {
  const ticks = fc.integer({ min: -1e12, max: 1e12 });
  test("text of ticks reads back as the same ticks", () => {
    fc.assert(fc.property(ticks, (t) => expect(parseTicks(formatTicks(t))).toBe(t === 0 ? 0 : t)));
  });
  test("USD of ticks reads back as the same ticks", () => {
    fc.assert(fc.property(ticks, (t) => expect(ticksFromUsd(usdFromTicks(t))).toBe(t)));
  });
  test.each([
    [1_501_000, "150.1"],
    [12_345, "1.2345"],
    [-100, "-0.01"],
    [0, "0"],
    [10_000, "1"],
    [1, "0.0001"],
  ])("%p ticks are written %p", (t, text) => expect(formatTicks(t)).toBe(text));
  test.each(["", "1e3", "abc", "1.", ".5", "NaN", "--1", "1,000", " 1", "0x10"])("%p is not a decimal", (text) => {
    expect(parseTicks(text)).toBeNaN();
  });
  test("digits beyond a tick are rounded half away from zero", () => {
    expect(parseTicks("150.01665")).toBe(1_500_167);
    expect(parseTicks("-0.00005")).toBe(-1);
    expect(parseTicks("0.000049")).toBe(0);
  });
  test("rounding goes the way asked and lands on the increment", () => {
    fc.assert(
      fc.property(fc.double({ min: 1, max: 1e8, noNaN: true }), (px) => {
        const step = px >= 10_000 ? 100 : 1;
        const down = roundPxTicks(px, -1);
        const up = roundPxTicks(px, 1);
        expect(down).toBeLessThanOrEqual(px);
        expect(up).toBeGreaterThanOrEqual(px);
        expect(up - down).toBeLessThanOrEqual(step);
        expect(down % step).toBe(0);
        expect(up % step).toBe(0);
      }),
    );
  });
});

describe("histogram", () => {
  test("quantiles are within 3.2% above the exact ones", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 10 ** 11 }), { minLength: 1, maxLength: 300 }), (values) => {
        const histogram = new Histogram();
        for (const value of values) histogram.record(value);
        const sorted = values.toSorted((a, b) => a - b);
        for (const q of [0, 0.5, 0.9, 0.99, 1]) {
          const exact = sorted[Math.max(1, Math.ceil(q * sorted.length)) - 1]!;
          const found = histogram.quantileNs(q);
          expect(found).toBeGreaterThanOrEqual(exact);
          expect(found).toBeLessThanOrEqual(Math.max(exact + 1, exact * 1.0323));
        }
        expect(histogram.count).toBe(values.length);
      }),
    );
  });
  test("bucket edges grow without a gap", () => {
    for (let i = 1; i < HISTOGRAM_BUCKET_COUNT; i++) expect(bucketUpperNs(i)).toBeGreaterThan(bucketUpperNs(i - 1));
  });
  test("an absurd duration lands in the last bucket and is counted, and a negative one is 0", () => {
    const histogram = new Histogram();
    histogram.record(1e15);
    histogram.record(-5);
    expect(histogram.overflowCount).toBe(1);
    expect(histogram.minNs).toBe(0);
    expect(histogram.quantileNs(1)).toBe(1e15);
  });
  test("an empty histogram has quantile 0", () => expect(new Histogram().quantileNs(0.5)).toBe(0));
});

describe("random numbers", () => {
  test("the same seed and name give the same stream, another name another", () => {
    const draw = (seed: number, name: string) => {
      const prng = Prng.stream(seed, name);
      return Array.from({ length: 20 }, () => prng.nextU32());
    };
    expect(draw(1, "a")).toEqual(draw(1, "a"));
    expect(draw(1, "a")).not.toEqual(draw(1, "b"));
    expect(draw(1, "a")).not.toEqual(draw(2, "a"));
  });
  test("uniform and normal deviates have their moments", () => {
    const prng = new Prng(7);
    const n = 200_000;
    let sum = 0;
    let normalSum = 0;
    let normalSquares = 0;
    for (let i = 0; i < n; i++) {
      sum += prng.next();
      const z = prng.nextNormal();
      normalSum += z;
      normalSquares += z * z;
    }
    expect(Math.abs(sum / n - 0.5)).toBeLessThan(0.003);
    expect(Math.abs(normalSum / n)).toBeLessThan(0.01);
    expect(Math.abs(normalSquares / n - 1)).toBeLessThan(0.02);
  });
});

test("timers fire in order of time, then of setting, and only when due", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 40 }),
      fc.integer({ min: 0, max: 50 }),
      (times, now) => {
        const timers = new Timers();
        const fired: [number, number][] = [];
        times.forEach((at, index) => void timers.at(at, () => fired.push([at, index])));
        timers.runDue(now);
        const expected = times
          .map((at, index): [number, number] => [at, index])
          .filter(([at]) => at <= now)
          .sort((a, b) => a[0] - b[0] || a[1] - b[1]);
        expect(fired).toEqual(expected);
        const later = times.filter((at) => at > now);
        expect(timers.nextUs()).toBe(later.length > 0 ? Math.min(...later) : Number.POSITIVE_INFINITY);
      },
    ),
  );
});

test("a canceled timer never fires", () => {
  const timers = new Timers();
  const id = timers.at(5, () => expect.unreachable());
  timers.cancel(id);
  timers.runDue(10);
  expect(timers.nextUs()).toBe(Number.POSITIVE_INFINITY);
});

test("the timeline runs tasks by time, priority and insertion, whatever the order they were added in", () => {
  const task = fc.record({
    at: fc.integer({ min: 0, max: 30 }),
    priority: fc.integer({ min: 0, max: 2 }),
    cancel: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(task, { maxLength: 60 }), (tasks) => {
      const timeline = new Timeline(0);
      const ran: number[] = [];
      tasks.forEach(({ at, priority, cancel }, index) => {
        const scheduled = timeline.at(at, priority, (nowUs) => {
          expect(nowUs).toBe(at);
          ran.push(index);
        });
        if (cancel) scheduled.cancel();
      });
      timeline.advanceTo(30);
      const expected = tasks
        .map((value, index) => ({ ...value, index }))
        .filter((value) => !value.cancel)
        .sort((a, b) => a.at - b.at || a.priority - b.priority || a.index - b.index)
        .map((value) => value.index);
      expect(ran).toEqual(expected);
      expect(timeline.nowUs).toBe(30);
    }),
  );
});

test("a timeline task added for the past runs at the present time", () => {
  const timeline = new Timeline(100);
  let ranAt = 0;
  timeline.at(5, 0, (nowUs) => {
    ranAt = nowUs;
  });
  timeline.advanceTo(200);
  expect(ranAt).toBe(100);
});
