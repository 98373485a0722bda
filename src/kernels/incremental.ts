// Hot path: no allocation after start.
// Incremental forward pass: of each stock the rows of the convolutions are kept, so that a new bar costs what a new bar changes.
// The host gives each row once to push() when it is final, and asks with finish() for the prediction with a newest row that may
// still change: finish() does not change what is kept, so it is the same work for a tick inside the bar and for its end. Only in
// case the row turns out to be final and push() is next, it leaves what it computed of it.
//
// Streaming. A row meets each tap of a filter once, and the taps of one output meet their rows in order of time. So push() adds
// the row to 3, 5 and 3 unfinished outputs (a sum per filter and output, `ACC`): the same additions in the same order as the full
// pass, hence the same bits; the padding it leaves out adds zero there. The oldest of those outputs is then complete, and enters
// the interior of the window: outputs that see neither edge and so are the same in every window. Besides these a window has
//   at its left edge   outputs that lost a tap to the padding: rows 0; 0 to 3; 0 to 3. Row p is row p + 1 of the window before
//                      but for rows 0; 1, 3; 3, which are computed (`EDGE`)
//   at its right edge  outputs that wait for rows to come: they are unfinished sums as they stand, and the newest row changes
//                      rows 48, 49; 45, 47, 49; 45, 49. These seven are all that finish() computes, one tap each.
//
// Pools. The maximum of the interior is that of two parts: a running one since the last round of the ring (`PREFIX`), and for the
// rest of the round before one for each of its ends (`SUFFIX`), computed once a round; nothing else is compared (van Herk 1992).
// The sum of the interior is kept in fixed point: what entered can leave again without a rest, so nothing drifts, the order
// does not matter, and a stock that was followed bar by bar has the same bits as one that was rebuilt from its window.
//
// A NaN in a row is counted until it has left the window; until then outputs are NaN and the sentinel 0, as in the full pass.

import { accumulate32, BARS, CONV_BIAS, FEATURES, FILTERS, INPUT, OUTPUT, POOLED, predict, ROW_BYTES, standardise } from "./layers";

/** Filters are worked on in four groups: k3 d1, k5 d2 (two), k3 d4. */
const GROUP_BYTES: usize = 128;
const PLACE_BYTES: usize = 512;
/** Weights of a tap for a group: [feature][32 filters]. */
const TAP_BYTES: usize = 1536;
/** Widest reach of a filter to either side, rows. */
const REACH_MAX: i32 = 4;
/** Interior outputs of a window whose newest row is not known: BARS - 1 - 2 * reach. */
const INTERIOR_K3D1: i32 = 47;
const INTERIOR_WIDE: i32 = 41;
/** Rings of rows and of unfinished outputs, powers of two above 50 and above 2 * REACH_MAX + 1. */
const ROW_RING: i32 = 64;
const ACC_RING: i32 = 16;

/** Taps of the groups one after the other (3, 5, 5, 3), oldest first. */
export const TAPS: usize = memory.data(24576, 64);
/** 128 powers of two that make an output a fixed-point number, then their reciprocals. */
export const SUM_SCALE: usize = memory.data(1024, 16);

// State of a slot, bytes. Floats if not said otherwise; groups one after the other.
/** (row mod 64, 12) standardised. */
const ROWS: usize = 0;
/** (group, output mod 16, 32) sums that wait for rows to come, before ReLU. */
const ACC: usize = ROWS + 3072;
/** (48, group, 32) interior outputs, rings of 47 or 41; the groups of a place side by side, so that they share a page. */
const VALUES: usize = ACC + 8192;
/** (48, group, 32) maximum from there to the end of the ring, of the round before. */
const SUFFIX: usize = VALUES + 24576;
/** (128) maximum of the round so far. */
const PREFIX: usize = SUFFIX + 24576;
/** (128) i32, sum of the interior in fixed point. */
const SUM: usize = PREFIX + 512;
/** (group, 4, 32) outputs at the left edge of the next window. */
const EDGE: usize = SUM + 512;
/** (128) maxima, (128) sums of all outputs of the next window that do not see its newest row. */
const BASE: usize = EDGE + 2048;
/** i32: rows pushed since the slot was rebuilt; next place in the rings of 47 and of 41; rows until the last NaN has left. */
const COUNT: usize = BASE + 1024;
const PLACE_K3D1: usize = COUNT + 4;
const PLACE_WIDE: usize = COUNT + 8;
const NAN_ROWS: usize = COUNT + 12;
/** No multiple of 4 KiB, so that slots do not compete for the same lines of a cache. */
export const SLOT_BYTES: usize = COUNT + 64;
/** The slots lie after everything else; the host grows the memory for as many as it wants. */
export const SLOTS: usize = (__heap_base + 63) & ~63;

// What finish() was last asked about; not in the state, which it would make larger than the near caches hold for a hundred slots.
/** (12) newest row, standardised. */
const NEWEST: usize = memory.data(48, 16);
/** (group, 3, 32) sums that it completes or continues, oldest output first. */
const RIGHT: usize = memory.data(1536, 16);
/** State, and COUNT in it; none where the state is 0. */
let finishedState: usize = 0;
let finishedCount: i32 = 0;
/** (128) see copyOutputs. */
export const OUTPUTS: usize = memory.data(512, 16);

/** Starts a slot afresh with 49 raw rows at INPUT, oldest first: all rows of the next window but its newest. */
export function rebuild(slot: i32): void {
  const state = SLOTS + <usize>slot * SLOT_BYTES;
  memory.fill(state, 0, SLOT_BYTES);
  if (finishedState == state) finishedState = 0;
  // Where a ring begins does not matter; slots that begin apart do not compute their suffix maxima all in the same bar.
  store<i32>(state + PLACE_K3D1, slot % INTERIOR_K3D1);
  store<i32>(state + PLACE_WIDE, slot % INTERIOR_WIDE);
  for (let group: usize = 0; group < 4; group++) {
    for (let row: usize = 0; row < <usize>ACC_RING; row++) {
      memory.copy(state + ACC + (group * <usize>ACC_RING + row) * GROUP_BYTES, CONV_BIAS + group * GROUP_BYTES, GROUP_BYTES);
    }
  }
  for (let row = 0; row < BARS - 1; row++) append(state, INPUT + <usize>row * ROW_BYTES);
  // Those that push() carries over from the window before.
  for (let row = 0; row < 3; row++) {
    edge(state, 1, row, 5, 2, 3);
    edge(state, 2, row, 5, 2, 8);
    edge(state, 3, row, 3, 4, 13);
  }
  settle(state);
}

/** Adds to a slot the raw row at INPUT, which is final. */
export function push(slot: i32): void {
  const state = SLOTS + <usize>slot * SLOT_BYTES;
  append(state, INPUT);
  moveEdges(state + EDGE + 4 * GROUP_BYTES);
  moveEdges(state + EDGE + 8 * GROUP_BYTES);
  moveEdges(state + EDGE + 12 * GROUP_BYTES);
  settle(state);
}

/** Prediction of a slot whose newest row is at INPUT, raw, into OUTPUT. */
export function finish(slot: i32): void {
  const state = SLOTS + <usize>slot * SLOT_BYTES;
  const row = load<i32>(state + COUNT);
  standardise(INPUT, NEWEST, 1);
  if (load<i32>(state + NAN_ROWS) > 0 || hasNaN(NEWEST)) {
    finishedState = 0;
    refuse();
    return;
  }
  finishedState = state;
  finishedCount = row;
  // Tap by tap: the output that ends with the newest row, then those that go on.
  right(state, 0, row - 1, 2, 0);
  right(state, 0, row, 1, 1);
  pool(state, 0, 2);
  right(state, 1, row - 4, 3 + 4, 0);
  right(state, 1, row - 2, 3 + 3, 1);
  right(state, 1, row, 3 + 2, 2);
  pool(state, 1, 3);
  right(state, 2, row - 4, 8 + 4, 0);
  right(state, 2, row - 2, 8 + 3, 1);
  right(state, 2, row, 8 + 2, 2);
  pool(state, 2, 3);
  right(state, 3, row - 4, 13 + 2, 0);
  right(state, 3, row, 13 + 1, 1);
  pool(state, 3, 2);
  predict();
}

/** Leaves at OUTPUTS the 128 outputs of one row, 0..49, of the window that was last finished; `slot` is its slot. For tests. */
export function copyOutputs(slot: i32, row: i32): void {
  const state = SLOTS + <usize>slot * SLOT_BYTES;
  const count = load<i32>(state + COUNT);
  const zero = f32x4.splat(0);
  for (let group: usize = 0; group < 4; group++) {
    const places = group == 0 ? INTERIOR_K3D1 : INTERIOR_WIDE;
    const firstPlace = load<i32>(state + (group == 0 ? PLACE_K3D1 : PLACE_WIDE));
    const left = group == 0 ? 1 : REACH_MAX;
    let from: usize;
    if (row < left) {
      from = state + EDGE + (group * 4 + <usize>row) * GROUP_BYTES;
    } else if (row < left + places) {
      const place = <usize>((firstPlace + row - left) % places);
      from = state + VALUES + place * PLACE_BYTES + group * GROUP_BYTES;
    } else {
      const ago = BARS - 1 - row;
      const isRight = group == 0 || ago == 0 || ago == 4 || (ago == 2 && group != 3);
      const index = group == 0 ? 1 - ago : group == 3 ? (ago == 0 ? 1 : 0) : (4 - ago) / 2;
      from = isRight ? RIGHT + (group * 3 + <usize>index) * GROUP_BYTES : accAddress(state, group, count - ago);
    }
    for (let at: usize = 0; at < GROUP_BYTES; at += 16) {
      v128.store(OUTPUTS + group * GROUP_BYTES + at, f32x4.pmax(v128.load(from + at), zero));
    }
  }
}

/** One row into every output that sees it. */
function append(state: usize, raw: usize): void {
  const row = load<i32>(state + COUNT);
  const at = rowAddress(state, row);
  standardise(raw, at, 1);
  const nanRows = load<i32>(state + NAN_ROWS);
  store<i32>(state + NAN_ROWS, hasNaN(at) ? BARS - 1 : max<i32>(nanRows - 1, 0));
  store<i32>(state + COUNT, row + 1);

  const isFinished = finishedState == state && finishedCount == row && isSameRow(at, NEWEST);
  stream(state, 0, row, 3, 1, 0, isFinished);
  stream(state, 1, row, 5, 2, 3, isFinished);
  stream(state, 2, row, 5, 2, 8, isFinished);
  stream(state, 3, row, 3, 4, 13, isFinished);
  if (row >= 2) {
    const place = load<i32>(state + PLACE_K3D1);
    enter(state, 0, row - 1, place, INTERIOR_K3D1);
    store<i32>(state + PLACE_K3D1, place + 1 == INTERIOR_K3D1 ? 0 : place + 1);
  }
  if (row >= 2 * REACH_MAX) {
    const place = load<i32>(state + PLACE_WIDE);
    enter(state, 1, row - REACH_MAX, place, INTERIOR_WIDE);
    enter(state, 2, row - REACH_MAX, place, INTERIOR_WIDE);
    enter(state, 3, row - REACH_MAX, place, INTERIOR_WIDE);
    store<i32>(state + PLACE_WIDE, place + 1 == INTERIOR_WIDE ? 0 : place + 1);
  }
}

/** One row into the unfinished outputs of a group; `firstTap` is the group's in TAPS. From its middle tap on finish() may have done it. */
// @ts-ignore: decorator
@inline
function stream(state: usize, group: usize, row: i32, taps: i32, dilation: i32, firstTap: usize, isFinished: bool): void {
  const reach = ((taps - 1) * dilation) / 2;
  const x = rowAddress(state, row);
  const bias = CONV_BIAS + group * GROUP_BYTES;
  accumulate32(x, FEATURES, TAPS + firstTap * TAP_BYTES, bias, accAddress(state, group, row + reach));
  for (let tap = 1; tap < taps; tap++) {
    const acc = accAddress(state, group, row + reach - tap * dilation);
    if (isFinished && tap >= taps / 2) {
      copy32(RIGHT + (group * 3 + <usize>(taps - 1 - tap)) * GROUP_BYTES, acc);
    } else {
      accumulate32(x, FEATURES, TAPS + (firstTap + <usize>tap) * TAP_BYTES, acc, acc);
    }
  }
}

/** Takes a complete output into the interior in place of the oldest. */
function enter(state: usize, group: usize, output: i32, place: i32, places: i32): void {
  const values = state + VALUES + group * GROUP_BYTES;
  const prefix = state + PREFIX + group * GROUP_BYTES;
  if (place == 0) {
    suffixes(values, state + SUFFIX + group * GROUP_BYTES, places);
    memory.fill(prefix, 0, GROUP_BYTES);
  }
  const into = values + <usize>place * PLACE_BYTES;
  const from = accAddress(state, group, output);
  const sums = state + SUM + group * GROUP_BYTES;
  const scales = SUM_SCALE + group * GROUP_BYTES;
  const zero = f32x4.splat(0);
  for (let at: usize = 0; at < GROUP_BYTES; at += 16) {
    const value = f32x4.pmax(v128.load(from + at), zero);
    const scale = v128.load(scales + at);
    const change = i32x4.sub(fixed(value, scale), fixed(v128.load(into + at), scale));
    v128.store(sums + at, i32x4.add(v128.load(sums + at), change));
    v128.store(prefix + at, f32x4.pmax(v128.load(prefix + at), value));
    v128.store(into + at, value);
  }
}

/** Nearest fixed-point number of outputs, which are never negative. */
// @ts-ignore: decorator
@inline
function fixed(value: v128, scale: v128): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.add(f32x4.mul(value, scale), f32x4.splat(0.5)));
}

/** Maximum from each place to the end of the ring. */
function suffixes(values: usize, into: usize, places: i32): void {
  const offset = into - values;
  for (let part: usize = 0; part < GROUP_BYTES; part += 16) {
    let largest = f32x4.splat(0);
    let at = values + <usize>(places - 1) * PLACE_BYTES + part;
    while (at >= values) {
      largest = f32x4.pmax(largest, v128.load(at));
      v128.store(at + offset, largest);
      at -= PLACE_BYTES;
    }
  }
}

/** Rows 1 to 3 of a left edge become rows 0 to 2. */
function moveEdges(edges: usize): void {
  for (let at = edges; at < edges + 3 * GROUP_BYTES; at += 16) v128.store(at, v128.load(at + GROUP_BYTES));
}

/** Left edge and pools of the next window, as far as they do not see its newest row. */
function settle(state: usize): void {
  edge(state, 0, 0, 3, 1, 0);
  edge(state, 1, 1, 5, 2, 3);
  edge(state, 1, 3, 5, 2, 3);
  edge(state, 2, 1, 5, 2, 8);
  edge(state, 2, 3, 5, 2, 8);
  edge(state, 3, 3, 3, 4, 13);
  const row = load<i32>(state + COUNT);
  const placeK3D1 = load<i32>(state + PLACE_K3D1);
  const placeWide = load<i32>(state + PLACE_WIDE);
  base(state, 0, placeK3D1, 1, row, row, row, 0);
  base(state, 1, placeWide, 4, row - 1, row - 3, row, 2);
  base(state, 2, placeWide, 4, row - 1, row - 3, row, 2);
  base(state, 3, placeWide, 4, row - 1, row - 2, row - 3, 3);
}

/** Output `output` of the next window in a group, which lost its first taps to the padding. As accumulate32, over several rows. */
function edge(state: usize, group: usize, output: i32, taps: i32, dilation: i32, firstTap: usize): void {
  const firstRow = load<i32>(state + COUNT) - (BARS - 1);
  const to = state + EDGE + (group * 4 + <usize>output) * GROUP_BYTES;
  const from = CONV_BIAS + group * GROUP_BYTES;
  const reach = ((taps - 1) * dilation) / 2;
  const lost = (reach - output + dilation - 1) / dilation;
  let row = firstRow + output - reach + lost * dilation;
  let weights = TAPS + (firstTap + <usize>lost) * TAP_BYTES;
  let s0 = v128.load(from);
  let s1 = v128.load(from, 16);
  let s2 = v128.load(from, 32);
  let s3 = v128.load(from, 48);
  let s4 = v128.load(from, 64);
  let s5 = v128.load(from, 80);
  let s6 = v128.load(from, 96);
  let s7 = v128.load(from, 112);
  for (let tap = lost; tap < taps; tap++) {
    let at = rowAddress(state, row);
    const end = at + ROW_BYTES;
    do {
      const x = v128.load32_splat(at);
      s0 = f32x4.add(s0, f32x4.mul(x, v128.load(weights)));
      s1 = f32x4.add(s1, f32x4.mul(x, v128.load(weights, 16)));
      s2 = f32x4.add(s2, f32x4.mul(x, v128.load(weights, 32)));
      s3 = f32x4.add(s3, f32x4.mul(x, v128.load(weights, 48)));
      s4 = f32x4.add(s4, f32x4.mul(x, v128.load(weights, 64)));
      s5 = f32x4.add(s5, f32x4.mul(x, v128.load(weights, 80)));
      s6 = f32x4.add(s6, f32x4.mul(x, v128.load(weights, 96)));
      s7 = f32x4.add(s7, f32x4.mul(x, v128.load(weights, 112)));
      weights += 128;
      at += 4;
    } while (at < end);
    row += dilation;
  }
  v128.store(to, s0);
  v128.store(to, s1, 16);
  v128.store(to, s2, 32);
  v128.store(to, s3, 48);
  v128.store(to, s4, 64);
  v128.store(to, s5, 80);
  v128.store(to, s6, 96);
  v128.store(to, s7, 112);
}

/** Pools of a group over interior, left edge and up to three unfinished outputs of the right edge. */
function base(state: usize, group: usize, place: i32, edges: i32, a: i32, b: i32, c: i32, unfinished: i32): void {
  const suffix = state + SUFFIX + <usize>place * PLACE_BYTES + group * GROUP_BYTES;
  const edgeFrom = state + EDGE + group * (4 * GROUP_BYTES);
  const edgeEnd = edgeFrom + <usize>edges * GROUP_BYTES;
  const accA = accAddress(state, group, a);
  const accB = accAddress(state, group, b);
  const accC = accAddress(state, group, c);
  const zero = f32x4.splat(0);
  for (let part: usize = 0; part < GROUP_BYTES; part += 16) {
    const lane = group * GROUP_BYTES + part;
    let largest = v128.load(state + PREFIX + lane);
    // Place 0: the round is complete and is the whole interior.
    if (place != 0) largest = f32x4.pmax(largest, v128.load(suffix + part));
    let sum = f32x4.mul(f32x4.convert_i32x4_s(v128.load(state + SUM + lane)), v128.load(SUM_SCALE + lane, 512));
    for (let at = edgeFrom + part; at < edgeEnd; at += GROUP_BYTES) {
      const value = f32x4.pmax(v128.load(at), zero);
      largest = f32x4.pmax(largest, value);
      sum = f32x4.add(sum, value);
    }
    if (unfinished > 0) {
      const valueA = f32x4.pmax(v128.load(accA + part), zero);
      const valueB = f32x4.pmax(v128.load(accB + part), zero);
      largest = f32x4.pmax(f32x4.pmax(largest, valueA), valueB);
      sum = f32x4.add(f32x4.add(sum, valueA), valueB);
    }
    if (unfinished > 2) {
      const valueC = f32x4.pmax(v128.load(accC + part), zero);
      largest = f32x4.pmax(largest, valueC);
      sum = f32x4.add(sum, valueC);
    }
    v128.store(state + BASE + lane, largest);
    v128.store(state + BASE + lane, sum, FILTERS * 4);
  }
}

/** The newest row into one output of a group, left in RIGHT. */
// @ts-ignore: decorator
@inline
function right(state: usize, group: usize, output: i32, tap: usize, into: usize): void {
  const to = RIGHT + (group * 3 + into) * GROUP_BYTES;
  accumulate32(NEWEST, FEATURES, TAPS + tap * TAP_BYTES, accAddress(state, group, output), to);
}

/** Maxima and averages of a group: those of the base and the outputs in RIGHT. */
// @ts-ignore: decorator
@inline
function pool(state: usize, group: usize, outputs: usize): void {
  const zero = f32x4.splat(0);
  const perBar = f32x4.splat(1.0 / <f32>BARS);
  for (let part: usize = 0; part < GROUP_BYTES; part += 16) {
    const lane = group * GROUP_BYTES + part;
    let largest = v128.load(state + BASE + lane);
    let sum = v128.load(state + BASE + lane, FILTERS * 4);
    const from = RIGHT + group * (3 * GROUP_BYTES) + part;
    for (let at = from; at < from + outputs * GROUP_BYTES; at += GROUP_BYTES) {
      const value = f32x4.pmax(v128.load(at), zero);
      largest = f32x4.pmax(largest, value);
      sum = f32x4.add(sum, value);
    }
    v128.store(POOLED + lane, largest);
    v128.store(POOLED + lane, f32x4.mul(sum, perBar), FILTERS * 4);
  }
}

/** No prediction: NaN in every output, and no sentinel. */
function refuse(): void {
  const nan = f32x4.splat(NaN);
  v128.store(OUTPUT, nan);
  v128.store(OUTPUT, f32x4(NaN, 0, 0, 0), 16);
}

// @ts-ignore: decorator
@inline
function hasNaN(row: usize): bool {
  const a = v128.load(row);
  const b = v128.load(row, 16);
  const c = v128.load(row, 32);
  return v128.any_true(v128.or(v128.or(f32x4.ne(a, a), f32x4.ne(b, b)), f32x4.ne(c, c)));
}

/** 32 floats; for so few memory.copy is slower. */
// @ts-ignore: decorator
@inline
function copy32(from: usize, to: usize): void {
  v128.store(to, v128.load(from));
  v128.store(to, v128.load(from, 16), 16);
  v128.store(to, v128.load(from, 32), 32);
  v128.store(to, v128.load(from, 48), 48);
  v128.store(to, v128.load(from, 64), 64);
  v128.store(to, v128.load(from, 80), 80);
  v128.store(to, v128.load(from, 96), 96);
  v128.store(to, v128.load(from, 112), 112);
}

// @ts-ignore: decorator
@inline
function isSameRow(a: usize, b: usize): bool {
  const first = v128.xor(v128.load(a), v128.load(b));
  const second = v128.xor(v128.load(a, 16), v128.load(b, 16));
  const third = v128.xor(v128.load(a, 32), v128.load(b, 32));
  return !v128.any_true(v128.or(v128.or(first, second), third));
}

// @ts-ignore: decorator
@inline
function rowAddress(state: usize, row: i32): usize {
  return state + ROWS + <usize>(row & (ROW_RING - 1)) * ROW_BYTES;
}

// @ts-ignore: decorator
@inline
function accAddress(state: usize, group: usize, output: i32): usize {
  return state + ACC + (group * <usize>ACC_RING + <usize>(output & (ACC_RING - 1))) * GROUP_BYTES;
}
