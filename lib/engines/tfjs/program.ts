import { areFinite } from "../../ops/finite.ts";
import type { TensorInfo } from "@tensorflow/tfjs";
import type { Graph } from "../../graph/graph.ts";
import type { Program } from "../engine.ts";
import type { Held } from "../held.ts";
import { batchLength } from "../inputs.ts";
import { programFrom, type Run } from "../program.ts";
import type { Backend } from "./backend.ts";
import { fewRowsOf } from "./few.ts";
import type { Numbers } from "./loop.ts";
import { phasesOf, residentOf } from "./resident.ts";
import { execute, release, scheduleOf } from "./schedule.ts";

/**
 * A graph as a static schedule for each batch size. What follows from constants alone (and from parameters, where the
 * graph updates nothing) is computed once, and again when the store has changed.
 *
 * @throws {TypeError} if the backend lacks a kernel.
 */
export function programOf(graph: Graph, held: Held<TensorInfo>, backend: Backend): Program {
  const [outputs, updates] = [graph.outputs, graph.updates].map((ends) => Object.entries(ends));
  const { first, moving, ends, keep } = phasesOf(graph);
  const schedules = recent(
    (batch) => scheduleOf(graph, batch, moving, ends, backend),
    ({ pinned }) => pinned.forEach(backend.free),
  );
  const fewRows = recent((batch) => fewRowsOf(graph, batch, moving, backend), (few) => few?.free());
  schedules.find(1); // finds at once whether a kernel is lacking
  const resident = residentOf(graph, held, first, keep, backend);
  const reshape = backend.kernel("Reshape");
  const shared = (x: TensorInfo) => reshape({ x }, { shape: x.shape });

  const computed = async (inputs: Parameters<Run>[0], check?: () => Promise<void>) => {
    const batch = batchLength(graph, inputs);
    const few = fewRows.find(batch);
    if (few !== undefined) return few.run(resident.arrays(), inputs);
    const schedule = schedules.find(batch);
    const arrays = resident.arrays();
    execute(schedule, arrays, inputs, backend);
    const found = outputs.map(([, position]) => shared(arrays[position]!));
    let next = updates.map(([, position]) => shared(arrays[position]!));
    release(schedule, arrays, backend);
    try {
      const reads = found.map(backend.read);
      // Where memory can be read at once, nothing may come between computing and updating.
      const data = reads.some((read) => read instanceof Promise) ? await Promise.all(reads) : reads as Numbers[];
      if (check !== undefined) await check();
      if (data.every(areFinite)) {
        updates.forEach(([name], i) => held.replace(name, next[i]));
        next = [];
      }
      return Object.fromEntries(outputs.map(([name], i) => [name, { shape: [...found[i].shape], data: data[i] }]));
    } finally {
      [...found, ...next].forEach(backend.free);
    }
  };
  const run: Run = async (inputs) => {
    const end = backend.watch?.();
    if (end === undefined) return await computed(inputs);
    try {
      return await computed(inputs, async () => refused(await end()));
    } finally {
      await end();
    }
  };
  return programFrom(run, () => {
    resident.free();
    schedules.free();
    fewRows.free();
  });
}

/** Throws where a device refused a part of a run. */
function refused(message: string | undefined): void {
  if (message === undefined) return;
  const [line] = message.split("\n");
  throw new RangeError(`Cannot run graph: the device refused it: wanted smaller batches, or cpu(); it says: ${line}`);
}

/** The number of batch sizes that a program remembers how to run. */
const remembered = 8;

/** Ways to run by batch size, the last used of them. */
function recent<T>(
  settle: (batch: number) => T,
  free: (settled: T) => void,
): { find: (batch: number) => T; free: () => void } {
  const found = new Map<number, T>();
  return {
    find: (batch) => {
      const settled = found.has(batch) ? found.get(batch)! : settle(batch);
      found.delete(batch);
      found.set(batch, settled);
      const [oldest] = found.keys();
      if (found.size > remembered) {
        free(found.get(oldest)!);
        found.delete(oldest);
      }
      return settled;
    },
    free: () => found.forEach(free),
  };
}
