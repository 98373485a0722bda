import { afterAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CATALOGUE_HASH } from "../../../src/features/catalogue.ts";
import {
  ARCHITECTURE,
  elemsOf,
  PARAMETER_COUNT,
  TENSOR_NAMES,
  TENSOR_SHAPES,
} from "../../../src/inference/architecture.ts";
import {
  CARD_FILE,
  encodeModel,
  loadModel,
  loadModelByName,
  type ModelFault,
  ModelFileError,
  parseModel,
  WEIGHTS_FILE,
} from "../../../src/inference/model-file.ts";
import { importModel } from "../../../src/inference/model-import.ts";
import { exportOnnx } from "../../../src/inference/onnx-export.ts";
import { defaultInt8Scales, quantise } from "../../../src/inference/quantise.ts";
import { decodeSafetensors, encodeSafetensors, type NamedTensor } from "../../../src/inference/safetensors.ts";
import { makeUntrained } from "../../../src/training/make-untrained.ts";
import { seededTensors } from "../../../src/training/seeded-model.ts";

const zeros = new Array<number>(12).fill(0);
const ones = new Array<number>(12).fill(1);
const good = encodeModel(
  { name: "good", isTrained: true, winRate: 0.55, origin: "a test", licence: "MIT" },
  seededTensors(1, zeros, ones),
);

/** The error that parsing gives; fails the test when there is none. */
function refusal(weights: Uint8Array, card: string): ModelFileError {
  try {
    parseModel(weights, card, "models/x");
  } catch (error) {
    if (error instanceof ModelFileError) return error;
    throw error;
  }
  throw new Error("the model was accepted");
}

/** The good card with keys replaced; undefined takes a key away. */
const cardWith = (changes: Record<string, unknown>): string => JSON.stringify({ ...JSON.parse(good.card), ...changes });

/** Weights and the card that goes with them, from changed tensors. */
function weightsWith(change: (tensors: Map<string, NamedTensor>) => void): [Uint8Array, string] {
  const tensors = decodeSafetensors(good.weights) as Map<string, NamedTensor>;
  change(tensors);
  const weights = encodeSafetensors(tensors, {});
  return [weights, cardWith({ weightsSha256: new Bun.CryptoHasher("sha256").update(weights).digest("hex") })];
}

test("a model survives its files", () => {
  const tensors = seededTensors(1, zeros, ones);
  const model = parseModel(good.weights, good.card, "models/good");
  expect(model.name).toBe("good");
  expect(model.isTrained).toBe(true);
  expect(model.winRate).toBe(0.55);
  for (const name of TENSOR_NAMES) expect(model.tensors[name]).toEqual(tensors[name]);
});

test("what a model was fitted and measured on survives its files and ONNX", () => {
  const training = {
    data: "bars of a test",
    split: { train: "2019-12-17", test: "2019-12-18" },
    metrics: { testLogLoss: 1.0986 },
  };
  const { weights, card } = encodeModel({ ...JSON.parse(good.card), training }, seededTensors(1, zeros, ones));
  const model = parseModel(weights, card, "models/good");
  expect(model.card.training).toEqual(training);
  expect(importModel("x.onnx", exportOnnx(model), "good", {}).card).toBe(card);
});

test("the architecture has as many parameters as it says", () => {
  const count = TENSOR_NAMES.filter((name) => !name.startsWith("input."))
    .map((name) => elemsOf(TENSOR_SHAPES[name]))
    .reduce((sum, elems) => sum + elems, 0);
  expect(count).toBe(PARAMETER_COUNT);
});

describe("a weights file is refused when it", () => {
  const flipped = good.weights.slice();
  flipped[flipped.length - 3]! ^= 1;
  const negativeLength = good.weights.slice();
  negativeLength.fill(0xff, 0, 8);
  const badHeader = good.weights.slice();
  badHeader[8] = 0x5b;

  const cases: [string, ModelFault, () => [Uint8Array, string]][] = [
    ["is empty", "WEIGHTS_DAMAGED", () => [new Uint8Array(0), good.card]],
    ["ends in the header", "WEIGHTS_DAMAGED", () => [good.weights.slice(0, 100), good.card]],
    ["ends in the data", "WEIGHTS_DAMAGED", () => [good.weights.slice(0, -1), good.card]],
    ["has bytes too many", "WEIGHTS_DAMAGED", () => [new Uint8Array([...good.weights, 0]), good.card]],
    ["has an absurd header length", "WEIGHTS_DAMAGED", () => [negativeLength, good.card]],
    ["has a header that is not JSON", "WEIGHTS_DAMAGED", () => [badHeader, good.card]],
    ["is text", "WEIGHTS_DAMAGED", () => [new TextEncoder().encode("<html>404 Not Found</html>"), good.card]],
    ["has one bit changed", "WEIGHTS_TAMPERED", () => [flipped, good.card]],
    [
      "is another model's",
      "WEIGHTS_TAMPERED",
      () => [encodeModel(JSON.parse(good.card), seededTensors(2, zeros, ones)).weights, good.card],
    ],
    ["lacks a tensor", "TENSOR_MISSING", () => weightsWith((tensors) => tensors.delete("dense2.bias"))],
    [
      "has a tensor nobody knows",
      "TENSOR_UNKNOWN",
      () => weightsWith((tensors) => tensors.set("bn.running_mean", { shape: [1], values: new Float32Array(1) })),
    ],
    [
      "has a tensor of another shape",
      "TENSOR_SHAPE",
      () => weightsWith((tensors) => tensors.set("dense2.bias", { shape: [33], values: new Float32Array(33) })),
    ],
    [
      "has a tensor whose sides are swapped",
      "TENSOR_SHAPE",
      () =>
        weightsWith((tensors) =>
          tensors.set("dense2.weight", { shape: [64, 32], values: tensors.get("dense2.weight")!.values }),
        ),
    ],
    [
      "holds a NaN",
      "TENSOR_NOT_FINITE",
      () => weightsWith((tensors) => void tensors.get("dense1.weight")!.values.set([Number.NaN], 777)),
    ],
    [
      "holds an infinity",
      "TENSOR_NOT_FINITE",
      () => weightsWith((tensors) => void tensors.get("conv_k5d2.bias")!.values.set([Number.NEGATIVE_INFINITY], 0)),
    ],
    [
      "is standardised otherwise than the card says",
      "STANDARDISATION",
      () => weightsWith((tensors) => void tensors.get("input.mean")!.values.set([0.5], 3)),
    ],
  ];
  test.each(cases)("%s (%s)", (_, code, make) => {
    const error = refusal(...make());
    expect(error.code).toBe(code);
    expect(error.message).toContain(WEIGHTS_FILE);
    for (const part of [error.detail.what, error.detail.found, error.detail.allowed, error.remedy])
      expect(part).not.toBe("");
  });

  test("of any length is cut short", () => {
    for (let length = 0; length < good.weights.length; length += 997) {
      expect(refusal(good.weights.slice(0, length), good.card).code).toBe("WEIGHTS_DAMAGED");
    }
  });

  test("holds a number that is not finite, and the message says where", () => {
    const [weights, card] = weightsWith((tensors) => void tensors.get("dense1.weight")!.values.set([Number.NaN], 777));
    expect(refusal(weights, card).message).toContain("dense1.weight[777]");
  });
});

describe("scales for int8", () => {
  const tensors = seededTensors(1, zeros, ones);
  const scales = { ...defaultInt8Scales(tensors), inputScale: Math.fround(0.05) };
  const calibrated = encodeModel(JSON.parse(good.card), tensors, { scales, method: "made up" });
  const card = JSON.parse(calibrated.card);
  const parse = (weights: Uint8Array, changes: object) =>
    refusal(
      weights,
      JSON.stringify({
        ...card,
        weightsSha256: new Bun.CryptoHasher("sha256").update(weights).digest("hex"),
        ...changes,
      }),
    );
  const spoilt = (name: string, shape: number[], values: number[]) => {
    const found = decodeSafetensors(calibrated.weights) as Map<string, NamedTensor>;
    found.set(name, { shape, values: Float32Array.from(values) });
    return encodeSafetensors(found, {});
  };

  test("survive their files, and quantise takes them", () => {
    const model = parseModel(calibrated.weights, calibrated.card, "models/calibrated");
    expect(model.int8Scales).toEqual(scales);
    expect(model.card.int8?.method).toBe("made up");
    expect(quantise(model).scales).toEqual(scales);
  });

  test("are absent from a model that nobody calibrated, which is quantised all the same", () => {
    const model = parseModel(good.weights, good.card, "models/good");
    expect(model.int8Scales).toBeNull();
    expect(quantise(model).scales).toEqual(defaultInt8Scales(model.tensors));
  });

  test("are refused where weights and card differ, one lacks them, or they cannot be used", () => {
    const other = { ...card.int8, inputScale: 0.06 };
    expect(parse(calibrated.weights, { int8: other }).code).toBe("INT8_SCALES");
    expect(parse(calibrated.weights, { int8: undefined }).code).toBe("INT8_SCALES");
    expect(parse(good.weights, {}).code).toBe("INT8_SCALES");
    expect(parse(calibrated.weights, { int8: { ...card.int8, version: 2 } }).code).toBe("CARD_INVALID");
    expect(parse(calibrated.weights, { int8: { ...card.int8, inputScale: 0.2 } }).code).toBe("CARD_INVALID");
    expect(parse(spoilt("input.int8_scale", [1], [0]), {}).message).toContain("input.int8_scale[0] = 0");
    const negative = scales.weightScales.conv_k3d4.with(7, -1);
    expect(parse(spoilt("conv_k3d4.int8_scale", [32], [...negative]), {}).message).toContain("conv_k3d4.int8_scale[7]");
    expect(parse(spoilt("conv_k3d4.int8_scale", [31], [...negative.slice(1)]), {}).code).toBe("TENSOR_SHAPE");
    const notANumber = spoilt("input.int8_scale", [1], [Number.NaN]);
    expect(parse(notANumber, {}).code).toBe("TENSOR_NOT_FINITE");
  });

  test("go with the model through ONNX and back", () => {
    const model = parseModel(calibrated.weights, calibrated.card, "models/calibrated");
    const back = importModel("x.onnx", exportOnnx(model), "back", {});
    expect(back.model.card).toEqual({ ...model.card, name: "back" });
    expect(back.weights).toEqual(calibrated.weights);
  });
});

describe("a card is refused when it", () => {
  const cases: [string, ModelFault, string, string][] = [
    ["is empty", "CARD_NOT_JSON", "", CARD_FILE],
    ["is cut short", "CARD_NOT_JSON", good.card.slice(0, 50), CARD_FILE],
    ["is a list", "CARD_INVALID", "[]", CARD_FILE],
    ["lacks its name", "CARD_INVALID", cardWith({ name: undefined }), "name"],
    ["has a key nobody knows", "CARD_INVALID", cardWith({ winrate: 0.5 }), "card.json"],
    ["has a win rate in per cent", "CARD_INVALID", cardWith({ winRate: 55 }), "winRate"],
    [
      "has too few means",
      "CARD_INVALID",
      cardWith({ standardisation: { mean: [0], std: ones } }),
      "standardisation.mean",
    ],
    [
      "has a deviation of 0",
      "CARD_INVALID",
      cardWith({ standardisation: { mean: zeros, std: zeros } }),
      "standardisation.std",
    ],
    [
      "has metrics in words",
      "CARD_INVALID",
      cardWith({ training: { data: "x", split: {}, metrics: { a: "good" } } }),
      "training.metrics.a",
    ],
    ["has a hash that is none", "CARD_INVALID", cardWith({ weightsSha256: "abc" }), "weightsSha256"],
    ["is of another architecture", "WRONG_ARCHITECTURE", cardWith({ architecture: "lstm" }), ARCHITECTURE],
    ["is for other features", "WRONG_CATALOGUE", cardWith({ catalogueHash: "0".repeat(64) }), CATALOGUE_HASH],
  ];
  test.each(cases)("%s (%s)", (_, code, card, mentioned) => {
    const error = refusal(good.weights, card);
    expect(error.code).toBe(code);
    expect(error.message).toContain(mentioned);
    expect(error.message).toContain("models/x");
    expect(error.remedy).not.toBe("");
  });
});

describe("a model is found", () => {
  const folders: string[] = [];
  afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));
  async function modelFolder(files: Record<string, string | Uint8Array>): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), "gyr-model-"));
    folders.push(folder);
    for (const [name, content] of Object.entries(files)) await Bun.write(join(folder, name), content);
    return folder;
  }

  test("by the name of an embedded one", async () => {
    const model = await loadModelByName("untrained");
    expect(model.name).toBe("untrained");
    expect(model.isTrained).toBe(false);
    expect(model.winRate).toBeNull();
  });

  test("by the path of its folder", async () => {
    const folder = await modelFolder({ [WEIGHTS_FILE]: good.weights, [CARD_FILE]: good.card });
    expect((await loadModelByName(folder)).name).toBe("good");
    expect((await loadModel(folder)).weightsSha256).toBe(JSON.parse(good.card).weightsSha256);
  });

  test("not, and the message says what there is", async () => {
    const error = await loadModelByName("untraned").catch((e) => e);
    expect(error).toBeInstanceOf(ModelFileError);
    expect(error.code).toBe("NOT_FOUND");
    expect(error.kind).toBe("usage");
    expect(error.message).toContain("untrained");
  });

  test("not, when a file of the folder is missing", async () => {
    const folder = await modelFolder({ [CARD_FILE]: good.card });
    const error = await loadModel(folder).catch((e) => e);
    expect(error).toBeInstanceOf(ModelFileError);
    expect(error.code).toBe("NOT_FOUND");
    expect(error.remedy).toContain(WEIGHTS_FILE);
  });
});

test("the untrained model is what its script makes, byte for byte", async () => {
  const { weights, card } = await makeUntrained();
  const remedy = "run: bun src/training/make-untrained.ts";
  expect(await Bun.file(join("models", "untrained", CARD_FILE)).text(), remedy).toBe(card);
  expect(Buffer.from(await Bun.file(join("models", "untrained", WEIGHTS_FILE)).bytes()).equals(weights), remedy).toBe(
    true,
  );
});
