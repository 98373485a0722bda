// gyr as a person or a script meets it: a process with arguments, output and an exit code.

import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import packageJson from "../../../package.json";
import { EXPLANATIONS } from "../../../src/cli/explain.ts";
import { DENIALS } from "../../../src/risk/denials.ts";
import { FILTERS } from "../../../src/strategy/filters.ts";
import { runGyr, temporaryFolder } from "../../support/cli-process.ts";

const SECRET = "aVerySecretValue42";
const COMMANDS = ["run", "sim", "bench", "config", "doctor", "model", "explain"];

/** Runs in a folder of its own that holds `gyr.toml` when given. */
async function gyr(args: readonly string[], toml?: string, env: Readonly<Record<string, string>> = {}) {
  using folder = temporaryFolder();
  if (toml !== undefined) writeFileSync(join(folder.path, "gyr.toml"), toml);
  return await runGyr(args, { cwd: folder.path, env });
}

describe("help and usage", () => {
  test("--version prints the version of package.json and nothing else", async () => {
    expect(await gyr(["--version"])).toEqual({ exitCode: 0, stdout: `${packageJson.version}\n`, stderr: "" });
  });

  test("--help lists the commands there are, and the exit codes", async () => {
    const { exitCode, stdout } = await gyr(["--help"]);
    expect(exitCode).toBe(0);
    const listed = [...stdout.matchAll(/^ {2}([a-z]+) /gm)].map((match) => match[1]!);
    expect(listed).toEqual(COMMANDS);
    for (const line of ["0    done", "2    bad usage", "3    refused for safety", "130  interrupted"]) {
      expect(stdout).toContain(line);
    }
  });

  const leaves = [
    "run",
    "sim",
    "bench",
    "config init",
    "config check",
    "config show",
    "doctor",
    "model info",
    "model verify",
    "model export",
    "model import",
    "explain",
  ];
  test("every command takes --json and explains the exit codes", async () => {
    const answers = await Promise.all(leaves.map((command) => gyr([...command.split(" "), "--help"])));
    for (const { exitCode, stdout } of answers) {
      expect(exitCode).toBe(0);
      expect(stdout).toContain("--json");
      expect(stdout).toContain("refused for safety");
    }
  });

  const wrong: readonly (readonly [string, RegExp])[] = [
    ["", /Usage: gyr/],
    ["config", /Usage: gyr config/],
    ["rum", /unknown command 'rum'[\s\S]*run/],
    ["config chek", /Did you mean check/],
    ["run --sped 3", /unknown option '--sped'[\s\S]*--speed/],
    ["run --mode fast", /choices are sim, paper, live/],
    ["run extra", /too many arguments/],
    ["sim --polygon-port 65536", /not a port/],
    ["sim --alpaca-port -1", /not a port/],
    ["config show --config", /argument missing/],
    ["config show --config none.toml", /there is no file 'none\.toml'/],
    ["explain FEED_STAL", /did you mean FEED_STALE/],
  ];
  test.each(wrong)("gyr %s: exit code 2, a clear text, no stack", async (line, message) => {
    const { exitCode, stdout, stderr } = await gyr(line === "" ? [] : line.split(" "));
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(stdout).toBe("");
  });

  test("with --json a wrong call is one JSON object on standard output too", async () => {
    const { exitCode, stdout } = await gyr(["run", "--json", "--mode", "fast"]);
    expect(exitCode).toBe(2);
    expect(JSON.parse(stdout).error).toMatchObject({ kind: "usage" });
  });
});

describe("start-up", () => {
  /** Packages that are loaded before a command is known: the static imports from the entry point and the command table on. */
  function packagesOf(files: readonly string[]): Set<string> {
    const packages = new Set<string>();
    const seen = new Set<string>(files);
    const transpiler = new Bun.Transpiler({ loader: "ts" });
    for (const file of seen) {
      if (!file.endsWith(".ts")) continue;
      for (const { path, kind } of transpiler.scanImports(readFileSync(file, "utf8"))) {
        if (kind !== "import-statement" && kind !== "require-call") continue;
        if (path.startsWith(".")) seen.add(join(dirname(file), path));
        else packages.add(path);
      }
    }
    return packages;
  }
  const source = join(import.meta.dirname, "../../../src");

  test("before a command is known nothing is loaded but the command table: no zod, no SDK, no GPU addon", () => {
    const entry = [join(source, "main.ts"), join(source, "cli/program.ts")];
    expect([...packagesOf(entry)].toSorted()).toEqual(["commander", "node:worker_threads"]);
    // The walk does see libraries where they are.
    expect(packagesOf([join(source, "config/load.ts")])).toContain("zod");
  });
});

describe("config", () => {
  test("init writes a file that check accepts and show shows, and never overwrites one", async () => {
    using folder = temporaryFolder();
    const place = { cwd: folder.path };
    const path = join(folder.path, "gyr.toml");
    expect((await runGyr(["config", "init"], place)).exitCode).toBe(0);
    const toml = readFileSync(path, "utf8");
    expect(toml).toContain("[strategy]");

    const check = await runGyr(["config", "check"], place);
    expect([check.exitCode, check.stderr]).toEqual([0, ""]);
    expect(check.stdout).toStartWith("gyr.toml: ok, mode sim");

    writeFileSync(path, "seed = 5\n");
    const again = await runGyr(["config", "init"], place);
    expect(again.exitCode).toBe(2);
    expect(again.stderr).toContain("--force");
    expect(readFileSync(path, "utf8")).toBe("seed = 5\n");

    const forced = await runGyr(["config", "init", "--force", "--json"], place);
    expect([forced.exitCode, JSON.parse(forced.stdout)]).toEqual([0, { path: "gyr.toml" }]);
    expect(readFileSync(path, "utf8")).toBe(toml);
  });

  test("init says what is in the way", async () => {
    const missing = await gyr(["config", "init", "no/such/gyr.toml"]);
    expect(missing.exitCode).toBe(2);
    expect(missing.stderr).toContain("does not exist");
    const isFolder = await gyr(["config", "init", "."]);
    expect(isFolder.exitCode).toBe(2);
  });

  test("check prints every problem with file and line, exit code 2", async () => {
    const { exitCode, stdout, stderr } = await gyr(["config", "check"], "sede = 1\n\n[exits]\nreward_risk = 50\n");
    expect(exitCode).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toContain("gyr.toml:1: there is no key 'sede'");
    expect(stderr).toContain("gyr.toml:4: exits.reward_risk = 50 is not allowed");
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  test("check --json gives the problems as data", async () => {
    const { exitCode, stdout } = await gyr(["config", "check", "--json"], "\nsede = 1\n");
    expect(exitCode).toBe(2);
    const { error } = JSON.parse(stdout);
    expect(error.problems).toEqual([
      expect.objectContaining({
        file: "gyr.toml",
        line: 2,
        key: "sede",
        found: "1",
        suggestion: "seed",
        isRefusal: false,
      }),
    ]);
  });

  test("what is refused for safety ends with exit code 3", async () => {
    const live = await gyr(["config", "check"], 'mode = "live"\n');
    expect(live.exitCode).toBe(3);
    expect(live.stderr).toContain("I trade real money and accept the losses");
    const host = await gyr(["config", "check"], '[feed]\nrest_url = "https://proxy.example.com"\n');
    expect(host.exitCode).toBe(3);
    const secret = await gyr(["config", "check"], `[alpaca]\nsecret_key = "${SECRET}"\n`);
    expect(secret.exitCode).toBe(3);
    expect(secret.stderr + secret.stdout).not.toContain(SECRET);
  });

  test("check in paper mode asks for the keys", async () => {
    const toml = 'mode = "paper"\n';
    const missing = await gyr(["config", "check"], toml, { ALPACA_KEY_ID: "PK1" });
    expect(missing.exitCode).toBe(2);
    expect(missing.stderr).toContain("ALPACA_SECRET_KEY, POLYGON_API_KEY");
    const env = { ALPACA_KEY_ID: "PK1", ALPACA_SECRET_KEY: SECRET, POLYGON_API_KEY: SECRET };
    expect((await gyr(["config", "check"], toml, env)).exitCode).toBe(0);
  });

  test("show names the source of every value and of every secret, and shows no secret", async () => {
    const env = { ALPACA_SECRET_KEY: SECRET };
    const toml = "seed = 9\n[sim]\nspeed = 2\n";
    const { exitCode, stdout, stderr } = await gyr(["config", "show"], toml, env);
    expect([exitCode, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^seed = 9 +# line 1$/m);
    expect(stdout).toMatch(/^speed = 2 +# line 3$/m);
    expect(stdout).toMatch(/^reward_risk = 2 +# default$/m);
    expect(stdout).toContain("# ALPACA_SECRET_KEY: [secret from env ALPACA_SECRET_KEY]");
    expect(stdout).toContain("# POLYGON_API_KEY: not set");
    expect(stdout).not.toContain(SECRET);

    const json = await gyr(["config", "show", "--json"], toml, env);
    const shown = JSON.parse(json.stdout);
    expect(shown.config.seed).toBe(9);
    expect(shown.sources["sim.speed"]).toEqual({ from: "file", line: 3 });
    expect(shown.secrets.ALPACA_SECRET_KEY).toBe("[secret from env ALPACA_SECRET_KEY]");
    expect(json.stdout).not.toContain(SECRET);
  });

  test("what show prints is a configuration with the same hash", async () => {
    const toml = 'seed = 9\n[universe]\nexclude = ["SPY"]\n[sim]\nspeed = 2.5\n';
    const first = await gyr(["config", "show"], toml);
    const second = await gyr(["config", "show"], first.stdout);
    const hash = (text: string) => /sha256 ([0-9a-f]{64})/.exec(text)![1];
    expect(hash(second.stdout)).toBe(hash(first.stdout)!);
  });

  test("output cut short by the reader is no error", async () => {
    const main = join(import.meta.dirname, "../../../src/main.ts");
    const child = Bun.spawn(["sh", "-c", '"$0" "$1" config init --stdout | head -n 1', process.execPath, main], {
      stdout: "pipe",
      stderr: "pipe",
    });
    const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    expect(stdout.split("\n").length).toBe(2);
    expect(stderr).toBe("");
  });
});

describe("run", () => {
  test("refuses a less safe --mode before anything starts", async () => {
    using folder = temporaryFolder();
    const { exitCode, stderr } = await runGyr(["run", "--mode", "live"], { cwd: folder.path });
    expect(exitCode).toBe(3);
    expect(stderr).toContain("less safe");
    expect(existsSync(join(folder.path, "gyr-data"))).toBe(false);
  });
});

describe("explain", () => {
  test("no code means two things", () => {
    const codes = EXPLANATIONS.map(({ code }) => code);
    expect(new Set(codes).size).toBe(codes.length);
  });

  test("gives meaning and remedy of every denial and every filter", async () => {
    const { exitCode, stdout } = await gyr(["explain", "--json"]);
    expect(exitCode).toBe(0);
    const found = JSON.parse(stdout) as { kind: string; code: string }[];
    const codesOf = (kind: string) => found.filter((one) => one.kind === kind).map(({ code }) => code);
    expect(codesOf("denial")).toEqual(DENIALS.map(({ code }) => code));
    expect(codesOf("filter")).toEqual(FILTERS.map(({ code }) => code));
    const one = await gyr(["explain", "feed-stale"]);
    const known = DENIALS.find((denial) => denial.code === "FEED_STALE")!;
    expect(one.stdout).toContain(known.meaning);
    expect(one.stdout).toContain(known.remedy);
  });
});

describe("model", () => {
  test("info tells what the shipped model is", async () => {
    const { exitCode, stdout } = await gyr(["model", "info", "--json"]);
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ name: "untrained", trained: false, winRate: null, parameters: 24_965 });
    expect((await gyr(["model", "info"])).stdout).toContain("predictions mean nothing");
  });

  test("verify runs it", async () => {
    const { exitCode, stdout } = await gyr(["model", "verify", "untrained", "--json"]);
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, name: "untrained" });
  });

  test("a model that is not there or not whole is a clear error, no stack", async () => {
    using folder = temporaryFolder();
    const none = await runGyr(["model", "verify", "nothere"], { cwd: folder.path });
    expect(none.exitCode).toBe(2);
    expect(none.stderr).toContain("there is no model 'nothere'");
    writeFileSync(join(folder.path, "card.json"), "{");
    writeFileSync(join(folder.path, "weights.safetensors"), "x");
    const broken = await runGyr(["model", "verify", folder.path], { cwd: folder.path });
    expect(broken.exitCode).toBe(1);
    expect(broken.stderr).toContain("card");
    expect(broken.stderr).not.toMatch(/\n\s+at /);
  });
});
