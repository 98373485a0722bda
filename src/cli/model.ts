// `gyr model info`, `verify`, `export` and `import`.

import { dirname, join } from "node:path";
import { loadConfig } from "../config/load.ts";
import { UserError } from "../core/user-error.ts";
import { EMBEDDED_MODELS } from "../inference/embedded-models.ts";
import {
  CARD_FILE,
  type ImportCard,
  loadModelByName,
  type Model,
  parseImportCard,
  WEIGHTS_FILE,
} from "../inference/model-file.ts";
import { importModel } from "../inference/model-import.ts";
import { exportOnnx } from "../inference/onnx-export.ts";
import { writeFileWhole, writeFolderWhole } from "./atomic-write.ts";
import { EXIT_DONE, EXIT_FAILED } from "./exit-codes.ts";
import { checkModel } from "./model-check.ts";
import type { ConfigOptions, ModelExportOptions, ModelImportOptions } from "./options.ts";

export async function modelInfoCommand(name: string | undefined, options: ConfigOptions): Promise<number> {
  const model = await loadModelByName(modelName(name, options));
  const info = describe(model);
  if (options.json === true) console.log(JSON.stringify(info));
  else console.log(table(info));
  return EXIT_DONE;
}

export async function modelVerifyCommand(name: string | undefined, options: ConfigOptions): Promise<number> {
  const { model, errorMax, isAgreed } = await checkModel(modelName(name, options));
  const verdict = isAgreed
    ? `ok: files whole, engines agree within ${errorMax.toExponential(1)}`
    : `failed: the engines differ by ${errorMax}; the executable or this processor computes wrongly`;
  if (options.json === true) console.log(JSON.stringify({ ok: isAgreed, errorMax, ...describe(model) }));
  else console.log(`${table(describe(model))}\n${"verified".padEnd(WIDTH)} ${verdict}`);
  return isAgreed ? EXIT_DONE : EXIT_FAILED;
}

export async function modelExportCommand(name: string | undefined, options: ModelExportOptions): Promise<number> {
  const model = await loadModelByName(modelName(name, options));
  const bytes = exportOnnx(model);
  await writeFileWhole(options.onnx, bytes, options.force === true);
  if (options.json === true)
    console.log(JSON.stringify({ path: options.onnx, bytes: bytes.length, ...describe(model) }));
  else console.log(`wrote ${options.onnx}: ${model.name}, ${bytes.length.toLocaleString("en-US")} bytes`);
  return EXIT_DONE;
}

/** Far more than the network has: a file beyond it is another one. */
const IMPORT_BYTES_MAX = 64 << 20;
/** A folder's name on every system, and no path. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export async function modelImportCommand(file: string, options: ModelImportOptions): Promise<number> {
  const { name } = options;
  if (!NAME.test(name) || EMBEDDED_MODELS[name] !== undefined) {
    throw new UserError(
      "usage",
      `'${name}' cannot be the name of an imported model`,
      "give letters, digits, '.', '_' and '-', at most 64, and not the name of an embedded model",
    );
  }
  const folder = join(options.out, name);
  const { model, weights, card, notes } = importModel(file, await readInput(file), name, await readCard(file, options));
  await writeFolderWhole(folder, { [WEIGHTS_FILE]: weights, [CARD_FILE]: new TextEncoder().encode(card) });
  if (options.json === true) console.log(JSON.stringify({ path: folder, notes, ...describe(model) }));
  else {
    for (const note of notes) console.log(`note: ${note}`);
    console.log(`${table(describe(model))}\n${"written".padEnd(WIDTH)} ${folder}; next: gyr model verify ${folder}`);
  }
  return EXIT_DONE;
}

async function readInput(path: string): Promise<Uint8Array> {
  const file = Bun.file(path);
  try {
    if (file.size > IMPORT_BYTES_MAX) {
      throw new UserError("failed", `'${path}' has ${file.size} bytes, allowed ${IMPORT_BYTES_MAX}`, "check the name");
    }
    return await file.bytes();
  } catch (cause) {
    if (cause instanceof UserError) throw cause;
    const code = (cause as NodeJS.ErrnoException).code ?? cause;
    throw new UserError("usage", `'${path}' cannot be read (${code})`, "name a .onnx or .safetensors file", { cause });
  }
}

/** What --card says, or the card beside a safetensors file; then what the other options say. */
async function readCard(file: string, options: ModelImportOptions): Promise<ImportCard> {
  const beside = join(dirname(file), CARD_FILE);
  const isOfModelFolder = file.endsWith(WEIGHTS_FILE) && (await Bun.file(beside).exists());
  const path = options.card ?? (isOfModelFolder ? beside : undefined);
  const card = path === undefined ? {} : parseImportCard(new TextDecoder().decode(await readInput(path)), path);
  const { mean, std, origin, licence } = options;
  if ((mean === undefined) !== (std === undefined)) {
    throw new UserError("usage", "--mean and --std belong together", "give both, twelve numbers each, or neither");
  }
  return {
    ...card,
    ...(mean !== undefined && std !== undefined && { standardisation: { mean, std } }),
    ...(origin !== undefined && { origin }),
    ...(licence !== undefined && { licence }),
  };
}

function modelName(name: string | undefined, options: ConfigOptions): string {
  return name ?? loadConfig({ path: options.config, env: process.env }).config.inference.model;
}

interface ModelInfo {
  readonly name: string;
  readonly trained: boolean;
  readonly winRate: number | null;
  readonly training: Model["card"]["training"] | null;
  readonly architecture: string;
  readonly parameters: number;
  readonly weightsSha256: string;
  readonly catalogueHash: string;
  /** How the scales for int8 were found; null where nobody calibrated. */
  readonly int8: string | null;
  readonly origin: string;
  readonly licence: string;
}

function describe(model: Model): ModelInfo {
  const { card, tensors } = model;
  // The standardisation is stored with the weights and is not learnt by the network.
  const learnt = Object.entries(tensors).filter(([name]) => !name.startsWith("input."));
  return {
    name: model.name,
    trained: model.isTrained,
    winRate: model.winRate,
    training: card.training ?? null,
    architecture: card.architecture,
    parameters: learnt.reduce((sum, [, values]) => sum + values.length, 0),
    weightsSha256: model.weightsSha256,
    catalogueHash: card.catalogueHash,
    int8: card.int8?.method ?? null,
    origin: card.origin,
    licence: card.licence,
  };
}

const WIDTH = 16;

function table(info: ModelInfo): string {
  const rows: readonly (readonly [string, string])[] = [
    ["name", info.name],
    ["trained", info.trained ? "yes" : "no: seeded weights, its predictions mean nothing"],
    ["win rate", info.winRate === null ? "not measured" : `${(info.winRate * 100).toFixed(1)} % out of sample`],
    ...trainingRows(info.training),
    ["architecture", info.architecture],
    ["parameters", info.parameters.toLocaleString("en-US")],
    ["weights", `sha256 ${info.weightsSha256}`],
    ["features", `catalogue ${info.catalogueHash}`],
    ["int8 scales", info.int8 ?? "not calibrated: the clamp range and each filter's largest weight"],
    ["origin", info.origin],
    ["licence", info.licence],
  ];
  return rows.map(([name, value]) => `${name.padEnd(WIDTH)} ${value}`).join("\n");
}

function trainingRows(training: ModelInfo["training"]): readonly (readonly [string, string])[] {
  if (training === null || training === undefined) return [];
  return [
    ["training data", training.data],
    ...Object.entries(training.split).map(([part, days]) => [`  ${part}`, days] as const),
    ...Object.entries(training.metrics).map(([name, value]) => [`  ${name}`, String(value)] as const),
  ];
}
