import { describe, expect, test } from "bun:test";
import {
  CANDIDATE_TYPE_FUND,
  CANDIDATE_TYPE_OTHER,
  CANDIDATE_TYPE_STOCK,
  CANDIDATE_TYPE_UNKNOWN,
  type CandidateRow,
  isTestSymbol,
  MARKET_CAP_NOT_ASKED,
  makeCandidates,
} from "../../../src/universe/candidates.ts";
import { OUTCOMES } from "../../../src/universe/outcomes.ts";
import { selectUniverse, type UniverseOptions } from "../../../src/universe/select.ts";

const OPTIONS: UniverseOptions = {
  size: 3,
  pxMinUsd: 5,
  pxMaxUsd: 500,
  volumeMin: 1_000,
  marketCapMinUsd: 100e6,
  spreadMaxBps: 50,
  types: ["CS", "ETF"],
  exclude: ["EXCL"],
};

const stock = (symbol: string, changes: Partial<CandidateRow> = {}): CandidateRow => ({
  symbol,
  type: CANDIDATE_TYPE_STOCK,
  previousClosePx: 50,
  volumeMean: 10_000,
  marketCapUsd: 1e9,
  spreadBps: Number.NaN,
  score: 0.02,
  company: "",
  isAmbiguous: false,
  ...changes,
});

/** Members in order and the name of each candidate's outcome. */
function select(rows: CandidateRow[], options: Partial<UniverseOptions> = {}) {
  const candidates = makeCandidates(rows, options.exclude ?? OPTIONS.exclude);
  const selection = selectUniverse(candidates, { ...OPTIONS, ...options });
  return {
    members: Array.from(selection.rows, (row) => candidates.symbols[row]!),
    outcomes: Array.from(selection.outcome, (code) => OUTCOMES[code]!.name),
  };
}

describe("each filter", () => {
  const cases: [string, CandidateRow, string][] = [
    ["previous close below the least", stock("A", { previousClosePx: 4.99 }), "PX_BELOW_MIN"],
    ["previous close at the least", stock("A", { previousClosePx: 5 }), "CHOSEN"],
    ["previous close at the most", stock("A", { previousClosePx: 500 }), "CHOSEN"],
    ["previous close above the most", stock("A", { previousClosePx: 500.01 }), "PX_ABOVE_MAX"],
    ["volume below the least", stock("A", { volumeMean: 999.9 }), "VOLUME_BELOW_MIN"],
    ["volume at the least", stock("A", { volumeMean: 1_000 }), "CHOSEN"],
    ["spread at the most", stock("A", { spreadBps: 50 }), "CHOSEN"],
    ["spread above the most", stock("A", { spreadBps: 50.1 }), "SPREAD_ABOVE_MAX"],
    ["spread unknown", stock("A", { spreadBps: Number.NaN }), "CHOSEN"],
    ["small company", stock("A", { marketCapUsd: 99e6 }), "MARKET_CAP_BELOW_MIN"],
    ["company of the least size", stock("A", { marketCapUsd: 100e6 }), "CHOSEN"],
    ["company of negative size", stock("A", { marketCapUsd: -1 }), "MARKET_CAP_BELOW_MIN"],
    ["company of unknown size", stock("A", { marketCapUsd: Number.NaN }), "MARKET_CAP_UNKNOWN"],
    ["company not asked about yet", stock("A", { marketCapUsd: MARKET_CAP_NOT_ASKED }), "CHOSEN"],
    [
      "fund without a market capitalisation",
      stock("A", { type: CANDIDATE_TYPE_FUND, marketCapUsd: Number.NaN }),
      "CHOSEN",
    ],
    ["warrant", stock("A", { type: CANDIDATE_TYPE_OTHER }), "TYPE_NOT_ALLOWED"],
    ["unknown type", stock("A", { type: CANDIDATE_TYPE_UNKNOWN }), "TYPE_UNKNOWN"],
    ["excluded by name", stock("EXCL"), "EXCLUDED_BY_CONFIG"],
    ["test symbol", stock("ZVZZT"), "TEST_SYMBOL"],
    ["no trade in the session before", stock("A", { previousClosePx: Number.NaN, score: Number.NaN }), "NO_HISTORY"],
    ["a close of zero", stock("A", { previousClosePx: 0 }), "BAD_DATA"],
    ["a negative close", stock("A", { previousClosePx: -50 }), "BAD_DATA"],
    ["a score that is no number", stock("A", { score: Number.NaN }), "BAD_DATA"],
    ["an infinite score", stock("A", { score: Number.POSITIVE_INFINITY }), "BAD_DATA"],
    ["a volume that is no number", stock("A", { volumeMean: Number.NaN }), "BAD_DATA"],
    ["a negative volume", stock("A", { volumeMean: -1 }), "BAD_DATA"],
    ["two stories about it", stock("A", { isAmbiguous: true }), "DUPLICATE_SYMBOL"],
  ];
  test.each(cases)("%s", (_, row, outcome) => {
    expect(select([row]).outcomes).toEqual([outcome]);
  });

  test("kinds follow the configuration", () => {
    const rows = [stock("S"), stock("F", { type: CANDIDATE_TYPE_FUND })];
    expect(select(rows, { types: ["CS"] }).outcomes).toEqual(["CHOSEN", "TYPE_NOT_ALLOWED"]);
    expect(select(rows, { types: ["ETF"] }).outcomes).toEqual(["TYPE_NOT_ALLOWED", "CHOSEN"]);
  });

  test("a symbol in two rows is in neither", () => {
    expect(select([stock("A"), stock("B"), stock("A", { score: 9 })]).outcomes).toEqual([
      "DUPLICATE_SYMBOL",
      "CHOSEN",
      "DUPLICATE_SYMBOL",
    ]);
  });

  test.each(["ZVZZT", "ZWZZT", "ZTEST", "NTEST.A", "CTEST", "ZTST", "ZVV", "ZEXIT", "ZXYZ.A"])(
    "%s is a test symbol",
    (symbol) => {
      expect(isTestSymbol(symbol)).toBe(true);
    },
  );

  test.each(["ZION", "TEST1", "TSLA", "Z", "BRK.B", "ATESTX"])("%s is no test symbol", (symbol) => {
    expect(isTestSymbol(symbol)).toBe(false);
  });

  test("every code has a name of its own and a meaning", () => {
    expect(new Set(OUTCOMES.map((outcome) => outcome.name)).size).toBe(OUTCOMES.length);
    expect(OUTCOMES.every((outcome) => outcome.meaning.length > 10)).toBe(true);
  });
});

describe("classes of one company", () => {
  const classA = stock("BRK.A", { company: "BRK", volumeMean: 2_000, score: 0.09 });
  const classB = stock("BRK.B", { company: "BRK", volumeMean: 9_000, score: 0.01 });

  test("are one stock: the more traded stands for it, whatever the scores", () => {
    expect(select([classA, classB]).outcomes).toEqual(["OTHER_CLASS_CHOSEN", "CHOSEN"]);
    expect(select([classB, classA]).outcomes).toEqual(["CHOSEN", "OTHER_CLASS_CHOSEN"]);
  });

  test("a class that fails a filter does not keep the other out", () => {
    expect(select([classA, { ...classB, previousClosePx: 4 }]).outcomes).toEqual(["CHOSEN", "PX_BELOW_MIN"]);
  });
});

describe("the best scores", () => {
  const scores = [0.01, 0.05, 0.03, 0.05, 0.02];
  const rows = ["E", "D", "C", "B", "A"].map((symbol, index) => stock(symbol, { score: scores[index]! }));

  test("come first, equal scores by symbol, the rest below the cut", () => {
    const { members, outcomes } = select(rows);
    expect(members).toEqual(["B", "D", "C"]);
    expect(outcomes).toEqual(["BELOW_CUT", "CHOSEN", "CHOSEN", "CHOSEN", "BELOW_CUT"]);
  });

  test("a tie at the cut goes to the symbol that sorts first", () => {
    expect(select(rows, { size: 1 }).members).toEqual(["B"]);
  });

  test("fewer than asked for are all chosen, in order", () => {
    expect(select(rows, { size: 200 }).members).toEqual(["B", "D", "C", "A", "E"]);
    expect(select([], { size: 5 })).toEqual({ members: [], outcomes: [] });
  });
});
