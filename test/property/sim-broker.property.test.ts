// Laws of the simulated broker under any sequence of orders, cancels, replacements and market moves.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { TICKS_PER_USD } from "../../src/core/fixed-point.ts";
import { heldQty } from "../../src/sim/broker/acceptance.ts";
import { uuidOf } from "../../src/sim/broker/ids.ts";
import { parseOrder, parseReplace } from "../../src/sim/broker/order-request.ts";
import { Refusal } from "../../src/sim/broker/refusal.ts";
import { formatUtc, parseTimestampUs } from "../../src/sim/broker/rfc3339.ts";
import { TokenBucket } from "../../src/sim/broker/token-bucket.ts";
import type { Execution, VenueOrder } from "../../src/sim/broker/venue-order.ts";
import { BrokerWorld, DAY, MINUTE_US } from "../support/sim-broker-world.ts";

const SYMBOLS = ["SPY", "QQQ"] as const;
/** Fixed, so that a run is repeatable; SIM_SEED=n tries another one. */
const SEED = Number(process.env.SIM_SEED ?? 20191218);
const CASH_TICKS = 100_000 * TICKS_PER_USD;

/** Prices near where the market of SPY moves, so that orders do meet it. */
const cents = fc.integer({ min: 9_500, max: 10_500 });
const usd = cents.map((value) => (value / 100).toFixed(2));
const symbol = fc.constantFrom(...SYMBOLS);
const side = fc.constantFrom("buy", "sell");
const qty = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 400 }) },
  { weight: 1, arbitrary: fc.constant(1_500) },
);
const lasting = fc.constantFrom("day", "gtc");
const anyTif = fc.constantFrom("day", "day", "gtc", "ioc", "fok", "opg", "cls");

const prices = fc.oneof(
  fc.record({ type: fc.constant("market"), time_in_force: anyTif }),
  fc.record({ type: fc.constant("limit"), limit_price: usd, time_in_force: anyTif }),
  fc.record({ type: fc.constant("stop"), stop_price: usd, time_in_force: lasting }),
  fc.record({ type: fc.constant("stop_limit"), stop_price: usd, limit_price: usd, time_in_force: lasting }),
  fc.record({ type: fc.constant("trailing_stop"), trail_price: fc.constantFrom("0.2", "1"), time_in_force: lasting }),
  fc.record({ type: fc.constant("trailing_stop"), trail_percent: fc.constantFrom("0.3", "2"), time_in_force: lasting }),
);
/** Exits on either side of 100.00, the right way round for a buy three times in four. */
const exits = fc
  .tuple(fc.integer({ min: 2, max: 200 }), fc.integer({ min: 2, max: 200 }), fc.constantFrom(1, 1, 1, -1))
  .map(([above, below, sign]) => ({
    take_profit: { limit_price: ((10_000 + sign * above) / 100).toFixed(2) },
    stop_loss: { stop_price: ((10_000 - sign * below) / 100).toFixed(2) },
  }));
const entry = fc.oneof(
  fc.record({ type: fc.constant("market") }),
  fc.record({ type: fc.constant("limit"), limit_price: fc.constantFrom("99.98", "100.00", "100.01", "99.50") }),
);
const simple = fc
  .tuple(fc.record({ symbol, side, qty: qty.map(String), extended_hours: fc.constantFrom(false, false, true) }), prices)
  .map(([base, price]) => ({ ...base, ...price }));
const linked = fc
  .tuple(fc.record({ symbol, side, qty: qty.map(String), time_in_force: lasting }), entry, exits)
  .chain(([base, price, legs]) =>
    fc.constantFrom<Record<string, unknown>>(
      { ...base, ...price, order_class: "bracket", ...legs },
      { ...base, ...price, order_class: "bracket", ...legs },
      { ...base, type: "limit", order_class: "oco", ...legs },
      { ...base, ...price, order_class: "oto", stop_loss: legs.stop_loss },
    ),
  );
const orderBody: fc.Arbitrary<Record<string, unknown>> = fc.oneof(simple, linked);

type Step =
  | { readonly kind: "submit"; readonly body: Record<string, unknown> }
  | { readonly kind: "cancel" | "cancelAtOnce"; readonly pick: number }
  | { readonly kind: "replace"; readonly pick: number; readonly px: string; readonly qty: number }
  | {
      readonly kind: "quote";
      readonly symbol: string;
      readonly bid: number;
      readonly spread: number;
      readonly size: number;
    }
  | { readonly kind: "trade"; readonly symbol: string; readonly px: number; readonly size: number }
  | { readonly kind: "pass"; readonly ms: number };

const pick = fc.nat({ max: 30 });
const size = fc.integer({ min: 1, max: 500 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("submit" as const), body: orderBody }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("cancel" as const, "cancelAtOnce" as const), pick }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("replace" as const),
      pick,
      px: usd,
      qty: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 500 })),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("quote" as const),
      symbol,
      bid: cents,
      spread: fc.integer({ min: 1, max: 20 }),
      size,
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("trade" as const), symbol, px: cents, size }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.constantFrom(0, 1, 10, 20, 50) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("pass" as const),
      ms: fc.constantFrom(60_000, 60_000, 60_000, 7_200_000),
    }),
  },
);

/** A broker that checks every law at every event. */
class CheckedBroker {
  readonly world: BrokerWorld;
  readonly cashByFills = { ticks: CASH_TICKS };
  readonly qtyBySlot = [0, 0, 0];
  /** Shares an order and its replacement may fill together. */
  readonly replacements: { readonly old: VenueOrder; readonly order: VenueOrder; readonly totalQty: number }[] = [];

  constructor(startUs: number) {
    this.world = new BrokerWorld(startUs, {
      onEvent: (kind, order, execution) => {
        this.world.events.push({ kind, order, status: order.status, execution, nowUs: this.world.timeline.nowUs });
        if (execution !== null) this.#checkFill(order, execution);
      },
    });
    this.world.market.quote("SPY", 99.9, 99.95);
    this.world.market.quote("QQQ", 99.9, 99.95);
  }

  #checkFill(order: VenueOrder, { pxTicks, qty: filled, positionQty }: Execution): void {
    const { market } = this.world;
    const signed = order.isBuy ? filled : -filled;
    this.cashByFills.ticks -= signed * pxTicks;
    this.qtyBySlot[order.slot]! += signed;
    expect(positionQty).toBe(this.qtyBySlot[order.slot]!);
    expect(filled).toBeGreaterThan(0);
    expect(order.filledQty).toBeLessThanOrEqual(order.qty);
    if (order.type === "limit" || order.type === "stop_limit") {
      if (order.isBuy) expect(pxTicks).toBeLessThanOrEqual(order.limitPxTicks);
      else expect(pxTicks).toBeGreaterThanOrEqual(order.limitPxTicks);
    } else if (order.timeInForce === "day" || order.timeInForce === "gtc") {
      // Who takes any price gets no better one than the quote shows.
      if (order.isBuy) expect(pxTicks).toBeGreaterThanOrEqual(market.askPxTicks(order.slot));
      else expect(pxTicks).toBeLessThanOrEqual(market.bidPxTicks(order.slot));
    }
  }

  apply(action: Step): void {
    const { world } = this;
    switch (action.kind) {
      case "submit": {
        const terms = parseOrder(action.body);
        if (terms instanceof Refusal) return;
        const order = world.exchange.submit(terms);
        if (!(order instanceof Refusal) && order.isOpening) this.#checkAcceptedOpening();
        return;
      }
      case "cancel": {
        const order = this.#pick(action.pick);
        if (order !== undefined) world.exchange.cancel(order);
        return;
      }
      case "cancelAtOnce": {
        const order = this.#pick(action.pick);
        if (order !== undefined) world.exchange.cancelAtOnce(order);
        return;
      }
      case "replace": {
        const order = this.#pick(action.pick);
        if (order === undefined) return;
        const price =
          order.type === "trailing_stop"
            ? { trail: "0.5" }
            : {
                ...(order.limitPxTicks > 0 && { limit_price: action.px }),
                ...(order.stopPxTicks > 0 && { stop_price: action.px }),
              };
        const terms = parseReplace({ ...price, ...(action.qty > 0 && { qty: String(action.qty) }) });
        if (terms instanceof Refusal) return;
        const totalQty = action.qty > 0 ? action.qty : order.qty;
        const replacement = world.exchange.replace(order, terms);
        if (!(replacement instanceof Refusal)) this.replacements.push({ old: order, order: replacement, totalQty });
        if (!(replacement instanceof Refusal) && replacement.isOpening && replacement.extraReservedTicks > 0) {
          this.#checkAcceptedOpening();
        }
        return;
      }
      case "quote": {
        const bidUsd = action.bid / 100;
        world.market.quote(action.symbol, bidUsd, (action.bid + action.spread) / 100, action.size, action.size);
        return;
      }
      case "trade":
        world.market.trade(action.symbol, action.px / 100, action.size);
        return;
      case "pass":
        world.pass(action.ms);
    }
  }

  #pick(index: number): VenueOrder | undefined {
    const open = this.world.exchange.allOpenOrders();
    return open[index % open.length];
  }

  #checkAcceptedOpening(): void {
    expect(this.world.exchange.account.buyingPowerTicks()).toBeGreaterThanOrEqual(0);
  }

  checkState(): void {
    const { exchange, market } = this.world;
    const { account } = exchange;
    expect(account.cashTicks).toBe(this.cashByFills.ticks);
    let reservedTicks = 0;
    for (const order of exchange.orders) {
      reservedTicks += order.extraReservedTicks + (order.isOpen ? order.reservePxTicks * order.leavesQty : 0);
      expect(order.filledQty).toBeLessThanOrEqual(order.qty);
      expect(order.isAtMarket).toBe(order.isAtMarket && order.isOpen);
      expect(order.status === "filled").toBe(order.filledQty === order.qty && order.qty > 0);
    }
    expect(account.reservedTicks).toBe(reservedTicks);
    for (let slot = 0; slot < market.symbols.length; slot++) {
      const position = account.positionQty(slot);
      expect(position).toBe(this.qtyBySlot[slot]!);
      const open = [...exchange.openOrders(slot)];
      for (const side of ["buy", "sell"] as const) {
        const opening = open.filter((order) => order.isCommitted && order.isOpening && order.side === side);
        expect(exchange.openingCount(slot, side)).toBe(opening.length);
      }
      expect(open.every((order) => order.isOpen)).toBe(true);
      expect(open.length).toBe(exchange.orders.filter((order) => order.slot === slot && order.isOpen).length);
      expect(heldQty(open)).toBeLessThanOrEqual(Math.abs(position));
    }
    for (const { old, order, totalQty } of this.replacements) {
      if (order.filledQty > 0) expect(old.filledQty + order.filledQty).toBeLessThanOrEqual(totalQty);
    }
    this.#checkFamilies();
  }

  /** A family's exits never sell more than its entry bought, and none of them works alone once one is over. */
  #checkFamilies(): void {
    for (const order of this.world.exchange.orders) {
      const group = order.exitGroup();
      if (group.length < 2 || order !== group[0]) continue;
      const filled = group.reduce((sum, member) => sum + member.filledQty, 0);
      const leaves = group.filter((member) => member.isAtMarket).map((member) => member.leavesQty);
      if (leaves.length > 0) {
        expect(new Set(leaves).size).toBe(1);
        expect(leaves.length).toBe(group.filter((member) => member.isOpen).length);
      }
      if (order.root.orderClass === "bracket" && order.root.replaces === null) {
        expect(filled).toBeLessThanOrEqual(order.root.filledQty);
      }
    }
  }
}

describe("any sequence of requests and market moves", () => {
  const starts = fc.constantFrom(DAY.openUs - 10 * MINUTE_US, DAY.openUs + MINUTE_US, DAY.closeUs - MINUTE_US);

  test("keeps cash, shares, reservations and holds exact, and fills within limit and quote", () => {
    fc.assert(
      fc.property(starts, fc.array(step, { minLength: 1, maxLength: 80, size: "max" }), (startUs, steps) => {
        const broker = new CheckedBroker(startUs);
        for (const action of steps) {
          broker.apply(action);
          broker.checkState();
        }
        broker.world.advanceTo(Math.max(DAY.postCloseUs, broker.world.timeline.nowUs));
        broker.checkState();
        const left = broker.world.exchange.allOpenOrders().filter((order) => order.createdUs < DAY.closeUs);
        expect(left.every((order) => order.timeInForce === "gtc")).toBe(true);
      }),
      { seed: SEED, numRuns: 400 },
    );
  });

  test("is told the same way twice", () => {
    const story = (startUs: number, steps: readonly Step[]): string[] => {
      const broker = new CheckedBroker(startUs);
      for (const action of steps) broker.apply(action);
      return broker.world.events.map(({ kind, order, status, execution, nowUs }) =>
        [kind, order.id, status, execution?.id, execution?.pxTicks, execution?.qty, nowUs].join(" "),
      );
    };
    fc.assert(
      fc.property(starts, fc.array(step, { maxLength: 40, size: "max" }), (startUs, steps) => {
        expect(story(startUs, steps)).toEqual(story(startUs, steps));
      }),
      { seed: SEED, numRuns: 50 },
    );
  });

  test("moves every order along the documented states only", () => {
    const allowed: Record<string, readonly string[]> = {
      accepted: ["new", "canceled", "expired", "rejected", "held"],
      pending_new: ["new", "pending_cancel", "canceled", "expired", "rejected", "held"],
      held: ["new", "canceled", "expired", "pending_replace"],
      new: ["partially_filled", "filled", "canceled", "expired", "rejected", "pending_cancel", "pending_replace"],
      partially_filled: ["filled", "canceled", "expired", "rejected", "pending_cancel", "pending_replace"],
      pending_cancel: ["canceled", "filled", "expired", "rejected"],
      pending_replace: ["replaced", "filled", "canceled", "expired", "rejected", "new", "partially_filled", "held"],
    };
    fc.assert(
      fc.property(starts, fc.array(step, { maxLength: 80, size: "max" }), (startUs, steps) => {
        const broker = new CheckedBroker(startUs);
        for (const action of steps) broker.apply(action);
        const lastStatus = new Map<VenueOrder, string>();
        for (const { order, status } of broker.world.events) {
          const before = lastStatus.get(order) ?? status;
          if (before !== status) expect(allowed[before] ?? []).toContain(status);
          lastStatus.set(order, status);
        }
      }),
      { seed: SEED, numRuns: 200 },
    );
  });
});

test("a request body of any shape is parsed or refused, never thrown at", () => {
  const known = fc.constantFrom("symbol", "side", "qty", "type", "limit_price", "stop_loss", "order_class", "trail");
  const body = fc.oneof(fc.jsonValue(), fc.dictionary(known, fc.jsonValue()), orderBody);
  fc.assert(
    fc.property(body, (value) => {
      for (const answer of [parseOrder(value), parseReplace(value)]) {
        if (answer instanceof Refusal) expect(() => JSON.parse(answer.json())).not.toThrow();
        else expect(Number.isInteger(answer.qty)).toBe(true);
      }
    }),
    { seed: SEED, numRuns: 500 },
  );
});

test("a timestamp reads back to the microsecond, in UTC and with an offset", () => {
  const instant = fc
    .integer({ min: 0, max: 4_000_000_000 })
    .chain((sec) => fc.nat({ max: 999_999 }).map((us) => sec * 1e6 + us));
  fc.assert(
    fc.property(instant, (tsUs) => {
      expect(parseTimestampUs(formatUtc(tsUs))).toBe(tsUs);
      expect(parseTimestampUs(formatUtc(tsUs - 5 * 3_600e6).replace("Z", "-05:00"))).toBe(tsUs);
    }),
  );
});

test("a token bucket never gives more than its size and its rate allow", () => {
  const gaps = fc.array(fc.integer({ min: 0, max: 2_000_000 }), { maxLength: 200, size: "max" });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200 }), gaps, (perMinute, gapsUs) => {
      const bucket = new TokenBucket(perMinute, 0);
      let nowUs = 0;
      let taken = 0;
      for (const gapUs of gapsUs) {
        nowUs += gapUs;
        if (bucket.tryTake(nowUs)) taken += 1;
        expect(taken).toBeLessThanOrEqual(perMinute + (nowUs * perMinute) / 60e6 + 1e-6);
      }
    }),
  );
});

test("ids of many names differ", () => {
  const ids = new Set<string>();
  for (let i = 0; i < 50_000; i++) ids.add(uuidOf(7, `order/${i}`));
  expect(ids.size).toBe(50_000);
});
