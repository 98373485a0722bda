// The simulated broker as bytes: what the SDK hides. Headers, codes, filters, hostile input, frames, replay, latency.

import { afterEach, describe, expect, test } from "bun:test";
import { decode, encode } from "@msgpack/msgpack";
import { AlpacaServer } from "../../src/sim/broker/alpaca-server.ts";
import { ANSWER_LATENCY_MS, BrokerServerWorld, KEY_ID, SECRET } from "../support/sim-broker-server.ts";
import { DAY, LATENCY_MS, MINUTE_US } from "../support/sim-broker-world.ts";

let world: BrokerServerWorld;
const openSockets: WebSocket[] = [];

function start(options: ConstructorParameters<typeof BrokerServerWorld>[0] = {}, startUs?: number): void {
  world = new BrokerServerWorld(options, startUs);
}

afterEach(async () => {
  for (const socket of openSockets.splice(0)) socket.close();
  expect(world.internalErrors).toEqual([]);
  await world.stop();
});

/** A raw client of the order stream: frames come as they are, one at a time. */
class RawStream {
  readonly socket: WebSocket;
  readonly frames: Uint8Array[] = [];
  #waiting: (() => void) | null = null;

  constructor(headers: Record<string, string> = {}) {
    this.socket = new WebSocket(world.streamUrl, { headers } as unknown as string[]);
    openSockets.push(this.socket);
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = ({ data }) => {
      if (typeof data === "string") throw new Error("the vendor sends binary frames");
      this.frames.push(new Uint8Array(data));
      this.#waiting?.();
    };
  }

  async open(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.socket.onopen = () => resolve();
    await promise;
  }

  async nextBytes(): Promise<Uint8Array> {
    while (this.frames.length === 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting = resolve;
      await promise;
    }
    return this.frames.shift()!;
  }

  // biome-ignore lint/suspicious/noExplicitAny: frames are looked into field by field
  async next(): Promise<any> {
    return JSON.parse(new TextDecoder().decode(await this.nextBytes()));
  }

  // biome-ignore lint/suspicious/noExplicitAny: frames are looked into field by field
  async ask(message: object | string): Promise<any> {
    this.socket.send(typeof message === "string" ? message : JSON.stringify(message));
    return await this.next();
  }

  async listen(): Promise<void> {
    await this.open();
    await this.ask({ action: "authenticate", data: { key_id: KEY_ID, secret_key: SECRET } });
    await this.ask({ action: "listen", data: { streams: ["trade_updates"] } });
  }
}

describe("REST", () => {
  test("wants both keys and answers 401 without a code", async () => {
    start();
    for (const headers of [{ "APCA-API-KEY-ID": "other" }, { "APCA-API-SECRET-KEY": "" }]) {
      const reply = await world.ask("GET", "/v2/account", undefined, headers);
      expect([reply.status, reply.body]).toEqual([401, { message: "unauthorized." }]);
    }
  });

  test("sends request id and rate limit headers, on market time", async () => {
    start();
    const first = await world.ask("GET", "/v2/clock");
    const second = await world.ask("GET", "/v2/clock");
    expect(first.headers.get("x-request-id")).toMatch(/^[0-9a-f]{32}$/);
    expect(second.headers.get("x-request-id")).not.toBe(first.headers.get("x-request-id"));
    expect(second.headers.get("x-ratelimit-limit")).toBe("200");
    expect(second.headers.get("x-ratelimit-remaining")).toBe("198");
    expect(second.headers.get("x-ratelimit-reset")).toBe(String(world.timeline.nowUs / 1_000_000));
  });

  test("allows so many requests a minute of market time, every method alike", async () => {
    start({ requestsPerMinute: 3 });
    const statuses = async (): Promise<number> => (await world.ask("DELETE", "/v2/orders")).status;
    expect([await statuses(), await statuses(), await statuses(), await statuses()]).toEqual([207, 207, 207, 429]);
    const refused = await world.ask("GET", "/v2/account");
    expect(refused.body).toEqual({ code: 42910000, message: "rate limit exceeded" });
    const resetUs = Number(refused.headers.get("x-ratelimit-reset")) * 1_000_000;
    world.pass((resetUs - world.timeline.nowUs) / 1_000);
    expect([await statuses(), await statuses()]).toEqual([207, 429]);
  });

  test("answers a cancel with 204 and an empty body", async () => {
    start();
    const { id } = await world.order({ type: "limit", limit_price: "90" });
    world.settle();
    const reply = await world.ask("DELETE", `/v2/orders/${id}`);
    expect([reply.status, reply.text]).toEqual([204, ""]);
    const again = await world.ask("DELETE", `/v2/orders/${id}`);
    expect([again.status, again.body.message]).toEqual([422, 'order is already in "pending_cancel" state']);
  });

  test("cancels everything with 207 and one entry for each order", async () => {
    start();
    const plain = await world.order({ type: "limit", limit_price: "90" });
    const bracket = await world.order({
      symbol: "QQQ",
      type: "limit",
      limit_price: "190",
      order_class: "bracket",
      take_profit: { limit_price: "210" },
      stop_loss: { stop_price: "180" },
    });
    world.settle();
    const gone = await world.order({ type: "limit", limit_price: "89" });
    await world.ask("DELETE", `/v2/orders/${gone.id}`);
    const reply = await world.ask("DELETE", "/v2/orders");
    expect(reply.status).toBe(207);
    const statusById = Object.fromEntries(
      reply.body.map((entry: { id: string; status: number }) => [entry.id, entry.status]),
    );
    const ids = [plain.id, bracket.id, bracket.legs[0].id, bracket.legs[1].id];
    expect(statusById).toEqual({ ...Object.fromEntries(ids.map((id: string) => [id, 200])), [gone.id]: 422 });
    world.settle();
    expect((await world.ask("GET", "/v2/orders")).body).toEqual([]);
  });

  test("lists orders by every filter", async () => {
    start();
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) {
      const symbol = i % 2 === 0 ? "SPY" : "QQQ";
      ids.push((await world.order({ symbol, type: "limit", limit_price: "50", qty: String(i + 1) })).id);
      world.pass(1_000);
    }
    await world.ask("DELETE", `/v2/orders/${ids[2]}`);
    world.settle();
    const list = async (query: string): Promise<number[]> => {
      const reply = await world.ask("GET", `/v2/orders?${query}`);
      return reply.body.map((order: { id: string }) => ids.indexOf(order.id));
    };
    expect(await list("")).toEqual([4, 3, 1, 0]);
    expect(await list("status=closed")).toEqual([2]);
    expect(await list("status=all&direction=asc")).toEqual([0, 1, 2, 3, 4]);
    expect(await list("status=all&limit=2")).toEqual([4, 3]);
    expect(await list("status=all&symbols=QQQ,IWM")).toEqual([3, 1]);
    expect(await list("status=all&side=sell")).toEqual([]);
    expect(await list("status=all&asset_class=crypto")).toEqual([]);
    expect(await list("status=all&after=2019-12-18T15:30:02Z")).toEqual([4, 3]);
    expect(await list("status=all&until=2019-12-18T10:30:01-05:00")).toEqual([1, 0]);
    expect(await list(`status=all&after_order_id=${ids[1]}&before_order_id=${ids[4]}`)).toEqual([3, 2]);
  });

  test("rolls legs up when asked to, and lists them as orders when not", async () => {
    start();
    const bracket = await world.order({
      client_order_id: "b",
      order_class: "bracket",
      take_profit: { limit_price: "110" },
      stop_loss: { stop_price: "90" },
    });
    expect(bracket.legs.map((leg: { status: string }) => leg.status)).toEqual(["held", "held"]);
    world.settle();
    const flat = await world.ask("GET", "/v2/orders?status=all");
    expect(flat.body.map((order: { legs: unknown }) => order.legs)).toEqual([null, null, null]);
    const nested = await world.ask("GET", "/v2/orders?status=open&nested=true");
    expect(nested.body).toHaveLength(1);
    expect(nested.body[0].legs).toHaveLength(2);
    expect((await world.ask("GET", `/v2/orders/${bracket.id}`)).body.legs).toBeNull();
    expect((await world.ask("GET", `/v2/orders/${bracket.id}?nested=true`)).body.legs).toHaveLength(2);
    const byClientId = await world.ask("GET", "/v2/orders:by_client_order_id?client_order_id=b");
    expect(byClientId.body.id).toBe(bracket.id);
  });

  test("writes an order as the vendor does", async () => {
    start();
    const order = await world.order({ client_order_id: 'a "quoted" id', qty: "7", type: "limit", limit_price: "99.5" });
    expect(order).toEqual({
      id: order.id,
      client_order_id: 'a "quoted" id',
      created_at: "2019-12-18T15:30:00.000000000Z",
      updated_at: "2019-12-18T15:30:00.000000000Z",
      submitted_at: "2019-12-18T15:30:00.000000000Z",
      filled_at: null,
      expired_at: null,
      expires_at: "2019-12-18T21:00:00.000000000Z",
      canceled_at: null,
      failed_at: null,
      cancel_requested_at: null,
      replaced_at: null,
      replaced_by: null,
      replaces: null,
      asset_id: order.asset_id,
      symbol: "SPY",
      asset_class: "us_equity",
      notional: null,
      qty: "7",
      filled_qty: "0",
      filled_avg_price: null,
      order_class: "",
      order_type: "limit",
      type: "limit",
      side: "buy",
      position_intent: "buy_to_open",
      time_in_force: "day",
      limit_price: "99.5",
      stop_price: null,
      status: "pending_new",
      extended_hours: false,
      legs: null,
      trail_percent: null,
      trail_price: null,
      hwm: null,
      subtag: null,
      source: null,
    });
  });

  test("has at least the fields of the vendor's recorded bodies", async () => {
    start();
    const recorded = await Bun.file(new URL("../fixtures/alpaca/rest_bodies.json", import.meta.url)).json();
    const order = await world.order();
    world.settle();
    const position = (await world.ask("GET", "/v2/positions")).body[0];
    const account = (await world.ask("GET", "/v2/account")).body;
    const asset = (await world.ask("GET", "/v2/assets/SPY")).body;
    const configuration = (await world.ask("GET", "/v2/account/configurations")).body;
    const missing = (ours: object, theirs: object, except: string[]): string[] =>
      Object.keys(theirs).filter((field) => !(field in ours) && !except.includes(field));
    // "commission" is an extra of broker accounts; the pattern-day-trader fields were taken out by the vendor in 2026.
    expect(missing(order, recorded.order, ["commission"])).toEqual([]);
    expect(missing(position, recorded.position, ["usd"])).toEqual([]);
    const removed = ["daytrade_count", "daytrading_buying_power", "pattern_day_trader"];
    expect(missing(account, recorded.account, removed)).toEqual([]);
    expect(missing(asset, recorded.asset, ["last_close_pct_change", "last_price"])).toEqual([]);
    expect(missing(configuration, recorded.account_configurations, [])).toEqual([]);
  });

  test("closes a position by quantity and by share, and says what it cannot close", async () => {
    start();
    await world.order({ qty: "9" });
    world.settle();
    expect((await world.ask("DELETE", "/v2/positions/SPY?qty=2")).body.qty).toBe("2");
    world.settle();
    expect((await world.ask("DELETE", "/v2/positions/SPY?percentage=50")).body.qty).toBe("3");
    expect((await world.ask("DELETE", "/v2/positions/SPY")).body).toMatchObject({ code: 40310000, available: "4" });
    const all = await world.ask("DELETE", "/v2/positions");
    expect([all.status, all.body[0].status, all.body[0].body.code]).toEqual([207, 403, 40310000]);
    expect((await world.ask("GET", "/v2/positions/QQQ")).body).toEqual({
      code: 40410000,
      message: "position does not exist",
    });
  });

  test.each([
    ["POST", "/v2/orders", "", 400, 40010000],
    ["POST", "/v2/orders", "{", 400, 40010000],
    ["POST", "/v2/orders", "[1,2]", 400, 40010000],
    ["POST", "/v2/orders", '"x"', 400, 40010000],
    ["POST", "/v2/orders", "\u0000\ufffd", 400, 40010000],
    ["POST", "/v2/orders", '{"__proto__":{"symbol":"SPY"}}', 422, 40010001],
    ["PATCH", "/v2/orders/none", "{}", 404, 40410000],
    ["PATCH", "/v2/account/configurations", '{"no_shorting":"yes"}', 422, 40010001],
    ["PATCH", "/v2/account/configurations", '{"constructor":1}', 422, 40010001],
    ["POST", "/v2/nothing", "{}", 404, 40410000],
    ["PUT", "/v2/orders", "{}", 404, 40410000],
    ["GET", "/v2/orders/%E0%A4%A", undefined, 404, 40410000],
    ["GET", "/v2/orders?limit=-1", undefined, 422, 40010001],
    ["GET", "/v2/orders?limit=501", undefined, 422, 40010001],
    ["GET", "/v2/orders?after=yesterday", undefined, 422, 40010001],
    ["GET", "/v2/orders?after=2019-13-45T99:99:99Z", undefined, 422, 40010001],
    ["GET", "/v2/orders?nested=perhaps", undefined, 422, 40010001],
    ["GET", "/v2/orders?after_order_id=none", undefined, 404, 40410000],
    ["GET", "/v2/orders:by_client_order_id", undefined, 422, 40010001],
    ["GET", "/v2/account/activities?page_token=none", undefined, 422, 40010001],
    ["GET", "/v2/calendar?start=tomorrow", undefined, 422, 40010001],
    ["GET", "/v3/calendar/MOON", undefined, 422, 42210000],
    ["GET", "/v3/clock?markets=MOON", undefined, 422, 40010001],
    ["GET", "/v3/clock?time=1789-07-14T00:00:00Z", undefined, 422, 40010001],
    ["GET", "/v2/assets/NONE", undefined, 404, 40410000],
    ["GET", "/v1beta1/indices/latest/values", undefined, 422, 40010001],
    ["DELETE", "/v2/positions/SPY?qty=0", undefined, 404, 40410000],
    ["GET", "/v2/events/trades?since=x", undefined, 422, 40010001],
  ])("answers %s %s %p with a clear error", async (method, path, body, status, code) => {
    start();
    const reply = await world.ask(method, path, body);
    expect([reply.status, reply.body.code]).toEqual([status, code]);
    expect(reply.body.message).not.toBe("");
  });

  test("gives the default calendar, clock and closed hours", async () => {
    start({}, DAY.closeUs + 300 * MINUTE_US);
    expect((await world.ask("GET", "/v2/clock")).body).toEqual({
      timestamp: "2019-12-18T21:00:00.000000000-05:00",
      is_open: false,
      next_open: "2019-12-19T09:30:00.000000000-05:00",
      next_close: "2019-12-19T16:00:00.000000000-05:00",
    });
    expect((await world.ask("GET", "/v3/clock")).body.clocks[0]).toMatchObject({
      phase: "closed",
      phase_until: "2019-12-19T04:00:00.000000000-05:00",
    });
    const { body } = await world.ask("GET", "/v2/calendar");
    expect([body[0].date, body[0].settlement_date]).toEqual(["2019-01-02", "2019-01-04"]);
    expect((await world.ask("GET", "/v2/calendar?start=2026-11-27&end=2026-11-27")).body).toEqual([
      {
        date: "2026-11-27",
        open: "09:30",
        close: "13:00",
        session_open: "0400",
        session_close: "1700",
        settlement_date: "2026-11-30",
      },
    ]);
    expect((await world.ask("GET", "/v2/calendar?start=0001-01-01&end=2000-01-04")).body).toHaveLength(2);
  });

  test("leaves other paths to the owner of the port", async () => {
    start({
      extraRoutes: (request) => (request.url.endsWith("/sim/state") ? Response.json({ mine: true }) : undefined),
    });
    expect((await world.ask("GET", "/sim/state")).body).toEqual({ mine: true });
    expect((await world.ask("GET", "/elsewhere")).status).toBe(404);
  });
});

describe("the order stream", () => {
  test("authenticates in both forms, again and again, and refuses by name", async () => {
    start();
    const client = new RawStream();
    await client.open();
    const authorization = (status: string, action: string) => ({ stream: "authorization", data: { status, action } });
    expect(await client.ask({ action: "listen", data: { streams: ["trade_updates"] } })).toEqual(
      authorization("unauthorized", "listen"),
    );
    expect(await client.ask({ action: "auth", key: KEY_ID, secret: "wrong" })).toEqual(
      authorization("unauthorized", "authenticate"),
    );
    expect(await client.ask({ action: "auth", key: KEY_ID, secret: SECRET })).toEqual(
      authorization("authorized", "authenticate"),
    );
    const full = { action: "authenticate", data: { key_id: KEY_ID, secret_key: SECRET } };
    expect(await client.ask(full)).toEqual(authorization("authorized", "authenticate"));
    const listen = { action: "listen", data: { streams: ["trade_updates", "unknown"] } };
    const listening = { stream: "listening", data: { streams: ["trade_updates"] } };
    expect(await client.ask(listen)).toEqual(listening);
    expect(await client.ask(listen)).toEqual(listening);
    expect(world.server.stream.listenerCount).toBe(1);
    expect(world.server.framesSent).toBe(6);
    expect(await client.ask({ action: "listen", data: { streams: [] } })).toEqual({
      stream: "listening",
      data: { streams: [] },
    });
    expect(world.server.stream.listenerCount).toBe(0);
  });

  test("tells an event when the answer's latency has passed, with the order as it was", async () => {
    start();
    const client = new RawStream();
    await client.listen();
    const order = await world.order({ client_order_id: "c" });
    world.pass(ANSWER_LATENCY_MS);
    expect((await client.next()).data).toEqual({
      event: "pending_new",
      timestamp: "2019-12-18T15:30:00.000000000Z",
      execution_id: null,
      order: { ...order, legs: null },
    });
    world.pass(LATENCY_MS - 1);
    expect(client.frames).toEqual([]);
    expect(world.server.framesSent).toBe(3);
    world.pass(1);
    expect((await client.next()).data).toMatchObject({ event: "new", order: { status: "new", filled_qty: "0" } });
    const fill = await client.next();
    expect(fill).toMatchObject({
      stream: "trade_updates",
      data: {
        event: "fill",
        price: "100.02",
        qty: "10",
        position_qty: "10",
        timestamp: "2019-12-18T15:30:00.020000000Z",
        order: { status: "filled", filled_qty: "10", filled_avg_price: "100.02" },
      },
    });
    expect(fill.data.execution_id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  test("counts frames of the newest authorised connection and tells the hook", async () => {
    start();
    const counts: number[] = [];
    world.server.stream.onSent = (count) => counts.push(count);
    await new RawStream().listen();
    await world.order();
    world.settle();
    await new RawStream().listen();
    expect(counts).toEqual([1, 2, 3, 4, 5, 1, 2]);
    expect(world.server.framesSent).toBe(2);
  });

  test("replays nothing to a client that comes late", async () => {
    start();
    await world.order();
    world.settle();
    const client = new RawStream();
    await client.listen();
    await world.order({ client_order_id: "later" });
    world.settle();
    expect((await client.next()).data.order.client_order_id).toBe("later");
  });

  test("survives frames that mean nothing", async () => {
    start();
    const client = new RawStream();
    await client.open();
    const garbage = ["", "{", "[]", "null", '"x"', "{}", '{"action":5}', '{"action":"listen"}', "\u0000"];
    for (const frame of garbage.slice(0, -2)) {
      expect((await client.ask(frame)).action).toBe("error");
    }
    client.socket.send(new Uint8Array([0xc1, 0xff, 0x00]));
    expect((await client.next()).action).toBe("error");
    await client.ask({ action: "auth", key: KEY_ID, secret: SECRET });
    expect((await client.ask({ action: "listen", data: { streams: "all" } })).action).toBe("error");
    client.socket.send(new TextEncoder().encode('{"action":"listen","data":{"streams":["trade_updates"]}}'));
    expect((await client.next()).stream).toBe("listening");
  });

  test("speaks MessagePack when the handshake asks for it", async () => {
    start();
    const client = new RawStream({ "Content-Type": "application/msgpack" });
    await client.open();
    client.socket.send(encode({ action: "authenticate", data: { key_id: KEY_ID, secret_key: SECRET } }));
    expect(decode(await client.nextBytes())).toEqual({
      stream: "authorization",
      data: { status: "authorized", action: "authenticate" },
    });
    client.socket.send(encode({ action: "listen", data: { streams: ["trade_updates"] } }));
    await client.nextBytes();
    await world.order();
    world.settle();
    expect(decode(await client.nextBytes())).toMatchObject({ stream: "trade_updates", data: { event: "pending_new" } });
  });

  test("wants a WebSocket handshake", async () => {
    start();
    expect((await world.ask("GET", "/stream")).status).toBe(400);
  });
});

describe("replayable events", () => {
  const eventsOf = (text: string): { at: string; event_id: string; event: string }[] =>
    text
      .split("\n\n")
      .filter((line) => line.startsWith("data: "))
      .map((line) => JSON.parse(line.slice("data: ".length)));

  async function read(query: string): Promise<string[]> {
    const response = await fetch(`${world.restUrl}/v2/events/trades?${query}`, {
      headers: { "APCA-API-KEY-ID": KEY_ID, "APCA-API-SECRET-KEY": SECRET },
    });
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    return eventsOf(await response.text()).map(({ event }) => event);
  }

  test("come by time and by id", async () => {
    start();
    await world.order({ qty: "400" });
    world.settle();
    const until = "until=2019-12-18T15:30:01Z";
    world.pass(1_000);
    expect(await read(`since=2019-12-18T15:00:00Z&${until}`)).toEqual(["pending_new", "new", "partial_fill", "fill"]);
    expect(await read(`since=2019-12-18T15:30:00.020Z&${until}`)).toEqual(["new", "partial_fill", "fill"]);
    const ids = world.server.log.events.map(({ eventId }) => eventId);
    expect(ids).toEqual(ids.toSorted());
    expect(await read(`since_id=${ids[1]}&until_id=${ids[2]}`)).toEqual(["partial_fill"]);
  });

  test("go on live until the client goes away", async () => {
    start();
    await world.order({ client_order_id: "before" });
    world.settle();
    const abort = new AbortController();
    const response = await fetch(`${world.restUrl}/v2/events/trades?since=2019-12-18`, {
      headers: { "APCA-API-KEY-ID": KEY_ID, "APCA-API-SECRET-KEY": SECRET },
      signal: abort.signal,
    });
    const reader = response.body!.getReader();
    const decoder = new TextDecoder();
    let text = "";
    const readUntil = async (count: number): Promise<void> => {
      while (eventsOf(text).length < count) text += decoder.decode((await reader.read()).value, { stream: true });
    };
    await readUntil(3);
    await world.order({ client_order_id: "after" });
    world.settle();
    await readUntil(6);
    expect(eventsOf(text).map(({ event }) => event)).toEqual([
      "pending_new",
      "new",
      "fill",
      "pending_new",
      "new",
      "fill",
    ]);
    abort.abort();
    await world.order({ client_order_id: "alone" });
    world.settle();
    expect(world.server.log.events).toHaveLength(9);
  });
});

test("a control channel lives on the same port", async () => {
  const seen: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  start({
    controlSocket: {
      open: (ws) => ws.send("hello"),
      message: (_ws, text) => seen.push(text),
      close: () => resolve(),
    },
  });
  const socket = new WebSocket(`${world.restUrl.replace("http", "ws")}/sim/clock`);
  openSockets.push(socket);
  socket.onmessage = ({ data }) => {
    seen.push(String(data));
    socket.send("step");
    socket.close();
  };
  await promise;
  expect(seen).toEqual(["hello", "step"]);
});

test("a port in use is a clear error", () => {
  start();
  const port = Number(new URL(world.restUrl).port);
  const second = new AlpacaServer({
    timeline: world.timeline,
    market: world.market,
    day: DAY,
    port,
    keyId: KEY_ID,
    secret: SECRET,
    seed: 1,
    cashUsd: 1,
    orderLatencyMs: 0,
    answerLatencyMs: 0,
  });
  expect(() => second.start()).toThrow(
    `the simulated broker cannot listen on 127.0.0.1:${port}: the port is in use; choose another port, 0 for any`,
  );
});
