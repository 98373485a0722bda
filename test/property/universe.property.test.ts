// Laws of the universe: no member breaks a filter, the order of rows is irrelevant, nothing of the day itself counts.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { tradingDay } from "../../src/market/calendar.ts";
import { buildUniverse } from "../../src/universe/build.ts";
import { type CandidateRow, isTestSymbol, makeCandidates } from "../../src/universe/candidates.ts";
import type { GroupedBar, SnapshotTicker } from "../../src/universe/rest-port.ts";
import { selectUniverse, type UniverseOptions } from "../../src/universe/select.ts";
import { UniverseSource, type UniverseTables } from "../support/universe-source.ts";

const SYMBOLS = ["A", "B", "C", "D.A", "D.B", "E", "F", "G", "H", "ZVZZT", "X", "Y"];
// Values on, beside and far from each limit, so that limits are met often.
const around = (limit: number) =>
  fc.constantFrom(limit, limit * 0.999, limit * 1.001, limit * 3, Number.NaN, 0, -limit);

const arbitraryOptions: fc.Arbitrary<UniverseOptions> = fc.record({
  size: fc.integer({ min: 1, max: 6 }),
  pxMinUsd: fc.constant(5),
  pxMaxUsd: fc.constant(15),
  volumeMin: fc.constant(1_000),
  marketCapMinUsd: fc.constant(100e6),
  spreadMaxBps: fc.constant(50),
  types: fc.constantFrom(["CS"] as const, ["ETF"] as const, ["CS", "ETF"] as const),
  exclude: fc.constantFrom([], ["X", "Y"]),
});

const arbitraryCandidate: fc.Arbitrary<CandidateRow> = fc.record({
  symbol: fc.constantFrom(...SYMBOLS),
  type: fc.integer({ min: 0, max: 3 }),
  previousClosePx: fc.oneof(around(5), around(15), fc.constant(10)),
  volumeMean: fc.oneof(around(1_000), fc.constant(5_000)),
  marketCapUsd: fc.oneof(around(100e6), fc.constant(1e9)),
  spreadBps: fc.oneof(around(50), fc.constant(10)),
  score: fc.oneof(
    fc.constantFrom(0, 0.01, 0.02, Number.NaN, Number.POSITIVE_INFINITY),
    fc.double({ min: 0, max: 1, noNaN: true }),
  ),
  company: fc.constantFrom("", "", "one", "two"),
  isAmbiguous: fc.constantFrom(false, false, false, true),
});

function membersOf(rows: readonly CandidateRow[], options: UniverseOptions): CandidateRow[] {
  return Array.from(selectUniverse(makeCandidates(rows, options.exclude), options).rows, (row) => rows[row]!);
}

/** The rules of the universe in plain words, for one row on its own. */
function breaksNoFilter(row: CandidateRow, options: UniverseOptions): boolean {
  const isAllowedType =
    (row.type === 1 && options.types.includes("CS")) || (row.type === 2 && options.types.includes("ETF"));
  const px = Math.round(row.previousClosePx * 10_000);
  const isInPriceRange = px >= options.pxMinUsd * 10_000 && px <= options.pxMaxUsd * 10_000;
  const isBigEnough = row.type !== 1 || row.marketCapUsd >= options.marketCapMinUsd;
  const isTightEnough = Number.isNaN(row.spreadBps) || row.spreadBps <= options.spreadMaxBps;
  const isNamed = options.exclude.includes(row.symbol) || isTestSymbol(row.symbol) || row.isAmbiguous;
  const hasScore = Number.isFinite(row.score);
  return (
    isAllowedType &&
    isInPriceRange &&
    isBigEnough &&
    isTightEnough &&
    !isNamed &&
    hasScore &&
    row.volumeMean >= options.volumeMin
  );
}

describe("selection", () => {
  test("never has a member that breaks a filter, a symbol twice, or two classes of a company", () => {
    fc.assert(
      fc.property(fc.array(arbitraryCandidate, { maxLength: 40 }), arbitraryOptions, (rows, options) => {
        const members = membersOf(rows, options);
        expect(members.length).toBeLessThanOrEqual(options.size);
        for (const member of members) expect(breaksNoFilter(member, options)).toBe(true);
        for (const member of members) expect(rows.filter((row) => row.symbol === member.symbol).length).toBe(1);
        const companies = members.map((member) => member.company).filter((company) => company !== "");
        expect(new Set(companies).size).toBe(companies.length);
      }),
    );
  });

  test("has the best of all that pass, in order: what a sort of the plain rules gives", () => {
    const distinct = fc.uniqueArray(arbitraryCandidate, { maxLength: 12, selector: (row) => row.symbol });
    fc.assert(
      fc.property(distinct, arbitraryOptions, (rows, options) => {
        const alone = rows.map((row) => ({ ...row, company: "" }));
        const expected = alone
          .filter((row) => breaksNoFilter(row, options))
          .toSorted((a, b) => b.score - a.score || (a.symbol < b.symbol ? -1 : 1))
          .slice(0, options.size);
        expect(membersOf(alone, options).map((row) => row.symbol)).toEqual(expected.map((row) => row.symbol));
      }),
    );
  });

  test("does not depend on the order of the rows", () => {
    const withOrder = fc
      .array(arbitraryCandidate, { maxLength: 40 })
      .chain((rows) => fc.tuple(fc.constant(rows), fc.shuffledSubarray(rows, { minLength: rows.length })));
    fc.assert(
      fc.property(withOrder, arbitraryOptions, ([rows, shuffled], options) => {
        const symbols = (from: readonly CandidateRow[]) => membersOf(from, options).map((row) => row.symbol);
        expect(symbols(shuffled)).toEqual(symbols(rows));
      }),
    );
  });
});

const DATE = "2019-12-18";
const DAY = tradingDay(DATE)!;
const BEFORE = ["2019-12-17", "2019-12-16", "2019-12-13"];

const arbitraryBar: fc.Arbitrary<GroupedBar> = fc
  .record({
    symbol: fc.constantFrom(...SYMBOLS),
    prices: fc.array(fc.integer({ min: 400, max: 1_600 }), { minLength: 4, maxLength: 4 }),
    volume: fc.integer({ min: 0, max: 5_000 }),
  })
  .map(({ symbol, prices, volume }) => {
    const [low, open, close, high] = prices.toSorted((a, b) => a - b).map((cents) => cents / 100);
    return { symbol, low: low!, open: open!, close: close!, high: high!, volume };
  });

const arbitraryQuote: fc.Arbitrary<SnapshotTicker> = fc.record({
  symbol: fc.constantFrom(...SYMBOLS),
  bidPx: fc.integer({ min: 0, max: 1_000 }).map((cents) => cents / 100),
  askPx: fc.integer({ min: 0, max: 1_010 }).map((cents) => cents / 100),
  quoteTsUs: fc.integer({ min: -2_000_000, max: 2_000_000 }).map((offset) => DAY.openUs + offset),
});

interface Market {
  readonly tables: UniverseTables & {
    snapshot: readonly SnapshotTicker[];
    sessions: Record<string, readonly GroupedBar[]>;
  };
  readonly options: UniverseOptions & { volumeSessions: number };
}

const arbitraryMarket: fc.Arbitrary<Market> = fc
  .record({
    quotes: fc.array(arbitraryQuote, { minLength: 1, maxLength: 15 }),
    days: fc.array(fc.array(arbitraryBar, { minLength: 1, maxLength: 15 }), { minLength: 1, maxLength: 3 }),
    types: fc.array(fc.constantFrom("CS", "ETF", "WARRANT", ""), {
      minLength: SYMBOLS.length,
      maxLength: SYMBOLS.length,
    }),
    caps: fc.array(fc.constantFrom(null, 1e6, 1e9), { minLength: SYMBOLS.length, maxLength: SYMBOLS.length }),
    options: arbitraryOptions,
  })
  .map(({ quotes, days, types, caps, options }) => ({
    tables: {
      snapshot: quotes,
      sessions: Object.fromEntries(days.map((bars, index) => [BEFORE[index]!, bars])),
      reference: SYMBOLS.map((symbol, index) => ({ symbol, type: types[index]!, cik: "" })),
      marketCapsUsd: Object.fromEntries(SYMBOLS.map((symbol, index) => [symbol, caps[index]!])),
    },
    options: { ...options, volumeSessions: 3 },
  }));

const buildFrom = (tables: UniverseTables, options: Market["options"]) =>
  buildUniverse({ rest: new UniverseSource(tables), date: DATE, options });

describe("the day's universe", () => {
  test("does not change when the day's own data changes: no look-ahead", async () => {
    await fc.assert(
      fc.asyncProperty(
        arbitraryMarket,
        fc.array(arbitraryBar),
        fc.array(arbitraryQuote),
        async (market, bars, quotes) => {
          const { tables, options } = market;
          const sinceOpen = quotes.map((quote) => ({ ...quote, quoteTsUs: Math.max(quote.quoteTsUs, DAY.openUs) }));
          const listed = new Set(tables.snapshot.map((quote) => quote.symbol));
          const later: UniverseTables = {
            ...tables,
            sessions: { ...tables.sessions, [DATE]: bars, "2019-12-19": bars },
            snapshot: [...tables.snapshot, ...sinceOpen.filter((quote) => listed.has(quote.symbol))],
          };
          expect(await buildFrom(later, options)).toEqual(await buildFrom(tables, options));
        },
      ),
    );
  });

  test("does not depend on the order in which the source lists things", async () => {
    const shuffled = arbitraryMarket.chain((market) => {
      const shuffle = <T>(rows: readonly T[]) => fc.shuffledSubarray([...rows], { minLength: rows.length });
      const sessions = Object.entries(market.tables.sessions).map(([date, bars]) =>
        shuffle(bars).map((rows) => [date, rows]),
      );
      return fc.record({
        market: fc.constant(market),
        snapshot: shuffle(market.tables.snapshot),
        reference: shuffle(market.tables.reference ?? []),
        sessions: fc.tuple(...sessions).map((days) => Object.fromEntries(days) as Market["tables"]["sessions"]),
      });
    });
    await fc.assert(
      fc.asyncProperty(shuffled, async ({ market, ...others }) => {
        const { tables, options } = market;
        expect(await buildFrom({ ...tables, ...others }, options)).toEqual(await buildFrom(tables, options));
      }),
    );
  });

  test("gives every candidate one outcome, and CHOSEN to exactly the members", async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryMarket, async ({ tables, options }) => {
        const universe = await buildFrom(tables, options);
        expect(universe.outcomes.length).toBe(universe.candidatesCount);
        const chosen = universe.outcomes
          .filter((outcome) => outcome.name === "CHOSEN")
          .map((outcome) => outcome.symbol);
        expect(chosen).toEqual(universe.members.map((member) => member.symbol).toSorted());
        for (const member of universe.members) {
          const isStock = member.type === "CS";
          expect(isStock ? member.marketCapUsd >= options.marketCapMinUsd : member.marketCapUsd === 0).toBe(true);
        }
      }),
    );
  });
});
