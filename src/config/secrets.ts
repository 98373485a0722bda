// Keys of the broker and the feed: from the environment, or from a file that only its owner can read. A key is a Secret from the
// moment it is read, so that no log, error, JSON or inspection can show it.

import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { UserError } from "../core/user-error.ts";
import { SECRET_NAMES, type SecretName } from "./redact.ts";
import type { Config } from "./schema.ts";

/** A secrets file holds three lines; more is another file named by mistake. */
const FILE_BYTES_MAX = 16 * 1024;

/** A value that shows where it comes from instead of what it is. */
export class Secret {
  readonly origin: string;
  readonly #value: string;

  /** `origin` names the source: "env ALPACA_SECRET_KEY", "file keys.env ALPACA_SECRET_KEY". */
  constructor(value: string, origin: string) {
    this.#value = value;
    this.origin = origin;
    Object.freeze(this);
  }

  /** The value itself; call it where the bytes are written, and keep no copy. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return `[secret from ${this.origin}]`;
  }

  toJSON(): string {
    return this.toString();
  }

  [Symbol.toPrimitive](): string {
    return this.toString();
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}

export interface Secrets {
  readonly alpacaKeyId: Secret | null;
  readonly alpacaSecretKey: Secret | null;
  readonly polygonApiKey: Secret | null;
}

/** Secrets of a mode that needs keys: none is missing. */
export interface BrokerSecrets {
  readonly alpacaKeyId: Secret;
  readonly alpacaSecretKey: Secret;
  readonly polygonApiKey: Secret;
}

type Env = Readonly<Record<string, string | undefined>>;

/**
 * Whatever keys there are; the environment wins over the file.
 *
 * Throws UserError where the file is missing, readable by others or malformed, or where a value cannot be a key. No message
 * holds any part of a value.
 */
export function loadSecrets(config: Config, env: Env): Secrets {
  const fromFile = config.secrets.file === "" ? new Map<SecretName, Secret>() : readSecretsFile(config.secrets.file);
  const pick = (name: SecretName): Secret | null => fromEnvironment(name, env) ?? fromFile.get(name) ?? null;
  return {
    alpacaKeyId: pick("ALPACA_KEY_ID"),
    alpacaSecretKey: pick("ALPACA_SECRET_KEY"),
    polygonApiKey: pick("POLYGON_API_KEY"),
  };
}

/** The keys paper and live need; throws UserError that names all that are missing. */
export function requireSecrets(config: Config, env: Env): BrokerSecrets {
  const secrets = loadSecrets(config, env);
  const missing = missingSecrets(secrets);
  if (missing.length > 0) {
    throw new UserError(
      "usage",
      `${config.mode} mode needs ${missing.join(", ")}, found in neither the environment nor a secrets file`,
      `export ${missing[0]}=..., or name a file of mode 0600 in [secrets] file`,
    );
  }
  return secrets as BrokerSecrets;
}

/** Names of the keys that are not there. */
export function missingSecrets(secrets: Secrets): SecretName[] {
  const values = [secrets.alpacaKeyId, secrets.alpacaSecretKey, secrets.polygonApiKey];
  return SECRET_NAMES.filter((_, index) => values[index] === null);
}

/** A variable that is set and empty counts as not set. */
function fromEnvironment(name: SecretName, env: Env): Secret | null {
  const value = env[name];
  if (value === undefined || value === "") return null;
  return makeSecret(value, `env ${name}`);
}

function readSecretsFile(file: string): Map<SecretName, Secret> {
  const path = file.startsWith("~/") ? join(homedir(), file.slice(2)) : file;
  const secrets = new Map<SecretName, Secret>();
  const lines = readOwnFile(path).split("\n");
  for (const [index, line] of lines.entries()) {
    const text = line.trim();
    if (text === "" || text.startsWith("#")) continue;
    const place = `${path}:${index + 1}`;
    const match = /^(?:export\s+)?([A-Za-z_]\w*)\s*=(.*)$/.exec(text);
    if (match === null) {
      throw new UserError("usage", `${place}: not a line of the form NAME=value`, "write one NAME=value a line");
    }
    const name = SECRET_NAMES.find((known) => known === match[1]);
    if (name === undefined) {
      throw new UserError("usage", `${place}: the name is none of ${SECRET_NAMES.join(", ")}`, "correct the name");
    }
    if (secrets.has(name)) throw new UserError("usage", `${place}: ${name} is there twice`, "keep one of the lines");
    const value = unquote(match[2]!.trim());
    if (value !== "") secrets.set(name, makeSecret(value, `file ${path} ${name}`));
  }
  return secrets;
}

/** Text of a file that belongs to this user and nobody else can read. Checked on the open file, so it cannot be swapped. */
function readOwnFile(path: string): string {
  const fd = openSecretsFile(path);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new UserError("usage", `secrets file '${path}' is not a file`, "name the file itself");
    const mode = stat.mode & 0o777;
    if ((mode & 0o177) !== 0) {
      throw new UserError(
        "refused",
        `secrets file '${path}' has mode 0${mode.toString(8).padStart(3, "0")}, required is 0600: others may read your keys`,
        `chmod 600 ${path}, and replace the keys if others use this machine`,
      );
    }
    if (process.getuid !== undefined && stat.uid !== process.getuid()) {
      throw new UserError(
        "refused",
        `secrets file '${path}' belongs to user ${stat.uid}, required is ${process.getuid()}`,
        "use a file of your own",
      );
    }
    if (stat.size > FILE_BYTES_MAX) {
      throw new UserError("usage", `secrets file '${path}' has ${stat.size} bytes, allowed are ${FILE_BYTES_MAX}`);
    }
    const bytes = Buffer.alloc(stat.size);
    return bytes.toString("utf8", 0, readSync(fd, bytes, 0, stat.size, 0));
  } finally {
    closeSync(fd);
  }
}

function openSecretsFile(path: string): number {
  try {
    // Not blocking: a named pipe would wait for a writer before it could be refused.
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
    throw new UserError("usage", `secrets file '${path}' cannot be opened (${code})`, "correct [secrets] file", {
      cause: code,
    });
  }
}

/** A key goes into an HTTP header: printable ASCII without spaces, or it could write headers of its own. */
function makeSecret(value: string, origin: string): Secret {
  if (!/^[\x21-\x7e]{1,256}$/.test(value)) {
    throw new UserError(
      "usage",
      `the value from ${origin} cannot be a key: required are 1 to 256 printable characters without spaces`,
      "copy the key again, without line ends or quotes",
    );
  }
  return new Secret(value, origin);
}

function unquote(text: string): string {
  const match = /^(["'])(.*)\1$/.exec(text);
  return match === null ? text : match[2]!;
}
