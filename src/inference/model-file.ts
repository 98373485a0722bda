// A model: weights.safetensors and card.json in one folder, checked whole before anything is armed. Every way a file can be wrong
// is a ModelFileError that says what, where, what was found, what is allowed and what to do. Off the hot path.

import { stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { z } from "zod";
import { UserError } from "../core/user-error.ts";
import { CATALOGUE_HASH } from "../features/catalogue.ts";
import {
  ARCHITECTURE,
  CONV_BRANCHES,
  type ConvName,
  TENSOR_NAMES,
  TENSOR_SHAPES,
  type TensorName,
  type Tensors,
} from "./architecture.ts";
import { EMBEDDED_MODELS } from "./embedded-models.ts";
import { FEATURE_COUNT } from "./engine.ts";
import {
  INPUT_SCALE_MAX,
  INT8_TENSOR_NAMES,
  INT8_TENSOR_SHAPES,
  INT8_VERSION,
  type Int8Scales,
  int8ScalesFault,
  int8Tensors,
} from "./quantise.ts";
import { decodeSafetensors, encodeSafetensors, type NamedTensor } from "./safetensors.ts";

export const WEIGHTS_FILE = "weights.safetensors";
export const CARD_FILE = "card.json";
/** Folder of models beside the place gyr is run from. */
const MODELS_FOLDER = "models";

export type ModelFault =
  | "NOT_FOUND"
  | "CARD_NOT_JSON"
  | "CARD_INVALID"
  | "WRONG_ARCHITECTURE"
  | "WRONG_CATALOGUE"
  | "WEIGHTS_DAMAGED"
  | "WEIGHTS_TAMPERED"
  | "TENSOR_MISSING"
  | "TENSOR_UNKNOWN"
  | "TENSOR_SHAPE"
  | "TENSOR_NOT_FINITE"
  | "STANDARDISATION"
  | "INT8_SCALES"
  | "GRAPH_UNKNOWN";

export interface ModelFaultDetail {
  readonly code: ModelFault;
  readonly what: string;
  /** The file, and the key or tensor in it. */
  readonly where: string;
  readonly found: string;
  readonly allowed: string;
  readonly remedy: string;
}

/** A model that is refused. The message says what, where, found and allowed; `remedy` what to do. */
export class ModelFileError extends UserError {
  override name = "ModelFileError";
  readonly detail: ModelFaultDetail;
  constructor(detail: ModelFaultDetail, options?: ErrorOptions) {
    const message = `${detail.what} (${detail.where}): found ${detail.found}, allowed ${detail.allowed}`;
    super(detail.code === "NOT_FOUND" ? "usage" : "failed", message, detail.remedy, options);
    this.detail = detail;
  }
  get code(): ModelFault {
    return this.detail.code;
  }
}

const SHA256 = /^[0-9a-f]{64}$/;
const perFeature = z.array(z.number()).length(FEATURE_COUNT);

const int8Schema = z.strictObject({
  /** Of the rules in quantise.ts that the scales are for. */
  version: z.literal(INT8_VERSION),
  /** How the scales were found, in a sentence. */
  method: z.string().min(1),
  /** Deviations from the mean of one input step. */
  inputScale: z.number().positive().max(INPUT_SCALE_MAX),
  /** (filters) by convolution: weight of one step. */
  weightScales: z.strictObject(
    Object.fromEntries(
      CONV_BRANCHES.map(({ name, filters }) => [name, z.array(z.number().positive()).length(filters)]),
    ) as Record<ConvName, z.ZodArray<z.ZodNumber>>,
  ),
});
/** The scales as a card shows them. */
export type Int8Card = z.infer<typeof int8Schema>;

const trainingSchema = z.strictObject({
  /** Which recordings, by name and hash where there is one. */
  data: z.string().min(1),
  /** Days or rows of each part, by its name: train, validation, test. */
  split: z.record(z.string(), z.string().min(1)),
  /** What was measured, by name; names say the part and the unit. */
  metrics: z.record(z.string(), z.number()),
});

export const modelCardSchema = z.strictObject({
  name: z.string().min(1).max(64),
  /** False: seeded weights, whose predictions mean nothing. Every summary says so. */
  isTrained: z.boolean(),
  architecture: z.string(),
  catalogueHash: z.string().regex(SHA256),
  weightsSha256: z.string().regex(SHA256),
  /** Standardisation of the inputs in the order of the catalogue; the same numbers, as f32, are in the weights file. */
  standardisation: z.strictObject({
    mean: perFeature,
    std: perFeature.check(z.refine((std) => std.every((s) => s > 0))),
  }),
  /** Measured fraction of winning trades out of sample, 0..1; null where nothing was measured. */
  winRate: z.number().min(0).max(1).nullable(),
  /** What it was fitted and measured on; absent where nobody trained or nobody says. */
  training: trainingSchema.optional(),
  /** Where weights and standardisation come from, in sentences. */
  origin: z.string().min(1),
  licence: z.string().min(1),
  /** Scales of a calibration for int8; the same numbers, as f32, are in the weights file. Absent: int8 clips nothing. */
  int8: int8Schema.optional(),
});

export type ModelCard = z.infer<typeof modelCardSchema>;

const importCardSchema = modelCardSchema.partial();
/** What is known of a model that comes in another form; it need not be whole. */
export type ImportCard = z.infer<typeof importCardSchema>;

export interface Model {
  readonly name: string;
  readonly isTrained: boolean;
  readonly winRate: number | null;
  /** SHA-256 of weights.safetensors, which holds everything that decides an output, standardisation included. */
  readonly weightsSha256: string;
  readonly tensors: Tensors;
  readonly card: ModelCard;
  /** Scales of a calibration; null where int8 takes those that clip nothing. */
  readonly int8Scales: Int8Scales | null;
}

/** What the one who makes a model says about it; the rest of the card follows from the weights and this version. */
export type ModelDescription = Pick<ModelCard, "name" | "isTrained" | "winRate" | "training" | "origin" | "licence">;

export interface Int8Calibration {
  readonly scales: Int8Scales;
  /** How the scales were found, in a sentence. */
  readonly method: string;
}

/** The two files of a model. The standardisation is taken from the tensors. */
export function encodeModel(
  description: ModelDescription,
  tensors: Tensors,
  calibration: Int8Calibration | null = null,
): { weights: Uint8Array; card: string } {
  const named = new Map<string, NamedTensor>();
  for (const name of TENSOR_NAMES) named.set(name, { shape: TENSOR_SHAPES[name], values: tensors[name] });
  if (calibration !== null) {
    const scales = int8Tensors(calibration.scales);
    for (const name of INT8_TENSOR_NAMES) named.set(name, { shape: INT8_TENSOR_SHAPES[name], values: scales[name] });
  }
  const weights = encodeSafetensors(named, { architecture: ARCHITECTURE });
  const card: ModelCard = {
    name: description.name,
    isTrained: description.isTrained,
    architecture: ARCHITECTURE,
    catalogueHash: CATALOGUE_HASH,
    weightsSha256: sha256Of(weights),
    standardisation: { mean: [...tensors["input.mean"]], std: [...tensors["input.std"]] },
    winRate: description.winRate,
    ...(description.training !== undefined && { training: description.training }),
    origin: description.origin,
    licence: description.licence,
    ...(calibration !== null && { int8: int8CardOf(calibration) }),
  };
  return { weights, card: `${JSON.stringify(card, null, 2)}\n` };
}

function int8CardOf({ scales, method }: Int8Calibration): Int8Card {
  const weightScales = {} as Record<ConvName, number[]>;
  for (const { name } of CONV_BRANCHES) weightScales[name] = [...scales.weightScales[name]];
  return { version: INT8_VERSION, method, inputScale: scales.inputScale, weightScales };
}

/** The scales that a card shows, as f32. */
export function int8CalibrationOf({ inputScale, weightScales, method }: Int8Card): Int8Calibration {
  const byBranch = {} as Record<ConvName, Float32Array<ArrayBuffer>>;
  for (const { name } of CONV_BRANCHES) byBranch[name] = Float32Array.from(weightScales[name]);
  return { scales: { inputScale: Math.fround(inputScale), weightScales: byBranch }, method };
}

/** What a text of JSON says of a training, or ModelFileError. `where` names file and key. */
export function parseTraining(text: string, where: string): NonNullable<ModelCard["training"]> {
  return parseCardWith(trainingSchema, text, where);
}

/** The calibration that a text of JSON holds, or ModelFileError. `where` names file and key. */
export function parseInt8Calibration(text: string, where: string): Int8Calibration {
  return int8CalibrationOf(parseCardWith(int8Schema, text, where));
}

export function sha256Of(bytes: Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
}

/** Loads an embedded model by name, else a folder: `nameOrPath` itself, or `models/<name>` under the current folder. */
export async function loadModelByName(nameOrPath: string): Promise<Model> {
  const embedded = EMBEDDED_MODELS[nameOrPath];
  if (embedded !== undefined)
    return await readModel(embedded.weightsPath, embedded.cardPath, `embedded model '${nameOrPath}'`);
  for (const folder of [nameOrPath, join(MODELS_FOLDER, nameOrPath)]) {
    if (await isFolder(folder)) return await loadModel(folder);
  }
  throw new ModelFileError({
    code: "NOT_FOUND",
    what: `there is no model '${nameOrPath}'`,
    where: "[inference] model",
    found: `neither a folder '${nameOrPath}' nor '${join(MODELS_FOLDER, nameOrPath)}'`,
    allowed: `one of ${Object.keys(EMBEDDED_MODELS).join(", ")}, or a folder with ${WEIGHTS_FILE} and ${CARD_FILE}`,
    remedy: "correct the name or give the path of the folder",
  });
}

/** Loads the model in `folder`. */
export async function loadModel(folder: string): Promise<Model> {
  return await readModel(join(folder, WEIGHTS_FILE), join(folder, CARD_FILE), folder);
}

async function readModel(weightsPath: string, cardPath: string, where: string): Promise<Model> {
  const [weights, card] = await Promise.all([readBytes(weightsPath, where), readBytes(cardPath, where)]);
  return parseModel(weights, new TextDecoder().decode(card), where);
}

async function readBytes(path: string, where: string): Promise<Uint8Array> {
  try {
    return await Bun.file(path).bytes();
  } catch (cause) {
    throw new ModelFileError({
      code: "NOT_FOUND",
      what: "a file of the model cannot be read",
      where,
      found: cause instanceof Error ? cause.message : String(cause),
      allowed: `${WEIGHTS_FILE} and ${CARD_FILE} in one folder, readable`,
      remedy: `check ${basename(path)} in that folder`,
    });
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

/**
 * The model of these bytes, or ModelFileError.
 *
 * @param where how messages name the model: its folder, or "embedded model 'x'"
 */
export function parseModel(weightsBytes: Uint8Array, cardText: string, where: string): Model {
  const card = parseCard(cardText, `${where}, ${CARD_FILE}`);
  const inWeights = `${where}, ${WEIGHTS_FILE}`;
  const found = decodeWeights(weightsBytes, card, inWeights);
  const tensors = checkTensors(found, inWeights);
  checkStandardisation(tensors, card, inWeights);
  return {
    name: card.name,
    isTrained: card.isTrained,
    winRate: card.winRate,
    weightsSha256: card.weightsSha256,
    tensors,
    card,
    int8Scales: checkInt8Scales(found, card, inWeights),
  };
}

/** A card that need not be whole, or ModelFileError. `where` names the file. */
export function parseImportCard(text: string, where: string): ImportCard {
  return parseCardWith(importCardSchema, text, where);
}

function parseCardWith<T>(schema: z.ZodType<T>, text: string, where: string): T {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new ModelFileError({
      code: "CARD_NOT_JSON",
      what: "the model card is not JSON",
      where,
      found: cause instanceof Error ? cause.message : String(cause),
      allowed: "one JSON object",
      remedy: "restore the file; docs/models.md has an example",
    });
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const key = issue.path.join(".") || "(the object itself)";
    throw new ModelFileError({
      code: "CARD_INVALID",
      what: "the model card has a wrong or missing key",
      where: `${where}, ${key}`,
      found: JSON.stringify(valueAt(json, issue.path)) ?? "nothing",
      allowed: issue.message,
      remedy: "correct the key; docs/models.md lists them",
    });
  }
  return parsed.data;
}

function parseCard(text: string, where: string): ModelCard {
  const card = parseCardWith(modelCardSchema, text, where);
  if (card.architecture !== ARCHITECTURE) {
    throw new ModelFileError({
      code: "WRONG_ARCHITECTURE",
      what: "the model has another architecture",
      where: `${where}, architecture`,
      found: `'${card.architecture}'`,
      allowed: `'${ARCHITECTURE}'`,
      remedy: "use a model made for this version of gyr",
    });
  }
  if (card.catalogueHash !== CATALOGUE_HASH) {
    throw new ModelFileError({
      code: "WRONG_CATALOGUE",
      what: "the model was fitted to other features",
      where: `${where}, catalogueHash`,
      found: card.catalogueHash,
      allowed: CATALOGUE_HASH,
      remedy:
        "fit the model again with this version's features (docs/features.md), or use the version it was made with",
    });
  }
  return card;
}

function valueAt(json: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key], json);
}

function decodeWeights(bytes: Uint8Array, card: ModelCard, where: string): Map<string, NamedTensor> {
  const decoded = decodeSafetensors(bytes);
  if (!(decoded instanceof Map)) {
    throw new ModelFileError({
      code: "WEIGHTS_DAMAGED",
      ...decoded,
      where,
      remedy: "copy the file again from its origin",
    });
  }
  const sha256 = sha256Of(bytes);
  if (sha256 !== card.weightsSha256) {
    throw new ModelFileError({
      code: "WEIGHTS_TAMPERED",
      what: "the weights are not those the card was written for",
      where,
      found: `sha256 ${sha256}`,
      allowed: `sha256 ${card.weightsSha256}`,
      remedy: "copy both files again from their origin; do not trade with changed weights",
    });
  }
  return decoded;
}

/** The tensors of the network out of those found, or ModelFileError. `where` names the file. */
export function checkTensors(found: ReadonlyMap<string, NamedTensor>, where: string): Tensors {
  for (const name of found.keys()) {
    if (!(name in TENSOR_SHAPES || name in INT8_TENSOR_SHAPES)) {
      throw new ModelFileError({
        code: "TENSOR_UNKNOWN",
        what: "the weights hold a tensor this network does not have",
        where,
        found: `'${name}'`,
        allowed: TENSOR_NAMES.join(", "),
        remedy: "export the model for this architecture, batch norm folded",
      });
    }
  }
  const tensors: Partial<Record<TensorName, Float32Array<ArrayBuffer>>> = {};
  for (const name of TENSOR_NAMES) tensors[name] = checkTensor(found, name, TENSOR_SHAPES[name], where);
  return tensors as Tensors;
}

function checkTensor(
  found: ReadonlyMap<string, NamedTensor>,
  name: string,
  shape: readonly number[],
  where: string,
): Float32Array<ArrayBuffer> {
  const tensor = found.get(name);
  if (tensor === undefined) {
    throw new ModelFileError({
      code: "TENSOR_MISSING",
      what: "the weights lack a tensor",
      where: `${where}, ${name}`,
      found: `${found.size} tensors without it`,
      allowed: `'${name}' of shape [${shape}]`,
      remedy: "export the model again",
    });
  }
  if (String(tensor.shape) !== String(shape)) {
    throw new ModelFileError({
      code: "TENSOR_SHAPE",
      what: "a tensor has a wrong shape",
      where: `${where}, ${name}`,
      found: `[${tensor.shape}]`,
      allowed: `[${shape}]`,
      remedy: "export the model for this architecture",
    });
  }
  const badIndex = tensor.values.findIndex((value) => !Number.isFinite(value));
  if (badIndex >= 0) {
    throw new ModelFileError({
      code: "TENSOR_NOT_FINITE",
      what: "a tensor holds a number that is not finite",
      where: `${where}, ${name}[${badIndex}]`,
      found: String(tensor.values[badIndex]),
      allowed: "finite numbers",
      remedy: "the training diverged or the file is damaged: take another checkpoint",
    });
  }
  return tensor.values;
}

/** Scales of the weights file, null where it has none, or ModelFileError. */
export function readInt8Scales(found: ReadonlyMap<string, NamedTensor>, where: string): Int8Scales | null {
  if (!INT8_TENSOR_NAMES.some((name) => found.has(name))) return null;
  const inputScale = checkTensor(found, "input.int8_scale", INT8_TENSOR_SHAPES["input.int8_scale"], where)[0]!;
  const weightScales = {} as Record<ConvName, Float32Array<ArrayBuffer>>;
  for (const { name, filters } of CONV_BRANCHES) {
    weightScales[name] = checkTensor(found, `${name}.int8_scale`, [filters], where);
  }
  const fault = int8ScalesFault({ inputScale, weightScales });
  if (fault !== "") {
    throw new ModelFileError({
      code: "INT8_SCALES",
      what: "a scale for int8 cannot be used",
      where,
      found: fault,
      allowed: `above 0, and for inputs at most ${INPUT_SCALE_MAX}`,
      remedy: "calibrate the model again",
    });
  }
  return { inputScale, weightScales };
}

/** The card shows the scales to people; those of the weights file are used, and must be the same. */
function checkInt8Scales(found: ReadonlyMap<string, NamedTensor>, card: ModelCard, where: string): Int8Scales | null {
  const used = readInt8Scales(found, where);
  const shown = card.int8 === undefined ? null : int8CalibrationOf(card.int8).scales;
  const numbersOf = (scales: Int8Scales | null) =>
    scales === null ? [] : Object.values(int8Tensors(scales)).flatMap((values) => [...values]);
  const [usedNumbers, shownNumbers] = [numbersOf(used), numbersOf(shown)];
  if (String(usedNumbers) === String(shownNumbers)) return used;
  const index = usedNumbers.findIndex((scale, i) => scale !== shownNumbers[i]);
  throw new ModelFileError({
    code: "INT8_SCALES",
    what: "the scales for int8 in the weights are not those of the card",
    where,
    found: used === null ? "none" : `${usedNumbers[index]} as scale ${index}`,
    allowed: shown === null ? "none, as in the card" : `${shownNumbers[Math.max(index, 0)]} as in the card's int8`,
    remedy: "write card and weights together",
  });
}

/** The card shows the standardisation to people; the weights file, whose hash is in every fingerprint, is what is used. */
function checkStandardisation(tensors: Tensors, card: ModelCard, where: string): void {
  for (const key of ["mean", "std"] as const) {
    const used = tensors[`input.${key}`];
    for (let feature = 0; feature < FEATURE_COUNT; feature++) {
      const shown = Math.fround(card.standardisation[key][feature]!);
      const isUsable = key === "mean" || used[feature]! > 0;
      if (used[feature] !== shown || !isUsable) {
        throw new ModelFileError({
          code: "STANDARDISATION",
          what: "the standardisation in the weights is not that of the card",
          where: `${where}, input.${key}[${feature}]`,
          found: String(used[feature]),
          allowed: `${shown} as in the card's standardisation.${key}${key === "std" ? ", above 0" : ""}`,
          remedy: "write card and weights together",
        });
      }
    }
  }
}
