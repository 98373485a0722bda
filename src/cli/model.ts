// `gyr model info`, `gyr model verify` and `gyr model export`.

import { loadConfig } from "../config/load.ts";
import { loadModelByName, type Model } from "../inference/model-file.ts";
import { exportOnnx } from "../inference/onnx-export.ts";
import { writeFileWhole } from "./atomic-write.ts";
import { EXIT_DONE, EXIT_FAILED } from "./exit-codes.ts";
import { checkModel } from "./model-check.ts";
import type { ConfigOptions, ModelExportOptions } from "./options.ts";

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

function modelName(name: string | undefined, options: ConfigOptions): string {
  return name ?? loadConfig({ path: options.config, env: process.env }).config.inference.model;
}

interface ModelInfo {
  readonly name: string;
  readonly trained: boolean;
  readonly winRate: number | null;
  readonly architecture: string;
  readonly parameters: number;
  readonly weightsSha256: string;
  readonly catalogueHash: string;
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
    architecture: card.architecture,
    parameters: learnt.reduce((sum, [, values]) => sum + values.length, 0),
    weightsSha256: model.weightsSha256,
    catalogueHash: card.catalogueHash,
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
    ["architecture", info.architecture],
    ["parameters", info.parameters.toLocaleString("en-US")],
    ["weights", `sha256 ${info.weightsSha256}`],
    ["features", `catalogue ${info.catalogueHash}`],
    ["origin", info.origin],
    ["licence", info.licence],
  ];
  return rows.map(([name, value]) => `${name.padEnd(WIDTH)} ${value}`).join("\n");
}
