import { assertAlmostEquals, assertEquals } from "@std/assert";
import { compile, reference } from "../mod.ts";
import { served } from "../lib/model/exported.ts";
import { architectures, sample } from "./models.ts";

Deno.test("served() of every architecture computes what the model predicts, and its gates", async () => {
  for (const [name, spec] of Object.entries(architectures)) {
    const model = await compile(spec, { engine: reference(), seed: 3 });
    const data = sample(7);
    const { predictions, gates } = await model.inspect(data);
    const engine = reference();
    const program = engine.load(served(model, { gates: true }, "serve"), engine.store(await model.parameters()));
    const found = await program.run({ input: { shape: [7, 5], data: Float32Array.from(data.inputs.input) } });
    const ofGates = Object.entries(gates).map(([gate, numbers]) => [`gates/${gate}`, numbers] as const);
    for (const [output, numbers] of [...Object.entries<Float32Array>(predictions), ...ofGates]) {
      if (output in found) {
        numbers.forEach((number, at) => assertAlmostEquals(found[output].data[at], number, 1e-6, name));
      }
    }
    for (const task of Object.keys(spec.tasks)) assertEquals(task in found, true, `${name}: ${task}`);
    model.dispose();
  }
});

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
