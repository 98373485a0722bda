// A process of a latency suite, asked one thing at a time over IPC.

import { join } from "node:path";

/** Longer than any run of the full size takes. */
const REPLY_MS_MAX = 300_000;

export class Peer<Request, Reply extends { readonly kind: string }> {
  readonly #child: Bun.Subprocess<"ignore", "inherit", "inherit">;
  readonly #script: string;
  #settle: ((reply: Reply) => void) | null = null;
  #fail: ((reason: Error) => void) | null = null;

  /** @param script file beside this one */
  constructor(script: string) {
    this.#script = script;
    this.#child = Bun.spawn([process.execPath, join(import.meta.dir, script)], {
      stdio: ["ignore", "inherit", "inherit"],
      ipc: (reply) => this.#settle?.(reply as Reply),
      onExit: (_child, code) => this.#fail?.(new Error(`${script} ended with code ${code}`)),
    });
  }

  /** Sends a request; resolves with its reply, which must be of the kind named. */
  async ask<Kind extends Reply["kind"]>(
    request: Request,
    kind: Kind,
  ): Promise<Extract<Reply, { readonly kind: Kind }>> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const reply = await new Promise<Reply>((resolve, reject) => {
      this.#settle = resolve;
      this.#fail = reject;
      timer = setTimeout(() => reject(new Error(`${this.#script} did not say '${kind}' in time`)), REPLY_MS_MAX);
      this.#child.send(request);
    }).finally(() => clearTimeout(timer));
    if (reply.kind !== kind) throw new Error(`${this.#script} said '${reply.kind}', '${kind}' was expected`);
    return reply as Extract<Reply, { readonly kind: Kind }>;
  }

  end(): void {
    this.#fail = null;
    this.#child.kill();
  }
}
