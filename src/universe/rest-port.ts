// What the universe step asks of a market-data source, live or simulated. The Polygon client fits it as it is.
// It holds no field of the trading day itself but the quote, whose time is checked: no look-ahead by construction.

/** Last quote of one stock in a snapshot of the whole market. */
export interface SnapshotTicker {
  readonly symbol: string;
  /** Best bid and offer, USD; 0 where the source has none. */
  readonly bidPx: number;
  readonly askPx: number;
  /** When the quote was made, epoch us; 0 where unknown. */
  readonly quoteTsUs: number;
}

/** One stock's daily bar in the grouped bars of a session. Prices in USD, adjusted for splits; volume in shares. */
export interface GroupedBar {
  readonly symbol: string;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly volume: number;
}

/** A listed security. */
export interface ReferenceTicker {
  readonly symbol: string;
  /** The source's kind: CS, ETF, ADRC, WARRANT, PFD ...; "" where unknown. */
  readonly type: string;
  /** Company number (CIK) where known, "" otherwise: the same for all classes of one company's shares. */
  readonly cik: string;
}

export interface TickerDetails {
  readonly symbol: string;
  /** Market capitalisation, USD; null where the source does not know it. */
  readonly marketCapUsd: number | null;
}

export interface UniverseRest {
  /** Every stock the source lists now. */
  snapshotAll(): Promise<readonly SnapshotTicker[]>;
  /** Daily bars of all stocks of one session; empty where the source has none for it. */
  groupedDaily(date: string): Promise<readonly GroupedBar[]>;
  /** All active stocks and funds. */
  referenceTickers(): Promise<readonly ReferenceTicker[]>;
  /** Details as of `date`; null where the symbol is unknown. */
  tickerDetails(symbol: string, date: string): Promise<TickerDetails | null>;
}
