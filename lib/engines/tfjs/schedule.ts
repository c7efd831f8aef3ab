import type { TensorInfo } from "@tensorflow/tfjs";
import type { Graph, Node } from "../../graph/graph.ts";
import { withBatch } from "../../ops/shape.ts";
import type { Tensor } from "../../ops/tensor.ts";
import { type Backend, plain } from "./backend.ts";
import type { Pin } from "./kernel.ts";
import type { Place } from "./loop.ts";
import { runsOf } from "./runs.ts";
import { settleRun } from "./settle.ts";

/** The arrays of a run by node position; undefined before a node's turn and after its last use. */
export type Arrays = (TensorInfo | undefined)[];

/** Some nodes of a graph in order, settled for one batch size. */
export interface Schedule {
  /** The nodes that are fed or computed, in order. */
  readonly turns: readonly Turn[];
  /** Arrays that steps need, which live as long as the schedule. */
  readonly pinned: readonly TensorInfo[];
}

interface Turn {
  readonly position: number;
  readonly shape: number[];
  readonly of: readonly number[];
  /** Computes the array from those, or takes it from the inputs. */
  readonly step: (of: readonly TensorInfo[], inputs: Readonly<Record<string, Tensor>>) => TensorInfo;
  /** The positions whose arrays are used here for the last time. */
  readonly done: readonly number[];
}

/**
 * Settles nodes for a batch size.
 *
 * @param mine The positions that the schedule computes: neither constants nor parameters.
 * @param keep The positions whose arrays stay until they are released.
 * @throws {TypeError} if the backend lacks a kernel.
 * @throws {RangeError} if the batch does not fit into the backend's memory.
 */
export function scheduleOf(
  graph: Graph,
  batch: number,
  mine: ReadonlySet<number>,
  keep: ReadonlySet<number>,
  backend: Backend,
): Schedule {
  const { nodes } = graph;
  const shapes = nodes.map(({ shape }) => plain(withBatch(shape, batch)));
  const lastUse = new Map([...mine].flatMap((position) => nodes[position].of.map((of) => [of, position])));
  checkMemory(shapes, nodes, mine, lastUse, batch, backend);
  const pinned: TensorInfo[] = [];
  const pin: Pin = (data, shape) => pinned[pinned.push(backend.write(data, shape)) - 1];
  try {
    const placeAt = (position: number): Place => {
      const { of, attrs } = nodes[position];
      const zeros = of.map((argument) => isZero(nodes[argument]));
      return { attrs, shape: shapes[position], of: of.map((argument) => shapes[argument]), zeros };
    };
    const turns = runsOf(nodes, mine, keep, placeAt, backend).map(({ positions, of, links }): Turn => {
      const position = positions[positions.length - 1];
      const shape = shapes[position];
      if (links === undefined) return { position, shape, of, step: feed(nodes[position], backend), done: [] };
      const done = [...new Set(of)].filter((argument) =>
        mine.has(argument) && !keep.has(argument) && positions.includes(lastUse.get(argument)!)
      );
      return { position, shape, of, step: settleRun(links, backend, pin), done };
    });
    return { turns, pinned };
  } catch (error) {
    pinned.forEach(backend.free);
    throw error;
  }
}

/** The most bytes that arrays may take at once on wasm, whose memory ends at 2 GiB: past that it fails for good. */
const mostBytes = 1.5 * 2 ** 30;

/**
 * Makes sure that a batch fits into the backend's memory.
 *
 * @throws {RangeError} naming the batch and what it needs.
 */
function checkMemory(
  shapes: readonly (readonly number[])[],
  nodes: Graph["nodes"],
  mine: ReadonlySet<number>,
  lastUse: ReadonlyMap<number, number>,
  batch: number,
  backend: Backend,
): void {
  if (backend.name !== "wasm" && backend.mostInArray === undefined) return;
  const bytes = shapes.map((shape) => 4 * shape.reduce((product, length) => product * length, 1));
  const { mostInArray = Infinity } = backend;
  const large = nodes.findIndex((_, position) => bytes[position] > mostInArray);
  if (large >= 0) {
    const need = `a batch of ${batch} rows needs an array of ${Math.ceil(bytes[large] / 2 ** 20)} MiB`;
    const has = `the device takes ${Math.floor(mostInArray / 2 ** 20)}`;
    throw new RangeError(`Cannot run graph: ${need}, ${has}: wanted smaller batches, or cpu()`);
  }
  if (backend.name !== "wasm") return;
  let now = 0;
  let most = 0;
  for (const position of mine) {
    now += bytes[position];
    most = Math.max(most, now);
    for (const argument of new Set(nodes[position].of)) {
      if (mine.has(argument) && lastUse.get(argument) === position) now -= bytes[argument];
    }
  }
  if (most <= mostBytes) return;
  const need = `a batch of ${batch} rows needs ${Math.ceil(most / 2 ** 20)} MiB at once`;
  throw new RangeError(`Cannot run graph: ${need}, wasm has ${mostBytes / 2 ** 20}: wanted smaller batches, or cpu()`);
}

function isZero({ op, attrs }: Node): boolean {
  return op === "constant" && (attrs.data as number[]).every((number) => number === 0);
}

function feed({ attrs, type }: Node, backend: Backend): Turn["step"] {
  return (_, inputs) => {
    const { data, shape } = inputs[attrs.name as string];
    const fits = data instanceof (type === "int" ? Int32Array : Float32Array);
    return backend.write(fits ? data as Float32Array | Int32Array : Float32Array.from(data), shape);
  };
}

/** Feeds and computes what is scheduled, each array given up at its last use, and every one of them if a step fails. */
export function execute(
  schedule: Schedule,
  arrays: Arrays,
  inputs: Readonly<Record<string, Tensor>>,
  backend: Backend,
): void {
  try {
    for (const { position, shape, of, step, done } of schedule.turns) {
      arrays[position] = { ...step(of.map((argument) => arrays[argument]!), inputs), shape };
      for (const argument of done) {
        backend.free(arrays[argument]!);
        arrays[argument] = undefined;
      }
    }
  } catch (error) {
    release(schedule, arrays, backend);
    throw error;
  }
}

/** Gives up what a schedule has made and not given up yet. */
export function release({ turns }: Schedule, arrays: Arrays, backend: Backend): void {
  for (const { position } of turns) {
    const array = arrays[position];
    if (array !== undefined) backend.free(array);
    arrays[position] = undefined;
  }
}
