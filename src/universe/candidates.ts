// The candidates of a day as columns: one row per stock the source lists. Made once by `makeCandidates`, filtered in one
// pass by `select.ts`. Text is dealt with here, so that the filter sees numbers only.

import { ticksFromUsd } from "../core/fixed-point.ts";
import {
  OUTCOME_BAD_DATA,
  OUTCOME_CHOSEN,
  OUTCOME_DUPLICATE_SYMBOL,
  OUTCOME_EXCLUDED_BY_CONFIG,
  OUTCOME_NO_HISTORY,
  OUTCOME_TEST_SYMBOL,
} from "./outcomes.ts";

export const CANDIDATE_TYPE_UNKNOWN = 0;
export const CANDIDATE_TYPE_STOCK = 1;
export const CANDIDATE_TYPE_FUND = 2;
/** A warrant, unit, preferred, note ...: known, and never traded. */
export const CANDIDATE_TYPE_OTHER = 3;
export const CANDIDATE_TYPE_COUNT = 4;

/** Market capitalisation not asked for yet: above every limit, so that only stocks near the top need be asked about. */
export const MARKET_CAP_NOT_ASKED = Number.POSITIVE_INFINITY;

/** What is known of one stock before the open. */
export interface CandidateRow {
  readonly symbol: string;
  /** CANDIDATE_TYPE_*. */
  readonly type: number;
  /** Close of the session before, USD; NaN where it did not trade. */
  readonly previousClosePx: number;
  /** Mean daily volume, shares. */
  readonly volumeMean: number;
  /** USD; NaN where unknown, MARKET_CAP_NOT_ASKED where not asked yet. */
  readonly marketCapUsd: number;
  /** Quoted spread over mid; NaN where no quote is known. */
  readonly spreadBps: number;
  /** From score.ts; NaN without a history. */
  readonly score: number;
  /** Key of the company for classes of common stock, "" where it has none. */
  readonly company: string;
  /** The source tells two different stories about the session before. */
  readonly isAmbiguous: boolean;
}

/** Columns are (candidate). Rows keep the order they came in; the selection does not depend on it. */
export interface Candidates {
  readonly count: number;
  readonly symbols: readonly string[];
  /** Position of the symbol in sorted order; breaks ties. */
  readonly symbolRank: Int32Array;
  /** OUTCOME_CHOSEN, or the code of what bars it whatever its numbers. */
  readonly barred: Uint8Array;
  /** CANDIDATE_TYPE_*. */
  readonly type: Uint8Array;
  readonly previousClosePxTicks: Float64Array;
  readonly volumeMean: Float64Array;
  readonly marketCapUsd: Float64Array;
  readonly spreadBps: Float64Array;
  readonly score: Float64Array;
  /** Number of the company, -1 where only one row has it. */
  readonly company: Int32Array;
  readonly companyCount: number;
}

/** Columns of rows; `exclude` are symbols that the configuration names. */
export function makeCandidates(rows: readonly CandidateRow[], exclude: readonly string[]): Candidates {
  const count = rows.length;
  const order = rows.map((_, row) => row).sort((a, b) => compareText(rows[a]!.symbol, rows[b]!.symbol));
  const symbolRank = new Int32Array(count);
  for (let rank = 0; rank < count; rank++) symbolRank[order[rank]!] = rank;
  const companies = numberCompanies(rows);
  return {
    count,
    symbols: rows.map((row) => row.symbol),
    symbolRank,
    barred: barredOf(rows, order, new Set(exclude)),
    type: Uint8Array.from(rows, (row) => row.type),
    previousClosePxTicks: Float64Array.from(rows, (row) => ticksFromUsd(row.previousClosePx)),
    volumeMean: Float64Array.from(rows, (row) => row.volumeMean),
    marketCapUsd: Float64Array.from(rows, (row) => row.marketCapUsd),
    spreadBps: Float64Array.from(rows, (row) => row.spreadBps),
    score: Float64Array.from(rows, (row) => row.score),
    company: companies.column,
    companyCount: companies.count,
  };
}

/** Symbols exchanges use to test their systems; they trade on real feeds, with prices that mean nothing. */
export function isTestSymbol(symbol: string): boolean {
  return /^(Z[A-Z]ZZT|[A-Z]TEST|ZTST|ZVV|ZZK|ZEXIT|ZIEXT|ZXYZ)([.-].*)?$/.test(symbol);
}

function barredOf(rows: readonly CandidateRow[], order: readonly number[], excluded: ReadonlySet<string>): Uint8Array {
  const barred = Uint8Array.from(rows, (row) => barredCode(row, excluded));
  for (let rank = 1; rank < order.length; rank++) {
    const row = order[rank]!;
    const before = order[rank - 1]!;
    if (rows[row]!.symbol !== rows[before]!.symbol) continue;
    barred[row] = OUTCOME_DUPLICATE_SYMBOL;
    barred[before] = OUTCOME_DUPLICATE_SYMBOL;
  }
  return barred;
}

function barredCode(row: CandidateRow, excluded: ReadonlySet<string>): number {
  if (excluded.has(row.symbol)) return OUTCOME_EXCLUDED_BY_CONFIG;
  if (isTestSymbol(row.symbol)) return OUTCOME_TEST_SYMBOL;
  if (row.isAmbiguous) return OUTCOME_DUPLICATE_SYMBOL;
  if (Number.isNaN(row.previousClosePx)) return OUTCOME_NO_HISTORY;
  const isSane = row.previousClosePx > 0 && row.volumeMean >= 0 && Number.isFinite(row.score);
  return isSane && Number.isFinite(row.volumeMean) ? OUTCOME_CHOSEN : OUTCOME_BAD_DATA;
}

/** Companies with two rows or more get a number; everything else is -1 and needs no second look. */
function numberCompanies(rows: readonly CandidateRow[]): { column: Int32Array; count: number } {
  const rowsOf = new Map<string, number>();
  for (const row of rows) if (row.company !== "") rowsOf.set(row.company, (rowsOf.get(row.company) ?? 0) + 1);
  const numberOf = new Map<string, number>();
  const column = Int32Array.from(rows, (row) => {
    if ((rowsOf.get(row.company) ?? 0) < 2) return -1;
    const known = numberOf.get(row.company);
    if (known !== undefined) return known;
    numberOf.set(row.company, numberOf.size);
    return numberOf.size - 1;
  });
  return { column, count: numberOf.size };
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
