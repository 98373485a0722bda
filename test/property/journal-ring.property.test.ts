import { expect, test } from "bun:test";
import fc from "fast-check";
import { RING_RECORD_BYTES, ringBytes, SpscRing } from "../../src/core/spsc-ring.ts";

test("a ring gives back what was put in, in order, whole, and says when it is full", () => {
  const steps = fc.array(fc.record({ isPut: fc.boolean(), count: fc.integer({ min: 1, max: 12 }) }), { maxLength: 60 });
  fc.assert(
    fc.property(fc.constantFrom(1, 2, 8, 16), steps, (capacity, todo) => {
      const memory = new SharedArrayBuffer(ringBytes(capacity));
      const producer = SpscRing.create(memory, capacity);
      const consumer = SpscRing.open(memory, "the test's ring");
      const queue: number[] = [];
      let next = 1;
      for (const { isPut, count } of todo) {
        if (isPut) {
          for (let i = 0; i < count; i++) {
            const offset = producer.claim();
            expect(offset === -1).toBe(queue.length === capacity);
            if (offset < 0) continue;
            producer.f64[offset >> 3] = next;
            producer.u8[offset + RING_RECORD_BYTES - 5] = next & 255;
            producer.commit();
            queue.push(next++);
          }
        } else {
          const taken = Math.min(count, queue.length);
          for (let i = 0; i < taken; i++) {
            const offset = consumer.at(i);
            expect(consumer.isSealed(offset)).toBe(true);
            expect(consumer.f64[offset >> 3]).toBe(queue[i]!);
            expect(consumer.u8[offset + RING_RECORD_BYTES - 5]).toBe(queue[i]! & 255);
          }
          consumer.release(taken);
          queue.splice(0, taken);
        }
        expect(consumer.depth).toBe(queue.length);
        expect(producer.depth).toBe(queue.length);
      }
    }),
  );
});

test("counters run over 2^32 without a seam", () => {
  const memory = new SharedArrayBuffer(ringBytes(4));
  SpscRing.create(memory, 4);
  const control = new Int32Array(memory, 0, 64);
  control[16] = -2; // head and tail two records before the turn
  control[32] = -2;
  const ring = SpscRing.open(memory, "the test's ring");
  const seen: number[] = [];
  for (let i = 0; i < 6; i++) {
    const offset = ring.claim();
    ring.f64[offset >> 3] = i;
    seen.push(ring.claimedNumber);
    ring.commit();
    expect(ring.f64[ring.at(0) >> 3]).toBe(i);
    ring.release(1);
  }
  expect(seen).toEqual([4_294_967_294, 4_294_967_295, 0, 1, 2, 3]);
});

test("one changed bit in a record is noticed", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 252, maxLength: 252 }),
      fc.nat({ max: 255 }),
      fc.nat({ max: 7 }),
      (bytes, at, bit) => {
        const ring = SpscRing.create(new SharedArrayBuffer(ringBytes(1)), 1);
        const offset = ring.claim();
        ring.u8.set(bytes, offset);
        ring.commit();
        expect(ring.isSealed(offset)).toBe(true);
        ring.u8[offset + at]! ^= 1 << bit;
        expect(ring.isSealed(offset)).toBe(false);
      },
    ),
  );
});

test.each([
  // what is wrong, word of the header, value
  ["has no mark", 0, 1],
  ["is of another version", 1, 9],
  ["has other records", 2, 128],
  ["has an odd capacity", 3, 3],
  ["is larger than its memory", 3, 1024],
  ["claims more than it holds", 16, 5],
  ["has a tail before its head", 32, 1],
])("memory that %s is refused by name", (_what, word, value) => {
  const memory = new ArrayBuffer(ringBytes(4));
  SpscRing.create(memory, 4);
  new Int32Array(memory)[word] = value;
  expect(() => SpscRing.open(memory, "journal.ring")).toThrow("journal.ring is not a ring of this version of gyr");
});

test("memory that is too short is refused by name", () => {
  expect(() => SpscRing.open(new ArrayBuffer(100), "journal.ring")).toThrow("journal.ring is not a ring");
});
