// `gyr config check`: every problem of the configuration and of the keys its mode needs, or "ok".

import { loadConfig } from "../config/load.ts";
import { loadSecrets, missingSecrets, requireSecrets } from "../config/secrets.ts";
import { EXIT_DONE } from "./exit-codes.ts";
import type { ConfigOptions } from "./options.ts";

export async function configCheckCommand(options: ConfigOptions): Promise<number> {
  const { config, file, sha256 } = loadConfig({ path: options.config, env: process.env });
  const secrets = config.mode === "sim" ? loadSecrets(config, process.env) : requireSecrets(config, process.env);
  const missing = missingSecrets(secrets);
  if (options.json === true) {
    console.log(JSON.stringify({ ok: true, file, mode: config.mode, sha256, missingSecrets: missing }));
    return EXIT_DONE;
  }
  const what = file === null ? "no file: the defaults" : file;
  console.log(`${what}: ok, mode ${config.mode}, sha256 ${sha256}`);
  return EXIT_DONE;
}
