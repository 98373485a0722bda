// Hot path: no allocation after start.
// What the full and the incremental forward pass share: where the weights lie, standardisation of a row, dense layers and heads.
//
// Lanes are filters (or neurons), so a weight vector is loaded as it lies and one input value is spread over the lanes.
// No relaxed SIMD: its fused multiply-add may or may not round between, and a run must be the same on every machine.

/** Rows of a window, bytes of a row of 12 features. */
export const BARS: i32 = 50;
export const FEATURES: i32 = 12;
export const ROW_BYTES: usize = 48;
export const FILTERS: i32 = 128;

// Memory, bytes. The host finds these through the exported globals.
/** 600 raw floats, [bar][feature]. The incremental pass takes its rows from the beginning. */
export const INPUT: usize = memory.data(2400, 16);
/** 8 floats, OUTPUT_STRIDE of src/inference/engine.ts. */
export const OUTPUT: usize = memory.data(32, 16);
/** 12 means, then 12 reciprocal deviations. */
export const STANDARDISE: usize = memory.data(96, 16);
/** 128 biases in the order of the filters. */
export const CONV_BIAS: usize = memory.data(512, 16);
/** Two halves of [256 inputs][32 neurons]. */
export const DENSE1: usize = memory.data(65536, 64);
export const DENSE1_BIAS: usize = memory.data(256, 16);
/** [64 inputs][32 neurons]. */
export const DENSE2: usize = memory.data(8192, 64);
export const DENSE2_BIAS: usize = memory.data(128, 16);
/** [32 inputs][8]: sell, hold, buy, volatility, momentum, three unused. */
export const HEADS: usize = memory.data(1024, 16);
export const HEADS_BIAS: usize = memory.data(32, 16);

/** 128 maxima, then 128 averages. */
export const POOLED: usize = memory.data(1024, 16);
const HIDDEN1: usize = memory.data(256, 16);
const HIDDEN2: usize = memory.data(128, 16);

/** Rows at `to` = clamp((rows at `from` - mean) / deviation, -10, 10). */
export function standardise(from: usize, to: usize, rows: i32): void {
  const low = f32x4.splat(-10);
  const high = f32x4.splat(10);
  for (let part: usize = 0; part < ROW_BYTES; part += 16) {
    const mean = v128.load(STANDARDISE + part);
    const scale = v128.load(STANDARDISE + part, 48);
    let at = from + part;
    let into = to + part;
    for (let row = 0; row < rows; row++) {
      const value = f32x4.mul(f32x4.sub(v128.load(at), mean), scale);
      v128.store(into, f32x4.pmin(f32x4.pmax(value, low), high));
      at += ROW_BYTES;
      into += ROW_BYTES;
    }
  }
}

/** From POOLED to OUTPUT. */
export function predict(): void {
  dense32(POOLED, 256, DENSE1, DENSE1_BIAS, HIDDEN1);
  dense32(POOLED, 256, DENSE1 + 32768, DENSE1_BIAS + 128, HIDDEN1 + 128);
  dense32(HIDDEN1, 64, DENSE2, DENSE2_BIAS, HIDDEN2);
  heads();
}

/** 32 neurons with ReLU over `inputs` values; weights [input][32]. */
function dense32(values: usize, inputs: i32, weights: usize, bias: usize, out: usize): void {
  accumulate32(values, inputs, weights, bias, out);
  const zero = f32x4.splat(0);
  for (let at: usize = 0; at < 128; at += 16) v128.store(out + at, f32x4.pmax(v128.load(out + at), zero));
}

/** 32 sums at `to`: those at `from`, then each of `inputs` values times its 32 weights, in that order. */
export function accumulate32(values: usize, inputs: i32, weights: usize, from: usize, to: usize): void {
  let s0 = v128.load(from);
  let s1 = v128.load(from, 16);
  let s2 = v128.load(from, 32);
  let s3 = v128.load(from, 48);
  let s4 = v128.load(from, 64);
  let s5 = v128.load(from, 80);
  let s6 = v128.load(from, 96);
  let s7 = v128.load(from, 112);
  const end = values + inputs * 4;
  do {
    const x = v128.load32_splat(values);
    s0 = f32x4.add(s0, f32x4.mul(x, v128.load(weights)));
    s1 = f32x4.add(s1, f32x4.mul(x, v128.load(weights, 16)));
    s2 = f32x4.add(s2, f32x4.mul(x, v128.load(weights, 32)));
    s3 = f32x4.add(s3, f32x4.mul(x, v128.load(weights, 48)));
    s4 = f32x4.add(s4, f32x4.mul(x, v128.load(weights, 64)));
    s5 = f32x4.add(s5, f32x4.mul(x, v128.load(weights, 80)));
    s6 = f32x4.add(s6, f32x4.mul(x, v128.load(weights, 96)));
    s7 = f32x4.add(s7, f32x4.mul(x, v128.load(weights, 112)));
    weights += 128;
    values += 4;
  } while (values < end);
  v128.store(to, s0);
  v128.store(to, s1, 16);
  v128.store(to, s2, 32);
  v128.store(to, s3, 48);
  v128.store(to, s4, 64);
  v128.store(to, s5, 80);
  v128.store(to, s6, 96);
  v128.store(to, s7, 112);
}

/** Five scores from HIDDEN2: softmax of three, sigmoid of one, tanh of one; then the sentinel. */
function heads(): void {
  let a = v128.load(HEADS_BIAS);
  let b = v128.load(HEADS_BIAS, 16);
  let weights = HEADS;
  for (let input: usize = 0; input < 128; input += 4) {
    const x = v128.load32_splat(HIDDEN2 + input);
    a = f32x4.add(a, f32x4.mul(x, v128.load(weights)));
    b = f32x4.add(b, f32x4.mul(x, v128.load(weights, 16)));
    weights += 32;
  }
  const sell = f32x4.extract_lane(a, 0);
  const hold = f32x4.extract_lane(a, 1);
  const buy = f32x4.extract_lane(a, 2);
  const largest = max<f32>(max<f32>(sell, hold), buy);
  const expSell = Mathf.exp(sell - largest);
  const expHold = Mathf.exp(hold - largest);
  const expBuy = Mathf.exp(buy - largest);
  const share: f32 = 1 / (expSell + expHold + expBuy);
  const volatility: f32 = 1 / (1 + Mathf.exp(-f32x4.extract_lane(a, 3)));
  // tanh x = 1 - 2 / (e^2x + 1): saturates to +-1 without overflow; its cancellation near 0 costs 6e-8, below the tolerance.
  const momentum: f32 = 1 - 2 / (Mathf.exp(2 * f32x4.extract_lane(b, 0)) + 1);
  store<f32>(OUTPUT, expSell * share);
  store<f32>(OUTPUT, expHold * share, 4);
  store<f32>(OUTPUT, expBuy * share, 8);
  store<f32>(OUTPUT, volatility, 12);
  store<f32>(OUTPUT, momentum, 16);
  // Unused slots are 0. A NaN anywhere makes the comparison false.
  store<f32>(OUTPUT, 0, 20);
  store<f32>(OUTPUT, 0, 24);
  store<f32>(OUTPUT, expSell * share + volatility + momentum < 4 ? 1 : 0, 28);
}
