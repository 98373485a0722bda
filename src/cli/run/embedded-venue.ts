// The venue of `gyr run` in sim mode: a Worker of this process that serves the feed and the broker on loopback sockets.

import type { Worker } from "node:worker_threads";
import type { Config } from "../../config/schema.ts";
import { UserError } from "../../core/user-error.ts";
import { spawnRole } from "../../core/worker.ts";
import type { VenueRequest } from "../../sim/open-venue.ts";
import type { VenueUrls } from "../../sim/venue.ts";
import type { VenueWorkerMessage } from "../../sim/venue-worker.ts";

/** Keys of the venue, for its feed (the key id) and its broker: it is on loopback and forgets everything at exit. */
export const SIM_KEY_ID = "SIMKEYID";
export const SIM_SECRET = "sim-secret";

export interface EmbeddedVenue {
  readonly urls: VenueUrls;
  /** What of the recorded days was left out or put right. */
  readonly notes: readonly string[];
  stop(): Promise<void>;
}

export function startEmbeddedVenue(config: Config): Promise<EmbeddedVenue> {
  const request: VenueRequest = {
    sim: config.sim,
    seed: config.seed,
    keyId: SIM_KEY_ID,
    secret: SIM_SECRET,
    polygonKey: SIM_KEY_ID,
    polygonPort: 0,
    alpacaPort: 0,
  };
  const worker: Worker = spawnRole("venue", request);
  const stop = async () => void (await worker.terminate());
  return new Promise((resolve, reject) => {
    worker.on("error", (error) => reject(error));
    worker.on("message", (message: VenueWorkerMessage) => {
      if (message.type === "ready") resolve({ urls: message.urls, notes: message.notes, stop });
      else {
        void stop();
        reject(new UserError(message.kind, message.message, message.remedy));
      }
    });
  });
}
