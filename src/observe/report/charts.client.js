// Curves, marks and histograms. Runs in the browser, after format.client.js and uPlot.

gyr.charts = (() => {
  const { usd, signedUsd, count, micros, clock, clockMinute, element, byId } = gyr;
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const FONT = "12px system-ui, sans-serif";

  /** Chart by the id of its element, to be resized, redrawn and destroyed. */
  const drawn = new Map();
  const observer = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries) {
      const plot = drawn.get(target.id);
      const width = Math.floor(contentRect.width);
      if (plot !== undefined && width > 0 && plot.width !== width) plot.setSize({ width, height: plot.height });
    }
  });

  function put(id, options, data, label) {
    const target = byId(id);
    drawn.get(id)?.destroy();
    target.replaceChildren();
    target.setAttribute("role", "img");
    target.setAttribute("aria-label", label);
    const plot = new uPlot({ width: Math.max(target.clientWidth, 200), ...options }, data, target);
    drawn.set(id, plot);
    observer.observe(target);
    return plot;
  }

  function empty(id, text) {
    drawn.get(id)?.destroy();
    drawn.delete(id);
    byId(id).replaceChildren(element("p", { class: "empty" }, text));
  }

  /** Epoch seconds of { startSec, stepsSec }. */
  function unpackTimes({ startSec, stepsSec }, length) {
    const times = length === 0 ? [] : [startSec];
    for (const step of stepsSec) times.push(times[times.length - 1] + step);
    return times;
  }

  const axes = (values, size = 64, space = 36) => {
    const base = {
      stroke: colour("--muted"),
      font: FONT,
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { show: false },
    };
    return [
      {
        ...base,
        size: 30,
        gap: 6,
        space: 64,
        values: (_, ticks, __, ___, stepSec) => ticks.map(stepSec < 60 ? clock : clockMinute),
      },
      { ...base, size, space, gap: 6, values: (_, ticks) => ticks.map(values) },
    ];
  };
  const newYork = (sec) => uPlot.tzDate(new Date(sec * 1e3), "America/New_York");
  const common = (height, sessionSec) => ({
    height,
    tzDate: newYork,
    legend: { show: false },
    padding: [10, 22, 0, 0],
    cursor: { y: false, points: { size: 7 }, drag: { x: true, y: false } },
    // The same hours under each other in every chart.
    xRange: (low, high) => [Math.min(low, sessionSec[0]), Math.max(high, sessionSec[1])],
  });

  /** Range of the x scale: the whole session at first, what was dragged over later. */
  const xScale = (options) => {
    let isFirst = true;
    return {
      range: (_, low, high) => {
        if (!isFirst) return [low, high];
        isFirst = false;
        return options.xRange(low, high);
      },
    };
  };

  /** A thin line at `value` of y across the plot. */
  const lineAt = (value) => (plot) => {
    const { ctx, bbox } = plot;
    const y = Math.round(plot.valToPos(value, "y", true)) + 0.5;
    if (y < bbox.top || y > bbox.top + bbox.height) return;
    ctx.save();
    ctx.strokeStyle = colour("--muted");
    ctx.lineWidth = devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.restore();
  };

  function equity({ time, pnlUsd, capitalUsd }, sessionSec) {
    if (pnlUsd.length < 2) {
      empty("equity", "The run ended before there was a minute to draw.");
      byId("capital").hidden = true;
      document.querySelector(".strip").hidden = true;
      return;
    }
    const times = unpackTimes(time, pnlUsd.length);
    const [low, high] = [Math.min(0, ...pnlUsd), Math.max(0, ...pnlUsd)];
    const pad = Math.max((high - low) * 0.08, 1);
    const digits = high - low < 5 ? 2 : 0;
    const readout = (plot) => {
      const at = plot.cursor.idx;
      byId("equity-readout").textContent =
        at === null || at === undefined
          ? ""
          : `${clockMinute(times[at])}   ${signedUsd(pnlUsd[at])}   ${usd(capitalUsd[at], 0)} held`;
    };
    const options = common(240, sessionSec);
    const sync = { key: "day", setSeries: false };
    put(
      "equity",
      {
        ...options,
        cursor: { ...options.cursor, sync },
        series: [{}, { stroke: colour("--accent"), width: 2, fill: colour("--accent-soft"), fillTo: 0 }],
        axes: axes((value) => signedUsd(value, digits)),
        scales: { x: xScale(options), y: { range: [low - pad, high + pad] } },
        hooks: { draw: [lineAt(0)], setCursor: [readout] },
      },
      [times, pnlUsd],
      `P&L after costs through the day: last ${signedUsd(pnlUsd.at(-1))}, lowest ${signedUsd(Math.min(...pnlUsd))}, highest ${signedUsd(Math.max(...pnlUsd))}`,
    );
    const most = Math.max(...capitalUsd);
    put(
      "capital",
      {
        ...options,
        height: 104,
        cursor: { ...options.cursor, sync },
        series: [
          {},
          {
            stroke: colour("--muted"),
            width: 1.5,
            fill: colour("--line"),
            paths: uPlot.paths.stepped({ align: 1 }),
          },
        ],
        axes: axes((value) => usd(value, 0), 64, 26),
        scales: { x: xScale(options), y: { range: [0, Math.max(most * 1.1, 100)] } },
        hooks: { setCursor: [readout] },
      },
      [times, capitalUsd],
      `Cost of what was held through the day: most ${usd(most, 0)}`,
    );
  }

  // ---- marks -------------------------------------------------------------------------------------------------------
  // What a mark means is in its shape: triangle up bought, triangle down sold to enter, disc target, cross stop, square flattened.

  const SHAPES = {
    buy: (ctx, x, y, r) =>
      polygon(ctx, [
        [x, y - r],
        [x - r, y + r * 0.85],
        [x + r, y + r * 0.85],
      ]),
    sell: (ctx, x, y, r) =>
      polygon(ctx, [
        [x, y + r],
        [x - r, y - r * 0.85],
        [x + r, y - r * 0.85],
      ]),
    target: (ctx, x, y, r) => {
      ctx.beginPath();
      ctx.arc(x, y, r * 0.85, 0, 2 * Math.PI);
    },
    stop: (ctx, x, y, r) => {
      const [a, b] = [r * 0.32, r];
      polygon(ctx, [
        [x, y - a],
        [x + b - a, y - b],
        [x + b, y - b + a],
        [x + a, y],
        [x + b, y + b - a],
        [x + b - a, y + b],
        [x, y + a],
        [x - b + a, y + b],
        [x - b, y + b - a],
        [x - a, y],
        [x - b, y - b + a],
        [x - b + a, y - b],
      ]);
    },
    exit: (ctx, x, y, r) => {
      ctx.beginPath();
      ctx.rect(x - r * 0.75, y - r * 0.75, r * 1.5, r * 1.5);
    },
  };
  const MARKS = [
    ["buy", "--accent", "bought to enter"],
    ["sell", "--accent", "sold to enter"],
    ["target", "--good", "target"],
    ["stop", "--bad", "stop"],
    ["exit", "--ink", "flattened"],
  ];
  const markOf = (fill) => (fill.role === "entry" ? fill.side : fill.role);

  function polygon(ctx, points) {
    ctx.beginPath();
    for (const [x, y] of points) ctx.lineTo(x, y);
    ctx.closePath();
  }

  function drawMark(ctx, mark, x, y, radius) {
    const [, name] = MARKS.find(([shape]) => shape === mark);
    SHAPES[mark](ctx, x, y, radius);
    ctx.lineJoin = "round";
    // A rim in the colour of the ground keeps marks apart from the price and from each other.
    ctx.lineWidth = 3 * devicePixelRatio;
    ctx.strokeStyle = colour("--panel");
    ctx.stroke();
    ctx.fillStyle = colour(name);
    ctx.fill();
  }

  /** The legend draws its marks with the same code as the chart. */
  function legend(id, hasShorts) {
    const items = MARKS.filter(([mark]) => mark !== "sell" || hasShorts).map(([mark, , text]) => {
      const canvas = element("canvas", {
        width: 18 * devicePixelRatio,
        height: 18 * devicePixelRatio,
        "aria-hidden": "true",
      });
      drawMark(canvas.getContext("2d"), mark, 9 * devicePixelRatio, 9 * devicePixelRatio, 6 * devicePixelRatio);
      return element("li", {}, canvas, text);
    });
    const line = (kind, text) =>
      element("li", {}, element("span", { class: `line ${kind}`, "aria-hidden": "true" }), text);
    byId(id).replaceChildren(...items, line("won", "trade that won"), line("lost", "trade that lost"));
  }

  /** Lines from entry to exit, then marks on top, over the price. */
  const drawTrades = (fills, trades) => (plot) => {
    const { ctx, bbox } = plot;
    const x = (tsUs) => plot.valToPos(tsUs / 1e6, "x", true);
    const y = (px) => plot.valToPos(px, "y", true);
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top - 8, bbox.width, bbox.height + 16);
    ctx.clip();
    for (const trade of trades) {
      const hasWon = trade.pnlUsd - trade.feesUsd > 0;
      ctx.strokeStyle = colour(hasWon ? "--good" : "--bad");
      ctx.lineWidth = 2 * devicePixelRatio;
      ctx.setLineDash(hasWon ? [] : [5 * devicePixelRatio, 4 * devicePixelRatio]);
      ctx.beginPath();
      ctx.moveTo(x(trade.entryTsUs), y(trade.entryPxUsd));
      ctx.lineTo(x(trade.exitTsUs), y(trade.exitPxUsd));
      ctx.stroke();
    }
    ctx.setLineDash([]);
    for (const fill of fills) drawMark(ctx, markOf(fill), x(fill.tsUs), y(fill.pxUsd), 6.5 * devicePixelRatio);
    ctx.restore();
  };

  /** A bar's close stands at the end of its bar: smallest gap between bars, at least a minute, is their length. */
  function closeTimes(series) {
    const times = unpackTimes(series.time, series.closeUsd.length);
    const lengthSec = Math.max(60, series.time.stepsSec.length > 0 ? Math.min(...series.time.stepsSec) : 60);
    return times.map((sec) => sec + lengthSec);
  }

  function price(series, fills, trades, sessionSec) {
    const times = closeTimes(series);
    const known = [...series.closeUsd, ...fills.map((fill) => fill.pxUsd)].filter((px) => px !== null);
    const [low, high] = [Math.min(...known), Math.max(...known)];
    const pad = Math.max((high - low) * 0.1, 0.01);
    const options = common(300, sessionSec);
    const readout = (plot) => {
      const at = plot.cursor.idx;
      byId("price-readout").textContent =
        at === null || at === undefined ? "" : `${clockMinute(times[at])}   ${usd(series.closeUsd[at])}`;
    };
    put(
      "price",
      {
        ...options,
        series: [{}, { stroke: colour("--price"), width: 1.5 }],
        axes: axes((value) => usd(value), 72),
        scales: { x: xScale(options), y: { range: [low - pad, high + pad] } },
        hooks: { draw: [drawTrades(fills, trades)], setCursor: [readout] },
      },
      [times, series.closeUsd],
      `Price of ${series.symbol} from ${usd(low)} to ${usd(high)} with ${count(fills.length)} fills, listed below`,
    );
  }

  // ---- histograms --------------------------------------------------------------------------------------------------

  const SVG = "http://www.w3.org/2000/svg";
  function svg(tag, attributes, text) {
    const node = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text !== undefined) node.textContent = text;
    return node;
  }

  const BINS_PER_DECADE = 8;
  const [WIDTH, HEIGHT, BASE] = [320, 96, 74];

  /** Decades that hold every bucket of every stage, so that all histograms have one axis. */
  function decades(stages) {
    const edges = stages.flatMap((stage) => stage.buckets.map(([upperUs]) => upperUs)).filter((us) => us > 0);
    if (edges.length === 0) return [0, 1];
    return [Math.floor(Math.log10(Math.min(...edges))), Math.ceil(Math.log10(Math.max(...edges)) + 1e-9)];
  }

  /** 10 to the power of `decade` microseconds. */
  const decadeName = (decade) => {
    const [power, unit] = decade >= 6 ? [6, "s"] : decade >= 3 ? [3, "ms"] : decade >= 0 ? [0, "µs"] : [-3, "ns"];
    return `${10 ** (decade - power)} ${unit}`;
  };

  function histogram(stage, [first, last]) {
    const x = (us) => 4 + ((Math.log10(us) - first) / Math.max(last - first, 1)) * (WIDTH - 8);
    const bins = new Map();
    for (const [upperUs, number] of stage.buckets) {
      const bin = Math.ceil(Math.log10(Math.max(upperUs, 10 ** first)) * BINS_PER_DECADE - 1e-9) - 1;
      bins.set(bin, (bins.get(bin) ?? 0) + number);
    }
    const most = Math.max(...bins.values());
    const picture = svg("svg", {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      role: "img",
      "aria-label": `${stage.stage}: half under ${micros(stage.p50Us)}, 99 of 100 under ${micros(stage.p99Us)}`,
    });
    for (let decade = first; decade <= last; decade++) {
      const at = x(10 ** decade);
      picture.append(svg("line", { x1: at, x2: at, y1: 4, y2: BASE, class: "grid" }));
      const anchor = decade === first ? "start" : decade === last ? "end" : "middle";
      picture.append(svg("text", { x: at, y: HEIGHT - 6, "text-anchor": anchor }, decadeName(decade)));
    }
    for (const [bin, number] of bins) {
      const [from, to] = [10 ** (bin / BINS_PER_DECADE), 10 ** ((bin + 1) / BINS_PER_DECADE)];
      const height = Math.max((number / most) * (BASE - 12), 1.5);
      const bar = svg("rect", {
        x: Math.max(x(from), 0) + 0.5,
        y: BASE - height,
        width: Math.max(x(to) - x(from) - 1, 1),
        height,
        class: "bin",
      });
      bar.append(svg("title", {}, `${micros(from)} to ${micros(to)}: ${count(number)}`));
      picture.append(bar);
    }
    for (const [us, name] of [
      [stage.p50Us, "p50"],
      [stage.p99Us, "p99"],
    ]) {
      if (!(us > 0)) continue;
      const at = Math.min(Math.max(x(us), 0), WIDTH);
      picture.append(svg("line", { x1: at, x2: at, y1: 2, y2: BASE, class: name }));
    }
    return element(
      "figure",
      {},
      element("figcaption", {}, element("b", {}, stage.stage), ` ${count(stage.count)}`),
      picture,
    );
  }

  return { equity, price, empty, legend, histogram, decades };
})();
