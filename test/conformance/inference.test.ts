// The CPU engines; the GPU's run of the same suite is with the shader tests, which have an adapter.

import { ReferenceEngine } from "../../src/inference/reference/forward-pass.ts";
import { ReferenceInt8Engine } from "../../src/inference/reference/forward-pass-int8.ts";
import { WasmEngine } from "../../src/inference/wasm/forward-pass.ts";
import { incrementalEngine } from "../support/incremental-engine.ts";
import { inferenceConformance } from "./inference-engine.ts";

inferenceConformance("wasm", (model) => WasmEngine.create(model));
for (const path of ["bar", "forming"] as const) {
  inferenceConformance(
    `wasm incremental (${path})`,
    async (model) => incrementalEngine(await WasmEngine.create(model), path),
    { windowCount: 300 },
  );
}
// Against themselves: that they keep to the port. What they compute is checked by hand in test/unit/inference.
inferenceConformance("reference", async (model) => new ReferenceEngine(model), {
  windowCount: 50,
  batchSizes: [1, 2, 100],
});
inferenceConformance("int8 reference", async (model) => new ReferenceInt8Engine(model), {
  reference: (model) => new ReferenceInt8Engine(model),
  windowCount: 50,
  batchSizes: [1, 2, 100],
});
