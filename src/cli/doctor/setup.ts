// The parts of a set-up that need no file system and no host: runtime, keys, model, adapters.

import { packageManager } from "../../../package.json" with { type: "json" };
import type { Config } from "../../config/schema.ts";
import { loadSecrets, missingSecrets, type Secret } from "../../config/secrets.ts";
import { isCompiled, spawnRole } from "../../core/worker.ts";
import { type Finding, findingsOf, reasonOf, remedyOf } from "./finding.ts";

const WORKER_TIMEOUT_MS = 5000;

export async function checkRuntime(): Promise<Finding[]> {
  const { ok, warn, fail } = findingsOf("runtime");
  const wanted = packageManager.replace("bun@", "");
  const what = `Bun ${Bun.version} on ${process.platform}-${process.arch}${isCompiled() ? ", compiled" : ""}`;
  const version = Bun.version === wanted ? ok(what) : warn(`${what}, made for ${wanted}`, `use Bun ${wanted}`);
  try {
    await tryWorker();
    return [version, ok("workers start and share memory")];
  } catch (error) {
    return [
      version,
      fail(`workers do not start: ${reasonOf(error)}`, "check limits on threads and memory (ulimit -a)"),
    ];
  }
}

/** Starts a worker with shared memory and waits for its echo. */
async function tryWorker(): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const shared = new Int32Array(new SharedArrayBuffer(4));
  const worker = spawnRole("echo", shared);
  const timer = setTimeout(() => reject(new Error(`no answer within ${WORKER_TIMEOUT_MS} ms`)), WORKER_TIMEOUT_MS);
  worker.once("message", (echo: Int32Array) => {
    shared[0] = 7;
    if (echo[0] === 7) resolve();
    else reject(new Error("memory is not shared between threads"));
  });
  worker.once("error", reject);
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    await worker.terminate();
  }
}

export function checkKeys(config: Config, env: Readonly<Record<string, string | undefined>>): Finding[] {
  const { ok, fail } = findingsOf("keys");
  try {
    const secrets = loadSecrets(config, env);
    const present = Object.values(secrets).filter((secret): secret is Secret => secret !== null);
    const missing = missingSecrets(secrets);
    const findings = present.map((secret) => ok(`${secret.origin} is set`));
    if (missing.length === 0) return findings;
    if (config.mode === "sim") return [...findings, ok(`${missing.join(", ")} not set; sim mode needs none`)];
    const remedy = "set them in the environment or in the file named by [secrets] file";
    return [...findings, fail(`${missing.join(", ")} not set; ${config.mode} mode needs them`, remedy)];
  } catch (error) {
    return [fail(reasonOf(error), remedyOf(error, "mend the secrets file"))];
  }
}

export async function checkModelFile(config: Config): Promise<Finding[]> {
  const { ok, warn, fail } = findingsOf("model");
  try {
    const { checkModel } = await import("../model-check.ts");
    const { model, errorMax, isAgreed } = await checkModel(config.inference.model);
    if (!isAgreed) return [fail(`'${model.name}' gives other numbers in WebAssembly than in float64, by ${errorMax}`)];
    const what = `'${model.name}' is whole, engines agree within ${errorMax.toExponential(1)}`;
    if (model.isTrained || config.strategy.signal !== "cnn") return [ok(what)];
    return [warn(`${what}; it is not trained and strategy.signal = "cnn" trades on it`, "name a trained model")];
  } catch (error) {
    return [fail(reasonOf(error), remedyOf(error, "check [inference] model"))];
  }
}

/** In sim mode the day to trade and the session before it must be recorded and readable. */
export async function checkData(config: Config): Promise<Finding[]> {
  if (config.mode !== "sim") return [];
  const { ok, fail } = findingsOf("data");
  try {
    const { loadDay, previousSessionDate } = await import("../../market/sample.ts");
    const { day, dataDir } = config.sim;
    const dates = [previousSessionDate(day), day];
    for (const date of dates) await loadDay(dataDir, date);
    return [ok(`${dates.join(" and ")} are in ${dataDir === "" ? "the sample" : `'${dataDir}'`}`)];
  } catch (error) {
    return [fail(reasonOf(error), remedyOf(error, "choose another [sim] day, or name its folder in [sim] data_dir"))];
  }
}

/** What engine and pipeline hold on a GPU for the universe, made once at start; the table is in docs/shaders.md. */
async function gpuMemory(config: Config): Promise<string> {
  const { engineBufferTable, pipelineBufferTable } = await import("../../inference/webgpu/buffer-table.ts");
  const { precision } = config.inference;
  const { size } = config.universe;
  const megabytes = (table: readonly { bytes: number }[]) =>
    (table.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6).toFixed(2);
  const engine = megabytes(engineBufferTable(size, precision));
  const pipeline = megabytes(pipelineBufferTable(size, precision));
  return `${size} stocks take ${engine} MB of a GPU's memory for the network, ${pipeline} MB with bars and features, ${precision}`;
}

/** GPU adapters. A failure only where the configuration asks for one. */
export async function checkAdapters(config: Config): Promise<Finding[]> {
  const { ok, warn, fail } = findingsOf("adapters");
  const { engine, adapter: wanted } = config.inference;
  const bad = engine === "webgpu" ? fail : warn;
  const { listAdapters } = await import("../../inference/webgpu/adapters.ts");
  const { adapters, problem } = await listAdapters();
  const findings = adapters.map(({ name, backend, driver, isSoftware }) =>
    ok(`${name} (${backend}${isSoftware ? ", software: used only when named" : ""}; ${driver})`),
  );
  findings.push(ok(await gpuMemory(config)));
  if (problem !== "") return [...findings, bad(problem, engine === "webgpu" ? "" : "nothing: wasm needs no GPU")];
  const usable = adapters.filter(({ name, isSoftware }) =>
    wanted === "" ? !isSoftware : name.toLowerCase().includes(wanted.toLowerCase()),
  );
  if (usable.length > 0) return findings;
  const what = wanted === "" ? "no hardware adapter" : `no adapter is named '${wanted}' ([inference] adapter)`;
  return [...findings, bad(what, "correct [inference] adapter, or use another engine")];
}
