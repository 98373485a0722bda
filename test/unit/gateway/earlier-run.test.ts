import { describe, expect, test } from "bun:test";
import { type DayOrder, earlierRunOf } from "../../../src/gateway/earlier-run.ts";
import type { BrokerOrder, BrokerPosition } from "../../../src/gateway/gateway.ts";

const PREFIX = "gyr-20191218-m1-";

function order(over: Partial<DayOrder> = {}): DayOrder {
  const usual: DayOrder = {
    id: "a",
    clientOrderId: `${PREFIX}SPY-0`,
    symbol: "SPY",
    side: "buy",
    status: "filled",
    qty: 4,
    filledQty: 4,
    legs: [],
  };
  return { ...usual, ...over };
}

const leg = (id: string, status: string, filledQty = 0): BrokerOrder => ({
  id,
  clientOrderId: "made-by-the-broker",
  symbol: "SPY",
  side: "sell",
  status,
  qty: 4,
  filledQty,
});

const held = (qty: number, symbol = "SPY"): BrokerPosition => ({ symbol, qty, averageEntryPxTicks: 3_200_000 });

describe("what an earlier run of the day left", () => {
  test("nothing, where it bought and sold the same", () => {
    const orders = [order({ legs: [leg("b", "filled", 4), leg("c", "canceled")] })];
    expect(earlierRunOf(orders, [], PREFIX)).toEqual({ nextIntents: new Map([["SPY", 1]]), problems: [] });
  });

  test("numbers go on after the highest of each symbol, whatever became of the order", () => {
    const orders = [
      order({ clientOrderId: `${PREFIX}SPY-9`, status: "rejected", filledQty: 0 }),
      order({ clientOrderId: `${PREFIX}SPY-10`, status: "canceled", filledQty: 0 }),
      order({ clientOrderId: `${PREFIX}BRK.B-2`, symbol: "BRK.B", status: "expired", filledQty: 0 }),
    ];
    expect(earlierRunOf(orders, [], PREFIX).nextIntents).toEqual(
      new Map([
        ["SPY", 11],
        ["BRK.B", 3],
      ]),
    );
  });

  test("an open entry, and open legs of a filled one", () => {
    expect(earlierRunOf([order({ status: "new", filledQty: 0 })], [], PREFIX).problems).toEqual([
      `SPY: order ${PREFIX}SPY-0 of an earlier run of gyr is open at the broker (new)`,
    ]);
    const bracket = order({ legs: [leg("b", "new"), leg("c", "held")] });
    expect(earlierRunOf([bracket], [held(4)], PREFIX).problems).toEqual([
      `SPY: a sell of the bracket of ${PREFIX}SPY-0 of an earlier run of gyr is open at the broker (new)`,
      `SPY: a sell of the bracket of ${PREFIX}SPY-0 of an earlier run of gyr is open at the broker (held)`,
      "SPY: an earlier run of gyr bought or sold 4 of the 4 shares held",
    ]);
  });

  test("shares without any order, unless they were closed by hand", () => {
    expect(earlierRunOf([order()], [held(10)], PREFIX).problems).toEqual([
      "SPY: an earlier run of gyr bought or sold 4 of the 10 shares held",
    ]);
    expect(earlierRunOf([order()], [held(3, "QQQ")], PREFIX).problems).toEqual([]);
  });

  test("orders of other days, strategies and programs are not ours", () => {
    const others = ["gyr-20191217-m1-SPY-7", "gyr-20191218-m10-SPY-7", "mine", ""];
    const orders = others.map((clientOrderId) => order({ clientOrderId, status: "new" }));
    expect(earlierRunOf(orders, [held(16)], PREFIX)).toEqual({ nextIntents: new Map(), problems: [] });
  });
});
