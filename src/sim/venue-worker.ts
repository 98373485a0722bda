// The venue in a Worker of the same process: `gyr run` in sim mode. Its own event loop, the same sockets as anyone else's.

import { parentPort } from "node:worker_threads";
import { UserError, type UserErrorKind } from "../core/user-error.ts";
import { openVenue, type VenueRequest } from "./open-venue.ts";
import type { VenueUrls } from "./venue.ts";

/** What the worker says: once, after starting. An error that is no UserError goes the way of all errors of a worker. */
export type VenueWorkerMessage =
  | { readonly type: "ready"; readonly urls: VenueUrls; readonly notes: readonly string[] }
  | { readonly type: "failed"; readonly kind: UserErrorKind; readonly message: string; readonly remedy: string };

export async function venueWorker(request: VenueRequest): Promise<void> {
  try {
    const { urls, notes } = await openVenue(request);
    parentPort?.postMessage({ type: "ready", urls, notes } satisfies VenueWorkerMessage);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const { kind, message, remedy } = error;
    parentPort?.postMessage({ type: "failed", kind, message, remedy } satisfies VenueWorkerMessage);
  }
}
