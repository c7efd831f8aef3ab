import { type Shape, withBatch } from "../ops/shape.ts";
import { type Field, joined, lengthOf, type Message, message, type Real } from "./onnx_protobuf.ts";

/** What the elements of a tensor are, as ONNX numbers them. */
const dtypes = { float: 1, int32: 6, int64: 7 } as const;

/** What the elements of a tensor are. */
export type Dtype = keyof typeof dtypes;

/** The settings of a node: whole numbers, lists of them, real numbers, or words. */
export type Settings = Readonly<Record<string, number | readonly number[] | Real | string>>;

/** Writes an ONNX model. What makes a value returns the value's name. */
export interface Writer {
  /** Takes a name for a value: the wanted one or, where that is taken, one with a number after it. */
  name(wanted: string): string;
  /** Something that the model is fed. */
  input(name: string, shape: Shape, dtype: Dtype): void;
  /** Something that the model returns: a value under another name. */
  output(name: string, of: string, shape: Shape, dtype: Dtype): void;
  /** Numbers that are stored with the model. */
  weight(name: string, numbers: Float32Array, shape: readonly number[]): void;
  /** A node of an ONNX op, and its result; of several results the one at a place, from 0. */
  node(op: string, inputs: readonly string[], settings?: Settings, place?: number): string;
  /** A node of an ONNX op that has so many results, all of them. */
  nodes(op: string, inputs: readonly string[], settings: Settings, count: number): readonly string[];
  /** A truth value as a number, 1 or 0. */
  number(truth: string): string;
  /** The truth value that a number was made of, else whether the number is not 0. */
  truth(number: string): string;
  /** A constant of real numbers. */
  floats(numbers: readonly number[], shape: readonly number[]): string;
  /** A constant of codes, `[length]` or one of them. */
  codes(numbers: readonly number[] | number): string;
  /** A constant of lengths, places or axes. */
  places(numbers: readonly number[]): string;
  /** The lengths of a shape, the rows of the batch counted when the model runs. */
  lengths(shape: Shape): string;
  /**
   * The file.
   *
   * @throws {RangeError} if it would be larger than ONNX allows a file to be.
   */
  finished(): Uint8Array<ArrayBuffer>;
}

/** The least version of the set of ops that has all ops, and its version of the file format; another where rows are added. */
const versions = { common: { opset: 13, format: 7 }, scattered: { opset: 16, format: 8 } };

/** The largest protobuf file that is read. */
const mostBytes = 2 ** 31 - 1;

interface Node {
  readonly op: string;
  readonly inputs: readonly string[];
  /** The results that come before the last one. */
  readonly before: readonly string[];
  readonly result: string;
  readonly settings: Settings;
}

/** A writer that has written nothing yet. */
export function writerOf(): Writer {
  const nodes: Node[] = [];
  const weights: Message[] = [];
  const ends: Record<"inputs" | "outputs", Message[]> = { inputs: [], outputs: [] };
  const taken = new Set<string>();
  const known = new Map<string, string>();
  const truths = new Map<string, string>();
  const renamed = new Map<string, string>();
  let rows: { readonly input: string; readonly axis: number } | undefined;
  let version = versions.common;

  const name: Writer["name"] = (wanted) => {
    let free = wanted;
    for (let i = 1; taken.has(free); i++) free = `${wanted}_${i}`;
    taken.add(free);
    return free;
  };
  const node: Writer["node"] = (op, inputs, settings = {}, place = 0) => {
    const unused = Array.from({ length: place }, () => name(`${op}_unused`));
    const result = name(op);
    nodes.push({ op, inputs, before: unused, result, settings });
    if (op === "ScatterND") version = versions.scattered;
    return result;
  };
  const several: Writer["nodes"] = (op, inputs, settings, count) => {
    const results = Array.from({ length: count }, () => name(op));
    nodes.push({ op, inputs, before: results.slice(0, -1), result: results[count - 1], settings });
    return results;
  };
  const once = (key: string, write: () => string): string => {
    const found = known.get(key) ?? write();
    known.set(key, found);
    return found;
  };
  const constant = (numbers: Float32Array | Int32Array | BigInt64Array, shape: readonly number[], dtype: Dtype) =>
    once(`${dtype} [${shape}] ${numbers}`, () => {
      const result = name("constant");
      weights.push(tensorMessage(result, numbers, shape, dtype));
      return result;
    });
  const places: Writer["places"] = (numbers) =>
    constant(BigInt64Array.from(numbers, BigInt), [numbers.length], "int64");
  const batch = (): string =>
    once("batch", () => {
      if (rows === undefined) throw new TypeError("Cannot write ONNX model: no input tells the number of rows");
      return node("Gather", [node("Shape", [rows.input]), places([rows.axis])]);
    });

  return {
    name,
    node,
    nodes: several,
    places,
    input: (name, shape, dtype) => {
      ends.inputs.push(valueMessage(name, shape, dtype));
      if (shape.includes("batch")) rows ??= { input: name, axis: shape.indexOf("batch") };
    },
    output: (name, of, shape, dtype) => {
      ends.outputs.push(valueMessage(name, shape, dtype));
      // A value takes the name itself: a node in between may cost a copy.
      if (!renamed.has(of) && nodes.some(({ result }) => result === of)) renamed.set(of, name);
      else nodes.push({ op: "Identity", inputs: [of], before: [], result: name, settings: {} });
    },
    weight: (name, numbers, shape) => {
      weights.push(tensorMessage(name, numbers, shape, "float"));
    },
    number: (truth) => {
      const result = node("Cast", [truth], { to: dtypes.float });
      truths.set(result, truth);
      return result;
    },
    truth: (number) => {
      const zero = () => constant(Float32Array.of(0), [], "float");
      return truths.get(number) ?? node("Not", [node("Equal", [number, zero()])]);
    },
    floats: (numbers, shape) => constant(Float32Array.from(numbers), shape, "float"),
    codes: (numbers) => {
      const single = typeof numbers === "number";
      return constant(Int32Array.from(single ? [numbers] : numbers), single ? [] : [numbers.length], "int32");
    },
    lengths: (shape) => {
      if (!shape.includes("batch")) return places(withBatch(shape, 0));
      const parts = shape.map((dim) => dim === "batch" ? batch() : places([dim]));
      return parts.length === 1 ? parts[0] : node("Concat", parts, { axis: 0 });
    },
    finished: () => {
      const graph = message([
        ...nodes.map((node): Field => [1, nodeMessage(node, (name) => renamed.get(name) ?? name)]),
        [2, "gatehouse"],
        ...weights.map((weight): Field => [5, weight]),
        ...ends.inputs.map((input): Field => [11, input]),
        ...ends.outputs.map((output): Field => [12, output]),
      ]);
      const model = message([[1, version.format], [2, "Gatehouse"], [7, graph], [8, message([[2, version.opset]])]]);
      const bytes = lengthOf(model);
      if (bytes > mostBytes) {
        throw new RangeError(`Cannot write ONNX model: it has ${bytes} bytes, wanted at most ${mostBytes}`);
      }
      return joined(model);
    },
  };
}

// The messages of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, their fields by number.

function nodeMessage({ op, inputs, before, result, settings }: Node, renamed: (name: string) => string): Message {
  const attributes = Object.entries(settings).map(([name, value]): Field => [5, attributeMessage(name, value)]);
  const name = renamed(result);
  const ends = [...inputs.map((input): Field => [1, renamed(input)]), ...before.map((other): Field => [2, other])];
  return message([...ends, [2, name], [3, name], [4, op], ...attributes]);
}

function attributeMessage(name: string, value: Settings[string]): Message {
  if (typeof value === "number") return message([[1, name], [3, value], [20, 2]]);
  if (typeof value === "string") return message([[1, name], [4, value], [20, 3]]);
  if ("real" in value) return message([[1, name], [2, value], [20, 1]]);
  return message([[1, name], ...value.map((number): Field => [8, number]), [20, 7]]);
}

function tensorMessage(
  name: string,
  { buffer, byteOffset, byteLength }: Float32Array | Int32Array | BigInt64Array,
  shape: readonly number[],
  dtype: Dtype,
): Message {
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  return message([...shape.map((length): Field => [1, length]), [2, dtypes[dtype]], [8, name], [9, bytes]]);
}

function valueMessage(name: string, shape: Shape, dtype: Dtype): Message {
  const dims = shape.map((dim): Field => [1, message([dim === "batch" ? [2, "batch"] : [1, dim]])]);
  const tensor = message([[1, dtypes[dtype]], [2, message(dims)]]);
  return message([[1, name], [2, message([[1, tensor]])]]);
}
