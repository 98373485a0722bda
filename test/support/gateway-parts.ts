// What a gateway works on, made small for tests: an arena's worth of tables and a market time that the test moves.

import { Arena } from "../../src/core/arena.ts";
import { ManualClock } from "../../src/core/clock.ts";
import { Prng } from "../../src/core/prng.ts";
import { Timers } from "../../src/core/timers.ts";
import { ExecutionRing } from "../../src/gateway/gateway.ts";
import { Instruments } from "../../src/market/instruments.ts";
import { ORDER_ROLE_ENTRY, ORDER_TYPE_MARKET, OrderTable, SIDE_BUY } from "../../src/market/orders.ts";

export const TEST_DAY = "2019-12-18";
/** 2019-12-18 09:30 New York time. */
export const TEST_OPEN_US = Date.parse("2019-12-18T14:30:00Z") * 1000;

export interface GatewayParts {
  readonly arena: Arena;
  readonly instruments: Instruments;
  readonly orders: OrderTable;
  readonly executions: ExecutionRing;
  readonly clock: ManualClock;
  readonly timers: Timers;
  readonly prng: Prng;
  /** Moves market time and runs what is due. */
  readonly advanceUs: (us: number) => void;
}

export function gatewayParts(symbols: readonly string[] = ["SPY", "QQQ", "IWM"]): GatewayParts {
  const arena = new Arena();
  const instruments = new Instruments(arena);
  for (const symbol of symbols) instruments.add(symbol);
  const clock = new ManualClock(TEST_OPEN_US);
  const timers = new Timers();
  return {
    arena,
    instruments,
    orders: new OrderTable(arena),
    executions: new ExecutionRing(arena),
    clock,
    timers,
    prng: new Prng(1),
    advanceUs: (us) => {
      const endUs = clock.nowUs() + us;
      while (timers.nextUs() <= endUs) {
        clock.advanceTo(timers.nextUs());
        timers.runDue(clock.nowUs());
      }
      clock.advanceTo(endUs);
    },
  };
}

/** A market entry of ten shares with a bracket around 320 USD. */
export function openBracketEntry({ orders }: GatewayParts, slot = 0, qty = 10): number {
  const row = orders.open(slot, SIDE_BUY, ORDER_ROLE_ENTRY, qty);
  orders.type[row] = ORDER_TYPE_MARKET;
  orders.bracketTargetPxTicks[row] = 3_250_000;
  orders.bracketStopPxTicks[row] = 3_175_500;
  return row;
}

export interface ToldExecution {
  readonly kind: number;
  readonly row: number;
  readonly qty: number;
  readonly pxTicks: number;
  readonly reason: string;
}

/** Empties the ring. */
export function takeExecutions({ executions }: GatewayParts): ToldExecution[] {
  const taken: ToldExecution[] = [];
  for (; executions.tail < executions.head; executions.tail++) {
    const index = executions.tail & executions.mask;
    taken.push({
      kind: executions.kind[index]!,
      row: executions.row[index]!,
      qty: executions.qty[index]!,
      pxTicks: executions.pxTicks[index]!,
      reason: executions.reason[index]!,
    });
  }
  return taken;
}
