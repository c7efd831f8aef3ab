import { builtin } from "../files/builtin.ts";
import { callLength, place, state } from "./board.ts";

/** A thread as the one that has begun it sees it. */
export interface Thread {
  /** Wakes it where it waits for a message. */
  wake(): void;
  /** Resolves to false if it could not begin. */
  readonly begun: Promise<boolean>;
}

/** The first message of a thread. */
interface First {
  readonly memory: WebAssembly.Memory;
  /** The modules of functions, which the numbers of calls count through. */
  readonly modules: readonly WebAssembly.Module[];
  readonly board: Int32Array<SharedArrayBuffer>;
  /** The thread's own number. */
  readonly nth: number;
  /** The milliseconds for which it waits for calls once it has looked for some in a loop, then for a message. */
  readonly wait: number;
  readonly idle: number;
}

/** Begins a thread, which keeps no process alive; undefined where that is forbidden. */
export function beginThread(first: First): Thread | undefined {
  const threads = builtin("node:worker_threads");
  const message = { ...first, place, state, callLength };
  try {
    if (threads === undefined) return inBrowser(message);
    const worker = new threads.Worker(program, { eval: true });
    worker.on("error", () => {}); // without it, the one that asks makes all calls
    worker.unref();
    worker.postMessage(message);
    return { wake: () => worker.postMessage({}), begun: Promise.resolve(true) };
  } catch {
    return undefined;
  }
}

function inBrowser(message: unknown): Thread {
  const address = URL.createObjectURL(new Blob([program], { type: "text/javascript" }));
  const worker = new Worker(address);
  const begun = new Promise<boolean>((resolve) => {
    worker.onmessage = () => resolve(true);
    worker.onerror = (event) => {
      event.preventDefault();
      resolve(false);
    };
  }).finally(() => URL.revokeObjectURL(address));
  worker.postMessage(message);
  return { wake: () => worker.postMessage({}), begun };
}

/**
 * The program of a thread, as text: it is no module, which a bundle would have to hold, and knows nothing but its first
 * message. It takes calls off the list as long as there are some, looks for new ones, waits for them, then for a message,
 * then ends.
 */
const program = `
const port = typeof require === "function" ? require("node:worker_threads").parentPort : undefined;
let own, sleep;
const begin = ({ memory, modules, ...first }) => {
  const exports = modules.map((module) => new WebAssembly.Instance(module, { from: { memory } }).exports);
  own = { ...first, calls: exports.flatMap((functions) => Object.values(functions)) };
};
const make = (nth) => {
  const { board: b, calls, callLength, place } = own;
  const at = place.list + callLength * nth, i = at + 1;
  try {
    calls[b[at]](b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6], b[i + 7], b[i + 8]);
  } catch {
    Atomics.store(b, place.failed, 1);
  }
};
const help = () => {
  const { board, place, nth } = own;
  if (nth >= Atomics.load(board, place.most)) return;
  for (let end; (end = Atomics.load(board, place.next)) > 0;) {
    const start = end - Math.ceil(end / Atomics.load(board, place.share));
    if (Atomics.compareExchange(board, place.next, end, start) !== end) continue;
    for (let at = end - 1; at >= start; at--) make(at);
    const done = Atomics.add(board, place.done, end - start) + end - start;
    if (done === Atomics.load(board, place.count)) Atomics.notify(board, place.done);
  }
};
const sees = (before) => {
  const { board, place } = own;
  const end = performance.now() + Atomics.load(board, place.spin) / 1000;
  do {
    for (let turns = 0; turns < 50; turns++) if (Atomics.load(board, place.turn) !== before) return true;
  } while (performance.now() < end);
  return false;
};
const work = () => {
  const { board, place, wait } = own;
  for (let waited = "ok"; waited !== "timed-out";) {
    const seen = Atomics.load(board, place.turn);
    help();
    if (sees(seen)) continue;
    Atomics.add(board, place.waiting, 1);
    waited = Atomics.wait(board, place.turn, seen, wait);
    Atomics.sub(board, place.waiting, 1);
  }
};
const rest = () => {
  const { board, place, state, nth, idle } = own;
  const mine = place.states + nth;
  Atomics.store(board, mine, state.asleep);
  sleep = setTimeout(() => {
    if (Atomics.compareExchange(board, mine, state.asleep, state.ended) !== state.asleep) return;
    if (typeof close === "function") close(); else port.close();
  }, idle);
};
const listen = (message) => {
  clearTimeout(sleep);
  if (own === undefined) {
    begin(message);
    if (!port) postMessage("begun");
  }
  work();
  rest();
};
if (port) port.on("message", listen); else onmessage = ({ data }) => listen(data);
`;
