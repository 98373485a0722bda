// The venue in a Worker of the same process: `gyr run` in sim mode. Its own event loop, the same sockets as anyone else's.

import { parentPort } from "node:worker_threads";
import { openVenue, type VenueRequest } from "./open-venue.ts";
import type { VenueUrls } from "./venue.ts";

/** What the worker says: once, after starting. */
export type VenueWorkerMessage =
  | { readonly type: "ready"; readonly urls: VenueUrls }
  | { readonly type: "failed"; readonly message: string };

export async function venueWorker(request: VenueRequest): Promise<void> {
  try {
    const { urls } = await openVenue(request);
    parentPort?.postMessage({ type: "ready", urls } satisfies VenueWorkerMessage);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    parentPort?.postMessage({ type: "failed", message } satisfies VenueWorkerMessage);
  }
}
