// The safetensors container: 8 bytes little-endian header length, a JSON header {name: {dtype, shape, data_offsets}}, raw data.
// Only f32 tensors. Format: https://github.com/huggingface/safetensors#format. Off the hot path.

import { elemsOf } from "./architecture.ts";

const LENGTH_BYTES = 8;
/** A header longer than this is damage, not a model. */
const HEADER_BYTES_MAX = 1 << 20;
/** Data begins at a multiple of this; the header is filled up with spaces. */
const ALIGN_BYTES = 8;

export interface NamedTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array<ArrayBuffer>;
}

/** What is wrong with a file, in the words of the one who reads the message. */
export interface SafetensorsFault {
  readonly what: string;
  readonly found: string;
  readonly allowed: string;
}

/** Bytes of a file with these tensors, in this order. */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, NamedTensor>,
  metadata: Record<string, string>,
): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let dataBytes = 0;
  for (const [name, { shape, values }] of tensors) {
    header[name] = { dtype: "F32", shape, data_offsets: [dataBytes, dataBytes + values.byteLength] };
    dataBytes += values.byteLength;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const headerBytes = Math.ceil(json.length / ALIGN_BYTES) * ALIGN_BYTES;
  const bytes = new Uint8Array(LENGTH_BYTES + headerBytes + dataBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, headerBytes, true);
  bytes.fill(0x20, LENGTH_BYTES, LENGTH_BYTES + headerBytes);
  bytes.set(json, LENGTH_BYTES);
  let offset = LENGTH_BYTES + headerBytes;
  for (const { values } of tensors.values()) {
    for (const value of values) {
      view.setFloat32(offset, value, true);
      offset += 4;
    }
  }
  return bytes;
}

/**
 * Tensors of a file in the order of its header, or what is wrong with it. Tensors are copies; every byte of the data must belong
 * to exactly one.
 *
 * @param isCounter names tensors that may be I64 and are left out: counters of a training framework
 */
export function decodeSafetensors(
  bytes: Uint8Array,
  isCounter: (name: string) => boolean = () => false,
): Map<string, NamedTensor> | SafetensorsFault {
  if (bytes.length < LENGTH_BYTES) {
    return {
      what: "the weights file is truncated",
      found: `${bytes.length} bytes`,
      allowed: "8 bytes of header length first",
    };
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerBytes = view.getUint32(0, true);
  if (view.getUint32(4, true) !== 0 || headerBytes > HEADER_BYTES_MAX) {
    return {
      what: "the weights file has an absurd header length",
      found: `${view.getUint32(4, true) * 2 ** 32 + headerBytes} bytes`,
      allowed: `at most ${HEADER_BYTES_MAX}`,
    };
  }
  const dataStart = LENGTH_BYTES + headerBytes;
  if (dataStart > bytes.length) {
    return {
      what: "the weights file is truncated",
      found: `${bytes.length} bytes`,
      allowed: `a header up to byte ${dataStart}`,
    };
  }
  const header = parseObject(new TextDecoder().decode(bytes.subarray(LENGTH_BYTES, dataStart)));
  if (header === undefined) {
    return {
      what: "the header of the weights file is not JSON",
      found: "text that does not parse",
      allowed: "a JSON object",
    };
  }

  const tensors = new Map<string, NamedTensor>();
  const spans: { name: string; begin: number; end: number }[] = [];
  const dataBytes = bytes.length - dataStart;
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const described = describeEntry(entry, isCounter(name) ? "I64" : "F32");
    if (described === undefined) {
      return {
        what: `tensor '${name}' is badly described`,
        found: JSON.stringify(entry).slice(0, 120),
        allowed: '{"dtype": "F32", "shape": [sizes], "data_offsets": [begin, end]} with 4 bytes for each element',
      };
    }
    const { shape, begin, end } = described;
    if (end > dataBytes) {
      return {
        what: `the weights file is truncated in tensor '${name}'`,
        found: `${dataBytes} bytes of data`,
        allowed: `at least ${end}`,
      };
    }
    spans.push({ name, begin, end });
    if (isCounter(name)) continue;
    const values = new Float32Array(elemsOf(shape));
    for (let i = 0; i < values.length; i++) values[i] = view.getFloat32(dataStart + begin + 4 * i, true);
    tensors.set(name, { shape, values });
  }

  spans.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let covered = 0;
  for (const { name, begin, end } of spans) {
    if (begin !== covered) {
      return {
        what: `tensor '${name}' overlaps another or leaves a hole`,
        found: `data from byte ${begin}`,
        allowed: `data from byte ${covered}`,
      };
    }
    covered = end;
  }
  if (covered !== dataBytes) {
    return {
      what: "the weights file has bytes that no tensor owns",
      found: `${dataBytes} bytes of data`,
      allowed: `${covered}`,
    };
  }
  return tensors;
}

/** What a file that decodes says about itself. */
export function safetensorsMetadata(bytes: Uint8Array): Record<string, string> {
  const headerBytes = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const header = parseObject(new TextDecoder().decode(bytes.subarray(LENGTH_BYTES, LENGTH_BYTES + headerBytes)));
  const metadata = header?.__metadata__;
  if (typeof metadata !== "object" || metadata === null) return {};
  return Object.fromEntries(Object.entries(metadata).map(([key, value]) => [key, String(value)]));
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function describeEntry(
  entry: unknown,
  dtypeAllowed: "F32" | "I64",
): { shape: number[]; begin: number; end: number } | undefined {
  if (typeof entry !== "object" || entry === null) return undefined;
  const { dtype, shape, data_offsets: offsets } = entry as Record<string, unknown>;
  if (dtype !== dtypeAllowed || !isSizes(shape) || !isSizes(offsets) || offsets.length !== 2) return undefined;
  const [begin, end] = offsets as [number, number];
  // The end is bounded by the file, and the product must equal it, so a huge shape cannot ask for huge memory.
  return end - begin === (dtypeAllowed === "F32" ? 4 : 8) * elemsOf(shape) ? { shape, begin, end } : undefined;
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}
