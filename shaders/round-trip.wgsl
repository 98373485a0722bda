// round-trip: nothing but the slot of an answer, so that what remains is the trip to the GPU and back: the floor that the
// figures of every other kernel are divided by.
//
// Reference: src/inference/webgpu/round-trip.ts, which checks the slot: five zeros, 0, stamp, sentinel 1.0
// Test: test/shader/round-trip.test.ts      Bench: bench/inference/gpu.bench.ts
//   binding 0  outputs  read_write  f32 (batch, 8)
//   binding 1  stamp    uniform     f32, dynamic offset: number of this command buffer
// Dispatch (batch, 1, 1): workgroup id = slot. 32 invocations, the narrowest that no GPU pads, of which one writes.

@group(0) @binding(0) var<storage, read_write> outputs: array<vec4<f32>>;
@group(0) @binding(1) var<uniform> stamp: f32;

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  if (lane == 0u) {
    outputs[group.x * 2u] = vec4<f32>(0.0);
    outputs[group.x * 2u + 1u] = vec4<f32>(0.0, 0.0, stamp, 1.0);
  }
}
