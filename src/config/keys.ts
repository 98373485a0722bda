// The keys of gyr.toml as a list, read off the schema: snake_case path, default, what is allowed, meaning. The loader, the
// generated documents and `gyr config show` all walk this list.

import { z } from "zod";
import { assert } from "../core/assert.ts";
import { type Config, configSchema } from "./schema.ts";

export interface ConfigKey {
  /** Section of the TOML; "" for keys above the first section. */
  readonly section: string;
  /** Name inside the section, snake_case. */
  readonly name: string;
  /** section.name, as messages and `config show` write it. */
  readonly path: string;
  /** Field of Config[section], or of Config itself, camelCase. */
  readonly field: string;
  readonly schema: z.ZodType;
  readonly defaultValue: unknown;
  /** What it means, from the schema. */
  readonly meaning: string;
}

export interface ConfigSection {
  /** "" for the keys above the first section. */
  readonly name: string;
  readonly meaning: string;
  readonly keys: readonly ConfigKey[];
}

/** px_min_usd from pxMinUsd. */
export function snakeCase(camel: string): string {
  return camel.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Every section in the order of the schema, each with its keys. */
export const CONFIG_SECTIONS: readonly ConfigSection[] = readSections();

/** Every key in the order of the schema. */
export const CONFIG_KEYS: readonly ConfigKey[] = CONFIG_SECTIONS.flatMap((section) => section.keys);

function readSections(): ConfigSection[] {
  const top: ConfigKey[] = [];
  const sections: ConfigSection[] = [{ name: "", meaning: "", keys: top }];
  for (const [field, schema] of Object.entries(configSchema.shape)) {
    const inner = schema instanceof z.ZodPrefault ? schema.unwrap() : schema;
    if (!(inner instanceof z.ZodObject)) {
      top.push(readKey("", field, schema));
      continue;
    }
    const name = snakeCase(field);
    const keys = Object.entries(inner.shape).map(([key, leaf]) => readKey(name, key, leaf as z.ZodType));
    sections.push({ name, meaning: schema.description ?? "", keys });
  }
  return sections;
}

function readKey(section: string, field: string, schema: z.ZodType): ConfigKey {
  const name = snakeCase(field);
  const path = section === "" ? name : `${section}.${name}`;
  const defaulted = schema.safeParse(undefined);
  assert(defaulted.success && schema.description !== undefined, `key '${path}' has a default and a description`);
  return { section, name, path, field, schema, defaultValue: defaulted.data, meaning: schema.description };
}

/** Value of a key in a configuration. */
export function configValue(config: Config, key: ConfigKey): unknown {
  const holder = key.section === "" ? config : config[camelCase(key.section) as keyof Config];
  return (holder as Record<string, unknown>)[key.field];
}

/** pxMinUsd from px_min_usd. */
export function camelCase(snake: string): string {
  return snake.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** What a key takes, in words: "a whole number from 1 to 300", "one of sim, paper, live". */
export function allowedText(key: ConfigKey): string {
  return describeSchema(z.toJSONSchema(key.schema, { io: "input", unrepresentable: "any" }) as JsonSchema);
}

interface JsonSchema {
  type?: string;
  allowed?: string;
  enum?: string[];
  const?: unknown;
  anyOf?: JsonSchema[];
  items?: JsonSchema;
  minItems?: number;
  maxItems?: number;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
}

function describeSchema(schema: JsonSchema): string {
  if (schema.allowed !== undefined) return schema.allowed;
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return `one of ${schema.enum.map((name) => JSON.stringify(name)).join(", ")}`;
  if (schema.anyOf !== undefined) return schema.anyOf.map(describeSchema).join(" or ");
  if (schema.type === "boolean") return "true or false";
  if (schema.type === "array") return describeList(schema);
  if (schema.type === "integer" || schema.type === "number") return describeNumber(schema);
  return "text";
}

function describeList(schema: JsonSchema): string {
  const items = describeSchema(schema.items!);
  if (schema.minItems !== undefined && schema.minItems === schema.maxItems) {
    return `a list of ${schema.minItems}, each ${items}`;
  }
  return schema.minItems === 1 ? `a list of at least one, each ${items}` : `a list, each ${items}`;
}

function describeNumber(schema: JsonSchema): string {
  const kind = schema.type === "integer" ? "a whole number" : "a number";
  const from = schema.exclusiveMinimum !== undefined ? `above ${tomlNumber(schema.exclusiveMinimum)}` : undefined;
  if (from !== undefined) return `${kind} ${from} up to ${tomlNumber(schema.maximum!)}`;
  return `${kind} from ${tomlNumber(schema.minimum!)} to ${tomlNumber(schema.maximum!)}`;
}

/** A number as gyr.toml writes it: separators from 10,000 up. */
export function tomlNumber(value: number): string {
  if (!Number.isInteger(value) || Math.abs(value) < 10_000) return String(value);
  return value.toString().replace(/\B(?=(\d{3})+$)/g, "_");
}
