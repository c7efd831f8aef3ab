import * as tf from "@tensorflow/tfjs";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import * as f from "../lib/ops/functions.ts";
import { apply } from "../lib/ops/table.ts";
import type { Value } from "../lib/ops/value.ts";
import { gradients } from "../lib/graph/differentiate.ts";
import { type Graph, graphOf, inOrder } from "../lib/graph/graph.ts";
import type { Engine, Tensor } from "../lib/engines/engine.ts";
import { reference } from "../lib/engines/reference.ts";
import { bestEngine, cpu, tfjs, wasm } from "../lib/engines/tfjs.ts";
import { cases } from "./cases.ts";

// Noise is caught from the first call on: every engine of this file starts here.
const noise: unknown[][] = [];
for (const level of ["log", "info", "warn", "error", "debug"] as const) {
  const before = console[level];
  console[level] = (...words) => {
    noise.push(words);
    before(...words);
  };
}
const flagsBefore = { ...tf.env().getFlags() };
const backendBefore = tf.getBackend();
const engines = { wasm: await wasm(), cpu: await cpu() };
const started = { flags: { ...tf.env().getFlags() }, backend: tf.getBackend() };

Deno.test("tfjs() computes every case and its gradients as reference() does, by loops and by kernels alone", async (t) => {
  const all = { ...engines, bare: await bare() };
  for (const [name, engine] of Object.entries(all)) {
    await t.step(name, async () => {
      for (const { name, build, inputs, store } of cases) {
        const graph = withGradients(build());
        const want = await once(reference(), graph, inputs(), store);
        const found = await once(engine, graph, inputs(), store);
        for (const [output, { shape, data }] of Object.entries(want)) {
          assertEquals(found[output].shape, shape, `${name}: ${output}`);
          const scale = Math.max(1, ...data.map(Math.abs));
          data.forEach((number, i) => {
            const difference = Math.abs(found[output].data[i] - number);
            assert(
              difference <= 2e-6 * scale || Object.is(found[output].data[i], number),
              `${name}: ${output}[${i}] is ${found[output].data[i]}, not ${number}`,
            );
          });
        }
      }
    });
  }
});

/** A backend that this project knows nothing of, with asynchronous memory: the cpu backend's kernels under another name. */
async function bare(): Promise<Engine> {
  if (!tf.engine().backendNames().includes("bare")) {
    const { constructor } = tf.engine().findBackend("cpu");
    tf.registerBackend("bare", () => new (constructor as new () => tf.KernelBackend)());
    for (const kernel of tf.getKernelsForBackend("cpu")) tf.registerKernel({ ...kernel, backendName: "bare" });
  }
  return await tfjs("bare");
}

/** A value, and the gradients of the sum of its elements with respect to the real numbers it is made of. */
function withGradients(y: Value): Graph {
  const loss = f.sum(y, { axes: y.shape.map((_, axis) => axis) });
  const leaves = inOrder([y]).filter(({ op, type }) => op !== "constant" && type === "float" && isLeaf(op));
  const found = gradients(loss, leaves);
  return graphOf({ y, ...Object.fromEntries(found.map((gradient, i) => [`gradient ${i}`, gradient])) });
}

function isLeaf(op: string): boolean {
  return op === "input" || op === "parameter" || op === "noise";
}

async function once(
  engine: Engine,
  graph: Graph,
  inputs: Readonly<Record<string, Tensor>>,
  values: Readonly<Record<string, Tensor>> = {},
): Promise<Readonly<Record<string, Tensor>>> {
  const store = engine.store(values);
  const program = engine.load(graph, store);
  const outputs = await program.run(inputs);
  program.dispose();
  store.dispose();
  return outputs;
}
