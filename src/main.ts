// Entry point of the program and of its workers. Everything else is imported when it is known to be needed: `gyr --version`
// loads nothing but this file and the command table. No top-level await here: a compiled binary with bytecode cannot have it.

import { isMainThread, workerData } from "node:worker_threads";

function start(): void {
  if (!isMainThread) {
    // A rejection here becomes the worker's "error" event in the thread that started it.
    void import("./cli/worker-roles.ts").then(({ runRole }) => runRole(workerData));
    return;
  }
  void import("./cli/program.ts").then(({ main }) => main(process.argv.slice(2)));
}

start();
