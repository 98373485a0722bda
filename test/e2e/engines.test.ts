// Engines and models as a user configures them: a day on a GPU device (SwiftShader) with the trades of wasm, the choice by
// measuring in paper mode, models in the shadow.

import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { readJournal } from "../../src/ledger/journal-reader.ts";
import { GyrProcess, type GyrResult, lastJson, runGyr, TestFolder } from "../support/gyr-process.ts";
import { prepareSwiftShader } from "../support/vulkan.ts";

/** SwiftShader takes 0.6 ms a window: a fifth of the universe makes a day of 7 s. */
const UNIVERSE = "[universe]\nsize = 20\n";

const vulkan = await prepareSwiftShader();
const folder = new TestFolder();
afterAll(() => folder.dispose());

let venue: GyrProcess | null = null;
afterEach(async () => {
  venue?.kill("SIGTERM");
  await venue?.end();
  venue = null;
});

function run(toml: string, env: Record<string, string> = {}): Promise<GyrResult> {
  const config = folder.write("gyr.toml", toml);
  return runGyr(["run", "--json", "--config", config], { cwd: folder.path, env });
}

const tradesOf = ({ bars, predictions, orders, fills, denials, pnlUsd, feesUsd }: Record<string, unknown>) => ({
  bars,
  predictions,
  orders,
  fills,
  denials,
  pnlUsd,
  feesUsd,
});

test.skipIf(Object.keys(vulkan).length === 0)(
  "a day on a GPU device has the trades of wasm, where its network watches",
  async () => {
    const gpu = await run(`${UNIVERSE}[inference]\nengine = "webgpu"\nadapter = "swiftshader"\n`, vulkan);
    expect(gpu.code).toBe(0);
    const wasm = await run(UNIVERSE);
    const [ofGpu, ofWasm] = [lastJson(gpu), lastJson(wasm)];
    expect(ofGpu.engine).toBe("webgpu");
    expect(ofWasm.engine).toBe("wasm");
    expect(ofGpu.fills).toBeGreaterThan(5);
    expect(tradesOf(ofGpu)).toEqual(tradesOf(ofWasm));
    expect(ofGpu.fingerprint).not.toBe(ofWasm.fingerprint);
    expect(gpu.stderr).not.toContain("failed");
  },
);

test("a GPU that is named and not there is refused before anything is armed", async () => {
  const result = await run('[inference]\nengine = "webgpu"\nadapter = "voodoo 2"\n', vulkan);
  expect(result.code).toBe(1);
  expect(result.stderr).not.toContain("bug of gyr");
  expect(result.stderr).not.toContain("armed");
});

describe("the choice by measuring", () => {
  test.skipIf(Object.keys(vulkan).length === 0)(
    "is made in paper mode, told with its figures, and kept in the journal",
    async () => {
      venue = new GyrProcess(["sim", "--json", "--speed", "max"], { cwd: folder.path });
      await venue.until("}\n");
      const line = JSON.parse(venue.stdout.split("\n")[0]!) as Record<string, string>;
      const toml = `mode = "paper"
[feed]
rest_url = "${line.polygonRest}"
socket_url = "${line.polygonWs}"
[gateway]
trading_url = "${line.alpacaRest}"
stream_url = "${line.alpacaWs}"
connections = 1
[inference]
adapter = "swiftshader"
${UNIVERSE}`;
      const keys = { ALPACA_KEY_ID: line.keyId!, ALPACA_SECRET_KEY: line.secret!, POLYGON_API_KEY: line.keyId! };
      const result = await run(toml, { ...vulkan, ...keys });
      expect(result.code).toBe(0);
      expect(result.stderr).toMatch(/engine: wasm [\d.]+ us for one stock, .+; webgpu fp32 on .+; wasm is taken/);
      const report = lastJson(result);
      expect(report.engine).toBe("wasm");
      const manifest = readJournal(report.journalPath as string).meta.manifest as Record<string, unknown>;
      expect(manifest.engineTimings).toMatchObject([
        { engine: "wasm", precision: "fp32", universeCount: 20 },
        { engine: "webgpu", precision: "fp32", universeCount: 20 },
      ]);
    },
  );

  test("is not made in sim", async () => {
    const result = await run(UNIVERSE, vulkan);
    expect(result.stderr).not.toContain("engine:");
    expect(lastJson(result).engine).toBe("wasm");
  });
});

describe("models in the shadow", () => {
  test("predict every window beside the first and change nothing of the day", async () => {
    const [alone, watched] = [
      await run(UNIVERSE),
      await run(`${UNIVERSE}[inference]\nshadow = ["untrained", "untrained"]\n`),
    ];
    const [ofAlone, ofWatched] = [lastJson(alone), lastJson(watched)];
    expect(ofWatched.fingerprint).toBe(ofAlone.fingerprint);
    const day = readJournal(ofWatched.journalPath as string);
    expect(day.predictions).toHaveLength(ofWatched.predictions as number);
    for (const model of [1, 2]) {
      expect(day.shadowPredictions.filter((row) => row.model === model)).toHaveLength(day.predictions.length);
    }
    expect(day.meta.manifest).toMatchObject({
      shadow: [
        { model: 1, name: "untrained" },
        { model: 2, name: "untrained" },
      ],
    });
  });

  test("that are not there are refused by name before anything is armed", async () => {
    const result = await run('[inference]\nshadow = ["nobody"]\n');
    expect(result.code).not.toBe(0);
    expect(result.stderr).toContain("nobody");
    expect(result.stderr).not.toContain("armed");
    expect(result.stderr).not.toContain("bug of gyr");
  });
});
