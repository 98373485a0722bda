// The rules of replacing an order: which may be, by what, and the terms of the order that takes its place.

import type { SimMarket } from "../market/port.ts";
import { checkLegPrices } from "./acceptance.ts";
import type { ReplaceTerms } from "./order-request.ts";
import { invalid, type Refusal, unprocessable } from "./refusal.ts";
import type { OrderTerms, VenueOrder } from "./venue-order.ts";

export function checkReplaceable(old: VenueOrder, patch: ReplaceTerms): Refusal | null {
  const isReplaceable = old.status === "new" || old.status === "partially_filled" || old.status === "held";
  if (!isReplaceable) return unprocessable("unable to replace order in current state");
  if (patch.qty > 0 && old.orderClass !== "simple") {
    return unprocessable(`qty of ${old.orderClass} orders cannot be replaced`);
  }
  if (patch.timeInForce !== null && patch.timeInForce !== old.timeInForce) {
    const isLasting = patch.timeInForce === "day" || patch.timeInForce === "gtc";
    const wasLasting = old.timeInForce === "day" || old.timeInForce === "gtc";
    if (!isLasting || !wasLasting || old.orderClass !== "simple") {
      return unprocessable(`time_in_force cannot be replaced by ${patch.timeInForce}`);
    }
  }
  if (patch.limitPxTicks > 0 && old.limitPxTicks === 0) return invalid(`${old.type} orders have no limit_price`);
  if (patch.stopPxTicks > 0 && (old.stopPxTicks === 0 || old.type === "trailing_stop")) {
    return invalid(`${old.type} orders have no stop_price`);
  }
  if (patch.trail > 0 && old.type !== "trailing_stop") return invalid(`${old.type} orders have no trail`);
  return null;
}

/** The old order's terms with what the patch changes. */
export function replacedTerms(old: VenueOrder, patch: ReplaceTerms): OrderTerms {
  const trail = patch.trail > 0 ? patch.trail : old.trailPxTicks || old.trailPercentE4;
  return {
    symbol: old.symbol,
    side: old.side,
    type: old.type,
    timeInForce: patch.timeInForce ?? old.timeInForce,
    orderClass: old.orderClass,
    qty: old.qty,
    limitPxTicks: patch.limitPxTicks || old.limitPxTicks,
    stopPxTicks: patch.stopPxTicks || old.stopPxTicks,
    trailPxTicks: old.trailPxTicks > 0 ? trail : 0,
    trailPercentE4: old.trailPercentE4 > 0 ? trail : 0,
    extendedHours: old.extendedHours,
    clientOrderId: patch.clientOrderId,
    positionIntent: null,
    targetPxTicks: 0,
    stopLossPxTicks: 0,
    stopLossLimitPxTicks: 0,
  };
}

/** Linked orders keep their places: a target stays beyond the stop of the same family. */
export function checkReplacedLegPrices(old: VenueOrder, terms: OrderTerms, market: SimMarket): Refusal | null {
  if (old.isOpening) {
    const target = old.legs.find((leg) => leg.type === "limit");
    const stop = old.legs.find((leg) => leg.type !== "limit");
    const legs = { targetPxTicks: target?.limitPxTicks ?? 0, stopLossPxTicks: stop?.stopPxTicks ?? 0 };
    return checkLegPrices({ ...terms, ...legs }, market, old.slot);
  }
  for (const sibling of old.exitGroup()) {
    if (sibling === old || !sibling.isOpen) continue;
    const target = old.type === "limit" ? terms.limitPxTicks : sibling.limitPxTicks;
    const stop = old.type === "limit" ? sibling.stopPxTicks : terms.stopPxTicks;
    const isRight = old.side === "sell" ? target > stop : target < stop;
    if (!isRight) {
      return unprocessable(`take_profit.limit_price must be ${old.side === "sell" ? ">" : "<"} stop_loss.stop_price`);
    }
  }
  return null;
}
