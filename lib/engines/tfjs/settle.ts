import { sameShape } from "../../ops/shape.ts";
import type { Op } from "../../ops/value.ts";
import type { Backend } from "./backend.ts";
import { type Pin, type Step, using } from "./kernel.ts";
import { kernels } from "./kernels.ts";
import type { Computed, LoopAt, Looped, Place } from "./loop.ts";
import { loops } from "./loops.ts";
import type { Link } from "./wasm_chains.ts";

/**
 * Settles a run of ops on a backend: one by itself, or a chain of several by one loop.
 *
 * @throws {TypeError} if the backend lacks a kernel that is needed.
 */
export function settleRun(links: readonly Link[], backend: Backend, pin: Pin): Step {
  const [{ op, place }] = links;
  if (links.length === 1) return settle(op, place, backend, pin);
  const { chains, fill } = backend;
  const loop = chains!.loop(links);
  return (of) => fill!(place.shape, of, loop);
}

/** Settles an op for its place: by a loop where that is possible and faster, else by kernels. */
function settle(op: Computed, place: Place, backend: Backend, pin: Pin): Step {
  const { fill, name, plain } = backend;
  if (fill === undefined || !isLooped(op)) return kernels[op](place, backend, pin);
  const rows: Partial<Record<Looped, LoopAt>> = backend.rows ?? {};
  const own = rows[op]?.(place);
  if (own !== undefined) return (of) => fill(place.shape, of, own);
  if (name === "wasm" && op === "greater" && isAboveZero(place)) return positive(backend);
  if (!plain && fasterOnWasm[op] === "kernel") return kernels[op](place, backend, pin);
  const loop = loops[op](place);
  return (of) => fill(place.shape, of, loop);
}

/** Returns true if an op is computed, and not fed or kept. */
export function isComputed(op: Op): op is Computed {
  return Object.hasOwn(kernels, op);
}

/** Returns true if an op makes numbers, and does not only pass them on. */
export function isLooped(op: Computed): op is Looped {
  return Object.hasOwn(loops, op);
}

/** The faster way on wasm: its kernel, or our loop, also where wasm has no kernel. On plain backends loops are faster. */
const fasterOnWasm: Readonly<Record<Looped, "kernel" | "loop">> = {
  matmul: "kernel",

  add: "kernel",
  sub: "kernel",
  mul: "kernel",
  div: "kernel",

  neg: "kernel",
  exp: "kernel",
  log: "kernel",
  sqrt: "kernel",
  relu: "kernel",
  sigmoid: "kernel",
  tanh: "kernel",
  softplus: "kernel",

  greater: "loop",
  equal: "loop",
  select: "loop",

  sum: "kernel",
  max: "kernel",
  softmax: "kernel",
  topMask: "loop",
  runningSum: "loop",

  broadcast: "kernel",
  transpose: "loop",
  concat: "loop",
  slice: "loop",
  pad: "loop",

  pick: "loop",
  multiHot: "loop",
  gatherSum: "loop",
  scatterAdd: "loop",
  weightedHot: "loop",
  weightedSum: "loop",
  weightedScatter: "loop",

  topPlaces: "loop",
  routed: "kernel",
  routedKernels: "kernel",
};

function isAboveZero({ of: [x], shape, zeros }: Place): boolean {
  return zeros[1] && sameShape(x, shape);
}

/**
 * 1 where an element is greater than 0, as in the gradient of every relu: 8 times faster on wasm than a comparison.
 * `Step` alone keeps NaN; clipping makes it 0 on wasm.
 */
function positive(backend: Backend): Step {
  const [clip, step] = [backend.kernel("ClipByValue"), backend.kernel("Step")];
  return ([x]) => using(backend, clip({ x }, { clipValueMin: 0, clipValueMax: 1 }), (x) => step({ x }, { alpha: 0 }));
}
