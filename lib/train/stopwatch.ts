/** A clock of a training. */
export interface Stopwatch {
  /** Returns the seconds of work so far. */
  readonly seconds: () => number;
  /** Stops counting. */
  readonly pause: () => void;
  /** Goes on counting. */
  readonly resume: () => void;
  /** Waits for a turn of the event loop, if the last one is long ago. */
  readonly breathe: () => Promise<void>;
}

/** Returns a clock of the seconds of work. It gives way to the event loop now and then, for signals and timers. */
export function stopwatch(): Stopwatch {
  let start = performance.now();
  let paused = 0;
  let breath = start;
  return {
    seconds: () => (performance.now() - start) / 1000,
    pause: () => paused = performance.now(),
    resume: () => start += performance.now() - paused,
    breathe: async () => {
      if (performance.now() - breath < 10) return;
      await turn();
      breath = performance.now();
    },
  };
}

/**
 * Waits for turns of the event loop. A timer of 0 ms would take two milliseconds, and Deno lets in what a thread has sent at
 * every 64th turn by messages alone, so that no data would be read while steps are computed.
 */
async function turn(): Promise<void> {
  if (typeof setImmediate !== "function") return await messageTurn();
  for (let turn = 0; turn < 2; turn++) await new Promise<void>((resolve) => void setImmediate(resolve));
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
