// SIGKILL in the middle of a day. The venue stands still then, so both sides can be compared: what gyr had done is in the
// journal, what it had not heard yet is with the broker, and so are the stops and targets of every position.

import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { parseClientOrderId } from "../../src/gateway/client-order-id.ts";
import { type JournalRecovery, recoverJournal } from "../../src/ledger/journal.ts";
import { type JournalDay, readJournal } from "../../src/ledger/journal-reader.ts";
import { GyrProcess, runGyr, TestFolder } from "../support/gyr-process.ts";
import { OrderProxy, PASS } from "../support/order-proxy.ts";
import { PaperVenue, type VenueOrder } from "../support/paper-venue.ts";
import { DAY, DAY_BEFORE, fileOf, pathOf, sampleRows, writeFiles } from "../support/recorded-folder.ts";

const folder = new TestFolder();
writeFiles(folder.join("data"), {
  [pathOf(DAY_BEFORE)]: fileOf(sampleRows(DAY_BEFORE)),
  [pathOf(DAY)]: fileOf(sampleRows(DAY)),
});
const SIM = `[sim]\ndata_dir = "${folder.join("data")}"\n`;
const EAGER = "[strategy]\nmomentum_entry_min = 0.5\ncooldown_bars = 2\n";
/** An event of the venue reaches gyr this much later at the most: the modelled latency, and a frame's interval. */
const DELIVERY_US = 300_000;

let venue: PaperVenue;
let orders: OrderProxy;
let runNumber = 0;
afterEach(async () => {
  orders.stop();
  await venue.close();
});
afterAll(() => folder.dispose());

interface Run {
  readonly gyr: GyrProcess;
  readonly runDir: string;
  readonly args: readonly string[];
}

async function start(): Promise<Run> {
  venue = await PaperVenue.open(folder, ["--speed", "max"], SIM);
  orders = new OrderProxy(venue.line.alpacaRest);
  await orders.start();
  const config = folder.write("paper.toml", venue.toml({ orders: orders.host, more: EAGER }));
  runNumber += 1;
  const runDir = folder.join(`runs-${runNumber}`);
  const args = ["run", "--config", config, "--report", "crash.html", "--run-dir", runDir];
  return { gyr: new GyrProcess(args, { cwd: folder.path, env: venue.keys }), runDir, args };
}

/** What the killed process left, put together again. */
function recovered(runDir: string): { day: JournalDay; recovery: JournalRecovery } {
  const run = join(runDir, readdirSync(runDir)[0]!);
  const recovery = recoverJournal(run);
  expect(readdirSync(run)).toEqual(["journal.sqlite"]);
  return { day: readJournal(join(run, "journal.sqlite")), recovery };
}

const tsUsOf = (iso: string) => Date.parse(iso) * 1000;
const sideOf = (side: number) => (side > 0 ? "buy" : "sell");

function expectWholeJournal(day: JournalDay, recovery: JournalRecovery, atVenue: readonly VenueOrder[]): void {
  expect(recovery.damagedCount).toBe(0);
  // No order without an intent.
  const intents = day.intents.map(({ symbol, side, qty }) => `${symbol} ${sideOf(side)} ${qty}`);
  const sent = atVenue.filter(({ client_order_id }) => parseClientOrderId(client_order_id) !== null);
  expect(sent.length).toBeGreaterThan(0);
  for (const { symbol, side, qty } of sent) {
    const index = intents.indexOf(`${symbol} ${side} ${qty}`);
    expect(index).toBeGreaterThanOrEqual(0);
    intents.splice(index, 1);
  }
  // Every fill that had been told is there, and none that never was.
  const lastUs = Math.max(
    ...[...day.predictions, ...day.orderStatuses, ...day.states, ...day.intents].map(({ tsUs }) => tsUs),
  );
  const filled = atVenue.filter(({ filled_at }) => filled_at !== null);
  const told = filled.filter(({ filled_at }) => tsUsOf(filled_at!) < lastUs - DELIVERY_US);
  expect(told.length).toBeGreaterThan(0);
  const key = (symbol: string, side: string, qty: number) => `${symbol} ${side} ${qty}`;
  const atBroker = filled.map(({ symbol, side, filled_qty }) => key(symbol, side, Number(filled_qty)));
  const filledQty = new Map<number, number>();
  for (const { row, qty } of day.fills) filledQty.set(row, (filledQty.get(row) ?? 0) + qty);
  const inJournal = [...filledQty].map(([row, qty]) => {
    const { symbol, side } = day.fills.find((fill) => fill.row === row)!;
    return key(symbol, sideOf(side), qty);
  });
  const missing = told.map(({ symbol, side, filled_qty }) => key(symbol, side, Number(filled_qty)));
  for (const fill of inJournal) {
    const known = atBroker.indexOf(fill);
    expect(known).toBeGreaterThanOrEqual(0);
    atBroker.splice(known, 1);
    const index = missing.indexOf(fill);
    if (index >= 0) missing.splice(index, 1);
  }
  expect(missing).toEqual([]);
}

/** Each position has its stop and its target, open and for all of it. */
async function expectBrackets(atVenue: readonly VenueOrder[]): Promise<void> {
  const positions = Object.entries(await venue.positions());
  expect(positions.length).toBeGreaterThan(0);
  const open = atVenue.filter(({ status }) => ["new", "accepted", "held"].includes(status));
  for (const [symbol, qty] of positions) {
    const legs = open.filter((order) => order.symbol === symbol && order.side === (qty > 0 ? "sell" : "buy"));
    expect(legs.map(({ type }) => type).sort()).toEqual(["limit", "stop"]);
    for (const leg of legs) expect(Number(leg.qty)).toBe(Math.abs(qty));
  }
}

describe("gyr is killed", () => {
  test.each(["11:00 New York", "13:00 New York", "15:00 New York"])("after %s", async (moment) => {
    const { gyr, runDir, args } = await start();
    await gyr.until(moment);
    gyr.kill("SIGKILL");
    await gyr.end();
    const atVenue = await venue.orders();
    const { day, recovery } = recovered(runDir);
    expectWholeJournal(day, recovery, atVenue);
    await expectBrackets(atVenue);

    // Started again, gyr does not trade on top of what the killed one left open, and touches none of it.
    const again = await runGyr(args, { cwd: folder.path, env: venue.keys });
    expect(again.code).toBe(3);
    expect(again.stderr).toContain("gyr and the broker do not agree");
    expect(again.stderr).toContain("of an earlier run of gyr is open at the broker");
    expect(again.stderr).not.toContain("armed");
    expect(await venue.orders()).toEqual(atVenue);
  });

  test.each([4, 9])("while order %i is on its way", async (number) => {
    const { gyr, runDir } = await start();
    let posts = 0;
    orders.onRequest = ({ method }) => {
      if (method !== "POST") return PASS;
      posts += 1;
      // The broker hears of it, gyr never hears of the answer.
      if (posts === number) gyr.kill("SIGKILL");
      return posts < number ? PASS : { kind: "no-answer" };
    };
    await gyr.end();
    expect(posts).toBe(number);
    const { day, recovery } = recovered(runDir);
    const atVenue = await venue.orders();
    expect(recovery.recoveredCount).toBeGreaterThan(0);
    expect(day.intents).toHaveLength(number);
    expectWholeJournal(day, recovery, atVenue);
  });
});

test("a day stopped in order goes on with a new start: no order id comes twice, and each journal has its own fills", async () => {
  const first = await start();
  await first.gyr.until("11:00 New York");
  first.gyr.kill("SIGINT");
  expect((await first.gyr.end()).code).toBe(130);
  expect(await venue.positions()).toEqual({});
  const before = await venue.orders();

  const again = await runGyr(first.args, { cwd: folder.path, env: venue.keys });
  expect(again.stderr).not.toContain("earlier run");
  expect(again.code).toBe(0);
  expect(await venue.positions()).toEqual({});
  const after = await venue.orders();
  expect(after.length).toBeGreaterThan(before.length + 5);
  expect(new Set(after.map(({ client_order_id }) => client_order_id)).size).toBe(after.length);
  const fills = readdirSync(first.runDir).flatMap(
    (run) => readJournal(join(first.runDir, run, "journal.sqlite")).fills,
  );
  const sum = (quantities: readonly number[]) => quantities.reduce((total, qty) => total + qty, 0);
  expect(sum(fills.map(({ qty }) => qty))).toBe(sum(after.map(({ filled_qty }) => Number(filled_qty))));
});
