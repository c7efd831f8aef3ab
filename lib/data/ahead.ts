/**
 * Yields what a source does, and reads the next item while the one before is in use. Where it is left, or a signal is
 * aborted, the source gets a signal, and is closed before this ends.
 *
 * @param begin Begins the source, which ends when its signal is aborted.
 * @param outer Aborting it ends the reading.
 */
export async function* ahead<T>(
  begin: (signal: AbortSignal) => AsyncGenerator<T, void, void>,
  outer?: AbortSignal,
): AsyncGenerator<T, void, void> {
  const left = new AbortController();
  const stop = () => left.abort(outer?.reason);
  if (outer?.aborted) stop();
  outer?.addEventListener("abort", stop);
  const source = begin(left.signal);
  const next = () => {
    const item = source.next();
    item.catch(() => {}); // thrown when its turn comes
    return item;
  };
  try {
    for (let item = next();;) {
      const { value, done } = await item;
      if (done) return;
      item = next();
      yield value as T;
    }
  } finally {
    outer?.removeEventListener("abort", stop);
    left.abort();
    await source.return().catch(() => {});
  }
}
