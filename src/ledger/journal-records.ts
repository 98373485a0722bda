// Hot path: no allocation after start.
// The journal's records in the ring.
//
// Record    offset  bytes  type   what
//           0       4      u32    number of the record, from 0
//           4       1      u8     kind, JOURNAL_*
//           5       1      u8     bytes of text
//           6       2             0
//           8       8      f64    market time, epoch us
//           16      96     f64    twelve numbers; what they mean is the kind's
//           112     140    ascii  text
//           252     4      u32    checksum, written by the ring

import { assert } from "../core/assert.ts";
import { RING_PAYLOAD_BYTES, type SpscRing } from "../core/spsc-ring.ts";

export const JOURNAL_STATE = 1;
export const JOURNAL_PREDICTION = 2;
export const JOURNAL_INTENT = 3;
export const JOURNAL_ORDER_STATUS = 4;
export const JOURNAL_FILL = 5;
export const JOURNAL_DENIAL = 6;
export const JOURNAL_FILTERED = 7;
export const JOURNAL_NOTE = 8;
export const JOURNAL_BAR = 9;
export const JOURNAL_SHADOW_PREDICTION = 10;

export const RECORD_KIND_AT = 4;
export const RECORD_TEXT_BYTES_AT = 5;
export const RECORD_TS_AT = 8;
export const RECORD_NUMBERS_AT = 16;
export const RECORD_NUMBERS = 12;
export const RECORD_TEXT_AT = RECORD_NUMBERS_AT + RECORD_NUMBERS * 8;
/** Longer texts are cut. */
export const RECORD_TEXT_BYTES_MAX = 140;
assert(RECORD_TEXT_AT + RECORD_TEXT_BYTES_MAX === RING_PAYLOAD_BYTES, "the record's parts fill it");

/** Writes number, kind and time of a claimed record and clears the rest. @returns index of its first number in ring.f64 */
export function beginRecord(ring: SpscRing, offset: number, kind: number, tsUs: number): number {
  const { u8, u32, f64 } = ring;
  const word = offset >> 2;
  for (let i = 0; i < RING_PAYLOAD_BYTES >> 2; i++) u32[word + i] = 0;
  u32[word] = ring.claimedNumber;
  u8[offset + RECORD_KIND_AT] = kind;
  f64[(offset + RECORD_TS_AT) >> 3] = tsUs;
  return (offset + RECORD_NUMBERS_AT) >> 3;
}

/** Text of a record; what is not printable ASCII becomes "?". */
export function putRecordText(ring: SpscRing, offset: number, text: string): void {
  const { u8 } = ring;
  const length = Math.min(text.length, RECORD_TEXT_BYTES_MAX);
  u8[offset + RECORD_TEXT_BYTES_AT] = length;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    u8[offset + RECORD_TEXT_AT + i] = code >= 32 && code < 127 ? code : 63;
  }
}

// hot-ok: called by the worker
export function recordText(ring: SpscRing, offset: number): string {
  const length = ring.u8[offset + RECORD_TEXT_BYTES_AT]!;
  const start = offset + RECORD_TEXT_AT;
  return String.fromCharCode(...ring.u8.subarray(start, start + length));
}
