// A process that does nothing but ticks on the GPU, for memory.test.ts: a new bar, features and forward pass, the event loop's turn.
// Prints its resident memory after each of twenty parts of the ticks, in bytes, as JSON.

import { featureRows } from "../../src/features/reference.ts";
import { ENGINE_OK, OUTPUT_STRIDE } from "../../src/inference/engine.ts";
import { WebGpuPipeline } from "../../src/inference/webgpu/pipeline.ts";
import { randomModel } from "../support/models.ts";
import { useTestAdapter } from "../support/vulkan.ts";

const TICKS = Number(process.argv[2]);
/** Long enough that the compiler's tiers, the heap and the driver's pools have settled. */
const WARM_UP_TICKS = Math.max(4_000, TICKS / 10);
const PARTS = 20;
/** A bar closes at every so many ticks; the others move it. */
const TICKS_PER_BAR = 4;

const { name } = await useTestAdapter();
const pipeline = await WebGpuPipeline.create({ model: randomModel(7), adapterName: name, capacity: 1, featureRows });
const slots = new Int32Array(1);
const out = new Float32Array(OUTPUT_STRIDE);
let ticks = 0;

async function run(count: number): Promise<void> {
  for (let i = 0; i < count; i++, ticks++) {
    const px = 100 + ((ticks * 7) % 13) / 100;
    if (ticks % TICKS_PER_BAR === 0) pipeline.pushBar(0, px + 0.02, px - 0.02, px, 500 + (ticks % 90), 0, ticks >> 10);
    else
      pipeline.replaceBar(0, px + 0.02, px - 0.02, px, 500 + (ticks % 90), 0, (ticks - (ticks % TICKS_PER_BAR)) >> 10);
    if (pipeline.run(slots, 1, out) !== ENGINE_OK) throw new Error(pipeline.failure);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** The least of three, because the collector and the allocator give memory back when they see fit. */
async function residentBytes(): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 3; round++) {
    Bun.gc(true);
    await new Promise((resolve) => setImmediate(resolve));
    least = Math.min(least, process.memoryUsage.rss());
  }
  return least;
}

await run(WARM_UP_TICKS);
const rssBytes: number[] = [];
for (let part = 0; part < PARTS; part++) {
  await run(TICKS / PARTS);
  rssBytes.push(await residentBytes());
}
console.log(JSON.stringify({ rssBytes, failedCalls: pipeline.failedCalls }));
pipeline.close();
