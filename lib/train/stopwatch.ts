/** A clock of a training. */
export interface Stopwatch {
  /** Returns the seconds of work so far, those of before counted. */
  readonly seconds: () => number;
  /** Stops counting. */
  readonly pause: () => void;
  /** Goes on counting. */
  readonly resume: () => void;
  /** Waits for a turn of the event loop, if the last one is long ago. */
  readonly breathe: () => Promise<void>;
}

/**
 * Returns a clock of the seconds of work. It gives way to the event loop now and then, for signals and timers.
 *
 * @param before The seconds that it begins with. Default: 0.
 */
export function stopwatch(before = 0): Stopwatch {
  let start = performance.now() - 1000 * before;
  let paused: number | undefined;
  let breath = performance.now();
  return {
    seconds: () => ((paused ?? performance.now()) - start) / 1000,
    pause: () => paused = performance.now(),
    resume: () => {
      if (paused !== undefined) start += performance.now() - paused;
      paused = undefined;
    },
    breathe: async () => {
      const since = performance.now() - breath;
      if (since < 10) return;
      await turns(Math.min(64, since / 5));
      breath = performance.now();
    },
  };
}

/**
 * Waits for turns of the event loop: Deno lets in what a thread has sent after some of them, so that no data would be read
 * while steps are computed if there was one alone. Each takes some microseconds; a timer of 0 ms would take two milliseconds.
 */
async function turns(count: number): Promise<void> {
  if (typeof setImmediate !== "function") return await messageTurn();
  for (let turn = 0; turn < count; turn++) await new Promise<void>((resolve) => void setImmediate(resolve));
}

/** Waits for a turn by a message, in browsers. */
function messageTurn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
