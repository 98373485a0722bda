// The scanner against JSON.parse: on any text whatever the two leave the same rows, counters and status events.
// FEED_FUZZ_FRAMES=1000000 bun test test/property/feed-parse.property.test.ts   runs as many mutated frames.

import { expect, test } from "bun:test";
import fc from "fast-check";
import { Prng } from "../../src/core/prng.ts";
import {
  barFields,
  type Fields,
  FRAME_TS_MS,
  parserRig,
  quoteFields,
  takeRows,
  tradeFields,
} from "../support/feed-frames.ts";

const FUZZ_FRAMES = Number(process.env.FEED_FUZZ_FRAMES ?? 20_000);
const SYMBOLS = ["AAPL", "MSFT", "BRK.B", "LONGSYMBOL"];

const scanned = parserRig(SYMBOLS);
const parsed = parserRig(SYMBOLS);

/** Reads a frame both ways and compares; returns whether the scanner took it. */
function compare(frame: string): boolean {
  const slowFrames = scanned.parser.jsonFrames;
  const counts = [scanned.parser.parseFrame(frame, 7), parsed.parser.parseFrameJson(frame, 7)];
  expect(counts[0], frame).toBe(counts[1]!);
  expect(takeRows(scanned.ring), frame).toEqual(takeRows(parsed.ring));
  expect(scanned.counters, frame).toEqual(parsed.counters);
  expect(scanned.statuses.splice(0), frame).toEqual(parsed.statuses.splice(0));
  return scanned.parser.jsonFrames === slowFrames;
}

const symbol = fc.constantFrom(...SYMBOLS, "NOPE", "", "aapl");
const number = fc.oneof(
  fc.double({ min: 0.01, max: 1000, noNaN: true }),
  fc.integer({ min: -2, max: 2_000 }),
  fc.constantFrom(0, 1e-7, 1e21, 123456.7891, 999_999_999_999_999, 2 ** 53 + 2),
);
const time = fc.oneof(fc.constantFrom(FRAME_TS_MS, FRAME_TS_MS * 1e3 + 1, FRAME_TS_MS * 1e6, 1), fc.nat());
const odd = fc.oneof(
  fc.string(),
  fc.constantFrom(null, true, false, "300.0", "0.5", "1.", ""),
  fc.array(fc.nat()),
  number,
);
const event: fc.Arbitrary<Fields> = fc.oneof(
  fc
    .record({ p: number, s: number, t: time, ds: odd }, { requiredKeys: ["p", "s", "t"] })
    .chain((f) => symbol.map((s) => tradeFields(s, f))),
  fc
    .record({ bp: number, ap: number, bs: number, as: number, t: time })
    .chain((f) => symbol.map((s) => quoteFields(s, f))),
  fc
    .record({ o: number, h: number, l: number, c: number, v: number, vw: number, s: time })
    .chain((f) => symbol.map((s) => barFields(s, f))),
  fc.constantFrom<Fields>(
    { ev: "status", status: "success", message: "subscribed to: T.AAPL" },
    { ev: "LULD", T: "AAPL" },
  ),
  fc
    .dictionary(fc.constantFrom("ev", "sym", "p", "s", "t", "c", "ds", "xsym", "toolongkey"), odd)
    .map((f) => tradeFields("AAPL", f)),
);

test("scanner and JSON.parse agree on frames of good and odd events", () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 6 }), (events) => {
      compare(JSON.stringify(events));
    }),
    { numRuns: 2_000 },
  );
});

test("scanner and JSON.parse agree on any text", () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json(), fc.string({ unit: "binary" })), (text) => void compare(text)));
});

/** Pieces that a mutation may put anywhere: what JSON is made of, and what it is not. */
const PIECES = [
  ...[
    '"',
    ",",
    ":",
    "{",
    "}",
    "[",
    "]",
    "\\",
    ".",
    "-",
    "+",
    "e",
    "E",
    "0",
    "00",
    "9",
    " ",
    "\n",
    "\u0000",
    "\u007f",
    "\u00e9",
  ],
  ...[
    "null",
    "true",
    "NaN",
    "-1",
    "1e5",
    "0.0",
    '"ev":"T",',
    '"p":1,',
    '"sym":"MSFT",',
    '"ds":"1.5",',
    '"s":"x",',
    "[1,2],",
    "},{",
  ],
  ...[
    '"__proto__":{"p":1},',
    '"c":[],',
    '"t":1576681200000,',
    "12345678901234567890",
    "\\u0070",
    '"ev":"AM"',
    '"v":1,"vw":1',
  ],
];

/** One to three random edits of a good frame. */
function mutate(frame: string, prng: Prng): string {
  let text = frame;
  for (let edits = 1 + prng.nextInt(3); edits > 0; edits--) {
    const at = prng.nextInt(text.length + 1);
    const to = Math.min(text.length, at + prng.nextInt(6));
    const piece = PIECES[prng.nextInt(PIECES.length)]!;
    const kind = prng.nextInt(6);
    if (kind === 0) text = text.slice(0, at) + piece + text.slice(at);
    else if (kind === 1) text = text.slice(0, at) + piece + text.slice(to);
    else if (kind === 2) text = text.slice(0, at) + text.slice(to);
    else if (kind === 3) text = text.slice(0, at);
    else if (kind === 4) text = text.slice(0, to) + text.slice(at);
    else text = text.slice(0, at) + String.fromCharCode(32 + prng.nextInt(95)) + text.slice(at + 1);
  }
  return text;
}

function goodFrame(prng: Prng): string {
  const name = () => SYMBOLS[prng.nextInt(SYMBOLS.length)]!;
  const px = () => 1 + prng.nextInt(99_999) / 100;
  const makers = [
    () => tradeFields(name(), { p: px(), s: 1 + prng.nextInt(500) }),
    () => tradeFields(name(), { p: px(), ds: "12.5" }),
    () => quoteFields(name(), { bp: px(), ap: px() }),
    () => barFields(name(), { ev: prng.nextInt(2) === 0 ? "A" : "AM" }),
  ];
  return JSON.stringify(Array.from({ length: 1 + prng.nextInt(3) }, () => makers[prng.nextInt(makers.length)]!()));
}

test(`scanner and JSON.parse agree on ${FUZZ_FRAMES} mutated frames`, () => {
  const prng = new Prng(20191218);
  let fast = 0;
  for (let i = 0; i < FUZZ_FRAMES; i++) fast += compare(mutate(goodFrame(prng), prng)) ? 1 : 0;
  // The comparison means something only while a good part of the mutants still goes through the scanner.
  expect(fast / FUZZ_FRAMES).toBeGreaterThan(0.05);
  expect(fast / FUZZ_FRAMES).toBeLessThan(0.95);
}, 600_000);
