import { sha256 } from "../files/sha256.ts";
import { advice } from "../errors/nearest.ts";
import { type Graph, valuesOf } from "../graph/graph.ts";
import { optimise } from "../graph/optimise.ts";
import { inOrder } from "../graph/walk.ts";
import { checkList, kindOf, optionsOf } from "../errors/kinds.ts";
import { partsOf } from "../features/parts.ts";
import type { InputSpec } from "../features/input.ts";
import { type RealType, realTypes } from "../formats/pieces.ts";
import { quoted } from "../errors/quoted.ts";
import type { CodeRange } from "../formats/translation.ts";
import type { Json } from "../ops/value.ts";
import { exported } from "./graphs.ts";
import { insidesOf } from "./insides.ts";
import type { NamedFile } from "../formats/graph_model.ts";
import type { Model } from "./model.ts";

/** The options of an export. */
export interface ExportOptions<Tasks extends string = string> {
  /** The tasks that are served; what only others need is left out. Default: all. */
  readonly tasks?: readonly Tasks[];
  /** True if the weights of gates that these tasks need are outputs too, `gates/<level>/<stream>`. Default false. */
  readonly gates?: boolean;
  /**
   * The type of the parameters' numbers in the files: `float16` halves the files and rounds each number to the nearest
   * float16, whose greatest is 65504; who runs the model computes with float32 all the same. Default `float32`.
   */
  readonly dtype?: "float32" | "float16";
}

/**
 * Returns the type of numbers that an option names.
 *
 * @throws {TypeError} if there is no such type.
 */
export function realTypeOf(action: string, found: unknown): RealType {
  const type = realTypes.find((one) => one === (found ?? "float32"));
  if (type !== undefined) return type;
  throw new TypeError(`Cannot ${action}: dtype must be ${realTypes.map(quoted).join(" or ")}, found ${kindOf(found)}`);
}

/**
 * Returns the graph of the served tasks, its parameters named by their paths.
 *
 * @param action The action, for errors.
 * @param gatherFrom The places of a code, on average, from which rows are gathered. Default 32, as ONNX Runtime likes it.
 * @throws {TypeError} if an option or a task is unknown.
 */
export function served<Tasks extends string>(
  model: Model<Tasks>,
  options: ExportOptions<Tasks>,
  action: string,
  gatherFrom = 32,
): Graph {
  const { plan } = insidesOf(model, action);
  const { tasks = Object.keys(model.spec.tasks) as Tasks[], gates = false } = optionsOf(action, options, [
    "tasks",
    "dtype",
  ], [
    "gates",
  ]);
  checkList(action, "tasks", tasks);
  const strange = tasks.findIndex((task) => typeof task !== "string" || !Object.hasOwn(model.spec.tasks, task));
  if (strange >= 0 || tasks.length === 0) {
    const found = strange < 0 ? "no task is named" : `the model has no task ${kindOf(tasks[strange])}`;
    throw new TypeError(`Cannot ${action}: ${found}${advice(tasks[strange], Object.keys(model.spec.tasks))}`);
  }
  const graph = exported(plan, gates, gatherFrom);
  const { outputs } = valuesOf(graph);
  const needed = new Set(inOrder(tasks.map((task) => outputs[task])));
  const wanted = new Set<string>(tasks);
  const kept = Object.keys(outputs).filter((name) =>
    wanted.has(name) || name.startsWith("gates/") && needed.has(outputs[name])
  );
  return optimise(graph, kept);
}

/** Returns the codes of each column that a model reads, by input. */
export function codesOf(input: InputSpec): Record<string, readonly CodeRange[]> {
  const inputs = partsOf(input).flatMap(({ inputs }) => inputs);
  return Object.fromEntries(inputs.flatMap(({ name, codes }) => codes === undefined ? [] : [[name, codes]]));
}

/** The metadata of an exported model, and a file that they name. */
export interface Described {
  /**
   * `input`, the features and their vocabulary, or `{ file, sha256 }`: the name of a file of them and its digest; and
   * `codes` of the columns of each input of codes, if there are any.
   */
  readonly metadata: { readonly input: Json; readonly codes?: Json };
  /** That file, if there is one. */
  readonly file?: NamedFile;
}

/**
 * Returns the metadata of an exported model, for whoever encodes rows for it. An input of more than 1 MiB is the contents
 * of a file of its own, which who runs the model need not read. It is named for its digest, so that no older model names
 * it: whatever is replaced first, each model names the features that it was made with.
 *
 * @param prefix The beginning of that file's name.
 */
export function described(input: InputSpec, prefix = ""): Described {
  const bytes = new TextEncoder().encode(textOf(input));
  const ranges = codesOf(input);
  const codes = Object.keys(ranges).length === 0 ? {} : { codes: ranges as unknown as Json };
  if (bytes.length <= mostInside) return { metadata: { input: input as unknown as Json, ...codes } };
  const digest = sha256(bytes);
  const name = `${prefix}input-${digest.slice(0, 16)}.json`;
  return { metadata: { input: { file: name, sha256: digest }, ...codes }, file: { name, bytes } };
}

function textOf(input: InputSpec): string {
  try {
    return JSON.stringify(input);
  } catch {
    throw new RangeError(
      "Cannot export model: its words are more than fit in a text: a greater minCount leaves some out",
    );
  }
}

/** The most bytes of an input that are stored in the model itself. */
const mostInside = 2 ** 20;
