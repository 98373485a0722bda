// Candidates -> the day's universe: one filter pass over typed arrays, then the best scores by a bounded heap.
// Ties go to the symbol that sorts first, so the order of the rows never matters. Called once a day; fast all the same,
// because a change of universe must not hold up a start.

import { assert } from "../core/assert.ts";
import { ticksFromUsd } from "../core/fixed-point.ts";
import {
  CANDIDATE_TYPE_FUND,
  CANDIDATE_TYPE_OTHER,
  CANDIDATE_TYPE_STOCK,
  CANDIDATE_TYPE_UNKNOWN,
  type Candidates,
  MARKET_CAP_NOT_ASKED,
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
    const codeOfType = typeCodes(options.types);
    const pxMin = ticksFromUsd(options.pxMinUsd);
    const pxMax = ticksFromUsd(options.pxMaxUsd);
    const { volumeMin, spreadMaxBps, marketCapMinUsd } = options;
    let passCount = 0;
    for (let row = 0; row < count; row++) {
      let code = barred[row]!;
      if (code === 0) code = codeOfType[type[row]!]!;
      if (code === 0) {
        const px = previousClosePxTicks[row]!;
        const cap = marketCapUsd[row]!;
        if (px < pxMin) code = OUTCOME_PX_BELOW_MIN;
        else if (px > pxMax) code = OUTCOME_PX_ABOVE_MAX;
        else if (volumeMean[row]! < volumeMin) code = OUTCOME_VOLUME_BELOW_MIN;
        else if (spreadBps[row]! > spreadMaxBps) code = OUTCOME_SPREAD_ABOVE_MAX;
        else if (type[row] === CANDIDATE_TYPE_STOCK && cap !== MARKET_CAP_NOT_ASKED && !(cap >= marketCapMinUsd)) {
          code = Number.isNaN(cap) ? OUTCOME_MARKET_CAP_UNKNOWN : OUTCOME_MARKET_CAP_BELOW_MIN;
        }
      }
      outcome[row] = code;
      passCount += code === 0 ? 1 : 0;
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

/** OUTCOME_CHOSEN or the code that bars it, by CANDIDATE_TYPE_*. */
function typeCodes(types: readonly ("CS" | "ETF")[]): Uint8Array {
  const codes = new Uint8Array(4);
  codes[CANDIDATE_TYPE_UNKNOWN] = OUTCOME_TYPE_UNKNOWN;
  codes[CANDIDATE_TYPE_STOCK] = types.includes("CS") ? OUTCOME_CHOSEN : OUTCOME_TYPE_NOT_ALLOWED;
  codes[CANDIDATE_TYPE_FUND] = types.includes("ETF") ? OUTCOME_CHOSEN : OUTCOME_TYPE_NOT_ALLOWED;
  codes[CANDIDATE_TYPE_OTHER] = OUTCOME_TYPE_NOT_ALLOWED;
  return codes;
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
