/**
 * Returns names in an order in which each comes after those that it needs, else as they are given, and the needs that
 * close a circle, which the order leaves out. Chains may be of any length.
 */
export function ordered(names: Iterable<string>, needs: (name: string) => readonly string[]): {
  readonly order: readonly string[];
  readonly circles: readonly (readonly [name: string, need: string])[];
} {
  const order: string[] = [];
  const circles: (readonly [string, string])[] = [];
  const state = new Map<string, "open" | "done">();
  for (const first of names) {
    if (state.has(first)) continue;
    const way = [{ name: first, needs: needs(first), next: 0 }];
    state.set(first, "open");
    while (way.length > 0) {
      const top = way[way.length - 1];
      const need: string | undefined = top.needs[top.next++];
      if (need === undefined) {
        state.set(top.name, "done");
        order.push(top.name);
        way.pop();
      } else if (state.get(need) === "open") {
        circles.push([top.name, need]);
      } else if (!state.has(need)) {
        state.set(need, "open");
        way.push({ name: need, needs: needs(need), next: 0 });
      }
    }
  }
  return { order, circles };
}
