// forward-pass-int8: the whole network for one window of one stock per workgroup, convolutions on signed bytes.
//
//   raw window (50, 12) -> whole steps -127..127 -> three same-padded convolutions in parallel, exact int32 sums, scaled back
//   to float32 per filter, ReLU (128 channels) -> global max pool | global average pool (256) -> dense 64 ReLU
//   -> dense 32 ReLU -> softmax 3, sigmoid, tanh: all of these in float32
//
// Reference: src/inference/reference/forward-pass-int8.ts      Tolerance: |error| <= 1e-5 on every output
// Test: test/shader/forward-pass-int8.test.ts     Bench: bench/inference/gpu.bench.ts
//   binding 0  windows     read        f32 (batch, 50, 12) row-major, oldest bar first, raw features
//   binding 1  weights     read        f32 (WEIGHT_VEC4S * 4), packed by src/inference/webgpu/weight-layout.ts, whose
//                                      offsets are the constants below (a test compares them)
//   binding 2  outputs     read_write  f32 (batch, 8): sell, hold, buy, volatility, momentum, 0, stamp, sentinel: 1.0, or 0.0
//                                      where the window holds a NaN and the first five mean nothing
//   binding 3  conv_words  read        u32 (CONV_WORDS): weight steps, four neighbouring features in a word
//   binding 4  stamp       uniform     f32, dynamic offset: number of this command buffer
// Dispatch (batch, 1, 1): workgroup id = window. 128 invocations = one per filter, as in forward-pass.wgsl, which says why.
//
// An input's step is round((x - mean) * factor), each operation rounded to f32, ties to even: one subtraction and one
// multiplication, which no compiler may fuse or reorder, so steps and sums are those of the reference to the bit.
//
// Every workgroup variable is written before it is read, and no index leaves its buffer for any input: the engine turns
// off zero-initialisation and robustness checks in production.

requires packed_4x8_integer_dot_product;

const BARS = 50u;
const FILTERS = 128u;
/** vec4s, and words of four bytes, of a row of 12 features. */
const ROW = 3u;
/** Zero rows before the first bar and after the last; the widest tap reaches 4 rows (k5 d2 and k3 d4). */
const PAD = 4u;
const PADDED_ROWS = BARS + 2u * PAD;
const WINDOW_VEC4S = BARS * ROW;
/** Largest step of an input either way. */
const STEP_MAX = 127.0;
/** Beyond this tanh is +-1 and a sigmoid 0 or 1 in float32; fast-math tanh overflows farther out. */
const ACTIVATION_CLAMP = 30.0;

// Offsets in `weights`, in vec4s.
const MEAN_AT = 0u; // [feature]
const INPUT_FACTOR_AT = 3u; // [feature] steps of one unit of the raw feature
const CONV_SCALE_AT = 6u; // [filter 128] response of one unit of the int32 sum
const CONV_BIAS_AT = 38u; // [filter 128]
const DENSE1_AT = 70u; // [input / 4][output 64]
const DENSE1_BIAS_AT = 4166u; // [output 64]
const DENSE2_AT = 4182u; // [input / 4][output 32]
const DENSE2_BIAS_AT = 4694u; // [output 32]
const HEADS_AT = 4702u; // [input / 4][output 8], outputs 5..7 are zero
const HEADS_BIAS_AT = 4766u; // [output 8]
const WEIGHT_VEC4S = 4768u;

// Offsets in `conv_words`, in words.
const CONV1_AT = 0u; // [tap 3][feature / 4][filter 32]: 3 taps, dilation 1
const CONV2_AT = 288u; // [tap 5][feature / 4][filter 64]: 5 taps, dilation 2
const CONV3_AT = 1248u; // [tap 3][feature / 4][filter 32]: 3 taps, dilation 4
const CONV_WORDS = 1536u;

@group(0) @binding(0) var<storage, read> windows: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> weights: array<vec4<f32>, WEIGHT_VEC4S>;
@group(0) @binding(2) var<storage, read_write> outputs: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> conv_words: array<u32, CONV_WORDS>;
@group(0) @binding(4) var<uniform> stamp: f32;

/** (row, feature / 4) the steps of the window between its zero rows. */
var<workgroup> rows: array<u32, PADDED_ROWS * ROW>;
/** (256) max pool of the 128 filters, then their average pool. Floats: lanes may not write parts of one vec4. */
var<workgroup> pooled: array<f32, 256>;
/** (part, output) partial sums of a dense layer. */
var<workgroup> partial_sums: array<f32, FILTERS>;
var<workgroup> hidden1: array<f32, 64>;
var<workgroup> hidden2: array<f32, 32>;
var<workgroup> logits: array<f32, 8>;
var<workgroup> nan_count: atomic<u32>;

/** By the bits: shader compilers may assume that no float is NaN. */
fn holds_nan(v: vec4<f32>) -> bool {
  return any((bitcast<vec4<u32>>(v) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u));
}

fn sum_of(v: vec4<f32>) -> f32 {
  return (v.x + v.y) + (v.z + v.w);
}

/** Element `index` of a packed vector of floats that begins at vec4 `at`. */
fn packed_f32(at: u32, index: u32) -> f32 {
  return weights[at + (index >> 2u)][index & 3u];
}

/** Max and sum over time of one filter with 3 taps. `first` is the padded row under the first tap at time 0. */
fn pool_3_taps(at: u32, filters: u32, filter_id: u32, scale: f32, bias: f32, first: u32, dilation: u32) -> vec2<f32> {
  let base = at + filter_id;
  let w0 = conv_words[base];
  let w1 = conv_words[base + filters];
  let w2 = conv_words[base + 2u * filters];
  let w3 = conv_words[base + 3u * filters];
  let w4 = conv_words[base + 4u * filters];
  let w5 = conv_words[base + 5u * filters];
  let w6 = conv_words[base + 6u * filters];
  let w7 = conv_words[base + 7u * filters];
  let w8 = conv_words[base + 8u * filters];
  let step = dilation * ROW;
  var peak = 0.0;
  var total = 0.0;
  for (var t = 0u; t < BARS; t++) {
    let a = (first + t) * ROW;
    let b = a + step;
    let c = b + step;
    var acc = dot4I8Packed(w0, rows[a]);
    acc += dot4I8Packed(w1, rows[a + 1u]);
    acc += dot4I8Packed(w2, rows[a + 2u]);
    acc += dot4I8Packed(w3, rows[b]);
    acc += dot4I8Packed(w4, rows[b + 1u]);
    acc += dot4I8Packed(w5, rows[b + 2u]);
    acc += dot4I8Packed(w6, rows[c]);
    acc += dot4I8Packed(w7, rows[c + 1u]);
    acc += dot4I8Packed(w8, rows[c + 2u]);
    let y = max(f32(acc) * scale + bias, 0.0);
    peak = max(peak, y);
    total += y;
  }
  return vec2<f32>(peak, total);
}

/** Max and sum over time of one of the 64 filters with 5 taps, dilation 2. */
fn pool_5_taps(filter_id: u32, scale: f32, bias: f32) -> vec2<f32> {
  let base = CONV2_AT + filter_id;
  let w0 = conv_words[base];
  let w1 = conv_words[base + 64u];
  let w2 = conv_words[base + 128u];
  let w3 = conv_words[base + 192u];
  let w4 = conv_words[base + 256u];
  let w5 = conv_words[base + 320u];
  let w6 = conv_words[base + 384u];
  let w7 = conv_words[base + 448u];
  let w8 = conv_words[base + 512u];
  let w9 = conv_words[base + 576u];
  let w10 = conv_words[base + 640u];
  let w11 = conv_words[base + 704u];
  let w12 = conv_words[base + 768u];
  let w13 = conv_words[base + 832u];
  let w14 = conv_words[base + 896u];
  var peak = 0.0;
  var total = 0.0;
  for (var t = 0u; t < BARS; t++) {
    let a = t * ROW; // taps at padded rows t, t + 2, t + 4, t + 6, t + 8
    var acc = dot4I8Packed(w0, rows[a]);
    acc += dot4I8Packed(w1, rows[a + 1u]);
    acc += dot4I8Packed(w2, rows[a + 2u]);
    acc += dot4I8Packed(w3, rows[a + 6u]);
    acc += dot4I8Packed(w4, rows[a + 7u]);
    acc += dot4I8Packed(w5, rows[a + 8u]);
    acc += dot4I8Packed(w6, rows[a + 12u]);
    acc += dot4I8Packed(w7, rows[a + 13u]);
    acc += dot4I8Packed(w8, rows[a + 14u]);
    acc += dot4I8Packed(w9, rows[a + 18u]);
    acc += dot4I8Packed(w10, rows[a + 19u]);
    acc += dot4I8Packed(w11, rows[a + 20u]);
    acc += dot4I8Packed(w12, rows[a + 24u]);
    acc += dot4I8Packed(w13, rows[a + 25u]);
    acc += dot4I8Packed(w14, rows[a + 26u]);
    let y = max(f32(acc) * scale + bias, 0.0);
    peak = max(peak, y);
    total += y;
  }
  return vec2<f32>(peak, total);
}

fn pooled_vec4(index: u32) -> vec4<f32> {
  let i = index * 4u;
  return vec4<f32>(pooled[i], pooled[i + 1u], pooled[i + 2u], pooled[i + 3u]);
}

fn hidden1_vec4(index: u32) -> vec4<f32> {
  let i = index * 4u;
  return vec4<f32>(hidden1[i], hidden1[i + 1u], hidden1[i + 2u], hidden1[i + 3u]);
}

fn hidden2_vec4(index: u32) -> vec4<f32> {
  let i = index * 4u;
  return vec4<f32>(hidden2[i], hidden2[i + 1u], hidden2[i + 2u], hidden2[i + 3u]);
}

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let window = group.x;

  if (lane == 0u) {
    atomicStore(&nan_count, 0u);
  }
  workgroupBarrier();

  // Whole steps into workgroup memory, zero rows around. A zero row is the mean bar.
  for (var i = lane; i < PADDED_ROWS * ROW; i += FILTERS) {
    var word = 0u;
    if (i >= PAD * ROW && i < (PAD + BARS) * ROW) {
      let raw = windows[window * WINDOW_VEC4S + i - PAD * ROW];
      let part = i % ROW;
      if (holds_nan(raw)) {
        atomicAdd(&nan_count, 1u);
      }
      let steps = (raw - weights[MEAN_AT + part]) * weights[INPUT_FACTOR_AT + part];
      word = pack4xI8(vec4<i32>(round(clamp(steps, vec4<f32>(-STEP_MAX), vec4<f32>(STEP_MAX)))));
    }
    rows[i] = word;
  }
  workgroupBarrier();

  // Convolutions, ReLU and both pools: lane = filter.
  let scale = packed_f32(CONV_SCALE_AT, lane);
  let bias = packed_f32(CONV_BIAS_AT, lane);
  var pool: vec2<f32>;
  if (lane >= 32u && lane < 96u) {
    pool = pool_5_taps(lane - 32u, scale, bias);
  } else {
    let is_third = lane >= 96u;
    pool = pool_3_taps(
      select(CONV1_AT, CONV3_AT, is_third),
      32u,
      lane & 31u,
      scale,
      bias,
      select(PAD - 1u, 0u, is_third),
      select(1u, 4u, is_third),
    );
  }
  pooled[lane] = pool.x;
  pooled[FILTERS + lane] = pool.y / f32(BARS);
  workgroupBarrier();

  // Dense 64: two lanes for each output, 128 inputs each.
  {
    let output = lane & 63u;
    let first = (lane >> 6u) * 32u;
    var acc = vec4<f32>(0.0);
    for (var i = first; i < first + 32u; i++) {
      acc += weights[DENSE1_AT + i * 64u + output] * pooled_vec4(i);
    }
    partial_sums[lane] = sum_of(acc);
  }
  workgroupBarrier();
  if (lane < 64u) {
    hidden1[lane] = max(partial_sums[lane] + partial_sums[lane + 64u] + packed_f32(DENSE1_BIAS_AT, lane), 0.0);
  }
  workgroupBarrier();

  // Dense 32: four lanes for each output, 16 inputs each.
  {
    let output = lane & 31u;
    let first = (lane >> 5u) * 4u;
    var acc = weights[DENSE2_AT + first * 32u + output] * hidden1_vec4(first);
    acc += weights[DENSE2_AT + (first + 1u) * 32u + output] * hidden1_vec4(first + 1u);
    acc += weights[DENSE2_AT + (first + 2u) * 32u + output] * hidden1_vec4(first + 2u);
    acc += weights[DENSE2_AT + (first + 3u) * 32u + output] * hidden1_vec4(first + 3u);
    partial_sums[lane] = sum_of(acc);
  }
  workgroupBarrier();
  if (lane < 32u) {
    let sum = (partial_sums[lane] + partial_sums[lane + 32u]) + (partial_sums[lane + 64u] + partial_sums[lane + 96u]);
    hidden2[lane] = max(sum + packed_f32(DENSE2_BIAS_AT, lane), 0.0);
  }
  workgroupBarrier();

  // Heads: one lane for each output; the three that do not exist have zero weights.
  if (lane < 8u) {
    var acc = vec4<f32>(0.0);
    for (var i = 0u; i < 8u; i++) {
      acc += weights[HEADS_AT + i * 8u + lane] * hidden2_vec4(i);
    }
    logits[lane] = sum_of(acc) + packed_f32(HEADS_BIAS_AT, lane);
  }
  workgroupBarrier();

  if (lane == 0u) {
    let directions = vec3<f32>(logits[0], logits[1], logits[2]);
    let peak = max(max(directions.x, directions.y), directions.z);
    let powers = exp(max(directions - vec3<f32>(peak), vec3<f32>(-2.0 * ACTIVATION_CLAMP)));
    let probs = powers / (powers.x + powers.y + powers.z);
    let volatility = 1.0 / (1.0 + exp(-clamp(logits[3], -ACTIVATION_CLAMP, ACTIVATION_CLAMP)));
    let momentum = tanh(clamp(logits[4], -ACTIVATION_CLAMP, ACTIVATION_CLAMP));
    let sentinel = select(0.0, 1.0, atomicLoad(&nan_count) == 0u);
    outputs[window * 2u] = vec4<f32>(probs, volatility);
    outputs[window * 2u + 1u] = vec4<f32>(momentum, 0.0, stamp, sentinel);
  }
}
