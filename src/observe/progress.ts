// What a person watches while a day runs: steps of the start, then one bar with the market's clock. Nothing of it reaches
// standard output, which belongs to the summary; where standard error is no terminal, a line an hour instead of a bar.

import { MultiBar, Presets, type SingleBar } from "cli-progress";
import { signedUsd } from "./summary.ts";

export interface MinuteUpdate {
  readonly nowUs: number;
  readonly openUs: number;
  readonly closeUs: number;
  /** New York time, HH:MM. */
  readonly clock: string;
  readonly positions: number;
  readonly orders: number;
  readonly pnlUsd: number;
}

export interface RunProgress {
  /** A step of the start or the end began. */
  step(text: string): void;
  /** A market minute went by. */
  update(minute: MinuteUpdate): void;
  warn(text: string): void;
  stop(): void;
}

export function makeProgress(options: { readonly isQuiet: boolean }): RunProgress {
  if (options.isQuiet) return new QuietProgress();
  return process.stderr.isTTY ? new BarProgress(process.stderr) : new LineProgress();
}

/** Silent about what goes well: with no summary to read, a warning must not be lost. */
class QuietProgress implements RunProgress {
  step(): void {}
  update(): void {}
  warn(text: string): void {
    console.error(`! ${text}`);
  }
  stop(): void {}
}

class LineProgress implements RunProgress {
  step(text: string): void {
    console.error(`- ${text}`);
  }
  update(minute: MinuteUpdate): void {
    if (!minute.clock.endsWith(":00")) return;
    const { clock, positions, orders, pnlUsd } = minute;
    console.error(`- ${clock} New York   ${positions} positions   ${orders} orders   ${signedUsd(pnlUsd)}`);
  }
  warn(text: string): void {
    console.error(`! ${text}`);
  }
  stop(): void {}
}

const US_PER_MINUTE = 60_000_000;

/** Columns of everything in the bar's line but the bar, at its longest: 20 positions, 9,999 orders, -$99,999.99. */
const BAR_TEXT_WIDTH = 64;
const BAR_WIDTH_MIN = 5;
const BAR_WIDTH_MAX = 40;

/** Columns of the bar in a terminal `columns` wide, so that its line is never cut where there is room for it. */
export function barWidth(columns: number): number {
  return Math.min(Math.max(columns - BAR_TEXT_WIDTH - 1, BAR_WIDTH_MIN), BAR_WIDTH_MAX);
}

/** Shows the cursor and lets lines wrap again. */
const TERMINAL_RESTORED = "\x1b[?25h\x1b[?7h";

class BarProgress implements RunProgress {
  readonly #stream: NodeJS.WriteStream;
  #bars: MultiBar | null = null;
  #bar: SingleBar | null = null;
  /** The second signal ends the process at once: its terminal must not be left without a cursor. */
  readonly #restore = () => void this.#stream.write(TERMINAL_RESTORED);

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  step(text: string): void {
    this.stop();
    this.#stream.write(`  ${text}\n`);
  }

  update(minute: MinuteUpdate): void {
    const payload = {
      clock: minute.clock,
      state: `${minute.positions} held   ${minute.orders} orders   ${signedUsd(minute.pnlUsd)}`,
    };
    const minutes = (us: number) => Math.max(0, Math.round((us - minute.openUs) / US_PER_MINUTE));
    if (this.#bar === null) {
      this.#bars = new MultiBar(
        {
          format: "  {clock} New York  {bar} {percentage}%   {state}",
          stream: this.#stream,
          hideCursor: true,
          barsize: barWidth(this.#stream.columns || 80),
          // Signals are gyr's own business.
          gracefulExit: false,
          autopadding: true,
        },
        Presets.shades_classic,
      );
      process.once("exit", this.#restore);
      this.#bar = this.#bars.create(minutes(minute.closeUs), minutes(minute.nowUs), payload);
    }
    this.#bar.update(minutes(minute.nowUs), payload);
  }

  warn(text: string): void {
    const line = `! ${text}\n`;
    // Above the bar, which goes on.
    if (this.#bars !== null) this.#bars.log(line);
    else this.#stream.write(line);
  }

  stop(): void {
    if (this.#bars === null) return;
    this.#bars.update();
    this.#bars.stop();
    this.#bars = null;
    this.#bar = null;
    process.off("exit", this.#restore);
  }
}
