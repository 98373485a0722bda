// Holds shaders/, the kernel table, the tests and the weight layout to each other. Needs no adapter.

import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { TENSOR_SHAPES, type Tensors } from "../../src/inference/architecture.ts";
import { parseAdapterNames } from "../../src/inference/webgpu/adapters.ts";
import { KERNELS, type KernelStem } from "../../src/inference/webgpu/kernels.ts";
import { packSingle, WEIGHT_LAYOUTS, type WeightLayout } from "../../src/inference/webgpu/weight-layout.ts";

const ROOT = join(import.meta.dir, "../..");
/** What WebGPU promises everywhere. */
const WORKGROUP_SIZE_MAX = 256;
const WORKGROUP_BYTES_MAX = 16_384;

describe("the kernel table", () => {
  test("holds every file of shaders/ and no other", () => {
    const stems = readdirSync(join(ROOT, "shaders")).map((file) => file.replace(/\.wgsl$/, ""));
    expect(stems.sort()).toEqual(Object.keys(KERNELS).sort());
  });

  test.each(Object.entries(KERNELS))("states the workgroup of %s, which runs everywhere", (_stem, kernel) => {
    expect(kernel.source).toContain(`@workgroup_size(${kernel.workgroupSize})\nfn ${kernel.entryPoint}(`);
    expect(kernel.workgroupSize).toBeLessThanOrEqual(WORKGROUP_SIZE_MAX);
    expect(kernel.workgroupBytes).toBeLessThanOrEqual(WORKGROUP_BYTES_MAX);
  });
});

describe("the weight layouts", () => {
  const LAYOUTS: readonly [string, KernelStem, readonly WeightLayout[]][] = [
    ["fp32", "forward-pass", [WEIGHT_LAYOUTS.fp32]],
    ["f16", "forward-pass-f16", [WEIGHT_LAYOUTS.f16, WEIGHT_LAYOUTS.f16Standards]],
    ["int8", "forward-pass-int8", [WEIGHT_LAYOUTS.int8, WEIGHT_LAYOUTS.int8Words]],
  ];

  test.each(LAYOUTS)("of %s are those the shader reads", (_precision, stem, layouts) => {
    const constants = KERNELS[stem].source.matchAll(
      /^const (\w+_AT|WEIGHT_VEC4S|STANDARD_VEC4S|CONV_WORDS) = (\d+)u;/gm,
    );
    const inShader = Object.fromEntries([...constants].map(([, name, value]) => [name, Number(value)]));
    expect(inShader).toEqual(Object.assign({}, ...layouts));
  });

  test("of fp32 hold every parameter exactly once, deviations inverted, and zeros elsewhere", () => {
    // Each parameter is a number of its own that float32 holds exactly; deviations are powers of two, as their inverses are.
    let next = 1_000;
    const numbered = Object.entries(TENSOR_SHAPES).map(([name, shape]) => {
      const elems = (shape as readonly number[]).reduce((product, size) => product * size, 1);
      const values = Float32Array.from({ length: elems }, (_, i) => (name === "input.std" ? 2 ** (i + 1) : next++));
      return [name, values] as const;
    });
    const packed = packSingle(Object.fromEntries(numbered) as unknown as Tensors);
    const expected = numbered.flatMap(([name, values]) =>
      name === "input.std" ? Array.from(values, (std) => 1 / std) : [...values],
    );
    const found = [...packed].filter((value) => value !== 0);
    const rising = (a: number, b: number): number => a - b;
    expect(found.sort(rising)).toEqual(expected.sort(rising));
    expect(packed.length).toBe(WEIGHT_LAYOUTS.fp32.WEIGHT_VEC4S! * 4);
  });
});

test("adapter names are read out of Dawn's message", () => {
  const message =
    "no adapter with backend 'vulkan' and name 'x' found\nAvailable adapters:\n" +
    " * backend: 'vulkan', name: 'NVIDIA H200'\n * backend: 'vulkan', name: 'llvmpipe (LLVM 15.0.7, 256 bits)'\n" +
    " * backend: 'vulkan', name: 'NVIDIA H200'\n * backend: 'vulkan', name: 'It's odd'\n";
  expect(parseAdapterNames(message)).toEqual([
    { backend: "vulkan", name: "NVIDIA H200" },
    { backend: "vulkan", name: "llvmpipe (LLVM 15.0.7, 256 bits)" },
    { backend: "vulkan", name: "It's odd" },
  ]);
  expect(parseAdapterNames("no adapter at all")).toEqual([]);
});
