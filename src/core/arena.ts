// Startup allocation. Every long-lived column is asked for here by name, then the arena is frozen: a later request is a bug.
// `gyr doctor` prints the table.

import { assert } from "./assert.ts";

export interface ArenaEntry {
  readonly name: string;
  readonly type: string;
  readonly elems: number;
  readonly bytes: number;
}

export class Arena {
  readonly #entries: ArenaEntry[] = [];
  #frozen = false;

  f64(name: string, elems: number): Float64Array<ArrayBuffer> {
    return this.#keep(name, new Float64Array(elems));
  }
  f32(name: string, elems: number): Float32Array<ArrayBuffer> {
    return this.#keep(name, new Float32Array(elems));
  }
  i32(name: string, elems: number): Int32Array<ArrayBuffer> {
    return this.#keep(name, new Int32Array(elems));
  }
  u32(name: string, elems: number): Uint32Array<ArrayBuffer> {
    return this.#keep(name, new Uint32Array(elems));
  }
  u8(name: string, elems: number): Uint8Array<ArrayBuffer> {
    return this.#keep(name, new Uint8Array(elems));
  }

  /** No column can be made after this. */
  freeze(): void {
    this.#frozen = true;
  }

  get isFrozen(): boolean {
    return this.#frozen;
  }

  /** What was allocated, in order. */
  table(): readonly ArenaEntry[] {
    return this.#entries;
  }

  bytes(): number {
    return this.#entries.reduce((sum, entry) => sum + entry.bytes, 0);
  }

  #keep<T extends { length: number; byteLength: number }>(name: string, column: T): T {
    assert(!this.#frozen, `no allocation after start, but '${name}' was asked for`);
    assert(!this.#entries.some((entry) => entry.name === name), `column names are unique, '${name}' is not`);
    this.#entries.push({ name, type: column.constructor.name, elems: column.length, bytes: column.byteLength });
    return column;
  }
}
