import { afterEach, expect, test } from "bun:test";
import { ManualClock } from "../../../src/core/clock.ts";
import { Prng } from "../../../src/core/prng.ts";
import { Timers } from "../../../src/core/timers.ts";
import { TradeStream, type TradeStreamOptions } from "../../../src/gateway/alpaca/trade-stream.ts";
import type { WireTradeUpdate } from "../../../src/gateway/order-state.ts";
import { RawStream } from "../../support/raw-broker.ts";

class World {
  readonly server = new RawStream();
  readonly clock = new ManualClock(1_000_000);
  readonly timers = new Timers();
  readonly updates: WireTradeUpdate[] = [];
  readonly ups: boolean[] = [];
  readonly downs: string[] = [];
  readonly stream: TradeStream;

  constructor(more: Partial<TradeStreamOptions> = {}) {
    this.stream = new TradeStream({
      url: this.server.url,
      keyId: "PK",
      secret: "do-not-print",
      clock: this.clock,
      timers: this.timers,
      prng: new Prng(1),
      pingUs: 0,
      isDeferred: false,
      onUpdate: (update) => this.updates.push(update),
      onUp: (isFirst) => this.ups.push(isFirst),
      onDown: (detail) => this.downs.push(detail),
      onFrame: () => {},
      ...more,
    });
    worlds.push(this);
  }

  advanceUs(us: number): void {
    this.clock.advanceTo(this.clock.nowUs() + us);
    this.timers.runDue(this.clock.nowUs());
  }

  /** Lets the wire work until something holds. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise((resolve) => setImmediate(resolve));
  }
}

const worlds: World[] = [];
afterEach(async () => {
  for (const world of worlds.splice(0)) {
    world.stream.stop();
    await world.server.stop();
  }
});

test.each([
  ["binary", false],
  ["text", true],
])("authenticates, listens, and hears %s frames", async (_what, isText) => {
  const world = new World();
  world.server.isText = isText;
  await world.stream.start();
  expect(world.server.received).toEqual([
    { action: "authenticate", data: { key_id: "PK", secret_key: "do-not-print" } },
    { action: "listen", data: { streams: ["trade_updates"] } },
  ]);
  expect([world.stream.isUp, world.stream.frames, world.ups]).toEqual([true, 2, [true]]);
  world.server.update({ event: "new", order: { id: "1" } });
  await world.until(() => world.updates.length === 1);
  expect(world.updates).toEqual([{ event: "new", order: { id: "1" } }]);
  expect(world.stream.frames).toBe(3);
});

test("in lockstep updates wait for their turn", async () => {
  const world = new World({ isDeferred: true });
  await world.stream.start();
  world.server.update({ event: "new" });
  world.server.update({ event: "fill" });
  await world.until(() => world.stream.frames === 4);
  expect(world.updates).toEqual([]);
  world.stream.applyPending();
  expect(world.updates.map(({ event }) => event)).toEqual(["new", "fill"]);
  expect(world.stream.pendingCount).toBe(0);
});

test("a refused key ends the start, without the secret in the words", async () => {
  const world = new World({ keyId: "refused" });
  const error = await world.stream.start().catch((caught: Error) => caught);
  expect(String(error)).toContain("refused the key");
  expect(String(error)).not.toContain("do-not-print");
  expect(world.timers.nextUs()).toBe(Number.POSITIVE_INFINITY);
});

test("a stream that is not there ends the start", async () => {
  const world = new World();
  await world.server.stop();
  await expect(world.stream.start()).rejects.toThrow("no order stream at 127.0.0.1");
});

test("a loss is told, mended at once, and frames are counted from the new connection", async () => {
  const world = new World();
  await world.stream.start();
  world.server.update({ event: "new" });
  await world.until(() => world.stream.frames === 3);
  world.server.drop();
  await world.until(() => world.ups.length === 2);
  expect(world.downs).toHaveLength(1);
  expect(world.ups).toEqual([true, false]);
  expect(world.stream.frames).toBe(2);
  expect(world.stream.reconnects).toBe(1);
});

test("while the server stays away attempts come at growing distances of market time", async () => {
  const world = new World();
  await world.stream.start();
  await world.server.stop();
  const waits: number[] = [];
  for (let attempt = 0; attempt < 4; attempt++) {
    await world.until(() => world.timers.nextUs() < Number.POSITIVE_INFINITY);
    waits.push(world.timers.nextUs() - world.clock.nowUs());
    world.advanceUs(waits.at(-1)!);
  }
  for (const [i, wait] of waits.entries()) {
    expect(wait).toBeGreaterThanOrEqual(0.8 * 250_000 * 2 ** i);
    expect(wait).toBeLessThanOrEqual(1.2 * 250_000 * 2 ** i);
  }
});

test("a peer that answers no ping is left and called again", async () => {
  const world = new World({ pingUs: 10_000_000 });
  await world.stream.start();
  // The server's WebSocket answers pings by itself: the stream stays.
  for (let i = 0; i < 3; i++) {
    await world.until(() => world.stream.isAnswered);
    world.advanceUs(10_000_000);
  }
  expect(world.downs).toEqual([]);
  // Two turns of market time at once leave no time for a pong.
  world.advanceUs(10_000_000);
  expect(world.downs).toEqual(["order stream lost: no answer to a ping within 10 s"]);
  await world.until(() => world.ups.length === 2);
});

test("a peer that never authorises is left", async () => {
  const world = new World({ pingUs: 10_000_000 });
  world.server.isSilent = true;
  const start = world.stream.start();
  await world.until(() => world.server.received.length === 1);
  world.advanceUs(10_000_000);
  await expect(start).rejects.toThrow("no authorisation within 10 s");
});

test("frames that are not the broker's JSON are counted and skipped", async () => {
  const world = new World();
  await world.stream.start();
  for (const bad of ["", "{", "[]", "null", "7", '{"stream":"trade_updates","data":null}', '{"stream":"elsewhere"}']) {
    world.server.send(bad);
  }
  world.server.update({ event: "new" });
  await world.until(() => world.updates.length === 1);
  expect(world.stream.badFrames).toBe(5);
  expect(world.stream.isUp).toBe(true);
});
