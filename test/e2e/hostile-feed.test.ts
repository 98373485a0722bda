// A feed that lies, stammers and breaks: a proxy between gyr and the venue adds to the frames or cuts the wire. In lockstep what
// must be left out leaves the day exactly as it is without it, fill by fill; at a numeric speed gyr comes back after each cut.

import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { readJournal } from "../../src/ledger/journal-reader.ts";
import { newYorkTimeUs } from "../../src/market/calendar.ts";
import { ClockRelay, FeedProxy, type FrameHook } from "../support/feed-proxy.ts";
import { type GyrResult, lastJson, runGyr, TestFolder } from "../support/gyr-process.ts";
import { OrderProxy } from "../support/order-proxy.ts";
import { PaperVenue } from "../support/paper-venue.ts";
import { DAY, DAY_BEFORE, fileOf, pathOf, sampleRows, writeFiles } from "../support/recorded-folder.ts";

const folder = new TestFolder();
writeFiles(folder.join("data"), {
  [pathOf(DAY_BEFORE)]: fileOf(sampleRows(DAY_BEFORE)),
  [pathOf(DAY)]: fileOf(sampleRows(DAY)),
});
const SIM = `[sim]\ndata_dir = "${folder.join("data")}"\n`;
/** More trades than the default rule makes of six funds. */
const EAGER = "[strategy]\nmomentum_entry_min = 0.5\ncooldown_bars = 2\n";
/**
 * For numeric speeds, where a busy machine costs market time: flat two and a half hours before the close, and answers may take
 * a minute, which is 24 ms of the wall.
 */
const UNHURRIED = '[session]\nentry_end = "13:00"\nflat_by = "13:30"\n';
const PATIENT = "timeout_ms = 60000\n";
/** Frames before this one confirm subscriptions. */
const FIRST_FRAME = 40;

let venue: PaperVenue;
let feed: FeedProxy;
const stops: (() => unknown)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});
afterAll(() => folder.dispose());

/** A day through the proxies. */
async function trade(speed: string, onFrame?: FrameHook): Promise<GyrResult> {
  venue = await PaperVenue.open(folder, ["--speed", speed], SIM);
  feed = new FeedProxy(venue.line.polygonWs);
  const orders = new OrderProxy(venue.line.alpacaRest);
  await orders.start();
  const clock = new ClockRelay(venue.clockUrl, feed);
  orders.clockPort = clock.port;
  stops.push(
    () => feed.stop(),
    () => orders.stop(),
    () => clock.stop(),
    () => venue.close(),
  );
  if (onFrame !== undefined)
    feed.onFrame = (frame, number) => (number > FIRST_FRAME ? onFrame(frame, number) : [frame]);
  const config = folder.write(
    "paper.toml",
    venue.toml({
      feed: feed.url,
      orders: orders.host,
      more: speed === "max" ? EAGER : `${PATIENT}${EAGER}${UNHURRIED}`,
    }),
  );
  const result = await runGyr(["run", "--json", "--config", config, "--report", "feed.html"], {
    cwd: folder.path,
    env: venue.keys,
  });
  expect(result.stderr).not.toContain("bug of gyr");
  return result;
}

/** Ended in order, and the venue agrees. */
async function expectFlat(result: GyrResult): Promise<Record<string, unknown>> {
  expect(result.stderr).not.toContain("the run failed");
  expect(result.code).toBe(0);
  const report = lastJson(result);
  expect(report).toMatchObject({ outcome: "completed", positionsAtClose: 0 });
  expect(await venue.positions()).toEqual({});
  return report;
}

function countersOf(report: Record<string, unknown>): Record<string, number> {
  const html = readFileSync(report.reportPath as string, "utf8");
  return JSON.parse(/"counters":(\{[^{}]*\})/.exec(html)![1]!) as Record<string, number>;
}

const journalOf = (report: Record<string, unknown>) => readJournal(report.journalPath as string);

/** All that a day is, without the names of its ports. */
function dayOf(report: Record<string, unknown>) {
  const { bars, predictions, orders, denialsByCode, pnlUsd, feesUsd } = report;
  const fills = journalOf(report).fills.map(({ tsUs, symbol, side, role, qty, pxTicks }) => [
    tsUs,
    symbol,
    side,
    role,
    qty,
    pxTicks,
  ]);
  return { bars, predictions, orders, denialsByCode, pnlUsd, feesUsd, fills };
}

interface FeedEvent {
  readonly ev: string;
  readonly p: number;
  readonly t: number;
  readonly [field: string]: unknown;
}

/** Ways to spoil an event of the venue. `bad`, `unknown`, `early`, `future`, `absurd`, `late`: the counter that must see it. */
const SPOILT: readonly (readonly [counter: string, spoil: (event: FeedEvent) => unknown])[] = [
  ["bad", (event) => ({ ...event, p: -event.p, bp: -1, c: -1 })],
  ["bad", (event) => ({ ...event, p: 0, ap: 0, v: 0 })],
  ["bad", (event) => ({ ...event, p: null, bp: null, o: null })],
  ["bad", (event) => ({ ...event, p: 20_000_000, ap: 20_000_000, h: 20_000_000 })],
  ["bad", (event) => ({ ...event, p: String(event.p), bp: "1", l: "1" })],
  ["bad", (event) => ({ ...event, s: "100", as: "100", v: "100", c: "1" })],
  ["bad", (event) => ({ ...event, s: -100, as: -1, v: -1 })],
  ["bad", (event) => ({ ...event, s: [100], bs: [1], v: [1] })],
  ["bad", (event) => ({ ...event, t: "now", s: "now" })],
  ["bad", (event) => ({ ...event, t: 0, s: 0 })],
  ["bad", (event) => ({ ...event, t: -event.t, s: -1 })],
  ["bad", (event) => ({ ...event, sym: 7 })],
  ["bad", (event) => ({ ...event, sym: null })],
  ["bad", () => null],
  ["bad", () => "T"],
  ["bad", () => [[1]]],
  ["bad", () => ({})],
  ["bad", () => ({ ev: 1 })],
  ["bad", () => ({ ev: "status", status: 5 })],
  ["unknown", (event) => ({ ...event, sym: "NOSUCH" })],
  ["unknown", (event) => ({ ...event, sym: "__proto__" })],
  ["unknown", (event) => ({ ...event, sym: "" })],
  ["unknown", (event) => ({ ...event, ev: "LULD" })],
  ["unknown", (event) => ({ ...event, ev: "constructor" })],
];

/** Trades that are whole and cannot be true. */
const UNTRUE: readonly (readonly [counter: string, spoil: (trade: FeedEvent) => unknown])[] = [
  ["early", (trade) => ({ ...trade, t: trade.t - 86_400_000 })],
  ["early", (trade) => ({ ...trade, t: 1_000_000_000_000 })],
  ["future", (trade) => ({ ...trade, t: trade.t + 3_600_000 })],
  ["future", (trade) => ({ ...trade, t: 4_000_000_000_000 })],
  ["absurd", (trade) => ({ ...trade, p: 9_000_000 })],
  ["absurd", (trade) => ({ ...trade, p: 0.01 })],
  ["late", (trade) => ({ ...trade, t: trade.t - 600_000, p: trade.p * 1.05 })],
];

/** Frames that are no list of events. */
const BROKEN: readonly ((frame: string) => string | Uint8Array)[] = [
  (frame) => frame.slice(0, frame.length >> 1),
  (frame) => frame.slice(1),
  (frame) => frame.replaceAll(":", ";"),
  (frame) => new TextEncoder().encode(frame),
  () => new Uint8Array([0xff, 0xfe, 0x00]),
  () => "",
  () => "null",
  () => "{}",
  () => '{"ev":"T"}',
  () => "[",
  () => "not json",
  () => `[{"ev":"T","sym":"SPY","p":NaN,"s":1,"t":1}]`,
  () => "[".repeat(50_000),
];

/** In the place of one frame, so that the run stays short. */
const HUGE_AT = 500;
const HUGE_FRAME = `[${" ".repeat(1 << 24)}]`;

/** Status frames that have no place in the middle of a day and must not move anything. */
const STATUS: readonly string[] = [
  '[{"ev":"status","status":"connected","message":"Connected Successfully"}]',
  '[{"ev":"status","status":"auth_success","message":"authenticated"}]',
  '[{"ev":"status","status":"success","message":"subscribed to: T.NOSUCH"}]',
  '[{"ev":"status","status":"success","message":"unsubscribed"}]',
  '[{"ev":"status","status":"error","message":"something <b>odd</b>"}]',
  '[{"ev":"status","status":"force_disconnect"}]',
];

describe("in lockstep", () => {
  let clean: ReturnType<typeof dayOf>;

  test("the day through the proxies trades", async () => {
    const report = await expectFlat(await trade("max"));
    clean = dayOf(report);
    expect(clean.bars).toBeGreaterThan(2_000);
    expect(clean.fills.length).toBeGreaterThan(20);
    expect(report.warnings as string[]).not.toContainEqual(expect.stringContaining("left out"));
  });

  test("broken frames, impossible events and untrue trades are left out, counted, and change no fill", async () => {
    const injected: Record<string, number> = { frames: 0, bad: 0, unknown: 0, early: 0, future: 0, absurd: 0, late: 0 };
    const spoilt = (frame: string, number: number): string[] => {
      const events = JSON.parse(frame) as FeedEvent[];
      const [counter, spoil] = SPOILT[number % SPOILT.length]!;
      const event = events[number % events.length]!;
      injected[counter]! += 1;
      return [JSON.stringify([spoil(event)])];
    };
    const untrue = (frame: string, number: number): string[] => {
      const trade = (JSON.parse(frame) as FeedEvent[]).find(({ ev }) => ev === "T");
      if (trade === undefined) return [];
      const [counter, spoil] = UNTRUE[number % UNTRUE.length]!;
      injected[counter]! += 1;
      return [JSON.stringify([spoil(trade)])];
    };
    const broken = (frame: string, number: number): (string | Uint8Array)[] => {
      injected.frames! += 1;
      return [number === HUGE_AT ? HUGE_FRAME : BROKEN[number % BROKEN.length]!(frame)];
    };
    const result = await trade("max", (frame, number) => [
      ...spoilt(frame, number),
      ...broken(frame, number),
      frame,
      ...untrue(frame, number),
      STATUS[number % STATUS.length]!,
    ]);
    const report = await expectFlat(result);
    expect(dayOf(report)).toEqual(clean);
    const counters = countersOf(report);
    expect({
      frames: counters["feed.badFrames"],
      bad: counters["feed.badEvents"],
      unknown: counters["feed.unknownEvents"],
      early: counters["events.earlyEvents"],
      future: counters["events.futureEvents"],
      absurd: counters["events.absurdTrades"],
      late: counters["bars.lateTrades"],
    } as Record<string, unknown>).toEqual(injected);
    for (const count of Object.values(injected)) expect(count).toBeGreaterThan(100);
    const warnings = (report.warnings as string[]).join("\n");
    expect(warnings).toContain(`left out: ${injected.frames} frames of the feed`);
    expect(warnings).toContain(`left out: ${injected.future} market events from the future`);
  });

  test("events again and out of order make no bar more and none less", async () => {
    const result = await trade("max", (frame, number) => {
      const events = JSON.parse(frame) as FeedEvent[];
      const shuffled = JSON.stringify(events.toReversed());
      return number % 3 === 0 ? [shuffled, frame] : [shuffled];
    });
    const report = await expectFlat(result);
    expect(report.bars).toBe(clean.bars);
    expect(countersOf(report)).toMatchObject({ "feed.badFrames": 0, "feed.badEvents": 0 });
    expect(countersOf(report)["bars.duplicateBars"]).toBeGreaterThan(100);
  });
});

describe("at a numeric speed", () => {
  /** Calls `act` once at each of these times of the market, as the frames show it. */
  function at(times: readonly string[], act: (time: string) => void): FrameHook {
    const due = times.map((time) => ({ time, tsMs: newYorkTimeUs(DAY, time) / 1000 }));
    return (frame) => {
      const tsMs = Number(/"t":(\d{13})/.exec(frame)?.[1] ?? 0);
      if (due.length > 0 && tsMs >= due[0]!.tsMs) act(due.shift()!.time);
      return [frame];
    };
  }

  test("gyr connects again after each cut, subscribes and trades on", async () => {
    const cuts = ["10:00", "11:00", "12:00", "14:30"];
    const result = await trade(
      "2500",
      at(cuts, () => feed.cut()),
    );
    const report = await expectFlat(result);
    expect(countersOf(report)["feed.reconnects"]).toBe(cuts.length);
    expect(feed.connections).toBe(cuts.length + 1);
    const { predictions } = journalOf(report);
    for (const [from, to] of [...cuts, "15:30"].map((cut, index, all) => [cut, all[index + 1]] as const).slice(0, -1)) {
      const fromUs = newYorkTimeUs(DAY, from);
      const toUs = newYorkTimeUs(DAY, to!);
      expect(predictions.filter(({ tsUs }) => tsUs > fromUs && tsUs < toUs).length).toBeGreaterThan(100);
    }
    expect(report.warnings).toContainEqual(expect.stringMatching(/^feed down: .*connecting again/));
  });

  test("a feed that refuses the key in the middle of the day ends flat, and says so", async () => {
    const refusal = '[{"ev":"status","status":"auth_failed","message":"authentication failed"}]';
    const result = await trade(
      "2500",
      at(["10:30"], () => feed.say(refusal)),
    );
    const report = await expectFlat(result);
    expect(report.warnings).toContainEqual(expect.stringMatching(/^feed refused: .*authentication failed/));
    expect(result.stdout + result.stderr).not.toContain(venue.line.secret);
    const lateUs = newYorkTimeUs(DAY, "12:30");
    expect(journalOf(report).predictions.filter(({ tsUs }) => tsUs > lateUs)).toEqual([]);
  });
});
