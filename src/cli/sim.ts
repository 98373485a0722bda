// `gyr sim`: the venue alone, a Polygon-compatible feed and an Alpaca-compatible broker on loopback, until it is stopped.

import { loadConfig } from "../config/load.ts";
import { openVenue } from "../sim/open-venue.ts";
import { EXIT_DONE, EXIT_INTERRUPTED } from "./exit-codes.ts";
import type { SimOptions } from "./options.ts";
import { SIM_KEY_ID, SIM_SECRET } from "./run/embedded-venue.ts";

/** Without --speed the venue alone runs as fast as the wall: its clients may be anybody's. */
const SPEED_DEFAULT = 1;
/** Wall time for which the venue still answers after its day: clients ask where they ended. */
const LINGER_MS = 5_000;

export async function simCommand(options: SimOptions): Promise<number> {
  const { config } = loadConfig({
    path: options.config,
    env: process.env,
    overrides: { mode: "sim", day: options.day, speed: options.speed ?? SPEED_DEFAULT },
  });
  const { venue, urls, notes } = await openVenue({
    sim: config.sim,
    seed: config.seed,
    keyId: SIM_KEY_ID,
    secret: SIM_SECRET,
    polygonKey: SIM_KEY_ID,
    polygonPort: options.polygonPort ?? 0,
    alpacaPort: options.alpacaPort ?? 0,
  });
  for (const note of notes) console.error(note);
  const { polygonRest, polygonWs, alpacaRest, alpacaWs } = urls;
  if (options.json === true) {
    console.log(
      JSON.stringify({ polygonRest, polygonWs, alpacaRest, alpacaWs, keyId: SIM_KEY_ID, secret: SIM_SECRET }),
    );
  } else {
    const pace = config.sim.speed === "max" ? "as fast as its client (lockstep)" : `${config.sim.speed} x wall time`;
    console.log(`Venue of ${config.sim.day}, ${pace}. Stop it with Ctrl-C.

  Polygon   REST ${polygonRest}      WebSocket ${polygonWs}      key ${SIM_KEY_ID}
  Alpaca    REST ${alpacaRest}      stream ${alpacaWs}
            key ${SIM_KEY_ID}      secret ${SIM_SECRET}
  Clock     ${urls.control}`);
  }
  const interrupted = new Promise<number>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve(EXIT_INTERRUPTED));
  });
  const over = venue.ended.then(() => Bun.sleep(LINGER_MS)).then(() => EXIT_DONE);
  const exitCode = await Promise.race([interrupted, over]);
  venue.stop();
  return exitCode;
}
