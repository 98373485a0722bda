// No garbage from a frame's text to a closed bar: collections counted over a million events.

import { expect, test } from "bun:test";
import { collectionsBetweenMarks } from "./collections.ts";

const SCRIPT = "feed-loop.ts";
/** A million events by JSON.parse: what the scanner saves, and what a venue with another form of frame would cost. */
const JSON_COLLECTIONS_MAX = 100;

test("a million trades cause no collection in the bars", async () => {
  expect(await collectionsBetweenMarks(SCRIPT, "bars")).toBe(0);
});

test("a million events in frames of the usual form cause no collection in the parser", async () => {
  expect(await collectionsBetweenMarks(SCRIPT, "scan")).toBe(0);
});

test(`a million events by JSON.parse cause at most ${JSON_COLLECTIONS_MAX} collections`, async () => {
  const collections = await collectionsBetweenMarks(SCRIPT, "json");
  expect(collections).toBeGreaterThan(0);
  expect(collections).toBeLessThanOrEqual(JSON_COLLECTIONS_MAX);
});
