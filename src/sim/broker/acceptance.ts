// May this order be taken? The rules against market, calendar and account, each with the answer the vendor gives.
// Asked once, at the moment the request comes in; nothing here changes state.

import { formatTicks, roundPxTicks, TICKS_PER_CENT } from "../../core/fixed-point.ts";
import type { TradingDay } from "../../market/calendar.ts";
import type { SimMarket } from "../market/port.ts";
import type { Account } from "./account.ts";
import { forbidden, type Refusal, unprocessable } from "./refusal.ts";
import type { OrderTerms, OrderType, PositionIntent, Side, VenueOrder } from "./venue-order.ts";

/** What the checks may look at. */
export interface AcceptanceView {
  readonly market: SimMarket;
  readonly account: Account;
  readonly day: TradingDay;
  /** Open orders of one symbol, in the order they came. */
  openOrders(slot: number): ReadonlySet<VenueOrder>;
  /** Committed orders of one symbol and side that open a position. */
  openingCount(slot: number, side: Side): number;
}

/** A buy at the market pays at most this much more than it saw: 4% up to 50 USD, 2.5% above. */
const COLLAR_FRAC_LOW = 0.04;
const COLLAR_FRAC_HIGH = 0.025;
const COLLAR_BOUNDARY_TICKS = 500_000;
/** A short sale is reserved at this much above the offer, in case it is bought back at once. */
const SHORT_RESERVE_FACTOR = 1.03;

const MINUTE_US = 60_000_000;
const OPG_CUTOFF_BEFORE_OPEN_US = 2 * MINUTE_US;
const CLS_CUTOFF_BEFORE_CLOSE_US = 10 * MINUTE_US;
/** 19:00 is nine and a half hours after the open, on half days too. */
const AUCTION_REOPENS_AFTER_OPEN_US = 570 * MINUTE_US;

/** Worst price a market-like order of this side may get, given the price it looks at. */
export function collarPxTicks(pxTicks: number, side: Side): number {
  const frac = pxTicks > COLLAR_BOUNDARY_TICKS ? COLLAR_FRAC_HIGH : COLLAR_FRAC_LOW;
  if (side === "buy") return roundPxTicks(Math.round(pxTicks * (1 + frac)), -1);
  return Math.max(1, roundPxTicks(Math.round(pxTicks * (1 - frac)), 1));
}

/** Stop price of a trailing stop whose best trade so far is `hwmPxTicks`. */
export function trailingStopPxTicks(order: VenueOrder): number {
  const distance =
    order.trailPxTicks > 0 ? order.trailPxTicks : (order.hwmPxTicks * order.trailPercentE4) / (100 * 10_000);
  if (order.isBuy) return roundPxTicks(order.hwmPxTicks + distance, 1);
  return Math.max(1, roundPxTicks(order.hwmPxTicks - distance, -1));
}

/** Price to reckon with where a quote is wanted and there may be none yet: offer, else last trade or previous close. */
export function askOrLastPxTicks(market: SimMarket, slot: number): number {
  const ask = market.askPxTicks(slot);
  return ask > 0 ? ask : market.lastPxTicks(slot);
}

interface PricedOrder {
  readonly type: OrderType;
  readonly side: Side;
  readonly limitPxTicks: number;
  readonly stopPxTicks: number;
}

/** Highest price an opening order is reserved at, per share; 0 where the stock has no price yet. */
export function reservePxTicks(order: PricedOrder, market: SimMarket, slot: number): number {
  const reference = askOrLastPxTicks(market, slot);
  if (order.side === "sell") {
    return Math.max(order.limitPxTicks, order.stopPxTicks, Math.ceil(reference * SHORT_RESERVE_FACTOR));
  }
  if (order.limitPxTicks > 0) return order.limitPxTicks;
  if (order.stopPxTicks > 0) return collarPxTicks(order.stopPxTicks, "buy");
  return reference > 0 ? collarPxTicks(reference, "buy") : 0;
}

/** What the order does to the position held now; a side never turns a position over in one order. */
export function inferIntent(side: Side, positionQty: number): PositionIntent {
  if (side === "buy") return positionQty < 0 ? "buy_to_close" : "buy_to_open";
  return positionQty > 0 ? "sell_to_close" : "sell_to_open";
}

/** On-open and on-close orders have hours of their own, 19:00 to shortly before the auction. */
export function checkAuctionWindow(terms: OrderTerms, day: TradingDay, nowUs: number): Refusal | null {
  const reopensUs = day.openUs + AUCTION_REOPENS_AFTER_OPEN_US;
  if (terms.timeInForce === "opg" && nowUs >= day.openUs - OPG_CUTOFF_BEFORE_OPEN_US && nowUs < reopensUs) {
    return unprocessable("opg orders are not accepted between 2 minutes before the open and 19:00 ET");
  }
  if (terms.timeInForce === "cls" && nowUs >= day.closeUs - CLS_CUTOFF_BEFORE_CLOSE_US && nowUs < reopensUs) {
    return unprocessable("cls orders are not accepted between 10 minutes before the close and 19:00 ET");
  }
  return null;
}

/** Target above and stop below the entry for a buy, the other way round for a sell; each by a cent at least. */
export function checkLegPrices(terms: OrderTerms, market: SimMarket, slot: number): Refusal | null {
  if (terms.orderClass === "simple") return null;
  const { targetPxTicks: target, stopLossPxTicks: stop } = terms;
  if (terms.orderClass === "oco") {
    const isRight = terms.side === "sell" ? terms.limitPxTicks > stop : terms.limitPxTicks < stop;
    const relation = terms.side === "sell" ? ">" : "<";
    return isRight ? null : unprocessable(`take_profit.limit_price must be ${relation} stop_loss.stop_price`);
  }
  const basePxTicks = terms.limitPxTicks || terms.stopPxTicks || askOrLastPxTicks(market, slot);
  if (basePxTicks === 0) return null;
  const detail = { base_price: formatTicks(basePxTicks) };
  if (terms.side === "buy") {
    if (target > 0 && target < basePxTicks + TICKS_PER_CENT) {
      return unprocessable("take_profit.limit_price must be >= base_price + 0.01", detail);
    }
    if (stop > 0 && stop > basePxTicks - TICKS_PER_CENT) {
      return unprocessable("stop_loss.stop_price must be <= base_price - 0.01", detail);
    }
    return null;
  }
  if (target > 0 && target > basePxTicks - TICKS_PER_CENT) {
    return unprocessable("take_profit.limit_price must be <= base_price - 0.01", detail);
  }
  if (stop > 0 && stop < basePxTicks + TICKS_PER_CENT) {
    return unprocessable("stop_loss.stop_price must be >= base_price + 0.01", detail);
  }
  return null;
}

/** An order that could trade with one of our own on the other side. Linked orders are exempt, as at the vendor. */
export function checkWashTrade(
  terms: PricedOrder,
  isComplex: boolean,
  openOrders: Iterable<VenueOrder>,
  family: readonly VenueOrder[] = [],
): Refusal | null {
  if (isComplex) return null;
  for (const other of openOrders) {
    if (!other.isCommitted || other.side === terms.side || family.includes(other)) continue;
    if (terms.type !== "limit" || other.type !== "limit") {
      return washTrade("opposite side market/stop order exists");
    }
    const buyPx = terms.side === "buy" ? terms.limitPxTicks : other.limitPxTicks;
    const sellPx = terms.side === "buy" ? other.limitPxTicks : terms.limitPxTicks;
    if (buyPx >= sellPx) return washTrade("opposite side limit order exists");
  }
  return null;
}

function washTrade(reason: string): Refusal {
  return forbidden("potential wash trade detected. use complex orders", { reject_reason: reason });
}

/** Shares of the position that no open exit holds. `except` is left out, with everything that shares its shares. */
export function availableQty(view: AcceptanceView, slot: number, except: readonly VenueOrder[] = []): number {
  const positionQty = view.account.positionQty(slot);
  return Math.max(0, Math.abs(positionQty) - heldQty(view.openOrders(slot), except));
}

/** Shares held by open exits; exits that share their shares count once. */
export function heldQty(openOrders: Iterable<VenueOrder>, except: readonly VenueOrder[] = []): number {
  let held = 0;
  for (const order of openOrders) {
    if (order.isOpening || except.includes(order)) continue;
    if (order.isPendingReplacement) held += order.extraHeldQty;
    if (!order.isCommitted) continue;
    const firstOfGroup = order.exitGroup().find((member) => member.isCommitted && !except.includes(member));
    if (firstOfGroup === order) held += order.leavesQty;
  }
  return held;
}

/** Selling (or buying back) more than is held and free. */
export function checkAvailable(
  view: AcceptanceView,
  slot: number,
  qty: number,
  except: readonly VenueOrder[] = [],
): Refusal | null {
  const available = availableQty(view, slot, except);
  if (qty <= available) return null;
  const openOrders = view.openOrders(slot);
  const holders = [...openOrders].filter((order) => !order.isOpening && order.isCommitted);
  return forbidden(`insufficient qty available for order (requested: ${qty}, available: ${available})`, {
    available: String(available),
    existing_qty: String(Math.abs(view.account.positionQty(slot))),
    held_for_orders: String(heldQty(openOrders, except)),
    related_orders: holders.map((order) => order.id),
    symbol: view.market.symbols[slot],
  });
}

/** A position cannot be opened on both sides at once. */
export function checkOpposingOpen(side: Side, view: AcceptanceView, slot: number): Refusal | null {
  if (view.openingCount(slot, side === "buy" ? "sell" : "buy") === 0) return null;
  return forbidden(
    side === "sell"
      ? "cannot open a short sell while a long buy order is open"
      : "cannot open a long buy while a short sell order is open",
  );
}

export function checkBuyingPower(account: Account, costTicks: number): Refusal | null {
  const buyingPowerTicks = account.buyingPowerTicks();
  if (costTicks <= buyingPowerTicks) return null;
  return forbidden("insufficient buying power", {
    buying_power: formatTicks(Math.max(0, buyingPowerTicks)),
    cost_basis: formatTicks(costTicks),
  });
}
