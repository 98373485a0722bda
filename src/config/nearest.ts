// The likely meaning of a mistyped word.

/** Letters of a beginning that are enough to know a word by: "px_min" is px_min_usd. */
const PREFIX_MIN = 4;

/**
 * The candidate closest to `word`, or null when none is close.
 *
 * Close means at most a third of the letters of the longer word differ; letter case, "_" and "-" do not count.
 * Where no candidate is that close, one that begins with the word is taken: units are what is left out most.
 */
export function nearest(word: string, candidates: readonly string[]): string | null {
  let best: string | null = null;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const left = plain(word);
    const right = plain(candidate);
    if (Math.abs(left.length - right.length) * 3 > Math.max(left.length, right.length)) continue;
    const distance = editDistance(left, right);
    if (distance < bestDistance && distance * 3 <= Math.max(left.length, right.length)) {
      best = candidate;
      bestDistance = distance;
    }
  }
  if (best !== null || plain(word).length < PREFIX_MIN) return best;
  return candidates.find((candidate) => plain(candidate).startsWith(plain(word))) ?? null;
}

function plain(word: string): string {
  return word.toLowerCase().replace(/[_-]/g, "");
}

/** Letters to insert, delete, replace or swap with their neighbour to get from one word to the other. */
export function editDistance(left: string, right: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i++) {
    const row = [i];
    for (let j = 1; j <= right.length; j++) {
      const replaced = last[j - 1]! + (left[i - 1] === right[j - 1] ? 0 : 1);
      const isSwap = i > 1 && j > 1 && left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1];
      const swapped = isSwap ? beforeLast[j - 2]! + 1 : Number.POSITIVE_INFINITY;
      row.push(Math.min(replaced, swapped, last[j]! + 1, row[j - 1]! + 1));
    }
    beforeLast = last;
    last = row;
  }
  return last[right.length]!;
}
