import { isRecord } from "../errors/kinds.ts";

/**
 * Returns the number of words or buckets that a feature has of its own: 0 of numbers, of what has another feature's codes,
 * and of anything that is no fitted feature, which `define` reports.
 */
export function vocabularySize(feature: unknown): number {
  if (!isRecord(feature)) return 0;
  const { words, buckets } = feature;
  const length = typeof words === "object" && words !== null ? (words as { readonly length?: unknown }).length : 0;
  return [length, buckets].reduce<number>((sum, size) => typeof size === "number" ? sum + size : sum, 0);
}
