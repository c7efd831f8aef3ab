import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { batchTensors, noiseTensors, readBy } from "../lib/model/feed.ts";
import { initialised } from "../lib/model/initialise.ts";
import { join } from "../lib/model/parameters.ts";
import { slotName } from "../lib/train/update.ts";
import { adam, cpu, type Engine, momentum, type Optimiser, reference, type Rows, type Spec, wasm } from "../mod.ts";
import { type Between, type Graph, openStep, type Plan, plan, type Tensor, trainingStep } from "../lib/graph.ts";
import { onnx } from "../lib/onnx.ts";
import { sliceRows } from "../lib/data/rows.ts";
import { architectures, everyHead, sample, sampleFor } from "./models.ts";

type Tensors = Readonly<Record<string, Tensor>>;

/** The whole gradient leaves the first half, and comes back to the second one. */
const through = (size: number): Between => ({ flat, total }, { ask, give }) => {
  ask("gradient", flat(total));
  return give("given", [size]);
};

/** The whole gradient stays on the engine. */
const kept: Between = ({ flat, total }, { keep }) => keep("gradient", flat(total));

/** A model's parameters and slots on an engine, and its graphs as functions. */
function onEngine({ spec, layout, parameters }: Plan, engine: Engine, optimiser: Optimiser, arrays = {}) {
  const zeros = Object.entries<readonly number[]>({
    ...arrays,
    ...Object.fromEntries(Object.keys(optimiser.slots).map((name) => [slotName(name), [layout.size]])),
  }).map(([name, shape]) => [name, { shape, data: new Float32Array(shape.reduce((size, length) => size * length)) }]);
  const store = engine.store({
    parameters: join(layout, initialised(parameters, 5, spec.input)),
    ...Object.fromEntries(zeros),
  });
  return {
    load: (graph: Graph) => {
      const program = engine.load(graph, store);
      return (inputs: Tensors) => program.run(readBy(graph, inputs));
    },
    parameters: async () => [...(await store.read("parameters")).data],
    dispose: () => store.dispose(),
  };
}

/** Returns what a step of some rows is fed. */
function feed(planned: Plan, graph: Graph, rows: Rows, optimiser: Optimiser, step: number): Tensors {
  const numbers = { rate: 0.05, ...optimiser.scalars(step, 0.05) };
  const factors = Object.keys(planned.spec.tasks).map((task) => [`factor/${task}`, 1] as const);
  const scalars = Object.entries({ ...numbers, ...Object.fromEntries(factors) }).map(([name, number]) => {
    return [name, { shape: [], data: Float64Array.of(number) }] as const;
  });
  return {
    ...batchTensors(planned.spec, rows),
    ...noiseTensors(graph, rows.count, `3:${step}`),
    ...Object.fromEntries(scalars),
  };
}

/** ONNX Runtime takes long to load so many graphs. */
const few = { mmoe: architectures.mmoe, noisy: architectures["noisy mmoe"], balanced: architectures["balanced mmoe"] };

const engines: Readonly<Record<string, () => Engine | Promise<Engine>>> = { reference, cpu, wasm, onnx };

for (const [name, engine] of Object.entries(engines)) {
  Deno.test(`openStep() with nothing between takes the steps of trainingStep() on ${name}`, async () => {
    const running = await engine();
    const within = name === "reference" ? 1e-12 : 2e-6;
    for (const [architecture, spec] of Object.entries<Spec>(name === "onnx" ? few : { ...architectures, everyHead })) {
      const planned = plan(spec, { rules: running.rules });
      const data = architecture === "everyHead" ? sampleFor(spec, 12) : sample(12);
      const optimiser = momentum(0.05, 0.9, { clipNorm: 1, weightDecay: 0.1 });
      const joined = onEngine(planned, running, optimiser);
      const whole = trainingStep(planned, optimiser);
      const step = joined.load(whole);
      for (let at = 1; at <= 2; at++) await step(feed(planned, whole, data, optimiser, at));
      const wanted = await joined.parameters();
      for (const between of [through(planned.layout.size), kept]) {
        const { gradients, update, arrays } = openStep(planned, optimiser, between);
        const open = onEngine(planned, running, optimiser, arrays);
        const [first, second] = [gradients, update].map(open.load);
        for (let at = 1; at <= 2; at++) {
          const inputs = feed(planned, gradients, data, optimiser, at);
          const { gradient } = await first(inputs);
          const { moved } = await second({ ...inputs, ...(gradient && { given: gradient }) });
          assert(Number.isFinite(moved.data[0]));
        }
        const found = await open.parameters();
        wanted.forEach((number, at) => assertAlmostEquals(found[at], number, within, `${architecture} at ${at}`));
        open.dispose();
      }
      joined.dispose();
    }
  });
}

Deno.test("openStep() with a mean over workers between takes the step of one worker with all rows", async () => {
  const optimiser = adam(0.05);
  for (const name of ["mmoe", "ple", "shared-bottom", "two levels"]) {
    const planned = plan(architectures[name]);
    const all = sample(12);
    const whole = trainingStep(planned, optimiser);
    const alone = onEngine(planned, reference(), optimiser);
    await alone.load(whole)(feed(planned, whole, all, optimiser, 1));

    const { gradients, update } = openStep(planned, optimiser, through(planned.layout.size));
    const workers = [0, 4, 8].map((start) => ({
      rows: sliceRows(all, start, 4),
      on: onEngine(planned, reference(), optimiser),
    }));
    const outputs = await Promise.all(
      workers.map(({ rows, on }) => on.load(gradients)(feed(planned, gradients, rows, optimiser, 1))),
    );
    const size = planned.layout.size;
    const mean = Float64Array.from({ length: size }, (_, at) => {
      return outputs.reduce((sum, { gradient }) => sum + gradient.data[at], 0) / workers.length;
    });
    for (const { on } of workers) {
      const inputs = feed(planned, update, all, optimiser, 1);
      await on.load(update)({ ...inputs, given: { shape: [size], data: mean } });
      const [found, wanted] = [await on.parameters(), await alone.parameters()];
      wanted.forEach((number, at) => assertAlmostEquals(found[at], number, 1e-9, `${name} at ${at}`));
      on.dispose();
    }
    alone.dispose();
  }
});

Deno.test("openStep() says what passes through its middle", () => {
  const planned = plan(architectures["balanced mmoe"]); // whose gates move without a gradient
  const { size } = planned.layout;
  const { gradients, update, arrays } = openStep(planned, adam(), kept);
  assertEquals(arrays, { "between/gradient": [size], "between/moves": [size] });
  assertEquals(Object.keys(gradients.updates).sort(), Object.keys(arrays).sort());
  assertEquals(Object.keys(update.outputs), ["norm", "moved"]);
  const read = update.nodes.flatMap(({ op, attrs }) => op === "parameter" ? [attrs.name] : []);
  for (const name of Object.keys(arrays)) assert(read.includes(name), name);
});
