import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CONFIG_KEYS } from "../../../src/config/keys.ts";
import { type LoadOptions, loadConfig } from "../../../src/config/load.ts";
import { ConfigError, type ConfigProblem } from "../../../src/config/problems.ts";
import { isSecretName } from "../../../src/config/redact.ts";
import { configSchema, LIVE_ACKNOWLEDGEMENT } from "../../../src/config/schema.ts";
import { temporaryFolder } from "../../support/cli-process.ts";

function errorOf(options: LoadOptions): ConfigError {
  try {
    loadConfig(options);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return error as ConfigError;
  }
  throw new Error("the configuration was expected to be refused");
}

function problemsOf(text: string): readonly ConfigProblem[] {
  return errorOf({ text }).problems;
}

const LIVE = `mode = "live"\n[live]\nacknowledge = "${LIVE_ACKNOWLEDGEMENT}"\n`;

describe("values", () => {
  test("an empty text gives exactly the schema's defaults", () => {
    expect(loadConfig({ text: "" }).config).toEqual(configSchema.parse({}));
  });

  test("every effective configuration is what the schema itself accepts", () => {
    const { config } = loadConfig({ text: "seed = 7\n[sim]\nspeed = 2.5\n[universe]\nexclude = ['SPY', 'BRK.B']\n" });
    expect(configSchema.parse(config)).toEqual(config);
    expect(config.seed).toBe(7);
    expect(config.sim.speed).toBe(2.5);
    expect(config.universe.exclude).toEqual(["SPY", "BRK.B"]);
  });

  const same: readonly (readonly [string, string])[] = [
    ["a byte-order mark", "\uFEFFseed = 3\n[sim]\nspeed = 4"],
    ["CRLF line ends", "seed = 3\r\n[sim]\r\nspeed = 4\r\n"],
    ["dotted keys", "seed = 3\nsim.speed = 4"],
    ["an inline table", "seed = 3\nsim = { speed = 4 }"],
    ["quoted keys", '"seed" = 3\n[\'sim\']\n"speed" = 4'],
    ["comments and blank lines", "# a\n\nseed = 3 # b\n\n[sim] # c\nspeed = 4"],
    ["floats and hexadecimals", "seed = 0x3\n[sim]\nspeed = 4.0"],
  ];
  test.each(same)("%s does not change what is read", (_, text) => {
    const { config, sha256 } = loadConfig({ text });
    expect([config.seed, config.sim.speed]).toEqual([3, 4]);
    expect(sha256).toBe(loadConfig({ text: "seed=3\n[sim]\nspeed=4" }).sha256);
  });

  test("TOML's own dates and times are taken as text of the same meaning", () => {
    const { config } = loadConfig({ text: "[sim]\nday = 2019-12-18\n[session]\nentry_start = 10:00:00\n" });
    expect(config.sim.day).toBe("2019-12-18");
    expect(config.session.entryStart).toBe("10:00");
  });

  test("minus zero is read as zero", () => {
    const { config } = loadConfig({ text: "[strategy]\ntiming_close_location_min = -0.0" });
    expect(Object.is(config.strategy.timingCloseLocationMin, 0)).toBe(true);
  });

  test("lists of one configuration are not shared with the next", () => {
    const first = loadConfig({ text: "" }).config;
    first.universe.types.push("CS");
    expect(loadConfig({ text: "" }).config.universe.types).toEqual(["CS", "ETF"]);
  });
});

describe("sources and hash", () => {
  test("names the line, the flag or the default each value comes from", () => {
    const { sources } = loadConfig({
      text: "seed = 3\n\n[sim]\nspeed = 4\n[exits]\nreward_risk = 3",
      overrides: { day: "2019-12-17" },
    });
    expect(sources.seed).toEqual({ from: "file", line: 1 });
    expect(sources["sim.speed"]).toEqual({ from: "file", line: 4 });
    expect(sources["exits.reward_risk"]).toEqual({ from: "file", line: 6 });
    expect(sources["sim.day"]).toEqual({ from: "flag", flag: "--day" });
    expect(sources["sim.cash_usd"]).toEqual({ from: "default" });
    expect(Object.keys(sources).toSorted()).toEqual(CONFIG_KEYS.map((key) => key.path).toSorted());
  });

  test("the hash follows every value but where files are and who watches", () => {
    const base = loadConfig({ text: "" }).sha256;
    expect(base).toMatch(/^[0-9a-f]{64}$/);
    expect(loadConfig({ text: "seed = 1\n[paths]\nreport = 'other.html'\n[secrets]\nfile = 'k'" }).sha256).toBe(base);
    expect(loadConfig({ text: "[inference]\nshadow = ['a', 'b']" }).sha256).toBe(base);
    const others = ["seed = 2", "[exits]\nreward_risk = 2.5", "[universe]\nexclude = ['SPY']", "[sim]\nspeed = 1"];
    const hashes = others.map((text) => loadConfig({ text }).sha256);
    expect(new Set([base, ...hashes]).size).toBe(others.length + 1);
  });
});

describe("one mistake is one problem with its line", () => {
  // text, key, line, what the message must hold
  const rows: readonly (readonly [string, string, number, RegExp])[] = [
    ["[exits]\n\nreward_risk = 50", "exits.reward_risk", 3, /50.*from 0\.1 to 20/s],
    ["seed = 1.5", "seed", 1, /1\.5.*whole number/s],
    ["seed = -1", "seed", 1, /-1.*from 0 to 4_294_967_295/s],
    ["seed = 9007199254740991", "seed", 1, /9007199254740991.*whole number/s],
    ['seed = "1"', "seed", 1, /"1".*whole number/s],
    ["seed = nan", "seed", 1, /NaN.*whole number/s],
    ["[sim]\ncash_usd = inf", "sim.cash_usd", 2, /Infinity.*from 0 to 1_000_000_000/s],
    ["[sim]\ncash_usd = -inf", "sim.cash_usd", 2, /-Infinity/],
    ["[sim]\ncash_usd = 1e300", "sim.cash_usd", 2, /1e\+300/],
    ["[sim]\ncash_usd = 1e400", "sim.cash_usd", 2, /Infinity/],
    ['mode = "papr"', "mode", 1, /did you mean "paper"/],
    ["mode = 1", "mode", 1, /one of "sim", "paper", "live"/],
    ['[sim]\nday = "2019-02-30"', "sim.day", 2, /date of the calendar/],
    ['[sim]\nday = "2019-2-3"', "sim.day", 2, /YYYY-MM-DD/],
    ['[sim]\nday = "yesterday"', "sim.day", 2, /YYYY-MM-DD/],
    ["[sim]\nday = 2019-12-18T09:30:00Z", "sim.day", 2, /YYYY-MM-DD/],
    ["[session]\nentry_start = 10:00:30", "session.entry_start", 2, /HH:MM/],
    ['[session]\nflat_by = "24:00"', "session.flat_by", 2, /HH:MM/],
    ["[sim]\nspeed = 0", "sim.speed", 2, /"max" or a number above 0/],
    ['[sim]\nspeed = "fast"', "sim.speed", 2, /"max"/],
    ['[universe]\ntypes = ["CS", "FUND"]', "universe.types", 2, /"CS", "ETF"/],
    ["[universe]\ntypes = []", "universe.types", 2, /at least one/],
    ['[universe]\nexclude = ["spy"]', "universe.exclude", 2, /symbol as the feed writes it/],
    ['[universe]\nexclude = "SPY"', "universe.exclude", 2, /list/],
    ["[sizing]\ntier_multipliers = [1, 1, 1, 1]", "sizing.tier_multipliers", 2, /list of 5/],
    ['[feed]\nrest_url = "localhost:8080"', "feed.rest_url", 2, /https:\/\/host/],
    ['[feed]\nsocket_url = "http://localhost"', "feed.socket_url", 2, /wss:\/\/host/],
    ['[inference]\nadapter = "a\\u0000b"', "inference.adapter", 2, /control characters/],
    ['[paths]\nreport = ""', "paths.report", 2, /a path/],
    ["[strategy]\nallow_short = 1", "strategy.allow_short", 2, /true or false/],
    ["sim = 3", "sim", 1, /\[sim\] is a section/],
    ["\n[[sim]]\nspeed = 1", "sim", 2, /\[sim\] is a section/],
    ["[sim.speed]\nx = 1", "sim.speed", 1, /a table/],
    // unknown names
    ["sede = 2", "sede", 1, /did you mean seed/],
    ["[strategy]\nmomentum_entry_mn = 2", "strategy.momentum_entry_mn", 2, /did you mean strategy\.momentum_entry_min/],
    ["[strategy]\nmomentumEntryMin = 2", "strategy.momentumEntryMin", 2, /did you mean strategy\.momentum_entry_min/],
    ["[sim]\nstop_atr = 2", "sim.stop_atr", 2, /did you mean exits\.stop_atr/],
    ["[stratgy]\nx = 1", "stratgy", 1, /no section \[stratgy\].*did you mean strategy/s],
    ["[__proto__]\nx = 1", "__proto__", 1, /no section/],
    ["[sim]\n__proto__ = 1", "sim.__proto__", 2, /no key/],
    ["constructor = 1", "constructor", 1, /no key/],
    ['"" = 1', "", 1, /no key/],
    // combinations
    ['[inference]\nprecision = "int8"', "inference.precision", 2, /engine = "auto".*engine = "webgpu"/s],
    ['[inference]\nengine = "wasm"\nprecision = "f16"', "inference.precision", 3, /"f16".*"wasm".*engine = "webgpu"/s],
    ['[inference]\nshadow = "mine"', "inference.shadow", 2, /at most 8/],
    ['[inference]\nshadow = ["a","b","c","d","e","f","g","h","i"]', "inference.shadow", 2, /at most 8/],
    ['[session]\nentry_end = "09:00"\nentry_start = "09:31"', "session.entry_end", 2, /not after session\.entry_start/],
    ['[session]\nflat_by = "15:30"', "session.flat_by", 2, /not after session\.entry_end/],
    ['[session]\nflat_by = "16:00"', "session.flat_by", 2, /before the market closes/],
    ['[session]\nentry_start = "09:29"', "session.entry_start", 2, /before the market opens/],
    ["[session]\nflatten_lead_sec = 901", "session.flatten_lead_sec", 2, /900 s between/],
    ["[universe]\npx_min_usd = 501", "universe.px_min_usd", 2, /above universe\.px_max_usd = 500/],
    ["[universe]\npx_max_usd = 4", "universe.px_max_usd", 2, /px_min_usd = 5 is above/],
    ["[risk]\nnotional_min_usd = 30000", "risk.notional_min_usd", 2, /above risk\.notional_max_usd/],
    ["[sizing]\ndaily_capital_usd = 50000.01", "sizing.daily_capital_usd", 2, /above risk\.capital_max_usd/],
    ["[bars]\ninterval_sec = 7", "bars.interval_sec", 2, /does not divide an hour.*use 6/s],
    ["[bars]\nwindow_age_max_minutes = 50\ninterval_sec = 120", "bars.window_age_max_minutes", 2, /100 minutes/],
    ["[feed]\ntrades = false\n[bars]\ninterval_sec = 30", "feed.trades", 2, /minute aggregates/],
    ["[feed]\nstale_after_ms = 250", "feed.stale_after_ms", 2, /always stale/],
    ["[sizing]\ntier_boundaries_usd = [4, 3, 3, 1]", "sizing.tier_boundaries_usd", 2, /do not fall/],
  ];
  test.each(rows)("%j", (text, key, line, message) => {
    const error = errorOf({ text });
    expect(error.problems.map((problem) => [problem.key, problem.line])).toEqual([[key, line]]);
    expect(error.message).toMatch(message);
    expect(error.problems[0]!.remedy).not.toBe("");
    expect(error.kind).toBe("usage");
  });
});

describe("text that is not TOML", () => {
  const rows: readonly (readonly [string, number, RegExp])[] = [
    ["seed = 1\nseed = 2\n[sim]\n", 2, /redefine key 'seed'/],
    ["[sim]\nspeed = 1\n[feed]\n[sim]\n", 4, /redefine table 'sim'/],
    ["a = 1\n\nb =\nc = 2\n", 3, /Missing value/],
    ["[sim\nspeed = 1\n", 1, /the end of the line/],
    ["seed = 1\n[sim]\nday = 2019-02-30\n", 3, /out of range/],
    ["seed = 9223372036854775808", 1, /64-bit/],
    ["seed = 1 mode = 2", 1, /newline/],
    ['seed = 1\n[sim]\nday = "2019\nspeed = 1\n', 3, /string/i],
    ['a = """\nlong\n"""\nseed = 1\n[sim]\nday = """\nnever closed\n', 6, /string/i],
    [`a = ${"[".repeat(100_000)}`, 1, /nested too deeply/],
    ["seed = 1\n\0", 2, /0x00/],
  ];
  test.each(rows)("%#: gives the line", (text, line, message) => {
    const [problem, ...more] = problemsOf(text);
    expect(more).toEqual([]);
    expect(problem!.line).toBe(line);
    expect(problem!.what).toMatch(message);
  });

  test("the line is found in a file of thousands of lines too", () => {
    const lines = Array.from({ length: 3000 }, (_, index) => `# line ${index + 1}`);
    lines[1999] = "seed = = 1";
    expect(problemsOf(lines.join("\n"))[0]!.line).toBe(2000);
  });
});

describe("all at once", () => {
  test("reports every problem in the order of the lines, flags first", () => {
    const text = 'mode = "sim"\nsede = 1\n[exits]\nreward_risk = 50\n[bars]\ninterval_sec = 7\n[feeds]\nx = 1\n';
    const { problems, message } = errorOf({ text, overrides: { day: "nope" } });
    expect(problems.map((problem) => problem.key)).toEqual([
      "--day",
      "sede",
      "exits.reward_risk",
      "bars.interval_sec",
      "feeds",
    ]);
    expect(problems.map((problem) => problem.line)).toEqual([null, 2, 4, 6, 7]);
    expect(message).toContain("5 problems");
  });

  test("a rule is not asked about a key that is wrong by itself", () => {
    expect(problemsOf('[session]\nentry_start = "25:00"\nentry_end = "09:00"').map((problem) => problem.key)).toEqual([
      "session.entry_start",
    ]);
  });
});

describe("files", () => {
  test("a named file that is missing is an error, and nothing is assumed", () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "none.toml");
    expect(errorOf({ path }).message).toContain(`there is no file '${path}'`);
  });

  test("problems name the file as it was named", () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "my.toml");
    writeFileSync(path, "\nsede = 1\n");
    expect(errorOf({ path }).message).toContain(`${path}:2: there is no key 'sede'`);
    expect(errorOf({ path }).problems[0]!.file).toBe(path);
  });

  test("a folder, a file that is too large and text that is not UTF-8 are refused", () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "gyr.toml");
    expect(errorOf({ path: folder.path }).message).toContain("is not a file");
    writeFileSync(path, `# ${"x".repeat(300_000)}`);
    expect(errorOf({ path }).message).toContain("too large");
    writeFileSync(
      path,
      Buffer.concat([Buffer.from("seed = 1\nmodel = '"), Buffer.from([0xff, 0xc3]), Buffer.from("'\n")]),
    );
    expect(errorOf({ path }).problems[0]).toMatchObject({ line: 2, what: "the file is not UTF-8 text" });
    writeFileSync(path, Buffer.from("\uFEFFseed = 1", "utf16le"));
    expect(errorOf({ path }).problems[0]).toMatchObject({ line: 1, what: "the file is not UTF-8 text" });
    mkdirSync(join(folder.path, "d"));
  });
});

describe("flags", () => {
  test("win over the file", () => {
    const { config } = loadConfig({
      text: "[sim]\nspeed = 3\n",
      overrides: { day: "2019-12-17", speed: "max", report: "r.html", runDir: "runs" },
    });
    expect(config.sim).toMatchObject({ day: "2019-12-17", speed: "max" });
    expect(config.paths).toEqual({ report: "r.html", runDir: "runs" });
    expect(loadConfig({ text: "", overrides: { speed: "12.5" } }).config.sim.speed).toBe(12.5);
  });

  test.each(["0", "-1", "nan", "1e99", "", "10001"])("--speed %j is refused", (speed) => {
    expect(errorOf({ text: "", overrides: { speed } }).problems[0]!.key).toBe("--speed");
  });

  const safer: readonly (readonly [string, string])[] = [
    ["live", "paper"],
    ["live", "sim"],
    ["paper", "sim"],
    ["paper", "paper"],
    ["sim", "sim"],
  ];
  test.each(safer)("--mode may go from %s to %s", (mode, flag) => {
    const { config, sources } = loadConfig({ text: `mode = "${mode}"`, overrides: { mode: flag } });
    expect(config.mode).toBe(flag as "sim");
    expect(sources.mode).toEqual({ from: "flag", flag: "--mode" });
  });

  const riskier: readonly (readonly [string, string])[] = [
    ["sim", "paper"],
    ["sim", "live"],
    ["paper", "live"],
  ];
  test.each(riskier)("--mode never goes from %s to %s", (mode, flag) => {
    const text = `mode = "${mode}"\n[live]\nacknowledge = "${LIVE_ACKNOWLEDGEMENT}"`;
    const error = errorOf({ text, overrides: { mode: flag } });
    expect(error.kind).toBe("refused");
    expect(error.problems.map((problem) => problem.key)).toEqual(["--mode"]);
  });

  test("--day and --speed mean nothing outside sim", () => {
    const error = errorOf({ text: 'mode = "paper"', overrides: { day: "2019-12-18", speed: "max" } });
    expect(error.problems.map((problem) => problem.key)).toEqual(["--day", "--speed"]);
    const { config } = loadConfig({ text: 'mode = "paper"', overrides: { mode: "sim", day: "2019-12-18" } });
    expect(config.mode).toBe("sim");
  });
});

describe("live mode", () => {
  test("runs with the exact acknowledgement", () => {
    expect(loadConfig({ text: LIVE }).config.mode).toBe("live");
  });

  test.each(["", "yes", `${LIVE_ACKNOWLEDGEMENT}.`, LIVE_ACKNOWLEDGEMENT.toUpperCase(), ` ${LIVE_ACKNOWLEDGEMENT}`])(
    "is refused when the acknowledgement is %j",
    (acknowledge) => {
      const error = errorOf({ text: `mode = "live"\n[live]\nacknowledge = ${JSON.stringify(acknowledge)}` });
      expect(error.kind).toBe("refused");
      expect(error.message).toContain(LIVE_ACKNOWLEDGEMENT);
    },
  );

  test("does not trade on a network that was never trained", () => {
    expect(errorOf({ text: `${LIVE}[strategy]\nsignal = "cnn"` }).kind).toBe("refused");
    expect(loadConfig({ text: `${LIVE}[strategy]\nsignal = "cnn"\n[inference]\nmodel = "mine"` }).config.mode).toBe(
      "live",
    );
  });
});

describe("host overrides", () => {
  const keys = [
    ["feed", "rest_url", "https"],
    ["feed", "socket_url", "wss"],
    ["gateway", "trading_url", "https"],
    ["gateway", "stream_url", "wss"],
  ] as const;
  const toml = (section: string, key: string, url: string, allow = "[]") =>
    `[${section}]\n${key} = "${url}"\n[hosts]\nallow = ${allow}\n`;
  const plain = (scheme: string) => scheme.replace(/s$/, "");

  test.each(keys)("[%s] %s is refused in live mode, whatever it names", (section, key, scheme) => {
    for (const url of [`${plain(scheme)}://127.0.0.1:1`, `${scheme}://localhost`, `${scheme}://proxy.example.com`]) {
      const error = errorOf({ text: LIVE + toml(section, key, url, '["proxy.example.com"]') });
      expect(error.kind).toBe("refused");
      expect(error.problems.map((problem) => problem.key)).toEqual([`${section}.${key}`]);
    }
  });

  test.each(keys)("[%s] %s may name this machine in sim and paper", (section, key, scheme) => {
    for (const host of ["127.0.0.1:8080", "localhost:1", "[::1]:9", "127.9.8.7", "LOCALHOST", "127.1"]) {
      for (const mode of ["sim", "paper"]) {
        const { config } = loadConfig({
          text: `mode = "${mode}"\n${toml(section, key, `${plain(scheme)}://${host}`)}`,
        });
        expect(JSON.stringify(config[section])).toContain(host);
      }
    }
  });

  test.each(keys)("[%s] %s must name any other host twice and encrypted", (section, key, scheme) => {
    const others = [
      "proxy.example.com",
      "127.0.0.1.example.com",
      "localhost.example.com",
      "0.0.0.0",
      "10.0.0.1",
      "[::2]",
    ];
    for (const host of others) {
      const url = `${scheme}://${host}`;
      expect(errorOf({ text: toml(section, key, url) }).kind).toBe("refused");
      expect(errorOf({ text: toml(section, key, url, '["other.example.com"]') }).kind).toBe("refused");
      expect(errorOf({ text: toml(section, key, `${plain(scheme)}://${host}`, `["${host}"]`) }).message).toContain(
        "clear text",
      );
      expect(loadConfig({ text: toml(section, key, url, `["${host}"]`) }).config.hosts.allow).toEqual([host]);
    }
  });

  test("the broker's live host is refused in paper mode even when named twice", () => {
    for (const host of ["api.alpaca.markets", "API.Alpaca.Markets", "api.alpaca.markets."]) {
      const text = `mode = "paper"\n${toml("gateway", "trading_url", `https://${host}`, '["api.alpaca.markets"]')}`;
      expect(errorOf({ text }).kind).toBe("refused");
    }
  });

  test("a URL with a password is refused without repeating it", () => {
    const { message } = errorOf({ text: toml("feed", "rest_url", "https://user:hunter2@localhost") });
    expect(message).not.toContain("hunter2");
    expect(message).toContain("[hidden]");
  });
});

describe("secrets in the file", () => {
  const secret = "PKTESTKEY00000000001";
  const texts = [
    `[alpaca]\nsecret_key = "${secret}"`,
    `[gateway]\napi_key = "${secret}"`,
    `ALPACA_SECRET_KEY = "${secret}"`,
    `[gateway]\nalpaca = { keyId = "${secret}" }`,
    `[secrets]\nALPACA_KEY_ID = "${secret}"`,
    `[gateway]\ntransport = "${secret}"`,
    `[universe]\nexclude = ["${secret}x"]`,
    `[feed]\ntrades = ["${secret}"]`,
    `ALPACA_SECRET_KEY = ${secret}`,
    `ALPACA_SECRET_KEY: ${secret}`,
    `${secret}`,
    `${secret} = 1`,
    `[${secret}]`,
    `[sim]\n${secret} = 1`,
    `seed = 1\nmode = ${secret}`,
    `mode = "${secret}`,
  ];
  test.each(texts)("%#: an error that does not show the value", (text) => {
    const error = errorOf({ text });
    for (const shown of [error.message, JSON.stringify(error.problems), Bun.inspect(error), String(error.stack)]) {
      expect(shown).not.toContain(secret);
    }
  });

  test("a key that is named like a secret is refused with the remedy", () => {
    const error = errorOf({ text: `[alpaca]\nsecret_key = "x"` });
    expect(error.kind).toBe("refused");
    expect(error.message).toContain("replace the key");
  });

  test("a value of a secret variable is not repeated, whatever it looks like", () => {
    const env = { ALPACA_SECRET_KEY: "shortone" };
    for (const text of ['mode = "shortone"', "mode = shortone", '[gateway]\ntransport = "x-shortone-y"']) {
      const error = errorOf({ text, env });
      expect(error.message).not.toContain("shortone");
    }
  });

  test("no key of the schema is taken for a secret", () => {
    expect(CONFIG_KEYS.filter((key) => isSecretName(key.name)).map((key) => key.path)).toEqual([]);
  });
});
