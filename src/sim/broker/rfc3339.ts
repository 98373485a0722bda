// Market time as text and back: RFC 3339 with nine digits, UTC or New York, as Alpaca writes its timestamps.

import { newYorkOffsetUs } from "../../market/calendar.ts";

const US_PER_SEC = 1_000_000;
const RFC3339 = /^(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(Z|z|[+-]\d{2}:\d{2}))?$/;

// Timestamps come in clusters: the text of the last second is kept.
let lastSec = Number.NaN;
let lastPrefix = "";

/** "2019-12-18T14:30:00.123456000Z". */
export function formatUtc(tsUs: number): string {
  const sec = Math.floor(tsUs / US_PER_SEC);
  if (sec !== lastSec) {
    lastSec = sec;
    lastPrefix = new Date(sec * 1_000).toISOString().slice(0, 20);
  }
  return `${lastPrefix}${microDigits(tsUs - sec * US_PER_SEC)}000Z`;
}

/** "2019-12-18T09:30:00.123456000-05:00". */
export function formatNewYork(tsUs: number): string {
  const offsetUs = newYorkOffsetUs(tsUs);
  const hours = Math.abs(offsetUs) / (3_600 * US_PER_SEC);
  const sign = offsetUs < 0 ? "-" : "+";
  return `${formatUtc(tsUs + offsetUs).slice(0, -1)}${sign}${String(hours).padStart(2, "0")}:00`;
}

/** Epoch us of an RFC 3339 timestamp or a plain date (its midnight UTC); NaN when it is neither. */
export function parseTimestampUs(text: string): number {
  const match = RFC3339.exec(text);
  if (match === null) return Number.NaN;
  const [, date, time = "00:00:00", fraction = "", zone = "Z"] = match;
  const ms = Date.parse(`${date}T${time}${zone.toUpperCase()}`);
  return ms * 1_000 + Number(fraction.padEnd(6, "0").slice(0, 6));
}

function microDigits(micros: number): string {
  return String(Math.floor(micros)).padStart(6, "0");
}
