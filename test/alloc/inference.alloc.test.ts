// No garbage on the path from a closed bar to a prediction: collections counted over 200,000 calls and more.

import { expect, test } from "bun:test";
import { collectionsBetweenMarks } from "./collections.ts";

const SCRIPT = "inference-loop.ts";

test("200,000 predictions of the wasm engine cause no collection", async () => {
  expect(await collectionsBetweenMarks(SCRIPT, "predict")).toBe(0);
});

test("200,000 predictions of an engine that has another behind it cause no collection", async () => {
  expect(await collectionsBetweenMarks(SCRIPT, "resilient")).toBe(0);
});

test("200,000 predictions of models in the shadow cause no collection", async () => {
  expect(await collectionsBetweenMarks(SCRIPT, "shadow")).toBe(0);
});

test("1,000,000 incremental predictions, of bars and ticks with their features, cause no collection", async () => {
  expect(await collectionsBetweenMarks(SCRIPT, "incremental")).toBe(0);
});

test("200,000 closed bars cause no collection in the features", async () => {
  expect(await collectionsBetweenMarks(SCRIPT, "features")).toBe(0);
});

test("collections are seen where there is garbage", async () => {
  expect(await collectionsBetweenMarks(SCRIPT, "garbage")).toBeGreaterThan(0);
});
