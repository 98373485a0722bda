// Paper mode, with its own wiring (vendor URLs by override, keys by environment, durable journal), against the venue in a
// process of its own.

import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { GyrProcess, lastJson, runGyr, TestFolder } from "../support/gyr-process.ts";

const folder = new TestFolder();
afterAll(() => folder.dispose());

let venue: GyrProcess | null = null;
afterEach(async () => {
  venue?.kill("SIGTERM");
  await venue?.end();
  venue = null;
});

interface VenueLine {
  readonly polygonRest: string;
  readonly polygonWs: string;
  readonly alpacaRest: string;
  readonly alpacaWs: string;
  readonly keyId: string;
  readonly secret: string;
}

async function openVenue(args: readonly string[] = []): Promise<VenueLine> {
  venue = new GyrProcess(["sim", "--json", ...args], { cwd: folder.path });
  await venue.until("}\n");
  return JSON.parse(venue.stdout.split("\n")[0]!) as VenueLine;
}

function paperToml(name: string, line: VenueLine): string {
  return folder.write(
    `${name}.toml`,
    `mode = "paper"
[feed]
rest_url = "${line.polygonRest}"
socket_url = "${line.polygonWs}"
[gateway]
trading_url = "${line.alpacaRest}"
stream_url = "${line.alpacaWs}"
connections = 1
`,
  );
}

const keysOf = (line: VenueLine) => ({
  ALPACA_KEY_ID: line.keyId,
  ALPACA_SECRET_KEY: line.secret,
  POLYGON_API_KEY: line.keyId,
});

describe("paper mode", () => {
  test("trades the venue's day exactly as sim does", async () => {
    const line = await openVenue(["--speed", "max"]);
    const config = paperToml("paper", line);
    const paper = await runGyr(["run", "--json", "--config", config, "--report", "paper.html"], {
      cwd: folder.path,
      env: keysOf(line),
    });
    expect(paper.stderr).not.toContain(line.secret);
    expect(paper.code).toBe(0);
    const sim = await runGyr(["run", "--json", "--report", "sim.html"], { cwd: folder.path });
    const pick = ({ bars, predictions, orders, fills, denials, pnlUsd, feesUsd }: Record<string, unknown>) => ({
      bars,
      predictions,
      orders,
      fills,
      denials,
      pnlUsd,
      feesUsd,
    });
    const ofPaper = lastJson(paper);
    expect(ofPaper.mode).toBe("paper");
    expect(ofPaper.positionsAtClose).toBe(0);
    expect(pick(ofPaper)).toEqual(pick(lastJson(sim)));
  });

  test("a wrong key is refused with words, without the key", async () => {
    const line = await openVenue(["--speed", "max"]);
    const config = paperToml("badkey", line);
    const env = { ...keysOf(line), ALPACA_SECRET_KEY: "WRONG-SECRET-1234567890" };
    const result = await runGyr(["run", "--config", config], { cwd: folder.path, env });
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/unauthori[sz]ed|refused the keys|401/i);
    expect(result.stderr + result.stdout).not.toContain("WRONG-SECRET");
  });

  test("a wrong market-data key is refused with words, without the key", async () => {
    const line = await openVenue(["--speed", "max"]);
    const config = paperToml("badfeedkey", line);
    const env = { ...keysOf(line), POLYGON_API_KEY: "WRONG-POLYGON-KEY-123" };
    const result = await runGyr(["run", "--config", config], { cwd: folder.path, env });
    expect(result.code).toBe(1);
    expect(result.stderr + result.stdout).not.toContain("WRONG-POLYGON");
  });

  test("missing keys are named, and nothing is connected", async () => {
    const config = folder.write("nokeys.toml", 'mode = "paper"\n');
    const env = { ALPACA_KEY_ID: "", ALPACA_SECRET_KEY: "", POLYGON_API_KEY: "" };
    const result = await runGyr(["run", "--config", config], { cwd: folder.path, env });
    expect(result.code).toBe(2);
    for (const name of Object.keys(env)) expect(result.stderr).toContain(name);
  });

  test("a broker that is not there is a clear failure", async () => {
    const gone = "127.0.0.1:9";
    const line = {
      polygonRest: `http://${gone}`,
      polygonWs: `ws://${gone}`,
      alpacaRest: `http://${gone}`,
      alpacaWs: `ws://${gone}/stream`,
      keyId: "K",
      secret: "S",
    };
    const result = await runGyr(["run", "--config", paperToml("gone", line)], { cwd: folder.path, env: keysOf(line) });
    expect(result.code).toBe(1);
    expect(result.stderr).not.toContain("bug of gyr");
  });

  test("the venue going away in the middle of the day ends the run as failed, with a report", async () => {
    const line = await openVenue(["--speed", "max"]);
    const gyr = new GyrProcess(["run", "--json", "--config", paperToml("away", line), "--report", "away.html"], {
      cwd: folder.path,
      env: keysOf(line),
    });
    await gyr.until("11:00 New York");
    venue!.kill("SIGKILL");
    const result = await gyr.end();
    expect(result.code).toBe(1);
    expect(lastJson(result).outcome).toBe("failed");
    expect(lastJson(result).warnings).toContainEqual(expect.stringContaining("venue closed its control channel"));
  });
});

test("live mode does not start without its acknowledgement", async () => {
  const config = folder.write("live.toml", 'mode = "live"\n');
  const result = await runGyr(["run", "--config", config], { cwd: folder.path });
  expect(result.code).toBe(3);
});
