// Polygon's REST API: what the day needs before its first tick, and the history that fills gaps. Off the hot path.
// Two transports give the same rows: our own over fetch (default: the key travels in a header, nothing to load at start) and
// the vendor's SDK, loaded on first use. The SDK puts the key into each URL and its errors carry that URL, so no error of its
// own is ever passed on. Both have time-outs, wait when the venue says "too many requests", and try a lost request again.

import type { DefaultApi } from "@polygon.io/client-js";
import { UserError } from "../../core/user-error.ts";
import { type Delays, WallDelays } from "../delays.ts";
import {
  barOf,
  groupedBarOf,
  isFields,
  type RestBar,
  type RestGroupedBar,
  type RestReferenceTicker,
  type RestSnapshotTicker,
  type RestTickerDetails,
  referenceTickerOf,
  rowsOf,
  type Skip,
  snapshotTickerOf,
  sortBars,
  tickerDetailsOf,
} from "./rest-rows.ts";

/** Longest wait for one answer; the snapshot of the whole market is some megabytes. */
const TIMEOUT_MS = 15_000;
/** How long to go on asking after "too many requests": the free plan counts by the minute. */
const RATE_LIMIT_PATIENCE_MS = 90_000;
/** Tries of a request that got lost or met a fault of the venue; all requests here only read. */
const TRIES_MAX = 3;
/** First and longest wait between two tries; doubled each time. */
const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 16_000;
/** Requests at once while warming up; the venue asks to stay under 100 a second. */
const CONCURRENCY = 32;
/** Rows on a page: the venue's maxima for aggregates and for reference tickers. */
const AGGREGATES_LIMIT = 50_000;
const TICKERS_LIMIT = 1_000;
/** More pages than any list has; beyond it the venue is going round in circles. */
const PAGES_MAX = 200;
/** How far back warm-up bars are looked for; a stock that trades less is not for this program. */
const WARMUP_DAYS = 30;
/** How far back the last VIX close is looked for; longer than any closure since 1933. */
const VIX_DAYS = 10;
const VIX = "I:VIX";

const NOT_JSON = "did not answer with a JSON object";

const US_PER_SEC = 1_000_000;
const MS_PER_DAY = 86_400_000;

export interface PolygonRestOptions {
  /** Host, such as https://api.polygon.io. */
  readonly url: string;
  readonly apiKey: string;
  /** Default "fetch". */
  readonly transport?: "fetch" | "sdk";
  readonly timeoutMs?: number;
  readonly rateLimitPatienceMs?: number;
  /** Waits between tries. Default: the wall. */
  readonly delays?: Delays;
}

export interface AggregatesRequest {
  readonly symbol: string;
  /** First and last start of a bar, epoch ms. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly multiplier: number;
  readonly timespan: "second" | "minute" | "hour" | "day";
  /** Newest bars to fetch; all of them where it is left out. */
  readonly countMax?: number;
}

/** One question, told to either transport. */
interface Question {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** The same by the SDK; null where it has no way to ask it. */
  readonly sdk: ((api: DefaultApi, options: SdkOptions) => Promise<unknown>) | null;
}

interface SdkOptions {
  readonly timeout: number;
}

/** What came of one try. */
type Outcome =
  | { readonly kind: "answer"; readonly body: unknown }
  | { readonly kind: "status"; readonly status: number; readonly detail: string; readonly retryAfterMs: number }
  | { readonly kind: "lost"; readonly detail: string };

export class PolygonRest {
  /** Rows skipped, by what was asked and why. */
  readonly skipped = new Map<string, number>();
  readonly #options: PolygonRestOptions;
  readonly #base: string;
  readonly #timeoutMs: number;
  readonly #delays: Delays;
  #api: Promise<DefaultApi> | null = null;

  constructor(options: PolygonRestOptions) {
    this.#options = options;
    this.#base = options.url.replace(/\/+$/, "");
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
    this.#delays = options.delays ?? new WallDelays();
  }

  /** Every stock the venue lists now, with its last quote. */
  async snapshotAll(): Promise<RestSnapshotTicker[]> {
    const skip = this.#skipper("snapshot");
    const answer = await this.#ask({
      path: "/v2/snapshot/locale/us/markets/stocks/tickers",
      query: {},
      sdk: (api, options) => api.getStocksSnapshotTickers(undefined, undefined, options),
    });
    return collect(rowsOf(answer, "tickers", skip), (row) => snapshotTickerOf(row, skip));
  }

  /** Daily bars of all stocks of one session, adjusted for splits; empty where the venue has none. */
  async groupedDaily(date: string): Promise<RestGroupedBar[]> {
    const skip = this.#skipper("grouped daily bars");
    const answer = await this.#ask({
      path: `/v2/aggs/grouped/locale/us/market/stocks/${encodeURIComponent(date)}`,
      query: { adjusted: "true" },
      sdk: (api, options) => api.getGroupedStocksAggregates(date, true, undefined, options),
    });
    return collect(rowsOf(answer, "results", skip), (row) => groupedBarOf(row, skip));
  }

  /** Bars of one stock, rising in time, adjusted for splits. */
  async aggregates(request: AggregatesRequest): Promise<RestBar[]> {
    const { symbol, fromMs, toMs, multiplier, timespan, countMax } = request;
    const skip = this.#skipper(`${timespan} bars`);
    // The venue's limit counts the bars that longer ones are made of.
    const limit = countMax === undefined ? AGGREGATES_LIMIT : Math.min(AGGREGATES_LIMIT, countMax * multiplier);
    const range = `${multiplier}/${timespan}/${fromMs}/${toMs}`;
    const first: Question = {
      path: `/v2/aggs/ticker/${encodeURIComponent(symbol)}/range/${range}`,
      query: { adjusted: "true", sort: "desc", limit: String(limit) },
      sdk: (api, options) => {
        const span = timespan as Parameters<DefaultApi["getStocksAggregates"]>[2];
        const desc = "desc" as Parameters<DefaultApi["getStocksAggregates"]>[6];
        return api.getStocksAggregates(
          symbol,
          multiplier,
          span,
          String(fromMs),
          String(toMs),
          true,
          desc,
          limit,
          options,
        );
      },
    };
    const bars: RestBar[] = [];
    for await (const rows of this.#pages(first, skip)) {
      for (const row of rows) {
        const bar = barOf(row, skip);
        if (bar !== null) bars.push(bar);
      }
      if (countMax !== undefined && bars.length >= countMax) break;
    }
    const rising = sortBars(bars, skip);
    return countMax === undefined ? rising : rising.slice(-countMax);
  }

  /**
   * The last `count` bars of each symbol that were complete before `beforeUs`, rising in time; fewer where there are fewer.
   * One list for each symbol, in the order of `symbols`.
   */
  async warmupBars(
    symbols: readonly string[],
    count: number,
    beforeUs: number,
    intervalSec = 60,
  ): Promise<readonly (readonly RestBar[])[]> {
    const [multiplier, timespan] =
      intervalSec % 60 === 0 ? [intervalSec / 60, "minute" as const] : [intervalSec, "second" as const];
    const lastStartUs = beforeUs - intervalSec * US_PER_SEC;
    const toMs = Math.floor(lastStartUs / 1000);
    const bars: (readonly RestBar[])[] = symbols.map(() => []);
    let next = 0;
    const work = async () => {
      while (next < symbols.length) {
        const index = next++;
        const request = {
          symbol: symbols[index]!,
          fromMs: toMs - WARMUP_DAYS * MS_PER_DAY,
          toMs,
          multiplier,
          timespan,
          countMax: count,
        };
        // The end of the range is the venue's to respect, and ours to check: a bar still forming must not count as closed.
        bars[index] = (await this.aggregates(request)).filter((bar) => bar.startUs <= lastStartUs);
      }
    };
    await Promise.all(Array.from({ length: Math.min(CONCURRENCY, symbols.length) }, work));
    return bars;
  }

  /** Details of one stock as of `date`; null where the symbol is unknown. */
  async tickerDetails(symbol: string, date: string): Promise<RestTickerDetails | null> {
    const skip = this.#skipper("ticker details");
    const answer = await this.#ask(
      {
        path: `/v3/reference/tickers/${encodeURIComponent(symbol)}`,
        query: { date },
        sdk: (api, options) => api.getTicker(symbol, date, options),
      },
      "null where not found",
    );
    const results = isFields(answer) ? answer.results : undefined;
    return isFields(results) ? tickerDetailsOf(results, skip) : null;
  }

  /** All active stocks and funds. */
  async referenceTickers(): Promise<RestReferenceTicker[]> {
    const skip = this.#skipper("reference tickers");
    const first: Question = {
      path: "/v3/reference/tickers",
      query: { market: "stocks", active: "true", limit: String(TICKERS_LIMIT) },
      sdk: (api, options) => {
        const stocks = "stocks" as NonNullable<Parameters<DefaultApi["listTickers"]>[2]>;
        const none = undefined;
        return api.listTickers(
          none,
          none,
          stocks,
          none,
          none,
          none,
          none,
          none,
          true,
          none,
          none,
          none,
          none,
          none,
          TICKERS_LIMIT,
          none,
          options,
        );
      },
    };
    const tickers: RestReferenceTicker[] = [];
    for await (const rows of this.#pages(first, skip))
      tickers.push(...collect(rows, (row) => referenceTickerOf(row, skip)));
    return tickers;
  }

  /** VIX, percent a year: the close of the last session before `date`; null where the venue has none. */
  async vixPreviousClose(date: string): Promise<number | null> {
    const skip = this.#skipper("VIX");
    const day = Temporal.PlainDate.from(date);
    const from = day.subtract({ days: VIX_DAYS }).toString();
    const to = day.subtract({ days: 1 }).toString();
    const answer = await this.#ask({
      path: `/v2/aggs/ticker/${encodeURIComponent(VIX)}/range/1/day/${from}/${to}`,
      query: { sort: "desc", limit: String(VIX_DAYS) },
      sdk: (api, options) => {
        const span = "day" as Parameters<DefaultApi["getIndicesAggregates"]>[2];
        const desc = "desc" as Parameters<DefaultApi["getIndicesAggregates"]>[5];
        return api.getIndicesAggregates(VIX, 1, span, from, to, desc, VIX_DAYS, options);
      },
    });
    // Daily bars start at midnight in New York, which is never before midnight UTC of the same date.
    const dayStartMs = Date.parse(`${date}T00:00:00Z`);
    let [newestMs, close] = [0, Number.NaN];
    for (const row of rowsOf(answer, "results", skip)) {
      if (typeof row.t !== "number" || !isVix(row.c)) skip("value is missing or not believable");
      else if (row.t < dayStartMs && row.t > newestMs) [newestMs, close] = [row.t, row.c];
    }
    return newestMs > 0 ? close : null;
  }

  /** VIX, percent a year, as the venue has it now; null where it has none. */
  async vixLatest(): Promise<number | null> {
    const skip = this.#skipper("VIX");
    const answer = await this.#ask({
      path: "/v3/snapshot/indices",
      query: { "ticker.any_of": VIX },
      sdk: (api, options) => {
        const none = undefined;
        return api.getIndicesSnapshot(VIX, none, none, none, none, none, none, none, none, options);
      },
    });
    const row = rowsOf(answer, "results", skip).find((entry) => entry.ticker === VIX);
    if (row === undefined) return null;
    // The venue reports a missing entitlement inside a good answer.
    if (typeof row.error === "string") throw this.#error("the VIX", `was refused: ${this.#clean(row.error)}`);
    if (isVix(row.value)) return row.value;
    skip("value is missing or not believable");
    return null;
  }

  /** Pages of `results`, in the venue's order. The vendor's own paging returns them last first. */
  async *#pages(first: Question, skip: Skip): AsyncGenerator<Record<string, unknown>[]> {
    let question: Question | null = first;
    const seen = new Set<string>();
    while (question !== null) {
      const answer: unknown = await this.#ask(question);
      yield rowsOf(answer, "results", skip);
      const nextUrl = isFields(answer) ? answer.next_url : undefined;
      question = typeof nextUrl === "string" && nextUrl !== "" ? this.#nextPage(nextUrl) : null;
      if (question === null) return;
      const id = question.path + JSON.stringify(question.query);
      if (seen.has(id) || seen.size >= PAGES_MAX)
        throw this.#error(first.path, "was answered with pages that never end");
      seen.add(id);
    }
  }

  /** The next page, asked of our own host whatever host the answer names: the key goes nowhere else. */
  #nextPage(nextUrl: string): Question {
    let url: URL;
    try {
      url = new URL(nextUrl, this.#base);
    } catch {
      throw this.#error("the next page", `has an address that is none: ${this.#clean(nextUrl)}`);
    }
    url.searchParams.delete("apiKey");
    return { path: url.pathname, query: Object.fromEntries(url.searchParams), sdk: null };
  }

  /** Asks until there is an answer, a refusal, or no patience left. */
  async #ask(question: Question, notFound: "throw" | "null where not found" = "throw"): Promise<unknown> {
    const patienceMs = this.#options.rateLimitPatienceMs ?? RATE_LIMIT_PATIENCE_MS;
    let waitedMs = 0;
    let tries = 0;
    let retryMs = RETRY_MS_MIN;
    for (;;) {
      const useSdk = this.#options.transport === "sdk" && question.sdk !== null;
      const outcome = useSdk ? await this.#askSdk(question) : await this.#askFetch(question);
      if (outcome.kind === "answer") return outcome.body;
      if (outcome.kind === "status" && outcome.status === 404 && notFound !== "throw") return null;
      let waitMs = retryMs;
      if (outcome.kind === "status" && outcome.status === 429) {
        waitMs = Math.max(retryMs, outcome.retryAfterMs);
        if (waitedMs + waitMs > patienceMs) throw this.#statusError(question.path, outcome.status, outcome.detail);
        waitedMs += waitMs;
      } else {
        tries += 1;
        const isWorthIt = outcome.kind === "lost" || outcome.status >= 500;
        if (!isWorthIt || tries >= TRIES_MAX) {
          if (outcome.kind === "status") throw this.#statusError(question.path, outcome.status, outcome.detail);
          throw this.#error(question.path, `${outcome.detail}, ${tries} times`);
        }
      }
      retryMs = Math.min(RETRY_MS_MAX, retryMs * 2);
      await new Promise<void>((resolve) => this.#delays.after(waitMs, resolve));
    }
  }

  async #askFetch(question: Question): Promise<Outcome> {
    const query = new URLSearchParams(question.query).toString();
    try {
      const response = await fetch(`${this.#base}${question.path}${query === "" ? "" : `?${query}`}`, {
        headers: { authorization: `Bearer ${this.#options.apiKey}`, accept: "application/json" },
        signal: AbortSignal.timeout(this.#timeoutMs),
        // A redirect could carry the key to another host.
        redirect: "error",
      });
      if (response.ok) return answerOf(await response.json());
      const detail = detailOf(await response.json().catch(() => null));
      return {
        kind: "status",
        status: response.status,
        detail,
        retryAfterMs: retryAfterMs(response.headers.get("retry-after")),
      };
    } catch (error) {
      return { kind: "lost", detail: this.#lostDetail(error) };
    }
  }

  async #askSdk(question: Question): Promise<Outcome> {
    try {
      this.#api ??= this.#loadSdk();
      const api = await this.#api;
      return answerOf(await question.sdk!(api, { timeout: this.#timeoutMs }));
    } catch (error) {
      const response = isFields(error) && isFields(error.response) ? error.response : null;
      if (response === null || typeof response.status !== "number")
        return { kind: "lost", detail: this.#lostDetail(error) };
      const headers = isFields(response.headers) ? response.headers : {};
      const detail = detailOf(response.data);
      return { kind: "status", status: response.status, detail, retryAfterMs: retryAfterMs(headers["retry-after"]) };
    }
  }

  async #loadSdk(): Promise<DefaultApi> {
    const { restClient } = await import("@polygon.io/client-js");
    return restClient(this.#options.apiKey, this.#base);
  }

  /** Why a request got lost, in words; never the library's own, which may hold the key. */
  #lostDetail(error: unknown): string {
    const { name, code } =
      isFields(error) || error instanceof Error ? (error as { name?: unknown; code?: unknown }) : {};
    if (name === "TimeoutError" || name === "AbortError" || code === "ECONNABORTED")
      return `did not answer within ${this.#timeoutMs} ms`;
    if (error instanceof SyntaxError) return NOT_JSON;
    return `could not be reached${typeof code === "string" && /^\w+$/.test(code) ? ` (${code})` : ""}`;
  }

  #statusError(what: string, status: number, detail: string): UserError {
    const remedies: Record<number, string> = {
      401: "check POLYGON_API_KEY",
      403: "the plan of this key does not cover this; check it, or choose what needs less",
      429: "the plan of this key allows fewer requests a minute; wait, or use a plan with more",
    };
    const text = detail === "" ? "" : `: ${this.#clean(detail)}`;
    return this.#error(what, `was answered with status ${status}${text}`, remedies[status]);
  }

  #error(what: string, happened: string, remedy = ""): UserError {
    return new UserError("failed", `market data: ${new URL(this.#base).host} ${what} ${happened}`, remedy);
  }

  #clean(text: string): string {
    const { apiKey } = this.#options;
    return JSON.stringify((apiKey === "" ? text : text.replaceAll(apiKey, "***")).slice(0, 200));
  }

  #skipper(what: string): Skip {
    return (reason) => {
      const key = `${what}: ${reason}`;
      this.skipped.set(key, (this.skipped.get(key) ?? 0) + 1);
    };
  }
}

/** The SDK hands over text where the venue sent no JSON. */
function answerOf(body: unknown): Outcome {
  return isFields(body) ? { kind: "answer", body } : { kind: "lost", detail: NOT_JSON };
}

function collect<T>(rows: readonly Record<string, unknown>[], read: (row: Record<string, unknown>) => T | null): T[] {
  return rows.map(read).filter((row) => row !== null) as T[];
}

/** The venue's sentence in an error body. */
function detailOf(body: unknown): string {
  if (!isFields(body)) return "";
  const text = body.error ?? body.message;
  return typeof text === "string" ? text : "";
}

function retryAfterMs(header: unknown): number {
  const sec = Number(header ?? 0);
  return sec > 0 && sec <= 3_600 ? sec * 1000 : 0;
}

/** VIX has been between 9 and 90 since 1990. */
function isVix(value: unknown): value is number {
  return typeof value === "number" && value > 0 && value < 1_000;
}
