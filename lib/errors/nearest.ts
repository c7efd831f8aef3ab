import { quoted } from "./quoted.ts";

/**
 * Returns the word most like a misspelt one, or undefined if none is like it.
 *
 * Likeness is the number of letters to insert, drop, change, or swap with a neighbour (optimal string alignment
 * distance, capitals and small letters being equal), at most 40 % of the longer word; of equal ones the first wins.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(nearest("sharde", ["income", "shared"]), "shared");
 * assertEquals(nearest("marital", ["income", "shared"]), undefined);
 * ```
 */
export function nearest(word: string, words: Iterable<string>): string | undefined {
  let best: string | undefined;
  let least = Infinity;
  for (const other of words) {
    const longer = Math.max(word.length, other.length);
    const limit = Math.min(Math.max(1, Math.floor(longer * 0.4)), longer - 1, least - 1);
    if (longer > 100 || Math.abs(word.length - other.length) > limit) continue;
    const edits = distance(word.toLowerCase(), other.toLowerCase());
    if (edits <= limit) [best, least] = [other, edits];
  }
  return best;
}

/**
 * Returns the end of an error about an unknown word: the nearest right word or, if none is near, the first eight of the
 * right words. It begins with a colon, and is empty if there are no right words.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(advice("sharde", ["income", "shared"]), ': did you mean "shared"?');
 * assertEquals(advice("x", ["income", "shared"]), ': wanted "income" or "shared"');
 * assertEquals(advice("x", []), "");
 * ```
 */
export function advice(word: unknown, words: Iterable<string>): string {
  const all = [...words];
  const near = typeof word === "string" ? nearest(word, all) : undefined;
  if (near !== undefined) return `: did you mean ${quoted(near)}?`;
  if (all.length === 0) return "";
  const shown = all.slice(0, 8).map(quoted);
  if (all.length > shown.length) return `: wanted ${shown.join(", ")} or another of ${all.length}`;
  const last = shown.pop();
  return `: wanted ${shown.length > 0 ? `${shown.join(", ")} or ` : ""}${last}`;
}

/** Returns the optimal string alignment distance of two words. */
function distance(from: string, to: string): number {
  let before: number[] = [];
  let above = Array.from({ length: to.length + 1 }, (_, j) => j);
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const changed = above[j - 1] + (from[i - 1] === to[j - 1] ? 0 : 1);
      row[j] = Math.min(above[j] + 1, row[j - 1] + 1, changed);
      if (i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]) {
        row[j] = Math.min(row[j], before[j - 2] + 1);
      }
    }
    [before, above] = [above, row];
  }
  return above[to.length];
}
