// The venue's own time: a queue of things that will happen, run strictly in order of (time, priority, insertion).
// Market data, order arrivals, executions and feed deliveries all live here, so the venue is one deterministic sequence.

import { assert } from "../core/assert.ts";

export type TimelineTask = (nowUs: number) => void;

interface Node {
  readonly atUs: number;
  readonly priority: number;
  readonly seq: number;
  readonly task: TimelineTask;
  isCanceled: boolean;
}

/** What happens first at the same microsecond. */
export const PRIORITY_MARKET = 0;
export const PRIORITY_BROKER = 1;
export const PRIORITY_DELIVERY = 2;

/** Handle of a scheduled task. */
export interface Scheduled {
  cancel(): void;
}

export class Timeline {
  #nowUs: number;
  #heap: Node[] = [];
  #seq = 0;

  constructor(startUs: number) {
    this.#nowUs = startUs;
  }

  get nowUs(): number {
    return this.#nowUs;
  }

  /** Runs `task` at `atUs`; a time already past runs at the present time. */
  at(atUs: number, priority: number, task: TimelineTask): Scheduled {
    const node: Node = { atUs: Math.max(atUs, this.#nowUs), priority, seq: this.#seq++, task, isCanceled: false };
    this.#push(node);
    return {
      cancel() {
        node.isCanceled = true;
      },
    };
  }

  /** Time of the next task, epoch us; Infinity when nothing is left. */
  nextUs(): number {
    this.#dropCanceled();
    return this.#heap.length > 0 ? this.#heap[0]!.atUs : Number.POSITIVE_INFINITY;
  }

  /** Runs the earliest task if it is due at or before `limitUs`; false when there is none. */
  runNext(limitUs: number): boolean {
    this.#dropCanceled();
    const node = this.#heap[0];
    if (node === undefined || node.atUs > limitUs) return false;
    this.#pop();
    this.#nowUs = node.atUs;
    node.task(node.atUs);
    return true;
  }

  /** Runs everything due up to and including `limitUs` and leaves the time there. */
  advanceTo(limitUs: number): void {
    while (this.runNext(limitUs)) {}
    assert(limitUs >= this.#nowUs, `time only moves forward, from ${this.#nowUs} to ${limitUs}`);
    this.#nowUs = limitUs;
  }

  #dropCanceled(): void {
    while (this.#heap.length > 0 && this.#heap[0]!.isCanceled) this.#pop();
  }

  #push(node: Node): void {
    const heap = this.#heap;
    let index = heap.push(node) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(node, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = node;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
  }
}

function isBefore(a: Node, b: Node): boolean {
  if (a.atUs !== b.atUs) return a.atUs < b.atUs;
  if (a.priority !== b.priority) return a.priority < b.priority;
  return a.seq < b.seq;
}
