// The network as others would write it: an ONNX graph in one of many equal forms, and the PyTorch state_dict of the same weights.
// All from one seed, with batch norms that are not trivial.

import { Prng } from "../../src/core/prng.ts";
import { CONV_BRANCHES } from "../../src/inference/architecture.ts";
import {
  encodeOnnx,
  ONNX_FLOAT,
  ONNX_INT64,
  type OnnxAttribute,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  onnxAttribute,
  onnxTensor,
} from "../../src/inference/onnx-proto.ts";
import { encodeSafetensors, type NamedTensor } from "../../src/inference/safetensors.ts";

export interface ForeignForm {
  readonly hasBatchNorm: boolean;
  /** How the graph standardises; "none" leaves it to the one who calls. */
  readonly standardise: "sub-div" | "add-mul" | "none";
  /** Whether the graph takes (N, features, bars). */
  readonly isChannelsFirst: boolean;
  /** Order of the branches in the concatenation. */
  readonly branchOrder: readonly number[];
  readonly isAverageFirst: boolean;
  /** Pools of each branch, then one concatenation of all; else concatenation first. */
  readonly isPooledByBranch: boolean;
  /** GlobalMaxPool and its like, ReduceMax, or MaxPool over 50 bars. */
  readonly pools: "global" | "reduce" | "window";
  /** Flattened by a shape that the graph works out, as x.view(x.shape[0], -1) is exported. */
  readonly isReshaped: boolean;
  /** ReLU on the concatenation instead of on each branch. */
  readonly isRectifiedLate: boolean;
  /** MatMul and Add instead of Gemm. */
  readonly isMatMul: boolean;
  /** Weights in float_data instead of raw_data. */
  readonly isFloatData: boolean;
  /** Constant nodes instead of initializers for scalars. */
  readonly hasConstantNodes: boolean;
}

export const PLAIN_FORM: ForeignForm = {
  hasBatchNorm: true,
  standardise: "sub-div",
  isChannelsFirst: false,
  branchOrder: [0, 1, 2],
  isAverageFirst: false,
  isPooledByBranch: false,
  pools: "global",
  isReshaped: false,
  isRectifiedLate: false,
  isMatMul: false,
  isFloatData: false,
  hasConstantNodes: false,
};

export const FOREIGN_EPSILON = 1e-5;

interface Parameters {
  readonly mean: Float32Array<ArrayBuffer>;
  readonly std: Float32Array<ArrayBuffer>;
  /** By PyTorch's names. */
  readonly state: Map<string, NamedTensor>;
}

export function foreignParameters(seed: number): Parameters {
  const tensor = (name: string, shape: number[], of: (normal: number) => number): NamedTensor => {
    const prng = Prng.stream(seed, name);
    const count = shape.reduce((a, b) => a * b, 1);
    return { shape, values: Float32Array.from({ length: count }, () => of(prng.nextNormal())) };
  };
  const state = new Map<string, NamedTensor>();
  const add = (name: string, shape: number[], of: (normal: number) => number) =>
    state.set(name, tensor(name, shape, of));
  for (const [i, { filters, taps }] of CONV_BRANCHES.entries()) {
    add(`branches.${i}.conv.weight`, [filters, 12, taps], (x) => x * Math.sqrt(2 / (12 * taps)));
    add(`branches.${i}.conv.bias`, [filters], (x) => 0.1 * x);
    add(`branches.${i}.norm.weight`, [filters], (x) => 1 + 0.2 * x);
    add(`branches.${i}.norm.bias`, [filters], (x) => 0.1 * x);
    add(`branches.${i}.norm.running_mean`, [filters], (x) => 0.3 * x);
    add(`branches.${i}.norm.running_var`, [filters], (x) => 0.5 + x * x);
  }
  for (const [name, outputs, inputs] of [
    ["fc1", 64, 256],
    ["fc2", 32, 64],
    ["direction", 3, 32],
    ["volatility", 1, 32],
    ["momentum", 1, 32],
  ] as const) {
    add(`${name}.weight`, [outputs, inputs], (x) => x * Math.sqrt(1 / inputs));
    add(`${name}.bias`, [outputs], (x) => 0.1 * x);
  }
  const mean = tensor("mean", [12], (x) => x).values;
  const std = tensor("std", [12], (x) => 0.5 + x * x).values;
  return { mean, std, state };
}

/** PyTorch writes a counter beside each batch norm, int64, which our encoder does not know: spliced into the bytes. */
export function foreignSafetensors({ state }: Parameters): Uint8Array {
  const plain = encodeSafetensors(new Map([...state].sort(([a], [b]) => (a < b ? -1 : 1))), { format: "pt" });
  const headerBytes = new DataView(plain.buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(plain.subarray(8, 8 + headerBytes)));
  const data = plain.subarray(8 + headerBytes);
  header["branches.0.norm.num_batches_tracked"] = {
    dtype: "I64",
    shape: [],
    data_offsets: [data.length, data.length + 8],
  };
  const json = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + data.length + 8);
  new DataView(bytes.buffer).setUint32(0, json.length, true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}

export function foreignOnnx(parameters: Parameters, form: ForeignForm): Uint8Array {
  return encodeOnnx(foreignModel(parameters, form));
}

/** The message itself, for a test that spoils it. */
export function foreignModel({ mean, std, state }: Parameters, form: ForeignForm): OnnxModel {
  const graph = new GraphWriter(form);
  let input = "x";
  // Along the features: the last axis, or the middle one.
  const perFeature = form.isChannelsFirst ? [1, 12, 1] : [12];
  if (form.standardise === "sub-div") {
    input = graph.node("Sub", [input, graph.floats("m", perFeature, mean)]);
    input = graph.node("Div", [input, graph.floats("s", perFeature, std)]);
  } else if (form.standardise === "add-mul") {
    input = graph.node("Add", [
      graph.floats(
        "m",
        perFeature,
        mean.map((m) => -m),
      ),
      input,
    ]);
    input = graph.node("Mul", [
      input,
      graph.floats(
        "s",
        perFeature,
        std.map((s) => 1 / s),
      ),
    ]);
  }
  input = graph.node("Clip", [input, graph.scalar("low", -10), graph.scalar("high", 10)]);
  if (!form.isChannelsFirst) input = graph.node("Transpose", [input], [ints("perm", [0, 2, 1])]);

  const branches = form.branchOrder.map((i) => {
    const { taps, dilation } = CONV_BRANCHES[i]!;
    const reach = ((taps - 1) * dilation) / 2;
    const parameter = (part: string) => graph.state(state, `branches.${i}.${part}`);
    let value = graph.node(
      "Conv",
      [input, parameter("conv.weight"), parameter("conv.bias")],
      [ints("dilations", [dilation]), ints("pads", [reach, reach])],
    );
    if (form.hasBatchNorm) {
      const norm = ["norm.weight", "norm.bias", "norm.running_mean", "norm.running_var"].map(parameter);
      value = graph.node(
        "BatchNormalization",
        [value, ...norm],
        [onnxAttribute({ name: "epsilon", f: FOREIGN_EPSILON, type: 1 })],
      );
    }
    return form.isRectifiedLate ? value : graph.node("Relu", [value]);
  });
  const pooled = graph.pools(branches);
  const dropped = graph.node("Dropout", [pooled]);
  const hidden1 = graph.node("Relu", [graph.dense(state, "fc1", dropped)]);
  const hidden2 = graph.node("Relu", [graph.dense(state, "fc2", hidden1)]);
  const outputs = [
    graph.node("Softmax", [graph.dense(state, "direction", hidden2)], [int("axis", -1)]),
    graph.node("Sigmoid", [graph.dense(state, "volatility", hidden2)]),
    graph.node("Tanh", [graph.dense(state, "momentum", hidden2)]),
  ];
  const valueInfo = (name: string, sizes: number[]) => ({
    name,
    type: {
      tensorType: {
        elemType: ONNX_FLOAT,
        shape: {
          dim: [{ value: undefined, parameter: "batch" }, ...sizes.map((value) => ({ value, parameter: undefined }))],
        },
      },
    },
  });
  return {
    irVersion: 8,
    producerName: "pytorch",
    producerVersion: "2.0",
    docString: undefined,
    metadataProps: [],
    graph: {
      name: "main_graph",
      node: graph.nodes,
      initializer: graph.initializers,
      input: [valueInfo("x", form.isChannelsFirst ? [12, 50] : [50, 12])],
      output: outputs.map((name, i) => valueInfo(name, [i === 0 ? 3 : 1])),
    },
    opsetImport: [{ domain: "", version: 17 }],
  };
}

class GraphWriter {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxTensor[] = [];
  readonly #form: ForeignForm;

  constructor(form: ForeignForm) {
    this.#form = form;
  }

  node(opType: string, input: string[], attribute: OnnxAttribute[] = []): string {
    const output = `/${opType}_${this.nodes.length}`;
    this.nodes.push({ opType, input, output: [output], attribute, name: output, domain: undefined });
    return output;
  }

  floats(name: string, dims: number[], values: Float32Array<ArrayBuffer>): string {
    this.initializers.push(this.#tensor(`onnx::${name}`, dims, values));
    return `onnx::${name}`;
  }

  state(state: Parameters["state"], name: string): string {
    const { shape, values } = state.get(name)!;
    const isThere = this.initializers.some((each) => each.name === `onnx::${name}`);
    return isThere ? `onnx::${name}` : this.floats(name, [...shape], values);
  }

  scalar(name: string, value: number): string {
    if (!this.#form.hasConstantNodes) return this.floats(name, [], Float32Array.of(value));
    const t = this.#tensor(name, [], Float32Array.of(value));
    return this.node("Constant", [], [onnxAttribute({ name: "value", t, type: 4 })]);
  }

  #tensor(name: string, dims: number[], values: Float32Array<ArrayBuffer>): OnnxTensor {
    const held = this.#form.isFloatData ? { floatData: [...values] } : { rawData: new Uint8Array(values.buffer) };
    return onnxTensor({ name, dims, dataType: ONNX_FLOAT, ...held });
  }

  pools(branches: string[]): string {
    const concat = (values: string[]) => this.node("Concat", values, [int("axis", 1)]);
    if (!this.#form.isPooledByBranch) {
      const all = concat(branches);
      const rectified = this.#form.isRectifiedLate ? this.node("Relu", [all]) : all;
      return this.#flatten(concat(this.#poolOps().map((op) => this.#pool(op, rectified))));
    }
    const rectified = branches.map((value) => (this.#form.isRectifiedLate ? this.node("Relu", [value]) : value));
    return this.#flatten(concat(this.#poolOps().flatMap((op) => rectified.map((value) => this.#pool(op, value)))));
  }

  #poolOps(): string[] {
    const ops = {
      global: ["GlobalMaxPool", "GlobalAveragePool"],
      reduce: ["ReduceMax", "ReduceMean"],
      window: ["MaxPool", "AveragePool"],
    }[this.#form.pools];
    return this.#form.isAverageFirst ? ops.reverse() : ops;
  }

  #pool(op: string, value: string): string {
    const attributes = {
      global: [],
      reduce: [ints("axes", [-1]), int("keepdims", 0)],
      window: [ints("kernel_shape", [50])],
    }[this.#form.pools];
    return this.node(op, [value], attributes);
  }

  #flatten(value: string): string {
    if (this.#form.pools === "reduce") return value;
    if (!this.#form.isReshaped) return this.node("Flatten", [value]);
    const batch = this.node("Gather", [this.node("Shape", [value]), this.#int64s([0])], [int("axis", 0)]);
    return this.node("Reshape", [value, this.node("Concat", [batch, this.#int64s([-1])], [int("axis", 0)])]);
  }

  #int64s(values: number[]): string {
    const rawData = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
    const t = onnxTensor({ name: "", dims: [values.length], dataType: ONNX_INT64, rawData });
    return this.node("Constant", [], [onnxAttribute({ name: "value", t, type: 4 })]);
  }

  dense(state: Parameters["state"], name: string, value: string): string {
    const { shape, values } = state.get(`${name}.weight`)!;
    const [outputs, inputs] = shape as [number, number];
    const bias = this.state(state, `${name}.bias`);
    if (!this.#form.isMatMul) {
      return this.node("Gemm", [value, this.state(state, `${name}.weight`), bias], [int("transB", 1)]);
    }
    const transposed = values.map((_, i) => values[(i % outputs) * inputs + Math.floor(i / outputs)]!);
    const product = this.node("MatMul", [value, this.floats(`${name}.T`, [inputs, outputs], transposed)]);
    return this.node("Add", [bias, product]);
  }
}

function int(name: string, i: number): OnnxAttribute {
  return onnxAttribute({ name, i, type: 2 });
}
function ints(name: string, values: number[]): OnnxAttribute {
  return onnxAttribute({ name, ints: values, type: ONNX_INT64 });
}
