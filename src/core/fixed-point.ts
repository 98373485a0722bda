// Money and prices as integers. One tick is 1/10,000 USD (the finest increment of US equities below 1 USD), so a price
// is an exact integer, and price x whole shares is exact in a double up to 9e11 USD.

/** Ticks in one US dollar. */
export const TICKS_PER_USD = 10_000;
/** Ticks in one cent, the price increment at and above 1 USD. */
export const TICKS_PER_CENT = 100;

/** Nearest tick of a price or an amount in USD. */
export function ticksFromUsd(usd: number): number {
  return Math.round(usd * TICKS_PER_USD);
}

/** USD of ticks, as the nearest double; for screens and features, never for ledgers. */
export function usdFromTicks(ticks: number): number {
  return ticks / TICKS_PER_USD;
}

/** Price increment at `pxTicks`: a cent from 1 USD up, a tick below (SEC Rule 612). */
export function pxIncrementTicks(pxTicks: number): number {
  return pxTicks >= TICKS_PER_USD ? TICKS_PER_CENT : 1;
}

/** Rounds a price to its allowed increment: `direction` -1 down, 0 nearest, +1 up. */
export function roundPxTicks(pxTicks: number, direction: -1 | 0 | 1): number {
  const step = pxIncrementTicks(pxTicks);
  const steps = pxTicks / step;
  return (direction < 0 ? Math.floor(steps) : direction > 0 ? Math.ceil(steps) : Math.round(steps)) * step;
}

/** Decimal text of ticks, exact: 1501000 -> "150.1", 12345 -> "1.2345", -100 -> "-0.01". */
export function formatTicks(ticks: number): string {
  const sign = ticks < 0 ? "-" : "";
  const abs = Math.abs(ticks);
  const whole = Math.floor(abs / TICKS_PER_USD);
  const frac = abs - whole * TICKS_PER_USD;
  if (frac === 0) return `${sign}${whole}`;
  return `${sign}${whole}.${String(frac).padStart(4, "0").replace(/0+$/, "")}`;
}

/**
 * Ticks of a decimal text such as "150.1" or "-0.01"; NaN when the text is not a plain decimal number.
 * Digits beyond a tick are rounded half away from zero (average prices have them).
 */
export function parseTicks(text: string): number {
  if (!/^-?\d+(\.\d+)?$/.test(text)) return Number.NaN;
  const negative = text.charCodeAt(0) === 45;
  const [whole, frac = ""] = (negative ? text.slice(1) : text).split(".") as [string, string?];
  const digits = `${frac}00000`.slice(0, 5);
  const ticks = Number(whole) * TICKS_PER_USD + Math.floor((Number(digits) + 5) / 10);
  return negative ? -ticks : ticks;
}
