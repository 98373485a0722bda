// `gyr config show`: every value in effect and where it comes from. Of a secret only where it comes from.

import { tomlValue } from "../config/document.ts";
import { CONFIG_SECTIONS, type ConfigKey, configValue } from "../config/keys.ts";
import { type ConfigSource, type LoadedConfig, loadConfig } from "../config/load.ts";
import { SECRET_NAMES } from "../config/redact.ts";
import { loadSecrets, type Secret } from "../config/secrets.ts";
import { EXIT_DONE } from "./exit-codes.ts";
import type { ConfigOptions } from "./options.ts";

export async function configShowCommand(options: ConfigOptions): Promise<number> {
  const loaded = loadConfig({ path: options.config, env: process.env });
  const { alpacaKeyId, alpacaSecretKey, polygonApiKey } = loadSecrets(loaded.config, process.env);
  const secrets = [alpacaKeyId, alpacaSecretKey, polygonApiKey];
  console.log(options.json === true ? showJson(loaded, secrets) : showToml(loaded, secrets));
  return EXIT_DONE;
}

function showJson({ config, file, sha256, sources }: LoadedConfig, secrets: readonly (Secret | null)[]): string {
  const named = Object.fromEntries(SECRET_NAMES.map((name, index) => [name, secrets[index]?.toString() ?? null]));
  return JSON.stringify({ file, sha256, config, sources, secrets: named });
}

/** TOML again: what is shown can be saved and used. */
function showToml(loaded: LoadedConfig, secrets: readonly (Secret | null)[]): string {
  const lines = [`# ${loaded.file ?? "no file: the defaults"}, sha256 ${loaded.sha256}`];
  for (const section of CONFIG_SECTIONS) {
    if (section.name !== "") lines.push("", `[${section.name}]`);
    for (const key of section.keys) lines.push(keyLine(loaded, key));
  }
  lines.push("", "# Secrets");
  for (const [index, name] of SECRET_NAMES.entries())
    lines.push(`# ${name}: ${secrets[index]?.toString() ?? "not set"}`);
  return lines.join("\n");
}

function keyLine({ config, sources }: LoadedConfig, key: ConfigKey): string {
  const assignment = `${key.name} = ${tomlValue(configValue(config, key))}`;
  return `${assignment.padEnd(48)} # ${sourceText(sources[key.path]!)}`;
}

function sourceText(source: ConfigSource): string {
  if (source.from === "file") return `line ${source.line}`;
  return source.from === "flag" ? source.flag : "default";
}
