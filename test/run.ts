// `bun run test`: everything that can say no, in one run with one count. Type check and lint count as one test each; the rest
// are counted by bun's own reporter. The last line is `N passed, N failed` with `, N skipped` where anything was skipped.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

const ROOT = join(import.meta.dir, "..");
const total: Counts = { passed: 0, failed: 0, skipped: 0 };
const failures: string[] = [];

/** Longest a single test may take, ms: whole simulated days and a compile are among them. */
const TEST_TIMEOUT_MS = 240_000;

async function spawn(command: string[], env: Record<string, string> = {}): Promise<number> {
  const child = Bun.spawn(command, {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ["ignore", "inherit", "inherit"],
  });
  return child.exited;
}

/** A tool that passes or fails as a whole. */
async function check(name: string, command: string[]): Promise<void> {
  console.log(`\n== ${name}`);
  const code = await spawn(command);
  if (code === 0) total.passed += 1;
  else {
    total.failed += 1;
    failures.push(`${name} (exit code ${code})`);
  }
}

/** Test files in a process of their own; counts come from the JUnit report, so a crash of the process is a failure too. */
async function suite(name: string, paths: string[], env: Record<string, string> = {}): Promise<void> {
  console.log(`\n== ${name}`);
  const folder = mkdtempSync(join(tmpdir(), "gyr-test-"));
  const report = join(folder, "junit.xml");
  const code = await spawn(
    [
      process.execPath,
      "test",
      "--timeout",
      String(TEST_TIMEOUT_MS),
      "--only-failures",
      "--reporter=junit",
      `--reporter-outfile=${report}`,
      ...paths,
    ],
    env,
  );
  const counts = readCounts(report);
  if (counts === null) {
    total.failed += 1;
    failures.push(`${name}: the test process ended with code ${code} and left no report`);
  } else {
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
    if (counts.failed > 0) failures.push(`${name}: ${counts.failed} failed`);
    else if (code !== 0) {
      total.failed += 1;
      failures.push(`${name}: no test failed, but the process ended with code ${code}`);
    }
    console.log(`${name}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  }
  rmSync(folder, { recursive: true, force: true });
}

function readCounts(report: string): Counts | null {
  let xml: string;
  try {
    xml = readFileSync(report, "utf8");
  } catch {
    return null;
  }
  const root = xml.match(/<testsuites[^>]*>/)?.[0] ?? "";
  const attribute = (name: string) => Number(root.match(new RegExp(`\\b${name}="(\\d+)"`))?.[1] ?? "0");
  const tests = attribute("tests");
  if (tests === 0) return null;
  const failed = attribute("failures") + attribute("errors");
  const skipped = attribute("skipped");
  return { passed: tests - failed - skipped, failed, skipped };
}

/** Folders whose tests need a process, an environment or an order of their own. */
const SPECIAL = ["alloc", "browser", "shader", "e2e", "binary"];
const NOT_TESTS = ["support", "fixtures"];

function ordinaryFolders(): string[] {
  return readdirSync(import.meta.dir, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !SPECIAL.includes(entry.name) && !NOT_TESTS.includes(entry.name))
    .map((entry) => `test/${entry.name}`)
    .sort();
}

const bun = process.execPath;
const bin = (name: string) => join(ROOT, "node_modules", ".bin", name);
const { prepareSwiftShader } = await import("./support/vulkan.ts");

await check("types", [bun, bin("tsc"), "--noEmit"]);
await check("lint and format", [bun, bin("biome"), "ci", "--error-on-warnings", "."]);
await check("build", [bun, "build.ts"]);
const vulkan = await prepareSwiftShader();
await suite("unit, property, golden, wire, conformance", ordinaryFolders());
await suite("allocation", ["test/alloc"]);
await suite("report in a browser", ["test/browser"]);
await suite("shaders on software Vulkan", ["test/shader"], vulkan);
await suite("end to end", ["test/e2e"]);
await suite("compiled executable", ["test/binary"], vulkan);

if (failures.length > 0) console.log(`\nFailed:\n${failures.map((line) => `  ${line}`).join("\n")}`);
const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : "";
console.log(`\n${total.passed} passed, ${total.failed} failed${skipped}`);
process.exit(total.failed === 0 ? 0 : 1);
