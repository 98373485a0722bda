// What the gateway makes of every answer a broker can give, byte for byte dictated by the test.

import { afterEach, describe, expect, test } from "bun:test";
import { AlpacaGateway, type AlpacaGatewayOptions } from "../../../src/gateway/alpaca/alpaca-gateway.ts";
import {
  EXECUTION_ACCEPTED,
  EXECUTION_CANCEL_REJECTED,
  EXECUTION_FILL,
  EXECUTION_REJECTED,
  GATEWAY_BACK_PRESSURED,
  GATEWAY_OK,
} from "../../../src/gateway/gateway.ts";
import type { WireOrder } from "../../../src/gateway/order-state.ts";
import {
  ORDER_ROLE_EXIT,
  ORDER_ROLE_STOP,
  ORDER_ROLE_TARGET,
  ORDER_STATUS_ACCEPTED,
  ORDER_STATUS_CANCELED,
  ORDER_STATUS_FILLED,
  ORDER_STATUS_IN_FLIGHT,
  ORDER_STATUS_NONE,
  ORDER_STATUS_PENDING_CANCEL,
  ORDER_STATUS_REJECTED,
  ORDER_STATUS_WORKING,
  ORDER_TYPE_MARKET,
  SIDE_SELL,
} from "../../../src/market/orders.ts";
import {
  type GatewayParts,
  gatewayParts,
  openBracketEntry,
  TEST_DAY,
  type ToldExecution,
  takeExecutions,
} from "../../support/gateway-parts.ts";
import { type RawRequest, RawServer, RawStream } from "../../support/raw-broker.ts";

const CLIENT_ID = "gyr-20191218-m1-SPY-0";
const SECRET = "never-to-be-printed";

class World {
  readonly rest = new RawServer();
  readonly stream = new RawStream();
  readonly parts: GatewayParts = gatewayParts();
  readonly gateway: AlpacaGateway;
  readonly statuses: string[] = [];

  constructor(options: Partial<AlpacaGatewayOptions>) {
    this.gateway = new AlpacaGateway({
      ...this.parts,
      tradingUrl: `http://127.0.0.1:${this.rest.port}`,
      streamUrl: this.stream.url,
      keyId: "PK",
      secret: SECRET,
      transport: "socket",
      connections: 1,
      timeoutMs: 5_000,
      day: TEST_DAY,
      strategyTag: "m1",
      isDeferred: false,
      ...options,
    });
    this.gateway.onStatus = (_isUp, detail) => this.statuses.push(detail);
    worlds.push(this);
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Waits until the answer just given has had its effect. */
  answered(): Promise<void> {
    return this.until(() => this.gateway.requestsInFlight === 0);
  }

  /** Moves market time from timer to timer until a request goes out. */
  async nextQuestion(): Promise<RawRequest> {
    while (this.gateway.requestsInFlight === 0) {
      this.parts.advanceUs(this.parts.timers.nextUs() - this.parts.clock.nowUs());
    }
    return this.rest.next();
  }

  exit(qty = 10): number {
    const row = this.parts.orders.open(0, SIDE_SELL, ORDER_ROLE_EXIT, qty);
    this.parts.orders.type[row] = ORDER_TYPE_MARKET;
    return row;
  }

  /** A bracket entry that the broker has accepted, with its legs. */
  async accepted(): Promise<number> {
    const row = openBracketEntry(this.parts);
    this.gateway.submit(row);
    (await this.rest.next()).reply(200, bracket());
    await this.answered();
    takeExecutions(this.parts);
    return row;
  }

  status(row: number): number {
    return this.parts.orders.status[row]!;
  }

  told(): ToldExecution[] {
    return takeExecutions(this.parts);
  }
}

const worlds: World[] = [];
afterEach(async () => {
  for (const world of worlds.splice(0)) {
    await world.gateway.stop();
    world.rest.stop();
    await world.stream.stop();
  }
});

async function started(options: Partial<AlpacaGatewayOptions> = {}): Promise<World> {
  const world = new World(options);
  await world.gateway.start();
  return world;
}

let clock = 0;
/** An order as the broker writes it; each one later than the one before. */
function order(more: WireOrder = {}): WireOrder {
  const updated_at = `2019-12-18T14:31:${String(Math.floor(clock / 1000) % 60).padStart(2, "0")}.${String(clock++ % 1000).padStart(3, "0")}Z`;
  return {
    id: "entry",
    client_order_id: CLIENT_ID,
    symbol: "SPY",
    side: "buy",
    type: "market",
    order_class: "bracket",
    status: "pending_new",
    qty: "10",
    filled_qty: "0",
    filled_avg_price: null,
    updated_at,
    ...more,
  };
}

const target = (more: WireOrder = {}): WireOrder =>
  order({
    id: "target",
    client_order_id: "t",
    side: "sell",
    type: "limit",
    limit_price: "325",
    status: "held",
    ...more,
  });
const stop = (more: WireOrder = {}): WireOrder =>
  order({
    id: "stop",
    client_order_id: "s",
    side: "sell",
    type: "stop",
    stop_price: "317.55",
    status: "held",
    ...more,
  });
const bracket = (more: WireOrder = {}): WireOrder => order({ legs: [target(), stop()], ...more });
const refusal = (message: string, code = 42210000): object => ({ code, message });

describe("a definite answer", () => {
  test.each([
    [400, refusal("bad request")],
    [401, { message: "unauthorized." }],
    [403, { code: 40310000, message: "insufficient buying power", buying_power: "10", cost_basis: "100" }],
    [404, refusal("endpoint not found")],
    [422, refusal('asset "ZZZZ" not found')],
    [307, refusal("elsewhere")],
  ])("%p rejects the order in the broker's words, with nothing asked", async (status, body) => {
    const world = await started();
    const row = openBracketEntry(world.parts);
    world.gateway.submit(row);
    (await world.rest.next()).reply(status, body);
    await world.answered();
    expect(world.status(row)).toBe(ORDER_STATUS_REJECTED);
    expect(world.told()).toMatchObject([
      { kind: EXECUTION_REJECTED, row, reason: `${status}: ${(body as { message: string }).message}` },
    ]);
    expect(world.rest.waitingCount).toBe(0);
    expect(world.gateway.counters.ambiguous).toBe(0);
  });
});

describe("an unclear answer is followed by a question, never by a second POST", () => {
  test.each([
    ["500", (request: RawRequest) => request.reply(500, refusal("internal server error"))],
    ["503 with a page", (request: RawRequest) => request.reply(503, "<html>")],
    ["408", (request: RawRequest) => request.reply(408)],
    ["a page instead of an order", (request: RawRequest) => request.reply(200, "<html>")],
    ["an empty 200", (request: RawRequest) => request.reply(200)],
    ["a reset", (request: RawRequest) => request.reset()],
    [
      "a duplicate of our own id",
      (request: RawRequest) => request.reply(422, refusal("client_order_id must be unique", 40010001)),
    ],
  ])("%s", async (_what, answer) => {
    const world = await started();
    const row = openBracketEntry(world.parts);
    world.gateway.submit(row);
    const post = await world.rest.next();
    expect([post.method, post.path]).toEqual(["POST", "/v2/orders"]);
    answer(post);
    const question = await world.rest.next();
    expect([question.method, question.path]).toEqual([
      "GET",
      `/v2/orders:by_client_order_id?client_order_id=${CLIENT_ID}`,
    ]);
    expect(world.status(row)).toBe(ORDER_STATUS_IN_FLIGHT);
    question.reply(200, order({ status: "filled", filled_qty: "10", filled_avg_price: "320.05" }));
    // That answer has no legs: they are asked for by the broker's id.
    const legs = await world.rest.next();
    expect(legs.path).toBe("/v2/orders/entry?nested=true");
    legs.reply(200, bracket({ status: "filled", filled_qty: "10", filled_avg_price: "320.05" }));
    await world.answered();
    expect(world.status(row)).toBe(ORDER_STATUS_FILLED);
    expect(world.told()).toMatchObject([
      { kind: EXECUTION_ACCEPTED, row },
      { kind: EXECUTION_FILL, row, qty: 10, pxTicks: 3_200_500 },
      { kind: EXECUTION_ACCEPTED, row: row + 1 },
      { kind: EXECUTION_ACCEPTED, row: row + 2 },
    ]);
    expect(world.rest.waitingCount).toBe(0);
  });
});

test("an order the broker does not know is asked about for a minute before it is given up, and believed if it comes after all", async () => {
  // Deferred: no pings, which would find no time for their pongs.
  const world = await started({ isDeferred: true });
  const row = openBracketEntry(world.parts);
  world.gateway.submit(row);
  (await world.rest.next()).reset();
  let questions = 0;
  const beganUs = world.parts.clock.nowUs();
  while (world.status(row) === ORDER_STATUS_IN_FLIGHT) {
    (await world.nextQuestion()).reply(404, refusal("order not found", 40410000));
    questions += 1;
    await world.answered();
  }
  expect(questions).toBe(9);
  expect(world.parts.clock.nowUs() - beganUs).toBeGreaterThan(60_000_000);
  expect(world.told()).toMatchObject([{ kind: EXECUTION_REJECTED, row }]);
  world.stream.update({
    event: "fill",
    execution_id: "e",
    qty: "10",
    price: "320",
    order: bracket({ status: "filled", filled_qty: "10" }),
  });
  await world.until(() => world.gateway.streamFrames === 3);
  world.gateway.applyPending();
  expect(world.status(row)).toBe(ORDER_STATUS_FILLED);
  expect(world.gateway.orderState.counters.resurrected).toBe(1);
});

test("while questions fail the order stays in flight, however long", async () => {
  const world = await started({ isDeferred: true });
  const row = openBracketEntry(world.parts);
  world.gateway.submit(row);
  (await world.rest.next()).reset();
  for (let i = 0; i < 15; i++) {
    (await world.nextQuestion()).reply(500);
    await world.answered();
  }
  expect(world.status(row)).toBe(ORDER_STATUS_IN_FLIGHT);
  (await world.nextQuestion()).reply(200, bracket({ status: "new" }));
  await world.answered();
  expect(world.status(row)).toBe(ORDER_STATUS_WORKING);
});

describe("rate limit", () => {
  const limited = (request: RawRequest): void =>
    request.reply(429, refusal("rate limit exceeded", 42910000), "Retry-After: 2\r\n");

  test("an entry is rejected: its reason is a moment old", async () => {
    const world = await started();
    const row = openBracketEntry(world.parts);
    world.gateway.submit(row);
    limited(await world.rest.next());
    await world.answered();
    expect(world.told()).toMatchObject([{ kind: EXECUTION_REJECTED, reason: "429: rate limit exceeded" }]);
    expect(world.gateway.counters.rateLimited).toBe(1);
  });

  test("an exit goes out when the broker has room again", async () => {
    const world = await started();
    const row = world.exit();
    world.gateway.submit(row);
    limited(await world.rest.next());
    await world.answered();
    expect(world.status(row)).toBe(ORDER_STATUS_IN_FLIGHT);
    world.parts.advanceUs(1_999_000);
    expect(world.gateway.requestsInFlight).toBe(0);
    world.parts.advanceUs(1_000);
    const again = await world.rest.next();
    expect(JSON.parse(again.body)).toMatchObject({ client_order_id: CLIENT_ID, side: "sell" });
    again.reply(200, order({ side: "sell", order_class: "" }));
    await world.answered();
    expect(world.status(row)).toBe(ORDER_STATUS_ACCEPTED);
  });

  test("a cancel goes out when the broker has room again", async () => {
    const world = await started();
    const row = await world.accepted();
    world.gateway.cancel(row);
    limited(await world.rest.next());
    await world.answered();
    world.parts.advanceUs(2_000_000);
    const again = await world.rest.next();
    expect([again.method, again.path]).toEqual(["DELETE", "/v2/orders/entry"]);
    again.reply(204);
    await world.answered();
    expect(world.status(row)).toBe(ORDER_STATUS_PENDING_CANCEL);
  });
});

describe("cancel", () => {
  test("an unclear outcome is repeated, which harms nobody", async () => {
    const world = await started();
    const row = await world.accepted();
    world.gateway.cancel(row);
    (await world.rest.next()).reset();
    const again = await world.rest.next();
    expect(again.method).toBe("DELETE");
    again.reply(204);
    await world.answered();
    world.stream.update({ event: "canceled", order: order({ status: "canceled" }) });
    await world.until(() => world.status(row) === ORDER_STATUS_CANCELED);
  });

  test("a refusal puts the order back and asks what it is", async () => {
    const world = await started();
    const row = await world.accepted();
    world.gateway.cancel(row);
    (await world.rest.next()).reply(422, refusal('order is already in "filled" state'));
    const question = await world.rest.next();
    expect(question.path).toBe("/v2/orders/entry?nested=true");
    expect(world.status(row)).toBe(ORDER_STATUS_ACCEPTED);
    question.reply(200, bracket({ status: "filled", filled_qty: "10", filled_avg_price: "320" }));
    await world.answered();
    expect(world.status(row)).toBe(ORDER_STATUS_FILLED);
    expect(world.told().map(({ kind }) => kind)).toEqual([EXECUTION_CANCEL_REJECTED, EXECUTION_FILL]);
  });

  test("one whose end is never told is asked about", async () => {
    const world = await started();
    const row = await world.accepted();
    world.gateway.cancel(row);
    (await world.rest.next()).reply(204);
    await world.answered();
    world.parts.advanceUs(5_000_000);
    (await world.rest.next()).reply(200, bracket({ status: "canceled" }));
    await world.answered();
    expect(world.status(row)).toBe(ORDER_STATUS_CANCELED);
  });

  test("the second leg of a bracket is left to the broker while the first is being canceled", async () => {
    const world = await started();
    const row = await world.accepted();
    expect(world.gateway.cancelLegs(row)).toBe(2);
    (await world.rest.next()).reply(204);
    await world.answered();
    expect(world.rest.waitingCount).toBe(0);
  });
});

describe("stream", () => {
  test("events before the answer, of the entry and of legs not yet known, all count once", async () => {
    const world = await started();
    const row = openBracketEntry(world.parts);
    world.gateway.submit(row);
    const post = await world.rest.next();
    const filled = { status: "filled", filled_qty: "10", filled_avg_price: "320" };
    const legFilled = target({ status: "filled", filled_qty: "10", filled_avg_price: "325" });
    world.stream.update({ event: "new", order: order({ status: "new" }) });
    world.stream.update({ event: "fill", execution_id: "e1", qty: "10", price: "320", order: order(filled) });
    world.stream.update({ event: "new", order: target({ status: "new" }) });
    world.stream.update({ event: "fill", execution_id: "e2", qty: "10", price: "325", order: legFilled });
    world.stream.update({ event: "canceled", order: stop({ status: "canceled" }) });
    await world.until(() => world.gateway.streamFrames === 7);
    post.reply(200, bracket({ status: "pending_new" }));
    await world.answered();
    const { orders } = world.parts;
    const legs = [row + 1, row + 2];
    expect(legs.map((leg) => orders.role[leg])).toEqual([ORDER_ROLE_TARGET, ORDER_ROLE_STOP]);
    expect([row, ...legs].map((each) => orders.status[each])).toEqual([
      ORDER_STATUS_FILLED,
      ORDER_STATUS_FILLED,
      ORDER_STATUS_CANCELED,
    ]);
    const fills = world.told().filter(({ kind }) => kind === EXECUTION_FILL);
    expect(fills).toMatchObject([
      { row, qty: 10, pxTicks: 3_200_000 },
      { row: row + 1, qty: 10, pxTicks: 3_250_000 },
    ]);
    expect(world.gateway.counters.foreignOrders).toBe(0);
  });

  test("a leg that the broker replaces keeps its role", async () => {
    const world = await started();
    const row = await world.accepted();
    world.stream.update({ event: "replaced", order: stop({ status: "replaced", replaced_by: "stop-2" }) });
    world.stream.update({ event: "new", order: stop({ id: "stop-2", status: "new", qty: "6", replaces: "stop" }) });
    await world.until(() => world.parts.orders.count === 4);
    const { orders } = world.parts;
    expect([orders.role[3], orders.parentRow[3], orders.qty[3], orders.status[3]]).toEqual([
      ORDER_ROLE_STOP,
      row,
      6,
      ORDER_STATUS_WORKING,
    ]);
  });

  test("orders that are not ours are counted and change nothing", async () => {
    const world = await started();
    await world.accepted();
    world.stream.update({
      event: "fill",
      execution_id: "x",
      qty: "5",
      price: "1",
      order: order({ id: "o", client_order_id: "theirs", order_class: "" }),
    });
    world.stream.update({
      event: "new",
      order: order({ id: "p", client_order_id: "gyr-20191217-m1-SPY-0", order_class: "simple" }),
    });
    world.stream.update({ event: "new" });
    await world.until(() => world.gateway.streamFrames === 5);
    expect(world.gateway.counters.foreignOrders).toBe(3);
    expect(world.parts.orders.count).toBe(3);
    expect(world.told()).toEqual([]);
  });

  test("while it is down entries wait and exits go, until the day's orders were fetched", async () => {
    const world = await started();
    const row = await world.accepted();
    world.stream.drop();
    await world.until(() => world.statuses.length === 1);
    expect(world.statuses[0]).toContain("order stream lost");
    const list = await world.rest.next();
    expect(list.path).toBe("/v2/orders?status=all&limit=500&direction=asc&nested=true&after=2019-12-18T00%3A00%3A00Z");
    const entry = openBracketEntry(world.parts, 1);
    expect(world.gateway.submit(entry)).toBe(GATEWAY_BACK_PRESSURED);
    expect(world.status(entry)).toBe(ORDER_STATUS_NONE);
    const exit = world.exit();
    expect(world.gateway.submit(exit)).toBe(GATEWAY_OK);
    list.reply(200, [
      bracket({ status: "filled", filled_qty: "10", filled_avg_price: "320" }),
      order({ id: "x", client_order_id: "theirs" }),
    ]);
    (await world.rest.next()).reply(
      200,
      order({ id: "exit", client_order_id: "gyr-20191218-m1-SPY-1", order_class: "" }),
    );
    await world.answered();
    expect(world.status(row)).toBe(ORDER_STATUS_FILLED);
    expect(world.gateway.isUp).toBe(true);
    expect(world.gateway.submit(entry)).toBe(GATEWAY_OK);
    expect(world.gateway.counters.foreignOrders).toBe(1);
  });

  test("a list that fails is asked for again; a full page is followed by the next", async () => {
    const world = await started();
    const row = await world.accepted();
    world.stream.drop();
    (await world.rest.next()).reply(500);
    await world.answered();
    world.parts.advanceUs(1_000_000);
    const first = await world.rest.next();
    const theirs = Array.from({ length: 500 }, (_, i) => ({
      id: `x${i}`,
      client_order_id: `x${i}`,
      submitted_at: `2019-12-18T15:00:00.${String(i).padStart(3, "0")}Z`,
    }));
    first.reply(200, theirs);
    const second = await world.rest.next();
    expect(second.path).toContain("after=2019-12-18T15%3A00%3A00.499Z");
    expect(world.gateway.isUp).toBe(false);
    second.reply(200, [bracket({ status: "canceled" })]);
    await world.answered();
    expect(world.status(row)).toBe(ORDER_STATUS_CANCELED);
    expect(world.gateway.isUp).toBe(true);
  });
});

test("over the SDK the order on the wire is the same, key by key", async () => {
  const bodies: unknown[] = [];
  for (const transport of ["socket", "sdk"] as const) {
    const world = await started({ transport });
    for (const row of [openBracketEntry(world.parts), world.exit(3)]) {
      world.gateway.submit(row);
      const post = await world.rest.next();
      bodies.push(post.body);
      expect(post.head).toMatch(/apca-api-key-id: PK/i);
      post.reply(422, refusal("no"));
      await world.answered();
    }
  }
  expect(bodies.slice(0, 2).map((body) => JSON.parse(String(body)))).toEqual(
    bodies.slice(2).map((body) => JSON.parse(String(body))),
  );
  const keys = (body: unknown): string[] => [...String(body).matchAll(/"(\w+)":/g)].map(([, key]) => key!);
  expect(keys(bodies[0])).toEqual(
    keys(bodies[0])
      .toSorted()
      .filter((key) => key !== "limit_price" && key !== "stop_price")
      .flatMap((key) =>
        key === "stop_loss" ? [key, "stop_price"] : key === "take_profit" ? [key, "limit_price"] : [key],
      ),
  );
});

describe("addresses and keys", () => {
  test.each(["http://api.alpaca.markets", "ftp://127.0.0.1", "nonsense", ""])(
    "'%s' is refused before a key is sent",
    (tradingUrl) => {
      expect(() => new World({ tradingUrl })).toThrow("https://");
    },
  );

  test("a symbol that cannot stand in an order id is refused at the start", async () => {
    const world = new World({});
    world.parts.instruments.add("BF/B");
    await expect(world.gateway.start()).rejects.toThrow("'BF/B'");
  });

  test("no error carries the secret", async () => {
    const world = new World({ keyId: "refused" });
    const error = await world.gateway.start().catch((caught: Error) => caught);
    const other = new World({});
    const asked = other.gateway.account().catch((caught: Error) => caught);
    (await other.rest.next()).reply(401, { message: "unauthorized." });
    expect(String(await asked)).toContain("answered 401");
    expect(Bun.inspect(error)).not.toContain(SECRET);
    expect(Bun.inspect(await asked)).not.toContain(SECRET);
  });
});
