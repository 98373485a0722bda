// What the engines of this folder hold on the GPU, in bytes, without a GPU: for `gyr doctor`. A test compares it with what an
// engine really makes.

import { OUTPUT_STRIDE, type Precision, WINDOW_ELEMS } from "../engine.ts";
import { ENTRY_ELEMS, RECORD_ELEMS, RING_BARS } from "./bar-records.ts";
import type { GpuBufferEntry } from "./resources.ts";
import { STAMP_COUNT, STAMP_SLOT_BYTES } from "./round-trip.ts";
import { WEIGHT_LAYOUTS } from "./weight-layout.ts";

const F32_BYTES = Float32Array.BYTES_PER_ELEMENT;
const VEC4_BYTES = 4 * F32_BYTES;

/** Buffers of a WebGpuEngine that takes `batchMax` windows. */
export function engineBufferTable(batchMax: number, precision: Precision): GpuBufferEntry[] {
  return [{ name: "windows", bytes: batchMax * WINDOW_ELEMS * F32_BYTES }, ...answerAndWeights(batchMax, precision)];
}

/** Buffers of a WebGpuPipeline for `capacity` stocks. */
export function pipelineBufferTable(capacity: number, precision: Precision): GpuBufferEntry[] {
  return [
    { name: "bars", bytes: capacity * RING_BARS * RECORD_ELEMS * F32_BYTES },
    { name: "inbox", bytes: capacity * ENTRY_ELEMS * F32_BYTES },
    ...engineBufferTable(capacity, precision),
  ];
}

function answerAndWeights(count: number, precision: Precision): GpuBufferEntry[] {
  const outputBytes = count * OUTPUT_STRIDE * F32_BYTES;
  return [
    { name: "stamps", bytes: STAMP_COUNT * STAMP_SLOT_BYTES },
    { name: "outputs", bytes: outputBytes },
    { name: "readback", bytes: outputBytes },
    ...weightEntries(precision),
  ];
}

function weightEntries(precision: Precision): GpuBufferEntry[] {
  const vec4s = WEIGHT_LAYOUTS[precision].WEIGHT_VEC4S!;
  if (precision === "fp32") return [{ name: "weights", bytes: vec4s * VEC4_BYTES }];
  if (precision === "f16")
    return [
      { name: "weights", bytes: (vec4s * VEC4_BYTES) / 2 },
      { name: "standards", bytes: WEIGHT_LAYOUTS.f16Standards.STANDARD_VEC4S! * VEC4_BYTES },
    ];
  return [
    { name: "weights", bytes: vec4s * VEC4_BYTES },
    { name: "conv words", bytes: WEIGHT_LAYOUTS.int8Words.CONV_WORDS! * Uint32Array.BYTES_PER_ELEMENT },
  ];
}
