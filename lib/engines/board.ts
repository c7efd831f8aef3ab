/** A function of whole numbers in a memory. */
export type Call = (...numbers: number[]) => void;

/** A function and the numbers that it is called with, nine at most. */
export type Called = readonly [call: Call, ...numbers: number[]];

/** The places of the board, where threads see calls to make. */
export const place = {
  ...{ next: 0, done: 1, count: 2, share: 3, most: 4, turn: 5, waiting: 6, failed: 7, spin: 8 },
  states: 9,
  list: 129,
} as const;

/** The states of a thread: never begun or ended, computing or waiting for calls, waiting for a message. */
export const state = { ended: 0, awake: 1, asleep: 2 } as const;

/** The places of a call in the list: its function's number, and nine others. */
export const callLength = 10;

/** The most threads besides the one that asks. */
export const mostOthers = place.list - place.states;

/** The most calls of a list: more are several lists. */
export const mostCalls = 2048;

/** The calls that are posted for all threads. */
export interface Board {
  /** The numbers that threads see. */
  readonly numbers: Int32Array<SharedArrayBuffer>;
  /** Gives functions their numbers: those after the functions before. */
  add(calls: readonly Call[]): void;
  /** Posts a list of calls for so many threads, one of which is this one. */
  post(some: readonly Called[], threads: number): void;
  /** Makes calls of the list until none is left. */
  help(): void;
  /** Takes what nobody has begun off the list, and waits for the rest; false if a call of another thread has failed. */
  finish(): boolean;
}

/** A board without calls. */
export function boardOf(): Board {
  const board = new Int32Array(new SharedArrayBuffer(4 * (place.list + mostCalls * callLength)));
  const calls: Call[] = [];
  const numbers = new Map<Call, number>();
  const mayWait = canWait(board);
  const make = (nth: number) => {
    const at = place.list + callLength * nth;
    const [b, i] = [board, at + 1]; // no list of numbers is made: it would take as long as a small call
    calls[b[at]](b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6], b[i + 7], b[i + 8]);
  };
  return {
    numbers: board,
    add: (more) => more.forEach((call) => numbers.set(call, calls.push(call) - 1)),
    post: (some, threads) => {
      for (let nth = 0; nth < some.length; nth++) {
        const called = some[some.length - 1 - nth]; // the last one is taken first
        const at = place.list + callLength * nth;
        board[at] = numbers.get(called[0])!;
        for (let i = 1; i < called.length; i++) board[at + i] = called[i] as number;
      }
      board[place.failed] = 0;
      board[place.most] = threads - 1;
      board[place.count] = some.length;
      board[place.share] = 3 * threads; // of what is left, a thread takes such a part at once: less and less
      Atomics.store(board, place.done, 0);
      Atomics.store(board, place.next, some.length);
      Atomics.add(board, place.turn, 1);
      if (Atomics.load(board, place.waiting) > 0) Atomics.notify(board, place.turn);
    },
    help: () => {
      for (let end = 0; (end = Atomics.load(board, place.next)) > 0;) {
        const start = end - Math.ceil(end / board[place.share]);
        if (Atomics.compareExchange(board, place.next, end, start) !== end) continue;
        try {
          for (let nth = end - 1; nth >= start; nth--) make(nth);
        } finally {
          Atomics.add(board, place.done, end - start);
        }
      }
    },
    finish: () => {
      const left = Atomics.exchange(board, place.next, 0);
      if (left > 0) Atomics.add(board, place.done, left);
      const count = board[place.count];
      for (let turns = 0, done = 0; (done = Atomics.load(board, place.done)) < count; turns++) {
        if (mayWait && turns > spins) Atomics.wait(board, place.done, done, 1);
      }
      return Atomics.load(board, place.failed) === 0;
    },
  };
}

/** The looks at the board of the thread that asks, before it waits. */
const spins = 20_000;

/** Returns true if this thread may wait, which that of a page in a browser may not. */
function canWait(board: Int32Array<SharedArrayBuffer>): boolean {
  try {
    Atomics.wait(board, place.turn, 1); // it is 0: this is over at once
    return true;
  } catch {
    return false;
  }
}
