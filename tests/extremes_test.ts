import { assert, assertEquals } from "@std/assert";
import {
  type Bank,
  bank,
  binary,
  cagrad,
  categorical,
  compile,
  count,
  cpu,
  define,
  dense,
  dselectK,
  dwa,
  type Engine,
  entropy,
  fixed,
  focal,
  type Gate,
  gateDropout,
  gradNorm,
  hardConcrete,
  huber,
  importance,
  level,
  loadBalance,
  mgda,
  mix,
  mmoe,
  pcgrad,
  pipe,
  quantile,
  ranking,
  reference,
  regression,
  relu,
  type Rows,
  rows,
  sgd,
  smoothLoad,
  softmax,
  type Spec,
  type Task,
  temperature,
  topK,
  train,
  uncertainty,
  upgrad,
  wasm,
  type Weighting,
  zLoss,
} from "../mod.ts";
import { random } from "../lib/datasets.ts";
import { optimise, parametersOf, type Tensor, trace } from "../lib/graph.ts";
import { onnx } from "../lib/onnx.ts";
import { add, constant, mul, normalCdf, sum } from "../lib/ops.ts";
import type { Value } from "../lib/ops.ts";
import { gradients } from "../lib/graph/differentiate.ts";
import { graphOf } from "../lib/graph/graph.ts";
import { inOrder } from "../lib/graph/walk.ts";
import { batchTensors, noiseTensors, readBy } from "../lib/model/feed.ts";
import { apply } from "../lib/ops/table.ts";
import { losses } from "../lib/trace/losses.ts";

const engines: Readonly<Record<string, Engine>> = { cpu: await cpu(), wasm: await wasm(), onnx: await onnx() };

/** How far the logits of a gate or a class are apart. */
const gaps = [1, 10, 30, 45, 60, 100, 1000, 1e4];

/** Every gate and loss of a gate. */
const gates: Readonly<Record<string, Gate>> = {
  softmax,
  "temperature(0.5)": temperature(0.5),
  "fixed()": fixed(),
  "fixed({ softmax: false })": fixed({ softmax: false }),
  "gateDropout(0.5, softmax)": gateDropout(0.5, softmax),
  "gateDropout(0.5, topK(3))": gateDropout(0.5, topK(3)),
  "topK(2)": topK(2),
  "topK(2, { balance })": topK(2, { balance: 0.01 }),
  "topK(1)": topK(1, { normalise: false }),
  "topK(2, { noise })": topK(2, { noise: true }),
  "dselectK(2)": dselectK(2, { entropy: 0.1 }),
  "dselectK(2, { static })": dselectK(2, { static: true }),
  "hardConcrete()": hardConcrete({ penalty: 0.1 }),
  "zLoss(1e-3, softmax)": zLoss(1e-3, softmax),
  "zLoss(1e-3, topK(2))": zLoss(1e-3, topK(2)),
  "entropy(0.1, softmax)": entropy(0.1, softmax),
  "entropy(-0.1, topK(2))": entropy(-0.1, topK(2)),
  "entropy(0.1, gateDropout(0.5, softmax))": entropy(0.1, gateDropout(0.5, softmax)),
};

/** The losses of a bank; that of load is of gates that return one. */
const even: Bank["losses"] = { balance: loadBalance(0.1), importance: importance(0.1) };

for (const [name, gate] of Object.entries(gates)) {
  Deno.test(`${name} and its gradients are those of the reference engine however far logits are apart`, async () => {
    for (const experts of [4, 5]) {
      const extra: Bank["losses"] = name.includes("noise") ? { load: smoothLoad(0.1) } : {};
      const spec = define({
        input: 2,
        levels: [level({ shared: bank(experts, dense(2), { losses: { ...even, ...extra } }) }, {
          y: mix("shared", gate),
        })],
        tasks: { y: regression() },
      });
      const data = rows([[1, 0], [1, 0], [1, 0], [-1, 0], [0, 1], [1, 1], [1, 0], [-1, 0]]);
      await compare(
        spec,
        data,
        gaps.map((gap) => ({ label: `${experts} experts, ${gap}`, parameters: apart(spec, gap) })),
      );
    }
  });
}

/** Every head, with every loss. */
const tasks: Readonly<Record<string, Task>> = {
  "binary()": binary(),
  "binary({ positive: 30 })": binary(undefined, { positive: 30 }),
  "binary() by focal()": binary(undefined, { loss: focal() }),
  "binary() by focal({ gamma: 0.5 })": binary(undefined, { loss: focal({ gamma: 0.5, alpha: 0.25 }) }),
  "regression()": regression(),
  "regression() by huber(1)": regression(undefined, { loss: huber(1) }),
  "regression() by quantile(0.9)": regression(undefined, { loss: quantile(0.9) }),
  "categorical(3)": categorical(3),
  "count()": count(),
  "ranking()": ranking(),
  "ranking({ within })": ranking(undefined, { within: "group" }),
};

/** The weights of rows: absent, very small, very large, and all at once. */
const weights: Readonly<Record<string, readonly number[]>> = {
  "weights of 1": [1],
  "weights of 1e-30": [1e-30, 2e-30],
  "weights of 1e30": [1e30, 2e30],
  "weights of 1e-30 to 1e30": [1, 1e-30, 1e30],
};

for (const [name, task] of Object.entries(tasks)) {
  Deno.test(`the loss of ${name} and its gradients are those of the reference engine at any logits and weights`, async () => {
    const spec = define({ input: 2, tasks: { y: task } });
    const x = [[1, 0], [-1, 0], [0.5, 1], [0, 1], [0.25, -1], [-0.5, 0], [1, 1]];
    const [y, group] = [[1, 0, 1, 1, 0, 0, 1], [0, 0, 0, 1, 1, 1, 1]];
    for (const [label, some] of Object.entries(weights)) {
      const data = rows(x, { labels: { y, group }, weights: { y: x.map((_, at) => some[at % some.length]) } });
      const known = name === "count()" ? gaps.filter((gap) => gap < 80) : gaps; // e ** 100 is no float32
      await compare(
        spec,
        data,
        known.map((gap) => ({
          label: `${label}, ${gap}`,
          parameters: Object.fromEntries(
            parametersOf(spec).map(({ path, shape }) => {
              const far = path.endsWith("kernel") ? [gap, 0.5, -gap / 2, -0.25, 0, gap / 4] : [0];
              const size = shape.reduce((product, length) => product * length, 1);
              return [path, { shape, data: Float32Array.from({ length: size }, (_, at) => far[at % far.length]) }];
            }),
          ),
        })),
      );
    }
  });
}

/** Every way to weigh tasks. */
const weightings: Readonly<Record<string, Weighting>> = {
  uncertainty: uncertainty(),
  dwa: dwa(),
  gradNorm: gradNorm(),
  pcgrad: pcgrad(),
  mgda: mgda(),
  upgrad: upgrad(),
  cagrad: cagrad(),
};

Deno.test("every weighting trains as on the reference engine, on inputs of any size, and rows of any weight", async () => {
  const wrong: string[] = [];
  for (const [name, weighting] of Object.entries(weightings)) {
    for (const deviation of [1, 10, 100]) {
      for (const [label, some] of Object.entries(weights)) {
        const spec = define(mmoe({
          input: 4,
          experts: 3,
          expert: pipe(dense(4), relu),
          gate: gateDropout(0.2, softmax),
          tasks: { a: binary(), b: regression(), c: ranking() },
        }));
        const { normal } = random("inputs");
        const x = Array.from({ length: 16 }, () => Array.from({ length: 4 }, () => normal() * deviation));
        const labels = { a: x.map(([a]) => a > 0), b: x.map(([, b]) => b), c: x.map(([, , c]) => c) };
        const weight = x.map((_, at) => some[at % some.length]);
        const data = rows(x, { labels, weights: { a: weight, b: weight, c: weight } });
        const recordsOn = async (engine: Engine) => {
          const model = await compile(spec, { engine, seed: 1 });
          const found: number[] = [];
          const options = { epochs: 2, batch: 8, optimiser: sgd(1e-4 / deviation ** 2), weighting };
          for await (const { loss, norm, weights } of train(model, data, options)) {
            found.push(...Object.values(loss), norm, ...Object.values(weights));
          }
          model.dispose();
          return found;
        };
        const wanted = await recordsOn(reference());
        for (const [engine, on] of Object.entries(engines)) {
          const found = await recordsOn(on);
          const at = wanted.findIndex((number, at) =>
            !(Math.abs(found[at] - number) <= 1e-4 * Math.max(0.01, Math.abs(number)))
          );
          if (at >= 0) {
            wrong.push(`${name}, ${deviation}, ${label}, ${engine}: ${at} is ${found[at]}, not ${wanted[at]}`);
          }
        }
      }
    }
  }
  assertEquals(wrong, []);
});

Deno.test("normalCdf() is within 1e-7 on every engine, and its gradient within 1e-6 of the density", async () => {
  const x = apply("input", [], { name: "x", shape: ["batch"], type: "float" });
  const y = normalCdf(x);
  const graph = graphOf({ y, slope: gradients(sum(y, { axes: [0] }), [x])[0] });
  const data = Float32Array.from({ length: 24001 }, (_, at) => (at - 12000) / 1000);
  const density = (x: number) => Math.exp(-(x ** 2) / 2) / Math.sqrt(2 * Math.PI);
  const below = (x: number): number => { // 1 / 2 + density (x + x^3 / 3 + x^5 / 15 + ...)
    if (x < 0) return 1 - below(-x);
    let [term, total] = [x, x];
    for (let n = 3; term > 1e-20 * total; n += 2) total += term *= x ** 2 / n;
    return 0.5 + density(x) * total;
  };
  for (const [name, engine] of Object.entries({ reference: reference(), ...engines })) {
    const store = engine.store({});
    const found = await engine.load(graph, store).run({ x: { shape: [data.length], data } });
    data.forEach((x, at) => {
      assert(Math.abs(found.y.data[at] - below(x)) < 1e-7, `${name}: ${found.y.data[at]} at ${x}`);
      assert(Math.abs(found.slope.data[at] - density(x)) < 1e-6, `${name}: slope ${found.slope.data[at]} at ${x}`);
    });
    store.dispose();
  }
});

/** Parameters of a model, those of gates far apart. */
function apart(spec: Spec, gap: number): Record<string, Tensor> {
  const { normal } = random("apart");
  return Object.fromEntries(
    parametersOf(spec).map(({ path, shape }) => {
      const size = shape.reduce((product, length) => product * length, 1);
      const far = path.includes("/gates/") && !path.endsWith("bias");
      const second = path.includes("/gates/") && shape.length === 2 && path.endsWith("1/kernel");
      const data = Float32Array.from({ length: size }, (_, at) => {
        if (second) return -gap;
        if (far) return gap * [0.5, -0.5, 0.25, -0.125, 0][at % 5];
        return normal();
      });
      return [path, { shape, data }];
    }),
  );
}

/** Compares gates, losses and gradients on every engine with those of the reference engine. */
async function compare(
  spec: Spec,
  data: Rows,
  runs: readonly { readonly label: string; readonly parameters: Readonly<Record<string, Tensor>> }[],
): Promise<void> {
  const traced = trace(spec, true);
  const { byTask, auxiliary } = losses(spec.tasks, traced);
  const scalars: Record<string, Value> = { ...auxiliary };
  for (const [task, loss] of Object.entries(byTask)) if (data.labels?.[task] !== undefined) scalars[task] = loss;
  for (const [gate, weights] of Object.entries(traced.gates)) {
    const factors = Array.from({ length: weights.shape[1] as number }, (_, at) => Math.sin(3 * at + 1));
    scalars[`gates/${gate}`] = sum(mul(weights, constant(factors)), { axes: [0, 1] });
  }
  const nothing = mul(sum(Object.values(traced.predictions)[0], { axes: [0] }), 0); // reads the rows, if no gate does
  const outputs: Record<string, Value> = { ...traced.gates };
  for (const [name, value] of Object.entries(scalars)) {
    outputs[`value ${name}`] = value;
    const leaves = inOrder([value]).filter(({ op }) => op === "parameter");
    const found = gradients(value, leaves);
    leaves.forEach((leaf, at) => outputs[`gradient of ${name} by ${leaf.attrs.name}`] = found[at]);
  }
  outputs.nothing = add(nothing, 0);
  const graph = optimise(graphOf(outputs));
  const wrong: string[] = [];
  const tensors = { ...batchTensors(spec, data), ...noiseTensors(graph, data.count, "noise") };
  for (const { label, parameters } of runs) {
    const run = async (engine: Engine) => {
      const store = engine.store(parameters);
      const program = engine.load(graph, store);
      const found = await program.run(readBy(graph, tensors));
      program.dispose();
      store.dispose();
      return found;
    };
    const wanted = await run(reference());
    for (const [engine, on] of Object.entries(engines)) {
      const found = await run(on);
      for (const name of Object.keys(outputs)) {
        const numbers = [...wanted[name].data];
        const allowed = 1e-4 * Math.max(0.01, ...numbers.map(Math.abs)); // NaN if one is
        const errors = numbers.map((number, at) => Math.abs(found[name].data[at] - number));
        if (!errors.every((error) => error <= allowed)) wrong.push(`${label}, ${engine}, ${name}: off by ${errors}`);
      }
    }
  }
  assertEquals(wrong, []);
}
