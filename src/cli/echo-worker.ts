// Worker role "echo": sends back what it was started with, then ends.

import { parentPort } from "node:worker_threads";
import { assert } from "../core/assert.ts";

export function echoWorker(data: unknown): void {
  assert(parentPort !== null, "the echo role runs in a worker");
  parentPort.postMessage(data);
  parentPort.close();
}
