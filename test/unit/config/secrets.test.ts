import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { loadConfig } from "../../../src/config/load.ts";
import { isSecretLooking, isSecretName, redact, showName, showValue } from "../../../src/config/redact.ts";
import type { Config } from "../../../src/config/schema.ts";
import { loadSecrets, missingSecrets, requireSecrets, Secret } from "../../../src/config/secrets.ts";
import { UserError } from "../../../src/core/user-error.ts";
import { temporaryFolder } from "../../support/cli-process.ts";

const VALUE = "aVerySecret/Value+42";
const ALL = { ALPACA_KEY_ID: "PK1", ALPACA_SECRET_KEY: VALUE, POLYGON_API_KEY: "poly" };

function configWith(file: string, mode = "paper"): Config {
  return loadConfig({ text: `mode = "${mode}"\n[secrets]\nfile = ${JSON.stringify(file)}` }).config;
}

function errorOf(run: () => unknown): UserError {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return error as UserError;
  }
  throw new Error("was expected to be refused");
}

describe("a secret", () => {
  const secret = new Secret(VALUE, "env ALPACA_SECRET_KEY");
  const shown = "[secret from env ALPACA_SECRET_KEY]";

  test("gives its value only when asked by name", () => {
    expect(secret.reveal()).toBe(VALUE);
  });

  const ways: readonly (readonly [string, () => string])[] = [
    ["String", () => String(secret)],
    ["a template", () => `${secret}`],
    ["joining a list", () => [secret, secret].join()],
    ["JSON", () => JSON.stringify({ secret, list: [secret] })],
    ["Bun.inspect", () => Bun.inspect({ secret, list: [secret] })],
    ["node's inspect, hidden fields too", () => inspect({ secret }, { showHidden: true, depth: 9 })],
    ["an error's message", () => new Error(`failed with ${secret}`).message],
    ["an error with a cause", () => Bun.inspect(new Error("failed", { cause: { secret } }))],
    ["its own properties", () => `${Object.entries(secret)}${Object.getOwnPropertyNames(secret)}`],
    ["a spread copy", () => JSON.stringify({ ...secret })],
    ["a structured clone", () => Bun.inspect(structuredClone({ ...secret }))],
  ];
  test.each(ways)("is not shown by %s", (_, show) => {
    const text = show();
    expect(text.length).toBeGreaterThan(0);
    expect(text).not.toContain(VALUE);
  });

  test("shows where it comes from", () => {
    expect(String(secret)).toBe(shown);
    expect(JSON.stringify(secret)).toBe(JSON.stringify(shown));
    expect(Bun.inspect(secret)).toBe(shown);
  });

  test("is not shown by console.log in a process of its own", () => {
    const source = `import { Secret } from ${JSON.stringify(join(import.meta.dirname, "../../../src/config/secrets.ts"))};
      const secret = new Secret(process.env.VALUE, "here");
      console.log(secret, { secret }, [secret], "%s %o %j", secret); console.error(secret); console.table([{ secret }]);
      throw Object.assign(new Error("x " + secret), { secret });`;
    const { stdout, stderr } = Bun.spawnSync([process.execPath, "-e", source], { env: { VALUE } });
    const text = stdout.toString() + stderr.toString();
    expect(text).toContain("[secret from here]");
    expect(text).not.toContain(VALUE);
  });
});

describe("loading", () => {
  test("takes the environment, and says so", () => {
    const secrets = loadSecrets(configWith(""), ALL);
    expect(secrets.alpacaSecretKey?.reveal()).toBe(VALUE);
    expect(secrets.alpacaKeyId?.origin).toBe("env ALPACA_KEY_ID");
    expect(secrets.polygonApiKey?.reveal()).toBe("poly");
    expect(missingSecrets(secrets)).toEqual([]);
  });

  test("an empty variable counts as not set", () => {
    expect(missingSecrets(loadSecrets(configWith(""), { ...ALL, POLYGON_API_KEY: "" }))).toEqual(["POLYGON_API_KEY"]);
  });

  test("names every key that is missing", () => {
    const error = errorOf(() => requireSecrets(configWith(""), { ALPACA_KEY_ID: "PK1" }));
    expect(error.kind).toBe("usage");
    expect(error.message).toContain("ALPACA_SECRET_KEY, POLYGON_API_KEY");
  });

  test("reads a file of mode 0600; the environment wins over it", () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "keys.env");
    writeFileSync(
      path,
      `# keys\n\nexport ALPACA_KEY_ID=PKFILE\r\nALPACA_SECRET_KEY = "${VALUE}"\nPOLYGON_API_KEY='p'\n`,
      { mode: 0o600 },
    );
    const secrets = requireSecrets(configWith(path), { ALPACA_KEY_ID: "PKENV" });
    expect(secrets.alpacaKeyId.reveal()).toBe("PKENV");
    expect(secrets.alpacaSecretKey.reveal()).toBe(VALUE);
    expect(String(secrets.alpacaSecretKey)).toBe(`[secret from file ${path} ALPACA_SECRET_KEY]`);
    expect(secrets.polygonApiKey.reveal()).toBe("p");
  });

  test.each([0o644, 0o640, 0o604, 0o620, 0o700, 0o601])("a file of mode %o is refused", (mode) => {
    using folder = temporaryFolder();
    const path = join(folder.path, "keys.env");
    writeFileSync(path, `ALPACA_SECRET_KEY=${VALUE}\n`);
    chmodSync(path, mode);
    const error = errorOf(() => loadSecrets(configWith(path), {}));
    expect(error.kind).toBe("refused");
    expect(error.message).toContain(`mode 0${mode.toString(8)}`);
    expect(error.remedy).toContain("chmod 600");
    expect(Bun.inspect(error)).not.toContain(VALUE);
  });

  test("a file of mode 0400 is taken: it is safer still", () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "keys.env");
    writeFileSync(path, "ALPACA_KEY_ID=PK1\n");
    chmodSync(path, 0o400);
    expect(loadSecrets(configWith(path), {}).alpacaKeyId?.reveal()).toBe("PK1");
  });

  test("a missing file, a folder and a named pipe are refused without waiting", () => {
    using folder = temporaryFolder();
    expect(errorOf(() => loadSecrets(configWith(join(folder.path, "none")), {})).message).toContain("ENOENT");
    mkdirSync(join(folder.path, "d"), { mode: 0o600 });
    expect(errorOf(() => loadSecrets(configWith(join(folder.path, "d")), {})).message).toContain("is not a file");
    const pipe = join(folder.path, "pipe");
    expect(Bun.spawnSync(["mkfifo", "-m", "600", pipe]).exitCode).toBe(0);
    expect(errorOf(() => loadSecrets(configWith(pipe), {})).message).toContain("is not a file");
  });

  const malformed: readonly (readonly [string, string])[] = [
    [`${VALUE}\n`, ":1: not a line of the form NAME=value"],
    [`ALPACA_KEY_ID=PK1\nALPACA_SECRET=${VALUE}\n`, ":2: the name is none of"],
    [`ALPACA_SECRET_KEY=${VALUE}\nALPACA_SECRET_KEY=${VALUE}\n`, ":2: ALPACA_SECRET_KEY is there twice"],
    [`ALPACA_SECRET_KEY=${VALUE} two\n`, "printable characters without spaces"],
    [`ALPACA_SECRET_KEY=${VALUE}\u00e9\n`, "printable characters without spaces"],
    [`ALPACA_SECRET_KEY=${VALUE.repeat(20)}\n`, "1 to 256"],
    [`# ${"x".repeat(20_000)}\n`, "bytes, allowed are"],
  ];
  test.each(malformed)("%#: a malformed file is refused without showing it", (text, message) => {
    using folder = temporaryFolder();
    const path = join(folder.path, "keys.env");
    writeFileSync(path, text, { mode: 0o600 });
    const error = errorOf(() => loadSecrets(configWith(path), {}));
    expect(error.message).toContain(message);
    expect(Bun.inspect(error)).not.toContain(VALUE);
  });

  test("a variable that could write HTTP headers of its own is refused without showing it", () => {
    const error = errorOf(() => loadSecrets(configWith(""), { ALPACA_SECRET_KEY: `${VALUE}\r\nX-Evil: 1` }));
    expect(error.message).toContain("env ALPACA_SECRET_KEY");
    expect(Bun.inspect(error)).not.toContain(VALUE);
  });
});

describe("redaction", () => {
  test.each([
    "secret",
    "alpaca_secret_key",
    "apiKey",
    "API-KEY",
    "key_id",
    "keyId",
    "auth_token",
    "PASSWORD",
    "Authorization",
  ])("%s is a name of a secret", (name) => expect(isSecretName(name)).toBe(true));
  test.each(["seed", "secs", "file", "key", "model", "acknowledge", "stale_after_ms"])("%s is none", (name) =>
    expect(isSecretName(name)).toBe(false),
  );
  test.each(["PKTESTKEY00000000001", "0123456789abcdef0123456789abcdef", "aB3dE5gH7jK9mN1pQ3"])(
    "%s looks like one",
    (text) => expect(isSecretLooking(text)).toBe(true),
  );
  test.each([
    "gyr-data/runs",
    "a-long-word-without-digits",
    "2019-12-18",
    "/data/2019/12/flatfiles/x1",
    "123456789012345678",
  ])("%s does not", (text) => expect(isSecretLooking(text)).toBe(false));

  test("values are short and on one line", () => {
    expect(showValue("a\nb")).toBe('"a\\nb"');
    expect(showValue("word ".repeat(50)).length).toBeLessThan(90);
    expect(showValue(Array(100).fill(1))).toBe("a list of 100");
    expect(showValue([1, "a"])).toBe('[1, "a"]');
    expect(showValue({ a: 1 })).toBe("a table");
    expect(showName("a\u001b[31m\nb")).toBe("a?[31m?b");
    expect(redact("x PKTESTKEY00000000001 y")).toBe("x [hidden] y");
  });
});
