// RFC 3339 times of the broker ("2026-11-20T14:30:00.4519828Z") as epoch microseconds and back.

/**
 * Epoch microseconds of an RFC 3339 time, digits beyond a microsecond cut off; NaN for null, "" and anything else.
 * The common form, in UTC, is read without help; one with an offset goes through Temporal.
 */
export function usFromIso(text: string | null | undefined): number {
  if (text === null || text === undefined || text === "") return Number.NaN;
  const seconds = Date.parse(`${text.slice(0, 19)}Z`);
  if (!text.endsWith("Z") || Number.isNaN(seconds)) return usFromOffsetIso(text);
  let fraction = 0;
  let scale = 100_000;
  if (text.charCodeAt(19) === 46) {
    for (let i = 20; i < text.length - 1; i++) {
      const digit = text.charCodeAt(i) - 48;
      if (digit < 0 || digit > 9) return Number.NaN;
      fraction += digit * scale;
      scale = scale > 1 ? scale / 10 : 0;
    }
  } else if (text.length !== 20) {
    return Number.NaN;
  }
  return seconds * 1000 + fraction;
}

function usFromOffsetIso(text: string): number {
  try {
    return Number(Temporal.Instant.from(text).epochNanoseconds / 1000n);
  } catch {
    return Number.NaN;
  }
}

/** RFC 3339 text of epoch microseconds, in UTC with six digits. */
export function isoFromUs(us: number): string {
  const ms = Math.floor(us / 1000);
  const rest = String(Math.floor(us - ms * 1000)).padStart(3, "0");
  return new Date(ms).toISOString().replace("Z", `${rest}Z`);
}
