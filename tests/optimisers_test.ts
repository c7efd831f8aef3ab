import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import {
  adagrad,
  adam,
  compile,
  cpu,
  define,
  momentum,
  type Optimiser,
  reference,
  regression,
  rows,
  sgd,
  train,
} from "../mod.ts";
import { storeOf } from "./insides.ts";

/** A function from the gradient, the step's number and the state to what an optimiser takes off each parameter. */
type Rule = (gradient: number, step: number, memory: Record<string, number>) => number;

const rules: Readonly<Record<string, Rule>> = {
  sgd: (g) => g,
  momentum: (g, _, memory) => memory.v = 0.75 * (memory.v ?? 0) + g,
  adagrad: (g, _, memory) => g / (Math.sqrt(memory.s = (memory.s ?? Math.fround(0.1)) + g ** 2) + 1e-7),
  "adagrad from 0": (g, _, memory) => g / (Math.sqrt(memory.s = (memory.s ?? 0) + g ** 2) + 0.5),
  adam: (g, step, memory) => adamRule(g, step, memory, 0.9, 0.999, 1e-8),
  "adam with other settings": (g, step, memory) => adamRule(g, step, memory, 0, 0.5, 0.125),
};

const rate = (step: number) => 2 ** -step;

const makers: Readonly<Record<string, (options: { weightDecay?: number; clipNorm?: number }) => Optimiser>> = {
  sgd: (options) => sgd(rate, options),
  momentum: (options) => momentum(rate, 0.75, options),
  adagrad: (options) => adagrad(rate, options),
  "adagrad from 0": (options) => adagrad(rate, { ...options, initial: 0, epsilon: 0.5 }),
  adam: (options) => adam(rate, options),
  "adam with other settings": (options) => adam(rate, { ...options, beta1: 0, beta2: 0.5, epsilon: 0.125 }),
};

const inputs = [[1, -2], [0.5, 4], [-3, 1.5]];
const labels = [2, -1, 0.25];
const start = { kernel: [0.5, -0.25], bias: 1 };

Deno.test("train() moves parameters by the optimisers' formulas, with decay of matrices and clipping", async () => {
  for (const [name, maker] of Object.entries(makers)) {
    for (const weightDecay of [0, 0.125]) {
      for (const clipNorm of [undefined, 0.75, 1e6]) {
        const text = `${name}, decay ${weightDecay}, clip ${clipNorm}`;
        const wanted = steps(rules[name], weightDecay, clipNorm ?? Infinity);
        const model = await linear();
        let at = 0;
        for await (
          const { loss, norm, total } of train(model, data(), { steps: 6, optimiser: maker({ weightDecay, clipNorm }) })
        ) {
          near(loss.price, wanted[at].loss, `${text}: loss of step ${at + 1}`);
          near(total, wanted[at].loss, `${text}: total of step ${at + 1}`);
          near(norm, wanted[at].norm, `${text}: norm of step ${at + 1}`);
          at++;
        }
        const { data: found } = await storeOf(model).read("parameters");
        model.dispose();
        wanted[6].parameters.forEach((number, i) => near(found[i], number, `${text}: parameter ${i}`));
        assert(clipNorm !== 0.75 || wanted.some(({ norm }) => norm > 0.75), `${text}: clips`);
      }
    }
  }
});

Deno.test("train() takes a learning rate as a number or for every step", async () => {
  const seen: number[] = [];
  const schedule = (step: number) => {
    seen.push(step);
    return step === 2 ? 0 : 0.125;
  };
  const [scheduled, fixed] = [await linear(), await linear()];
  for await (const _ of train(scheduled, data(), { steps: 3, optimiser: sgd(schedule) }));
  for await (const _ of train(fixed, data(), { steps: 2, optimiser: sgd(0.125) }));
  assertEquals(seen, [1, 2, 3]);
  assertEquals(await scheduled.parameters(), await fixed.parameters());
  assertEquals([sgd(0.5), adam(), adagrad(), momentum(0.25)].map(({ rate }) => rate(7)), [0.5, 1e-3, 1e-2, 0.25]);
});

Deno.test("train() begins every run with fresh slots", async () => {
  const [once, twice] = [await linear(), await linear()];
  for await (const _ of train(once, data(), { steps: 1, optimiser: adam(0.5) }));
  for await (const _ of train(twice, data(), { steps: 3, optimiser: adam(0.5) }));
  twice.assign({
    "tasks/price/head/0/kernel": { shape: [2, 1], data: Float32Array.from(start.kernel) },
    "tasks/price/head/0/bias": { shape: [1], data: Float32Array.of(start.bias) },
  });
  for await (const _ of train(twice, data(), { steps: 1, optimiser: adam(0.5) }));
  assertEquals(await twice.parameters(), await once.parameters());
});

Deno.test("adam() follows its formula in float32 for decays next to 1, and without a gradient", async () => {
  const spec = define({ input: 2, tasks: { price: regression() } });
  for (const beta2 of [1 - 1e-8, 1 - 1e-6, 0.9, 1e-3]) {
    const model = await compile(spec, { engine: cpu(), seed: 1 });
    const before = (await storeOf(model).read("parameters")).data;
    // The first step is the rate whatever the decays; the second kernel has no gradient.
    const one = rows([[1, 0]], { labels: { price: [100] } });
    for await (const _ of train(model, one, { steps: 1, optimiser: adam(0.125, { beta1: 1 - 1e-8, beta2 }) }));
    const { data: after } = await storeOf(model).read("parameters");
    model.dispose();
    [0.125, 0, 0.125].forEach((moved, i) => assertAlmostEquals(after[i] - before[i], moved, 1e-5, `${beta2}: ${i}`));
  }
});

Deno.test("train() clips gradients whose squares overflow", async () => {
  const spec = define({ input: 1, tasks: { price: regression() } });
  for (const label of [1e19, 2, 0]) {
    const parameters = {
      "tasks/price/head/0/kernel": { shape: [1, 1], data: Float32Array.of(0) },
      "tasks/price/head/0/bias": { shape: [1], data: Float32Array.of(0) },
    };
    const model = await compile(spec, { engine: cpu(), parameters });
    const one = rows([[1]], { labels: { price: [label] } });
    const [{ norm }] = await Array.fromAsync(train(model, one, { steps: 1, optimiser: sgd(1, { clipNorm: 0.5 }) }));
    const { data } = await storeOf(model).read("parameters");
    model.dispose();
    const moved = label === 0 ? 0 : Math.sqrt(0.125);
    for (const number of data) assertAlmostEquals(number, moved, 1e-6);
    assertAlmostEquals(norm, 2 * Math.SQRT2 * label, 1e-6 * label);
  }
});

Deno.test("train() takes no step after which a parameter is not finite", async () => {
  const spec = define({ input: 1, tasks: { price: regression() } });
  const model = await compile(spec, { engine: cpu(), seed: 1 });
  const before = await model.parameters();
  const data = rows([[1], [2], [3]], { labels: { price: [1, 2, 30] } });
  await assertRejects(
    async () => {
      for await (const _ of train(model, data, { steps: 5, optimiser: sgd(1e38) }));
    },
    RangeError,
    "Cannot train\n  at step 1: the sum of the parameters after it is Infinity\n",
  );
  assertEquals(await model.parameters(), before);
  model.dispose();
});

/** Linear regression, `loss = mean((w x + b - y)^2)`, and the losses, norms and parameters before each step. */
function steps(rule: Rule, weightDecay: number, clipNorm: number) {
  let parameters = [...start.kernel, start.bias];
  const memories: Record<string, number>[] = [{}, {}, {}];
  const seen: { loss: number; norm: number; parameters: number[] }[] = [];
  for (let step = 1; step <= 7; step++) {
    const gradient = [0, 0, 0];
    let loss = 0;
    inputs.forEach((x, row) => {
      const error = x[0] * parameters[0] + x[1] * parameters[1] + parameters[2] - labels[row];
      loss += error ** 2 / 3;
      [...x, 1].forEach((number, i) => gradient[i] += 2 * error * number / 3);
    });
    const norm = Math.hypot(...gradient);
    seen.push({ loss, norm, parameters });
    const scale = norm > clipNorm ? clipNorm / norm : 1;
    parameters = parameters.map((number, i) => {
      const kept = i < 2 ? number * (1 - rate(step) * weightDecay) : number;
      return kept - rate(step) * rule(gradient[i] * scale, step, memories[i]);
    });
  }
  return seen;
}

function adamRule(
  g: number,
  step: number,
  memory: Record<string, number>,
  beta1: number,
  beta2: number,
  epsilon: number,
): number {
  memory.m = beta1 * (memory.m ?? 0) + (1 - beta1) * g;
  memory.v = beta2 * (memory.v ?? 0) + (1 - beta2) * g ** 2;
  return memory.m / (1 - beta1 ** step) / (Math.sqrt(memory.v / (1 - beta2 ** step)) + epsilon);
}

function linear() {
  const spec = define({ input: 2, tasks: { price: regression() } });
  return compile(spec, {
    engine: reference(),
    parameters: {
      "tasks/price/head/0/kernel": { shape: [2, 1], data: Float32Array.from(start.kernel) },
      "tasks/price/head/0/bias": { shape: [1], data: Float32Array.of(start.bias) },
    },
  });
}

function data() {
  return rows(inputs, { labels: { price: labels } });
}

function near(found: number, wanted: number, message: string): void {
  assertAlmostEquals(found, wanted, 1e-9 * Math.max(1, Math.abs(wanted)), message);
}
