// report.html in a real Chromium: what it draws, what it does on a click or a key, and that no text of a run gets power over it.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { pathToFileURL } from "node:url";
import type { Page } from "playwright-core";
import { netUsd } from "../../src/observe/evidence.ts";
import { renderReport } from "../../src/observe/report.ts";
import type { RunReport } from "../../src/observe/run-report.ts";
import { GYR_FROM_SOURCE, TestFolder } from "../support/gyr-process.ts";
import { CLOSE_US, emptyReport, OPEN_US, tradedReport } from "../support/run-report.ts";
import { startBrowser } from "./browser.ts";

const { browser, skipReason } = await startBrowser();
if (browser === null) console.warn(`browser tests are skipped: ${skipReason}`);

const DESKTOP = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };
/** Contrast of body text that WCAG 2.2 asks for (level AA). */
const CONTRAST_MIN = 4.5;
const REPORT_BYTES_MAX = 1_500_000;

interface Opened {
  readonly page: Page;
  /** Errors, console messages and requests: all of them unwanted. */
  readonly complaints: string[];
  [Symbol.asyncDispose](): Promise<void>;
}

interface View {
  readonly viewport?: { width: number; height: number };
  readonly colorScheme?: "light" | "dark";
}

let folder: TestFolder;
let fileCount = 0;

async function openFile(path: string, view: View = {}): Promise<Opened> {
  const url = pathToFileURL(path).href;
  const page = await browser!.newPage({ viewport: DESKTOP, ...view });
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
  page.on("console", (message) => complaints.push(`console: ${message.text()}`));
  page.on("dialog", (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  await page.route("**", (route) => {
    if (route.request().url() === url) return route.continue();
    complaints.push(`request: ${route.request().url()}`);
    return route.abort();
  });
  await page.goto(url);
  return { page, complaints, [Symbol.asyncDispose]: () => page.close() };
}

async function open(report: RunReport, view: View = {}): Promise<Opened> {
  fileCount += 1;
  return openFile(folder.write(`report-${fileCount}.html`, renderReport(report)), view);
}

/** Share of the pixels of a chart's canvas that are not clear. */
async function inkOf(page: Page, id: string): Promise<number> {
  return page.evaluate((id) => {
    const canvas = document.querySelector<HTMLCanvasElement>(`#${id} canvas`);
    if (canvas === null) return 0;
    const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
    let inked = 0;
    for (let i = 3; i < data.length; i += 4) if (data[i]! > 0) inked += 1;
    return inked / (data.length / 4);
  }, id);
}

/** Pixels of a chart's canvas in exactly the colour of a custom property. */
async function pixelsOf(page: Page, id: string, property: string): Promise<number> {
  return page.evaluate(
    ([id, property]) => {
      const hex = getComputedStyle(document.documentElement).getPropertyValue(property!).trim();
      const [r, g, b] = [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
      const canvas = document.querySelector<HTMLCanvasElement>(`#${id} canvas`)!;
      const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
      let found = 0;
      for (let i = 0; i < data.length; i += 4)
        if (data[i] === r && data[i + 1] === g && data[i + 2] === b && data[i + 3] === 255) found += 1;
      return found;
    },
    [id, property],
  );
}

const rowCount = (page: Page, id: string) => page.locator(`#${id} tbody tr`).count();
// biome-ignore lint/performance/useDomNodeTextContent: what a person sees, hidden parts not
const textOf = (page: Page, id: string) => page.locator(`#${id}`).innerText();

describe.skipIf(browser === null)("report.html", () => {
  beforeAll(() => {
    folder = new TestFolder();
  });
  afterAll(async () => {
    await browser?.close();
    folder.dispose();
  });

  const shapes: [string, RunReport][] = [
    ["an empty run", emptyReport()],
    ["a run without a trade", tradedReport(0, 0, { equity: minutesAt(100_000) })],
    ["a run with one trade", tradedReport(1)],
    ["a run with hundreds of trades", tradedReport(400, 200)],
    [
      "an interrupted run with a position left",
      tradedReport(6, 3, { outcome: "interrupted", positionsAtClose: 2, warnings: ["SIGINT: no further entries"] }),
    ],
    [
      "a failed run of one minute",
      tradedReport(0, 0, { outcome: "failed", equity: { tsUs: [OPEN_US], equityUsd: [1] } }),
    ],
    ["a live run with a trained network", tradedReport(3, 3, { mode: "live", signal: "cnn", isModelTrained: true })],
    ["numbers that are none", tradedReport(2, 2, { pnlNetUsd: Number.NaN, winRate: Number.NaN, profitFactor: null })],
  ];

  for (const [name, report] of shapes) {
    for (const [device, viewport] of [
      ["desktop", DESKTOP],
      ["phone", PHONE],
    ] as const) {
      test(`shows ${name} on a ${device} without an error, a request or a sideways scroll`, async () => {
        await using opened = await open(report, { viewport });
        expect(opened.complaints).toEqual([]);
        const [content, window] = await opened.page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
        expect(content).toBe(window!);
        expect(await rowCount(opened.page, "trades")).toBe(report.trades.length);
        expect(await opened.page.locator("#symbol option").count()).toBe(report.series.length);
      });
    }
  }

  test("stays small with every stock of the largest universe traded", () => {
    expect(Buffer.byteLength(renderReport(tradedReport(400, 200)))).toBeLessThan(REPORT_BYTES_MAX);
  });

  test("draws curve, holdings, price and histograms", async () => {
    await using opened = await open(tradedReport(12, 4));
    for (const id of ["equity", "capital", "price"]) expect(await inkOf(opened.page, id)).toBeGreaterThan(0.01);
    expect(await opened.page.locator("#histograms svg").count()).toBe(2);
    expect(await opened.page.locator("#histograms svg .bin").count()).toBeGreaterThanOrEqual(6);
  });

  test("says so in words where there is nothing to draw", async () => {
    await using opened = await open(emptyReport());
    expect(await textOf(opened.page, "equity")).toContain("before there was a minute");
    expect(await textOf(opened.page, "price")).toContain("No order was filled");
    expect(await opened.page.locator("#picker").isVisible()).toBe(false);
    expect(await opened.page.locator("#trades").isVisible()).toBe(false);
  });

  test("marks a target in another colour and place than a stop", async () => {
    const report = tradedReport(2, 2);
    await using opened = await open(report);
    const [target, stop] = [report.trades[0]!, report.trades[1]!];
    expect([target.exitReason, stop.exitReason]).toEqual(["target", "stop"]);
    await opened.page.selectOption("#symbol", target.symbol);
    expect(await pixelsOf(opened.page, "price", "--accent")).toBeGreaterThan(20);
    expect(await pixelsOf(opened.page, "price", "--good")).toBeGreaterThan(20);
    expect(await pixelsOf(opened.page, "price", "--bad")).toBe(0);
    await opened.page.selectOption("#symbol", stop.symbol);
    expect(await pixelsOf(opened.page, "price", "--good")).toBe(0);
    expect(await pixelsOf(opened.page, "price", "--bad")).toBeGreaterThan(20);
  });

  test("switches the stock by keyboard, by its buttons and from the table of trades", async () => {
    const report = tradedReport(9, 3);
    await using opened = await open(report);
    const { page } = opened;
    const shown = () => page.locator("#price").getAttribute("aria-label");
    const symbols = await page
      .locator("#symbol option")
      .evaluateAll((options) => options.map((o) => (o as HTMLOptionElement).value));
    expect(await shown()).toContain(`Price of ${symbols[0]} `);
    expect(await rowCount(page, "fills")).toBe(6);
    await page.focus("#symbol");
    await page.keyboard.press("ArrowDown");
    expect(await shown()).toContain(`Price of ${symbols[1]} `);
    await page.click("#next");
    expect(await shown()).toContain(`Price of ${symbols[2]} `);
    await page.click("#next");
    expect(await shown()).toContain(`Price of ${symbols[0]} `);
    await page.click("#previous");
    expect(await shown()).toContain(`Price of ${symbols[2]} `);
    await page.click(`#trades button.link:text-is("${symbols[1]}") >> nth=0`);
    expect(await shown()).toContain(`Price of ${symbols[1]} `);
    expect(await page.locator("#symbol").inputValue()).toBe(symbols[1]!);
  });

  test("sorts trades by a column, both ways, and says which", async () => {
    const report = tradedReport(50, 10);
    await using opened = await open(report);
    const { page } = opened;
    const results = report.trades.map(netUsd);
    const shown = (value: number) => (value < 0 ? `−$${(-value).toFixed(2)}` : `+$${value.toFixed(2)}`);
    const header = page.locator("#trades thead th").last();
    const first = () => page.locator("#trades tbody tr").first().locator("td").last().textContent();
    await header.locator("button").click();
    expect(await header.getAttribute("aria-sort")).toBe("descending");
    expect(await first()).toBe(shown(Math.max(...results)));
    await header.locator("button").press("Enter");
    expect(await header.getAttribute("aria-sort")).toBe("ascending");
    expect(await first()).toBe(shown(Math.min(...results)));
    expect(await rowCount(page, "trades")).toBe(50);
  });

  test("tells result, flatness, the state of the network and the price of worse fills", async () => {
    const report = tradedReport(20, 5, { pnlGrossUsd: 12, feesUsd: 2, pnlNetUsd: 10 });
    await using opened = await open(report);
    expect(await textOf(opened.page, "headline")).toBe("+$10.00 after costs on Wednesday, 18 December 2019");
    expect(await textOf(opened.page, "badges")).toContain("flat at the end");
    expect(await textOf(opened.page, "badges")).toContain("network is untrained, runs in shadow");
    expect(await textOf(opened.page, "tiles")).toContain("+$12.00 before, $2.00 of fees");
    expect(await textOf(opened.page, "trust")).toContain("One day proves nothing.");
    expect(await textOf(opened.page, "trust")).toContain("Fills are simulated.");
    expect(await rowCount(opened.page, "slippage")).toBe(5);
    expect(await textOf(opened.page, "slippage-note")).toContain("The gain is gone at");
    expect(await textOf(opened.page, "denials")).toContain("POSITION_EXISTS");
  });

  test("does not call a run flat, complete or simulated that was not", async () => {
    await using opened = await open(tradedReport(4, 2, { mode: "live", outcome: "failed", positionsAtClose: 1 }));
    const badges = await textOf(opened.page, "badges");
    expect(badges).toContain("Live, real money");
    expect(badges).toContain("failed");
    expect(badges).toContain("1 position still held");
    expect(badges).not.toContain("flat");
    expect(await textOf(opened.page, "trust")).not.toContain("simulated");
  });

  const HOSTILE = [
    "</script><img src=x onerror=alert(1)>",
    "<!--<script>",
    "%DATA%$&$'",
    "\u2028'\"`$" + "{alert(1)}",
    "x".repeat(500),
  ];
  test("shows hostile text as text, wherever it comes from", async () => {
    const traded = tradedReport(HOSTILE.length, HOSTILE.length);
    const renamed = new Map(traded.series.map(({ symbol }, i) => [symbol, HOSTILE[i]!]));
    const rename = <Row extends { symbol: string }>(rows: readonly Row[]) =>
      rows.map((row) => ({ ...row, symbol: renamed.get(row.symbol)! }));
    const codes = HOSTILE.map((text) => ({ code: text, count: 1, meaning: text }));
    const text = HOSTILE.join(" ");
    const report: RunReport = {
      ...traded,
      day: HOSTILE[0]!,
      trades: rename(traded.trades),
      fills: rename(traded.fills),
      series: rename(traded.series),
      universe: rename(traded.universe),
      warnings: HOSTILE,
      denials: codes,
      filtered: codes,
      model: text,
      engine: text,
      adapter: text,
      engineChoice: text,
      dataOrigin: text,
      journalPath: text,
      counters: { [text]: 1 },
      latencies: traded.latencies.map((stage) => ({ ...stage, stage: text, meaning: text })),
    };
    for (const viewport of [DESKTOP, PHONE]) {
      await using opened = await open(report, { viewport });
      const { page, complaints } = opened;
      expect(await page.title()).toBe(`gyr sim ${HOSTILE[0]}`);
      expect(await page.locator("#warning-list li").allTextContents()).toEqual(HOSTILE);
      for (const symbol of HOSTILE) await page.selectOption("#symbol", symbol);
      expect(await page.locator("img, iframe, object, link, base").count()).toBe(0);
      expect(await page.locator("script").count()).toBe(2);
      expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBe(0);
      expect(complaints).toEqual([]);
    }
  });

  test("its policy stops a handler and a request even when somebody gets markup in", async () => {
    await using opened = await open(emptyReport());
    const outcome = await opened.page.evaluate(async () => {
      const blocked: string[] = [];
      document.addEventListener("securitypolicyviolation", (event) => blocked.push(event.effectiveDirective));
      const violated = (count: number) =>
        new Promise<void>((resolve) => {
          const look = () => (blocked.length >= count ? resolve() : requestAnimationFrame(look));
          look();
        });
      document.body.insertAdjacentHTML("beforeend", '<button id="evil" onclick="window.isHacked = true">x</button>');
      document.getElementById("evil")!.click();
      const fetched = await fetch("http://127.0.0.1:9/").then(
        () => "answered",
        () => "refused",
      );
      await violated(2);
      return { isHacked: "isHacked" in window, fetched, blocked: blocked.toSorted() };
    });
    expect(outcome).toEqual({ isHacked: false, fetched: "refused", blocked: ["connect-src", "script-src-attr"] });
  });

  for (const colorScheme of ["light", "dark"] as const) {
    test(`keeps every text readable in ${colorScheme}`, async () => {
      const report = tradedReport(8, 2, { outcome: "interrupted", positionsAtClose: 1 });
      await using opened = await open(report, { colorScheme });
      const poor = await opened.page.evaluate((contrastMin) => {
        const channel = (value: number) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
        const parse = (css: string) => css.match(/[\d.]+/g)!.map(Number);
        const luminance = ([r, g, b]: number[]) =>
          0.2126 * channel(r! / 255) + 0.7152 * channel(g! / 255) + 0.0722 * channel(b! / 255);
        const groundOf = (element: Element | null): number[] => {
          for (let at = element; at !== null; at = at.parentElement) {
            const ground = parse(getComputedStyle(at).backgroundColor);
            if (ground.length === 3 || ground[3] === 1) return ground;
          }
          return [255, 255, 255];
        };
        const found: string[] = [];
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
          const element = node.parentElement!;
          if (node.textContent!.trim() === "" || !element.checkVisibility()) continue;
          const style = getComputedStyle(element);
          const ink = luminance(parse(element instanceof SVGElement ? style.fill : style.color));
          const ground = luminance(groundOf(element));
          const contrast = (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
          if (contrast < contrastMin) found.push(`${contrast.toFixed(2)}: ${node.textContent!.trim().slice(0, 40)}`);
        }
        return found;
      }, CONTRAST_MIN);
      expect(poor).toEqual([]);
    });
  }

  test("redraws its charts when the system turns dark", async () => {
    await using opened = await open(tradedReport(2, 2), { colorScheme: "light" });
    const { page } = opened;
    const light = await pixelsOf(page, "equity", "--accent");
    await page.emulateMedia({ colorScheme: "dark" });
    await page.waitForFunction(() => matchMedia("(prefers-color-scheme: dark)").matches);
    // The change is told in the next frame, before its animation callbacks; what it draws is there in the one after.
    await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
    expect(light).toBeGreaterThan(50);
    expect(await pixelsOf(page, "equity", "--accent")).toBeGreaterThan(50);
  });

  test("names every control, table region, chart and picture", async () => {
    await using opened = await open(tradedReport(5, 5));
    const unnamed = await opened.page.evaluate(() =>
      [...document.querySelectorAll("button, select, [role=img], [role=region], section")]
        .filter((element) => {
          const label = element.getAttribute("aria-label") ?? element.getAttribute("aria-labelledby");
          const isLabelled = element instanceof HTMLSelectElement && element.labels.length > 0;
          return !label && !isLabelled && (element.tagName === "SECTION" || element.textContent!.trim() === "");
        })
        .map((element) => element.outerHTML.slice(0, 80)),
    );
    expect(unnamed).toEqual([]);
  });

  test("prints in light colours with its folds open, and is itself again after", async () => {
    await using opened = await open(tradedReport(60, 10), { colorScheme: "dark" });
    const { page } = opened;
    await page.evaluate(() => {
      const seen: string[] = [];
      Object.assign(window, { seen });
      addEventListener("beforeprint", () => seen.push(getComputedStyle(document.body).getPropertyValue("--panel")));
    });
    const pdf = await page.pdf({ format: "A4" });
    expect(pdf.subarray(0, 5).toString()).toBe("%PDF-");
    expect(await page.evaluate(() => Reflect.get(window, "seen"))).toEqual(["#ffffff"]);
    expect(await page.locator("details:not([open])").count()).toBe(0);
    expect(await page.evaluate(() => document.documentElement.className)).toBe("");
    expect(opened.complaints).toEqual([]);
  });

  test("shows a real day as its summary tells it", async () => {
    const path = folder.join("day.html");
    const child = Bun.spawn(
      [...GYR_FROM_SOURCE, "run", "--json", "--quiet", "--run-dir", folder.path, "--report", path],
      {
        cwd: folder.path,
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    const told = JSON.parse((await new Response(child.stdout).text()).trimEnd().split("\n").at(-1)!);
    expect(await child.exited).toBe(0);
    await using opened = await openFile(path);
    const { page, complaints } = opened;
    expect(complaints).toEqual([]);
    const pnl = `${told.pnlUsd < 0 ? "−" : "+"}$${Math.abs(told.pnlUsd).toFixed(2)}`;
    expect(await textOf(page, "headline")).toStartWith(pnl);
    expect(await textOf(page, "made")).toContain(told.fingerprint);
    expect(await textOf(page, "funnel")).toContain(told.predictions.toLocaleString("en-US"));
    expect(await textOf(page, "made")).not.toContain(folder.path);
    expect(await inkOf(page, "equity")).toBeGreaterThan(0.01);
    expect(await inkOf(page, "price")).toBeGreaterThan(0.01);
    expect(Bun.file(path).size).toBeLessThan(REPORT_BYTES_MAX);
  }, 60_000);
});

/** Equity at one value from the open to the close. */
function minutesAt(usd: number): RunReport["equity"] {
  const tsUs: number[] = [];
  for (let ts = OPEN_US; ts <= CLOSE_US; ts += 60_000_000) tsUs.push(ts);
  return { tsUs, equityUsd: tsUs.map(() => usd) };
}
