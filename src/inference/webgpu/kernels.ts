// Every WGSL kernel of gyr, under its stem. A test holds this table, shaders/ and test/shader/ to each other.

import features from "../../../shaders/features.wgsl" with { type: "text" };
import forwardPass from "../../../shaders/forward-pass.wgsl" with { type: "text" };
import forwardPassF16 from "../../../shaders/forward-pass-f16.wgsl" with { type: "text" };
import forwardPassInt8 from "../../../shaders/forward-pass-int8.wgsl" with { type: "text" };
import roundTrip from "../../../shaders/round-trip.wgsl" with { type: "text" };
import type { Precision } from "../engine.ts";

export interface Kernel {
  readonly source: string;
  readonly entryPoint: string;
  /** Invocations of a workgroup. WebGPU promises 256. */
  readonly workgroupSize: number;
  /** Workgroup memory, bytes. WebGPU promises 16,384. */
  readonly workgroupBytes: number;
}

/** Of a forward pass behind its rows: pooled 256, partial sums 128, hidden 64 + 32, logits 8, count of NaN. */
const DENSE_BYTES = (256 + 128 + 64 + 32 + 8 + 1) * 4;
/** Rows of 12 features, zero rows around them included. */
const ROW_BYTES = 58 * 3;

export const KERNELS = {
  // changes, log returns and volumes of 69 bars
  features: {
    source: features,
    entryPoint: "main",
    workgroupSize: 64,
    workgroupBytes: 3 * 69 * 4,
  },
  "forward-pass": {
    source: forwardPass,
    entryPoint: "main",
    workgroupSize: 128,
    workgroupBytes: ROW_BYTES * 16 + DENSE_BYTES,
  },
  "forward-pass-f16": {
    source: forwardPassF16,
    entryPoint: "main",
    workgroupSize: 128,
    workgroupBytes: ROW_BYTES * 8 + DENSE_BYTES,
  },
  "forward-pass-int8": {
    source: forwardPassInt8,
    entryPoint: "main",
    workgroupSize: 128,
    workgroupBytes: ROW_BYTES * 4 + DENSE_BYTES,
  },
  "round-trip": {
    source: roundTrip,
    entryPoint: "main",
    workgroupSize: 32,
    workgroupBytes: 0,
  },
} as const satisfies Record<string, Kernel>;

export type KernelStem = keyof typeof KERNELS;

export const FORWARD_KERNELS: Readonly<Record<Precision, KernelStem>> = {
  fp32: "forward-pass",
  f16: "forward-pass-f16",
  int8: "forward-pass-int8",
};
