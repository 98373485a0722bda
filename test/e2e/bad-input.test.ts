// What gyr reads at its start, spoilt: recorded days, models, configuration, keys, ports. Each is refused with words (where,
// what was found, what is allowed) and a stable exit code before anything is armed, or left out and counted in the summary.

import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { chmodSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { gzipSync } from "node:zlib";
import { LIVE_ACKNOWLEDGEMENT } from "../../src/config/schema.ts";
import { FEATURE_COUNT } from "../../src/inference/engine.ts";
import { encodeModel } from "../../src/inference/model-file.ts";
import { seededTensors } from "../../src/training/seeded-model.ts";
import { type GyrResult, lastJson, runGyr, TestFolder } from "../support/gyr-process.ts";
import {
  changed,
  DAY,
  DAY_BEFORE,
  FEW_SYMBOLS,
  fileOf,
  HEADER,
  pathOf,
  sampleRows,
  writeFiles,
} from "../support/recorded-folder.ts";

const folder = new TestFolder();
afterAll(() => folder.dispose());

const today = sampleRows(DAY);
const before = sampleRows(DAY_BEFORE);
const EXAMPLE_ROW = 700;

type Files = Readonly<Record<string, string | Uint8Array>>;

/** Trades `files`; the day before is whole unless they say otherwise. */
function trade(name: string, files: Files, hasDayBefore = true): Promise<GyrResult> {
  // One folder for all: its name is part of the configuration, and so of the fingerprint.
  const root = folder.join("data");
  rmSync(root, { recursive: true, force: true });
  writeFiles(root, { ...(hasDayBefore ? { [pathOf(DAY_BEFORE)]: fileOf(before) } : {}), ...files });
  const config = folder.write("data.toml", `[sim]\ndata_dir = "${root}"\n`);
  return runGyr(["run", "--json", "--config", config, "--report", `${name}.html`, "--run-dir", `${name}-runs`], {
    cwd: folder.path,
  });
}

const withRow = (index: number, fields: Record<string, string>) =>
  today.map((row, at) => (at === index ? changed(row, fields) : row));

/** Words for the user, and nothing that looks like a crash. */
function expectRefused(result: GyrResult, code: number, words: readonly (string | RegExp)[]): void {
  for (const text of words) expect(result.stderr).toMatch(text);
  expect(result.stderr).not.toContain("bug of gyr");
  expect(result.stderr).not.toMatch(/^\s+at /m);
  expect(result.stderr).not.toContain("armed");
  expect(result.code).toBe(code);
}

const gz = gzipSync(fileOf(today));
const noise = Uint8Array.from({ length: 4_096 }, (_, index) => (index * 167 + (index >> 3) * 41) & 0xff);

describe("a recorded day that cannot be used is refused by file and line", () => {
  const file = pathOf(DAY);
  const refused: [name: string, files: Files, code: number, words: (string | RegExp)[]][] = [
    [
      "wrong columns",
      { [file]: fileOf(today, HEADER.replace("volume", "vol")) },
      1,
      [/2019-12-18\.csv:1: .*no column volume/, "needed are the columns ticker"],
    ],
    [
      "a file cut off in gzip",
      { [`${file}.gz`]: gz.subarray(0, gz.length >> 1) },
      1,
      [/\.csv\.gz: .*cut off/, "again"],
    ],
    [
      "a damaged gzip",
      { [`${file}.gz`]: gz.map((byte, at) => (at === gz.length >> 1 ? byte ^ 64 : byte)) },
      1,
      [/gzip/],
    ],
    ["a file cut off in a row", { [file]: fileOf(today).slice(0, -20) }, 1, [/\.csv:2312: .*cut off/]],
    ["an empty file", { [file]: "" }, 1, [/\.csv: empty file/]],
    ["an empty gzip", { [`${file}.gz`]: "" }, 1, [/\.csv\.gz: empty file/]],
    ["a header alone", { [file]: `${HEADER}\n` }, 1, [/\.csv: no rows/]],
    ["another kind of file", { [file]: "<html>not found</html>\n" }, 1, [/\.csv:1: invalid header/, "<html>"]],
    ["noise", { [file]: noise }, 1, [/\.csv:1: invalid header/]],
    ["NaN", { [file]: fileOf(withRow(10, { open: "NaN" })) }, 1, [/\.csv:12: invalid open 'NaN'/, "finite"]],
    ["infinity", { [file]: fileOf(withRow(10, { high: "1e999" })) }, 1, [/\.csv:12: invalid high '1e999'/]],
    ["a missing number", { [file]: fileOf(withRow(10, { volume: "" })) }, 1, [/\.csv:12: invalid volume ''/]],
    ["a row with too few fields", { [file]: fileOf([...today, "SPY,1,2"]) }, 1, [/\.csv:2313: 3 fields .* 7/]],
    [
      "milliseconds",
      { [file]: fileOf(withRow(3, { window_start: "1576679460000" })) },
      1,
      [/\.csv:5: invalid window_start '1576679460000'/, "multiply milliseconds"],
    ],
    [
      "a row of another day",
      { [file]: fileOf([...today, before[0]!]) },
      1,
      [/\.csv:2313: invalid window_start .*2019-12-17/, "a minute of 2019-12-18"],
    ],
    [
      "negative prices throughout",
      { [file]: fileOf(today.map((row) => changed(row, { low: "-1" }))) },
      1,
      [/2311 of 2311 rows are bad/, "allowed are at most"],
    ],
    ["no file of the day", {}, 2, [/no recorded day 2019-12-18: neither/, "data_dir"]],
  ];

  test.each(refused)("%s", async (name, files, code, words) => {
    expectRefused(await trade(name.replaceAll(" ", "-"), files), code, words);
  });

  test("no file of the session before it", async () => {
    const result = await trade("no-session-before", { [file]: fileOf(today) }, false);
    expectRefused(result, 2, ["to trade 2019-12-18 the session before it is needed", "no recorded day 2019-12-17"]);
  });

  test("a symbol with control characters does not reach the terminal as such", async () => {
    const result = await trade("control", { [file]: fileOf(withRow(10, { ticker: "A\u001b[2J\u0007" })) });
    expectRefused(result, 1, [/\.csv:12: invalid ticker 'A\?\[2J\?'/]);
  });

  test("with --json the same words come as an object", async () => {
    const { error } = lastJson(await trade("json", { [file]: "" })) as { error: Record<string, string> };
    expect(error.kind).toBe("failed");
    expect(error.message).toContain("empty file");
  });
});

describe("a recorded day with single rows amiss trades on, and says what it left out", () => {
  let whole: Record<string, unknown>;
  const warningsOf = (report: Record<string, unknown>) => report.warnings as string[];
  const tradeRows = async (name: string, rows: readonly string[]) => {
    const result = await trade(name, { [pathOf(DAY)]: fileOf(rows) });
    expect(result.stderr).not.toContain("bug of gyr");
    expect(result.code).toBe(0);
    const report = lastJson(result);
    expect(report.positionsAtClose).toBe(0);
    return report;
  };

  test("the whole day says nothing", async () => {
    whole = await tradeRows("whole", today);
    expect(whole.bars).toBeGreaterThan(2_000);
    expect(warningsOf(whole).filter((text) => text.startsWith("data of"))).toEqual([]);
  });

  test("a missing minute is exactly one bar less, and a gap of ten minutes ten", async () => {
    const one = await tradeRows("one-less", today.toSpliced(EXAMPLE_ROW, 1));
    expect(one.bars).toBe((whole.bars as number) - 1);
    const ten = await tradeRows("ten-less", today.toSpliced(EXAMPLE_ROW, 10));
    expect(ten.bars).toBe((whole.bars as number) - 10);
  });

  test.each([
    ["a price of zero", { low: "0" }, "1 with an impossible price"],
    ["a negative price", { low: "-12.5" }, "1 with an impossible price"],
    ["an absurd price", { high: "99999999" }, "1 with an impossible price"],
    ["a high below its low", { high: "0.5" }, "1 with open or close outside low..high"],
    ["a negative volume", { volume: "-3" }, "1 with an impossible volume"],
  ])("%s is one bar less", async (name, fields, note) => {
    const report = await tradeRows(name.replaceAll(" ", "-"), withRow(EXAMPLE_ROW, fields));
    expect(report.bars).toBe((whole.bars as number) - 1);
    expect(warningsOf(report)).toContain(`data of ${DAY}: 1 of 2311 rows left out: ${note}`);
  });

  test("a minute without volume makes no bar", async () => {
    const report = await tradeRows("no-volume", withRow(EXAMPLE_ROW, { volume: "0" }));
    expect(report.bars).toBe((whole.bars as number) - 1);
  });

  test("a repeated minute, and one that contradicts an earlier row, change nothing", async () => {
    const [first, second] = [today[EXAMPLE_ROW]!, today[EXAMPLE_ROW + 1]!];
    const rows = today.toSpliced(EXAMPLE_ROW, 2, first, first, second, changed(second, { volume: "12345" }));
    const report = await tradeRows("twice", rows);
    expect(report).toMatchObject({ bars: whole.bars, fills: whole.fills, pnlUsd: whole.pnlUsd });
    expect(report.fingerprint).toBe(whole.fingerprint);
    expect(warningsOf(report)).toContain(
      `data of ${DAY}: 2 of 2313 rows left out: 1 contradicting an earlier row of their minute, 1 repeated`,
    );
  });

  test("minutes out of order are put in place and trade the same", async () => {
    const report = await tradeRows("backwards", today.toReversed());
    expect(report.fingerprint).toBe(whole.fingerprint);
    expect(warningsOf(report).filter((text) => /rows were out of order and put in place/.test(text))).toHaveLength(1);
  });

  test("a symbol without a day before is not chosen; the others trade", async () => {
    const stranger = sampleRows(DAY, ["XLE"]);
    expect(stranger.length).toBeGreaterThan(100);
    const report = await tradeRows("stranger", [...today, ...stranger]);
    expect(report).toMatchObject({ symbols: FEW_SYMBOLS.length, bars: whole.bars });
  });

  test("a chosen symbol that never trades today makes no bar", async () => {
    const report = await tradeRows("silent", sampleRows(DAY, FEW_SYMBOLS.slice(1)));
    expect(report.symbols).toBe(FEW_SYMBOLS.length);
    expect(report.bars).toBeLessThan(whole.bars as number);
  });

  test("a single symbol is a day", async () => {
    const report = await tradeRows("single", sampleRows(DAY, ["SPY"]));
    expect(report.bars).toBeGreaterThan(300);
  });
});

test("no symbol that passes the universe's filters is a clear end", async () => {
  const cheap = (rows: readonly string[]) =>
    rows.map((row) => changed(row, { open: "1", close: "1", high: "1", low: "1" }));
  const result = await trade("cheap", { [pathOf(DAY)]: fileOf(today), [pathOf(DAY_BEFORE)]: fileOf(cheap(before)) });
  expectRefused(result, 1, ["no stock of 6 passes [universe]", "widen its filters"]);
});

describe("a model that cannot be trusted is refused by name and reason before anything is armed", () => {
  const good = encodeModel(
    { name: "test", isTrained: false, winRate: null, origin: "made for a test", licence: "MIT" },
    seededTensors(3, Array<number>(FEATURE_COUNT).fill(0), Array<number>(FEATURE_COUNT).fill(1)),
  );
  const offsetOf = (bytes: Uint8Array) =>
    8 + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const sha256 = (bytes: Uint8Array) => new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
  const poke = (bytes: Uint8Array, at: number, value: number) => {
    const copy = bytes.slice();
    new DataView(copy.buffer).setFloat32(at, value, true);
    return copy;
  };
  const card = JSON.parse(good.card) as Record<string, unknown>;
  const cardWith = (fields: object) => JSON.stringify({ ...card, ...fields });
  const nan = poke(good.weights, offsetOf(good.weights) + 4 * 50, Number.NaN);

  const refused: [name: string, weights: Uint8Array | null, card: string | null, code: number, words: RegExp[]][] = [
    ["no weights", null, good.card, 2, [/cannot be read/, /weights\.safetensors/]],
    ["no card", good.weights, null, 2, [/cannot be read/, /card\.json/]],
    ["truncated weights", good.weights.subarray(0, good.weights.length >> 1), good.card, 1, [/weights\.safetensors/]],
    ["empty weights", new Uint8Array(), good.card, 1, [/weights\.safetensors/]],
    ["noise for weights", noise, good.card, 1, [/weights\.safetensors/]],
    [
      "one changed weight",
      poke(good.weights, offsetOf(good.weights) + 400, 0.125),
      good.card,
      1,
      [/not those the card was written for/, /sha256/],
    ],
    [
      "another feature catalogue",
      good.weights,
      cardWith({ catalogueHash: "0".repeat(64) }),
      1,
      [/fitted to other features/, /0{64}/],
    ],
    ["another architecture", good.weights, cardWith({ architecture: "transformer" }), 1, [/another architecture/]],
    ["a weight that is NaN", nan, cardWith({ weightsSha256: sha256(nan) }), 1, [/not finite/, /NaN/]],
    ["a card that is no JSON", good.weights, "{", 1, [/card is not JSON/]],
    ["a card of wrong types", good.weights, cardWith({ winRate: "high" }), 1, [/wrong or missing key/, /winRate/]],
    [
      "another standardisation on the card",
      good.weights,
      cardWith({ standardisation: { mean: Array(12).fill(0), std: Array(12).fill(7) } }),
      1,
      [/standardisation/],
    ],
  ];

  test.each(refused)("%s", async (name, weights, cardText, code, words) => {
    const model = folder.join(`model-${name.replaceAll(" ", "-")}`);
    writeFiles(model, {
      ...(weights === null ? {} : { "weights.safetensors": weights }),
      ...(cardText === null ? { "notes.txt": "" } : { "card.json": cardText }),
    });
    const config = folder.write("model.toml", `[inference]\nmodel = "${model}"\n`);
    const result = await runGyr(["run", "--config", config, "--run-dir", "model-runs"], { cwd: folder.path });
    expectRefused(result, code, [...words, name.replaceAll(" ", "-"), /remedy/]);
  });

  test("a model that is not there", async () => {
    const config = folder.write("model.toml", '[inference]\nmodel = "goshawk"\n');
    const result = await runGyr(["run", "--config", config], { cwd: folder.path });
    expectRefused(result, 2, ["there is no model 'goshawk'", "[inference] model", "untrained"]);
  });

  test("the files of this test are otherwise a good model", async () => {
    const model = folder.join("model-good");
    writeFiles(model, { "weights.safetensors": good.weights, "card.json": good.card });
    const verified = await runGyr(["model", "verify", model], { cwd: folder.path });
    expect(verified.code).toBe(0);
  });
});

describe("a configuration with mistakes", () => {
  const run = (name: string, text: string, env: Record<string, string> = {}) => {
    const config = folder.write(`${name}.toml`, text);
    return runGyr(["run", "--config", config, "--run-dir", "config-runs"], { cwd: folder.path, env });
  };

  test("shows all of them at once, each with its line", async () => {
    const result = await run(
      "many",
      [
        'mode = "pretend"',
        "seeed = 1",
        "[risk]",
        "positions_max = 0",
        'notional_max_usd = "much"',
        "[session]",
        'flat_by = "25:00"',
        "[universe]",
        "size = 1000",
        "[invented]",
        "key = 1",
        "[sim]",
        'day = "2019-02-31"',
        "speed = -1",
      ].join("\n"),
    );
    expectRefused(result, 2, [
      /many\.toml:1\b.*/,
      /many\.toml:2\b/,
      /many\.toml:4\b/,
      /many\.toml:5\b/,
      /many\.toml:7\b/,
      /many\.toml:9\b/,
      /many\.toml:10\b/,
      /many\.toml:13\b/,
      /many\.toml:14\b/,
      /pretend/,
      /seed/,
      /positions_max/,
      /25:00/,
    ]);
  });

  test("text that is not TOML is refused with its line", async () => {
    expectRefused(await run("broken", 'mode = "sim"\n[risk\n'), 2, [/broken\.toml:2/]);
  });

  test("a file that is not there, and a folder in its place", async () => {
    const missing = await runGyr(["run", "--config", "nowhere.toml"], { cwd: folder.path });
    expectRefused(missing, 2, [/nowhere\.toml/]);
    const isFolder = await runGyr(["run", "--config", folder.path], { cwd: folder.path });
    expectRefused(isFolder, 2, [new RegExp(folder.path)]);
  });

  test("live without its acknowledgement, and live with any override, are refused for safety", async () => {
    expectRefused(await run("live", 'mode = "live"\n'), 3, [/acknowledge/]);
    const acknowledged = `mode = "live"\n[live]\nacknowledge = "${LIVE_ACKNOWLEDGEMENT}"\n`;
    const result = await run("live-override", `${acknowledged}[gateway]\ntrading_url = "http://127.0.0.1:9"\n`, {
      ALPACA_KEY_ID: "K",
      ALPACA_SECRET_KEY: "S",
      POLYGON_API_KEY: "P",
    });
    expectRefused(result, 3, [/live-override\.toml:5/, /trading_url/]);
  });

  test("a flag cannot make a run less safe", async () => {
    const config = folder.write("sim.toml", 'mode = "sim"\n');
    const result = await runGyr(["run", "--config", config, "--mode", "live"], { cwd: folder.path });
    expectRefused(result, 3, [/live/]);
  });

  test("a host that is not this machine must be named twice", async () => {
    const paper = 'mode = "paper"\n[gateway]\ntrading_url = "https://example.invalid"\n';
    expectRefused(await run("host", paper), 3, [/example\.invalid/, /host\.toml:3/, /hosts/]);
  });

  test("a key in the file is refused and not repeated", async () => {
    const result = await run("secret", '[secrets]\nalpaca_secret_key = "VERYSECRETVALUE123"\n');
    expect(result.stdout + result.stderr).not.toContain("VERYSECRETVALUE");
    expectRefused(result, 3, [/secret\.toml:2/]);
  });

  test("a key file that others can read is refused and not repeated", async () => {
    const keys = folder.write("keys.env", "ALPACA_SECRET_KEY=VERYSECRETVALUE123\n");
    chmodSync(keys, 0o644);
    const result = await run("keyfile", `mode = "paper"\n[secrets]\nfile = "${keys}"\n`);
    expect(result.stdout + result.stderr).not.toContain("VERYSECRETVALUE");
    expectRefused(result, 3, [/mode 0644/, /0600/, /chmod 600/]);
  });
});

describe("gyr sim on a port that is taken", () => {
  let holder: Server | null = null;
  afterEach(() => void holder?.close());

  test.each(["--polygon-port", "--alpaca-port"])(
    "%s: says which, ends with 1 and leaves nothing listening",
    async (flag) => {
      holder = createServer();
      await new Promise<void>((resolve) => holder!.listen(0, "127.0.0.1", resolve));
      const { port } = holder.address() as { port: number };
      for (const extra of [[], ["--json"]]) {
        const result = await runGyr(["sim", flag, String(port), ...extra], { cwd: folder.path });
        expectRefused(result, 1, [`127.0.0.1:${port}`, "in use"]);
        expect(result.stdout).not.toContain("polygonWs");
      }
    },
  );

  test.each(["0x50", "70000", "-1", "http"])("a port of %s is bad usage", async (port) => {
    expectRefused(await runGyr(["sim", "--polygon-port", port], { cwd: folder.path }), 2, [/port/]);
  });
});
