import { describe, expect, test } from "bun:test";
import { parseOrder, parseReplace } from "../../../src/sim/broker/order-request.ts";
import { Refusal } from "../../../src/sim/broker/refusal.ts";
import { BrokerWorld, DAY, MINUTE_US } from "../../support/sim-broker-world.ts";

const buy = { side: "buy", type: "market", qty: "100" };
const sell = { ...buy, side: "sell" };
const limit = (px: string, more: object = {}) => ({ ...buy, type: "limit", limit_price: px, ...more });

function answerOf(refusal: Refusal): [number, Record<string, unknown>] {
  return [refusal.httpStatus, JSON.parse(refusal.json())];
}

describe("an order is refused with the vendor's body when", () => {
  test("it costs more than the buying power", () => {
    const world = new BrokerWorld();
    expect(answerOf(world.refusal(limit("100", { qty: "2001" })))).toEqual([
      403,
      { code: 40310000, message: "insufficient buying power", buying_power: "200000", cost_basis: "200100" },
    ]);
  });

  test("it sells more than is held and free", () => {
    const world = new BrokerWorld();
    world.hold("SPY", 10);
    const held = world.place({ ...sell, type: "limit", qty: "4", limit_price: "101" });
    expect(answerOf(world.refusal({ ...sell, qty: "10" }))).toEqual([
      403,
      {
        code: 40310000,
        message: "insufficient qty available for order (requested: 10, available: 6)",
        available: "6",
        existing_qty: "10",
        held_for_orders: "4",
        related_orders: [held.id],
        symbol: "SPY",
      },
    ]);
  });

  test("it could trade with an order on the other side", () => {
    const world = new BrokerWorld();
    world.hold("SPY", 10);
    world.place({ ...sell, type: "stop", qty: "10", stop_price: "95" });
    expect(answerOf(world.refusal(limit("99")))).toEqual([
      403,
      {
        code: 40310000,
        message: "potential wash trade detected. use complex orders",
        reject_reason: "opposite side market/stop order exists",
      },
    ]);
  });

  test.each([
    ["101", "opposite side limit order exists"],
    ["100.99", null],
  ])("it is a buy limit at %s against a sell limit at 101", (px, reason) => {
    const world = new BrokerWorld();
    world.hold("SPY", 10);
    world.place({ ...sell, type: "limit", qty: "10", limit_price: "101" });
    const answer = world.post(limit(px, { qty: "1" }));
    expect(answer instanceof Refusal ? answer.detail.reject_reason : null).toBe(reason);
  });

  test.each([
    ["sell", { ...sell, type: "limit", limit_price: "105" }, "cannot open a short sell while a long buy order is open"],
    ["buy", limit("95"), "cannot open a long buy while a short sell order is open"],
  ])("it would open on the other side of an open entry: %s", (side, body, message) => {
    const world = new BrokerWorld();
    world.order(side === "sell" ? limit("95") : { ...sell, type: "limit", limit_price: "105" });
    expect(world.refusal(body).message).toBe(message);
  });

  test("shorting is switched off, by the account or by a cash account", () => {
    const world = new BrokerWorld();
    world.exchange.isShortingForbidden = true;
    expect(answerOf(world.refusal(sell))).toEqual([
      403,
      { code: 40310000, message: "account is not allowed to short" },
    ]);
    const cash = new BrokerWorld(undefined, { multiplier: 1 });
    expect(cash.refusal(sell).message).toBe("account is not allowed to short");
  });

  test("the stock cannot be borrowed or traded", () => {
    const assetRules = (symbol: string) => ({ isTradable: symbol !== "QQQ", isShortable: false });
    const world = new BrokerWorld(undefined, { assetRules });
    expect(answerOf(world.refusal(sell))).toEqual([
      422,
      { code: 42210000, message: 'asset "SPY" cannot be sold short' },
    ]);
    expect(world.refusal({ ...buy, symbol: "QQQ" }).message).toBe('asset "QQQ" is not tradable');
  });

  test("nobody knows the symbol", () => {
    expect(answerOf(new BrokerWorld().refusal({ ...buy, symbol: "ZZZZ" }))).toEqual([
      422,
      { code: 42210000, message: 'asset "ZZZZ" not found' },
    ]);
  });

  test("its client_order_id was used before, also by an order that is over", () => {
    const world = new BrokerWorld();
    world.place({ ...buy, client_order_id: "once" });
    expect(answerOf(world.refusal({ ...buy, client_order_id: "once" }))).toEqual([
      422,
      { code: 40010001, message: "client_order_id must be unique" },
    ]);
  });

  test("a duplicate would also be too dear: the duplicate is what it is told about", () => {
    const world = new BrokerWorld();
    world.place(limit("100", { qty: "1999", client_order_id: "once" }));
    expect(world.refusal(limit("100", { qty: "1999", client_order_id: "once" })).message).toBe(
      "client_order_id must be unique",
    );
  });

  test("the account has suspended trading", () => {
    const world = new BrokerWorld();
    world.exchange.isTradingSuspended = true;
    expect(world.refusal(buy).message).toBe("new orders are rejected by user request");
  });

  test("its position intent is not what it would do", () => {
    expect(new BrokerWorld().refusal({ ...sell, position_intent: "sell_to_close" }).message).toBe(
      "position intent mismatch, inferred: sell_to_open, specified: sell_to_close",
    );
  });

  test.each([
    ["opg", -3, "taken"],
    ["opg", -2, "refused"],
    ["opg", 569, "refused"],
    ["opg", 570, "taken"],
    ["cls", 379, "taken"],
    ["cls", 380, "refused"],
    ["cls", 570, "taken"],
  ])("it is %s, %d minutes after the open: %s", (tif, minute, outcome) => {
    const world = new BrokerWorld(DAY.openUs + minute * MINUTE_US);
    const answer = world.post({ ...buy, time_in_force: tif });
    expect(answer instanceof Refusal ? "refused" : "taken").toBe(outcome);
  });

  test.each([
    [{ take_profit: "100.01", stop_loss: "99" }, "take_profit.limit_price must be >= base_price + 0.01", "buy"],
    [{ take_profit: "101", stop_loss: "100.01" }, "stop_loss.stop_price must be <= base_price - 0.01", "buy"],
    [{ take_profit: "100.01", stop_loss: "101" }, "take_profit.limit_price must be <= base_price - 0.01", "sell"],
    [{ take_profit: "99", stop_loss: "100.01" }, "stop_loss.stop_price must be >= base_price + 0.01", "sell"],
  ])("its bracket %p is on the wrong side: %s", (legs, message, side) => {
    const world = new BrokerWorld();
    const refusal = world.refusal({
      side,
      type: "limit",
      qty: "10",
      limit_price: "100.01",
      order_class: "bracket",
      take_profit: { limit_price: legs.take_profit },
      stop_loss: { stop_price: legs.stop_loss },
    });
    expect(answerOf(refusal)).toEqual([422, { code: 42210000, message, base_price: "100.01" }]);
  });

  test("a market bracket is measured against the offer", () => {
    const world = new BrokerWorld();
    const legs = { take_profit: { limit_price: "100.02" }, stop_loss: { stop_price: "99" } };
    expect(answerOf(world.refusal({ ...buy, order_class: "bracket", ...legs }))[1].base_price).toBe("100.02");
  });

  test("an exit is asked for where there is nothing to exit, or an entry where there is", () => {
    const world = new BrokerWorld();
    const legs = { take_profit: { limit_price: "101" }, stop_loss: { stop_price: "99" } };
    const oco = { ...sell, type: "limit", order_class: "oco", ...legs };
    expect(world.refusal(oco).message).toBe("oco orders must be exit orders");
    world.hold("SPY", -10);
    expect(world.refusal({ ...buy, qty: "5", order_class: "bracket", ...legs }).message).toBe(
      "bracket orders must be entry orders",
    );
  });

  test("nothing of it remains behind", () => {
    const world = new BrokerWorld();
    const before = world.exchange.account.buyingPowerTicks();
    world.refusal(limit("100", { qty: "5000", client_order_id: "big" }));
    expect(world.exchange.orders).toEqual([]);
    expect(world.events).toEqual([]);
    expect(world.exchange.account.buyingPowerTicks()).toBe(before);
    world.order(limit("100", { qty: "5", client_order_id: "big" }));
  });
});

const post = { symbol: "SPY", side: "buy", type: "market", time_in_force: "day", qty: "1" };

describe("a request body is refused when", () => {
  test.each([
    [null, 400, "request body format is invalid"],
    [[], 400, "request body format is invalid"],
    ["order", 400, "request body format is invalid"],
    [{ ...post, symbol: 5 }, 422, "symbol is required"],
    [{ ...post, side: "hold" }, 422, "invalid side: hold"],
    [{ ...post, type: "iceberg" }, 422, "invalid order type: iceberg"],
    [{ ...post, time_in_force: undefined }, 422, "invalid time_in_force: none"],
    [{ ...post, order_class: "mleg" }, 422, "invalid order_class: mleg"],
    [{ ...post, position_intent: {} }, 422, "invalid position_intent: {}"],
    [{ ...post, extended_hours: "yes" }, 422, "invalid extended_hours: yes"],
    [{ ...post, client_order_id: 7 }, 422, "client_order_id must be a string"],
    [{ ...post, client_order_id: "x".repeat(129) }, 422, "client_order_id must be no more than 128 characters"],
    [{ ...post, qty: undefined }, 422, "qty or notional is required"],
    [{ ...post, qty: "0" }, 422, "qty must be > 0"],
    [{ ...post, qty: "-1" }, 422, "qty must be > 0"],
    [{ ...post, qty: "NaN" }, 422, "qty must be > 0"],
    [{ ...post, qty: "1e3" }, 422, "qty must be > 0"],
    [{ ...post, qty: "1000000001" }, 422, "qty must be <= 1000000000"],
    [{ ...post, qty: "0.5" }, 403, 'asset "SPY" is not fractionable'],
    [{ ...post, qty: undefined, notional: "50" }, 403, 'asset "SPY" is not fractionable'],
    [{ ...post, limit_price: "1" }, 422, "market orders require no stop or limit price"],
    [{ ...post, trail_price: "1" }, 422, "trail_price and trail_percent are only for trailing stop orders"],
    [{ ...post, type: "limit" }, 422, "limit orders require a limit price"],
    [{ ...post, type: "limit", limit_price: "1", stop_price: "1" }, 422, "limit orders require no stop price"],
    [{ ...post, type: "limit", limit_price: "0" }, 422, "limit_price must be > 0"],
    [{ ...post, type: "limit", limit_price: "a lot" }, 422, "invalid limit_price: a lot"],
    [{ ...post, type: "limit", limit_price: { usd: 1 } }, 422, 'invalid limit_price: {"usd":1}'],
    [
      { ...post, type: "limit", limit_price: "290.123" },
      422,
      "invalid limit_price 290.123. sub-penny increment does not fulfill minimum pricing criteria",
    ],
    [
      { ...post, type: "stop", stop_price: 0.12345 },
      422,
      "invalid stop_price 0.12345. sub-penny increment does not fulfill minimum pricing criteria",
    ],
    [{ ...post, type: "stop" }, 422, "stop orders require a stop price"],
    [{ ...post, type: "stop", stop_price: "1", limit_price: "1" }, 422, "stop orders require no limit price"],
    [{ ...post, type: "stop_limit", stop_price: "1" }, 422, "stop limit orders require both stop and limit price"],
    [{ ...post, type: "trailing_stop" }, 422, "trailing stop orders require either trail_price or trail_percent"],
    [
      { ...post, type: "trailing_stop", trail_price: "1", trail_percent: "1" },
      422,
      "trailing stop orders require either trail_price or trail_percent",
    ],
    [{ ...post, type: "trailing_stop", trail_percent: "100" }, 422, "invalid trail_percent: 100"],
    [{ ...post, type: "stop", stop_price: "1", time_in_force: "ioc" }, 422, "stop orders must be day or gtc"],
    [{ ...post, extended_hours: true }, 422, "extended hours order must be DAY or GTC limit orders"],
    [
      { ...post, order_class: "bracket", stop_loss: { stop_price: "1" } },
      422,
      "bracket orders require take_profit.limit_price",
    ],
    [
      { ...post, order_class: "bracket", take_profit: { limit_price: "1" } },
      422,
      "bracket orders require stop_loss.stop_price",
    ],
    [{ ...post, take_profit: { limit_price: "1" } }, 422, "simple orders require no take_profit or stop_loss"],
    [{ ...post, order_class: "bracket", take_profit: 5 }, 422, "invalid take_profit"],
    [{ ...post, order_class: "oco" }, 422, "oco orders must be limit orders"],
    [{ ...post, order_class: "oto" }, 422, "oto orders require either take_profit or stop_loss"],
    [
      { ...post, order_class: "oto", time_in_force: "fok", stop_loss: { stop_price: "1" } },
      422,
      "oto orders must be day or gtc, without extended hours",
    ],
    [{ ...post, legs: [] }, 422, "legs are not allowed in simple orders"],
  ])("it is %j", (body, status, message) => {
    const refusal = parseOrder(body);
    expect(refusal).toBeInstanceOf(Refusal);
    expect([(refusal as Refusal).httpStatus, (refusal as Refusal).message]).toEqual([
      status as number,
      message as string,
    ]);
  });

  test("amounts may be numbers, and have trailing zeros", () => {
    const body = { ...post, type: "limit", qty: 10, limit_price: 150.1 };
    expect(parseOrder(body)).toMatchObject({ qty: 10, limitPxTicks: 1_501_000 });
    expect(parseOrder({ ...body, qty: "10.0", limit_price: "150.1000000" })).toMatchObject({ qty: 10 });
    expect(parseOrder({ ...body, limit_price: "0.1234" })).toMatchObject({ limitPxTicks: 1_234 });
  });

  test.each([
    [{}, "at least one of qty, time_in_force, limit_price, stop_price, trail or client_order_id is required"],
    [{ notional: "5" }, "notional orders cannot be replaced"],
    [{ qty: "0.5" }, "fractional orders are not supported"],
    [{ trail: "0" }, "invalid trail: 0"],
    [{ time_in_force: "forever" }, "invalid time_in_force: forever"],
  ])("a replacement is %j", (body, message) => {
    expect((parseReplace(body) as Refusal).message).toBe(message);
  });
});
