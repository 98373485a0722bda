import { afterEach, expect, test } from "bun:test";
import type { PolygonFeedOptions } from "../../../src/feed/polygon/socket.ts";
import { quoteFields, takeRows, tradeFields } from "../../support/feed-frames.ts";
import {
  API_KEY,
  type FeedRig,
  feedRig,
  halfOpenVenue,
  statusFrame,
  TestVenue,
  type VenueScript,
} from "../../support/feed-venue.ts";

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

function open(script: Partial<VenueScript> = {}, options: Partial<PolygonFeedOptions> = {}, symbols?: string[]) {
  const venue = new TestVenue(script);
  const rig = feedRig(venue.url, options, symbols);
  cleanups.push(() => rig.feed.stop());
  cleanups.push(() => venue.stop());
  return { venue, rig };
}

async function openStarted(script: Partial<VenueScript> = {}) {
  const { venue, rig } = open(script);
  await rig.feed.start(["AAPL", "MSFT"]);
  return { venue, rig };
}

/** Message of the error that `start` rejects with; it must not hold the key. */
async function startFailure(rig: FeedRig): Promise<string> {
  const error: unknown = await rig.feed.start(["AAPL", "MSFT"]).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(Error);
  expect(`${(error as Error).stack}${JSON.stringify(error)}`).not.toContain(API_KEY);
  return (error as Error).message;
}

test("is up once the venue has greeted, accepted the key and confirmed every parameter", async () => {
  const { venue, rig } = await openStarted();
  expect(venue.paths).toEqual(["/stocks"]);
  expect(venue.subscribed.flat()).toEqual(["T.AAPL", "Q.AAPL", "T.MSFT", "Q.MSFT"]);
  expect(rig.statuses.map((entry) => entry.status)).toEqual(["connecting", "up"]);
  expect(rig.feed.counters).toMatchObject({ frames: 6, reconnects: 0, badFrames: 0 });
});

test("says nothing before the venue greets, whatever it sends", async () => {
  const { venue, rig } = open({ onOpen: (socket) => void socket.send(statusFrame("auth_success")) });
  const started = rig.feed.start(["AAPL"]);
  await rig.untilFrames(1);
  venue.socket.send(statusFrame("success", "subscribed to: T.AAPL"));
  await rig.untilFrames(2);
  expect(venue.subscribed).toEqual([]);
  venue.socket.send(statusFrame("connected"));
  await started;
  expect(venue.subscribed.flat()).toEqual(["T.AAPL", "Q.AAPL"]);
});

test("subscribes a hundred symbols in chunks, each confirmed before the next is sent", async () => {
  const symbols = Array.from({ length: 100 }, (_, i) => `S${i}`);
  let openParams = 0;
  const script: Partial<VenueScript> = {
    onSubscribe: (socket, params) => {
      expect(openParams).toBe(0);
      openParams = params.length;
      for (const param of params) {
        socket.send(statusFrame("success", `subscribed to: ${param}`));
        openParams -= 1;
      }
    },
  };
  const { venue, rig } = open(script, { minuteBars: true }, symbols);
  await rig.feed.start([...symbols, "S0"]);
  const params = venue.subscribed.flat();
  expect(params).toHaveLength(300);
  expect(new Set(params).size).toBe(300);
  expect(Math.max(...venue.subscribed.map((chunk) => chunk.length))).toBe(40);
});

const CHANNELS: [string, Partial<PolygonFeedOptions>, string[]][] = [
  ["trades alone", { quotes: false }, ["T.AAPL"]],
  ["no trades: minute aggregates in their place", { trades: false }, ["Q.AAPL", "AM.AAPL"]],
  ["second aggregates only", { trades: false, quotes: false, minuteBars: false, secondBars: true }, ["A.AAPL"]],
];
for (const [name, options, params] of CHANNELS) {
  test(`subscribes to ${name}`, async () => {
    const { venue, rig } = open({}, options);
    await rig.feed.start(["AAPL"]);
    expect(venue.subscribed.flat()).toEqual(params);
  });
}

test("puts the events of each frame into the ring before it says so", async () => {
  const { venue, rig } = await openStarted();
  const depths: number[] = [];
  const tell = rig.feed.onFrame;
  rig.feed.onFrame = () => {
    depths.push(rig.ring.depth);
    tell();
  };
  venue.socket.send(JSON.stringify([tradeFields("AAPL"), quoteFields("MSFT")]));
  venue.socket.send(JSON.stringify([tradeFields("MSFT")]));
  await rig.untilFrames(8);
  expect(depths).toEqual([2, 3]);
  const rows = takeRows(rig.ring);
  expect(rows.map((row) => [row.kind, row.slot])).toEqual([
    ["trade", 0],
    ["quote", 1],
    ["trade", 1],
  ]);
  expect(rows[1]!.recvNs).toBe(rows[0]!.recvNs);
  expect(rows[2]!.recvNs).toBeGreaterThan(rows[0]!.recvNs as number);
});

test("counts what is broken and stays connected", async () => {
  const { venue, rig } = await openStarted();
  const good = JSON.stringify([tradeFields("AAPL")]);
  for (const frame of [
    good.slice(0, 40),
    "<html>",
    "{}",
    "",
    "[null]",
    JSON.stringify([tradeFields("AAPL", { p: -1 })]),
    good,
  ]) {
    venue.socket.send(frame);
  }
  venue.socket.send(new Uint8Array([1, 2, 3]));
  await rig.untilFrames(14);
  expect(rig.feed.counters).toEqual({
    frames: 14,
    events: 1,
    unknownEvents: 0,
    badEvents: 2,
    badFrames: 5,
    reconnects: 0,
  });
  expect(rig.statuses.at(-1)!.status).toBe("up");
});

test("drains through onFull when a burst is larger than the ring", async () => {
  const { venue, rig } = await openStarted();
  let taken = 0;
  const drain = () => {
    taken += rig.ring.depth;
    rig.ring.tail = rig.ring.head;
  };
  rig.feed.onFull = drain;
  const frame = JSON.stringify(Array.from({ length: 5_000 }, () => tradeFields("AAPL")));
  for (let i = 0; i < 20; i++) venue.socket.send(frame);
  await rig.untilFrames(26);
  drain();
  expect(taken).toBe(100_000);
});

test("start fails when nothing listens", async () => {
  const venue = new TestVenue();
  const { url } = venue;
  await venue.stop();
  const rig = feedRig(url);
  expect(await startFailure(rig)).toBe(
    `market data: ${url.slice(5)}/stocks could not be reached, or dropped the connection`,
  );
  expect(rig.nextMs()).toBe(Number.POSITIVE_INFINITY);
});

test("start fails when the server is not a WebSocket", async () => {
  const { venue, rig } = open();
  venue.isOpen = false;
  expect(await startFailure(rig)).toContain("could not be reached");
});

test("start fails on a wrong key, says so and does not try again", async () => {
  const { rig } = open({}, { apiKey: "wrong-key-456" });
  const error: unknown = await rig.feed.start(["AAPL"]).catch((reason: unknown) => reason);
  expect((error as Error).message).toContain('refused the API key ("authentication failed")');
  expect((error as Error).message).not.toContain("wrong-key-456");
  expect(rig.statuses.map((entry) => entry.status)).toEqual(["connecting", "refused"]);
  expect(rig.nextMs()).toBe(Number.POSITIVE_INFINITY);
});

test("a key that the venue repeats in its answer is not passed on", async () => {
  const { rig } = open({
    onAuth: (socket, key) => void socket.send(statusFrame("auth_failed", `no such key: ${key}`)),
  });
  expect(await startFailure(rig)).toContain("no such key: ***");
  expect(JSON.stringify(rig.statuses)).not.toContain(API_KEY);
});

test("start fails where the plan does not cover a channel, naming the channels asked for", async () => {
  const { rig } = open({ onSubscribe: (socket) => void socket.send(statusFrame("error", "not authorized")) });
  expect(await startFailure(rig)).toContain("does not cover one of the channels T, Q");
  expect(rig.statuses.at(-1)!.status).toBe("refused");
});

const SILENCES: [string, Partial<VenueScript>, string][] = [
  ["the greeting", { onOpen: () => {} }, "did not greet within 1000 ms"],
  ["the key", { onAuth: () => {} }, "did not answer the authentication within 1000 ms"],
  ["the subscriptions", { onSubscribe: () => {} }, "did not confirm T.AAPL, Q.AAPL, T.MSFT, Q.MSFT within 1000 ms"],
];
for (const [what, script, message] of SILENCES) {
  test(`start fails in time when the venue is silent about ${what}`, async () => {
    let heard: () => void = () => {};
    const reached = new Promise<void>((resolve) => {
      heard = resolve;
    });
    const silent = Object.fromEntries(Object.keys(script).map((name) => [name, () => heard()]));
    const { rig } = open(silent as Partial<VenueScript>);
    const failure = startFailure(rig);
    await reached;
    rig.advanceMs(999);
    expect(rig.statuses).toHaveLength(1);
    rig.advanceMs(1);
    expect(await failure).toContain(message);
  });
}

test("start names the parameters that one confirmation is missing for", async () => {
  const confirmAllBut = (socket: { send(text: string): unknown }, params: string[]) => {
    for (const param of params) if (param !== "Q.MSFT") socket.send(statusFrame("success", `subscribed to: ${param}`));
  };
  const { rig } = open({ onSubscribe: confirmAllBut });
  const failure = startFailure(rig);
  await rig.untilFrames(5);
  rig.advanceMs(1_000);
  expect(await failure).toContain("did not confirm Q.MSFT within");
});

test("comes back after a lost connection, subscribed again, its frames counted from zero", async () => {
  const { venue, rig } = await openStarted();
  venue.socket.terminate();
  expect(await rig.until("down")).toContain("connecting again in");
  expect(rig.nextMs()).toBeLessThanOrEqual(250);
  rig.advanceMs(rig.nextMs());
  await rig.until("up", 2);
  expect(venue.sockets).toHaveLength(2);
  expect(venue.subscribed.flat()).toEqual([...venue.subscribed[0]!, ...venue.subscribed[0]!]);
  expect(rig.feed.counters).toMatchObject({ frames: 6, reconnects: 1 });
  venue.socket.send(JSON.stringify([tradeFields("MSFT")]));
  await rig.untilFrames(7);
  expect(takeRows(rig.ring)).toHaveLength(1);
});

test("waits longer after each failure, by a random part, and starts short again once it was up", async () => {
  const { venue, rig } = await openStarted();
  venue.isOpen = false;
  venue.socket.terminate();
  const waits: number[] = [];
  for (let failures = 1; failures <= 10; failures++) {
    await rig.until("down", failures);
    waits.push(rig.nextMs());
    rig.advanceMs(rig.nextMs());
  }
  for (const [i, wait] of waits.entries()) {
    const ceilingMs = Math.min(30_000, 250 * 2 ** i);
    expect(wait).toBeGreaterThanOrEqual(ceilingMs / 2);
    expect(wait).toBeLessThanOrEqual(ceilingMs);
  }
  expect(new Set(waits.map((wait, i) => wait / Math.min(30_000, 250 * 2 ** i))).size).toBe(10);
  await rig.until("down", 11);
  venue.isOpen = true;
  rig.advanceMs(rig.nextMs());
  await rig.until("up", 2);
  venue.socket.terminate();
  await rig.until("down", 12);
  expect(rig.nextMs()).toBeLessThanOrEqual(250);
});

test("sixty disconnects in a row lose no subscription and no trade sent while connected", async () => {
  const { venue, rig } = await openStarted();
  for (let i = 1; i <= 60; i++) {
    venue.socket.send(JSON.stringify([tradeFields("AAPL", { q: i })]));
    await rig.untilFrames(7);
    venue.socket.terminate();
    await rig.until("down", i);
    rig.advanceMs(rig.nextMs());
    await rig.until("up", i + 1);
  }
  expect(rig.feed.counters).toMatchObject({ events: 60, reconnects: 60, badFrames: 0 });
  expect(venue.subscribed.flat()).toHaveLength(61 * 4);
});

test("tries again when a connection after the first never gets through its subscriptions", async () => {
  const { venue, rig } = await openStarted();
  const confirm = venue.script.onSubscribe;
  let heard: () => void = () => {};
  const reached = new Promise<void>((resolve) => {
    heard = resolve;
  });
  venue.script.onSubscribe = () => heard();
  venue.socket.terminate();
  await rig.until("down");
  rig.advanceMs(rig.nextMs());
  await reached;
  rig.advanceMs(1_000);
  expect(await rig.until("down", 2)).toContain("did not confirm T.AAPL");
  venue.script.onSubscribe = confirm;
  rig.advanceMs(rig.nextMs());
  await rig.until("up", 2);
  expect(rig.feed.counters.reconnects).toBe(1);
});

test("gives way when another connection uses the key, and does not fight for it", async () => {
  const { venue, rig } = await openStarted();
  venue.socket.send(statusFrame("max_connections", "Maximum number of websocket connections exceeded."));
  venue.socket.close(1008, "max connections");
  expect(await rig.until("refused")).toContain("another one uses the same key");
  expect(rig.nextMs()).toBe(Number.POSITIVE_INFINITY);
  expect(venue.sockets).toHaveLength(1);
});

test("gives way also where only the close code tells of the other connection", async () => {
  const { venue, rig } = await openStarted();
  venue.socket.close(1008, "Maximum number of websocket connections exceeded");
  await rig.until("refused");
  expect(rig.nextMs()).toBe(Number.POSITIVE_INFINITY);
});

test("pings an idle connection and keeps it while the answers come", async () => {
  const { venue, rig } = await openStarted();
  expect(rig.nextMs()).toBe(20_000);
  for (let pings = 1; pings <= 3; pings++) {
    rig.advanceMs(20_000);
    while (rig.feed.pongs < pings) await Bun.sleep(0);
  }
  expect(rig.statuses.at(-1)!.status).toBe("up");
  expect(venue.sockets).toHaveLength(1);
});

test("gives up a connection whose other side has silently gone", async () => {
  const venue = halfOpenVenue();
  const rig = feedRig(venue.url, { quotes: false });
  cleanups.push(() => rig.feed.stop(), venue.stop);
  await rig.feed.start(["AAPL"]);
  await venue.silenced;
  rig.advanceMs(20_000);
  expect(rig.statuses.at(-1)!.status).toBe("up");
  rig.advanceMs(20_000);
  expect(await rig.until("down")).toContain("did not answer a ping");
});

test("stop ends the connection and whatever it waits for", async () => {
  const { venue, rig } = await openStarted();
  await rig.feed.stop();
  await rig.feed.stop();
  expect(rig.nextMs()).toBe(Number.POSITIVE_INFINITY);
  expect(rig.statuses.at(-1)!.status).toBe("up");
  expect(venue.sockets).toHaveLength(1);
});

test("stop while waiting to connect again connects no more", async () => {
  const { venue, rig } = await openStarted();
  venue.socket.terminate();
  await rig.until("down");
  await rig.feed.stop();
  expect(rig.nextMs()).toBe(Number.POSITIVE_INFINITY);
});

test("stop while starting fails the start", async () => {
  const { rig } = open({ onAuth: () => {} });
  const failure = startFailure(rig);
  await rig.untilFrames(1);
  await rig.feed.stop();
  expect(await failure).toContain("stopped before");
});

test("stop does not wait for a peer that does not answer", async () => {
  const venue = halfOpenVenue();
  const rig = feedRig(venue.url, { quotes: false });
  cleanups.push(venue.stop);
  await rig.feed.start(["AAPL"]);
  const stopped = rig.feed.stop();
  expect(rig.nextMs()).toBe(1_000);
  rig.advanceMs(1_000);
  await stopped;
});
