/**
 * The program of a thread of a crew, as text: it must be none of a bundle's modules. It knows nothing but its first
 * message: the memory, the modules of functions, and the board.
 *
 * It takes calls off the list as long as there are some, then looks for new ones, then waits, then sleeps until a message
 * wakes it, then ends.
 */
export const threadText = `
const port = typeof require === "function" ? require("node:worker_threads").parentPort : undefined;
let own, sleep;
const begin = ({ memory, modules, ...first }) => {
  const of = modules.map((module) => Object.values(new WebAssembly.Instance(module, { from: { memory } }).exports));
  own = { ...first, calls: of.flat() };
};
const make = (nth) => {
  const { board: b, calls, list, callLength, place } = own;
  const at = list + callLength * nth, i = at + 1;
  try {
    calls[b[at]](b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6], b[i + 7], b[i + 8]);
  } catch {
    Atomics.store(b, place.failed, 1);
  }
};
const help = () => {
  const { board, place, nth } = own;
  if (nth >= Atomics.load(board, place.most)) return;
  const grain = Atomics.load(board, place.grain);
  for (let end; (end = Atomics.sub(board, place.next, grain)) > 0;) {
    const start = Math.max(0, end - grain);
    for (let at = end - 1; at >= start; at--) make(at);
    const done = Atomics.add(board, place.done, end - start) + end - start;
    if (done === Atomics.load(board, place.count)) Atomics.notify(board, place.done);
  }
};
const work = () => {
  const { board, place, wait } = own;
  for (let seen, waited = "ok"; waited !== "timed-out";) {
    seen = Atomics.load(board, place.turn);
    help();
    for (let turns = 0; turns < 50000 && Atomics.load(board, place.turn) === seen; turns++);
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
