import { checkRecord } from "../errors/kinds.ts";
import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import { cutBy, type CutPiece, type Layout, type Parameter } from "../graph/layout.ts";
import { runs } from "../model/parameters.ts";
import { concat, reshape, slice } from "../ops/functions.ts";
import { sizeOf } from "../ops/shape.ts";
import type { Tensor } from "../ops/tensor.ts";
import type { Value } from "../ops/value.ts";
import { checkOptimiser, type Optimiser, type VectorOptimiser } from "../optimisers/optimiser.ts";

/** Optimisers by the beginning of the paths of what follows them. */
export type ByPath<One> = Readonly<Record<string, One>>;

/** A part of the parameters, and the optimiser that it follows. */
export interface Part {
  /** The beginning of its paths; undefined of the parameters that no other part has. */
  readonly name: string | undefined;
  readonly optimiser: Optimiser;
  /** The number of its parameters in the flat array. */
  readonly size: number;
  /** Those of its matrices that are not frozen, which come first. */
  readonly matrices: number;
}

/** The parameters in the flat array by the optimisers that they follow. */
export interface Parts {
  /** The parts; one alone if all follow one. */
  readonly all: readonly Part[];
  /** Returns the elements of a part among those of the flat array, `[size]` of `[all]`. */
  readonly taken: (whole: Value, part: Part) => Value;
  /** Returns the flat array of the elements of all parts. */
  readonly joined: (of: ReadonlyMap<Part, Value>) => Value;
  /** The names of the arrays that optimisers keep beside the flat array. */
  readonly slotNames: readonly string[];
  /** Returns these arrays as they begin, `[all]`, by name: a part without one has 0. */
  readonly slots: () => Readonly<Record<string, Tensor>>;
}

/**
 * Returns the parts of a layout's parameters: a parameter is of the part with the longest name that its path begins with.
 *
 * @param optimiser That of parameters of no other part.
 * @param others Those of parts by the beginning of paths, whole words up to a slash or the end.
 * @param tables The tables of vectors, which are no part of the layout; for errors.
 * @throws {TypeError} if a part has no parameter.
 */
export function partitioned(
  layout: Layout,
  optimiser: Optimiser,
  others: ByPath<Optimiser>,
  tables: readonly Parameter[] = [],
): Parts {
  const names = Object.keys(others);
  const nameOf = (path: string) => longest(names, path);
  const pieces = cutBy(layout, nameOf);
  const sized = ([name, optimiser]: readonly [string | undefined, Optimiser]): Part => {
    const own = pieces.map((piece) => [piece.start, sizeIn(piece, name)]);
    const sizes = (list: number[][]) => list.reduce((sum, [, size]) => sum + size, 0);
    return { name, optimiser, size: sizes(own), matrices: sizes(own.filter(([start]) => start < layout.matrices)) };
  };
  const all = [[undefined, optimiser] as const, ...Object.entries(others)].map(sized);
  const none = all.find(({ name, size }) => name !== undefined && size === 0);
  if (none !== undefined) throw strange(none.name!, layout.extents, tables);
  const slotNames = [...new Set(all.flatMap(({ optimiser }) => Object.keys(optimiser.slots)))];
  const some = all.filter(({ size }) => size > 0);
  return {
    all: some.length === 0 ? all.slice(0, 1) : some,
    taken: (whole, part) => part.size === layout.size ? whole : takenFrom(whole, pieces, part.name),
    joined: (of) => some.length <= 1 ? of.values().next().value! : joinedFrom(of, pieces),
    slotNames,
    slots: () => {
      const firsts = new Map(all.map(({ name, optimiser }) => [name, optimiser.slots]));
      return slotsOf(layout, slotNames, (path) => firsts.get(nameOf(path))!);
    },
  };
}

/**
 * Makes sure that parts have optimisers, without a limit of their own.
 *
 * @throws {TypeError} if they do not.
 */
export function checkParts(action: string, parts: unknown): asserts parts is ByPath<Optimiser> {
  checkRecord(action, "parts", parts);
  for (const [name, optimiser] of Object.entries(parts as ByPath<Optimiser>)) {
    const own = `${action}: part ${quoted(name)}`;
    checkOptimiser(own, optimiser);
    if (optimiser.clipNorm === undefined) continue;
    const why = "clipNorm is an option of the one norm of all: give it to optimiser";
    throw new TypeError(`Cannot ${own}: found a clipNorm of its own: ${why}`);
  }
}

/** Returns the longest of some names that a path begins with, up to a slash or its end; undefined if there is none. */
function longest(names: readonly string[], path: string): string | undefined {
  const found = names.filter((name) => `${path}/`.startsWith(name.endsWith("/") ? name : `${name}/`));
  return found.sort((a, b) => b.length - a.length)[0];
}

/** Returns the number of a part's elements in a piece. */
function sizeIn({ shape, axis, runs }: CutPiece<string | undefined>, name: string | undefined): number {
  const own = runs.filter(({ label }) => label === name).reduce((sum, { size }) => sum + size, 0);
  return sizeOf(shape) / shape[axis] * own;
}

/** Returns the error of a part without parameters. */
function strange(name: string, parameters: readonly Parameter[], tables: readonly Parameter[]): TypeError {
  const has = (list: readonly Parameter[]) => list.some(({ path }) => longest([name], path) !== undefined);
  const wrong = (what: string) => new TypeError(`Cannot train: parts: ${what}`);
  if (has(parameters)) return wrong(`all parameters of ${quoted(name)} are in parts with longer names`);
  if (has(tables)) return wrong(`${quoted(name)} is of vectors that are looked up: wanted it in the option vectors`);
  const known = parameters.flatMap(({ path }) => beginningsOf(path));
  return wrong(`no parameter's path begins with ${quoted(name)}${advice(name, [...new Set(known)])}`);
}

/** Returns the beginnings of a path: `a`, `a/b`, `a/b/c` of `a/b/c`. */
function beginningsOf(path: string): string[] {
  const words = path.split("/");
  return words.map((_, at) => words.slice(0, at + 1).join("/"));
}

/** Pieces that lie together and are of one part, or one piece of several. */
type Chunk =
  | { readonly start: number; size: number; readonly label: string | undefined }
  | CutPiece<string | undefined>;

/** Returns pieces as chunks, so that few slices take a part. */
function chunksOf(pieces: readonly CutPiece<string | undefined>[]): Chunk[] {
  const chunks: Chunk[] = [];
  for (const piece of pieces) {
    const last = chunks.at(-1);
    if (piece.runs.length > 1) chunks.push(piece);
    else if (last !== undefined && "size" in last && last.label === piece.runs[0].label) {
      last.size += sizeOf(piece.shape);
    } else chunks.push({ start: piece.start, size: sizeOf(piece.shape), label: piece.runs[0].label });
  }
  return chunks;
}

function takenFrom(whole: Value, pieces: readonly CutPiece<string | undefined>[], name: string | undefined): Value {
  const taken = chunksOf(pieces).flatMap((chunk): Value[] => {
    if ("size" in chunk) return chunk.label === name ? [slice(whole, chunk.start, chunk.size)] : [];
    const { start, shape, axis, runs } = chunk;
    const piece = reshape(slice(whole, start, sizeOf(shape)), shape);
    return runs.filter(({ label }) => label === name).map((run) => {
      const cut = slice(piece, run.start, run.size, axis);
      return reshape(cut, [sizeOf(cut.shape)]);
    });
  });
  return concat(taken, 0);
}

function joinedFrom(of: ReadonlyMap<Part, Value>, pieces: readonly CutPiece<string | undefined>[]): Value {
  const values = new Map([...of].map(([{ name }, value]) => [name, { value, end: 0 }]));
  const next = (name: string | undefined, size: number): Value => {
    const own = values.get(name)!;
    own.end += size;
    return slice(own.value, own.end - size, size);
  };
  return concat(
    chunksOf(pieces).map((chunk) => {
      if ("size" in chunk) return next(chunk.label, chunk.size);
      const { shape, axis, runs } = chunk;
      const cut = runs.map(({ label, size }) => {
        const own = shape.map((length, at) => at === axis ? size : length);
        return reshape(next(label, sizeOf(own)), own);
      });
      return reshape(concat(cut, axis), [sizeOf(shape)]);
    }),
    0,
  );
}

/** Returns slots as they begin. */
function slotsOf(
  { extents, size }: Layout,
  names: readonly string[],
  firstsOf: (path: string) => Optimiser["slots"],
): Readonly<Record<string, Tensor>> {
  return Object.fromEntries(names.map((name) => {
    const data = new Float32Array(size);
    for (const extent of extents) {
      const first = firstsOf(extent.path)[name] ?? 0;
      for (const { start, end } of runs(extent)) data.fill(first, start, end);
    }
    return [name, { shape: [size], data }];
  }));
}

/**
 * Returns the optimisers of tables that have one of their own, by path: that with the longest name that the path begins
 * with, or that of the feature whose vectors they are.
 *
 * @param others Those that are given, by a feature or by the beginning of paths.
 * @param parameters The parameters that are no tables, for errors.
 * @throws {TypeError} if a name is of no table.
 */
export function tableOptimisers(
  tables: readonly Parameter[],
  others: ByPath<VectorOptimiser>,
  parameters: readonly Parameter[],
): ReadonlyMap<string, VectorOptimiser> {
  const names = Object.keys(others);
  const own = tables.flatMap(({ path, feature }): [string, string][] => {
    const name = longest(names, path) ?? names.find((name) => name === feature);
    return name === undefined ? [] : [[path, name]];
  });
  const used = new Set(own.map(([, name]) => name));
  const none = names.find((name) => !used.has(name));
  if (none === undefined) return new Map(own.map(([path, name]) => [path, others[name]]));
  const wrong = (what: string) => new TypeError(`Cannot train: vectors: ${what}`);
  const isKnown = tables.some(({ path, feature }) => feature === none || longest([none], path) !== undefined);
  if (isKnown) throw wrong(`all tables of ${quoted(none)} are under longer names`);
  if (parameters.some(({ path }) => longest([none], path) !== undefined)) {
    throw wrong(`${quoted(none)} has parameters that are no vectors looked up: wanted it in the option parts`);
  }
  const known = tables.flatMap(({ path, feature }) => [...feature === undefined ? [] : [feature], path]);
  throw wrong(`no table of vectors is named ${quoted(none)}${advice(none, [...new Set(known)])}`);
}
