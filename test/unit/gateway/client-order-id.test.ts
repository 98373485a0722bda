import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  CLIENT_ORDER_ID_CHARS_MAX,
  clientOrderIdPrefix,
  formatClientOrderId,
  isOrderableSymbol,
  parseClientOrderId,
} from "../../../src/gateway/client-order-id.ts";
import { OrderIndex } from "../../../src/gateway/order-index.ts";
import { ORDER_CAPACITY } from "../../../src/market/orders.ts";
import { gatewayParts } from "../../support/gateway-parts.ts";

test("an id names day, strategy, symbol and intent", () => {
  const id = formatClientOrderId(clientOrderIdPrefix("2019-12-18", "m1"), "BRK.B", 12);
  expect(id).toBe("gyr-20191218-m1-BRK.B-12");
  expect(parseClientOrderId(id)).toEqual({ day: "2019-12-18", tag: "m1", symbol: "BRK.B", intentNumber: 12 });
});

test("any id parses back to what it was made of, within the broker's length", () => {
  const day = fc
    .date({ min: new Date("2000-01-01"), max: new Date("2099-12-31"), noInvalidDate: true })
    .map((date) => date.toISOString().slice(0, 10));
  const tag = fc.stringMatching(/^[a-z0-9]{1,16}$/);
  const symbol = fc.stringMatching(/^[A-Za-z0-9.]{1,16}$/);
  fc.assert(
    fc.property(day, tag, symbol, fc.nat({ max: 16_383 }), (d, t, s, intentNumber) => {
      const id = formatClientOrderId(clientOrderIdPrefix(d, t), s, intentNumber);
      expect(parseClientOrderId(id)).toEqual({ day: d, tag: t, symbol: s, intentNumber });
      expect(id.length).toBeLessThanOrEqual(CLIENT_ORDER_ID_CHARS_MAX);
    }),
  );
});

test.each([
  "",
  "gyr",
  "gyr-2019-m1-SPY-0",
  "gyr-20191218-m1-SPY",
  "gyr-20191218-M1-SPY-0",
  "x-gyr-20191218-m1-SPY-0",
  "9f1c",
])("'%s' is not an id of gyr's", (id) => {
  expect(parseClientOrderId(id)).toBeNull();
});

test.each(["2019-1-1", "20191218", ""])("the day '%s' is refused", (day) => {
  expect(() => clientOrderIdPrefix(day, "m1")).toThrow("YYYY-MM-DD");
});

test.each(["", "M1", "a-b", "a".repeat(17)])("the strategy tag '%s' is refused", (tag) => {
  expect(() => clientOrderIdPrefix("2019-12-18", tag)).toThrow("strategy tag");
});

test("symbols that would break an id are told apart", () => {
  expect(["SPY", "BRK.B", "BACpB"].every(isOrderableSymbol)).toBe(true);
  expect(["", "BF/B", "A-B", 'X"', "A B", "ABCDEFGHIJKLMNOPQ"].some(isOrderableSymbol)).toBe(false);
});

test("rows are found by intent and by the broker's id as in a plain map", () => {
  const prefix = clientOrderIdPrefix("2019-12-18", "m1");
  const intent = fc.record({ slot: fc.nat({ max: 2 }), number: fc.nat({ max: ORDER_CAPACITY - 1 }) });
  fc.assert(
    fc.property(fc.array(intent, { maxLength: 300 }), (intents) => {
      const { arena, instruments } = gatewayParts();
      const index = new OrderIndex(arena, instruments, prefix);
      const model = new Map<string, number>();
      for (const [row, { slot, number }] of intents.entries()) {
        index.put(slot, number, row);
        index.putBrokerId(`broker-${row}`, row);
        model.set(formatClientOrderId(prefix, instruments.symbols[slot]!, number), row);
      }
      for (const [id, row] of model) expect(index.rowOfClientOrderId(id)).toBe(row);
      for (const row of intents.keys()) expect(index.rowOfBrokerId(`broker-${row}`)).toBe(row);
      for (const { slot, number } of intents) {
        const other = formatClientOrderId(prefix, instruments.symbols[slot]!, (number + 7) % ORDER_CAPACITY);
        expect(index.rowOfClientOrderId(other)).toBe(model.get(other) ?? -1);
      }
    }),
    { numRuns: 50 },
  );
});

test.each([
  "gyr-20191217-m1-SPY-0",
  "gyr-20191218-m2-SPY-0",
  "gyr-20191218-m1-NOPE-0",
  "gyr-20191218-m1-SPY-x",
  "theirs",
  "",
])("'%s' is no row of this run", (id) => {
  const { arena, instruments } = gatewayParts();
  const index = new OrderIndex(arena, instruments, clientOrderIdPrefix("2019-12-18", "m1"));
  index.put(0, 0, 5);
  expect(index.rowOfClientOrderId("gyr-20191218-m1-SPY-0")).toBe(5);
  expect(index.rowOfClientOrderId(id)).toBe(-1);
});
