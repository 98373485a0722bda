// Our order ids: gyr-<yyyymmdd>-<strategy tag>-<SYMBOL>-<intent number>. The same intent of the same day always has the same
// id, so a restarted process that derives it again is refused by the broker as a duplicate instead of trading twice.

import { UserError } from "../core/user-error.ts";

/** The broker's limit. */
export const CLIENT_ORDER_ID_CHARS_MAX = 128;
const ID = /^gyr-(\d{8})-([a-z0-9]{1,16})-([A-Za-z0-9.]{1,16})-(\d{1,6})$/;
const SYMBOL = /^[A-Za-z0-9.]{1,16}$/;
const TAG = /^[a-z0-9]{1,16}$/;
const DAY = /^\d{4}-\d{2}-\d{2}$/;

export interface ClientOrderId {
  /** Trading day, YYYY-MM-DD. */
  readonly day: string;
  readonly tag: string;
  readonly symbol: string;
  /** Intent of the instrument on that day, 0-based. */
  readonly intentNumber: number;
}

/** What all ids of a day and strategy begin with, "gyr-20191218-m1-". Throws UserError on a bad day or tag. */
export function clientOrderIdPrefix(day: string, tag: string): string {
  if (!DAY.test(day)) throw new UserError("usage", `a trading day as YYYY-MM-DD is needed for order ids, was '${day}'`);
  if (!TAG.test(tag)) {
    throw new UserError(
      "usage",
      `a strategy tag is 1 to 16 of a-z and 0-9, was '${tag}'`,
      "Choose a shorter, plainer tag.",
    );
  }
  return `gyr-${day.replaceAll("-", "")}-${tag}-`;
}

/** True where a symbol can be part of an order id: letters, digits and dots, at most 16. */
export function isOrderableSymbol(symbol: string): boolean {
  return SYMBOL.test(symbol);
}

export function formatClientOrderId(prefix: string, symbol: string, intentNumber: number): string {
  return `${prefix}${symbol}-${intentNumber}`;
}

/** The parts of an id of gyr's, of any day and strategy; null when it is not one. */
export function parseClientOrderId(text: string): ClientOrderId | null {
  const match = ID.exec(text);
  if (match === null) return null;
  const [, day, tag, symbol, number] = match as unknown as [string, string, string, string, string];
  return {
    day: `${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}`,
    tag,
    symbol,
    intentNumber: Number(number),
  };
}
