// Suite `startup`: from exec of the built executable to armed, in paper mode against `gyr sim` in a process of its own. Armed is
// when gyr says so: model checked, warm-up loaded, feed and order stream authenticated and subscribed, first reconciliation
// clean. Warm: the executable is in the page cache, as after any earlier run. Cold: a copy of it, of which nothing is; the
// kernel is asked to forget the file before each start, so what is read from the disk is the executable, nothing else. The
// engine is wasm by name; each start has a floor beside it, because the speed of a shared machine moves by a quarter within minutes; `autoReadyP50Ms` is the same start with the engines measured against each other.

import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EXIT_INTERRUPTED } from "../../src/cli/exit-codes.ts";
import type { SuiteSize } from "../size.ts";

const ROOT = join(import.meta.dir, "..", "..");
/** A start asks the broker some six times and it takes 200 requests a minute: all of these fit into one minute. */
const FULL = { warmupRuns: 2, runs: 20, coldRuns: 5 };
const AUTO = { warmupRuns: 1, runs: 10, coldRuns: 0 };
const SMOKE = { warmupRuns: 0, runs: 1, coldRuns: 0 };
const ARMED = "armed at ";
const SYMBOLS = 100;
const US_PER_MS = 1e6;

interface VenueAddresses {
  readonly polygonRest: string;
  readonly polygonWs: string;
  readonly alpacaRest: string;
  readonly alpacaWs: string;
  readonly keyId: string;
  readonly secret: string;
}

type Child = Bun.Subprocess<"ignore", "pipe", "pipe">;

export async function run(size: SuiteSize = "full"): Promise<Record<string, number>> {
  // From source where it is only tried: a build takes longer than the rest.
  const gyr = size === "full" ? [build()] : [process.execPath, join(ROOT, "src/main.ts")];
  const { warmMs, coldMs, floorMs } = await starts(gyr, "wasm", size === "full" ? FULL : SMOKE);
  const figures: Record<string, number> = warmFigures(warmMs);
  figures.floorP50Ms = median(floorMs);
  figures.readyFloorRatio = median(warmMs) / median(floorMs);
  if (coldMs.length > 0) figures.coldReadyMs = median(coldMs);
  if (size === "full") figures.autoReadyP50Ms = median((await starts(gyr, "auto", AUTO)).warmMs);
  return figures;
}

interface StartCounts {
  readonly warmupRuns: number;
  readonly runs: number;
  readonly coldRuns: number;
}

/** Starts against a venue of their own: its allowance of requests is a minute's. */
async function starts(
  gyr: readonly string[],
  engine: "wasm" | "auto",
  { warmupRuns, runs, coldRuns }: StartCounts,
): Promise<{ warmMs: number[]; coldMs: number[]; floorMs: number[] }> {
  const folder = mkdtempSync(join(tmpdir(), "gyr-bench-"));
  const venue = Bun.spawn([...gyr, "sim", "--json"], { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
  try {
    const addresses = JSON.parse(await firstLine(venue.stdout)) as VenueAddresses;
    writeFileSync(join(folder, "gyr.toml"), configOf(addresses, engine));
    for (let i = 0; i < warmupRuns; i++) await readyMs(gyr, folder, addresses);
    const warmMs: number[] = [];
    const floorMs: number[] = [];
    for (let i = 0; i < runs; i++) {
      floorMs.push(await versionMs(gyr, folder));
      warmMs.push(await readyMs(gyr, folder, addresses));
    }
    return { warmMs, floorMs, coldMs: await coldStarts(gyr[0]!, coldRuns, folder, addresses) };
  } finally {
    venue.kill();
    await venue.exited;
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Builds dist/gyr of this checkout; a figure of an older one would be a lie. */
function build(): string {
  const built = Bun.spawnSync([process.execPath, "build.ts"], { cwd: ROOT, stdio: ["ignore", "ignore", "inherit"] });
  if (!built.success) throw new Error("the executable could not be built; not timing its start");
  return join(ROOT, "dist/gyr");
}

function configOf({ polygonRest, polygonWs, alpacaRest, alpacaWs }: VenueAddresses, engine: "wasm" | "auto"): string {
  return `mode = "paper"
[inference]
engine = "${engine}"
[feed]
rest_url = "${polygonRest}"
socket_url = "${polygonWs}"
[gateway]
trading_url = "${alpacaRest}"
stream_url = "${alpacaWs}"
`;
}

/** The floor: the same executable from exec to exit, doing nothing but print its version. */
async function versionMs(gyr: readonly string[], cwd: string): Promise<number> {
  const startNs = Bun.nanoseconds();
  const code = await Bun.spawn([...gyr, "--version"], { cwd, stdio: ["ignore", "ignore", "inherit"] }).exited;
  if (code !== 0) throw new Error(`gyr --version ended with code ${code}`);
  return (Bun.nanoseconds() - startNs) / US_PER_MS;
}

/** One start: ms from exec to armed. The process is then stopped in order and must have been what it claims. */
async function readyMs(gyr: readonly string[], cwd: string, { keyId, secret }: VenueAddresses): Promise<number> {
  const keys = { POLYGON_API_KEY: keyId, ALPACA_KEY_ID: keyId, ALPACA_SECRET_KEY: secret };
  const env = { ...process.env, ...keys };
  const startNs = Bun.nanoseconds();
  const child: Child = Bun.spawn([...gyr, "run", "--json"], { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  let armedNs = 0;
  const decoder = new TextDecoder();
  for await (const chunk of child.stderr) {
    text += decoder.decode(chunk, { stream: true });
    if (armedNs > 0 || !text.includes(ARMED)) continue;
    armedNs = Bun.nanoseconds();
    child.kill("SIGTERM");
  }
  const [code, summary] = await Promise.all([child.exited, new Response(child.stdout).text()]);
  const { symbols } = (armedNs > 0 ? JSON.parse(summary.trimEnd().split("\n").at(-1)!) : {}) as { symbols?: number };
  if (armedNs === 0 || code !== EXIT_INTERRUPTED || symbols !== SYMBOLS) {
    throw new Error(`gyr should have been armed with ${SYMBOLS} stocks (exit code ${code}):\n${text}${summary}`);
  }
  return (armedNs - startNs) / US_PER_MS;
}

/** Starts of a copy that the page cache does not hold; none where there is no tool to drop it. */
async function coldStarts(path: string, runs: number, cwd: string, addresses: VenueAddresses): Promise<number[]> {
  if (runs === 0 || process.platform !== "linux") return [];
  const copy = join(cwd, "gyr-cold");
  copyFileSync(path, copy);
  const ms: number[] = [];
  for (let i = 0; i < runs; i++) {
    // Written pages must be on the disk before they can be dropped; dd with nocache and no count drops the whole file.
    const synced = Bun.spawnSync(["sync", copy]);
    const dropped = Bun.spawnSync(["dd", `if=${copy}`, "iflag=nocache", "count=0"], { stderr: "ignore" });
    if (!synced.success || !dropped.success) return [];
    ms.push(await readyMs([copy], cwd, addresses));
  }
  return ms;
}

function warmFigures(ms: readonly number[]): Record<string, number> {
  return { readyP50Ms: median(ms), readyMinMs: Math.min(...ms), readyMaxMs: Math.max(...ms) };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length / 2) - 1)]!;
}

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (value !== undefined) text += decoder.decode(value, { stream: true });
    const end = text.indexOf("\n");
    if (end >= 0) return text.slice(0, end);
    if (done) throw new Error(`the venue ended before it said where it is:\n${text}`);
  }
}
