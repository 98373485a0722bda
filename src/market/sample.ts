// Recorded days: the sample embedded in the executable, and days of a folder of flat files (YYYY/MM/YYYY-MM-DD.csv.gz).
// Called at start by the venue, the warm-up and the tools; nothing here is hot.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import sampleDay20191217 from "../../data/sample/minute_aggs/2019/12/2019-12-17.csv.gz" with { type: "file" };
import sampleDay20191218 from "../../data/sample/minute_aggs/2019/12/2019-12-18.csv.gz" with { type: "file" };
import vixDailyFile from "../../data/sample/vix-daily.csv" with { type: "file" };
import { UserError } from "../core/user-error.ts";
import { closedReason, previousTradingDay } from "./calendar.ts";
import { FlatFileError, type ParsedDay, parseFlatFile } from "./flat-file-parse.ts";

const SAMPLE_FILES: ReadonlyMap<string, string> = new Map([
  ["2019-12-17", sampleDay20191217],
  ["2019-12-18", sampleDay20191218],
]);

/** Days of the sample, rising. The first warms up, the last is traded. */
export const sampleDates: readonly string[] = [...SAMPLE_FILES.keys()].sort();

/** For the report and `--json`: where the sample comes from. */
export const SAMPLE_ORIGIN =
  "sample: 1-minute bars of 300 US ETFs, github.com/marcusschiesser/intraday (MIT), prices taken from Yahoo by its compiler";

/** No recording of a day where one was asked for. */
export class NoRecordedDayError extends UserError {
  override name = "NoRecordedDayError";
  constructor(message: string) {
    super("usage", message);
  }
}

/** A day of the embedded sample. Throws NoRecordedDayError for any other date. */
export async function loadSampleDay(date: string): Promise<ParsedDay> {
  const file = SAMPLE_FILES.get(date);
  if (file === undefined) {
    throw new NoRecordedDayError(
      `no recorded day ${date} in the sample${closedNote(date)}; it holds ${sampleDates.join(" and ")}: ` +
        "choose one of them, or name a folder of flat files in [sim] data_dir",
    );
  }
  return parseFlatFile(await Bun.file(file).bytes(), `${date}.csv.gz`);
}

/**
 * A day of a folder of flat files, `dataDir`/YYYY/MM/YYYY-MM-DD.csv.gz or .csv.
 * Throws NoRecordedDayError where there is no such file, FlatFileError where it cannot be used.
 */
export async function loadDayFromFolder(dataDir: string, date: string): Promise<ParsedDay> {
  const stem = join(dataDir, date.slice(0, 4), date.slice(5, 7), date);
  for (const path of [`${stem}.csv.gz`, `${stem}.csv`]) {
    const file = Bun.file(path);
    if (await file.exists()) return parseFlatFile(await readBytes(file, path), path);
  }
  throw new NoRecordedDayError(
    `no recorded day ${date}${closedNote(date)}: neither ${stem}.csv.gz nor ${stem}.csv exists; ` +
      "check [sim] day and data_dir, or fetch the file",
  );
}

/** A day of `dataDir`, or of the sample where that is "". */
export function loadDay(dataDir: string, date: string): Promise<ParsedDay> {
  return dataDir === "" ? loadSampleDay(date) : loadDayFromFolder(dataDir, date);
}

/** Date of the session before `date`. */
export function previousSessionDate(date: string): string {
  return previousTradingDay(date).date;
}

/** One close of the Cboe Volatility Index. */
export interface VixClose {
  readonly date: string;
  /** Index points: annualised volatility in percent. */
  readonly close: number;
}

/** Every close since 1990, by rising date, from the embedded file. */
export function loadVixDaily(): VixClose[] {
  return parseVixDaily(readFileSync(vixDailyFile, "utf8"), "vix-daily.csv");
}

/**
 * The last close before `date`, which is all that may be known when that day is traded; null where there is none within
 * a week, for then the file ends too early and an old level would be a guess.
 */
export function previousVixClose(closes: readonly VixClose[], date: string): VixClose | null {
  let low = 0;
  let high = closes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (closes[middle]!.date < date) low = middle + 1;
    else high = middle;
  }
  const last = closes[low - 1];
  if (last === undefined) return null;
  const ageDays = Temporal.PlainDate.from(last.date).until(date, { largestUnit: "days" }).days;
  return ageDays <= VIX_AGE_DAYS_MAX ? last : null;
}

/** The longest closure since 1990 (2001-09-11 to 16) left 7 days between closes. */
const VIX_AGE_DAYS_MAX = 7;

/** `DATE,CLOSE` lines, rising dates, positive finite closes. Throws FlatFileError. */
export function parseVixDaily(text: string, name: string): VixClose[] {
  const lines = text.split("\n");
  if (lines[0]?.trimEnd() !== "DATE,CLOSE") {
    throw new FlatFileError(name, 1, `invalid header '${lines[0]?.slice(0, 60)}'; needed is DATE,CLOSE`);
  }
  const closes: VixClose[] = [];
  for (let index = 1; index < lines.length; index++) {
    const line = lines[index]!.trimEnd();
    if (line === "") continue;
    const [date = "", closeText = ""] = line.split(",");
    const close = Number(closeText);
    const isGood = /^\d{4}-\d{2}-\d{2}$/.test(date) && closeText !== "" && close > 0 && close < 1_000;
    if (!isGood || date <= (closes.at(-1)?.date ?? "")) {
      throw new FlatFileError(
        name,
        index + 1,
        `invalid line '${line.slice(0, 60)}'; needed is a later date and a close in (0, 1000)`,
      );
    }
    closes.push({ date, close });
  }
  if (closes.length === 0) throw new FlatFileError(name, 0, "no closes after the header; fetch the file again");
  return closes;
}

function closedNote(date: string): string {
  const reason = closedReason(date);
  return reason === null ? "" : ` (the exchange is closed: ${reason})`;
}

async function readBytes(file: Bun.BunFile, path: string): Promise<Uint8Array> {
  try {
    return await file.bytes();
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : String(cause);
    throw new FlatFileError(path, 0, `cannot be read: ${found}; check its permissions`, cause);
  }
}
