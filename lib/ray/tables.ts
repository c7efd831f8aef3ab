import type { Pieces } from "../formats/pieces.ts";
import { safetensorsOf } from "../formats/safetensors.ts";
import type { Parameter } from "../graph/layout.ts";
import type { InputSpec } from "../features/input.ts";
import type { Content } from "../files/staged.ts";
import { drawingOf } from "../model/initialise.ts";
import type { Tables } from "../model/tables.ts";
import type { VectorOptimiser } from "../optimisers/optimiser.ts";
import type { FirstVectors, JobTable } from "./form.ts";
import { type JobFile, vectorFile } from "./graphs.ts";
import { followers, vectorScalar } from "./scalars.ts";

/** The tables of a job, and the files that they need. */
export interface JobTables {
  readonly tables: readonly JobTable[];
  readonly files: Readonly<Record<string, Content>>;
}

/**
 * Returns the tables of a job. Those whose vectors are of one size and follow one optimiser name one graph: a program may
 * update them together.
 *
 * @param own The optimisers of trained tables, by path, in their order.
 * @param firstOf Returns the vectors with which a table begins.
 */
export function jobTables(
  tables: readonly Parameter[],
  own: ReadonlyMap<string, VectorOptimiser>,
  firstOf: (table: Parameter, file: string) => First,
): JobTables {
  const order = followers(own);
  const files: Record<string, Content> = {};
  const all = tables.map((table, at): JobTable => {
    const { path, shape: [rows, units] } = table;
    const { first, content } = firstOf(table, `table-${at}.safetensors`);
    if (content !== undefined) files[`table-${at}.safetensors`] = content;
    const optimiser = own.get(path);
    const common = { path, rows, units, first };
    if (optimiser === undefined) return { ...common, state: 0, initial: 0, update: null, rate: null };
    const place = order.indexOf(optimiser);
    const named = (name: string) => vectorScalar(place, name);
    const update: JobFile = vectorFile(`vectors-${place}-${units}.onnx`, units, optimiser, named);
    files[update.described.path] = update.bytes;
    const { state, initial } = optimiser.vectors;
    return { ...common, state: state(units), initial, update: update.described, rate: named("rate") };
  });
  return { tables: all, files };
}

/** The first vectors of a table, and the file that they are in, if they are. */
export interface First {
  readonly first: FirstVectors;
  readonly content?: Content;
}

/** Returns the first vectors of a table as it is in memory. */
export function heldVectors(tables: Tables): (table: Parameter, file: string) => First {
  return ({ path, shape }, file) => {
    const { vectors } = tables.get(path)!;
    return inFile(file, "vectors", shape, vectors);
  };
}

/**
 * Returns the first vectors of a table by the rule by which they are drawn, which takes no memory of theirs: each shard
 * draws its own.
 */
export function drawnVectors(seed: number, input: InputSpec): (table: Parameter, file: string) => First {
  return (table, file) => {
    const { shape, init, zeros = [] } = table;
    const [rows] = shape;
    if (init.kind === "constant") return { first: { constant: init.value } };
    if (init.kind === "values") return inFile(file, "vectors", shape, Float32Array.from(init.values));
    const { distribution, key, keyOf } = drawingOf(table, seed, input)!;
    if (keyOf === undefined) return { first: { drawn: { ...distribution, key }, zeros } };
    const keys = new Int32Array(2 * rows);
    for (let row = 0; row < rows; row++) keys.set(keyOf(row), 2 * row);
    const { first, content } = inFile(file, "keys", [rows, 2], keys);
    return { first: { drawn: { ...distribution, keys: first }, zeros }, content };
  };
}

/** Returns a tensor in a file of its own. */
function inFile(file: string, tensor: string, shape: readonly number[], data: Float32Array | Int32Array) {
  const dtype = data instanceof Int32Array ? "I32" : "F32";
  const { pieces }: Pieces = safetensorsOf([{ name: tensor, shape, dtype, chunks: () => [data] }], {});
  return { first: { file, tensor }, content: pieces };
}
