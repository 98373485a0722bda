// Everything a finished run tells: the input of the terminal summary, `--json` and report.html. Plain data, JSON-safe.

/** Quantiles of one latency stage, microseconds, and its histogram for drawing. */
export interface LatencyStage {
  /** received, bars, features, inference, decision, risk, sent, tickToOrder, acknowledged ... */
  readonly stage: string;
  /** What the stage spans, for a human. */
  readonly meaning: string;
  readonly count: number;
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly maxUs: number;
  /** Non-empty buckets: upper edge in microseconds and count. */
  readonly buckets: readonly (readonly [upperUs: number, count: number])[];
}

export interface ReportFill {
  readonly tsUs: number;
  readonly symbol: string;
  readonly side: "buy" | "sell";
  readonly role: "entry" | "exit" | "target" | "stop";
  readonly qty: number;
  readonly pxUsd: number;
  readonly clientOrderId: string;
}

/** An entry and what closed it. */
export interface ReportTrade {
  readonly symbol: string;
  readonly direction: "long" | "short";
  readonly entryTsUs: number;
  readonly exitTsUs: number;
  readonly qty: number;
  readonly entryPxUsd: number;
  readonly exitPxUsd: number;
  /** What closed it: target, stop, flatten at the end of the day, shutdown. */
  readonly exitReason: "target" | "stop" | "flatten" | "shutdown";
  readonly pnlUsd: number;
  readonly feesUsd: number;
}

/** Price of a traded stock through the day, one point a closed bar. */
export interface ReportSeries {
  readonly symbol: string;
  /** Start of each bar, epoch microseconds. */
  readonly tsUs: readonly number[];
  readonly closeUsd: readonly number[];
}

export interface RunReport {
  readonly version: string;
  readonly mode: "sim" | "paper" | "live";
  readonly day: string;
  /** How the run ended. */
  readonly outcome: "completed" | "interrupted" | "failed";
  readonly signal: "momentum" | "cnn";
  readonly startedWallIso: string;
  readonly wallSeconds: number;
  readonly sessionOpenUs: number;
  readonly sessionCloseUs: number;
  /** Traded universe in order of rank, with the score that put it there. */
  readonly universe: readonly { readonly symbol: string; readonly score: number }[];
  readonly universeCandidates: number;
  readonly bars: number;
  readonly marketEvents: number;
  readonly predictions: number;
  readonly signals: number;
  readonly orders: number;
  readonly fills: readonly ReportFill[];
  readonly trades: readonly ReportTrade[];
  /** Denials by code, most frequent first, with what the code means. */
  readonly denials: readonly { readonly code: string; readonly count: number; readonly meaning: string }[];
  /** Why signals did not become intents (filters of the strategy), most frequent first. */
  readonly filtered: readonly { readonly code: string; readonly count: number; readonly meaning: string }[];
  readonly positionsAtClose: number;
  readonly cashStartUsd: number;
  /** Before costs and after; costs are the regulatory fees of the fill model. */
  readonly pnlGrossUsd: number;
  readonly feesUsd: number;
  readonly pnlNetUsd: number;
  readonly drawdownMaxFrac: number;
  readonly winRate: number | null;
  readonly profitFactor: number | null;
  /** Account equity marked to the last trade, one point a minute. */
  readonly equity: { readonly tsUs: readonly number[]; readonly equityUsd: readonly number[] };
  readonly series: readonly ReportSeries[];
  readonly latencies: readonly LatencyStage[];
  readonly engine: string;
  readonly precision: string;
  readonly adapter: string;
  /** What the engines took at start and which was taken; absent where nothing was measured. */
  readonly engineChoice?: string;
  readonly model: string;
  readonly modelSha256: string;
  readonly isModelTrained: boolean;
  readonly configSha256: string;
  readonly seed: number;
  readonly fingerprint: string;
  readonly dataOrigin: string;
  readonly warnings: readonly string[];
  readonly reportPath: string;
  readonly journalPath: string;
  /** Data quality counters (bad frames, unknown events ...), for the report's last table. */
  readonly counters: Readonly<Record<string, number>>;
}
