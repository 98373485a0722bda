// Every reason for which an order of ours is not sent, with a stable code. docs/denials.md and `gyr explain` come from here.
// A code's number is its place in the list; append, never reorder: journals hold numbers.

export interface Denial {
  readonly code: string;
  readonly meaning: string;
  readonly remedy: string;
}

export const DENIALS = [
  { code: "OK", meaning: "Accepted.", remedy: "Nothing to do." },
  {
    code: "SYMBOL_UNKNOWN",
    meaning: "The instrument is not in today's table.",
    remedy: "Check the universe of the day (gyr.toml [universe]).",
  },
  {
    code: "NOT_TRADABLE",
    meaning: "The broker does not take orders for this instrument.",
    remedy: "Add the symbol to [universe] exclude, or ask the broker.",
  },
  {
    code: "NOT_SHORTABLE",
    meaning: "A short sale of an instrument the broker does not lend, or short sales are off.",
    remedy: "Leave it, or set [strategy] allow_short and an account that may sell short.",
  },
  {
    code: "TRADING_HALTED",
    meaning: "gyr is halted: a kill, a fault or the end of the run.",
    remedy: "See the run's warnings for what halted it.",
  },
  {
    code: "REDUCE_ONLY",
    meaning: "Only exits are allowed now: reconciliation is not clean, the order stream or the journal is down.",
    remedy: "See the run's warnings; entries resume when the cause is gone.",
  },
  {
    code: "OUTSIDE_ENTRY_WINDOW",
    meaning: "Entries are allowed between [session] entry_start and entry_end, New York time.",
    remedy: "Change the window, or wait.",
  },
  {
    code: "WARMING_UP",
    meaning: "The instrument has fewer bars than its features need.",
    remedy: "Wait for bars, or fetch more history ([bars] warmup_bars).",
  },
  {
    code: "FEED_STALE",
    meaning: "No event of this instrument for [feed] stale_after_ms, or the feed is down.",
    remedy: "Look at the connection; a thin stock may need a longer time.",
  },
  {
    code: "WINDOW_STALE",
    meaning: "The oldest bar of the window is older than [bars] window_age_max_minutes.",
    remedy: "The stock trades too thinly for its window; raise the limit or the volume filter.",
  },
  {
    code: "QTY_ROUNDS_TO_ZERO",
    meaning: "The size in USD is less than one share.",
    remedy: "More capital per position, or a lower [universe] px_max_usd.",
  },
  {
    code: "NOTIONAL_UNDER_MINIMUM",
    meaning: "The order is smaller than [risk] notional_min_usd.",
    remedy: "Lower the minimum, or raise the size.",
  },
  {
    code: "NOTIONAL_OVER_LIMIT",
    meaning: "The order is larger than [risk] notional_max_usd.",
    remedy: "Raise the limit, or lower the size.",
  },
  {
    code: "PRICE_OUTSIDE_COLLAR",
    meaning: "The order's price is farther than [risk] collar_bps from the last trade or the quote.",
    remedy: "Usually a bad print; if it is not, widen the collar.",
  },
  {
    code: "PRICE_UNKNOWN",
    meaning: "There is no trade or quote of today to price the order with, or the quote is crossed.",
    remedy: "Wait for the first trade and quote.",
  },
  {
    code: "POSITION_EXISTS",
    meaning: "There is already a position or an open order in this instrument.",
    remedy: "One position for each stock at a time is the design.",
  },
  {
    code: "POSITIONS_OVER_LIMIT",
    meaning: "[risk] positions_max positions and entries are open.",
    remedy: "Wait for exits, or raise the limit.",
  },
  {
    code: "CAPITAL_OVER_LIMIT",
    meaning: "Cost of positions and open entries would pass [risk] capital_max_usd.",
    remedy: "Wait for exits, or raise the limit.",
  },
  {
    code: "BUYING_POWER_EXCEEDED",
    meaning: "The account's buying power less open entries does not cover the order.",
    remedy: "Fund the account, or lower the sizes.",
  },
  {
    code: "GATEWAY_BACK_PRESSURED",
    meaning: "The order sockets are busy and their queue is full, or not connected.",
    remedy: "Look at the broker's latency; raise [gateway] connections.",
  },
  {
    code: "ORDER_TABLE_FULL",
    meaning: "The day's order table has no row left.",
    remedy: "A runaway strategy: look at the journal.",
  },
  {
    code: "JOURNAL_UNAVAILABLE",
    meaning: "The intent cannot be recorded, so it is not sent.",
    remedy: "Free disk space, or move [paths] run_dir.",
  },
  {
    code: "INTENTS_OVER_LIMIT",
    meaning: "The instrument has used all its intent numbers of the day.",
    remedy: "A runaway strategy: look at the journal.",
  },
] as const satisfies readonly Denial[];

export type DenialCode = (typeof DENIALS)[number]["code"];

/** Number of a code, for columns and the journal. */
export function denialIndex(code: DenialCode): number {
  return DENIALS.findIndex((denial) => denial.code === code);
}

export const DENIED_OK = 0;
