import { describe, expect, test } from "bun:test";
import { configSchema } from "../../../src/config/schema.ts";
import { UserError } from "../../../src/core/user-error.ts";
import { tradingDay } from "../../../src/market/calendar.ts";
import { loadSampleDay } from "../../../src/market/sample.ts";
import { buildUniverse, explainOutcome, type Universe } from "../../../src/universe/build.ts";
import type { GroupedBar } from "../../../src/universe/rest-port.ts";
import { dailyBars, UniverseSource, type UniverseTables } from "../../support/universe-source.ts";

const DATE = "2019-12-18";
const BEFORE = "2019-12-17";
const DAY = tradingDay(DATE)!;
const OPTIONS = { ...configSchema.parse({}).universe, size: 5, volumeSessions: 3 };

const bar = (symbol: string, changes: Partial<GroupedBar> = {}): GroupedBar => ({
  symbol,
  open: 50,
  high: 51,
  low: 49,
  close: 50.5,
  volume: 1e6,
  ...changes,
});
const listed = (symbol: string, type = "ETF", cik = "") => ({ symbol, type, cik });
const quote = (symbol: string, bidPx = 0, askPx = 0, quoteTsUs = 0) => ({ symbol, bidPx, askPx, quoteTsUs });

/** A market of funds that all traded alike in the one session before. */
function marketOf(symbols: readonly string[], changes: UniverseTables = {}): UniverseTables {
  return {
    snapshot: symbols.map((symbol) => quote(symbol)),
    reference: symbols.map((symbol) => listed(symbol)),
    sessions: { [BEFORE]: symbols.map((symbol) => bar(symbol)) },
    ...changes,
  };
}

const build = (tables: UniverseTables, options: Partial<typeof OPTIONS> = {}) =>
  buildUniverse({ rest: new UniverseSource(tables), date: DATE, options: { ...OPTIONS, ...options } });
const outcomeOf = (universe: Universe, symbol: string) =>
  universe.outcomes.find((each) => each.symbol === symbol)!.name;

describe("universe of the recorded sample", () => {
  test("holds the asked number of funds, ranked, with what the run needs of each", async () => {
    const bars = dailyBars(await loadSampleDay(BEFORE));
    const symbols = bars.map((each) => each.symbol);
    const universe = await build(marketOf(symbols, { sessions: { [BEFORE]: bars } }), {
      size: 100,
      volumeSessions: 20,
    });
    expect(universe.candidatesCount).toBe(300);
    expect(universe.members.length).toBe(100);
    expect(universe.sessions).toEqual([BEFORE]);
    const scores = universe.members.map((member) => member.score);
    expect(scores).toEqual(scores.toSorted((a, b) => b - a));
    for (const member of universe.members) {
      const { close, volume } = bars.find((each) => each.symbol === member.symbol)!;
      expect(member).toMatchObject({ type: "ETF", marketCapUsd: 0, previousClosePxTicks: Math.round(close * 10_000) });
      expect(close).toBeWithin(5, 500.01);
      expect(volume).toBeGreaterThanOrEqual(500_000);
    }
  });
});

describe("where the facts come from", () => {
  test("volume and score are over the sessions the source has, and fewer are said", async () => {
    const universe = await build(
      marketOf(["AAA"], {
        sessions: { [BEFORE]: [bar("AAA", { volume: 900_000 })], "2019-12-16": [bar("AAA", { volume: 200_000 })] },
      }),
    );
    expect(universe.sessions).toEqual([BEFORE, "2019-12-16"]);
    expect(outcomeOf(universe, "AAA")).toBe("CHOSEN");
    expect(universe.warnings[0]).toMatch(/2 sessions where 3 were asked for/);
  });

  test("a session without a trade counts as no volume, the time before a listing does not count", async () => {
    const sessions = {
      [BEFORE]: [bar("GAP", { volume: 600_000 }), bar("NEW", { volume: 600_000 })],
      "2019-12-16": [bar("OTHER")],
      "2019-12-13": [bar("GAP", { volume: 600_000 })],
    };
    const universe = await build(marketOf(["GAP", "NEW"], { sessions }));
    expect(outcomeOf(universe, "GAP")).toBe("VOLUME_BELOW_MIN");
    expect(outcomeOf(universe, "NEW")).toBe("CHOSEN");
  });

  test("the source's history ends at its first session without bars", async () => {
    const rest = new UniverseSource(
      marketOf(["AAA"], { sessions: { [BEFORE]: [bar("AAA")], "2019-12-13": [bar("AAA")] } }),
    );
    const universe = await buildUniverse({ rest, date: DATE, options: OPTIONS });
    expect(universe.sessions).toEqual([BEFORE]);
  });

  test("only sessions before the day are asked for, and details as of the session before", async () => {
    const tables = marketOf(["AAA"], { reference: [listed("AAA", "CS")], marketCapsUsd: { AAA: 1e9 } });
    const rest = new UniverseSource(tables);
    await buildUniverse({ rest, date: DATE, options: { ...OPTIONS, volumeSessions: 60 } });
    const dates = rest.asked.filter((request) => /^\d/.test(request));
    expect(dates.length).toBeGreaterThan(1);
    expect(dates.every((date) => date < DATE && tradingDay(date) !== null)).toBe(true);
    expect(rest.asked).toContain(`AAA@${BEFORE}`);
  });

  test("quotes count only when made between the session before and the open", async () => {
    const symbols = ["EARLY", "LATE", "OLD", "TIGHT", "CROSSED"];
    const snapshot = [
      quote("EARLY", 50, 51, DAY.openUs - 1),
      quote("LATE", 50, 51, DAY.openUs),
      quote("OLD", 50, 51, tradingDay(BEFORE)!.openUs - 1),
      quote("TIGHT", 50, 50.01, DAY.preOpenUs),
      quote("CROSSED", 51, 50, DAY.preOpenUs),
    ];
    const universe = await build(marketOf(symbols, { snapshot }));
    expect(outcomeOf(universe, "EARLY")).toBe("SPREAD_ABOVE_MAX");
    for (const symbol of symbols.slice(1)) expect(outcomeOf(universe, symbol)).toBe("CHOSEN");
  });

  test("of a symbol quoted twice the later quote counts", async () => {
    const quotes = [quote("AAA", 50, 51, DAY.preOpenUs), quote("AAA", 50, 50.01, DAY.preOpenUs + 1)];
    for (const snapshot of [quotes, quotes.toReversed()]) {
      expect(outcomeOf(await build(marketOf(["AAA"], { snapshot })), "AAA")).toBe("CHOSEN");
    }
  });

  test("a symbol that traded but is missing from the snapshot is a candidate, one that is only listed has no history", async () => {
    const universe = await build(marketOf(["AAA", "BBB"], { snapshot: [quote("AAA"), quote("IPO")] }));
    expect(universe.candidatesCount).toBe(3);
    expect(outcomeOf(universe, "BBB")).toBe("CHOSEN");
    expect(outcomeOf(universe, "IPO")).toBe("NO_HISTORY");
  });

  test("daily bars that contradict each other or cannot be true bar the stock, equal ones do not", async () => {
    const sessions = {
      [BEFORE]: [
        bar("TWICE"),
        bar("TWICE"),
        bar("SPLIT"),
        bar("SPLIT", { close: 50.1 }),
        bar("RANGE", { high: 48 }),
        bar("NAN", { close: Number.NaN }),
        bar("ZERO", { low: 0 }),
        bar("HUGE", { volume: Number.POSITIVE_INFINITY }),
      ],
    };
    const universe = await build(marketOf(["TWICE", "SPLIT", "RANGE", "NAN", "ZERO", "HUGE"], { sessions }));
    expect(outcomeOf(universe, "TWICE")).toBe("CHOSEN");
    expect(outcomeOf(universe, "SPLIT")).toBe("DUPLICATE_SYMBOL");
    for (const symbol of ["RANGE", "NAN", "ZERO", "HUGE"]) expect(outcomeOf(universe, symbol)).toBe("BAD_DATA");
  });

  test("classes of a company are known by its number, or by the symbol", async () => {
    const symbols = ["GOOG", "GOOGL", "BRK.A", "BRK.B", "LONE.A"];
    const reference = [
      listed("GOOG", "CS", "1652044"),
      listed("GOOGL", "CS", "1652044"),
      ...["BRK.A", "BRK.B", "LONE.A"].map((symbol) => listed(symbol, "CS")),
    ];
    const sessions = {
      [BEFORE]: symbols.map((symbol) => bar(symbol, { volume: ["GOOGL", "BRK.B"].includes(symbol) ? 2e6 : 1e6 })),
    };
    const marketCapsUsd = Object.fromEntries(symbols.map((symbol) => [symbol, 1e12]));
    const universe = await build(marketOf(symbols, { reference, sessions, marketCapsUsd }));
    expect(universe.members.map((member) => member.symbol)).toEqual(["BRK.B", "GOOGL", "LONE.A"]);
    expect(outcomeOf(universe, "GOOG")).toBe("OTHER_CLASS_CHOSEN");
  });
});

describe("market capitalisations", () => {
  const symbols = Array.from({ length: 40 }, (_, index) => `S${String(index).padStart(2, "0")}`);
  const reference = symbols.map((symbol) => listed(symbol, "CS"));

  test("are asked for near the top only, again where one falls through", async () => {
    const marketCapsUsd = Object.fromEntries(symbols.map((symbol, index) => [symbol, index < 7 ? 1e6 : 1e9]));
    const rest = new UniverseSource(marketOf(symbols, { reference, marketCapsUsd }));
    const universe = await buildUniverse({ rest, date: DATE, options: OPTIONS });
    expect(universe.members.map((member) => member.symbol)).toEqual(["S07", "S08", "S09", "S10", "S11"]);
    expect(universe.members[0]!.marketCapUsd).toBe(1e9);
    expect(rest.asked.filter((request) => request.includes("@")).length).toBeLessThanOrEqual(15);
    expect(outcomeOf(universe, "S00")).toBe("MARKET_CAP_BELOW_MIN");
    expect(outcomeOf(universe, "S39")).toBe("BELOW_CUT");
  });

  test("unknown, null, zero or negative ones keep a stock out under their own name", async () => {
    const marketCapsUsd = { S01: null, S02: 0, S03: -1, S04: 1e9 };
    const universe = await build(marketOf(symbols.slice(0, 5), { reference, marketCapsUsd }));
    expect(universe.members.map((member) => member.symbol)).toEqual(["S04"]);
    for (const symbol of ["S00", "S01", "S02", "S03"]) expect(outcomeOf(universe, symbol)).toBe("MARKET_CAP_UNKNOWN");
  });

  test("one that fails leaves that stock out and is said; a source that fails for all is an error", async () => {
    const marketCapsUsd = Object.fromEntries(symbols.map((symbol) => [symbol, 1e9]));
    const one = await build(marketOf(symbols, { reference, marketCapsUsd, failing: { S00: new Error("HTTP 500") } }));
    expect(outcomeOf(one, "S00")).toBe("MARKET_CAP_UNKNOWN");
    expect(one.members.length).toBe(5);
    expect(one.warnings).toContain("market capitalisation of 1 stock is unknown: HTTP 500");
    const failing = Object.fromEntries(symbols.map((symbol) => [symbol, new Error("HTTP 500")]));
    await expect(build(marketOf(symbols, { reference, failing }))).rejects.toThrow(
      "the universe needs market capitalisations, and the source failed: HTTP 500",
    );
  });
});

describe("a source that fails or has nothing", () => {
  test.each([
    ["snapshot", "the market snapshot"],
    ["reference", "the list of securities"],
    [BEFORE, `the daily bars of ${BEFORE}`],
  ])("%s failing is an error that names it and keeps the source's words and remedy", async (key, what) => {
    const failing = { [key]: new UserError("refused", "HTTP 403: not entitled", "Upgrade the plan.") };
    const attempt = build(marketOf(["AAA"], { failing }));
    await expect(attempt).rejects.toThrow(`the universe needs ${what}, and the source failed: HTTP 403: not entitled`);
    await expect(attempt).rejects.toMatchObject({ kind: "refused", remedy: "Upgrade the plan." });
  });

  test("an empty snapshot is an error with a remedy", async () => {
    await expect(build(marketOf(["AAA"], { snapshot: [] }))).rejects.toMatchObject({
      message: `the market snapshot is empty, so no universe can be chosen for ${DATE}`,
      remedy: expect.stringContaining("04:00"),
    });
  });

  test("no bars of the session before is an error", async () => {
    await expect(build(marketOf(["AAA"], { sessions: {} }))).rejects.toThrow(/no daily bars of 2019-12-17/);
  });

  test("history that fails further back shortens the mean and is said", async () => {
    const universe = await build(marketOf(["AAA"], { failing: { "2019-12-16": new Error("HTTP 403") } }));
    expect(universe.members.length).toBe(1);
    expect(universe.warnings[0]).toBe("daily bars of 2019-12-16 and earlier are left out: HTTP 403");
  });

  test("fewer that pass than asked for are taken, and it is said", async () => {
    const universe = await build(marketOf(["AAA", "BBB"]));
    expect(universe.members.length).toBe(2);
    expect(universe.warnings.at(-1)).toBe("of 2 stocks 2 are chosen where 5 were asked for: no more pass the filters");
  });

  test("a day without a session has no universe", async () => {
    const rest = new UniverseSource(marketOf(["AAA"]));
    const attempt = buildUniverse({ rest, date: "2019-12-25", options: OPTIONS });
    await expect(attempt).rejects.toThrow("no universe for 2019-12-25: the exchange is closed");
    expect(rest.asked).toEqual([]);
  });
});

describe("why a stock was or was not chosen", () => {
  test("reads as a sentence", async () => {
    const sessions = { [BEFORE]: [bar("AAA"), bar("CHEAP", { open: 1, high: 1.1, low: 1, close: 1 })] };
    const universe = await build(marketOf(["AAA", "CHEAP", "GONE"], { sessions }));
    expect(explainOutcome(universe, "AAA")).toMatch(
      /^AAA passes every filter and has one of the highest scores \(CHOSEN, score 0\.0/,
    );
    expect(explainOutcome(universe, "CHEAP")).toMatch(
      /^CHEAP closed below \[universe\] px_min_usd \(PX_BELOW_MIN, score/,
    );
    expect(explainOutcome(universe, "GONE")).toBe("GONE did not trade in the session before (NO_HISTORY)");
    expect(explainOutcome(universe, "NEVER")).toBe("NEVER is not among the 3 candidates of 2019-12-18");
  });

  test("is listed for every candidate, by symbol", async () => {
    const universe = await build(marketOf(["C", "A", "B"]));
    expect(universe.outcomes.map((outcome) => outcome.symbol)).toEqual(["A", "B", "C"]);
  });
});
