// Workers are the same executable started again in another role: a compiled binary holds one entry point, and from source
// that entry point is src/main.ts. The roles and their functions are listed in src/cli/worker-roles.ts.

import { join } from "node:path";
import { Worker } from "node:worker_threads";

/** What a worker is started with, as its `workerData`. */
export interface RoleData {
  readonly gyrRole: string;
  readonly data: unknown;
}

/** True inside the executable that `bun build --compile` makes. */
export function isCompiled(): boolean {
  return Bun.main.startsWith("/$bunfs/") || Bun.main.startsWith("B:/~BUN/") || Bun.main.startsWith("B:\\~BUN\\");
}

/** Entry point of gyr: the running executable's own, or src/main.ts of the checkout (in a test Bun.main is the test). */
export function mainPath(): string {
  return isCompiled() ? Bun.main : join(import.meta.dirname, "..", "main.ts");
}

/**
 * Starts a worker in a role.
 *
 * @param role a name in src/cli/worker-roles.ts
 * @param data passed to the role's function; cloned, SharedArrayBuffers are shared
 * @returns the worker; an unknown role or a throw in the role arrives as its "error" event
 */
export function spawnRole(role: string, data: unknown): Worker {
  const workerData: RoleData = { gyrRole: role, data };
  return new Worker(mainPath(), { workerData, name: `gyr-${role}` });
}
