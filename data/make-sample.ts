// Makes data/sample from a folder of wide flat files and a VIX file; run again it writes the same bytes.
//
//   bun data/make-sample.ts MINUTE_AGGS_FOLDER VIX_DAILY_CSV
//
// The folder holds YYYY/MM/YYYY-MM-DD.csv.gz. The symbols are the ones with the largest traded value on the first day
// alone, so the choice knows nothing of the second, which is the day that is traded.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import type { DayBars } from "../src/market/flat-file.ts";
import { parseFlatFile } from "../src/market/flat-file-parse.ts";

const DATES = ["2019-12-17", "2019-12-18"] as const;
const SYMBOL_COUNT = 300;

/** The `count` symbols with the largest sum of close x volume, sorted by name; equal sums go by name. */
export function mostTraded(day: DayBars, count: number): string[] {
  const ranked = day.symbols.map((symbol, index) => {
    let valueTicks = 0;
    const first = day.firstRow[index]!;
    for (let row = first; row < first + day.rowCount[index]!; row++) valueTicks += day.closePxTicks[row]! * day.volume[row]!;
    return { symbol, valueTicks };
  });
  ranked.sort((a, b) => b.valueTicks - a.valueTicks || (a.symbol < b.symbol ? -1 : 1));
  return ranked
    .slice(0, count)
    .map((entry) => entry.symbol)
    .sort();
}

/** The header and the lines of these symbols, as they stand in the source. */
export function linesOf(csv: string, symbols: ReadonlySet<string>): string {
  const [header, ...lines] = csv.trimEnd().split("\n");
  const kept = lines.filter((line) => symbols.has(line.slice(0, line.indexOf(","))));
  return `${[header, ...kept].join("\n")}\n`;
}

/** Gzip without a time or the name of an operating system in its header. */
export function gzipSame(text: string): Uint8Array {
  const bytes = gzipSync(text, { level: 9 });
  bytes[9] = 255;
  return bytes;
}

/** Date and close of every line of the VIX file. */
export function vixCloses(csv: string): string {
  const [, ...lines] = csv.trimEnd().split("\n");
  const rows = lines.map((line) => {
    const fields = line.split(",");
    return `${fields[0]},${Number(fields[4])}`;
  });
  return `${["DATE,CLOSE", ...rows].join("\n")}\n`;
}

async function main(minuteFolder: string, vixFile: string): Promise<void> {
  const fileOf = (date: string) => join(date.slice(0, 4), date.slice(5, 7), `${date}.csv.gz`);
  const sources = await Promise.all(DATES.map((date) => Bun.file(join(minuteFolder, fileOf(date))).bytes()));
  const symbols = new Set(mostTraded(parseFlatFile(sources[0]!, `${DATES[0]}.csv.gz`), SYMBOL_COUNT));
  const sample = join(import.meta.dir, "sample");
  for (const [index, date] of DATES.entries()) {
    const csv = new TextDecoder().decode(gunzipSync(sources[index]!));
    const target = join(sample, "minute_aggs", fileOf(date));
    mkdirSync(join(target, ".."), { recursive: true });
    await Bun.write(target, gzipSame(linesOf(csv, symbols)));
  }
  await Bun.write(join(sample, "vix-daily.csv"), vixCloses(await Bun.file(vixFile).text()));
}

if (import.meta.main) {
  const [minuteFolder, vixFile] = process.argv.slice(2);
  if (minuteFolder === undefined || vixFile === undefined) {
    console.error("usage: bun data/make-sample.ts MINUTE_AGGS_FOLDER VIX_DAILY_CSV");
    process.exit(2);
  }
  await main(minuteFolder, vixFile);
}
