// What one check of `gyr doctor` found.

import { UserError } from "../../core/user-error.ts";

export interface Finding {
  /** configuration, runtime, clock, keys, disk, temporary folder, connectivity, data, model, adapters. */
  readonly area: string;
  /** fail: the configured mode cannot run. warn: it can, with less than there could be. */
  readonly status: "ok" | "warn" | "fail";
  readonly what: string;
  /** What to do; "" where nothing is needed. */
  readonly remedy: string;
}

/** Maker of findings of one area. */
export function findingsOf(area: string) {
  const make =
    (status: Finding["status"]) =>
    (what: string, remedy = ""): Finding => ({ area, status, what, remedy });
  return { ok: make("ok"), warn: make("warn"), fail: make("fail") };
}

/** What an error's own remedy is, else `otherwise`. */
export function remedyOf(error: unknown, otherwise: string): string {
  return error instanceof UserError && error.remedy !== "" ? error.remedy : otherwise;
}

/** Message of anything thrown. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
