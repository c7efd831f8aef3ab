import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertLess,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { apply } from "../lib/ops/table.ts";
import { sum } from "../lib/ops/functions.ts";
import { differentiate, gradients } from "../lib/graph/differentiate.ts";
import { type Graph, graphOf } from "../lib/graph/graph.ts";
import { lossOf } from "../lib/heads/heads.ts";
import { ordered } from "../lib/spec/order.ts";
import { sliceRows } from "../lib/data/rows.ts";
import { batchTensors, readBy } from "../lib/model/feed.ts";
import {
  adam,
  balance,
  binary,
  check,
  compile,
  count,
  cpu,
  define,
  dense,
  encode,
  esmm,
  evaluate,
  featuresOf,
  fit,
  focal,
  labels,
  load,
  type Model,
  numeric,
  pipe,
  product,
  ranking,
  readCsv,
  reference,
  regression,
  relu,
  type Rows,
  rows,
  save,
  type Spec,
  type Task,
  train,
  wasm,
} from "../mod.ts";
import { pairLoss } from "../lib/heads/pair_loss.ts";
import { evaluation, initialise, parametersOf, plan, type Tensor } from "../lib/graph.ts";
import { auc } from "../lib/metrics.ts";
import { onnx } from "../lib/onnx.ts";
import { everyHead, sample, sampleFor } from "./models.ts";
import { withTemp } from "./temp.ts";
import { storeOf } from "./insides.ts";

const far = [-1000, -100, -20, -3, -0.5, 0, 0.25, 2, 17, 90, 1000];
const paper = define(esmm({ input: 5, expert: pipe(dense(4), relu), tower: pipe(dense(3), relu) }));

Deno.test("product() has the logit, the loss and the gradient of the product of probabilities, far from 0 too", async () => {
  for (const width of [1, 2, 3]) {
    const lists = combinations(far, width).filter((_, at) => width < 3 || at % 7 === 0);
    for (const label of [0, 0.25, 1]) {
      const found = await ofLogits(lists, label);
      lists.forEach((logits, row) => {
        const { loss, slopes, odds } = wantedProduct(logits, label);
        const text = `${logits}, label ${label}`;
        near(found.logit[row], odds, text);
        near(found.loss[row], loss, text);
        slopes.forEach((slope, at) => near(found.gradient[row * width + at], slope, `${text}, gradient ${at}`, 1e-9));
      });
    }
  }
});

Deno.test("product() of products is the product of all, in any order of the table", async () => {
  const factors = { a: binary(dense(2)), b: binary(), c: binary(), d: binary() };
  const whole = { all: product(["a", "b", "c", "d"]) };
  const nested = { all: product(["ab", "cd"]), cd: product(["d", "c"]), ab: product(["a", "b"]) };
  const tables: Record<string, Task>[] = [{ ...factors, ...whole }, { ...nested, ...factors }];
  const found = await Promise.all(tables.map(async (tasks) => {
    const model = await compile(define({ input: 5, tasks }), { engine: reference(), seed: 3 });
    const predictions: Record<string, Float32Array> = await model.predict(sample(20));
    assertEquals(Object.keys(predictions), Object.keys(tasks));
    model.dispose();
    return predictions;
  }));
  found[0].all.forEach((p, row) => {
    const [a, b, c, d] = ["a", "b", "c", "d"].map((task) => found[0][task][row]);
    assertAlmostEquals(p, a * b * c * d, 1e-7);
    assertAlmostEquals(found[1].all[row], p, 1e-7);
  });
});

Deno.test("esmm() computes what plain loops do, and so do its losses", async () => {
  const data = funnel(40);
  const parameters = initialise(paper, 5);
  const model = await compile(paper, { engine: reference(), parameters });
  const predictions = await model.predict(data);
  const { loss, metrics } = await evaluate(model, data);
  model.dispose();
  const tower = (task: string, x: readonly number[]) =>
    affine(affine(x, `tasks/${task}/tower/0`, parameters).map(positive), `tasks/${task}/head/0`, parameters)[0];
  const losses = { ctr: 0, cvr: 0, ctcvr: 0 };
  const clicked: number[] = [];
  for (let row = 0; row < data.count; row++) {
    const x = [...data.inputs.input.subarray(5 * row, 5 * row + 5)];
    const bottom = affine(x, "levels/0/experts/shared/0/0", parameters).map(positive);
    const ctr = 1 / (1 + Math.exp(-tower("ctr", bottom)));
    const cvr = 1 / (1 + Math.exp(-tower("cvr", bottom)));
    const wanted = { ctr, cvr, ctcvr: ctr * cvr };
    for (const task of ["ctr", "cvr", "ctcvr"] as const) {
      assertAlmostEquals(predictions[task][row], wanted[task], 1e-6, `${task} ${row}`);
      const label = data.labels![task][row];
      if (task === "cvr" && data.labels!.ctr[row] !== 1) continue;
      losses[task] -= label * Math.log(wanted[task]) + (1 - label) * Math.log(1 - wanted[task]);
    }
    if (data.labels!.ctr[row] === 1) clicked.push(row);
  }
  near(loss.ctr, losses.ctr / 40, "ctr", 1e-5);
  near(loss.ctcvr, losses.ctcvr / 40, "ctcvr", 1e-5);
  near(loss.cvr, losses.cvr / clicked.length, "cvr, of the rows that were clicked", 1e-5);
  const [scores, labels] = [predictions.cvr, data.labels!.cvr].map((list) => clicked.map((row) => list[row]));
  assertEquals(metrics.cvr.auc, auc(scores, labels));
});

Deno.test("esmm() learns cvr from the loss of ctcvr alone, as finite differences say", async () => {
  const data = funnel(12);
  const parts = plan(paper);
  const model = await compile(paper, { engine: reference(), seed: 1 });
  const { data: initial } = await storeOf(model).read("parameters");
  const flat = Float64Array.from(initial, (number, at) => number + 0.05 * Math.sin(at)); // off the kinks of relu
  const graph = differentiate(evaluation(parts), "loss/ctcvr");
  const loss = async () => (await ran(graph, flat, data))["loss/ctcvr"].data[0];
  const { data: gradient } = (await ran(graph, flat, data))["gradient/parameters"];
  for (let at = 0; at < flat.length; at++) {
    const given = flat[at];
    flat[at] = given + 1e-5;
    const high = await loss();
    flat[at] = given - 1e-5;
    const slope = (high - await loss()) / 2e-5;
    flat[at] = given;
    assertLess(Math.abs(gradient[at] - slope), 1e-8, `${at}`);
  }
  const own = await ran(differentiate(evaluation(parts), "loss/cvr"), flat, data);
  const { start, size } = parts.layout.extents.find(({ path }) => path === "tasks/cvr/head/0/kernel")!;
  assert(gradient.subarray(start, start + size).some((slope) => slope !== 0));
  assertNotEquals([...own["gradient/parameters"].data], [...gradient]);

  const without = { ...data, labels: { ctr: data.labels!.ctr, ctcvr: data.labels!.ctcvr } };
  const [one, other] = [await trained(model, data), await trained(model, without)];
  model.dispose();
  assertEquals(one, other); // labels of cvr train nothing
});

Deno.test("only: a task trains and is judged as with its labels left out elsewhere", async () => {
  const tower = pipe(dense(3), relu);
  const table = (only?: string) =>
    define({
      input: 5,
      tasks: {
        click: binary(tower),
        order: binary(tower, { only }),
        spent: regression(tower, { only }),
        items: count(tower, { only }),
        rank: ranking(tower, { only }),
      },
    });
  const all = sampleFor(table(), 300);
  const labels = { ...all.labels, click: all.labels!.click.with(0, NaN).with(1, 0.5) };
  const weights = { order: Float32Array.from({ length: 300 }, (_, row) => row % 3) };
  const masked = Object.fromEntries(
    Object.entries(labels).map(([task, column]) => {
      return [task, task === "click" ? column : column.map((label, row) => labels.click[row] === 1 ? label : NaN)];
    }),
  );
  const found = await Promise.all([
    outcome(table("click"), without({ ...all, labels, weights }, "search")),
    outcome(table(), without({ ...all, labels: masked, weights }, "search")),
    outcome(table(), without({ ...all, labels, weights }, "search")),
  ]);
  assertEquals(found[0], found[1]);
  assertNotEquals(found[0], found[2]);

  const unclicked = { ...all, labels: { click: new Float32Array(300), order: all.labels!.order } };
  const { loss } = (await outcome(table("click"), unclicked)).evaluated;
  assertEquals([loss.order, loss.click > 0], [NaN, true]);
});

Deno.test("ranking() is judged on all pairs of a group, all of them counted alike", async () => {
  const spec = define({ input: 5, tasks: { place: ranking(undefined, { within: "search" }) } });
  const data = sampleFor(spec, 1500);
  const weights = { place: Float32Array.from({ length: 1500 }, (_, row) => row % 4 / 2) };
  const model = await compile(spec, { engine: reference(), seed: 2 });
  const scores = (await model.predict(data)).place;
  const { loss, metrics } = await evaluate(model, { ...data, weights });
  const { place, search } = data.labels!;
  let [sum, all, right, pairs] = [0, 0, 0, 0];
  for (let i = 0; i < 1500; i++) {
    for (let j = 0; j < 1500; j++) {
      if (!(place[i] > place[j]) || search[i] !== search[j]) continue;
      const weight = weights.place[i] * weights.place[j];
      pairs += weight;
      right += weight * (scores[i] > scores[j] ? 1 : scores[i] === scores[j] ? 0.5 : 0);
      all += weight;
      sum += weight * Math.log1p(Math.exp(scores[j] - scores[i]));
    }
  }
  near(loss.place, sum / all, "loss", 1e-6);
  near(metrics.place.auc, right / pairs, "auc", 1e-9);
  await assertLearns(model, sliceRows(data, 0, 200));
  model.dispose();
});

Deno.test("evaluate() takes the loss of a ranking over the same pairs in every order of rows", async () => {
  const count = 3000;
  const tasks = {
    near: ranking(undefined, { within: "search" }),
    far: ranking(undefined, { within: "shop" }),
    all: ranking(),
  };
  const model = await compile(define({ input: 2, tasks }), { engine: reference(), seed: 2 });
  const made = (order: readonly number[]) => {
    const label = order.map((i) => Math.round(5 * Math.sin(i * i)));
    const labels = {
      near: label,
      far: label,
      all: label,
      search: order.map((i) => i % 1000),
      shop: order.map((i) => i % 2),
    };
    return rows(order.map((i) => [Math.sin(i), Math.cos(3 * i)]), { labels });
  };
  const as = Array.from({ length: count }, (_, i) => i);
  const byGroup = as.toSorted((a, b) => a % 1000 - b % 1000);
  const [spread, ...others] = await Promise.all(
    [as, byGroup, as.toReversed()].map((order) => evaluate(model, made(order))),
  );
  assert(Object.values(spread.loss).every((loss) => loss > 0), "spread groups have pairs");
  for (const { loss } of others) assertEquals(loss, spread.loss);
  model.dispose();
});

Deno.test("groups, labels and weights keep the digits of float64", async () => {
  const tasks = { place: ranking(undefined, { within: "search" }), price: regression() };
  const spec = define({ input: 1, tasks });
  const learned = async (place: number, search: number, weight: number) => {
    const model = await compile(spec, { engine: reference(), seed: 1 });
    const count = 40;
    const as = Array.from({ length: count }, (_, i) => i);
    const labels = {
      place: as.map((i) => place + i % 3),
      search: as.map((i) => search + i % 2),
      price: as.map((i) => 123456780 + i),
    };
    const weights = { place: as.map((i) => weight * (1 + i % 2)), price: as.map(() => weight) };
    const data = rows(as.map((i) => [Math.sin(i)]), { labels, weights });
    for await (const _ of train(model, data, { epochs: 2, batch: 10, optimiser: adam(0.1) })) { /* train */ }
    const parameters = await model.parameters();
    const evaluated = await evaluate(model, data);
    const predicted = await model.predict(data);
    model.dispose();
    return { parameters, evaluated, predicted };
  };
  const [near, far] = [await learned(0, 0, 1), await learned(2 ** 40, 2 ** 53 - 2, 2 ** -170)];
  assertEquals(far.parameters, near.parameters);
  assertEquals(far.evaluated, near.evaluated);
  const errors = [...near.predicted.price].map((price, i) => Math.abs(price - (123456780 + i)));
  assertAlmostEquals(near.evaluated.metrics.price.mae, errors.reduce((sum, error) => sum + error) / 40, 1e-6);
});

Deno.test("rows whose group is a missing text are in no group, not in one of their own", async () => {
  const lines = ["y,query,x", "1,shoes,0", "0,,1", "1,,0", "0,shoes,1", "1,hats,2", "0,?,3", "1,?,0"];
  const columns = { y: "number", query: "text", x: "number" } as const;
  const table = await readCsv(new Blob([lines.join("\n")]), { columns, missing: ["", "?"] });
  const known = labels(table, { place: "y" }, { search: "query" });
  assertEquals(known, {
    place: Float64Array.of(1, 0, 1, 0, 1, 0, 1),
    search: Float64Array.of(0, NaN, NaN, 0, 1, NaN, NaN),
  });
  const spec = define({
    input: fit({ x: numeric() }, table),
    tasks: { place: ranking(undefined, { within: "search" }) },
  });
  const model = await compile(spec, { engine: reference(), seed: 1 });
  const inputs = encode(featuresOf(spec), table);
  const shoes = rows(encode(featuresOf(spec), { x: [0, 1] }), { labels: { place: [1, 0], search: [0, 0] } });
  assertEquals(await evaluate(model, rows(inputs, { labels: known })), await evaluate(model, shoes));
  model.dispose();
});

Deno.test("evaluate() finds no pair in groups that are one number in float32", async () => {
  const model = await compile(define({ input: 1, tasks: { r: ranking(pipe(), { within: "search" }) } }));
  for (const groups of [2 ** 24, 2 ** 53 - 2]) {
    const labels = { r: [1, 1, 0, 0], search: [groups, groups, groups + 1, groups + 1] };
    const { loss, metrics } = await evaluate(model, rows([[1], [2], [3], [4]], { labels }));
    assertEquals([loss.r, metrics.r.auc], [NaN, NaN]);
  }
  model.dispose();
});

Deno.test("pairLoss() of a large group is near that of all pairs, whatever the order", () => {
  const count = 6000; // 18 million pairs: more than each is looked at
  const scores = Float64Array.from({ length: count }, (_, i) => Math.sin(i));
  const labels = Float64Array.from({ length: count }, (_, i) => Math.cos(i * i));
  let [sum, pairs] = [0, 0];
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < count; j++) {
      if (!(labels[i] > labels[j])) continue;
      sum += Math.log1p(Math.exp(scores[j] - scores[i]));
      pairs++;
    }
  }
  const found = pairLoss(scores, labels);
  near(found, sum / pairs, "large group", 1e-3);
  assertEquals(pairLoss(scores.toReversed(), labels.toReversed()), found);
});

Deno.test("every head is learnt, reaches every parameter, and survives JSON", async () => {
  for (const [name, spec] of Object.entries<Spec>({ everyHead, paper })) {
    assertEquals(check(JSON.parse(JSON.stringify(spec))), spec, name);
    const data = name === "paper" ? funnel(200) : sampleFor(spec, 200);
    const parts = plan(spec);
    const model = await compile(spec, { engine: reference(), seed: 1 });
    const { data: flat } = await storeOf(model).read("parameters");
    const reached = new Float64Array(parts.layout.size);
    for (const task of Object.keys(spec.tasks)) {
      const { data: gradient } = (await ran(differentiate(evaluation(parts), `loss/${task}`), flat, data))[
        "gradient/parameters"
      ];
      gradient.forEach((slope, at) => reached[at] += Math.abs(slope));
    }
    for (const { path, start, size, row } of parts.layout.extents) {
      const elements = Array.from({ length: size }, (_, at) => {
        return reached[start + Math.floor(at / row.length) * row.apart + at % row.length];
      });
      assert(elements.some((slope) => slope > 0), `${name}: ${path} has no gradient`);
    }
    await assertLearns(model, data);
    model.dispose();
  }
  assertEquals(everyHead.tasks.price.head, { ...everyHead.tasks.price.head, kind: "regression", units: 1 });
  assert(!("loss" in everyHead.tasks.price.head) && !("only" in everyHead.tasks.price)); // format 1 knew neither
});

Deno.test("evaluate() of every head is the same on all engines, and of a model that was saved", () =>
  withTemp(async (dir) => {
    const data = sampleFor(everyHead, 1100);
    const model = await compile(everyHead, { engine: reference(), seed: 3 });
    const wanted = await evaluate(model, data);
    await save(model, `${dir}/model`);
    for (const engine of [reference(), cpu(), wasm(), onnx()]) {
      const loaded = await load(`${dir}/model`, { engine });
      const found = await evaluate(loaded, data);
      for (const [task, loss] of Object.entries(wanted.loss)) {
        const { name } = loaded.engine;
        near(found.loss[task], loss, `${name}: loss of ${task}`, 1e-5);
        for (const [metric, value] of Object.entries(wanted.metrics[task as "click"])) {
          near(found.metrics[task][metric], value, `${name}: ${metric} of ${task}`, 1e-3); // ranks may change in float32
        }
      }
      loaded.dispose();
    }
    model.dispose();
  }));

Deno.test("binary() with positive has the losses of repeated rows on every engine, and after saving", () =>
  withTemp(async (dir) => {
    const tasks = {
      click: binary(dense(2), { positive: 4 }),
      order: binary(undefined, { positive: "balanced", only: "click", weight: 0.5 }),
      both: product(["click", "order"], { positive: 0.25 }),
    };
    const unfitted = define({ input: 3, tasks });
    const labels = { click: [1, 0, 1, 0, 1, 1, null], order: [1, 0, 0, 1, 0, null, 1], both: [1, 0, 0, 0, 0, 0, 1] };
    const data = rows(Array.from({ length: 7 }, (_, row) => [row, Math.sin(row), -1]), { labels });
    const spec = balance(unfitted, data);
    assertEquals(spec.tasks.order.head.loss, { kind: "crossEntropy", positive: 2 });
    const plain = mapPositive(spec);
    const model = await compile(spec, { engine: reference(), seed: 3 });
    const parameters = await model.parameters();
    const single = await compile(plain, { engine: reference(), parameters });
    const factors = { click: 4, order: 2, both: 0.25 };
    await save(model, `${dir}/model`);
    for (const engine of [reference(), cpu(), wasm(), onnx()]) {
      const loaded = await load(`${dir}/model`, { engine });
      assertEquals(loaded.spec, spec);
      const { loss, metrics } = await evaluate(loaded, data);
      for (const [task, factor] of Object.entries(factors) as ["click", number][]) {
        const weights = { [task]: Float32Array.from(labels[task], (label) => label === 1 ? factor : 1) };
        const weighed = await evaluate(single, { ...data, weights });
        const counted = labels[task].flatMap((label, row) => {
          return label === null || task as string === "order" && labels.click[row] !== 1 ? [] : [label];
        });
        const total = counted.reduce<number>((sum, label) => sum + (label === 1 ? factor : 1), 0);
        near(loss[task], weighed.loss[task] * total / counted.length, `${task} on ${loaded.engine.name}`, 1e-5);
        const { logloss } = (await evaluate(single, data)).metrics[task];
        near(metrics[task].logloss, logloss, `log loss of ${task} on ${loaded.engine.name}`, 1e-5);
      }
      loaded.dispose();
    }
    [model, single].forEach((model) => model.dispose());
  }));

/** The same model whose rows all count once. */
function mapPositive(spec: Spec): Spec {
  const { tasks, ...rest } = JSON.parse(JSON.stringify(spec));
  for (const { head } of Object.values(tasks) as { head: { loss?: unknown } }[]) delete head.loss;
  return check({ ...rest, tasks });
}

Deno.test("balance() takes the rows that count, with their weights, and refuses what it cannot fit", async () => {
  const of = (positive: number | "balanced") => define({ input: 1, tasks: { y: binary(undefined, { positive }) } });
  const fitted = (labels: (number | null)[], weights?: number[]) => {
    const given = { labels: { y: labels }, weights: weights === undefined ? undefined : { y: weights } };
    const { loss } = balance(of("balanced"), rows(labels.map(() => [1]), given)).tasks.y.head;
    return loss?.kind === "crossEntropy" ? loss.positive : undefined;
  };
  assertEquals(fitted([1, 0, 0, null, 0]), 3);
  assertEquals(fitted([1, 0, 0, null, 0], [2, 1, 0, 9, 3]), 2);
  assertEquals(fitted([0.25, 0.25]), 3);
  const fixed = of(7);
  const data = rows([[1], [1]], { labels: { y: [1, 1] } });
  assertEquals(balance(fixed, data), fixed);
  for (const labels of [[1, 1], [0, 0], [null, null]]) {
    const error = assertThrows(() => fitted(labels), RangeError);
    assert(/^Cannot balance\n {2}at task "y": found rows of weight \d .*wanted some of both$/.test(error.message));
  }
  const stream = async function* () {};
  assertThrows(() => balance(of("balanced"), stream() as never), TypeError, "the factor of a stream as a number");
  const unfitted = await assertRejects(() => compile(of("balanced"), { engine: reference() }), TypeError);
  const wanted = 'positive is "balanced", which is not fitted yet: wanted what balance(spec, training rows) returns';
  assertEquals(unfitted.message, `Cannot compile model\n  at task "y": ${wanted}`);
  assertThrows(() => evaluation(plan(of("balanced"))), TypeError, `Cannot write loss: ${wanted}`);
});

Deno.test("binary() takes a tower of logits, with a loss of its own choice", async () => {
  const tasks = {
    a: binary(),
    b: binary(),
    either: binary((z) => sum(z, { keep: true }), { of: ["a", "b"], loss: focal() }),
  };
  const spec = define({ input: 5, tasks });
  assertEquals(parametersOf(spec).filter(({ path }) => path.includes("either")), []);
  const model = await compile(spec, { engine: reference(), seed: 1 });
  const { a, b, either } = await model.predict(sample(10));
  const logit = (p: number) => Math.log(p / (1 - p));
  either.forEach((p, row) => near(logit(p), logit(a[row]) + logit(b[row]), `${row}`, 1e-4));
  model.dispose();
});

Deno.test("ordered() puts every name after what it needs, and names the circles", () => {
  const table: [needs: Record<string, string[]>, order: string, circles: string][] = [
    [{ a: [], b: [], c: [] }, "a b c", ""],
    [{ a: ["b", "c"], b: ["c"], c: [] }, "c b a", ""],
    [{ a: ["a"] }, "a", "a:a"],
    [{ a: ["b"], b: ["a"] }, "b a", "b:a"],
    [{ a: ["b", "b"], b: [], d: ["a", "b"] }, "b a d", ""],
    [{ a: ["b"], b: ["c", "d"], c: ["a"], d: [] }, "c d b a", "c:a"],
  ];
  for (const [needs, order, circles] of table) {
    const found = ordered(Object.keys(needs), (name) => needs[name]);
    assertEquals(found.order.join(" "), order);
    assertEquals(found.circles.map((pair) => pair.join(":")).join(" "), circles);
  }
  const chain = Array.from({ length: 100_000 }, (_, at) => String(at));
  assertEquals(ordered(chain, (name) => name === "99999" ? [] : [String(Number(name) + 1)]).order[0], "99999");
});

/** The logit, the loss against a label and the gradient of the loss, of products of probabilities given as logits. */
async function ofLogits(lists: readonly (readonly number[])[], label: number) {
  const width = lists[0].length;
  const x = apply("input", [], { name: "x", shape: ["batch", width], type: "float" });
  const task = product(Array.from({ length: width }, (_, at) => `${at}`));
  const logit = task.tower(x);
  const [labels, weights] = ["labels", "weights"].map((name) =>
    apply("input", [], { name, shape: ["batch"], type: "float" })
  );
  const head = { kind: task.kind, units: 1, net: { nodes: [], outputs: {} } };
  const { totals } = lossOf(head)({ logits: logit, labels, weights });
  const [gradient] = gradients(sum(totals, { axes: [0] }), [x]);
  const engine = reference();
  const found = await engine.load(graphOf({ logit, loss: totals, gradient }), engine.store({})).run({
    x: { shape: [lists.length, width], data: Float64Array.from(lists.flat()) },
    labels: { shape: [lists.length], data: new Float64Array(lists.length).fill(label) },
    weights: { shape: [lists.length], data: new Float64Array(lists.length).fill(1) },
  });
  return { logit: found.logit.data, loss: found.loss.data, gradient: found.gradient.data };
}

/** The same from `log p = -sum softplus(-z)` and `log(1 - p) = log(-expm1(log p))`, and the calculus of these. */
function wantedProduct(logits: readonly number[], label: number) {
  const softplus = (z: number) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
  const sigmoid = (z: number) => z < 0 ? Math.exp(z) / (1 + Math.exp(z)) : 1 / (1 + Math.exp(-z));
  const s = logits.reduce((total, z) => total + softplus(-z), 0); // -log p
  const ratio = s > 700 ? 0 : 1 / Math.expm1(s); // p / (1 - p)
  if (s > 0) {
    const complement = s > 1 ? Math.log1p(-Math.exp(-s)) : Math.log(-Math.expm1(-s)); // log(1 - p)
    return {
      odds: -s - complement,
      loss: label * s - (1 - label) * complement,
      slopes: logits.map((z) => (-label + (1 - label) * ratio) * sigmoid(-z)),
    };
  }
  const least = Math.min(...logits); // so large that e ** -z is 0: the smallest logits count, and nothing else
  const odds = least - Math.log(logits.filter((z) => z === least).length);
  const share = (z: number) => z === least ? 1 / logits.filter((z) => z === least).length : 0;
  return { odds, loss: (1 - label) * odds, slopes: logits.map((z) => (1 - label) * share(z)) };
}

function combinations(numbers: readonly number[], width: number): number[][] {
  return width === 0 ? [[]] : combinations(numbers, width - 1).flatMap((list) => numbers.map((z) => [...list, z]));
}

/** Rows of clicks, and of conversions after them. */
function funnel(count: number): Rows {
  const { inputs } = sample(count);
  const at = (row: number, column: number) => inputs.input[5 * row + column];
  const lists = Array.from({ length: count }, (_, row) => Array.from(inputs.input.subarray(5 * row, 5 * row + 5)));
  const ctr = lists.map((_, row) => at(row, 0) > -0.2);
  const cvr = lists.map((_, row) => at(row, 1) + at(row, 2) > 0);
  return rows(lists, { labels: { ctr, cvr, ctcvr: ctr.map((clicked, row) => clicked && cvr[row]) } });
}

/** The outputs of a graph on the reference engine, with all its parameters in one array. */
async function ran(graph: Graph, flat: ArrayLike<number>, data: Rows): Promise<Record<string, Tensor>> {
  const engine = reference();
  const parameters = { shape: [flat.length], data: Float64Array.from(flat) };
  const spec = "ctr" in data.labels! ? paper : everyHead;
  return await engine.load(graph, engine.store({ parameters })).run(readBy(graph, batchTensors(spec, data)));
}

/** The parameters after some steps from the same start, which the model has again afterwards. */
async function trained(model: Model, data: Rows) {
  const start = await model.parameters();
  for await (const _ of train(model, data, { steps: 5, batch: 8, optimiser: adam(0.05) }));
  const parameters = await model.parameters();
  model.assign(start);
  return parameters;
}

/** Returns the parameters after training, and an evaluation with them. */
async function outcome(spec: Spec, data: Rows) {
  const model = await compile(spec, { engine: reference(), seed: 4 });
  const losses = [];
  for await (const { loss } of train(model, data, { steps: 12, batch: 64, optimiser: adam(0.05) })) losses.push(loss);
  const [parameters, evaluated] = [await model.parameters(), await evaluate(model, data)];
  model.dispose();
  return { losses, parameters, evaluated };
}

/** Rows without a column of labels. */
function without(data: Rows, name: string): Rows {
  return { ...data, labels: Object.fromEntries(Object.entries(data.labels!).filter(([task]) => task !== name)) };
}

/** Asserts that training lowers the loss of every task that has a weight. */
async function assertLearns(model: Model, data: Rows): Promise<void> {
  const before = await evaluate(model, data);
  for await (const _ of train(model, data, { epochs: 30, batch: 50, optimiser: adam(0.02) }));
  const after = await evaluate(model, data);
  for (const [task, { weight }] of Object.entries(model.spec.tasks)) {
    if (weight > 0) assertLess(after.loss[task], before.loss[task] - 0.01, task);
  }
}

function affine(x: readonly number[], path: string, parameters: Readonly<Record<string, Tensor>>): number[] {
  const [kernel, bias] = [parameters[`${path}/kernel`].data, parameters[`${path}/bias`].data];
  return Array.from(
    bias,
    (b, to) => x.reduce((total, number, from) => total + number * kernel[from * bias.length + to], b),
  );
}

function positive(x: number): number {
  return Math.max(0, x);
}

function near(found: number, wanted: number, message: string, precision = 1e-12): void {
  const error = Math.abs(found - wanted) / Math.max(1, Math.abs(wanted));
  assert(error <= precision, `${message}: ${found}, not ${wanted}`);
}
