// Hot path: no allocation after start.
// Latency histogram with fixed buckets, log-linear: 32 sub-buckets to each power of two, so a value is kept within 3.2%.
// Range 0..2^42 ns (73 minutes); larger values land in the last bucket and are counted in `overflowCount`.

const SUB_BITS = 5;
const SUB_COUNT = 1 << SUB_BITS;
const MAX_BITS = 42;
/** Buckets: values below 32 exactly, then 32 for each of the powers 5..41. */
export const HISTOGRAM_BUCKET_COUNT = SUB_COUNT * (MAX_BITS - SUB_BITS + 1);

export class Histogram {
  readonly counts = new Float64Array(HISTOGRAM_BUCKET_COUNT);
  count = 0;
  sumNs = 0;
  minNs = Number.POSITIVE_INFINITY;
  maxNs = 0;
  overflowCount = 0;

  /** Counts one duration in nanoseconds; negative ones count as 0. */
  record(ns: number): void {
    const value = Math.max(ns, 0);
    this.counts[this.#bucket(value)]! += 1;
    this.count += 1;
    this.sumNs += value;
    if (value < this.minNs) this.minNs = value;
    if (value > this.maxNs) this.maxNs = value;
  }

  /** Upper edge in ns of the bucket that holds the quantile `q` (0..1); 0 when nothing was recorded. */
  quantileNs(q: number): number {
    if (this.count === 0) return 0;
    const rank = Math.max(1, Math.ceil(q * this.count));
    let seen = 0;
    for (let i = 0; i < HISTOGRAM_BUCKET_COUNT; i++) {
      seen += this.counts[i]!;
      if (seen >= rank) return i === HISTOGRAM_BUCKET_COUNT - 1 ? this.maxNs : Math.min(bucketUpperNs(i), this.maxNs);
    }
    return this.maxNs;
  }

  meanNs(): number {
    return this.count === 0 ? 0 : this.sumNs / this.count;
  }

  reset(): void {
    this.counts.fill(0);
    this.count = 0;
    this.sumNs = 0;
    this.minNs = Number.POSITIVE_INFINITY;
    this.maxNs = 0;
    this.overflowCount = 0;
  }

  #bucket(value: number): number {
    if (value < SUB_COUNT) return value | 0;
    const power = Math.floor(Math.log2(value));
    if (power >= MAX_BITS) {
      this.overflowCount += 1;
      return HISTOGRAM_BUCKET_COUNT - 1;
    }
    const sub = Math.floor(value / 2 ** (power - SUB_BITS)) - SUB_COUNT;
    return SUB_COUNT * (power - SUB_BITS + 1) + sub;
  }
}

/** Upper edge of a bucket, ns. */
export function bucketUpperNs(index: number): number {
  if (index < SUB_COUNT) return index + 1;
  const power = Math.floor(index / SUB_COUNT) + SUB_BITS - 1;
  const sub = index % SUB_COUNT;
  return 2 ** (power - SUB_BITS) * (SUB_COUNT + sub + 1);
}
