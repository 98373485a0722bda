// What sizes the orders of suite `tickToOrder`; the trader uses it and the check of the first order computes with it.

export const CAPITAL_USD = 100_000;
/** Percent a year. */
export const VIX = 15;
export const WIN_RATE = 0.52;
export const DAY_NUMBER = 1;
