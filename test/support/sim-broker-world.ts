// A broker on a scripted market at a chosen time of 2019-12-18, with short words for what the tests do over and over.

import { TICKS_PER_USD } from "../../src/core/fixed-point.ts";
import { tradingDay } from "../../src/market/calendar.ts";
import { Exchange, type ExchangeOptions } from "../../src/sim/broker/exchange.ts";
import { parseOrder, parseReplace } from "../../src/sim/broker/order-request.ts";
import { Refusal } from "../../src/sim/broker/refusal.ts";
import type { Execution, OrderEventKind, VenueOrder } from "../../src/sim/broker/venue-order.ts";
import { Timeline } from "../../src/sim/timeline.ts";
import { ScriptedMarket } from "./scripted-market.ts";

export const DAY = tradingDay("2019-12-18")!;
export const MINUTE_US = 60_000_000;
export const LATENCY_MS = 20;

export interface SeenEvent {
  readonly kind: OrderEventKind;
  readonly order: VenueOrder;
  readonly status: string;
  readonly execution: Execution | null;
  readonly nowUs: number;
}

export class BrokerWorld {
  readonly timeline: Timeline;
  readonly market: ScriptedMarket;
  readonly exchange: Exchange;
  readonly events: SeenEvent[] = [];

  /** @param startUs market time of the start; default an hour into the session, SPY 100.00 / 100.02 with 300 shown */
  constructor(startUs = DAY.openUs + 60 * MINUTE_US, options: Partial<ExchangeOptions> = {}) {
    this.timeline = new Timeline(startUs);
    this.market = new ScriptedMarket(this.timeline, { QQQ: 200, SPY: 100, TINY: 0.5 });
    this.exchange = new Exchange({
      timeline: this.timeline,
      market: this.market,
      day: DAY,
      cashTicks: 100_000 * TICKS_PER_USD,
      seed: 7,
      orderLatencyMs: LATENCY_MS,
      onEvent: (kind, order, execution, nowUs) => {
        this.events.push({ kind, order, status: order.status, execution, nowUs });
      },
      ...options,
    });
    if (startUs >= DAY.openUs) {
      this.market.quote("SPY", 100, 100.02);
      this.market.quote("QQQ", 200, 200.02);
      this.market.quote("TINY", 0.5, 0.51);
    }
  }

  /** Lets market time pass. */
  pass(ms: number): void {
    this.timeline.advanceTo(this.timeline.nowUs + ms * 1_000);
  }

  advanceTo(tsUs: number): void {
    this.timeline.advanceTo(tsUs);
  }

  post(body: Record<string, unknown>): VenueOrder | Refusal {
    const terms = parseOrder({ symbol: "SPY", time_in_force: "day", ...body });
    return terms instanceof Refusal ? terms : this.exchange.submit(terms);
  }

  /** Submits an order that must be taken. */
  order(body: Record<string, unknown>): VenueOrder {
    const order = this.post(body);
    if (order instanceof Refusal) throw new Error(`refused: ${order.json()}`);
    return order;
  }

  /** Submits an order that must be taken and waits until it is in the market. */
  place(body: Record<string, unknown>): VenueOrder {
    const order = this.order(body);
    this.pass(LATENCY_MS);
    return order;
  }

  refusal(body: Record<string, unknown>): Refusal {
    const refusal = this.post(body);
    if (!(refusal instanceof Refusal)) throw new Error(`taken: ${refusal.id}`);
    return refusal;
  }

  patch(order: VenueOrder, body: Record<string, unknown>): VenueOrder | Refusal {
    const terms = parseReplace(body);
    return terms instanceof Refusal ? terms : this.exchange.replace(order, terms);
  }

  /** Owns shares bought at the market. */
  hold(symbol: string, qty: number): void {
    const side = qty > 0 ? "buy" : "sell";
    this.place({ symbol, side, type: "market", qty: String(Math.abs(qty)) });
  }

  qty(symbol: string): number {
    return this.exchange.account.positionQty(this.market.slotOf(symbol));
  }

  /** Kinds of the events of one order, in order. */
  kinds(order: VenueOrder): string[] {
    return this.events.filter((event) => event.order === order).map((event) => event.kind);
  }

  /** [price in USD, shares] of the executions of one order. */
  fills(order: VenueOrder): [number, number][] {
    return this.exchange.executions
      .filter((execution) => execution.order === order)
      .map((execution) => [execution.pxTicks / TICKS_PER_USD, execution.qty]);
  }
}
