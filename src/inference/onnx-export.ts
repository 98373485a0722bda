// A model as an ONNX graph: raw windows in, the three heads out, standardisation and clamp inside, so that any ONNX runtime
// answers as gyr does. `gyr model export` writes it, onnx-import.ts reads it back to the bit. Off the hot path.
//
//   features [N, 50, 12] -> Sub mean, Div std, Clip -> Transpose [N, 12, 50] -> three Conv, Relu -> Concat [N, 128, 50]
//   -> GlobalMaxPool, GlobalAveragePool -> Concat, Flatten [N, 256] -> Gemm, Relu -> Gemm, Relu
//   -> Gemm, Softmax: direction [N, 3] (sell, hold, buy);  Gemm, Sigmoid: volatility [N, 1];  Gemm, Tanh: momentum [N, 1]

import { CONV_BRANCHES, TENSOR_NAMES, TENSOR_SHAPES } from "./architecture.ts";
import { FEATURE_COUNT, INPUT_CLAMP, WINDOW_BARS } from "./engine.ts";
import type { Model } from "./model-file.ts";
import {
  ATTRIBUTE_INT,
  ATTRIBUTE_INTS,
  encodeOnnx,
  ONNX_FLOAT,
  type OnnxAttribute,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValueInfo,
  onnxAttribute,
  onnxTensor,
} from "./onnx-proto.ts";

/** The newest opset that runtimes of 2021 and later read; nothing in the graph needs more. */
export const ONNX_OPSET = 17;
/** Version of the file format that came with the opset. */
const ONNX_IR_VERSION = 8;
/** Name of the graph's input: raw windows, oldest bar first. */
export const ONNX_INPUT = "features";
export const ONNX_DIRECTION = "direction";
export const ONNX_VOLATILITY = "volatility";
export const ONNX_MOMENTUM = "momentum";
const BATCH = "N";
const CLAMP_MIN = "input.clamp_min";
const CLAMP_MAX = "input.clamp_max";

/** Bytes of an ONNX file of this model. */
export function exportOnnx(model: Model): Uint8Array<ArrayBuffer> {
  const { card } = model;
  const weights = TENSOR_NAMES.map((name) => floatTensor(name, TENSOR_SHAPES[name], model.tensors[name]));
  return encodeOnnx({
    irVersion: ONNX_IR_VERSION,
    producerName: "gyr",
    producerVersion: undefined,
    docString: undefined,
    opsetImport: [{ domain: "", version: ONNX_OPSET }],
    metadataProps: Object.entries({
      name: model.name,
      isTrained: String(model.isTrained),
      winRate: String(model.winRate),
      architecture: card.architecture,
      catalogueHash: card.catalogueHash,
      weightsSha256: model.weightsSha256,
      origin: card.origin,
      licence: card.licence,
      ...(card.training !== undefined && { training: JSON.stringify(card.training) }),
      ...(card.int8 !== undefined && { int8: JSON.stringify(card.int8) }),
    }).map(([key, value]) => ({ key, value })),
    graph: {
      name: "gyr",
      node: nodes(),
      initializer: [
        ...weights,
        floatTensor(CLAMP_MIN, [], Float32Array.of(-INPUT_CLAMP)),
        floatTensor(CLAMP_MAX, [], Float32Array.of(INPUT_CLAMP)),
      ],
      input: [valueInfo(ONNX_INPUT, [WINDOW_BARS, FEATURE_COUNT])],
      output: [valueInfo(ONNX_DIRECTION, [3]), valueInfo(ONNX_VOLATILITY, [1]), valueInfo(ONNX_MOMENTUM, [1])],
    },
  });
}

function nodes(): OnnxNode[] {
  return [
    node("Sub", [ONNX_INPUT, "input.mean"], "centred"),
    node("Div", ["centred", "input.std"], "standardised"),
    node("Clip", ["standardised", CLAMP_MIN, CLAMP_MAX], "clamped"),
    node("Transpose", ["clamped"], "channels_first", [ints("perm", [0, 2, 1])]),
    ...CONV_BRANCHES.flatMap(({ name, taps, dilation }) => {
      const reach = ((taps - 1) * dilation) / 2;
      return [
        node("Conv", ["channels_first", `${name}.weight`, `${name}.bias`], `${name}.response`, [
          ints("dilations", [dilation]),
          ints("kernel_shape", [taps]),
          ints("pads", [reach, reach]),
        ]),
        node("Relu", [`${name}.response`], `${name}.rectified`),
      ];
    }),
    node(
      "Concat",
      CONV_BRANCHES.map(({ name }) => `${name}.rectified`),
      "channels",
      [int("axis", 1)],
    ),
    node("GlobalMaxPool", ["channels"], "maxima"),
    node("GlobalAveragePool", ["channels"], "averages"),
    node("Concat", ["maxima", "averages"], "pooled", [int("axis", 1)]),
    node("Flatten", ["pooled"], "pooled_flat", [int("axis", 1)]),
    gemm("pooled_flat", "dense1"),
    node("Relu", ["dense1.scores"], "dense1.rectified"),
    gemm("dense1.rectified", "dense2"),
    node("Relu", ["dense2.scores"], "dense2.rectified"),
    gemm("dense2.rectified", "head_direction"),
    node("Softmax", ["head_direction.scores"], ONNX_DIRECTION, [int("axis", 1)]),
    gemm("dense2.rectified", "head_volatility"),
    node("Sigmoid", ["head_volatility.scores"], ONNX_VOLATILITY),
    gemm("dense2.rectified", "head_momentum"),
    node("Tanh", ["head_momentum.scores"], ONNX_MOMENTUM),
  ];
}

/** Weights lie [output][input], so the second factor is transposed. */
function gemm(input: string, layer: string): OnnxNode {
  return node("Gemm", [input, `${layer}.weight`, `${layer}.bias`], `${layer}.scores`, [int("transB", 1)]);
}

function node(opType: string, input: string[], output: string, attribute: OnnxAttribute[] = []): OnnxNode {
  return { opType, input, output: [output], attribute, name: output, domain: undefined };
}

function int(name: string, i: number): OnnxAttribute {
  return onnxAttribute({ name, i, type: ATTRIBUTE_INT });
}

function ints(name: string, values: number[]): OnnxAttribute {
  return onnxAttribute({ name, ints: values, type: ATTRIBUTE_INTS });
}

function floatTensor(name: string, dims: readonly number[], values: Float32Array): OnnxTensor {
  const rawData = new Uint8Array(values.length * Float32Array.BYTES_PER_ELEMENT);
  const view = new DataView(rawData.buffer);
  for (const [i, value] of values.entries()) view.setFloat32(4 * i, value, true);
  return onnxTensor({ name, dims: [...dims], dataType: ONNX_FLOAT, rawData });
}

/** A float value of shape [N, ...sizes]. */
function valueInfo(name: string, sizes: number[]): OnnxValueInfo {
  const dim = [{ value: undefined, parameter: BATCH }, ...sizes.map((value) => ({ value, parameter: undefined }))];
  return { name, type: { tensorType: { elemType: ONNX_FLOAT, shape: { dim } } } };
}
