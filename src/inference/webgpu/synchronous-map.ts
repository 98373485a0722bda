// Hot path. Maps a buffer for reading before it returns, although WebGPU's mapAsync answers by a promise.
//
// Dawn polls for finished work in a native function that it passes to globalThis.setImmediate, looked up at each poll.
// For the length of one map that is our function: it is handed Dawn's poll, and the poll is called until the buffer is
// mapped. No turn of the event loop passes and no promise is waited for: 2 us less than `await`, and no other task of the
// loop comes in between. Allocates the promise, its rejection handler and one native function, all WebGPU's own.

import { monotonicNs } from "../../core/clock.ts";
import { yieldCore } from "./libc.ts";

export const MAP_DONE = 0;
/** The buffer cannot be mapped: the device is lost or the call was invalid. */
export const MAP_REFUSED = 1;
export const MAP_TIMED_OUT = 2;

export class SynchronousMap {
  /** Dawn's poll, as it was last handed over. Calling it again is harmless. */
  #poll: () => void = noop;
  /** Dawn asked for a turn and has not had it. */
  #isPollWanted = false;
  readonly #takePoll: typeof setImmediate;
  readonly #mapModeRead: number;

  constructor(mapModeRead: number) {
    this.#mapModeRead = mapModeRead;
    this.#takePoll = ((poll: () => void) => {
      this.#poll = poll;
      this.#isPollWanted = true;
    }) as unknown as typeof setImmediate;
  }

  /** Waits until the first `bytes` of `buffer` are mapped for reading, spinning; between polls other threads may run. */
  map(buffer: GPUBuffer, bytes: number, timeoutNs: number): number {
    const ownSetImmediate = globalThis.setImmediate;
    const deadlineNs = monotonicNs() + timeoutNs;
    let result = MAP_DONE;
    globalThis.setImmediate = this.#takePoll;
    try {
      // A rejection shows in mapState too; its reason comes through device.lost or onuncapturederror.
      buffer.mapAsync(this.#mapModeRead, 0, bytes).catch(noop);
      while (buffer.mapState === "pending") {
        this.#isPollWanted = false;
        this.#poll();
        if (buffer.mapState !== "pending") break;
        yieldCore();
        if (monotonicNs() > deadlineNs) {
          result = MAP_TIMED_OUT;
          break;
        }
      }
    } finally {
      globalThis.setImmediate = ownSetImmediate;
      // Something else waits on Dawn as well: the event loop polls on.
      if (this.#isPollWanted) ownSetImmediate(this.#poll);
      this.#isPollWanted = false;
    }
    if (result === MAP_DONE && buffer.mapState !== "mapped") return MAP_REFUSED;
    return result;
  }
}

function noop(): void {}
