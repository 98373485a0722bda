// Files that are there whole or not at all: written aside in the same folder, synced, then renamed. Off the hot path.

import { type FileHandle, lstat, mkdir, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { UserError } from "../core/user-error.ts";

/** Writes `path`; where something is there already, only if it is a file and `isForced`. */
export async function writeFileWhole(path: string, bytes: Uint8Array, isForced: boolean): Promise<void> {
  if (!isForced) await refuseWhatIsThere(path, "add --force to replace it");
  const aside = asideOf(path);
  try {
    await writeSynced(aside, bytes);
    await rename(aside, path);
  } catch (cause) {
    throw cannotWrite(path, cause);
  } finally {
    await removeAside(aside);
  }
}

/** Makes the folder `path` with these files, and the folders above it. Nothing may be there. */
export async function writeFolderWhole(path: string, files: Readonly<Record<string, Uint8Array>>): Promise<void> {
  await refuseWhatIsThere(path, "give another name, or move the folder away first");
  const aside = asideOf(path);
  try {
    await mkdir(dirname(path), { recursive: true });
    await mkdir(aside);
    for (const [name, bytes] of Object.entries(files)) await writeSynced(join(aside, name), bytes);
    // Fails where somebody else made the folder meanwhile and put something into it.
    await rename(aside, path);
  } catch (cause) {
    throw cannotWrite(path, cause);
  } finally {
    await removeAside(aside);
  }
}

/** Hidden, in the same folder, so that the rename stays within one file system; by process, so that two do not meet. */
function asideOf(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}.part`);
}

/** What cannot be removed could not be made either, and the first error says why. */
async function removeAside(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch(() => {});
}

async function refuseWhatIsThere(path: string, remedy: string): Promise<void> {
  const isThere = await lstat(path).then(
    () => true,
    () => false,
  );
  if (isThere) throw new UserError("usage", `'${path}' exists and is left as it is`, remedy);
}

async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  const file: FileHandle = await open(path, "wx");
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

function cannotWrite(path: string, cause: unknown): UserError {
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === "ENOENT") {
    return new UserError("usage", `the folder of '${path}' does not exist`, "make it first", { cause });
  }
  return new UserError("failed", `'${path}' cannot be written (${code ?? cause})`, "check the folder and its space", {
    cause,
  });
}
