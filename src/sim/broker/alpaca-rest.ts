// The Alpaca trading API as routes over the exchange. In: one HTTP request at market time. Out: the vendor's status, body
// and headers. Any input gets an answer; a bug of ours is a 500 that is counted and reported, never a crash.

import { newYorkDate } from "../../market/calendar.ts";
import type { Position } from "./account.ts";
import { calendarJson, clockJson, marketCalendarJson, marketClocksJson } from "./alpaca-clock.ts";
import {
  type AssetInfo,
  accountJson,
  activityId,
  activityJson,
  assetIdOf,
  assetJson,
  orderJson,
  ordersJson,
  positionJson,
  tradeUpdateWithId,
} from "./alpaca-json.ts";
import type { EventLog, LoggedEvent } from "./event-log.ts";
import type { Exchange } from "./exchange.ts";
import { uuidOf } from "./ids.ts";
import { isJsonObject, malformedBody, parseOrder, parseQty, parseReplace } from "./order-request.ts";
import { Query } from "./query.ts";
import { CODE_RATE_LIMITED, invalid, notFound, Refusal, unprocessable } from "./refusal.ts";
import { formatUtc } from "./rfc3339.ts";
import { TokenBucket } from "./token-bucket.ts";
import type { Execution, VenueOrder } from "./venue-order.ts";

const ORDERS_LIMIT_DEFAULT = 50;
const ORDERS_LIMIT_MAX = 500;
const ACTIVITIES_PAGE_MAX = 100;
const JSON_TYPE = "application/json; charset=UTF-8";
const TRADE_ACTIVITY_TYPES: readonly string[] = ["FILL"];

export interface AlpacaRestOptions {
  readonly exchange: Exchange;
  readonly log: EventLog;
  readonly keyId: string;
  readonly secret: string;
  readonly seed: number;
  readonly requestsPerMinute: number;
  readonly assetInfo: (symbol: string) => AssetInfo;
  /** VIX at market time, null where unknown. */
  readonly vix: (nowUs: number) => number | null;
  readonly onInternalError: (error: unknown) => void;
}

/** A status and a JSON body; null body is none. */
interface Answer {
  readonly status: number;
  readonly body: string | null;
}

export class AlpacaRest {
  /** Requests that met a bug of ours. */
  internalErrorCount = 0;
  requestCount = 0;
  readonly #options: AlpacaRestOptions;
  readonly #exchange: Exchange;
  readonly #bucket: TokenBucket;
  readonly #accountId: string;
  readonly #createdUs: number;
  readonly #requestIdPrefix: string;
  #symbolByAssetId: Map<string, string> | null = null;
  #configuration: Record<string, unknown>;

  constructor(options: AlpacaRestOptions) {
    this.#options = options;
    this.#exchange = options.exchange;
    this.#bucket = new TokenBucket(options.requestsPerMinute, options.exchange.nowUs);
    this.#accountId = uuidOf(options.seed, "account");
    this.#createdUs = options.exchange.nowUs;
    this.#requestIdPrefix = uuidOf(options.seed, "requests").replaceAll("-", "").slice(0, 20);
    this.#configuration = {
      disable_overnight_trading: true,
      fractional_trading: false,
      max_margin_multiplier: String(options.exchange.account.multiplier),
      max_options_trading_level: 0,
      no_shorting: false,
      ptp_no_exception_entry: false,
      suspend_trade: false,
      trade_confirm_email: "none",
    };
  }

  /** @param queryText what follows the question mark, "" where there is none */
  handle(request: Request, path: string, queryText: string): Response | Promise<Response> {
    this.requestCount += 1;
    const { keyId, secret } = this.#options;
    const { headers } = request;
    if (headers.get("apca-api-key-id") !== keyId || headers.get("apca-api-secret-key") !== secret) {
      return this.#respond({ status: 401, body: '{"message":"unauthorized."}' });
    }
    const isTradingApi = !path.startsWith("/v1beta1/");
    if (isTradingApi && !this.#bucket.tryTake(this.#exchange.nowUs)) {
      return this.#respond(refused(new Refusal(429, CODE_RATE_LIMITED, "rate limit exceeded")));
    }
    try {
      if (request.method === "POST" || request.method === "PATCH") return this.#handleWithBody(request, path);
      if (request.method === "GET" && path === "/v2/events/trades") return this.#eventStream(new Query(queryText));
      return this.#respond(this.#route(request.method, path, queryText));
    } catch (error) {
      return this.#internalError(error);
    }
  }

  async #handleWithBody(request: Request, path: string): Promise<Response> {
    let body: unknown;
    try {
      body = await request.json();
    } catch {
      return this.#respond(refused(malformedBody()));
    }
    try {
      return this.#respond(this.#routeWithBody(request.method, path, body));
    } catch (error) {
      return this.#internalError(error);
    }
  }

  #routeWithBody(method: string, path: string, body: unknown): Answer {
    if (method === "POST" && path === "/v2/orders") return this.#postOrder(body);
    if (method === "PATCH" && path.startsWith("/v2/orders/")) return this.#patchOrder(idIn(path), body);
    if (method === "PATCH" && path === "/v2/account/configurations") return this.#patchConfiguration(body);
    return unknownEndpoint();
  }

  #route(method: string, path: string, queryText: string): Answer {
    if (method === "DELETE") return this.#routeDelete(path, queryText);
    if (method !== "GET") return unknownEndpoint();
    const query = new Query(queryText);
    switch (path) {
      case "/v2/orders":
        return this.#listOrders(query);
      case "/v2/orders:by_client_order_id":
        return this.#orderByClientId(query);
      case "/v2/positions":
        return ok(
          `[${this.#positions()
            .map((position) => this.#positionJson(position))
            .join(",")}]`,
        );
      case "/v2/account":
        return ok(accountJson(this.#exchange, this.#accountId, this.#createdUs));
      case "/v2/account/configurations":
        return ok(JSON.stringify(this.#configuration));
      case "/v2/account/activities":
        return this.#activities(query, query.list("activity_types"));
      case "/v2/clock":
        return ok(clockJson(this.#exchange.nowUs));
      case "/v3/clock":
        return answered(marketClocksJson(query, this.#exchange.nowUs));
      case "/v2/calendar":
        return answered(calendarJson(query, newYorkDate(this.#exchange.nowUs)));
      case "/v2/assets":
        return this.#listAssets(query);
      case "/v1beta1/indices/latest/values":
        return this.#indexValues(query);
      default:
        return this.#routeItem(path, query);
    }
  }

  #routeItem(path: string, query: Query): Answer {
    if (path.startsWith("/v2/orders/")) return this.#getOrder(idIn(path), query);
    if (path.startsWith("/v2/positions/")) return this.#getPosition(idIn(path));
    if (path.startsWith("/v2/assets/")) return this.#getAsset(idIn(path));
    if (path.startsWith("/v2/account/activities/")) return this.#activities(query, [idIn(path)]);
    if (path.startsWith("/v3/calendar/")) {
      return answered(marketCalendarJson(idIn(path), query, newYorkDate(this.#exchange.nowUs)));
    }
    return unknownEndpoint();
  }

  #routeDelete(path: string, queryText: string): Answer {
    if (path === "/v2/orders") return this.#cancelAll();
    if (path.startsWith("/v2/orders/")) return this.#cancelOrder(idIn(path));
    const query = new Query(queryText);
    if (path === "/v2/positions") return this.#closeAll(query);
    if (path.startsWith("/v2/positions/")) return this.#closePosition(idIn(path), query);
    return unknownEndpoint();
  }

  // ---------------------------------------------------------------------------------------------------------------
  // Orders

  #postOrder(body: unknown): Answer {
    const terms = parseOrder(body);
    if (terms instanceof Refusal) return refused(terms);
    const order = this.#exchange.submit(terms);
    return order instanceof Refusal ? refused(order) : ok(orderJson(order, true));
  }

  #patchOrder(id: string, body: unknown): Answer {
    const order = this.#exchange.order(id);
    if (order === undefined) return orderNotFound(id);
    const terms = parseReplace(body);
    if (terms instanceof Refusal) return refused(terms);
    const replacement = this.#exchange.replace(order, terms);
    return replacement instanceof Refusal ? refused(replacement) : ok(orderJson(replacement, true));
  }

  #getOrder(id: string, query: Query): Answer {
    const order = this.#exchange.order(id);
    if (order === undefined) return orderNotFound(id);
    const isNested = query.flag("nested");
    return isNested instanceof Refusal ? refused(isNested) : ok(orderJson(order, isNested));
  }

  #orderByClientId(query: Query): Answer {
    const clientOrderId = query.text("client_order_id");
    if (clientOrderId === null) return refused(invalid("client_order_id is required"));
    const order = this.#exchange.orderByClientId(clientOrderId);
    if (order === undefined) return orderNotFound(clientOrderId);
    const isNested = query.flag("nested");
    return isNested instanceof Refusal ? refused(isNested) : ok(orderJson(order, isNested));
  }

  #listOrders(query: Query): Answer {
    const filter = this.#orderFilter(query);
    if (filter instanceof Refusal) return refused(filter);
    const { matches, isNested, isAscending, limit } = filter;
    const all = this.#exchange.orders;
    const found: VenueOrder[] = [];
    for (let i = 0; i < all.length && found.length < limit; i++) {
      const order = all[isAscending ? i : all.length - 1 - i]!;
      const isRolledUp = isNested && (order.parent?.legs.includes(order) ?? false);
      if (!isRolledUp && (matches(order) || (isNested && order.legs.some(matches)))) found.push(order);
    }
    return ok(ordersJson(found, isNested));
  }

  #orderFilter(query: Query): OrderFilter | Refusal {
    const status = query.choice("status", ["open", "closed", "all"], "open");
    if (status instanceof Refusal) return status;
    const limit = query.integer("limit", 1, ORDERS_LIMIT_MAX, ORDERS_LIMIT_DEFAULT);
    if (limit instanceof Refusal) return limit;
    const afterUs = query.timestampUs("after", Number.NEGATIVE_INFINITY);
    if (afterUs instanceof Refusal) return afterUs;
    const untilUs = query.timestampUs("until", Number.POSITIVE_INFINITY);
    if (untilUs instanceof Refusal) return untilUs;
    const direction = query.choice("direction", ["asc", "desc"], "desc");
    if (direction instanceof Refusal) return direction;
    const isNested = query.flag("nested");
    if (isNested instanceof Refusal) return isNested;
    const side = query.choice("side", ["buy", "sell", ""], "");
    if (side instanceof Refusal) return side;
    const beforeIndex = this.#orderIndex(query.text("before_order_id"), Number.POSITIVE_INFINITY);
    if (beforeIndex instanceof Refusal) return beforeIndex;
    const afterIndex = this.#orderIndex(query.text("after_order_id"), -1);
    if (afterIndex instanceof Refusal) return afterIndex;
    const symbols = query.list("symbols").map((symbol) => symbol.toUpperCase());
    const classes = query.list("asset_class");
    const hasEquities = classes.length === 0 || classes.includes("us_equity") || classes.includes("all");
    const isBounded = beforeIndex !== Number.POSITIVE_INFINITY || afterIndex !== -1;

    const matches = (order: VenueOrder): boolean => {
      if (!hasEquities) return false;
      if (status !== "all" && order.isOpen !== (status === "open")) return false;
      if (order.submittedUs <= afterUs || order.submittedUs > untilUs) return false;
      if (side !== "" && order.side !== side) return false;
      if (symbols.length > 0 && !symbols.includes(order.symbol)) return false;
      if (!isBounded) return true;
      const index = this.#exchange.orders.indexOf(order);
      return index > afterIndex && index < beforeIndex;
    };
    return { matches, isNested, isAscending: direction === "asc", limit };
  }

  #orderIndex(id: string | null, otherwise: number): number | Refusal {
    if (id === null) return otherwise;
    const order = this.#exchange.order(id);
    return order === undefined
      ? notFound(`order not found for ${shortened(id)}`)
      : this.#exchange.orders.indexOf(order);
  }

  #cancelOrder(id: string): Answer {
    const order = this.#exchange.order(id);
    if (order === undefined) return orderNotFound(id);
    const refusal = this.#exchange.cancel(order);
    return refusal === null ? { status: 204, body: null } : refused(refusal);
  }

  /** Each order that was open, with how its cancelling went; a sleeping leg goes with its parent. */
  #cancelAll(): Answer {
    const answers = this.#exchange.allOpenOrders().map((order) => {
      const refusal = order.isOpen && order.status !== "held" ? this.#exchange.cancel(order) : null;
      if (refusal === null) return `{"id":"${order.id}","status":200}`;
      return `{"id":"${order.id}","status":${refusal.httpStatus},"body":${refusal.json()}}`;
    });
    return { status: 207, body: `[${answers.join(",")}]` };
  }

  // ---------------------------------------------------------------------------------------------------------------
  // Positions

  /** By symbol, so that the list does not depend on which order was filled first. */
  #positions(): Position[] {
    return [...this.#exchange.account.positions.values()].sort((a, b) => a.slot - b.slot);
  }

  #positionJson(position: Position): string {
    return positionJson(position, this.#exchange, this.#options.assetInfo(position.symbol));
  }

  #positionSlot(symbolOrAssetId: string): number {
    const symbol = this.#symbolOf(symbolOrAssetId);
    const slot = symbol === null ? -1 : this.#exchange.market.slotOf(symbol);
    return this.#exchange.account.positions.has(slot) ? slot : -1;
  }

  #getPosition(symbolOrAssetId: string): Answer {
    const slot = this.#positionSlot(symbolOrAssetId);
    return slot < 0
      ? refused(notFound("position does not exist"))
      : ok(this.#positionJson(this.#exchange.account.positions.get(slot)!));
  }

  #closePosition(symbolOrAssetId: string, query: Query): Answer {
    const slot = this.#positionSlot(symbolOrAssetId);
    if (slot < 0) return refused(notFound("position does not exist"));
    const qty = this.#closingQty(slot, query);
    if (qty instanceof Refusal) return refused(qty);
    const order = this.#submitClosing(slot, qty);
    return order instanceof Refusal ? refused(order) : ok(orderJson(order, true));
  }

  #closingQty(slot: number, query: Query): number | Refusal {
    const held = Math.abs(this.#exchange.account.positionQty(slot));
    const qtyText = query.text("qty");
    const percentText = query.text("percentage");
    if (qtyText !== null && percentText !== null) return invalid("only one of qty and percentage is allowed");
    if (qtyText !== null) return parseQty(qtyText, "qty");
    if (percentText === null) return held;
    const percent = /^\d{1,3}(\.\d{1,9})?$/.test(percentText) ? Number(percentText) : Number.NaN;
    if (!(percent > 0 && percent <= 100)) return invalid("invalid percentage: must be in (0, 100]");
    const qty = Math.floor((held * percent) / 100);
    return qty > 0 ? qty : unprocessable("fractional orders are not supported");
  }

  #submitClosing(slot: number, qty: number): VenueOrder | Refusal {
    const symbol = this.#exchange.market.symbols[slot]!;
    const side = this.#exchange.account.positionQty(slot) > 0 ? "sell" : "buy";
    const terms = parseOrder({ symbol, side, type: "market", time_in_force: "day", qty: String(qty) });
    return terms instanceof Refusal ? terms : this.#exchange.submit(terms);
  }

  #closeAll(query: Query): Answer {
    const cancelOrders = query.flag("cancel_orders");
    if (cancelOrders instanceof Refusal) return refused(cancelOrders);
    if (cancelOrders) for (const order of this.#exchange.allOpenOrders()) this.#exchange.cancelAtOnce(order);
    const answers = this.#positions().map((position) => {
      const order = this.#submitClosing(position.slot, Math.abs(position.qty));
      const status = order instanceof Refusal ? order.httpStatus : 200;
      const body = order instanceof Refusal ? order.json() : orderJson(order, true);
      return `{"symbol":${JSON.stringify(position.symbol)},"status":${status},"body":${body}}`;
    });
    return { status: 207, body: `[${answers.join(",")}]` };
  }

  // ---------------------------------------------------------------------------------------------------------------
  // Account

  #patchConfiguration(body: unknown): Answer {
    if (!isJsonObject(body)) return refused(malformedBody());
    for (const [name, value] of Object.entries(body)) {
      if (!Object.hasOwn(this.#configuration, name))
        return refused(invalid(`unknown configuration: ${shortened(name)}`));
      if (typeof value !== typeof this.#configuration[name]) return refused(invalid(`invalid ${name}`));
      if (name === "max_margin_multiplier" && value !== "1" && value !== "2" && value !== "4") {
        return refused(invalid("invalid max_margin_multiplier: must be 1, 2 or 4"));
      }
    }
    this.#configuration = { ...this.#configuration, ...body };
    this.#exchange.isTradingSuspended = this.#configuration.suspend_trade === true;
    this.#exchange.isShortingForbidden = this.#configuration.no_shorting === true;
    this.#exchange.account.multiplier = Number(this.#configuration.max_margin_multiplier);
    return ok(JSON.stringify(this.#configuration));
  }

  /** @param types the kinds wanted, all when empty; only fills exist here, so any other kind is an empty list */
  #activities(query: Query, types: readonly string[]): Answer {
    const pageSize = query.integer("page_size", 1, ACTIVITIES_PAGE_MAX, ACTIVITIES_PAGE_MAX);
    if (pageSize instanceof Refusal) return refused(pageSize);
    const direction = query.choice("direction", ["asc", "desc"], "desc");
    if (direction instanceof Refusal) return refused(direction);
    const category = query.choice("category", ["trade_activity", "non_trade_activity"], "trade_activity");
    if (category instanceof Refusal) return refused(category);
    const afterUs = query.timestampUs("after", Number.NEGATIVE_INFINITY);
    if (afterUs instanceof Refusal) return refused(afterUs);
    const untilUs = query.timestampUs("until", Number.POSITIVE_INFINITY);
    if (untilUs instanceof Refusal) return refused(untilUs);
    const date = query.date("date", "");
    if (date instanceof Refusal) return refused(date);

    const hasFills = types.length === 0 || types.some((type) => TRADE_ACTIVITY_TYPES.includes(type.toUpperCase()));
    if (!hasFills || category !== "trade_activity") return ok("[]");
    const isWanted = ({ tsUs }: Execution): boolean =>
      tsUs > afterUs && tsUs < untilUs && (date === "" || newYorkDate(tsUs) === date);
    const fills = this.#exchange.executions.filter(isWanted);
    if (direction === "desc") fills.reverse();
    const pageToken = query.text("page_token");
    const previous = pageToken === null ? -1 : fills.findIndex((fill) => activityId(fill) === pageToken);
    if (pageToken !== null && previous < 0) return refused(invalid("invalid page_token"));
    const page = fills.slice(previous + 1, previous + 1 + pageSize);
    return ok(`[${page.map(activityJson).join(",")}]`);
  }

  // ---------------------------------------------------------------------------------------------------------------
  // Assets and indices

  #symbolOf(symbolOrAssetId: string): string | null {
    const { market } = this.#exchange;
    if (market.slotOf(symbolOrAssetId) >= 0) return symbolOrAssetId;
    this.#symbolByAssetId ??= new Map(market.symbols.map((symbol) => [assetIdOf(symbol), symbol]));
    return this.#symbolByAssetId.get(symbolOrAssetId) ?? null;
  }

  #listAssets(query: Query): Answer {
    const status = query.choice("status", ["active", "inactive", "all"], "active");
    if (status instanceof Refusal) return refused(status);
    const assetClass = query.text("asset_class") ?? "us_equity";
    const exchange = query.text("exchange");
    const isEmpty = status === "inactive" || assetClass !== "us_equity" || query.list("attributes").length > 0;
    const symbols = isEmpty ? [] : this.#exchange.market.symbols;
    const assets: string[] = [];
    for (const symbol of symbols) {
      const info = this.#options.assetInfo(symbol);
      if (exchange === null || exchange === info.exchange) assets.push(assetJson(symbol, info));
    }
    return ok(`[${assets.join(",")}]`);
  }

  #getAsset(symbolOrAssetId: string): Answer {
    const symbol = this.#symbolOf(symbolOrAssetId);
    if (symbol === null) return refused(notFound(`asset not found for ${shortened(symbolOrAssetId)}`));
    return ok(assetJson(symbol, this.#options.assetInfo(symbol)));
  }

  #indexValues(query: Query): Answer {
    const symbols = query.list("symbols");
    if (symbols.length === 0) return refused(invalid("symbols is required"));
    const { nowUs } = this.#exchange;
    const vix = symbols.includes("VIX") ? this.#options.vix(nowUs) : null;
    return ok(JSON.stringify({ values: vix === null ? {} : { VIX: { t: formatUtc(nowUs), v: vix } } }));
  }

  // ---------------------------------------------------------------------------------------------------------------
  // Events

  /** Server-sent events: what has been, then what comes, unless an end was named. */
  #eventStream(query: Query): Response {
    const sinceUs = query.timestampUs("since", Number.POSITIVE_INFINITY);
    if (sinceUs instanceof Refusal) return this.#respond(refused(sinceUs));
    const untilUs = query.timestampUs("until", Number.POSITIVE_INFINITY);
    if (untilUs instanceof Refusal) return this.#respond(refused(untilUs));
    const sinceId = query.text("since_id");
    const untilId = query.text("until_id");
    if (untilUs < sinceUs && sinceUs !== Number.POSITIVE_INFINITY) {
      return this.#respond(refused(invalid("until must not be before since")));
    }
    const isReplay = sinceUs !== Number.POSITIVE_INFINITY || sinceId !== null;
    const isPast = (event: LoggedEvent): boolean =>
      event.atUs > untilUs || (untilId !== null && event.eventId > untilId);
    const isWanted = (event: LoggedEvent): boolean =>
      (sinceId !== null ? event.eventId > sinceId : !isReplay || event.atUs >= sinceUs) && !isPast(event);
    const isOver = untilId !== null || untilUs <= this.#exchange.nowUs;
    const { log } = this.#options;
    const encoder = new TextEncoder();
    let unsubscribe = (): void => {};
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        const send = (event: LoggedEvent): void => controller.enqueue(encoder.encode(sseLine(event)));
        if (isReplay) for (const event of log.events) if (isWanted(event)) send(event);
        if (isOver) {
          controller.close();
          return;
        }
        // A comment, so that the client sees the headers before the first event.
        controller.enqueue(encoder.encode(":connected\n\n"));
        unsubscribe = log.subscribe((event) => {
          if (isPast(event)) {
            unsubscribe();
            controller.close();
          } else if (isWanted(event)) {
            send(event);
          }
        });
      },
      cancel() {
        unsubscribe();
      },
    });
    return new Response(stream, { headers: { ...this.#headers("text/event-stream"), "cache-control": "no-cache" } });
  }

  // ---------------------------------------------------------------------------------------------------------------

  #respond(answer: Answer): Response {
    return new Response(answer.body, { status: answer.status, headers: this.#headers(JSON_TYPE) });
  }

  #headers(contentType: string): Record<string, string> {
    return {
      "content-type": contentType,
      "x-request-id": this.#requestIdPrefix + this.requestCount.toString(16).padStart(12, "0"),
      "x-ratelimit-limit": String(this.#bucket.perMinute),
      "x-ratelimit-remaining": String(this.#bucket.remaining),
      "x-ratelimit-reset": String(this.#bucket.resetSec),
    };
  }

  #internalError(error: unknown): Response {
    this.internalErrorCount += 1;
    this.#options.onInternalError(error);
    return this.#respond({ status: 500, body: '{"code":50010000,"message":"internal server error"}' });
  }
}

interface OrderFilter {
  readonly matches: (order: VenueOrder) => boolean;
  readonly isNested: boolean;
  readonly isAscending: boolean;
  readonly limit: number;
}

function ok(body: string): Answer {
  return { status: 200, body };
}

function answered(result: string | Refusal): Answer {
  return result instanceof Refusal ? refused(result) : ok(result);
}

function refused(refusal: Refusal): Answer {
  return { status: refusal.httpStatus, body: refusal.json() };
}

function unknownEndpoint(): Answer {
  return refused(notFound("endpoint not found"));
}

function orderNotFound(id: string): Answer {
  return refused(notFound(`order not found for ${shortened(id)}`));
}

/** The last segment of a path, decoded; a segment that cannot be decoded is taken as it stands. */
function idIn(path: string): string {
  const segment = path.slice(path.lastIndexOf("/") + 1);
  if (!segment.includes("%")) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

function shortened(text: string): string {
  return text.length <= 128 ? text : `${text.slice(0, 128)}...`;
}

function sseLine(event: LoggedEvent): string {
  return `data: ${tradeUpdateWithId(event.frame, event.eventId, event.atUs)}\n\n`;
}
