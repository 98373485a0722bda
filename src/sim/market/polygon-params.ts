// Parameters of REST requests: read, checked, refused in the vendor's words where they cannot be used.

import { CalendarError, newYorkTimeUs, tradingDay } from "../../market/calendar.ts";

const US_PER_MS = 1_000;
/** 2000-01-01 and 2031-01-01 UTC: what the calendar covers. */
const INSTANT_US_MIN = 946_684_800_000_000;
const INSTANT_US_MAX = 1_924_992_000_000_000;

/** A request that gets an error body instead of data. */
export class Refusal extends Error {
  readonly httpStatus: number;
  readonly status: string;
  constructor(httpStatus: number, status: string, message: string) {
    super(message);
    this.httpStatus = httpStatus;
    this.status = status;
  }
}

export function isAdjusted(params: URLSearchParams): boolean {
  return params.get("adjusted") !== "false";
}

/** A parameter that may be repeated, comma-separated, or both. */
export function listParam(params: URLSearchParams, name: string): string[] {
  return params
    .getAll(name)
    .flatMap((value) => value.split(","))
    .map((value) => value.trim())
    .filter((value) => value !== "");
}

/** The parameters a cursor stands for, and those beside it. */
export function withCursor(params: URLSearchParams): URLSearchParams {
  const cursor = params.get("cursor");
  if (cursor === null) return params;
  const text = Buffer.from(cursor, "base64url").toString("utf8");
  if (!text.startsWith(CURSOR_MARK)) throw badRequest("cursor is not one of this server's");
  return new URLSearchParams(text.slice(CURSOR_MARK.length));
}

const CURSOR_MARK = "v1&";

export function toCursor(params: URLSearchParams): string {
  return Buffer.from(`${CURSOR_MARK}${params}`).toString("base64url");
}

export function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw badRequest(`path part '${part.slice(0, 40)}' is not URL-encoded text`);
  }
}

export function wholeNumber(text: string, name: string, min: number, max: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) throw badRequest(`'${name}' must be a whole number ${min} to ${max}`);
  return value;
}

export function oneOf(text: string, name: string, allowed: readonly string[]): string {
  if (!allowed.includes(text)) throw badRequest(`'${name}' must be one of ${allowed.join(", ")}`);
  return text;
}

export function requireDate(text: string, name: string): void {
  try {
    tradingDay(text);
  } catch (error) {
    if (error instanceof CalendarError) throw badRequest(`'${name}': ${error.message}`);
    throw error;
  }
}

/** A date (its first or last microsecond in New York) or epoch milliseconds, as epoch us. */
export function instant(text: string, name: string, isEnd: boolean): number {
  if (/^\d{9,15}$/.test(text)) {
    const tsUs = Number(text) * US_PER_MS;
    if (tsUs >= INSTANT_US_MIN && tsUs < INSTANT_US_MAX) return tsUs;
    throw badRequest(`'${name}' must be epoch milliseconds of the years 2000 to 2030`);
  }
  requireDate(text, name);
  if (!isEnd) return newYorkTimeUs(text, "00:00");
  return newYorkTimeUs(text, "23:59:59") + 999_999;
}

export function badRequest(message: string): Refusal {
  return new Refusal(400, "ERROR", message);
}
