import { assertEquals } from "@std/assert";
import { type ModelName, models } from "../examples/paper/synthetic_models.ts";
import { adam } from "../mod.ts";
import { plan, print, trainingStep } from "../lib/graph.ts";

/** Each file of `tests/printed` is the training step of a model of the paper, as it was before the plan was made. */
for (const name of Object.keys(models) as ModelName[]) {
  Deno.test(`trainingStep() of the paper's ${name} is the same text as ever`, () => {
    const spec = models[name];
    const text = Deno.readTextFileSync(`tests/printed/${name.replaceAll(/\W/g, "_")}.txt`);
    assertEquals(print(trainingStep(plan<string>(spec), adam(0.01))), text);
  });
}
