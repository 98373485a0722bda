// Attributes and constants of ONNX nodes as plain values. Off the hot path.

import { ONNX_FLOAT, ONNX_INT64, type OnnxAttribute, type OnnxNode, type OnnxTensor } from "./onnx-proto.ts";

export function attributeOf(node: OnnxNode, name: string): OnnxAttribute | undefined {
  return node.attribute.find((each) => each.name === name);
}
export function float(node: OnnxNode, name: string): number | undefined {
  return attributeOf(node, name)?.f;
}
export function int(node: OnnxNode, name: string): number | undefined {
  return attributeOf(node, name)?.i;
}
export function ints(node: OnnxNode, name: string): number[] | undefined {
  return attributeOf(node, name)?.ints;
}
export function text(node: OnnxNode, name: string): string | undefined {
  const bytes = attributeOf(node, name)?.s;
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
}

/** Values of a float32 tensor, or why it has none. */
export function floatsOf(tensor: OnnxTensor): Float32Array<ArrayBuffer> | { found: string; allowed: string } {
  const { dims, dataType, dataLocation, rawData, floatData } = tensor;
  const count = dims.reduce((product, size) => product * size, 1);
  const found = rawData === undefined ? floatData.length : rawData.length / 4;
  const allowed = `${count} float32 values inside the file`;
  if ((dataLocation ?? 0) !== 0) return { found: "values in another file", allowed };
  if (dataType !== ONNX_FLOAT) return { found: `data type ${dataType ?? "unknown"}`, allowed };
  if (found !== count) return { found: `${found} values for shape [${dims}]`, allowed };
  if (rawData === undefined) return Float32Array.from(floatData);
  const view = new DataView(rawData.buffer, rawData.byteOffset, rawData.byteLength);
  return Float32Array.from({ length: count }, (_, i) => view.getFloat32(4 * i, true));
}

/** Values of an int64 tensor; none where it is another. */
export function int64sOf({ dataType, rawData, int64Data }: OnnxTensor): number[] {
  if (dataType !== ONNX_INT64) return [];
  if (rawData === undefined) return int64Data;
  const view = new DataView(rawData.buffer, rawData.byteOffset, rawData.byteLength);
  return Array.from({ length: Math.floor(rawData.length / 8) }, (_, i) => Number(view.getBigInt64(8 * i, true)));
}
