import { assertEquals } from "@std/assert";
import { architectures } from "./models.ts";
import {
  compile,
  describe,
  evaluate,
  gradNorm,
  type Model,
  pcgrad,
  plan,
  reference,
  rows,
  type Spec,
  train,
  uncertainty,
  type Weighting,
} from "../mod.ts";

/** A spec whose tower counts how often it is traced: its ops are read in `lib/trace/trace.ts`, once each time. */
function counting<Tasks extends string>(given: Spec<Tasks>): { spec: Spec<Tasks>; traces: () => number } {
  const spec = JSON.parse(JSON.stringify(given)) as Spec<Tasks>;
  const [task] = Object.values<Spec["tasks"][string]>(spec.tasks);
  const { nodes } = task.tower;
  let count = 0;
  Object.defineProperty(task.tower, "nodes", {
    enumerable: true,
    get: () => {
      if (new Error().stack!.includes("/lib/trace/trace.ts")) count++;
      return nodes;
    },
  });
  const traces = () => {
    const since = count;
    count = 0;
    return since;
  };
  return { spec, traces };
}

const data = rows([[1, 2, 3, 4, 5], [5, 4, 3, 2, 1]], { labels: { income: [1, 0], marital: [0, 1] } });

async function trained(model: Model<"income" | "marital">, weighting?: Weighting): Promise<void> {
  for await (const _ of train(model, data, { steps: 2, weighting })) { /* no more than that */ }
}

Deno.test("plan() traces a spec once for each phase, and nothing traces it again", async () => {
  for (const name of ["mmoe", "ple", "noisy mmoe", "balanced mmoe", "l2-constrained"]) {
    const { spec, traces } = counting(architectures[name]);
    plan(spec);
    assertEquals(traces(), 2, `plan of ${name}`);
    describe(spec);
    assertEquals(traces(), 2, `description of ${name}`);
    describe(spec, reference());
    assertEquals(traces(), 2, `description of ${name} on an engine`);
    const model = await compile(spec, { engine: reference() });
    assertEquals(traces(), 2, `compiling ${name}`);
    for (const weighting of [undefined, pcgrad(), gradNorm(), uncertainty()]) {
      await trained(model, weighting);
      assertEquals(traces(), 0, `training ${name} by ${weighting?.name ?? "static weights"}`);
    }
    await model.inspect(data);
    await evaluate(model, data);
    assertEquals(traces(), 0, `predicting and evaluating ${name}`);
    model.dispose();
  }
});

Deno.test("plan() holds what its parts are for: parameters of both phases, and where they lie", () => {
  const { parameters, layout } = plan(architectures.mmoe);
  assertEquals(layout.extents.map(({ path }) => path), parameters.map(({ path }) => path));
  assertEquals(layout.size, parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0));
});
