// The vendor's own SDK, unchanged, against the simulated broker: every route it has that we serve, and the order stream.

import { afterEach, expect, test } from "bun:test";
import { Alpaca, marketData, OrdersApi, streaming, trading } from "@alpacahq/alpaca-trade-api";
import { BrokerServerWorld, KEY_ID, SECRET } from "../support/sim-broker-server.ts";

let world: BrokerServerWorld;
const openStreams: streaming.TradingStream[] = [];

afterEach(async () => {
  for (const stream of openStreams.splice(0)) stream.disconnect();
  expect(world.internalErrors).toEqual([]);
  await world.stop();
});

function start(): trading.Configuration {
  world = new BrokerServerWorld();
  return new trading.Configuration({ basePath: world.restUrl, keyId: KEY_ID, secret: SECRET, timeoutMs: 0 });
}

/** A stream that is authorised and listening, with its updates. */
async function listen(secret = SECRET): Promise<{ stream: streaming.TradingStream; updates: streaming.TradeUpdate[] }> {
  const stream = new streaming.TradingStream({ credentials: { keyId: KEY_ID, secret }, url: world.streamUrl });
  openStreams.push(stream);
  const updates: streaming.TradeUpdate[] = [];
  stream.onTradeUpdate((update) => updates.push(update));
  const { promise, resolve } = Promise.withResolvers<void>();
  stream.on(streaming.EVENT.SUBSCRIPTION, () => resolve());
  stream.onConnect(() => stream.subscribeTradeUpdates());
  stream.connect();
  await promise;
  return { stream, updates };
}

/** Resolves when the stream has brought `count` updates. */
function until(stream: streaming.TradingStream, updates: streaming.TradeUpdate[], count: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const check = (): void => {
    if (updates.length >= count) resolve();
  };
  stream.onTradeUpdate(check);
  check();
  return promise;
}

test("orders of every kind are placed and come back typed", async () => {
  const orders = new OrdersApi(start());
  const market = await orders.market({ symbol: "SPY", side: "buy", qty: 200, clientOrderId: "m" });
  world.settle();
  const limit = await orders.limit({ symbol: "QQQ", side: "buy", qty: 1, limitPrice: 150.1 });
  const stop = await orders.stop({ symbol: "SPY", side: "sell", qty: 10, stopPrice: 90 });
  const stopLimit = await orders.stopLimit({ symbol: "SPY", side: "sell", qty: 10, stopPrice: 90, limitPrice: 89.5 });
  const trailing = await orders.trailingStop({ symbol: "SPY", side: "sell", qty: 10, trailPercent: 1.5 });
  const oco = await orders.oco({
    symbol: "SPY",
    side: "sell",
    qty: 10,
    takeProfit: { limitPrice: 110 },
    stopLoss: { stopPrice: 90 },
  });
  const oto = await orders.oto({ symbol: "SPY", side: "buy", qty: 10, limitPrice: 95, stopLoss: { stopPrice: 90 } });
  const bracket = await orders.bracket({
    symbol: "QQQ",
    side: "buy",
    qty: 10,
    limitPrice: 199,
    takeProfit: { limitPrice: 210 },
    stopLoss: { stopPrice: 190, limitPrice: 189 },
  });
  world.settle();

  expect(market).toMatchObject({ status: "pending_new", clientOrderId: "m", qty: "200", assetClass: "us_equity" });
  expect([limit, stop, stopLimit, trailing].map((order) => order.type as string)).toEqual([
    "limit",
    "stop",
    "stop_limit",
    "trailing_stop",
  ]);
  expect(limit.limitPrice).toBe("150.1");
  expect(trailing.trailPercent).toBe("1.5");
  expect(oco).toMatchObject({ orderClass: "oco", limitPrice: "110" });
  expect(oto.legs?.map((leg) => leg.status as string)).toEqual(["held"]);
  expect(bracket.legs?.map((leg) => [leg.type as string, leg.limitPrice, leg.stopPrice])).toEqual([
    ["limit", "210", undefined],
    ["stop_limit", "189", "190"],
  ]);
  expect(bracket.createdAt).toEqual(new Date("2019-12-18T15:30:00.030Z"));
});

test("orders are read, replaced and cancelled", async () => {
  const orders = new OrdersApi(start());
  const order = await orders.limit({ symbol: "SPY", side: "buy", qty: 5, limitPrice: 90, clientOrderId: "first" });
  world.settle();
  const patched = await orders.patchOrderByOrderId({
    orderId: order.id!,
    patchOrderRequest: { limitPrice: "91", qty: "7" },
  });
  world.settle();
  expect(patched).toMatchObject({ replaces: order.id, qty: "7", limitPrice: "91" });
  expect(await orders.getOrderByOrderID({ orderId: order.id! })).toMatchObject({
    status: "replaced",
    replacedBy: patched.id,
  });
  expect((await orders.getOrderByClientOrderId({ clientOrderId: "first" })).id).toBe(order.id);

  await orders.deleteOrderByOrderID({ orderId: patched.id! });
  world.settle();
  expect((await orders.getOrderByOrderID({ orderId: patched.id! })).status).toBe("canceled");

  await orders.limit({ symbol: "SPY", side: "buy", qty: 5, limitPrice: 90 });
  world.settle();
  expect(await orders.deleteAllOrders()).toMatchObject([{ status: 200 }]);
  world.settle();
  expect(await orders.getAllOrders({ status: "open" })).toEqual([]);
  expect((await orders.getAllOrders({ status: "all", direction: "asc", symbols: "SPY" })).length).toBe(3);
});

test("refusals arrive as the SDK's error classes with code and body", async () => {
  const orders = new OrdersApi(start());
  const dear = orders.limit({ symbol: "SPY", side: "buy", qty: 100_000, limitPrice: 100 });
  await expect(dear).rejects.toMatchObject({ status: 403, code: 40310000, message: "insufficient buying power" });
  const unknown = orders.getOrderByOrderID({ orderId: "61e69015-8549-4bfd-b9c3-01e75843f47d" });
  await expect(unknown).rejects.toMatchObject({ status: 404, code: 40410000 });
  const wrongKey = new OrdersApi(
    new trading.Configuration({ basePath: world.restUrl, keyId: KEY_ID, secret: "wrong", timeoutMs: 0 }),
  );
  await expect(wrongKey.getAllOrders()).rejects.toMatchObject({ status: 401, message: "unauthorized." });
});

test("positions are listed and closed", async () => {
  const configuration = start();
  const positions = new trading.PositionsApi(configuration);
  await world.order({ qty: "20" });
  await world.order({ symbol: "QQQ", qty: "4", side: "sell" });
  world.settle();
  const all = await positions.getAllOpenPositions();
  expect(all.map(({ symbol, qty, side, avgEntryPrice }) => [symbol, qty, side as string, avgEntryPrice])).toEqual([
    ["QQQ", "-4", "short", "200"],
    ["SPY", "20", "long", "100.02"],
  ]);
  const spy = await positions.getOpenPosition({ symbolOrAssetId: all[1]!.assetId });
  expect(spy).toMatchObject({ symbol: "SPY", costBasis: "2000.4", marketValue: "1980", unrealizedPl: "-20.4" });
  const closing = await positions.deleteOpenPosition({ symbolOrAssetId: "SPY", percentage: 50 });
  expect(closing).toMatchObject({ side: "sell", qty: "10", type: "market" });
  world.settle();
  const closed = await positions.deleteAllOpenPositions({ cancelOrders: true });
  expect(closed.map(({ symbol, status, body }) => [symbol, status, body?.qty])).toEqual([
    ["QQQ", 200, "4"],
    ["SPY", 200, "10"],
  ]);
  world.settle();
  expect(await positions.getAllOpenPositions()).toEqual([]);
});

test("account, configuration and activities are read", async () => {
  const configuration = start();
  expect(await new trading.AccountsApi(configuration).getAccount()).toMatchObject({
    status: "ACTIVE",
    cash: "100000",
    buyingPower: "200000",
    multiplier: "2",
    shortingEnabled: true,
    tradingBlocked: false,
  });
  const configurations = new trading.AccountConfigurationsApi(configuration);
  const patched = await configurations.patchAccountConfig({ accountConfigurations: { noShorting: true } });
  expect(patched.noShorting).toBe(true);
  expect((await configurations.getAccountConfig()).noShorting).toBe(true);

  await world.order({ qty: "400" });
  world.settle();
  const activities = new trading.AccountActivitiesApi(configuration);
  // The SDK's typed model of the one-type route drops prices; the general route has them.
  const ofType = await activities.getAccountActivitiesByActivityType({ activityType: "FILL", direction: "asc" });
  expect(ofType.map((fill) => fill.qty)).toEqual(["300", "100"]);
  const fills = await activities.getAccountActivities({ direction: "asc" });
  expect(fills).toMatchObject([
    { type: "partial_fill", price: "100.02", qty: "300", leavesQty: "100" },
    { type: "fill", price: "100.03", qty: "100", leavesQty: "0" },
  ]);
  const page = await activities.getAccountActivities({ pageSize: 1 });
  const next = await activities.getAccountActivities({ pageSize: 1, pageToken: page[0]!.id! });
  expect([page[0]!.qty, next[0]!.qty]).toEqual(["100", "300"]);
});

test("clock, calendar and assets are read", async () => {
  const configuration = start();
  const clock = new trading.ClockApi(configuration);
  expect(await clock.legacyClock()).toEqual({
    isOpen: true,
    timestamp: new Date("2019-12-18T15:30:00Z"),
    nextOpen: new Date("2019-12-19T14:30:00Z"),
    nextClose: new Date("2019-12-18T21:00:00Z"),
  });
  const { clocks } = await clock.clock({ markets: "NYSE", time: new Date("2019-12-24T18:30:00Z") });
  expect(clocks[0]).toMatchObject({ isMarketDay: true, phase: "post", phaseUntil: new Date("2019-12-24T22:00:00Z") });

  const calendar = new trading.CalendarApi(configuration);
  const range = { start: new Date("2019-12-24T00:00:00Z"), end: new Date("2019-12-26T00:00:00Z") };
  expect(await calendar.legacyCalendar(range)).toMatchObject([
    { open: "09:30", close: "13:00", sessionOpen: "0400", sessionClose: "1700" },
    { open: "09:30", close: "16:00", sessionOpen: "0400", sessionClose: "2000" },
  ]);
  const v3 = await calendar.calendar({ market: "NYSE", ...range });
  expect(v3.calendar.map((day) => day.coreEnd)).toEqual([
    new Date("2019-12-24T18:00:00Z"),
    new Date("2019-12-26T21:00:00Z"),
  ]);

  const assets = new trading.AssetsApi(configuration);
  const all = await assets.getV2Assets({ status: "active", assetClass: "us_equity" });
  expect(all.map((asset) => asset.symbol)).toEqual(["QQQ", "SPY", "TINY"]);
  const byId = await assets.getV2AssetsSymbolOrAssetId({ symbolOrAssetId: all[1]!.id });
  expect(byId).toMatchObject({ symbol: "SPY", tradable: true, shortable: true, fractionable: false });
});

test("the stream brings the events of an order in order", async () => {
  start();
  const { stream, updates } = await listen();
  await world.order({ qty: "400", client_order_id: "streamed" });
  world.settle();
  await until(stream, updates, 4);
  expect(updates.map(({ event, price, qty, positionQty }) => [event as string, price, qty, positionQty])).toEqual([
    ["pending_new", undefined, undefined, undefined],
    ["new", undefined, undefined, undefined],
    ["partial_fill", "100.02", "300", "300"],
    ["fill", "100.03", "100", "400"],
  ]);
  expect(updates.at(-1)!.order).toMatchObject({
    clientOrderId: "streamed",
    status: "filled",
    filledQty: "400",
    filledAvgPrice: "100.0225",
  });
});

test("the stream refuses wrong keys", async () => {
  start();
  const stream = new streaming.TradingStream({
    credentials: { keyId: KEY_ID, secret: "wrong" },
    url: world.streamUrl,
  });
  openStreams.push(stream);
  const { promise, resolve } = Promise.withResolvers<string>();
  stream.onError((error: string) => resolve(error));
  stream.connect();
  expect(await promise).toBe("auth failed");
});

test("the facade works through a fetch that changes the host", async () => {
  start();
  const toVenue = (url: string): string => url.replace(/^https:\/\/[a-z-]+\.alpaca\.markets/, world.restUrl);
  const alpaca = new Alpaca({
    keyId: KEY_ID,
    secret: SECRET,
    rateLimit: false,
    fetchApi: ((input: string, init?: RequestInit) => fetch(toVenue(String(input)), init)) as typeof fetch,
  });
  const order = await alpaca.trading.orders.market({ symbol: "SPY", side: "buy", qty: 1 });
  expect(order.status).toBe("pending_new");
  expect((await alpaca.trading.account.getAccount()).currency).toBe("USD");
});

test("the index values route serves VIX", async () => {
  world = new BrokerServerWorld({ vix: () => 12.5 });
  const configuration = new marketData.Configuration({ basePath: world.restUrl, keyId: KEY_ID, secret: SECRET });
  const { values } = await new marketData.IndexApi(configuration).indexLatestValues({ symbols: "VIX" });
  expect(values.VIX).toMatchObject({ v: 12.5, t: new Date("2019-12-18T15:30:00Z") });
});
