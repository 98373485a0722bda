// The pool of order sockets against a server that does what servers should not do.

import { afterEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ManualClock } from "../../../src/core/clock.ts";
import { Prng } from "../../../src/core/prng.ts";
import { Timers } from "../../../src/core/timers.ts";
import {
  HttpPool,
  OUTCOME_AMBIGUOUS,
  OUTCOME_ANSWERED,
  OUTCOME_NOT_SENT,
  REQUEST_CAPACITY,
  REQUEST_RESERVE,
} from "../../../src/gateway/alpaca/http-socket.ts";
import { RawServer, type RawServerOptions } from "../../support/raw-broker.ts";

const TIMEOUT_US = 5_000_000;
const OUTCOME_NAMES = {
  [OUTCOME_ANSWERED]: "answered",
  [OUTCOME_AMBIGUOUS]: "ambiguous",
  [OUTCOME_NOT_SENT]: "not sent",
};

interface Told {
  readonly tag: number;
  readonly outcome: string;
  readonly status: number;
  readonly body: string;
  readonly detail: string;
}

/** A pool, the server it talks to, and what became of its requests. */
class World {
  readonly server: RawServer;
  readonly clock = new ManualClock(1_000_000);
  readonly timers = new Timers();
  readonly pool: HttpPool;
  readonly statuses: boolean[] = [];
  readonly #told: Told[] = [];
  readonly #waiting: ((told: Told) => void)[] = [];

  constructor(connections = 1, server: RawServerOptions & { ca?: string } = {}) {
    this.server = new RawServer(server);
    this.pool = new HttpPool({
      url: new URL(`${server.tls === undefined ? "http" : "https"}://127.0.0.1:${this.server.port}`),
      connections,
      timeoutUs: TIMEOUT_US,
      clock: this.clock,
      timers: this.timers,
      prng: new Prng(1),
      ...(server.ca === undefined ? {} : { tlsCa: server.ca }),
      onOutcome: (request, outcome, detail) => {
        const isAnswered = outcome === OUTCOME_ANSWERED;
        this.#tell({
          tag: request.tag,
          outcome: OUTCOME_NAMES[outcome as keyof typeof OUTCOME_NAMES],
          status: isAnswered ? this.pool.response.status : 0,
          body: isAnswered ? this.pool.response.body : "",
          detail,
        });
      },
      onStatus: (isUp) => this.statuses.push(isUp),
    });
    worlds.push(this);
  }

  send(tag: number, text = `GET /${tag} HTTP/1.1\r\nHost: x\r\n\r\n`): void {
    const request = this.pool.acquire(true)!;
    request.tag = tag;
    request.length = new TextEncoder().encodeInto(text, request.bytes).written;
    this.pool.send(request);
  }

  /** What became of the next request. */
  told(): Promise<Told> {
    const told = this.#told.shift();
    return told === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(told);
  }

  advanceUs(us: number): void {
    this.clock.advanceTo(this.clock.nowUs() + us);
    this.timers.runDue(this.clock.nowUs());
  }

  #tell(told: Told): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#told.push(told);
    else waiting(told);
  }
}

const worlds: World[] = [];
afterEach(() => {
  for (const world of worlds.splice(0)) {
    world.pool.stop();
    world.server.stop();
  }
});

async function started(connections = 1): Promise<World> {
  const world = new World(connections);
  await world.pool.start();
  return world;
}

test("one socket carries many requests, one at a time, in order", async () => {
  const world = await started();
  for (let tag = 0; tag < 5; tag++) world.send(tag);
  expect(world.pool.inFlight).toBe(5);
  for (let tag = 0; tag < 5; tag++) {
    const request = await world.server.next();
    expect(request.path).toBe(`/${tag}`);
    expect(world.server.waitingCount).toBe(0);
    request.reply(200, `answer ${tag}`);
    expect(await world.told()).toMatchObject({ tag, outcome: "answered", status: 200, body: `answer ${tag}` });
  }
  expect(world.pool.inFlight).toBe(0);
  expect(world.server.connectionCount).toBe(1);
});

test("two sockets carry two requests at a time", async () => {
  const world = await started(2);
  world.send(1);
  world.send(2);
  const [first, second] = [await world.server.next(), await world.server.next()];
  second.reply(200, "second");
  expect(await world.told()).toMatchObject({ body: "second" });
  first.reply(200, "first");
  expect(await world.told()).toMatchObject({ body: "first" });
});

test("an answer in single bytes, chunked, after interim answers, is one answer", async () => {
  const world = await started();
  world.send(1);
  const request = await world.server.next();
  const text =
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
  for (const char of text) request.write(char);
  expect(await world.told()).toMatchObject({ outcome: "answered", status: 200, body: "abcde" });
});

test("after Connection: close the next request goes out on a new socket", async () => {
  const world = await started();
  world.send(1);
  world.send(2);
  const first = await world.server.next();
  first.reply(200, "bye", "Connection: close\r\n");
  first.close();
  expect(await world.told()).toMatchObject({ tag: 1, outcome: "answered", body: "bye" });
  const second = await world.server.next();
  second.reply(204);
  expect(await world.told()).toMatchObject({ tag: 2, outcome: "answered", status: 204 });
  expect(world.server.connectionCount).toBe(2);
});

describe("is ambiguous, and is never sent a second time", () => {
  test.each([
    ["a reset after the request", "reset"],
    ["a close after the request", "close"],
    ["a close in the middle of the answer", "half"],
    ["an answer that is not HTTP", "noise"],
  ])("%s", async (_what, how) => {
    const world = await started();
    world.send(1);
    const request = await world.server.next();
    if (how === "half") request.write("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{");
    if (how === "noise") request.write("220 smtp.example.test ESMTP\r\n\r\n");
    else if (how === "reset") request.reset();
    else request.close();
    expect(await world.told()).toMatchObject({ tag: 1, outcome: "ambiguous" });
    world.send(2);
    const next = await world.server.next();
    expect(next.path).toBe("/2");
    next.reply(200);
    expect(await world.told()).toMatchObject({ tag: 2, outcome: "answered" });
    expect(world.server.waitingCount).toBe(0);
  });

  test("no answer in time, told by market time alone", async () => {
    const world = await started();
    world.send(1);
    const request = await world.server.next();
    world.advanceUs(TIMEOUT_US - 1);
    expect(world.pool.inFlight).toBe(1);
    world.advanceUs(1);
    expect(await world.told()).toMatchObject({ tag: 1, outcome: "ambiguous", detail: "no answer within 5000 ms" });
    // The answer that comes at last belongs to nobody, and the next request is not answered by it.
    world.send(2);
    request.reply(200, "late");
    const next = await world.server.next();
    next.reply(200, "right");
    expect(await world.told()).toMatchObject({ tag: 2, outcome: "answered", body: "right" });
  });
});

test("a request that finds no socket in time was never sent", async () => {
  const world = await started();
  world.send(1);
  const first = await world.server.next();
  world.send(2);
  world.clock.advanceTo(world.clock.nowUs() + TIMEOUT_US);
  first.reply(200);
  expect(await world.told()).toMatchObject({ tag: 1, outcome: "answered" });
  expect(await world.told()).toMatchObject({ tag: 2, outcome: "not sent" });
  expect(world.server.waitingCount).toBe(0);
});

test("an idle close costs nothing: the next request finds a new socket", async () => {
  const world = await started();
  world.send(1);
  const first = await world.server.next();
  first.reply(200);
  await world.told();
  first.close();
  while (world.pool.reconnectCount === 0) await new Promise((resolve) => setImmediate(resolve));
  world.send(2);
  (await world.server.next()).reply(200, "again");
  expect(await world.told()).toMatchObject({ tag: 2, outcome: "answered", body: "again" });
});

test("a farewell nobody asked for is dropped with its socket", async () => {
  const world = await started();
  world.send(1);
  const first = await world.server.next();
  first.reply(200);
  await world.told();
  first.reply(408, "idle for too long");
  while (world.pool.reconnectCount === 0) await new Promise((resolve) => setImmediate(resolve));
  world.send(2);
  (await world.server.next()).reply(200, "fresh");
  expect(await world.told()).toMatchObject({ tag: 2, body: "fresh" });
});

test("when the server is gone what waits is told as not sent, and the pool says it is down", async () => {
  const world = await started();
  world.send(1);
  world.send(2);
  await world.server.next();
  world.server.stop();
  expect(await world.told()).toMatchObject({ tag: 1, outcome: "ambiguous" });
  expect(await world.told()).toMatchObject({ tag: 2, outcome: "not sent" });
  expect(world.pool.isUp).toBe(false);
  expect(world.statuses).toEqual([true, false]);
  expect(world.timers.nextUs()).toBeLessThan(Number.POSITIVE_INFINITY);
});

test("room is kept for what is urgent", async () => {
  const world = await started();
  let entries = 0;
  while (world.pool.acquire(false) !== null) entries += 1;
  expect(entries).toBe(REQUEST_CAPACITY - REQUEST_RESERVE);
  let urgent = 0;
  while (world.pool.acquire(true) !== null) urgent += 1;
  expect(urgent).toBe(REQUEST_RESERVE);
});

test("a server that is not there is one clear error", async () => {
  const world = new World();
  world.server.stop();
  await expect(world.pool.start()).rejects.toThrow(`no connection to the broker at 127.0.0.1:${world.server.port}`);
});

describe("TLS", () => {
  const pem = (name: string): string =>
    readFileSync(join(import.meta.dirname, "../../fixtures/gateway-tls", `${name}.pem`), "utf8");

  function secure(name: string, ca: string | undefined): World {
    const tls = { key: pem(`${name}-key`), cert: pem(`${name}-cert`) };
    return new World(1, { tls, ...(ca === undefined ? {} : { ca }) });
  }

  test("a trusted certificate of the right host carries requests", async () => {
    const world = secure("localhost", pem("localhost-cert"));
    await world.pool.start();
    world.send(1);
    (await world.server.next()).reply(200, "sealed");
    expect(await world.told()).toMatchObject({ outcome: "answered", body: "sealed" });
  });

  test("an unknown certificate is refused", async () => {
    await expect(secure("localhost", undefined).pool.start()).rejects.toThrow("certificate");
  });

  test("a trusted certificate of another host is refused", async () => {
    await expect(secure("elsewhere", pem("elsewhere-cert")).pool.start()).rejects.toThrow("certificate");
  });
});
