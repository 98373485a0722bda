// report.html as text. What it does in a browser is in test/browser.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { renderReport } from "../../../src/observe/report.ts";
import { shownPath } from "../../../src/observe/shown-path.ts";
import { emptyReport, tradedReport } from "../../support/run-report.ts";

function dataOf(html: string) {
  const start = html.indexOf('id="data">') + 'id="data">'.length;
  return JSON.parse(html.slice(start, html.indexOf("</script>", start)));
}

describe("renderReport", () => {
  test("any text comes back from the page's data as it was, and never ends the element it is in", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }),
        fc.constantFrom("</script>", "<!--", "%STYLES%", "$&", ""),
        (text, poison) => {
          const warning = text.toWellFormed() + poison;
          const html = renderReport(emptyReport({ warnings: [warning] }));
          expect(dataOf(html).warnings).toEqual([warning]);
          expect(html.match(/<script/g)).toHaveLength(2);
        },
      ),
      { numRuns: 200 },
    );
  });

  test("times and prices survive the packing", () => {
    const report = tradedReport(10, 3);
    const { series, equity } = dataOf(renderReport(report));
    const unpack = ({ startSec, stepsSec }: { startSec: number; stepsSec: number[] }) => {
      const times = [startSec];
      for (const step of stepsSec) times.push(times.at(-1)! + step);
      return times;
    };
    expect(unpack(series[1].time)).toEqual(report.series[1]!.tsUs.map((ts) => ts / 1e6));
    expect(series[1].closeUsd).toEqual(report.series[1]!.closeUsd);
    expect(unpack(equity.time)).toEqual(report.equity.tsUs.map((ts) => ts / 1e6));
    expect(equity.pnlUsd.at(-1)).toBeCloseTo(report.equity.equityUsd.at(-1)! - report.cashStartUsd, 4);
  });

  test("names no address that a browser would fetch", () => {
    const markup = renderReport(tradedReport(3)).replace(/<script[\s\S]*?<\/script>/g, "");
    expect(markup).not.toMatch(/\b(?:src|href)=|@import|url\(/);
  });

  test("shows paths relative to the working folder, so that a report can be passed on", () => {
    const report = emptyReport({ reportPath: "/srv/a/x/report.html", journalPath: "/srv/a/x/runs/journal.sqlite" });
    const html = renderReport(report, "/srv/a/x");
    expect(html).not.toContain("/srv/a");
    expect(dataOf(html).journalPath).toBe("runs/journal.sqlite");
  });
});

describe("shownPath", () => {
  test.each([
    ["/a/b/c.html", "/a/b", "c.html"],
    ["/a/b/c.html", "/", "a/b/c.html"],
    ["/a/b", "/a/b", "/a/b"],
    ["/a/bc/d", "/a/b", "/a/bc/d"],
    ["/x/y", "/a", "/x/y"],
    ["already/relative", "/a", "already/relative"],
  ])("of %s in %s is %s", (path, folder, shown) => {
    expect(shownPath(path, folder)).toBe(shown);
  });
});
