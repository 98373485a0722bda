// The two texts made from the schema: the commented gyr.toml of `gyr config init`, and docs/configuration.md.

import { allowedText, CONFIG_SECTIONS, type ConfigKey, tomlNumber } from "./keys.ts";
import { SECRET_NAMES } from "./redact.ts";
import { LIVE_ACKNOWLEDGEMENT } from "./schema.ts";

const LINE_WIDTH = 100;

/** gyr.toml with every key at its default, each with its meaning and what is allowed. */
export function configToml(): string {
  const lines = [
    "# Configuration of gyr. Every key is here with its default; a key that is left out has it too.",
    "# Check changes with: gyr config check. Times of day are New York time. Keys and passwords do not",
    "# belong in this file: see [secrets].",
  ];
  for (const section of CONFIG_SECTIONS) {
    if (section.name !== "") lines.push("", "", ...comment(section.meaning), `[${section.name}]`);
    for (const key of section.keys) {
      lines.push("", ...comment(key.meaning), ...comment(`Allowed: ${allowedText(key)}.`));
      lines.push(`${key.name} = ${tomlValue(key.defaultValue)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

/** A value of the schema as TOML writes it. */
export function tomlValue(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(tomlValue).join(", ")}]`;
  if (typeof value === "number") return tomlNumber(value);
  // JSON's text is TOML's basic string for all text without control characters, which the loader refuses.
  return JSON.stringify(value);
}

function comment(text: string): string[] {
  const lines: string[] = [];
  let line = "#";
  for (const word of text.split(" ")) {
    if (line.length + 1 + word.length > LINE_WIDTH) {
      lines.push(line);
      line = "#";
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}

/** docs/configuration.md. */
export function configMarkdown(): string {
  return `${[INTRODUCTION, ...CONFIG_SECTIONS.map(sectionMarkdown)].join("\n\n")}\n`;
}

const INTRODUCTION = `# Configuration

This page is generated from \`src/config/schema.ts\` by \`bun src/config/write-docs.ts\`; a test fails when it is out of date.

gyr reads \`gyr.toml\` of the working folder, or the file named by \`--config\`. It needs none: every key has a default, and the
defaults trade a recorded day in the embedded venue. \`gyr config init\` writes the file with every key and its meaning,
\`gyr config check\` says everything that is wrong with it at once, \`gyr config show\` prints what is in effect and where each value
comes from.

**Who wins.** A flag wins over the file, the file over the default. Flags can only make a run safer: \`--mode\` may go from live to
paper to sim, never back.

**Errors.** An unknown key, a wrong type, a value out of range or a combination that cannot work is an error with file, line, value,
what is allowed and the remedy, and nothing starts (exit code 2). What is refused for safety ends with exit code 3.

**Live.** \`mode = "live"\` trades real money. It needs \`[live] acknowledge = "${LIVE_ACKNOWLEDGEMENT}"\`, and takes no host
override whatever.

**Hosts.** \`feed.rest_url\`, \`feed.socket_url\`, \`gateway.trading_url\` and \`gateway.stream_url\` may point at this machine in sim and
paper mode. Any other host must be named a second time in \`hosts.allow\` and use https or wss; the broker's live host is never taken.

**Secrets.** ${SECRET_NAMES.map((name) => `\`${name}\``).join(", ")} come from the environment, or from the file named by
\`secrets.file\`, which must have mode 0600 and belong to you. A key in \`gyr.toml\` is an error whose message does not repeat it.

**Hash.** Every run's fingerprint holds a SHA-256 of the effective values. \`[paths]\`, \`[secrets]\` and \`inference.shadow\` are left out of it: they say where
things are and who watches, not what is done.`;

function sectionMarkdown(section: { name: string; meaning: string; keys: readonly ConfigKey[] }): string {
  const title = section.name === "" ? "## Top level" : `## [${section.name}]\n\n${section.meaning}`;
  const rows = section.keys.map((key) => {
    const cells = [`\`${key.name}\``, `\`${tomlValue(key.defaultValue)}\``, allowedText(key), key.meaning];
    return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  });
  return `${title}\n\n| Key | Default | Allowed | Meaning |\n|---|---|---|---|\n${rows.join("\n")}`;
}
