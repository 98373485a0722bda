// The venue's entities in Alpaca's words. Amounts are strings, timestamps RFC 3339 with nine digits of market time.
// Orders are written by template, because every order costs one for its answer and one for each of its events.

import { formatTicks, TICKS_PER_USD } from "../../core/fixed-point.ts";
import { formatNewYorkTime, nextTradingDay, type TradingDay } from "../../market/calendar.ts";
import type { Position } from "./account.ts";
import type { Exchange } from "./exchange.ts";
import { uuidOf } from "./ids.ts";
import { formatNewYork, formatUtc } from "./rfc3339.ts";
import type { Execution, OrderEventKind, VenueOrder } from "./venue-order.ts";

/** From this day on trades settle the next session; before it two sessions later (since 2017-09-05). */
const T_PLUS_1_SINCE = "2024-05-28";
const REG_T_INITIAL_FRAC = 0.5;
const MAINTENANCE_LONG_FRAC = 0.25;
const MAINTENANCE_SHORT_FRAC = 0.3;

/** What the broker says of a stock beyond what the recorded day knows. */
export interface AssetInfo {
  readonly name: string;
  readonly exchange: string;
  readonly isTradable: boolean;
  readonly isShortable: boolean;
}

const assetIds = new Map<string, string>();

/** Id of an asset: the same for a symbol in every run. */
export function assetIdOf(symbol: string): string {
  let id = assetIds.get(symbol);
  if (id === undefined) {
    id = uuidOf(0, `asset/${symbol}`);
    assetIds.set(symbol, id);
  }
  return id;
}

/** @param isNested write the legs into the order; otherwise `legs` is null */
export function orderJson(order: VenueOrder, isNested: boolean): string {
  return (
    `{"id":"${order.id}","client_order_id":${JSON.stringify(order.clientOrderId)},"created_at":"${formatUtc(order.createdUs)}",` +
    `"updated_at":"${formatUtc(order.updatedUs)}","submitted_at":"${formatUtc(order.submittedUs)}",` +
    `"filled_at":${timeOrNull(order.filledUs)},"expired_at":${timeOrNull(order.expiredUs)},"expires_at":${timeOrNull(order.expiresUs)},` +
    `"canceled_at":${timeOrNull(order.canceledUs)},"failed_at":${timeOrNull(order.failedUs)},` +
    `"cancel_requested_at":${timeOrNull(order.cancelRequestedUs)},"replaced_at":${timeOrNull(order.replacedUs)},` +
    `"replaced_by":${textOrNull(order.replacedBy)},"replaces":${textOrNull(order.replaces)},` +
    `"asset_id":"${assetIdOf(order.symbol)}","symbol":${JSON.stringify(order.symbol)},"asset_class":"us_equity","notional":null,` +
    `"qty":"${order.qty}","filled_qty":"${order.filledQty}","filled_avg_price":${averagePxOrNull(order)},` +
    `"order_class":"${order.orderClass === "simple" ? "" : order.orderClass}","order_type":"${order.type}","type":"${order.type}",` +
    `"side":"${order.side}","position_intent":"${order.intent}","time_in_force":"${order.timeInForce}",` +
    `"limit_price":${pxOrNull(order.limitPxTicks)},"stop_price":${pxOrNull(order.stopPxTicks)},"status":"${order.status}",` +
    `"extended_hours":${order.extendedHours},"legs":${isNested ? legsJson(order) : "null"},` +
    `"trail_percent":${pxOrNull(order.trailPercentE4)},"trail_price":${pxOrNull(order.trailPxTicks)},"hwm":${pxOrNull(order.hwmPxTicks)},` +
    `"subtag":null,"source":null}`
  );
}

export function ordersJson(orders: readonly VenueOrder[], isNested: boolean): string {
  return `[${orders.map((order) => orderJson(order, isNested)).join(",")}]`;
}

function legsJson(order: VenueOrder): string {
  return order.legs.length === 0 ? "null" : ordersJson(order.legs, true);
}

const FRAME_HEAD = '{"stream":"trade_updates","data":{';
const FRAME_TAIL = "}}";
const textEncoder = new TextEncoder();
const textDecoder = new TextDecoder();

/** One trade update as the bytes of a stream frame; bytes, because a day keeps all of them. */
export function tradeUpdateFrame(
  kind: OrderEventKind,
  order: VenueOrder,
  execution: Execution | null,
  nowUs: number,
): Uint8Array {
  const head = `"event":"${kind}","timestamp":"${formatUtc(nowUs)}"`;
  const detail =
    execution === null
      ? `"execution_id":${hasNoExecutionId(kind) ? "null" : `"${uuidOf(0, `${order.id}/${kind}`)}"`}`
      : `"execution_id":"${execution.id}","price":"${formatTicks(execution.pxTicks)}","qty":"${execution.qty}",` +
        `"position_qty":"${execution.positionQty}"`;
  return textEncoder.encode(`${FRAME_HEAD}${head},${detail},"order":${orderJson(order, false)}${FRAME_TAIL}`);
}

/** The same update for the replayable event route, which adds an id and lies flat. */
export function tradeUpdateWithId(frame: Uint8Array, eventId: string, atUs: number): string {
  const members = textDecoder.decode(frame).slice(FRAME_HEAD.length, -FRAME_TAIL.length);
  return `{"at":"${formatUtc(atUs)}","event_id":"${eventId}",${members}}`;
}

/** The broker's own acknowledgements; everything the market says has an execution id, fill or not. */
function hasNoExecutionId(kind: OrderEventKind): boolean {
  return kind === "pending_new" || kind === "accepted";
}

export function positionJson(position: Position, exchange: Exchange, info: AssetInfo): string {
  const { account, market } = exchange;
  const markPx = account.markPxTicks(position);
  const previousClosePx = market.previousClosePxTicks(position.slot);
  const lastdayPx = previousClosePx > 0 ? previousClosePx : markPx;
  const valueTicks = markPx * position.qty;
  const profit = formatTicks(valueTicks - position.costTicks);
  const profitFrac = formatRatio(valueTicks - position.costTicks, Math.abs(position.costTicks));
  return JSON.stringify({
    asset_id: assetIdOf(position.symbol),
    symbol: position.symbol,
    exchange: info.exchange,
    asset_class: "us_equity",
    asset_marginable: true,
    avg_entry_price: formatRatio(position.costTicks / TICKS_PER_USD, position.qty),
    qty: String(position.qty),
    qty_available: String(Math.sign(position.qty) * exchange.availableQty(position.slot)),
    side: position.qty > 0 ? "long" : "short",
    market_value: formatTicks(valueTicks),
    cost_basis: formatTicks(position.costTicks),
    unrealized_pl: profit,
    unrealized_plpc: profitFrac,
    unrealized_intraday_pl: profit,
    unrealized_intraday_plpc: profitFrac,
    current_price: formatTicks(markPx),
    lastday_price: formatTicks(lastdayPx),
    change_today: formatRatio(markPx - lastdayPx, lastdayPx),
  });
}

export function accountJson(exchange: Exchange, accountId: string, createdUs: number): string {
  const { account } = exchange;
  const long = account.longValueTicks();
  const short = account.shortValueTicks();
  const gross = long - short;
  const equity = account.cashTicks + long + short;
  const buyingPower = Math.max(0, account.buyingPowerTicks());
  const regT = Math.max(0, Math.min(account.multiplier, 2) * equity - gross - account.reservedTicks);
  const maintenance = Math.round(MAINTENANCE_LONG_FRAC * long - MAINTENANCE_SHORT_FRAC * short);
  return JSON.stringify({
    id: accountId,
    account_number: `SIM${accountId.slice(0, 6).toUpperCase()}`,
    status: "ACTIVE",
    crypto_status: "INACTIVE",
    currency: "USD",
    cash: formatTicks(account.cashTicks),
    buying_power: formatTicks(buyingPower),
    regt_buying_power: formatTicks(Math.floor(regT)),
    non_marginable_buying_power: formatTicks(Math.max(0, equity - gross - account.reservedTicks)),
    options_buying_power: "0",
    options_approved_level: "0",
    options_trading_level: "0",
    equity: formatTicks(equity),
    last_equity: formatTicks(account.startCashTicks),
    portfolio_value: formatTicks(equity),
    long_market_value: formatTicks(long),
    short_market_value: formatTicks(short),
    position_market_value: formatTicks(gross),
    initial_margin: formatTicks(Math.round(REG_T_INITIAL_FRAC * gross)),
    maintenance_margin: formatTicks(maintenance),
    last_maintenance_margin: "0",
    sma: "0",
    multiplier: String(account.multiplier),
    accrued_fees: "0",
    pending_transfer_in: "0",
    pending_transfer_out: "0",
    pending_reg_taf_fees: "0",
    intraday_adjustments: "0",
    balance_asof: exchange.day.date,
    created_at: formatUtc(createdUs),
    account_blocked: false,
    trade_suspended_by_user: exchange.isTradingSuspended,
    trading_blocked: false,
    transfers_blocked: false,
    shorting_enabled: account.multiplier > 1 && !exchange.isShortingForbidden,
  });
}

export function assetJson(symbol: string, info: AssetInfo): string {
  return JSON.stringify({
    id: assetIdOf(symbol),
    class: "us_equity",
    exchange: info.exchange,
    symbol,
    name: info.name,
    status: "active",
    tradable: info.isTradable,
    marginable: true,
    maintenance_margin_requirement: 30,
    margin_requirement_long: "30",
    margin_requirement_short: "30",
    shortable: info.isShortable,
    easy_to_borrow: info.isShortable,
    borrow_status: info.isShortable ? "easy_to_borrow" : "not_shortable",
    fractionable: false,
    attributes: [],
  });
}

/** Id of a fill in the account's activities: sorts by time, and is the page token. */
export function activityId(execution: Execution): string {
  return `${formatUtc(execution.tsUs).slice(0, 23).replace(/\D/g, "")}::${execution.id}`;
}

export function activityJson(execution: Execution): string {
  const { order } = execution;
  return JSON.stringify({
    id: activityId(execution),
    activity_type: "FILL",
    transaction_time: formatUtc(execution.tsUs),
    type: execution.leavesQty === 0 ? "fill" : "partial_fill",
    price: formatTicks(execution.pxTicks),
    qty: String(execution.qty),
    side: order.intent === "sell_to_open" ? "sell_short" : order.side,
    symbol: order.symbol,
    leaves_qty: String(execution.leavesQty),
    order_id: order.id,
    cum_qty: String(execution.cumQty),
    order_status: execution.leavesQty === 0 ? "filled" : "partially_filled",
  });
}

/** A day of GET /v2/calendar. */
export function calendarDayJson(day: TradingDay): string {
  const compact = (tsUs: number): string => formatNewYorkTime(tsUs).slice(0, 5).replace(":", "");
  return JSON.stringify({
    date: day.date,
    open: formatNewYorkTime(day.openUs).slice(0, 5),
    close: formatNewYorkTime(day.closeUs).slice(0, 5),
    session_open: compact(day.preOpenUs),
    session_close: compact(day.postCloseUs),
    settlement_date: settlementDate(day.date),
  });
}

/** A day of GET /v3/calendar/{market}. */
export function marketCalendarDayJson(day: TradingDay, isUtc: boolean): string {
  const format = isUtc ? formatUtc : formatNewYork;
  return JSON.stringify({
    date: day.date,
    pre_start: format(day.preOpenUs),
    pre_end: format(day.openUs),
    core_start: format(day.openUs),
    core_end: format(day.closeUs),
    post_start: format(day.closeUs),
    post_end: format(day.postCloseUs),
    settlement_date: settlementDate(day.date),
  });
}

/** The day trades of this date settle: empty at the end of the calendar, where it is not known. */
function settlementDate(date: string): string {
  try {
    const next = nextTradingDay(date).date;
    return date >= T_PLUS_1_SINCE ? next : nextTradingDay(next).date;
  } catch {
    return "";
  }
}

/** A quotient as decimal text, rounded to nine decimals, without trailing zeros. */
function formatRatio(numerator: number, denominator: number): string {
  if (denominator === 0) return "0";
  const text = (numerator / denominator).toFixed(9).replace(/\.?0+$/, "");
  return text === "-0" ? "0" : text;
}

function averagePxOrNull(order: VenueOrder): string {
  if (order.filledQty === 0) return "null";
  return `"${formatRatio(order.filledNotionalTicks / TICKS_PER_USD, order.filledQty)}"`;
}

function pxOrNull(pxTicks: number): string {
  return pxTicks > 0 ? `"${formatTicks(pxTicks)}"` : "null";
}

function timeOrNull(tsUs: number): string {
  return tsUs > 0 ? `"${formatUtc(tsUs)}"` : "null";
}

function textOrNull(text: string | null): string {
  return text === null ? "null" : `"${text}"`;
}
