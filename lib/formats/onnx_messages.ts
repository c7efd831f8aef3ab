import type { Shape } from "../ops/shape.ts";
import { type Field, joined, lengthOf, type Message, message, type Real } from "./protobuf.ts";

/** The types of elements, as ONNX numbers them. */
export const dtypes = { float: 1, int32: 6, int64: 7, float16: 10 } as const;

/** The type of the elements of a tensor. */
export type Dtype = keyof typeof dtypes;

/** The settings of a node: whole numbers, lists of them, real numbers, or words. */
export type Settings = Readonly<Record<string, number | readonly number[] | Real | string>>;

/** A node of an ONNX op. */
export interface OnnxNode {
  /** The name of the op. */
  readonly op: string;
  /** The names of what it is applied to. */
  readonly inputs: readonly string[];
  /** The names of its results, in order. */
  readonly results: readonly string[];
  /** Its settings. */
  readonly settings: Settings;
}

/** The parts of a file. */
export interface Contents {
  /** The nodes, each after those that it is applied to. */
  readonly nodes: readonly OnnxNode[];
  /** The numbers that are stored. */
  readonly weights: readonly Message[];
  /** The inputs of the model. */
  readonly inputs: readonly Message[];
  /** The outputs of the model. */
  readonly outputs: readonly Message[];
  /** The names that values take in the place of those in the nodes. */
  readonly renamed: ReadonlyMap<string, string>;
  /** Texts by key for whoever serves the model. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** The least version of the set of ops that has them all, and that of the file format; others where rows are added. */
const versions = { common: { opset: 13, format: 7 }, scattered: { opset: 16, format: 8 } };

/** The largest protobuf file that is read. */
const mostBytes = 2 ** 31 - 1;

/**
 * The bytes of a file.
 *
 * Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, which numbers the fields.
 *
 * @throws {RangeError} if the file would be larger than ONNX allows.
 */
export function fileOf({ nodes, weights, inputs, outputs, renamed, metadata }: Contents): Uint8Array<ArrayBuffer> {
  const version = nodes.some(({ op }) => op === "ScatterND") ? versions.scattered : versions.common;
  const graph = message([
    ...nodes.map((node): Field => [1, nodeMessage(node, (name) => renamed.get(name) ?? name)]),
    [2, "gatehouse"],
    ...weights.map((weight): Field => [5, weight]),
    ...inputs.map((input): Field => [11, input]),
    ...outputs.map((output): Field => [12, output]),
  ]);
  const model = message([
    [1, version.format],
    [2, "Gatehouse"],
    [7, graph],
    [8, message([[2, version.opset]])],
    ...Object.entries(metadata).map(([key, value]): Field => [14, message([[1, key], [2, value]])]),
  ]);
  const bytes = lengthOf(model);
  if (bytes > mostBytes) {
    throw new RangeError(`Cannot write ONNX model: it has ${bytes} bytes, wanted at most ${mostBytes}`);
  }
  return joined(model);
}

/** The place of a tensor's bytes in a file beside the model's. */
export interface Place {
  /** The name of that file. */
  readonly file: string;
  /** The first of the bytes. */
  readonly offset: number;
  /** The number of them. */
  readonly length: number;
}

/** A stored tensor: its bytes, or the place of them in a file beside the model's. */
export function tensorMessage(name: string, content: Message | Place, shape: readonly number[], dtype: Dtype): Message {
  const fields: Field[] = [...shape.map((length): Field => [1, length]), [2, dtypes[dtype]], [8, name]];
  if (!("file" in content)) return message([...fields, [9, content]]);
  const { file, offset, length } = content;
  const texts = Object.entries({ location: file, offset: `${offset}`, length: `${length}` });
  const entries = texts.map(([key, value]): Field => [13, message([[1, key], [2, value]])]);
  return message([...fields, ...entries, [14, 1]]);
}

/** The name, type and shape of what a model is fed or returns. */
export function valueMessage(name: string, shape: Shape, dtype: Dtype): Message {
  const dims = shape.map((dim): Field => [1, message([dim === "batch" ? [2, "batch"] : [1, dim]])]);
  const tensor = message([[1, dtypes[dtype]], [2, message(dims)]]);
  return message([[1, name], [2, message([[1, tensor]])]]);
}

/** A node, which bears the name of its last result. */
function nodeMessage({ op, inputs, results, settings }: OnnxNode, renamed: (name: string) => string): Message {
  const attributes = Object.entries(settings).map(([name, value]): Field => [5, attributeMessage(name, value)]);
  const own = results.map(renamed);
  return message([
    ...inputs.map((input): Field => [1, renamed(input)]),
    ...own.map((result): Field => [2, result]),
    [3, own[own.length - 1]],
    [4, op],
    ...attributes,
  ]);
}

function attributeMessage(name: string, value: Settings[string]): Message {
  if (typeof value === "number") return message([[1, name], [3, value], [20, 2]]);
  if (typeof value === "string") return message([[1, name], [4, value], [20, 3]]);
  if ("real" in value) return message([[1, name], [2, value], [20, 1]]);
  return message([[1, name], ...value.map((number): Field => [8, number]), [20, 7]]);
}
