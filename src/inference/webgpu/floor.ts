// The empty round trip of an adapter: what a call costs before it computes anything. Benches divide by it.

import { openAdapter } from "./adapters.ts";
import { loadDawn } from "./dawn.ts";
import { openDevice } from "./device.ts";
import { FIRST_ANSWER_TIMEOUT_MS } from "./forward-pass.ts";
import { instanceFlags } from "./forward-stage.ts";
import { KERNELS } from "./kernels.ts";
import { GpuResources } from "./resources.ts";
import { type AnswerBuffers, makeAnswerBuffers, RoundTrip, type Stage } from "./round-trip.ts";

/** Bytes that go up before the trip, as many as one stock's newest bar takes. */
const UPLOAD_BYTES = 80;

/** The stage of the empty kernel: it answers for each window that it was there. Throws WebGpuError. */
export async function makeEmptyStage(resources: GpuResources, answers: AnswerBuffers): Promise<Stage> {
  const layout = resources.layout(["write", "stamp"]);
  const pipeline = await resources.pipeline("round-trip", KERNELS["round-trip"], layout);
  const bindGroup = resources.bindGroup(layout, [answers.outputs, answers.stamp]);
  return { name: "empty", pipeline, bindGroup, hasStamp: true };
}

export interface Floor {
  /** Upload, a dispatch of `count` workgroups that only write their slot, read-back. */
  run(count: number, out: Float32Array): number;
  close(): void;
}

/** Throws WebGpuError. */
export async function makeFloor(adapterName: string, batchMax: number, isChecked = false): Promise<Floor> {
  const device = await openDevice(await openAdapter(adapterName, instanceFlags("fp32", isChecked)));
  const resources = new GpuResources(device, false);
  const { STORAGE, COPY_DST } = loadDawn().globals.GPUBufferUsage;
  const inbox = resources.buffer("inbox", UPLOAD_BYTES, STORAGE | COPY_DST);
  const answers = makeAnswerBuffers(resources, batchMax);
  const stage = await makeEmptyStage(resources, answers);
  resources.freeze();
  const trip = new RoundTrip(device, [stage], answers, batchMax, FIRST_ANSWER_TIMEOUT_MS * 1e6);
  const upload = new Float32Array(UPLOAD_BYTES / Float32Array.BYTES_PER_ELEMENT);
  return {
    run(count, out) {
      device.queue.writeBuffer(inbox.buffer, 0, upload);
      return trip.run(count, out);
    },
    close() {
      trip.fail("closed");
      device.destroy();
    },
  };
}
