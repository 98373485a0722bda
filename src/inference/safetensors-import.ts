// Weights out of a safetensors file of this architecture: ours, or a PyTorch state_dict under any names. Ours are taken by name; others by
// shape, and where two have one shape, in the order of the file, which is said. Batch norm is folded. Off the hot path.

import { CONV_BRANCHES, DENSE1, DENSE2, DIRECTIONS, POOLED, TENSOR_NAMES } from "./architecture.ts";
import { FEATURE_COUNT } from "./engine.ts";
import { ModelFileError } from "./model-file.ts";
import type { ImportedWeights } from "./onnx-import.ts";
import { decodeSafetensors, type NamedTensor, safetensorsMetadata } from "./safetensors.ts";

/** PyTorch's default; a state_dict does not hold it. */
const BATCH_NORM_EPSILON = 1e-5;
const BATCH_NORM_TENSORS = ["weight", "bias", "running_mean", "running_var"] as const;

/** Tensors of one layer, by the last part of their names. */
interface Module {
  readonly name: string;
  readonly tensors: Map<string, NamedTensor>;
}

/** Weights of the file, or ModelFileError. `where` names the file. */
export function importSafetensors(bytes: Uint8Array, where: string): ImportedWeights {
  const found = decodeSafetensors(bytes, (name) => name.endsWith("num_batches_tracked"));
  if (!(found instanceof Map)) {
    const remedy = "copy the file again from its origin, or save it again with float32 tensors";
    throw new ModelFileError({ code: "WEIGHTS_DAMAGED", ...found, where, remedy });
  }
  const declared = safetensorsMetadata(bytes);
  const isOurs = TENSOR_NAMES.every((name) => name.startsWith("input.") || found.has(name));
  return isOurs ? { tensors: found, declared, notes: [] } : { declared, ...new ModuleMatcher(found, where).match() };
}

class ModuleMatcher {
  readonly #modules: Module[] = [];
  readonly #where: string;
  readonly #tensors = new Map<string, NamedTensor>();
  readonly #notes: string[] = [];

  constructor(found: ReadonlyMap<string, NamedTensor>, where: string) {
    this.#where = where;
    for (const [name, tensor] of found) {
      const dot = name.lastIndexOf(".");
      const [moduleName, part] = [name.slice(0, Math.max(dot, 0)), name.slice(dot + 1)];
      // Standardisation lies beside other buffers, not in a layer of its own.
      if ((part === "mean" || part === "std") && tensor.values.length === FEATURE_COUNT) {
        this.#tensors.set(`input.${part}`, { shape: [FEATURE_COUNT], values: tensor.values });
        continue;
      }
      let module = this.#modules.find((each) => each.name === moduleName);
      if (module === undefined) {
        module = { name: moduleName, tensors: new Map() };
        this.#modules.push(module);
      }
      module.tensors.set(part, tensor);
    }
  }

  match(): Pick<ImportedWeights, "tensors" | "notes"> {
    const norms = this.#modules.filter(({ tensors }) => tensors.has("running_mean"));
    for (const { name, filters, taps, dilation } of CONV_BRANCHES) {
      const conv = this.#take(name, [filters, FEATURE_COUNT, taps], `convolution of dilation ${dilation}`);
      this.#setLayer(name, norms.length === 0 ? conv : this.#fold(conv, filters));
    }
    this.#setLayer("dense1", this.#take("dense1", [DENSE1, POOLED], "layer"));
    this.#setLayer("dense2", this.#take("dense2", [DENSE2, DENSE1], "layer"));
    this.#setLayer("head_direction", this.#take("head_direction", [DIRECTIONS, DENSE2], "head"));
    for (const [head, pattern] of [
      ["head_volatility", /vol/i],
      ["head_momentum", /mom/i],
    ] as const) {
      this.#setLayer(head, this.#take(head, [1, DENSE2], `head with '${head.slice(5, 8)}' in its name`, pattern));
    }
    const left = this.#modules[0];
    if (left !== undefined) {
      const part = left.tensors.keys().next().value;
      throw this.#refusal(
        "TENSOR_UNKNOWN",
        "the file holds a tensor this network does not have",
        join(left.name, part),
      );
    }
    this.#notes.push(
      "columns of the first dense layer are taken as 128 maxima, then 128 averages, of dilations 1, 2, 4",
    );
    return { tensors: this.#tensors, notes: this.#notes };
  }

  /** Takes the first module left whose weight has this shape. */
  #take(name: string, shape: readonly number[], what: string, pattern = /(?:)/): Module {
    const isMatch = (module: Module) =>
      String(module.tensors.get("weight")?.shape) === String(shape) && pattern.test(module.name);
    const matches = this.#modules.filter(isMatch);
    const module = matches[0];
    if (module === undefined) {
      throw this.#refusal("TENSOR_MISSING", `the file lacks the weights of ${name}`, `a ${what}, weight [${shape}]`);
    }
    if (matches.length > 1 && name === "conv_k3d1") {
      const names = matches.map((each) => `'${each.name}'`).join(" and ");
      this.#notes.push(`${names} have one shape and are taken as dilation 1 and dilation 4, in the order of the file`);
    }
    this.#modules.splice(this.#modules.indexOf(module), 1);
    return module;
  }

  /** Folds the first batch norm left of that many channels into the convolution. */
  #fold(conv: Module, filters: number): Module {
    const norm = this.#modules.find(({ tensors }) => tensors.get("running_mean")?.values.length === filters);
    const parts = BATCH_NORM_TENSORS.map((part) => norm?.tensors.get(part)?.values);
    if (
      norm === undefined ||
      parts.some((values) => values?.length !== filters) ||
      norm.tensors.size !== parts.length
    ) {
      const what = `the file lacks a whole batch norm of ${filters} channels for '${conv.name}'`;
      throw this.#refusal("TENSOR_MISSING", what, BATCH_NORM_TENSORS.join(", "));
    }
    this.#modules.splice(this.#modules.indexOf(norm), 1);
    this.#notes.push(
      `batch norm '${norm.name}' is folded into '${conv.name}', with PyTorch's epsilon of ${BATCH_NORM_EPSILON}`,
    );
    const [gamma, beta, mean, variance] = parts as Float32Array[];
    const { shape, values } = conv.tensors.get("weight")!;
    const scales = Float64Array.from(gamma!, (scale, i) => scale / Math.sqrt(variance![i]! + BATCH_NORM_EPSILON));
    const perFilter = values.length / filters;
    const bias = conv.tensors.get("bias")?.values;
    const folded = new Map(conv.tensors);
    folded.set("weight", { shape, values: values.map((weight, i) => weight * scales[Math.floor(i / perFilter)]!) });
    folded.set("bias", {
      shape: [filters],
      values: Float32Array.from(scales, (scale, i) => ((bias?.[i] ?? 0) - mean![i]!) * scale + beta![i]!),
    });
    return { name: conv.name, tensors: folded };
  }

  #setLayer(name: string, module: Module): void {
    const weight = module.tensors.get("weight")!;
    const outputs = weight.shape[0]!;
    const others = [...module.tensors.keys()].filter((part) => part !== "weight" && part !== "bias");
    if (others.length > 0) {
      throw this.#refusal(
        "TENSOR_UNKNOWN",
        "the file holds a tensor this network does not have",
        join(module.name, others[0]),
      );
    }
    this.#tensors.set(`${name}.weight`, weight);
    this.#tensors.set(
      `${name}.bias`,
      module.tensors.get("bias") ?? { shape: [outputs], values: new Float32Array(outputs) },
    );
  }

  #refusal(code: "TENSOR_MISSING" | "TENSOR_UNKNOWN", what: string, subject: string): ModelFileError {
    const isMissing = code === "TENSOR_MISSING";
    const left = this.#modules.map(({ name, tensors }) => `${name} [${tensors.get("weight")?.shape ?? ""}]`).join(", ");
    return new ModelFileError({
      code,
      what,
      where: this.#where,
      found: isMissing ? left || "nothing more" : `'${subject}'`,
      allowed: isMissing ? subject : "three convolutions, their batch norms, two layers, three heads, mean and std",
      remedy: "save the state_dict of the network that docs/models.md describes, or export it as ONNX",
    });
  }
}

function join(module: string, part: string | undefined): string {
  return module === "" ? `${part}` : `${module}.${part}`;
}
