// The roles a worker of this executable can have: name -> the function that runs in the worker. Started by core/worker.ts.

import { assert } from "../core/assert.ts";
import type { RoleData } from "../core/worker.ts";

type Role = (data: never) => unknown;

const ROLES: Readonly<Record<string, () => Promise<Role>>> = {
  journal: async () => (await import("../ledger/journal-worker.ts")).journalWorker,
  venue: async () => (await import("../sim/venue-worker.ts")).venueWorker,
  // Answers with what it was given: shows that workers start in this build (gyr doctor, tests).
  echo: async () => (await import("./echo-worker.ts")).echoWorker,
};

/** Runs the role named in a worker's start data. */
export async function runRole(workerData: unknown): Promise<void> {
  const start = workerData as Partial<RoleData> | null;
  const name = start?.gyrRole ?? "";
  assert(Object.hasOwn(ROLES, name), `a worker role of ${Object.keys(ROLES).join(", ")}, was '${name}'`);
  const role = await ROLES[name]!();
  await role(start!.data as never);
}
