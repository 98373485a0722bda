// Where market data and orders go in this run, and whose time it is: the embedded venue, a venue on loopback, or the vendors.

import { endpointsOf } from "../../config/endpoints.ts";
import { isLoopback } from "../../config/hosts.ts";
import type { Config } from "../../config/schema.ts";
import { requireSecrets } from "../../config/secrets.ts";
import { type Clock, ManualClock, ScaledClock, WallClock } from "../../core/clock.ts";
import { newYorkDate } from "../../market/calendar.ts";
import { SAMPLE_ORIGIN } from "../../market/sample.ts";
import { CONTROL_PATH, type HelloMessage } from "../../sim/control.ts";
import type { LockstepClient } from "../../sim/lockstep-client.ts";
import { lockstepClientFor } from "./drivers.ts";
import { SIM_KEY_ID, SIM_SECRET, startEmbeddedVenue } from "./embedded-venue.ts";
import type { Trader, TraderKeys, TraderUrls } from "./trader.ts";

export interface Market {
  /** Trading day, YYYY-MM-DD in New York. */
  readonly date: string;
  readonly clock: Clock;
  readonly urls: TraderUrls & { readonly feedRest: string };
  readonly keys: TraderKeys;
  /** Where a venue paces us; null where the wall does. */
  readonly lockstep: LockstepClient | null;
  readonly dataOrigin: string;
  /** Sentences for the user about the recorded data. */
  readonly dataNotes: readonly string[];
  close(): Promise<void>;
}

/** @param trader asked for once trading begins; the venue's clock is needed before there is one */
export function openMarket(config: Config, trader: () => Trader): Promise<Market> {
  return config.mode === "sim" ? openEmbedded(config, trader) : openVendors(config, trader);
}

async function openEmbedded(config: Config, trader: () => Trader): Promise<Market> {
  const venue = await startEmbeddedVenue(config);
  const { polygonRest, polygonWs, alpacaRest, alpacaWs, control } = venue.urls;
  const time = await venueTime(control, trader);
  return {
    date: config.sim.day,
    ...time,
    urls: { feedRest: polygonRest, feedSocket: polygonWs, trading: alpacaRest, stream: alpacaWs },
    keys: { polygonKey: SIM_KEY_ID, keyId: SIM_KEY_ID, secret: SIM_SECRET },
    dataOrigin: config.sim.dataDir === "" ? SAMPLE_ORIGIN : `flat files in ${config.sim.dataDir}`,
    dataNotes: venue.notes,
    close: venue.stop,
  };
}

/** Paper and live. A paper broker on loopback may be a `gyr sim`, which then also gives the day and the time. */
async function openVendors(config: Config, trader: () => Trader): Promise<Market> {
  const { feedRest, feedSocket, trading, stream } = endpointsOf(config);
  const secrets = requireSecrets(config, process.env);
  const market = {
    urls: { feedRest, feedSocket, trading, stream },
    keys: {
      polygonKey: secrets.polygonApiKey.reveal(),
      keyId: secrets.alpacaKeyId.reveal(),
      secret: secrets.alpacaSecretKey.reveal(),
    },
    dataNotes: [],
    close: async () => {},
  };
  const { hostname, host } = new URL(trading);
  if (config.mode === "paper" && isLoopback(hostname)) {
    try {
      const { hello, ...time } = await venueTime(`ws://${host}${CONTROL_PATH}`, trader);
      return { ...market, ...time, date: hello.day, dataOrigin: `the venue at ${host}` };
    } catch {
      // Some other server on loopback: the wall's time, as with the vendors.
    }
  }
  const clock = new WallClock();
  return {
    ...market,
    clock,
    lockstep: null,
    date: newYorkDate(clock.nowUs()),
    dataOrigin: `Polygon at ${new URL(feedRest).host}`,
  };
}

async function venueTime(
  control: string,
  trader: () => Trader,
): Promise<{ hello: HelloMessage; clock: Clock; lockstep: LockstepClient | null }> {
  const manual = new ManualClock();
  const client = lockstepClientFor(manual, trader);
  const hello = await client.connect(control);
  if (hello.mode === "lockstep") return { hello, clock: manual, lockstep: client };
  return { hello, clock: new ScaledClock(hello.wallUs, hello.nowUs, hello.speed), lockstep: null };
}
