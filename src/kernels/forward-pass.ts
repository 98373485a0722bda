// Hot path: no allocation after start.
// Forward pass of one window in WebAssembly SIMD (AssemblyScript). The host writes weights once, then for each window 600 raw
// floats at INPUT, calls forward(), and reads 8 floats at OUTPUT. Called by src/inference/wasm/forward-pass.ts only.
// Reference: src/inference/reference/forward-pass.ts      Tolerance: 2e-5 absolute on outputs (test/conformance)
//
// Lanes are filters (or neurons), so a weight vector is loaded as it lies and one input value is spread over the lanes.
// A convolution step holds 5 rows x 8 filters = 10 accumulators in registers: per input value 7 loads feed 10 multiplies and 10
// adds. Ten accumulators, two weights, one input and a temporary fit the 16 vector registers of x86-64; larger tiles and unrolled
// inner loops were slower (10 x 4: 16.7 us, 2 x 16: 20 us, unrolled 4: 14.7 us, this: 12.4 us for the convolutions).
// No relaxed SIMD: its fused multiply-add may or may not round between, and a run must be the same on every machine.
//
// NaN in, NaN out: pmin and pmax are used in the order that keeps a NaN of the data, and the sentinel is then 0.

/** Rows of a window, features of a row. */
const BARS: i32 = 50;
const FEATURES: i32 = 12;
const ROW_BYTES: usize = 48;
/** Zero rows above and below, the padding of the widest receptive field: (5 - 1) * 2 / 2 and (3 - 1) * 4 / 2. */
const PAD_ROWS: i32 = 4;
/** Bars and filters of one register tile. */
const TILE_BARS: i32 = 5;
const TILE_FILTERS: i32 = 8;
const TILE_BYTES: usize = 32;
const FILTERS: i32 = 128;

// Memory, bytes. The host finds these through the exported globals.
/** 600 raw floats, [bar][feature]. */
export const INPUT: usize = memory.data(2400, 16);
/** 8 floats, OUTPUT_STRIDE of src/inference/engine.ts. */
export const OUTPUT: usize = memory.data(32, 16);
/** 12 means, then 12 reciprocal deviations. */
export const STANDARDISE: usize = memory.data(96, 16);
/** Convolutions, one after the other: tiles of [tap][feature][8 filters]. */
export const CONV_K3D1: usize = memory.data(4608, 16);
export const CONV_K5D2: usize = memory.data(15360, 16);
export const CONV_K3D4: usize = memory.data(4608, 16);
/** 128 biases in the order of the filters. */
export const CONV_BIAS: usize = memory.data(512, 16);
/** Two halves of [256 inputs][32 neurons]. */
export const DENSE1: usize = memory.data(65536, 16);
export const DENSE1_BIAS: usize = memory.data(256, 16);
/** [64 inputs][32 neurons]. */
export const DENSE2: usize = memory.data(8192, 16);
export const DENSE2_BIAS: usize = memory.data(128, 16);
/** [32 inputs][8]: sell, hold, buy, volatility, momentum, three unused. */
export const HEADS: usize = memory.data(1024, 16);
export const HEADS_BIAS: usize = memory.data(32, 16);

/** Standardised window with its padding; the padding stays zero. */
const PADDED: usize = memory.data(2784, 16);
/** 128 maxima, then 128 averages. */
const POOLED: usize = memory.data(1024, 16);
const HIDDEN1: usize = memory.data(256, 16);
const HIDDEN2: usize = memory.data(128, 16);

// Working ahead. All rows of a window but the newest are known one bar before, and of the convolutions only the last tile of
// bars sees the newest row: the widest reach is PAD_ROWS rows and a tile is one more. So maxima and sums over the other tiles
// are kept, with the rows they are of, and continued in the same order: the outputs are the same to the last bit.

/** Instruments that can be kept, as INSTRUMENT_CAPACITY of src/market/instruments.ts; asserted by the host. */
export const PREPARED_CAPACITY: i32 = 256;
/** Bars whose convolutions do not see the newest row. */
const PREPARED_BARS: i32 = BARS - TILE_BARS;
/** Raw rows 0 to 48. */
const KNOWN_BYTES: usize = 2352;
/** Of one instrument: known rows, then maxima and sums. The host fills all with ones at start, which is no row of a window. */
export const PREPARED_BYTES: usize = KNOWN_BYTES + 1024;
export const PREPARED: usize = memory.data(864256, 16);

/** Forward pass of the window at INPUT into OUTPUT. */
export function forward(): void {
  standardise();
  memory.fill(POOLED, 0, 1024);
  convolve(0, BARS);
  finish();
}

/** Keeps what can be known of an instrument's next window: its rows 0 to 48 are at INPUT, what is in row 49 does not matter. */
export function prepare(slot: i32): void {
  const kept = PREPARED + <usize>slot * PREPARED_BYTES;
  standardise();
  memory.fill(POOLED, 0, 1024);
  convolve(0, PREPARED_BARS);
  memory.copy(kept, INPUT, KNOWN_BYTES);
  memory.copy(kept + KNOWN_BYTES, POOLED, 1024);
}

/** As `forward`, from what was kept of the instrument where that is of this very window. */
export function forwardPrepared(slot: i32): void {
  const kept = PREPARED + <usize>slot * PREPARED_BYTES;
  for (let at: usize = 0; at < KNOWN_BYTES; at += 16) {
    if (v128.any_true(v128.xor(v128.load(INPUT + at), v128.load(kept + at)))) {
      forward();
      return;
    }
  }
  standardise();
  memory.copy(POOLED, kept + KNOWN_BYTES, 1024);
  convolve(PREPARED_BARS, BARS);
  finish();
}

/** The three convolutions over bars `from` to `end`, added to what is in POOLED. */
function convolve(from: i32, end: i32): void {
  convK3D1(from, end);
  convK5D2(from, end);
  convK3D4(from, end);
}

/** From maxima and sums in POOLED to OUTPUT. */
function finish(): void {
  const perBar = f32x4.splat(1.0 / <f32>BARS);
  for (let at: usize = FILTERS * 4; at < 1024; at += 16) {
    v128.store(POOLED + at, f32x4.mul(v128.load(POOLED + at), perBar));
  }
  dense32(POOLED, 256, DENSE1, DENSE1_BIAS, HIDDEN1);
  dense32(POOLED, 256, DENSE1 + 32768, DENSE1_BIAS + 128, HIDDEN1 + 128);
  dense32(HIDDEN1, 64, DENSE2, DENSE2_BIAS, HIDDEN2);
  heads();
}

/** PADDED = clamp((INPUT - mean) / deviation, -10, 10). */
function standardise(): void {
  const low = f32x4.splat(-10);
  const high = f32x4.splat(10);
  for (let part: usize = 0; part < ROW_BYTES; part += 16) {
    const mean = v128.load(STANDARDISE + part);
    const scale = v128.load(STANDARDISE + part, 48);
    let from = INPUT + part;
    let to = PADDED + PAD_ROWS * ROW_BYTES + part;
    for (let bar = 0; bar < BARS; bar++) {
      const value = f32x4.mul(f32x4.sub(v128.load(from), mean), scale);
      v128.store(to, f32x4.pmin(f32x4.pmax(value, low), high));
      from += ROW_BYTES;
      to += ROW_BYTES;
    }
  }
}

// One function for each branch: constants in the loops, and each is compiled on its own.
function convK3D1(from: i32, end: i32): void {
  conv(3, 1, 32, CONV_K3D1, CONV_BIAS, POOLED, from, end);
}
function convK5D2(from: i32, end: i32): void {
  conv(5, 2, 64, CONV_K5D2, CONV_BIAS + 128, POOLED + 128, from, end);
}
function convK3D4(from: i32, end: i32): void {
  conv(3, 4, 32, CONV_K3D4, CONV_BIAS + 384, POOLED + 384, from, end);
}

/**
 * Same-padded convolution with ReLU over some bars, pooled on the way: maxima at `pooled`, sums 128 floats later, both continued.
 *
 * @param taps, dilation  shape of the filters
 * @param filters         how many, a multiple of TILE_FILTERS
 * @param from, end       bars, multiples of TILE_BARS
 */
// @ts-ignore: decorator
@inline
function conv(
  taps: i32,
  dilation: i32,
  filters: i32,
  weights: usize,
  bias: usize,
  pooled: usize,
  from: i32,
  end: i32,
): void {
  const zero = f32x4.splat(0);
  const firstRow = PADDED + (PAD_ROWS - ((taps - 1) * dilation) / 2) * ROW_BYTES;
  for (let filter = 0; filter < filters; filter += TILE_FILTERS) {
    const biasA = v128.load(bias);
    const biasB = v128.load(bias, 16);
    let maxA = v128.load(pooled);
    let maxB = v128.load(pooled, 16);
    let sumA = v128.load(pooled, FILTERS * 4);
    let sumB = v128.load(pooled, FILTERS * 4 + 16);
    for (let bar = from; bar < end; bar += TILE_BARS) {
      let a0 = biasA;
      let b0 = biasB;
      let a1 = biasA;
      let b1 = biasB;
      let a2 = biasA;
      let b2 = biasB;
      let a3 = biasA;
      let b3 = biasB;
      let a4 = biasA;
      let b4 = biasB;
      let weight = weights;
      let row = firstRow + bar * ROW_BYTES;
      for (let tap = 0; tap < taps; tap++) {
        let at = row;
        const rowEnd = row + ROW_BYTES;
        do {
          const wA = v128.load(weight);
          const wB = v128.load(weight, 16);
          const x0 = v128.load32_splat(at, 0);
          a0 = f32x4.add(a0, f32x4.mul(x0, wA));
          b0 = f32x4.add(b0, f32x4.mul(x0, wB));
          const x1 = v128.load32_splat(at, 48);
          a1 = f32x4.add(a1, f32x4.mul(x1, wA));
          b1 = f32x4.add(b1, f32x4.mul(x1, wB));
          const x2 = v128.load32_splat(at, 96);
          a2 = f32x4.add(a2, f32x4.mul(x2, wA));
          b2 = f32x4.add(b2, f32x4.mul(x2, wB));
          const x3 = v128.load32_splat(at, 144);
          a3 = f32x4.add(a3, f32x4.mul(x3, wA));
          b3 = f32x4.add(b3, f32x4.mul(x3, wB));
          const x4 = v128.load32_splat(at, 192);
          a4 = f32x4.add(a4, f32x4.mul(x4, wA));
          b4 = f32x4.add(b4, f32x4.mul(x4, wB));
          weight += TILE_BYTES;
          at += 4;
        } while (at < rowEnd);
        row += dilation * ROW_BYTES;
      }
      a0 = f32x4.pmax(a0, zero);
      b0 = f32x4.pmax(b0, zero);
      maxA = f32x4.pmax(maxA, a0);
      maxB = f32x4.pmax(maxB, b0);
      sumA = f32x4.add(sumA, a0);
      sumB = f32x4.add(sumB, b0);
      a1 = f32x4.pmax(a1, zero);
      b1 = f32x4.pmax(b1, zero);
      maxA = f32x4.pmax(maxA, a1);
      maxB = f32x4.pmax(maxB, b1);
      sumA = f32x4.add(sumA, a1);
      sumB = f32x4.add(sumB, b1);
      a2 = f32x4.pmax(a2, zero);
      b2 = f32x4.pmax(b2, zero);
      maxA = f32x4.pmax(maxA, a2);
      maxB = f32x4.pmax(maxB, b2);
      sumA = f32x4.add(sumA, a2);
      sumB = f32x4.add(sumB, b2);
      a3 = f32x4.pmax(a3, zero);
      b3 = f32x4.pmax(b3, zero);
      maxA = f32x4.pmax(maxA, a3);
      maxB = f32x4.pmax(maxB, b3);
      sumA = f32x4.add(sumA, a3);
      sumB = f32x4.add(sumB, b3);
      a4 = f32x4.pmax(a4, zero);
      b4 = f32x4.pmax(b4, zero);
      maxA = f32x4.pmax(maxA, a4);
      maxB = f32x4.pmax(maxB, b4);
      sumA = f32x4.add(sumA, a4);
      sumB = f32x4.add(sumB, b4);
    }
    v128.store(pooled, maxA);
    v128.store(pooled, maxB, 16);
    v128.store(pooled, sumA, FILTERS * 4);
    v128.store(pooled, sumB, FILTERS * 4 + 16);
    weights += taps * FEATURES * TILE_BYTES;
    bias += TILE_BYTES;
    pooled += TILE_BYTES;
  }
}

/** 32 neurons with ReLU over `inputs` values; weights [input][32]. */
function dense32(values: usize, inputs: i32, weights: usize, bias: usize, out: usize): void {
  let s0 = v128.load(bias);
  let s1 = v128.load(bias, 16);
  let s2 = v128.load(bias, 32);
  let s3 = v128.load(bias, 48);
  let s4 = v128.load(bias, 64);
  let s5 = v128.load(bias, 80);
  let s6 = v128.load(bias, 96);
  let s7 = v128.load(bias, 112);
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
  const zero = f32x4.splat(0);
  v128.store(out, f32x4.pmax(s0, zero));
  v128.store(out, f32x4.pmax(s1, zero), 16);
  v128.store(out, f32x4.pmax(s2, zero), 32);
  v128.store(out, f32x4.pmax(s3, zero), 48);
  v128.store(out, f32x4.pmax(s4, zero), 64);
  v128.store(out, f32x4.pmax(s5, zero), 80);
  v128.store(out, f32x4.pmax(s6, zero), 96);
  v128.store(out, f32x4.pmax(s7, zero), 112);
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
