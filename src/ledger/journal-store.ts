// The journal's database: one table for each kind of record, `instruments` for the names of slots, `meta` for what a run is
// (JSON by key). Used by the worker that writes and by recovery after a crash. Off the hot path.

import { Database, type Statement } from "bun:sqlite";
import type { SpscRing } from "../core/spsc-ring.ts";
import {
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
  RECORD_KIND_AT,
  RECORD_NUMBERS_AT,
  RECORD_TS_AT,
  recordText,
} from "./journal-records.ts";

/** Layout of the tables; a reader refuses any other. */
export const JOURNAL_SCHEMA_VERSION = 2;

interface TableSpec {
  readonly table: string;
  /** Columns after `number` and `ts_us`, in the order of the record's numbers. */
  readonly numbers: readonly string[];
  /** Column of the record's text, "" where it has none. */
  readonly text: string;
}

/** Kind -> table. `number` is the record's place in the day, `ts_us` market time in epoch microseconds. */
const TABLES: Readonly<Record<number, TableSpec>> = {
  [JOURNAL_STATE]: { table: "states", numbers: ["state", "reason"], text: "" },
  [JOURNAL_PREDICTION]: {
    table: "predictions",
    numbers: ["slot", "sell_prob", "hold_prob", "buy_prob", "volatility", "momentum"],
    text: "",
  },
  [JOURNAL_INTENT]: {
    table: "intents",
    numbers: [
      "row",
      "slot",
      "side",
      "role",
      "type",
      "qty",
      "limit_px_ticks",
      "stop_px_ticks",
      "bracket_target_px_ticks",
      "bracket_stop_px_ticks",
      "intent_number",
    ],
    text: "",
  },
  [JOURNAL_ORDER_STATUS]: {
    table: "order_statuses",
    numbers: [
      "row",
      "slot",
      "status",
      "role",
      "side",
      "parent_row",
      "qty",
      "filled_qty",
      "filled_notional_ticks",
      "limit_px_ticks",
      "stop_px_ticks",
    ],
    text: "broker_id",
  },
  [JOURNAL_FILL]: {
    table: "fills",
    numbers: ["row", "slot", "side", "role", "parent_row", "qty", "px_ticks", "fee_ticks"],
    text: "client_order_id",
  },
  [JOURNAL_DENIAL]: { table: "denials", numbers: ["slot", "denial"], text: "" },
  [JOURNAL_FILTERED]: { table: "filtered", numbers: ["slot", "filter"], text: "" },
  [JOURNAL_NOTE]: { table: "notes", numbers: [], text: "note" },
  [JOURNAL_BAR]: {
    table: "bars",
    numbers: ["slot", "open_px", "high_px", "low_px", "close_px", "volume", "turnover_usd"],
    text: "",
  },
  [JOURNAL_SHADOW_PREDICTION]: {
    table: "shadow_predictions",
    numbers: ["slot", "model", "sell_prob", "hold_prob", "buy_prob", "volatility", "momentum"],
    text: "",
  },
};

/** Columns that are fractions; every other number is whole. */
const REAL_COLUMNS = new Set([
  "sell_prob",
  "hold_prob",
  "buy_prob",
  "volatility",
  "momentum",
  "open_px",
  "high_px",
  "low_px",
  "close_px",
  "volume",
  "turnover_usd",
]);

export interface JournalStoreOptions {
  readonly path: string;
  /** Every batch is on the disk before the next (synchronous=FULL); otherwise only checkpoints are (NORMAL). */
  readonly isDurable: boolean;
  /** Most pages the database may have, 0 no limit of its own. */
  readonly pageCountMax: number;
}

export class JournalStore {
  /** Records that were not written whole and were left out. */
  damagedCount = 0;
  readonly #db: Database;
  readonly #inserts = new Map<number, { readonly statement: Statement; readonly spec: TableSpec }>();
  readonly #values: (number | string)[] = [];

  /** Opens or makes the database. Throws what SQLite says where that fails. */
  constructor(options: JournalStoreOptions) {
    this.#db = new Database(options.path, { create: true });
    this.#db.run("PRAGMA journal_mode = WAL");
    this.#db.run(`PRAGMA synchronous = ${options.isDurable ? "FULL" : "NORMAL"}`);
    if (options.pageCountMax > 0) this.#db.run(`PRAGMA max_page_count = ${options.pageCountMax}`);
    this.#makeTables();
    for (const [kind, spec] of Object.entries(TABLES)) {
      const columns = ["number", "ts_us", ...spec.numbers, ...(spec.text === "" ? [] : [spec.text])];
      const marks = columns.map(() => "?").join(", ");
      // A record that was committed here just before a crash and not yet released in the ring comes again: it is the same.
      const sql = `INSERT OR IGNORE INTO ${spec.table} (${columns.join(", ")}) VALUES (${marks})`;
      this.#inserts.set(Number(kind), { statement: this.#db.prepare(sql), spec });
    }
  }

  /** Moves up to `countMax` waiting records of the ring into the database in one transaction. @returns records moved */
  moveFrom(ring: SpscRing, countMax: number): number {
    const count = Math.min(ring.depth, countMax);
    if (count === 0) return 0;
    this.#db.run("BEGIN IMMEDIATE");
    try {
      for (let i = 0; i < count; i++) this.#insert(ring, ring.at(i));
      this.#db.run("COMMIT");
    } catch (error) {
      if (this.#db.inTransaction) this.#db.run("ROLLBACK");
      throw error;
    }
    ring.release(count);
    return count;
  }

  setMeta(key: string, json: string): void {
    this.#db.run("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", [key, json]);
  }

  setInstruments(symbols: readonly string[]): void {
    const insert = this.#db.prepare("INSERT OR REPLACE INTO instruments (slot, symbol) VALUES (?, ?)");
    this.#db.transaction(() => {
      for (const [slot, symbol] of symbols.entries()) insert.run(slot, symbol);
    })();
  }

  /** Folds the write-ahead log into the database and closes it: one file is left, which can be copied and read anywhere. */
  close(): void {
    for (const { statement } of this.#inserts.values()) statement.finalize();
    try {
      this.#db.run("PRAGMA wal_checkpoint(TRUNCATE)");
      this.#db.run("PRAGMA journal_mode = DELETE");
    } finally {
      this.#db.close();
    }
  }

  #insert(ring: SpscRing, offset: number): void {
    const entry = ring.isSealed(offset) ? this.#inserts.get(ring.u8[offset + RECORD_KIND_AT]!) : undefined;
    if (entry === undefined) {
      this.damagedCount += 1;
      return;
    }
    const { numbers, text } = entry.spec;
    const values = this.#values;
    values.length = 0;
    values.push(ring.u32[offset >> 2]!, ring.f64[(offset + RECORD_TS_AT) >> 3]!);
    const first = (offset + RECORD_NUMBERS_AT) >> 3;
    for (let i = 0; i < numbers.length; i++) values.push(ring.f64[first + i]!);
    if (text !== "") values.push(recordText(ring, offset));
    entry.statement.run(...values);
  }

  #makeTables(): void {
    this.#db.run("CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID");
    this.#db.run("CREATE TABLE IF NOT EXISTS instruments (slot INTEGER PRIMARY KEY, symbol TEXT NOT NULL)");
    for (const { table, numbers, text } of Object.values(TABLES)) {
      const columns = numbers.map((name) => `${name} ${REAL_COLUMNS.has(name) ? "REAL" : "INTEGER"}`);
      if (text !== "") columns.push(`${text} TEXT NOT NULL`);
      const all = ["number INTEGER PRIMARY KEY", "ts_us INTEGER NOT NULL", ...columns];
      this.#db.run(`CREATE TABLE IF NOT EXISTS ${table} (${all.join(", ")})`);
      if (!numbers.includes("slot")) continue;
      // The same with the symbol in it, for people.
      const view = `SELECT i.symbol, t.* FROM ${table} t LEFT JOIN instruments i ON i.slot = t.slot ORDER BY t.number`;
      this.#db.run(`CREATE VIEW IF NOT EXISTS ${table}_by_symbol AS ${view}`);
    }
    this.#db.run(`PRAGMA user_version = ${JOURNAL_SCHEMA_VERSION}`);
  }
}
