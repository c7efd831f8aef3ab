import { assertEquals } from "@std/assert";
import { compile, reference } from "../mod.ts";
import { served } from "../lib/model/exported.ts";
import { architectures } from "./models.ts";

Deno.test("served() has the gates that its tasks need, and nothing of the others", async () => {
  const cases = [
    ["mmoe", ["income"], ["gates/0/income", "income"]],
    ["mmoe", ["marital", "income"], ["gates/0/income", "gates/0/marital", "income", "marital"]],
    ["omoe", ["marital"], ["gates/0/shared", "marital"]],
    ["two levels", ["marital"], ["gates/0/shared", "gates/1/marital", "marital"]],
    ["shared-bottom", ["income"], ["income"]],
  ] as const;
  for (const [name, tasks, wanted] of cases) {
    const model = await compile(architectures[name], { engine: reference() });
    const graph = served(model, { tasks, gates: true }, "serve");
    assertEquals(Object.keys(graph.outputs).sort(), [...wanted], name);
    const paths = graph.nodes.flatMap(({ op, attrs }) => op === "parameter" ? [attrs.name as string] : []);
    const others = ["income", "marital"].filter((task) => !tasks.some((name) => name === task));
    assertEquals(paths.filter((path) => others.some((task) => path.startsWith(`tasks/${task}/`))), [], name);
    model.dispose();
  }
});
