// Whatever the order of arrival, however often each piece of news comes and by whichever way: we end where the broker is, and
// every share was told once.

import { expect, test } from "bun:test";
import fc from "fast-check";
import { Arena } from "../../src/core/arena.ts";
import { formatTicks } from "../../src/core/fixed-point.ts";
import {
  EXECUTION_ACCEPTED,
  EXECUTION_CANCEL_REJECTED,
  EXECUTION_CANCELED,
  EXECUTION_FILL,
  EXECUTION_REJECTED,
  ExecutionRing,
} from "../../src/gateway/gateway.ts";
import { OrderState, type WireOrder, type WireTradeUpdate } from "../../src/gateway/order-state.ts";
import {
  ORDER_ROLE_ENTRY,
  ORDER_STATUS_CANCELED,
  ORDER_STATUS_EXPIRED,
  ORDER_STATUS_FILLED,
  ORDER_STATUS_PARTIALLY_FILLED,
  ORDER_STATUS_REJECTED,
  ORDER_STATUS_REPLACED,
  ORDER_STATUS_WORKING,
  OrderTable,
  SIDE_BUY,
} from "../../src/market/orders.ts";

interface Fill {
  readonly qty: number;
  readonly pxTicks: number;
}

interface History {
  readonly orderQty: number;
  readonly fills: readonly Fill[];
  /** News in the order in which the broker made it. */
  readonly updates: readonly WireTradeUpdate[];
  readonly endStatus: number;
}

type End = "filled" | "working" | "canceled" | "expired" | "replaced" | "rejected" | "cancel_rejected";

const END_STATUS: Readonly<Record<End, number>> = {
  filled: ORDER_STATUS_FILLED,
  working: ORDER_STATUS_WORKING,
  canceled: ORDER_STATUS_CANCELED,
  expired: ORDER_STATUS_EXPIRED,
  replaced: ORDER_STATUS_REPLACED,
  rejected: ORDER_STATUS_REJECTED,
  cancel_rejected: ORDER_STATUS_WORKING,
};

/** Mean price with the digits that make notional exact again. */
function averagePrice(fills: readonly Fill[]): string | null {
  const qty = fills.reduce((sum, fill) => sum + fill.qty, 0);
  if (qty === 0) return null;
  const notional = fills.reduce((sum, fill) => sum + fill.qty * fill.pxTicks, 0);
  return (notional / qty / 10_000).toFixed(9);
}

/** A valid history of one order: pending_new, new, executions, and an end; times strictly grow. */
function makeHistory(fills: readonly Fill[], end: End, hasQuietStatuses: boolean): History {
  const filledQty = fills.reduce((sum, { qty }) => sum + qty, 0);
  const orderQty = end === "filled" ? Math.max(filledQty, 1) : filledQty + 5;
  const updates: WireTradeUpdate[] = [];
  const told: Fill[] = [];
  const push = (event: string, status: string, extra: Partial<WireTradeUpdate> = {}): void => {
    const at = `2019-12-18T14:30:00.${String(updates.length + 1).padStart(6, "0")}Z`;
    const order: WireOrder = {
      id: "broker-1",
      client_order_id: "gyr-20191218-m1-SPY-0",
      status,
      qty: String(orderQty),
      filled_qty: String(told.reduce((sum, { qty }) => sum + qty, 0)),
      filled_avg_price: averagePrice(told),
      updated_at: at,
    };
    updates.push({ event, timestamp: at, order, ...extra });
  };
  push("pending_new", "pending_new");
  if (end === "rejected") {
    push("rejected", "rejected");
    return { orderQty, fills: [], updates, endStatus: ORDER_STATUS_REJECTED };
  }
  if (hasQuietStatuses) push("accepted", "accepted");
  push("new", "new");
  if (hasQuietStatuses) push("stopped", "stopped");
  for (const [i, fill] of fills.entries()) {
    told.push(fill);
    const isLast = end === "filled" && i === fills.length - 1;
    push(isLast ? "fill" : "partial_fill", isLast ? "filled" : "partially_filled", {
      execution_id: `execution-${i}`,
      price: formatTicks(fill.pxTicks),
      qty: String(fill.qty),
    });
  }
  const open = fills.length > 0 ? "partially_filled" : "new";
  if (end === "canceled") {
    push("pending_cancel", "pending_cancel");
    push("canceled", "canceled");
  } else if (end === "cancel_rejected") {
    push("pending_cancel", "pending_cancel");
    push("order_cancel_rejected", open);
  } else if (end === "expired" || end === "replaced") push(end, end);
  const endStatus =
    (end === "working" || end === "cancel_rejected") && fills.length > 0
      ? ORDER_STATUS_PARTIALLY_FILLED
      : END_STATUS[end];
  return { orderQty, fills, updates, endStatus };
}

const fill = fc.record({ qty: fc.integer({ min: 1, max: 400 }), pxTicks: fc.integer({ min: 100, max: 9_000_000 }) });
const history = fc
  .record({
    fills: fc.array(fill, { maxLength: 6 }),
    end: fc.constantFrom<End>("filled", "working", "canceled", "expired", "replaced", "rejected", "cancel_rejected"),
    hasQuietStatuses: fc.boolean(),
  })
  .map(({ fills, end, hasQuietStatuses }) =>
    makeHistory(fills, end === "filled" && fills.length === 0 ? "working" : end, hasQuietStatuses),
  );

/** What reaches us: each piece of news by the stream, by an answer, or both, twice or not, shuffled; the last one always. */
const arrivals = history.chain((made) => {
  const count = made.updates.length;
  return fc.record({
    made: fc.constant(made),
    news: fc
      .array(fc.record({ index: fc.nat({ max: count - 1 }), isAnswer: fc.boolean() }), { maxLength: 3 * count })
      .chain((some) => {
        const all = [...some, { index: count - 1, isAnswer: true }];
        return fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length });
      }),
  });
});

function fresh(orderQty: number): { orders: OrderTable; ring: ExecutionRing; state: OrderState; row: number } {
  const arena = new Arena();
  const orders = new OrderTable(arena);
  const ring = new ExecutionRing(arena);
  const state = new OrderState(arena, orders, ring);
  const row = orders.open(0, SIDE_BUY, ORDER_ROLE_ENTRY, orderQty);
  state.submitted(row);
  return { orders, ring, state, row };
}

test("any arrival of a valid history ends in the broker's truth, every share told once", () => {
  fc.assert(
    fc.property(arrivals, ({ made, news }) => {
      const { orders, ring, state, row } = fresh(made.orderQty);
      let filledBefore = 0;
      for (const { index, isAnswer } of news) {
        const update = made.updates[index]!;
        if (isAnswer) state.applyOrder(row, update.order!, 0);
        else state.applyTradeUpdate(row, update, 0);
        expect(orders.filledQty[row]).toBeGreaterThanOrEqual(filledBefore);
        filledBefore = orders.filledQty[row]!;
      }
      const qty = made.fills.reduce((sum, each) => sum + each.qty, 0);
      const notional = made.fills.reduce((sum, each) => sum + each.qty * each.pxTicks, 0);
      expect(orders.filledQty[row]).toBe(qty);
      expect(orders.filledNotionalTicks[row]).toBe(notional);
      expect(orders.status[row]).toBe(made.endStatus);
      expect(orders.brokerId[row]).toBe("broker-1");

      let toldQty = 0;
      let toldNotional = 0;
      const kinds = new Map<number, number>();
      for (let i = 0; i < ring.head; i++) {
        kinds.set(ring.kind[i]!, (kinds.get(ring.kind[i]!) ?? 0) + 1);
        if (ring.kind[i] !== EXECUTION_FILL) continue;
        expect(Number.isInteger(ring.pxTicks[i]!)).toBe(true);
        toldQty += ring.qty[i]!;
        toldNotional += ring.qty[i]! * ring.pxTicks[i]!;
      }
      expect(toldQty).toBe(qty);
      expect(toldNotional).toBe(notional);
      expect(kinds.get(EXECUTION_ACCEPTED) ?? 0).toBeLessThanOrEqual(1);
      expect(kinds.get(EXECUTION_CANCELED) ?? 0).toBe(made.endStatus === ORDER_STATUS_CANCELED ? 1 : 0);
      expect(kinds.get(EXECUTION_REJECTED) ?? 0).toBe(made.endStatus === ORDER_STATUS_REJECTED ? 1 : 0);
    }),
    { numRuns: 2_000 },
  );
});

test("by the stream alone, in any order, each execution keeps its own price", () => {
  fc.assert(
    fc.property(fc.array(fill, { minLength: 1, maxLength: 6 }), (fills) => {
      const made = makeHistory(fills, "filled", false);
      const { ring, state, row } = fresh(made.orderQty);
      for (const update of made.updates) state.applyTradeUpdate(row, update, 0);
      const told: Fill[] = [];
      for (let i = 0; i < ring.head; i++) {
        if (ring.kind[i] === EXECUTION_FILL) told.push({ qty: ring.qty[i]!, pxTicks: ring.pxTicks[i]! });
      }
      expect(told).toEqual([...fills]);
    }),
  );
});

test("a cancel of ours that the broker refuses leaves the order as it was, and is told once", () => {
  const made = makeHistory([{ qty: 4, pxTicks: 1_500_000 }], "cancel_rejected", false);
  const { orders, ring, state, row } = fresh(made.orderQty);
  for (const update of made.updates.slice(0, 3)) state.applyTradeUpdate(row, update, 0);
  state.cancelAsked(row);
  for (const update of made.updates.slice(3)) state.applyTradeUpdate(row, update, 0);
  for (const update of made.updates.slice(3)) state.applyTradeUpdate(row, update, 0);
  state.cancelRefused(row, 0, "422: order is not cancelable");
  expect(orders.status[row]).toBe(ORDER_STATUS_PARTIALLY_FILLED);
  const refused = Array.from({ length: ring.head }, (_, i) => ring.kind[i]).filter(
    (k) => k === EXECUTION_CANCEL_REJECTED,
  );
  expect(refused).toHaveLength(1);
});

test("an order we had given up is believed again when the broker speaks of it", () => {
  const made = makeHistory([{ qty: 4, pxTicks: 1_500_000 }], "filled", false);
  const { orders, state, row } = fresh(made.orderQty);
  state.concludeRejected(row, 0, "the broker does not know the order");
  expect(orders.status[row]).toBe(ORDER_STATUS_REJECTED);
  for (const update of made.updates) state.applyTradeUpdate(row, update, 0);
  expect(orders.status[row]).toBe(ORDER_STATUS_FILLED);
  expect(orders.filledQty[row]).toBe(4);
  expect(state.counters.resurrected).toBe(1);
});

test("statuses and events of unknown names are counted and change nothing else", () => {
  const { orders, state, row } = fresh(10);
  state.applyOrder(row, { id: "b", status: "new", filled_qty: "0", updated_at: "2019-12-18T14:30:00Z" }, 0);
  state.applyTradeUpdate(row, { event: "teleported", order: { id: "b", status: "elsewhere" } }, 0);
  expect(orders.status[row]).toBe(ORDER_STATUS_WORKING);
  expect(state.counters.unknownNames).toBe(1);
});
