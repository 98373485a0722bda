// Suite `universe`: the universe step over a whole market: 10,000 candidates, of which about a tenth pass, down to the best 100.
// Every pass gets another of TABLE_COUNT tables, so neither caches nor the branch predictor know the data.

import { do_not_optimize, measure } from "mitata";
import { Prng } from "../../src/core/prng.ts";
import {
  CANDIDATE_TYPE_FUND,
  CANDIDATE_TYPE_OTHER,
  CANDIDATE_TYPE_STOCK,
  type CandidateRow,
  type Candidates,
  makeCandidates,
} from "../../src/universe/candidates.ts";
import { type UniverseOptions, UniverseSelector } from "../../src/universe/select.ts";
import { cpuNs, type SuiteSize } from "../size.ts";

const ROWS = 10_000;
/** 64 tables of 0.5 MB are 32 MB: more than the caches of the machines we have seen. */
const TABLE_COUNT = 64;
const TABLE_COUNT_SMOKE = 2;
const MIN_CPU_NS = 600e6;

const OPTIONS: UniverseOptions = {
  size: 100,
  pxMinUsd: 5,
  pxMaxUsd: 500,
  volumeMin: 500_000,
  marketCapMinUsd: 100e6,
  spreadMaxBps: 50,
  types: ["CS", "ETF"],
  exclude: [],
};

/** Prices, volumes and sizes spread over the orders of magnitude of the US market. */
function randomRow(random: Prng, index: number): CandidateRow {
  const kind = random.next();
  const isStock = kind < 0.5;
  const type = isStock ? CANDIDATE_TYPE_STOCK : kind < 0.8 ? CANDIDATE_TYPE_FUND : CANDIDATE_TYPE_OTHER;
  return {
    symbol: `S${index}`,
    type,
    previousClosePx: Math.exp(1 + random.nextNormal() * 1.4 + 2),
    volumeMean: Math.exp(13.5 + random.nextNormal() * 2),
    marketCapUsd: isStock ? Math.exp(20 + random.nextNormal() * 2) : Number.NaN,
    spreadBps: random.next() < 0.2 ? Number.NaN : Math.exp(2 + random.nextNormal()),
    score: Math.abs(random.nextNormal()) * 0.03,
    company: "",
    isAmbiguous: false,
  };
}

function randomTable(seed: number): Candidates {
  const random = Prng.stream(seed, "universe bench");
  return makeCandidates(
    Array.from({ length: ROWS }, (_, index) => randomRow(random, index)),
    [],
  );
}

/** Share of `tables` that passes; a bench in which nothing or everything does measures another thing. */
function passFrac(tables: readonly Candidates[], selector: UniverseSelector): number {
  const passed = tables.reduce((sum, table) => sum + selector.filter(table, OPTIONS), 0);
  return passed / (tables.length * ROWS);
}

export async function run(size: SuiteSize = "full"): Promise<Record<string, number>> {
  const tableCount = size === "full" ? TABLE_COUNT : TABLE_COUNT_SMOKE;
  const options = { min_cpu_time: cpuNs(size, MIN_CPU_NS) };
  const tables = Array.from({ length: tableCount }, (_, index) => randomTable(index));
  const selector = new UniverseSelector(ROWS, OPTIONS.size);
  const frac = passFrac(tables, selector);
  if (!(frac > 0.05 && frac < 0.5)) throw new Error(`${frac} of the candidates pass the filter; not timing it`);
  let pass = 0;
  const filter = await measure(() => {
    do_not_optimize(selector.filter(tables[pass++ % tableCount]!, OPTIONS));
  }, options);
  const filterToTop = await measure(() => {
    const table = tables[pass++ % tableCount]!;
    selector.filter(table, OPTIONS);
    do_not_optimize(selector.chooseTop(table));
  }, options);
  return {
    filterP50Us: filter.p50 / 1_000,
    filterP99Us: filter.p99 / 1_000,
    filterToTop100P50Us: filterToTop.p50 / 1_000,
    filterToTop100P99Us: filterToTop.p99 / 1_000,
  };
}
