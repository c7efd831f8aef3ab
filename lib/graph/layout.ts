import { isCount } from "../ops/settings.ts";
import { holding, isText, listOf, type Test } from "../errors/shapes.ts";
import { kindOf } from "../errors/kinds.ts";
import { apply } from "../ops/table.ts";
import { reshape, slice } from "../ops/functions.ts";
import { sizeOf } from "../ops/shape.ts";
import type { Value } from "../ops/value.ts";
import type { Init } from "../ops/init.ts";
import { type Stack, stackShape } from "./stack.ts";
import type { Values } from "./values.ts";
import { rewritten } from "./walk.ts";

/** A parameter of a model. */
export interface Parameter {
  /** Its place in the model, `levels/0/experts/shared/3/0/kernel`: its name in files, errors and reports. */
  readonly path: string;
  /** Its shape. */
  readonly shape: readonly number[];
  /** The initial values. */
  readonly init: Init;
  /** The rows that begin at 0 whatever the initial values, but given ones: those of reserved columns. Absent: none. */
  readonly zeros?: readonly number[];
  /** The feature whose codes its rows are for, in order, but that of a missing id, if it is a table of vectors. */
  readonly feature?: string;
  /** Present if training leaves it as it is: no gradient reaches it, and it does not decay. */
  readonly frozen?: true;
}

/** The place of a parameter in the one flat array that holds them all. */
export interface Extent extends Parameter {
  /** The position of its first element. */
  readonly start: number;
  /** The number of its elements. */
  readonly size: number;
  /** The elements of its rows that lie together, and from one row's first element to the next one's. */
  readonly row: { readonly length: number; readonly apart: number };
}

/** A piece of the flat array: a parameter, or a stack of them. */
export interface Piece {
  /** The parameter's path, or the stack's name. */
  readonly name: string;
  /** Its shape. */
  readonly shape: readonly number[];
  /** The position of its first element. */
  readonly start: number;
}

/**
 * One flat array for all parameters, so that an optimiser is a few ops whatever the number of parameters.
 * Matrices that are not frozen come first, so that what weight decay touches is one piece.
 */
export interface Layout {
  /** The pieces in the order of the array. */
  readonly pieces: readonly Piece[];
  /** The parameters, in the order of the model. */
  readonly extents: readonly Extent[];
  /** The stacks among the pieces. */
  readonly stacks: readonly Stack[];
  /** The number of elements of the matrices that are not frozen: those before this position decay. */
  readonly matrices: number;
  /** The number of all elements. */
  readonly size: number;
}

const areParameters = listOf(holding({ path: isText, shape: listOf(isCount as Test) }));

const areStacks = listOf(
  holding({
    name: isText,
    paths: (found) => listOf(isText)(found) && (found as string[]).length > 0,
    member: listOf(isCount as Test),
    arranged: (found) => found === "side" || found === "depth",
  }),
);

/**
 * Returns the layout of a model's parameters.
 *
 * @param stacks Parameters that lie together, as {@linkcode fuse} found them. Default: none do.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, define, dense } from "@gatehouse/gatehouse";
 * import { layoutOf, parametersOf } from "@gatehouse/gatehouse/graph";
 *
 * const { extents, matrices, size } = layoutOf(parametersOf(define({ input: 4, tasks: { click: binary(dense(3)) } })));
 * assertEquals(extents.map(({ path, start }) => [path, start]), [
 *   ["tasks/click/tower/0/kernel", 0],
 *   ["tasks/click/tower/0/bias", 15],
 *   ["tasks/click/head/0/kernel", 12],
 *   ["tasks/click/head/0/bias", 18],
 * ]);
 * assertEquals([matrices, size], [15, 19]);
 * ```
 */
export function layoutOf(parameters: readonly Parameter[], stacks: readonly Stack[] = []): Layout {
  if (!areParameters(parameters)) {
    throw new TypeError(`Cannot lay out parameters: wanted a list of { path, shape }, found ${kindOf(parameters)}`);
  }
  const paths = new Set(parameters.map(({ path }) => path));
  if (!areStacks(stacks) || stacks.some((stack) => stack.paths.some((path) => !paths.has(path)))) {
    throw new TypeError(`Cannot lay out parameters: wanted stacks of these parameters, found ${kindOf(stacks)}`);
  }
  const stacked = new Map(stacks.flatMap((stack) => stack.paths.map((path) => [path, stack] as const)));
  const byPath = new Map(parameters.map((parameter) => [parameter.path, parameter]));
  const lone = (parameter: Parameter): Lot => {
    return { name: parameter.path, shape: parameter.shape, members: [parameter], side: false };
  };
  const lots = parameters.flatMap((parameter): Lot[] => {
    const stack = stacked.get(parameter.path);
    if (stack === undefined) return [lone(parameter)];
    if (stack.paths[0] !== parameter.path) return [];
    const members = stack.paths.map((path) => byPath.get(path)!);
    return [{ name: stack.name, shape: stackShape(stack), members, side: stack.arranged === "side" }];
  });
  const decays = ({ members: [{ shape, frozen }] }: Lot) => shape.length > 1 && frozen === undefined;
  const ordered = [...lots.filter(decays), ...lots.filter((lot) => !decays(lot))];
  let [start, matrices] = [0, 0];
  const pieces: Piece[] = [];
  const extents = new Map<string, Extent>();
  for (const lot of ordered) {
    const { name, shape, members, side } = lot;
    pieces.push({ name, shape, start });
    members.forEach((parameter, at) => {
      const size = sizeOf(parameter.shape);
      const row = side ? { length: parameter.shape[1], apart: shape[1] } : { length: size, apart: size };
      extents.set(parameter.path, { ...parameter, start: start + at * row.length, size, row });
    });
    start += sizeOf(shape);
    if (decays(lot)) matrices = start;
  }
  return { pieces, extents: parameters.map(({ path }) => extents.get(path)!), stacks, matrices, size: start };
}

/** Parameters that lie together, side by side or one after the other. */
interface Lot extends Omit<Piece, "start"> {
  readonly members: readonly Parameter[];
  readonly side: boolean;
}

/** A piece of the flat array, cut into runs of parameters of one label. */
export interface CutPiece<Label> extends Piece {
  /** The axis along which it is cut. */
  readonly axis: number;
  /** The runs in order, as long as the axis together. */
  readonly runs: readonly { readonly start: number; readonly size: number; readonly label: Label }[];
}

/** Returns the pieces of a layout, in its order, each cut into runs of parameters whose paths have one label. */
export function cutBy<Label>({ pieces, stacks }: Layout, labelOf: (path: string) => Label): CutPiece<Label>[] {
  return pieces.map((piece) => {
    const stack = stacks.find(({ name }) => name === piece.name);
    const axis = stack?.arranged === "side" ? 1 : 0;
    const paths = stack?.paths ?? [piece.name];
    const size = piece.shape[axis] / paths.length;
    const runs: { start: number; size: number; label: Label }[] = [];
    paths.forEach((path, at) => {
      const label = labelOf(path);
      const last = runs[runs.length - 1];
      if (last !== undefined && last.label === label) last.size += size;
      else runs.push({ start: at * size, size, label });
    });
    return { ...piece, axis, runs };
  });
}

/** The name of the flat array on an engine. */
export const flatName = "parameters";

/** Returns the flat array as a value, and its pieces by name. */
export function piecesOf(layout: Layout): { readonly flat: Value; readonly pieces: Readonly<Record<string, Value>> } {
  const flat = apply("parameter", [], {
    name: flatName,
    shape: [layout.size],
    init: { kind: "constant", value: 0 },
  });
  const cut = layout.pieces.map(({ name, shape, start }) => {
    return [name, reshape(slice(flat, start, sizeOf(shape)), shape)] as const;
  });
  return { flat, pieces: Object.fromEntries(cut) };
}

/** Returns values with every parameter, or stack of them, replaced by its piece of the flat array. */
export function pack<V extends Values>(values: V, layout: Layout, pieces: Readonly<Record<string, Value>>): V {
  const stacked = new Map(layout.stacks.flatMap((stack) => stack.paths.map((path, at) => [path, { stack, at }])));
  const piece = (name: string): Value => {
    const place = stacked.get(name);
    if (place === undefined || Object.hasOwn(pieces, name)) return pieces[name];
    const { name: whole, member, arranged } = place.stack;
    return arranged === "side"
      ? slice(pieces[whole], place.at * member[1], member[1], 1)
      : reshape(slice(pieces[whole], place.at, 1, 0), member);
  };
  return rewritten(values, ({ op, attrs }) => op === "parameter" ? piece(attrs.name as string) : undefined);
}
