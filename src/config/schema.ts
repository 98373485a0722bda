// Every key of gyr.toml: type, range, default, unit and meaning. The generated file, docs/configuration.md, the checks and
// the Config type all come from here. TOML keys are snake_case; the loader turns them into this camelCase shape.

import { z } from "zod";

/** Largest amount of money a key may name, USD: sums of it stay exact in fixed point. */
const USD_MAX = 1e9;

// `allowed` is what messages and docs say is allowed where the type and range alone do not say it.
const timeOfDay = z
  .string()
  .regex(/^([01]\d|2[0-3]):[0-5]\d$/)
  .meta({ allowed: "a time of day as HH:MM" });
const date = z.string().refine(isDate).meta({ allowed: "a date of the calendar as YYYY-MM-DD" });
const symbol = z
  .string()
  .regex(/^[A-Z][A-Za-z0-9./-]{0,15}$/)
  .meta({ allowed: "a symbol as the feed writes it, such as SPY or BRK.B" });
const httpUrl = z
  .string()
  .refine((text) => text === "" || isUrl(text, ["http:", "https:"]))
  .meta({ allowed: 'a URL as https://host[:port], or ""' });
const socketUrl = z
  .string()
  .refine((text) => text === "" || isUrl(text, ["ws:", "wss:"]))
  .meta({ allowed: 'a URL as wss://host[:port][/path], or ""' });
const hostName = z
  .string()
  .regex(/^[a-z0-9.:[\]-]{1,253}$/i)
  .meta({ allowed: "a host name without scheme, port or path" });
const path = z
  .string()
  .min(1)
  .refine((text) => !text.includes("\0"))
  .meta({ allowed: "a path" });
const frac = z.number().min(0).max(1);
const usd = z.number().min(0).max(USD_MAX);

function isDate(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  try {
    return Temporal.PlainDate.from(text).toString() === text;
  } catch {
    return false;
  }
}

function isUrl(text: string, protocols: readonly string[]): boolean {
  const url = URL.parse(text);
  return url !== null && protocols.includes(url.protocol) && url.username === "" && url.password === "";
}

export const configSchema = z.strictObject({
  mode: z
    .enum(["sim", "paper", "live"])
    .default("sim")
    .describe(
      "sim: embedded venue, no keys. paper: Alpaca's paper account. live: real money, needs [live] acknowledge.",
    ),
  seed: z
    .number()
    .int()
    .min(0)
    .max(0xffffffff)
    .default(1)
    .describe("Seed of everything random: the venue's paths, retry jitter."),

  feed: z
    .strictObject({
      trades: z
        .boolean()
        .default(true)
        .describe("Subscribe to trades (T). Without them bars come from minute aggregates (AM)."),
      quotes: z
        .boolean()
        .default(true)
        .describe("Subscribe to quotes (Q). Without them the spread is unknown and its filter passes."),
      staleAfterMs: z
        .number()
        .int()
        .min(100)
        .max(3_600_000)
        .default(120_000)
        .describe("Market time without an event after which a stock is stale and takes no entries."),
      connectTimeoutMs: z
        .number()
        .int()
        .min(100)
        .max(120_000)
        .default(10_000)
        .describe("Longest wait for connect, auth or a subscription to be confirmed."),
      restUrl: httpUrl
        .default("")
        .describe('Override of the market-data REST host; "" is the vendor\'s. Refused in live.'),
      socketUrl: socketUrl
        .default("")
        .describe('Override of the market-data WebSocket host; "" is the vendor\'s. Refused in live.'),
    })
    .prefault({})
    .describe("Market data (Polygon)."),

  bars: z
    .strictObject({
      intervalSec: z
        .number()
        .int()
        .min(1)
        .max(300)
        .default(60)
        .describe("Length of a bar, 1 s to 5 min; must divide an hour."),
      closeGraceMs: z
        .number()
        .int()
        .min(0)
        .max(10_000)
        .default(1_000)
        .describe("Market time after the end of an interval at which its bar closes even without a later trade."),
      warmupBars: z
        .number()
        .int()
        .min(60)
        .max(2_000)
        .default(200)
        .describe("Bars of history fetched for each stock before trading; the window needs 50, the averages more."),
      windowAgeMaxMinutes: z
        .number()
        .int()
        .min(50)
        .max(10_000)
        .default(2_880)
        .describe("A window whose oldest bar is older than this is stale and takes no entries."),
      includeOvernightReturn: z
        .boolean()
        .default(false)
        .describe("Let log return 1 span the overnight gap; otherwise it is 0 on a day's first bar."),
    })
    .prefault({})
    .describe("How trades become bars."),

  universe: z
    .strictObject({
      size: z.number().int().min(1).max(200).default(100).describe("Stocks to trade."),
      pxMinUsd: z.number().min(0).max(1e6).default(5).describe("Lowest previous close."),
      pxMaxUsd: z.number().min(0).max(1e6).default(500).describe("Highest previous close."),
      volumeMin: z.number().min(0).max(1e12).default(500_000).describe("Lowest mean daily volume, shares."),
      volumeSessions: z
        .number()
        .int()
        .min(1)
        .max(60)
        .default(20)
        .describe("Sessions in that mean; fewer where the source has fewer."),
      marketCapMinUsd: z
        .number()
        .min(0)
        .max(1e14)
        .default(100_000_000)
        .describe("Lowest market capitalisation of a common stock; funds are exempt."),
      spreadMaxBps: z.number().min(0).max(10_000).default(50).describe("Widest quoted spread, where a quote is known."),
      types: z
        .array(z.enum(["CS", "ETF"]))
        .min(1)
        .default(["CS", "ETF"])
        .describe("Kinds of instrument: CS common stock, ETF exchange-traded funds."),
      exclude: z.array(symbol).default([]).describe("Symbols never to trade."),
    })
    .prefault({})
    .describe("Which stocks are traded today, chosen from what is known before the open."),

  inference: z
    .strictObject({
      engine: z
        .enum(["auto", "wasm", "webgpu", "reference"])
        .default("auto")
        .describe("auto: wasm in sim; the fastest measured at start in paper and live."),
      precision: z
        .enum(["fp32", "f16", "int8"])
        .default("fp32")
        .describe('Arithmetic of the network; f16 and int8 need engine = "webgpu".'),
      adapter: z
        .string()
        .default("")
        .describe(
          "GPU adapter by part of its name; a software adapter (swiftshader, llvmpipe) is used only when named here.",
        ),
      model: path.default("untrained").describe("Model folder under models/, or a path to one."),
      shadow: z
        .array(path)
        .max(8)
        .meta({ allowed: "a list of at most 8, each a model folder's name or path" })
        .default([])
        .describe("Further models, named as `model` is, that predict beside it: journaled, and deciding nothing."),
    })
    .prefault({})
    .describe("The network."),

  strategy: z
    .strictObject({
      signal: z
        .enum(["momentum", "cnn"])
        .default("momentum")
        .describe("What decides. With momentum the network runs in shadow: its predictions are journaled."),
      allowShort: z.boolean().default(false).describe("Sell short on sell signals."),
      winRatePrior: z
        .number()
        .min(0.5)
        .max(0.7)
        .default(0.52)
        .describe("Win rate for sizing where the model card states none. Never taken from the run's own results."),
      momentumEntryMin: z
        .number()
        .min(0)
        .max(10)
        .default(1.5)
        .describe("Momentum rule: lowest |return over 20 bars| in units of its expected deviation."),
      cnnProbMin: frac.default(0.45).describe("Network: lowest probability of buy (or sell) to act on."),
      consistencyBars: z
        .number()
        .int()
        .min(1)
        .max(20)
        .default(5)
        .describe("Momentum consistency: closed bars looked at."),
      consistencyFracMin: frac
        .default(0.6)
        .describe("Momentum consistency: lowest share of them moving with the signal."),
      timingExtensionMaxAtr: z
        .number()
        .min(0)
        .max(20)
        .default(3)
        .describe("Entry timing: farthest from the day's VWAP, in ATR."),
      timingCloseLocationMin: z
        .number()
        .min(-1)
        .max(1)
        .default(0)
        .describe("Entry timing: lowest close location of the bar (-1 low, 1 high) in the direction of the signal."),
      timingSpreadMaxBps: z
        .number()
        .min(0)
        .max(1_000)
        .default(15)
        .describe("Entry timing: widest spread at the moment of entry."),
      vixBlockAbove: z.number().min(0).max(200).default(35).describe("No entries while VIX is above this."),
      cooldownBars: z
        .number()
        .int()
        .min(0)
        .max(390)
        .default(15)
        .describe("Bars after an exit before the same stock may be entered again."),
    })
    .prefault({})
    .describe("From prediction to intent; docs/strategy.md defines every input."),

  exits: z
    .strictObject({
      stopAtr: z.number().min(0.1).max(50).default(3).describe("Distance of the stop from the entry, in ATR."),
      stopMinBps: z.number().min(1).max(1_000).default(20).describe("Smallest distance of the stop."),
      rewardRisk: z.number().min(0.1).max(20).default(2).describe("Distance of the target over distance of the stop."),
    })
    .prefault({})
    .describe("Stop and target of each entry, held by the broker as a bracket."),

  sizing: z
    .strictObject({
      dailyCapitalUsd: usd.default(50_000).describe("Capital the day's positions may share."),
      positionFracMax: frac.default(0.1).describe("Largest share of available capital in one position."),
      tierBoundariesUsd: z
        .array(z.number().min(0).max(1e14))
        .length(4)
        .default([200e9, 10e9, 2e9, 300e6])
        .describe("Market-cap boundaries between the five tiers (mega, large, mid, small, micro), falling."),
      tierMultipliers: z
        .array(z.number().min(0).max(5))
        .length(5)
        .default([1.2, 1.1, 1, 0.9, 0.7])
        .describe("Size multiplier of each tier; funds have 1."),
    })
    .prefault({})
    .describe("From intent to quantity."),

  risk: z
    .strictObject({
      positionsMax: z
        .number()
        .int()
        .min(1)
        .max(200)
        .default(20)
        .describe("Most positions at once, entries on their way included."),
      capitalMaxUsd: usd.default(50_000).describe("Most cost of positions and open entries at once."),
      notionalMinUsd: usd.default(100).describe("Smallest order."),
      notionalMaxUsd: usd.default(25_000).describe("Largest order."),
      collarBps: z
        .number()
        .min(1)
        .max(5_000)
        .default(100)
        .describe("Farthest an order's price may be from the last trade and the quote."),
    })
    .prefault({})
    .describe("Pre-trade limits; a breach denies the order with a stable code."),

  session: z
    .strictObject({
      entryStart: timeOfDay.default("09:35").describe("First entries, New York time."),
      entryEnd: timeOfDay
        .default("15:30")
        .describe("No entries after this; moved with early closes (close minus 30 minutes)."),
      flatBy: timeOfDay
        .default("15:45")
        .describe("Everything flat by this; moved with early closes (close minus 15 minutes)."),
      flattenLeadSec: z
        .number()
        .int()
        .min(1)
        .max(3_600)
        .default(60)
        .describe("Flattening begins this long before flat_by, so that it is done by then."),
    })
    .prefault({})
    .describe("The trading day, New York time, on a day that closes at 16:00."),

  gateway: z
    .strictObject({
      transport: z
        .enum(["socket", "sdk"])
        .default("socket")
        .describe("How orders are sent: warm sockets of our own, or the vendor's SDK."),
      connections: z.number().int().min(1).max(8).default(2).describe("Warm sockets for orders. One in lockstep sim."),
      timeoutMs: z
        .number()
        .int()
        .min(50)
        .max(60_000)
        .default(5_000)
        .describe("Wait for an answer before the order counts as ambiguous and is asked about."),
      tradingUrl: httpUrl
        .default("")
        .describe("Override of the broker's REST host; \"\" is the vendor's for the mode. Refused in live."),
      streamUrl: socketUrl
        .default("")
        .describe("Override of the broker's stream; \"\" is the vendor's for the mode. Refused in live."),
    })
    .prefault({})
    .describe("Orders (Alpaca)."),

  hosts: z
    .strictObject({
      allow: z
        .array(hostName)
        .default([])
        .describe(
          "Hosts outside this machine that overrides may name: an override counts only when its host is named here too.",
        ),
    })
    .prefault({})
    .describe("Second naming of hosts that are not loopback."),

  sim: z
    .strictObject({
      day: date
        .default("2019-12-18")
        .describe("Recorded day to trade; it and the session before it must be in the data folder or the sample."),
      dataDir: z
        .string()
        .default("")
        .describe('Folder of flat files YYYY/MM/YYYY-MM-DD.csv.gz; "" is the sample that comes with gyr.'),
      speed: z
        .union([z.literal("max"), z.number().positive().max(10_000)])
        .default("max")
        .describe("max: the venue waits for gyr, no sleeping. A number: times as fast as the wall."),
      feedIntervalMs: z
        .number()
        .int()
        .min(10)
        .max(5_000)
        .default(250)
        .describe("The venue delivers what happened at most this late, in one frame."),
      orderLatencyMs: z
        .number()
        .min(0)
        .max(10_000)
        .default(20)
        .describe("Market time from sending an order to its arrival in the market."),
      answerLatencyMs: z
        .number()
        .min(0)
        .max(10_000)
        .default(10)
        .describe("Market time from an event at the venue to its arrival on the order stream."),
      tradesPerMinuteMax: z
        .number()
        .int()
        .min(2)
        .max(60)
        .default(6)
        .describe("Most simulated trades in one minute bar of one stock."),
      spreadMinBps: z
        .number()
        .min(0)
        .max(500)
        .default(2)
        .describe("Narrowest simulated spread; one cent is the floor."),
      cashUsd: usd.default(100_000).describe("Fresh account at the start of each day."),
    })
    .prefault({})
    .describe("The embedded venue (docs/simulation.md)."),

  journal: z
    .strictObject({
      syncMs: z
        .number()
        .int()
        .min(1)
        .max(10_000)
        .default(10)
        .describe("Longest time a record waits before it is committed to SQLite."),
    })
    .prefault({})
    .describe("The journal of the run."),

  shutdown: z
    .strictObject({
      positions: z
        .enum(["flatten", "keep"])
        .default("flatten")
        .describe("On SIGINT and SIGTERM: flatten, or keep positions with their brackets."),
      timeoutSec: z
        .number()
        .int()
        .min(1)
        .max(600)
        .default(30)
        .describe("Wall time for an orderly shutdown before gyr gives up and says what is left."),
    })
    .prefault({})
    .describe("What a signal does."),

  live: z
    .strictObject({
      acknowledge: z
        .string()
        .default("")
        .describe('Must read "I trade real money and accept the losses" in live mode.'),
    })
    .prefault({})
    .describe("Live trading cannot start by accident."),

  secrets: z
    .strictObject({
      file: z
        .string()
        .default("")
        .describe(
          "File of NAME=value lines, mode 0600, with ALPACA_KEY_ID, ALPACA_SECRET_KEY, POLYGON_API_KEY; the environment wins over it.",
        ),
    })
    .prefault({})
    .describe("Where keys come from; never the keys themselves."),

  paths: z
    .strictObject({
      runDir: path.default("gyr-data/runs").describe("Folder for journals, one sub-folder a run."),
      report: path.default("report.html").describe("Where the report goes."),
    })
    .prefault({})
    .describe("Files gyr writes. Not part of the configuration's hash."),
});

export type Config = z.infer<typeof configSchema>;

/** The sentence `[live] acknowledge` must hold. */
export const LIVE_ACKNOWLEDGEMENT = "I trade real money and accept the losses";
