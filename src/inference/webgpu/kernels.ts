// Every WGSL kernel of gyr, under its stem. A test holds this table, shaders/ and test/shader/ to each other.

import forwardPass from "../../../shaders/forward-pass.wgsl" with { type: "text" };

export interface Kernel {
  readonly source: string;
  readonly entryPoint: string;
  /** Invocations of a workgroup. WebGPU promises 256. */
  readonly workgroupSize: number;
  /** Workgroup memory, bytes. WebGPU promises 16,384. */
  readonly workgroupBytes: number;
}

export const KERNELS = {
  // rows 58 x 3 vec4, pooled 256, partial sums 128, hidden 64 + 32, logits 8
  "forward-pass": {
    source: forwardPass,
    entryPoint: "main",
    workgroupSize: 128,
    workgroupBytes: 58 * 3 * 16 + (256 + 128 + 64 + 32 + 8) * 4,
  },
} as const satisfies Record<string, Kernel>;
