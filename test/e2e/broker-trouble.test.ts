// A broker that is slow, forgetful or gone: a proxy on the order side loses answers and requests, answers with errors, breaks
// connections and the order stream. Whatever happens, no order is sent twice, the broker and the journal tell the same fills,
// and the day ends flat. In lockstep an answer that is only lost must not change a single fill.

import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { parseClientOrderId } from "../../src/gateway/client-order-id.ts";
import { readJournal } from "../../src/ledger/journal-reader.ts";
import { newYorkTimeUs } from "../../src/market/calendar.ts";
import { ORDER_ROLE_ENTRY } from "../../src/market/orders.ts";
import { GyrProcess, type GyrResult, lastJson, TestFolder } from "../support/gyr-process.ts";
import { OrderProxy, PASS, type ProxiedRequest, type Treatment } from "../support/order-proxy.ts";
import { PaperVenue, type VenueOrder } from "../support/paper-venue.ts";
import { DAY, DAY_BEFORE, fileOf, pathOf, sampleRows, writeFiles } from "../support/recorded-folder.ts";

const folder = new TestFolder();
writeFiles(folder.join("data"), {
  [pathOf(DAY_BEFORE)]: fileOf(sampleRows(DAY_BEFORE)),
  [pathOf(DAY)]: fileOf(sampleRows(DAY)),
});
const SIM = `[sim]\ndata_dir = "${folder.join("data")}"\n`;
/** More trades than the default rule makes of six funds. */
const EAGER = "[strategy]\nmomentum_entry_min = 0.5\ncooldown_bars = 2\n";

let venue: PaperVenue;
let orders: OrderProxy;
afterEach(async () => {
  orders.stop();
  await venue.close();
});
afterAll(() => folder.dispose());

/** Starts a day through the proxy; what `treat` says concerns only requests of the trading itself. */
async function start(
  speed: string,
  more: string,
  treat: (request: ProxiedRequest, number: number) => Treatment,
): Promise<GyrProcess> {
  venue = await PaperVenue.open(folder, ["--speed", speed], SIM);
  orders = new OrderProxy(venue.line.alpacaRest);
  await orders.start();
  let number = 0;
  orders.onRequest = (request) => {
    if (number === 0 && request.method !== "POST") return PASS;
    number += 1;
    return treat(request, number);
  };
  const config = folder.write("paper.toml", venue.toml({ orders: orders.host, more }));
  return new GyrProcess(["run", "--json", "--config", config, "--report", "broker.html"], {
    cwd: folder.path,
    env: venue.keys,
  });
}

/** Bought and sold shares by symbol, from orders of the venue and from fills of the journal. */
const venueTotals = (all: readonly VenueOrder[]) =>
  totals(all.map(({ symbol, side, filled_qty }) => [symbol, side, Number(filled_qty)]));

function totals(rows: readonly (readonly [symbol: string, side: string, qty: number])[]): Record<string, number> {
  const sums = new Map<string, number>();
  for (const [symbol, side, qty] of rows) {
    if (qty > 0) sums.set(`${symbol} ${side}`, (sums.get(`${symbol} ${side}`) ?? 0) + qty);
  }
  return Object.fromEntries([...sums].sort());
}

const OVER = ["filled", "canceled", "expired", "rejected", "replaced"];

/** The broker and gyr tell the same day: no order twice, none unknown, every fill on both sides, flat. */
async function expectAgreed(result: GyrResult): Promise<Record<string, unknown>> {
  expect(result.stderr).not.toContain("bug of gyr");
  expect(result.stderr).not.toContain("the run failed");
  expect(result.stdout + result.stderr).not.toContain(venue.line.secret);
  expect(result.code).toBe(0);
  const report = lastJson(result);
  expect(report).toMatchObject({ outcome: "completed", positionsAtClose: 0 });
  expect(await venue.positions()).toEqual({});

  const atVenue = await venue.orders();
  const day = readJournal(report.journalPath as string);
  expect(atVenue.filter(({ status }) => !OVER.includes(status))).toEqual([]);
  const sent = atVenue.filter(({ client_order_id }) => parseClientOrderId(client_order_id) !== null);
  expect(new Set(sent.map(({ client_order_id }) => client_order_id)).size).toBe(sent.length);
  expect(sent.length).toBeGreaterThan(5);
  // Each order at the broker is one intent: the same symbol and quantity, and not more of them than were meant.
  const intents = day.intents.map(({ symbol, side, qty }) => `${symbol} ${side > 0 ? "buy" : "sell"} ${qty}`);
  for (const { symbol, side, qty } of sent) {
    const index = intents.indexOf(`${symbol} ${side} ${qty}`);
    expect(index).toBeGreaterThanOrEqual(0);
    intents.splice(index, 1);
  }
  const inJournal = day.fills.map(({ symbol, side, qty }) => [symbol, side > 0 ? "buy" : "sell", qty] as const);
  expect(totals(inJournal)).toEqual(venueTotals(atVenue));
  expect(day.fills).toHaveLength(report.fills as number);
  return report;
}

const fillsOf = (report: Record<string, unknown>) =>
  readJournal(report.journalPath as string).fills.map(({ tsUs, symbol, side, qty, pxTicks }) => [
    tsUs,
    symbol,
    side,
    qty,
    pxTicks,
  ]);

function countersOf(report: Record<string, unknown>): Record<string, number> {
  const html = readFileSync(report.reportPath as string, "utf8");
  return JSON.parse(/"counters":(\{[^{}]*\})/.exec(html)![1]!) as Record<string, number>;
}

const isPost = ({ method }: ProxiedRequest) => method === "POST";
const isOrderQuestion = ({ method, target }: ProxiedRequest) => method === "GET" && target.startsWith("/v2/orders");
const brokerError: Treatment = { kind: "answer", status: 500, body: '{"code":50010000,"message":"internal error"}' };
const rateLimited: Treatment = {
  kind: "answer",
  status: 429,
  body: '{"code":42910000,"message":"rate limit exceeded"}',
  headers: ["retry-after: 1", "x-ratelimit-limit: 200", "x-ratelimit-remaining: 0"],
};
const LOSSES: readonly Treatment[] = [{ kind: "lose-answer" }, { kind: "lose-request" }, brokerError, rateLimited];

describe("in lockstep", () => {
  let clean: ReturnType<typeof fillsOf>;
  const tradeInLockstep = async (treat: (request: ProxiedRequest, number: number) => Treatment) => {
    const gyr = await start("max", EAGER, treat);
    return expectAgreed(await gyr.end());
  };

  test("the day through the proxy trades", async () => {
    clean = fillsOf(await tradeInLockstep(() => PASS));
    expect(clean.length).toBeGreaterThan(20);
  });

  const harmless: [
    what: string,
    treat: (request: ProxiedRequest, number: number) => Treatment,
    ambiguousMin: number,
  ][] = [
    ["answers that come late", (_request, number) => ({ kind: "delay", ms: (number % 5) * 3 }), 0],
    ["connections reset after the order was passed on", (r, n) => (isPost(r) && n % 2 === 1 ? LOSSES[0]! : PASS), 3],
    [
      "errors of a gateway after the order was passed on",
      (r, n) => (isPost(r) && n % 2 === 1 ? { kind: "replace-answer", status: 504, body: "<html>late</html>" } : PASS),
      3,
    ],
    [
      "answers that are not the broker's",
      (r, n) => (isPost(r) && n % 2 === 1 ? { kind: "replace-answer", status: 200, body: "<html>ok</html>" } : PASS),
      3,
    ],
    [
      "lost answers, with the questions after them lost too",
      (r, n) => (isPost(r) ? LOSSES[0]! : isOrderQuestion(r) && n % 3 > 0 ? LOSSES[n % 4]! : PASS),
      6,
    ],
  ];

  test.each(harmless)("%s change no fill", async (_what, treat, ambiguousMin) => {
    const report = await tradeInLockstep(treat);
    expect(fillsOf(report)).toEqual(clean);
    expect(countersOf(report)["gateway.ambiguous"]).toBeGreaterThanOrEqual(ambiguousMin);
  });

  const harmful: [what: string, treat: (request: ProxiedRequest, number: number) => Treatment, counter: string][] = [
    [
      "connections reset before the order was passed on",
      (r, n) => (isPost(r) && n % 3 === 1 ? LOSSES[1]! : PASS),
      "ambiguous",
    ],
    ["errors instead of the order", (r, n) => (isPost(r) && n % 3 === 1 ? brokerError : PASS), "ambiguous"],
    ["rate limits", (r, n) => (r.method !== "GET" && n % 2 === 1 ? rateLimited : PASS), "rateLimited"],
    ["cancels lost and refused", (r, n) => (r.method === "DELETE" ? LOSSES[n % 4]! : PASS), "ambiguous"],
    ["everything at once", (r, n) => (isPost(r) || n % 2 === 0 ? [...LOSSES, PASS, PASS][n % 6]! : PASS), "ambiguous"],
  ];

  test.each(harmful)("%s cost time or orders, never the account of them", async (_what, treat, counter) => {
    const report = await tradeInLockstep(treat);
    expect(countersOf(report)[`gateway.${counter}`]).toBeGreaterThan(0);
  });
});

test("an order stream that is gone for two hours, and orders never answered: fills are fetched, entries wait, and it ends flat", async () => {
  // Close stops and targets, so that legs fill while nobody tells; flat two hours before the close, for busy machines.
  const more = `timeout_ms = 60000
${EAGER}[exits]
stop_atr = 1
stop_min_bps = 8
[session]
entry_end = "13:30"
flat_by = "14:00"
`;
  let unanswered = 0;
  const gyr = await start("2500", more, (request, number) => {
    if (!isPost(request) || number % 3 !== 2) return PASS;
    unanswered += 1;
    return { kind: "no-answer" };
  });
  await gyr.until("11:00 New York");
  orders.isStreamBlocked = true;
  orders.cutStream();
  await gyr.until("13:00 New York");
  orders.isStreamBlocked = false;
  const result = await gyr.end();
  const report = await expectAgreed(result);
  expect(unanswered).toBeGreaterThan(0);
  expect(countersOf(report)["gateway.ambiguous"]).toBeGreaterThanOrEqual(unanswered);
  const warnings = (report.warnings as string[]).join("\n");
  expect(warnings).toMatch(/order stream down: order stream lost/);
  expect(warnings).toContain("order stream is back and the orders of the gap are known");

  const isInGap = (tsUs: number) => tsUs > newYorkTimeUs(DAY, "11:15") && tsUs < newYorkTimeUs(DAY, "13:00");
  const day = readJournal(report.journalPath as string);
  expect(day.intents.filter(({ tsUs, role }) => role === ORDER_ROLE_ENTRY && isInGap(tsUs))).toEqual([]);
  expect((report.denialsByCode as Record<string, number>).REDUCE_ONLY).toBeGreaterThan(0);
  expect(day.fills.filter(({ tsUs }) => isInGap(tsUs)).length).toBeGreaterThan(0);
});
