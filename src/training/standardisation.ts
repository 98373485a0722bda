// Mean and deviation of each feature over recorded days: what a model's inputs are standardised with. Off the hot path.

import { Arena } from "../core/arena.ts";
import { usdFromTicks } from "../core/fixed-point.ts";
import { ROW_DEFINED_FROM_BAR } from "../features/catalogue.ts";
import { BAR_OK, FeatureEngine } from "../features/feature-engine.ts";
import { FEATURE_COUNT } from "../inference/engine.ts";
import type { DayBars } from "../market/flat-file.ts";

export interface Standardisation {
  readonly mean: number[];
  readonly std: number[];
  /** Rows it was taken from: all those defined in every feature. */
  readonly rowCount: number;
}

/** Over all symbols of one day, each with equal weight for each row, two passes. */
export function standardisationOf(day: DayBars): Standardisation {
  const rows = definedRows(day);
  const mean = new Array<number>(FEATURE_COUNT).fill(0);
  const std = new Array<number>(FEATURE_COUNT).fill(0);
  for (const row of rows) for (let i = 0; i < FEATURE_COUNT; i++) mean[i]! += row[i]! / rows.length;
  for (const row of rows) for (let i = 0; i < FEATURE_COUNT; i++) std[i]! += (row[i]! - mean[i]!) ** 2 / rows.length;
  return { mean, std: std.map(Math.sqrt), rowCount: rows.length };
}

function definedRows(day: DayBars): Float64Array[] {
  const engine = new FeatureEngine(new Arena(), 1, { includeOvernightReturn: false });
  const rows: Float64Array[] = [];
  for (let symbol = 0; symbol < day.symbols.length; symbol++) {
    engine.reset(0);
    const first = day.firstRow[symbol]!;
    for (let row = first; row < first + day.rowCount[symbol]!; row++) {
      const code = engine.closeBar(
        0,
        usdFromTicks(day.openPxTicks[row]!),
        usdFromTicks(day.highPxTicks[row]!),
        usdFromTicks(day.lowPxTicks[row]!),
        usdFromTicks(day.closePxTicks[row]!),
        day.volume[row]!,
        0,
        day.startUs[row]!,
        0,
      );
      if (code === BAR_OK && engine.barCount(0) > ROW_DEFINED_FROM_BAR) rows.push(engine.lastRow.slice());
    }
  }
  return rows;
}
