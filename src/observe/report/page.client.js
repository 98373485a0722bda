// Fills the page from its data. Runs in the browser, last.

(() => {
  const report = JSON.parse(document.getElementById("data").textContent);
  const { evidence, trades, fills, series } = report;
  const { usd, signedUsd, count, percent, micros, ratio, clock, held, longDay, mood, element, byId, plural } = gyr;
  const { fillTable, charts } = gyr;
  const sessionSec = [report.sessionOpenUs / 1e6, report.sessionCloseUs / 1e6];
  const isFlat = report.positionsAtClose === 0;
  const netOf = (trade) => trade.pnlUsd - trade.feesUsd;
  const total = (rows) => rows.reduce((sum, row) => sum + row.count, 0);
  const num = (name, isSortable = false) => ({ name, kind: "num", isSortable });
  const text = (name, isSortable = false) => ({ name, isSortable });

  // ---- head --------------------------------------------------------------------------------------------------------

  const MODES = { sim: "Simulation", paper: "Paper account", live: "Live, real money" };
  const network = report.isModelTrained ? "trained" : "untrained";
  byId("version").textContent = report.version;
  byId("headline").append(
    element("span", { class: `result ${mood(report.pnlNetUsd)}` }, signedUsd(report.pnlNetUsd)),
    ` after costs on ${longDay(report.day)}`,
  );
  const OUTCOMES = {
    completed: ["ok", "✓ day completed"],
    interrupted: ["warn", "! interrupted"],
    failed: ["stop", "✕ failed"],
  };
  const badges = [
    [report.mode === "live" ? "stop" : "plain", MODES[report.mode] ?? report.mode],
    OUTCOMES[report.outcome] ?? ["warn", report.outcome],
    isFlat ? ["ok", "✓ flat at the end"] : ["stop", `✕ ${plural(report.positionsAtClose, "position")} still held`],
    ["plain", report.signal === "cnn" ? "network decides" : "momentum rule decides"],
    report.isModelTrained
      ? ["plain", `network '${report.model}'`]
      : ["warn", `! network is untrained${report.signal === "cnn" ? "" : ", runs in shadow"}`],
  ];
  byId("badges").append(...badges.map(([kind, label]) => element("li", { class: kind }, label)));

  if (report.warnings.length > 0) {
    byId("warnings").hidden = false;
    byId("warning-list").append(...report.warnings.map((warning) => element("li", {}, warning)));
  }

  // ---- result ------------------------------------------------------------------------------------------------------

  const range = (interval, show) => `${show(interval.low)} to ${show(interval.high)}`;
  const capitalMost = Math.max(0, ...report.equity.capitalUsd);
  const tiles = [
    [
      "P&L after costs",
      signedUsd(report.pnlNetUsd),
      `${signedUsd(report.pnlGrossUsd)} before, ${usd(report.feesUsd)} of fees`,
      mood(report.pnlNetUsd),
    ],
    [
      "Held at the end",
      isFlat ? "Flat" : count(report.positionsAtClose),
      isFlat ? "no position left" : "positions left with the broker",
      isFlat ? "" : "bad",
    ],
    [
      "Trades",
      count(trades.length),
      `${count(evidence.wonCount)} won, ${count(trades.length - evidence.wonCount)} did not`,
    ],
    [
      "Won",
      percent(report.winRate),
      evidence.winRate === null ? "no trade" : `95% interval ${range(evidence.winRate, (frac) => percent(frac, 0))}`,
    ],
    ["Profit factor", ratio(report.profitFactor), "won over lost, after costs"],
    [
      "Mean of a trade",
      signedUsd(evidence.meanUsd),
      evidence.mean === null ? "too few for an interval" : `95% interval ${range(evidence.mean, signedUsd)}`,
      mood(evidence.meanUsd),
    ],
    ["Largest drawdown", usd(evidence.drawdownUsd), `${percent(report.drawdownMaxFrac, 2)} of the account`],
    ["Most held at once", usd(capitalMost, 0), `at cost; ${usd(report.cashStartUsd, 0)} at the start`],
  ];
  byId("tiles").append(
    ...tiles.map(([label, value, foot, kind]) =>
      element(
        "div",
        { class: "tile" },
        element("div", { class: "label" }, label),
        element("div", { class: `value ${kind ?? ""}` }, value),
        element("div", { class: "foot" }, foot),
      ),
    ),
  );

  // ---- trust -------------------------------------------------------------------------------------------------------

  const trust = [];
  const doubt = (title, sentence) => trust.push(element("li", {}, element("b", {}, title), ` ${sentence}`));
  const excludesZero = evidence.mean !== null && (evidence.mean.low > 0 || evidence.mean.high < 0);
  doubt(
    "One day proves nothing.",
    evidence.mean === null
      ? `${plural(trades.length, "trade")} cannot tell a rule that earns from one that does not.`
      : `The mean of ${plural(trades.length, "trade")} is ${signedUsd(evidence.meanUsd)}, and its 95% interval ${
          excludesZero ? "leaves zero out on this day alone" : "holds zero"
        }. Trades of one day move together, so the true interval is wider.`,
  );
  if (report.mode === "sim") {
    doubt(
      "Fills are simulated.",
      "Quotes, and the path of the price within a minute, come from a seeded model over recorded minute bars; orders of this size are taken not to move the price. docs/simulation.md says when an order fills and what is left out.",
    );
  } else if (report.mode === "paper") {
    doubt("Fills are the broker's simulation.", "A paper account fills at the quote and pays no market impact.");
  }
  doubt(
    report.signal === "cnn" ? "The network decides" : "A momentum rule decides",
    report.signal === "cnn"
      ? `and is ${network}.${report.isModelTrained ? "" : " Its weights are seeded random numbers: these trades mean nothing."}`
      : `and is not claimed to earn money. The ${network} network ran in shadow: its ${plural(report.predictions, "prediction")} went to the journal and moved no order.`,
  );
  doubt(
    "Costs are regulatory fees.",
    `${usd(report.feesUsd)} in all, no commission; spread and slippage are inside the fill prices.`,
  );
  if (!isFlat) doubt("Positions are open.", "The result counts them at their last trade; the broker may pay less.");
  doubt("Data:", `${report.dataOrigin}.`);
  byId("trust").append(...trust);

  fillTable(
    "slippage",
    [text("Worse by"), num("P&L after costs"), num("Change")],
    fills.length === 0
      ? []
      : evidence.slippage.map(({ bps, pnlUsd }) => [
          bps === 0 ? "as filled" : `${bps} bp`,
          { text: signedUsd(pnlUsd), class: mood(pnlUsd) },
          bps === 0 ? "" : signedUsd(pnlUsd - report.pnlNetUsd),
        ]),
    "Nothing was filled.",
  );
  byId("slippage-note").textContent =
    fills.length === 0
      ? ""
      : `On every fill but targets, which are limit orders: ${usd(evidence.marketNotionalUsd, 0)} in all. ` +
        (evidence.breakEvenBps === null
          ? "The day has no gain to lose."
          : `The gain is gone at ${ratio(evidence.breakEvenBps)} bp.`);
  fillTable(
    "targets",
    [text(""), num("Aim"), num("This day")],
    [
      [
        "P&L after costs",
        signedUsd(report.target.pnlUsd, 0),
        { text: signedUsd(report.pnlNetUsd), class: mood(report.pnlNetUsd) },
      ],
      ["Trades won", percent(report.target.winFrac, 0), percent(report.winRate)],
      ["Drawdown", `under ${percent(report.target.drawdownFrac, 0)}`, percent(report.drawdownMaxFrac, 2)],
    ],
    "",
  );

  // ---- entries and exits -------------------------------------------------------------------------------------------

  const netBySymbol = new Map(series.map(({ symbol }) => [symbol, 0]));
  for (const trade of trades) netBySymbol.set(trade.symbol, (netBySymbol.get(trade.symbol) ?? 0) + netOf(trade));
  const symbols = series
    .map(({ symbol }) => symbol)
    .sort((a, b) => Math.abs(netBySymbol.get(b)) - Math.abs(netBySymbol.get(a)));
  const picker = byId("symbol");

  function showSymbol(symbol) {
    picker.value = symbol;
    const own = fills.filter((fill) => fill.symbol === symbol);
    const ownTrades = trades.filter((trade) => trade.symbol === symbol);
    charts.price(
      series.find((candidate) => candidate.symbol === symbol),
      own,
      ownTrades,
      sessionSec,
    );
    byId("symbol-note").textContent =
      `${symbols.indexOf(symbol) + 1} of ${symbols.length}: ${plural(ownTrades.length, "trade")}, ${signedUsd(netBySymbol.get(symbol))} after costs`;
    fillTable(
      "fills",
      [text("Time"), text("For"), text("Side"), num("Shares"), num("Price"), { name: "Client order id", kind: "mono" }],
      own.map((fill) => [
        clock(fill.tsUs / 1e6),
        fill.role === "exit" ? "flatten" : fill.role,
        fill.side,
        count(fill.qty),
        usd(fill.pxUsd),
        fill.clientOrderId,
      ]),
      "No fill.",
    );
  }

  function step(by) {
    const at = symbols.indexOf(picker.value);
    showSymbol(symbols[(at + by + symbols.length) % symbols.length]);
  }

  if (symbols.length === 0) {
    byId("picker").hidden = true;
    byId("legend").hidden = true;
    charts.empty("price", "No order was filled, so there is no entry to show.");
    byId("fills").parentElement.hidden = true;
  } else {
    picker.append(
      ...symbols.map((symbol) =>
        element("option", { value: symbol }, `${symbol}  ${signedUsd(netBySymbol.get(symbol))}`),
      ),
    );
    picker.addEventListener("change", () => showSymbol(picker.value));
    byId("previous").addEventListener("click", () => step(-1));
    byId("next").addEventListener("click", () => step(1));
  }

  // ---- trades ------------------------------------------------------------------------------------------------------

  fillTable(
    "exits",
    [text("Closed by"), num("Trades"), num("Won"), num("After costs")],
    evidence.exits.map((group) => [
      group.reason,
      count(group.count),
      count(group.wonCount),
      { text: signedUsd(group.netUsd), class: mood(group.netUsd) },
    ]),
    "No trade was closed.",
  );
  const symbolButton = (symbol) => {
    const button = element("button", { type: "button", class: "link", title: `Show ${symbol} in the chart` }, symbol);
    button.addEventListener("click", () => {
      showSymbol(symbol);
      byId("price-title").scrollIntoView({ block: "start" });
      picker.focus({ preventScroll: true });
    });
    return button;
  };
  const cell = (shown, value, kind) => ({ text: shown, value, class: kind });
  byId("trades").parentElement.hidden = trades.length === 0;
  fillTable(
    "trades",
    [
      text("Stock", true),
      text("Direction", true),
      num("Shares", true),
      text("In", true),
      num("Entry"),
      text("Out", true),
      num("Exit"),
      num("Held", true),
      text("Closed by", true),
      num("Before", true),
      num("Fees", true),
      num("After costs", true),
    ],
    trades.map((t) => [
      { node: netBySymbol.has(t.symbol) ? symbolButton(t.symbol) : t.symbol, value: t.symbol },
      t.direction,
      cell(count(t.qty), t.qty),
      cell(clock(t.entryTsUs / 1e6), t.entryTsUs),
      usd(t.entryPxUsd),
      cell(clock(t.exitTsUs / 1e6), t.exitTsUs),
      usd(t.exitPxUsd),
      cell(held((t.exitTsUs - t.entryTsUs) / 1e6), t.exitTsUs - t.entryTsUs),
      t.exitReason,
      cell(signedUsd(t.pnlUsd), t.pnlUsd),
      cell(usd(t.feesUsd), t.feesUsd),
      cell(signedUsd(netOf(t)), netOf(t), mood(netOf(t))),
    ]),
    "",
  );

  // ---- funnel ------------------------------------------------------------------------------------------------------

  const [filteredCount, deniedCount] = [total(report.filtered), total(report.denials)];
  const enteredCount = Math.min(report.signals - filteredCount - deniedCount, report.orders);
  const funnel = [
    [
      "market events",
      report.marketEvents,
      `${count(report.universe.length)} of ${count(report.universeCandidates)} stocks`,
    ],
    ["bars closed", report.bars, ""],
    ["predictions", report.predictions, "by the network"],
    ["signals", report.signals, `${count(filteredCount)} stopped by filters`],
    ["asked of risk", report.signals - filteredCount, `${count(deniedCount)} denied`],
    ["orders", report.orders, `${count(enteredCount)} to enter, ${count(report.orders - enteredCount)} to flatten`],
    ["fills", fills.length, "bracket legs included"],
  ];
  byId("funnel").append(
    ...funnel.map(([label, value, foot]) =>
      element("li", {}, element("b", {}, count(value)), element("span", {}, label), element("small", {}, foot)),
    ),
  );
  const codes = (rows) => rows.map((row) => [row.code, count(row.count), row.meaning]);
  const codeColumns = [{ name: "Code", kind: "mono" }, num("Count"), { name: "Meaning", kind: "wrap" }];
  fillTable("denials", codeColumns, codes(report.denials), "No order was denied.");
  fillTable("filters", codeColumns, codes(report.filtered), "No signal was stopped.");

  // ---- latency -----------------------------------------------------------------------------------------------------

  const stages = report.latencies.filter((stage) => stage.count > 0);
  const thin = (stage, us, samplesMin) => cell(micros(us), us, stage.count < samplesMin ? "thin" : "");
  fillTable(
    "latency",
    [{ name: "Stage", kind: "wrap" }, num("Count"), num("p50"), num("p90"), num("p99"), num("p99.9"), num("Most")],
    stages.map((s) => [
      { node: element("span", {}, s.stage, element("small", {}, s.meaning)) },
      count(s.count),
      micros(s.p50Us),
      thin(s, s.p90Us, 10),
      thin(s, s.p99Us, 100),
      thin(s, s.p999Us, 1000),
      micros(s.maxUs),
    ]),
    "Nothing was measured.",
  );
  byId("latency-note").textContent =
    stages.length === 0
      ? ""
      : "Measured in this run by the process itself. Grey: too few samples for that quantile, so it is close to the largest. " +
        "In a simulation at full speed the bars of many stocks close in one delivery and wait for each other; gyr bench measures a tick alone. " +
        "All histograms share one axis; the full line is p50, the dashed one p99.";
  const axis = charts.decades(stages);
  byId("histograms").append(...stages.map((stage) => charts.histogram(stage, axis)));

  // ---- the rest ----------------------------------------------------------------------------------------------------

  const made = [
    ["Fingerprint", report.fingerprint],
    ["Engine", [report.engine, report.precision, report.adapter].filter((part) => part !== "").join(" ")],
    ...(report.engineChoice === undefined ? [] : [["Measured at start", report.engineChoice]]),
    ["Model", `${report.model} (${network}) ${report.modelSha256}`],
    ["Configuration", report.configSha256],
    ["Seed", String(report.seed)],
    ["Data", report.dataOrigin],
    ["Journal", report.journalPath],
    ["Started", `${report.startedWallIso}, took ${report.wallSeconds.toFixed(1)} s`],
    ["Version", `gyr ${report.version}`],
  ];
  byId("made").append(...made.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));

  byId("universe-summary").textContent =
    `Universe: ${count(report.universe.length)} of ${count(report.universeCandidates)} candidates`;
  fillTable(
    "universe",
    [num("Rank", true), text("Stock", true), num("Score", true)],
    report.universe.map((u, i) => [i + 1, u.symbol, cell(ratio(u.score, 5), u.score)]),
    "Empty.",
  );
  const counters = Object.entries(report.counters).sort(([, a], [, b]) => (b > 0) - (a > 0));
  const zeroCount = counters.filter(([, value]) => value === 0).length;
  byId("counters-summary").textContent = `Counters: ${counters.length - zeroCount} of ${counters.length} are not zero`;
  fillTable(
    "counters",
    [{ name: "Counter", kind: "mono" }, num("Value")],
    counters.map(([name, value]) => [name, count(value)]),
    "None.",
  );
  byId("footer").textContent =
    `Written by gyr ${report.version}. Not investment advice. A simulated result is no promise of a real one.`;

  // ---- drawing -----------------------------------------------------------------------------------------------------

  function draw() {
    charts.equity(report.equity, sessionSec);
    if (symbols.length === 0) return;
    charts.legend(
      "legend",
      trades.some((trade) => trade.direction === "short") ||
        fills.some((fill) => fill.role === "entry" && fill.side === "sell"),
    );
    showSymbol(picker.value || symbols[0]);
  }
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  // Paper is white, and shows what is folded.
  addEventListener("beforeprint", () => {
    document.documentElement.classList.add("paper");
    for (const fold of document.querySelectorAll("details")) fold.open = true;
    draw();
  });
  addEventListener("afterprint", () => {
    document.documentElement.classList.remove("paper");
    draw();
  });
})();
