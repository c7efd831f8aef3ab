import { quoted } from "../../errors/quoted.ts";
import type { Graph } from "../../graph/graph.ts";
import { sameShape, type Shape, shapeText, sizeOf } from "../../ops/shape.ts";
import type { Reals } from "./regions.ts";
import type { Session } from "./session.ts";
import type { View } from "./views.ts";

/** Finds a part of an array of the store, or all of it, in the memory of the array. */
export type PartOf = (name: string, array: Reals, view?: View) => Reals;

/**
 * Finds parts of arrays, each of which a session keeps as long as the store has its array.
 *
 * An array and the other one of its pair are known. A third means that the store has been given new ones.
 *
 * @returns A function that throws a RangeError if an array no longer has the shape that the graph was loaded with.
 */
export function partsOf(graph: Graph, session: Session): PartOf {
  const shapes = shapesOf(graph);
  const known = new Map<string, Map<Reals, Map<View | undefined, Reals>>>();
  const partsIn = (name: string, array: Reals): Map<View | undefined, Reals> => {
    const pair = known.get(name) ?? new Map<Reals, Map<View | undefined, Reals>>();
    known.set(name, pair);
    const found = pair.get(array);
    if (found !== undefined) return found;
    checkShape(name, array, shapes.get(name)!);
    if (pair.size === 2) {
      for (const parts of pair.values()) parts.forEach(session.forget);
      pair.clear();
    }
    const parts = new Map<View | undefined, Reals>();
    pair.set(array, parts);
    return parts;
  };
  return (name, array, view) => {
    const parts = partsIn(name, array);
    const found = parts.get(view);
    if (found !== undefined) return found;
    const part = view === undefined ? array : seen(array, view);
    session.keep(part);
    parts.set(view, part);
    return part;
  };
}

/** The shapes of what a graph reads from a store, and of what it replaces there. */
function shapesOf({ nodes, updates }: Graph): ReadonlyMap<string, Shape> {
  const read = nodes.filter(({ op }) => op === "parameter").map(({ attrs, shape }) =>
    [attrs.name as string, shape] as const
  );
  const replaced = Object.entries(updates).map(([name, position]) => [name, nodes[position].shape] as const);
  return new Map([...read, ...replaced]);
}

/** Makes sure that an array is still of the shape that it had when the graph was loaded. */
function checkShape(name: string, array: Reals, shape: Shape): void {
  if (sameShape(array.shape, shape)) return;
  const [wanted, found] = [shape, array.shape].map(shapeText);
  throw new RangeError(`Cannot run graph: the parameter ${quoted(name)} must be ${wanted}, found ${found}`);
}

/** A part of an array, in the memory of the array. */
export function seen({ data }: Reals, { start, shape }: View): Reals {
  return { shape, data: data.subarray(start, start + sizeOf(shape)) };
}
