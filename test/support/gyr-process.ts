// gyr as a process, for tests that need the whole of it: from source, or the compiled executable.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MAIN = join(import.meta.dir, "..", "..", "src", "main.ts");

/** A command line that starts gyr from source. */
export const GYR_FROM_SOURCE: readonly string[] = [process.execPath, MAIN];

export interface GyrResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A fresh folder under the system's temporary one; removed by `dispose`. */
export class TestFolder {
  readonly path = mkdtempSync(join(tmpdir(), "gyr-test-"));
  write(name: string, text: string): string {
    const path = join(this.path, name);
    writeFileSync(path, text);
    return path;
  }
  join(name: string): string {
    return join(this.path, name);
  }
  dispose(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export class GyrProcess {
  readonly child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  stdout = "";
  stderr = "";
  readonly #waiting: { text: string; resolve: () => void; reject: (reason: Error) => void }[] = [];
  readonly #drained: readonly Promise<void>[];

  constructor(
    args: readonly string[],
    options: { cwd: string; env?: Record<string, string>; command?: readonly string[] },
  ) {
    this.child = Bun.spawn([...(options.command ?? GYR_FROM_SOURCE), ...args], {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#drained = [
      this.#read(this.child.stdout, (text) => {
        this.stdout += text;
      }),
      this.#read(this.child.stderr, (text) => {
        this.stderr += text;
      }),
    ];
  }

  /** Resolves when `text` has appeared on either stream; rejects when the process ends without it. */
  until(text: string): Promise<void> {
    if (this.#has(text)) return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiting.push({ text, resolve, reject }));
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async end(): Promise<GyrResult> {
    for (const drained of this.#drained) await drained;
    const code = await this.child.exited;
    return { code, stdout: this.stdout, stderr: this.stderr };
  }

  #has(text: string): boolean {
    return this.stdout.includes(text) || this.stderr.includes(text);
  }

  async #read(stream: ReadableStream<Uint8Array>, take: (text: string) => void): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      take(decoder.decode(chunk, { stream: true }));
      for (const entry of this.#waiting.splice(0)) {
        if (this.#has(entry.text)) entry.resolve();
        else this.#waiting.push(entry);
      }
    }
    await this.child.exited;
    for (const { text, reject } of this.#waiting.splice(0)) {
      reject(new Error(`the process ended without printing '${text}':\n${this.stdout}\n${this.stderr}`));
    }
  }
}

/** Runs gyr to its end. */
export function runGyr(
  args: readonly string[],
  options: { cwd: string; env?: Record<string, string>; command?: readonly string[] },
): Promise<GyrResult> {
  return new GyrProcess(args, options).end();
}

/** The JSON object on the last line of standard output. */
export function lastJson(result: GyrResult): Record<string, unknown> {
  const line = result.stdout.trimEnd().split("\n").at(-1) ?? "";
  return JSON.parse(line) as Record<string, unknown>;
}
