// What one check of `gyr doctor` found.

export interface Finding {
  /** configuration, runtime, clock, keys, connectivity, model, disk, temporary folder, adapters. */
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

/** Message of anything thrown. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
