// Models out of other people's files: every equal form of the network gives the same answers as onnxruntime gives on the file itself,
// and whatever is not this network is refused by name and reason.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { CATALOGUE_HASH } from "../../../src/features/catalogue.ts";
import { TENSOR_NAMES } from "../../../src/inference/architecture.ts";
import { OUTPUT_MOMENTUM, OUTPUT_VOLATILITY, WINDOW_ELEMS } from "../../../src/inference/engine.ts";
import { type ImportCard, type ModelFault, ModelFileError } from "../../../src/inference/model-file.ts";
import { importModel } from "../../../src/inference/model-import.ts";
import { exportOnnx } from "../../../src/inference/onnx-export.ts";
import { decodeOnnx, encodeOnnx, type OnnxModel, type OnnxNode } from "../../../src/inference/onnx-proto.ts";
import { forwardPass } from "../../../src/inference/reference/forward-pass.ts";
import { decodeSafetensors, encodeSafetensors, type NamedTensor } from "../../../src/inference/safetensors.ts";
import {
  type ForeignForm,
  foreignModel,
  foreignOnnx,
  foreignParameters,
  foreignSafetensors,
  PLAIN_FORM,
} from "../../support/foreign-models.ts";
import { randomModel, unevenModel } from "../../support/models.ts";

/** Folding in float64 and rounding to f32 once, against f32 batch norm in the runtime. */
const TOLERANCE = 1e-5;
const WINDOWS = 4;
const parameters = foreignParameters(7);
const standardisation = { mean: [...parameters.mean], std: [...parameters.std] };

/** The error that importing gives; fails the test when there is none. */
function refusal(file: string, bytes: Uint8Array, card: ImportCard = {}): ModelFileError {
  try {
    importModel(file, bytes, "imported", card);
  } catch (error) {
    if (error instanceof ModelFileError) return error;
    throw error;
  }
  throw new Error("the model was accepted");
}

/** Raw windows, (window, bar, feature), some of whose values are clamped. */
function someWindows(): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: WINDOWS * WINDOW_ELEMS }, (_, i) => 6 * Math.sin(i * i * 0.37 + i) ** 3);
}

/** What the runtime answers on the file itself, by window: sell, hold, buy, volatility, momentum. */
async function judge(bytes: Uint8Array, form: ForeignForm): Promise<number[][]> {
  const windows = someWindows();
  let input = windows;
  if (form.standardise === "none") {
    input = windows.map((value, i) => (value - parameters.mean[i % 12]!) / parameters.std[i % 12]!);
  }
  const swapped = input.map((_, i) => {
    const [window, feature, bar] = [Math.floor(i / WINDOW_ELEMS), Math.floor((i % WINDOW_ELEMS) / 50), i % 50];
    return input[window * WINDOW_ELEMS + bar * 12 + feature]!;
  });
  const feed = form.isChannelsFirst
    ? new Tensor("float32", swapped, [WINDOWS, 12, 50])
    : new Tensor("float32", input, [WINDOWS, 50, 12]);
  const session = await InferenceSession.create(bytes, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const results = await session.run({ x: feed });
  await session.release();
  const [direction, volatility, momentum] = session.outputNames.map((name) => results[name]!.data as Float32Array);
  return Array.from({ length: WINDOWS }, (_, w) => [
    ...direction!.slice(3 * w, 3 * w + 3),
    volatility![w]!,
    momentum![w]!,
  ]);
}

function expectAnswers(bytes: Uint8Array, file: string, card: ImportCard, expected: number[][]): void {
  const { model } = importModel(file, bytes, "imported", card);
  const windows = someWindows();
  for (const [w, answers] of expected.entries()) {
    const outputs = forwardPass(model.tensors, windows, w * WINDOW_ELEMS);
    const got = [outputs[0]!, outputs[1]!, outputs[2]!, outputs[OUTPUT_VOLATILITY]!, outputs[OUTPUT_MOMENTUM]!];
    for (const [i, value] of got.entries()) expect(Math.abs(value - answers[i]!)).toBeLessThanOrEqual(TOLERANCE);
  }
}

describe("a model exported and imported again", () => {
  test.each([randomModel(1), unevenModel(2)])("has the same tensors to the bit (%#)", (model) => {
    const { model: back, notes } = importModel("x.onnx", exportOnnx(model), "back", {});
    for (const name of TENSOR_NAMES) expect(back.tensors[name]).toEqual(model.tensors[name]);
    expect(back.weightsSha256).toBe(model.weightsSha256);
    expect(back.card).toEqual({ ...model.card, name: "back" });
    expect(notes).toEqual([]);
  });
});

describe("an ONNX graph of somebody else", () => {
  test("gives the answers that onnxruntime gives on it, in whatever of its forms it is written", async () => {
    const flag = fc.boolean();
    const form = fc.record<ForeignForm>({
      hasBatchNorm: flag,
      standardise: fc.constantFrom("sub-div", "add-mul", "none"),
      isChannelsFirst: flag,
      branchOrder: fc.constantFrom([0, 1, 2], [2, 1, 0], [1, 2, 0]),
      isAverageFirst: flag,
      isPooledByBranch: flag,
      pools: fc.constantFrom("global", "reduce", "window"),
      isReshaped: flag,
      isRectifiedLate: flag,
      isMatMul: flag,
      isFloatData: flag,
      hasConstantNodes: flag,
    });
    await fc.assert(
      fc.asyncProperty(form, async (form) => {
        const bytes = foreignOnnx(parameters, form);
        const card = form.standardise === "none" ? { standardisation } : {};
        expectAnswers(bytes, "theirs.onnx", card, await judge(bytes, form));
      }),
      { numRuns: 60, seed: 3 },
    );
  });

  test("may give a tensor a second name", () => {
    const model = foreignModel(parameters, PLAIN_FORM);
    const conv = nodeOf(model, "Conv");
    const weight = conv.input[1]!;
    conv.input.splice(1, 1, "again");
    model.graph!.node.unshift({ ...conv, opType: "Identity", input: [weight], output: ["again"], attribute: [] });
    const [{ model: renamed }, { model: plain }] = [encodeOnnx(model), foreignOnnx(parameters, PLAIN_FORM)].map(
      (bytes) => importModel("x.onnx", bytes, "x", {}),
    ) as [ReturnType<typeof importModel>, ReturnType<typeof importModel>];
    expect(renamed.weightsSha256).toBe(plain.weightsSha256);
  });

  test("says what it took for granted", () => {
    const { notes, model } = importModel("theirs.onnx", foreignOnnx(parameters, PLAIN_FORM), "mine", {});
    expect(notes.join("\n")).toContain("docs/features.md");
    expect(model.name).toBe("mine");
    expect(model.isTrained).toBe(true);
    expect(model.card.origin).toContain("theirs.onnx");
  });

  test("takes heads without activations by their names, and says so", async () => {
    const model = foreignModel(parameters, PLAIN_FORM);
    const whole = await judge(encodeOnnx(model), PLAIN_FORM);
    const heads = model.graph!.node.splice(-1);
    const tanh = model.graph!.node.findLast((node) => node.opType === "Gemm")!;
    expect(heads[0]!.opType).toBe("Tanh");
    tanh.output[0] = "momentum_raw";
    model.graph!.output[2]!.name = "momentum_raw";
    const bytes = encodeOnnx(model);
    expectAnswers(bytes, "x.onnx", {}, whole);
    expect(importModel("x.onnx", bytes, "x", {}).notes.join("\n")).toContain("momentum_raw");
  });

  const spoilt: [string, ModelFault, (model: OnnxModel) => void, string][] = [
    ["has a convolution without padding", "GRAPH_UNKNOWN", (m) => drop(nodeOf(m, "Conv"), "pads"), "pads"],
    ["has another dilation", "GRAPH_UNKNOWN", (m) => drop(nodeOf(m, "Conv", 1), "dilations"), "dilation 1"],
    ["pools without ReLU", "GRAPH_UNKNOWN", (m) => retype(m, "Relu", "Identity", 0), "unrectified"],
    ["lacks a ReLU between layers", "GRAPH_UNKNOWN", (m) => retype(m, "Relu", "Identity", 3), "without ReLU"],
    ["rectifies with another function", "GRAPH_UNKNOWN", (m) => retype(m, "Relu", "LeakyRelu"), "LeakyRelu"],
    ["clamps elsewhere", "GRAPH_UNKNOWN", (m) => initializer(m, "onnx::high", Float32Array.of(5)), "-10 and 10"],
    [
      "concatenates along the bars",
      "GRAPH_UNKNOWN",
      (m) => Object.assign(nodeOf(m, "Concat").attribute[0]!, { i: 2 }),
      "axis 2",
    ],
    ["pools over a part of the bars", "GRAPH_UNKNOWN", (m) => poolPart(m), "over [49]"],
    ["pools twice the maximum", "GRAPH_UNKNOWN", (m) => retype(m, "GlobalAveragePool", "GlobalMaxPool"), "128"],
    ["has two sigmoids", "GRAPH_UNKNOWN", (m) => retype(m, "Tanh", "Sigmoid"), "cannot be told"],
    ["lacks an output", "GRAPH_UNKNOWN", (m) => void m.graph!.output.pop(), "head_momentum"],
    [
      "has a layer of another domain",
      "GRAPH_UNKNOWN",
      (m) => Object.assign(nodeOf(m, "Gemm"), { domain: "com.x" }),
      "Gemm",
    ],
    ["scales a layer", "GRAPH_UNKNOWN", (m) => scale(nodeOf(m, "Gemm")), "scaled"],
    ["takes windows of another length", "GRAPH_UNKNOWN", (m) => resizeInput(m), "[N,60,12]"],
    ["computes its weights", "GRAPH_UNKNOWN", (m) => nodeOf(m, "Conv").input.splice(1, 1, "/Clip_2"), "Conv"],
    [
      "holds half precision",
      "TENSOR_SHAPE",
      (m) => Object.assign(tensorOf(m, "onnx::fc1.bias"), { dataType: 10 }),
      "data type 10",
    ],
    [
      "holds too few values",
      "TENSOR_SHAPE",
      (m) => Object.assign(tensorOf(m, "onnx::fc1.bias"), { dims: [65] }),
      "fc1.bias",
    ],
    [
      "keeps values elsewhere",
      "TENSOR_SHAPE",
      (m) => Object.assign(tensorOf(m, "onnx::m"), { dataLocation: 1 }),
      "another file",
    ],
    [
      "holds a NaN",
      "TENSOR_NOT_FINITE",
      (m) => initializer(m, "onnx::fc2.bias", new Float32Array(32).fill(Number.NaN)),
      "dense2.bias[0]",
    ],
    [
      "has a variance below 0",
      "TENSOR_NOT_FINITE",
      (m) => initializer(m, "onnx::branches.0.norm.running_var", new Float32Array(32).fill(-1)),
      "conv_k3d1.weight[0]",
    ],
    ["has a deviation of 0", "STANDARDISATION", (m) => initializer(m, "onnx::s", new Float32Array(12)), "input.std"],
    ["has no graph", "WEIGHTS_DAMAGED", (m) => Object.assign(m, { graph: undefined }), "no graph"],
  ];
  test.each(spoilt)("is refused when it %s (%s)", (_, code, spoil, mentioned) => {
    const model = foreignModel(parameters, PLAIN_FORM);
    spoil(model);
    const error = refusal("bad.onnx", encodeOnnx(model));
    expect(error.code).toBe(code);
    expect(`${error.message}`).toContain("bad.onnx");
    expect(`${error.message}`).toContain(mentioned);
    for (const part of [error.detail.what, error.detail.found, error.detail.allowed, error.remedy])
      expect(part).not.toBe("");
  });

  test("without standardisation is refused until somebody gives it", () => {
    const bytes = foreignOnnx(parameters, { ...PLAIN_FORM, standardise: "none" });
    const error = refusal("bare.onnx", bytes);
    expect(error.code).toBe("STANDARDISATION");
    expect(error.remedy).toContain("--mean");
    expect(importModel("bare.onnx", bytes, "x", { standardisation }).model.card.standardisation).toEqual(
      standardisation,
    );
  });

  test("with one standardisation inside and another outside is refused", () => {
    const mean = standardisation.mean.map((value) => value + 1);
    const error = refusal("two.onnx", foreignOnnx(parameters, PLAIN_FORM), {
      standardisation: { ...standardisation, mean },
    });
    expect(error.code).toBe("STANDARDISATION");
  });

  test("is refused at whatever length it is cut short", () => {
    const bytes = exportOnnx(randomModel(1));
    for (let length = 0; length < bytes.length; length += length > bytes.length - 200 ? 1 : 499) {
      expect(refusal("cut.onnx", bytes.slice(0, length)).code).toBe("WEIGHTS_DAMAGED");
    }
  });

  test("of any other bytes is refused, whatever they are", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(refusal("noise.onnx", bytes).code).toBe("WEIGHTS_DAMAGED");
      }),
    );
  });

  test("of ours with any one byte changed is refused, or has the same weights", () => {
    const model = randomModel(1);
    const good = exportOnnx(model);
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const bytes = good.slice();
        bytes[at]! ^= flip;
        try {
          expect(importModel("x.onnx", bytes, "x", {}).model.weightsSha256).toBe(model.weightsSha256);
        } catch (error) {
          if (!(error instanceof ModelFileError)) throw error;
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe("an ONNX graph of ours is refused when", () => {
  const ours = (): OnnxModel => decodeOnnx(exportOnnx(randomModel(1)));
  const declared = (model: OnnxModel, key: string) => model.metadataProps.find((each) => each.key === key)!;

  test("a weight was changed", () => {
    const model = ours();
    tensorOf(model, "dense1.weight").rawData![5]! ^= 1;
    expect(refusal("ours.onnx", encodeOnnx(model)).code).toBe("WEIGHTS_TAMPERED");
  });
  test("it was fitted to other features", () => {
    const model = ours();
    declared(model, "catalogueHash").value = "0".repeat(64);
    const error = refusal("ours.onnx", encodeOnnx(model));
    expect(error.code).toBe("WRONG_CATALOGUE");
    expect(error.message).toContain(CATALOGUE_HASH);
  });
  test("it has another architecture", () => {
    const model = ours();
    declared(model, "architecture").value = "lstm";
    expect(refusal("ours.onnx", encodeOnnx(model)).code).toBe("WRONG_ARCHITECTURE");
  });
  test("the card that goes with it is another's", () => {
    const card = { weightsSha256: "0".repeat(64) };
    expect(refusal("ours.onnx", exportOnnx(randomModel(1)), card).code).toBe("WEIGHTS_TAMPERED");
    expect(refusal("ours.onnx", exportOnnx(randomModel(1)), { catalogueHash: "0".repeat(64) }).code).toBe(
      "WRONG_CATALOGUE",
    );
  });
});

describe("a state_dict in safetensors", () => {
  test("gives the answers of the same network in ONNX", async () => {
    const expected = await judge(foreignOnnx(parameters, PLAIN_FORM), PLAIN_FORM);
    const bytes = foreignSafetensors(parameters);
    expectAnswers(bytes, "theirs.safetensors", { standardisation }, expected);
    const notes = importModel("theirs.safetensors", bytes, "x", { standardisation }).notes.join("\n");
    for (const part of ["branches.0.conv", "branches.2.conv", "dilation 4", "folded", "128 maxima"])
      expect(notes).toContain(part);
  });

  test("brings its own standardisation in buffers", () => {
    const state = new Map(parameters.state);
    state.set("scaler.mean", { shape: [1, 1, 12], values: parameters.mean });
    state.set("scaler.std", { shape: [1, 1, 12], values: parameters.std });
    const { model } = importModel("x.safetensors", encodeSafetensors(state, {}), "x", {});
    expect(model.card.standardisation).toEqual(standardisation);
  });

  const spoilt: [string, ModelFault, (state: Map<string, NamedTensor>) => void, string][] = [
    ["lacks a layer", "TENSOR_MISSING", (s) => void s.delete("fc2.weight"), "dense2"],
    [
      "lacks a part of a batch norm",
      "TENSOR_MISSING",
      (s) => void s.delete("branches.1.norm.running_var"),
      "batch norm",
    ],
    ["has one layer more", "TENSOR_UNKNOWN", (s) => void s.set("fc3.weight", zeros([32, 32])), "fc3.weight"],
    ["has a head without a name", "TENSOR_MISSING", (s) => rename(s, "momentum", "head2"), "head_momentum"],
    ["has a convolution of another width", "TENSOR_MISSING", (s) => widen(s), "conv_k5d2"],
    ["has a bias of another length", "TENSOR_SHAPE", (s) => void s.set("fc1.bias", zeros([65])), "dense1.bias"],
    ["holds an infinity", "TENSOR_NOT_FINITE", (s) => spoilValue(s, "fc1.weight"), "dense1.weight[777]"],
  ];
  test.each(spoilt)("is refused when it %s (%s)", (_, code, spoil, mentioned) => {
    const state = new Map(parameters.state);
    spoil(state);
    const error = refusal("bad.safetensors", encodeSafetensors(state, {}), { standardisation });
    expect(error.code).toBe(code);
    expect(error.message).toContain("bad.safetensors");
    expect(error.message).toContain(mentioned);
  });

  test("is refused at whatever length it is cut short", () => {
    const bytes = foreignSafetensors(parameters);
    for (let length = 0; length < bytes.length; length += 997) {
      expect(refusal("cut.safetensors", bytes.slice(0, length), { standardisation }).code).toBe("WEIGHTS_DAMAGED");
    }
  });

  test("of ours comes back to the bit", () => {
    const model = unevenModel(2);
    const named = TENSOR_NAMES.map((name) => [name, model.tensors[name]] as const);
    const { weights } = importModel("x.onnx", exportOnnx(model), "x", {});
    expect((decodeSafetensors(weights) as Map<string, NamedTensor>).size).toBe(TENSOR_NAMES.length);
    const back = importModel("weights.safetensors", weights, "back", model.card);
    for (const [name, values] of named) expect(back.model.tensors[name]).toEqual(values);
    expect(back.weights).toEqual(weights);
  });
});

test("a file of another kind is refused", () => {
  const error = refusal("model.pt", new Uint8Array(10));
  expect(error.code).toBe("WEIGHTS_DAMAGED");
  expect(error.message).toContain(".onnx");
});

function nodeOf(model: OnnxModel, opType: string, index = 0): OnnxNode {
  return model.graph!.node.filter((node) => node.opType === opType)[index]!;
}
function retype(model: OnnxModel, from: string, to: string, index = 0): void {
  nodeOf(model, from, index).opType = to;
}
function drop(node: OnnxNode, attribute: string): void {
  node.attribute = node.attribute.filter(({ name }) => name !== attribute);
}
function scale(node: OnnxNode): void {
  node.attribute.push({ ...node.attribute[0]!, name: "alpha", f: 2, i: undefined });
}
function poolPart(model: OnnxModel): void {
  const pool = nodeOf(model, "GlobalMaxPool");
  pool.opType = "MaxPool";
  pool.attribute.push({ ...nodeOf(model, "Conv").attribute[0]!, name: "kernel_shape", ints: [49] });
}
function resizeInput(model: OnnxModel): void {
  model.graph!.input[0]!.type!.tensorType!.shape!.dim[1]!.value = 60;
}
function tensorOf(model: OnnxModel, name: string): NonNullable<OnnxModel["graph"]>["initializer"][number] {
  return model.graph!.initializer.find((tensor) => tensor.name === name)!;
}
function initializer(model: OnnxModel, name: string, values: Float32Array<ArrayBuffer>): void {
  tensorOf(model, name).rawData = new Uint8Array(values.buffer);
}
function zeros(shape: number[]): NamedTensor {
  return { shape, values: new Float32Array(shape.reduce((a, b) => a * b, 1)) };
}
function rename(state: Map<string, NamedTensor>, from: string, to: string): void {
  for (const part of ["weight", "bias"]) {
    state.set(`${to}.${part}`, state.get(`${from}.${part}`)!);
    state.delete(`${from}.${part}`);
  }
}
function widen(state: Map<string, NamedTensor>): void {
  state.set("branches.1.conv.weight", zeros([96, 12, 5]));
}
function spoilValue(state: Map<string, NamedTensor>, name: string): void {
  const { shape, values } = state.get(name)!;
  const spoilt = values.slice();
  spoilt[777] = Number.POSITIVE_INFINITY;
  state.set(name, { shape, values: spoilt });
}
