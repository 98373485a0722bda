// The repository checks itself: layers, the hot path, clocks and randomness, shaders, links, left-overs. Every failure says
// file, line, what is wrong and what to do.

import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { hotViolations, isHot } from "./hot-path.ts";
import {
  blankComments,
  blankCommentsAndStrings,
  importsOf,
  isProse,
  lineAt,
  listFiles,
  ROOT,
  readText,
} from "./repository.ts";

const files = listFiles();
const textOf = new Map(files.filter(isProse).map((path) => [path, readText(path)]));
const isCode = (path: string) => /\.ts$/.test(path) && !path.endsWith(".d.ts");
const sources = files.filter((path) => path.startsWith("src/") && isCode(path));
const allImports = files
  .filter((path) => /\.(ts|js|html)$/.test(path))
  .flatMap((path) => importsOf(path, textOf.get(path) ?? ""));

/** Fails with one line for each thing found. */
function expectNone(found: readonly string[]): void {
  if (found.length > 0) throw new Error(`\n${found.join("\n")}`);
  expect(found.length).toBe(0);
}

test("the repository was read: this test, the entry point and many more", () => {
  expect(files).toContain("test/tidy/tidy.test.ts");
  expect(files).toContain("src/main.ts");
  expect(sources.length).toBeGreaterThan(50);
  expect(allImports.filter((each) => each.isRelative).length).toBeGreaterThan(sources.length);
});

describe("layers", () => {
  /** Folder under src -> layer. Imports run downwards only. */
  const LAYERS: Readonly<Record<string, number>> = {
    core: 0,
    market: 1,
    feed: 2,
    bars: 2,
    features: 2,
    inference: 2,
    kernels: 2,
    strategy: 2,
    sizing: 2,
    risk: 2,
    gateway: 2,
    ledger: 2,
    engine: 3,
    sim: 4,
    universe: 4,
    observe: 4,
    config: 4,
    training: 4,
    backtest: 4,
    cli: 5,
  };
  const LAYER_OF_MAIN = 6;
  const STAGES = 2;
  /** Files of one stage that other stages may import: the ports between them. */
  const PORTS = new Set([
    "src/feed/feed.ts",
    "src/gateway/gateway.ts",
    "src/inference/engine.ts",
    "src/features/catalogue.ts",
  ]);
  /** [importing file, imported file, why]. */
  const EXCEPTIONS: readonly (readonly [string, string, string])[] = [
    ["src/cli/bench.ts", "bench/suites.ts", "gyr bench runs the same suites as bun run bench"],
  ];

  const folderOf = (path: string) => path.split("/")[1]!;
  const layerOf = (path: string) => (path === "src/main.ts" ? LAYER_OF_MAIN : LAYERS[folderOf(path)]);
  const isException = (from: string, to: string) => EXCEPTIONS.some((each) => each[0] === from && each[1] === to);

  test("every folder of src has one", () => {
    expectNone(
      sources.filter((path) => layerOf(path) === undefined).map((path) => `${path}: give its folder a layer in LAYERS`),
    );
  });

  test("imports run downwards, and stages meet at their ports only", () => {
    const found: string[] = [];
    for (const { from, line, to, isRelative } of allImports) {
      if (!isRelative || !from.startsWith("src/") || isException(from, to)) continue;
      const place = `${from}:${line}`;
      if (!to.startsWith("src/")) {
        if (/\.ts$/.test(to)) found.push(`${place}: imports ${to}: code outside src is banned here, move it into src`);
        continue;
      }
      const upper = layerOf(from)!;
      const lower = layerOf(to);
      if (lower === undefined) continue;
      if (lower > upper)
        found.push(`${place}: imports ${to}: layer ${lower} is banned in layer ${upper}, use a port below`);
      const isOtherStage = upper === STAGES && lower === STAGES && folderOf(from) !== folderOf(to);
      if (isOtherStage && !PORTS.has(to))
        found.push(`${place}: imports ${to}: another stage is banned here, use its port`);
    }
    expectNone(found);
  });

  test("the exceptions are still needed", () => {
    const isImported = (from: string, to: string) => allImports.some((each) => each.from === from && each.to === to);
    expectNone(
      EXCEPTIONS.filter(([from, to]) => !isImported(from, to)).map(([from, to]) => `${from} no longer imports ${to}`),
    );
  });
});

describe("hot path", () => {
  const hotFiles = sources.filter((path) => isHot(textOf.get(path)!) && !path.startsWith("src/kernels/"));

  test("the event ring, the pipeline and the histogram are held to it", () => {
    expect(hotFiles).toContain("src/market/events.ts");
    expect(hotFiles).toContain("src/engine/pipeline.ts");
    expect(hotFiles).toContain("src/core/histogram.ts");
  });

  test.each(hotFiles)("%s contains nothing that allocates", (path) => {
    expectNone(hotViolations(textOf.get(path)!).map(({ line, message }) => `${path}:${line}: ${message}`));
  });

  const inMethod = (line: string) =>
    `// Hot path: no allocation after start.\nclass A {\n  run(n: number): number {\n    ${line}\n  }\n}\n`;
  const banned = [
    "for (const x of this.rows) n += x;",
    "this.rows.forEach((x) => x);",
    "return this.rows.map((x) => x)[0]!;",
    "return Math.max(...this.rows);",
    "const [a] = this.pair;",
    "[this.a, this.b] = this.pair;",
    "this.column.subarray(1);",
    "return Number(BigInt(n));",
    "return Number(5n);",
    "this.rows.find((x) => x > n);",
    "JSON.parse(this.text);",
    "assert(n > 0, `n above 0, was ${" + "n}`);",
    'this.text = n + "";',
    "try { n += 1; } finally { n += 1; }",
    "const done = async () => n;",
    "const column = new Float64Array(n);",
    "setTimeout(this.task, n);",
  ];
  test.each(banned)("finds a banned line in a method: %s", (line) => {
    expect(hotViolations(inMethod(line))).not.toEqual([]);
    expect(hotViolations(inMethod(line))[0]).toMatchObject({
      line: 4,
      message: expect.stringMatching(/ is banned here, use /),
    });
  });

  test.each([
    "for (let i = 0; i < n; i++) this.rows[i] = i;",
    "// for (const x of rows) JSON.parse(`x`)",
    'this.reason = "new BigInt of ... `JSON.`";',
    "throw new InvariantError(`slot ${" + "n}`);",
    "const column = new Float64Array(n); // hot-ok: once a day",
    "// hot-ok: once a day\n    const column = new Float64Array(n);",
    "const { a, b } = this.columns;",
    "return this.table.find(n, 0);",
    "if (n > 0) { this.offset = n; }",
  ])("lets pass in a method: %s", (line) => {
    expect(hotViolations(inMethod(line))).toEqual([]);
  });

  test("a hot-ok without a reason does not count", () => {
    expect(hotViolations(inMethod("const column = new Float64Array(n); // hot-ok:"))).not.toEqual([]);
  });

  test("module level, fields, constructors and blocks marked hot-ok may allocate, functions may not", () => {
    const text = [
      "const TABLE = Float64Array.from({ length: 4 }, (_, i) => i).map((x) => x);",
      "export class A {",
      "  readonly rows = [...TABLE];",
      "  constructor(n: number) { this.rows = new Float64Array(n); }",
      "  // hot-ok: at start only",
      "  warm(): void { if (x) { this.a = [...b]; } }",
      "  get isFull(): boolean { return this.n > 1; }",
      "}",
    ];
    expect(hotViolations(text.join("\n"))).toEqual([]);
    const withFunction = [
      ...text,
      "function f(a: number, b = [...TABLE]): number { return 1; }",
      "const after = [...TABLE];",
    ];
    expect(hotViolations(withFunction.join("\n")).map((each) => each.line)).toEqual([9]);
    const arrow = [...text, "const g = (a: number) => {", "  return [...a];", "};"];
    expect(hotViolations(arrow.join("\n")).map((each) => each.line)).toEqual([10]);
  });
});

describe("time and randomness", () => {
  const OWNERS = new Set(["src/core/clock.ts", "src/core/prng.ts", "src/market/calendar.ts"]);
  const CLOCKS = "monotonicNs, wallUs or a Clock of core/clock.ts";
  const BANS: readonly (readonly [RegExp, string, string])[] = [
    [/\bDate\.now\b|\bnew Date\(\s*\)|(?<!new )\bDate\(\s*\)/g, "the machine's date", CLOCKS],
    [/\bperformance\.(?:now|timeOrigin)\b|\bhrtime\b|\bBun\.nanoseconds\b/g, "the machine's timer", CLOCKS],
    [/\bTemporal\.Now\b/g, "the machine's date", CLOCKS],
    [/\bMath\.random\b/g, "Math.random", "a Prng stream of core/prng.ts"],
    [
      /\brandom(?:UUID|Bytes|Int|FillSync)\b|\bgetRandomValues\b/g,
      "the system's randomness",
      "a Prng stream of core/prng.ts",
    ],
  ];

  function violations(path: string, text: string): string[] {
    const code = blankCommentsAndStrings(text);
    const lines = text.split("\n");
    return BANS.flatMap(([pattern, what, instead]) =>
      Array.from(code.matchAll(pattern), (match) => lineAt(code, match.index))
        .filter((line) => !/\/\/ tidy-ok: \S/.test(`${lines[line - 1]} ${lines[line - 2] ?? ""}`))
        .map((line) => `${path}:${line}: ${what} is banned here, use ${instead}`),
    );
  }

  test("come from core/clock.ts, core/prng.ts and market/calendar.ts alone", () => {
    const clients = sources.filter((path) => !OWNERS.has(path) && !path.startsWith("src/kernels/"));
    expectNone(clients.flatMap((path) => violations(path, textOf.get(path)!)));
  });

  test.each([
    "Date.now()",
    "new Date()",
    "performance.now()",
    "Math.random()",
    "crypto.randomUUID()",
    "Temporal.Now.instant()",
  ])("%s is found", (code) => {
    expect(violations("a.ts", `const now = ${code};`).length).toBe(1);
  });

  test("a date made from a number is no clock", () => {
    expect(violations("a.ts", "new Date(tsMs).toISOString(); Date.parse(text); Date.UTC(2020, 1);")).toEqual([]);
  });
});

describe("shaders", () => {
  const shaders = files.filter((path) => /^shaders\/[^/]+\.wgsl$/.test(path));

  test("there is one at least", () => {
    expect(shaders.length).toBeGreaterThan(0);
  });

  test.each(shaders)("%s names its reference, its shader test and its bench, and is used", (path) => {
    const stem = path.slice("shaders/".length, -".wgsl".length);
    const head = textOf.get(path)!.split("\n\n", 4).join("\n");
    const missing = ["Reference", "Test", "Bench"]
      .map((what) => [what, new RegExp(`\\b${what}: ([\\w./-]+\\.ts)`).exec(head)?.[1]] as const)
      .filter(([, companion]) => companion === undefined || !files.includes(companion))
      .map(
        ([what, companion]) => `${path}: its head needs "${what}: <file>" of a file that is there, was ${companion}`,
      );
    if (!files.includes(`test/shader/${stem}.test.ts`)) missing.push(`${path}: needs test/shader/${stem}.test.ts`);
    const isUsed = allImports.some((each) => each.to === path && each.from.startsWith("src/"));
    expectNone(isUsed ? missing : [...missing, `${path}: is not imported by src`]);
  });
});

describe("documents", () => {
  const documents = files.filter((path) => path.endsWith(".md") && isProse(path));

  /** GitHub's anchor of a heading. */
  const anchorOf = (heading: string) =>
    heading
      .trim()
      .toLowerCase()
      .replace(/[`*]/g, "")
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(" ", "-");
  const withoutCode = (text: string) =>
    text
      .replace(/^```[\s\S]*?^```/gm, (block) => block.replace(/[^\n]/g, " "))
      .replace(/`[^`\n]*`/g, (span) => " ".repeat(span.length));
  const anchorsOf = (text: string) =>
    new Set(
      Array.from(text.replace(/^```[\s\S]*?^```/gm, "").matchAll(/^#{1,6}\s+(.+)$/gm), (match) => anchorOf(match[1]!)),
    );

  test("links lead somewhere, anchors too", () => {
    const found: string[] = [];
    for (const path of documents) {
      const text = withoutCode(textOf.get(path)!);
      const links = [
        ...text.matchAll(/\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g),
        ...text.matchAll(/\b(?:src|href)="([^"]+)"/g),
      ];
      for (const match of links) {
        const link = match[1]!;
        if (/^[a-z]+:/i.test(link)) continue;
        const [target, anchor] = link.split("#") as [string, string?];
        const file = target === "" ? path : normalize(join(dirname(path), decodeURI(target)));
        const place = `${path}:${lineAt(text, match.index)}`;
        if (!existsSync(join(ROOT, file))) found.push(`${place}: ${link} leads nowhere, mend or remove it`);
        else if (anchor !== undefined && file.endsWith(".md") && !anchorsOf(textOf.get(file) ?? "").has(anchor)) {
          found.push(`${place}: ${file} has no heading #${anchor}`);
        }
      }
    }
    expectNone(found);
  });
});

describe("left-overs", () => {
  /** Found in the prose of the repository, with file and line; this test's own folder names what it looks for. */
  function search(pattern: RegExp, remedy: string, isExempt: (path: string) => boolean = () => false): string[] {
    const found: string[] = [];
    for (const [path, text] of textOf) {
      if (path.startsWith("test/tidy/") || isExempt(path)) continue;
      for (const match of text.matchAll(pattern))
        found.push(`${path}:${lineAt(text, match.index)}: '${match[0].trim()}' is banned here, ${remedy}`);
    }
    return found;
  }

  test("no TODO, FIXME or XXX", () => {
    expectNone(search(/\b(?:TODO|FIXME|XXX)\b/g, "do it or open an issue"));
  });

  test("no path of one machine", () => {
    expectNone(search(/(?<![\w.~-])\/(?:work|root|home)\/[\w.-]*/g, "use a path from the root of the repository"));
  });

  test("no host of a package registry", () => {
    const isLockFile = (path: string) => path === "bun.lock";
    expectNone(
      search(
        /\b(?:registry\.[a-z]+\.[a-z]+|npmjs\.(?:org|com)|npm\.jsr\.io|registry\.yarnpkg)\b/g,
        "name the package only",
        isLockFile,
      ),
    );
  });

  test("every source file is imported, or run by its name", () => {
    const imported = new Set(allImports.map((each) => each.to));
    const scripts = readText("package.json");
    const isRun = (path: string) =>
      scripts.includes(path) ||
      Array.from(textOf).some(
        ([other, text]) =>
          other !== path &&
          /\.(ts|md)$/.test(other) &&
          blankComments(text).includes(path.split("/").slice(-2).join("/")),
      );
    // AssemblyScript is compiled by src/kernels/build.ts, which names the files it takes.
    const candidates = [
      ...sources.filter((path) => !path.startsWith("src/kernels/")),
      ...files.filter((path) => /^test\/support\/.*\.ts$/.test(path)),
    ];
    const unused = candidates.filter((path) => path !== "src/main.ts" && !imported.has(path) && !isRun(path));
    expectNone(unused.map((path) => `${path}: nothing imports it, remove it or use it`));
  });

  test("every test file ends in .test.ts, so that it runs", () => {
    const strays = files.filter(
      (path) =>
        path.startsWith("test/") &&
        isCode(path) &&
        !path.endsWith(".test.ts") &&
        path !== "test/run.ts" &&
        /\btest\(/.test(textOf.get(path) ?? "") &&
        !allImports.some((each) => each.to === path),
    );
    expectNone(strays.map((path) => `${path}: holds tests and is neither run nor imported, name it .test.ts`));
  });

  /** Source files longer than this need a reason. */
  const LINES_MAX = 600;
  const LONG_FILES: Readonly<Record<string, string>> = {
    "src/gateway/alpaca/alpaca-gateway.ts":
      "one state machine: requests, the order stream and recovery share every order's state",
  };

  test(`source files stay under ${LINES_MAX} lines, or say why not`, () => {
    const lineCount = (path: string) => textOf.get(path)!.split("\n").length - 1;
    const long = sources.filter((path) => lineCount(path) > LINES_MAX);
    expectNone([
      ...long
        .filter((path) => !(path in LONG_FILES))
        .map((path) => `${path}: ${lineCount(path)} lines, split it or give the reason in LONG_FILES`),
      ...Object.keys(LONG_FILES)
        .filter((path) => !long.includes(path))
        .map((path) => `${path}: no longer long, remove it from LONG_FILES`),
    ]);
  });
});

describe("the reader of code", () => {
  test("blanks comments and strings and nothing else", () => {
    const code = ['a = "x // y"; // z', `b = \`t \${c + \`u\`} v\`; /* w`, ' */ d = /["`]/.test(e) / 2;'];
    const withStrings = ['a = "x // y";     ', `b = \`t \${c + \`u\`} v\`;     `, '    d = /["`]/.test(e) / 2;'];
    const without = ['a = "      ";     ', `b = \`  \${c + \` \`}  \`;     `, "    d = /    /.test(e) / 2;"];
    expect(blankComments(code.join("\n")).split("\n")).toEqual(withStrings);
    expect(blankCommentsAndStrings(code.join("\n")).split("\n")).toEqual(without);
  });

  test("finds imports of types, of values, for effect, dynamic ones and re-exports", () => {
    const text = [
      'import type { A } from "../core/a.ts";',
      'import { b, type C } from "./b.ts";',
      'import "./effect.ts";',
      'const d = await import("./d.ts");',
      'export { e } from "./e.ts";',
      '// import { no } from "./no.ts";',
      'import shader from "../../shaders/f.wgsl" with { type: "text" };',
      'import { g } from "package";',
    ];
    expect(importsOf("src/market/x.ts", text.join("\n")).map((each) => [each.line, each.to])).toEqual([
      [1, "src/core/a.ts"],
      [2, "src/market/b.ts"],
      [3, "src/market/effect.ts"],
      [4, "src/market/d.ts"],
      [5, "src/market/e.ts"],
      [7, "shaders/f.wgsl"],
      [8, "package"],
    ]);
  });
});
