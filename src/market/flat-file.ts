// A recorded day in memory: 1-minute bars of many symbols as columns, from a Polygon flat file (csv or csv.gz).

/** Rows are sorted by symbol, then time; `symbols` is sorted; each symbol's rows are contiguous. */
export interface DayBars {
  readonly date: string;
  readonly symbols: readonly string[];
  /** (symbol) index of its first row, and rows it has. */
  readonly firstRow: Int32Array;
  readonly rowCount: Int32Array;
  /** (row) start of the minute, epoch us. */
  readonly startUs: Float64Array;
  /** (row) prices, ticks (1/10,000 USD). */
  readonly openPxTicks: Float64Array;
  readonly highPxTicks: Float64Array;
  readonly lowPxTicks: Float64Array;
  readonly closePxTicks: Float64Array;
  /** (row) shares. */
  readonly volume: Float64Array;
}
