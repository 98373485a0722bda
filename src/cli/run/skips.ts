// What a run left out of its input, as sentences for the summary: skips are counted on the hot path and told here.

import type { Trader } from "./trader.ts";

/** Empty where everything was used. */
export function skipWarnings(trader: Trader): string[] {
  const { feed, gate, gateway, record } = trader;
  const { futureEvents } = gate.counters;
  const counts: readonly (readonly [count: number, what: string])[] = [
    [feed.counters.badFrames, "frames of the feed that could not be read"],
    [feed.counters.badEvents, "market events with wrong or impossible values"],
    [gate.counters.earlyEvents, "market events from before this day"],
    [futureEvents, "market events from the future (where they are many, check this machine's clock: gyr doctor)"],
    [gate.counters.absurdTrades, "trades at less than a third or more than three times the price before"],
    [gateway.counters.badFrames, "frames of the order stream that could not be read"],
    [gateway.counters.badAnswers, "answers of the broker that could not be read"],
    [record.fillsDropped, "fills for which the report has no room"],
  ];
  return counts.filter(([count]) => count > 0).map(([count, what]) => `left out: ${count} ${what}`);
}
