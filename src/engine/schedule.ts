// The trading day as epoch numbers, computed once; the hot path compares doubles. Times of the configuration are meant for
// a day that closes at 16:00 New York and move with an early close.

/** What the calendar knows of one day. Epoch us. */
export interface SessionTimes {
  readonly date: string;
  readonly openUs: number;
  readonly closeUs: number;
}

/** Times of day from the configuration, as epoch us of this date. */
export interface ConfiguredTimes {
  readonly entryStartUs: number;
  readonly entryEndUs: number;
  readonly flatByUs: number;
  /** 16:00 of this date. */
  readonly usualCloseUs: number;
  /** Flattening begins this long before flatBy. */
  readonly flattenLeadUs: number;
}

export interface Schedule {
  readonly date: string;
  readonly openUs: number;
  readonly closeUs: number;
  readonly entryStartUs: number;
  readonly entryEndUs: number;
  readonly flattenUs: number;
  readonly flatByUs: number;
}

/** Shifts entry end and flat-by by as much as the close is early; never before the open. */
export function scheduleOf(session: SessionTimes, times: ConfiguredTimes): Schedule {
  const shiftUs = Math.min(0, session.closeUs - times.usualCloseUs);
  const flatByUs = Math.max(session.openUs, times.flatByUs + shiftUs);
  return {
    date: session.date,
    openUs: session.openUs,
    closeUs: session.closeUs,
    entryStartUs: Math.max(session.openUs, times.entryStartUs),
    entryEndUs: Math.max(session.openUs, times.entryEndUs + shiftUs),
    flattenUs: Math.max(session.openUs, flatByUs - times.flattenLeadUs),
    flatByUs,
  };
}
