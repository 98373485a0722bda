// Entry point of the journal's worker in tests, which have no executable to start again in a role.

import { workerData } from "node:worker_threads";
import { type JournalWorkerData, journalWorker } from "../../src/ledger/journal-worker.ts";

journalWorker(workerData as JournalWorkerData);
