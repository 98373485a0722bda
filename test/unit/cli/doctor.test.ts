// gyr doctor on set-ups that are broken on purpose: each fault is found, named and given a remedy.

import { describe, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkTimeZone, checkYear } from "../../../src/cli/doctor/clock.ts";
import { checkHost, checkLoopback } from "../../../src/cli/doctor/connectivity.ts";
import { checkRunFolder, checkTemporaryFolder } from "../../../src/cli/doctor/disk.ts";
import type { Finding } from "../../../src/cli/doctor/finding.ts";
import { type CliPlace, runGyr, temporaryFolder } from "../../support/cli-process.ts";

interface Report {
  readonly exitCode: number | null;
  readonly ok: boolean;
  readonly findings: readonly Finding[];
}

/** Doctor's JSON in a folder that holds `gyr.toml`. */
async function doctor(toml: string, cwd: string, env: CliPlace["env"] = {}): Promise<Report> {
  writeFileSync(join(cwd, "gyr.toml"), toml);
  const { exitCode, stdout, stderr } = await runGyr(["doctor", "--json"], { cwd, env });
  expect(stderr).toBe("");
  return { exitCode, ...JSON.parse(stdout) };
}

function failures(report: Report): string[] {
  return report.findings.filter(({ status }) => status === "fail").map(({ area }) => area);
}

const textOf = (findings: readonly Finding[], area: string) =>
  findings
    .filter((finding) => finding.area === area)
    .map(({ what, remedy }) => `${what} ${remedy}`)
    .join("\n");

describe("a set-up without faults", () => {
  test("is said to run, with every area looked at, and nothing left behind", async () => {
    using folder = temporaryFolder();
    const report = await doctor("", folder.path);
    expect(failures(report)).toEqual([]);
    expect([report.ok, report.exitCode]).toEqual([true, 0]);
    const areas = [...new Set(report.findings.map(({ area }) => area))];
    expect(areas).toEqual([
      "configuration",
      "runtime",
      "clock",
      "keys",
      "disk",
      "temporary folder",
      "connectivity",
      "data",
      "model",
      "adapters",
    ]);
    expect(textOf(report.findings, "disk")).toContain("SQLite 3.");
    expect(readdirSync(folder.path)).toEqual(["gyr.toml"]);
  });

  test("the human form marks findings and ends with the verdict", async () => {
    using folder = temporaryFolder();
    const { exitCode, stdout } = await runGyr(["doctor"], { cwd: folder.path });
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^ok {3}model /m);
    expect(stdout).toEndWith("sim mode can run\n");
  });
});

describe("faults", () => {
  test("a run folder below a file, a report that is a folder, a day that is not recorded: all found in one go", async () => {
    using folder = temporaryFolder();
    writeFileSync(join(folder.path, "file"), "");
    mkdirSync(join(folder.path, "folder"));
    const toml = '[paths]\nrun_dir = "file/runs"\nreport = "folder"\n[sim]\nday = "2019-12-20"\n';
    const report = await doctor(toml, folder.path);
    expect([report.ok, report.exitCode]).toEqual([false, 1]);
    expect(failures(report)).toEqual(["disk", "disk", "data"]);
    expect(textOf(report.findings, "disk")).toContain("run folder 'file/runs' cannot be made");
    expect(textOf(report.findings, "disk")).toContain("[paths] report");
    expect(textOf(report.findings, "data")).toContain("2019-12-19");
  });

  test("a damaged model", async () => {
    using folder = temporaryFolder();
    const shipped = join(import.meta.dirname, "../../../models/untrained");
    const model = join(folder.path, "model");
    mkdirSync(model);
    copyFileSync(join(shipped, "card.json"), join(model, "card.json"));
    const weights = readFileSync(join(shipped, "weights.safetensors"));
    weights[weights.length - 5]! ^= 1;
    writeFileSync(join(model, "weights.safetensors"), weights);
    const report = await doctor('[inference]\nmodel = "model"\n', folder.path);
    expect(failures(report)).toEqual(["model"]);
    expect(textOf(report.findings, "model")).toContain("sha256");
    expect(report.exitCode).toBe(1);
  });

  test("a configuration with mistakes, and the rest is checked all the same", async () => {
    using folder = temporaryFolder();
    const report = await doctor("sede = 1\n[exits]\nreward_risk = 50\n", folder.path);
    expect(failures(report)).toEqual(["configuration", "configuration"]);
    expect(textOf(report.findings, "configuration")).toContain("did you mean seed?");
    expect(report.findings.some(({ area, status }) => area === "model" && status === "ok")).toBe(true);
    expect(report.exitCode).toBe(1);
  });

  test("a temporary folder that is not there", async () => {
    using folder = temporaryFolder();
    const report = await doctor("", folder.path, { TMPDIR: join(folder.path, "gone") });
    expect(failures(report)).toEqual(["temporary folder"]);
    expect(textOf(report.findings, "temporary folder")).toContain("TMPDIR");
  });

  test("an adapter nobody has, when the GPU is asked for", async () => {
    using folder = temporaryFolder();
    const report = await doctor('[inference]\nengine = "webgpu"\nadapter = "no such adapter"\n', folder.path);
    expect(failures(report)).toEqual(["adapters"]);
  });

  test("paper mode: missing keys and closed ports fail, no key is sent or shown", async () => {
    using folder = temporaryFolder();
    const closed = closedPort();
    const toml = `mode = "paper"
[feed]
connect_timeout_ms = 2000
rest_url = "http://127.0.0.1:${closed}"
socket_url = "ws://127.0.0.1:${closed}"
[gateway]
trading_url = "http://127.0.0.1:${closed}"
stream_url = "ws://127.0.0.1:${closed}"
`;
    const report = await doctor(toml, folder.path, { ALPACA_KEY_ID: "PKSHOWN", ALPACA_SECRET_KEY: "hiddenvalue" });
    expect(failures(report)).toEqual(["keys", "connectivity"]);
    expect(textOf(report.findings, "keys")).toContain("POLYGON_API_KEY not set; paper mode needs them");
    expect(textOf(report.findings, "connectivity")).toContain(`127.0.0.1:${closed} cannot be reached`);
    expect(JSON.stringify(report)).not.toMatch(/PKSHOWN|hiddenvalue/);
  });
});

describe("hosts", () => {
  test("the loopback works here", async () => {
    expect((await checkLoopback()).status).toBe("ok");
  });

  test("an open port answers, and gets not a byte", async () => {
    let bytes = 0;
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    using listener = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        data: (_, data) => {
          bytes += data.length;
        },
        close: () => resolve(),
      },
    });
    const finding = await checkHost(new URL(`http://127.0.0.1:${listener.port}`), 2000);
    await closed;
    expect([finding.status, bytes]).toEqual(["ok", 0]);
  });

  test("a port that speaks no TLS fails where TLS is wanted", async () => {
    using listener = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: { data: (socket) => void socket.end("HTTP/1.1 400 Bad Request\r\n\r\n") },
    });
    const finding = await checkHost(new URL(`https://127.0.0.1:${listener.port}`), 2000);
    expect(finding.status).toBe("fail");
  });

  test("a host that accepts and then is silent fails when the time is over", async () => {
    using listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const finding = await checkHost(new URL(`wss://127.0.0.1:${listener.port}`), 50);
    expect(finding).toMatchObject({ status: "fail" });
    expect(finding.what).toContain("within 50 ms");
  });

  test("a closed port and a name nobody has fail", async () => {
    expect((await checkHost(new URL(`http://127.0.0.1:${closedPort()}`), 2000)).status).toBe("fail");
    expect((await checkHost(new URL("https://host.invalid"), 2000)).status).toBe("fail");
  });
});

describe("clock", () => {
  const us = (iso: string) => Temporal.Instant.from(iso).epochMilliseconds * 1000;
  test.each([
    ["1970-01-01T00:00:00Z", "fail"],
    ["2024-12-31T23:59:59Z", "fail"],
    ["2026-06-01T12:00:00Z", "ok"],
    ["2031-01-01T00:00:00Z", "fail"],
  ])("a machine that thinks it is %s: %s", (iso, status) => {
    expect(checkYear(us(iso)).status).toBe(status as "ok");
  });

  test("time zone data is held to New York's", () => {
    expect(checkTimeZone().status).toBe("ok");
    expect(checkTimeZone("America/Phoenix").status).toBe("fail");
    expect(checkTimeZone("Mars/Olympus").status).toBe("fail");
  });
});

describe("folders", () => {
  test("a folder that takes files is left as it was", () => {
    using folder = temporaryFolder();
    expect(checkRunFolder(join(folder.path, "a", "b")).map(({ status }) => status)).not.toContain("fail");
    expect(checkTemporaryFolder(folder.path).map(({ status }) => status)).toEqual(["ok"]);
    expect(readdirSync(folder.path)).toEqual([]);
  });

  test("a file system that takes none fails", () => {
    const place = process.platform === "linux" ? "/proc" : "/dev/null";
    expect(checkRunFolder(place)[0]!.status).toBe("fail");
    expect(checkTemporaryFolder(place)[0]!.status).toBe("fail");
  });
});

/** A port that was free a moment ago and has no listener. */
function closedPort(): number {
  using listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  return listener.port;
}
