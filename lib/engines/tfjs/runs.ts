import type { Node } from "../../graph/graph.ts";
import type { Backend } from "./backend.ts";
import type { Place } from "./loop.ts";
import { isComputed } from "./settle.ts";
import type { Link } from "./wasm_chains.ts";

/** Nodes that are computed at once, one after the other in a graph, or one that is fed. */
export interface Run {
  readonly positions: readonly number[];
  /** The positions of what it is computed from. */
  readonly of: readonly number[];
  /** The ops; undefined where the node is fed. */
  readonly links?: readonly Link[];
}

/**
 * Returns nodes in order, as runs that a backend computes at once: of ops one after the other, each of which reads the
 * result before it, which nothing else does.
 *
 * @param keep The positions whose arrays are needed.
 */
export function runsOf(
  nodes: readonly Node[],
  mine: ReadonlySet<number>,
  keep: ReadonlySet<number>,
  placeAt: (position: number) => Place,
  { chains, fill }: Backend,
): readonly Run[] {
  const uses = new Int32Array(nodes.length);
  nodes.forEach(({ of }) => of.forEach((argument) => uses[argument]++));
  const runs: Run[] = [];
  for (const position of mine) {
    const { op, of } = nodes[position];
    const before = runs[runs.length - 1];
    if (!isComputed(op)) {
      runs.push({ positions: [position], of });
      continue;
    }
    const link: Link = { op, place: placeAt(position) };
    const last = before?.positions[before.positions.length - 1];
    const joint = of.indexOf(last);
    if (before?.links !== undefined && joint >= 0 && uses[last] === 1 && !keep.has(last) && fill !== undefined) {
      const links = [...before.links, { ...link, joint }];
      if (chains?.fits(links)) {
        const more = of.filter((_, argument) => argument !== joint);
        runs[runs.length - 1] = { positions: [...before.positions, position], of: [...before.of, ...more], links };
        continue;
      }
    }
    runs.push({ positions: [position], of, links: [link] });
  }
  return runs;
}
