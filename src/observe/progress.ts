// What a person watches while a day runs: steps of the start, then one bar with the market's clock. Nothing of it reaches
// standard output, which belongs to the summary; where standard error is no terminal, a line an hour instead of a bar.

import { Presets, SingleBar } from "cli-progress";

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
  return process.stderr.isTTY ? new BarProgress() : new LineProgress();
}

/** Warnings are in the summary and the report already. */
class QuietProgress implements RunProgress {
  step(): void {}
  update(): void {}
  warn(): void {}
  stop(): void {}
}

function formatPnl(pnlUsd: number): string {
  return `${pnlUsd < 0 ? "-" : "+"}$${Math.abs(pnlUsd).toFixed(2)}`;
}

class LineProgress implements RunProgress {
  step(text: string): void {
    console.error(`- ${text}`);
  }
  update(minute: MinuteUpdate): void {
    if (!minute.clock.endsWith(":00")) return;
    const { clock, positions, orders, pnlUsd } = minute;
    console.error(`- ${clock} New York   ${positions} positions   ${orders} orders   ${formatPnl(pnlUsd)}`);
  }
  warn(text: string): void {
    console.error(`! ${text}`);
  }
  stop(): void {}
}

const US_PER_MINUTE = 60_000_000;

class BarProgress implements RunProgress {
  #bar: SingleBar | null = null;

  step(text: string): void {
    this.stop();
    console.error(`  ${text}`);
  }

  update(minute: MinuteUpdate): void {
    const payload = {
      clock: minute.clock,
      positions: minute.positions,
      orders: minute.orders,
      pnl: formatPnl(minute.pnlUsd),
    };
    const done = Math.round((minute.nowUs - minute.openUs) / US_PER_MINUTE);
    if (this.#bar === null) {
      this.#bar = new SingleBar(
        {
          format:
            "  {clock} New York  {bar} {percentage}%  {positions} positions  {orders} orders  {pnl}  ETA {eta_formatted}",
          stream: process.stderr,
          hideCursor: true,
          barsize: 32,
        },
        Presets.shades_classic,
      );
      this.#bar.start(Math.round((minute.closeUs - minute.openUs) / US_PER_MINUTE), done, payload);
    }
    this.#bar.update(done, payload);
  }

  warn(text: string): void {
    this.stop();
    console.error(`! ${text}`);
  }

  stop(): void {
    this.#bar?.stop();
    this.#bar = null;
  }
}
