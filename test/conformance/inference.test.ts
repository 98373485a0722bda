// The CPU engines; the GPU's run of the same suite is with the shader tests, which have an adapter.

import { ReferenceEngine } from "../../src/inference/reference/forward-pass.ts";
import { WasmEngine } from "../../src/inference/wasm/forward-pass.ts";
import { inferenceConformance } from "./inference-engine.ts";

inferenceConformance("wasm", (model) => WasmEngine.create(model));
// Against itself: that it keeps to the port. What it computes is checked by hand in test/unit/inference.
inferenceConformance("reference", async (model) => new ReferenceEngine(model), { windowCount: 50 });
