// A request body becomes order terms or a refusal that says what is wrong with it. Form only: nothing here knows the
// market or the account. Amounts come as decimal text or as JSON numbers, as the vendor accepts both.

import { TICKS_PER_CENT, TICKS_PER_USD } from "../../core/fixed-point.ts";
import { CODE_MALFORMED, forbidden, invalid, Refusal, unprocessable } from "./refusal.ts";
import type { OrderClass, OrderTerms, OrderType, PositionIntent, Side, TimeInForce } from "./venue-order.ts";

const TYPES: readonly string[] = ["market", "limit", "stop", "stop_limit", "trailing_stop"];
const TIMES_IN_FORCE: readonly string[] = ["day", "gtc", "ioc", "fok", "opg", "cls"];
const CLASSES: readonly string[] = ["simple", "bracket", "oco", "oto"];
const INTENTS: readonly string[] = ["buy_to_open", "buy_to_close", "sell_to_open", "sell_to_close"];
const CLIENT_ORDER_ID_LENGTH_MAX = 128;
/** Keeps price x quantity exact in a double for any price a stock has had. */
const QTY_MAX = 1_000_000_000;
const DECIMAL = /^(\d{1,10})(?:\.(\d{0,18}))?$/;

/** What a PATCH asks for; null or 0 keeps what the order has. */
export interface ReplaceTerms {
  readonly qty: number;
  readonly timeInForce: TimeInForce | null;
  readonly limitPxTicks: number;
  readonly stopPxTicks: number;
  /** Ticks for a trail in USD, 1/10,000 percent for one in percent: the order knows which. */
  readonly trail: number;
  readonly clientOrderId: string | null;
}

export type JsonObject = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function malformedBody(): Refusal {
  return new Refusal(400, CODE_MALFORMED, "request body format is invalid");
}

/** Terms of a POST /v2/orders body. */
export function parseOrder(body: unknown): OrderTerms | Refusal {
  if (!isJsonObject(body)) return malformedBody();

  const symbol = body.symbol;
  if (typeof symbol !== "string" || symbol === "") return invalid("symbol is required");
  const side = body.side;
  if (side !== "buy" && side !== "sell") return invalid(`invalid side: ${shown(side)}`);
  const type = body.type;
  if (typeof type !== "string" || !TYPES.includes(type)) return invalid(`invalid order type: ${shown(type)}`);
  const timeInForce = body.time_in_force;
  if (typeof timeInForce !== "string" || !TIMES_IN_FORCE.includes(timeInForce)) {
    return invalid(`invalid time_in_force: ${shown(timeInForce)}`);
  }
  const givenClass = isAbsent(body.order_class) || body.order_class === "" ? "simple" : body.order_class;
  if (typeof givenClass !== "string" || !CLASSES.includes(givenClass)) {
    return invalid(`invalid order_class: ${shown(givenClass)}`);
  }
  const orderClass = givenClass as OrderClass;
  const intent = isAbsent(body.position_intent) ? null : body.position_intent;
  if (intent !== null && (typeof intent !== "string" || !INTENTS.includes(intent))) {
    return invalid(`invalid position_intent: ${shown(intent)}`);
  }
  const extendedHours = isAbsent(body.extended_hours) ? false : body.extended_hours;
  if (typeof extendedHours !== "boolean") return invalid(`invalid extended_hours: ${shown(extendedHours)}`);
  const clientOrderId = parseClientOrderId(body.client_order_id);
  if (clientOrderId instanceof Refusal) return clientOrderId;
  const qty = parseOrderQty(body, symbol);
  if (qty instanceof Refusal) return qty;

  const limitPxTicks = parseOptionalPx(body.limit_price, "limit_price");
  if (limitPxTicks instanceof Refusal) return limitPxTicks;
  const stopPxTicks = parseOptionalPx(body.stop_price, "stop_price");
  if (stopPxTicks instanceof Refusal) return stopPxTicks;
  const trailPxTicks = parseOptionalPx(body.trail_price, "trail_price");
  if (trailPxTicks instanceof Refusal) return trailPxTicks;
  const trailPercentE4 = parsePercent(body.trail_percent);
  if (trailPercentE4 instanceof Refusal) return trailPercentE4;
  const legs = parseLegs(body, orderClass);
  if (legs instanceof Refusal) return legs;

  const terms: OrderTerms = {
    symbol,
    side: side as Side,
    type: type as OrderType,
    timeInForce: timeInForce as TimeInForce,
    orderClass,
    qty,
    limitPxTicks: limitPxTicks === 0 && orderClass === "oco" ? legs.targetPxTicks : limitPxTicks,
    stopPxTicks,
    trailPxTicks,
    trailPercentE4,
    extendedHours,
    clientOrderId,
    positionIntent: intent as PositionIntent | null,
    ...legs,
  };
  return checkCombination(terms) ?? terms;
}

/** Terms of a PATCH /v2/orders/{id} body. */
export function parseReplace(body: unknown): ReplaceTerms | Refusal {
  if (!isJsonObject(body)) return malformedBody();
  if (!isAbsent(body.notional)) return unprocessable("notional orders cannot be replaced");
  const timeInForce = isAbsent(body.time_in_force) ? null : body.time_in_force;
  if (timeInForce !== null && (typeof timeInForce !== "string" || !TIMES_IN_FORCE.includes(timeInForce))) {
    return invalid(`invalid time_in_force: ${shown(timeInForce)}`);
  }
  const clientOrderId = parseClientOrderId(body.client_order_id);
  if (clientOrderId instanceof Refusal) return clientOrderId;
  const qty = isAbsent(body.qty) ? 0 : parseQty(body.qty, "qty");
  if (qty instanceof Refusal) return qty;
  const limitPxTicks = parseOptionalPx(body.limit_price, "limit_price");
  if (limitPxTicks instanceof Refusal) return limitPxTicks;
  const stopPxTicks = parseOptionalPx(body.stop_price, "stop_price");
  if (stopPxTicks instanceof Refusal) return stopPxTicks;
  const trail = isAbsent(body.trail) ? 0 : parseE4(body.trail);
  const isTrailWrong = !isAbsent(body.trail) && !(trail > 0 && Number.isInteger(trail));
  if (isTrailWrong) return invalid(`invalid trail: ${shown(body.trail)}`);
  if (
    qty === 0 &&
    limitPxTicks === 0 &&
    stopPxTicks === 0 &&
    trail === 0 &&
    timeInForce === null &&
    clientOrderId === null
  ) {
    return invalid("at least one of qty, time_in_force, limit_price, stop_price, trail or client_order_id is required");
  }
  return { qty, timeInForce: timeInForce as TimeInForce | null, limitPxTicks, stopPxTicks, trail, clientOrderId };
}

/** Whole shares from text or number; a fraction is refused, since no asset here is fractionable. */
export function parseQty(value: unknown, field: string): number | Refusal {
  const qtyE4 = parseE4(value);
  if (!(qtyE4 > 0)) return invalid(`${field} must be > 0`);
  if (qtyE4 % TICKS_PER_USD !== 0) return unprocessable("fractional orders are not supported");
  const qty = qtyE4 / TICKS_PER_USD;
  return qty <= QTY_MAX ? qty : invalid(`${field} must be <= ${QTY_MAX}`);
}

/** Which prices an order type must and must not carry, and what else it cannot be combined with. */
function checkCombination(terms: OrderTerms): Refusal | null {
  const hasLimit = terms.limitPxTicks > 0;
  const hasStop = terms.stopPxTicks > 0;
  switch (terms.type) {
    case "market":
      if (hasLimit || hasStop) return invalid("market orders require no stop or limit price");
      break;
    case "limit":
      if (!hasLimit) return invalid("limit orders require a limit price");
      if (hasStop) return invalid("limit orders require no stop price");
      break;
    case "stop":
      if (!hasStop) return invalid("stop orders require a stop price");
      if (hasLimit) return invalid("stop orders require no limit price");
      break;
    case "stop_limit":
      if (!hasLimit || !hasStop) return invalid("stop limit orders require both stop and limit price");
      break;
    case "trailing_stop":
      if (hasLimit || hasStop) return invalid("trailing stop orders require no stop or limit price");
      if (terms.trailPxTicks > 0 === terms.trailPercentE4 > 0) {
        return invalid("trailing stop orders require either trail_price or trail_percent");
      }
      break;
  }
  if (terms.type !== "trailing_stop" && (terms.trailPxTicks > 0 || terms.trailPercentE4 > 0)) {
    return invalid("trail_price and trail_percent are only for trailing stop orders");
  }
  return checkTimeInForce(terms) ?? checkClass(terms);
}

function checkTimeInForce(terms: OrderTerms): Refusal | null {
  const isLasting = terms.timeInForce === "day" || terms.timeInForce === "gtc";
  if (!isLasting && terms.type !== "market" && terms.type !== "limit") {
    return invalid(`${terms.type} orders must be day or gtc`);
  }
  if (terms.extendedHours && (terms.type !== "limit" || !isLasting)) {
    return invalid("extended hours order must be DAY or GTC limit orders");
  }
  if (terms.orderClass !== "simple" && (!isLasting || terms.extendedHours)) {
    return invalid(`${terms.orderClass} orders must be day or gtc, without extended hours`);
  }
  return null;
}

function checkClass(terms: OrderTerms): Refusal | null {
  const hasTarget = terms.targetPxTicks > 0;
  const hasStopLoss = terms.stopLossPxTicks > 0;
  switch (terms.orderClass) {
    case "simple":
      if (hasTarget || hasStopLoss) return invalid("simple orders require no take_profit or stop_loss");
      return null;
    case "bracket":
      if (!hasTarget) return invalid("bracket orders require take_profit.limit_price");
      if (!hasStopLoss) return invalid("bracket orders require stop_loss.stop_price");
      break;
    case "oco":
      if (terms.type !== "limit") return invalid("oco orders must be limit orders");
      if (!hasStopLoss) return invalid("oco orders require stop_loss.stop_price");
      if (hasTarget && terms.targetPxTicks !== terms.limitPxTicks) {
        return invalid("oco orders require limit_price to equal take_profit.limit_price");
      }
      return null;
    case "oto":
      if (hasTarget === hasStopLoss) return invalid("oto orders require either take_profit or stop_loss");
      break;
  }
  return terms.type === "trailing_stop" ? invalid(`${terms.orderClass} orders cannot be trailing stops`) : null;
}

interface LegTerms {
  readonly targetPxTicks: number;
  readonly stopLossPxTicks: number;
  readonly stopLossLimitPxTicks: number;
}

function parseLegs(body: JsonObject, orderClass: OrderClass): LegTerms | Refusal {
  if (!isAbsent(body.legs)) return invalid(`legs are not allowed in ${orderClass} orders`);
  const takeProfit = isAbsent(body.take_profit) ? {} : body.take_profit;
  if (!isJsonObject(takeProfit)) return invalid("invalid take_profit");
  const stopLoss = isAbsent(body.stop_loss) ? {} : body.stop_loss;
  if (!isJsonObject(stopLoss)) return invalid("invalid stop_loss");
  const targetPxTicks = parseOptionalPx(takeProfit.limit_price, "take_profit.limit_price");
  if (targetPxTicks instanceof Refusal) return targetPxTicks;
  const stopLossPxTicks = parseOptionalPx(stopLoss.stop_price, "stop_loss.stop_price");
  if (stopLossPxTicks instanceof Refusal) return stopLossPxTicks;
  const stopLossLimitPxTicks = parseOptionalPx(stopLoss.limit_price, "stop_loss.limit_price");
  if (stopLossLimitPxTicks instanceof Refusal) return stopLossLimitPxTicks;
  if (stopLossLimitPxTicks > 0 && stopLossPxTicks === 0) return invalid("stop_loss requires stop_price");
  return { targetPxTicks, stopLossPxTicks, stopLossLimitPxTicks };
}

function parseOrderQty(body: JsonObject, symbol: string): number | Refusal {
  if (!isAbsent(body.notional)) return forbidden(`asset "${symbol}" is not fractionable`);
  if (isAbsent(body.qty)) return invalid("qty or notional is required");
  const qtyE4 = parseE4(body.qty);
  if (qtyE4 > 0 && qtyE4 % TICKS_PER_USD !== 0) return forbidden(`asset "${symbol}" is not fractionable`);
  return parseQty(body.qty, "qty");
}

function parseClientOrderId(value: unknown): string | null | Refusal {
  if (isAbsent(value) || value === "") return null;
  if (typeof value !== "string") return invalid("client_order_id must be a string");
  return value.length <= CLIENT_ORDER_ID_LENGTH_MAX
    ? value
    : invalid(`client_order_id must be no more than ${CLIENT_ORDER_ID_LENGTH_MAX} characters`);
}

/** Ticks of a price; 0 where it is absent. Prices have two decimals from 1 USD up and four below (SEC Rule 612). */
function parseOptionalPx(value: unknown, field: string): number | Refusal {
  if (isAbsent(value)) return 0;
  const pxTicks = parseE4(value);
  if (Number.isNaN(pxTicks)) return invalid(`invalid ${field}: ${shown(value)}`);
  if (pxTicks === 0) return invalid(`${field} must be > 0`);
  const isAllowed = Number.isInteger(pxTicks) && (pxTicks < TICKS_PER_USD || pxTicks % TICKS_PER_CENT === 0);
  if (isAllowed) return pxTicks;
  return unprocessable(
    `invalid ${field} ${shown(value)}. sub-penny increment does not fulfill minimum pricing criteria`,
  );
}

function parsePercent(value: unknown): number | Refusal {
  if (isAbsent(value)) return 0;
  const percentE4 = parseE4(value);
  const isAllowed = percentE4 > 0 && percentE4 < 100 * TICKS_PER_USD && Number.isInteger(percentE4);
  return isAllowed ? percentE4 : invalid(`invalid trail_percent: ${shown(value)}`);
}

/** A decimal times 10,000; NaN when it is none, and not an integer where it has more than four decimals. */
function parseE4(value: unknown): number {
  const text = typeof value === "number" ? String(value) : value;
  if (typeof text !== "string") return Number.NaN;
  const match = DECIMAL.exec(text);
  if (match === null) return Number.NaN;
  const decimals = (match[2] ?? "").replace(/0+$/, "");
  const e4 = Number(match[1]) * TICKS_PER_USD + Number(decimals.slice(0, 4).padEnd(4, "0"));
  return decimals.length > 4 ? e4 + 0.5 : e4;
}

function isAbsent(value: unknown): value is undefined | null {
  return value === undefined || value === null;
}

/** A value as it may stand in a message: short, whatever it was. */
function shown(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "none");
  return text.length <= 40 ? text : `${text.slice(0, 40)}...`;
}
