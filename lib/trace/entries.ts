/** Returns a record with the same keys and changed entries. */
export function mapEntries<K extends string, A, B>(
  values: { readonly [key in K]: A },
  change: (key: K, value: A) => B,
): Record<K, B> {
  const entries = Object.entries<A>(values).map(([key, value]) => [key, change(key as K, value)]);
  return Object.fromEntries(entries) as Record<K, B>;
}
