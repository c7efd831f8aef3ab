import type { Graph } from "../../graph/graph.ts";
import { sizeOf, withBatch } from "../../ops/shape.ts";
import type { Tensor } from "../../ops/tensor.ts";
import type { Op } from "../../ops/value.ts";
import type { Backend, Memory } from "./backend.ts";
import type { Computed, Loop, LoopAt, Looped, Numbers, Place } from "./loop.ts";
import { loops } from "./loops.ts";
import type { Arrays } from "./schedule.ts";
import { isComputed, isLooped } from "./settle.ts";

/** A prediction for few rows: all its ops are loops over arrays that stay where they are, and nothing is made or freed. */
export interface FewRows {
  /**
   * Computes the outputs.
   *
   * @param resident The arrays that are not computed here.
   */
  readonly run: (
    resident: Arrays,
    inputs: Readonly<Record<string, Tensor>>,
  ) => Readonly<Record<string, Tensor>>;
  /** Frees its memory. */
  readonly free: () => void;
}

/** The most numbers of all arrays, and multiplications: with more, what kernels cost beside their work is little. */
const [mostNumbers, mostProducts] = [3 * 2 ** 14, 2 ** 18];
/** The most multiplications of a loop in JavaScript, where the backend has no faster one. */
const mostPlain = 2 ** 14;

/** A node's turn: its loop, or the name that it is fed by; neither where it is another's array in a shape of its own. */
interface Turn {
  readonly position: number;
  readonly of: readonly number[];
  readonly loop?: Loop;
  readonly fed?: string;
}

/**
 * Settles a graph that updates nothing for few rows, whose kernels would cost more than their work: with all that is around
 * a call, a kernel of TensorFlow.js's takes two microseconds.
 *
 * @param mine The positions that are fed or computed in every run.
 * @returns Undefined where the backend's memory cannot be reached, or kernels are faster.
 */
export function fewRowsOf(
  graph: Graph,
  batch: number,
  mine: ReadonlySet<number>,
  { memory, rows, few }: Backend,
): FewRows | undefined {
  const { nodes } = graph;
  if (memory === undefined || Object.keys(graph.updates).length > 0) return undefined;
  const shapes = nodes.map(({ shape }) => withBatch(shape, batch));
  const sizes = shapes.map(sizeOf);
  const own = [...mine].filter((position) => !isPassed(nodes[position].op));
  if (own.length === 0 || own.some((position) => sizes[position] === 0)) return undefined;
  if (own.reduce((sum, position) => sum + sizes[position], 0) > mostNumbers) return undefined;
  const faster: Partial<Record<Looped, LoopAt>> = { ...rows, ...few };
  const turns: Turn[] = [];
  let all = 0;
  for (const position of mine) {
    const { op, of, attrs } = nodes[position];
    if (!isComputed(op)) turns.push({ position, of, fed: attrs.name as string });
    else if (isPassed(op)) turns.push({ position, of });
    else {
      const place: Place = {
        attrs,
        shape: shapes[position],
        of: of.map((at) => shapes[at]),
        zeros: of.map(() => false),
      };
      const loop = faster[op]?.(place);
      const products = productsOf(op, place);
      all += products;
      if (all > mostProducts || loop === undefined && products > mostPlain) return undefined;
      turns.push({ position, of, loop: loop ?? loops[op](place) });
    }
  }
  const places = new Map<number, number>();
  let length = 0;
  for (const position of own) {
    places.set(position, length);
    length += 4 * Math.ceil(sizes[position] / 4);
  }
  return running(graph, shapes, turns, places, length, memory);
}

/** Returns true if an op passes an array on as it is. */
function isPassed(op: Op): op is Exclude<Computed, Looped> {
  return isComputed(op) && !isLooped(op);
}

/** Returns the multiplications of an op. */
function productsOf(op: Looped, { shape, of: [left, right] }: Place): number {
  if (op === "matmul") return sizeOf(shape) * left[left.length - 1];
  if (op === "routed") return sizeOf(shape) * right[right.length - 2];
  return op === "routedKernels" ? sizeOf(left) * shape[shape.length - 1] : 0;
}

/** Returns runs over one array of a length, in which each node's numbers have their place. */
function running(
  { nodes, outputs }: Graph,
  shapes: readonly (readonly number[])[],
  turns: readonly Turn[],
  places: ReadonlyMap<number, number>,
  length: number,
  { make, view, free }: Memory,
): FewRows {
  const all = make([length]);
  const views: Numbers[] = Array(nodes.length);
  const read = turns.map(({ of }) => Array<Numbers>(of.length));
  const mine = new Set(turns.map(({ position }) => position));
  const wanted = new Set([...turns.flatMap(({ of }) => of), ...Object.values(outputs)]);
  const others = [...wanted].filter((at) => !mine.has(at));
  const known: unknown[] = Array(nodes.length);
  let numbers: Numbers | undefined;
  /** Looks where everything is: a memory that has grown is another one, in which it is where it was. */
  const look = (resident: Arrays) => {
    numbers = view(all);
    const { buffer, byteOffset } = numbers;
    for (const at of others) [views[at], known[at]] = [view(resident[at]!), resident[at]!.dataId];
    turns.forEach(({ position, of, fed }, turn) => {
      const place = places.get(position);
      const kind = fed !== undefined && nodes[position].type === "int" ? Int32Array : Float32Array;
      views[position] = place === undefined
        ? views[of[0]]
        : new kind(buffer as ArrayBuffer, byteOffset + 4 * place, sizeOf(shapes[position]));
      of.forEach((at, argument) => read[turn][argument] = views[at]);
    });
  };
  const isSeen = (resident: Arrays) =>
    numbers !== undefined && numbers.length > 0 && others.every((at) => known[at] === resident[at]!.dataId);
  return {
    run: (resident, inputs) => {
      if (!isSeen(resident)) look(resident);
      for (let turn = 0; turn < turns.length; turn++) {
        const { position, loop, fed } = turns[turn];
        if (fed !== undefined) views[position].set(inputs[fed].data as Numbers);
        else if (loop !== undefined) loop(views[position] as Float32Array, read[turn]);
        if (numbers!.length === 0) look(resident);
      }
      return Object.fromEntries(
        Object.entries(outputs).map(([name, at]) => [name, { shape: [...shapes[at]], data: views[at].slice() }]),
      );
    },
    free: () => free(all),
  };
}
