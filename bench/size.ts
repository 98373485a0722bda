// How long a suite measures: in full for figures, or just long enough that a test sees it still works.

export type SuiteSize = "full" | "smoke";

/** Time of the processor that a measurement in full should take, ns; a thousandth of a second where it is only tried. */
export function cpuNs(size: SuiteSize, fullNs: number): number {
  return size === "full" ? fullNs : 1e6;
}
