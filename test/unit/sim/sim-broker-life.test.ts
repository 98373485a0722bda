import { describe, expect, test } from "bun:test";
import { Refusal } from "../../../src/sim/broker/refusal.ts";
import type { VenueOrder } from "../../../src/sim/broker/venue-order.ts";
import { BrokerWorld, DAY, LATENCY_MS, MINUTE_US } from "../../support/sim-broker-world.ts";

const buy = { side: "buy", type: "market", qty: "100" };
const limit = (px: string, more: object = {}) => ({ ...buy, type: "limit", limit_price: px, ...more });
const exits = { take_profit: { limit_price: "101" }, stop_loss: { stop_price: "99" } };
const bracket = { ...buy, order_class: "bracket", ...exits };

function replaced(world: BrokerWorld, order: VenueOrder, body: Record<string, unknown>): VenueOrder {
  const answer = world.patch(order, body);
  if (answer instanceof Refusal) throw new Error(answer.json());
  return answer;
}

describe("cancelling", () => {
  test("takes the way to the market, on which the order can still be filled", () => {
    const world = new BrokerWorld();
    const kept = world.place(limit("99.5"));
    const lost = world.place(limit("99.9"));
    expect(world.exchange.cancel(kept)).toBeNull();
    expect(world.exchange.cancel(lost)).toBeNull();
    expect(kept.status).toBe("pending_cancel");
    world.market.trade("SPY", 99.8);
    world.pass(LATENCY_MS);
    expect([kept.status, lost.status]).toEqual(["canceled", "filled"]);
    expect(world.kinds(kept)).toEqual(["pending_new", "new", "pending_cancel", "canceled"]);
    expect(world.kinds(lost)).toEqual(["pending_new", "new", "pending_cancel", "fill", "order_cancel_rejected"]);
  });

  test("keeps what was filled in the meantime", () => {
    const world = new BrokerWorld();
    const order = world.place(limit("99.9"));
    world.exchange.cancel(order);
    world.market.trade("SPY", 99.8, 30);
    expect(order.status).toBe("pending_cancel");
    world.pass(LATENCY_MS);
    expect([order.status as string, order.filledQty]).toEqual(["canceled", 30]);
  });

  test("of an order that waits for the open is done at once", () => {
    const world = new BrokerWorld(DAY.openUs - 30 * MINUTE_US);
    const order = world.order(buy);
    expect(world.exchange.cancel(order)).toBeNull();
    expect(order.status).toBe("canceled");
    world.market.quote("SPY", 100, 100.02);
    world.advanceTo(DAY.openUs + MINUTE_US);
    expect(world.kinds(order)).toEqual(["accepted", "canceled"]);
  });

  test("follows the order into the market when it was quicker than its latency", () => {
    const world = new BrokerWorld();
    const order = world.order(limit("99"));
    world.exchange.cancel(order);
    world.pass(LATENCY_MS);
    expect(world.kinds(order)).toEqual(["pending_new", "pending_cancel", "new", "canceled"]);
  });

  test.each(["filled", "canceled", "pending_cancel", "pending_replace"])("of a %s order is refused", (status) => {
    const world = new BrokerWorld();
    const order = status === "filled" ? world.place(buy) : world.place(limit("99"));
    if (status === "canceled") world.exchange.cancelAtOnce(order);
    if (status === "pending_cancel") world.exchange.cancel(order);
    if (status === "pending_replace") world.patch(order, { limit_price: "98" });
    const refusal = world.exchange.cancel(order)!;
    expect([refusal.httpStatus, refusal.message]).toEqual([422, `order is already in "${status}" state`]);
  });

  test("gives the reserved buying power back", () => {
    const world = new BrokerWorld();
    const before = world.exchange.account.buyingPowerTicks();
    const order = world.place(limit("99"));
    expect(world.exchange.account.buyingPowerTicks()).toBe(before - 100 * 990_000);
    world.exchange.cancel(order);
    world.pass(LATENCY_MS);
    expect(world.exchange.account.buyingPowerTicks()).toBe(before);
  });
});

describe("replacing", () => {
  test("puts a new order in the old one's place after the latency", () => {
    const world = new BrokerWorld();
    const old = world.place(limit("99"));
    const order = replaced(world, old, { limit_price: "99.5", client_order_id: "better" });
    expect([old.status, order.status, order.replaces]).toEqual(["pending_replace", "pending_new", old.id]);
    world.pass(LATENCY_MS);
    expect([old.status as string, old.replacedBy, order.status as string]).toEqual(["replaced", order.id, "new"]);
    expect(world.kinds(old).slice(-2)).toEqual(["pending_replace", "replaced"]);
    world.market.trade("SPY", 99.4);
    expect(world.fills(order)).toEqual([[99.5, 100]]);
    expect(order.clientOrderId).toBe("better");
  });

  test("takes the quote when the new price reaches it", () => {
    const world = new BrokerWorld();
    const order = replaced(world, world.place(limit("99")), { limit_price: "100.02" });
    world.pass(LATENCY_MS);
    expect(world.fills(order)).toEqual([[100.02, 100]]);
  });

  test("is for what the old order left, and a given quantity counts what it had filled", () => {
    const world = new BrokerWorld();
    const old = world.place(limit("99"));
    world.market.trade("SPY", 98.9, 30);
    const order = replaced(world, old, { qty: "80" });
    expect(order.qty).toBe(50);
    world.market.trade("SPY", 98.9, 10);
    world.pass(LATENCY_MS);
    expect([old.filledQty, order.qty]).toEqual([40, 40]);
  });

  test("fails when the old order is filled first, and says so on both", () => {
    const world = new BrokerWorld();
    const old = world.place(limit("99"));
    const order = replaced(world, old, { limit_price: "98" });
    world.market.trade("SPY", 98.9);
    world.pass(LATENCY_MS);
    expect([old.status as string, order.status as string]).toEqual(["filled", "rejected"]);
    expect(world.kinds(old).at(-1)).toBe("order_replace_rejected");
    expect(world.kinds(order)).toEqual(["rejected"]);
    expect(world.exchange.account.reservedTicks).toBe(0);
  });

  test("reserves the dearer of the two while both exist", () => {
    const world = new BrokerWorld();
    const before = world.exchange.account.buyingPowerTicks();
    const old = world.place(limit("90"));
    const dearer = replaced(world, old, { limit_price: "95" });
    expect(world.exchange.account.buyingPowerTicks()).toBe(before - 100 * 950_000);
    world.pass(LATENCY_MS);
    replaced(world, dearer, { limit_price: "80" });
    expect(world.exchange.account.buyingPowerTicks()).toBe(before - 100 * 950_000);
    world.pass(LATENCY_MS);
    expect(world.exchange.account.buyingPowerTicks()).toBe(before - 100 * 800_000);
  });

  test.each(["accepted", "pending_new", "pending_cancel", "pending_replace", "filled"])(
    "of a %s order is refused",
    (status) => {
      const isEarly = status === "accepted";
      const world = new BrokerWorld(isEarly ? DAY.openUs - MINUTE_US : undefined);
      const order = isEarly || status === "pending_new" ? world.order(limit("99")) : world.place(limit("99"));
      if (status === "pending_cancel") world.exchange.cancel(order);
      if (status === "pending_replace") world.patch(order, { limit_price: "98" });
      if (status === "filled") world.market.trade("SPY", 98);
      expect(order.status as string).toBe(status);
      expect((world.patch(order, { limit_price: "97" }) as Refusal).message).toBe(
        "unable to replace order in current state",
      );
    },
  );

  test.each([
    [{ limit_price: "2100", qty: "100" }, "insufficient buying power"],
    [{ stop_price: "98" }, "limit orders have no stop_price"],
    [{ trail: "1" }, "limit orders have no trail"],
    [{ time_in_force: "ioc" }, "time_in_force cannot be replaced by ioc"],
    [{ client_order_id: "first" }, "client_order_id must be unique"],
  ])("with %j is refused", (body, message) => {
    const world = new BrokerWorld();
    const order = world.place(limit("99", { client_order_id: "first" }));
    expect((world.patch(order, body) as Refusal).message).toBe(message);
    expect(order.status).toBe("new");
  });

  test("cannot free shares that another exit holds", () => {
    const world = new BrokerWorld();
    world.hold("SPY", 100);
    const exit = { side: "sell", type: "limit", qty: "50", limit_price: "101" };
    const first = world.place(exit);
    world.place(exit);
    expect((world.patch(first, { qty: "51" }) as Refusal).message).toContain("insufficient qty available");
    expect(world.patch(first, { qty: "40" })).not.toBeInstanceOf(Refusal);
  });

  test("moves a trailing stop's distance and keeps what it has seen", () => {
    const world = new BrokerWorld();
    world.hold("SPY", 100);
    const stop = world.place({ side: "sell", type: "trailing_stop", qty: "100", trail_price: "1" });
    world.market.trade("SPY", 105);
    const tighter = replaced(world, stop, { trail: "0.5" });
    world.pass(LATENCY_MS);
    expect([tighter.hwmPxTicks, tighter.stopPxTicks]).toEqual([1_050_000, 1_045_000]);
  });

  test("undone by its own cancellation leaves the old order replaced and the new one cancelled", () => {
    const world = new BrokerWorld();
    const old = world.place(limit("99"));
    const order = replaced(world, old, { limit_price: "98" });
    expect(world.exchange.cancel(order)).toBeNull();
    world.pass(LATENCY_MS);
    expect([old.status as string, order.status as string]).toEqual(["replaced", "canceled"]);
    expect(world.exchange.account.reservedTicks).toBe(0);
  });
});

describe("a bracket", () => {
  test("sleeps until the entry is filled, then works both exits", () => {
    const world = new BrokerWorld();
    const entry = world.order(bracket);
    const [target, stop] = entry.legs as [VenueOrder, VenueOrder];
    expect([target.status, stop.status]).toEqual(["held", "held"]);
    world.pass(LATENCY_MS);
    expect([entry.status, target.status, stop.status] as string[]).toEqual(["filled", "new", "new"]);
    expect([target.side, target.limitPxTicks, target.type]).toEqual(["sell", 1_010_000, "limit"]);
    expect([stop.side, stop.stopPxTicks, stop.type]).toEqual(["sell", 990_000, "stop"]);
    expect(world.events.map(({ kind, order }) => `${kind} ${order.type}`)).toEqual([
      "pending_new market",
      "new market",
      "fill market",
      "new limit",
      "new stop",
    ]);
  });

  test("keeps its exits asleep while the entry is filled in part", () => {
    const world = new BrokerWorld();
    const entry = world.place({ ...bracket, type: "limit", limit_price: "99.5" });
    world.market.trade("SPY", 99.4, 60);
    expect([entry.filledQty, entry.legs[0]!.status as string]).toEqual([60, "held"]);
    world.market.trade("SPY", 98.5, 60);
    expect(entry.legs.map((leg) => leg.status)).toEqual(["new", "new"]);
  });

  test("closed by its target cancels the stop, and the other way round", () => {
    const up = new BrokerWorld();
    const won = up.place(bracket);
    up.market.trade("SPY", 101.01);
    expect(won.legs.map((leg) => leg.status)).toEqual(["filled", "canceled"]);

    const down = new BrokerWorld();
    const lost = down.place(bracket);
    down.market.quote("SPY", 98.9, 98.92);
    down.market.trade("SPY", 98.9);
    expect(lost.legs.map((leg) => leg.status)).toEqual(["canceled", "filled"]);
    expect([up.qty("SPY"), down.qty("SPY")]).toEqual([0, 0]);
  });

  test("shrinks the stop by what the target filled", () => {
    const world = new BrokerWorld();
    const [target, stop] = world.place(bracket).legs as [VenueOrder, VenueOrder];
    world.market.trade("SPY", 101.01, 40);
    expect([target.filledQty, stop.leavesQty]).toEqual([40, 60]);
    world.market.quote("SPY", 98.9, 98.92);
    world.market.trade("SPY", 98.9);
    expect([stop.filledQty, target.status as string, world.qty("SPY")]).toEqual([60, "canceled", 0]);
  });

  test("goes away whole when the entry is cancelled before it is filled", () => {
    const world = new BrokerWorld();
    const entry = world.place({ ...bracket, type: "limit", limit_price: "99.5" });
    expect(world.exchange.cancel(entry.legs[0]!)).toBeNull();
    world.pass(LATENCY_MS);
    expect([entry, ...entry.legs].map((order) => order.status)).toEqual(["canceled", "canceled", "canceled"]);
  });

  test("loses its other exit when one is cancelled", () => {
    const world = new BrokerWorld();
    const entry = world.place(bracket);
    world.exchange.cancel(entry.legs[0]!);
    world.pass(LATENCY_MS);
    expect(entry.legs.map((leg) => leg.status)).toEqual(["canceled", "canceled"]);
  });

  test("holds its shares once, and they cannot be sold twice", () => {
    const world = new BrokerWorld();
    world.place(bracket);
    expect(world.exchange.availableQty(world.market.slotOf("SPY"))).toBe(0);
    expect(world.refusal({ side: "sell", type: "limit", qty: "1", limit_price: "102" }).message).toBe(
      "insufficient qty available for order (requested: 1, available: 0)",
    );
  });

  test("of a short is the mirror image", () => {
    const world = new BrokerWorld();
    const entry = world.place({
      side: "sell",
      type: "market",
      qty: "100",
      order_class: "bracket",
      take_profit: { limit_price: "99" },
      stop_loss: { stop_price: "101", limit_price: "101.5" },
    });
    expect(world.qty("SPY")).toBe(-100);
    expect(entry.legs.map((leg) => [leg.type, leg.side])).toEqual([
      ["limit", "buy"],
      ["stop_limit", "buy"],
    ]);
    world.market.quote("SPY", 101.2, 101.3);
    world.market.trade("SPY", 101.2);
    expect(world.fills(entry.legs[1]!)).toEqual([[101.3, 100]]);
    expect(world.qty("SPY")).toBe(0);
  });

  test("lets its stop be replaced, asleep or awake, but not past its target", () => {
    const world = new BrokerWorld();
    const entry = world.place({ ...bracket, type: "limit", limit_price: "99.5" });
    const asleep = replaced(world, entry.legs[1]!, { stop_price: "98" });
    world.pass(LATENCY_MS);
    expect([asleep.status as string, entry.legs[1]!.id]).toEqual(["held", asleep.id]);
    world.market.trade("SPY", 99.4);
    const awake = replaced(world, asleep, { stop_price: "98.5" });
    world.pass(LATENCY_MS);
    expect(awake.status as string).toBe("new");
    expect((world.patch(awake, { stop_price: "101" }) as Refusal).message).toBe(
      "take_profit.limit_price must be > stop_loss.stop_price",
    );
    world.market.trade("SPY", 101.01);
    expect([awake.status as string, world.qty("SPY")]).toEqual(["canceled", 0]);
  });

  test("wakes only as much exit as there are shares", () => {
    const world = new BrokerWorld();
    const entry = world.place({ ...bracket, type: "limit", limit_price: "99.5" });
    world.market.trade("SPY", 99.4, 60);
    world.place({ side: "sell", type: "limit", qty: "60", limit_price: "100" });
    expect(world.qty("SPY")).toBe(0);
    world.market.trade("SPY", 99.4, 40);
    expect(entry.legs.map((leg) => [leg.status, leg.qty])).toEqual([
      ["new", 40],
      ["new", 40],
    ]);
  });
});

describe("linked exits", () => {
  test("an OCO works both prices and one cancels the other", () => {
    const world = new BrokerWorld();
    world.hold("SPY", 100);
    const oco = world.place({ side: "sell", type: "limit", qty: "100", order_class: "oco", ...exits });
    expect([oco.limitPxTicks, oco.status as string, oco.legs[0]!.status as string]).toEqual([1_010_000, "new", "new"]);
    world.market.trade("SPY", 101.01, 40);
    expect(oco.legs[0]!.leavesQty).toBe(60);
    world.market.quote("SPY", 98.9, 98.92);
    world.market.trade("SPY", 98.9);
    expect([oco.status as string, oco.legs[0]!.status as string, world.qty("SPY")]).toEqual(["canceled", "filled", 0]);
  });

  test.each([
    [{ stop_loss: { stop_price: "99" } }, "stop"],
    [{ take_profit: { limit_price: "101" } }, "limit"],
  ])("an OTO wakes its one leg %j when the entry is filled", (leg, type) => {
    const world = new BrokerWorld();
    const entry = world.place({ ...buy, order_class: "oto", ...leg });
    expect(entry.legs.map((order) => [order.type as string, order.status as string])).toEqual([[type, "new"]]);
  });
});

describe("the account", () => {
  test("keeps cash, cost and buying power to the tick through a round trip", () => {
    const world = new BrokerWorld();
    const { account } = world.exchange;
    world.hold("SPY", 200);
    expect(account.cashTicks).toBe(1_000_000_000 - 200 * 1_000_200);
    world.market.trade("SPY", 101);
    expect(account.equityTicks()).toBe(1_000_000_000 + 200 * (1_010_000 - 1_000_200));
    expect(account.buyingPowerTicks()).toBe(2 * account.equityTicks() - 200 * 1_010_000);
    world.market.quote("SPY", 101, 101.02);
    world.place({ side: "sell", type: "market", qty: "150" });
    expect(account.positions.get(world.market.slotOf("SPY"))).toMatchObject({ qty: 50, costTicks: 50 * 1_000_200 });
    world.place({ side: "sell", type: "market", qty: "50" });
    expect(account.positions.size).toBe(0);
  });

  test("reserves a short at 3 percent above the offer", () => {
    const world = new BrokerWorld();
    const before = world.exchange.account.buyingPowerTicks();
    world.order({ side: "sell", type: "limit", qty: "100", limit_price: "100.5" });
    expect(before - world.exchange.account.buyingPowerTicks()).toBe(100 * Math.ceil(1_000_200 * 1.03));
  });

  test("rejects a queued market order the open has made too dear only where nothing was reserved", () => {
    const world = new BrokerWorld(DAY.openUs - MINUTE_US);
    const order = world.order({ ...buy, qty: "1900" });
    world.market.quote("SPY", 109.98, 110);
    world.advanceTo(DAY.openUs);
    expect([order.status as string, order.filledQty]).toEqual(["new", 0]);
    expect(world.exchange.account.buyingPowerTicks()).toBeGreaterThanOrEqual(0);
  });
});

test("ids do not depend on the order in which requests were read", () => {
  const bodies = ["a", "b", "c"].map((id) => ({ ...bracket, client_order_id: id }));
  const idsOf = (inOrder: object[]): Record<string, string> => {
    const world = new BrokerWorld();
    for (const body of inOrder) world.order({ ...body, qty: "10" });
    return Object.fromEntries(world.exchange.orders.map((order) => [order.clientOrderId, order.id]));
  };
  expect(idsOf(bodies)).toEqual(idsOf(bodies.toReversed()));
});
