// A run in 64 hex digits: SHA-256 over every fill and over what made the decisions. Two runs with the same fingerprint traded
// the same; a change of data, seed, configuration, engine, precision or model that changes a trade changes it.

import { formatTicks } from "../core/fixed-point.ts";
import type { Instruments } from "../market/instruments.ts";
import {
  ORDER_ROLE_ENTRY,
  ORDER_ROLE_EXIT,
  ORDER_ROLE_STOP,
  ORDER_ROLE_TARGET,
  type OrderTable,
} from "../market/orders.ts";
import type { DayRecord } from "./day-record.ts";

export interface FingerprintInputs {
  readonly date: string;
  readonly engine: string;
  readonly precision: string;
  readonly modelSha256: string;
  readonly configSha256: string;
}

export const ROLE_NAMES: Readonly<Record<number, "entry" | "exit" | "target" | "stop">> = {
  [ORDER_ROLE_ENTRY]: "entry",
  [ORDER_ROLE_EXIT]: "exit",
  [ORDER_ROLE_TARGET]: "target",
  [ORDER_ROLE_STOP]: "stop",
};

/** One line a fill, in the order the ledger had them: time, symbol, role, side, shares, price. */
export function fillLines(record: DayRecord, orders: OrderTable, instruments: Instruments): string[] {
  const lines: string[] = [];
  for (let i = 0; i < record.fillCount; i++) {
    const row = record.fillRow[i]!;
    const side = orders.side[row]! > 0 ? "buy" : "sell";
    const symbol = instruments.symbols[orders.slot[row]!]!;
    const role = ROLE_NAMES[orders.role[row]!];
    lines.push(
      `${record.fillTsUs[i]} ${symbol} ${role} ${side} ${record.fillQty[i]} ${formatTicks(record.fillPxTicks[i]!)}`,
    );
  }
  return lines;
}

/** SHA-256, hex. */
export function fingerprintOf(inputs: FingerprintInputs, fills: readonly string[]): string {
  const { date, engine, precision, modelSha256, configSha256 } = inputs;
  const head = `gyr fills 1\n${date}\n${engine} ${precision}\n${modelSha256}\n${configSha256}\n`;
  return new Bun.CryptoHasher("sha256").update(head).update(fills.join("\n")).digest("hex");
}
