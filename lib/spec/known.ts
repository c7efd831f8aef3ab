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
  if (Array.isArray(found)) return isShared(found) ? found : Object.freeze(found.map(frozen)) as T;
  return Object.freeze(Object.fromEntries(Object.entries(found).map(([key, value]) => [key, frozen(value)]))) as T;
}

/** Returns true if a list of texts is frozen, so that specs can share it. */
function isShared(found: unknown): boolean {
  return Array.isArray(found) && Object.isFrozen(found) && found.every((item) => typeof item === "string");
}

/** Returns a spec in which every number is as files hold it: a copy, but that frozen vocabularies are shared. */
export function asStored(spec: Spec): Spec {
  const { input } = spec;
  if ("width" in input) return copyOf(spec);
  const features = Object.entries(input.features).map(([name, feature]) => {
    const shared = Object.entries(feature).filter(([, value]) => isShared(value));
    const hidden = Object.fromEntries(shared.map(([key]) => [key, []])); // so that they keep their place
    return [name, { ...copyOf({ ...feature, ...hidden }), ...Object.fromEntries(shared) }];
  });
  return { ...copyOf({ ...spec, input: { features: {} } }), input: { features: Object.fromEntries(features) } };
}

function copyOf<T>(found: T): T {
  return JSON.parse(JSON.stringify(found));
}
