// gyr.toml -> Config. Every problem is collected with its line before anything is thrown, so one run of `gyr config check`
// shows all there is to mend.

import { readFileSync, statSync } from "node:fs";
import { allowedText, CONFIG_KEYS, CONFIG_SECTIONS, type ConfigKey, camelCase, configValue } from "./keys.ts";
import { locateKeys } from "./locate.ts";
import { nearest } from "./nearest.ts";
import { ConfigError, type ConfigProblem } from "./problems.ts";
import { isSecretName, redact, SECRET_NAMES, showName, showValue } from "./redact.ts";
import { RULES } from "./rules.ts";
import type { Config } from "./schema.ts";
import { syntaxErrorLine } from "./syntax-line.ts";

/** Read where no file is named. */
export const CONFIG_FILE_DEFAULT = "gyr.toml";
/** A configuration is a few kilobytes; more is another file named by mistake. */
const FILE_BYTES_MAX = 256 * 1024;

/** Values given on the command line; they win over the file, but `mode` only towards safety. */
export interface ConfigOverrides {
  readonly mode?: string | undefined;
  readonly day?: string | undefined;
  readonly speed?: string | number | undefined;
  readonly report?: string | undefined;
  readonly runDir?: string | undefined;
}

export interface LoadOptions {
  /** File to read; it must exist. Without it gyr.toml of the working folder, or the defaults where there is none. */
  readonly path?: string | undefined;
  /** The TOML itself, instead of a file. */
  readonly text?: string | undefined;
  /** Environment, so that no message repeats a secret that stands in it. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly overrides?: ConfigOverrides | undefined;
}

/** Where a value comes from. */
export type ConfigSource =
  | { readonly from: "default" }
  | { readonly from: "file"; readonly line: number }
  | { readonly from: "flag"; readonly flag: string };

export interface LoadedConfig {
  readonly config: Config;
  /** File that was read, as named; null where the defaults were taken. */
  readonly file: string | null;
  /** Source of every key by its snake_case path. */
  readonly sources: Readonly<Record<string, ConfigSource>>;
  /** SHA-256 of the effective values, hex. [paths] and [secrets] are left out: they say where things are, not what is done. */
  readonly sha256: string;
}

/** Loads, checks and returns the configuration, or throws a ConfigError with every problem. */
export function loadConfig(options: LoadOptions = {}): LoadedConfig {
  return new Loader(options).load();
}

const FLAGS: readonly { readonly name: keyof ConfigOverrides; readonly flag: string; readonly path: string }[] = [
  { name: "mode", flag: "--mode", path: "mode" },
  { name: "day", flag: "--day", path: "sim.day" },
  { name: "speed", flag: "--speed", path: "sim.speed" },
  { name: "report", flag: "--report", path: "paths.report" },
  { name: "runDir", flag: "--run-dir", path: "paths.run_dir" },
];
/** From the safest on. */
const MODES: readonly Config["mode"][] = ["sim", "paper", "live"];
const KEY_BY_PATH = new Map(CONFIG_KEYS.map((key) => [key.path, key]));
const SECTION_NAMES = CONFIG_SECTIONS.map((section) => section.name).filter((name) => name !== "");

class Loader {
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #overrides: ConfigOverrides;
  readonly #path: string | undefined;
  #text: string | undefined;
  #file: string | null = null;
  #lines = new Map<string, number>();
  readonly #problems: ConfigProblem[] = [];
  /** Values of known keys as the file or a flag gives them. */
  readonly #given = new Map<string, unknown>();
  readonly #sources: Record<string, ConfigSource> = {};
  /** Known keys whose value is not allowed; rules that read them are not asked. */
  readonly #bad = new Set<string>();

  constructor(options: LoadOptions) {
    this.#env = options.env ?? {};
    this.#overrides = options.overrides ?? {};
    this.#path = options.path;
    this.#text = options.text;
  }

  load(): LoadedConfig {
    const text = this.#text ?? this.#readFile();
    if (text !== null) this.#collect(this.#parse(text));
    this.#applyFlags();
    const config = this.#checkKeys();
    this.#checkRules(config);
    if (this.#problems.length > 0) throw new ConfigError(this.#problems.sort(byLine));
    return { config, file: this.#file, sources: this.#sources, sha256: hashConfig(config) };
  }

  #readFile(): string | null {
    const path = this.#path ?? CONFIG_FILE_DEFAULT;
    const bytes = this.#readBytes(path);
    if (bytes === null) return null;
    this.#file = path;
    const isUtf16 = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
    const line = isUtf16 ? 1 : firstBadLine(bytes);
    if (line !== null) this.#fail({ what: "the file is not UTF-8 text", line, remedy: "save it as UTF-8" });
    return new TextDecoder().decode(bytes);
  }

  #readBytes(path: string): Uint8Array | null {
    try {
      const stat = statSync(path);
      if (!stat.isFile() && !stat.isFIFO()) {
        this.#fail({ what: `'${path}' is not a file`, remedy: "name the TOML file itself" });
      }
      if (stat.size > FILE_BYTES_MAX) {
        this.#fail({
          what: `'${path}' is too large for a configuration`,
          found: `${stat.size} bytes`,
          allowed: `up to ${FILE_BYTES_MAX} bytes`,
          remedy: "check that it is the file you meant",
        });
      }
      return readFileSync(path);
    } catch (error) {
      if (error instanceof ConfigError) throw error;
      const code = (error as NodeJS.ErrnoException).code ?? "";
      if (code === "ENOENT" && this.#path === undefined) return null;
      const what = code === "ENOENT" ? `there is no file '${path}'` : `'${path}' cannot be read (${code || error})`;
      const remedy =
        code === "ENOENT" ? `check the path, or write a file with: gyr config init ${path}` : "check its permissions";
      this.#fail({ what, remedy });
    }
  }

  #parse(text: string): Record<string, unknown> {
    try {
      const values = Bun.TOML.parse(text) as Record<string, unknown>;
      this.#lines = locateKeys(text);
      return values;
    } catch (error) {
      const line = syntaxErrorLine(text, error);
      const source = (text.split("\n", line)[line - 1] ?? "").trim();
      const isSecret = !source.startsWith("[") && isSecretName(source.split(/[=:]/, 1)[0]!);
      // The parser repeats the text it stumbled over, which may be a key.
      const reason = isSecret ? "not written as TOML" : redact(readableReason(error), this.#env);
      this.#fail({
        what: `the file is not valid TOML: ${reason}`,
        line,
        found: isSecret ? "" : showName(source, this.#env),
        allowed: 'lines such as key = 1, key = "text", [section]',
        remedy: isSecret ? SECRET_REMEDY : "mend that line; the other checks run once the file can be read",
      });
    }
  }

  /** Sorts what the file holds into known keys and problems. */
  #collect(values: Record<string, unknown>): void {
    for (const [name, value] of Object.entries(values)) {
      if (KEY_BY_PATH.has(name)) this.#give(name, value);
      else if (!SECTION_NAMES.includes(name)) this.#unknown("", name, value);
      else if (isTable(value)) this.#collectSection(name, value);
      else {
        this.#add({
          key: name,
          what: `[${name}] is a section, not a value`,
          found: showValue(value, this.#env),
          allowed: `a table: [${name}] and its keys on the lines after it`,
          remedy: `write [${name}] on a line of its own, once`,
        });
      }
    }
  }

  #collectSection(section: string, values: Record<string, unknown>): void {
    for (const [name, value] of Object.entries(values)) {
      const path = `${section}.${name}`;
      if (KEY_BY_PATH.has(path)) this.#give(path, value);
      else this.#unknown(section, name, value);
    }
  }

  #give(path: string, value: unknown): void {
    this.#given.set(path, value);
    this.#sources[path] = { from: "file", line: this.#lines.get(path) ?? 1 };
  }

  #unknown(section: string, name: string, value: unknown): void {
    const path = section === "" ? name : `${section}.${name}`;
    if (this.#refuseSecrets(path, name, value, 0)) return;
    const isSection = section === "" && isTable(value);
    const siblings = CONFIG_KEYS.filter((key) => key.section === section).map((key) => key.name);
    const what = isSection
      ? `there is no section [${showName(name, this.#env)}]`
      : `there is no key '${showName(path, this.#env)}'`;
    this.#add({
      key: path,
      what,
      found: isSection ? "" : showValue(value, this.#env),
      allowed: isSection ? `the sections ${SECTION_NAMES.join(", ")}` : keysText(section, siblings),
      remedy: "correct the name or delete it",
      suggestion: isSection ? nearest(name, SECTION_NAMES) : suggestKey(section, name, siblings),
    });
  }

  /** Reports keys that hold a secret, here and in tables below; true when the name itself is one. */
  #refuseSecrets(path: string, name: string, value: unknown, depth: number): boolean {
    if (isTable(value)) {
      if (depth < 3) {
        for (const [inner, below] of Object.entries(value)) {
          this.#refuseSecrets(`${path}.${inner}`, inner, below, depth + 1);
        }
      }
      return false;
    }
    if (!isSecretName(name)) return false;
    this.#add({
      key: path,
      what: `'${showName(path, this.#env)}' looks like a secret, and secrets do not belong in this file`,
      found: "a value, not shown",
      allowed: `environment variables ${SECRET_NAMES.join(", ")}, or [secrets] file`,
      remedy: SECRET_REMEDY,
      isRefusal: true,
    });
    return true;
  }

  #applyFlags(): void {
    for (const { name, flag, path } of FLAGS) {
      const value = this.#overrides[name];
      if (value === undefined) continue;
      if (name === "mode" && !this.#isSafer(String(value))) continue;
      const number = name === "speed" && /^\d*\.?\d+(e\d+)?$/i.test(String(value)) ? Number(value) : value;
      this.#given.set(path, number);
      this.#sources[path] = { from: "flag", flag };
    }
  }

  /** False, with a problem, for a --mode that is less safe than the file's. An unknown mode is left to the schema. */
  #isSafer(flagMode: string): boolean {
    const fileMode = (this.#given.get("mode") ?? "sim") as Config["mode"];
    if (!MODES.includes(flagMode as Config["mode"]) || !MODES.includes(fileMode)) return true;
    if (MODES.indexOf(flagMode as Config["mode"]) <= MODES.indexOf(fileMode)) return true;
    this.#add({
      key: "--mode",
      line: null,
      what: `--mode ${flagMode} is less safe than mode = "${fileMode}" of the configuration`,
      allowed: "live to paper to sim, never the other way",
      remedy: `set mode = "${flagMode}" in the configuration file`,
      isRefusal: true,
    });
    return false;
  }

  #checkKeys(): Config {
    const config: Record<string, unknown> = {};
    for (const section of CONFIG_SECTIONS) {
      const values = section.name === "" ? config : {};
      for (const key of section.keys) (values as Record<string, unknown>)[key.field] = this.#checkKey(key);
      if (section.name !== "") config[camelCase(section.name)] = values;
    }
    return config as Config;
  }

  /** The value of a key, or its default where there is none or it is not allowed. */
  #checkKey(key: ConfigKey): unknown {
    if (!this.#given.has(key.path)) {
      this.#sources[key.path] = { from: "default" };
      return structuredClone(key.defaultValue);
    }
    const raw = this.#given.get(key.path);
    const value = plainValue(raw);
    const result = hasControlCharacter(value) ? null : key.schema.safeParse(value);
    if (result?.success === true) return result.data;
    this.#bad.add(key.path);
    const source = this.#sources[key.path]!;
    const name = source.from === "flag" ? source.flag : key.path;
    const found = showValue(raw, this.#env);
    this.#add({
      key: name,
      line: source.from === "file" ? source.line : null,
      what: `${name} = ${found} is not allowed`,
      found,
      allowed: result === null ? "text without control characters" : allowedText(key),
      remedy: `write an allowed value, or leave it out for the default ${showValue(key.defaultValue)}`,
      suggestion: suggestWord(key, raw),
    });
    return structuredClone(key.defaultValue);
  }

  #checkRules(config: Config): void {
    const mode = this.#bad.has("mode") ? null : config.mode;
    for (const name of ["day", "speed"] as const) {
      if (this.#overrides[name] === undefined || mode === null || mode === "sim") continue;
      this.#add({
        key: `--${name}`,
        line: null,
        what: `--${name} chooses what the simulated venue plays and means nothing in ${mode} mode`,
        remedy: "leave it out, or add --mode sim",
      });
    }
    for (const rule of RULES) {
      if (rule.keys.some((path) => this.#bad.has(path))) continue;
      const finding = rule.check(config);
      if (finding === null) continue;
      const path = rule.keys.find((name) => this.#sources[name]!.from !== "default") ?? rule.keys[0]!;
      const source = this.#sources[path]!;
      this.#add({
        ...finding,
        what: redact(finding.what, this.#env),
        key: path,
        line: source.from === "file" ? source.line : null,
      });
    }
  }

  #add(problem: Partial<ConfigProblem> & Pick<ConfigProblem, "what" | "remedy">): void {
    const key = problem.key ?? "";
    const line = problem.line !== undefined ? problem.line : (this.#lines.get(key) ?? null);
    this.#problems.push({
      file: line === null ? null : (this.#file ?? "(text)"),
      found: "",
      allowed: "",
      suggestion: null,
      isRefusal: false,
      ...problem,
      key: showName(key, this.#env),
      line,
    });
  }

  /** Throws at once: nothing further can be read. */
  #fail(problem: Partial<ConfigProblem> & Pick<ConfigProblem, "what" | "remedy">): never {
    this.#add(problem);
    throw new ConfigError(this.#problems);
  }
}

const SECRET_REMEDY =
  "move it to the environment or to a file of mode 0600 named by [secrets] file, and replace the key if others saw this file";

function byLine(left: ConfigProblem, right: ConfigProblem): number {
  return (left.line ?? 0) - (right.line ?? 0);
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** TOML's own dates and times as the text the schema takes; -0 as 0. */
function plainValue(value: unknown): unknown {
  if (value instanceof Temporal.PlainDate) return value.toString();
  if (value instanceof Temporal.PlainTime && value.second === 0) return value.toString().slice(0, 5);
  return value === 0 ? 0 : value;
}

function hasControlCharacter(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(hasControlCharacter);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  return typeof value === "string" && /[\u0000-\u001f\u007f]/.test(value);
}

function keysText(section: string, siblings: readonly string[]): string {
  return section === "" ? `${siblings.join(", ")}, and the sections` : `keys of [${section}]: ${siblings.join(", ")}`;
}

/** A key of the same section with a similar name, else one of another section, as section.key. */
function suggestKey(section: string, name: string, siblings: readonly string[]): string | null {
  const sibling = nearest(name, siblings);
  if (sibling !== null) return section === "" ? sibling : `${section}.${sibling}`;
  const asSection = section === "" ? nearest(name, SECTION_NAMES) : null;
  if (asSection !== null) return `[${asSection}]`;
  const byName = nearest(name, [...new Set(CONFIG_KEYS.map((key) => key.name))]);
  return CONFIG_KEYS.find((key) => key.name === byName)?.path ?? null;
}

/** The allowed word nearest to a mistyped one: "paper" for "papr". */
function suggestWord(key: ConfigKey, raw: unknown): string | null {
  if (typeof raw !== "string") return null;
  const words = [...allowedText(key).matchAll(/"([^"]+)"/g)].map((match) => match[1]!);
  const word = nearest(raw, words);
  return word === null ? null : `"${word}"`;
}

/** Line of the first byte that is not UTF-8, or null where all are. */
function firstBadLine(bytes: Uint8Array): number | null {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return null;
  } catch {
    const text = new TextDecoder().decode(bytes);
    return text.slice(0, text.indexOf("\uFFFD")).split("\n").length;
  }
}

function readableReason(error: unknown): string {
  if (error instanceof RangeError) return "values are nested too deeply";
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/^TOML Parse error: /, "").replace("(0x0A)", "the end of the line");
}

/** Keys that decide nothing of what is traded: where things are, and who watches. */
const NOT_HASHED_SECTIONS = ["paths", "secrets"];
const NOT_HASHED_KEYS = ["inference.shadow"];

/** Hash of the effective values in the order of their paths. */
function hashConfig(config: Config): string {
  const hasher = new Bun.CryptoHasher("sha256");
  const hashed = CONFIG_KEYS.filter(
    ({ section, path }) => !NOT_HASHED_SECTIONS.includes(section) && !NOT_HASHED_KEYS.includes(path),
  );
  for (const key of hashed.toSorted((left, right) => (left.path < right.path ? -1 : 1))) {
    hasher.update(`${key.path}=${JSON.stringify(configValue(config, key))}\n`);
  }
  return hasher.digest("hex");
}
