// Suite `tickToOrder`: from a trade leaving the venue to the order it causes arriving there, over loopback sockets, venue and
// gyr each in a process of its own. Floor events, over the same sockets and with the same sizes but without any work, are mixed
// at random into the same run, because drift between runs is larger than the work; the ratio of the two is the figure to hold.
//
// Each run has fresh processes, since the order table holds one day. The best run by its median is told, and the medians of all.

import { kellyMultiplier } from "../../src/sizing/kelly-table.ts";
import type { SuiteSize } from "../size.ts";
import { Peer } from "./peer.ts";
import type { TraderReply, TraderRequest, VenueReply, VenueRequest } from "./tick-messages.ts";
import type { TickEvent } from "./tick-path.ts";
import { CAPITAL_USD, VIX, WIN_RATE } from "./tick-settings.ts";

const FULL = { runs: 5, warmupEvents: 2_000, events: 10_000 };
const SMOKE = { runs: 1, warmupEvents: 20, events: 30 };
const REWARD_RISK = 2;

interface RunResult {
  readonly workNs: Float64Array;
  readonly floorNs: Float64Array;
  readonly noOrderCount: number;
  readonly stageP50Us: Readonly<Record<string, number>>;
}

export async function run(size: SuiteSize = "full"): Promise<Record<string, number>> {
  const { runs, warmupEvents, events } = size === "full" ? FULL : SMOKE;
  const results: RunResult[] = [];
  for (let i = 0; i < runs; i++) results.push(await runOnce(i + 1, warmupEvents, events));
  const best = results.reduce((a, b) => (quantile(a.workNs, 0.5) <= quantile(b.workNs, 0.5) ? a : b));
  return figuresOf(best, results);
}

async function runOnce(seed: number, warmupEvents: number, events: number): Promise<RunResult> {
  const venue = new Peer<VenueRequest, VenueReply>("tick-venue.ts");
  const trader = new Peer<TraderRequest, TraderReply>("tick-trader.ts");
  try {
    const { web, orders } = await venue.ask({ kind: "open", seed }, "opened");
    await trader.ask({ kind: "open", web, orders, seed }, "opened");
    const { bytes, event } = await venue.ask({ kind: "check" }, "checked");
    if (bytes === "") {
      const { refusals } = await trader.ask({ kind: "stop" }, "stopped");
      throw new Error(`no order for ${JSON.stringify(event)}; refused: ${JSON.stringify(refusals)}`);
    }
    checkOrder(bytes, event);
    const cannedBytes = bytes.length;
    await trader.ask({ kind: "arm", cannedBytes }, "armed");
    await venue.ask({ kind: "measure", count: warmupEvents, cannedBytes }, "measured");
    await trader.ask({ kind: "arm", cannedBytes }, "armed");
    const { workNs, floorNs, noOrderCount } = await venue.ask(
      { kind: "measure", count: events, cannedBytes },
      "measured",
    );
    const { stageP50Us, orderCount, refusals } = await trader.ask({ kind: "stop" }, "stopped");
    const expected = 1 + warmupEvents + events;
    if (orderCount !== expected) {
      throw new Error(`${orderCount} orders of ${expected} events; refused: ${JSON.stringify(refusals)}`);
    }
    return { workNs: sorted(workNs), floorNs: sorted(floorNs), noOrderCount, stageP50Us };
  } finally {
    venue.end();
    trader.end();
  }
}

/** The first order must be the one that the settings call for; only then is anything timed. */
function checkOrder(bytes: string, event: TickEvent): void {
  const [head, body] = bytes.split("\r\n\r\n") as [string, string];
  const order = JSON.parse(body) as {
    symbol: string;
    qty: string;
    side: string;
    type: string;
    order_class: string;
    client_order_id: string;
    stop_loss: { stop_price: string };
    take_profit: { limit_price: string };
  };
  const { symbol, px } = event;
  // All four signs agree and the trend is far above its threshold: confidence and strength are 1. 20 positions share the capital.
  const notionalUsd = Math.min((50_000 / 20) * kellyMultiplier(WIN_RATE, 1, VIX), 0.1 * CAPITAL_USD);
  const stopPx = Number(order.stop_loss.stop_price);
  const targetPx = Number(order.take_profit.limit_price);
  const isRight =
    head.startsWith("POST /v2/orders HTTP/1.1\r\n") &&
    order.symbol === symbol &&
    order.client_order_id === `gyr-20261120-m1-${symbol}-0` &&
    Number(order.qty) === Math.floor(notionalUsd / px) &&
    order.side === "buy" &&
    order.type === "market" &&
    order.order_class === "bracket" &&
    stopPx < px &&
    Math.abs((targetPx - px) / (px - stopPx) - REWARD_RISK) < 0.2;
  if (!isRight) throw new Error(`not the order for ${JSON.stringify(event)}, not timing it:\n${bytes}`);
}

function figuresOf(best: RunResult, results: readonly RunResult[]): Record<string, number> {
  const us = (ns: Float64Array, q: number) => quantile(ns, q) / 1e3;
  const figures: Record<string, number> = {
    p50Us: us(best.workNs, 0.5),
    p99Us: us(best.workNs, 0.99),
    p999Us: us(best.workNs, 0.999),
    floorP50Us: us(best.floorNs, 0.5),
    floorP99Us: us(best.floorNs, 0.99),
    floorP999Us: us(best.floorNs, 0.999),
    p50FloorRatio: us(best.workNs, 0.5) / us(best.floorNs, 0.5),
    p99FloorRatio: us(best.workNs, 0.99) / us(best.floorNs, 0.99),
    orderCount: best.workNs.length,
    noOrderCount: best.noOrderCount,
  };
  for (const [stage, p50Us] of Object.entries(best.stageP50Us)) {
    if (p50Us > 0) figures[`${stage}StageP50Us`] = p50Us;
  }
  results.forEach(({ workNs, floorNs }, i) => {
    figures[`run${i + 1}P50Us`] = us(workNs, 0.5);
    figures[`run${i + 1}FloorP50Us`] = us(floorNs, 0.5);
    figures[`run${i + 1}P99Us`] = us(workNs, 0.99);
    figures[`run${i + 1}FloorP99Us`] = us(floorNs, 0.99);
  });
  return figures;
}

function sorted(ns: readonly number[]): Float64Array {
  return Float64Array.from(ns).sort();
}

/** Nearest rank. */
function quantile(ns: Float64Array, q: number): number {
  return ns[Math.max(0, Math.ceil(q * ns.length) - 1)]!;
}
