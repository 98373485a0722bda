// Answers at the start that are not what was asked for, from the market-data REST host and from the broker's: gyr ends with words,
// arms nothing and sends no order.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type GyrResult, runGyr, TestFolder } from "../support/gyr-process.ts";
import { OrderProxy, PASS } from "../support/order-proxy.ts";
import { PaperVenue } from "../support/paper-venue.ts";
import { DAY, DAY_BEFORE, fileOf, pathOf, sampleRows, writeFiles } from "../support/recorded-folder.ts";

const folder = new TestFolder();
let venue: PaperVenue;
let orders: OrderProxy;

beforeAll(async () => {
  writeFiles(folder.join("data"), {
    [pathOf(DAY_BEFORE)]: fileOf(sampleRows(DAY_BEFORE)),
    [pathOf(DAY)]: fileOf(sampleRows(DAY)),
  });
  venue = await PaperVenue.open(folder, ["--speed", "max"], `[sim]\ndata_dir = "${folder.join("data")}"\n`);
  orders = new OrderProxy(venue.line.alpacaRest);
  await orders.start();
});
afterAll(async () => {
  orders.stop();
  await venue.close();
  folder.dispose();
});

function run(toml: string): Promise<GyrResult> {
  const config = folder.write("paper.toml", toml);
  return runGyr(["run", "--config", config, "--run-dir", "runs"], { cwd: folder.path, env: venue.keys });
}

async function expectRefused(result: GyrResult, words: readonly (string | RegExp)[]): Promise<void> {
  for (const text of words) expect(result.stderr).toMatch(text);
  expect(result.stderr).not.toContain("bug of gyr");
  expect(result.stderr).not.toMatch(/^\s+at /m);
  expect(result.stderr).not.toContain("armed");
  expect(result.stderr + result.stdout).not.toContain(venue.line.secret);
  expect(result.code).toBe(1);
  expect(await venue.orders()).toEqual([]);
}

describe("market data", () => {
  const bad: [what: string, answer: () => Response, words: (string | RegExp)[]][] = [
    ["an error", () => new Response("oops", { status: 500 }), [/snapshot.* status 500/]],
    ["a page", () => new Response("<html>hi</html>"), ["did not answer with a JSON object"]],
    ["null", () => Response.json(null), ["did not answer with a JSON object"]],
    ["a list", () => Response.json([]), ["did not answer with a JSON object"]],
    ["nothing found", () => Response.json({ status: "OK", results: null }), ["no daily bars of 2019-12-17"]],
    [
      "rows of wrong types",
      () => Response.json({ results: [{ T: 5, c: "x", v: null }] }),
      ["no daily bars of 2019-12-17"],
    ],
    [
      "a refused key",
      () => Response.json({ status: "ERROR", error: "Unknown API Key" }, { status: 403 }),
      [/status 403: .*Unknown API Key/],
    ],
  ];

  test.each(bad)("%s", async (_what, answer, words) => {
    const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: answer });
    try {
      const toml = venue.toml().replace(venue.line.polygonRest, `http://127.0.0.1:${server.port}`);
      await expectRefused(await run(toml), words);
    } finally {
      await server.stop(true);
    }
  });
});

describe("the broker", () => {
  const unreadable = "its answer cannot be read";
  const bad: [path: string, status: number, body: string, words: (string | RegExp)[]][] = [
    ["/v2/account", 500, "oops", ["asked for the account and answered 500"]],
    ["/v2/account", 200, "null", [unreadable]],
    ["/v2/account", 200, "<html>hi</html>", [unreadable]],
    ["/v2/account", 200, "{}", [/cash of the account should be an amount.*undefined/]],
    ["/v2/account", 200, '{"cash":"NaN","equity":"1","buying_power":"1"}', [/cash of the account.*'NaN'/]],
    ["/v2/positions", 200, "{}", [unreadable]],
    ["/v2/positions", 200, '[{"symbol":"SPY","qty":"many"}]', [/position in SPY should be a number.*'many'/]],
    ["/v2/positions", 500, "{}", ["asked for the positions and answered 500"]],
    ["/v2/orders", 200, "{}", ["asked for the day's orders", unreadable]],
    ["/v2/orders", 200, '[{"symbol":"SPY","qty":"some"}]', [/quantity of an order in SPY.*'some'/]],
    ["/v2/assets", 200, "null", ["asked for the assets", unreadable]],
  ];

  test.each(bad)("%s answered with %i %s", async (path, status, body, words) => {
    orders.onRequest = ({ target }) => (target.startsWith(path) ? { kind: "answer", status, body } : PASS);
    await expectRefused(await run(venue.toml({ orders: orders.host })), words);
  });
});
