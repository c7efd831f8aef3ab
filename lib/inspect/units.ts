import type { Rows } from "../data/rows.ts";
import { graphOf } from "../graph/graph.ts";
import { optimise } from "../graph/optimise.ts";
import { inOrder } from "../graph/walk.ts";
import { inputTensors } from "../model/feed.ts";
import { onPieces } from "../model/graphs.ts";
import { insidesOf } from "../model/insides.ts";
import type { Model } from "../model/model.ts";
import { max } from "../ops/functions.ts";
import type { Value } from "../ops/value.ts";
import type { Plan } from "../trace/plan.ts";

/** The relus of a layer of an expert or a tower over some rows. Plain JSON. */
export interface LayerUnits {
  /** The layer, by the path of its parameters: `tasks/income/tower/0`, `levels/0/experts/shared/3/1`. */
  readonly path: string;
  /** The number of its units. */
  readonly units: number;
  /** The number of those that are 0 in every row: no row moves what they read. */
  readonly dead: number;
}

/** Returns the relus of the experts and towers of a model over some rows, at least one, in one run. */
export async function unitsOf(model: Model, rows: Rows, action: string): Promise<readonly LayerUnits[]> {
  const { plan, programOf, fed } = insidesOf(model, action);
  const layers = layersOf(plan);
  if (layers.size === 0) return [];
  const { graph, program } = programOf("units", () => {
    const units = Object.fromEntries([...layers].map(([path, value]) => [path, max(value, { axes: [0] })]));
    return optimise(graphOf(onPieces({ units }, plan)));
  });
  if (!graph.nodes.some(({ op }) => op === "input")) return [];
  const largest = await program.run(fed(graph, inputTensors(rows, plan.spec.input)));
  return [...layers.keys()].map((path) => {
    const numbers = Array.from(largest[`units/${path}`].data);
    return { path, units: numbers.length, dead: numbers.filter((number) => !(number > 0)).length };
  });
}

/** Returns the relus `[batch, units]` of experts and towers, by the path of the layer whose sums they cut off at 0. */
function layersOf({ spec, evaluation }: Plan): Map<string, Value> {
  const entries = [
    ...spec.levels.flatMap(({ experts }, level) =>
      Object.keys(experts).map((bank) => `levels/${level}/experts/${bank}/`)
    ),
    ...Object.keys(spec.tasks).map((task) => `tasks/${task}/tower/`),
  ];
  const values = inOrder([...Object.values(evaluation.logits), ...Object.values(evaluation.experts).flat()]);
  const relus = values.filter(({ op, shape }) => op === "relu" && shape.length === 2 && shape[0] === "batch");
  const twoSided = new Set(relus.flatMap(({ of: [x] }) => x.op === "neg" ? [x, x.of[0]] : [])); // as of leakyRelu
  const found = new Map<string, Value>();
  for (const relu of relus) {
    const path = twoSided.has(relu.of[0]) ? undefined : layerOf(relu.of[0], entries);
    if (path !== undefined && !found.has(path)) found.set(path, relu);
  }
  return found;
}

/** Returns the path of the layer that computes a value: that of its nearest parameter among those of some entries. */
function layerOf(value: Value, entries: readonly string[]): string | undefined {
  const seen = new Set<Value>();
  for (let near: readonly Value[] = [value]; near.length > 0;) {
    for (const { op, attrs } of near) {
      const name = op === "parameter" ? String(attrs.name) : "";
      if (entries.some((entry) => name.startsWith(entry))) return name.slice(0, name.lastIndexOf("/"));
    }
    near.forEach((one) => seen.add(one));
    near = near.flatMap(({ op, of }) => op === "relu" ? [] : of).filter((one) => !seen.has(one));
  }
}
