// Buffers, bind groups and pipelines of one device, made at start by name and counted; after `freeze` a request is a bug.
// `gyr doctor` prints the table. For tests every buffer can lie between guard words, which a kernel must not touch.

import { assert } from "../../core/assert.ts";
import { loadDawn } from "./dawn.ts";
import { compileKernel } from "./device.ts";
import type { Kernel } from "./kernels.ts";

/** Part of a buffer that a kernel sees: all of it, or what lies between the guards. */
export interface GpuSpan {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly bytes: number;
}

export interface GpuBufferEntry {
  readonly name: string;
  readonly bytes: number;
}

/** How a kernel uses a binding. "stamp" is a uniform with a dynamic offset. */
export type BindingKind = "read" | "write" | "stamp";

/** Guards are as long as WebGPU's largest alignment of an offset, so that what lies between stays aligned. */
export const GUARD_BYTES = 256;
/** No float that a kernel of gyr writes. */
export const GUARD_WORD = 0xa5c3a5c3;

export class GpuResources {
  readonly device: GPUDevice;
  pipelineCount = 0;
  bindGroupCount = 0;
  readonly #guardBytes: number;
  readonly #spans: (GpuSpan & { readonly name: string })[] = [];
  #isFrozen = false;

  constructor(device: GPUDevice, isGuarded: boolean) {
    this.device = device;
    this.#guardBytes = isGuarded ? GUARD_BYTES : 0;
  }

  /** A buffer of `bytes`; `usage` of GPUBufferUsage. One that is mapped takes no guards: nothing but a copy writes to it. */
  buffer(name: string, bytes: number, usage: number): GpuSpan {
    assert(!this.#isFrozen, `no GPU buffer after start, but '${name}' was asked for`);
    const { GPUBufferUsage: usages } = loadDawn().globals;
    const guard = (usage & usages.MAP_READ) !== 0 ? 0 : this.#guardBytes;
    const guardUsage = guard > 0 ? usages.COPY_SRC | usages.COPY_DST : 0;
    const padded = Math.ceil(bytes / 4) * 4;
    const buffer = this.device.createBuffer({ label: name, size: padded + 2 * guard, usage: usage | guardUsage });
    const span = { name, buffer, offset: guard, bytes: padded };
    if (guard > 0) {
      const words = new Uint32Array(guard / 4).fill(GUARD_WORD);
      this.device.queue.writeBuffer(buffer, 0, words);
      this.device.queue.writeBuffer(buffer, guard + padded, words);
    }
    this.#spans.push(span);
    return span;
  }

  /** A buffer with these contents. */
  upload(name: string, data: ArrayBufferView<ArrayBuffer>, usage: number): GpuSpan {
    const span = this.buffer(name, data.byteLength, usage | loadDawn().globals.GPUBufferUsage.COPY_DST);
    this.device.queue.writeBuffer(span.buffer, span.offset, data.buffer, data.byteOffset, data.byteLength);
    return span;
  }

  layout(kinds: readonly BindingKind[]): GPUBindGroupLayout {
    const visibility = loadDawn().globals.GPUShaderStage.COMPUTE;
    return this.device.createBindGroupLayout({
      entries: kinds.map((kind, binding) => ({ binding, visibility, buffer: BINDINGS[kind] })),
    });
  }

  /** Throws WebGpuError SHADER_INVALID. */
  async pipeline(stem: string, kernel: Kernel, layout: GPUBindGroupLayout): Promise<GPUComputePipeline> {
    assert(!this.#isFrozen, `no GPU pipeline after start, but '${stem}' was asked for`);
    this.pipelineCount += 1;
    return compileKernel(this.device, stem, kernel, layout);
  }

  /** Binding n is spans[n]; of a "stamp" only the first `bytes` given in its span. */
  bindGroup(layout: GPUBindGroupLayout, spans: readonly GpuSpan[]): GPUBindGroup {
    assert(!this.#isFrozen, "no bind group after start");
    this.bindGroupCount += 1;
    return this.device.createBindGroup({
      layout,
      entries: spans.map(({ buffer, offset, bytes }, binding) => ({
        binding,
        resource: { buffer, offset, size: bytes },
      })),
    });
  }

  /** Nothing can be made after this. */
  freeze(): void {
    this.#isFrozen = true;
  }

  /** Every buffer, in order of making. */
  table(): readonly GpuBufferEntry[] {
    return this.#spans.map(({ name, buffer }) => ({ name, bytes: buffer.size }));
  }

  bytes(): number {
    return this.table().reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Names of the buffers whose guard words were written to. For tests: waits for the GPU. */
  async brokenGuards(): Promise<string[]> {
    const broken: string[] = [];
    for (const { name, buffer, offset } of this.#spans) {
      if (offset === 0) continue;
      const words = new Uint32Array(await readBytes(this.device, buffer, 0, buffer.size));
      const guardWords = offset / 4;
      const guards = [...words.slice(0, guardWords), ...words.slice(-guardWords)];
      if (guards.some((word) => word !== GUARD_WORD)) broken.push(name);
    }
    return broken;
  }
}

/** A copy of part of a buffer, which must have COPY_SRC. Tests and benches. */
export async function readBytes(
  device: GPUDevice,
  from: GPUBuffer,
  offset: number,
  bytes: number,
): Promise<ArrayBuffer> {
  const { GPUBufferUsage: usages, GPUMapMode: modes } = loadDawn().globals;
  const copy = device.createBuffer({ size: bytes, usage: usages.MAP_READ | usages.COPY_DST });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(from, offset, copy, 0, bytes);
  device.queue.submit([encoder.finish()]);
  await copy.mapAsync(modes.READ);
  const read = copy.getMappedRange().slice(0);
  copy.destroy();
  return read;
}

const BINDINGS: Readonly<Record<BindingKind, GPUBufferBindingLayout>> = {
  read: { type: "read-only-storage" },
  write: { type: "storage" },
  stamp: { type: "uniform", hasDynamicOffset: true },
};
