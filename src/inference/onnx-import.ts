// Weights out of an ONNX graph of this architecture, whoever wrote it. The graph is followed node by node and each value is known
// by what it means (raw inputs, filters' responses, pools, layers), so batch norm can be folded and channels put into our order
// wherever the writer has them, and a graph that computes anything else is refused at the node where it parts. Off the hot path.

import { CHANNELS, CONV_BRANCHES, type ConvBranch, DENSE1, DENSE2, DIRECTIONS, POOLED } from "./architecture.ts";
import { FEATURE_COUNT, INPUT_CLAMP, WINDOW_BARS } from "./engine.ts";
import { ModelFileError } from "./model-file.ts";
import { attributeOf, float, floatsOf, int, int64sOf, ints, text } from "./onnx-nodes.ts";
import { decodeOnnx, type OnnxGraph, type OnnxModel, type OnnxNode, type OnnxTensor } from "./onnx-proto.ts";
import type { NamedTensor } from "./safetensors.ts";

/** What a file of weights gives. */
export interface ImportedWeights {
  /** By our names and in our layouts; input.mean and input.std only where the file has them. */
  readonly tensors: Map<string, NamedTensor>;
  /** What the file says about itself. */
  readonly declared: Readonly<Record<string, string>>;
  /** What was taken for granted, in sentences for the one who imports. */
  readonly notes: readonly string[];
}

/** ONNX's own default. */
const BATCH_NORM_EPSILON = 1e-5;

interface Constant {
  readonly kind: "constant";
  readonly name: string;
  readonly tensor: OnnxTensor;
}
/** (N, bars, features), or (N, features, bars) where channels come first. */
interface Input {
  readonly kind: "input";
  readonly isChannelsFirst: boolean;
  readonly mean: Float32Array<ArrayBuffer> | null;
  readonly std: Float32Array<ArrayBuffer> | null;
  readonly isClamped: boolean;
}
/** One filter with what has been folded into it. */
interface Channel {
  readonly branch: ConvBranch;
  readonly filter: number;
  /** [feature][tap] */
  readonly weight: Float64Array;
  readonly bias: number;
  readonly isRectified: boolean;
  /** "" for responses over the bars. */
  readonly pool: "" | "max" | "average";
}
interface Channels {
  readonly kind: "channels";
  readonly channels: readonly Channel[];
  /** Whether the axis of bars is gone: (N, channels). */
  readonly isFlat: boolean;
}
interface Layer {
  readonly kind: "layer";
  readonly name: "dense1" | "dense2" | "head";
  /** [output][input] */
  readonly weight: Float32Array<ArrayBuffer>;
  readonly bias: Float32Array<ArrayBuffer> | null;
  readonly activation: "" | "Relu" | "Softmax" | "Sigmoid" | "Tanh";
}
/** Shapes that an exporter works out in the graph: never weights. */
interface Computed {
  readonly kind: "computed";
}
type Value = Constant | Computed | Input | Channels | Layer;

/** Weights of the graph, or ModelFileError. `where` names the file. */
export function importOnnx(bytes: Uint8Array, where: string): ImportedWeights {
  const model = decode(bytes, where);
  return new GraphReader(model, where).read();
}

function decode(bytes: Uint8Array, where: string): OnnxModel {
  const damaged = (found: string, cause?: unknown) =>
    new ModelFileError(
      {
        code: "WEIGHTS_DAMAGED",
        what: "the file is not a whole ONNX model",
        where,
        found,
        allowed: "an ONNX model with its weights inside",
        remedy: "copy the file again from its origin, or export it again",
      },
      { cause },
    );
  let model: OnnxModel;
  try {
    model = decodeOnnx(bytes);
  } catch (cause) {
    throw damaged(`${bytes.length} bytes: ${cause instanceof Error ? cause.message : cause}`, cause);
  }
  if (model.graph === undefined) throw damaged("no graph");
  if (model.opsetImport.length === 0) throw damaged("no opset at its end");
  return model;
}

class GraphReader {
  readonly #model: OnnxModel;
  readonly #graph: OnnxGraph;
  readonly #where: string;
  readonly #values = new Map<string, Value>();
  readonly #notes: string[] = [];
  /** What the convolutions take, once one has been met. */
  #input: Input | null = null;
  /** By channel, once the first dense layer has been met. */
  readonly #filters: Channel[] = [];
  readonly #hiddenLayers = new Set<Layer["name"]>();

  constructor(model: OnnxModel, where: string) {
    this.#model = model;
    this.#graph = model.graph!;
    this.#where = where;
  }

  read(): ImportedWeights {
    for (const tensor of this.#graph.initializer) this.#setConstant(tensor.name ?? "", tensor);
    this.#readInput();
    for (const node of this.#graph.node) this.#apply(node);
    const tensors = this.#tensors();
    const declared = Object.fromEntries(this.#model.metadataProps.map(({ key, value }) => [key ?? "", value ?? ""]));
    return { tensors, declared, notes: this.#notes };
  }

  #setConstant(name: string, tensor: OnnxTensor): void {
    this.#values.set(name, { kind: "constant", name, tensor });
  }

  /** The one input that is no initializer; older files list those among the inputs too. */
  #readInput(): void {
    const inputs = this.#graph.input.filter(({ name }) => !this.#values.has(name ?? ""));
    const name = inputs[0]?.name ?? "";
    const sizes = (inputs[0]?.type?.tensorType?.shape?.dim ?? []).map((dim) => dim.value);
    const isBarsFirst = sizes.length === 3 && sizes[1] === WINDOW_BARS && sizes[2] === FEATURE_COUNT;
    const isChannelsFirst = sizes.length === 3 && sizes[1] === FEATURE_COUNT && sizes[2] === WINDOW_BARS;
    if (inputs.length !== 1 || !(isBarsFirst || isChannelsFirst)) {
      throw this.#refusal(
        "the graph takes other inputs than windows",
        "inputs",
        inputs.length === 1 ? `'${name}' of shape [${sizes.map((size) => size ?? "N")}]` : `${inputs.length} inputs`,
        `one input [N, ${WINDOW_BARS}, ${FEATURE_COUNT}] or [N, ${FEATURE_COUNT}, ${WINDOW_BARS}]`,
      );
    }
    this.#values.set(name, { kind: "input", isChannelsFirst, mean: null, std: null, isClamped: false });
  }

  #refusal(what: string, where: string, found: string, allowed: string): ModelFileError {
    return new ModelFileError({
      code: "GRAPH_UNKNOWN",
      what,
      where: `${this.#where}, ${where}`,
      found,
      allowed,
      remedy: "export the network that docs/models.md describes, in evaluation mode",
    });
  }

  #nodeRefusal(node: OnnxNode, found: string, allowed: string): ModelFileError {
    const name = node.name === undefined || node.name === "" ? (node.output[0] ?? "") : node.name;
    return this.#refusal(
      "the graph computes something this network does not",
      `node '${name}'`,
      `${node.opType}: ${found}`,
      allowed,
    );
  }

  #apply(node: OnnxNode): void {
    const value = (node.domain ?? "") === "" || node.domain === "ai.onnx" ? this.#result(node) : undefined;
    if (value === undefined) {
      throw this.#nodeRefusal(node, `of ${this.#describe(node)}`, "the steps of this network in their order");
    }
    this.#values.set(node.output[0] ?? "", value);
  }

  #describe(node: OnnxNode): string {
    const kinds = node.input
      .filter((name) => name !== "")
      .map((name) => this.#values.get(name)?.kind ?? "nothing known");
    return kinds.length === 0 ? "nothing" : kinds.join(", ");
  }

  /** What the node's first output means; undefined where it means nothing here. */
  #result(node: OnnxNode): Value | undefined {
    const type = node.opType ?? "";
    if (type === "Constant") return this.#constant(node);
    const values = node.input.map((name) => this.#values.get(name));
    // Exporters give a tensor that is used twice a second name.
    if (type === "Identity") return values[0];
    const isOfShapes = values.every((each) => each?.kind === "constant" || each?.kind === "computed");
    if (type === "Shape" || isOfShapes) return { kind: "computed" };
    // A constant may come first in an Add or a Mul.
    const [value, other] = values[0]?.kind === "constant" && values.length === 2 ? [values[1], values[0]] : values;
    const isSwapped = value !== values[0];
    if (value === undefined || (isSwapped && type !== "Add" && type !== "Mul")) return undefined;
    if (type === "Dropout") return value;
    if (value.kind === "input") return this.#onInput(node, value, other);
    if (value.kind === "channels") return this.#onChannels(node, value);
    if (value.kind === "layer") return this.#onLayer(node, value, other);
    return undefined;
  }

  #constant(node: OnnxNode): Constant | undefined {
    const tensor = attributeOf(node, "value")?.t;
    return tensor === undefined ? undefined : { kind: "constant", name: node.output[0] ?? "", tensor };
  }

  #onInput(node: OnnxNode, input: Input, other: Value | undefined): Value | undefined {
    const type = node.opType;
    if (type === "Conv") return this.#convolve(node, input);
    if (type === "Transpose") {
      const isSwap = String(ints(node, "perm")) === "0,2,1";
      return isSwap ? { ...input, isChannelsFirst: !input.isChannelsFirst } : undefined;
    }
    if (input.isClamped) return undefined;
    if (type === "Clip") {
      const bounds = [this.#bound(node, 1, "min"), this.#bound(node, 2, "max")];
      if (bounds[0] !== -INPUT_CLAMP || bounds[1] !== INPUT_CLAMP) {
        throw this.#nodeRefusal(node, `to ${bounds[0]} and ${bounds[1]}`, `-${INPUT_CLAMP} and ${INPUT_CLAMP}`);
      }
      return { ...input, isClamped: true };
    }
    if (other?.kind !== "constant" || input.std !== null) return undefined;
    const values = this.#perFeature(node, input, other);
    if (type === "Sub" || type === "Add") {
      return input.mean === null
        ? { ...input, mean: values.map((mean) => (type === "Sub" ? mean : -mean)) }
        : undefined;
    }
    const mean = input.mean ?? new Float32Array(FEATURE_COUNT);
    if (type === "Div") return { ...input, mean, std: values };
    return type === "Mul" ? { ...input, mean, std: values.map((factor) => 1 / factor) } : undefined;
  }

  /** Bound of a Clip: an input, or an attribute in old opsets; undefined where absent. */
  #bound(node: OnnxNode, index: number, name: string): number | undefined {
    const value = this.#values.get(node.input[index] ?? "");
    return value?.kind === "constant" ? this.#floats(value)[0] : float(node, name);
  }

  /** The constant as one value for each feature, which must lie along the axis of features. */
  #perFeature(node: OnnxNode, input: Input, constant: Constant): Float32Array<ArrayBuffer> {
    const dims = constant.tensor.dims;
    const values = this.#floats(constant);
    const axis = dims.length - (input.isChannelsFirst ? 2 : 1);
    if (values.length !== FEATURE_COUNT || dims[axis] !== FEATURE_COUNT) {
      const shape = input.isChannelsFirst ? `[${FEATURE_COUNT}, 1]` : `[${FEATURE_COUNT}]`;
      throw this.#nodeRefusal(node, `a constant of shape [${dims}]`, `one value for each feature: ${shape}`);
    }
    return values;
  }

  #convolve(node: OnnxNode, input: Input): Channels {
    const weight = this.#constantInput(node, 1);
    const [filters, features, taps] = weight.dims as [number, number, number];
    const dilation = ints(node, "dilations")?.[0] ?? 1;
    const branch = CONV_BRANCHES.find(
      (each) => each.filters === filters && each.taps === taps && each.dilation === dilation,
    );
    if (!input.isChannelsFirst || weight.dims.length !== 3 || features !== FEATURE_COUNT || branch === undefined) {
      throw this.#nodeRefusal(
        node,
        `weights [${weight.dims}], dilation ${dilation}${input.isChannelsFirst ? "" : ", on bars before features"}`,
        CONV_BRANCHES.map((each) => `[${each.filters}, ${FEATURE_COUNT}, ${each.taps}] dilation ${each.dilation}`).join(
          "; ",
        ),
      );
    }
    this.#checkPadding(node, branch);
    const first = this.#input ?? input;
    if (first.mean !== input.mean || first.std !== input.std || first.isClamped !== input.isClamped) {
      throw this.#nodeRefusal(node, "inputs prepared otherwise than for another convolution", "one standardised input");
    }
    this.#input = input;
    const bias = node.input.length > 2 ? this.#constantInput(node, 2).values : new Float32Array(filters);
    if (bias.length !== filters) throw this.#nodeRefusal(node, `${bias.length} biases`, `${filters}`);
    const perFilter = FEATURE_COUNT * taps;
    const channels = Array.from(
      { length: filters },
      (_, filter): Channel => ({
        branch,
        filter,
        weight: Float64Array.from(weight.values.subarray(filter * perFilter, (filter + 1) * perFilter)),
        bias: bias[filter]!,
        isRectified: false,
        pool: "",
      }),
    );
    return { kind: "channels", channels, isFlat: false };
  }

  #checkPadding(node: OnnxNode, { taps, dilation }: ConvBranch): void {
    const reach = ((taps - 1) * dilation) / 2;
    const autoPad = text(node, "auto_pad") ?? "NOTSET";
    // Odd taps and stride 1: both kinds of SAME pad alike.
    const pads = autoPad.startsWith("SAME_") ? [reach, reach] : (ints(node, "pads") ?? [0, 0]);
    const stride = ints(node, "strides")?.[0] ?? 1;
    const group = int(node, "group") ?? 1;
    if (String(pads) !== `${reach},${reach}` || stride !== 1 || group !== 1 || autoPad === "VALID") {
      throw this.#nodeRefusal(
        node,
        `pads [${pads}], stride ${stride}, groups ${group}`,
        `pads [${reach},${reach}], stride 1, groups 1: as many bars out as in`,
      );
    }
  }

  #onChannels(node: OnnxNode, value: Channels): Value | undefined {
    switch (node.opType) {
      case "BatchNormalization":
        return this.#fold(node, value);
      case "Relu":
        return this.#rectify(node, value);
      case "Concat":
        return this.#concatenate(node);
      case "GlobalMaxPool":
        return this.#pool(node, value, "max", false);
      case "GlobalAveragePool":
        return this.#pool(node, value, "average", false);
      case "MaxPool":
        return this.#pool(node, value, "max", false, ints(node, "kernel_shape"));
      case "AveragePool":
        return this.#pool(node, value, "average", false, ints(node, "kernel_shape"));
      case "ReduceMax":
        return this.#pool(node, value, "max", !this.#keepsBars(node));
      case "ReduceMean":
        return this.#pool(node, value, "average", !this.#keepsBars(node));
      case "Flatten":
      case "Squeeze":
      case "Reshape":
        return value.channels.every(({ pool }) => pool !== "") ? { ...value, isFlat: true } : undefined;
      case "Gemm":
      case "MatMul":
        return this.#firstLayer(node, value);
      default:
        return undefined;
    }
  }

  /** Of a reduction, which must be over the bars alone. */
  #keepsBars(node: OnnxNode): boolean {
    const axesInput = this.#values.get(node.input[1] ?? "");
    const axes = axesInput?.kind === "constant" ? int64sOf(axesInput.tensor) : ints(node, "axes");
    if (axes?.length !== 1 || (axes[0] !== 2 && axes[0] !== -1)) {
      throw this.#nodeRefusal(node, `over axes [${axes ?? ""}]`, "over the bars: axis 2 or -1");
    }
    return (int(node, "keepdims") ?? 1) === 1;
  }

  #fold(node: OnnxNode, { channels, isFlat }: Channels): Channels {
    const parameters = [1, 2, 3, 4].map((index) => this.#constantInput(node, index).values);
    const [gamma, beta, mean, variance] = parameters as [Float32Array, Float32Array, Float32Array, Float32Array];
    const isUsable = channels.every(({ isRectified, pool }) => !isRectified && pool === "");
    if (!isUsable || parameters.some((values) => values.length !== channels.length)) {
      throw this.#nodeRefusal(
        node,
        `${gamma.length} of ${isUsable ? "" : "rectified or pooled "}channels`,
        `${channels.length}, straight after the convolution`,
      );
    }
    const epsilon = float(node, "epsilon") ?? BATCH_NORM_EPSILON;
    const folded = channels.map((channel, i) => {
      const scale = gamma[i]! / Math.sqrt(variance[i]! + epsilon);
      return {
        ...channel,
        weight: channel.weight.map((w) => w * scale),
        bias: (channel.bias - mean[i]!) * scale + beta[i]!,
      };
    });
    return { kind: "channels", channels: folded, isFlat };
  }

  /** ReLU may come after the maximum, which does not change it, but not after the average of what is not rectified. */
  #rectify(node: OnnxNode, value: Channels): Channels {
    if (value.channels.some(({ pool, isRectified }) => pool === "average" && !isRectified)) {
      throw this.#nodeRefusal(node, "of an average of responses", "ReLU before the average");
    }
    return { ...value, channels: value.channels.map((channel) => ({ ...channel, isRectified: true })) };
  }

  #concatenate(node: OnnxNode): Channels | undefined {
    const parts = node.input.map((name) => this.#values.get(name));
    if (!parts.every((part) => part?.kind === "channels")) return undefined;
    const { isFlat } = parts[0]!;
    const axis = int(node, "axis");
    if (parts.some((part) => part.isFlat !== isFlat) || (axis !== 1 && axis !== (isFlat ? -1 : -2))) {
      throw this.#nodeRefusal(node, `along axis ${axis}`, "along the channels: axis 1");
    }
    return { kind: "channels", channels: parts.flatMap((part) => part.channels), isFlat };
  }

  /** `over` is a window of bars; all of them without it. */
  #pool(
    node: OnnxNode,
    { channels, isFlat }: Channels,
    pool: "max" | "average",
    isFlatAfter: boolean,
    over = [WINDOW_BARS],
  ): Channels {
    const isPadded = (ints(node, "pads") ?? []).some((pad) => pad !== 0);
    if (
      isFlat ||
      channels.some((channel) => channel.pool !== "") ||
      isPadded ||
      String(over) !== String([WINDOW_BARS])
    ) {
      throw this.#nodeRefusal(
        node,
        `over [${over}]${isFlat ? ", flattened" : ""}`,
        `one pool over all ${WINDOW_BARS} bars`,
      );
    }
    return { kind: "channels", channels: channels.map((channel) => ({ ...channel, pool })), isFlat: isFlatAfter };
  }

  /** The first dense layer: its columns are put into our order of the pools, and the filters are written down. */
  #firstLayer(node: OnnxNode, { channels, isFlat }: Channels): Layer {
    const layer = this.#dense(node, "dense1", DENSE1, POOLED);
    const columnOf = new Map(channels.map((channel, column) => [pooledIndex(channel), column]));
    const isWhole = channels.length === POOLED && columnOf.size === POOLED;
    const isReady = channels.every(({ isRectified, pool }) => isRectified && pool !== "");
    if (!isFlat || !isWhole || !isReady) {
      throw this.#nodeRefusal(
        node,
        `${columnOf.size} different ${isReady ? "" : "unrectified or unpooled "}channels${isFlat ? "" : ", not flattened"}`,
        `maximum and average of all ${CHANNELS} rectified channels, flattened`,
      );
    }
    for (let index = 0; index < CHANNELS; index++) {
      const [max, average] = [channels[columnOf.get(index)!]!, channels[columnOf.get(CHANNELS + index)!]!];
      if (max.weight !== average.weight) {
        throw this.#nodeRefusal(node, "maximum and average of different filters", "both pools of each filter");
      }
      this.#filters.push(max);
    }
    const weight = new Float32Array(layer.weight.length);
    for (let output = 0; output < DENSE1; output++) {
      for (let index = 0; index < POOLED; index++) {
        weight[output * POOLED + index] = layer.weight[output * POOLED + columnOf.get(index)!]!;
      }
    }
    return { ...layer, weight };
  }

  #dense(node: OnnxNode, name: Layer["name"], outputs: number, inputs: number): Layer {
    const { dims, values } = this.#constantInput(node, 1);
    const isGemm = node.opType === "Gemm";
    const isOutputsFirst = isGemm && (int(node, "transB") ?? 0) === 1;
    const isPlain = ["alpha", "beta"].every((factor) => (float(node, factor) ?? 1) === 1);
    const shape = isOutputsFirst ? [outputs, inputs] : [inputs, outputs];
    if (String(dims) !== String(shape) || !isPlain || (int(node, "transA") ?? 0) !== 0) {
      throw this.#nodeRefusal(node, `weights [${dims}]${isPlain ? "" : ", scaled"}`, `[${shape}], not scaled`);
    }
    const weight = new Float32Array(values.length);
    for (let output = 0; output < outputs; output++) {
      for (let i = 0; i < inputs; i++) {
        weight[output * inputs + i] = values[isOutputsFirst ? output * inputs + i : i * outputs + output]!;
      }
    }
    if (name !== "head" && this.#hiddenLayers.has(name)) {
      throw this.#nodeRefusal(node, `a second layer [${shape}]`, "one layer of each size");
    }
    this.#hiddenLayers.add(name);
    const bias = isGemm && node.input.length > 2 ? this.#constantInput(node, 2).values : null;
    return { kind: "layer", name, weight, bias: this.#checkBias(node, bias, outputs), activation: "" };
  }

  #checkBias<T extends Float32Array | null>(node: OnnxNode, bias: T, outputs: number): T {
    if (bias !== null && bias.length !== outputs) {
      throw this.#nodeRefusal(node, `${bias.length} biases`, `${outputs}`);
    }
    return bias;
  }

  #onLayer(node: OnnxNode, layer: Layer, other: Value | undefined): Value | undefined {
    const type = node.opType ?? "";
    const outputs = layer.weight.length / inputsOf(layer);
    if (type === "Add" && layer.bias === null && layer.activation === "" && other?.kind === "constant") {
      return { ...layer, bias: this.#checkBias(node, this.#floats(other), outputs) };
    }
    if (type === "Gemm" || type === "MatMul") {
      if (layer.activation !== "Relu") throw this.#nodeRefusal(node, `of a layer without ReLU`, "ReLU between layers");
      if (layer.name === "dense1") return this.#dense(node, "dense2", DENSE2, DENSE1);
      if (layer.name === "head") return undefined;
      const isDirection = this.#constantInput(node, 1).values.length === DIRECTIONS * DENSE2;
      return this.#dense(node, "head", isDirection ? DIRECTIONS : 1, DENSE2);
    }
    if (type === "Flatten") return layer;
    if (layer.activation !== "") return undefined;
    if (type === "Relu" && layer.name !== "head") return { ...layer, activation: "Relu" };
    if (layer.name !== "head") return undefined;
    if (type === "Softmax" && outputs === DIRECTIONS) {
      const axis = int(node, "axis") ?? -1;
      return axis === 1 || axis === -1 ? { ...layer, activation: "Softmax" } : undefined;
    }
    return (type === "Sigmoid" || type === "Tanh") && outputs === 1 ? { ...layer, activation: type } : undefined;
  }

  #constantInput(node: OnnxNode, index: number): { dims: number[]; values: Float32Array<ArrayBuffer> } {
    const value = this.#values.get(node.input[index] ?? "");
    if (value?.kind !== "constant") {
      throw this.#nodeRefusal(node, `input ${index} is computed or absent`, "weights that are in the file");
    }
    return { dims: value.tensor.dims, values: this.#floats(value) };
  }

  #floats({ name, tensor }: Constant): Float32Array<ArrayBuffer> {
    const values = floatsOf(tensor);
    if (values instanceof Float32Array) return values;
    throw new ModelFileError({
      code: "TENSOR_SHAPE",
      what: "a tensor of the graph cannot be read",
      where: `${this.#where}, ${name}`,
      ...values,
      remedy: "export the model with float32 weights and without external data",
    });
  }

  #tensors(): Map<string, NamedTensor> {
    const heads = this.#heads();
    const layers = [...this.#values.values()].filter((value) => value.kind === "layer");
    const last = (name: string) => layers.findLast((layer) => layer.name === name)!;
    const tensors = new Map<string, NamedTensor>();
    const { mean, std } = this.#input!;
    if (mean !== null) {
      tensors.set("input.mean", { shape: [FEATURE_COUNT], values: mean });
      tensors.set("input.std", { shape: [FEATURE_COUNT], values: std ?? new Float32Array(FEATURE_COUNT).fill(1) });
    }
    if (!this.#input!.isClamped) this.#notes.push(`the graph does not clamp its inputs; gyr does, to +-${INPUT_CLAMP}`);
    for (const branch of CONV_BRANCHES) {
      const filters = this.#filters.filter((channel) => channel.branch === branch);
      const values = Float32Array.from(filters.flatMap((channel) => [...channel.weight]));
      tensors.set(`${branch.name}.weight`, { shape: [branch.filters, FEATURE_COUNT, branch.taps], values });
      const bias = Float32Array.from(filters, (channel) => channel.bias);
      tensors.set(`${branch.name}.bias`, { shape: [branch.filters], values: bias });
    }
    for (const [name, layer] of [["dense1", last("dense1")], ["dense2", last("dense2")], ...heads] as const) {
      const inputs = inputsOf(layer);
      const outputs = layer.weight.length / inputs;
      tensors.set(`${name}.weight`, { shape: [outputs, inputs], values: layer.weight });
      tensors.set(`${name}.bias`, { shape: [outputs], values: layer.bias ?? new Float32Array(outputs) });
    }
    return tensors;
  }

  /** The three heads among the graph's outputs: by their activation, else by the output's name. */
  #heads(): [string, Layer][] {
    const heads = new Map<string, Layer>();
    for (const { name = "" } of this.#graph.output) {
      const value = this.#values.get(name);
      if (value?.kind !== "layer" || value.name !== "head") continue;
      const head = headOf(value, name);
      if (head === undefined || (heads.get(head)?.weight ?? value.weight) !== value.weight) {
        throw this.#refusal(
          "an output cannot be told from another",
          `output '${name}'`,
          value.activation || "no activation",
          "one Softmax of 3, one Sigmoid, one Tanh; or names with 'vol' and 'mom'",
        );
      }
      if (value.activation === "") this.#notes.push(`output '${name}' has no activation; gyr applies that of ${head}`);
      heads.set(head, value);
    }
    const missing = HEADS.filter((head) => !heads.has(head));
    if (missing.length > 0) {
      const found = this.#graph.output.map(({ name }) => `'${name}'`).join(", ") || "no outputs";
      throw this.#refusal("the graph lacks a head", missing.join(", "), found, HEADS.join(", "));
    }
    return HEADS.map((head) => [head, heads.get(head)!]);
  }
}

const HEADS = ["head_direction", "head_volatility", "head_momentum"] as const;

function headOf(layer: Layer, outputName: string): (typeof HEADS)[number] | undefined {
  if (layer.weight.length === DIRECTIONS * DENSE2) return "head_direction";
  if (layer.activation === "Sigmoid") return "head_volatility";
  if (layer.activation === "Tanh") return "head_momentum";
  if (/vol/i.test(outputName)) return "head_volatility";
  return /mom/i.test(outputName) ? "head_momentum" : undefined;
}

function pooledIndex({ branch, filter, pool }: Channel): number {
  return (pool === "average" ? CHANNELS : 0) + branch.firstChannel + filter;
}

function inputsOf(layer: Layer): number {
  return { dense1: POOLED, dense2: DENSE1, head: DENSE2 }[layer.name];
}
