import type { TensorInfo } from "@tensorflow/tfjs";
import type { Graph } from "../../graph/graph.ts";
import type { Held } from "../held.ts";
import type { Backend } from "./backend.ts";
import { isComputed } from "./settle.ts";
import { type Arrays, execute, release, scheduleOf } from "./schedule.ts";

/** The positions of a graph's nodes by when they are computed and how long they stay. */
export interface Phases {
  /** Nodes that follow from constants alone, and from parameters where the graph updates nothing. */
  readonly first: ReadonlySet<number>;
  /** Nodes that are fed or computed in every run. */
  readonly moving: ReadonlySet<number>;
  /** Outputs and updates. */
  readonly ends: ReadonlySet<number>;
  /** The ends, and the first nodes that every run reads. */
  readonly keep: ReadonlySet<number>;
}

/** Sorts a graph's nodes by when they are computed. */
export function phasesOf({ nodes, outputs, updates }: Graph): Phases {
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

/** The arrays that a program need not compute in every run. */
export interface Resident {
  /** Constants, parameters, and what follows from them, as they are now. */
  readonly arrays: () => Arrays;
  /** Frees all but the parameters. */
  readonly free: () => void;
}

/**
 * Keeps what follows from constants and parameters between runs. It is computed again when the store has changed.
 *
 * @param first The positions that are computed here.
 * @param keep The positions whose arrays stay.
 * @throws {TypeError} if the backend lacks a kernel.
 */
export function residentOf(
  graph: Graph,
  held: Held<TensorInfo>,
  first: ReadonlySet<number>,
  keep: ReadonlySet<number>,
  backend: Backend,
): Resident {
  const trains = Object.keys(graph.updates).length > 0;
  const { nodes } = graph;
  const lead = scheduleOf(graph, 1, first, keep, backend);
  const constants: Arrays = nodes.map(({ op, attrs }) =>
    op === "constant" ? backend.write(Float32Array.from(attrs.data as number[]), attrs.shape as number[]) : undefined
  );
  const withParameters = (arrays: Arrays): Arrays =>
    arrays.map((array, position) => {
      const { op, attrs } = nodes[position];
      return op === "parameter" ? held.parameter(attrs.name as string) : array;
    });
  let led = constants;
  let version = -1;
  return {
    arrays: () => {
      const now = trains ? 0 : held.version();
      if (version === now) return withParameters(led);
      release(lead, led, backend);
      version = -1; // until all is computed
      led = withParameters(constants);
      execute(lead, led, {}, backend);
      version = now;
      return led.slice();
    },
    free: () => {
      release(lead, led, backend);
      constants.forEach((array) => array && backend.free(array));
      lead.pinned.forEach(backend.free);
    },
  };
}
