// report.html: one file with everything in it (styles, chart library, data), readable offline and years later.

import uplotJs from "uplot/dist/uPlot.iife.min.js" with { type: "text" };
import uplotCss from "uplot/dist/uPlot.min.css" with { type: "text" };
import pageJs from "./report/page.client.js" with { type: "text" };
import pageCss from "./report/page.css" with { type: "text" };
import pageHtmlText from "./report/page.html" with { type: "text" };
import type { RunReport } from "./run-report.ts";

/** Bun's types know .html imports only as pages to serve. */
const pageHtml = pageHtmlText as unknown as string;

/** Renders the report. Data goes in as JSON in a script element; `<` is escaped, so no text of a run can become markup. */
export function renderReport(report: RunReport): string {
  const data = JSON.stringify(report)
    .replaceAll("<", "\\u003c")
    .replaceAll("\u2028", "\\u2028")
    .replaceAll("\u2029", "\\u2029");
  const parts: Record<string, string> = {
    "%TITLE%": `gyr ${report.mode} ${report.day}`,
    "%CSS%": `${uplotCss}\n${pageCss}`,
    "%DATA%": data,
    "%UPLOT%": uplotJs,
    "%JS%": pageJs,
  };
  return pageHtml.replace(/%(TITLE|CSS|DATA|UPLOT|JS)%/g, (name) => parts[name]!);
}
