// features: the newest 50 rows of twelve features for one stock per workgroup, from its bars, float32.
//
//   newest bar of the inbox -> the stock's ring; 69 bars of the ring -> window (50, 12), oldest bar first, raw features
//
// Reference: src/features/reference.ts      Tolerance: src/inference/webgpu/feature-tolerances.ts, one for each feature
// Test: test/shader/features.test.ts        Bench: bench/inference/gpu.bench.ts
//   binding 0  inbox    read        u32 (batch, 20): stock, index of its newest bar from 0, 0, 0, then the bar's record
//   binding 1  ring     read_write  f32 (stock, 128, 16): records of bars, bar n at n % 128
//   binding 2  windows  read_write  f32 (batch, 50, 12)
// Dispatch (batch, 1, 1): workgroup id = entry of the inbox. 64 invocations, of which 50 compute a row each. A stock is in
// one entry at most, so its ring is this workgroup's own.
//
// A record, made by src/inference/webgpu/bar-records.ts in float64 and rounded once; "before" is the recursive state before
// the bar, so that a tick inside the bar changes the record of that bar and no other:
//   0 close, 1 change from the close before, 2 high - close, 3 close - low               USD
//   4 volume, 5 turnover - close * volume, 6 volume of the day before, 7 turnover of the day before - close * that volume
//   8 EMA 12 before - close, 9 EMA 26 before - close, 10 EMA 9 of MACD before, 11 average gain before
//   12 average loss before, 13 average true range before, 14 1 where the log return counts, else 0, 15 unused
//
// Prices are differences from the bar's own close wherever they are subtracted from one: a close of 300 USD has ulps of 3e-5 in
// f32, which would be a third of a percent of a change of one cent. Variances are Welford's, of differences from the newest value.

const WINDOW_BARS = 50u;
const ROLLING_BARS = 20u;
const RETURN_BARS_SHORT = 5u;
/** Bars that the rows of a window look back on: the oldest row needs 19 before its own. */
const HISTORY_BARS = WINDOW_BARS + ROLLING_BARS - 1u;
const RING_BARS = 128u;
const RING_MASK = RING_BARS - 1u;
/** vec4s of a record, of an inbox entry, and of a row of the window. */
const RECORD = 4u;
const ENTRY = 5u;
const ROW = 3u;
const LANES = 64u;

// Bars from which a feature is defined, and the averages' lengths: src/features/catalogue.ts (a test compares them).
const LONG_FROM_BAR = 20u;
const ROLLING_FROM_BAR = 19u;
const WILDER_BARS = 14u;
const EMA_FAST_BARS = 12u;
const EMA_SLOW_BARS = 26u;
const EMA_SIGNAL_BARS = 9u;
const MACD_FROM_BAR = EMA_SLOW_BARS - 1u;
const HISTOGRAM_FROM_BAR = MACD_FROM_BAR + EMA_SIGNAL_BARS - 1u;
const BAND_WIDTH = 4.0;

@group(0) @binding(0) var<storage, read> inbox: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> ring: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> windows: array<vec4<f32>>;

// By bars ago, the newest is 0; zeros before the first bar.
var<workgroup> changes: array<f32, HISTORY_BARS>;
var<workgroup> log_returns: array<f32, HISTORY_BARS>;
var<workgroup> volumes: array<f32, HISTORY_BARS>;

/**
 * ln(a / b) from a - b, which is known better than a / b. Series of the inverse hyperbolic tangent up to a factor of two: the
 * built-in logarithm may be wrong by 5e-7 near 1, as much as a small return.
 */
fn log_ratio(a: f32, b: f32, difference: f32) -> f32 {
  let s = difference / (a + b);
  if (abs(s) > 1.0 / 3.0) {
    return log(a / b);
  }
  let q = s * s;
  let tail = 1.0 / 7.0 + q * (1.0 / 9.0 + q * (1.0 / 11.0 + q * (1.0 / 13.0)));
  return 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * tail)));
}

/** Weight of the newest value in an average: the plain mean of the first `bars`, then the final weight. */
fn average_weight(count: u32, bars: u32, final_weight: f32) -> f32 {
  return select(final_weight, 1.0 / f32(count + 1u), count < bars);
}

/** vec4 `part` of the record of the bar `ago` bars before the newest. */
fn record_part(entry: u32, stock: u32, newest: u32, ago: u32, part: u32) -> vec4<f32> {
  if (ago == 0u) {
    return bitcast<vec4<f32>>(inbox[entry * ENTRY + 1u + part]);
  }
  return ring[(stock * RING_BARS + ((newest - ago) & RING_MASK)) * RECORD + part];
}

/** Deviations of the newest value from the mean, from mean and sum of squared deviations of differences from it. */
fn z_of_newest(mean: f32, squares: f32) -> f32 {
  if (squares > 0.0) {
    return -mean / sqrt(squares / f32(ROLLING_BARS));
  }
  return 0.0;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let entry = group.x;
  let head = inbox[entry * ENTRY];
  let stock = head.x;
  let newest = head.y;

  for (var ago = lane; ago < HISTORY_BARS; ago += LANES) {
    var change = 0.0;
    var log_return = 0.0;
    var volume = 0.0;
    if (ago <= newest) {
      let px = record_part(entry, stock, newest, ago, 0u);
      change = px.y;
      volume = record_part(entry, stock, newest, ago, 1u).x;
      if (record_part(entry, stock, newest, ago, 3u).z > 0.0) {
        log_return = log_ratio(px.x, px.x - px.y, px.y);
      }
    }
    changes[ago] = change;
    log_returns[ago] = log_return;
    volumes[ago] = volume;
  }
  if (lane < RECORD) {
    let at = (stock * RING_BARS + (newest & RING_MASK)) * RECORD;
    ring[at + lane] = bitcast<vec4<f32>>(inbox[entry * ENTRY + 1u + lane]);
  }
  workgroupBarrier();
  if (lane >= WINDOW_BARS) {
    return;
  }

  let ago = lane;
  let row = (entry * WINDOW_BARS + WINDOW_BARS - 1u - ago) * ROW;
  if (ago > newest) {
    windows[row] = vec4<f32>(0.0);
    windows[row + 1u] = vec4<f32>(0.0);
    windows[row + 2u] = vec4<f32>(0.0);
    return;
  }
  let bar = newest - ago;
  let px = record_part(entry, stock, newest, ago, 0u);
  let traded = record_part(entry, stock, newest, ago, 1u);
  let averages = record_part(entry, stock, newest, ago, 2u);
  let ranges = record_part(entry, stock, newest, ago, 3u);
  let close = px.x;
  let change = px.y;

  // Rolling windows of 20 bars. Of closes and log volumes: differences from the newest of the window.
  var return5 = 0.0;
  var return20 = 0.0;
  var squares = 0.0;
  var volume_sum = 0.0;
  var signed_volume_sum = 0.0;
  var px_difference = 0.0;
  var px_mean = 0.0;
  var px_squares = 0.0;
  var volume_mean = 0.0;
  var volume_squares = 0.0;
  for (var back = 0u; back < ROLLING_BARS; back++) {
    let at = ago + back;
    let r = log_returns[at];
    return5 += select(0.0, r, back < RETURN_BARS_SHORT);
    return20 += r;
    squares += r * r;
    volume_sum += volumes[at];
    signed_volume_sum += sign(r) * volumes[at];
    let share = 1.0 / f32(back + 1u);

    let px_off = px_difference - px_mean;
    px_mean += px_off * share;
    px_squares += px_off * (px_difference - px_mean);
    px_difference -= changes[at];

    let volume_difference = log_ratio(1.0 + volumes[at], 1.0 + traded.x, volumes[at] - traded.x);
    let volume_off = volume_difference - volume_mean;
    volume_mean += volume_off * share;
    volume_squares += volume_off * (volume_difference - volume_mean);
  }

  let is_long = bar >= LONG_FROM_BAR;
  let is_rolling = bar >= ROLLING_FROM_BAR;
  let return_part = vec4<f32>(
    log_returns[ago],
    select(0.0, return5, bar >= RETURN_BARS_SHORT),
    select(0.0, return20, is_long),
    select(0.0, sqrt(squares / f32(ROLLING_BARS)), is_long),
  );

  // Averages: those before the bar, moved towards the bar's own value.
  let fast = averages.x * (1.0 - average_weight(bar, EMA_FAST_BARS, 2.0 / 13.0));
  let slow = averages.y * (1.0 - average_weight(bar, EMA_SLOW_BARS, 2.0 / 27.0));
  let line = fast - slow;
  let signal_weight = average_weight(max(bar, MACD_FROM_BAR) - MACD_FROM_BAR, EMA_SIGNAL_BARS, 2.0 / 10.0);
  let histogram = (line - averages.z) * (1.0 - signal_weight);

  let wilder_weight = average_weight(max(bar, 1u) - 1u, WILDER_BARS, 1.0 / 14.0);
  let gain = averages.w + wilder_weight * (max(change, 0.0) - averages.w);
  let loss = ranges.x + wilder_weight * (max(-change, 0.0) - ranges.x);
  let true_range = max(px.z, -change) + max(px.w, change);
  let range = ranges.y + wilder_weight * (true_range - ranges.y);
  let is_wilder = bar >= WILDER_BARS;
  var strength = 0.0;
  if (gain + loss > 0.0) {
    strength = (gain - loss) / (gain + loss);
  }
  let average_part = vec4<f32>(
    select(0.0, strength, is_wilder),
    select(0.0, histogram / close, bar >= HISTOGRAM_FROM_BAR),
    select(0.0, z_of_newest(px_mean, px_squares) / BAND_WIDTH, is_rolling),
    select(0.0, range / close, is_wilder),
  );

  // Turnover of the day less what its volume is worth at this close.
  let excess = traded.w + traded.y;
  let turnover = close * (traded.z + traded.x) + excess;
  var deviation = 0.0;
  if (turnover > 0.0) {
    deviation = -excess / turnover;
  }
  var location = 0.0;
  if (px.z + px.w > 0.0) {
    location = (px.w - px.z) / (px.z + px.w);
  }
  var imbalance = 0.0;
  if (is_long && volume_sum > 0.0) {
    imbalance = signed_volume_sum / volume_sum;
  }
  windows[row] = return_part;
  windows[row + 1u] = average_part;
  windows[row + 2u] = vec4<f32>(
    deviation,
    select(0.0, z_of_newest(volume_mean, volume_squares), is_rolling),
    location,
    imbalance,
  );
}
