// Hot path: no allocation after start.
// What a believable market event is, and how one becomes a row of the ring. Both ways of reading a frame, the scanner and
// JSON.parse, end here, so they cannot differ in what they accept. A refused event leaves its row uncommitted.

import {
  MARKET_EVENT_MINUTE_BAR,
  MARKET_EVENT_QUOTE,
  MARKET_EVENT_SECOND_BAR,
  MARKET_EVENT_TRADE,
  type MarketEventRing,
} from "../../market/events.ts";

/** Lowest believable price, USD: one tick, the finest increment of US equities. */
export const PX_USD_MIN = 0.0001;
/** Highest believable price, USD: above ten times the dearest share ever listed (under 1,000,000 USD). */
export const PX_USD_MAX = 10_000_000;
/** Largest believable size or volume, shares: above any day's volume of any US stock. */
export const QTY_MAX = 10_000_000_000;
/** Believable times, epoch us: 2000-01-01 to 2100-01-01. */
export const TS_US_MIN = 946_684_800_000_000;
export const TS_US_MAX = 4_102_444_800_000_000;

/** Vendor times below this are milliseconds (1e14 ms is the year 5138), below TS_NS_FROM microseconds, from there nanoseconds. */
const TS_US_FROM = 1e14;
const TS_NS_FROM = 1e17;

/** Epoch microseconds of a vendor timestamp in ms, us or ns, told apart by magnitude; NaN where it is not a believable time. */
export function tsUsOf(ts: number): number {
  const tsUs = ts < TS_US_FROM ? Math.round(ts * 1000) : ts < TS_NS_FROM ? Math.round(ts) : Math.round(ts / 1000);
  return tsUs >= TS_US_MIN && tsUs < TS_US_MAX ? tsUs : Number.NaN;
}

/** True for a price a row may carry; false for NaN and infinities too. */
export function isPx(px: number): boolean {
  return px >= PX_USD_MIN && px <= PX_USD_MAX;
}

/** True for a size a row may carry, fractions of a share included. */
export function isQty(qty: number): boolean {
  return qty > 0 && qty <= QTY_MAX;
}

/** Fills `row` with a trade; false where it is not believable. `ts` is the vendor's, in any unit. */
export function writeTrade(
  ring: MarketEventRing,
  row: number,
  slot: number,
  px: number,
  qty: number,
  ts: number,
  recvNs: number,
): boolean {
  const tsUs = tsUsOf(ts);
  if (!(isPx(px) && isQty(qty) && tsUs > 0)) return false;
  ring.kind[row] = MARKET_EVENT_TRADE;
  ring.slot[row] = slot;
  ring.tsVenueUs[row] = tsUs;
  ring.tsRecvNs[row] = recvNs;
  ring.px[row] = px;
  ring.qty[row] = qty;
  return true;
}

/** Fills `row` with a quote; false where it is not believable. A crossed quote is believable: what to make of it is the engine's. */
export function writeQuote(
  ring: MarketEventRing,
  row: number,
  slot: number,
  bidPx: number,
  askPx: number,
  bidLots: number,
  askLots: number,
  ts: number,
  recvNs: number,
): boolean {
  const tsUs = tsUsOf(ts);
  if (!(isPx(bidPx) && isPx(askPx) && isQty(bidLots) && isQty(askLots) && tsUs > 0)) return false;
  ring.kind[row] = MARKET_EVENT_QUOTE;
  ring.slot[row] = slot;
  ring.tsVenueUs[row] = tsUs;
  ring.tsRecvNs[row] = recvNs;
  ring.bidPx[row] = bidPx;
  ring.askPx[row] = askPx;
  ring.bidLots[row] = bidLots;
  ring.askLots[row] = askLots;
  return true;
}

/** Fills `row` with an aggregate of the venue; false where a price lies outside low..high or a number is not believable. */
export function writeBar(
  ring: MarketEventRing,
  row: number,
  isSecond: boolean,
  slot: number,
  open: number,
  high: number,
  low: number,
  close: number,
  volume: number,
  vwap: number,
  startTs: number,
  recvNs: number,
): boolean {
  const tsUs = tsUsOf(startTs);
  if (!(isPx(low) && isPx(high) && isPx(vwap) && isQty(volume) && tsUs > 0)) return false;
  if (!(open >= low && open <= high && close >= low && close <= high)) return false;
  ring.kind[row] = isSecond ? MARKET_EVENT_SECOND_BAR : MARKET_EVENT_MINUTE_BAR;
  ring.slot[row] = slot;
  ring.tsVenueUs[row] = tsUs;
  ring.tsRecvNs[row] = recvNs;
  ring.px[row] = close;
  ring.qty[row] = volume;
  ring.bidPx[row] = open;
  ring.askPx[row] = high;
  ring.bidLots[row] = low;
  ring.askLots[row] = vwap;
  return true;
}
