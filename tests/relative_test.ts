import * as tf from "@tensorflow/tfjs";
import { assert } from "@std/assert";
import * as f from "../lib/ops/functions.ts";
import { apply } from "../lib/ops/table.ts";
import type { Value } from "../lib/ops/value.ts";
import type { Engine } from "../lib/engines/engine.ts";
import { type Graph, graphOf } from "../lib/graph/graph.ts";
import { graphModel } from "../lib/formats/graph_model.ts";
import { onnxModel } from "../lib/formats/onnx_model.ts";
import { start } from "../lib/engines/onnx/runtime.ts";
import { cpu, reference, wasm } from "../mod.ts";
import { onnx } from "../lib/onnx.ts";

/** Computes `y`, one number a row, from `x`, one number a row. */
type Run = (graph: Graph, x: Float32Array<ArrayBuffer>) => Promise<ArrayLike<number>>;

const runs: Readonly<Record<string, Run>> = {
  "cpu()": on(cpu),
  "wasm()": on(wasm),
  "onnx()": on(onnx),
  "an .onnx file": async (graph, x) => {
    const session = (await start(1))(onnxModel(graph, {}), { inputs: ["x"], outputs: ["y"], plan: false });
    const y = new Float32Array(x.length);
    session.run([{ shape: [x.length], data: x }], [{ shape: [x.length], data: y }]);
    session.dispose();
    return y;
  },
  "a GraphModel on cpu": served("cpu"),
  "a GraphModel on wasm": served("wasm"),
};

const x = apply("input", [], { name: "x", shape: ["batch"], type: "float" });

/** Each function of the op table that rounds, and the range in which it is looked at. */
const functions: readonly [name: string, y: Value, from: number, to: number][] = [
  ["sigmoid", f.sigmoid(x), -80, 80],
  ["softmax", first(f.softmax(f.concat([column(x), f.mul(column(x), 0)]))), -80, 80],
  ["softplus", f.softplus(x), -80, 80],
  ["exp", f.exp(x), -80, 80],
  ["tanh", f.tanh(x), -20, 20],
  ["log", f.log(x), 0.01, 100],
  ["sqrt", f.sqrt(x), 0, 100],
];

for (const [name, run] of Object.entries(runs)) {
  Deno.test(`${name} is right relatively, down to 1e-30, function by function`, async () => {
    for (const [what, y, from, to] of functions) {
      const numbers = grid(from, to);
      const graph = graphOf({ y });
      const [found, want] = [await run(graph, numbers), await on(reference)(graph, numbers)];
      numbers.forEach((number, i) => {
        const error = Math.abs(found[i] - want[i]) / Math.max(Math.abs(want[i]), 1e-30);
        assert(error < 1e-5, `${what} of ${number} is ${found[i]}, not ${want[i]}`);
      });
    }
  });
}

Deno.test("probabilities of rare events keep their order, on every engine and in files", async () => {
  const logits = Float32Array.from({ length: 65 }, (_, i) => -i);
  for (const [name, run] of Object.entries(runs)) {
    const found = await run(graphOf({ y: f.sigmoid(x) }), logits);
    logits.forEach((logit, i) => assert(i === 0 || found[i] < found[i - 1], `${name}: ${found[i]} at ${logit}`));
  }
});

function on(begin: () => Engine | Promise<Engine>): Run {
  return async (graph, x) => {
    const engine = await begin();
    const store = engine.store({});
    const program = engine.load(graph, store);
    const { y } = await program.run({ x: { shape: [x.length], data: x } });
    program.dispose();
    store.dispose();
    return y.data;
  };
}

function served(backend: string): Run {
  return async (graph, x) => {
    await (backend === "cpu" ? cpu() : wasm()); // registers the backend
    await tf.setBackend(backend);
    const { model, weights } = graphModel(graph, {});
    const [{ weights: weightSpecs }] = model.weightsManifest as unknown as [{ weights: tf.io.WeightsManifestEntry[] }];
    const modelTopology = model.modelTopology as object;
    const loaded = await tf.loadGraphModel(
      tf.io.fromMemory({ modelTopology, weightSpecs, weightData: weights.buffer }),
    );
    const given = tf.tensor1d(x);
    const y = loaded.predict(given) as tf.Tensor;
    const found = y.dataSync();
    tf.dispose([given, y]);
    loaded.dispose();
    return found;
  };
}

/** Numbers from one to another: 4001 at equal distances, and those in between that are a power of ten from 0 or 1. */
function grid(from: number, to: number): Float32Array<ArrayBuffer> {
  const even = Array.from({ length: 4001 }, (_, i) => from + (to - from) * i / 4000);
  const powers = Array.from({ length: 300 }, (_, i) => 10 ** (-i / 10));
  const near = powers.flatMap((power) => [power, -power, 1 + power, 1 - power]);
  return Float32Array.from([...even, ...near.filter((number) => number >= from && number <= to)]);
}

/** `[batch]` as `[batch, 1]`. */
function column(x: Value): Value {
  return f.reshape(x, ["batch", 1]);
}

/** The first column of `[batch, width]`, as `[batch]`. */
function first(x: Value): Value {
  return f.reshape(f.slice(x, 0, 1), ["batch"]);
}
