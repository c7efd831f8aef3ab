import { type Shape, withBatch } from "../ops/shape.ts";
import {
  type Dtype,
  dtypes,
  fileOf,
  type OnnxNode,
  type Place,
  type Settings,
  tensorMessage,
  valueMessage,
} from "./onnx_messages.ts";
import type { Tensor } from "../ops/tensor.ts";
import { bytesOf, type RealType } from "./pieces.ts";
import type { Message } from "./protobuf.ts";

/** Writes an ONNX model. What makes a value returns the value's name. */
export interface Writer {
  /** Takes a name for a value: the wanted one or, where that is taken, one with a number after it. */
  name(wanted: string): string;
  /** Something that the model is fed. */
  input(name: string, shape: Shape, dtype: Dtype): void;
  /** Something that the model returns: a value under another name. */
  output(name: string, of: string, shape: Shape, dtype: Dtype): void;
  /** Real numbers that are stored with the model as a type, in its file or at a place in another. Their value's name. */
  weight(name: string, tensor: Tensor, type: RealType, place?: Place): string;
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

/**
 * A writer that has written nothing yet.
 *
 * @param metadata Texts by key that are stored with the model.
 */
export function writerOf(metadata: Readonly<Record<string, string>> = {}): Writer {
  const name = namer();
  const written: OnnxNode[] = [];
  const { node, nodes } = nodesIn(written, name);
  const weights: Message[] = [];
  const { floats, codes, places } = constantsIn(weights, name);
  const { lengths, countIn } = lengthsBy(node, places);
  const [inputs, outputs]: Message[][] = [[], []];
  const renamed = new Map<string, string>();
  return {
    name,
    node,
    nodes,
    floats,
    codes,
    places,
    lengths,
    ...truthsBy(node, floats),
    input: (name, shape, dtype) => {
      inputs.push(valueMessage(name, shape, dtype));
      countIn(name, shape);
    },
    output: (name, of, shape, dtype) => {
      outputs.push(valueMessage(name, shape, dtype));
      // A value takes the name itself: a node in between may cost a copy.
      if (!renamed.has(of) && written.some(({ results }) => results[results.length - 1] === of)) renamed.set(of, name);
      else written.push({ op: "Identity", inputs: [of], results: [name], settings: {} });
    },
    weight: (name, { shape, data }, type, place) => {
      const content = place ?? [...bytesOf(data, type)];
      weights.push(tensorMessage(name, content, shape, type === "float16" ? "float16" : "float"));
      return type === "float16" ? node("Cast", [name], { to: dtypes.float }) : name;
    },
    finished: () => fileOf({ nodes: written, weights, inputs, outputs, renamed, metadata }),
  };
}

/** Gives every name once, with a number after it from the second time on. */
function namer(): Writer["name"] {
  const taken = new Set<string>();
  return (wanted) => {
    let free = wanted;
    for (let i = 1; taken.has(free); i++) free = `${wanted}_${i}`;
    taken.add(free);
    return free;
  };
}

function nodesIn(written: OnnxNode[], name: Writer["name"]): Pick<Writer, "node" | "nodes"> {
  return {
    node: (op, inputs, settings = {}, place = 0) => {
      const unused = Array.from({ length: place }, () => name(`${op}_unused`));
      const result = name(op);
      written.push({ op, inputs, results: [...unused, result], settings });
      return result;
    },
    nodes: (op, inputs, settings, count) => {
      const results = Array.from({ length: count }, () => name(op));
      written.push({ op, inputs, results, settings });
      return results;
    },
  };
}

/** Constants, equal ones once. */
function constantsIn(weights: Message[], name: Writer["name"]): Pick<Writer, "floats" | "codes" | "places"> {
  const known = new Map<string, string>();
  const constant = (numbers: Float32Array | Int32Array | BigInt64Array, shape: readonly number[], dtype: Dtype) => {
    const key = `${dtype} [${shape}] ${numbers}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    const own = name("constant");
    const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
    weights.push(tensorMessage(own, [bytes], shape, dtype));
    known.set(key, own);
    return own;
  };
  return {
    floats: (numbers, shape) => constant(Float32Array.from(numbers), shape, "float"),
    codes: (numbers) =>
      typeof numbers === "number"
        ? constant(Int32Array.of(numbers), [], "int32")
        : constant(Int32Array.from(numbers), [numbers.length], "int32"),
    places: (numbers) => constant(BigInt64Array.from(numbers, BigInt), [numbers.length], "int64"),
  };
}

/** Truth values as numbers and back, where a number that was made of one needs no comparison. */
function truthsBy(node: Writer["node"], floats: Writer["floats"]): Pick<Writer, "number" | "truth"> {
  const truths = new Map<string, string>();
  return {
    number: (truth) => {
      const result = node("Cast", [truth], { to: dtypes.float });
      truths.set(result, truth);
      return result;
    },
    truth: (number) => truths.get(number) ?? node("Not", [node("Equal", [number, floats([0], [])])]),
  };
}

/** Lengths of shapes, where the rows of the batch are counted once, in the first input that has them. */
function lengthsBy(
  node: Writer["node"],
  places: Writer["places"],
): Pick<Writer, "lengths"> & { readonly countIn: (input: string, shape: Shape) => void } {
  let rows: { readonly input: string; readonly axis: number } | undefined;
  let counted: string | undefined;
  const batch = (): string => {
    if (rows === undefined) throw new TypeError("Cannot write ONNX model: no input has the number of rows");
    return counted ??= node("Gather", [node("Shape", [rows.input]), places([rows.axis])]);
  };
  return {
    countIn: (input, shape) => {
      if (shape.includes("batch")) rows ??= { input, axis: shape.indexOf("batch") };
    },
    lengths: (shape) => {
      if (!shape.includes("batch")) return places(withBatch(shape, 0));
      const parts = shape.map((dim) => dim === "batch" ? batch() : places([dim]));
      return parts.length === 1 ? parts[0] : node("Concat", parts, { axis: 0 });
    },
  };
}
