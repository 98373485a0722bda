// A Vulkan driver for machines without a GPU: SwiftShader, which runs shaders on the processor, out of the development
// package @sparticuz/chromium. Linux x64 only; elsewhere shader tests skip and say so, or run on the machine's own GPU.
//
//   GYR_TEST_ADAPTER=<part of a name>   run the shader tests on that adapter of this machine instead

import { dlopen, FFIType } from "bun:ffi";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { brotliDecompressSync } from "node:zlib";

const PACKAGE = "@sparticuz/chromium";
const ARCHIVE = "bin/swiftshader.tar.br";
const DRIVER_JSON = "vk_swiftshader_icd.json";
const DRIVER = "libvk_swiftshader.so";
const LOADER = "libvulkan.so.1";

export interface TestAdapter {
  /** What to give as `adapterName`; "" when there is none. */
  readonly name: string;
  /** Why there is none; "" when there is one. */
  readonly skipReason: string;
}

/** Unpacks SwiftShader once and returns its folder, or null where it cannot run. */
async function swiftShaderFolder(): Promise<string | null> {
  if (process.platform !== "linux" || process.arch !== "x64") return null;
  // The package exports neither its archive nor its package.json, so its folder is cut out of its entry's path.
  const entry = Bun.resolveSync(PACKAGE, import.meta.dir);
  const nodeModules = entry.slice(0, entry.lastIndexOf(`/${PACKAGE}/`));
  const archive = join(nodeModules, PACKAGE, ARCHIVE);
  const { version } = await Bun.file(join(nodeModules, PACKAGE, "package.json")).json();
  const folder = join(nodeModules, `.cache/gyr-swiftshader-${version}`);
  if (existsSync(folder)) return folder;

  const unpacked = `${folder}.${process.pid}`;
  mkdirSync(unpacked, { recursive: true });
  const files = await new Bun.Archive(brotliDecompressSync(await Bun.file(archive).bytes())).files();
  for (const name of [DRIVER_JSON, DRIVER, LOADER]) {
    const file = files.get(name) ?? files.get(`./${name}`);
    if (file === undefined) throw new Error(`${archive} holds no ${name}`);
    await Bun.write(join(unpacked, name), file);
  }
  try {
    renameSync(unpacked, folder);
  } catch (error) {
    // Another test process was first.
    rmSync(unpacked, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
  return folder;
}

/**
 * Environment that makes SwiftShader the only Vulkan driver of a child process; empty where it cannot run.
 * The Vulkan loader reads it when the process starts, so setting process.env does nothing: see `useTestAdapter`.
 */
export async function prepareSwiftShader(): Promise<Record<string, string>> {
  const folder = await swiftShaderFolder();
  if (folder === null) return {};
  return { VK_DRIVER_FILES: join(folder, DRIVER_JSON), LD_LIBRARY_PATH: folder };
}

/**
 * Makes an adapter for shader tests available in this process. Call it before anything asks for an adapter.
 *
 * The environment is set through the C library, because the Vulkan loader reads it there, and SwiftShader's own loader
 * is mapped first, so that Dawn finds that one under its name.
 */
export async function useTestAdapter(): Promise<TestAdapter> {
  const ownAdapter = process.env.GYR_TEST_ADAPTER;
  if (ownAdapter) return { name: ownAdapter, skipReason: "" };
  const folder = await swiftShaderFolder();
  if (folder === null) {
    const reason = `SwiftShader is for linux x64, this is ${process.platform} ${process.arch}; GYR_TEST_ADAPTER names a GPU`;
    return { name: "", skipReason: reason };
  }
  const libc = dlopen("libc.so.6", {
    setenv: { args: [FFIType.cstring, FFIType.cstring, FFIType.i32], returns: FFIType.i32 },
  });
  libc.symbols.setenv(Buffer.from("VK_DRIVER_FILES\0"), Buffer.from(`${join(folder, DRIVER_JSON)}\0`), 1);
  dlopen(join(folder, LOADER), { vkGetInstanceProcAddr: { args: [], returns: FFIType.ptr } });
  return { name: "swiftshader", skipReason: "" };
}
