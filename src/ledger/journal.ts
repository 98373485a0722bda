// Hot path: no allocation after start, in the methods that write records.
// The journal as the engine sees it: numbers copied into a ring, which a worker moves into SQLite. The ring lies in a file
// that survives the death of the process; `recoverJournal` moves what a killed process left there. What a power loss can take
// is written in docs/journal.md.

import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Worker } from "node:worker_threads";
import { ringBytes, SpscRing } from "../core/spsc-ring.ts";
import { UserError } from "../core/user-error.ts";
import { spawnRole } from "../core/worker.ts";
import type { OrderTable } from "../market/orders.ts";
import {
  beginRecord,
  JOURNAL_BAR,
  JOURNAL_DENIAL,
  JOURNAL_FILL,
  JOURNAL_FILTERED,
  JOURNAL_INTENT,
  JOURNAL_NOTE,
  JOURNAL_ORDER_STATUS,
  JOURNAL_PREDICTION,
  JOURNAL_SHADOW_PREDICTION,
  JOURNAL_STATE,
  putRecordText,
} from "./journal-records.ts";
import { JournalStore } from "./journal-store.ts";
import type { JournalReport, JournalRequest, JournalWorkerData } from "./journal-worker.ts";

export const JOURNAL_FILE = "journal.sqlite";
export const RING_FILE = "journal.ring";

/** Records the ring holds: 4 MiB, or 16 s of a hundred stocks' minute bars replayed at full speed. Power of two. */
const RING_CAPACITY = 1 << 14;
/** Kept free for orders and fills: predictions and other commentary are dropped, and counted, before it is touched. */
const ORDER_RESERVE = 1 << 12;
const SYNC_MS = 10;
/** Depth above which the worker is woken from its pause. */
const WAKE_DEPTH = RING_CAPACITY >> 2;

export interface JournalOptions {
  /** Folder of the run; made where it does not exist. */
  readonly folder: string;
  readonly orders: OrderTable;
  /** Every commit is on the disk before the next: paper and live. Otherwise a power loss can take the last seconds. */
  readonly isDurable: boolean;
  /** Longest time a record waits before it is committed to SQLite, ms; SYNC_MS where not given. */
  readonly syncMs?: number;
  /** Most 4 KiB pages the database may take, 0 no limit of its own. */
  readonly pageCountMax?: number;
  readonly ringCapacity?: number;
  /** Starts the worker; tests have their own entry point. */
  readonly spawn?: (data: JournalWorkerData) => Worker;
}

export interface JournalEnd {
  /** True where every record is in the database. */
  readonly isComplete: boolean;
  /** Records still in the ring file because the database could not be written. */
  readonly leftCount: number;
  readonly message: string;
}

export class Journal {
  /** File of the database. */
  readonly path: string;
  /** Records that found no room and are lost to the journal. */
  droppedCount = 0;
  /** Called with a sentence when the database can no longer be written. Entries must stop. */
  onFailure: (message: string) => void = () => {};
  /** Called when it can be written again and nothing was lost. */
  onRecovery: () => void = () => {};
  readonly #options: JournalOptions;
  readonly #orders: OrderTable;
  readonly #ringPath: string;
  readonly #doorbell = new Int32Array(new SharedArrayBuffer(4));
  readonly #reserve: number;
  #ring: SpscRing | null = null;
  #worker: Worker | null = null;
  #hasFailed = false;
  #onReady: ((error: Error | null) => void) | null = null;
  #onClosed: ((end: JournalEnd) => void) | null = null;
  #end: JournalEnd | null = null;

  constructor(options: JournalOptions) {
    this.#options = options;
    this.#orders = options.orders;
    this.#reserve = Math.min(ORDER_RESERVE, (options.ringCapacity ?? RING_CAPACITY) >> 2);
    this.path = join(options.folder, JOURNAL_FILE);
    this.#ringPath = join(options.folder, RING_FILE);
  }

  /** Makes the files and starts the worker. Throws UserError with the path and the reason where that fails. */
  async start(): Promise<void> {
    this.#ring = openRing(this.#options.folder, this.#ringPath, this.#options.ringCapacity ?? RING_CAPACITY);
    const data: JournalWorkerData = {
      path: this.path,
      ringPath: this.#ringPath,
      memory: null,
      doorbell: this.#doorbell.buffer as SharedArrayBuffer,
      isDurable: this.#options.isDurable,
      syncMs: this.#options.syncMs ?? SYNC_MS,
      pageCountMax: this.#options.pageCountMax ?? 0,
    };
    const ready = new Promise<void>((resolve, reject) => {
      this.#onReady = (error) => (error === null ? resolve() : reject(error));
    });
    this.#worker = (this.#options.spawn ?? ((started) => spawnRole("journal", started)))(data);
    this.#worker.on("message", (report: JournalReport) => this.#onReport(report));
    this.#worker.on("error", (error: Error) => this.#onWorkerGone(`its worker failed: ${error.message}`));
    this.#worker.on("exit", () => this.#onWorkerGone("its worker ended"));
    await ready;
    // A process whose work is over ends even where nobody closed the journal; the ring file keeps what was not written.
    this.#worker?.unref();
  }

  /** True while records reach the database and the ring has room for orders. Entries stop while it is false. */
  get isHealthy(): boolean {
    const ring = this.#ring;
    return ring !== null && !this.#hasFailed && this.#end === null && ring.depth < ring.capacity - (this.#reserve >> 1);
  }

  /** Records that wait for the worker. */
  get depth(): number {
    return this.#ring?.depth ?? 0;
  }

  // --- hot ------------------------------------------------------------------------------------------------------------

  prediction(
    tsUs: number,
    slot: number,
    sellProb: number,
    holdProb: number,
    buyProb: number,
    volatility: number,
    momentum: number,
  ): void {
    const offset = this.#claim(false);
    if (offset < 0) return;
    const { f64 } = this.#ring!;
    const at = beginRecord(this.#ring!, offset, JOURNAL_PREDICTION, tsUs);
    f64[at] = slot;
    f64[at + 1] = sellProb;
    f64[at + 2] = holdProb;
    f64[at + 3] = buyProb;
    f64[at + 4] = volatility;
    f64[at + 5] = momentum;
    this.#commit();
  }

  /** What a model in the shadow said; `model` as the manifest counts them, from 1. */
  shadowPrediction(
    tsUs: number,
    slot: number,
    model: number,
    sellProb: number,
    holdProb: number,
    buyProb: number,
    volatility: number,
    momentum: number,
  ): void {
    const offset = this.#claim(false);
    if (offset < 0) return;
    const { f64 } = this.#ring!;
    const at = beginRecord(this.#ring!, offset, JOURNAL_SHADOW_PREDICTION, tsUs);
    f64[at] = slot;
    f64[at + 1] = model;
    f64[at + 2] = sellProb;
    f64[at + 3] = holdProb;
    f64[at + 4] = buyProb;
    f64[at + 5] = volatility;
    f64[at + 6] = momentum;
    this.#commit();
  }

  /** An order is about to be sent. @returns false where it is not recorded: it must not be sent */
  intent(tsUs: number, row: number): boolean {
    const offset = this.#claim(true);
    if (offset < 0) return false;
    const { f64 } = this.#ring!;
    const orders = this.#orders;
    const at = beginRecord(this.#ring!, offset, JOURNAL_INTENT, tsUs);
    f64[at] = row;
    f64[at + 1] = orders.slot[row]!;
    f64[at + 2] = orders.side[row]!;
    f64[at + 3] = orders.role[row]!;
    f64[at + 4] = orders.type[row]!;
    f64[at + 5] = orders.qty[row]!;
    f64[at + 6] = orders.limitPxTicks[row]!;
    f64[at + 7] = orders.stopPxTicks[row]!;
    f64[at + 8] = orders.bracketTargetPxTicks[row]!;
    f64[at + 9] = orders.bracketStopPxTicks[row]!;
    f64[at + 10] = orders.intentNumber[row]!;
    this.#commit();
    return true;
  }

  orderStatus(tsUs: number, row: number, status: number): void {
    const offset = this.#claim(true);
    if (offset < 0) return;
    const { f64 } = this.#ring!;
    const orders = this.#orders;
    const at = beginRecord(this.#ring!, offset, JOURNAL_ORDER_STATUS, tsUs);
    f64[at] = row;
    f64[at + 1] = orders.slot[row]!;
    f64[at + 2] = status;
    f64[at + 3] = orders.role[row]!;
    f64[at + 4] = orders.side[row]!;
    f64[at + 5] = orders.parentRow[row]!;
    f64[at + 6] = orders.qty[row]!;
    f64[at + 7] = orders.filledQty[row]!;
    f64[at + 8] = orders.filledNotionalTicks[row]!;
    f64[at + 9] = orders.limitPxTicks[row]!;
    f64[at + 10] = orders.stopPxTicks[row]!;
    putRecordText(this.#ring!, offset, orders.brokerId[row]!);
    this.#commit();
  }

  fill(tsUs: number, row: number, qty: number, pxTicks: number, feeTicks: number): void {
    const offset = this.#claim(true);
    if (offset < 0) return;
    const { f64 } = this.#ring!;
    const orders = this.#orders;
    const at = beginRecord(this.#ring!, offset, JOURNAL_FILL, tsUs);
    f64[at] = row;
    f64[at + 1] = orders.slot[row]!;
    f64[at + 2] = orders.side[row]!;
    f64[at + 3] = orders.role[row]!;
    f64[at + 4] = orders.parentRow[row]!;
    f64[at + 5] = qty;
    f64[at + 6] = pxTicks;
    f64[at + 7] = feeTicks;
    putRecordText(this.#ring!, offset, orders.clientOrderId[row]!);
    this.#commit();
  }

  denial(tsUs: number, slot: number, denial: number): void {
    this.#pair(JOURNAL_DENIAL, tsUs, slot, denial, false);
  }

  filtered(tsUs: number, slot: number, filter: number): void {
    this.#pair(JOURNAL_FILTERED, tsUs, slot, filter, false);
  }

  state(tsUs: number, state: number, reason: number): void {
    this.#pair(JOURNAL_STATE, tsUs, state, reason, true);
  }

  bar(
    tsUs: number,
    slot: number,
    openPx: number,
    highPx: number,
    lowPx: number,
    closePx: number,
    volume: number,
    turnoverUsd: number,
  ): void {
    const offset = this.#claim(false);
    if (offset < 0) return;
    const { f64 } = this.#ring!;
    const at = beginRecord(this.#ring!, offset, JOURNAL_BAR, tsUs);
    f64[at] = slot;
    f64[at + 1] = openPx;
    f64[at + 2] = highPx;
    f64[at + 3] = lowPx;
    f64[at + 4] = closePx;
    f64[at + 5] = volume;
    f64[at + 6] = turnoverUsd;
    this.#commit();
  }

  #pair(kind: number, tsUs: number, first: number, second: number, isVital: boolean): void {
    const offset = this.#claim(isVital);
    if (offset < 0) return;
    const at = beginRecord(this.#ring!, offset, kind, tsUs);
    this.#ring!.f64[at] = first;
    this.#ring!.f64[at + 1] = second;
    this.#commit();
  }

  /** Byte offset of a record to fill, -1 where there is no room for one of this importance. */
  #claim(isVital: boolean): number {
    const ring = this.#ring;
    if (ring === null || (!isVital && ring.depth >= ring.capacity - this.#reserve)) {
      this.droppedCount += 1;
      return -1;
    }
    const offset = ring.claim();
    if (offset < 0) this.droppedCount += 1;
    return offset;
  }

  #commit(): void {
    const ring = this.#ring!;
    ring.commit();
    if ((ring.claimedNumber & 1023) === 0 && ring.depth > WAKE_DEPTH) this.#ringBell();
  }

  // --- not hot --------------------------------------------------------------------------------------------------------

  /** A sentence for people; what is beyond 140 characters is cut. */
  note(tsUs: number, text: string): void {
    const offset = this.#claim(true);
    if (offset < 0) return;
    beginRecord(this.#ring!, offset, JOURNAL_NOTE, tsUs);
    putRecordText(this.#ring!, offset, text);
    this.#commit();
  }

  /** Keeps a value as JSON under a key of the run: its manifest, its end. */
  meta(key: string, value: unknown): void {
    this.#post({ kind: "meta", key, json: JSON.stringify(value) });
  }

  /** Names the slots. */
  instruments(symbols: readonly string[]): void {
    this.#post({ kind: "instruments", symbols: [...symbols] });
  }

  /** Writes everything, folds the log into the database and ends the worker. The ring file goes when nothing is left in it. */
  close(): Promise<JournalEnd> {
    if (this.#end !== null) return Promise.resolve(this.#end);
    if (this.#worker === null) return Promise.resolve({ isComplete: true, leftCount: 0, message: "" });
    this.#worker.ref();
    return new Promise((resolve) => {
      this.#onClosed = resolve;
      this.#post({ kind: "close" });
    });
  }

  #post(request: JournalRequest): void {
    this.#worker?.postMessage(request);
    this.#ringBell();
  }

  #ringBell(): void {
    Atomics.add(this.#doorbell, 0, 1);
    Atomics.notify(this.#doorbell, 0);
  }

  #onReport(report: JournalReport): void {
    if (report.kind === "ready") this.#settleReady(null);
    else if (report.kind === "failed") this.#fail(report.message);
    else if (report.kind === "recovered") {
      this.#hasFailed = false;
      this.onRecovery();
    } else {
      const { leftCount, message } = report;
      this.#finish({ isComplete: leftCount === 0 && message === "", leftCount, message });
    }
  }

  #fail(reason: string): void {
    this.#hasFailed = true;
    const message = `the journal ${this.path} cannot be written: ${reason}`;
    const error = new UserError("failed", message, "Free space on the disk, or choose another folder for runs.");
    if (!this.#settleReady(error)) this.onFailure(`${message}. Records wait in ${this.#ringPath}.`);
  }

  #onWorkerGone(reason: string): void {
    if (this.#end !== null) return;
    this.#fail(reason);
    this.#finish({ isComplete: false, leftCount: this.depth, message: reason });
  }

  #finish(end: JournalEnd): void {
    this.#end = end;
    if (end.isComplete) rmSync(this.#ringPath, { force: true });
    this.#onClosed?.(end);
  }

  #settleReady(error: Error | null): boolean {
    const settle = this.#onReady;
    this.#onReady = null;
    settle?.(error);
    return settle !== null;
  }
}

/** What `recoverJournal` found. */
export interface JournalRecovery {
  /** Records moved from the ring into the database. */
  readonly recoveredCount: number;
  /** Records in the ring that were not whole. */
  readonly damagedCount: number;
}

/** Moves what a killed process left in the ring of a run's folder into its database. */
export function recoverJournal(folder: string): JournalRecovery {
  const ringPath = join(folder, RING_FILE);
  if (!existsSync(ringPath)) return { recoveredCount: 0, damagedCount: 0 };
  const ring = SpscRing.open(Bun.mmap(ringPath, { shared: true }).buffer, ringPath);
  const store = new JournalStore({ path: join(folder, JOURNAL_FILE), isDurable: true, pageCountMax: 0 });
  const recoveredCount = store.moveFrom(ring, ring.depth);
  store.close();
  rmSync(ringPath, { force: true });
  return { recoveredCount: recoveredCount - store.damagedCount, damagedCount: store.damagedCount };
}

/** The ring of a run's folder: the one that is there, with what is in it, or a new one. */
function openRing(folder: string, ringPath: string, capacity: number): SpscRing {
  try {
    mkdirSync(folder, { recursive: true });
    if (existsSync(ringPath)) return SpscRing.open(Bun.mmap(ringPath, { shared: true }).buffer, ringPath);
    writeZeros(ringPath, ringBytes(capacity));
    return SpscRing.create(Bun.mmap(ringPath, { shared: true }).buffer, capacity);
  } catch (error) {
    if (error instanceof UserError) throw error;
    const message = `the journal cannot be kept in ${folder}: ${(error as Error).message}`;
    throw new UserError("failed", message, "Free space on the disk, or choose another folder for runs.", {
      cause: error,
    });
  }
}

/** Real zeros, not a hole: a mapped hole on a full disk would kill the process when first written to. */
function writeZeros(path: string, bytes: number): void {
  const zeros = new Uint8Array(bytes);
  const file = openSync(path, "wx", 0o600);
  try {
    for (let written = 0; written < bytes; ) written += writeSync(file, zeros, written);
    fsyncSync(file);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
}
