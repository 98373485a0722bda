// What processes before this one did on the same day, told by the broker's list of the day's orders: a crash, or a stop in
// order and a new start. Order ids are deterministic, so an intent number used again would not be refused only: the question
// that follows the refusal would be answered with the old order, and its fills taken for new ones.

import type { BrokerOrder, BrokerPosition } from "./gateway.ts";

/** An order of ours with its bracket. */
export interface DayOrder extends BrokerOrder {
  readonly legs: readonly BrokerOrder[];
}

export interface EarlierRun {
  /** First intent number that is free, by symbol. */
  readonly nextIntents: ReadonlyMap<string, number>;
  /** What is still open, one sentence each; empty where a new run may begin. */
  readonly problems: readonly string[];
}

const OVER = new Set(["filled", "canceled", "expired", "rejected", "replaced", "done_for_day"]);

/**
 * @param orders   every order of the day, legs under their entries
 * @param idPrefix what our ids of this day and strategy begin with
 */
export function earlierRunOf(
  orders: readonly DayOrder[],
  positions: readonly BrokerPosition[],
  idPrefix: string,
): EarlierRun {
  const ours = orders.filter(({ clientOrderId }) => clientOrderId.startsWith(idPrefix));
  const nextIntents = new Map<string, number>();
  const heldQty = new Map<string, number>();
  const problems: string[] = [];
  for (const order of ours) {
    const { symbol, clientOrderId } = order;
    const number = Number(clientOrderId.slice(clientOrderId.lastIndexOf("-") + 1));
    nextIntents.set(symbol, Math.max(nextIntents.get(symbol) ?? 0, number + 1));
    for (const { id, side, status, filledQty } of [order, ...order.legs]) {
      heldQty.set(symbol, (heldQty.get(symbol) ?? 0) + (side === "buy" ? filledQty : -filledQty));
      if (OVER.has(status)) continue;
      const what = id === order.id ? `order ${clientOrderId}` : `a ${side} of the bracket of ${clientOrderId}`;
      problems.push(`${symbol}: ${what} of an earlier run of gyr is open at the broker (${status})`);
    }
  }
  for (const { symbol, qty } of positions) {
    // What somebody has closed by hand since is no longer ours.
    if (qty !== 0 && (heldQty.get(symbol) ?? 0) !== 0) {
      problems.push(`${symbol}: an earlier run of gyr bought or sold ${heldQty.get(symbol)} of the ${qty} shares held`);
    }
  }
  return { nextIntents, problems };
}
