// Hot path: no allocation after start.
// Forward pass in WebAssembly SIMD (AssemblyScript), entry of the module. The host writes weights once; then for each window 600
// raw floats at INPUT, calls forward(), and reads 8 floats at OUTPUT. What continues from bar to bar is in incremental.ts, and
// this full pass is its oracle. Called by src/inference/wasm/forward-pass.ts only.
// Reference: src/inference/reference/forward-pass.ts      Tolerance: 2e-5 absolute on outputs (test/conformance)
//
// A convolution step holds 5 rows x 8 filters = 10 accumulators in registers: per input value 7 loads feed 10 multiplies and 10
// adds. Ten accumulators, two weights, one input and a temporary fit the 16 vector registers of x86-64; larger tiles and unrolled
// inner loops were slower (10 x 4: 16.7 us, 2 x 16: 20 us, unrolled 4: 14.7 us, this: 12.4 us for the convolutions).
//
// NaN in, NaN out: pmin and pmax are used in the order that keeps a NaN of the data, and the sentinel is then 0.

import { BARS, CONV_BIAS, FEATURES, FILTERS, INPUT, POOLED, predict, ROW_BYTES, standardise } from "./layers";

export {
  CONV_BIAS,
  DENSE1,
  DENSE1_BIAS,
  DENSE2,
  DENSE2_BIAS,
  HEADS,
  HEADS_BIAS,
  INPUT,
  OUTPUT,
  POOLED,
  STANDARDISE,
} from "./layers";
export { copyOutputs, finish, OUTPUTS, push, rebuild, SLOT_BYTES, SLOTS, SUM_SCALE, TAPS } from "./incremental";

/** Zero rows above and below, the padding of the widest receptive field: (5 - 1) * 2 / 2 and (3 - 1) * 4 / 2. */
const PAD_ROWS: i32 = 4;
/** Bars and filters of one register tile. */
const TILE_BARS: i32 = 5;
const TILE_FILTERS: i32 = 8;
const TILE_BYTES: usize = 32;

/** Convolutions, one after the other: tiles of [tap][feature][8 filters]. */
export const CONV_K3D1: usize = memory.data(4608, 16);
export const CONV_K5D2: usize = memory.data(15360, 16);
export const CONV_K3D4: usize = memory.data(4608, 16);

/** Standardised window with its padding; the padding stays zero. */
const PADDED: usize = memory.data(2784, 16);

/** Forward pass of the window at INPUT into OUTPUT. */
export function forward(): void {
  standardise(INPUT, PADDED + PAD_ROWS * ROW_BYTES, BARS);
  memory.fill(POOLED, 0, 1024);
  convK3D1();
  convK5D2();
  convK3D4();
  const perBar = f32x4.splat(1.0 / <f32>BARS);
  for (let at: usize = FILTERS * 4; at < 1024; at += 16) {
    v128.store(POOLED + at, f32x4.mul(v128.load(POOLED + at), perBar));
  }
  predict();
}

// One function for each branch: constants in the loops, and each is compiled on its own.
function convK3D1(): void {
  conv(3, 1, 32, CONV_K3D1, CONV_BIAS, POOLED);
}
function convK5D2(): void {
  conv(5, 2, 64, CONV_K5D2, CONV_BIAS + 128, POOLED + 128);
}
function convK3D4(): void {
  conv(3, 4, 32, CONV_K3D4, CONV_BIAS + 384, POOLED + 384);
}

/**
 * Same-padded convolution with ReLU, pooled on the way: maxima at `pooled`, sums 128 floats later, both continued.
 *
 * @param taps, dilation  shape of the filters
 * @param filters         how many, a multiple of TILE_FILTERS
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
    for (let bar = 0; bar < BARS; bar += TILE_BARS) {
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

