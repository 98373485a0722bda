import { expect, test } from "bun:test";
import fc from "fast-check";
import { formatTicks } from "../../../src/core/fixed-point.ts";
import { OrderBytes, putInteger, putTicks, REQUEST_BYTES_MAX } from "../../../src/gateway/alpaca/order-bytes.ts";
import {
  ORDER_ROLE_EXIT,
  ORDER_TYPE_LIMIT,
  ORDER_TYPE_MARKET,
  ORDER_TYPE_STOP,
  ORDER_TYPE_STOP_LIMIT,
  SIDE_BUY,
  SIDE_SELL,
} from "../../../src/market/orders.ts";
import { type GatewayParts, gatewayParts, openBracketEntry } from "../../support/gateway-parts.ts";

const URL_OF_TEST = new URL("http://127.0.0.1:9001");

function encoder(parts: GatewayParts, url = URL_OF_TEST): OrderBytes {
  return new OrderBytes(url, "PK", "SK", "gyr-20191218-m1-", parts.orders, parts.instruments);
}

function submitText(parts: GatewayParts, row: number): string {
  const into = new Uint8Array(REQUEST_BYTES_MAX);
  return new TextDecoder().decode(into.subarray(0, encoder(parts).encodeSubmit(into, row)));
}

test("a bracket entry on the wire", () => {
  const parts = gatewayParts();
  const row = openBracketEntry(parts);
  const body =
    '{"client_order_id":"gyr-20191218-m1-SPY-0","order_class":"bracket","qty":"10","side":"buy",' +
    '"stop_loss":{"stop_price":"317.55"},"symbol":"SPY","take_profit":{"limit_price":"325"},' +
    '"time_in_force":"day","type":"market"}';
  expect(submitText(parts, row)).toBe(
    "POST /v2/orders HTTP/1.1\r\nHost: 127.0.0.1:9001\r\nUser-Agent: gyr\r\nAccept: application/json\r\n" +
      "APCA-API-KEY-ID: PK\r\nAPCA-API-SECRET-KEY: SK\r\nContent-Type: application/json\r\n" +
      `Content-Length: ${body.length}\r\n\r\n${body}`,
  );
});

test("a market exit, a limit, a stop and a stop-limit order on the wire", () => {
  const parts = gatewayParts();
  const { orders } = parts;
  const body = (type: number, limitPxTicks: number, stopPxTicks: number): unknown => {
    const row = orders.open(1, SIDE_SELL, ORDER_ROLE_EXIT, 1_234);
    orders.type[row] = type;
    orders.limitPxTicks[row] = limitPxTicks;
    orders.stopPxTicks[row] = stopPxTicks;
    return submitText(parts, row).split("\r\n\r\n")[1];
  };
  const id = (n: number) => `{"client_order_id":"gyr-20191218-m1-QQQ-${n}"`;
  const rest = '"symbol":"QQQ","time_in_force":"day"';
  expect(body(ORDER_TYPE_MARKET, 0, 0)).toBe(`${id(0)},"qty":"1234","side":"sell",${rest},"type":"market"}`);
  expect(body(ORDER_TYPE_LIMIT, 12_345, 0)).toBe(
    `${id(1)},"limit_price":"1.2345","qty":"1234","side":"sell",${rest},"type":"limit"}`,
  );
  expect(body(ORDER_TYPE_STOP, 0, 9_990_100)).toBe(
    `${id(2)},"qty":"1234","side":"sell","stop_price":"999.01",${rest},"type":"stop"}`,
  );
  expect(body(ORDER_TYPE_STOP_LIMIT, 9_990_000, 9_990_100)).toBe(
    `${id(3)},"limit_price":"999","qty":"1234","side":"sell","stop_price":"999.01",${rest},"type":"stop_limit"}`,
  );
});

test("cancels and questions on the wire, behind a proxy with a path of its own", () => {
  const parts = gatewayParts();
  const bytes = encoder(parts, new URL("https://proxy.test/alpaca/"));
  const into = new Uint8Array(REQUEST_BYTES_MAX);
  const text = (length: number): string => new TextDecoder().decode(into.subarray(0, length));
  const head =
    " HTTP/1.1\r\nHost: proxy.test\r\nUser-Agent: gyr\r\nAccept: application/json\r\n" +
    "APCA-API-KEY-ID: PK\r\nAPCA-API-SECRET-KEY: SK\r\n\r\n";
  expect(text(bytes.encodeCancel(into, "61e6-90"))).toBe(`DELETE /alpaca/v2/orders/61e6-90${head}`);
  expect(text(bytes.encodeGet(into, "/v2/orders/1?nested=true"))).toBe(`GET /alpaca/v2/orders/1?nested=true${head}`);
});

test("for any order the length is right and the body says what the table says", () => {
  const ticks = fc.integer({ min: 1, max: 10_000_000 });
  const order = fc.record({
    slot: fc.nat({ max: 2 }),
    side: fc.constantFrom(SIDE_BUY, SIDE_SELL),
    qty: fc.integer({ min: 1, max: 1_000_000 }),
    type: fc.constantFrom(ORDER_TYPE_MARKET, ORDER_TYPE_LIMIT),
    limit: ticks,
    bracket: fc.option(fc.record({ target: ticks, stop: ticks })),
  });
  const parts = gatewayParts(["A", "BRK.B", "ABCDEFGHIJKLMNOP"]);
  const { orders, instruments } = parts;
  fc.assert(
    fc.property(order, ({ slot, side, qty, type, limit, bracket }) => {
      const row = orders.open(slot, side, ORDER_ROLE_EXIT, qty);
      orders.type[row] = type;
      orders.limitPxTicks[row] = limit;
      orders.bracketTargetPxTicks[row] = bracket?.target ?? 0;
      orders.bracketStopPxTicks[row] = bracket?.stop ?? 0;
      const [head, body] = submitText(parts, row).split("\r\n\r\n") as [string, string];
      expect(Number(/Content-Length: (\d+)$/.exec(head)![1])).toBe(body.length);
      expect(JSON.parse(body)).toEqual({
        client_order_id: `gyr-20191218-m1-${instruments.symbols[slot]}-${orders.intentNumber[row]}`,
        qty: String(qty),
        side: side === SIDE_BUY ? "buy" : "sell",
        symbol: instruments.symbols[slot],
        time_in_force: "day",
        type: type === ORDER_TYPE_MARKET ? "market" : "limit",
        ...(type === ORDER_TYPE_LIMIT ? { limit_price: formatTicks(limit) } : {}),
        ...(bracket === null
          ? {}
          : {
              order_class: "bracket",
              stop_loss: { stop_price: formatTicks(bracket.stop) },
              take_profit: { limit_price: formatTicks(bracket.target) },
            }),
      });
    }),
  );
});

test("whole numbers and prices are written as text would be", () => {
  const into = new Uint8Array(64);
  const written = (end: number): string => new TextDecoder().decode(into.subarray(3, end));
  fc.assert(
    fc.property(fc.maxSafeNat(), (value) => {
      expect(written(putInteger(into, 3, value))).toBe(String(value));
    }),
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e12 }), (ticks) => {
      expect(written(putTicks(into, 3, ticks))).toBe(formatTicks(ticks));
    }),
  );
});

test("a fraction of a share or of a tick is a bug, not an order", () => {
  const into = new Uint8Array(64);
  expect(() => putInteger(into, 0, 1.5)).toThrow("Invariant");
  expect(() => putInteger(into, 0, -1)).toThrow("Invariant");
  expect(() => putTicks(into, 0, Number.NaN)).toThrow("Invariant");
});
