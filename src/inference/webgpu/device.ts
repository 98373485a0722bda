// Devices, kernels and buffers with WebGPU's silences turned into errors. Start only, not hot.

import type { OpenedAdapter } from "./adapters.ts";
import type { Kernel } from "./kernels.ts";
import { WebGpuError } from "./webgpu-error.ts";

/**
 * A device with these features, e.g. "shader-f16".
 * Throws WebGpuError FEATURE_MISSING where the adapter has not got one of them, otherwise DEVICE_FAILED.
 */
export async function openDevice(
  { adapter, name }: OpenedAdapter,
  features: readonly GPUFeatureName[] = [],
): Promise<GPUDevice> {
  const missing = features.filter((feature) => !adapter.features.has(feature));
  if (missing.length > 0) {
    throw new WebGpuError(
      "FEATURE_MISSING",
      `the GPU "${name}" has no ${missing.join(", ")}`,
      'use precision = "fp32" or "int8" in [inference]',
    );
  }
  try {
    return await adapter.requestDevice({ label: "gyr", requiredFeatures: [...features] });
  } catch (error) {
    throw new WebGpuError(
      "DEVICE_FAILED",
      `the GPU "${name}" gives no device: ${messageOf(error)}`,
      "close other programs that use it, check its driver, or use another engine ([inference] engine)",
      { cause: error },
    );
  }
}

/**
 * Compiles a kernel. WebGPU takes a broken shader in silence and then computes zeros, so its compiler is asked.
 *
 * @param stem file name of the kernel without .wgsl, for messages
 * Throws WebGpuError SHADER_INVALID with the compiler's lines.
 */
export async function compileKernel(
  device: GPUDevice,
  stem: string,
  kernel: Kernel,
  layout: GPUBindGroupLayout,
): Promise<GPUComputePipeline> {
  device.pushErrorScope("validation");
  const module = device.createShaderModule({ code: kernel.source, label: stem });
  const { messages } = await module.getCompilationInfo();
  const scopeError = await device.popErrorScope();
  const errors = messages.filter(({ type }) => type === "error");
  if (errors.length > 0 || scopeError !== null) {
    const lines = errors.map(({ lineNum, linePos, message }) => `${stem}.wgsl:${lineNum}:${linePos}: ${message}`);
    throw shaderError(`${stem}.wgsl does not compile:\n${lines.join("\n") || scopeError?.message}`);
  }
  try {
    return await device.createComputePipelineAsync({
      label: stem,
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: kernel.entryPoint },
    });
  } catch (error) {
    throw shaderError(`${stem}.wgsl makes no pipeline: ${messageOf(error)}`, error);
  }
}

function shaderError(message: string, cause?: unknown): WebGpuError {
  return new WebGpuError("SHADER_INVALID", message, 'use engine = "wasm" and report this', { cause });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
