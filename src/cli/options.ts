// What each command gets from the command line, checked as far as one argument can be checked alone.

import { UserError } from "../core/user-error.ts";
import { FEATURE_COUNT } from "../inference/engine.ts";

/** Options of a command that reads the configuration. */
export interface ConfigOptions {
  /** --config; gyr.toml of the working folder, or the defaults, without it. */
  readonly config?: string | undefined;
  readonly json?: boolean | undefined;
}

export interface RunOptions extends ConfigOptions {
  readonly mode?: string | undefined;
  readonly day?: string | undefined;
  readonly speed?: string | undefined;
  /** --report FILE */
  readonly report?: string | undefined;
  readonly runDir?: string | undefined;
  readonly quiet?: boolean | undefined;
}

export interface SimOptions extends ConfigOptions {
  /** TCP port, 0 for a free one. */
  readonly polygonPort?: number | undefined;
  readonly alpacaPort?: number | undefined;
  readonly day?: string | undefined;
  readonly speed?: string | undefined;
}

export interface ModelExportOptions extends ConfigOptions {
  /** --onnx FILE */
  readonly onnx: string;
  readonly force?: boolean | undefined;
}

export interface ModelImportOptions {
  readonly name: string;
  /** --out, "models" without it */
  readonly out: string;
  readonly card?: string | undefined;
  readonly mean?: number[] | undefined;
  readonly std?: number[] | undefined;
  readonly origin?: string | undefined;
  readonly licence?: string | undefined;
  readonly json?: boolean | undefined;
}

/** Finite numbers between commas, one for each feature. */
export function parsePerFeature(text: string): number[] {
  const parts = text.split(",").map((part) => part.trim());
  const numbers = parts.map((part) => (part === "" ? Number.NaN : Number(part)));
  if (numbers.length !== FEATURE_COUNT || !numbers.every(Number.isFinite)) {
    throw new UserError(
      "usage",
      `'${text}' is not one number for each feature`,
      `give ${FEATURE_COUNT} numbers with commas between them, in the order of docs/features.md`,
    );
  }
  return numbers;
}

/** A TCP port of an option, 0 to 65535. */
export function parsePort(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) {
    throw new UserError("usage", `'${text}' is not a port`, "give a whole number from 0 to 65535; 0 takes a free one");
  }
  return Number(text);
}
