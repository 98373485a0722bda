// The universe of a day from a market-data source: daily bars of the sessions before, types, quotes made before the open,
// market capitalisations of the stocks near the top. Called once before the open; nothing of the day itself is read but
// the quotes, and those only with a time before the open.

import { UserError } from "../core/user-error.ts";
import { previousTradingDay, type TradingDay, tradingDay } from "../market/calendar.ts";
import {
  CANDIDATE_TYPE_FUND,
  CANDIDATE_TYPE_OTHER,
  CANDIDATE_TYPE_STOCK,
  CANDIDATE_TYPE_UNKNOWN,
  type CandidateRow,
  type Candidates,
  MARKET_CAP_NOT_ASKED,
  makeCandidates,
} from "./candidates.ts";
import { OUTCOMES } from "./outcomes.ts";
import type { GroupedBar, ReferenceTicker, SnapshotTicker, TickerDetails, UniverseRest } from "./rest-port.ts";
import { type DailyHistory, momentumVolatilityScore } from "./score.ts";
import { selectUniverse, type UniverseOptions, type UniverseSelection } from "./select.ts";

export interface UniverseBuildOptions extends UniverseOptions {
  /** Sessions in the mean of volume and in the score; fewer where the source has fewer. */
  readonly volumeSessions: number;
}

export interface UniverseMember {
  readonly symbol: string;
  /** Log return per session; see score.ts. */
  readonly score: number;
  readonly type: "CS" | "ETF";
  /** USD; 0 for funds, which have none. */
  readonly marketCapUsd: number;
  readonly previousClosePxTicks: number;
}

/** What became of one candidate. */
export interface UniverseOutcome {
  readonly symbol: string;
  /** OUTCOME_*, its stable name, and a sentence to be read after the symbol. */
  readonly code: number;
  readonly name: string;
  readonly meaning: string;
  /** NaN where it could not be computed. */
  readonly score: number;
}

export interface Universe {
  readonly date: string;
  /** Best score first. */
  readonly members: readonly UniverseMember[];
  /** Every candidate, by symbol. */
  readonly outcomes: readonly UniverseOutcome[];
  readonly candidatesCount: number;
  /** Sessions whose daily bars were used, newest first. */
  readonly sessions: readonly string[];
  /** Sentences for a human: what was missing and what was done about it. */
  readonly warnings: readonly string[];
}

/** Requests at once. The vendor asks for fewer than 100 a second. */
const REQUESTS_AT_ONCE = 8;
/** Sessions asked for at once after the first; a source without history answers the first of them with nothing. */
const SESSIONS_AT_ONCE = 4;

/**
 * Chooses the universe of `date`. Throws UserError when the day is no trading day, the source fails or has nothing.
 * Fewer members than `options.size` are a warning: fewer good stocks are better than worse ones.
 */
export async function buildUniverse(from: {
  readonly rest: UniverseRest;
  /** The trading day, YYYY-MM-DD in New York. */
  readonly date: string;
  readonly options: UniverseBuildOptions;
}): Promise<Universe> {
  const { rest, date, options } = from;
  const day = tradingDay(date);
  if (day === null)
    throw new UserError("usage", `no universe for ${date}: the exchange is closed`, "Choose a trading day.");
  const warnings: string[] = [];
  const [snapshot, reference, sessions] = await Promise.all([
    ask("the market snapshot", () => rest.snapshotAll()),
    ask("the list of securities", () => rest.referenceTickers()),
    askSessions(rest, date, options.volumeSessions, warnings),
  ]);
  if (snapshot.length === 0) {
    const remedy =
      "Start after 04:00 New York time: the source clears it at 03:30. Check the plan of the key otherwise.";
    throw new UserError("failed", `the market snapshot is empty, so no universe can be chosen for ${date}`, remedy);
  }
  if (sessions.length < options.volumeSessions) {
    warnings.push(
      `daily bars of ${counted(sessions.length, "session")} where ${options.volumeSessions} were asked for: means are over what there is`,
    );
  }
  const rows = candidateRows(day, snapshot, reference, sessions);
  const chosen = await selectWithMarketCaps(rest, rows, sessions[0]!.date, options, warnings);
  if (chosen.selection.rows.length < options.size) {
    warnings.push(
      `of ${counted(rows.length, "stock")} ${chosen.selection.rows.length} are chosen where ${options.size} were asked for: no more pass the filters`,
    );
  }
  return {
    date,
    members: Array.from(chosen.selection.rows, (row) => memberOf(chosen.candidates, row)),
    outcomes: outcomesOf(chosen.candidates, chosen.selection),
    candidatesCount: rows.length,
    sessions: sessions.map((session) => session.date),
    warnings,
  };
}

/** One line that answers why `symbol` was or was not chosen. */
export function explainOutcome(universe: Universe, symbol: string): string {
  const outcome = universe.outcomes.find((candidate) => candidate.symbol === symbol);
  if (outcome === undefined)
    return `${symbol} is not among the ${universe.candidatesCount} candidates of ${universe.date}`;
  const score = Number.isNaN(outcome.score) ? "" : `, score ${outcome.score.toFixed(5)}`;
  return `${symbol} ${outcome.meaning} (${outcome.name}${score})`;
}

interface Session {
  readonly date: string;
  readonly bars: readonly GroupedBar[];
}

/** Daily bars of up to `count` sessions before `date`, newest first, ending where the source's history ends. */
async function askSessions(rest: UniverseRest, date: string, count: number, warnings: string[]): Promise<Session[]> {
  const dates = sessionsBefore(date, count);
  const newest = dates[0]!;
  const sessions = [{ date: newest, bars: await ask(`the daily bars of ${newest}`, () => rest.groupedDaily(newest)) }];
  if (sessions[0]!.bars.length === 0) {
    const remedy = "Without the session before, nothing can be ranked: check the data folder or the plan of the key.";
    throw new UserError("failed", `the source has no daily bars of ${newest}, the session before ${date}`, remedy);
  }
  for (let at = 1; at < dates.length; at += SESSIONS_AT_ONCE) {
    const chunk = dates.slice(at, at + SESSIONS_AT_ONCE);
    const answers = await Promise.allSettled(chunk.map((session) => rest.groupedDaily(session)));
    for (const [index, answer] of answers.entries()) {
      const session = chunk[index]!;
      if (answer.status === "rejected") {
        warnings.push(`daily bars of ${session} and earlier are left out: ${messageOf(answer.reason)}`);
        return sessions;
      }
      if (answer.value.length === 0) return sessions;
      sessions.push({ date: session, bars: answer.value });
    }
  }
  return sessions;
}

function sessionsBefore(date: string, count: number): string[] {
  const dates: string[] = [];
  for (let day = date; dates.length < count; ) {
    day = previousTradingDay(day).date;
    dates.push(day);
  }
  return dates;
}

/** One row per symbol that the snapshot lists or that traded in the session before. */
function candidateRows(
  day: TradingDay,
  snapshot: readonly SnapshotTicker[],
  reference: readonly ReferenceTicker[],
  sessions: readonly Session[],
): CandidateRow[] {
  const spreads = spreadsBySymbol(day, snapshot);
  const references = referenceBySymbol(reference);
  const barsBySession = sessions.map((session) => barsBySymbol(session.bars));
  const symbols = new Set([...snapshot.map((ticker) => ticker.symbol), ...barsBySession[0]!.keys()]);
  return Array.from(symbols, (symbol) => {
    const type = candidateType(references.get(symbol)?.type ?? "");
    return {
      symbol,
      type,
      ...historyFacts(barsBySession.map((bars) => bars.get(symbol))),
      marketCapUsd: type === CANDIDATE_TYPE_STOCK ? MARKET_CAP_NOT_ASKED : Number.NaN,
      spreadBps: spreads.get(symbol) ?? Number.NaN,
      company: type === CANDIDATE_TYPE_STOCK ? companyOf(symbol, references.get(symbol)?.cik ?? "") : "",
    };
  });
}

/** A bar, or AMBIGUOUS where the source gives two different ones. */
type BarOrAmbiguous = GroupedBar | typeof AMBIGUOUS;
const AMBIGUOUS = Symbol("two different bars");

function barsBySymbol(bars: readonly GroupedBar[]): Map<string, BarOrAmbiguous> {
  const found = new Map<string, BarOrAmbiguous>();
  for (const bar of bars) {
    const other = found.get(bar.symbol);
    found.set(bar.symbol, other === undefined || (other !== AMBIGUOUS && isSameBar(other, bar)) ? bar : AMBIGUOUS);
  }
  return found;
}

function isSameBar(a: GroupedBar, b: GroupedBar): boolean {
  return a.open === b.open && a.high === b.high && a.low === b.low && a.close === b.close && a.volume === b.volume;
}

type HistoryFacts = Pick<CandidateRow, "previousClosePx" | "volumeMean" | "score" | "isAmbiguous">;

const NO_FACTS: HistoryFacts = { previousClosePx: Number.NaN, volumeMean: 0, score: Number.NaN, isAmbiguous: false };

/** What the sessions before tell of one stock; `bars` newest first, undefined where it did not trade. */
function historyFacts(bars: readonly (BarOrAmbiguous | undefined)[]): HistoryFacts {
  if (bars[0] === undefined) return NO_FACTS;
  if (bars.includes(AMBIGUOUS)) return { ...NO_FACTS, isAmbiguous: true };
  const traded = bars.filter((bar) => bar !== undefined && bar !== AMBIGUOUS);
  // A bar that cannot be true makes the whole stock untrustworthy: price 0 is BAD_DATA to the filter.
  if (!traded.every(isBelievable)) return { ...NO_FACTS, previousClosePx: 0 };
  const history: DailyHistory = {
    count: traded.length,
    open: Float64Array.from(traded, (bar) => bar.open),
    high: Float64Array.from(traded, (bar) => bar.high),
    low: Float64Array.from(traded, (bar) => bar.low),
    close: Float64Array.from(traded, (bar) => bar.close),
    volume: Float64Array.from(traded, (bar) => bar.volume),
  };
  // A session without a trade counts as volume 0, the time before a listing does not count.
  const sessionsListed = bars.findLastIndex((bar) => bar !== undefined) + 1;
  return {
    previousClosePx: traded[0]!.close,
    volumeMean: history.volume.reduce((sum, volume) => sum + volume, 0) / sessionsListed,
    score: momentumVolatilityScore(history),
    isAmbiguous: false,
  };
}

function isBelievable(bar: GroupedBar): boolean {
  const { open, high, low, close, volume } = bar;
  const isInRange =
    low > 0 && low <= Math.min(open, close) && high >= Math.max(open, close) && high < Number.POSITIVE_INFINITY;
  return isInRange && volume >= 0 && volume < Number.POSITIVE_INFINITY;
}

/** Quoted spread in basis points of the mid, of quotes made between the session before and the open. */
function spreadsBySymbol(day: TradingDay, snapshot: readonly SnapshotTicker[]): Map<string, number> {
  const fromUs = previousTradingDay(day.date).openUs;
  const latest = new Map<string, { tsUs: number; spreadBps: number }>();
  for (const { symbol, bidPx, askPx, quoteTsUs } of snapshot) {
    const isKnown = bidPx > 0 && askPx >= bidPx && askPx < Number.POSITIVE_INFINITY;
    if (!isKnown || !(quoteTsUs >= fromUs && quoteTsUs < day.openUs)) continue;
    const spreadBps = ((askPx - bidPx) / ((askPx + bidPx) / 2)) * 10_000;
    const other = latest.get(symbol);
    // Listed twice: the later quote, of equally late ones the wider, whatever their order.
    const isLater = other === undefined || quoteTsUs > other.tsUs;
    if (isLater || (quoteTsUs === other.tsUs && spreadBps > other.spreadBps))
      latest.set(symbol, { tsUs: quoteTsUs, spreadBps });
  }
  return new Map(Array.from(latest, ([symbol, quote]) => [symbol, quote.spreadBps]));
}

/** Type and company number by symbol; what two entries disagree about is unknown. */
function referenceBySymbol(reference: readonly ReferenceTicker[]): Map<string, { type: string; cik: string }> {
  const found = new Map<string, { type: string; cik: string }>();
  for (const { symbol, type, cik } of reference) {
    const other = found.get(symbol);
    if (other === undefined) found.set(symbol, { type, cik });
    else found.set(symbol, { type: other.type === type ? type : "", cik: other.cik === cik ? cik : "" });
  }
  return found;
}

function candidateType(type: string): number {
  if (type === "") return CANDIDATE_TYPE_UNKNOWN;
  if (type === "CS") return CANDIDATE_TYPE_STOCK;
  return type === "ETF" ? CANDIDATE_TYPE_FUND : CANDIDATE_TYPE_OTHER;
}

/** Same for all classes of a company: its number, or the symbol without the class (BRK.A, BRK.B). */
function companyOf(symbol: string, cik: string): string {
  return cik === "" ? symbol.replace(/\.[A-Z]$/, "") : cik;
}

interface Chosen {
  readonly candidates: Candidates;
  readonly selection: UniverseSelection;
}

/**
 * Selects, asks for the market capitalisation of the common stocks among the chosen, and selects again until every one of
 * them is known: a few hundred requests at most instead of one for each of ten thousand stocks.
 */
async function selectWithMarketCaps(
  rest: UniverseRest,
  rows: CandidateRow[],
  asOf: string,
  options: UniverseOptions,
  warnings: string[],
): Promise<Chosen> {
  let asked = 0;
  const failures: unknown[] = [];
  const candidates = makeCandidates(rows, options.exclude);
  for (;;) {
    const selection = selectUniverse(candidates, options);
    const pending = Array.from(selection.rows).filter((row) => candidates.marketCapUsd[row] === MARKET_CAP_NOT_ASKED);
    if (pending.length === 0) {
      if (failures.length > 0) {
        warnings.push(
          `market capitalisation of ${counted(failures.length, "stock")} is unknown: ${messageOf(failures[0])}`,
        );
      }
      return { candidates, selection };
    }
    for (let at = 0; at < pending.length; at += REQUESTS_AT_ONCE) {
      const chunk = pending.slice(at, at + REQUESTS_AT_ONCE);
      const answers = await Promise.allSettled(chunk.map((row) => rest.tickerDetails(candidates.symbols[row]!, asOf)));
      for (const [index, answer] of answers.entries()) {
        const row = chunk[index]!;
        if (answer.status === "rejected") failures.push(answer.reason);
        candidates.marketCapUsd[row] = answer.status === "rejected" ? Number.NaN : marketCapOf(answer.value);
      }
      asked += chunk.length;
      // One failing stock is left out; a source that answers nothing is down, and a day must not be chosen without it.
      if (failures.length >= REQUESTS_AT_ONCE && failures.length === asked) {
        throw failed("market capitalisations", failures[0]);
      }
    }
  }
}

function marketCapOf(details: TickerDetails | null): number {
  const capUsd = details?.marketCapUsd ?? Number.NaN;
  return capUsd > 0 && capUsd < Number.POSITIVE_INFINITY ? capUsd : Number.NaN;
}

function memberOf(candidates: Candidates, row: number): UniverseMember {
  const isStock = candidates.type[row] === CANDIDATE_TYPE_STOCK;
  return {
    symbol: candidates.symbols[row]!,
    score: candidates.score[row]!,
    type: isStock ? "CS" : "ETF",
    marketCapUsd: isStock ? candidates.marketCapUsd[row]! : 0,
    previousClosePxTicks: candidates.previousClosePxTicks[row]!,
  };
}

function outcomesOf(candidates: Candidates, selection: UniverseSelection): UniverseOutcome[] {
  const bySymbol = new Int32Array(candidates.count);
  for (let row = 0; row < candidates.count; row++) bySymbol[candidates.symbolRank[row]!] = row;
  return Array.from(bySymbol, (row) => {
    const code = selection.outcome[row]!;
    const { name, meaning } = OUTCOMES[code]!;
    return { symbol: candidates.symbols[row]!, code, name, meaning, score: candidates.score[row]! };
  });
}

async function ask<T>(what: string, request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (cause) {
    throw failed(what, cause);
  }
}

function failed(what: string, cause: unknown): UserError {
  const remedy = cause instanceof UserError ? cause.remedy : "";
  const kind = cause instanceof UserError ? cause.kind : "failed";
  return new UserError(kind, `the universe needs ${what}, and the source failed: ${messageOf(cause)}`, remedy, {
    cause,
  });
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
