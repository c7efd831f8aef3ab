import { written } from "../formats/onnx_model.ts";
import { type Graph, graphOf } from "../graph/graph.ts";
import { flatName } from "../graph/layout.ts";
import { leaves } from "../graph/values.ts";
import { inOrder } from "../graph/walk.ts";
import type { Rules } from "../graph/rules.ts";
import { evaluation } from "../model/graphs.ts";
import { input } from "../ops/leaves.ts";
import type { Value } from "../ops/value.ts";
import type { Optimiser, VectorOptimiser } from "../optimisers/optimiser.ts";
import type { Plan } from "../trace/plan.ts";
import type { ByPath } from "../train/parts.ts";
import { type Between, openStep, weightsOf } from "../train/step.ts";
import { askVectors } from "../train/weighted.ts";
import type { WrittenGraph } from "../weighting/written.ts";
import type { From, Job, JobGraph, JobInput, JobNoise, JobOutput, JobShape, Role } from "./form.ts";

/** The rules under which graphs are written: those of ONNX Runtime, but that it gathers few rows slower than it multiplies. */
export const jobRules: Rules = { gatherFrom: 32, routeFrom: { ratio: 1, saved: 50_000 } };

/** A graph of a job, and the bytes of its file. */
export interface JobFile {
  readonly described: JobGraph;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The graphs of a job, and the random numbers that that of gradients reads. */
export interface JobGraphs {
  readonly graphs: Readonly<Record<keyof Job["graphs"], JobFile>>;
  readonly noise: readonly JobNoise[];
}

/**
 * Returns the graphs of a step that is cut where gradients are summed over runs, and of an evaluation.
 *
 * @param columns The names of inputs that are columns of the rows.
 */
export function jobGraphs(
  plan: Plan,
  optimiser: Optimiser,
  parts: ByPath<Optimiser>,
  columns: ReadonlySet<string>,
): JobGraphs {
  const { gradients, update, arrays } = openStep(plan, optimiser, summed, true, undefined, parts);
  const lookups = new Set(plan.lookups.map(({ name }) => name));
  const fromOf = (name: string): From => {
    if (columns.has(name)) return "column";
    if (lookups.has(name)) return "lookup";
    if (Object.hasOwn(arrays, name)) return "kept";
    if (name === flatName) return "parameters";
    if (name === "share" || name === "carry" || name === "gradient" || name === "vectors") return name;
    return name.startsWith("factor/") ? "factor" : name.startsWith("optimiser/") ? "slot" : "scalar";
  };
  const tasks = new Set(Object.keys(plan.spec.tasks));
  const first = (name: string): Role => roles[name] ?? wordOf(name, { gradient: "lookup" });
  const judged = (name: string): Role => tasks.has(name) ? "prediction" : wordOf(name);
  return {
    graphs: {
      weights: fileOf("weights.onnx", weightsOf(plan), fromOf, wordOf),
      gradients: fileOf("gradients.onnx", gradients, fromOf, first),
      update: fileOf("update.onnx", update, fromOf, (name) => roles[name]),
      evaluate: fileOf("evaluate.onnx", evaluation(plan), fromOf, judged),
    },
    noise: noiseIn(gradients),
  };
}

/** The whole gradient leaves the first half, that of vectors too, and comes back as the sum over all runs. */
const summed: Between = ({ total, flat, vectors }, { ask, give }) => {
  const gradient = flat(total);
  ask("gradient", gradient);
  askVectors(ask, vectors(total));
  return give("gradient", gradient.shape);
};

/** The uses of outputs that have one name. */
const roles: Readonly<Record<string, Role>> = { gradient: "gradient", loss: "total", norm: "norm", moved: "moved" };

/** Returns the use of an output whose name begins with a word for it. */
function wordOf(name: string, others: Readonly<Record<string, Role>> = {}): Role {
  const word = name.slice(0, name.indexOf("/"));
  return others[word] ?? word as Role;
}

/**
 * Returns a graph as a file, and its inputs and outputs as a job describes them.
 *
 * @param fromOf Returns the source of an input by its name.
 * @param roleOf Returns the use of an output by its name.
 */
export function fileOf(
  path: string,
  graph: Graph,
  fromOf: (name: string) => From,
  roleOf: (name: string) => Role,
): JobFile {
  const { bytes, inputs, parameters, outputs, updates } = written(graph);
  const leaf = new Map(
    graph.nodes.flatMap((node) => ["input", "parameter", "noise"].includes(node.op) ? [[node.attrs.name, node]] : []),
  );
  const given = [...inputs, ...parameters].map(([name, onnx]): JobInput => {
    const { op, shape, type } = leaf.get(name)!;
    return { name, onnx, shape: shape as JobShape, dtype: typeOf(type), from: op === "noise" ? "noise" : fromOf(name) };
  });
  const result = (names: ReadonlyMap<string, string>, places: Graph["outputs"], role: (name: string) => Role) =>
    [...names].map(([name, onnx]): JobOutput => {
      const { shape, type } = graph.nodes[places[name]];
      return { name, onnx, shape: shape as JobShape, dtype: typeOf(type), role: role(name) };
    });
  const replaced = (name: string): Role => {
    const from = fromOf(name);
    return from === "parameters" || from === "kept" ? from : "slot";
  };
  const results = [...result(outputs, graph.outputs, roleOf), ...result(updates, graph.updates, replaced)];
  return { described: { path, inputs: given, outputs: results }, bytes };
}

function typeOf(type: string): "float32" | "int32" {
  return type === "int" ? "int32" : "float32";
}

/** Returns the random numbers that a graph reads. */
function noiseIn({ nodes }: Graph): JobNoise[] {
  return nodes.filter(({ op }) => op === "noise").map(({ attrs, shape }) => {
    return { name: attrs.name as string, kind: attrs.kind as JobNoise["kind"], shape: shape as JobShape };
  });
}

/**
 * Returns true if the losses of a model look at the rows of a batch together, as those of banks do, capacities, and nets that
 * sum over rows: then what a batch is matters, not only which rows are in it.
 */
export function looksAcross({ training: { logits, auxiliary, moves, dropped } }: Plan): boolean {
  if ([auxiliary, moves, dropped].some((values) => Object.keys(values).length > 0)) return true;
  const ofRows = new Set<Value>();
  return inOrder(leaves({ logits })).some((value) => {
    const { op, of, shape } = value;
    const reads = op === "input" || of.some((argument) => ofRows.has(argument));
    if (reads) ofRows.add(value);
    return op === "runningSum" || reads && !shape.includes("batch");
  });
}

/** Returns the update of a table's vectors as a file. */
export function vectorFile(
  path: string,
  units: number,
  { vectors: rule }: VectorOptimiser,
  scalarName: (name: string) => string,
): JobFile {
  const { scalars, update } = rule.traced!;
  const state = rule.state(units);
  const names = ["rate", ...Object.keys(scalars(1, 1))];
  const given = {
    table: input("table", ["batch", units]),
    ...(state > 0 && { state: input("state", ["batch", state]) }),
    gradient: input("gradient", ["batch", units]),
    scalars: {
      scale: input("scale", []),
      ...Object.fromEntries(names.map((name) => [name, input(scalarName(name), [])])),
    },
  };
  const after = update(given);
  const graph = graphOf({ table: after.table, ...(after.state && { state: after.state }) });
  const from = (name: string): From => {
    return name === "table" || name === "state" || name === "gradient" || name === "scale" ? name : "scalar";
  };
  return fileOf(path, graph, from, (name) => name as Role);
}

/** Returns a weighting that is a graph as a file. */
export function weightingFile(path: string, { graph }: WrittenGraph): JobFile {
  const from = (name: string): From => {
    if (name === "losses" || name === "labelled") return name;
    return name.startsWith("weighting/") ? "scalar" : "state";
  };
  return fileOf(path, graph, from, (name) => name === "factors" ? "factors" : "state");
}
