// A day read back from its journal: typed rows in the order in which they were written. For replay, reports and tests.

import { Database } from "bun:sqlite";
import { existsSync } from "node:fs";
import { UserError } from "../core/user-error.ts";
import { JOURNAL_SCHEMA_VERSION } from "./journal-store.ts";

interface JournalRow {
  /** Place in the day, from 0, over all kinds. */
  readonly number: number;
  /** Market time, epoch us. */
  readonly tsUs: number;
}

interface SymbolRow extends JournalRow {
  readonly slot: number;
  /** "" where the slot was never named. */
  readonly symbol: string;
}

export interface JournalState extends JournalRow {
  readonly state: number;
  readonly reason: number;
}

export interface JournalPrediction extends SymbolRow {
  readonly sellProb: number;
  readonly holdProb: number;
  readonly buyProb: number;
  readonly volatility: number;
  readonly momentum: number;
}

export interface JournalShadowPrediction extends JournalPrediction {
  /** Which model, as the manifest counts them, from 1. */
  readonly model: number;
}

export interface JournalIntent extends SymbolRow {
  readonly row: number;
  readonly side: number;
  readonly role: number;
  readonly type: number;
  readonly qty: number;
  readonly limitPxTicks: number;
  readonly stopPxTicks: number;
  readonly bracketTargetPxTicks: number;
  readonly bracketStopPxTicks: number;
  readonly intentNumber: number;
}

export interface JournalOrderStatus extends SymbolRow {
  readonly row: number;
  readonly status: number;
  readonly role: number;
  readonly side: number;
  readonly parentRow: number;
  readonly qty: number;
  readonly filledQty: number;
  readonly filledNotionalTicks: number;
  readonly limitPxTicks: number;
  readonly stopPxTicks: number;
  readonly brokerId: string;
}

export interface JournalFill extends SymbolRow {
  readonly row: number;
  readonly side: number;
  readonly role: number;
  readonly parentRow: number;
  readonly qty: number;
  readonly pxTicks: number;
  readonly feeTicks: number;
  readonly clientOrderId: string;
}

export interface JournalDenial extends SymbolRow {
  readonly denial: number;
}

export interface JournalFiltered extends SymbolRow {
  readonly filter: number;
}

export interface JournalNote extends JournalRow {
  readonly note: string;
}

export interface JournalBar extends SymbolRow {
  readonly openPx: number;
  readonly highPx: number;
  readonly lowPx: number;
  readonly closePx: number;
  readonly volume: number;
  readonly turnoverUsd: number;
}

export interface JournalDay {
  readonly meta: Readonly<Record<string, unknown>>;
  /** Symbol of each slot. */
  readonly symbols: readonly string[];
  readonly states: readonly JournalState[];
  readonly predictions: readonly JournalPrediction[];
  readonly shadowPredictions: readonly JournalShadowPrediction[];
  readonly intents: readonly JournalIntent[];
  readonly orderStatuses: readonly JournalOrderStatus[];
  readonly fills: readonly JournalFill[];
  readonly denials: readonly JournalDenial[];
  readonly filtered: readonly JournalFiltered[];
  readonly notes: readonly JournalNote[];
  readonly bars: readonly JournalBar[];
}

/** Reads a whole journal. Throws UserError where the file is missing, of another version or not a journal. */
export function readJournal(path: string): JournalDay {
  if (!existsSync(path)) throw new UserError("failed", `there is no journal at ${path}`);
  let db: Database | null = null;
  try {
    db = new Database(path, { readonly: true });
    return readDay(db, path);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError("failed", `${path} cannot be read as a journal: ${(error as Error).message}`, "", {
      cause: error,
    });
  } finally {
    db?.close();
  }
}

function readDay(db: Database, path: string): JournalDay {
  const version = (db.query("PRAGMA user_version").get() as { user_version: number }).user_version;
  if (version !== JOURNAL_SCHEMA_VERSION) {
    throw new UserError("failed", `${path} has journal version ${version}, ${JOURNAL_SCHEMA_VERSION} is understood`);
  }
  const symbols: string[] = [];
  for (const { slot, symbol } of db.query("SELECT slot, symbol FROM instruments").all() as {
    slot: number;
    symbol: string;
  }[]) {
    symbols[slot] = symbol;
  }
  const meta: Record<string, unknown> = {};
  for (const { key, value } of db.query("SELECT key, value FROM meta").all() as { key: string; value: string }[]) {
    meta[key] = JSON.parse(value);
  }
  const rows = <T>(table: string): T[] =>
    (db.query(`SELECT * FROM ${table} ORDER BY number`).all() as Record<string, number | string>[]).map((row) =>
      typedRow<T>(row, symbols),
    );
  return {
    meta,
    symbols,
    states: rows("states"),
    predictions: rows("predictions"),
    shadowPredictions: rows("shadow_predictions"),
    intents: rows("intents"),
    orderStatuses: rows("order_statuses"),
    fills: rows("fills"),
    denials: rows("denials"),
    filtered: rows("filtered"),
    notes: rows("notes"),
    bars: rows("bars"),
  };
}

/** Columns as fields (`px_ticks` -> `pxTicks`), with the symbol of the slot. */
function typedRow<T>(row: Record<string, number | string>, symbols: readonly string[]): T {
  const typed: Record<string, number | string> = {};
  for (const [column, value] of Object.entries(row)) {
    typed[column.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())] = value;
  }
  if (typeof row.slot === "number") typed.symbol = symbols[row.slot] ?? "";
  return typed as T;
}
