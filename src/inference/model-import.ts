// A model out of somebody else's file: ONNX or safetensors of this architecture, with what a card or the command line adds. Every check that a
// model of ours passes at load is made here, before anything is written. Off the hot path.

import { basename, extname } from "node:path";
import { CATALOGUE_HASH } from "../features/catalogue.ts";
import { ARCHITECTURE } from "./architecture.ts";
import { FEATURE_COUNT } from "./engine.ts";
import {
  checkTensors,
  encodeModel,
  type ImportCard,
  type Int8Calibration,
  int8CalibrationOf,
  type Model,
  type ModelFault,
  ModelFileError,
  parseInt8Calibration,
  parseModel,
  parseTraining,
  readInt8Scales,
  sha256Of,
} from "./model-file.ts";
import { type ImportedWeights, importOnnx } from "./onnx-import.ts";
import { importSafetensors } from "./safetensors-import.ts";

export interface ImportedModel {
  readonly model: Model;
  readonly weights: Uint8Array;
  readonly card: string;
  /** What was taken for granted, in sentences. */
  readonly notes: readonly string[];
}

/**
 * The model of a file's bytes under `name`, or ModelFileError.
 *
 * @param file its path: the ending says what it is, and messages name it
 * @param card what the one who imports adds; hashes and standardisation must agree where the file has them too
 */
export function importModel(file: string, bytes: Uint8Array, name: string, card: ImportCard): ImportedModel {
  const imported = readWeights(file, bytes);
  const { declared } = imported;
  const notes = [...imported.notes];
  checkSame("WRONG_ARCHITECTURE", "the model has another architecture", file, "architecture", ARCHITECTURE, [
    declared.architecture,
    card.architecture,
  ]);
  checkSame("WRONG_CATALOGUE", "the model was fitted to other features", file, "catalogueHash", CATALOGUE_HASH, [
    declared.catalogueHash,
    card.catalogueHash,
  ]);
  if ((declared.catalogueHash ?? card.catalogueHash) === undefined) {
    notes.push("the file does not say which features it was fitted to; they are taken as those of docs/features.md");
  }
  const tensors = checkTensors(withStandardisation(file, imported, card), file);
  const encoded = encodeModel(
    {
      name,
      isTrained: card.isTrained ?? declared.isTrained !== "false",
      training: card.training ?? trainingOf(file, declared.training),
      winRate: card.winRate ?? winRateOf(declared.winRate),
      origin: card.origin ?? declared.origin ?? `imported from ${basename(file)}, sha256 ${sha256Of(bytes)}`,
      licence: card.licence ?? declared.licence ?? "not stated",
    },
    tensors,
    calibrationOf(file, imported, card),
  );
  const sha256 = sha256Of(encoded.weights);
  checkSame("WEIGHTS_TAMPERED", "the weights are not those the file was written with", file, "weightsSha256", sha256, [
    declared.weightsSha256,
    card.weightsSha256,
  ]);
  return { model: parseModel(encoded.weights, encoded.card, file), ...encoded, notes };
}

function readWeights(file: string, bytes: Uint8Array): ImportedWeights {
  const ending = extname(file).toLowerCase();
  if (ending === ".onnx") return importOnnx(bytes, file);
  if (ending === ".safetensors") return importSafetensors(bytes, file);
  throw new ModelFileError({
    code: "WEIGHTS_DAMAGED",
    what: "the file is of no known kind",
    where: file,
    found: ending === "" ? "no ending" : `'${ending}'`,
    allowed: "a file that ends in .onnx or .safetensors",
    remedy: "export the model as ONNX, or save its state_dict as safetensors",
  });
}

/** Refuses where one of the claims is there and is not `ours`. */
function checkSame(
  code: ModelFault,
  what: string,
  file: string,
  key: string,
  ours: string,
  claims: readonly (string | undefined)[],
): void {
  const found = claims.find((claim) => claim !== undefined && claim !== ours);
  if (found === undefined) return;
  const remedy =
    code === "WEIGHTS_TAMPERED"
      ? "take the file from its origin again; do not trade with changed weights"
      : "use a model made for this version of gyr";
  throw new ModelFileError({ code, what, where: `${file}, ${key}`, found, allowed: ours, remedy });
}

function withStandardisation(file: string, { tensors }: ImportedWeights, card: ImportCard): ImportedWeights["tensors"] {
  const whole = new Map(tensors);
  for (const key of ["mean", "std"] as const) {
    const inFile = tensors.get(`input.${key}`)?.values;
    const given = card.standardisation?.[key].map(Math.fround);
    const values = inFile ?? (given && Float32Array.from(given));
    const fault = (found: string, allowed: string, remedy: string) =>
      new ModelFileError({
        code: "STANDARDISATION",
        what: "the standardisation of the inputs is missing or wrong",
        where: `${file}, input.${key}`,
        found,
        allowed,
        remedy,
      });
    if (values === undefined) {
      const allowed = `one ${key} for each of the ${FEATURE_COUNT} features, in the order of docs/features.md`;
      throw fault("none in the file", allowed, "give --mean and --std, or --card with standardisation");
    }
    if (inFile !== undefined && given !== undefined && String([...inFile]) !== String(given)) {
      throw fault(
        String(given),
        `${[...inFile]} as in the file`,
        "leave --mean, --std and the card's away: the file has its own",
      );
    }
    const bad = values.findIndex((value) => !Number.isFinite(value) || (key === "std" && value <= 0));
    if (bad >= 0) {
      const allowed = key === "std" ? "a finite deviation above 0" : "a finite number";
      throw fault(`${values[bad]} for feature ${bad}`, allowed, "take the numbers of the training data again");
    }
    whole.set(`input.${key}`, { shape: [FEATURE_COUNT], values });
  }
  return whole;
}

function trainingOf(file: string, text: string | undefined): ImportCard["training"] {
  return text === undefined ? undefined : parseTraining(text, `${file}, training`);
}

/** Scales for int8 out of the weights, the file's own words or the card; null where nobody calibrated. */
function calibrationOf(file: string, { tensors, declared }: ImportedWeights, card: ImportCard): Int8Calibration | null {
  const inWeights = readInt8Scales(tensors, file);
  if (inWeights !== null) return { scales: inWeights, method: card.int8?.method ?? "not stated" };
  if (declared.int8 !== undefined) return parseInt8Calibration(declared.int8, `${file}, int8`);
  return card.int8 === undefined ? null : int8CalibrationOf(card.int8);
}

function winRateOf(text: string | undefined): number | null {
  const rate = Number.parseFloat(text ?? "");
  return rate >= 0 && rate <= 1 ? rate : null;
}
