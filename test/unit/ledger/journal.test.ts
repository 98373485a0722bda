import { afterEach, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { Arena } from "../../../src/core/arena.ts";
import { Journal, type JournalOptions, RING_FILE, recoverJournal } from "../../../src/ledger/journal.ts";
import { readJournal } from "../../../src/ledger/journal-reader.ts";
import {
  ORDER_ROLE_ENTRY,
  ORDER_STATUS_FILLED,
  ORDER_TYPE_MARKET,
  OrderTable,
  SIDE_BUY,
} from "../../../src/market/orders.ts";

const TS_US = Date.parse("2019-12-18T15:00:00Z") * 1000 + 123_456;
const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) {
    chmodSync(folder, 0o700);
    rmSync(folder, { recursive: true, force: true });
  }
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "gyr-journal-"));
  folders.push(folder);
  return folder;
}

function newJournal(folder: string, orders: OrderTable, more: Partial<JournalOptions> = {}): Journal {
  return new Journal({
    folder,
    orders,
    syncMs: 1,
    isDurable: false,
    spawn: (data) =>
      new Worker(join(import.meta.dirname, "../../support/journal-worker-entry.ts"), { workerData: data }),
    ...more,
  });
}

function newOrders(): { orders: OrderTable; row: number } {
  const orders = new OrderTable(new Arena());
  orders.open(0, SIDE_BUY, ORDER_ROLE_ENTRY, 3);
  const row = orders.open(1, SIDE_BUY, ORDER_ROLE_ENTRY, 10);
  orders.type[row] = ORDER_TYPE_MARKET;
  orders.bracketTargetPxTicks[row] = 3_250_000;
  orders.bracketStopPxTicks[row] = 3_175_500;
  orders.brokerId[row] = "61e69015-8549-4bfd-b9c3-01e75843f47d";
  orders.clientOrderId[row] = "gyr-20191218-m1-QQQ-0";
  orders.filledQty[row] = 10;
  orders.filledNotionalTicks[row] = 32_000_000;
  return { orders, row };
}

test("a day written through the ring reads back equal", async () => {
  const { orders, row } = newOrders();
  const journal = newJournal(newFolder(), orders);
  await journal.start();
  journal.instruments(["SPY", "QQQ"]);
  journal.meta("manifest", { mode: "sim", seed: 7 });
  journal.state(TS_US, 1, 0);
  journal.bar(TS_US, 1, 320.1, 320.5, 319.9, 320.25, 12_345, 3_951_234.5);
  journal.prediction(TS_US + 1, 1, 0.2, 0.3, 0.5, 0.7, -0.1);
  expect(journal.intent(TS_US + 2, row)).toBe(true);
  journal.orderStatus(TS_US + 3, row, ORDER_STATUS_FILLED);
  journal.fill(TS_US + 4, row, 10, 3_200_000, 100);
  journal.denial(TS_US + 5, 0, 4);
  journal.filtered(TS_US + 6, 1, 2);
  journal.note(TS_US + 7, "order stream lost: closed by the broker (1006) — wait");
  journal.shadowPrediction(TS_US + 8, 0, 2, 0.5, 0.3, 0.2, 0.6, -0.4);
  journal.meta("end", { pnlTicks: -12_345 });
  expect(await journal.close()).toEqual({ isComplete: true, leftCount: 0, message: "" });

  const day = readJournal(journal.path);
  expect(day.meta).toEqual({ manifest: { mode: "sim", seed: 7 }, end: { pnlTicks: -12_345 } });
  expect(day.symbols).toEqual(["SPY", "QQQ"]);
  expect(day.states).toEqual([{ number: 0, tsUs: TS_US, state: 1, reason: 0 }]);
  expect(day.bars).toEqual([
    {
      number: 1,
      tsUs: TS_US,
      slot: 1,
      symbol: "QQQ",
      openPx: 320.1,
      highPx: 320.5,
      lowPx: 319.9,
      closePx: 320.25,
      volume: 12_345,
      turnoverUsd: 3_951_234.5,
    },
  ]);
  expect(day.predictions).toEqual([
    {
      number: 2,
      tsUs: TS_US + 1,
      slot: 1,
      symbol: "QQQ",
      sellProb: 0.2,
      holdProb: 0.3,
      buyProb: 0.5,
      volatility: 0.7,
      momentum: -0.1,
    },
  ]);
  expect(day.shadowPredictions).toEqual([
    {
      number: 9,
      tsUs: TS_US + 8,
      slot: 0,
      model: 2,
      symbol: "SPY",
      sellProb: 0.5,
      holdProb: 0.3,
      buyProb: 0.2,
      volatility: 0.6,
      momentum: -0.4,
    },
  ]);
  expect(day.intents).toEqual([
    {
      number: 3,
      tsUs: TS_US + 2,
      row,
      slot: 1,
      symbol: "QQQ",
      side: SIDE_BUY,
      role: ORDER_ROLE_ENTRY,
      type: ORDER_TYPE_MARKET,
      qty: 10,
      limitPxTicks: 0,
      stopPxTicks: 0,
      bracketTargetPxTicks: 3_250_000,
      bracketStopPxTicks: 3_175_500,
      intentNumber: 0,
    },
  ]);
  expect(day.orderStatuses).toMatchObject([
    { number: 4, row, status: ORDER_STATUS_FILLED, filledQty: 10, filledNotionalTicks: 32_000_000, parentRow: -1 },
  ]);
  expect(day.orderStatuses[0]!.brokerId).toBe(orders.brokerId[row]!);
  expect(day.fills).toEqual([
    {
      number: 5,
      tsUs: TS_US + 4,
      row,
      slot: 1,
      symbol: "QQQ",
      side: SIDE_BUY,
      role: ORDER_ROLE_ENTRY,
      parentRow: -1,
      qty: 10,
      pxTicks: 3_200_000,
      feeTicks: 100,
      clientOrderId: "gyr-20191218-m1-QQQ-0",
    },
  ]);
  expect(day.denials).toEqual([{ number: 6, tsUs: TS_US + 5, slot: 0, symbol: "SPY", denial: 4 }]);
  expect(day.filtered).toEqual([{ number: 7, tsUs: TS_US + 6, slot: 1, symbol: "QQQ", filter: 2 }]);
  expect(day.notes).toEqual([
    { number: 8, tsUs: TS_US + 7, note: "order stream lost: closed by the broker (1006) ? wait" },
  ]);
  expect(existsSync(join(journal.path, "..", RING_FILE))).toBe(false);
});

test("many more records than the ring holds all arrive, in order", async () => {
  const { orders } = newOrders();
  const journal = newJournal(newFolder(), orders, { ringCapacity: 1 << 10 });
  await journal.start();
  let sent = 0;
  for (let burst = 0; burst < 30; burst++) {
    for (let i = 0; i < 500; i++) journal.state(TS_US + sent++, i, burst);
    // Gives the worker the processor until it has taken the burst; what it has not is the ring's business.
    while (journal.depth > 400) await new Promise((resolve) => setImmediate(resolve));
  }
  expect((await journal.close()).isComplete).toBe(true);
  const { states } = readJournal(journal.path);
  expect(journal.droppedCount).toBe(0);
  expect(states).toHaveLength(sent);
  expect(states.every(({ number, tsUs }, i) => number === i && tsUs === TS_US + i)).toBe(true);
});

test("when the database is full entries must stop, a message says why, and the records stay in the ring", async () => {
  const folder = newFolder();
  const { orders, row } = newOrders();
  const journal = newJournal(folder, orders, { pageCountMax: 30 });
  const failures: string[] = [];
  const failed = new Promise<void>((resolve) => {
    journal.onFailure = (message) => {
      failures.push(message);
      resolve();
    };
  });
  await journal.start();
  expect(journal.isHealthy).toBe(true);
  for (let i = 0; i < 4_000; i++) journal.intent(TS_US + i, row);
  await failed;
  expect(failures).toHaveLength(1);
  expect(failures[0]).toContain(journal.path);
  expect(failures[0]).toContain("full");
  expect(journal.isHealthy).toBe(false);
  const end = await journal.close();
  expect(end.isComplete).toBe(false);
  expect(end.leftCount).toBeGreaterThan(0);

  const recovery = recoverJournal(folder);
  expect(recovery).toEqual({ recoveredCount: end.leftCount, damagedCount: 0 });
  expect(readJournal(journal.path).intents).toHaveLength(4_000);
});

test("a full ring refuses intents and counts them, and keeps room for orders from predictions", async () => {
  const { orders, row } = newOrders();
  const journal = newJournal(newFolder(), orders, { ringCapacity: 64, spawn: () => idleWorker() });
  await journal.start();
  for (let i = 0; i < 100; i++) journal.prediction(TS_US, 0, 0, 1, 0, 0, 0);
  expect(journal.depth).toBe(48);
  expect(journal.droppedCount).toBe(52);
  let recorded = 0;
  while (journal.intent(TS_US, row)) recorded += 1;
  expect(recorded).toBe(16);
  expect(journal.isHealthy).toBe(false);
  expect(journal.droppedCount).toBe(53);
});

test("records of a killed process are recovered from its ring, those already written not twice", async () => {
  const folder = newFolder();
  const { orders, row } = newOrders();
  const journal = newJournal(folder, orders, { ringCapacity: 64, spawn: () => idleWorker() });
  await journal.start();
  for (let i = 0; i < 5; i++) journal.intent(TS_US + i, row);
  // As left behind by SIGKILL between the commit of the database and the release of the ring.
  const bytes = readFileSync(join(folder, RING_FILE));
  expect(recoverJournal(folder)).toEqual({ recoveredCount: 5, damagedCount: 0 });
  writeFileSync(join(folder, RING_FILE), bytes);
  recoverJournal(folder);
  expect(readJournal(journal.path).intents).toHaveLength(5);
  // One record torn by a power loss is left out and counted.
  bytes[4096 + 2 * 256 + 40]! ^= 0xff;
  rmSync(journal.path);
  writeFileSync(join(folder, RING_FILE), bytes);
  expect(recoverJournal(folder)).toEqual({ recoveredCount: 4, damagedCount: 1 });
  expect(readJournal(journal.path).intents.map(({ number }) => number)).toEqual([0, 1, 3, 4]);
});

test("what a process recorded before SIGKILL is there, though no worker ever wrote it", async () => {
  const folder = newFolder();
  const victim = Bun.spawn([process.execPath, join(import.meta.dirname, "../../support/journal-victim.ts"), folder], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const { value } = await victim.stdout.getReader().read();
  expect(new TextDecoder().decode(value)).toBe("recorded 200\n");
  victim.kill("SIGKILL");
  await victim.exited;
  expect(recoverJournal(folder)).toEqual({ recoveredCount: 200, damagedCount: 0 });
  const { intents } = readJournal(join(folder, "journal.sqlite"));
  expect(intents.map(({ tsUs }) => tsUs)).toEqual(Array.from({ length: 200 }, (_, i) => TS_US + i));
});

test("a folder that cannot be written is one clear error", async () => {
  const folder = newFolder();
  writeFileSync(join(folder, "file"), "");
  const journal = newJournal(join(folder, "file", "run"), newOrders().orders);
  await expect(journal.start()).rejects.toThrow(`the journal cannot be kept in ${folder}/file/run`);
});

test("a database that cannot be opened is one clear error", async () => {
  const folder = newFolder();
  writeFileSync(
    join(folder, "journal.sqlite"),
    "this is not a database, and long enough to be looked at as one".repeat(20),
  );
  const { orders } = newOrders();
  const journal = newJournal(folder, orders);
  await expect(journal.start()).rejects.toThrow("not a database");
});

test("what is no journal is refused by the reader with its path", () => {
  const folder = newFolder();
  expect(() => readJournal(join(folder, "none.sqlite"))).toThrow("there is no journal at");
  const path = join(folder, "text.sqlite");
  writeFileSync(path, "plain text ".repeat(100));
  expect(() => readJournal(path)).toThrow(`${path} cannot be read as a journal`);
});

/** A worker that says it is ready and then takes nothing, as one stuck in a slow disk. */
function idleWorker(): Worker {
  const code =
    'const { parentPort } = require("node:worker_threads"); parentPort.on("message", () => {}); parentPort.postMessage({ kind: "ready" });';
  const worker = new Worker(code, { eval: true });
  idleWorkers.push(worker);
  return worker;
}
const idleWorkers: Worker[] = [];
afterEach(async () => {
  for (const worker of idleWorkers.splice(0)) await worker.terminate();
});
