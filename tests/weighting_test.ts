import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import {
  adam,
  binary,
  cagrad,
  compile,
  count,
  cpu,
  define,
  dense,
  dwa,
  type Engine,
  gradNorm,
  mgda,
  pcgrad,
  reference,
  regression,
  type Rows,
  rows,
  sgd,
  sharedBottom,
  type Spec,
  train,
  type TrainOptions,
  uncertainty,
  upgrad,
  wasm,
  type Weighting,
} from "../mod.ts";
import type { Products, Seen } from "../lib/graph.ts";
import { add, mul, stopGradient, sum } from "../lib/ops.ts";
import { initialise, tasksOf } from "../lib/graph.ts";
import { permutation, random } from "../lib/datasets.ts";
import { onnx } from "../lib/onnx.ts";
import { differentiate } from "../lib/graph/differentiate.ts";
import { graphOf } from "../lib/graph/graph.ts";
import { piecesOf } from "../lib/graph/layout.ts";
import { onPieces } from "../lib/model/graphs.ts";
import { plan } from "../lib/graph.ts";
import { losses } from "../lib/trace/losses.ts";
import { split } from "../lib/model/parameters.ts";
import { batchTensors, noiseTensors, readBy } from "../lib/model/feed.ts";
import { architectures, everyHead, sample, sampleFor } from "./models.ts";
import { storeOf } from "./insides.ts";

/** The methods that weigh gradients. */
const ofGradients: Readonly<Record<string, Weighting>> = {
  pcgrad: pcgrad(),
  mgda: mgda(),
  upgrad: upgrad(),
  cagrad: cagrad(),
  "cagrad of 0.9": cagrad({ c: 0.9 }),
};
const all: Readonly<Record<string, Weighting>> = {
  ...ofGradients,
  uncertainty: uncertainty(),
  dwa: dwa(),
  gradNorm: gradNorm(),
};

Deno.test("pcgrad(), mgda(), upgrad() and cagrad() solve two tasks as by hand", () => {
  const conflict = [[1, 0], [-1, 1]];
  near(direction(pcgrad(), conflict), [1 / 2, 3 / 2]); // (1/2, 1/2) + (0, 1)
  near(direction(upgrad(), conflict), [1 / 2, 3 / 2]); // projections on two half-planes, the same
  near(direction(mgda(), conflict), [2 / 5, 4 / 5]); // twice the point nearest to 0 between (1, 0) and (-1, 1)
  const opposite = [[1, 0], [-2, 0]];
  for (const weighting of [pcgrad(), upgrad(), mgda()]) near(direction(weighting, opposite), [0, 0]);
  const orthogonal = [[3, 0], [0, 4]];
  for (const weighting of [pcgrad(), upgrad()]) near(direction(weighting, orthogonal), [3, 4]);
  near(direction(mgda(), orthogonal), [2 * 3 * 16 / 25, 2 * 4 * 9 / 25]);
  const even = [[2, 0], [0, 2]];
  const c = 0.4;
  near(direction(cagrad({ c }), even), [2 * (1 + c) / (1 + c ** 2), 2 * (1 + c) / (1 + c ** 2)]);
  // The mean (0, 1/2), and as far as may be towards (0, 1): no direction lessens both more.
  near(direction(cagrad({ c }), [[1, 0.5], [-1, 0.5]]), [0, (1 + c) / (1 + c ** 2)]);
});

Deno.test("weightings of gradients are plain training for one task, equal tasks, and no conflict", () => {
  for (const gradients of cases()) {
    const [first] = gradients;
    for (const [name, weighting] of Object.entries(ofGradients)) {
      const c = name === "cagrad" ? 0.4 : name === "cagrad of 0.9" ? 0.9 : 0;
      const scale = (1 + c) / (1 + c ** 2);
      for (const count of [1, 2, 5]) {
        const equal = Array(count).fill(first);
        near(direction(weighting, equal), first.map((number) => count * scale * number), `${name} of ${count}`);
      }
    }
    const agreeing = gradients.map((gradient) => gradient.map(Math.abs));
    assertEquals(weightsOf(pcgrad(), agreeing), gradients.map(() => 1));
    near(weightsOf(upgrad(), agreeing), gradients.map(() => 1), "upgrad");
    near(weightsOf(cagrad({ c: 0 }), gradients), gradients.map(() => 1), "cagrad of 0");
  }
});

Deno.test("pcgrad() projects gradients one after the other, in an order by the seed", () => {
  for (const gradients of cases()) {
    const source = random("order");
    const wanted = gradients.map((own) => {
      let projected = [...own];
      const order = [...permutation(gradients.length, source)];
      for (const other of order.map((at) => gradients[at]).filter((other) => other !== own)) {
        const along = inner(projected, other);
        if (along < 0) projected = projected.map((number, i) => number - along / inner(other, other) * other[i]);
      }
      return projected;
    });
    near(direction(pcgrad(), gradients, "order"), total(wanted), String(gradients));
  }
  const three = [[1, 0, 0], [-1, 1, 0], [-1, -2, 1]];
  const found = new Set(["a", "b", "c", "d", "e"].map((seed) => String(direction(pcgrad(), three, seed))));
  assert(found.size > 1);
});

Deno.test("mgda() finds the shortest vector of the convex hull, along which all losses that count fall alike", () => {
  for (const gradients of cases()) {
    const count = gradients.length;
    const weights = weightsOf(mgda(), gradients).map((weight) => weight / count);
    const found = total(gradients.map((gradient, i) => gradient.map((number) => number * weights[i])));
    const square = inner(found, found);
    const size = Math.max(...gradients.map((gradient) => inner(gradient, gradient)));
    assertAlmostEquals(weights.reduce((sum, weight) => sum + weight), 1, 1e-9);
    gradients.forEach((gradient, i) => {
      assert(weights[i] >= 0);
      const along = inner(gradient, found);
      assert(along >= square - 1e-5 * size, `${along} against ${square}`);
      if (weights[i] > 1e-3) assertAlmostEquals(along, square, 1e-5 * size);
    });
  }
});

Deno.test("upgrad() adds up projections onto the dual cone: no task is conflicted with", () => {
  for (const gradients of cases()) {
    const found = direction(upgrad(), gradients);
    near(found, total(gradients.map((gradient) => projected(gradient, gradients))), String(gradients), 1e-4);
    const sizes = gradients.map((gradient) => Math.sqrt(inner(gradient, gradient)));
    gradients.forEach((gradient, i) => {
      assert(inner(found, gradient) >= -1e-5 * sizes[i] * Math.max(...sizes), String(gradients));
    });
  }
});

Deno.test("cagrad() finds the direction near the mean that lessens most what it lessens least", () => {
  const source = random("directions");
  for (const c of [0.1, 0.4, 0.9]) {
    for (const gradients of cases()) {
      const count = gradients.length;
      const mean = total(gradients).map((number) => number / count);
      const found = direction(cagrad({ c }), gradients).map((number) => number / count * (1 + c ** 2));
      const radius = c * Math.sqrt(inner(mean, mean));
      const off = found.map((number, i) => number - mean[i]);
      const size = Math.max(...gradients.map((gradient) => Math.sqrt(inner(gradient, gradient))));
      assert(Math.sqrt(inner(off, off)) <= radius * (1 + 1e-5) + 1e-9, "near the mean");
      const least = (at: readonly number[]) => Math.min(...gradients.map((gradient) => inner(gradient, at)));
      let [best, step] = [mean, radius];
      for (let turn = 0; turn < 2000; turn++) { // a search of its own: random steps, back into the ball
        const tried = best.map((number, i) => number + step * source.normal() - mean[i]);
        const length = Math.sqrt(inner(tried, tried));
        const at = tried.map((number, i) => mean[i] + number * Math.min(1, radius / length));
        if (least(at) > least(best)) best = at;
        else step *= 0.995;
      }
      assert(least(found) >= least(best) - 1e-4 * size * radius, `${least(found)} against ${least(best)}`);
    }
  }
});

Deno.test("weightings of gradients give finite weights for gradients of 0, of any size, and rounded to float32", () => {
  const gradients = cases();
  const hostile = [
    ...gradients.map((list) => list.map((gradient, i) => i === 0 ? gradient.map(() => 0) : gradient)),
    ...gradients.map((list) => list.map((gradient) => gradient.map(() => 0))),
    ...gradients.map((list) => list.map((gradient, i) => gradient.map((number) => number * 10 ** (4 * (i - 1))))),
    ...gradients.map((list) => [...list, ...list, ...list.map((gradient) => gradient.map((number) => -number))]),
  ];
  for (const list of hostile) {
    for (const [name, weighting] of Object.entries(ofGradients)) {
      const rounded = productsOf(list).map((row, i) =>
        row.map((number, j) => Math.fround(number * (1 + 1e-6 * Math.sin(i + j + 7 * i * j))))
      );
      for (const products of [productsOf(list), rounded]) {
        const weights = weighting.gradients!(products, random(1));
        assert(weights.every((weight) => Number.isFinite(weight) && weight >= -1e-9), `${name}: ${weights}`);
      }
    }
  }
  assertEquals(mgda().gradients!([[0, 0], [0, 4]], random(1)).map((weight) => Math.round(1e3 * weight)), [2000, 0]);
  near(upgrad().gradients!([[0, 0], [0, 4]], random(1)), [1, 1]);
});

Deno.test("uncertainty() trains log variances to the logarithms of the losses", async () => {
  for (const [optimiser, steps] of [[sgd(0.2), 300], [adam(0.05), 2000]] as const) {
    let state = uncertainty().losses!(3, optimiser);
    assertEquals(state.weights(1), [1, 1, 1]);
    for (let step = 1; step <= steps; step++) {
      const labelled = [true, true, false];
      state = await state.next({ epoch: 1, step, losses: [0.25, 3, 0], labelled, norms: [] });
    }
    near(state.weights(1), [1 / 0.25, 1 / 3, 1], optimiser.name);
  }
  const data = sample(16);
  const still = { steps: 200, optimiser: sgd(1e-12), weighting: uncertainty({ optimiser: sgd(0.2) }), shuffle: false };
  for (const [spec, income, marital] of [[architectures.mmoe, 1, 1], [weighed, 0.25, 3]] as const) {
    const { records } = await trained(spec, data, still);
    const { loss, weights, total } = records.at(-1)!;
    const wanted = [income / loss.income, marital / loss.marital];
    near([weights.income, weights.marital], wanted, "of a model that stands still", 1e-5);
    assertAlmostEquals(total, income + marital, 1e-4);
  }
});

Deno.test("dwa() weighs by the losses of the two epochs before, from the third on", async () => {
  for (const temperature of [undefined, 0.1]) {
    const options = { epochs: 5, batch: 8, optimiser: adam(0.05), weighting: dwa({ temperature }) };
    const { records } = await trained(architectures.mmoe, sample(20), options);
    const means = [1, 2, 3, 4, 5].map((epoch) => {
      const of = records.filter((at) => at.epoch === epoch).map(({ loss }) => [loss.income, loss.marital]);
      return total(of).map((number) => number / of.length);
    });
    for (const { epoch, loss, weights, total } of records) {
      const ratios = [0, 1].map((task) => epoch < 3 ? 1 : means[epoch - 2][task] / means[epoch - 3][task]);
      const powers = ratios.map((ratio) => Math.exp(ratio / (temperature ?? 2)));
      const wanted = powers.map((power) => 2 * power / (powers[0] + powers[1]));
      near([weights.income, weights.marital], wanted, `epoch ${epoch}`);
      assertAlmostEquals(total, weights.income * loss.income + weights.marital * loss.marital, 1e-9);
    }
    assert(records.at(-1)!.weights.income !== 1);
  }
  let state = dwa().losses!(2, sgd(1));
  const seen = (epoch: number, losses: number[], labelled: boolean[]): Seen => {
    return { epoch, step: epoch, losses, labelled, norms: [] };
  };
  state = await state.next(seen(1, [0, 2], [true, false]));
  state = await state.next(seen(2, [3, 2], [true, true]));
  assertEquals(state.weights(3), [1, 1]); // a loss of 0, and an epoch without a label, give no ratio
});

Deno.test("gradNorm() trains the weights of losses by its formulas, from the first step on", async () => {
  const [alpha, rate, steps] = [1.5, 0.125, 4];
  for (const name of ["shared-bottom", "mmoe", "two levels"]) {
    const [spec, data] = [architectures[name], sample(12)];
    const first: number[] = [];
    const weights = [1, 1];
    const wanted = [[...weights]];
    const parameters = await stepped(spec, data, steps, ({ losses, products }) => {
      const now = [...weights];
      if (first.length === 0) first.push(...losses);
      const norms = now.map((weight, task) => weight * Math.sqrt(products[task][task]));
      const ratios = losses.map((loss, task) => loss / first[task]);
      const pace = (ratios[0] + ratios[1]) / 2;
      const target = ratios.map((ratio) => (norms[0] + norms[1]) / 2 * (ratio / pace) ** alpha);
      norms.forEach((norm, task) => {
        weights[task] -= rate * Math.sign(norm - target[task]) * Math.sqrt(products[task][task]);
      });
      const sum = weights[0] + weights[1];
      weights.forEach((weight, task) => weights[task] = 2 * weight / sum);
      wanted.push([...weights]);
      return { shared: now, own: now };
    });
    const options = { steps, shuffle: false, optimiser: sgd(stepRate) };
    const found = await trained(spec, data, { ...options, weighting: gradNorm({ alpha, optimiser: sgd(rate) }) });
    found.records.forEach(({ weights }, at) => near([weights.income, weights.marital], wanted[at], name));
    sameNumbers(found.parameters, parameters, name);
    assert(Math.abs(wanted[steps - 1][0] - 1) > 0.01);
  }
});

Deno.test("gradNorm() wants larger gradients of tasks that learn slowly, by alpha", async () => {
  const after = async (alpha: number, norms: readonly number[], fallen: readonly number[]) => {
    const seen = { epoch: 1, labelled: [true, true] };
    const still = await gradNorm({ alpha, optimiser: sgd((step) => step === 1 ? 0 : 0.125) }).losses!(2, sgd(1)).next({
      ...seen,
      step: 1,
      losses: [4, 8],
      norms: [1, 1],
    });
    assertEquals(still.weights(1), [1, 1]);
    const losses = fallen.map((share, task) => share * [4, 8][task]);
    return (await still.next({ ...seen, step: 2, losses, norms })).weights(1);
  };
  const scaled = (a: number, b: number) => [2 * a / (a + b), 2 * b / (a + b)];
  // Both have norms near 1, the second has learnt more: r = [1.6, 0.4].
  near(await after(1.5, [1.25, 1], [1, 0.25]), scaled(1 + 1.25 / 8, 1 - 1 / 8));
  near(await after(0, [1.25, 1], [1, 0.25]), scaled(1 - 1.25 / 8, 1 + 1 / 8));
  // The first has 1.8 times the mean norm: above 1.6, below 1.6 ** 1.5; the second has 0.2, below 0.4 and 0.4 ** 1.5.
  near(await after(1, [1.75, 0.25], [1, 0.25]), scaled(1 - 1.75 / 8, 1 + 0.25 / 8));
  near(await after(1.5, [1.75, 0.25], [1, 0.25]), scaled(1 + 1.75 / 8, 1 + 0.25 / 8));
  // A task falls to 0.001 at least.
  near((await after(0, [100, 1], [1, 1])).map((weight) => weight / 2), [0.001 / 1.126, 1.125 / 1.126]);
});

Deno.test("train() solves two tasks as by hand: shared parameters by the weighting, others by their own task", async () => {
  // h = w for x = 1, and a task predicts v . h: with w = (1, 1) and errors of 1/2, the gradients for w are v.
  const spec = define(sharedBottom({ input: 1, expert: dense(2, { bias: false }), tasks: twoPrices }));
  const tensor = (shape: number[], ...data: number[]) => ({ shape, data: Float32Array.from(data) });
  const parameters = {
    "levels/0/experts/shared/0/0/kernel": tensor([1, 2], 1, 1),
    "tasks/low/head/0/kernel": tensor([2, 1], 1, 0),
    "tasks/low/head/0/bias": tensor([1], 0),
    "tasks/high/head/0/kernel": tensor([2, 1], -1, 1),
    "tasks/high/head/0/bias": tensor([1], 0),
  };
  const data = rows([[1]], { labels: { low: [1 / 2], high: [-1 / 2] } });
  const table: [weighting: Weighting | undefined, low: number, high: number][] = [
    [undefined, 1, 1],
    [uncertainty(), 1, 1],
    [dwa(), 1, 1],
    [gradNorm(), 1, 1],
    [cagrad({ c: 0 }), 1, 1],
    [pcgrad(), 2, 3 / 2],
    [upgrad(), 2, 3 / 2],
    [mgda(), 6 / 5, 4 / 5],
  ];
  for (const engine of [reference(), await cpu()]) {
    for (const [weighting, low, high] of table) {
      const model = await compile(spec, { engine, parameters });
      const [{ weights, norm, total }] = await Array.fromAsync(
        train(model, data, { steps: 1, optimiser: sgd(0.125), weighting }),
      );
      const found = await model.parameters();
      model.dispose();
      near([weights.low, weights.high, total], [low, high, 1 / 2]);
      const wanted = { kernel: [low - high, high], own: [1, 1, 1] }; // what is taken off, over the rate
      near([...found["levels/0/experts/shared/0/0/kernel"].data], wanted.kernel.map((number) => 1 - 0.125 * number));
      near([...found["tasks/low/head/0/kernel"].data], [1 - 0.125, -0.125]);
      near([...found["tasks/high/head/0/kernel"].data], [-1 - 0.125, 1 - 0.125]);
      near([...found["tasks/high/head/0/bias"].data], [-0.125]);
      assertAlmostEquals(norm, Math.hypot(...wanted.kernel, ...wanted.own, ...wanted.own), 1e-4);
    }
  }
});

Deno.test("train() goes on under a weighting of gradients as if it had never ended", async () => {
  const data = sample(10);
  const options = { batch: 4, optimiser: sgd(0.1), weighting: mine };
  const whole = await trained(architectures.mmoe, data, { ...options, epochs: 4 });
  const model = await compile(architectures.mmoe, { engine: reference() });
  const first = await Array.fromAsync(train(model, data, { ...options, epochs: 2 }));
  const { epoch, step } = first.at(-1)!;
  const second = await Array.fromAsync(train(model, data, { ...options, epochs: 2, from: { epoch, step } }));
  assertEquals([...first, ...second].map(({ weights }) => weights), whole.records.map(({ weights }) => weights));
  assertEquals(await model.parameters(), whole.parameters);
  model.dispose();
});

Deno.test("train() weighs gradients of shared parameters alone, in every architecture, fused or not", async () => {
  for (const [name, spec] of [...Object.entries(architectures), ["weighed", weighed] as const]) {
    const data = sample(12);
    const methods = name === "mmoe" || name === "two levels" ? { ...ofGradients, mine } : { mine };
    for (const [method, weighting] of Object.entries(methods)) {
      const seen: number[][] = [];
      const parameters = await stepped(spec, data, 2, ({ products, step }) => {
        const shared = weighting.gradients!(products, random(`0:weighting:${step}`));
        seen.push([...shared]);
        return { shared, own: [1, 1] };
      });
      for (const fuse of [true, false]) {
        const options = { steps: 2, shuffle: false, optimiser: sgd(stepRate), weighting };
        const found = await trained(spec, data, options, { fuse });
        sameNumbers(found.parameters, parameters, `${name} by ${method}`);
        if (!Object.values(tasksOf(plan(spec))).some((tasks) => tasks.length > 1)) continue;
        found.records.forEach(({ weights }, at) => {
          const statics = [spec.tasks.income.weight, spec.tasks.marital.weight];
          near([weights.income, weights.marital], seen[at].map((weight, task) => weight * statics[task]), method, 1e-6);
        });
      }
    }
  }
});

Deno.test("tasksOf() finds shared parameters by what is computed", () => {
  const shared = (spec: Spec) =>
    Object.entries(tasksOf(plan(spec))).filter(([, tasks]) => tasks.length > 1).map(([path]) => path).filter((path) =>
      path.endsWith("/0/kernel")
    );
  const bank = (level: number, name: string, count: number) =>
    Array.from({ length: count }, (_, expert) => `levels/${level}/experts/${name}/${expert}/0/kernel`);
  assertEquals(shared(architectures["single-task"]), []);
  assertEquals(shared(architectures.linear), []);
  assertEquals(shared(architectures["shared-bottom"]), bank(0, "shared", 1));
  assertEquals(shared(architectures.mmoe), bank(0, "shared", 3));
  assertEquals(shared(architectures.omoe).sort(), [...bank(0, "shared", 3), "levels/0/gates/shared/0/kernel"].sort());
  assertEquals(shared(architectures["two banks"]), bank(0, "wide", 1));
  const both = tasksOf(plan(architectures["two levels"]));
  assertEquals(both["levels/0/gates/income/0/kernel"], ["income"]);
  assertEquals(both["levels/0/gates/shared/0/kernel"], ["income", "marital"]);
  assertEquals(both["levels/1/experts/income/0/0/kernel"], ["income"]);
  const ownInCgc = tasksOf(plan(architectures.cgc));
  assertEquals(ownInCgc["levels/0/experts/income/0/0/kernel"], ["income"]);
  assertEquals(ownInCgc["levels/0/experts/shared/1/0/kernel"], ["income", "marital"]);
  for (const spec of [...Object.values(architectures), everyHead] as Spec[]) {
    assertEquals(Object.keys(tasksOf(plan(spec))).sort(), Object.keys(initialise(spec, 0)).sort());
  }
});

Deno.test("train() is plain training under a weighting where nothing is shared, or nothing conflicts", async () => {
  const data = sample(20);
  const options = { epochs: 2, batch: 8 };
  const wanted = await trained(architectures["single-task"], data, options);
  for (const weighting of [...Object.values(ofGradients), gradNorm()]) {
    const found = await trained(architectures["single-task"], data, { ...options, weighting });
    assertEquals(found.parameters, wanted.parameters, weighting.name);
    assertEquals(found.records.map(lasting), wanted.records.map(lasting));
    assertEquals(found.records[0].weights, { income: 1, marital: 1 });
  }
  const ones: Weighting = { name: "ones", gradients: (products) => products.map(() => 1) };
  for (const weighting of [dwa(), ones]) {
    const plain = await trained(architectures.mmoe, data, { ...options, optimiser: adam(0.1, { clipNorm: 0.5 }) });
    const found = await trained(architectures.mmoe, data, {
      ...options,
      optimiser: adam(0.1, { clipNorm: 0.5 }),
      weighting,
    });
    sameNumbers(found.parameters, plain.parameters, weighting.name);
    found.records.forEach(({ norm, total }, at) => {
      near([norm, total], [plain.records[at].norm, plain.records[at].total], weighting.name);
    });
  }
});

Deno.test("train() weighs a task without a labelled row by nothing, or keeps what it knows of it", async () => {
  const data = sample(12);
  const missing: Rows = { ...data, labels: { income: data.labels!.income, marital: new Float32Array(12).fill(NaN) } };
  const options = { steps: 3, optimiser: sgd(stepRate), shuffle: false };
  const alone = await trained(architectures.mmoe, missing, options);
  for (const [name, weighting] of Object.entries(all)) {
    const { records, parameters } = await trained(architectures.mmoe, missing, { ...options, weighting });
    for (const { loss, weights, norm, total } of records) {
      assertEquals(loss.marital, 0);
      assert([weights.income, weights.marital, norm, total].every(Number.isFinite), name);
      if (name in ofGradients) assertEquals(weights.marital, 0, name);
    }
    if (["pcgrad", "mgda", "upgrad"].includes(name)) {
      sameNumbers(parameters, alone.parameters, name, 1e-5);
    }
    const late = new Float32Array(16).fill(NaN).with(15, 1); // a row that three steps do not reach
    const nothing: Rows = { ...sample(16), labels: { income: late, marital: late } };
    const before = initialise(architectures.mmoe, 0);
    const still = await trained(architectures.mmoe, nothing, { ...options, batch: 4, weighting });
    for (const [path, { data }] of Object.entries(before)) assertEquals([...still.parameters[path].data], [...data]);
  }
});

Deno.test("train() weighs a task that shares nothing as if it were alone", async () => {
  const shared = architectures.mmoe;
  const { lone } = define({ input: 5, tasks: { lone: binary() } }).tasks;
  const spec: Spec = { ...shared, tasks: { ...shared.tasks, lone } };
  const few = sample(12);
  const data: Rows = { ...few, labels: { ...few.labels, lone: few.labels!.income } };
  for (const weighting of [...Object.values(ofGradients), gradNorm({ optimiser: sgd(1e-9) })]) {
    const options = { steps: 3, optimiser: sgd(stepRate), shuffle: false, weighting };
    const [two, three] = [await trained(shared, few, options), await trained<string>(spec, data, options)];
    const alone = await trained(define({ input: 5, tasks: { lone: binary() } }), {
      ...few,
      labels: { lone: few.labels!.income },
    }, { ...options, weighting: undefined });
    sameNumbers(three.parameters, { ...two.parameters, ...alone.parameters }, weighting.name);
    three.records.forEach(({ weights }, at) => {
      assertAlmostEquals(weights.lone, 1, 1e-6);
      assertAlmostEquals(weights.income, two.records[at].weights.income, 1e-6, weighting.name);
    });
  }
});

Deno.test("train() gives the same numbers for the same seed under every weighting, and the same on all engines", async () => {
  const engines: Record<string, Engine> = { cpu: await cpu(), wasm: await wasm(), onnx: await onnx() };
  const data = sampleFor(everyHead, 40);
  for (const [name, weighting] of Object.entries(all)) {
    const many = name === "upgrad"; // losses of counts may be negative, which not every method takes
    const spec: Spec = many ? everyHead : architectures["two levels"];
    const options = { steps: 4, batch: 16, optimiser: sgd(0.05), weighting };
    const some = many ? data : sample(40);
    const one = await trained(spec, some, options);
    const again = await trained(spec, some, options);
    assertEquals(again.parameters, one.parameters, name);
    for (const [engine, on] of Object.entries(engines)) {
      const found = await trained(spec, some, options, { engine: on });
      sameNumbers(found.parameters, one.parameters, `${name} on ${engine}`, 1e-4);
      found.records.forEach(({ weights }, at) => {
        const wanted = one.records[at].weights as Record<string, number>;
        for (const task of Object.keys(spec.tasks)) {
          const weight = (weights as Record<string, number>)[task];
          assertAlmostEquals(weight, wanted[task], 1e-3 * Math.max(1, Math.abs(wanted[task])), `${name} on ${engine}`);
        }
      });
    }
  }
});

Deno.test("train() takes no weighted step that is not finite, and frees what the weighting held", async () => {
  for (const [name, weighting] of Object.entries({ ...all, plain: undefined })) {
    const model = await compile(prices, { engine: await cpu(), seed: 1 });
    const before = await model.parameters();
    for (const label of [1e18, 1e25]) { // the step overflows, or the loss
      const large = rows([[1], [2]], { labels: { low: [1, 2], high: [label, -label] } });
      await assertRejects(
        () => Array.fromAsync(train(model, large, { optimiser: sgd(1e38), weighting, steps: 2 })),
        RangeError,
        "Cannot train\n  at step 1",
      );
      assertEquals(await model.parameters(), before, name);
    }
    const stop = new AbortController();
    const records = [];
    const data = rows([[1], [2]], { labels: { low: [1, 2], high: [3, 1] } });
    for await (const at of train(model, data, { weighting, batch: 1, epochs: 9, signal: stop.signal })) {
      records.push(at);
      if (at.step === 3) stop.abort();
    }
    assertEquals(records.length, 3);
    for (const held of ["weighting/shared", "weighting/own", "optimiser/mean"]) {
      await assertRejects(() => storeOf(model).read(held), TypeError, "the store holds no array of that name");
    }
    model.dispose();
  }
});

Deno.test("train() refuses a value that is not a weighting, and weights that do not fit", async () => {
  const data = sample(4);
  const wrong = async (weighting: unknown, kind: typeof TypeError | typeof RangeError, text: string) => {
    const options = { steps: 2, weighting: weighting as Weighting };
    await assertRejects(() => trained(architectures.mmoe, data, options), kind, text);
  };
  await wrong("pcgrad", TypeError, 'Cannot train: wanted a weighting, such as pcgrad(), found "pcgrad"');
  await wrong(pcgrad, TypeError, "wanted a weighting, such as pcgrad(), found a function");
  await wrong({ name: "mine" }, TypeError, "wanted a weighting, such as pcgrad(), found an object");
  await wrong(
    { name: "mine", gradients: () => [1] },
    TypeError,
    "Cannot train\n  at step 1: the weighting mine must give 2 weights, one a task, found 1 weights",
  );
  await wrong({ name: "mine", gradients: () => [1, NaN] }, RangeError, "must give finite weights, found NaN");
  await wrong({ name: "mine", gradients: () => [1, undefined] }, RangeError, "must give finite weights, found nothing");
  await wrong(
    { name: "mine", losses: () => ({ weights: () => [1, 1e39], next: () => undefined }) },
    RangeError,
    "must give finite weights, found 1e+39",
  );
  const negative = rows([[1]], { labels: { visits: [9] } });
  const counts = await compile(defineCount(), { engine: reference() });
  for (const weighting of [uncertainty(), dwa()]) {
    await assertRejects(
      () => Array.fromAsync(train(counts, negative, { steps: 200, optimiser: sgd(0.05), weighting })),
      RangeError,
      `${weighting.name}() wants losses of at least 0, which those of counts are not always`,
    );
  }
  counts.dispose();
});

const stepRate = 0.5;

/** A weighting whose weights differ by task and step. */
const mine: Weighting = { name: "mine", gradients: (products, random) => products.map((_, i) => i + random.uniform()) };

/** The tasks weighed by the table too. */
const weighed = {
  ...architectures.mmoe,
  tasks: {
    income: { ...architectures.mmoe.tasks.income, weight: 0.25 },
    marital: { ...architectures.mmoe.tasks.marital, weight: 3 },
  },
};

const twoPrices = { low: regression(), high: regression() };
const prices = define(sharedBottom({ input: 1, expert: dense(3), tasks: twoPrices }));

function defineCount(): Spec<"visits"> {
  return define({ input: 1, tasks: { visits: count() } });
}

/** Gradients of some tasks: few and many, of few and many numbers, in conflict or not, dependent on each other or not. */
function cases(): number[][][] {
  const source = random("gradients");
  return [1, 2, 2, 2, 3, 3, 4, 5].flatMap((count, at) =>
    [1, 2, 3, 6].map((width) =>
      Array.from({ length: count }, () => Array.from({ length: width }, () => source.normal() * (at % 3 + 0.5)))
    )
  );
}

function weightsOf(weighting: Weighting, gradients: readonly (readonly number[])[], seed = "seed"): readonly number[] {
  return weighting.gradients!(productsOf(gradients), random(seed));
}

function direction(weighting: Weighting, gradients: readonly (readonly number[])[], seed?: string): number[] {
  const weights = weightsOf(weighting, gradients, seed);
  return total(gradients.map((gradient, i) => gradient.map((number) => number * weights[i])));
}

function productsOf(gradients: readonly (readonly number[])[]): number[][] {
  return gradients.map((a) => gradients.map((b) => inner(a, b)));
}

/** A gradient projected onto the dual cone of others: the nearest of its projections onto the faces that lie inside. */
function projected(gradient: readonly number[], others: readonly (readonly number[])[]): number[] {
  let [best, least] = [gradient.map(() => 0), inner(gradient, gradient)];
  for (let face = 0; face < 2 ** others.length; face++) {
    const normals: number[][] = []; // orthonormal, of the face
    for (const other of others.filter((_, at) => face >> at & 1)) {
      const rest = normals.reduce(without, [...other]);
      const length = Math.sqrt(inner(rest, rest));
      if (length > 1e-9) normals.push(rest.map((number) => number / length));
    }
    const found = normals.reduce(without, [...gradient]);
    const inside = others.every((other) => inner(found, other) >= -1e-9);
    const off = gradient.map((number, i) => number - found[i]);
    if (inside && inner(off, off) < least) [best, least] = [found, inner(off, off)];
  }
  return best;
}

function without(vector: number[], unit: readonly number[]): number[] {
  const along = inner(vector, unit);
  return vector.map((number, i) => number - along * unit[i]);
}

/**
 * Parameters after some steps of plain gradient descent on all rows, from the gradients of each task by itself: those of
 * shared parameters weighed by `shared`, all others by `own`.
 */
async function stepped(
  spec: Spec<"income" | "marital">,
  data: Rows,
  steps: number,
  weigh: (seen: { step: number; losses: number[]; products: Products }) => {
    readonly shared: readonly number[];
    readonly own: readonly number[];
  },
): Promise<Record<string, number[]>> {
  const planned = plan(spec as Spec, { fuse: false });
  const { layout } = planned;
  const model = await compile(spec, { engine: reference(), fuse: false });
  const tasks = ["income", "marital"] as const;
  const sharedBy = tasksOf(planned);
  const { pieces } = piecesOf(layout);
  const { logits, auxiliary, moves: moved } = planned.training;
  const values = onPieces({ logits, auxiliary, moves: moved }, planned, pieces);
  const { byTask } = losses(spec.tasks, values);
  const moves = Object.entries(values.moves).map(([path, move]) =>
    mul(sum(mul(stopGradient(move), pieces[path])), -1 / stepRate) // a gradient that does the same
  );
  const others = [...Object.values(values.auxiliary), ...moves].reduce(
    (sum, loss) => add(sum, loss),
    mul(byTask.income, 0),
  );
  const programs = [byTask.income, byTask.marital, others].map((loss) => {
    const graph = differentiate(graphOf({ loss }), "loss");
    return { graph, program: model.engine.load(graph, storeOf(model)) };
  });
  for (let step = 1; step <= steps; step++) {
    const before = await model.parameters();
    const found = await Promise.all(
      programs.map(({ graph, program }) => {
        const noise = noiseTensors(graph, data.count, `0:${step}`);
        return program.run({ ...readBy(graph, batchTensors(spec, data)), ...noise });
      }),
    );
    const statics = [...tasks.map((task) => spec.tasks[task].weight), 1];
    const gradients = found.map((outputs, at) =>
      Object.entries(split(layout, outputs["gradient/parameters"])).map(([path, { data }]) =>
        [path, Array.from(data, (number) => number * statics[at])] as const
      )
    );
    const ofShared = gradients.slice(0, 2).map((list) =>
      list.filter(([path]) => sharedBy[path].length > 1).flatMap(([, numbers]) => numbers)
    );
    const weighed = tasks.map((_, at) => found[at].loss.data[0] * statics[at]);
    const { shared, own } = weigh({ step, losses: weighed, products: productsOf(ofShared) });
    const numbers = Object.entries(before).map(([path, { shape, data }], at) => {
      const weights = [...sharedBy[path].length > 1 ? shared : own, 1];
      const next = Float64Array.from(
        data,
        (number, i) =>
          number - stepRate * weights.reduce((sum, weight, task) => sum + weight * gradients[task][at][1][i], 0),
      );
      return [path, { shape, data: next }] as const;
    });
    const flat = new Float64Array(layout.size);
    for (const { path, start } of layout.extents) flat.set(Object.fromEntries(numbers)[path].data, start);
    storeOf(model).write("parameters", { shape: [layout.size], data: flat });
  }
  const { data: flat } = await storeOf(model).read("parameters");
  model.dispose();
  return Object.fromEntries(
    layout.extents.map(({ path, start, size }) => [path, [...flat.slice(start, start + size)]]),
  );
}

async function trained<Tasks extends string>(
  spec: Spec<Tasks>,
  data: Rows,
  options: TrainOptions<Tasks>,
  how: { readonly engine?: Engine; readonly fuse?: boolean } = {},
) {
  const model = await compile(spec, { engine: reference(), ...how });
  const records = await Array.fromAsync(train(model, data, options));
  const parameters = await model.parameters();
  model.dispose();
  return { records, parameters };
}

function lasting({ rate: _, seconds: _seconds, ...rest }: { rate: number; seconds?: number }): unknown {
  return rest;
}

function sameNumbers(
  found: Readonly<Record<string, { readonly data: ArrayLike<number> } | readonly number[]>>,
  wanted: Readonly<Record<string, { readonly data: ArrayLike<number> } | readonly number[]>>,
  message: string,
  tolerance = 1e-6,
): void {
  assertEquals(Object.keys(found).sort(), Object.keys(wanted).sort(), message);
  const list = (of: { readonly data: ArrayLike<number> } | readonly number[]) =>
    Array.from("data" in of ? of.data : of);
  for (const path of Object.keys(wanted)) near(list(found[path]), list(wanted[path]), `${message}: ${path}`, tolerance);
}

function near(found: readonly number[], wanted: readonly number[], message = "", tolerance = 2e-5): void {
  assertEquals(found.length, wanted.length, message);
  found.forEach((number, i) => {
    assertAlmostEquals(number, wanted[i], tolerance * Math.max(1, Math.abs(wanted[i])), `${message} [${i}]`);
  });
}

function inner(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, number, i) => sum + number * b[i], 0);
}

function total(vectors: readonly (readonly number[])[]): number[] {
  return vectors[0].map((_, i) => vectors.reduce((sum, vector) => sum + vector[i], 0));
}
