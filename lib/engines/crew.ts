import { builtin } from "../files/builtin.ts";
import { threadText } from "./thread_text.ts";

/** Threads that compute in one WebAssembly memory: the one that asks, and others that help where they are free. */
export interface Crew {
  /** The work, in nanoseconds of one thread, from which on it is worth it to share it. */
  readonly least: number;
  /** The threads that make calls, the one that asks among them. */
  readonly threads: number;
  /** Makes functions of a module known, which work in the memory, before any of them is shared. */
  add(module: WebAssembly.Module, functions: Readonly<Record<string, Call>>): void;
  /**
   * Makes calls of functions that write to different places: each by the thread that is free first. Ends after the last.
   *
   * @throws {Error} if one of them fails.
   */
  share(calls: readonly (readonly [call: Call, ...numbers: number[]])[]): void;
}

/** A function of whole numbers in a memory. */
export type Call = (...numbers: number[]) => void;

/** Threads over a memory, of which several engines use some each. */
export interface Threads {
  /**
   * So many of them, the one that asks among them.
   *
   * @param least The work from which on they share it; see {@linkcode Crew}.
   */
  some(threads: number, least?: number): Crew;
  /** Begins a thread and waits until it computes, in browsers, where none begins in the middle of a computation. */
  begin(): Promise<boolean>;
  /** The other threads that have not ended. */
  running(): number;
}

/** What is at a place of the board, where threads see what there is to do. */
const place = { next: 0, done: 1, count: 2, grain: 3, most: 4, turn: 5, waiting: 6, failed: 7, states: 8 } as const;
/** What a thread does: it never began or has ended, it computes or waits for calls, or it waits for a message. */
const state = { ended: 0, awake: 1, asleep: 2 } as const;
/** Where the list of calls begins, the numbers of a call, and the calls of a list: those of more are several. */
const [list, callLength, mostCalls] = [128, 10, 2048];

/** The most threads besides the one that asks. */
export const mostOthers = list - place.states;

/** Times in milliseconds: of waiting for calls, then for messages, after which a thread ends. */
export interface Patience {
  /** How long a thread waits for calls. The event loop of its own does not turn as long. */
  readonly wait: number;
  /** How long it waits for a message then. */
  readonly idle: number;
}

/**
 * Threads over a shared memory. None is begun before there is something to share, and one that has waited for long ends;
 * none keeps a process alive.
 *
 * The thread that asks takes calls itself until none are left, then waits for those that others have taken: it waits for
 * nobody who has not begun.
 *
 * @returns Undefined where memory cannot be shared.
 */
export function threadsOver(
  memory: WebAssembly.Memory,
  patience: Patience = { wait: 100, idle: 10_000 },
): Threads | undefined {
  if (typeof SharedArrayBuffer === "undefined" || memory.buffer instanceof ArrayBuffer) return undefined;
  const board = new Int32Array(new SharedArrayBuffer(4 * (list + mostCalls * callLength)));
  const modules: WebAssembly.Module[] = [];
  const calls: Call[] = [];
  const numbers = new Map<Call, number>();
  const others: (Other | undefined)[] = [];
  const message = { memory, board, modules, place, state, list, callLength, ...patience };
  const mayWait = canWait(board);

  /** Wakes a thread that sleeps, begins one that has ended, unless none can be begun. */
  const wake = (nth: number) => {
    const at = place.states + nth;
    if (Atomics.compareExchange(board, at, state.asleep, state.awake) === state.asleep) others[nth]?.post({});
    else if (Atomics.compareExchange(board, at, state.ended, state.awake) === state.ended) {
      others[nth] = otherOf({ ...message, nth });
    }
  };
  const post = (some: readonly (readonly [Call, ...number[]])[], threads: number) => {
    for (let nth = 0; nth < some.length; nth++) {
      const [call, ...given] = some[some.length - 1 - nth]; // the last one is taken first
      board[list + callLength * nth] = numbers.get(call)!;
      board.set(given, list + callLength * nth + 1);
    }
    board[place.failed] = 0;
    board[place.most] = threads - 1;
    board[place.count] = some.length;
    board[place.grain] = Math.max(1, Math.floor(some.length / (6 * threads)));
    Atomics.store(board, place.done, 0);
    Atomics.store(board, place.next, some.length);
    Atomics.add(board, place.turn, 1);
    if (Atomics.load(board, place.waiting) > 0) Atomics.notify(board, place.turn);
  };
  const made = (at: number) => {
    const [b, i] = [board, at + 1]; // no list of numbers is made: it would take as long as a small call
    calls[b[at]](b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6], b[i + 7], b[i + 8]);
  };
  const help = () => {
    const grain = board[place.grain];
    for (let end = Atomics.sub(board, place.next, grain); end > 0; end = Atomics.sub(board, place.next, grain)) {
      const start = Math.max(0, end - grain);
      try {
        for (let nth = end - 1; nth >= start; nth--) {
          made(list + callLength * nth);
        }
      } finally {
        Atomics.add(board, place.done, end - start);
      }
    }
  };
  /** Takes what nobody has begun off the list, and waits for the rest. */
  const finish = () => {
    const left = Atomics.exchange(board, place.next, 0);
    if (left > 0) Atomics.add(board, place.done, left);
    const count = board[place.count];
    for (let turns = 0; Atomics.load(board, place.done) < count; turns++) {
      const done = Atomics.load(board, place.done);
      if (mayWait && turns > spins && done < count) Atomics.wait(board, place.done, done, 1);
    }
  };
  const share = (some: readonly (readonly [Call, ...number[]])[], threads: number) => {
    for (let nth = 0; nth < threads - 1; nth++) wake(nth);
    post(some, threads);
    try {
      help();
    } finally {
      finish();
    }
    if (board[place.failed] !== 0) throw new Error("Cannot run graph: a thread of the wasm engine has failed");
  };
  return {
    some: (threads, least = worthIt) => ({
      least,
      threads,
      add: (module, functions) => {
        modules.push(module);
        for (const call of Object.values(functions)) numbers.set(call, calls.push(call) - 1);
      },
      share: (some) => {
        for (let first = 0; first < some.length; first += mostCalls) {
          share(some.slice(first, first + mostCalls), threads);
        }
      },
    }),
    begin: async () => {
      wake(0);
      return await others[0]?.begun ?? false;
    },
    running: () =>
      others.filter((other, nth) => other !== undefined && Atomics.load(board, place.states + nth) !== state.ended)
        .length,
  };
}

/** Less than this, in nanoseconds, is not shared: measured, what it costs to share is earned back from here on. */
const worthIt = 20_000;
/** How often the thread that asks looks whether others are ready, before it waits. */
const spins = 20_000;

/** Returns true if this thread may wait, which that of a page in a browser may not. */
function canWait(board: Int32Array): boolean {
  try {
    Atomics.wait(board, place.turn, 1); // it is 0
    return true;
  } catch {
    return false;
  }
}

/** A thread as others see it. */
interface Other {
  post(message: unknown): void;
  /** Resolves to false if it could not begin. */
  readonly begun: Promise<boolean>;
}

/** Begins a thread, which keeps no process alive; undefined where that is forbidden. */
function otherOf(first: Readonly<Record<string, unknown>>): Other | undefined {
  const threads = builtin("node:worker_threads");
  try {
    if (threads !== undefined) {
      const worker = new threads.Worker(threadText, { eval: true });
      worker.on("error", () => {}); // what others do, it could have done
      worker.unref();
      worker.postMessage(first);
      return { post: (message) => worker.postMessage(message), begun: Promise.resolve(true) };
    }
    const address = URL.createObjectURL(new Blob([threadText], { type: "text/javascript" }));
    const worker = new Worker(address);
    const begun = new Promise<boolean>((resolve) => {
      worker.onmessage = () => resolve(true);
      worker.onerror = (event) => {
        event.preventDefault();
        resolve(false);
      };
    }).finally(() => URL.revokeObjectURL(address));
    worker.postMessage(first);
    return { post: (message) => worker.postMessage(message), begun };
  } catch {
    return undefined;
  }
}
