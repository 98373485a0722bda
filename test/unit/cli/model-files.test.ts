// `gyr model export` and `gyr model import` as a person meets them: what is written, what is refused, and that nothing is left half-written.

import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runGyr, temporaryFolder } from "../../support/cli-process.ts";
import { foreignOnnx, foreignParameters, PLAIN_FORM } from "../../support/foreign-models.ts";

const SHIPPED = join(import.meta.dirname, "../../../models/untrained");
const NUMBERS = "1,2,3,4,5,6,7,8,9,10,11,12";

describe("model export and import", () => {
  test("exports the configuration's model; importing it gives the same weights file under the new name", async () => {
    using folder = temporaryFolder();
    const place = { cwd: folder.path };
    const exported = await runGyr(["model", "export", "--onnx", "out.onnx", "--json"], place);
    expect(exported.exitCode).toBe(0);
    expect(JSON.parse(exported.stdout).bytes).toBe(readFileSync(join(folder.path, "out.onnx")).length);

    const imported = await runGyr(["model", "import", "out.onnx", "--name", "mine"], place);
    expect(imported.stderr).toBe("");
    expect(imported.exitCode).toBe(0);
    const mine = join(folder.path, "models", "mine");
    expect(readdirSync(mine).sort()).toEqual(["card.json", "weights.safetensors"]);
    expect(readdirSync(join(folder.path, "models"))).toEqual(["mine"]);
    expect(readFileSync(join(mine, "weights.safetensors"))).toEqual(readFileSync(join(SHIPPED, "weights.safetensors")));
    const verified = await runGyr(["model", "verify", "mine", "--json"], place);
    expect(JSON.parse(verified.stdout)).toMatchObject({ ok: true, name: "mine", trained: false });
  });

  test("says what it took for granted of a foreign file, and takes origin and licence from the command line", async () => {
    using folder = temporaryFolder();
    const bytes = foreignOnnx(foreignParameters(1), { ...PLAIN_FORM, standardise: "none" });
    writeFileSync(join(folder.path, "theirs.onnx"), bytes);
    const args = ["model", "import", "theirs.onnx", "--name", "mine", "--origin", "a friend", "--licence", "CC0"];
    const refused = await runGyr(args, { cwd: folder.path });
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain("--mean");
    const { exitCode, stdout } = await runGyr(
      [...args, `--mean=-${NUMBERS}`, "--std", NUMBERS, "--out", "elsewhere/deep", "--json"],
      { cwd: folder.path },
    );
    expect(exitCode).toBe(0);
    const { notes, path } = JSON.parse(stdout);
    expect(notes.join()).toContain("docs/features.md");
    expect(path).toBe(join("elsewhere", "deep", "mine"));
    const card = JSON.parse(readFileSync(join(folder.path, path, "card.json"), "utf8"));
    expect(card).toMatchObject({ name: "mine", isTrained: true, origin: "a friend", licence: "CC0" });
    expect(card.standardisation.mean[0]).toBe(-1);
  });

  test("a weights file is checked against the card that lies beside it", async () => {
    using folder = temporaryFolder();
    for (const name of ["card.json", "weights.safetensors"]) {
      writeFileSync(join(folder.path, name), readFileSync(join(SHIPPED, name)));
    }
    const weights = readFileSync(join(SHIPPED, "weights.safetensors"));
    weights[weights.length - 3]! ^= 1;
    writeFileSync(join(folder.path, "weights.safetensors"), weights);
    const { exitCode, stderr } = await runGyr(["model", "import", "weights.safetensors", "--name", "x"], {
      cwd: folder.path,
    });
    expect(exitCode).toBe(1);
    expect(stderr).toContain("the weights are not those");
    expect(readdirSync(folder.path).sort()).toEqual(["card.json", "weights.safetensors"]);
  });

  test("every refusal leaves the folder as it was, with its exit code and no stack", async () => {
    using folder = temporaryFolder();
    const place = { cwd: folder.path };
    const good = foreignOnnx(foreignParameters(1), PLAIN_FORM);
    writeFileSync(join(folder.path, "good.onnx"), good);
    writeFileSync(join(folder.path, "cut.onnx"), good.slice(0, good.length / 2));
    writeFileSync(join(folder.path, "bad-card.json"), '{"winRate": 55}');
    mkdirSync(join(folder.path, "models", "there"), { recursive: true });
    mkdirSync(join(folder.path, "a-folder.onnx"));
    writeFileSync(join(folder.path, "file"), "");
    const before = readdirSync(folder.path, { recursive: true }).sort();
    const cases: [string, number, RegExp][] = [
      ["import cut.onnx --name x", 1, /not a whole ONNX model/],
      ["import good.onnx --name there", 2, /'models\/there' exists and is left/],
      ["import good.onnx --name ../x", 2, /cannot be the name/],
      ["import good.onnx --name untrained", 2, /cannot be the name/],
      ["import good.onnx --name x --mean 1,2,3 --std 1", 2, /not one number for each feature/],
      [`import good.onnx --name x --mean ${NUMBERS}`, 2, /belong together/],
      [`import good.onnx --name x --mean ${NUMBERS} --std ${NUMBERS}`, 1, /standardisation .* missing or wrong/],
      ["import good.onnx --name x --card bad-card.json", 1, /winRate/],
      ["import good.onnx --name x --card nothere.json", 2, /'nothere.json' cannot be read/],
      ["import nothere.onnx --name x", 2, /'nothere.onnx' cannot be read/],
      ["import a-folder.onnx --name x", 2, /'a-folder.onnx' cannot be read/],
      ["import good.onnx --name x --out file", 1, /'file\/x' cannot be written/],
      ["import good.onnx", 2, /--name/],
      ["export", 2, /--onnx/],
      ["export --onnx good.onnx", 2, /'good.onnx' exists and is left/],
      ["export --onnx nothere/x.onnx", 2, /folder of 'nothere\/x.onnx' does not exist/],
      ["export nothere --onnx x.onnx", 2, /there is no model 'nothere'/],
      ["export --onnx a-folder.onnx --force", 1, /'a-folder.onnx' cannot be written/],
    ];
    const answers = await Promise.all(cases.map(([args]) => runGyr(["model", ...args.split(" ")], place)));
    for (const [i, { exitCode, stdout, stderr }] of answers.entries()) {
      const [args, expected, said] = cases[i]!;
      expect(stderr, args).toMatch(said);
      expect(exitCode, args).toBe(expected);
      expect(stderr, args).not.toMatch(/^ {4}at /m);
      expect(stdout, args).toBe("");
    }
    expect(readdirSync(folder.path, { recursive: true }).sort()).toEqual(before);
  });

  test("a folder that cannot be written stays empty", async () => {
    using folder = temporaryFolder();
    const locked = join(folder.path, "locked");
    mkdirSync(locked);
    chmodSync(locked, 0o555);
    const { exitCode, stderr } = await runGyr(["model", "export", "--onnx", join(locked, "x.onnx")], {
      cwd: folder.path,
    });
    // Root may write anywhere: then the file is there, whole.
    if (process.getuid?.() === 0) expect(readdirSync(locked)).toEqual(["x.onnx"]);
    else {
      expect(exitCode).toBe(1);
      expect(stderr).toContain("cannot be written");
      expect(readdirSync(locked)).toEqual([]);
    }
    chmodSync(locked, 0o755);
  });
});
