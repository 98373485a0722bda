import { expect, test } from "bun:test";
import * as catalogue from "../../../src/features/catalogue.ts";
import { FEATURES_DOC_PATH, featuresDoc } from "../../../src/features/write-docs.ts";
import { FEATURE_COUNT, WINDOW_BARS } from "../../../src/inference/engine.ts";

const { CATALOGUE, CATALOGUE_HASH, catalogueText, READY_BARS } = catalogue;

test("the catalogue has one entry for each feature of a row, with a name of its own", () => {
  expect(CATALOGUE).toHaveLength(FEATURE_COUNT);
  expect(new Set(CATALOGUE.map((feature) => feature.name)).size).toBe(FEATURE_COUNT);
});

test("each index constant is used once and none is left over", () => {
  const indices = Object.entries(catalogue)
    .filter(([name]) => name.startsWith("FEATURE_"))
    .map(([, index]) => index as number);
  expect(indices.sort((a, b) => a - b)).toEqual(Array.from({ length: FEATURE_COUNT }, (_, i) => i));
});

test.each([
  [catalogue.FEATURE_LOG_RETURN_5, "log return 5"],
  [catalogue.FEATURE_RSI_14, "RSI 14"],
  [catalogue.FEATURE_VWAP_DEVIATION, "deviation from the day's VWAP"],
  [catalogue.FEATURE_VOLUME_IMBALANCE, "signed volume imbalance 20"],
])("the constant with value %i stands for %p", (index, name) => {
  expect(CATALOGUE[index]!.name).toBe(name);
});

test("the hash is that of the text, and every formula is in the text", () => {
  expect(CATALOGUE_HASH).toBe(new Bun.CryptoHasher("sha256").update(catalogueText()).digest("hex"));
  for (const feature of CATALOGUE) expect(catalogueText()).toContain(feature.formula);
});

test("a window is ready when its oldest row is defined in every feature", () => {
  expect(READY_BARS).toBe(WINDOW_BARS + 33);
});

test("docs/features.md is what the catalogue says", async () => {
  const remedy = "run: bun src/features/write-docs.ts";
  expect(await Bun.file(FEATURES_DOC_PATH).text(), remedy).toBe(featuresDoc());
});
