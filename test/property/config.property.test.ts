// Laws of the configuration loader: whatever the text, the answer is a Config or a ConfigError with lines.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { configToml, tomlValue } from "../../src/config/document.ts";
import { CONFIG_KEYS, configValue } from "../../src/config/keys.ts";
import { loadConfig } from "../../src/config/load.ts";
import { locateKeys } from "../../src/config/locate.ts";
import { editDistance } from "../../src/config/nearest.ts";
import { ConfigError } from "../../src/config/problems.ts";
import { configSchema } from "../../src/config/schema.ts";

/** The law itself: a Config the schema accepts, or a ConfigError whose every problem has a line inside the text. */
function checkLaw(text: string): void {
  try {
    const { config, sha256 } = loadConfig({ text });
    expect(configSchema.safeParse(config).success).toBe(true);
    expect(sha256).toMatch(/^[0-9a-f]{64}$/);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    expect(error.problems.length).toBeGreaterThan(0);
    for (const problem of error.problems) {
      expect(problem.what).not.toBe("");
      expect(problem.remedy).not.toBe("");
      expect(problem.line).toBeGreaterThanOrEqual(1);
      expect(problem.line).toBeLessThanOrEqual(text.split("\n").length);
    }
  }
}

const bareValue = fc.oneof(
  fc.double().map((value) => (Number.isNaN(value) ? "nan" : String(value).replace("Infinity", "inf"))),
  fc.integer().map(String),
  fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }).map(String),
  fc.boolean().map(String),
  fc.constantFrom(
    "2019-12-18",
    "2019-02-30",
    "10:00:00",
    "09:30",
    "1979-05-27T07:32:00Z",
    "''",
    '"max"',
    "'sim'",
    '"live"',
  ),
  fc.string().map((text) => JSON.stringify(text)),
  fc.string(),
);
const value = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    bareValue,
    fc.array(tie("value"), { maxLength: 4 }).map((items) => `[${items.join(", ")}]`),
    fc
      .array(tie("value"), { maxLength: 3 })
      .map((items) => `{ ${items.map((item, i) => `k${i} = ${item}`).join(", ")} }`),
  ),
})).value;
const name = fc.oneof(
  fc.constantFrom(...CONFIG_KEYS.flatMap((key) => [key.name, key.path, key.field])),
  fc.string({ minLength: 1, maxLength: 8 }),
  fc.string().map((text) => JSON.stringify(text)),
  fc.constantFrom("__proto__", "constructor", "toString", "api_key"),
);
const section = fc.constantFrom(
  "[feed]",
  "[sim]",
  "[session]",
  "[[risk]]",
  "[hosts]",
  "[nope]",
  "[sim.day]",
  "[__proto__]",
  "# x",
  "",
);
const line = fc.oneof(
  { arbitrary: fc.tuple(name, value).map(([key, item]) => `${key} = ${item}`), weight: 6 },
  { arbitrary: section, weight: 2 },
  { arbitrary: fc.string(), weight: 1 },
);
const text = fc
  .tuple(fc.array(line, { maxLength: 12 }), fc.constantFrom("\n", "\r\n"))
  .map(([lines, end]) => lines.join(end));

describe("any text gives a Config or a ConfigError with lines", () => {
  test("random characters", () => {
    fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 200 }), checkLaw), { numRuns: 500 });
  });

  test("text that looks like a configuration", () => {
    fc.assert(fc.property(text, checkLaw), { numRuns: 2000 });
  });

  test("the generated file with pieces cut out, doubled or replaced", () => {
    const toml = configToml();
    const place = fc.nat({ max: toml.length });
    fc.assert(
      fc.property(
        place,
        fc.nat({ max: 200 }),
        fc.oneof(value, fc.string(), fc.constant("")),
        (start, length, patch) => {
          checkLaw(toml.slice(0, start) + patch + toml.slice(start + length));
        },
      ),
      { numRuns: 200 },
    );
  });
});

test("what is written as TOML is read back the same, from the line it stands on", () => {
  const keys = CONFIG_KEYS.filter((key) => typeof key.defaultValue === "number");
  const drawn = fc.uniqueArray(
    fc.tuple(fc.constantFrom(...keys), fc.double({ min: 0, max: 1, noNaN: true }), fc.nat({ max: 3 })),
    {
      selector: ([key]) => key.path,
    },
  );
  fc.assert(
    fc.property(drawn, (entries) => {
      const allowed = entries.filter(([key, number]) => key.schema.safeParse(number).success);
      const lines: string[] = [];
      const lineOf = new Map<string, number>();
      for (const [key, number, gap] of allowed) {
        for (let i = 0; i < gap; i++) lines.push(i % 2 === 0 ? "" : "# seed = 1");
        lines.push(`${key.path} = ${tomlValue(number)}`);
        lineOf.set(key.path, lines.length);
      }
      try {
        const { config, sources } = loadConfig({ text: lines.join("\n") });
        for (const [key, number] of allowed) {
          expect(configValue(config, key)).toBe(number === 0 ? 0 : number);
          expect(sources[key.path]).toEqual({ from: "file", line: lineOf.get(key.path)! });
        }
      } catch (error) {
        // Values allowed one by one may contradict each other; then the problem stands on one of their lines.
        if (!(error instanceof ConfigError)) throw error;
        for (const problem of error.problems) expect([...lineOf.values()]).toContain(problem.line!);
      }
    }),
  );
});

test("the locator finds every key of any document on its line", () => {
  const bare = fc.stringMatching(/^[a-z0-9_-]{1,6}$/);
  const key = fc.oneof(bare, fc.string({ minLength: 1, maxLength: 5 }));
  const item = fc.constantFrom(
    ...[
      "1",
      "true",
      "'#'",
      '"a = 1"',
      '"\\""',
      "'''\n[x]\ny = 1\n'''",
      '"""\n"" [z]\n\\"" """',
      "[\n 1, # ]\n 'b]',\n]",
      "{ a = 1 }",
      '[{ q = "}" }, [\n]]',
    ],
  );
  const blank = fc.constantFrom("", "# [no]", "\t# a = 1");
  const entry = fc.tuple(key, item, blank);
  const tables = fc.array(fc.tuple(key, fc.uniqueArray(entry, { selector: ([name]) => name, maxLength: 5 })), {
    maxLength: 4,
  });
  const quote = (word: string) => (/^[a-z0-9_-]+$/.test(word) ? word : JSON.stringify(word));
  fc.assert(
    fc.property(tables, fc.constantFrom("\n", "\r\n"), (drawn, end) => {
      let document = "";
      const expected = new Map<string, number>();
      const nextLine = () => document.split("\n").length;
      for (const [index, [table, entries]] of drawn.entries()) {
        // A number keeps the tables apart.
        const path = `t${index}.${table}`;
        expected.set(path, nextLine());
        document += `[ t${index} . ${quote(table)} ] # x = 1${end}`;
        for (const [name, itemText, comment] of entries) {
          document += `${comment}${end}`;
          if (!expected.has(`${path}.${name}`)) expected.set(`${path}.${name}`, nextLine());
          document += `  ${quote(name)}= ${itemText} # end = 1${end}`;
        }
      }
      Bun.TOML.parse(document);
      const found = locateKeys(document);
      for (const [path, lineNumber] of expected) expect([path, found.get(path)]).toEqual([path, lineNumber]);
    }),
    { numRuns: 300 },
  );
});

test("edit distance is a count of edits: zero for equal words, the same both ways, no more than the longer word", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (left, right) => {
      const distance = editDistance(left, right);
      expect(distance === 0).toBe(left === right);
      expect(editDistance(right, left)).toBe(distance);
      expect(distance).toBeLessThanOrEqual(Math.max(left.length, right.length));
      expect(distance).toBeGreaterThanOrEqual(Math.abs(left.length - right.length));
    }),
  );
});
