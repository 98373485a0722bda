// The few calls of the C library that the WebGPU engine needs and Bun does not offer. Linux and macOS.

import { dlopen, FFIType } from "bun:ffi";

const LIBC = process.platform === "darwin" ? "libSystem.B.dylib" : "libc.so.6";

let schedYield: (() => number) | undefined;

/** Lets another thread of this core run. 0.3 us; with software Vulkan on few cores that thread is the one waited for. */
export function yieldCore(): void {
  schedYield ??= dlopen(LIBC, { sched_yield: { args: [], returns: FFIType.i32 } }).symbols.sched_yield;
  schedYield();
}

const MFD_CLOEXEC = 1;

/** File descriptor of an empty file in memory, Linux only; negative when the kernel refuses. The caller closes it. */
export function memoryFile(name: string): number {
  const libc = dlopen(LIBC, { memfd_create: { args: [FFIType.cstring, FFIType.u32], returns: FFIType.i32 } });
  const fd = libc.symbols.memfd_create(Buffer.from(`${name}\0`), MFD_CLOEXEC);
  libc.close();
  return fd;
}

/** Maps a shared library for good, so that a later dlopen of its file name finds it. False when it cannot be loaded. */
export function preloadLibrary(path: string, symbol: string): boolean {
  try {
    dlopen(path, { [symbol]: { args: [], returns: FFIType.ptr } });
    return true;
  } catch {
    return false;
  }
}
