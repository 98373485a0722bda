// The picture of the README, out of a real report: bun test/browser/screenshot.ts report.html docs/images/report.png
// From the top of the page to the end of "How far to trust it".

import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { startBrowser } from "./browser.ts";

const WIDTH = 1160;

const [from, to] = process.argv.slice(2);
if (from === undefined || to === undefined) throw new Error("give the report and the picture: report.html report.png");
const { browser, skipReason } = await startBrowser();
if (browser === null) throw new Error(skipReason);
const page = await browser.newPage({ viewport: { width: WIDTH, height: 900 }, colorScheme: "light" });
await page.goto(pathToFileURL(resolve(from)).href);
const section = (await page.locator("section:has(#trust)").boundingBox())!;
await page.screenshot({
  path: to,
  fullPage: true,
  clip: { x: 0, y: 0, width: WIDTH, height: Math.round(section.y + section.height + 8) },
});
await browser.close();
