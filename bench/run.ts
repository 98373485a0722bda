// `bun run bench [suite] [--json FILE]`: the benches from source, peers included.

import { benchCommand } from "../src/cli/bench.ts";

const args = process.argv.slice(2);
const jsonIndex = args.indexOf("--json");
const json = jsonIndex >= 0 ? (args[jsonIndex + 1] ?? true) : undefined;
const positional = args.filter((_, index) => jsonIndex < 0 || (index !== jsonIndex && index !== jsonIndex + 1));

try {
  process.exitCode = await benchCommand({ suite: positional[0], json });
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}
