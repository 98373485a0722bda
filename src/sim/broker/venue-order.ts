// An order as the venue holds it, and the words of its life: types, statuses, families of linked orders.
// Prices in ticks (1/10,000 USD), quantities in whole shares, times in epoch microseconds; 0 means "none" for each.

import { fractionOf } from "./ids.ts";

export type Side = "buy" | "sell";
export type OrderType = "market" | "limit" | "stop" | "stop_limit" | "trailing_stop";
export type TimeInForce = "day" | "gtc" | "ioc" | "fok" | "opg" | "cls";
export type OrderClass = "simple" | "bracket" | "oco" | "oto";
export type PositionIntent = "buy_to_open" | "buy_to_close" | "sell_to_open" | "sell_to_close";

export type OrderStatus =
  | "accepted"
  | "pending_new"
  | "new"
  | "partially_filled"
  | "filled"
  | "canceled"
  | "expired"
  | "replaced"
  | "rejected"
  | "pending_cancel"
  | "pending_replace"
  | "held";

export type OrderEventKind =
  | "accepted"
  | "pending_new"
  | "new"
  | "partial_fill"
  | "fill"
  | "canceled"
  | "expired"
  | "replaced"
  | "rejected"
  | "pending_cancel"
  | "pending_replace"
  | "order_cancel_rejected"
  | "order_replace_rejected";

/** What a client asks for, checked for form but not yet against market and account. */
export interface OrderTerms {
  readonly symbol: string;
  readonly side: Side;
  readonly type: OrderType;
  readonly timeInForce: TimeInForce;
  readonly orderClass: OrderClass;
  readonly qty: number;
  readonly limitPxTicks: number;
  readonly stopPxTicks: number;
  /** Distance of a trailing stop in ticks, or as `trailPercentE4` in 1/10,000 percent; one of the two. */
  readonly trailPxTicks: number;
  readonly trailPercentE4: number;
  readonly extendedHours: boolean;
  readonly clientOrderId: string | null;
  readonly positionIntent: PositionIntent | null;
  /** Take-profit leg's limit, 0 where there is no such leg. */
  readonly targetPxTicks: number;
  /** Stop-loss leg: stop, 0 where there is no such leg, and its limit, 0 for a stop-market leg. */
  readonly stopLossPxTicks: number;
  readonly stopLossLimitPxTicks: number;
}

export interface Execution {
  readonly id: string;
  readonly order: VenueOrder;
  readonly pxTicks: number;
  readonly qty: number;
  /** Shares held after it, negative when short. */
  readonly positionQty: number;
  readonly cumQty: number;
  readonly leavesQty: number;
  readonly tsUs: number;
}

export class VenueOrder {
  readonly id: string;
  readonly clientOrderId: string;
  readonly slot: number;
  readonly symbol: string;
  readonly side: Side;
  readonly type: OrderType;
  readonly timeInForce: TimeInForce;
  readonly orderClass: OrderClass;
  readonly intent: PositionIntent;
  readonly extendedHours: boolean;
  /** 0..1: settles who is first among orders of the same microsecond; shared by a family and by replacements, whose causes
   * then precede their effects. */
  readonly rank: number;

  qty: number;
  limitPxTicks: number;
  stopPxTicks: number;
  trailPxTicks: number;
  trailPercentE4: number;
  /** Highest (sell) or lowest (buy) trade a trailing stop has seen. */
  hwmPxTicks = 0;

  status: OrderStatus;
  filledQty = 0;
  /** Sum of price x shares over its executions. */
  filledNotionalTicks = 0;
  executionCount = 0;
  /** Client order ids the venue has made for its legs and replacements. */
  childCount = 0;

  createdUs: number;
  updatedUs: number;
  submittedUs: number;
  expiresUs = 0;
  filledUs = 0;
  canceledUs = 0;
  expiredUs = 0;
  failedUs = 0;
  replacedUs = 0;
  cancelRequestedUs = 0;

  replacedBy: string | null = null;
  replaces: string | null = null;
  parent: VenueOrder | null = null;
  legs: VenueOrder[] = [];

  /** A leg whose parent has not woken it; its status is `held`, or `pending_replace` for a while. */
  isAsleep = false;
  /** In the market: can be filled or triggered. */
  isAtMarket = false;
  /** A stop that has been triggered. */
  isTriggered = false;
  /** Not yet matched against a quote; the first one it meets it takes from, later ones it waits for. */
  isAggressor = true;
  /** Waits to take the place of `replaces`; holds only the difference to it. */
  isPendingReplacement = false;
  /** Counted by the exchange among the orders that open a position. */
  isCountedOpening = false;
  /** A closing replacement that is larger than what it replaces holds this many shares more. */
  extraHeldQty = 0;
  /** An opening replacement that costs more than what it replaces reserves this much more. */
  extraReservedTicks = 0;
  /** Buying power reserved for each share still open. */
  reservePxTicks = 0;
  /** Worst price a market-like buy may pay. */
  collarPxTicks = 0;

  constructor(
    id: string,
    clientOrderId: string,
    slot: number,
    terms: OrderTerms,
    intent: PositionIntent,
    status: OrderStatus,
    nowUs: number,
    kin: VenueOrder | null = null,
  ) {
    this.id = id;
    this.clientOrderId = clientOrderId;
    this.slot = slot;
    this.symbol = terms.symbol;
    this.side = terms.side;
    this.type = terms.type;
    this.timeInForce = terms.timeInForce;
    this.orderClass = terms.orderClass;
    this.intent = intent;
    this.extendedHours = terms.extendedHours;
    this.rank = kin === null ? fractionOf(id) : kin.rank;
    this.qty = terms.qty;
    this.limitPxTicks = terms.limitPxTicks;
    this.stopPxTicks = terms.stopPxTicks;
    this.trailPxTicks = terms.trailPxTicks;
    this.trailPercentE4 = terms.trailPercentE4;
    this.status = status;
    this.createdUs = nowUs;
    this.updatedUs = nowUs;
    this.submittedUs = nowUs;
  }

  get leavesQty(): number {
    return this.qty - this.filledQty;
  }

  get isBuy(): boolean {
    return this.side === "buy";
  }

  get isOpening(): boolean {
    return this.intent === "buy_to_open" || this.intent === "sell_to_open";
  }

  get isOpen(): boolean {
    return isOpenStatus(this.status);
  }

  /** Fills at any price once in the market: a market order or a triggered stop. */
  get isMarketLike(): boolean {
    return this.type === "market" || (this.isTriggered && (this.type === "stop" || this.type === "trailing_stop"));
  }

  /** Fills at its limit or better. */
  get isLimitLike(): boolean {
    return this.type === "limit" || (this.type === "stop_limit" && this.isTriggered);
  }

  get isWaitingForTrigger(): boolean {
    return !this.isTriggered && (this.type === "stop" || this.type === "stop_limit" || this.type === "trailing_stop");
  }

  /** Counts for held shares, wash trades and the like: open, not a sleeping leg, not a replacement on its way. */
  get isCommitted(): boolean {
    return this.isOpen && !this.isAsleep && !this.isPendingReplacement;
  }

  get root(): VenueOrder {
    return this.parent ?? this;
  }

  /** Itself and every order linked to it. */
  family(): VenueOrder[] {
    return [this.root, ...this.root.legs];
  }

  /** The exits that share its shares, itself included: legs of one parent, and the parent of an OCO, which is an exit too. */
  exitGroup(): VenueOrder[] {
    const root = this.root;
    if (root.orderClass === "oco") return [root, ...root.legs];
    return this.parent === null ? [this] : root.legs;
  }
}

export function isOpenStatus(status: OrderStatus): boolean {
  switch (status) {
    case "filled":
    case "canceled":
    case "expired":
    case "replaced":
    case "rejected":
      return false;
    default:
      return true;
  }
}
