import { expect, test } from "bun:test";
import { MARKET_EVENT_CAPACITY } from "../../../src/market/events.ts";
import vendorMessages from "../../fixtures/polygon-feed/ws_vendor-examples.json";
import {
  barFields,
  type Fields,
  FRAME_TS_MS,
  parserRig,
  quoteFields,
  takeRows,
  tradeFields,
} from "../../support/feed-frames.ts";

const RECV_NS = 42;
const TS_US = FRAME_TS_MS * 1000;

/** One event through both ways of reading; they must agree. */
function readOne(event: unknown) {
  return readFrame(JSON.stringify([event]));
}

function readFrame(frame: string) {
  const [scanned, parsed] = [parserRig(), parserRig()];
  scanned.parser.parseFrame(frame, RECV_NS);
  parsed.parser.parseFrameJson(frame, RECV_NS);
  const rows = takeRows(scanned.ring);
  expect(takeRows(parsed.ring)).toEqual(rows);
  expect(parsed.counters).toEqual(scanned.counters);
  expect(parsed.statuses).toEqual(scanned.statuses);
  return { rows, counters: scanned.counters, statuses: scanned.statuses, isScanned: scanned.parser.jsonFrames === 0 };
}

test("reads trades, quotes and aggregates of several symbols from one frame, in order", () => {
  const events = [
    tradeFields("AAPL"),
    quoteFields("MSFT"),
    barFields("BRK.B"),
    barFields("AAPL", { ev: "A" }),
    tradeFields("MSFT", { p: 0.0001, s: 0.5 }),
  ];
  const { rows, counters, isScanned } = readFrame(JSON.stringify(events));
  expect(isScanned).toBe(true);
  const bar = {
    tsUs: TS_US,
    recvNs: RECV_NS,
    px: 114.3,
    qty: 4110,
    bidPx: 114.1,
    askPx: 114.4,
    bidLots: 114,
    askLots: 114.2,
  };
  expect(rows).toEqual([
    { kind: "trade", slot: 0, tsUs: TS_US, recvNs: RECV_NS, px: 114.125, qty: 100 },
    { kind: "quote", slot: 1, tsUs: TS_US, recvNs: RECV_NS, bidPx: 114.12, askPx: 114.13, bidLots: 3, askLots: 5 },
    { kind: "minute bar", slot: 2, ...bar },
    { kind: "second bar", slot: 0, ...bar },
    { kind: "trade", slot: 1, tsUs: TS_US, recvNs: RECV_NS, px: 0.0001, qty: 0.5 },
  ]);
  expect(counters.events).toBe(5);
});

test("takes every example message of the vendor: the kinds it reads as rows, the others counted", () => {
  const frame = JSON.stringify(vendorMessages);
  const rig = parserRig(["AAPL", "AMZN", "MSFT", "SPCE", "GTE"]);
  rig.parser.parseFrame(frame, RECV_NS);
  expect(takeRows(rig.ring).map((row) => row.kind)).toEqual([
    "trade",
    "trade",
    "trade",
    "trade",
    "quote",
    "second bar",
    "minute bar",
  ]);
  expect(rig.statuses).toEqual(["connected: Connected Successfully", "auth_success: authenticated"]);
  // LULD, NOI and FMV.
  expect(rig.counters).toEqual({ frames: 0, events: 7, unknownEvents: 3, badEvents: 0, badFrames: 0, reconnects: 0 });
});

const SIZES: [string, Fields, number][] = [
  ["a whole number", { s: 300 }, 300],
  ["a fraction", { s: 0.25 }, 0.25],
  ["a decimal string beside a rounded number", { s: 0, ds: "0.25" }, 0.25],
  ["a decimal string alone", { s: undefined, ds: "300.0" }, 300],
  ["a decimal string of many digits", { ds: "0.123456789012345678" }, Number("0.123456789012345678")],
];
for (const [name, over, qty] of SIZES) {
  test(`reads a size given as ${name}`, () => {
    expect(readOne(tradeFields("AAPL", over)).rows[0]!.qty).toBe(qty);
  });
}

const TIMES: [string, number, number][] = [
  ["milliseconds", FRAME_TS_MS, TS_US],
  ["microseconds", FRAME_TS_MS * 1e3 + 7, TS_US + 7],
  ["nanoseconds", FRAME_TS_MS * 1e6, TS_US],
];
for (const [unit, ts, tsUs] of TIMES) {
  test(`reads a time in ${unit}`, () => {
    expect(readOne(tradeFields("AAPL", { t: ts })).rows[0]!.tsUs).toBe(tsUs);
    expect(readOne(barFields("AAPL", { s: ts })).rows[0]!.tsUs).toBe(tsUs);
  });
}

test("reads prices to the last bit, as JSON.parse does", () => {
  for (const text of ["0.1", "1.005", "123.4567", "999999.9999", "114.12833333333333", "0.30000000000000004", "100"]) {
    const frame = `[{"ev":"T","sym":"AAPL","p":${text},"s":1,"t":${FRAME_TS_MS}}]`;
    const { rows, isScanned } = readFrame(frame);
    expect(isScanned).toBe(true);
    expect(rows[0]!.px).toBe(Number(text));
  }
});

const BAD_EVENTS: [string, unknown][] = [
  ["no price", tradeFields("AAPL", { p: undefined })],
  ["a price of null", tradeFields("AAPL", { p: null })],
  ["a price as a string", tradeFields("AAPL", { p: "114.1" })],
  ["a price of zero", tradeFields("AAPL", { p: 0 })],
  ["a negative price", tradeFields("AAPL", { p: -1 })],
  ["a price under a tick", tradeFields("AAPL", { p: 0.00009 })],
  ["an absurd price", tradeFields("AAPL", { p: 10_000_001 })],
  ["a size of zero", tradeFields("AAPL", { s: 0 })],
  ["a negative size", tradeFields("AAPL", { s: -100 })],
  ["an absurd size", tradeFields("AAPL", { s: 1e11 })],
  ["no size", tradeFields("AAPL", { s: undefined })],
  ["a decimal size of words", tradeFields("AAPL", { ds: "many" })],
  ["a negative decimal size", tradeFields("AAPL", { ds: "-3.0" })],
  ["a decimal size as a number", tradeFields("AAPL", { ds: 300 })],
  ["no time", tradeFields("AAPL", { t: undefined })],
  ["a time in seconds", tradeFields("AAPL", { t: FRAME_TS_MS / 1000 })],
  ["a time of zero", tradeFields("AAPL", { t: 0 })],
  ["a negative time", tradeFields("AAPL", { t: -FRAME_TS_MS })],
  ["a time in the year 2200", tradeFields("AAPL", { t: 7.26e12 })],
  ["a time as a string", tradeFields("AAPL", { t: "2019-12-18T15:00:00Z" })],
  ["a quote without a bid", quoteFields("AAPL", { bp: undefined })],
  ["a quote with a bid of zero", quoteFields("AAPL", { bp: 0 })],
  ["a quote with an ask size of zero", quoteFields("AAPL", { as: 0 })],
  ["a bar whose high is under its close", barFields("AAPL", { h: 114.2 })],
  ["a bar whose low is over its open", barFields("AAPL", { l: 114.2 })],
  ["a bar without volume", barFields("AAPL", { v: undefined })],
  ["a bar without a mean price", barFields("AAPL", { vw: undefined })],
  ["a symbol that is a number", tradeFields("AAPL", { sym: 5 })],
  ["no symbol", tradeFields("AAPL", { sym: undefined })],
  ["no kind", tradeFields("AAPL", { ev: undefined })],
  ["a kind that is a number", tradeFields("AAPL", { ev: 1 })],
  ["an event that is a number", 7],
  ["an event that is null", null],
  ["an event that is a list", [1, 2]],
  ["a status that is no text", { ev: "status", status: 5 }],
];
for (const [name, event] of BAD_EVENTS) {
  test(`counts and skips ${name}, and keeps the good events around it`, () => {
    const { rows, counters } = readFrame(JSON.stringify([tradeFields("AAPL"), event, tradeFields("MSFT")]));
    expect(rows.map((row) => row.slot)).toEqual([0, 1]);
    expect(counters).toMatchObject({ events: 2, badEvents: 1, unknownEvents: 0, badFrames: 0 });
  });
}

test("counts unknown symbols and unknown kinds apart from bad events", () => {
  const events = [
    tradeFields("ZVZZT"),
    tradeFields("A-VERY-LONG-SYMBOL"),
    tradeFields(""),
    { ev: "XX", p: -1 },
    tradeFields("aapl"),
  ];
  const { rows, counters, isScanned } = readFrame(JSON.stringify(events).replace("-1", "1"));
  expect(isScanned).toBe(true);
  expect(rows).toEqual([]);
  expect(counters).toMatchObject({ events: 0, unknownEvents: 5, badEvents: 0 });
});

test("finds symbols of more than eight characters and symbols that share a prefix", () => {
  const symbols = ["LONGSYMBOL1", "LONGSYMBOL2", "ABCDEFGH", "ABCDEFG", "A", "AA"];
  const rig = parserRig(symbols);
  rig.parser.parseFrame(JSON.stringify(symbols.map((symbol) => tradeFields(symbol))), RECV_NS);
  expect(takeRows(rig.ring).map((row) => row.slot)).toEqual([0, 1, 2, 3, 4, 5]);
  expect(rig.parser.jsonFrames).toBe(0);
});

test("sees instruments that were added after the first frame", () => {
  const rig = parserRig(["AAPL"]);
  const frame = JSON.stringify([tradeFields("NEW")]);
  rig.parser.parseFrame(frame, RECV_NS);
  rig.instruments.add("NEW");
  rig.parser.parseFrame(frame, RECV_NS);
  expect(takeRows(rig.ring).map((row) => row.slot)).toEqual([1]);
  expect(rig.counters.unknownEvents).toBe(1);
});

test("ignores fields it does not know, of any simple type, without leaving the fast path", () => {
  const extra = { otc: true, halted: false, pt: 1_576_681_200_001, trfi: 202, venueName: "X", conds: [], ids: [0, 10] };
  const { rows, isScanned } = readOne(tradeFields("AAPL", extra));
  expect(rows).toHaveLength(1);
  expect(isScanned).toBe(true);
});

const SLOW_FRAMES: [string, string][] = [
  ["spaces", JSON.stringify([tradeFields("AAPL")], null, 1)],
  ["an escaped key", JSON.stringify([tradeFields("AAPL")]).replace('"p"', '"\\u0070"')],
  ["an exponent", JSON.stringify([tradeFields("AAPL")]).replace("114.125", "1.14125e2")],
  ["a nested object", JSON.stringify([tradeFields("AAPL", { more: { deep: [[1]] } })])],
  ["a repeated key, the last counts", JSON.stringify([tradeFields("AAPL", { p: 1 })]).replace("}]", ',"p":114.125}]')],
  ["characters beyond ASCII", JSON.stringify([tradeFields("AAPL", { note: "\u00e9\u4e16" })])],
  ["a key that objects inherit", JSON.stringify([tradeFields("AAPL")]).replace("}]", ',"__proto__":{"p":1}}]')],
];
for (const [name, frame] of SLOW_FRAMES) {
  test(`reads a frame with ${name}`, () => {
    const { rows } = readFrame(frame);
    expect(rows).toEqual([{ kind: "trade", slot: 0, tsUs: TS_US, recvNs: RECV_NS, px: 114.125, qty: 100 }]);
  });
}

test("a key given twice counts with its last value, also where that is of another type", () => {
  const frame = JSON.stringify([tradeFields("AAPL")]);
  for (const again of ['"p":"114.1"', '"s":[1]', '"t":true', '"ds":1', '"sym":"NOPE"', '"ev":"Q"']) {
    expect(readFrame(frame.replace("}]", `,${again}}]`)).rows).toEqual([]);
  }
  const quote = JSON.stringify([quoteFields("AAPL")]);
  expect(readFrame(quote.replace("}]", ',"bp":"114.1"}]')).rows).toEqual([]);
  expect(readFrame(quote.replace("}]", ',"bp":114.1}]')).rows).toMatchObject([{ bidPx: 114.1 }]);
});

const whole = JSON.stringify([tradeFields("AAPL"), tradeFields("MSFT")]);
const BAD_FRAMES: [string, string][] = [
  ["nothing", ""],
  ["words", "Service Unavailable"],
  ["an object", '{"ev":"status"}'],
  ["a number", "1"],
  ["null", "null"],
  ["a missing bracket", whole.slice(0, -1)],
  ["an array with a gap", whole.replace("},{", "},,{")],
  ["a bare NaN", whole.replace("114.125", "NaN")],
  ["a number with a leading zero", whole.replace("114.125", "0114.125")],
  ["a number without decimals after its point", whole.replace("114.125", "114.")],
  ["a control character in a string", whole.replace("12345", "12\n345")],
  ["two arrays", whole + whole],
];
for (const [name, frame] of BAD_FRAMES) {
  test(`counts a frame of ${name} as bad and writes nothing of it`, () => {
    const { rows, counters } = readFrame(frame);
    expect(rows).toEqual([]);
    expect(counters).toMatchObject({ events: 0, badEvents: 0, unknownEvents: 0, badFrames: 1 });
  });
}

test("counts a frame cut at any place as bad, whatever frame came before it", () => {
  for (let length = 0; length < whole.length; length++) {
    const rig = parserRig();
    rig.parser.parseFrame(whole, RECV_NS);
    takeRows(rig.ring);
    rig.parser.parseFrame(whole.slice(0, length), RECV_NS);
    expect(takeRows(rig.ring)).toEqual([]);
    expect(rig.counters.badFrames).toBe(1);
  }
});

test("an empty array is a frame without events", () => {
  expect(readFrame("[]").counters).toMatchObject({ events: 0, badEvents: 0, badFrames: 0 });
});

test("has the ring drained before it would overflow, and loses no trade of a frame larger than the ring", () => {
  const count = MARKET_EVENT_CAPACITY + 1000;
  const events = Array.from({ length: count }, (_, i) => tradeFields("AAPL", { t: FRAME_TS_MS + i }));
  const rig = parserRig();
  const times: unknown[] = [];
  let drains = 0;
  const drain = () => {
    drains += 1;
    for (const row of takeRows(rig.ring)) times.push(row.tsUs);
  };
  rig.parser.onFull = drain;
  expect(rig.parser.parseFrame(JSON.stringify(events), RECV_NS)).toBe(count);
  drain();
  expect(times).toEqual(events.map((event) => (event.t as number) * 1000));
  expect(drains).toBe(2);
});

test("drains first when the ring is nearly full, and then still takes the fast path", () => {
  const rig = parserRig();
  rig.ring.head = MARKET_EVENT_CAPACITY - 1;
  let drains = 0;
  rig.parser.onFull = () => {
    drains += 1;
    rig.ring.tail = rig.ring.head;
  };
  rig.parser.parseFrame(whole, RECV_NS);
  expect(drains).toBe(1);
  expect(takeRows(rig.ring)).toHaveLength(2);
  expect(rig.parser.jsonFrames).toBe(0);
});

test("an onFull that makes no room is a bug, said so", () => {
  const rig = parserRig();
  rig.ring.head = MARKET_EVENT_CAPACITY;
  expect(() => rig.parser.parseFrame(whole, RECV_NS)).toThrow("Invariant: onFull makes room");
});
