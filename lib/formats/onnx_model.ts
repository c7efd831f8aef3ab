import { checkGraphForm } from "../graph/graph.ts";
import { quoted } from "../errors/quoted.ts";
import type { Graph, Node } from "../graph/graph.ts";
import type { Tensor } from "../ops/tensor.ts";
import { checkStored, checkTensors } from "./check_stored.ts";
import { isTranslated, knownCodes, translations } from "./onnx_ops.ts";
import type { Dtype, Place } from "./onnx_messages.ts";
import { real, type RealType } from "./pieces.ts";
import { type Writer, writerOf } from "./onnx_writer.ts";
import { allNamed, applied, type CodeRange, isFed, reached } from "./translation.ts";

/**
 * A graph as an ONNX model, made of standard ops alone: the bytes of an `.onnx` file.
 *
 * Inputs (and noise) and outputs have their names in the graph; an output whose name an input has gets a number after
 * it. The axis of the batch is named `batch`. Codes are int32, all else float32. The set of ops is version 13; 16 where
 * a table's rows are trained.
 *
 * @param graph A graph whose phases are resolved.
 * @param parameters The graph's parameters by name, stored in the model. Without them the parameters are inputs, and
 * the graph's updates outputs, named after what they replace with `/next` behind.
 * @param metadata Texts by key for whoever serves the model, as `metadata_props`.
 * @param codes The codes of each column, by the name of their input: a code that is not below its column's size, or
 * negative, is read as the one of unknown words. By default it counts as no code.
 * @throws {TypeError} if a parameter is missing or misshapen, a phase is not resolved, or a graph with stored parameters
 * updates something.
 * @throws {RangeError} if the file would be larger than 2 GiB.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { Graph } from "@gatehouse/gatehouse/graph";
 * import { onnxModel } from "@gatehouse/gatehouse/onnx";
 *
 * const graph: Graph = {
 *   nodes: [{ op: "constant", of: [], attrs: { shape: [2], data: [1, 2] }, shape: [2], type: "float" }],
 *   outputs: { ratio: 0 },
 *   updates: {},
 * };
 * const text = new TextDecoder("latin1").decode(onnxModel(graph));
 * assertEquals(text.includes("ratio"), true);
 * ```
 */
export function onnxModel(
  graph: Graph,
  parameters?: Readonly<Record<string, Tensor>>,
  metadata: Readonly<Record<string, string>> = {},
  codes: Readonly<Record<string, readonly CodeRange[]>> = {},
): Uint8Array<ArrayBuffer> {
  const action = "write ONNX model";
  checkGraphForm(action, graph);
  if (parameters !== undefined) checkTensors(action, parameters);
  return written(graph, parameters, metadata, codes).bytes;
}

/** The way in which parameters are stored. */
export interface Storing {
  /** The type of their numbers: those of `float16` are cast to float32 when they are used. Default `float32`. */
  readonly type?: "float32" | "float16";
  /** The places of those that are in another file, by name. Default: none is. */
  readonly places?: ReadonlyMap<string, Place>;
}

/** An ONNX model, and the names of its inputs and outputs. */
export interface Written {
  /** The bytes of the model. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The names in the model of inputs and noise, by their names in the graph. */
  readonly inputs: ReadonlyMap<string, string>;
  /** The names in the model of parameters, by their names in the graph. */
  readonly parameters: ReadonlyMap<string, string>;
  /** The names in the model of outputs, by their names in the graph. */
  readonly outputs: ReadonlyMap<string, string>;
  /** The names in the model of updates, by the names in the graph of what they replace. */
  readonly updates: ReadonlyMap<string, string>;
}

/**
 * Writes a graph as {@linkcode onnxModel} does, and returns the names of its inputs and outputs beside the bytes.
 *
 * @param stored The graph's parameters by name, undefined if they are inputs.
 * @throws {TypeError} if a parameter is missing or misshapen, a phase is not resolved, or a graph with stored parameters
 * updates something.
 * @throws {RangeError} if a number of a parameter is beyond its type, or the file would be larger than 2 GiB.
 */
export function written(
  graph: Graph,
  stored?: Readonly<Record<string, Tensor>>,
  metadata: Readonly<Record<string, string>> = {},
  columns: Readonly<Record<string, readonly CodeRange[]>> = {},
  { type = "float32", places }: Storing = {},
): Written {
  check(graph, stored, type);
  const write = writerOf(metadata);
  const { nodes } = graph;
  const [inputs, parameters] = [new Map<string, string>(), new Map<string, string>()];
  const names = nodes.map((node) => {
    const { op, attrs, shape } = node;
    const known = op === "parameter" ? parameters : isFed(op) ? inputs : undefined;
    if (known === undefined) return "";
    const name = attrs.name as string;
    if (!known.has(name)) {
      const own = write.name(name);
      const fed = known === inputs || stored === undefined;
      if (fed) write.input(own, shape, dtypeOf(node));
      known.set(name, fed ? own : write.weight(own, real(stored[name]), type, places?.get(name)));
    }
    return known.get(name)!;
  });
  const outputs = new Map(Object.keys(graph.outputs).map((name) => [name, write.name(name)]));
  const updates = new Map(Object.keys(graph.updates).map((name) => [name, write.name(`${name}/next`)]));
  /** The name of a value in the model; of a constant once something needs it, for no runtime likes to be given more. */
  const nameOf = (position: number): string => {
    const { op, attrs, shape } = nodes[position];
    if (op === "constant") return names[position] ||= write.floats(attrs.data as number[], shape as number[]);
    return names[position];
  };
  const results = [...Object.values(graph.outputs), ...Object.values(graph.updates)];
  const needed = reached(nodes, results, (node) => given(node, nodes).of);
  const codes = new Map(
    [...inputs].filter(([name]) => Object.hasOwn(columns, name)).map(([name, own]) => {
      return [own, knownCodes(write, own, columns[name])];
    }),
  );
  nodes.forEach((node, position) => {
    const { op, of, attrs, shape } = node;
    if (!isTranslated(op) || !needed.has(position)) return;
    const { of: from, columns: named, whole } = given(node, nodes);
    const found = from.map(nameOf).map((name) => codes.get(name) ?? name);
    const taken = named && codes.has(nameOf(from[1])) ? columns[nodes[from[1]].attrs.name as string] : undefined;
    const known = taken !== undefined && allNamed(named!, taken);
    const place = { attrs, shape, of: of.map((argument) => nodes[argument].shape), columns: named, whole, known };
    names[position] = isPassed(node, nodes) ? passed(write, found[0]) : translations[op](write, found, place);
  });
  const end = (ends: Graph["outputs"], written: ReadonlyMap<string, string>) =>
    written.forEach((name, key) => {
      const node = nodes[ends[key]];
      write.output(name, nameOf(ends[key]), node.shape, dtypeOf(node));
    });
  end(graph.outputs, outputs);
  end(graph.updates, updates);
  return { bytes: write.finished(), inputs, parameters, outputs, updates };
}

/** The arguments of a node, by position; of rows that are sent to kernels side by side, each kernel's. */
function given(node: Node, nodes: Graph["nodes"]): ReturnType<typeof applied> {
  if (node.op !== "routed") return applied(node, nodes);
  const { of } = node;
  const [x, kernels, codes] = of;
  const { op: made, of: [joined], shape: [experts] } = nodes[kernels];
  const parts = made === "reshape" && nodes[joined].op === "concat" ? nodes[joined].of : [];
  return { of: parts.length > 1 && parts.length === experts ? [x, ...parts, codes] : of };
}

/** Returns true if a node marks where relu let something through, as in its gradient. */
function isPassed({ op, of: [x, least] }: Node, nodes: Graph["nodes"]): boolean {
  return op === "greater" && nodes[x].op === "relu" && nodes[least].op === "constant" &&
    (nodes[least].attrs.data as number[]).every((number) => number === 0) &&
    nodes[least].shape.length === 0;
}

/**
 * 1 where the result of relu is above 0, else 0, and so without a truth value, which ONNX Runtime turns into a number
 * slowly: an array as large as the experts' outputs takes a third of the time.
 */
function passed(write: Writer, name: string): string {
  return write.node("HardSigmoid", [name], { alpha: { real: 3e38 }, beta: { real: 0 } });
}

function dtypeOf({ type }: Node): Dtype {
  return type === "int" ? "int32" : "float";
}

function check(graph: Graph, stored: Readonly<Record<string, Tensor>> | undefined, type: RealType): void {
  const [updated] = Object.keys(graph.updates);
  if (stored !== undefined && updated !== undefined) {
    throw new TypeError(
      `Cannot write ONNX model: the graph updates ${quoted(updated)}, which cannot be stored in the model`,
    );
  }
  checkStored(graph, stored, { action: "write ONNX model", advice: "trace for training or for evaluation" }, type);
}
