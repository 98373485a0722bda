import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  HttpResponse,
  RESPONSE_BAD,
  RESPONSE_DONE,
  RESPONSE_NEEDS_MORE,
} from "../../../src/gateway/alpaca/http-response.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function read(text: string): { result: number; response: HttpResponse } {
  const response = new HttpResponse();
  return { result: response.push(bytes(text)), response };
}

const LENGTH = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"id":"ä"}';
const CHUNKED =
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"id\r\n6;ext=1\r\n":"ab"\r\n1\r\n}\r\n0\r\nTrailer: x\r\n\r\n';
const INTERIM = `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${LENGTH}`;
const EMPTY = "HTTP/1.1 204 No Content\r\nX-RateLimit-Reset: 1576679701\r\n\r\n";

test.each([
  ["a counted body", LENGTH, 200, '{"id":"ä"}'],
  ["chunks with extensions and trailers", CHUNKED, 200, '{"id":"ab"}'],
  ["interim answers before the real one", INTERIM, 200, '{"id":"ä"}'],
  ["no body at all", EMPTY, 204, ""],
  ["a body of no bytes", "HTTP/1.1 422 X\r\nContent-Length: 0\r\n\r\n", 422, ""],
  ["bare line feeds", "HTTP/1.1 404 Not Found\ncontent-length: 2\n\nno", 404, "no"],
])("reads %s", (_what, text, status, body) => {
  const { result, response } = read(text);
  expect(result).toBe(RESPONSE_DONE);
  expect(response.status).toBe(status);
  expect(response.body).toBe(body);
});

test("any cutting of the same bytes gives the same answer", () => {
  const texts = fc.constantFrom(LENGTH, CHUNKED, INTERIM, EMPTY);
  fc.assert(
    fc.property(texts, fc.array(fc.nat({ max: 250 }), { maxLength: 8 }), (text, cuts) => {
      const all = bytes(text);
      const whole = read(text).response;
      const response = new HttpResponse();
      const ends = [...new Set([...cuts.filter((cut) => cut > 0 && cut < all.length), all.length])].sort(
        (a, b) => a - b,
      );
      let from = 0;
      for (const end of ends) {
        const result = response.push(all.subarray(from, end));
        expect(result).toBe(end === all.length ? RESPONSE_DONE : RESPONSE_NEEDS_MORE);
        from = end;
      }
      expect([response.status, response.body, response.isClose]).toEqual([whole.status, whole.body, whole.isClose]);
    }),
  );
});

test("one object reads many answers, larger and smaller", () => {
  const response = new HttpResponse();
  for (const size of [10, 200_000, 0, 7]) {
    response.reset();
    const body = "x".repeat(size);
    expect(response.push(bytes(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n${body}`))).toBe(RESPONSE_DONE);
    expect(response.body).toBe(body);
  }
});

test("an answer without a length ends with the connection", () => {
  const { result, response } = read("HTTP/1.1 500 Oops\r\n\r\nhalf a");
  expect(result).toBe(RESPONSE_NEEDS_MORE);
  expect(response.push(bytes(" page"))).toBe(RESPONSE_NEEDS_MORE);
  expect(response.close()).toBe(RESPONSE_DONE);
  expect([response.status, response.body, response.isClose]).toEqual([500, "half a page", true]);
});

test("a counted answer cut off by a close is no answer", () => {
  const { response } = read('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"id');
  expect(response.close()).toBe(RESPONSE_BAD);
});

test("says when the server will close and how long to wait", () => {
  const { response } = read(
    "HTTP/1.1 429 Too Many\r\nConnection: close\r\nRetry-After: 3\r\nX-RateLimit-Reset: 1576679701\r\nContent-Length: 0\r\n\r\n",
  );
  expect(response.isClose).toBe(true);
  expect(response.retryAfterSec).toBe(3);
  expect(response.rateLimitResetSec).toBe(1_576_679_701);
  expect(read("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n").response.isClose).toBe(true);
});

describe("refuses what cannot be trusted", () => {
  test.each([
    ["no HTTP", "SSH-2.0-OpenSSH\r\n\r\n"],
    ["HTTP/2", "HTTP/2 200\r\n\r\n"],
    ["a switch of protocols", "HTTP/1.1 101 Switching\r\n\r\n"],
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"],
    ["a length that is no number", "HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n"],
    ["a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"],
    ["an absurd length", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"],
    ["a header without a colon", "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n"],
    ["a coding we did not ask for", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx"],
    ["an unknown transfer", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"],
    ["a chunk size that is no number", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
    ["a chunk longer than it says", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n"],
    ["more than was asked for", `${LENGTH}HTTP/1.1 200 OK\r\n\r\n`],
    ["a head without end", `HTTP/1.1 200 OK\r\nX: ${"y".repeat(70_000)}`],
  ])("%s", (_what, text) => {
    expect(read(text).result).toBe(RESPONSE_BAD);
  });
});

test("no bytes whatever make it throw or loop", () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 6 }),
      fc.constantFrom("", LENGTH, CHUNKED),
      (noise, start) => {
        const response = new HttpResponse();
        let result = response.push(bytes(start.slice(0, 60)));
        for (const each of noise) {
          if (result !== RESPONSE_NEEDS_MORE) return;
          result = response.push(each);
        }
        expect([RESPONSE_NEEDS_MORE, RESPONSE_DONE, RESPONSE_BAD]).toContain(result);
      },
    ),
  );
});
