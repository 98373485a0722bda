// What keys must hold together. A rule is only asked when each of its keys is allowed by itself, so one mistake makes one message.

import { WINDOW_BARS } from "../inference/engine.ts";
import { checkOverride, OVERRIDES } from "./hosts.ts";
import { type Config, LIVE_ACKNOWLEDGEMENT } from "./schema.ts";

export interface Rule {
  /** snake_case paths of the keys the rule reads; the message points at the first of them that the file sets. */
  readonly keys: readonly string[];
  /** What the rule found wrong, or null. */
  check(config: Config): RuleFinding | null;
}

export interface RuleFinding {
  readonly what: string;
  readonly allowed: string;
  readonly remedy: string;
  readonly isRefusal?: boolean;
}

const OPEN = "09:30";
const CLOSE = "16:00";

export const RULES: readonly Rule[] = [
  {
    keys: ["live.acknowledge", "mode"],
    check: ({ mode, live }) =>
      mode !== "live" || live.acknowledge === LIVE_ACKNOWLEDGEMENT
        ? null
        : {
            what: 'mode = "live" trades real money and needs the acknowledgement',
            allowed: `[live] acknowledge = "${LIVE_ACKNOWLEDGEMENT}", exactly`,
            remedy: 'write that line once you mean it, or use mode = "paper"',
            isRefusal: true,
          },
  },
  {
    keys: ["strategy.signal", "inference.model", "mode"],
    check: ({ mode, strategy, inference }) =>
      mode === "live" && strategy.signal === "cnn" && inference.model === "untrained"
        ? {
            what: 'strategy.signal = "cnn" would trade real money on a network that was never trained',
            allowed: "a trained model in live mode",
            remedy: 'name a trained model in inference.model, or use strategy.signal = "momentum"',
            isRefusal: true,
          }
        : null,
  },
  {
    keys: ["inference.precision", "inference.engine"],
    check: ({ inference: { precision, engine } }) =>
      precision === "fp32" || engine === "webgpu"
        ? null
        : {
            what: `inference.precision = "${precision}" is not to be had from inference.engine = "${engine}"${engine === "auto" ? ", which may choose wasm" : ""}`,
            allowed: 'precision = "fp32" with any engine; "f16" and "int8" with engine = "webgpu"',
            remedy: 'set inference.engine = "webgpu" where there is a GPU, or inference.precision = "fp32"',
          },
  },
  {
    keys: ["bars.interval_sec"],
    check: ({ bars }) =>
      3600 % bars.intervalSec === 0
        ? null
        : {
            what: `bars.interval_sec = ${bars.intervalSec} does not divide an hour`,
            allowed: "1 to 300 seconds that divide 3600 without rest",
            remedy: `use ${nearestDivisor(bars.intervalSec)}`,
          },
  },
  {
    keys: ["feed.trades", "bars.interval_sec"],
    check: ({ feed, bars }) =>
      feed.trades || bars.intervalSec % 60 === 0
        ? null
        : {
            what: `feed.trades = false leaves minute aggregates, which cannot make bars of ${bars.intervalSec} s`,
            allowed: "whole minutes (60, 120, 180, 240, 300) without trades",
            remedy: "set feed.trades = true or bars.interval_sec = 60",
          },
  },
  {
    keys: ["bars.window_age_max_minutes", "bars.interval_sec"],
    check({ bars }) {
      const minutes = Math.ceil((WINDOW_BARS * bars.intervalSec) / 60);
      if (bars.windowAgeMaxMinutes >= minutes) return null;
      return {
        what: `bars.window_age_max_minutes = ${bars.windowAgeMaxMinutes} is shorter than a window, so every window is stale`,
        allowed: `at least ${WINDOW_BARS} bars of ${bars.intervalSec} s: ${minutes} minutes`,
        remedy: `set bars.window_age_max_minutes to ${minutes} or more; the default 2880 spans two days`,
      };
    },
  },
  {
    keys: ["universe.px_min_usd", "universe.px_max_usd"],
    check: ({ universe }) =>
      ordered("universe.px_min_usd", universe.pxMinUsd, "universe.px_max_usd", universe.pxMaxUsd),
  },
  {
    keys: ["risk.notional_min_usd", "risk.notional_max_usd"],
    check: ({ risk }) =>
      ordered("risk.notional_min_usd", risk.notionalMinUsd, "risk.notional_max_usd", risk.notionalMaxUsd),
  },
  {
    keys: ["sizing.daily_capital_usd", "risk.capital_max_usd"],
    check: ({ sizing, risk }) =>
      ordered("sizing.daily_capital_usd", sizing.dailyCapitalUsd, "risk.capital_max_usd", risk.capitalMaxUsd),
  },
  {
    keys: ["sizing.tier_boundaries_usd"],
    check: ({ sizing }) =>
      sizing.tierBoundariesUsd.every((boundary, index, all) => index === 0 || boundary < all[index - 1]!)
        ? null
        : {
            what: "sizing.tier_boundaries_usd do not fall",
            allowed: "four boundaries, each below the one before it",
            remedy: "write them from the largest to the smallest",
          },
  },
  {
    keys: ["session.entry_start"],
    check: ({ session }) =>
      session.entryStart >= OPEN
        ? null
        : {
            what: `session.entry_start = "${session.entryStart}" is before the market opens`,
            allowed: `"${OPEN}" or later; gyr trades regular hours only`,
            remedy: `use "${OPEN}" or later`,
          },
  },
  {
    keys: ["session.entry_end", "session.entry_start"],
    check: ({ session }) =>
      session.entryEnd > session.entryStart
        ? null
        : {
            what: `session.entry_end = "${session.entryEnd}" is not after session.entry_start = "${session.entryStart}"`,
            allowed: "entry_start < entry_end < flat_by",
            remedy: "give entries some time between the two",
          },
  },
  {
    keys: ["session.flat_by", "session.entry_end"],
    check: ({ session }) =>
      session.flatBy > session.entryEnd
        ? null
        : {
            what: `session.flat_by = "${session.flatBy}" is not after session.entry_end = "${session.entryEnd}"`,
            allowed: "entry_start < entry_end < flat_by",
            remedy: "stop entries before positions are closed",
          },
  },
  {
    keys: ["session.flat_by"],
    check: ({ session }) =>
      session.flatBy < CLOSE
        ? null
        : {
            what: `session.flat_by = "${session.flatBy}" is not before the market closes`,
            allowed: `before "${CLOSE}"`,
            remedy: "leave time for the closing orders to fill, 15:45 for one",
          },
  },
  {
    keys: ["session.flatten_lead_sec", "session.flat_by", "session.entry_end"],
    check({ session }) {
      const gapSec = secondsOf(session.flatBy) - secondsOf(session.entryEnd);
      if (gapSec <= 0 || session.flattenLeadSec <= gapSec) return null;
      return {
        what: `session.flatten_lead_sec = ${session.flattenLeadSec} starts flattening before entries end`,
        allowed: `at most the ${gapSec} s between entry_end and flat_by`,
        remedy: "shorten the lead or end entries earlier",
      };
    },
  },
  {
    keys: ["feed.stale_after_ms", "sim.feed_interval_ms", "mode"],
    check: ({ mode, feed, sim }) =>
      mode !== "sim" || feed.staleAfterMs > sim.feedIntervalMs
        ? null
        : {
            what: `feed.stale_after_ms = ${feed.staleAfterMs} is not above sim.feed_interval_ms = ${sim.feedIntervalMs}, so every stock is always stale`,
            allowed: "stale_after_ms above feed_interval_ms",
            remedy: "raise feed.stale_after_ms",
          },
  },
  ...OVERRIDES.map(
    ({ path, get }): Rule => ({
      keys: [path, "hosts.allow", "mode"],
      check(config) {
        const finding = checkOverride(config, path, get(config));
        return finding === null ? null : { ...finding, allowed: "", isRefusal: true };
      },
    }),
  ),
];

function ordered(lowKey: string, low: number, highKey: string, high: number): RuleFinding | null {
  if (low <= high) return null;
  return {
    what: `${lowKey} = ${low} is above ${highKey} = ${high}`,
    allowed: `${lowKey} <= ${highKey}`,
    remedy: "lower the first or raise the second",
  };
}

function secondsOf(timeOfDay: string): number {
  const [hours, minutes] = timeOfDay.split(":") as [string, string];
  return Number(hours) * 3600 + Number(minutes) * 60;
}

/** The divisor of 3600 in 1..300 that is closest to `seconds`. */
function nearestDivisor(seconds: number): number {
  let best = 1;
  for (let divisor = 1; divisor <= 300; divisor++) {
    if (3600 % divisor === 0 && Math.abs(divisor - seconds) < Math.abs(best - seconds)) best = divisor;
  }
  return best;
}
