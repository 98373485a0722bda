// The broker: takes orders, moves them through their states, keeps the account. When and at what price they fill is the
// matcher's business. What goes in: order terms at market time. What comes out: order events, in the order they happen.
// docs/simulation.md says the same in words.
//
// The tape is never changed by our orders. Everything is integers and one timeline, so a run is a function of its inputs.

import { assert } from "../../core/assert.ts";
import type { TradingDay } from "../../market/calendar.ts";
import type { SimMarket } from "../market/port.ts";
import { PRIORITY_BROKER, type Timeline } from "../timeline.ts";
import {
  type AcceptanceView,
  availableQty,
  checkAuctionWindow,
  checkAvailable,
  checkBuyingPower,
  checkLegPrices,
  checkOpposingOpen,
  checkWashTrade,
  collarPxTicks,
  inferIntent,
  reservePxTicks,
} from "./acceptance.ts";
import { Account } from "./account.ts";
import { uuidOf } from "./ids.ts";
import { isInSession, Matcher } from "./matcher.ts";
import type { ReplaceTerms } from "./order-request.ts";
import { CODE_INVALID, forbidden, Refusal, unprocessable } from "./refusal.ts";
import { checkReplaceable, checkReplacedLegPrices, replacedTerms } from "./replacement.ts";
import {
  type Execution,
  type OrderEventKind,
  type OrderStatus,
  type OrderTerms,
  type PositionIntent,
  type Side,
  type TimeInForce,
  VenueOrder,
} from "./venue-order.ts";

const US_PER_MS = 1_000;
/** A good-till-cancelled order is cancelled by the broker after so many days. */
const GTC_DAYS = 90;
const DAY_US = 86_400_000_000;

/** What may be traded and how; a symbol of the day that is not described is a plain tradable, shortable stock. */
export interface AssetRules {
  readonly isTradable: boolean;
  readonly isShortable: boolean;
}

export interface ExchangeOptions {
  readonly timeline: Timeline;
  readonly market: SimMarket;
  readonly day: TradingDay;
  readonly cashTicks: number;
  readonly seed: number;
  /** Market time from a request to its arrival in the market. */
  readonly orderLatencyMs: number;
  /** Gross exposure per dollar of equity: 1, 2 (Reg T, the default) or 4. */
  readonly multiplier?: number;
  readonly assetRules?: (symbol: string) => AssetRules;
  /** Called for every event of every order, at the market time it happens, with the order as it is then. */
  readonly onEvent?: (kind: OrderEventKind, order: VenueOrder, execution: Execution | null, nowUs: number) => void;
}

export class Exchange implements AcceptanceView {
  readonly market: SimMarket;
  readonly account: Account;
  readonly day: TradingDay;
  /** Every order of the day, oldest first; replacements and legs included. */
  readonly orders: VenueOrder[] = [];
  /** Every execution of the day, oldest first. */
  readonly executions: Execution[] = [];
  /** Set by the account's owner through the account configuration. */
  isTradingSuspended = false;
  isShortingForbidden = false;

  readonly #timeline: Timeline;
  readonly #seed: number;
  readonly #orderLatencyUs: number;
  readonly #assetRules: (symbol: string) => AssetRules;
  readonly #onEvent: NonNullable<ExchangeOptions["onEvent"]>;
  readonly #matcher: Matcher;
  readonly #orderById = new Map<string, VenueOrder>();
  readonly #orderByClientId = new Map<string, VenueOrder>();
  /** (symbol) open orders, oldest first; undefined where there never were any. */
  readonly #openBySlot: (Set<VenueOrder> | undefined)[] = [];
  /** (symbol) committed orders that open a long or a short position. */
  readonly #openingBuys: Int32Array;
  readonly #openingSells: Int32Array;
  #namelessCount = 0;

  constructor(options: ExchangeOptions) {
    this.market = options.market;
    this.day = options.day;
    this.account = new Account(options.cashTicks, options.multiplier ?? 2, options.market);
    this.#timeline = options.timeline;
    this.#seed = options.seed;
    this.#orderLatencyUs = Math.round(options.orderLatencyMs * US_PER_MS);
    this.#assetRules = options.assetRules ?? (() => ({ isTradable: true, isShortable: true }));
    this.#onEvent = options.onEvent ?? (() => {});
    this.#openingBuys = new Int32Array(options.market.symbols.length);
    this.#openingSells = new Int32Array(options.market.symbols.length);
    this.#matcher = new Matcher(options.market, options.day, this.account, {
      nowUs: () => this.nowUs,
      openOrders: (slot) => this.openOrders(slot),
      fill: (order, pxTicks, qty) => this.#fill(order, pxTicks, qty),
      finish: (order, status) => this.#finish(order, status),
    });
    options.market.addListener(this.#matcher);
    this.#scheduleEndOfSession();
  }

  get nowUs(): number {
    return this.#timeline.nowUs;
  }

  order(id: string): VenueOrder | undefined {
    return this.#orderById.get(id);
  }

  orderByClientId(clientOrderId: string): VenueOrder | undefined {
    return this.#orderByClientId.get(clientOrderId);
  }

  openOrders(slot: number): ReadonlySet<VenueOrder> {
    return this.#openBySlot[slot] ?? NO_ORDERS;
  }

  openingCount(slot: number, side: Side): number {
    return (side === "buy" ? this.#openingBuys : this.#openingSells)[slot]!;
  }

  allOpenOrders(): VenueOrder[] {
    return this.orders.filter((order) => order.isOpen);
  }

  assetRules(symbol: string): AssetRules {
    return this.#assetRules(symbol);
  }

  /** Shares of a position that can still be sold (or bought back). */
  availableQty(slot: number): number {
    return availableQty(this, slot);
  }

  // ---------------------------------------------------------------------------------------------------------------
  // Requests

  /** Takes an order, or says why not. A refused order leaves no trace. */
  submit(terms: OrderTerms): VenueOrder | Refusal {
    const slot = this.market.slotOf(terms.symbol);
    const refusal = this.#checkNewOrder(terms, slot);
    if (refusal !== null) return refusal;

    this.market.activate(slot);
    const intent = inferIntent(terms.side, this.account.positionQty(slot));
    const isOpening = intent === "buy_to_open" || intent === "sell_to_open";
    const reservePx = isOpening ? reservePxTicks(terms, this.market, slot) : 0;
    const risk =
      checkWashTrade(terms, terms.orderClass !== "simple", this.openOrders(slot)) ??
      this.#checkIntent(terms, intent) ??
      (isOpening ? this.#checkOpening(terms, slot, reservePx) : checkAvailable(this, slot, terms.qty));
    if (risk !== null) return risk;

    const clientOrderId = terms.clientOrderId ?? uuidOf(this.#seed, `order/${this.#namelessCount++}`);
    const order = this.#createOrder(terms, slot, intent, clientOrderId, null);
    order.reservePxTicks = reservePx;
    order.collarPxTicks = terms.stopPxTicks > 0 ? collarPxTicks(terms.stopPxTicks, terms.side) : 0;
    this.account.reservedTicks += reservePx * order.qty;
    if (order.isOpening) this.#countOpening(order, 1);
    this.#createLegs(order, terms);
    this.#emit(order.status === "accepted" ? "accepted" : "pending_new", order);
    this.#scheduleArrival(order);
    return order;
  }

  /** Asks for an order to be cancelled; it may still be filled until the request reaches the market. */
  cancel(order: VenueOrder): Refusal | null {
    const isCancelable = order.isOpen && order.status !== "pending_cancel" && order.status !== "pending_replace";
    if (!isCancelable) return unprocessable(`order is already in "${order.status}" state`);
    if (order.status === "held") return this.cancel(order.root);
    if (order.status === "accepted") {
      this.#finish(order, "canceled");
      return null;
    }
    order.cancelRequestedUs = this.nowUs;
    this.#setStatus(order, "pending_cancel");
    this.#emit("pending_cancel", order);
    this.#later(order, () => this.#cancelArrives(order));
    return null;
  }

  /** Cancels at once, without the way to the market: what the broker does itself before it closes a position. */
  cancelAtOnce(order: VenueOrder): void {
    if (order.isOpen) this.#finish(order, "canceled");
  }

  /** Asks for an order to be replaced by one with other terms. Returns the new order, which takes effect later, or never. */
  replace(old: VenueOrder, patch: ReplaceTerms): VenueOrder | Refusal {
    const refusal = checkReplaceable(old, patch) ?? this.#checkClientOrderId(patch.clientOrderId);
    if (refusal !== null) return refusal;
    const terms = replacedTerms(old, patch);
    const isTotalGiven = patch.qty > 0;
    const totalQty = isTotalGiven ? patch.qty : old.qty;
    const newQty = totalQty - old.filledQty;
    if (newQty <= 0) return unprocessable(`qty must be more than the ${old.filledQty} shares already filled`);

    const extraTicks = this.#extraReservation(old, terms, newQty);
    const family = old.family();
    const risk =
      (old.orderClass !== "simple"
        ? checkReplacedLegPrices(old, terms, this.market)
        : checkWashTrade(terms, false, this.openOrders(old.slot), family)) ??
      (old.isOpening
        ? checkBuyingPower(this.account, extraTicks)
        : old.isAsleep
          ? null
          : checkAvailable(this, old.slot, newQty, old.exitGroup()));
    if (risk !== null) return risk;

    const clientOrderId = patch.clientOrderId ?? this.#childName(old);
    const order = this.#createOrder({ ...terms, qty: newQty }, old.slot, old.intent, clientOrderId, old);
    order.parent = old.parent;
    order.isPendingReplacement = true;
    order.replaces = old.id;
    order.extraReservedTicks = extraTicks;
    order.extraHeldQty = old.isOpening ? 0 : Math.max(0, newQty - old.leavesQty);
    this.account.reservedTicks += extraTicks;
    this.#setStatus(old, "pending_replace");
    this.#emit("pending_replace", old);
    this.#later(old, () => this.#replaceArrives(old, order, isTotalGiven ? totalQty : 0));
    return order;
  }

  #checkNewOrder(terms: OrderTerms, slot: number): Refusal | null {
    const duplicate = this.#checkClientOrderId(terms.clientOrderId);
    if (duplicate !== null) return duplicate;
    if (slot < 0) return unprocessable(`asset "${terms.symbol}" not found`);
    if (this.isTradingSuspended) return forbidden("new orders are rejected by user request");
    if (!this.#assetRules(terms.symbol).isTradable) return unprocessable(`asset "${terms.symbol}" is not tradable`);
    return checkAuctionWindow(terms, this.day, this.nowUs) ?? checkLegPrices(terms, this.market, slot);
  }

  #checkClientOrderId(clientOrderId: string | null): Refusal | null {
    if (clientOrderId === null || !this.#orderByClientId.has(clientOrderId)) return null;
    return new Refusal(422, CODE_INVALID, "client_order_id must be unique");
  }

  #checkIntent(terms: OrderTerms, intent: PositionIntent): Refusal | null {
    if (terms.positionIntent !== null && terms.positionIntent !== intent) {
      return unprocessable(`position intent mismatch, inferred: ${intent}, specified: ${terms.positionIntent}`);
    }
    const isOpening = intent === "buy_to_open" || intent === "sell_to_open";
    if (terms.orderClass === "oco" && isOpening) return unprocessable("oco orders must be exit orders");
    if (terms.orderClass !== "simple" && terms.orderClass !== "oco" && !isOpening) {
      return unprocessable(`${terms.orderClass} orders must be entry orders`);
    }
    return null;
  }

  #checkOpening(terms: OrderTerms, slot: number, reservePx: number): Refusal | null {
    if (terms.side === "sell") {
      if (this.isShortingForbidden || this.account.multiplier <= 1) {
        return forbidden("account is not allowed to short");
      }
      if (!this.#assetRules(terms.symbol).isShortable) {
        return unprocessable(`asset "${terms.symbol}" cannot be sold short`);
      }
    }
    return checkOpposingOpen(terms.side, this, slot) ?? checkBuyingPower(this.account, reservePx * terms.qty);
  }

  /** What a replacement reserves beyond the order it replaces: while both exist the dearer of the two counts. */
  #extraReservation(old: VenueOrder, terms: OrderTerms, newQty: number): number {
    if (!old.isOpening) return 0;
    const newTicks = reservePxTicks(terms, this.market, old.slot) * newQty;
    return Math.max(0, newTicks - old.reservePxTicks * old.leavesQty);
  }

  // ---------------------------------------------------------------------------------------------------------------
  // Making orders and moving them through their states

  /** @param kin an order it is linked to or replaces, with which it shares its rank */
  #createOrder(
    terms: OrderTerms,
    slot: number,
    intent: PositionIntent,
    clientOrderId: string,
    kin: VenueOrder | null,
  ): VenueOrder {
    const id = uuidOf(this.#seed, `id/${clientOrderId}`);
    const status = this.#isQueuedUntilOpen(terms) ? "accepted" : "pending_new";
    const order = new VenueOrder(id, clientOrderId, slot, terms, intent, status, this.nowUs, kin);
    order.expiresUs = this.#expiryUs(terms);
    this.orders.push(order);
    this.#orderById.set(id, order);
    this.#orderByClientId.set(clientOrderId, order);
    this.#openBySlot[slot] ??= new Set();
    this.#openBySlot[slot].add(order);
    return order;
  }

  /** The sleeping legs of a bracket, OCO or OTO. */
  #createLegs(parent: VenueOrder, terms: OrderTerms): void {
    if (terms.orderClass === "simple") return;
    const isExitParent = terms.orderClass === "oco";
    const side = isExitParent ? terms.side : terms.side === "buy" ? "sell" : "buy";
    const intent = side === "sell" ? "sell_to_close" : "buy_to_close";
    const legTerms = { ...terms, side, clientOrderId: null, positionIntent: null } as const;
    if (terms.targetPxTicks > 0 && !isExitParent) {
      const target = { ...legTerms, type: "limit", limitPxTicks: terms.targetPxTicks, stopPxTicks: 0 } as const;
      parent.legs.push(this.#createOrder(target, parent.slot, intent, this.#childName(parent), parent));
    }
    if (terms.stopLossPxTicks > 0) {
      const type = terms.stopLossLimitPxTicks > 0 ? "stop_limit" : "stop";
      const prices = { limitPxTicks: terms.stopLossLimitPxTicks, stopPxTicks: terms.stopLossPxTicks };
      const stopTerms = { ...legTerms, type, ...prices } as const;
      const stop = this.#createOrder(stopTerms, parent.slot, intent, this.#childName(parent), parent);
      stop.collarPxTicks = collarPxTicks(stop.stopPxTicks, side);
      parent.legs.push(stop);
    }
    for (const leg of parent.legs) {
      leg.parent = parent;
      leg.status = "held";
      leg.isAsleep = true;
    }
  }

  /** The client order id the venue makes for a leg or a replacement that was given none. */
  #childName(owner: VenueOrder): string {
    return uuidOf(this.#seed, `${owner.id}/child/${owner.childCount++}`);
  }

  /** Regular orders wait for 09:30, extended-hours orders for 04:00; auction orders go to the exchange at any time. */
  #isQueuedUntilOpen(terms: { readonly timeInForce: TimeInForce; readonly extendedHours: boolean }): boolean {
    if (terms.timeInForce === "opg" || terms.timeInForce === "cls") return this.nowUs >= this.day.closeUs;
    return !isInSession(this.day, terms.extendedHours, this.nowUs);
  }

  #expiryUs(terms: OrderTerms): number {
    if (terms.timeInForce === "gtc") return this.day.closeUs + GTC_DAYS * DAY_US;
    return terms.extendedHours ? this.day.postCloseUs : this.day.closeUs;
  }

  /** Sends an order on its way to the market. After the session there is nowhere to go: the venue knows one day. */
  #scheduleArrival(order: VenueOrder): void {
    const arrivalUs = this.nowUs + this.#orderLatencyUs;
    if (order.status !== "accepted") {
      this.#at(arrivalUs, order, () => this.#arrive(order));
      return;
    }
    const opensUs = order.extendedHours ? this.day.preOpenUs : this.day.openUs;
    if (this.nowUs < opensUs) this.#at(Math.max(arrivalUs, opensUs), order, () => this.#arrive(order));
  }

  #arrive(order: VenueOrder): void {
    if (!order.isOpen) return;
    order.isAtMarket = true;
    if (order.type === "trailing_stop") this.#matcher.startTrailing(order);
    if (order.status === "accepted" || order.status === "pending_new") this.#setStatus(order, "new");
    this.#emit("new", order);
    if (order.orderClass === "oco") this.#activateLegs(order);
    this.#matcher.meetQuote(order);
  }

  #cancelArrives(order: VenueOrder): void {
    if (order.isOpen) this.#finish(order, "canceled");
    else this.#emit("order_cancel_rejected", order);
  }

  /** @param totalQty shares old and new order may fill together; 0 where the new one is for what the old one left. */
  #replaceArrives(old: VenueOrder, order: VenueOrder, totalQty: number): void {
    this.account.reservedTicks -= order.extraReservedTicks;
    order.extraReservedTicks = 0;
    order.extraHeldQty = 0;
    const newQty = totalQty > 0 ? totalQty - old.filledQty : old.leavesQty;
    if (!order.isOpen || !old.isOpen || newQty <= 0) {
      if (old.isOpen) this.#setStatus(old, restingStatus(old));
      this.#emit("order_replace_rejected", old);
      if (order.isOpen) this.#finish(order, "rejected");
      return;
    }
    this.#takePlace(old, order, newQty);
    this.#emit("replaced", old);
    this.#emit("new", order);
    if (order.isAtMarket) this.#matcher.meetQuote(order);
  }

  #takePlace(old: VenueOrder, order: VenueOrder, newQty: number): void {
    order.isPendingReplacement = false;
    order.qty = newQty;
    order.isAtMarket = old.isAtMarket;
    order.isAsleep = old.isAsleep;
    order.isTriggered = old.isTriggered;
    order.hwmPxTicks = old.hwmPxTicks;
    if (order.type === "trailing_stop" && order.isAtMarket) this.#matcher.startTrailing(order);
    order.collarPxTicks = order.stopPxTicks > 0 ? collarPxTicks(order.stopPxTicks, order.side) : 0;
    order.parent = old.parent;
    order.legs = old.legs;
    for (const leg of order.legs) leg.parent = order;
    if (old.parent !== null) old.parent.legs = old.parent.legs.map((leg) => (leg === old ? order : leg));
    old.legs = [];
    old.replacedBy = order.id;
    old.replacedUs = this.nowUs;
    this.#release(old);
    this.#setStatus(old, "replaced");
    this.#removeFromOpen(old);
    if (order.isOpening) {
      this.#countOpening(order, 1);
      order.reservePxTicks = reservePxTicks(order, this.market, order.slot);
      this.account.reservedTicks += order.reservePxTicks * order.qty;
    }
    if (order.status === "pending_new" || order.status === "accepted") {
      this.#setStatus(order, order.isAsleep ? "held" : "new");
    }
  }

  /** Ends an order's life and draws the consequences for the orders linked to it. */
  #finish(order: VenueOrder, status: "canceled" | "expired" | "rejected"): void {
    const family = order.family();
    this.#release(order);
    if (status === "canceled") order.canceledUs = this.nowUs;
    if (status === "expired") order.expiredUs = this.nowUs;
    if (status === "rejected") order.failedUs = this.nowUs;
    this.#setStatus(order, status);
    this.#removeFromOpen(order);
    this.#emit(status, order);
    if (order.isPendingReplacement) return;
    for (const member of family) {
      if (member.isOpen) this.#finish(member, status === "rejected" ? "canceled" : status);
    }
  }

  #release(order: VenueOrder): void {
    this.account.reservedTicks -= order.reservePxTicks * order.leavesQty;
    order.reservePxTicks = 0;
    order.isAtMarket = false;
  }

  #removeFromOpen(order: VenueOrder): void {
    this.#openBySlot[order.slot]!.delete(order);
    if (order.isCountedOpening) this.#countOpening(order, -1);
  }

  #countOpening(order: VenueOrder, change: 1 | -1): void {
    order.isCountedOpening = change === 1;
    (order.isBuy ? this.#openingBuys : this.#openingSells)[order.slot]! += change;
  }

  #setStatus(order: VenueOrder, status: OrderStatus): void {
    order.status = status;
    order.updatedUs = this.nowUs;
  }

  // ---------------------------------------------------------------------------------------------------------------
  // What the matcher tells

  /** One execution: account, order, linked orders, event. */
  #fill(order: VenueOrder, pxTicks: number, qty: number): void {
    assert(qty > 0 && qty <= order.leavesQty, `a fill is for 1..${order.leavesQty} shares, was ${qty}`);
    this.account.applyFill(order.slot, order.side, pxTicks, qty);
    this.account.reservedTicks -= order.reservePxTicks * qty;
    order.filledQty += qty;
    order.filledNotionalTicks += pxTicks * qty;
    order.executionCount += 1;
    const execution: Execution = {
      id: uuidOf(this.#seed, `${order.id}/${order.executionCount}`),
      order,
      pxTicks,
      qty,
      positionQty: this.account.positionQty(order.slot),
      cumQty: order.filledQty,
      leavesQty: order.leavesQty,
      tsUs: this.nowUs,
    };
    this.executions.push(execution);
    if (order.leavesQty > 0) {
      const isRequestPending = order.status === "pending_cancel" || order.status === "pending_replace";
      this.#setStatus(order, isRequestPending ? order.status : "partially_filled");
      this.#emit("partial_fill", order, execution);
      this.#shrinkSiblings(order);
      return;
    }
    order.filledUs = this.nowUs;
    order.isAtMarket = false;
    this.#setStatus(order, "filled");
    this.#removeFromOpen(order);
    this.#emit("fill", order, execution);
    if (order.isOpening) this.#activateLegs(order);
    else this.#cancelSiblings(order);
  }

  /** An exit filled in part: what is left of the position is all the other exits may still sell. */
  #shrinkSiblings(order: VenueOrder): void {
    if (order.isOpening) return;
    for (const sibling of order.exitGroup()) {
      if (sibling === order || !sibling.isOpen) continue;
      sibling.qty = sibling.filledQty + order.leavesQty;
      sibling.updatedUs = this.nowUs;
    }
  }

  #cancelSiblings(order: VenueOrder): void {
    for (const sibling of order.exitGroup()) {
      if (sibling !== order && sibling.isOpen) this.#finish(sibling, "canceled");
    }
  }

  /** Wakes the legs of a filled entry (or of an OCO that reached the market), for shares that no other exit holds. */
  #activateLegs(parent: VenueOrder): void {
    const legs = parent.legs.filter((leg) => leg.isOpen);
    const available = availableQty(this, parent.slot, parent.exitGroup().concat(legs));
    for (const leg of legs) {
      if (!leg.isOpen) continue;
      if (available <= 0) {
        this.#finish(leg, "canceled");
        continue;
      }
      leg.qty = Math.min(leg.qty, available);
      leg.isAsleep = false;
      leg.isAtMarket = true;
      if (leg.status === "held") this.#setStatus(leg, "new");
      this.#emit("new", leg);
    }
    for (const leg of legs) if (leg.isAtMarket) this.#matcher.meetQuote(leg);
  }

  // ---------------------------------------------------------------------------------------------------------------
  // The session

  #scheduleEndOfSession(): void {
    if (this.nowUs < this.day.closeUs) {
      this.#timeline.at(this.day.closeUs, PRIORITY_BROKER, () => this.#closeSession());
    }
    if (this.nowUs < this.day.postCloseUs) {
      this.#timeline.at(this.day.postCloseUs, PRIORITY_BROKER, () => this.#expireDayOrders(true));
    }
  }

  /** On-close orders take the last trade's price; what was for today only is over. */
  #closeSession(): void {
    for (const order of this.allOpenOrders()) {
      if (!order.isOpen) continue;
      if (order.timeInForce === "cls" && order.isAtMarket) {
        this.#matcher.fillAtClose(order);
      } else if (order.timeInForce === "opg" || order.timeInForce === "cls") {
        this.#finish(order, "canceled");
      }
    }
    this.#expireDayOrders(false);
  }

  #expireDayOrders(extendedHours: boolean): void {
    for (const order of this.allOpenOrders()) {
      const isOver = order.timeInForce !== "gtc" && order.extendedHours === extendedHours;
      if (isOver && order.isOpen && order.expiresUs <= this.nowUs && order.createdUs < order.expiresUs) {
        this.#finish(order, "expired");
      }
    }
  }

  // ---------------------------------------------------------------------------------------------------------------

  #emit(kind: OrderEventKind, order: VenueOrder, execution: Execution | null = null): void {
    this.#onEvent(kind, order, execution, this.nowUs);
  }

  #later(order: VenueOrder, task: () => void): void {
    this.#at(this.nowUs + this.#orderLatencyUs, order, task);
  }

  /** Orders of the same microsecond act by rank, not by which socket was read first. */
  #at(atUs: number, order: VenueOrder, task: () => void): void {
    this.#timeline.at(atUs, PRIORITY_BROKER + order.rank, task);
  }
}

const NO_ORDERS: ReadonlySet<VenueOrder> = new Set();

/** Status of an order that works and has no request under way. */
function restingStatus(order: VenueOrder): OrderStatus {
  if (order.isAsleep) return "held";
  return order.filledQty > 0 ? "partially_filled" : "new";
}
