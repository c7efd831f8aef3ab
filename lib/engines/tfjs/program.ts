import type { TensorInfo } from "@tensorflow/tfjs";
import type { Graph } from "../../graph/graph.ts";
import type { Program } from "../engine.ts";
import type { Tensor } from "../../ops/tensor.ts";
import { batchLength } from "../inputs.ts";
import type { Backend } from "./backend.ts";
import type { Numbers } from "./numbers.ts";
import { isComputed } from "./kernels.ts";
import { execute, release, type Schedule, scheduleOf, type Values } from "./schedule.ts";
import type { Arrays } from "./store.ts";

/** How many batch sizes a program remembers its schedule for. */
const remembered = 8;

/**
 * A graph as a static schedule for each batch size. What follows from constants alone (and from parameters, where the
 * graph updates nothing) is computed once, and again when the store has changed.
 *
 * @throws {TypeError} if the backend lacks a kernel.
 */
export function programOf(graph: Graph, arrays: Arrays, backend: Backend): Program {
  const { nodes } = graph;
  const outputs = Object.entries(graph.outputs);
  const updates = Object.entries(graph.updates);
  const { first, moving, ends, keep } = phases(graph);
  const reshape = backend.kernel("Reshape");
  const hold = (x: TensorInfo) => reshape({ x }, { shape: x.shape });
  const lead = scheduleOf(graph, 1, first, keep, backend);
  const schedules = recent((batch) => scheduleOf(graph, batch, moving, ends, backend), backend);
  schedules.find(1); // finds at once whether a kernel is lacking
  const constants: Values = nodes.map(({ op, attrs }) =>
    op === "constant" ? backend.write(Float32Array.from(attrs.data as number[]), attrs.shape as number[]) : undefined
  );
  let led = constants;
  let version = -1;
  let disposed = false;

  const withParameters = (values: Values): Values =>
    values.map((array, position) => nodes[position].op === "parameter" ? parameter(position) : array);
  const parameter = (position: number) => {
    const name = nodes[position].attrs.name as string;
    const array = arrays.find(name);
    if (array === undefined) throw new TypeError(`Cannot run graph: the parameter "${name}" is missing`);
    return array;
  };
  /** Constants, parameters, and what follows from them, as they are now. */
  const resident = (): Values => {
    const now = updates.length > 0 ? 0 : arrays.version();
    if (version === now) return withParameters(led);
    release(lead, led, backend);
    version = -1;
    led = withParameters(constants);
    execute(lead, led, {}, backend);
    version = now;
    return led.slice();
  };

  const run = async (inputs: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>> => {
    if (disposed) throw new TypeError("Cannot run graph: the program is disposed");
    const schedule = schedules.find(batchLength(graph, inputs));
    const values = resident();
    execute(schedule, values, inputs, backend);
    const found = outputs.map(([, position]) => hold(values[position]!));
    let next = updates.map(([, position]) => hold(values[position]!));
    release(schedule, values, backend);
    try {
      const reads = found.map(backend.read);
      // Where memory can be read at once, nothing may come between computing and updating.
      const data = reads.some((read) => read instanceof Promise) ? await Promise.all(reads) : reads as Numbers[];
      if (data.every((numbers) => numbers.every(Number.isFinite))) {
        arrays.replace(Object.fromEntries(updates.map(([name], i) => [name, next[i]])));
        next = [];
      }
      return Object.fromEntries(outputs.map(([name], i) => [name, { shape: [...found[i].shape], data: data[i] }]));
    } finally {
      [...found, ...next].forEach(backend.free);
    }
  };

  return {
    run,
    dispose: () => {
      if (disposed) return;
      disposed = true;
      release(lead, led, backend);
      constants.forEach((array) => array && backend.free(array));
      [lead, ...schedules.all()].forEach(({ held }) => held.forEach(backend.free));
    },
  };
}

/** Which nodes are computed first (they follow from constants and parameters), which in every run, and which stay. */
function phases({ nodes, outputs, updates }: Graph): Record<"first" | "moving" | "ends" | "keep", Set<number>> {
  const trains = Object.keys(updates).length > 0;
  const still: boolean[] = [];
  for (const { op, of, shape } of nodes) {
    const own = isComputed(op) ? !shape.includes("batch") : op === "constant" || (op === "parameter" && !trains);
    still.push(own && of.every((argument) => still[argument]));
  }
  const ends = new Set([...Object.values(outputs), ...Object.values(updates)]);
  const select = (fits: (position: number) => boolean) => new Set(nodes.map((_, position) => position).filter(fits));
  const moving = select((position) => !still[position] && nodes[position].op !== "parameter");
  const keep = new Set([...ends, ...[...moving].flatMap((position) => nodes[position].of)]);
  return { first: select((position) => still[position] && isComputed(nodes[position].op)), moving, ends, keep };
}

/** Schedules by batch size, the last used of them. */
function recent(
  settle: (batch: number) => Schedule,
  backend: Backend,
): { find: (batch: number) => Schedule; all: () => Iterable<Schedule> } {
  const found = new Map<number, Schedule>();
  return {
    find: (batch) => {
      const schedule = found.get(batch) ?? settle(batch);
      found.delete(batch);
      found.set(batch, schedule);
      const [oldest] = found.keys();
      if (found.size > remembered) {
        found.get(oldest)!.held.forEach(backend.free);
        found.delete(oldest);
      }
      return schedule;
    },
    all: () => found.values(),
  };
}
