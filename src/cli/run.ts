// `gyr run`: one trading day from start to report, in sim, paper or live.

import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { type LoadedConfig, loadConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { monotonicNs, wallUs } from "../core/clock.ts";
import { usdFromTicks } from "../core/fixed-point.ts";
import { UserError } from "../core/user-error.ts";
import { type Schedule, scheduleOf } from "../engine/schedule.ts";
import { PolygonRest } from "../feed/polygon/rest.ts";
import { preloadSdk } from "../gateway/alpaca/sdk.ts";
import type { EngineChoice } from "../inference/engine-choice.ts";
import { loadModelByName } from "../inference/model-file.ts";
import type { Journal } from "../ledger/journal.ts";
import { type TradingDay as CalendarDay, formatNewYorkTime, newYorkTimeUs, tradingDay } from "../market/calendar.ts";
import { makeProgress, type RunProgress } from "../observe/progress.ts";
import type { RunReport } from "../observe/run-report.ts";
import { formatSummary, summaryJson } from "../observe/summary.ts";
import { buildUniverse } from "../universe/build.ts";
import { EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED } from "./exit-codes.ts";
import type { RunOptions } from "./options.ts";
import { collectReport } from "./run/collect.ts";
import { type Driver, LockstepDriver, WallDriver } from "./run/drivers.ts";
import { Interrupt, InterruptedError } from "./run/interrupt.ts";
import { type Market, openMarket } from "./run/market.ts";
import { checkReportPath, writeReport } from "./run/report-file.ts";
import { skipWarnings } from "./run/skips.ts";
import { dayNumberOf, makeEngine, makeShadow, warmUp } from "./run/start-up.ts";
import { Trader } from "./run/trader.ts";
import { TradingDay } from "./run/trading-day.ts";
import { VERSION } from "./version.ts";

export async function runCommand(options: RunOptions): Promise<number> {
  const loaded = loadConfig({
    path: options.config,
    env: process.env,
    overrides: {
      mode: options.mode,
      day: options.day,
      speed: options.speed,
      report: options.report,
      runDir: options.runDir,
    },
  });
  // Progress goes to standard error, so it does not disturb the JSON on standard output.
  const isQuiet = options.quiet === true;
  const interrupt = new Interrupt();
  const run = new Run(loaded, interrupt, makeProgress({ isQuiet }));
  try {
    const report = await run.day();
    if (options.json === true) console.log(JSON.stringify(summaryJson(report)));
    else if (!isQuiet) console.log(formatSummary(report));
    if (report.outcome === "interrupted") return EXIT_INTERRUPTED;
    // Traded to the close is not yet done: the account must be flat, and the record whole.
    const isDone = report.outcome === "completed" && report.positionsAtClose === 0 && run.hasKeptRecord;
    return isDone ? EXIT_DONE : EXIT_FAILED;
  } catch (error) {
    if (!(error instanceof InterruptedError)) throw error;
    if (options.json === true) console.log(JSON.stringify({ mode: loaded.config.mode, outcome: "interrupted" }));
    console.error(error.message);
    return EXIT_INTERRUPTED;
  } finally {
    await run.close();
    interrupt.dispose();
  }
}

/** How often VIX is asked for in paper and live, and how old it may be. */
const VIX_REFRESH_US = 60_000_000;
const VIX_AGE_MAX_US = 15 * 60_000_000;

/** Universe from the previous close up to here; then sockets, warm-up and reconciliation; then the day. */
class Run {
  /** False where the journal or the report is not whole. */
  hasKeptRecord = true;
  readonly #config: Config;
  readonly #configSha256: string;
  readonly #interrupt: Interrupt;
  readonly #progress: RunProgress;
  readonly #warnings: string[] = [];
  readonly #startedWallUs = wallUs();
  readonly #startedNs = monotonicNs();
  #choosing: Promise<EngineChoice> | null = null;
  #market: Market | null = null;
  #trader: Trader | null = null;
  #driver: Driver | null = null;
  #day: TradingDay | null = null;

  constructor(loaded: LoadedConfig, interrupt: Interrupt, progress: RunProgress) {
    this.#config = loaded.config;
    this.#configSha256 = loaded.sha256;
    this.#interrupt = interrupt;
    this.#progress = progress;
  }

  async day(): Promise<RunReport> {
    const config = this.#config;
    checkReportPath(config.paths.report);
    const modelLoading = loadModelByName(config.inference.model);
    modelLoading.catch(() => {});
    const shadowLoading = makeShadow(config.inference.shadow);
    shadowLoading.catch(() => {});
    this.#progress.step(
      config.mode === "sim" ? `opening the venue of ${config.sim.day}` : `opening ${config.mode} trading`,
    );
    const market = await openMarket(config, () => this.#trader!);
    this.#market = market;
    this.#warnings.push(...market.dataNotes);
    this.#interrupt.check();
    const session = sessionOf(market.date);
    const rest = new PolygonRest({ url: market.urls.feedRest, apiKey: market.keys.polygonKey });

    this.#progress.step("choosing the universe");
    preloadSdk();
    const choosing = modelLoading.then((model) => makeEngine(config, model, market.clock));
    choosing.catch(() => {});
    this.#choosing = choosing;
    const [universe, vix, model, shadow] = await Promise.all([
      buildUniverse({ rest, date: market.date, options: config.universe }),
      this.#vix(rest, market.date),
      modelLoading,
      shadowLoading,
    ]);
    this.#warnings.push(...universe.warnings);
    if (universe.members.length === 0) {
      throw new UserError("failed", `no stock of ${universe.candidatesCount} passes [universe]`, "widen its filters");
    }
    this.#interrupt.check();

    const choice = await choosing;
    if (choice.text !== "") this.#progress.step(choice.text);
    for (const text of choice.warnings) this.#warn(text);
    const runFolder = this.#makeRunFolder(market.date);
    const trader = new Trader({
      config,
      date: market.date,
      clock: market.clock,
      isLockstep: market.lockstep !== null,
      urls: market.urls,
      keys: market.keys,
      members: universe.members,
      inference: choice.engine,
      shadow,
      winRate: winRateOf(config, model.card.winRate),
      runFolder,
    });
    this.#trader = trader;
    this.#listenToEngines(choice, trader);
    trader.record.dayStartUs = session.preOpenUs;
    trader.gate.dayStartUs = session.preOpenUs;
    trader.pipeline.vix = vix;
    trader.pipeline.dayNumber = dayNumberOf(session.openUs);

    this.#progress.step(`connecting, and warming up ${universe.members.length} stocks`);
    trader.feed.onStatus = (status, detail) => {
      if (status === "down" || status === "refused") this.#warn(`feed ${status}: ${detail}`);
    };
    const [readyCount, , , , assets] = await Promise.all([
      warmUp(trader, rest, config, market.clock.nowUs()),
      trader.feed.start(trader.instruments.symbols),
      trader.gateway.start(),
      trader.journal.start(),
      trader.gateway.assets(trader.instruments.symbols),
    ]);
    trader.journal.instruments(trader.instruments.symbols);
    trader.journal.meta("manifest", {
      version: VERSION,
      mode: config.mode,
      date: market.date,
      seed: config.seed,
      configSha256: this.#configSha256,
      engine: choice.engine.info,
      engineTimings: choice.timings,
      shadow: shadow.map(({ name, engine }, i) => ({ model: i + 1, name, engine: engine.info })),
      vix,
      universe: universe.members,
    });
    if (readyCount < trader.instruments.count) {
      this.#warnings.push(`${trader.instruments.count - readyCount} stocks have too little history and must warm up`);
    }
    for (const asset of assets) {
      const slot = trader.instruments.slotOf(asset.symbol);
      if (slot < 0) continue;
      trader.instruments.isTradable[slot] = asset.isTradable ? 1 : 0;
      trader.instruments.isShortable[slot] = asset.isShortable ? 1 : 0;
    }
    this.#interrupt.check();

    this.#progress.step("reconciling with the broker");
    const [account, leftOpen] = await Promise.all([trader.gateway.account(), trader.gateway.continueDay()]);
    if (account.isTradingBlocked) {
      throw new UserError("refused", "the broker blocks trading on this account", "ask the broker why");
    }
    const reconciliation = await trader.gateway.reconcile(trader.ledger.positionQty);
    const problems = [...new Set([...leftOpen, ...reconciliation.problems])];
    if (problems.length > 0) {
      throw new UserError(
        "refused",
        `gyr and the broker do not agree:\n  ${problems.join("\n  ")}`,
        "close or cancel what an earlier run left open at the broker, then start again",
      );
    }
    if (reconciliation.foreignOrders + reconciliation.foreignPositions > 0) {
      this.#warnings.push(
        `${reconciliation.foreignOrders} orders and ${reconciliation.foreignPositions} positions in the account are not gyr's; they stay untouched`,
      );
    }
    const cashStartTicks = account.cashTicks;
    trader.ledger.openDay(cashStartTicks);
    trader.pipeline.capitalTicks = Math.min(account.cashTicks, account.buyingPowerTicks);
    trader.arena.freeze();
    this.#interrupt.check();

    const schedule = this.#schedule(session);
    const outcome = await this.#trade(trader, rest, schedule, market);
    this.#progress.step("closing the books");
    const positionsAtClose = await this.#positionsHeld(trader);
    if (outcome === "completed" && !trader.flattener.isFlat) {
      this.#warnOfRecord("the broker has not told the end of every order: compare its list with the journal");
    }
    await this.#closeJournal(trader.journal);
    this.#warnings.push(...skipWarnings(trader));
    const report = collectReport({
      trader,
      config,
      configSha256: this.#configSha256,
      schedule,
      universe,
      choice,
      isModelTrained: model.card.isTrained,
      outcome,
      exitReason: this.#day?.exitReason ?? "flatten",
      equity: this.#day?.equity ?? [],
      cashStartTicks,
      positionsAtClose,
      startedWallIso: new Date(this.#startedWallUs / 1000).toISOString(),
      wallSeconds: (monotonicNs() - this.#startedNs) / 1e9,
      dataOrigin: market.dataOrigin,
      warnings: this.#warnings,
      reportPath: resolve(config.paths.report),
      journalPath: resolve(trader.journal.path),
    });
    const failure = writeReport(report);
    if (failure !== "") this.#warnOfRecord(failure);
    return report;
  }

  /** Stops everything that is still running. Safe at any point of the start. */
  async close(): Promise<void> {
    this.#progress.stop();
    this.#driver?.stop();
    await Promise.allSettled([this.#trader?.feed.stop(), this.#trader?.gateway.stop(), this.#trader?.journal.close()]);
    this.#trader?.shadow?.close();
    await this.#choosing?.then(({ engine }) => engine.close()).catch(() => {});
    await this.#market?.close();
  }

  async #trade(trader: Trader, rest: PolygonRest, schedule: Schedule, market: Market): Promise<RunReport["outcome"]> {
    const { bars, shutdown } = this.#config;
    const day = new TradingDay({
      trader,
      schedule,
      barIntervalUs: bars.intervalSec * 1_000_000,
      barGraceUs: bars.closeGraceMs * 1_000,
      onSignal: shutdown.positions,
      onMinute: (nowUs) => this.#showMinute(trader, schedule, nowUs),
      warn: (text) => this.#warn(text),
    });
    this.#day = day;
    const driver = market.lockstep === null ? new WallDriver(trader) : new LockstepDriver(trader, market.lockstep);
    this.#driver = driver;
    trader.gateway.onStatus = (isUp, detail) => {
      this.#warn(`order stream ${isUp ? "up" : "down"}: ${detail}`);
      day.onStream(isUp);
    };
    trader.journal.onFailure = (message) => this.#warn(`${message} No entries until it works again.`);
    trader.journal.onRecovery = () => this.#warn("the journal is written again");
    this.#progress.step(`armed at ${formatNewYorkTime(market.clock.nowUs())} New York time`);
    day.arm();
    if (this.#config.mode !== "sim" && market.lockstep === null) this.#refreshVix(trader, rest, market.clock.nowUs());
    let timeOut: ReturnType<typeof setTimeout> | undefined;
    const gaveUp = new Promise<"interrupted">((resolveGaveUp) => {
      this.#interrupt.onSignal = (signal) => {
        this.#warn(
          `${signal}: no further entries, ${shutdown.positions === "flatten" ? "flattening" : "keeping positions"}`,
        );
        day.interrupt();
        timeOut = setTimeout(() => {
          this.#warn(`not done ${shutdown.timeoutSec} s after ${signal}; leaving what is open with the broker`);
          resolveGaveUp("interrupted");
        }, shutdown.timeoutSec * 1_000);
      };
    });
    driver.start();
    try {
      return await Promise.race([day.over, gaveUp, driver.failed]);
    } catch (error) {
      this.#warn(`the run failed: ${error instanceof Error ? error.message : String(error)}`);
      return "failed";
    } finally {
      clearTimeout(timeOut);
      driver.stop();
    }
  }

  async #closeJournal(journal: Journal): Promise<void> {
    const end = await journal.close();
    if (!end.isComplete)
      this.#warnOfRecord(`the journal is not complete: ${end.message} (${end.leftCount} records wait in its ring)`);
    if (journal.droppedCount > 0)
      this.#warnOfRecord(`${journal.droppedCount} predictions or remarks found no room in the journal`);
  }

  #schedule(session: CalendarDay): Schedule {
    const { entryStart, entryEnd, flatBy, flattenLeadSec } = this.#config.session;
    return scheduleOf(session, {
      entryStartUs: newYorkTimeUs(session.date, entryStart),
      entryEndUs: newYorkTimeUs(session.date, entryEnd),
      flatByUs: newYorkTimeUs(session.date, flatBy),
      usualCloseUs: newYorkTimeUs(session.date, "16:00"),
      flattenLeadUs: flattenLeadSec * 1_000_000,
    });
  }

  /** VIX, percent a year: the close before the day in sim, the latest value otherwise; NaN (no entries) where unknown. */
  async #vix(rest: PolygonRest, date: string): Promise<number> {
    try {
      const vix = this.#config.mode === "sim" ? await rest.vixPreviousClose(date) : await rest.vixLatest();
      if (vix !== null) return vix;
      this.#warnings.push("VIX is unknown: no entries");
    } catch (error) {
      this.#warnings.push(`VIX is unknown, so no entries: ${error instanceof Error ? error.message : String(error)}`);
    }
    return Number.NaN;
  }

  /** Asks for VIX once a minute; a value that cannot be renewed is forgotten after VIX_AGE_MAX_US, and entries stop. */
  #refreshVix(trader: Trader, rest: PolygonRest, renewedUs: number): void {
    trader.timers.at(trader.clock.nowUs() + VIX_REFRESH_US, async (nowUs) => {
      const vix = await rest.vixLatest().catch(() => null);
      if (vix !== null) trader.pipeline.vix = vix;
      else if (nowUs - renewedUs > VIX_AGE_MAX_US && !Number.isNaN(trader.pipeline.vix)) {
        trader.pipeline.vix = Number.NaN;
        this.#warn("VIX could not be renewed for 15 minutes: no entries until it is");
      }
      this.#refreshVix(trader, rest, vix !== null ? nowUs : renewedUs);
    });
  }

  /** Trading goes on whatever happens to an engine; people and the journal are told. */
  #listenToEngines({ resilient }: EngineChoice, trader: Trader): void {
    const tell = (text: string) => {
      this.#warn(text);
      trader.journal.note(trader.clock.nowUs(), text);
    };
    if (resilient !== null) resilient.onTold = tell;
    if (trader.shadow !== null) trader.shadow.onTold = tell;
  }

  #makeRunFolder(date: string): string {
    const { runDir } = this.#config.paths;
    const stamp = new Date(this.#startedWallUs / 1000).toISOString().replace(/[-:]/g, "").replace(/\..*/, "Z");
    const folder = resolve(runDir, `${date}-${this.#config.mode}-${stamp}-${process.pid}`);
    try {
      mkdirSync(folder, { recursive: true });
    } catch (cause) {
      throw new UserError(
        "failed",
        `cannot make the run's folder ${folder}: ${cause instanceof Error ? cause.message : String(cause)}`,
        "set [paths] run_dir to a folder gyr may write",
        { cause },
      );
    }
    return folder;
  }

  /** Positions of ours that the broker still has. Asking may fail at the end of a failed run; the ledger then answers. */
  async #positionsHeld(trader: Trader): Promise<number> {
    try {
      const positions = await trader.gateway.positions();
      return positions.filter((position) => {
        const slot = trader.instruments.slotOf(position.symbol);
        return slot >= 0 && position.qty !== 0 && trader.ledger.tradedQty[slot]! > 0;
      }).length;
    } catch {
      this.#warnings.push("the broker did not answer at the end: positions are the ledger's");
      return trader.ledger.positionCount;
    }
  }

  /** The day was traded, but the user must know that its record is not whole. */
  #warnOfRecord(text: string): void {
    this.hasKeptRecord = false;
    this.#warn(text);
  }

  #showMinute(trader: Trader, schedule: Schedule, nowUs: number): void {
    const equityTicks = this.#day?.equity.at(-1)?.equityTicks ?? 0;
    this.#progress.update({
      nowUs,
      openUs: schedule.openUs,
      closeUs: schedule.closeUs,
      clock: formatNewYorkTime(nowUs).slice(0, 5),
      positions: trader.ledger.positionCount,
      orders: trader.pipeline.orderCount + trader.flattener.exitCount,
      pnlUsd: usdFromTicks(equityTicks - trader.ledger.openingCashTicks),
    });
  }

  #warn(text: string): void {
    this.#warnings.push(text);
    this.#progress.warn(text);
  }
}

/** Today's session, or a clear refusal. */
function sessionOf(date: string): CalendarDay {
  const session = tradingDay(date);
  if (session !== null) return session;
  throw new UserError("failed", `${date} is not a trading day in New York`, "start on a trading day, or set [sim] day");
}

/** The card's win rate where the network decides and the card states one; the configured prior otherwise. */
function winRateOf(config: Config, cardWinRate: number | null): number {
  return config.strategy.signal === "cnn" && cardWinRate !== null ? cardWinRate : config.strategy.winRatePrior;
}
