import type { Graph, Node } from "../../graph/graph.ts";
import { sizeOf, withBatch } from "../../ops/shape.ts";
import type { Tensor } from "../../ops/tensor.ts";
import type { Type } from "../../ops/value.ts";
import { emptyCodes, emptyReals, type Region } from "./regions.ts";
import type { Session } from "./session.ts";

/** The memory that one run reads its inputs from and writes its outputs to. */
export interface Ends {
  /** The inputs, in order. */
  readonly feeds: readonly Region[];
  /** The outputs by name, in order. The next run writes them again. */
  readonly results: ReadonlyMap<string, Region>;
}

/** The most elements of an input that is copied to memory which ONNX Runtime knows: less than to make new ones known. */
const fewest = 2 ** 12;

/**
 * Keeps memory for the small inputs and the outputs of a graph, as long as batches have the same number of rows.
 *
 * @param leaves The inputs and noise, in order.
 * @param outputs The names of the outputs, in order.
 * @param placeOf Finds memory that an output is to be written to, where it matters.
 */
export function endsFor(
  graph: Graph,
  leaves: readonly Node[],
  outputs: readonly string[],
  session: Session,
  placeOf: (name: string) => Region | undefined,
): (given: Readonly<Record<string, Tensor>>, batch: number) => Ends {
  let now = -1;
  let small: readonly (Region | undefined)[] = [];
  let results: ReadonlyMap<string, Region> = new Map();
  const each = (act: (region: Region) => void): void => {
    small.forEach((region) => region && act(region));
    results.forEach(act);
  };
  return (given, batch) => {
    if (batch !== now) {
      each(session.forget);
      small = leaves.map((leaf) => sizeOf(withBatch(leaf.shape, batch)) <= fewest ? empty(leaf, batch) : undefined);
      results = new Map(
        outputs.map((name) => [name, placeOf(name) ?? empty(graph.nodes[graph.outputs[name]], batch)]),
      );
      each(session.keep);
      now = batch;
    }
    const feeds = leaves.map(({ attrs, type }, i) => fedTo(small[i], given[attrs.name as string], type));
    return { feeds, results };
  };
}

function empty({ shape, type }: Node, batch: number): Region {
  return (type === "int" ? emptyCodes : emptyReals)(withBatch(shape, batch));
}

/** A tensor copied to its region where it has one, else where it is, if its elements are of the type that is read. */
function fedTo(region: Region | undefined, { shape, data }: Tensor, type: Type): Region {
  if (region !== undefined) {
    region.data.set(data);
    return region;
  }
  const fits = type === "int" ? data instanceof Int32Array : data instanceof Float32Array;
  return { shape: [...shape], data: fits ? data as Region["data"] : Float32Array.from(data) };
}
