import { type Graph, graphOf, valuesOf } from "../../graph/graph.ts";
import { sizeOf } from "../../ops/shape.ts";
import { apply } from "../../ops/table.ts";
import { concat, reshape } from "../../ops/functions.ts";
import type { Value } from "../../ops/value.ts";

/** A part of an array that lies in one piece, seen in another shape. */
export interface View {
  /** The name of the array. */
  readonly array: string;
  /** The position of the first element. */
  readonly start: number;
  /** The shape in which it is seen. */
  readonly shape: readonly number[];
}

/**
 * A graph that copies less. Parts of parameters are parameters of their own, and it is said where each of them lies: the
 * same memory is fed as many arrays.
 */
export function viewed(graph: Graph): { readonly graph: Graph; readonly views: ReadonlyMap<string, View> } {
  const views = new Map<string, View>();
  const see = (view: View): Value => {
    const { array, start, shape } = view;
    const name = `${array} from ${start} as [${shape}]`;
    views.set(name, view);
    return apply("parameter", [], { name, shape, init: { kind: "constant", value: 0 } });
  };
  const { outputs, updates } = valuesOf(graph, ({ op, attrs }, values) => {
    const [x] = values;
    if (op === "routed") return apart(values, views, see);
    if (op === "parameter") return see({ array: attrs.name as string, start: 0, shape: attrs.shape as number[] });
    const of = x?.op === "parameter" ? views.get(x.attrs.name as string) : undefined;
    if (of === undefined) return undefined;
    if (op === "reshape") return see({ ...of, shape: attrs.shape as number[] });
    if (op !== "slice" || attrs.axis !== 0) return undefined;
    const row = of.shape.slice(1);
    const start = of.start + (attrs.start as number) * sizeOf(row);
    return see({ ...of, start, shape: [attrs.size as number, ...row] });
  });
  return { graph: graphOf(outputs, updates), views };
}

/** Rows sent to kernels each of which is a parameter of its own, so that none of them is copied. */
function apart(
  [x, kernels, codes]: readonly Value[],
  views: ReadonlyMap<string, View>,
  see: (view: View) => Value,
): Value | undefined {
  const view = kernels.op === "parameter" ? views.get(kernels.attrs.name as string) : undefined;
  const [experts, width] = kernels.shape as readonly number[];
  if (view === undefined || width === 1 || experts === 1) return undefined;
  const member = view.shape.slice(1);
  const own = Array.from({ length: experts }, (_, expert) => {
    return see({ ...view, start: view.start + expert * sizeOf(member), shape: member });
  });
  return apply("routed", [x, reshape(concat(own, 0), view.shape), codes]);
}
