(() => {
  const report = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const usd = (value, digits = 2) =>
    `${value < 0 ? "-" : ""}$${Math.abs(value).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits })}`;
  const count = (value) => value.toLocaleString("en-US");
  const time = (tsUs) =>
    new Date(tsUs / 1000).toLocaleTimeString("en-GB", {
      timeZone: "America/New_York",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
    });
  const micros = (us) => (us >= 1000 ? `${(us / 1000).toFixed(2)} ms` : `${us.toFixed(us < 10 ? 2 : 1)} us`);

  /** Element with text or children; text never becomes markup. */
  function element(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  }

  function fillTable(id, columns, rows, empty) {
    const table = byId(id);
    if (rows.length === 0) {
      table.replaceWith(element("p", { class: "note", id }, empty));
      return;
    }
    table.append(
      element(
        "thead",
        {},
        element("tr", {}, ...columns.map(([name, kind]) => element("th", { class: kind ?? "" }, name))),
      ),
    );
    table.append(
      element(
        "tbody",
        {},
        ...rows.map((row) =>
          element(
            "tr",
            {},
            ...row.map((cell, index) => {
              const isObject = typeof cell === "object";
              return element(
                "td",
                { class: `${columns[index][1] ?? ""} ${isObject ? cell.class : ""}` },
                String(isObject ? cell.text : cell),
              );
            }),
          ),
        ),
      ),
    );
  }

  const signed = (value) => ({ text: usd(value), class: value > 0 ? "good" : value < 0 ? "bad" : "" });

  byId("head").append(
    element("h1", {}, `${report.day}, ${report.mode}`),
    element(
      "p",
      { class: "sub" },
      `${report.outcome} in ${report.wallSeconds.toFixed(1)} s. ` +
        (report.signal === "cnn"
          ? `Network '${report.model}' decides`
          : `The momentum rule decides; network '${report.model}' runs in shadow`) +
        (report.isModelTrained ? "." : " (untrained: seeded weights)."),
    ),
  );
  if (report.warnings.length > 0) {
    byId("warnings").hidden = false;
    byId("warnings").append(element("ul", {}, ...report.warnings.map((text) => element("li", {}, text))));
  }

  const tiles = [
    ["P&L after costs", signed(report.pnlNetUsd), `${usd(report.pnlGrossUsd)} before`],
    ["Costs", { text: usd(report.feesUsd), class: "" }, "regulatory fees"],
    [
      "Largest drawdown",
      { text: `${(report.drawdownMaxFrac * 100).toFixed(2)}%`, class: "" },
      "of the account, by the minute",
    ],
    [
      "Trades won",
      { text: report.winRate === null ? "-" : `${(report.winRate * 100).toFixed(1)}%`, class: "" },
      `of ${report.trades.length}, after costs`,
    ],
    [
      "Profit factor",
      { text: report.profitFactor === null ? "-" : report.profitFactor.toFixed(2), class: "" },
      "won over lost",
    ],
    ["Orders", { text: count(report.orders), class: "" }, `${count(report.fills.length)} fills`],
    [
      "Held at the close",
      { text: String(report.positionsAtClose), class: report.positionsAtClose === 0 ? "" : "bad" },
      report.positionsAtClose === 0 ? "flat" : "not flat",
    ],
  ];
  byId("tiles").append(
    ...tiles.map(([label, value, foot]) =>
      element(
        "div",
        { class: "tile" },
        element("div", { class: "label" }, label),
        element("div", { class: `value ${value.class}` }, value.text),
        element("div", { class: "foot" }, foot),
      ),
    ),
  );

  const axis = () => ({
    stroke: style("--muted"),
    grid: { stroke: style("--line"), width: 1 },
    ticks: { stroke: style("--line") },
  });
  const newYork = (ts) => uPlot.tzDate(new Date(ts * 1e3), "America/New_York");
  const seconds = (tsUs) => tsUs.map((ts) => ts / 1e6);
  const width = (id) => byId(id).clientWidth;
  const charts = [];

  function drawEquity() {
    if (report.equity.tsUs.length < 2) {
      byId("equity").append(element("p", { class: "note" }, "The run was too short for a curve."));
      return;
    }
    charts.push([
      new uPlot(
        {
          width: width("equity"),
          height: 260,
          tzDate: newYork,
          series: [
            { label: "New York" },
            {
              label: "Equity",
              stroke: style("--accent"),
              width: 1.6,
              value: (_, value) => (value === null ? "-" : usd(value)),
            },
          ],
          axes: [axis(), { ...axis(), size: 90, values: (_, ticks) => ticks.map((tick) => usd(tick, 0)) }],
          scales: {
            y: {
              range: (_, low, high) => [
                Math.min(low, report.cashStartUsd) - 5,
                Math.max(high, report.cashStartUsd) + 5,
              ],
            },
          },
        },
        [seconds(report.equity.tsUs), report.equity.equityUsd],
        byId("equity"),
      ),
      "equity",
    ]);
  }

  /** Triangles for fills and lines from entry to exit, drawn over the price. */
  function markers(symbol) {
    const fills = report.fills.filter((fill) => fill.symbol === symbol);
    const trades = report.trades.filter((trade) => trade.symbol === symbol);
    return {
      hooks: {
        draw: (plot) => {
          const { ctx } = plot;
          const x = (tsUs) => plot.valToPos(tsUs / 1e6, "x", true);
          const y = (px) => plot.valToPos(px, "y", true);
          const ratio = devicePixelRatio;
          ctx.save();
          for (const trade of trades) {
            ctx.strokeStyle = trade.pnlUsd >= 0 ? style("--good") : style("--bad");
            ctx.lineWidth = 1.5 * ratio;
            ctx.setLineDash([4 * ratio, 3 * ratio]);
            ctx.beginPath();
            ctx.moveTo(x(trade.entryTsUs), y(trade.entryPxUsd));
            ctx.lineTo(x(trade.exitTsUs), y(trade.exitPxUsd));
            ctx.stroke();
          }
          ctx.setLineDash([]);
          for (const fill of fills) {
            const up = fill.side === "buy" ? 1 : -1;
            const size = 6 * ratio;
            const [cx, cy] = [x(fill.tsUs), y(fill.pxUsd) + up * size];
            ctx.fillStyle = up > 0 ? style("--good") : style("--bad");
            ctx.beginPath();
            ctx.moveTo(cx, cy - up * size);
            ctx.lineTo(cx - size, cy + up * size);
            ctx.lineTo(cx + size, cy + up * size);
            ctx.fill();
          }
          ctx.restore();
        },
      },
    };
  }

  let pricePlot = null;
  function drawPrice(symbol) {
    pricePlot?.destroy();
    const series = report.series.find((candidate) => candidate.symbol === symbol);
    const fills = report.fills.filter((fill) => fill.symbol === symbol);
    const prices = [...series.closeUsd, ...fills.map((fill) => fill.pxUsd)];
    const [low, high] = [Math.min(...prices), Math.max(...prices)];
    const pad = Math.max((high - low) * 0.08, 0.01);
    pricePlot = new uPlot(
      {
        width: width("price"),
        height: 300,
        tzDate: newYork,
        plugins: [markers(symbol)],
        series: [
          { label: "New York" },
          {
            label: symbol,
            stroke: style("--accent"),
            width: 1.4,
            value: (_, value) => (value === null ? "-" : usd(value)),
          },
        ],
        axes: [axis(), { ...axis(), size: 80, values: (_, ticks) => ticks.map((tick) => usd(tick)) }],
        scales: { y: { range: [low - pad, high + pad] } },
      },
      [seconds(series.tsUs), series.closeUsd],
      byId("price"),
    );
    const trades = report.trades.filter((trade) => trade.symbol === symbol);
    const net = trades.reduce((sum, trade) => sum + trade.pnlUsd - trade.feesUsd, 0);
    byId("symbol-note").textContent = `${trades.length} trades, ${usd(net)} after costs`;
  }

  function drawPrices() {
    if (report.series.length === 0) {
      byId("price").append(element("p", { class: "note" }, "Nothing was traded."));
      byId("symbol").parentElement.hidden = true;
      return;
    }
    const netOf = (symbol) =>
      report.trades.filter((t) => t.symbol === symbol).reduce((sum, t) => sum + t.pnlUsd - t.feesUsd, 0);
    const symbols = report.series.map(({ symbol }) => symbol).sort((a, b) => Math.abs(netOf(b)) - Math.abs(netOf(a)));
    byId("symbol").append(
      ...symbols.map((symbol) => element("option", { value: symbol }, `${symbol}  ${usd(netOf(symbol))}`)),
    );
    byId("symbol").addEventListener("change", () => drawPrice(byId("symbol").value));
    drawPrice(symbols[0]);
  }

  /** Bars over a logarithmic axis of microseconds, as SVG. */
  function histogram(stage) {
    const svgNs = "http://www.w3.org/2000/svg";
    const node = (tag, attributes, text) => {
      const made = document.createElementNS(svgNs, tag);
      for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
      if (text !== undefined) made.textContent = text;
      return made;
    };
    const bins = new Map();
    for (const [upperUs, number] of stage.buckets) {
      const bin = Math.floor(Math.log10(upperUs) * 8);
      bins.set(bin, (bins.get(bin) ?? 0) + number);
    }
    const keys = [...bins.keys()];
    const [first, last] = [Math.min(...keys), Math.max(...keys)];
    const most = Math.max(...bins.values());
    const svg = node("svg", { viewBox: "0 0 320 110", role: "img", "aria-label": `histogram of ${stage.stage}` });
    const step = 310 / (last - first + 1);
    for (const [bin, number] of bins) {
      const height = (number / most) * 84;
      const bar = node("rect", {
        x: 5 + (bin - first) * step,
        y: 90 - height,
        width: Math.max(step - 1, 1),
        height,
        fill: style("--accent"),
      });
      bar.append(node("title", {}, `${micros(10 ** (bin / 8))} to ${micros(10 ** ((bin + 1) / 8))}: ${count(number)}`));
      svg.append(bar);
    }
    const label = { y: 105, fill: style("--muted"), "font-size": 11 };
    svg.append(node("text", { ...label, x: 5 }, micros(10 ** (first / 8))));
    svg.append(node("text", { ...label, x: 315, "text-anchor": "end" }, micros(10 ** ((last + 1) / 8))));
    return element("div", {}, element("h3", {}, `${stage.stage}, ${count(stage.count)}`), svg);
  }

  drawEquity();
  drawPrices();
  addEventListener("resize", () => {
    for (const [chart, id] of charts) chart.setSize({ width: width(id), height: chart.height });
    pricePlot?.setSize({ width: width("price"), height: 300 });
  });

  fillTable(
    "trades",
    [
      ["Stock"],
      [""],
      ["Shares", "num"],
      ["In"],
      ["Price", "num"],
      ["Out"],
      ["Price", "num"],
      ["By"],
      ["P&L", "num"],
      ["Fees", "num"],
    ],
    report.trades.map((t) => [
      t.symbol,
      t.direction,
      count(t.qty),
      time(t.entryTsUs),
      usd(t.entryPxUsd),
      time(t.exitTsUs),
      usd(t.exitPxUsd),
      t.exitReason,
      signed(t.pnlUsd),
      usd(t.feesUsd),
    ]),
    "No trade was closed.",
  );
  const codes = (rows) => rows.map((row) => [row.code, count(row.count), row.meaning]);
  fillTable("denials", [["Code", "mono"], ["Count", "num"], ["Meaning"]], codes(report.denials), "None.");
  fillTable("filters", [["Code", "mono"], ["Count", "num"], ["Meaning"]], codes(report.filtered), "None.");
  fillTable(
    "latency",
    [
      ["Stage"],
      ["What it spans"],
      ["Count", "num"],
      ["p50", "num"],
      ["p90", "num"],
      ["p99", "num"],
      ["p99.9", "num"],
      ["Max", "num"],
    ],
    report.latencies
      .filter((s) => s.count > 0)
      .map((s) => [
        s.stage,
        s.meaning,
        count(s.count),
        micros(s.p50Us),
        micros(s.p90Us),
        micros(s.p99Us),
        micros(s.p999Us),
        micros(s.maxUs),
      ]),
    "Nothing was measured.",
  );
  byId("histograms").append(...report.latencies.filter((stage) => stage.count > 0).map(histogram));
  fillTable(
    "universe",
    [["Rank", "num"], ["Stock"], ["Score", "num"]],
    report.universe.map((u, i) => [i + 1, u.symbol, u.score.toFixed(5)]),
    "Empty.",
  );
  fillTable(
    "counters",
    [
      ["Counter", "mono"],
      ["Value", "num"],
    ],
    Object.entries(report.counters).map(([name, value]) => [name, count(value)]),
    "None.",
  );
  fillTable(
    "made",
    [[""], [""]],
    [
      ["Fingerprint", report.fingerprint],
      ["Engine", `${report.engine} ${report.precision} ${report.adapter}`],
      ["Model", `${report.model} ${report.modelSha256}`],
      ["Configuration", report.configSha256],
      ["Seed", report.seed],
      ["Data", report.dataOrigin],
      ["Journal", report.journalPath],
      ["Version", report.version],
      ["Started", report.startedWallIso],
    ].map(([name, value]) => [name, { text: value, class: "mono" }]),
    "",
  );
})();
