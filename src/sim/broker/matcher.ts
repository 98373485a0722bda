// When an order fills, at what price and for how much: orders in the market against the recorded quotes and trades.
// It reads the tape and the open orders, and tells its host about fills and ends; it keeps no orders of its own.

import type { TradingDay } from "../../market/calendar.ts";
import type { MarketListener, SimMarket } from "../market/port.ts";
import { collarPxTicks, reservePxTicks, trailingStopPxTicks } from "./acceptance.ts";
import type { Account } from "./account.ts";
import { isWithin, Liquidity } from "./liquidity.ts";
import type { VenueOrder } from "./venue-order.ts";

/** Who owns the orders. */
export interface MatcherHost {
  nowUs(): number;
  openOrders(slot: number): ReadonlySet<VenueOrder>;
  /** One execution; the order and those linked to it may be over when it returns. */
  fill(order: VenueOrder, pxTicks: number, qty: number): void;
  finish(order: VenueOrder, status: "canceled" | "rejected"): void;
}

export class Matcher implements MarketListener {
  readonly #market: SimMarket;
  readonly #day: TradingDay;
  readonly #account: Account;
  readonly #host: MatcherHost;
  readonly #liquidity: Liquidity;
  /** (symbol) 1 once a trade of the regular session printed. */
  readonly #hasTraded: Uint8Array;

  constructor(market: SimMarket, day: TradingDay, account: Account, host: MatcherHost) {
    this.#market = market;
    this.#day = day;
    this.#account = account;
    this.#host = host;
    this.#liquidity = new Liquidity(market);
    this.#hasTraded = new Uint8Array(market.symbols.length);
  }

  onQuote(slot: number, _bidPxTicks: number, _askPxTicks: number, tsUs: number): void {
    this.#liquidity.refresh(slot);
    const open = this.#host.openOrders(slot);
    if (open.size === 0) return;
    for (const order of atMarket(open)) {
      if (!this.#isMatchable(order, tsUs)) continue;
      if (order.isMarketLike || order.isAggressor) this.meetQuote(order);
      else if (order.isLimitLike) this.#crossQuote(order);
    }
  }

  onTrade(slot: number, pxTicks: number, qty: number, tsUs: number): void {
    const isRegular = tsUs >= this.#day.openUs && tsUs <= this.#day.closeUs;
    if (isRegular) this.#hasTraded[slot] = 1;
    const open = this.#host.openOrders(slot);
    if (open.size === 0) return;
    // Only what was in the market before this trade can be touched by it: not the legs that it wakes.
    const orders = atMarket(open);
    if (isRegular) this.#openingAuction(orders, pxTicks);
    this.#tradeThrough(orders, pxTicks, qty, tsUs);
    if (isRegular) this.#triggerStops(orders, pxTicks, tsUs);
  }

  /** Orders in the continuous market now: arrived, in their session, not meant for an auction. */
  #isMatchable(order: VenueOrder, tsUs: number): boolean {
    const isForAuction = order.timeInForce === "opg" || order.timeInForce === "cls";
    return order.isAtMarket && !isForAuction && isInSession(this.#day, order.extendedHours, tsUs);
  }

  /** On-open orders take the price of the first trade of the regular session, or are cancelled. */
  #openingAuction(orders: readonly VenueOrder[], pxTicks: number): void {
    for (const order of orders) {
      if (order.timeInForce === "opg" && order.isAtMarket) this.#fillInAuction(order, pxTicks);
    }
  }

  /** On-close orders take the last trade's price; without a trade today there is none. */
  fillAtClose(order: VenueOrder): void {
    if (this.#hasTraded[order.slot] === 1) this.#fillInAuction(order, this.#market.lastPxTicks(order.slot));
    else this.#host.finish(order, "canceled");
  }

  #fillInAuction(order: VenueOrder, pxTicks: number): void {
    const limit = order.type === "limit" ? order.limitPxTicks : pxTicks;
    if (isWithin(pxTicks, limit, order.side)) this.#host.fill(order, pxTicks, order.leavesQty);
    else this.#host.finish(order, "canceled");
  }

  /** Resting limits that the trade went past fill at their limit, best limit first, for as many shares as traded. */
  #tradeThrough(orders: readonly VenueOrder[], pxTicks: number, qty: number, tsUs: number): void {
    const passed = orders.filter(
      (order) =>
        this.#isMatchable(order, tsUs) &&
        order.isLimitLike &&
        (order.isBuy ? pxTicks < order.limitPxTicks : pxTicks > order.limitPxTicks),
    );
    if (passed.length > 1) {
      passed.sort((a, b) => Math.abs(b.limitPxTicks - pxTicks) - Math.abs(a.limitPxTicks - pxTicks));
    }
    let leftQty = Math.floor(qty);
    for (const order of passed) {
      if (leftQty <= 0) return;
      if (!order.isAtMarket) continue;
      const fillQty = Math.min(leftQty, order.leavesQty);
      leftQty -= fillQty;
      this.#host.fill(order, order.limitPxTicks, fillQty);
    }
  }

  #triggerStops(orders: readonly VenueOrder[], pxTicks: number, tsUs: number): void {
    for (const order of orders) {
      if (!order.isWaitingForTrigger || !this.#isMatchable(order, tsUs)) continue;
      if (order.type === "trailing_stop") this.#trail(order, pxTicks);
      if (order.isBuy ? pxTicks >= order.stopPxTicks : pxTicks <= order.stopPxTicks) this.#trigger(order);
    }
  }

  /** Begins to follow the market: from the last trade on, or where it was when it replaces another. */
  startTrailing(order: VenueOrder): void {
    if (order.hwmPxTicks === 0) order.hwmPxTicks = this.#market.lastPxTicks(order.slot);
    if (order.hwmPxTicks > 0) order.stopPxTicks = trailingStopPxTicks(order);
  }

  #trail(order: VenueOrder, pxTicks: number): void {
    const isBetter = order.hwmPxTicks === 0 || (order.isBuy ? pxTicks < order.hwmPxTicks : pxTicks > order.hwmPxTicks);
    if (!isBetter) return;
    order.hwmPxTicks = pxTicks;
    order.stopPxTicks = trailingStopPxTicks(order);
    order.updatedUs = this.#host.nowUs();
  }

  #trigger(order: VenueOrder): void {
    order.isTriggered = true;
    order.isAggressor = true;
    if (order.type === "trailing_stop") order.collarPxTicks = collarPxTicks(order.stopPxTicks, order.side);
    this.meetQuote(order);
  }

  /** First meeting of an order with a quote, and every further one of an order that takes any price: it takes. */
  meetQuote(order: VenueOrder): void {
    if (!this.#isMatchable(order, this.#host.nowUs()) || order.isWaitingForTrigger) return;
    const isNow = order.timeInForce === "ioc" || order.timeInForce === "fok";
    if (!this.#liquidity.hasQuote(order.slot, order.side)) {
      if (isNow) this.#host.finish(order, "canceled");
      return;
    }
    if (order.isAggressor && order.type === "market" && !this.#repriceAtMarket(order)) return;
    order.isAggressor = false;
    const limitPxTicks = this.#takerLimitPxTicks(order);
    const isKilled =
      order.timeInForce === "fok" &&
      this.#liquidity.qtyWithin(order.slot, order.side, limitPxTicks, order.leavesQty) < order.leavesQty;
    if (!isKilled) this.#take(order, limitPxTicks);
    if (isNow && order.isOpen) this.#host.finish(order, "canceled");
  }

  /** A market order's collar and reservation follow the quote it finds, if the account can carry that; false: rejected. */
  #repriceAtMarket(order: VenueOrder): boolean {
    if (!order.isOpening) return true;
    const newReservePx = reservePxTicks(order, this.#market, order.slot);
    const extraTicks = (newReservePx - order.reservePxTicks) * order.leavesQty;
    if (extraTicks <= 0 || extraTicks <= this.#account.buyingPowerTicks()) {
      this.#account.reservedTicks += extraTicks;
      order.reservePxTicks = newReservePx;
    } else if (order.reservePxTicks === 0) {
      this.#host.finish(order, "rejected");
      return false;
    }
    order.collarPxTicks = order.reservePxTicks;
    return true;
  }

  /**
   * Worst price a taker accepts. A limit: its own. A buy that opens, or a triggered buy stop: its collar, which is what is
   * reserved. Other market orders: the collar around the quote of this moment, so that an exit is never stuck behind a gap.
   */
  #takerLimitPxTicks(order: VenueOrder): number {
    if (order.isLimitLike) return order.limitPxTicks;
    if (!order.isBuy) return collarPxTicks(this.#market.bidPxTicks(order.slot), "sell");
    if (order.isOpening || order.type !== "market") return order.collarPxTicks;
    return collarPxTicks(this.#market.askPxTicks(order.slot), "buy");
  }

  /** Takes level after level of the quote, each an execution of its own. */
  #take(order: VenueOrder, limitPxTicks: number): void {
    const { slot, side } = order;
    while (order.isAtMarket && order.leavesQty > 0) {
      const pxTicks = this.#liquidity.nextPxTicks(slot, side);
      if (!isWithin(pxTicks, limitPxTicks, side)) return;
      const qty = Math.min(order.leavesQty, this.#liquidity.nextQty(slot, side));
      this.#liquidity.take(slot, side, qty);
      this.#host.fill(order, pxTicks, qty);
    }
  }

  /** A resting limit that the other side's quote went past fills at its limit, for as many shares as are shown. */
  #crossQuote(order: VenueOrder): void {
    const quotePx = order.isBuy ? this.#market.askPxTicks(order.slot) : this.#market.bidPxTicks(order.slot);
    const isCrossed = quotePx > 0 && (order.isBuy ? quotePx < order.limitPxTicks : quotePx > order.limitPxTicks);
    if (!isCrossed) return;
    const qty = Math.min(order.leavesQty, this.#liquidity.touchQty(order.slot, order.side));
    if (qty <= 0) return;
    this.#liquidity.take(order.slot, order.side, qty);
    this.#host.fill(order, order.limitPxTicks, qty);
  }
}

/** Is an order with or without extended hours at work at this time? */
export function isInSession(day: TradingDay, extendedHours: boolean, tsUs: number): boolean {
  const { preOpenUs, openUs, closeUs, postCloseUs } = day;
  return extendedHours ? tsUs >= preOpenUs && tsUs < postCloseUs : tsUs >= openUs && tsUs < closeUs;
}

function atMarket(orders: Iterable<VenueOrder>): VenueOrder[] {
  const found: VenueOrder[] = [];
  for (const order of orders) if (order.isAtMarket) found.push(order);
  return found;
}
