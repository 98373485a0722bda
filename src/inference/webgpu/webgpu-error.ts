// Why there is no GPU engine. Each code is one cause with one remedy; `gyr doctor` prints both as they are.

import { UserError } from "../../core/user-error.ts";

export type WebGpuErrorCode =
  /** The addon is not made for this platform, or this system cannot load it. */
  | "ADDON_UNAVAILABLE"
  /** Linux without libvulkan.so.1. */
  | "VULKAN_LOADER_MISSING"
  /** The system works and offers no adapter at all. */
  | "ADAPTER_NONE"
  /** No adapter's name holds `[inference] adapter`. */
  | "ADAPTER_NOT_FOUND"
  /** The only adapter runs on the processor and was not asked for by name. */
  | "ADAPTER_SOFTWARE"
  /** The adapter cannot do what a precision needs. */
  | "FEATURE_MISSING"
  /** The adapter gave no device, or the device was lost while the engine was made. */
  | "DEVICE_FAILED"
  /** A shader does not compile; the message holds the compiler's lines. */
  | "SHADER_INVALID"
  /** The finished engine gave other numbers than the reference. */
  | "SELF_TEST_FAILED";

export class WebGpuError extends UserError {
  override name = "WebGpuError";
  readonly code: WebGpuErrorCode;

  constructor(code: WebGpuErrorCode, message: string, remedy = "", options?: ErrorOptions) {
    super("failed", message, remedy, options);
    this.code = code;
  }
}
