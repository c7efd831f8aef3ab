import { apply } from "../ops/table.ts";
import { reshape, slice } from "../ops/functions.ts";
import { sizeOf } from "../ops/shape.ts";
import type { Value } from "../ops/value.ts";
import type { Init, Spec } from "../spec/spec.ts";
import { inOrder } from "./graph.ts";
import { trace } from "./trace.ts";

/** A parameter of a model. */
export interface Parameter {
  /** Its place in the model, `levels/0/experts/shared/3/0/kernel`: its name in files, errors and reports. */
  readonly path: string;
  /** Its shape. */
  readonly shape: readonly number[];
  /** How it begins. */
  readonly init: Init;
}

/**
 * The parameters of a model: level by level from the input up, experts before gates, then task by task.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, define, dense, parametersOf } from "@gatehouse/gatehouse";
 *
 * const spec = define({ input: 5, tasks: { click: binary(dense(3)) } });
 * assertEquals(parametersOf(spec).map(({ path }) => path), [
 *   "tasks/click/tower/0/kernel",
 *   "tasks/click/tower/0/bias",
 *   "tasks/click/head/0/kernel",
 *   "tasks/click/head/0/bias",
 * ]);
 * ```
 */
export function parametersOf(spec: Spec): Parameter[] {
  const found = new Map<string, Parameter>();
  const logits = [true, false].flatMap((training) => Object.values(trace(spec, training).logits));
  for (const value of inOrder(logits)) {
    if (value.op !== "parameter") continue;
    const { name, shape, init } = value.attrs as unknown as { name: string; shape: number[]; init: Init };
    found.set(name, { path: name, shape, init });
  }
  return [...found.values()].sort((a, b) => sectionOf(a.path) - sectionOf(b.path));
}

function sectionOf(path: string): number {
  const [part, at, kind] = path.split("/");
  return part === "tasks" ? Infinity : Number(at) * 2 + (kind === "gates" ? 1 : 0);
}

/** Where a parameter lies in the one flat array that holds them all. */
export interface Place extends Parameter {
  /** The position of its first element. */
  readonly start: number;
  /** The number of its elements. */
  readonly size: number;
}

/**
 * One flat array for all parameters, so that an optimiser is a few ops whatever the number of parameters.
 * Matrices come first, so that what weight decay touches is one piece.
 */
export interface Layout {
  /** The parameters in the order of the array. */
  readonly places: readonly Place[];
  /** The number of elements of the matrices: those before this position decay. */
  readonly matrices: number;
  /** The number of all elements. */
  readonly size: number;
}

/** The layout of a model's parameters. */
export function layoutOf(parameters: readonly Parameter[]): Layout {
  const isMatrix = ({ shape }: Parameter) => shape.length > 1;
  const ordered = [...parameters.filter(isMatrix), ...parameters.filter((parameter) => !isMatrix(parameter))];
  let start = 0;
  const places = ordered.map((parameter): Place => {
    const size = sizeOf(parameter.shape);
    start += size;
    return { ...parameter, start: start - size, size };
  });
  const matrices = parameters.filter(isMatrix).reduce((total, { shape }) => total + sizeOf(shape), 0);
  return { places, matrices, size: start };
}

/** The name of the flat array on an engine. */
export const flatName = "parameters";

/** The parameters as pieces of the flat array, by path. */
export function pieces(layout: Layout): { readonly flat: Value; readonly pieces: Readonly<Record<string, Value>> } {
  const flat = apply("parameter", [], {
    name: flatName,
    shape: [layout.size],
    init: { kind: "constant", value: 0 },
  });
  const cut = layout.places.map(({ path, shape, start, size }) => {
    return [path, reshape(slice(flat, start, size), shape)] as const;
  });
  return { flat, pieces: Object.fromEntries(cut) };
}

/** Values with every parameter replaced by its piece of the flat array. */
export function packed<Names extends string>(
  values: Readonly<Record<Names, Value>>,
  pieces: Readonly<Record<string, Value>>,
): Record<Names, Value> {
  const done = new Map<Value, Value>();
  for (const value of inOrder(Object.values(values))) {
    const of = value.of.map((argument) => done.get(argument)!);
    const same = of.every((argument, i) => argument === value.of[i]);
    done.set(
      value,
      value.op === "parameter" ? pieces[value.attrs.name as string] : same ? value : apply(value.op, of, value.attrs),
    );
  }
  return Object.fromEntries(Object.entries<Value>(values).map(([name, value]) => [name, done.get(value)!])) as Record<
    Names,
    Value
  >;
}
