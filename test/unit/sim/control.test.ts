import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseClientMessage } from "../../../src/sim/control.ts";

describe("messages of a client on the control channel", () => {
  test.each([
    ['{"type":"join"}', { type: "join" }],
    ['{"type":"done","nowUs":5,"wakeUs":9}', { type: "done", nowUs: 5, wakeUs: 9 }],
    ['{"type":"done","nowUs":5,"wakeUs":null}', { type: "done", nowUs: 5, wakeUs: Number.POSITIVE_INFINITY }],
  ] as const)("%s is understood", (text, message) => expect(parseClientMessage(text)).toEqual(message));

  test.each([
    "",
    "null",
    "[]",
    "{",
    '{"type":"step"}',
    '{"type":"done"}',
    '{"type":"done","nowUs":"5","wakeUs":9}',
    '{"type":"done","nowUs":5,"wakeUs":"9"}',
    '{"type":"done","nowUs":null,"wakeUs":9}',
    '{"type":"done","nowUs":5}',
  ])("%p is refused", (text) => expect(parseClientMessage(text)).toBeNull());

  test("no text is an exception", () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => void parseClientMessage(text)));
  });
});
