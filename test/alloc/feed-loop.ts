// Run by feed.alloc.test.ts in a process of its own: warms up, collects, then works between two marks on standard error.
//
//   bun test/alloc/feed-loop.ts bars|scan|json

import { writeSync } from "node:fs";
import { BAR_CLOSED, BarBuilder } from "../../src/bars/bar-builder.ts";
import { Arena } from "../../src/core/arena.ts";
import { Prng } from "../../src/core/prng.ts";
import { FRAME_TS_MS, parserRig, quoteFields, tradeFields } from "../support/feed-frames.ts";

const EVENTS = 1_000_000;
const WARM_UP_EVENTS = 200_000;
const STOCKS = 100;
const EVENTS_PER_FRAME = 100;
const STDERR = 2;

const WORK: Record<string, () => (events: number) => number> = {
  /** Trades from preallocated columns into bars, the clock told every 250 ms of market time. */
  bars() {
    const TRADES = 1 << 16;
    const prng = Prng.stream(1, "test.alloc.bars");
    const slot = Int32Array.from({ length: TRADES }, () => prng.nextInt(STOCKS));
    const px = Float64Array.from({ length: TRADES }, () => 1 + prng.nextInt(50_000) / 100);
    const qty = Float64Array.from({ length: TRADES }, () => 1 + prng.nextInt(500));
    /** Some out of order, some a minute late. */
    const lagUs = Float64Array.from({ length: TRADES }, () =>
      prng.nextInt(50) === 0 ? 60_000_000 : prng.nextInt(5_000),
    );
    const arena = new Arena();
    const bars = new BarBuilder(arena, { intervalUs: 60_000_000, closeGraceUs: 1_000_000 });
    arena.freeze();
    let nowUs = FRAME_TS_MS * 1000;
    return (events) => {
      let closed = 0;
      for (let event = 0; event < events; event++) {
        nowUs += 5_000;
        const i = event & (TRADES - 1);
        if (bars.applyTrade(slot[i]!, px[i]!, qty[i]!, nowUs - lagUs[i]!) === BAR_CLOSED) closed += 1;
        if (event % 50 === 0) closed += bars.closeDue(nowUs);
        if (event % 7 === 0) closed += bars.applyAggregate(slot[i]!, bars.startOf(nowUs), 1, 1, 1, 1, 1, 1);
      }
      return closed + bars.counters.lateTrades;
    };
  },
  scan: () => frames((rig, frame) => rig.parser.parseFrame(frame, 1)),
  json: () => frames((rig, frame) => rig.parser.parseFrameJson(frame, 1)),
};

/** Frames of trades and quotes that exist before the marks, as text. */
function frames(read: (rig: ReturnType<typeof parserRig>, frame: string) => number): (events: number) => number {
  const symbols = Array.from({ length: STOCKS }, (_, i) => `SYM${i}`);
  const rig = parserRig(symbols);
  const texts = Array.from({ length: 64 }, (_, f) => {
    const events = symbols.map((symbol, i) => {
      const over = { p: 100 + (f * STOCKS + i) / 100, s: 1 + f, t: FRAME_TS_MS + f };
      return (i + f) % 2 === 0
        ? tradeFields(symbol, over)
        : quoteFields(symbol, { bp: over.p, ap: over.p + 0.01, t: over.t });
    });
    return JSON.stringify(events);
  });
  return (events) => {
    let written = 0;
    for (let frame = 0; frame < events / EVENTS_PER_FRAME; frame++) {
      written += read(rig, texts[frame & 63]!);
      rig.ring.tail = rig.ring.head;
    }
    if (written !== events) throw new Error(`${written} of ${events} events were read`);
    return written;
  };
}

const work = WORK[process.argv[2]!]!();
work(WARM_UP_EVENTS);
Bun.gc(true);
writeSync(STDERR, "\nMARK BEGIN\n");
const result = work(EVENTS);
writeSync(STDERR, "\nMARK END\n");
// The work cannot be left out by the compiler, since its result is printed.
console.log(result);
