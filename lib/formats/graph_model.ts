import { checkRecord } from "../errors/kinds.ts";
import { checkGraphForm } from "../graph/graph.ts";
import { quoted } from "../errors/quoted.ts";
import { writeFolder } from "../files/atomic.ts";
import type { Graph } from "../graph/graph.ts";
import type { Json } from "../ops/value.ts";
import type { Tensor } from "../ops/tensor.ts";
import { joined, lengthOf, type Pieces, real, type RealType, within } from "./pieces.ts";
import { checkStored, checkTensors } from "./check_stored.ts";
import { isTranslated, knownCodes, translations } from "./graph_model_ops.ts";
import { type DataType, dimsOf, type Writer, writerOf } from "./graph_model_writer.ts";
import { allNamed, applied, type CodeRange, isFed, reached } from "./translation.ts";

/** A TensorFlow.js GraphModel. */
export interface GraphModel {
  /** The contents of `model.json`. */
  readonly model: { readonly [key: string]: Json };
  /** All weights, one after the other; the files that `model.json` names are pieces of it, in order. */
  readonly weights: Uint8Array<ArrayBuffer>;
}

/**
 * A graph and its parameters as a TensorFlow.js GraphModel, made of standard TensorFlow ops alone: `tf.loadGraphModel`
 * runs it in any program with TensorFlow.js, without this package.
 *
 * Inputs (and noise) and outputs have their names in the graph: `predict` takes and returns records of tensors. Codes
 * are int32, all else float32.
 *
 * @param graph A graph without updates, whose phases are resolved.
 * @param parameters The graph's parameters by name; others are left out.
 * @param metadata Further contents of `model.json` for whoever serves the model, as `userDefinedMetadata`.
 * @param codes The codes of each column, by the name of their input: a code that is not below its column's size, or
 * negative, is read as the one of unknown words. By default it counts as no code.
 * @throws {TypeError} if a parameter is missing or misshapen, a phase is not resolved, or the graph updates something.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type Graph, graphModel } from "@gatehouse/gatehouse/graph";
 *
 * const graph: Graph = {
 *   nodes: [{ op: "constant", of: [], attrs: { shape: [2], data: [1, 2] }, shape: [2], type: "float" }],
 *   outputs: { ratio: 0 },
 *   updates: {},
 * };
 * const { model, weights } = graphModel(graph, {});
 * assertEquals(model.format, "graph-model");
 * assertEquals(new Float32Array(weights.buffer), new Float32Array([1, 2]));
 * ```
 */
export function graphModel(
  graph: Graph,
  parameters: Readonly<Record<string, Tensor>>,
  metadata: { readonly [key: string]: Json } = {},
  codes: Readonly<Record<string, readonly CodeRange[]>> = {},
): GraphModel {
  checkGraphForm("write GraphModel", graph);
  checkTensors("write GraphModel", parameters);
  checkRecord("write GraphModel", "metadata", metadata);
  const { model, weights } = piecewise(graph, parameters, { metadata, codes });
  const length = lengthOf(weights);
  return { model, weights: joined({ length, pieces: () => within(weights, 0, length) }) };
}

/** Returns a GraphModel as {@linkcode graphModel} does, whose weights come in pieces. */
function piecewise(
  graph: Graph,
  parameters: Readonly<Record<string, Tensor>>,
  { metadata = {}, codes = {}, type = "float32" }: GraphModelContent,
): { readonly model: GraphModel["model"]; readonly weights: readonly Pieces[] } {
  check(graph, parameters, type);
  const write = writerOf();
  const inputs = graph.nodes.flatMap(({ op, attrs, shape }, position) => {
    const name = attrs.name as string;
    return isFed(op) ? [[name, position, write.placeholder(name, shape, dtypeOf(graph, position))] as const] : [];
  });
  const fed = inputs.map(([name, position, node]): [position: number, fed: Fed] => {
    if (!Object.hasOwn(codes, name)) return [position, { node }];
    return [position, { node: knownCodes(write, node, codes[name]), codes: codes[name] }];
  });
  const names = written(graph, parameters, new Map(fed), write, type);
  const outputs = Object.entries(graph.outputs).map(([name, position]) =>
    [name, position, write.output(name, names[position], dtypeOf(graph, position))] as const
  );
  const signed = (ends: readonly (readonly [name: string, position: number, node: string])[]) =>
    Object.fromEntries(ends.map(([name, position, node]): [string, Json] => {
      const tensorShape = dimsOf(graph.nodes[position].shape);
      return [name, { name: `${node}:0`, dtype: dtypeOf(graph, position), tensorShape }];
    }));
  const { nodes, manifest, weights } = write.finished();
  const model = {
    format: "graph-model",
    generatedBy: "Gatehouse",
    convertedBy: "Gatehouse",
    signature: { inputs: signed(inputs), outputs: signed(outputs) },
    userDefinedMetadata: { ...metadata, structuredOutputKeys: outputs.map(([name]) => name) },
    modelTopology: { node: nodes, library: {}, versions: { producer: 1, minConsumer: 0 } },
    weightsManifest: [{ paths: Object.keys(shards(weights)), weights: manifest }],
  };
  return { model, weights };
}

/**
 * Saves a graph and its parameters as the folder of a TensorFlow.js GraphModel: `model.json` and its weights in files of
 * at most 4 MB. An older GraphModel there is replaced, anything else is left alone. At every moment `model.json` names
 * weights that belong to it: until all files are replaced, it names others, whose names no older GraphModel has.
 *
 * @param path The folder; the folders above it are made. Needs the permissions to read and write there.
 * @throws {TypeError} if the graph cannot be written; see {@linkcode graphModel}.
 * @throws {Deno.errors.AlreadyExists} if the folder holds anything but a GraphModel.
 *
 * @example
 * ```ts ignore
 * await writeGraphModel("./served", graph, await model.parameters());
 * const served = await tf.loadGraphModel("https://example.org/served/model.json");
 * ```
 */
export async function writeGraphModel(
  path: string,
  graph: Graph,
  parameters: Readonly<Record<string, Tensor>>,
  content: GraphModelContent = {},
): Promise<void> {
  const { input } = content;
  const { model, weights } = piecewise(graph, parameters, content);
  const further = input === undefined ? {} : { [input.name]: input.bytes };
  const files = { ...shards(weights), ...further };
  const end = `-${crypto.randomUUID().slice(0, 8)}.bin`;
  const rename = (name: string) => name.replace(/\.bin$/, end);
  const [group] = model.weightsManifest as { readonly weights: Json; readonly paths: string[] }[];
  const between = { ...model, weightsManifest: [{ ...group, paths: group.paths.map(rename) }] };
  const moved = Object.fromEntries(Object.entries(files).map(([name, piece]) => [rename(name), piece]));
  await writeFolder(path, { ...files, [modelFile]: `${JSON.stringify(model)}\n` }, {
    between: { ...moved, [modelFile]: `${JSON.stringify(between)}\n` },
    owns: isGraphModel,
    mark: { file: modelFile, text: '"Gatehouse"' },
    action: "save GraphModel",
    advice: "the model is unchanged: call again with another path",
  });
}

/** The contents of a GraphModel beside its graph and its parameters. */
export interface GraphModelContent {
  /** Further contents of `model.json`, as in {@linkcode graphModel}. Default: none. */
  readonly metadata?: { readonly [key: string]: Json };
  /** The codes of each column, as in {@linkcode graphModel}. Default: none. */
  readonly codes?: Readonly<Record<string, readonly CodeRange[]>>;
  /** The type of the parameters' numbers: `float16` is what TensorFlow.js calls a quantization. Default `float32`. */
  readonly type?: "float32" | "float16";
  /** A further file that the metadata name, named `input-DIGEST.json` for its contents. Default: there is none. */
  readonly input?: NamedFile;
}

/** A file and its name. */
export interface NamedFile {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const modelFile = "model.json";

function isGraphModel(names: readonly string[]): boolean {
  return names.includes(modelFile) &&
    names.every((name) =>
      name === modelFile || /^(group1-shard\d+of\d+(-[0-9a-f]{8})?\.bin|input-[0-9a-f]{16}\.json)$/.test(name)
    );
}

/** The weights as files. */
function shards(weights: readonly Pieces[]): Record<string, () => Iterable<Uint8Array>> {
  const most = 4 * 2 ** 20;
  const count = Math.ceil(lengthOf(weights) / most);
  return Object.fromEntries(Array.from({ length: count }, (_, i) => {
    return [`group1-shard${i + 1}of${count}.bin`, () => within(weights, i * most, (i + 1) * most)];
  }));
}

/** The node of an input, and the codes that it takes in each column if others were replaced. */
interface Fed {
  readonly node: string;
  readonly codes?: readonly CodeRange[];
}

/** Writes every node that is needed, and returns the names by position, given those of what is fed. */
function written(
  graph: Graph,
  parameters: Readonly<Record<string, Tensor>>,
  fed: ReadonlyMap<number, Fed>,
  write: Writer,
  type: RealType,
): string[] {
  const { nodes, outputs } = graph;
  const needed = reached(nodes, Object.values(outputs), (node) => applied(node, nodes).of);
  const names = nodes.map((_, position) => fed.get(position)?.node ?? "");
  nodes.forEach((node, position) => {
    const { op, attrs, shape } = node;
    if (!needed.has(position)) return;
    if (op === "parameter") {
      const name = attrs.name as string;
      names[position] = write.weight(name, real(parameters[name]), type);
    } else if (op === "constant") {
      names[position] = write.floats(attrs.data as number[], shape as number[]);
    } else if (isTranslated(op)) {
      const { of, columns, whole } = applied(node, nodes);
      const taken = fed.get(of[1])?.codes;
      const known = columns !== undefined && taken !== undefined && allNamed(columns, taken);
      const place = { attrs, shape, of: node.of.map((argument) => nodes[argument].shape), columns, whole, known };
      names[position] = translations[op](write, of.map((argument) => names[argument]), place);
    }
  });
  return names;
}

function dtypeOf(graph: Graph, position: number): DataType {
  return graph.nodes[position].type === "int" ? "DT_INT32" : "DT_FLOAT";
}

function check(graph: Graph, parameters: Readonly<Record<string, Tensor>>, type: RealType): void {
  const [updated] = Object.keys(graph.updates);
  if (updated !== undefined) {
    const what = `the graph updates ${quoted(updated)}: a GraphModel computes outputs only`;
    throw new TypeError(`Cannot write GraphModel: ${what}`);
  }
  checkStored(graph, parameters, { action: "write GraphModel", advice: "trace for evaluation" }, type);
}
