// The command table. Each command's code is imported when the command runs, so that a short command starts fast.

import { Command, CommanderError, Option } from "commander";
import { UserError } from "../core/user-error.ts";
import { EXIT_CODE_HELP, EXIT_DONE } from "./exit-codes.ts";
import {
  type ConfigOptions,
  type ModelExportOptions,
  type ModelImportOptions,
  parsePerFeature,
  parsePort,
  type RunOptions,
  type SimOptions,
} from "./options.ts";
import { reportOf } from "./report-error.ts";
import { VERSION } from "./version.ts";

/** Runs a command line (without the program's own name) and ends the process with its exit code. */
export async function main(args: readonly string[]): Promise<void> {
  const exitCode = await runProgram(args);
  // A command that has answered must end, whatever handle somebody forgot: exit once standard output has taken everything.
  process.stdout.write("", () => process.exit(exitCode));
}

/** Runs a command line and returns its exit code. Never throws. */
export async function runProgram(args: readonly string[]): Promise<number> {
  let exitCode = EXIT_DONE;
  const program = makeProgram((code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(args, { from: "user" });
    return exitCode;
  } catch (error) {
    // Help and version arrive here too; commander has printed all of these.
    const isCommander = error instanceof CommanderError;
    if (isCommander && error.exitCode === 0) return EXIT_DONE;
    const report = reportOf(isCommander ? new UserError("usage", error.message.replace(/^error: /, "")) : error);
    if (args.includes("--json")) console.log(JSON.stringify(report.json));
    if (!isCommander) console.error(report.text);
    return report.exitCode;
  }
}

function makeProgram(setExitCode: (code: number) => void): Command {
  /** A command's action: runs it and keeps its exit code. */
  const does =
    <Args extends unknown[]>(run: (...args: Args) => Promise<number>) =>
    async (...args: Args) =>
      setExitCode(await run(...args));

  const program = new Command("gyr")
    .description("Low-latency intraday trading for US equities in one binary.")
    .version(VERSION, "-V, --version", "print the version")
    .helpCommand(false)
    .addHelpText("after", `\n${EXIT_CODE_HELP}`)
    .exitOverride();
  // Sub-commands take over exitOverride and the help text below from their parent when they are made after it.
  const command = (parent: Command, usage: string, description: string) =>
    parent
      .command(usage)
      .description(description)
      .allowExcessArguments(false)
      .addHelpText("after", `\n${EXIT_CODE_HELP}`);

  withConfig(command(program, "run", "trade: sim (default, no keys), paper or live, as the configuration says"))
    .addOption(new Option("--mode <mode>", "a safer mode than the configuration's").choices(["sim", "paper", "live"]))
    .option("--day <date>", "recorded day to trade in sim mode, YYYY-MM-DD")
    .option("--speed <speed>", 'sim: "max", or how many times as fast as the wall')
    .option("--report <file>", "where the report goes")
    .option("--run-dir <folder>", "folder for journals")
    .option("--quiet", "no progress and no summary")
    .action(does(async (options: RunOptions) => (await import("./run.ts")).runCommand(options)));

  withConfig(
    command(program, "sim", "the venue alone: a Polygon-compatible feed and an Alpaca-compatible broker on loopback"),
  )
    .option("--polygon-port <port>", "port of the feed; a free one without it", parsePort)
    .option("--alpaca-port <port>", "port of the broker; a free one without it", parsePort)
    .option("--day <date>", "recorded day to play, YYYY-MM-DD")
    .option("--speed <speed>", '"max", or how many times as fast as the wall')
    .action(does(async (options: SimOptions) => (await import("./sim.ts")).simCommand(options)));

  command(program, "bench [suite]", "measure the latencies of this machine")
    .option("--json [file]", "the figures as JSON, to a file or standard output")
    .action(
      does(async (suite: string | undefined, options: { json?: string | boolean }) =>
        (await import("./bench.ts")).benchCommand({ suite, json: options.json }),
      ),
    );

  const config = command(program, "config", "write, check and show the configuration");
  command(config, "init [file]", "write a commented gyr.toml with every key at its default")
    .option("--force", "replace a file that is there")
    .option("--stdout", "print it instead")
    .option("--json", "say what was done as JSON")
    .action(
      does(async (file: string | undefined, options: { force?: boolean; stdout?: boolean; json?: boolean }) =>
        (await import("./config-init.ts")).configInitCommand(file, options),
      ),
    );
  withConfig(
    command(config, "check", "say everything that is wrong with the configuration"),
    "the result as JSON",
  ).action(does(async (options: ConfigOptions) => (await import("./config-check.ts")).configCheckCommand(options)));
  withConfig(
    command(config, "show", "print every value in effect and where it comes from"),
    "the values as JSON",
  ).action(does(async (options: ConfigOptions) => (await import("./config-show.ts")).configShowCommand(options)));

  withConfig(
    command(program, "doctor", "check this machine and the set-up: what is wrong and how to mend it"),
    "the findings as JSON",
  ).action(does(async (options: ConfigOptions) => (await import("./doctor.ts")).doctorCommand(options)));

  const model = command(program, "model", "look at, export and import models");
  for (const [verb, what] of [
    ["info", "print what a model is"],
    ["verify", "check a model's files and run it once"],
  ] as const) {
    withConfig(
      command(model, `${verb} [model]`, `${what}; the configuration's without a name or folder`),
      "the result as JSON",
    ).action(
      does(async (name: string | undefined, options: ConfigOptions) => {
        const commands = await import("./model.ts");
        return verb === "info" ? commands.modelInfoCommand(name, options) : commands.modelVerifyCommand(name, options);
      }),
    );
  }

  withConfig(
    command(model, "export [model]", "write a model as ONNX; the configuration's without a name or folder"),
    "what was written as JSON",
  )
    .requiredOption("--onnx <file>", "where the ONNX file goes")
    .option("--force", "replace a file that is there")
    .action(
      does(async (name: string | undefined, options: ModelExportOptions) =>
        (await import("./model.ts")).modelExportCommand(name, options),
      ),
    );

  command(model, "import <file>", "make a model of an ONNX or safetensors file of the same architecture")
    .requiredOption("--name <name>", "name of the model, and of its folder")
    .option("--out <folder>", "folder that the model's folder goes into", "models")
    .option("--mean <numbers>", "means of the twelve features, where the file has none", parsePerFeature)
    .option("--std <numbers>", "deviations of the twelve features, where the file has none", parsePerFeature)
    .option("--card <file>", "what else is known, as JSON with keys of a model card")
    .option("--origin <text>", "where the weights come from")
    .option("--licence <text>", "what they may be used for")
    .option("--json", "the result as JSON")
    .action(
      does(async (file: string, options: ModelImportOptions) =>
        (await import("./model.ts")).modelImportCommand(file, options),
      ),
    );

  command(program, "explain [code]", "what a code of the summary means and what to do; all codes without one")
    .option("--json", "the answer as JSON")
    .action(
      does(async (code: string | undefined, options: { json?: boolean }) =>
        (await import("./explain.ts")).explainCommand(code, options),
      ),
    );
  return program;
}

function withConfig(command: Command, json = "one JSON object as the last line"): Command {
  return command
    .option("--config <file>", "configuration; gyr.toml of the working folder, or the defaults, without it")
    .option("--json", json);
}
