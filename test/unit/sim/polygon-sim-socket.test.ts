// The WebSocket side of the simulated market, with a raw client: status, auth, subscriptions, events, delivery, abuse.

import { afterEach, describe, expect, test } from "bun:test";
import type { PolygonServerOptions } from "../../../src/sim/market/polygon-server.ts";
import {
  authenticated,
  KEY,
  type PolygonVenue,
  RawClient,
  startPolygon,
  type WireEvent,
} from "../../support/polygon-sim.ts";
import { DAY, handDay, MINUTE_US, OPEN_US, PREVIOUS_DAY, recordTape, sampleDays } from "../../support/sim-market.ts";

const hand = handDay(DAY, {
  AA: [
    [0, 10, 10.05, 9.95, 10.02, 5_000],
    [1, 10.02, 10.02, 10.02, 10.02, 300],
  ],
  BB: [[0, 20, 20.4, 19.9, 20.3, 900]],
});
const before = handDay(PREVIOUS_DAY, { AA: [[0, 9, 9, 9, 9, 100]] });

let venue: PolygonVenue | null = null;
const clients: RawClient[] = [];

function start(options: Partial<PolygonServerOptions> = {}): PolygonVenue {
  venue = startPolygon({ day: hand, previousDay: before }, options);
  return venue;
}

function connect(url: string): RawClient {
  const client = new RawClient(url);
  clients.push(client);
  return client;
}

async function login(url: string): Promise<RawClient> {
  const client = await authenticated(url);
  clients.push(client);
  return client;
}

afterEach(() => {
  for (const client of clients.splice(0)) client.close();
  venue?.server.stop();
  venue = null;
});

/** Lets the venue run and waits until the client has every frame sent to it. */
async function run(at: PolygonVenue, client: RawClient, untilUs: number): Promise<void> {
  at.timeline.advanceTo(untilUs);
  await client.until(() => client.frames.length === at.server.framesSent);
}

const ofKind = (client: RawClient, kind: string): WireEvent[] => client.events.filter((event) => event.ev === kind);

describe("connecting", () => {
  test("greets, accepts the key, and says so in single-event array frames", async () => {
    const { socketUrl } = start();
    const client = await login(`${socketUrl}/stocks`);
    expect(client.frames).toEqual([
      [{ ev: "status", status: "connected", message: "Connected Successfully" }],
      [{ ev: "status", status: "auth_success", message: "authenticated" }],
    ]);
  });

  test("refuses a wrong key and closes", async () => {
    const { socketUrl, server } = start();
    const client = connect(`${socketUrl}/stocks`);
    await client.untilStatus("connected: Connected Successfully");
    client.send({ action: "auth", params: "wrong" });
    expect((await client.closed).code).toBe(1008);
    expect(client.statuses.at(-1)).toBe("auth_failed: authentication failed");
    expect([server.framesSent, server.connectionId]).toEqual([0, 0]);
  });

  test("closes a client that never sends its key", async () => {
    const { socketUrl } = start({ authTimeoutMs: 1 });
    const client = connect(`${socketUrl}/stocks`);
    expect((await client.closed).code).toBe(1008);
    expect(client.statuses.at(-1)).toBe("auth_timeout: No authentication request received.");
  });

  test("has no other clusters", async () => {
    const { socketUrl } = start();
    const client = connect(`${socketUrl}/crypto`);
    expect((await client.closed).code).not.toBe(1000);
    expect(client.frames).toEqual([]);
  });

  test("a newcomer takes the cluster; the older client is told and closed with 1008", async () => {
    const { socketUrl, server } = start();
    const older = await login(`${socketUrl}/stocks`);
    older.send({ action: "subscribe", params: "T.AA" });
    await older.untilStatus("success: subscribed to: T.AA");
    expect([server.framesSent, server.connectionId]).toEqual([3, 1]);
    const newcomer = await login(`${socketUrl}/stocks`);
    expect((await older.closed).code).toBe(1008);
    expect(older.statuses.at(-1)).toBe("max_connections: Maximum number of websocket connections exceeded.");
    expect(newcomer.isClosed).toBe(false);
    expect([server.framesSent, server.connectionId]).toEqual([2, 2]);
  });

  test("a client on the other cluster, or without a key yet, pushes nobody out", async () => {
    const { socketUrl, server } = start();
    const stocks = await login(`${socketUrl}/stocks`);
    await login(`${socketUrl}/indices`);
    const stranger = connect(`${socketUrl}/stocks`);
    await stranger.untilStatus("connected: Connected Successfully");
    await stocks.settle();
    expect(stocks.isClosed).toBe(false);
    expect(server.connectionId).toBe(1);
  });
});

describe("subscribing", () => {
  test("confirms each parameter in a frame of its own, and a duplicate not at all", async () => {
    const { socketUrl } = start();
    const client = await login(`${socketUrl}/stocks`);
    client.send({ action: "subscribe", params: "T.AA, Q.AA,,AM.*" });
    client.send({ action: "subscribe", params: "T.AA" });
    await client.settle();
    expect(client.statuses.slice(2, -1)).toEqual([
      "success: subscribed to: T.AA",
      "success: subscribed to: Q.AA",
      "success: subscribed to: AM.*",
    ]);
    expect(client.frames.every((frame) => frame.length === 1)).toBe(true);
  });

  test("is not authorized before the key, nor for channels outside the plan, which it does not name", async () => {
    const { socketUrl } = start();
    const client = connect(`${socketUrl}/stocks`);
    await client.untilStatus("connected: Connected Successfully");
    client.send({ action: "subscribe", params: "T.AA" });
    await client.untilStatus("error: not authorized");
    client.send({ action: "auth", params: KEY });
    client.send({ action: "subscribe", params: "T.AA,LULD.AA" });
    await client.untilStatus("success: subscribed to: T.AA");
    expect(client.statuses.slice(-2)).toEqual(["error: not authorized", "success: subscribed to: T.AA"]);
  });

  test("to a channel that does not exist is met with silence; to an unlisted symbol is confirmed, then silent", async () => {
    const at = start();
    const client = await login(`${at.socketUrl}/stocks`);
    client.send({ action: "subscribe", params: "XX.AA,nonsense,toString.AA,T.ZZZZ" });
    await client.settle();
    expect(client.statuses.slice(2, -1)).toEqual(["success: subscribed to: T.ZZZZ"]);
    await run(at, client, OPEN_US + 5 * MINUTE_US);
    expect(ofKind(client, "T")).toEqual([]);
  });

  test("is undone by unsubscribing, one channel at a time", async () => {
    const at = start();
    const client = await login(`${at.socketUrl}/stocks`);
    client.send({ action: "subscribe", params: "T.AA,Q.AA" });
    client.send({ action: "unsubscribe", params: "Q.AA,Q.BB" });
    await client.settle();
    expect(client.statuses.slice(4, -1)).toEqual(["success: unsubscribed to: Q.AA"]);
    await run(at, client, OPEN_US + 5 * MINUTE_US);
    expect(ofKind(client, "T").length).toBeGreaterThan(0);
    expect(ofKind(client, "Q")).toEqual([]);
  });
});

describe("events", () => {
  test("T, Q and AM carry the documented fields in the documented units", async () => {
    const at = start();
    const client = await login(`${at.socketUrl}/stocks`);
    const told = recordTape(at.tape);
    client.send({ action: "subscribe", params: "T.AA,Q.AA,AM.AA" });
    await client.settle();
    await run(at, client, OPEN_US + 2 * MINUTE_US);

    const trades = told.filter((event) => event.kind === "trade");
    expect(ofKind(client, "T").map((event) => [event.p, event.s, event.t])).toEqual(
      trades.map((trade) => [trade.pxTicks / 10_000, trade.qty, Math.floor(trade.tsUs / 1_000)]),
    );
    const quotes = told.filter((event) => event.kind === "quote");
    expect(ofKind(client, "Q").map((event) => [event.bp, event.ap, event.t])).toEqual(
      quotes.map((quote) => [quote.pxTicks / 10_000, quote.askPxTicks / 10_000, Math.floor(quote.tsUs / 1_000)]),
    );
    const trade = ofKind(client, "T")[0]!;
    expect(Object.keys(trade)).toEqual(["ev", "sym", "x", "i", "z", "p", "s", "t", "q"]);
    expect(typeof trade.i).toBe("string");
    const quote = ofKind(client, "Q")[0]!;
    expect(Object.keys(quote)).toEqual(["ev", "sym", "bx", "bp", "bs", "ax", "ap", "as", "c", "t", "q", "z"]);
    expect(Number.isInteger(quote.bs) && Number(quote.bs) >= 1).toBe(true);

    const [first, second] = ofKind(client, "AM");
    const firstTrades = trades.filter((event) => event.tsUs < OPEN_US + MINUTE_US);
    const notional = firstTrades.reduce((sum, event) => sum + event.pxTicks * event.qty, 0);
    const startMs = OPEN_US / 1_000;
    expect(first).toEqual({
      ev: "AM",
      sym: "AA",
      v: 5_000,
      av: 5_000,
      op: 10,
      vw: Math.round(notional / 5_000) / 10_000,
      o: 10,
      c: 10.02,
      h: 10.05,
      l: 9.95,
      a: Math.round(notional / 5_000) / 10_000,
      z: Math.round(5_000 / firstTrades.length),
      s: startMs,
      e: startMs + 60_000,
    });
    expect(second).toMatchObject({ v: 300, av: 5_300, op: 10, o: 10.02, c: 10.02, s: startMs + 60_000 });
    expect(ofKind(client, "AM")).toHaveLength(2);
  });

  test("A sums up each second in which something traded", async () => {
    const at = start();
    const client = await login(`${at.socketUrl}/stocks`);
    client.send({ action: "subscribe", params: "T.AA,A.AA" });
    await client.settle();
    await run(at, client, OPEN_US + 2 * MINUTE_US);
    const volumes = new Map<number, number>();
    for (const trade of ofKind(client, "T")) {
      const second = Math.floor(Number(trade.t) / 1_000) * 1_000;
      volumes.set(second, (volumes.get(second) ?? 0) + Number(trade.s));
    }
    const seconds = ofKind(client, "A");
    expect(seconds.map((event) => [event.s, event.v])).toEqual([...volumes]);
    expect(seconds.every((event) => Number(event.e) === Number(event.s) + 1_000)).toBe(true);
  });

  test("sequence numbers rise with every event of a symbol", async () => {
    const at = start();
    const client = await login(`${at.socketUrl}/stocks`);
    client.send({ action: "subscribe", params: "T.*,Q.*" });
    await client.settle();
    await run(at, client, OPEN_US + 2 * MINUTE_US);
    for (const symbol of ["AA", "BB"]) {
      const numbers = client.events.filter((event) => event.sym === symbol).map((event) => Number(event.q));
      expect(numbers.length).toBeGreaterThan(3);
      expect(numbers.every((number, i) => i === 0 || number > numbers[i - 1]!)).toBe(true);
    }
  });

  test("V.I:VIX gives the last close before the venue's time, once", async () => {
    const at = start();
    const client = await login(`${at.socketUrl}/indices`);
    client.send({ action: "subscribe", params: "V.I:VIX,AM.I:VIX" });
    await client.settle();
    expect(ofKind(client, "V")).toEqual([{ ev: "V", val: 12.29, T: "I:VIX", t: at.timeline.nowUs / 1_000 }]);
    expect(client.statuses).toContain("success: subscribed to: AM.I:VIX");
    expect(at.server.framesSent).toBe(0);
  });
});

describe("delivery", () => {
  test("collects events and sends them together at multiples of the feed interval, none when nothing happened", async () => {
    const sentAtUs: number[] = [];
    const { day, previousDay } = await sampleDays();
    let timeline: PolygonVenue["timeline"] | null = null;
    venue = startPolygon({ day, previousDay }, { onSent: () => sentAtUs.push(timeline?.nowUs ?? 0) });
    timeline = venue.timeline;
    const client = await login(`${venue.socketUrl}/stocks`);
    client.send({ action: "subscribe", params: "T.*" });
    await client.until((seen) => seen.statuses.includes("success: subscribed to: T.*"));
    const framesBefore = client.frames.length;
    sentAtUs.length = 0;
    await run(venue, client, OPEN_US + 10_000_000);
    expect(sentAtUs.length).toBeGreaterThan(10);
    expect(sentAtUs.every((atUs) => atUs % 250_000 === 0)).toBe(true);
    const frames = client.frames.slice(framesBefore);
    expect(frames.length).toBe(sentAtUs.length);
    expect(frames.some((frame) => frame.length > 1)).toBe(true);
    frames.forEach((frame, i) => {
      for (const event of frame) {
        expect(Number(event.t) * 1_000).toBeLessThanOrEqual(sentAtUs[i]!);
        expect(Number(event.t) * 1_000).toBeGreaterThan(sentAtUs[i]! - 251_000);
      }
    });
  });

  test("splits what does not fit in a frame of 256 KiB", async () => {
    const { day, previousDay } = await sampleDays();
    venue = startPolygon({ day, previousDay, tradesPerMinuteMax: 60 }, { feedIntervalMs: 60_000 });
    const client = await login(`${venue.socketUrl}/stocks`);
    client.send({ action: "subscribe", params: "T.*,Q.*" });
    await client.settle();
    const before = client.frames.length;
    await run(venue, client, OPEN_US + MINUTE_US);
    const frames = client.frames.slice(before);
    expect(frames.length).toBeGreaterThan(1);
    for (const frame of frames) expect(JSON.stringify(frame).length).toBeLessThanOrEqual(256 * 1024);
  });

  test("disconnects a client that does not read, without a close frame, and goes on", async () => {
    const { day, previousDay } = await sampleDays();
    venue = startPolygon({ day, previousDay }, { unreadBytesMax: 256 * 1024 });
    const { server, timeline, socketUrl } = venue;
    const lazy = await openLazily(socketUrl);
    let minute = 0;
    while (server.slowConsumers === 0 && minute < 390) timeline.advanceTo(OPEN_US + ++minute * MINUTE_US);
    expect(server.slowConsumers).toBe(1);
    expect(minute).toBeLessThan(390);
    lazy.end();
    const next = await login(`${socketUrl}/stocks`);
    expect(next.isClosed).toBe(false);
  });
});

/** A raw TCP client that upgrades, sends its key, subscribes to everything, and then reads no more. */
async function openLazily(socketUrl: string): Promise<Bun.Socket> {
  const url = new URL(socketUrl);
  const isSubscribed = Promise.withResolvers<void>();
  let seen = "";
  const socket = await Bun.connect({
    hostname: url.hostname,
    port: Number(url.port),
    socket: {
      data(self, bytes) {
        seen += Buffer.from(bytes).toString("latin1");
        if (seen.includes("subscribed to: Q.*")) {
          self.pause();
          isSubscribed.resolve();
        }
      },
    },
  });
  socket.write(
    `GET /stocks HTTP/1.1\r\nHost: ${url.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
  );
  socket.write(clientFrame(JSON.stringify({ action: "auth", params: KEY })));
  socket.write(clientFrame(JSON.stringify({ action: "subscribe", params: "T.*,Q.*" })));
  await isSubscribed.promise;
  return socket;
}

/** A masked text frame with a zero mask. */
function clientFrame(text: string): Uint8Array {
  const payload = Buffer.from(text);
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}

describe("what a client should not send", () => {
  test.each([
    ["text that is no JSON", "subscribe T.AA"],
    ["half a message", '{"action":"auth"'],
    ["null", "null"],
    ["a number", "42"],
    ["an array", '[{"action":"auth","params":"x"}]'],
    ["params of the wrong type", '{"action":"subscribe","params":["T.AA"]}'],
    ["no params", '{"action":"subscribe"}'],
    ["an empty message", ""],
  ])("%s is answered with an error and the connection lives on", async (_name, message) => {
    const { socketUrl } = start();
    const client = await login(`${socketUrl}/stocks`);
    client.send(message);
    await client.untilStatus("error: invalid request, expected {action, params} with text values");
    client.send({ action: "subscribe", params: "T.AA" });
    await client.untilStatus("success: subscribed to: T.AA");
  });

  test("an unknown action and bytes that are no text are answered too", async () => {
    const { socketUrl } = start();
    const client = await login(`${socketUrl}/stocks`);
    client.send({ action: "explode", params: "" });
    await client.untilStatus("error: unknown action, expected auth, subscribe or unsubscribe");
    client.sendBytes(new Uint8Array([0xff, 0xfe, 0, 1]));
    await client.untilStatus("error: invalid request, expected {action, params} with text values");
    expect(client.isClosed).toBe(false);
  });
});

test("a port in use is one clear error", () => {
  const { server, restUrl } = start();
  const port = Number(new URL(restUrl).port);
  expect(() => startPolygon({ day: hand, previousDay: before }, { port })).toThrow(
    `the simulated market-data server cannot listen on 127.0.0.1:${port}`,
  );
  server.stop();
});
