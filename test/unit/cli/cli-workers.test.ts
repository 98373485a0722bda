// Workers are gyr itself started in another role: from source, inside `bun test`, and in a compiled executable.

import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { isCompiled, mainPath, spawnRole } from "../../../src/core/worker.ts";
import { temporaryFolder } from "../../support/cli-process.ts";

const SOURCE = join(import.meta.dirname, "../../../src");

function answerOf(role: string, data: unknown): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const worker = spawnRole(role, data);
  worker.once("message", resolve);
  worker.once("error", reject);
  return promise.finally(() => worker.terminate());
}

describe("from source", () => {
  test("the entry point is src/main.ts, though Bun.main is the test", () => {
    expect(isCompiled()).toBe(false);
    expect(Bun.main).not.toEndWith("main.ts");
    expect(mainPath()).toBe(join(SOURCE, "main.ts"));
  });

  test("a role gets its data, and shares memory", async () => {
    const shared = new Int32Array(new SharedArrayBuffer(8));
    const answer = (await answerOf("echo", { text: "a", shared })) as { text: string; shared: Int32Array };
    expect(answer.text).toBe("a");
    shared[1] = 42;
    expect(answer.shared[1]).toBe(42);
  });

  test.each(["", "nothing", "__proto__", "toString"])(
    "role %j is an error in the thread that asked for it",
    async (role) => {
      const { promise, resolve } = Promise.withResolvers<Error>();
      spawnRole(role, null).once("error", resolve);
      expect((await promise).message).toContain("a worker role of journal, venue, echo");
    },
  );
});

test("a compiled executable with bytecode starts itself as its worker, from another folder", async () => {
  using folder = temporaryFolder();
  // The smallest program that has the shape of src/main.ts; the whole executable has a test of its own.
  const entry = join(folder.path, "entry.ts");
  writeFileSync(
    entry,
    `import { isMainThread, workerData } from "node:worker_threads";
     import { isCompiled, mainPath, spawnRole } from ${JSON.stringify(join(SOURCE, "core/worker.ts"))};
     if (isMainThread) {
       const worker = spawnRole("echo", 42);
       worker.once("message", (answer) => { console.log(JSON.stringify({ answer, compiled: isCompiled() })); process.exit(0); });
       worker.once("error", (error) => { console.error(mainPath(), error); process.exit(1); });
     } else {
       void import(${JSON.stringify(join(SOURCE, "cli/echo-worker.ts"))}).then(({ echoWorker }) => echoWorker(workerData.data));
     }`,
  );
  const binary = join(folder.path, "binary");
  const build = await Bun.build({ entrypoints: [entry], compile: { outfile: binary }, bytecode: true });
  expect(build.success).toBe(true);
  const child = Bun.spawn([binary], { cwd: "/", stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  expect(stderr).toBe("");
  expect(JSON.parse(stdout)).toEqual({ answer: 42, compiled: true });
}, 30_000);
