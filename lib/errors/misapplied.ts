/** The errors that {@linkcode misapplied} returned. */
const known = new WeakSet<object>();

/**
 * Returns the error, known from now on as a mistake in how something is applied to values: an op, a net, a gate, a loss.
 * Where an author's function throws one, it is reported as it is, for its text names what was applied.
 */
export function misapplied<E extends Error>(error: E): E {
  known.add(error);
  return error;
}

/** Returns true if what was thrown is a mistake in how something is applied to values. */
export function isMisapplied(thrown: unknown): boolean {
  return typeof thrown === "object" && thrown !== null && known.has(thrown);
}
