// US regulatory fees of stock trades at a broker without commission. Rates by date; the day's total of each fee is rounded up
// to the cent at the end of the day, as Alpaca does (docs.alpaca.markets/docs/regulatory-fees; before 26 April 2021 it did
// so for each transaction, which `feesTicks` computes). A fill is charged what it adds to the day's rounded totals, so that
// fills add up to exactly what the broker takes.
//
//   SEC fee, Section 31 of the Exchange Act: of the proceeds of sales
//   TAF, FINRA's Trading Activity Fee: of each share sold, with a cap for each trade
//   CAT, Consolidated Audit Trail: of each share bought or sold
//
// Units. Rates are whole numbers, so that every product is exact: SEC in cents on a million dollars, TAF and CAT in
// billionths of a dollar on a share.

import { assert } from "../core/assert.ts";
import { TICKS_PER_CENT } from "../core/fixed-point.ts";
import { UserError } from "../core/user-error.ts";
import { SIDE_SELL } from "../market/orders.ts";

interface SecRate {
  /** First trade date, YYYY-MM-DD. */
  readonly from: string;
  readonly centsPerMillionUsd: number;
}

interface ShareRate {
  readonly from: string;
  readonly nanoUsdPerShare: number;
  /** Most that one trade pays, billionths of a dollar; Infinity where there is no cap. */
  readonly capNanoUsd: number;
}

/**
 * Section 31 rates. Sources: FINRA information notices of 3/3/14 (17.40 to 22.10), 3/15/16 (21.80 in force), 5/7/18 (23.10 to
 * 13.00), 2/3/20 (20.70 to 22.10), 2/16/21 (22.10 to 5.10) and 4/24/25 (27.80 to 0); the SEC's advisories for 4 July 2017 and
 * fiscal years 2015, 2016, 2019, 2022, 2023 and 2024; its order of 27 February 2026 (release 34-104909).
 */
const SEC_RATES: readonly SecRate[] = [
  { from: "2014-03-18", centsPerMillionUsd: 2210 },
  { from: "2015-02-14", centsPerMillionUsd: 1840 },
  { from: "2016-02-16", centsPerMillionUsd: 2180 },
  { from: "2017-07-04", centsPerMillionUsd: 2310 },
  { from: "2018-05-22", centsPerMillionUsd: 1300 },
  { from: "2019-04-16", centsPerMillionUsd: 2070 },
  { from: "2020-02-18", centsPerMillionUsd: 2210 },
  { from: "2021-02-25", centsPerMillionUsd: 510 },
  { from: "2022-05-14", centsPerMillionUsd: 2290 },
  { from: "2023-02-27", centsPerMillionUsd: 800 },
  { from: "2024-05-22", centsPerMillionUsd: 2780 },
  { from: "2025-05-14", centsPerMillionUsd: 0 },
  { from: "2026-04-04", centsPerMillionUsd: 2060 },
];

/** TAF on stocks. Source: FINRA By-Laws, Schedule A, section 1, as changed by SR-FINRA-2020-032 and SR-FINRA-2024-019. */
const TAF_RATES: readonly ShareRate[] = [
  { from: "2014-03-18", nanoUsdPerShare: 119_000, capNanoUsd: 5_950_000_000 },
  { from: "2022-01-01", nanoUsdPerShare: 130_000, capNanoUsd: 6_490_000_000 },
  { from: "2023-01-01", nanoUsdPerShare: 145_000, capNanoUsd: 7_270_000_000 },
  { from: "2024-01-01", nanoUsdPerShare: 166_000, capNanoUsd: 8_300_000_000 },
  { from: "2026-01-01", nanoUsdPerShare: 195_000, capNanoUsd: 9_790_000_000 },
];

/**
 * CAT fees of the executing broker, passed on: CAT Fee 2024-1 for September 2024, Historical CAT Assessment 1 added in
 * October (catnmsplan.com, FAQ V6). Brokers pass on more or less than this, and later fees have replaced it; the last rate
 * stays in force here, as an estimate.
 */
const CAT_RATES: readonly ShareRate[] = [
  { from: "2014-03-18", nanoUsdPerShare: 0, capNanoUsd: Number.POSITIVE_INFINITY },
  { from: "2024-09-01", nanoUsdPerShare: 35_000, capNanoUsd: Number.POSITIVE_INFINITY },
  { from: "2024-10-01", nanoUsdPerShare: 48_000, capNanoUsd: Number.POSITIVE_INFINITY },
];

/** Notional ticks x cents on a million dollars, in one cent: 100 ticks x 1e6 dollars x 100 cents. */
const SEC_UNITS_PER_CENT = 10_000_000_000;
const NANO_USD_PER_CENT = 10_000_000;

/** The rates of one trade date. */
export interface FeeRates {
  readonly secCentsPerMillionUsd: number;
  readonly tafNanoUsdPerShare: number;
  readonly tafCapNanoUsd: number;
  readonly catNanoUsdPerShare: number;
}

/** Rates in force on a date; UserError where the tables do not reach back that far. */
export function feeRatesOn(date: string): FeeRates {
  const taf = rateOn(TAF_RATES, date);
  return {
    secCentsPerMillionUsd: rateOn(SEC_RATES, date).centsPerMillionUsd,
    tafNanoUsdPerShare: taf.nanoUsdPerShare,
    tafCapNanoUsd: taf.capNanoUsd,
    catNanoUsdPerShare: rateOn(CAT_RATES, date).nanoUsdPerShare,
  };
}

/** Fees of one trade taken by itself, each rounded up to the cent, ticks. */
export function feesTicks(date: string, side: number, qty: number, notionalTicks: number): number {
  return new DayFees(date).add(side, qty, notionalTicks);
}

/** Fees of a trading day, fill by fill. Numbers only: may be called on the hot path. */
export class DayFees {
  readonly rates: FeeRates;
  /** Sum of what `add` has returned, ticks. */
  totalTicks = 0;
  // Each fee as whole cents and the rest of a cent, in its unit.
  #secCents = 0;
  #secUnits = 0;
  #tafCents = 0;
  #tafNanoUsd = 0;
  #catCents = 0;
  #catNanoUsd = 0;

  constructor(date: string) {
    this.rates = feeRatesOn(date);
  }

  /**
   * Adds a fill to the day.
   *
   * @param side          SIDE_*
   * @param qty           shares, above 0
   * @param notionalTicks price x shares, whole ticks
   * @returns what the fill adds to the day's fees, ticks: whole cents, often 0
   */
  add(side: number, qty: number, notionalTicks: number): number {
    assert(qty > 0 && notionalTicks > 0, `a fill of shares at a price, was ${qty} for ${notionalTicks} ticks`);
    const { rates } = this;
    if (side === SIDE_SELL) {
      const units = notionalTicks * rates.secCentsPerMillionUsd;
      assert(units <= Number.MAX_SAFE_INTEGER - SEC_UNITS_PER_CENT, "a notional under 300 million dollars");
      this.#secUnits += units;
      this.#secCents += Math.floor(this.#secUnits / SEC_UNITS_PER_CENT);
      this.#secUnits %= SEC_UNITS_PER_CENT;
      this.#tafNanoUsd += Math.min(rates.tafCapNanoUsd, qty * rates.tafNanoUsdPerShare);
      this.#tafCents += Math.floor(this.#tafNanoUsd / NANO_USD_PER_CENT);
      this.#tafNanoUsd %= NANO_USD_PER_CENT;
    }
    this.#catNanoUsd += qty * rates.catNanoUsdPerShare;
    this.#catCents += Math.floor(this.#catNanoUsd / NANO_USD_PER_CENT);
    this.#catNanoUsd %= NANO_USD_PER_CENT;
    const totalTicks = this.#roundedUpCents() * TICKS_PER_CENT;
    const addedTicks = totalTicks - this.totalTicks;
    this.totalTicks = totalTicks;
    return addedTicks;
  }

  #roundedUpCents(): number {
    const sec = this.#secCents + (this.#secUnits > 0 ? 1 : 0);
    const taf = this.#tafCents + (this.#tafNanoUsd > 0 ? 1 : 0);
    return sec + taf + this.#catCents + (this.#catNanoUsd > 0 ? 1 : 0);
  }
}

function rateOn<T extends { readonly from: string }>(rates: readonly T[], date: string): T {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(date))
    throw new UserError("usage", `a date as YYYY-MM-DD is needed for fees, was '${date}'`);
  const rate = rates.findLast(({ from }) => from <= date);
  if (rate !== undefined) return rate;
  throw new UserError(
    "usage",
    `fees are known from ${rates[0]!.from} on, not for ${date}`,
    "Choose a later trading day.",
  );
}
