// A market-data source for the universe step that answers from tables in memory and keeps the list of what was asked.

import type { DayBars } from "../../src/market/flat-file.ts";
import type {
  GroupedBar,
  ReferenceTicker,
  SnapshotTicker,
  TickerDetails,
  UniverseRest,
} from "../../src/universe/rest-port.ts";

export interface UniverseTables {
  snapshot?: readonly SnapshotTicker[];
  reference?: readonly ReferenceTicker[];
  /** Daily bars by session. */
  sessions?: Readonly<Record<string, readonly GroupedBar[]>>;
  marketCapsUsd?: Readonly<Record<string, number | null>>;
  /** What to throw when asked for: "snapshot", "reference", a session's date, or a symbol. */
  failing?: Readonly<Record<string, Error>>;
}

export class UniverseSource implements UniverseRest {
  /** Requests in order: "snapshot", "reference", a session's date, "SYMBOL@date". */
  readonly asked: string[] = [];
  readonly #tables: UniverseTables;

  constructor(tables: UniverseTables) {
    this.#tables = tables;
  }

  async snapshotAll(): Promise<readonly SnapshotTicker[]> {
    this.#note("snapshot", "snapshot");
    return this.#tables.snapshot ?? [];
  }

  async groupedDaily(date: string): Promise<readonly GroupedBar[]> {
    this.#note(date, date);
    return this.#tables.sessions?.[date] ?? [];
  }

  async referenceTickers(): Promise<readonly ReferenceTicker[]> {
    this.#note("reference", "reference");
    return this.#tables.reference ?? [];
  }

  async tickerDetails(symbol: string, date: string): Promise<TickerDetails | null> {
    this.#note(`${symbol}@${date}`, symbol);
    const marketCapUsd = this.#tables.marketCapsUsd?.[symbol];
    return marketCapUsd === undefined ? null : { symbol, marketCapUsd };
  }

  #note(request: string, key: string): void {
    this.asked.push(request);
    const failure = this.#tables.failing?.[key];
    if (failure !== undefined) throw failure;
  }
}

/** Daily bars of a recorded day: first open, highest, lowest, last close, all shares. */
export function dailyBars(day: DayBars): GroupedBar[] {
  return day.symbols.map((symbol, index) => {
    const first = day.firstRow[index]!;
    const end = first + day.rowCount[index]!;
    return {
      symbol,
      open: day.openPxTicks[first]! / 10_000,
      high: Math.max(...day.highPxTicks.slice(first, end)) / 10_000,
      low: Math.min(...day.lowPxTicks.slice(first, end)) / 10_000,
      close: day.closePxTicks[end - 1]! / 10_000,
      volume: day.volume.slice(first, end).reduce((sum, shares) => sum + shares, 0),
    };
  });
}
