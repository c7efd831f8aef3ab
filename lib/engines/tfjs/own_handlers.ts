/** The events by which Node.js reports what nobody caught. */
const events = ["uncaughtException", "unhandledRejection"] as const;

/** The part of Node.js's `process` that handlers are in. */
interface Handlers {
  listeners(event: string): readonly unknown[];
  removeListener(event: string, listener: unknown): void;
}

/**
 * Starts a program, and takes off the handlers of unhandled errors that it leaves: those of TensorFlow.js's wasm program
 * throw each error again, so that the runtime ends with another code and shows a place of theirs, not of the error.
 */
export async function withOwnHandlers<T>(start: () => Promise<T>): Promise<T> {
  const { process } = globalThis as { readonly process?: Partial<Handlers> };
  if (process?.listeners === undefined || process.removeListener === undefined) return await start();
  const before = events.map((event) => new Set(process.listeners!(event)));
  try {
    return await start();
  } finally {
    events.forEach((event, at) => {
      const added = process.listeners!(event).filter((listener) => !before[at].has(listener) && throwsAgain(listener));
      for (const listener of added) process.removeListener!(event, listener);
    });
  }
}

/** Returns true if a function throws what it is given: what the program may add meanwhile stays. */
function throwsAgain(listener: unknown): boolean {
  return /^(function\s*)?\(?(\w+)\)?[^]*\bthrow \2\b/.test(String(listener));
}
