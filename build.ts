// Builds gyr. `bun build.ts` makes dist/gyr for this machine; see USAGE for the rest.
//
// The executable holds everything that gyr needs at run time: code with its bytecode, kernels, shaders, models, sample and
// the one WebGPU addon of its platform. Nothing in it refers to the checkout or to the machine that built it.

import { chmodSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

const USAGE = `usage: bun run build [--target TARGET]      one executable, dist/gyr
       bun run build:kernels                only the WebAssembly kernels

  --target   linux-x64, linux-arm64, darwin-arm64, darwin-x64 or all: dist/gyr-TARGET, whatever this machine is
  --kernels  only compile src/kernels to build/kernels`;

const ROOT = import.meta.dir;
const DIST = join(ROOT, "dist");
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

interface Target {
  readonly bun: Bun.Build.CompileTarget;
  /** The WebGPU addon that belongs into it. */
  readonly addon: string;
}

const TARGETS: Readonly<Record<string, Target>> = {
  "linux-x64": { bun: "bun-linux-x64", addon: "linux-x64" },
  "linux-arm64": { bun: "bun-linux-arm64", addon: "linux-arm64" },
  "darwin-arm64": { bun: "bun-darwin-arm64", addon: "darwin-universal" },
  "darwin-x64": { bun: "bun-darwin-x64", addon: "darwin-universal" },
};

/** With bytecode the bundler writes out where a source file was. Inside the executable that is its root, for all of them. */
const PLACES_IN_EXECUTABLE = {
  "import.meta.dir": '"/$bunfs/root"',
  "import.meta.dirname": '"/$bunfs/root"',
  "import.meta.path": '"/$bunfs/root/gyr"',
  "import.meta.filename": '"/$bunfs/root/gyr"',
  "import.meta.url": '"file:///$bunfs/root/gyr"',
  __dirname: '"/$bunfs/root"',
  __filename: '"/$bunfs/root/gyr"',
};

/**
 * bufferutil and utf-8-validate (of the vendors' WebSocket library) look for an addon of their own by the path they were
 * built at. Bun's WebSocket is used instead; their plain JavaScript keeps that path out of the executable.
 */
const withoutNativeHelpers: Bun.BunPlugin = {
  name: "without-native-helpers",
  setup(builder) {
    builder.onResolve({ filter: /^(bufferutil|utf-8-validate)$/ }, ({ path }) => ({
      path: join(ROOT, "node_modules", path, "fallback.js"),
    }));
  },
};

/** Compiles the executable for `name` to `outPath`. Throws with the bundler's messages. */
async function buildExecutable(name: string, outPath: string): Promise<void> {
  const target = TARGETS[name]!;
  const startNs = Bun.nanoseconds();
  // The name of the output is part of the executable, so it is built as "gyr" in a folder aside and moved when whole.
  const aside = join(DIST, `.${name}-${process.pid}`);
  mkdirSync(aside, { recursive: true });
  try {
    const built = join(aside, "gyr");
    await Bun.build({
      entrypoints: [join(ROOT, "src/main.ts")],
      target: "bun",
      // Names stay: a stack trace from the field should say which function it was.
      minify: { whitespace: true, syntax: true, identifiers: false },
      // 69 to 14 ms for `gyr --version` on two busy cores: nothing is parsed at start. Rules out top-level await.
      bytecode: true,
      sourcemap: "none",
      define: { "process.env.NODE_ENV": '"production"', ...PLACES_IN_EXECUTABLE },
      plugins: [withoutNativeHelpers],
      compile: {
        target: target.bun,
        outfile: built,
        // What the executable does is decided by gyr.toml and the environment, not by files of the folder it is run in.
        autoloadDotenv: false,
        autoloadBunfig: false,
        autoloadTsconfig: false,
        autoloadPackageJson: false,
      },
    });
    await checkAddons(built, target.addon);
    chmodSync(built, 0o755);
    renameSync(built, outPath);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
  const megabytes = (Bun.file(outPath).size / 1e6).toFixed(1);
  const seconds = ((Bun.nanoseconds() - startNs) / 1e9).toFixed(1);
  console.log(`built ${outPath.slice(ROOT.length + 1)}, ${megabytes} MB, in ${seconds} s`);
}

/** The platform branches of src/inference/webgpu/dawn.ts must have folded: exactly the target's own addon is inside. */
async function checkAddons(executable: string, own: string): Promise<void> {
  const bytes = Buffer.from(await Bun.file(executable).arrayBuffer());
  for (const addon of new Set(Object.values(TARGETS).map((target) => target.addon))) {
    const file = Buffer.from(await Bun.file(join(ROOT, "node_modules/webgpu/dist", addon, "dawn.node")).arrayBuffer());
    const probe = addonProbe(file);
    const isInside = bytes.includes(probe);
    if (isInside === (addon === own)) continue;
    throw new Error(
      `the executable ${isInside ? "holds" : "lacks"} the WebGPU addon of ${addon}: ` +
        "the literal requires in src/inference/webgpu/dawn.ts no longer fold for the target",
    );
  }
}

/** A piece out of the middle of an addon, where its code is. */
function addonProbe(file: Buffer): Buffer {
  const middle = file.length >> 1;
  return file.subarray(middle, middle + 256);
}

async function main(args: string[]): Promise<number> {
  let values: { target?: string; kernels?: boolean; help?: boolean };
  try {
    const options = { target: { type: "string" }, kernels: { type: "boolean" }, help: { type: "boolean" } } as const;
    ({ values } = parseArgs({ args, options }));
  } catch (error) {
    return fail(`${messageOf(error)}\n\n${USAGE}`, EXIT_USAGE);
  }
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const targets = chooseTargets(values.target);
  if (targets === null) {
    const found = values.target ?? `${process.platform}-${process.arch} (this machine)`;
    return fail(`there is no gyr for '${found}'; allowed: ${Object.keys(TARGETS).join(", ")}, all`, EXIT_USAGE);
  }
  try {
    const { buildKernels } = await import("./src/kernels/build.ts");
    await buildKernels();
  } catch (error) {
    return fail(messageOf(error), EXIT_FAILED);
  }
  if (values.kernels) return 0;
  for (const [name, outPath] of targets) {
    try {
      await buildExecutable(name, outPath);
    } catch (error) {
      return fail(`cannot build gyr for ${name}: ${messageOf(error)}${remedyOf(name)}`, EXIT_FAILED);
    }
  }
  return 0;
}

/** [target, path of the executable], or null for a target that does not exist. */
function chooseTargets(wanted: string | undefined): [string, string][] | null {
  const named = (name: string): [string, string] => [name, join(DIST, `gyr-${name}`)];
  if (wanted === "all") return Object.keys(TARGETS).map(named);
  if (wanted !== undefined) return wanted in TARGETS ? [named(wanted)] : null;
  const own = `${process.platform}-${process.arch}`;
  return own in TARGETS ? [[own, join(DIST, "gyr")]] : null;
}

function remedyOf(name: string): string {
  if (name === `${process.platform}-${process.arch}`) return "";
  return (
    `\nBun downloads its runtime for ${name} (version ${Bun.version}) from the package registry the first time: ` +
    "check the network, the proxy and the registry settings, or build on a machine of that platform"
  );
}

function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join("\n");
  return error instanceof Error ? error.message : String(error);
}

function fail(message: string, code: number): number {
  console.error(message);
  return code;
}

process.exit(await main(process.argv.slice(2)));
