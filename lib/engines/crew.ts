import { type Board, boardOf, type Call, type Called, mostCalls, place, state } from "./board.ts";
import { beginThread, type Thread } from "./thread.ts";

/** Threads that compute in one WebAssembly memory: the one that asks, and others that help where they are free. */
export interface Crew {
  /** The work, in nanoseconds of one thread, from which on it may be worth it to share it. */
  readonly least: number;
  /** The threads that make calls, the one that asks among them. */
  readonly threads: number;
  /** Returns true if it is worth it now to share so much work: less where the others wait for it in a loop. */
  isWorth(work: number): boolean;
  /** The functions of a program in the memory: the same for the same program. Every program comes before the first calls. */
  load(program: Uint8Array<ArrayBuffer>): Readonly<Record<string, Call>>;
  /**
   * Makes calls of functions that write to different places: each by the thread that is free first. Ends after the last.
   *
   * @throws {Error} if one of them fails.
   */
  share(calls: readonly Called[]): void;
}

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

/** Times in milliseconds: of looking for calls, then waiting for them, then for messages, after which a thread ends. */
export interface Patience {
  /** The longest time for which a thread looks for calls in a loop after the last ones. */
  readonly spin: number;
  /** The time for which it waits for calls then, while its event loop stands. */
  readonly wait: number;
  /** The time for which it waits for a message then. */
  readonly idle: number;
}

/**
 * Threads over a shared memory. None is begun before there is something to share, and one that has waited for long ends;
 * none keeps a process alive.
 *
 * The thread that asks takes calls itself until none are left, then waits for those that others have taken: it waits for
 * nobody who has not begun. Where it has waited for long, as on a processor that other programs use, it computes
 * alone for a while.
 *
 * @returns Undefined where memory cannot be shared.
 */
export function threadsOver(
  memory: WebAssembly.Memory,
  patience: Patience = { spin: 4, wait: 100, idle: 10_000 },
): Threads | undefined {
  if (typeof SharedArrayBuffer === "undefined" || memory.buffer instanceof ArrayBuffer) return undefined;
  const board = boardOf();
  const { numbers } = board;
  const modules: WebAssembly.Module[] = [];
  const loaded = new Map<string, Readonly<Record<string, Call>>>();
  const others: (Thread | undefined)[] = [];
  let [aloneUntil, pause] = [0, leastPause];
  /** The time for which threads look for calls, and the end of the last ones. */
  let [looking, ended] = [patience.spin, performance.now()];

  const add = (module: WebAssembly.Module) => {
    const functions = new WebAssembly.Instance(module, { from: { memory } }).exports as Readonly<Record<string, Call>>;
    modules.push(module);
    board.add(Object.values(functions));
    return functions;
  };
  const begin = (nth: number) => beginThread({ memory, modules, board: numbers, nth, ...patience });
  const wake = (nth: number) => wakeAt(nth, numbers, others, begin);
  const share = (calls: readonly Called[], threads: number) => {
    looking = lookingAfter(performance.now() - ended, looking, patience.spin);
    for (let nth = 0; nth < threads - 1; nth++) wake(nth);
    numbers[place.spin] = 1000 * (pause > leastPause ? Math.min(late, looking) : looking);
    const { computed, waited } = make(board, calls, threads);
    ended = performance.now();
    const isLate = waited > late && 4 * waited > computed;
    if (isLate) aloneUntil = performance.now() + pause * waited;
    pause = Math.min(Math.max(isLate ? 2 * pause : pause / 2, leastPause), mostPause);
  };
  return {
    some: (threads, least) => ({
      least: least ?? worthNow,
      threads,
      isWorth: (work) => work >= (least ?? (areLooking(board) ? worthNow : worthWaking)),
      load: (program) => {
        const key = program.join();
        const found = loaded.get(key) ?? add(new WebAssembly.Module(program));
        loaded.set(key, found);
        return found;
      },
      share: (calls) => {
        if (performance.now() < aloneUntil) return calls.forEach(([call, ...given]) => call(...given));
        for (let first = 0; first < calls.length; first += mostCalls) {
          share(calls.slice(first, first + mostCalls), threads);
        }
      },
    }),
    begin: async () => {
      wake(0);
      return await others[0]?.begun ?? false;
    },
    running: () =>
      others.filter((other, nth) => other && Atomics.load(numbers, place.states + nth) !== state.ended).length,
  };
}

/** Wakes a thread that sleeps, and begins one where none is; where none can be, none is tried again. */
function wakeAt(
  nth: number,
  numbers: Board["numbers"],
  others: (Thread | undefined)[],
  begin: (nth: number) => Thread | undefined,
): void {
  const at = place.states + nth;
  if (Atomics.compareExchange(numbers, at, state.asleep, state.awake) === state.asleep) others[nth]?.wake();
  else if (Atomics.compareExchange(numbers, at, state.ended, state.awake) === state.ended) others[nth] = begin(nth);
}

/** Returns true if threads look for calls in a loop now. */
function areLooking({ numbers }: Board): boolean {
  return Atomics.load(numbers, place.states) === state.awake && Atomics.load(numbers, place.waiting) === 0;
}

/**
 * Returns the milliseconds for which threads look for calls after one more pause between calls: twice the longest pause of
 * late that looking can bridge. Where pauses are longer, as between the requests of a server, it would keep a processor
 * busy for nothing.
 *
 * @param looking The milliseconds until now.
 * @param most The most milliseconds.
 */
export function lookingAfter(pause: number, looking: number, most: number): number {
  const least = Math.min(late, most);
  if (pause > most) return Math.max(looking / 2, least);
  return Math.min(Math.max(0.999 * looking, 2 * pause, least), most);
}

/** Makes calls with others. Returns the milliseconds for which this thread computed, and then waited for others. */
function make(board: Board, calls: readonly Called[], threads: number) {
  const start = performance.now();
  board.post(calls, threads);
  let [end, fine] = [start, false];
  try {
    board.help();
  } finally {
    end = performance.now();
    fine = board.finish();
  }
  if (!fine) throw new Error("Cannot run graph: a thread of the wasm engine has failed");
  return { computed: end - start, waited: performance.now() - end };
}

/**
 * Less than this, in nanoseconds, wakes no thread: that takes 150 microseconds of this one where a processor is a virtual
 * one, and then some until the other computes. So small models never have others.
 */
const worthWaking = 250_000;

/** Less than this is not shared with threads that look for calls in a loop, which costs some microseconds. */
const worthNow = 40_000;

/** The milliseconds of waiting from which on others are late. */
const late = 0.3;

/** The times that long for which it is done without them: more, the more often they were late one after the other. */
const [leastPause, mostPause] = [0.5, 64];
