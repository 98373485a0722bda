// The doubts that stand beside a result: intervals, slippage, exits, what was held.

import { describe, expect, test } from "bun:test";
import { capitalAtWork, evidenceOf, extremeTrade, wilson } from "../../../src/observe/evidence.ts";
import type { ReportFill, ReportTrade } from "../../../src/observe/run-report.ts";
import { emptyReport, OPEN_US, tradedReport } from "../../support/run-report.ts";

function tradeOf(pnlUsd: number, changes: Partial<ReportTrade> = {}): ReportTrade {
  return {
    symbol: "SPY",
    direction: "long",
    entryTsUs: OPEN_US,
    exitTsUs: OPEN_US + 60_000_000,
    qty: 1,
    entryPxUsd: 100,
    exitPxUsd: 100 + pnlUsd,
    exitReason: "target",
    pnlUsd,
    feesUsd: 0,
    ...changes,
  };
}

function fillOf(
  minute: number,
  side: "buy" | "sell",
  qty: number,
  pxUsd: number,
  changes: Partial<ReportFill> = {},
): ReportFill {
  const tsUs = OPEN_US + minute * 60_000_000;
  return { tsUs, symbol: "SPY", side, role: "entry", qty, pxUsd, clientOrderId: "id", ...changes };
}

describe("wilson", () => {
  // R. G. Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 3.
  test.each([
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ])("of %i in %i is %f to %f", (won, count, low, high) => {
    const interval = wilson(won, count);
    expect(interval.low).toBeCloseTo(low, 4);
    expect(interval.high).toBeCloseTo(high, 4);
    // Each end is as far from what was seen as 1.96 of its own standard deviations.
    for (const end of [interval.low, interval.high].filter((prob) => prob > 0)) {
      const deviations = Math.abs(won / count - end) / Math.sqrt((end * (1 - end)) / count);
      expect(deviations).toBeCloseTo(1.959964, 6);
    }
  });
});

describe("evidenceOf", () => {
  test("an empty run has no mean, no interval and nothing to lose", () => {
    const evidence = evidenceOf(emptyReport());
    expect(evidence).toMatchObject({ wonCount: 0, winRate: null, meanUsd: null, mean: null, usdPerBp: 0 });
    expect(evidence).toMatchObject({ breakEvenBps: null, exits: [], heldMinutesMedian: null, drawdownUsd: 0 });
  });

  test("gives no interval of the mean for few trades", () => {
    expect(evidenceOf(tradedReport(9)).mean).toBeNull();
    expect(evidenceOf(tradedReport(10)).mean).not.toBeNull();
  });

  test("the interval of the mean is 1.96 standard errors wide on each side", () => {
    const trades = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((pnl) => tradeOf(pnl));
    const { meanUsd, mean } = evidenceOf(emptyReport({ trades }));
    expect(meanUsd).toBe(5.5);
    // Standard deviation of 1..10 is sqrt(55 / 6), of their mean sqrt(55 / 60).
    expect(mean!.high - 5.5).toBeCloseTo(1.959964 * Math.sqrt(55 / 60), 9);
    expect(5.5 - mean!.low).toBeCloseTo(1.959964 * Math.sqrt(55 / 60), 9);
  });

  test("slippage falls on what took the market's price, not on targets", () => {
    const fills = [
      fillOf(1, "buy", 100, 50),
      fillOf(2, "sell", 100, 60, { role: "target" }),
      fillOf(3, "buy", 10, 100),
      fillOf(4, "sell", 10, 100, { role: "stop" }),
    ];
    const evidence = evidenceOf(emptyReport({ fills, pnlNetUsd: 1.4 }));
    expect(evidence.marketNotionalUsd).toBe(7_000);
    expect(evidence.usdPerBp).toBeCloseTo(0.7, 12);
    expect(evidence.breakEvenBps).toBeCloseTo(2, 12);
    expect(evidence.slippage.find(({ bps }) => bps === 2)!.pnlUsd).toBeCloseTo(0, 12);
    expect(evidence.slippage[0]).toEqual({ bps: 0, pnlUsd: 1.4 });
  });

  test("a loss has no break-even", () => {
    expect(evidenceOf(emptyReport({ fills: [fillOf(1, "buy", 1, 1)], pnlNetUsd: -1 })).breakEvenBps).toBeNull();
  });

  test("groups exits by reason, after fees, and a gain that fees eat is not won", () => {
    const trades = [tradeOf(5, { feesUsd: 1 }), tradeOf(-2, { exitReason: "stop" }), tradeOf(0.01, { feesUsd: 0.02 })];
    const evidence = evidenceOf(emptyReport({ trades }));
    expect(evidence.wonCount).toBe(1);
    expect(evidence.exits.map(({ reason, count, wonCount }) => [reason, count, wonCount])).toEqual([
      ["target", 2, 1],
      ["stop", 1, 0],
    ]);
    expect(evidence.exits[0]!.netUsd).toBeCloseTo(3.99, 12);
  });

  test("drawdown is from a peak to a later low, not to an earlier one", () => {
    const equityUsd = [100, 50, 120, 90, 130, 110];
    expect(evidenceOf(emptyReport({ equity: { tsUs: equityUsd.map((_, i) => i), equityUsd } })).drawdownUsd).toBe(50);
    expect(evidenceOf(emptyReport({ equity: { tsUs: [0, 1], equityUsd: [90, 120] } })).drawdownUsd).toBe(0);
  });

  test.each([
    [[1], 1],
    [[1, 3], 2],
    [[9, 1, 5], 5],
  ])("median holding time of %p minutes is %d", (minutes, median) => {
    const trades = minutes.map((minute) => tradeOf(0, { exitTsUs: OPEN_US + minute * 60_000_000 }));
    expect(evidenceOf(emptyReport({ trades })).heldMinutesMedian).toBe(median);
  });
});

describe("extremeTrade", () => {
  test("compares after fees and takes the first of equals", () => {
    const [a, b, c] = [tradeOf(3, { feesUsd: 2 }), tradeOf(2), tradeOf(2)];
    expect(extremeTrade([a, b, c], 1)).toBe(b);
    expect(extremeTrade([a, b, c], -1)).toBe(a);
    expect(extremeTrade([], 1)).toBeNull();
  });
});

describe("capitalAtWork", () => {
  const minutes = [0, 1, 2, 3, 4].map((minute) => OPEN_US + minute * 60_000_000);

  test("adds entries at cost and takes sales off in proportion", () => {
    const fills = [
      fillOf(1, "buy", 10, 100),
      fillOf(2, "buy", 10, 200),
      fillOf(3, "sell", 5, 500),
      fillOf(4, "sell", 15, 1),
    ];
    expect(capitalAtWork(fills, minutes)).toEqual([0, 1_000, 3_000, 2_250, 0]);
  });

  test("counts longs and shorts alike, and a turn from one to the other", () => {
    const fills = [
      fillOf(1, "sell", 10, 100),
      fillOf(2, "buy", 4, 100),
      fillOf(3, "buy", 16, 50),
      fillOf(4, "sell", 10, 60),
    ];
    expect(capitalAtWork(fills, minutes)).toEqual([0, 1_000, 600, 500, 0]);
  });

  test("holds nothing at the end of a day whose trades are all closed", () => {
    const report = tradedReport(200, 30);
    const held = capitalAtWork(report.fills, [...report.equity.tsUs, Number.MAX_SAFE_INTEGER]);
    expect(Math.max(...held)).toBeGreaterThan(0);
    expect(held.at(-1)).toBe(0);
  });

  test("does not depend on the order in which fills are given", () => {
    const fills = [fillOf(1, "buy", 10, 100), fillOf(3, "sell", 10, 100)];
    expect(capitalAtWork(fills.toReversed(), minutes)).toEqual(capitalAtWork(fills, minutes));
  });
});
