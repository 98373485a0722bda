// No garbage from a market event to a decision: collections counted over a million events through the whole pipeline.

import { expect, test } from "bun:test";
import { collectionsBetweenMarks } from "./collections.ts";

test("a million market events cause no collection in the pipeline", async () => {
  expect(await collectionsBetweenMarks("pipeline-loop.ts")).toBe(0);
});
