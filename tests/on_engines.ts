/** What tests run on several engines, to compare them. */
import { adam, compile, type Engine, type Spec, train } from "../mod.ts";
import * as f from "../lib/ops/functions.ts";
import type { Tensor } from "../lib/ops/tensor.ts";
import type { Value } from "../lib/ops/value.ts";
import { gradients } from "../lib/graph/differentiate.ts";
import { type Graph, graphOf } from "../lib/graph/graph.ts";
import { inOrder } from "../lib/graph/walk.ts";
import { sample, sampleFor } from "./models.ts";

/** Runs a graph once on an engine, and frees it. */
export async function once(
  engine: Engine,
  graph: Graph,
  inputs: Readonly<Record<string, Tensor>>,
  values: Readonly<Record<string, Tensor>> = {},
): Promise<Readonly<Record<string, Tensor>>> {
  const store = engine.store(values);
  try {
    const program = engine.load(graph, store);
    return await program.run(inputs).finally(program.dispose);
  } finally {
    store.dispose();
  }
}

/** A value, and the gradients of the sum of its elements with respect to the real numbers it is made of. */
export function withGradients(y: Value): Graph {
  if (y.type === "int") return graphOf({ y });
  const loss = f.sum(y, { axes: y.shape.map((_, axis) => axis) });
  const isLeaf = (op: string) => op === "input" || op === "parameter" || op === "noise";
  const leaves = inOrder([y]).filter(({ op, type }) => type === "float" && isLeaf(op));
  const found = gradients(loss, leaves);
  return graphOf({ y, ...Object.fromEntries(found.map((gradient, i) => [`gradient ${i}`, gradient])) });
}

/** Predictions of a model, losses of five steps, and predictions after them. */
export async function numbersOf(spec: Spec, on: Engine, seed = 7): Promise<readonly number[]> {
  const data = "income" in spec.tasks ? sample(64) : sampleFor(spec, 64);
  const model = await compile(spec, { engine: on, seed });
  const predicted = async () => Object.values(await model.predict(data)).flatMap((numbers) => [...numbers]);
  const found = await predicted();
  for await (const { total } of train(model, data, { steps: 5, batch: 32, optimiser: adam(0.01) })) found.push(total);
  found.push(...await predicted());
  model.dispose();
  return found;
}
