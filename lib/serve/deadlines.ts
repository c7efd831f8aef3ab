/** Deadlines of many requests, which one timer watches: a request that is read in time costs none. */
export interface Deadlines {
  /** Resolves to what a promise does, or to undefined once a moment, by `performance.now()`, has passed before. */
  before<T>(until: number, promise: Promise<T>): Promise<T | undefined>;
}

/** The most milliseconds from one look at the deadlines to the next, by which the timer outlives the last request. */
const pause = 1000;

/** Returns deadlines, none at first. */
export function deadlines(): Deadlines {
  const waiting = new Set<{ readonly until: number; readonly late: () => void }>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let wakesAt = Infinity;
  const watch = (until: number) => {
    const at = Math.min(until, performance.now() + pause);
    if (at >= wakesAt) return;
    clearTimeout(timer);
    wakesAt = at;
    timer = setTimeout(look, timeTo(at));
    (timer as { readonly unref?: () => void }).unref?.(); // no program goes on for it alone
  };
  const look = () => {
    wakesAt = Infinity;
    const now = performance.now();
    let next = Infinity;
    for (const one of waiting) {
      if (one.until > now) next = Math.min(next, one.until);
      else {
        waiting.delete(one);
        one.late();
      }
    }
    if (waiting.size > 0) watch(next);
  };
  return {
    before: (until, promise) =>
      new Promise((resolve, reject) => {
        const one = { until, late: () => resolve(undefined) };
        waiting.add(one);
        watch(until);
        promise.then(resolve, reject).finally(() => waiting.delete(one));
      }),
  };
}

/** Returns the milliseconds to a moment, as a timer takes them. */
export function timeTo(until: number): number {
  return Math.min(Math.max(until - performance.now(), 0), 2 ** 31 - 1);
}
