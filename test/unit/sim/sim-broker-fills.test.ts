import { describe, expect, test } from "bun:test";
import { BrokerWorld, DAY, LATENCY_MS, MINUTE_US } from "../../support/sim-broker-world.ts";

const buy = { side: "buy", type: "market", qty: "100" };
const buyLimit = (limit: string, more: object = {}) => ({ ...buy, type: "limit", limit_price: limit, ...more });

describe("market orders", () => {
  test("reach the market after the latency and pay the offer of that moment", () => {
    const world = new BrokerWorld();
    const order = world.order(buy);
    expect(order.status).toBe("pending_new");
    world.pass(LATENCY_MS - 1);
    expect(order.status).toBe("pending_new");
    world.market.quote("SPY", 100.1, 100.12);
    world.pass(1);
    expect(order.status).toBe("filled");
    expect(world.fills(order)).toEqual([[100.12, 100]]);
    expect(world.kinds(order)).toEqual(["pending_new", "new", "fill"]);
  });

  test("walk beyond the shown size a cent at a time, one execution for each level", () => {
    const world = new BrokerWorld();
    const order = world.place({ ...buy, qty: "750" });
    expect(world.fills(order)).toEqual([
      [100.02, 300],
      [100.03, 300],
      [100.04, 150],
    ]);
    expect(world.kinds(order)).toEqual(["pending_new", "new", "partial_fill", "partial_fill", "fill"]);
  });

  test("find what an earlier order left of the quote, until the next quote", () => {
    const world = new BrokerWorld();
    world.place({ ...buy, qty: "250" });
    const second = world.place(buy);
    expect(world.fills(second)).toEqual([
      [100.02, 50],
      [100.03, 50],
    ]);
    world.market.quote("SPY", 100, 100.02);
    expect(world.fills(world.place(buy))).toEqual([[100.02, 100]]);
  });

  test("walk by ticks below a dollar", () => {
    const world = new BrokerWorld();
    const order = world.place({ ...buy, symbol: "TINY", qty: "400" });
    expect(world.fills(order)).toEqual([
      [0.51, 300],
      [0.5101, 100],
    ]);
  });

  test("of a buyer stop at the collar of 2.5 percent and go on when the offer comes back", () => {
    const world = new BrokerWorld();
    world.market.quote("SPY", 100, 100.02, 1, 1);
    const order = world.place({ ...buy, qty: "400" });
    expect(order.status).toBe("partially_filled");
    expect(order.filledQty).toBe(251);
    expect(world.fills(order).at(-1)).toEqual([102.52, 1]);
    world.market.quote("SPY", 100, 100.02);
    expect(order.status).toBe("filled");
  });

  test("sell at the bid downwards", () => {
    const world = new BrokerWorld();
    world.hold("SPY", 500);
    world.market.quote("SPY", 99.9, 99.95);
    expect(world.fills(world.place({ ...buy, side: "sell", qty: "500" }))).toEqual([
      [99.9, 300],
      [99.89, 200],
    ]);
    expect(world.qty("SPY")).toBe(0);
  });

  test("wait for a stock that has no quote yet", () => {
    const world = new BrokerWorld(DAY.openUs + MINUTE_US);
    world.market.quote("SPY", 0, 0);
    const order = world.place(buy);
    expect(order.status).toBe("new");
    world.market.quote("SPY", 101, 101.01);
    expect(world.fills(order)).toEqual([[101.01, 100]]);
  });

  test("sent before the open stay accepted until it, then pay what the open asks", () => {
    const world = new BrokerWorld(DAY.openUs - 30 * MINUTE_US);
    const order = world.order(buy);
    expect(order.status).toBe("accepted");
    world.advanceTo(DAY.openUs - 1);
    world.market.quote("SPY", 104.98, 105);
    expect(order.status).toBe("accepted");
    world.advanceTo(DAY.openUs);
    expect(world.fills(order)).toEqual([[105, 100]]);
    expect(world.kinds(order)).toEqual(["accepted", "new", "fill"]);
  });

  test("sent after the close stay accepted: the venue knows one day", () => {
    const world = new BrokerWorld(DAY.closeUs + MINUTE_US);
    const order = world.order(buy);
    world.advanceTo(DAY.postCloseUs + MINUTE_US);
    expect(order.status).toBe("accepted");
  });
});

describe("limit orders", () => {
  test("take the quote up to the limit and rest with the remainder", () => {
    const world = new BrokerWorld();
    const order = world.place(buyLimit("100.03", { qty: "750" }));
    expect(world.fills(order)).toEqual([
      [100.02, 300],
      [100.03, 300],
    ]);
    expect(order.status).toBe("partially_filled");
  });

  test.each([
    ["a trade through the limit", 99.94, [[99.95, 100]]],
    ["no trade at the limit itself", 99.95, []],
    ["no trade above it", 99.96, []],
  ])("resting: %s", (_what, tradePx, fills) => {
    const world = new BrokerWorld();
    const order = world.place(buyLimit("99.95"));
    world.market.trade("SPY", tradePx as number);
    expect(world.fills(order)).toEqual(fills as [number, number][]);
  });

  test("resting fill for no more than was traded", () => {
    const world = new BrokerWorld();
    const order = world.place(buyLimit("99.95"));
    world.market.trade("SPY", 99.9, 60);
    expect(world.fills(order)).toEqual([[99.95, 60]]);
    world.market.trade("SPY", 99.9, 60);
    expect(world.fills(order)).toEqual([
      [99.95, 60],
      [99.95, 40],
    ]);
  });

  test("resting share one trade, best limit first", () => {
    const world = new BrokerWorld();
    const low = world.place(buyLimit("99.9"));
    const high = world.place(buyLimit("99.95"));
    world.market.trade("SPY", 99.8, 150);
    expect([high.filledQty, low.filledQty]).toEqual([100, 50]);
  });

  test.each([
    ["an offer below the limit fills at the limit", 99.94, 40, [[99.95, 40]]],
    ["an offer that only touches the limit does not", 99.95, 300, []],
  ])("resting: %s", (_what, ask, askQty, fills) => {
    const world = new BrokerWorld();
    const order = world.place(buyLimit("99.95"));
    world.market.quote("SPY", 99.9, ask as number, 300, askQty as number);
    expect(world.fills(order)).toEqual(fills as [number, number][]);
  });

  test("of a seller are the mirror image", () => {
    const world = new BrokerWorld();
    world.hold("SPY", 100);
    const order = world.place({ side: "sell", type: "limit", qty: "100", limit_price: "100.5" });
    world.market.trade("SPY", 100.5);
    expect(order.filledQty).toBe(0);
    world.market.trade("SPY", 100.51, 30);
    world.market.quote("SPY", 100.52, 100.54, 50, 50);
    expect(world.fills(order)).toEqual([
      [100.5, 30],
      [100.5, 50],
    ]);
  });

  test("queued before the open take the first quote", () => {
    const world = new BrokerWorld(DAY.openUs - 30 * MINUTE_US);
    const order = world.order(buyLimit("101"));
    world.market.quote("SPY", 99, 99.02);
    world.advanceTo(DAY.openUs);
    expect(world.fills(order)).toEqual([[99.02, 100]]);
  });

  test("are not filled by trades outside the regular session", () => {
    const world = new BrokerWorld(DAY.closeUs - MINUTE_US);
    const order = world.place(buyLimit("99.95", { time_in_force: "gtc" }));
    world.advanceTo(DAY.closeUs + MINUTE_US);
    world.market.trade("SPY", 99);
    world.market.quote("SPY", 98, 98.02);
    expect(order.status).toBe("new");
  });

  test("with extended hours are filled before the open and after the close", () => {
    const early = new BrokerWorld(DAY.preOpenUs + MINUTE_US);
    early.market.quote("SPY", 100, 100.02);
    const first = early.place(buyLimit("100.02", { extended_hours: true }));
    expect(early.fills(first)).toEqual([[100.02, 100]]);

    const late = new BrokerWorld(DAY.closeUs + MINUTE_US);
    const second = late.place(buyLimit("99.95", { extended_hours: true }));
    late.market.trade("SPY", 99.9, 30);
    expect(second.filledQty).toBe(30);
    late.advanceTo(DAY.postCloseUs);
    expect(second.status).toBe("expired");
  });
});

describe("immediate orders", () => {
  test.each([
    ["ioc", "750", 600, "canceled"],
    ["ioc", "300", 300, "filled"],
    ["fok", "750", 0, "canceled"],
    ["fok", "600", 600, "filled"],
  ])("%s for %s shares with 600 within the limit fills %d and is %s", (tif, qty, filled, status) => {
    const world = new BrokerWorld();
    const order = world.place(buyLimit("100.03", { qty, time_in_force: tif }));
    expect([order.filledQty, order.status as string]).toEqual([filled, status]);
  });

  test.each(["ioc", "fok"])("%s without a quote is cancelled", (tif) => {
    const world = new BrokerWorld();
    world.market.quote("SPY", 0, 0);
    expect(world.place({ ...buy, time_in_force: tif }).status).toBe("canceled");
  });
});

describe("stop orders", () => {
  test("trigger on a trade and take the quote", () => {
    const world = new BrokerWorld();
    world.hold("SPY", 100);
    const stop = world.place({ side: "sell", type: "stop", qty: "100", stop_price: "99.5" });
    world.market.quote("SPY", 99.4, 99.42);
    expect(stop.status).toBe("new");
    world.market.trade("SPY", 99.51);
    expect(stop.status).toBe("new");
    world.market.trade("SPY", 99.5);
    expect(world.fills(stop)).toEqual([[99.4, 100]]);
  });

  test("of a buyer pay at most the collar above the stop", () => {
    const world = new BrokerWorld();
    const stop = world.place({ side: "buy", type: "stop", qty: "100", stop_price: "101" });
    world.market.quote("SPY", 104, 104.02);
    world.market.trade("SPY", 104.02);
    expect(stop.filledQty).toBe(0);
    world.market.quote("SPY", 103.4, 103.42);
    expect(world.fills(stop)).toEqual([[103.42, 100]]);
  });

  test("with a limit rest at it once triggered", () => {
    const world = new BrokerWorld();
    world.hold("SPY", 100);
    const stop = world.place({
      side: "sell",
      type: "stop_limit",
      qty: "100",
      stop_price: "99.5",
      limit_price: "99.45",
    });
    world.market.quote("SPY", 99.3, 99.32);
    world.market.trade("SPY", 99.4);
    expect(stop.filledQty).toBe(0);
    world.market.trade("SPY", 99.46, 40);
    expect(world.fills(stop)).toEqual([[99.45, 40]]);
  });

  test("are not triggered by quotes, nor by trades outside the session", () => {
    const world = new BrokerWorld(DAY.closeUs - MINUTE_US);
    world.hold("SPY", 100);
    const stop = world.place({
      side: "sell",
      type: "stop",
      qty: "100",
      stop_price: "99.5",
      time_in_force: "gtc",
    });
    world.market.quote("SPY", 90, 90.02);
    world.advanceTo(DAY.closeUs + MINUTE_US);
    world.market.trade("SPY", 90);
    expect(stop.status).toBe("new");
  });

  test.each([
    ["trail_price", "0.5", 101.5],
    ["trail_percent", "0.5", 101.49],
  ])("trailing by %s follow the highest trade and trigger below it", (field, trail, stopPx) => {
    const world = new BrokerWorld();
    world.hold("SPY", 100);
    const stop = world.place({ side: "sell", type: "trailing_stop", qty: "100", [field]: trail });
    world.market.trade("SPY", 101);
    world.market.trade("SPY", 102);
    world.market.trade("SPY", 101.8);
    expect([stop.hwmPxTicks, stop.stopPxTicks]).toEqual([1_020_000, Math.round(stopPx * 10_000)]);
    world.market.quote("SPY", 101.3, 101.32);
    world.market.trade("SPY", stopPx);
    expect(world.fills(stop)).toEqual([[101.3, 100]]);
  });

  test("trailing of a short follow the lowest trade", () => {
    const world = new BrokerWorld();
    world.hold("SPY", -100);
    const stop = world.place({ side: "buy", type: "trailing_stop", qty: "100", trail_price: "1" });
    world.market.trade("SPY", 98);
    expect(stop.stopPxTicks).toBe(990_000);
    world.market.quote("SPY", 99, 99.02);
    world.market.trade("SPY", 99.01);
    expect(world.fills(stop)).toEqual([[99.02, 100]]);
    expect(world.qty("SPY")).toBe(0);
  });
});

describe("auction orders", () => {
  test.each([
    ["market", {}, 100.7, "filled"],
    ["limit above the print", { type: "limit", limit_price: "101" }, 100.7, "filled"],
    ["limit below the print", { type: "limit", limit_price: "100.5" }, 0, "canceled"],
  ])("on open, %s: first trade of the session decides", (_what, more, px, status) => {
    const world = new BrokerWorld(DAY.openUs - 10 * MINUTE_US);
    const order = world.order({ ...buy, qty: "5", time_in_force: "opg", ...more });
    world.market.quote("SPY", 100, 100.02);
    world.advanceTo(DAY.openUs);
    expect(order.status).toBe("new");
    world.market.trade("SPY", 100.7, 1);
    expect(order.status as string).toBe(status);
    expect(world.fills(order)).toEqual(px === 0 ? [] : [[px, 5]]);
  });

  test("on close take the last trade of the day", () => {
    const world = new BrokerWorld(DAY.closeUs - 60 * MINUTE_US);
    const order = world.place({ ...buy, time_in_force: "cls" });
    const limited = world.place({ ...buyLimit("100.2"), symbol: "SPY", time_in_force: "cls" });
    world.market.trade("SPY", 100.3);
    expect(order.status).toBe("new");
    world.advanceTo(DAY.closeUs);
    expect(world.fills(order)).toEqual([[100.3, 100]]);
    expect(limited.status).toBe("canceled");
  });

  test("of a stock that never trades are cancelled at the close", () => {
    const world = new BrokerWorld(DAY.openUs - 10 * MINUTE_US);
    const onOpen = world.order({ ...buy, time_in_force: "opg" });
    const onClose = world.order({ ...buy, symbol: "QQQ", time_in_force: "cls" });
    world.advanceTo(DAY.closeUs);
    expect([onOpen.status, onClose.status]).toEqual(["canceled", "canceled"]);
  });
});

describe("the end of the day", () => {
  test("expires day orders with their legs and keeps the others", () => {
    const world = new BrokerWorld(DAY.closeUs - MINUTE_US);
    const day = world.place(buyLimit("99"));
    const bracket = world.place(
      buyLimit("98", {
        order_class: "bracket",
        take_profit: { limit_price: "99" },
        stop_loss: { stop_price: "97" },
      }),
    );
    const gtc = world.place(buyLimit("99", { symbol: "QQQ", time_in_force: "gtc" }));
    world.advanceTo(DAY.closeUs);
    expect([day.status, bracket.status, gtc.status]).toEqual(["expired", "expired", "new"]);
    expect(bracket.legs.map((leg) => leg.status)).toEqual(["expired", "expired"]);
    expect(day.expiredUs).toBe(DAY.closeUs);
  });

  test("expires an order that was still on its way", () => {
    const world = new BrokerWorld(DAY.closeUs - 5_000);
    const order = world.order(buy);
    world.pass(LATENCY_MS);
    expect(world.kinds(order)).toEqual(["pending_new", "expired"]);
  });

  test("comes at 13:00 on a half day", () => {
    const world = new BrokerWorld(DAY.openUs + MINUTE_US, { day: { ...DAY, closeUs: DAY.openUs + 210 * MINUTE_US } });
    const order = world.place(buyLimit("99"));
    world.advanceTo(DAY.openUs + 210 * MINUTE_US);
    expect(order.status).toBe("expired");
  });
});
