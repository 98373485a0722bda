// A process that records intents in its journal's ring, whose worker is stuck, and then waits to be killed.

import { Worker } from "node:worker_threads";
import { Arena } from "../../src/core/arena.ts";
import { Journal } from "../../src/ledger/journal.ts";
import { ORDER_ROLE_ENTRY, OrderTable, SIDE_BUY } from "../../src/market/orders.ts";

const TS_US = Date.parse("2019-12-18T15:00:00Z") * 1000 + 123_456;
const STUCK_WORKER =
  'const { parentPort } = require("node:worker_threads"); parentPort.on("message", () => {}); parentPort.postMessage({ kind: "ready" });';

const orders = new OrderTable(new Arena());
const row = orders.open(0, SIDE_BUY, ORDER_ROLE_ENTRY, 3);
const journal = new Journal({
  folder: process.argv[2]!,
  orders,
  isDurable: false,
  spawn: () => new Worker(STUCK_WORKER, { eval: true }),
});
await journal.start();
for (let i = 0; i < 200; i++) journal.intent(TS_US + i, row);
process.stdout.write("recorded 200\n");
setInterval(() => {}, 1_000);
