// Hot path: no allocation after start.
// A ring of fixed 256-byte records between one producer and one consumer in different threads, over memory both can see: a
// SharedArrayBuffer, or a file that both have mapped. In a file, what was committed survives the death of the process.
// Neither side ever waits: a full ring is told to the producer, an empty one to the consumer.
//
// Memory    offset    bytes  what
//           0         4      magic
//           4         4      layout version
//           8         4      bytes of a record
//           12        4      records, a power of two
//           64        4      head: records committed, modulo 2^32. Written by the producer
//           128       4      tail: records released, modulo 2^32. Written by the consumer
//           4096      ...    records
//
// The last four bytes of a record are a checksum of the rest, so that what a power loss has torn is recognised.

import { assert } from "./assert.ts";
import { UserError } from "./user-error.ts";

export const RING_RECORD_BYTES = 256;
/** Bytes of a record that its writer may fill. */
export const RING_PAYLOAD_BYTES = RING_RECORD_BYTES - 4;
const HEADER_BYTES = 4096;
/** "GYRR" in little-endian. */
const MAGIC = 0x52525947;
const VERSION = 1;

const MAGIC_AT = 0;
const VERSION_AT = 1;
const RECORD_BYTES_AT = 2;
const CAPACITY_AT = 3;
const HEAD_AT = 16;
const TAIL_AT = 32;
const RECORD_WORDS = RING_RECORD_BYTES / 4;
const CHECKSUM_WORD = RECORD_WORDS - 1;

/** Bytes of memory that a ring of `capacity` records needs. */
// hot-ok: at start only
export function ringBytes(capacity: number): number {
  assert(capacity > 0 && (capacity & (capacity - 1)) === 0, `a power of two of records, was ${capacity}`);
  return HEADER_BYTES + capacity * RING_RECORD_BYTES;
}

export class SpscRing {
  readonly capacity: number;
  /** The whole memory; a record begins at the byte offset that `claim` and `at` give. */
  readonly u8: Uint8Array;
  readonly u32: Uint32Array;
  readonly f64: Float64Array;
  readonly #control: Int32Array;
  readonly #mask: number;
  /** Producer's own copies; the consumer's tail is read again only when the ring looks full. */
  #head: number;
  #knownTail: number;

  private constructor(memory: ArrayBufferLike, capacity: number) {
    this.capacity = capacity;
    this.#mask = capacity - 1;
    this.u8 = new Uint8Array(memory);
    this.u32 = new Uint32Array(memory);
    this.f64 = new Float64Array(memory);
    this.#control = new Int32Array(memory, 0, HEADER_BYTES / 4);
    this.#head = Atomics.load(this.#control, HEAD_AT);
    this.#knownTail = Atomics.load(this.#control, TAIL_AT);
  }

  /** An empty ring in zeroed memory of `ringBytes(capacity)` bytes. */
  // hot-ok: at start only
  static create(memory: ArrayBufferLike, capacity: number): SpscRing {
    assert(memory.byteLength >= ringBytes(capacity), "memory for the whole ring");
    const control = new Int32Array(memory, 0, HEADER_BYTES / 4);
    control[VERSION_AT] = VERSION;
    control[RECORD_BYTES_AT] = RING_RECORD_BYTES;
    control[CAPACITY_AT] = capacity;
    Atomics.store(control, HEAD_AT, 0);
    Atomics.store(control, TAIL_AT, 0);
    Atomics.store(control, MAGIC_AT, MAGIC);
    return new SpscRing(memory, capacity);
  }

  /** A ring that exists, with what is in it. @param name what to call it in the error */
  // hot-ok: at start only
  static open(memory: ArrayBufferLike, name: string): SpscRing {
    const problem = layoutProblem(memory);
    if (problem !== "") throw new UserError("failed", `${name} is not a ring of this version of gyr: ${problem}`);
    return new SpscRing(memory, new Int32Array(memory, 0, HEADER_BYTES / 4)[CAPACITY_AT]!);
  }

  /** Records committed and not released. */
  get depth(): number {
    return (Atomics.load(this.#control, HEAD_AT) - Atomics.load(this.#control, TAIL_AT)) | 0;
  }

  // --- producer -------------------------------------------------------------------------------------------------------

  /** Byte offset of the next record to fill, or -1 when the ring is full. The record holds whatever it held before. */
  claim(): number {
    if (((this.#head - this.#knownTail) | 0) >= this.capacity) {
      this.#knownTail = Atomics.load(this.#control, TAIL_AT);
      if (((this.#head - this.#knownTail) | 0) >= this.capacity) return -1;
    }
    return HEADER_BYTES + (this.#head & this.#mask) * RING_RECORD_BYTES;
  }

  /** Number of the record that `claim` gave, from 0, modulo 2^32. */
  get claimedNumber(): number {
    return this.#head >>> 0;
  }

  /** Seals the claimed record and shows it to the consumer. */
  commit(): void {
    const first = (HEADER_BYTES + (this.#head & this.#mask) * RING_RECORD_BYTES) >> 2;
    this.u32[first + CHECKSUM_WORD] = this.#checksum(first);
    this.#head = (this.#head + 1) | 0;
    Atomics.store(this.#control, HEAD_AT, this.#head);
  }

  // --- consumer -------------------------------------------------------------------------------------------------------

  /** Byte offset of the `index`-th record that waits, 0 the oldest. */
  at(index: number): number {
    return HEADER_BYTES + ((Atomics.load(this.#control, TAIL_AT) + index) & this.#mask) * RING_RECORD_BYTES;
  }

  /** False for a record that was not written whole. */
  isSealed(offset: number): boolean {
    const first = offset >> 2;
    return this.u32[first + CHECKSUM_WORD] === this.#checksum(first);
  }

  /** Gives the `count` oldest records back to the producer. */
  release(count: number): void {
    assert(count >= 0 && count <= this.depth, "release at most what waits");
    Atomics.store(this.#control, TAIL_AT, (Atomics.load(this.#control, TAIL_AT) + count) | 0);
  }

  /** Multiplicative hash of the words before the checksum. Finds torn records; is no protection against forgery. */
  #checksum(first: number): number {
    const words = this.u32;
    let sum = 0x9e3779b9;
    for (let i = 0; i < CHECKSUM_WORD; i++) sum = Math.imul(sum ^ words[first + i]!, 0x85ebca6b) ^ (sum >>> 15);
    return sum >>> 0;
  }
}

// hot-ok: at start only
function layoutProblem(memory: ArrayBufferLike): string {
  if (memory.byteLength < HEADER_BYTES) return `it has ${memory.byteLength} bytes, a header takes ${HEADER_BYTES}`;
  const control = new Int32Array(memory, 0, HEADER_BYTES / 4);
  if (control[MAGIC_AT] !== MAGIC) return "it does not begin with the mark of a ring";
  if (control[VERSION_AT] !== VERSION) return `its layout version is ${control[VERSION_AT]}, ${VERSION} is understood`;
  if (control[RECORD_BYTES_AT] !== RING_RECORD_BYTES) return `its records have ${control[RECORD_BYTES_AT]} bytes`;
  const capacity = control[CAPACITY_AT]!;
  if (capacity <= 0 || (capacity & (capacity - 1)) !== 0) return `it holds ${capacity} records, not a power of two`;
  if (memory.byteLength < ringBytes(capacity)) return `${memory.byteLength} bytes cannot hold its ${capacity} records`;
  const depth = (control[HEAD_AT]! - control[TAIL_AT]!) | 0;
  return depth < 0 || depth > capacity ? `it claims ${depth} waiting records of ${capacity}` : "";
}
