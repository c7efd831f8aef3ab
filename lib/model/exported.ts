import { sha256 } from "../files/sha256.ts";
import { advice } from "../errors/nearest.ts";
import { type Graph, valuesOf } from "../graph/graph.ts";
import { optimise } from "../graph/optimise.ts";
import { inOrder } from "../graph/walk.ts";
import { checkList, kindOf, optionsOf } from "../errors/kinds.ts";
import { partsOf } from "../features/parts.ts";
import type { InputSpec } from "../features/input.ts";
import type { CodeRange } from "../formats/translation.ts";
import type { Json } from "../ops/value.ts";
import { forward } from "./graphs.ts";
import { insidesOf } from "./insides.ts";
import type { Model } from "./model.ts";

/** The options of an export. */
export interface ExportOptions<Tasks extends string = string> {
  /** The tasks that are served; what only others need is left out. Default: all. */
  readonly tasks?: readonly Tasks[];
  /** True if the weights of gates that these tasks need are outputs too, `gates/<level>/<stream>`. Default false. */
  readonly gates?: boolean;
}

/**
 * Returns the graph of the served tasks, its parameters named by their paths.
 *
 * @param action The action, for errors.
 * @throws {TypeError} if an option or a task is unknown.
 */
export function served<Tasks extends string>(
  model: Model<Tasks>,
  options: ExportOptions<Tasks>,
  action: string,
): Graph {
  const { plan } = insidesOf(model, action);
  const { tasks = Object.keys(model.spec.tasks) as Tasks[], gates = false } = optionsOf(action, options, ["tasks"], [
    "gates",
  ]);
  checkList(action, "tasks", tasks);
  const strange = tasks.find((task) => typeof task !== "string" || !Object.hasOwn(model.spec.tasks, task));
  if (strange !== undefined || tasks.length === 0) {
    const found = strange === undefined ? "no task is named" : `the model has no task ${kindOf(strange)}`;
    throw new TypeError(
      `Cannot ${action}: ${found}${advice(typeof strange === "string" ? strange : "", Object.keys(model.spec.tasks))}`,
    );
  }
  const graph = forward(plan, gates);
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

/**
 * Returns the metadata of an exported model, for whoever encodes rows for it: `{ input }`, and `codes` of the columns of
 * each input of codes, if there are any. An input of more than 1 MiB is the contents of a file of its own, named in its
 * place as `{ file, sha256 }`: who runs the model need not read it.
 *
 * @param name The name of that file.
 */
export async function described(
  input: InputSpec,
  name: string,
): Promise<{ readonly metadata: Readonly<Record<string, Json>>; readonly file?: Uint8Array<ArrayBuffer> }> {
  const file = new TextEncoder().encode(textOf(input));
  const ranges = codesOf(input);
  const codes: Record<string, Json> = Object.keys(ranges).length === 0 ? {} : { codes: ranges as unknown as Json };
  if (file.length <= mostInside) return { metadata: { input: input as unknown as Json, ...codes } };
  return { metadata: { input: { file: name, sha256: await sha256(file) }, ...codes }, file };
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
