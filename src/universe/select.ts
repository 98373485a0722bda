// Candidates -> the day's universe: one filter pass over typed arrays, then the best scores by a bounded heap.
// Ties go to the symbol that sorts first, so the order of the rows never matters. Called once a day; fast all the same,
// because a change of universe must not hold up a start.

import { assert } from "../core/assert.ts";
import { ticksFromUsd } from "../core/fixed-point.ts";
import {
  CANDIDATE_TYPE_COUNT,
  CANDIDATE_TYPE_FUND,
  CANDIDATE_TYPE_STOCK,
  CANDIDATE_TYPE_UNKNOWN,
  type Candidates,
} from "./candidates.ts";
import {
  OUTCOME_BELOW_CUT,
  OUTCOME_CHOSEN,
  OUTCOME_MARKET_CAP_BELOW_MIN,
  OUTCOME_MARKET_CAP_UNKNOWN,
  OUTCOME_OTHER_CLASS_CHOSEN,
  OUTCOME_PX_ABOVE_MAX,
  OUTCOME_PX_BELOW_MIN,
  OUTCOME_SPREAD_ABOVE_MAX,
  OUTCOME_TYPE_NOT_ALLOWED,
  OUTCOME_TYPE_UNKNOWN,
  OUTCOME_VOLUME_BELOW_MIN,
} from "./outcomes.ts";

/** The part of Config["universe"] that the selection reads. */
export interface UniverseOptions {
  readonly size: number;
  readonly pxMinUsd: number;
  readonly pxMaxUsd: number;
  readonly volumeMin: number;
  readonly marketCapMinUsd: number;
  readonly spreadMaxBps: number;
  readonly types: readonly ("CS" | "ETF")[];
  readonly exclude: readonly string[];
}

export interface UniverseSelection {
  /** (member) candidate rows, best score first. */
  readonly rows: Int32Array;
  /** (candidate) OUTCOME_*. */
  readonly outcome: Uint8Array;
}

/** Filters `candidates` and chooses the best `options.size`. */
export function selectUniverse(candidates: Candidates, options: UniverseOptions): UniverseSelection {
  const selector = new UniverseSelector(candidates.count, options.size);
  selector.filter(candidates, options);
  const count = selector.chooseTop(candidates);
  return { rows: selector.rows.slice(0, count), outcome: selector.outcome };
}

/** Owns the columns of a selection, so that it can be run again without allocating. */
export class UniverseSelector {
  /** (candidate) OUTCOME_*; OUTCOME_CHOSEN for all that pass, until `chooseTop`. */
  readonly outcome: Uint8Array;
  /** (member) candidate rows, best first, once `chooseTop` has run. */
  readonly rows: Int32Array;
  readonly #size: number;
  #bestOfCompany = new Int32Array(0);

  constructor(capacity: number, size: number) {
    assert(size >= 1 && Number.isInteger(size), `universe size is a whole number above 0, was ${size}`);
    this.outcome = new Uint8Array(capacity);
    this.rows = new Int32Array(size);
    this.#size = size;
  }

  /** Writes the outcome of every candidate. @returns how many pass */
  filter(candidates: Candidates, options: UniverseOptions): number {
    assert(candidates.count <= this.outcome.length, `at most ${this.outcome.length} candidates`);
    const { barred, type, previousClosePxTicks, volumeMean, marketCapUsd, spreadBps, count } = candidates;
    const outcome = this.outcome;
    const codeOf = outcomeTable(options.types);
    const pxMin = ticksFromUsd(options.pxMinUsd);
    const pxMax = ticksFromUsd(options.pxMaxUsd);
    const { volumeMin, spreadMaxBps, marketCapMinUsd } = options;
    let passCount = 0;
    for (let row = 0; row < count; row++) {
      const px = previousClosePxTicks[row]!;
      const cap = marketCapUsd[row]!;
      // No branch depends on the numbers: on a market not seen before, mispredictions cost more than all comparisons.
      // NaN compares false: an unknown spread passes, an unknown market cap is a failure of its own.
      const failures =
        bit(px < pxMin) |
        (bit(px > pxMax) << 1) |
        (bit(volumeMean[row]! < volumeMin) << 2) |
        (bit(spreadBps[row]! > spreadMaxBps) << 3) |
        (bit(Number.isNaN(cap)) << 4) |
        (bit(cap < marketCapMinUsd) << 5);
      const code = barred[row]! || codeOf[(type[row]! << FAILURE_BITS) | failures]!;
      outcome[row] = code;
      passCount += bit(code === OUTCOME_CHOSEN);
    }
    return candidates.companyCount === 0 ? passCount : passCount - this.#dropOtherClasses(candidates);
  }

  /** Ranks what passed and marks the rest BELOW_CUT. @returns members, `size` or fewer */
  chooseTop(candidates: Candidates): number {
    const { score, symbolRank, count } = candidates;
    const { outcome, rows } = this;
    const size = this.#size;
    let kept = 0;
    for (let row = 0; row < count; row++) {
      if (outcome[row] !== OUTCOME_CHOSEN) continue;
      if (kept < size) {
        rows[kept++] = row;
        if (kept === size) heapify(rows, kept, score, symbolRank);
      } else if (isBetter(row, rows[0]!, score, symbolRank)) {
        outcome[rows[0]!] = OUTCOME_BELOW_CUT;
        rows[0] = row;
        siftDown(rows, 0, kept, score, symbolRank);
      } else outcome[row] = OUTCOME_BELOW_CUT;
    }
    if (kept < size) heapify(rows, kept, score, symbolRank);
    sortHeap(rows, kept, score, symbolRank);
    return kept;
  }

  /** Of several passing classes of one company the most traded stays. @returns how many fell */
  #dropOtherClasses(candidates: Candidates): number {
    const { company, companyCount, count } = candidates;
    if (this.#bestOfCompany.length < companyCount) this.#bestOfCompany = new Int32Array(companyCount);
    const best = this.#bestOfCompany.fill(-1);
    const outcome = this.outcome;
    let dropped = 0;
    for (let row = 0; row < count; row++) {
      const key = company[row]!;
      if (key < 0 || outcome[row] !== OUTCOME_CHOSEN) continue;
      const rival = best[key]!;
      if (rival < 0) best[key] = row;
      else {
        const isMoreTraded = isBetter(row, rival, candidates.volumeMean, candidates.symbolRank);
        outcome[isMoreTraded ? rival : row] = OUTCOME_OTHER_CLASS_CHOSEN;
        if (isMoreTraded) best[key] = row;
        dropped += 1;
      }
    }
    return dropped;
  }
}

/** Codes of the failure bits, in order; the first failure is the one that is told. */
const FAILURE_CODES = [
  OUTCOME_PX_BELOW_MIN,
  OUTCOME_PX_ABOVE_MAX,
  OUTCOME_VOLUME_BELOW_MIN,
  OUTCOME_SPREAD_ABOVE_MAX,
  OUTCOME_MARKET_CAP_UNKNOWN,
  OUTCOME_MARKET_CAP_BELOW_MIN,
] as const;
const FAILURE_BITS = FAILURE_CODES.length;
/** Failures a fund can have: all but the two of market capitalisation. */
const FUND_FAILURES = 0b001111;

/** Outcome by (CANDIDATE_TYPE_*, set of failures): kind first, then the first failure that counts for the kind. */
function outcomeTable(types: readonly ("CS" | "ETF")[]): Uint8Array {
  const codeOf = new Uint8Array(CANDIDATE_TYPE_COUNT << FAILURE_BITS);
  for (let index = 0; index < codeOf.length; index++) {
    const type = index >> FAILURE_BITS;
    const failures = index & (type === CANDIDATE_TYPE_FUND ? FUND_FAILURES : (1 << FAILURE_BITS) - 1);
    const first = FAILURE_CODES.find((_, bitIndex) => (failures >> bitIndex) & 1);
    codeOf[index] = codeOfType(type, types) || (first ?? OUTCOME_CHOSEN);
  }
  return codeOf;
}

function codeOfType(type: number, types: readonly ("CS" | "ETF")[]): number {
  if (type === CANDIDATE_TYPE_UNKNOWN) return OUTCOME_TYPE_UNKNOWN;
  const isAllowed =
    (type === CANDIDATE_TYPE_STOCK && types.includes("CS")) || (type === CANDIDATE_TYPE_FUND && types.includes("ETF"));
  return isAllowed ? OUTCOME_CHOSEN : OUTCOME_TYPE_NOT_ALLOWED;
}

/** 1 where true. A call that compiles to no branch, which a ternary does not. */
function bit(condition: boolean): number {
  return Number(condition);
}

// A heap of rows whose root is the worst kept, so that one comparison turns most candidates away.

/** A higher value, or the same and the symbol that sorts first. A total order: symbols that pass are unique. */
function isBetter(a: number, b: number, value: Float64Array, symbolRank: Int32Array): boolean {
  const left = value[a]!;
  const right = value[b]!;
  return left > right || (left === right && symbolRank[a]! < symbolRank[b]!);
}

function heapify(heap: Int32Array, count: number, score: Float64Array, symbolRank: Int32Array): void {
  for (let at = (count >> 1) - 1; at >= 0; at--) siftDown(heap, at, count, score, symbolRank);
}

function siftDown(heap: Int32Array, at: number, count: number, score: Float64Array, symbolRank: Int32Array): void {
  const row = heap[at]!;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= count) break;
    if (child + 1 < count && isBetter(heap[child]!, heap[child + 1]!, score, symbolRank)) child += 1;
    if (!isBetter(row, heap[child]!, score, symbolRank)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = row;
}

/** Takes the worst to the end again and again: best first. */
function sortHeap(heap: Int32Array, count: number, score: Float64Array, symbolRank: Int32Array): void {
  for (let end = count - 1; end > 0; end--) {
    const worst = heap[0]!;
    heap[0] = heap[end]!;
    heap[end] = worst;
    siftDown(heap, 0, end, score, symbolRank);
  }
}
