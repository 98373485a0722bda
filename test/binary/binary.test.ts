// The executable as a user gets it: copied alone into an empty folder, run from another empty folder with an empty home and an
// environment of almost nothing. GYR_TEST_BINARY=<path> tests an executable that is there already instead of building one.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { version } from "../../package.json" with { type: "json" };
import { prepareSwiftShader } from "../support/vulkan.ts";

const ROOT = join(import.meta.dir, "../..");

interface Result {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

let home: string;
let gyr: string;
const swiftShader = await prepareSwiftShader();
const noSwiftShader = Object.keys(swiftShader).length === 0;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "gyr-binary-"));
  gyr = join(home, "bin", "gyr");
  mkdirSync(join(home, "bin"));
  copyFileSync(await executable(), gyr);
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

async function executable(): Promise<string> {
  const given = process.env.GYR_TEST_BINARY;
  if (given) return given;
  const { exitCode, stderr } = await spawn([process.execPath, join(ROOT, "build.ts")], ROOT, { ...process.env });
  if (exitCode !== 0) throw new Error(`the build ended with ${exitCode}: ${stderr}`);
  return join(ROOT, "dist/gyr");
}

async function spawn(command: string[], cwd: string, env: Record<string, string | undefined>): Promise<Result> {
  const child = Bun.spawn(command, { cwd, env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { exitCode, stdout, stderr };
}

/** A new folder with an empty home, an empty working folder and a temporary folder. */
function place(): { cwd: string; env: Record<string, string> } {
  const root = mkdtempSync(join(home, "place-"));
  for (const folder of ["cwd", "home", "tmp"]) mkdirSync(join(root, folder));
  return { cwd: join(root, "cwd"), env: { HOME: join(root, "home"), TMPDIR: join(root, "tmp"), PATH: "" } };
}

function lastLine(text: string): string {
  return text.trimEnd().split("\n").at(-1)!;
}

describe("the executable, alone in an empty folder", () => {
  test("says its version and writes nothing", async () => {
    const { cwd, env } = place();
    expect(await spawn([gyr, "--version"], cwd, env)).toEqual({ exitCode: 0, stdout: `${version}\n`, stderr: "" });
    expect(readdirSync(cwd)).toEqual([]);
    expect(readdirSync(env.HOME!)).toEqual([]);
    expect(readdirSync(env.TMPDIR!)).toEqual([]);
  });

  test("writes a configuration that it takes", async () => {
    const { cwd, env } = place();
    expect(await spawn([gyr, "config", "init"], cwd, env)).toMatchObject({ exitCode: 0, stderr: "" });
    expect(readdirSync(cwd)).toEqual(["gyr.toml"]);
    expect(await spawn([gyr, "config", "check"], cwd, env)).toMatchObject({ exitCode: 0, stderr: "" });
  });

  test("finds its workers, model, kernels and sample inside itself", async () => {
    const { cwd, env } = place();
    const { stdout } = await spawn([gyr, "doctor", "--json"], cwd, { ...env, ...swiftShader });
    const { ok, mode, findings } = JSON.parse(lastLine(stdout));
    expect({ ok, mode, failed: findings.filter((finding: Finding) => finding.status === "fail") }).toEqual({
      ok: true,
      mode: "sim",
      failed: [],
    });
  });

  test("trades a day and ends flat", async () => {
    const { cwd, env } = place();
    writeFileSync(join(cwd, "gyr.toml"), "[universe]\nsize = 5\n");
    const { exitCode, stdout, stderr } = await spawn([gyr, "run", "--json"], cwd, env);
    if (exitCode !== 0) throw new Error(`gyr run ended with ${exitCode}: ${stderr}`);
    const report = JSON.parse(lastLine(stdout));
    expect(report).toMatchObject({ mode: "sim", symbols: 5, positionsAtClose: 0, engine: "wasm", model: "untrained" });
    expect(report.bars).toBeGreaterThan(1_000);
    expect(report.fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(existsSync(resolve(cwd, report.reportPath))).toBe(true);
    expect(existsSync(resolve(cwd, report.journalPath))).toBe(true);
  });

  test("takes no orders from bunfig.toml, .env or package.json of the folder it is run in", async () => {
    const { cwd, env } = place();
    writeFileSync(join(cwd, "bunfig.toml"), 'preload = ["./intruder.ts"]\n');
    writeFileSync(join(cwd, "intruder.ts"), 'require("node:fs").writeFileSync("intruder.txt", "was here");\n');
    writeFileSync(join(cwd, "package.json"), '{"type": "commonjs", "version": "9.9.9"}\n');
    writeFileSync(join(cwd, ".env"), "BUN_OPTIONS=--version\nTMPDIR=/nowhere\n");
    expect(await spawn([gyr, "--version"], cwd, env)).toMatchObject({ exitCode: 0, stdout: `${version}\n` });
    expect(existsSync(join(cwd, "intruder.txt"))).toBe(false);
  });

  test("holds no path of the checkout it was built from", () => {
    const bytes = readFileSync(gyr);
    expect(bytes.includes(`${ROOT}/`)).toBe(false);
    // The search works: this is in every executable.
    expect(bytes.includes("/$bunfs/root/")).toBe(true);
  });
});

interface Finding {
  readonly area: string;
  readonly status: string;
  readonly what: string;
}

// From memory: the temporary folder is written by others and may be unusable.
describe.skipIf(noSwiftShader)(`the WebGPU addon ${noSwiftShader ? "(no SwiftShader here)" : "is loaded"}`, () => {
  /** Names of the adapters that `gyr doctor` finds. */
  async function adaptersFound(env: Record<string, string>, wrap: (command: string[]) => string[] = (c) => c) {
    const { cwd, env: ownEnv } = place();
    const command = wrap([gyr, "doctor", "--json"]);
    const { stdout, stderr } = await spawn(command, cwd, { ...ownEnv, ...swiftShader, ...env });
    if (stdout === "") throw new Error(`gyr doctor said nothing: ${stderr}`);
    const { findings } = JSON.parse(lastLine(stdout)) as { findings: Finding[] };
    return findings.filter(({ area }) => area === "adapters").map(({ what }) => what);
  }

  const SWIFT_SHADER = [expect.stringContaining("SwiftShader")];

  test("without a trace in the temporary folder", async () => {
    const folder = mkdtempSync(join(home, "addon-"));
    expect((await adaptersFound({ TMPDIR: folder })).slice(0, 1)).toEqual(SWIFT_SHADER);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("and not a library that somebody put into the temporary folder", async () => {
    const folder = mkdtempSync(join(home, "planted-"));
    // A library that loads and is no Vulkan: whoever took it would find no adapter.
    copyFileSync(join(ROOT, "node_modules/webgpu/dist/linux-x64/dawn.node"), join(folder, "libvulkan.so.1"));
    expect((await adaptersFound({ TMPDIR: folder })).slice(0, 1)).toEqual(SWIFT_SHADER);
  });

  test("where the temporary folder does not exist", async () => {
    expect((await adaptersFound({ TMPDIR: join(home, "missing") })).slice(0, 1)).toEqual(SWIFT_SHADER);
  });

  test("where the temporary folder takes no files", async () => {
    // Nobody, root neither, can make a file in /proc.
    expect((await adaptersFound({ TMPDIR: "/proc" })).slice(0, 1)).toEqual(SWIFT_SHADER);
  });

  test("and runs the network in a day's trading", async () => {
    const { cwd, env } = place();
    const inference = '[inference]\nengine = "webgpu"\nadapter = "swiftshader"\n';
    writeFileSync(join(cwd, "gyr.toml"), `[universe]\nsize = 2\n${inference}`);
    const { exitCode, stdout, stderr } = await spawn([gyr, "run", "--json"], cwd, { ...env, ...swiftShader });
    if (exitCode !== 0) throw new Error(`gyr run ended with ${exitCode}: ${stderr}`);
    const report = JSON.parse(lastLine(stdout));
    expect(report).toMatchObject({ engine: "webgpu", precision: "fp32", positionsAtClose: 0 });
    expect(report.predictions).toBeGreaterThan(100);
  });

  const canMount = Bun.spawnSync(["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"]).success;
  test.skipIf(!canMount).each([
    ["is full", "size=1m"],
    ["is mounted noexec", "noexec"],
    ["is mounted read-only", "ro"],
  ])("where the temporary folder %s", async (_case, options) => {
    const folder = mkdtempSync(join(home, "mount-"));
    const script = `mount -t tmpfs -o ${options} none ${folder} && exec "$@"`;
    const inMount = (command: string[]): string[] => ["unshare", "-rm", "sh", "-c", script, "sh", ...command];
    const path = process.env.PATH ?? "";
    expect((await adaptersFound({ TMPDIR: folder, PATH: path }, inMount)).slice(0, 1)).toEqual(SWIFT_SHADER);
  });
});

describe("the build script", () => {
  const build = (...args: string[]): Promise<Result> =>
    spawn([process.execPath, join(ROOT, "build.ts"), ...args], ROOT, { ...process.env });

  test("refuses a target that does not exist and lists those that do", async () => {
    const { exitCode, stderr } = await build("--target", "windows-x64");
    expect(exitCode).toBe(2);
    expect(stderr).toContain(
      "there is no gyr for 'windows-x64'; allowed: linux-x64, linux-arm64, darwin-arm64, darwin-x64, all",
    );
  });

  test("refuses an option it does not know with its usage", async () => {
    const { exitCode, stderr } = await build("--fast");
    expect(exitCode).toBe(2);
    expect(stderr).toContain("usage: bun run build");
  });
});
