import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { configMarkdown, configToml, tomlValue } from "../../../src/config/document.ts";
import {
  allowedText,
  CONFIG_KEYS,
  CONFIG_SECTIONS,
  camelCase,
  snakeCase,
  tomlNumber,
} from "../../../src/config/keys.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { editDistance, nearest } from "../../../src/config/nearest.ts";
import { configSchema } from "../../../src/config/schema.ts";

describe("the generated gyr.toml", () => {
  const toml = configToml();

  test("gives exactly the defaults, every key from its own line", () => {
    const { config, sources } = loadConfig({ text: toml });
    expect(config).toEqual(configSchema.parse({}));
    const lines = toml.split("\n");
    for (const key of CONFIG_KEYS) {
      const source = sources[key.path]!;
      expect(source.from).toBe("file");
      if (source.from === "file") expect(lines[source.line - 1]).toStartWith(`${key.name} = `);
    }
  });

  test("has each section once, and above each key its meaning and what is allowed", () => {
    const words = toml.replace(/\n# /g, " ").replace(/\s+/g, " ");
    for (const section of CONFIG_SECTIONS) {
      if (section.name !== "") expect(toml.split(`\n[${section.name}]\n`).length).toBe(2);
      for (const key of section.keys) {
        expect(words).toContain(
          `${key.meaning} Allowed: ${allowedText(key)}. ${key.name} = ${tomlValue(key.defaultValue)}`,
        );
      }
    }
  });

  test("has no line that a terminal of 100 columns breaks", () => {
    expect(toml.split("\n").filter((line) => line.length > 100)).toEqual([]);
  });
});

test("docs/configuration.md is what the schema says (bun src/config/write-docs.ts writes it)", () => {
  const path = join(import.meta.dirname, "../../../docs/configuration.md");
  expect(readFileSync(path, "utf8")).toBe(configMarkdown());
});

describe("keys", () => {
  test("their names are the schema's in snake_case, both ways", () => {
    for (const key of CONFIG_KEYS) expect(camelCase(snakeCase(key.field))).toBe(key.field);
    expect(CONFIG_KEYS.length).toBe(new Set(CONFIG_KEYS.map((key) => key.path)).size);
    expect(CONFIG_KEYS.map((key) => key.path)).toContain("universe.px_min_usd");
  });

  test("every default is allowed, and every number has both ends of its range", () => {
    for (const key of CONFIG_KEYS) {
      expect(key.schema.safeParse(key.defaultValue).success).toBe(true);
      expect(allowedText(key)).not.toContain("undefined");
    }
  });

  test.each([
    [0, "0"],
    [1.5, "1.5"],
    [9999, "9999"],
    [10_000, "10_000"],
    [-1_234_567, "-1_234_567"],
    [1e14, "100_000_000_000_000"],
    [1e-7, "1e-7"],
  ])("%d is written %s and read back the same", (value, text) => {
    expect(tomlNumber(value)).toBe(text);
    expect((Bun.TOML.parse(`x = ${tomlNumber(value)}`) as { x: number }).x).toBe(value);
  });
});

describe("the likely meaning of a mistyped word", () => {
  const words = ["seed", "mode", "stale_after_ms", "px_min_usd", "px_max_usd"];
  test.each([
    ["sede", "seed"],
    ["modes", "mode"],
    ["staleAfterMs", "stale_after_ms"],
    ["px_min", "px_min_usd"],
    ["stale_after", "stale_after_ms"],
    ["PX_MAX_USD", "px_max_usd"],
  ])("%s means %s", (word, meant) => expect(nearest(word, words)).toBe(meant));

  test("a word like none of them means nothing", () => {
    for (const word of ["", "x", "colour", "leverage"]) expect(nearest(word, words)).toBeNull();
  });

  test.each([
    ["", "", 0],
    ["", "abc", 3],
    ["kitten", "sitting", 3],
    ["ab", "ba", 1],
    ["abcd", "acbd", 1],
    ["abc", "abc", 0],
  ])("%j and %j are %d apart", (left, right, distance) => {
    expect(editDistance(left, right)).toBe(distance);
    expect(editDistance(right, left)).toBe(distance);
  });
});
