// Which GPUs there are and which one is used. Start and `gyr doctor` only, not hot.
//
// WebGPU can ask for *an* adapter, not for a list. Dawn's error for a name that nobody has does hold the list, so a name
// that nobody has is asked for. Were the message of another form, the list would be empty and Dawn's choice would be used.

import { createInstance } from "./dawn.ts";
import { WebGpuError } from "./webgpu-error.ts";

export interface OpenedAdapter {
  readonly adapter: GPUAdapter;
  /** The driver's own name, e.g. "NVIDIA H200". */
  readonly name: string;
  /** Runs on the processor (SwiftShader, llvmpipe). */
  readonly isSoftware: boolean;
}

export interface AdapterReport {
  readonly name: string;
  readonly backend: string;
  readonly vendor: string;
  readonly architecture: string;
  readonly driver: string;
  readonly isSoftware: boolean;
  readonly features: readonly string[];
  readonly limits: {
    readonly maxComputeInvocationsPerWorkgroup: number;
    readonly maxComputeWorkgroupStorageSize: number;
    readonly maxStorageBufferBindingSize: number;
    readonly maxBufferSize: number;
  };
}

export interface AdapterList {
  readonly adapters: readonly AdapterReport[];
  /** Why there are none, or why one could not be read; "" when all is well. */
  readonly problem: string;
}

interface AdapterName {
  readonly backend: string;
  readonly name: string;
}

const NAME_NOBODY_HAS = "gyr asks for the list";
const NO_GPU_REMEDY =
  'check the driver (Linux: `vulkaninfo --summary`; in a container NVIDIA_DRIVER_CAPABILITIES needs "graphics"), ' +
  'or use engine = "wasm" in [inference]';

/**
 * The adapter to run on.
 *
 * @param wanted part of an adapter's name, any case; "" takes the fastest that is no software adapter
 * @param flags  Dawn's flags for the instance, e.g. "enable-dawn-features=skip_validation"
 * Throws WebGpuError when none fits; the message names those there are.
 */
export async function openAdapter(wanted: string, flags: readonly string[]): Promise<OpenedAdapter> {
  const names = await adapterNames();
  if (wanted !== "") {
    const match = names.find(({ name }) => name.toLowerCase().includes(wanted.toLowerCase()));
    if (match !== undefined) return openNamed(match, flags);
    const found =
      names.length === 0 ? "there is none at all" : `found ${names.map(({ name }) => `"${name}"`).join(", ")}`;
    throw new WebGpuError(
      "ADAPTER_NOT_FOUND",
      `no GPU adapter has "${wanted}" in its name ([inference] adapter): ${found}`,
      'give part of a name that `gyr doctor` lists, or "" for the fastest',
    );
  }
  const preferred = await openPreferred(names, flags);
  if (!preferred.isSoftware) return preferred;
  for (const name of names) {
    const other = await openNamed(name, flags);
    if (!other.isSoftware) return other;
  }
  throw new WebGpuError(
    "ADAPTER_SOFTWARE",
    `there is no GPU, only the software adapter "${preferred.name}", which is slower than engine = "wasm"`,
    'use "wasm", or put part of its name into [inference] adapter to run on it all the same',
  );
}

/** Every adapter, for `gyr doctor`. Never throws: what went wrong is in `problem`. */
export async function listAdapters(): Promise<AdapterList> {
  const adapters: AdapterReport[] = [];
  try {
    for (const name of await adapterNames()) adapters.push(await reportOf(name));
    const problem = adapters.length > 0 ? "" : `there is no GPU adapter; ${NO_GPU_REMEDY}`;
    return { adapters, problem };
  } catch (error) {
    return { adapters, problem: describe(error) };
  }
}

async function openPreferred(names: readonly AdapterName[], flags: readonly string[]): Promise<OpenedAdapter> {
  const adapter = await createInstance(flags).requestAdapter({ powerPreference: "high-performance" });
  if (adapter === null) throw new WebGpuError("ADAPTER_NONE", "there is no GPU adapter", NO_GPU_REMEDY);
  const named = names.find(({ name }) => sanitised(name) === adapter.info.device);
  return { adapter, name: named?.name ?? adapter.info.device, isSoftware: adapter.info.isFallbackAdapter };
}

async function openNamed({ name }: AdapterName, flags: readonly string[]): Promise<OpenedAdapter> {
  const adapter = await createInstance([`adapter=${name}`, ...flags]).requestAdapter();
  if (adapter === null) throw new WebGpuError("ADAPTER_NONE", `the GPU adapter "${name}" went away`);
  return { adapter, name, isSoftware: adapter.info.isFallbackAdapter };
}

async function reportOf(adapterName: AdapterName): Promise<AdapterReport> {
  const { adapter, name, isSoftware } = await openNamed(adapterName, []);
  const { info, limits } = adapter;
  return {
    name,
    backend: adapterName.backend,
    vendor: info.vendor,
    architecture: info.architecture,
    driver: info.description,
    isSoftware,
    features: [...adapter.features].sort(),
    limits: {
      maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
      maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
      maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
      maxBufferSize: limits.maxBufferSize,
    },
  };
}

/** Names of all adapters, in Dawn's order. */
async function adapterNames(): Promise<AdapterName[]> {
  const instance = createInstance([`adapter=${NAME_NOBODY_HAS}`]);
  try {
    await instance.requestAdapter();
    return [];
  } catch (error) {
    return parseAdapterNames(error instanceof Error ? error.message : String(error));
  }
}

/** Lines like ` * backend: 'vulkan', name: 'NVIDIA H200'`. */
export function parseAdapterNames(message: string): AdapterName[] {
  const names = new Map<string, AdapterName>();
  for (const [, backend, name] of message.matchAll(/^ \* backend: '(.*?)', name: '(.*)'$/gm)) {
    names.set(name!, { backend: backend!, name: name! });
  }
  return [...names.values()];
}

/** Dawn's form of a name in GPUAdapterInfo.device. */
function sanitised(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]+/g, "-");
}

function describe(error: unknown): string {
  if (error instanceof WebGpuError && error.remedy !== "") return `${error.message}; ${error.remedy}`;
  return error instanceof Error ? error.message : String(error);
}
