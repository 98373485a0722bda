// Why a stock was or was not chosen: one code per candidate, stable, with its meaning. `gyr universe` and
// `gyr explain SYMBOL` print them.

export const OUTCOME_CHOSEN = 0;
export const OUTCOME_BELOW_CUT = 1;
export const OUTCOME_EXCLUDED_BY_CONFIG = 2;
export const OUTCOME_TEST_SYMBOL = 3;
export const OUTCOME_DUPLICATE_SYMBOL = 4;
export const OUTCOME_NO_HISTORY = 5;
export const OUTCOME_BAD_DATA = 6;
export const OUTCOME_TYPE_UNKNOWN = 7;
export const OUTCOME_TYPE_NOT_ALLOWED = 8;
export const OUTCOME_PX_BELOW_MIN = 9;
export const OUTCOME_PX_ABOVE_MAX = 10;
export const OUTCOME_VOLUME_BELOW_MIN = 11;
export const OUTCOME_SPREAD_ABOVE_MAX = 12;
export const OUTCOME_MARKET_CAP_UNKNOWN = 13;
export const OUTCOME_MARKET_CAP_BELOW_MIN = 14;
export const OUTCOME_OTHER_CLASS_CHOSEN = 15;

export interface OutcomeText {
  /** Stable name, for machines. */
  readonly name: string;
  /** A sentence for people, to be read after the symbol. */
  readonly meaning: string;
}

/** By code. Codes are never reused: they are in journals. */
export const OUTCOMES: readonly OutcomeText[] = [
  { name: "CHOSEN", meaning: "passes every filter and has one of the highest scores" },
  { name: "BELOW_CUT", meaning: "passes every filter, but enough others have a higher score" },
  { name: "EXCLUDED_BY_CONFIG", meaning: "is named in [universe] exclude" },
  { name: "TEST_SYMBOL", meaning: "is a test symbol of an exchange, not a security" },
  { name: "DUPLICATE_SYMBOL", meaning: "is listed twice by the source with different numbers, so neither is believed" },
  { name: "NO_HISTORY", meaning: "did not trade in the session before" },
  {
    name: "BAD_DATA",
    meaning: "has a daily bar that cannot be true (price not above 0, high below low, volume negative)",
  },
  { name: "TYPE_UNKNOWN", meaning: "is not in the source's list of active securities, or there without a type" },
  { name: "TYPE_NOT_ALLOWED", meaning: "is of a kind that [universe] types does not name" },
  { name: "PX_BELOW_MIN", meaning: "closed below [universe] px_min_usd" },
  { name: "PX_ABOVE_MAX", meaning: "closed above [universe] px_max_usd" },
  { name: "VOLUME_BELOW_MIN", meaning: "has a mean daily volume below [universe] volume_min" },
  { name: "SPREAD_ABOVE_MAX", meaning: "is quoted wider than [universe] spread_max_bps" },
  { name: "MARKET_CAP_UNKNOWN", meaning: "is a common stock whose market capitalisation the source does not tell" },
  { name: "MARKET_CAP_BELOW_MIN", meaning: "is a common stock worth less than [universe] market_cap_min_usd" },
  { name: "OTHER_CLASS_CHOSEN", meaning: "is a share class of a company whose more traded class stands for it" },
];
