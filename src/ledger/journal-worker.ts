// Worker role "journal": moves records from the ring into SQLite at its own pace. An error of the database (a full disk, a
// folder gone) is told to the main thread; the records stay in the ring and are tried again.

import { parentPort } from "node:worker_threads";
import { assert } from "../core/assert.ts";
import { SpscRing } from "../core/spsc-ring.ts";
import { JournalStore } from "./journal-store.ts";

/** What the worker is started with. */
export interface JournalWorkerData {
  /** File of the database. */
  readonly path: string;
  /** File of the ring, mapped here too; "" where `memory` is the ring. */
  readonly ringPath: string;
  readonly memory: SharedArrayBuffer | null;
  /** One Int32 that the main thread rings when the worker should not wait out its pause. */
  readonly doorbell: SharedArrayBuffer;
  readonly isDurable: boolean;
  /** Pause when nothing waits: the age that a record can have before it is in the database, ms. */
  readonly syncMs: number;
  readonly pageCountMax: number;
}

export type JournalRequest =
  | { readonly kind: "meta"; readonly key: string; readonly json: string }
  | { readonly kind: "instruments"; readonly symbols: readonly string[] }
  | { readonly kind: "close" };

export type JournalReport =
  | { readonly kind: "ready" }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "recovered" }
  /** `leftCount`: records that could not be written and are still in the ring. */
  | { readonly kind: "closed"; readonly leftCount: number; readonly damagedCount: number; readonly message: string };

/** Pause after an error before the next attempt. */
const RETRY_MS = 200;
/** Records in one transaction. */
const BATCH_COUNT_MAX = 4096;

export function journalWorker(data: JournalWorkerData): void {
  assert(parentPort !== null, "the journal role runs in a worker");
  new JournalWriter(data, parentPort).run();
}

type Port = NonNullable<typeof parentPort>;

class JournalWriter {
  readonly #data: JournalWorkerData;
  readonly #port: Port;
  readonly #doorbell: Int32Array;
  readonly #ring: SpscRing;
  /** Meta and instruments that are not yet written; kept over errors. */
  readonly #requests: JournalRequest[] = [];
  #store: JournalStore | null = null;
  #hasFailed = false;
  #isClosing = false;

  constructor(data: JournalWorkerData, port: Port) {
    this.#data = data;
    this.#port = port;
    this.#doorbell = new Int32Array(data.doorbell);
    const memory = data.memory ?? Bun.mmap(data.ringPath, { shared: true }).buffer;
    this.#ring = SpscRing.open(memory, data.ringPath === "" ? "the journal's memory" : data.ringPath);
  }

  run(): void {
    this.#port.on("message", (request: JournalRequest) => {
      if (request.kind === "close") this.#isClosing = true;
      else this.#requests.push(request);
    });
    try {
      this.#store = new JournalStore(this.#data);
    } catch (error) {
      this.#fail(error);
      this.#close((error as Error).message);
      return;
    }
    this.#report({ kind: "ready" });
    this.#turn();
  }

  /** One turn of the loop: write what waits, pause, let messages in. */
  #turn(): void {
    const bell = Atomics.load(this.#doorbell, 0);
    const isClosing = this.#isClosing;
    const moved = this.#write();
    if (isClosing && (moved < 0 || (moved === 0 && this.#requests.length === 0))) {
      this.#close("");
      return;
    }
    if (moved <= 0) Atomics.wait(this.#doorbell, 0, bell, moved < 0 ? RETRY_MS : this.#data.syncMs);
    setImmediate(() => this.#turn());
  }

  /** @returns records moved, -1 after an error */
  #write(): number {
    const store = this.#store!;
    try {
      while (this.#requests.length > 0) {
        const request = this.#requests[0]!;
        if (request.kind === "meta") store.setMeta(request.key, request.json);
        else if (request.kind === "instruments") store.setInstruments(request.symbols);
        this.#requests.shift();
      }
      const moved = store.moveFrom(this.#ring, BATCH_COUNT_MAX);
      if (this.#hasFailed) {
        this.#hasFailed = false;
        this.#report({ kind: "recovered" });
      }
      return moved;
    } catch (error) {
      this.#fail(error);
      return -1;
    }
  }

  #fail(error: unknown): void {
    if (!this.#hasFailed) this.#report({ kind: "failed", message: (error as Error).message });
    this.#hasFailed = true;
  }

  #close(reason: string): void {
    let message = reason;
    try {
      this.#store?.close();
    } catch (error) {
      message = (error as Error).message;
    }
    const damagedCount = this.#store?.damagedCount ?? 0;
    this.#report({ kind: "closed", leftCount: this.#ring.depth, damagedCount, message });
    this.#port.close();
  }

  #report(report: JournalReport): void {
    this.#port.postMessage(report);
  }
}
