import type { Spec } from "./spec.ts";

/** The specs that were resolved without an issue. They are frozen, so that what is known of them stays true. */
const resolved = new WeakSet<object>();

/** Returns a deeply frozen copy of a spec that was resolved, which {@linkcode isKnown} knows from now on. */
export function known(spec: Spec): Spec {
  const copy = frozen(spec);
  resolved.add(copy);
  return copy;
}

/** Returns true if something is a spec that {@linkcode known} returned, the very same object. */
export function isKnown(found: unknown): found is Spec {
  return typeof found === "object" && found !== null && resolved.has(found);
}

/** Returns a deeply frozen copy of plain data; frozen lists of texts, such as a million words, are shared. */
function frozen<T>(found: T): T {
  if (typeof found !== "object" || found === null) return found;
  if (Array.isArray(found)) {
    const shared = Object.isFrozen(found) && found.every((item) => typeof item === "string");
    return shared ? found : Object.freeze(found.map(frozen)) as T;
  }
  return Object.freeze(Object.fromEntries(Object.entries(found).map(([key, value]) => [key, frozen(value)]))) as T;
}
