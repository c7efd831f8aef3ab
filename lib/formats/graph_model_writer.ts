import type { Shape } from "../ops/shape.ts";
import type { Json } from "../ops/value.ts";

/** A TensorFlow data type. */
export type DataType = "DT_FLOAT" | "DT_INT32" | "DT_BOOL";

/** Writes the nodes of a TensorFlow graph. What makes a node returns the node's name. */
export interface Writer {
  /** A node of a TensorFlow op. */
  node(op: string, inputs: readonly string[], attrs?: Readonly<Record<string, Json>>): string;
  /** An input. */
  placeholder(name: string, shape: Shape, dtype: DataType): string;
  /** A result, in a node that bears its name if that is free. */
  output(name: string, of: string, dtype: DataType): string;
  /** Numbers that are stored with the model. */
  weight(name: string, numbers: Float32Array | Int32Array, shape: readonly number[]): string;
  /** A constant of real numbers. */
  floats(numbers: readonly number[], shape: readonly number[]): string;
  /** A constant of whole numbers, `[length]` by default. */
  ints(numbers: readonly number[], shape?: readonly number[]): string;
  /** The lengths of a shape, the rows of the batch counted when the graph runs. */
  lengths(shape: Shape): string;
  /** What was written: the nodes, what each weight is, and the weights. */
  finished(): { readonly nodes: Json[]; readonly manifest: Json[]; readonly weights: Uint8Array<ArrayBuffer> };
}

/** A writer that has written nothing yet. */
export function writerOf(): Writer {
  const nodes: Json[] = [];
  const manifest: Json[] = [];
  const chunks: Uint8Array[] = [];
  const taken = new Set<string>();
  const known = new Map<string, string>();
  let rows: { readonly input: string; readonly axis: number; readonly dtype: DataType } | undefined;

  const add = (wanted: string, op: string, input: readonly string[], attr: Readonly<Record<string, Json>>): string => {
    const name = unused(wanted, taken);
    taken.add(name);
    nodes.push({ name, op, input, attr });
    return name;
  };
  const node: Writer["node"] = (op, inputs, attrs = {}) => add(op, op, inputs, attrs);
  const weight: Writer["weight"] = (wanted, numbers, shape) => {
    const whole = numbers instanceof Int32Array;
    const dtype: DataType = whole ? "DT_INT32" : "DT_FLOAT";
    const name = add(wanted, "Const", [], {
      dtype: type(dtype),
      value: { tensor: { dtype, tensorShape: dimsOf(shape) } },
    });
    manifest.push({ name, shape, dtype: whole ? "int32" : "float32" });
    chunks.push(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength));
    return name;
  };
  const once = (key: string, write: () => string): string => {
    const name = known.get(key) ?? write();
    known.set(key, name);
    return name;
  };
  const ints: Writer["ints"] = (numbers, shape = [numbers.length]) =>
    once(`int [${shape}] ${numbers}`, () => weight("Const", Int32Array.from(numbers), shape));
  const batch = (): string =>
    once("batch", () => {
      if (rows === undefined) throw new TypeError("Cannot write GraphModel: no input tells the number of rows");
      const shape = node("Shape", [rows.input], { T: type(rows.dtype), out_type: type("DT_INT32") });
      const place = { T: type("DT_INT32"), Index: type("DT_INT32") };
      return node("Slice", [shape, ints([rows.axis]), ints([1])], place);
    });

  return {
    node,
    weight,
    ints,
    placeholder: (wanted, shape, dtype) => {
      const name = add(wanted, "Placeholder", [], { dtype: type(dtype), shape: { shape: dimsOf(shape) } });
      if (shape.includes("batch")) rows ??= { input: name, axis: shape.indexOf("batch"), dtype };
      return name;
    },
    output: (name, of, dtype) => add(name, "Identity", [of], { T: type(dtype) }),
    floats: (numbers, shape) =>
      once(`float [${shape}] ${numbers}`, () => weight("Const", Float32Array.from(numbers), shape)),
    lengths: (shape) => {
      const parts = shape.map((dim) => dim === "batch" ? batch() : ints([dim]));
      if (parts.length === 1) return parts[0];
      const attrs = { T: type("DT_INT32"), Tidx: type("DT_INT32"), N: { i: `${parts.length}` } };
      return node("ConcatV2", [...parts, ints([0], [])], attrs);
    },
    finished: () => ({ nodes, manifest, weights: joined(chunks) }),
  };
}

/** A data type as an attribute. */
export function type(name: DataType): Json {
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

function joined(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(chunks.reduce((total, { length }) => total + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
