// A folder of flat files made from the sample: a few of its symbols on both days, as lines that a test may spoil.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";

const SAMPLE = join(import.meta.dir, "..", "..", "data", "sample", "minute_aggs");

export const DAY = "2019-12-18";
export const DAY_BEFORE = "2019-12-17";
export const HEADER = "ticker,volume,open,close,high,low,window_start";
/** Busy funds with a trade in every minute or nearly so. */
export const FEW_SYMBOLS: readonly string[] = ["SPY", "QQQ", "IWM", "XLF", "GDX", "EEM"];

export const pathOf = (date: string, ending = "csv") => join(date.slice(0, 4), date.slice(5, 7), `${date}.${ending}`);

const textOf = new Map<string, readonly string[]>();

/** Rows of the sample's day, without the header and without the minutes in which nothing traded. */
export function sampleRows(date: string, symbols: readonly string[] = FEW_SYMBOLS): string[] {
  let rows = textOf.get(date);
  if (rows === undefined) {
    const text = gunzipSync(readFileSync(join(SAMPLE, pathOf(date, "csv.gz")))).toString("latin1");
    rows = text.split("\n").slice(1, -1);
    textOf.set(date, rows);
  }
  const wanted = new Set(symbols);
  return rows.filter((row) => {
    const [symbol, volume] = row.split(",");
    return wanted.has(symbol!) && volume !== "0";
  });
}

export const fileOf = (rows: readonly string[], header = HEADER) => `${[header, ...rows].join("\n")}\n`;

/** The fields of a row, changed. */
export function changed(row: string, fields: Partial<Record<string, string>>): string {
  const names = HEADER.split(",");
  return row
    .split(",")
    .map((field, index) => fields[names[index]!] ?? field)
    .join(",");
}

/** Writes files by their path under `root`. */
export function writeFiles(root: string, files: Readonly<Record<string, string | Uint8Array>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
}
