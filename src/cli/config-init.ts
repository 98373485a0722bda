// `gyr config init`: the commented configuration.

import { writeFileSync } from "node:fs";
import { configToml } from "../config/document.ts";
import { CONFIG_FILE_DEFAULT } from "../config/load.ts";
import { UserError } from "../core/user-error.ts";
import { EXIT_DONE } from "./exit-codes.ts";

export interface ConfigInitOptions {
  readonly force?: boolean | undefined;
  readonly stdout?: boolean | undefined;
  readonly json?: boolean | undefined;
}

export async function configInitCommand(file: string | undefined, options: ConfigInitOptions): Promise<number> {
  if (options.stdout === true) {
    const toml = configToml();
    process.stdout.write(options.json === true ? `${JSON.stringify({ toml })}\n` : toml);
    return EXIT_DONE;
  }
  const path = file ?? CONFIG_FILE_DEFAULT;
  writeConfig(path, options.force === true);
  if (options.json === true) console.log(JSON.stringify({ path }));
  else
    console.log(
      `wrote ${path}; edit it, then: gyr config check${path === CONFIG_FILE_DEFAULT ? "" : ` --config ${path}`}`,
    );
  return EXIT_DONE;
}

function writeConfig(path: string, isForced: boolean): void {
  try {
    // "wx" fails where the file exists, without a moment between the question and the writing.
    writeFileSync(path, configToml(), { flag: isForced ? "w" : "wx" });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "EEXIST")
      throw new UserError("usage", `'${path}' exists and is left as it is`, "add --force to replace it");
    if (code === "EISDIR") throw new UserError("usage", `'${path}' is a folder`, "name the file itself");
    if (code === "ENOENT") throw new UserError("usage", `the folder of '${path}' does not exist`, "make it first");
    throw new UserError("failed", `'${path}' cannot be written (${code ?? error})`, "check the folder's permissions");
  }
}
