// Compiles the AssemblyScript kernels of this folder to build/kernels/. Called by the build script at the root, never at run time.
// Writes only when a source, an option or the compiler changed, and prints nothing when all is up to date.

import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";

const FOLDER = import.meta.dir;
const ROOT = join(FOLDER, "..", "..");
const OUT_FOLDER = join(ROOT, "build", "kernels");
/** One .wasm for each, of the same stem, with the files its source imports. */
const KERNELS: Readonly<Record<string, readonly string[]>> = { "forward-pass": ["layers", "incremental"] };

/** Compiles what is out of date. @returns the paths of all kernels. Throws with the compiler's messages when one fails. */
export async function buildKernels(): Promise<string[]> {
  await mkdir(OUT_FOLDER, { recursive: true });
  return await Promise.all(Object.keys(KERNELS).map(buildKernel));
}

async function buildKernel(stem: string): Promise<string> {
  const outPath = join(OUT_FOLDER, `${stem}.wasm`);
  const stampPath = join(OUT_FOLDER, `${stem}.inputs.sha256`);
  const stamp = await inputsHash(stem);
  const [stampFile, outFile] = [Bun.file(stampPath), Bun.file(outPath)];
  const isCurrent = (await outFile.exists()) && (await stampFile.exists()) && (await stampFile.text()) === stamp;
  if (!isCurrent) {
    // Written aside and renamed, so that two builds at once never leave half a file.
    const asidePath = `${outPath}.${process.pid}`;
    await compile(stem, asidePath);
    await rename(asidePath, outPath);
    await Bun.write(stampPath, stamp);
    console.log(`built build/kernels/${stem}.wasm, ${Bun.file(outPath).size} bytes`);
  }
  return outPath;
}

/** Hash of everything the output depends on: sources, options, this script, the compiler's version. */
async function inputsHash(stem: string): Promise<string> {
  const hash = new Bun.CryptoHasher("sha256");
  const compiler = join(ROOT, "node_modules", "assemblyscript", "package.json");
  const sources = [stem, ...KERNELS[stem]!].map((source) => join(FOLDER, `${source}.ts`));
  for (const path of [...sources, join(FOLDER, "asconfig.json"), join(FOLDER, "build.ts"), compiler]) {
    hash.update(await Bun.file(path).bytes());
  }
  return hash.digest("hex");
}

async function compile(stem: string, outPath: string): Promise<void> {
  // Loaded here because it is large and most builds do not need it.
  const { main } = await import("assemblyscript/asc");
  const messages: string[] = [];
  const stream = { write: (text: string) => void messages.push(text) };
  const { error } = await main(
    [`${stem}.ts`, "--config", "asconfig.json", "--baseDir", FOLDER, "--outFile", outPath],
    { stdout: stream, stderr: stream },
  );
  if (error !== null) throw new Error(`kernel src/kernels/${stem}.ts does not compile: ${error.message}\n${messages.join("")}`);
}
