import type { Tensor } from "../ops/tensor.ts";
import { partsOf, type Pieces, type RealType } from "./pieces.ts";
import type { Shape } from "../ops/shape.ts";
import type { Json } from "../ops/value.ts";

/** A TensorFlow data type. */
export type DataType = "DT_FLOAT" | "DT_INT32" | "DT_BOOL";

/** Writes the nodes of a TensorFlow graph. What makes a node returns the node's name. */
export interface Writer {
  /** A node of a TensorFlow op, equal ones once. */
  node(op: string, inputs: readonly string[], attrs?: Readonly<Record<string, Json>>): string;
  /** An input. */
  placeholder(name: string, shape: Shape, dtype: DataType): string;
  /** A result, in a node that bears its name if that is free. */
  output(name: string, of: string, dtype: DataType): string;
  /** Numbers that are stored with the model: real ones as a type, by default float32. */
  weight(name: string, tensor: Tensor, type?: RealType): string;
  /** A constant of real numbers. */
  floats(numbers: readonly number[], shape: readonly number[]): string;
  /** A constant of whole numbers, `[length]` by default. */
  ints(numbers: readonly number[], shape?: readonly number[]): string;
  /** The lengths of a shape, the rows of the batch counted when the graph runs. */
  lengths(shape: Shape): string;
  /** The number of its row for each place of a batch, so many places a row, one after the other. */
  rows(each: number): string;
  /** The nodes, the type and shape of each weight, and the bytes of each. */
  finished(): { readonly nodes: Json[]; readonly manifest: Json[]; readonly weights: readonly Pieces[] };
}

/** A writer that has written nothing yet. */
export function writerOf(): Writer {
  const nodes: Json[] = [];
  const manifest: Json[] = [];
  const weights: Pieces[] = [];
  const taken = new Set<string>();
  const add: Add = (wanted, op, input, attr) => {
    const name = unused(wanted, taken);
    taken.add(name);
    nodes.push({ name, op, input, attr });
    return name;
  };
  const known = new Map<string, string>();
  const node: Writer["node"] = (op, inputs, attrs = {}) => {
    const key = JSON.stringify([op, inputs, attrs]);
    const name = known.get(key) ?? add(op, op, inputs, attrs);
    known.set(key, name);
    return name;
  };
  const weight: Writer["weight"] = (wanted, tensor, type = "float32") => {
    const { shape, data } = tensor;
    const whole = data instanceof Int32Array;
    const dtype: DataType = whole ? "DT_INT32" : "DT_FLOAT";
    const value = { tensor: { dtype, tensorShape: dimsOf(shape) } };
    const name = add(wanted, "Const", [], { dtype: typeOf(dtype), value });
    const quantization = { dtype: "float16", original_dtype: "float32" };
    manifest.push({ name, shape, dtype: whole ? "int32" : "float32", ...type === "float16" && { quantization } });
    weights.push(...partsOf(data, type));
    return name;
  };
  const { floats, ints } = constantsBy(weight);
  const { lengths, rows, countIn } = lengthsBy(node, ints);
  return {
    node,
    weight,
    floats,
    ints,
    lengths,
    rows,
    placeholder: (wanted, shape, dtype) => {
      const name = add(wanted, "Placeholder", [], { dtype: typeOf(dtype), shape: { shape: dimsOf(shape) } });
      countIn(name, shape, dtype);
      return name;
    },
    output: (name, of, dtype) => add(name, "Identity", [of], { T: typeOf(dtype) }),
    finished: () => ({ nodes, manifest, weights }),
  };
}

/** Adds a node, and returns its name: the wanted one where that is allowed and free. */
type Add = (wanted: string, op: string, input: readonly string[], attr: Readonly<Record<string, Json>>) => string;

/** Constants, equal ones once. */
function constantsBy(weight: Writer["weight"]): Pick<Writer, "floats" | "ints"> {
  const known = new Map<string, string>();
  const constant = (numbers: Float32Array | Int32Array, shape: readonly number[]): string => {
    const key = `${numbers.constructor.name} [${shape}] ${numbers}`;
    const name = known.get(key) ?? weight("Const", { shape, data: numbers });
    known.set(key, name);
    return name;
  };
  return {
    floats: (numbers, shape) => constant(Float32Array.from(numbers), shape),
    ints: (numbers, shape = [numbers.length]) => constant(Int32Array.from(numbers), shape),
  };
}

/** Lengths of shapes, where the rows of the batch are counted once, in the first input that has them. */
function lengthsBy(
  node: Writer["node"],
  ints: Writer["ints"],
): Pick<Writer, "lengths" | "rows"> & { readonly countIn: (input: string, shape: Shape, dtype: DataType) => void } {
  const int = typeOf("DT_INT32");
  let rows: { readonly input: string; readonly axis: number; readonly dtype: DataType } | undefined;
  const batch = (): string => {
    if (rows === undefined) throw new TypeError("Cannot write GraphModel: no input has the number of rows");
    const shape = node("Shape", [rows.input], { T: typeOf(rows.dtype), out_type: int });
    return node("Slice", [shape, ints([rows.axis]), ints([1])], { T: int, Index: int });
  };
  /** Numbers, each so often: the sums of a column of them and a row of zeros. */
  const repeated = (numbers: string, each: number): string => {
    const column = node("ExpandDims", [numbers, ints([1], [])], { T: int, Tdim: int });
    const all = node("AddV2", [column, ints(Array(each).fill(0))], { T: int }); // [batch, each]
    return node("Reshape", [all, ints([-1])], { T: int, Tshape: int });
  };
  return {
    rows: (each) => {
      const count = node("Squeeze", [batch()], { T: int, squeeze_dims: { list: { i: ["0"] } } });
      const numbers = node("Range", [ints([0], []), count, ints([1], [])], { Tidx: int });
      return each === 1 ? numbers : repeated(numbers, each);
    },
    countIn: (input, shape, dtype) => {
      if (shape.includes("batch")) rows ??= { input, axis: shape.indexOf("batch"), dtype };
    },
    lengths: (shape) => {
      const parts = shape.map((dim) => dim === "batch" ? batch() : ints([dim]));
      if (parts.length === 1) return parts[0];
      return node("ConcatV2", [...parts, ints([0], [])], { T: int, Tidx: int, N: { i: `${parts.length}` } });
    },
  };
}

/** A data type as an attribute. */
export function typeOf(name: DataType): Json {
  return { type: name };
}

/** A shape as TensorFlow writes it, -1 for the rows of the batch. */
export function dimsOf(shape: Shape): Json {
  return { dim: shape.map((dim) => ({ size: dim === "batch" ? "-1" : `${dim}` })) };
}

/** A name that TensorFlow allows and no other node has. */
function unused(wanted: string, taken: ReadonlySet<string>): string {
  const allowed = wanted.replace(/[^A-Za-z0-9_.\/-]/g, "_").replace(/^[^A-Za-z0-9.]+/, "") || "node";
  let name = allowed;
  for (let i = 1; taken.has(name); i++) name = `${allowed}_${i}`;
  return name;
}
