// Loads Dawn, Google's WebGPU, as the Node addon that the `webgpu` package carries. Start only, not hot.
//
// The package's own index.js is passed over: it finds the addon by a path, and inside a compiled executable there is
// none. The literal requires below are what makes `bun build --compile` embed the addon; the branches fold for each
// target, so an executable holds one addon, its own.

import { closeSync, existsSync, readFileSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { memoryFile, preloadLibrary } from "./libc.ts";
import { WebGpuError } from "./webgpu-error.ts";

export interface Dawn {
  /** Makes an instance; flags are "name=value", e.g. "backend=vulkan", "enable-dawn-features=a,b". */
  create(flags: readonly string[]): GPU;
  readonly globals: {
    readonly GPUBufferUsage: typeof GPUBufferUsage;
    readonly GPUMapMode: typeof GPUMapMode;
    readonly GPUShaderStage: typeof GPUShaderStage;
  };
}

/** Where the Vulkan loader may be when the dynamic linker does not know it. */
const VULKAN_FOLDERS = [
  "/usr/lib/x86_64-linux-gnu",
  "/usr/lib/aarch64-linux-gnu",
  "/usr/lib64",
  "/usr/lib",
  "/usr/local/lib",
  "/run/opengl-driver/lib",
];
const VULKAN_LOADER = "libvulkan.so.1";

let dawn: Dawn | undefined;
let isVulkanLoaderMapped = false;

/** The addon, loaded at the first call. Throws WebGpuError ADDON_UNAVAILABLE. */
export function loadDawn(): Dawn {
  dawn ??= loadAddon();
  return dawn;
}

/**
 * A new WebGPU instance. It is kept alive for the rest of the process: when Dawn's instance is collected while anything
 * made from it lives, the process crashes.
 */
export function createInstance(flags: readonly string[]): GPU {
  requireVulkanLoader();
  const instance = loadDawn().create([`backend=${process.platform === "darwin" ? "metal" : "vulkan"}`, ...flags]);
  const holder = globalThis as { gyrGpuInstances?: GPU[] };
  holder.gyrGpuInstances ??= [];
  holder.gyrGpuInstances.push(instance);
  return instance;
}

function loadAddon(): Dawn {
  try {
    const addon = process.platform === "linux" && Bun.isStandaloneExecutable ? loadFromMemory() : requireAddon();
    if (addon !== undefined) return addon;
  } catch (cause) {
    throw new WebGpuError("ADDON_UNAVAILABLE", `cannot load WebGPU: ${messageOf(cause)}`, loadRemedy(), { cause });
  }
  throw new WebGpuError(
    "ADDON_UNAVAILABLE",
    `there is no WebGPU for ${process.platform} ${process.arch}`,
    'use engine = "wasm" in [inference]',
  );
}

/** Each branch must keep its literal require: see the head of this file. */
function requireAddon(): Dawn | undefined {
  if (process.platform === "linux" && process.arch === "x64") {
    return require("webgpu/dist/linux-x64/dawn.node") as Dawn;
  }
  if (process.platform === "linux" && process.arch === "arm64") {
    return require("webgpu/dist/linux-arm64/dawn.node") as Dawn;
  }
  if (process.platform === "darwin") {
    return require("webgpu/dist/darwin-universal/dawn.node") as Dawn;
  }
  return undefined;
}

/**
 * Loads the embedded addon from memory. Left to itself Bun would write it to the temporary folder and load it from there,
 * and Dawn looks for Vulkan beside the addon first: anybody who can write to /tmp could give this process a library. And
 * a temporary folder may be missing, full, read-only or noexec.
 */
function loadFromMemory(): Dawn {
  const name = Bun.embeddedFiles.map((file) => (file as File).name).find((name) => /^dawn\b.*\.node$/.test(name));
  if (name === undefined) throw new Error("the executable holds no dawn.node");
  const bytes = readFileSync(`/$bunfs/root/${name}`);
  const fd = memoryFile("dawn.node");
  if (fd < 0) throw new Error("the kernel refuses memfd_create");
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    const holder = { exports: {} };
    process.dlopen(holder, `/proc/self/fd/${fd}`);
    return holder.exports as Dawn;
  } finally {
    // What is mapped stays mapped.
    closeSync(fd);
  }
}

/** Dawn on Linux needs Vulkan's loader and prints a warning of its own without it. Throws VULKAN_LOADER_MISSING. */
function requireVulkanLoader(): void {
  if (process.platform !== "linux" || isVulkanLoaderMapped) return;
  const folders = [dirname(process.execPath), ...VULKAN_FOLDERS];
  // Trying a library costs milliseconds, seeing that it is not there costs none.
  const files = folders.map((folder) => join(folder, VULKAN_LOADER)).filter((path) => existsSync(path));
  const paths = [VULKAN_LOADER, ...files];
  isVulkanLoaderMapped = paths.some((path) => preloadLibrary(path, "vkGetInstanceProcAddr"));
  if (isVulkanLoaderMapped) return;
  throw new WebGpuError(
    "VULKAN_LOADER_MISSING",
    `there is no Vulkan loader: ${VULKAN_LOADER} is neither known to the dynamic linker nor beside gyr`,
    "install it (Debian, Ubuntu: libvulkan1; Fedora: vulkan-loader) and the GPU's Vulkan driver",
  );
}

function loadRemedy(): string {
  if (process.platform === "darwin") {
    return "the addon is made for macOS 26, and the executable first writes it to $TMPDIR: check both";
  }
  return "the addon needs glibc 2.34, GLIBCXX_3.4.30 and, in the executable, memfd_create (sysctl vm.memfd_noexec below 2): check these";
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
