// The likely meaning of a mistyped word.

/**
 * The candidate closest to `word`, or null when none is close.
 *
 * Close means at most a third of the letters of the longer word differ (insert, delete, replace; letter case, "_" and "-" free).
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
  return best;
}

function plain(word: string): string {
  return word.toLowerCase().replace(/[_-]/g, "");
}

/** Levenshtein distance, one row at a time. */
export function editDistance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const replaced = row[j - 1]! + (left[i - 1] === right[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[right.length]!;
}
