import { assert, assertAlmostEquals, assertEquals, assertLess } from "@std/assert";
import { apply } from "../lib/ops/table.ts";
import { slice } from "../lib/ops/functions.ts";
import { graphOf } from "../lib/graph/graph.ts";
import { gradients } from "../lib/graph/differentiate.ts";
import { random } from "../lib/data/random.ts";
import { batchTensors, readBy } from "../lib/model/feed.ts";
import { losses } from "../lib/trace/losses.ts";
import {
  binary,
  categorical,
  count,
  cpu,
  define,
  type Engine,
  focal,
  huber,
  type Label,
  quantile,
  ranking,
  reference,
  regression,
  rows,
  type Task,
  wasm,
} from "../mod.ts";
import { onnx } from "../lib/onnx.ts";

/** Logits and labels of a task, and what else counts. */
interface Case {
  readonly task: Task;
  readonly logits: readonly (readonly number[])[];
  readonly labels: readonly Label[];
  readonly weights?: readonly number[];
  readonly groups?: readonly Label[];
}

/** The loss of one row, from its logits `z`, its label `y` and the settings of the loss, by the name of the loss. */
const formulas: Readonly<Record<string, (z: readonly number[], y: number, settings: Settings) => number>> = {
  binary: ([z]: readonly number[], y: number) =>
    y * Math.log1p(Math.exp(-Math.abs(z))) + (1 - y) * Math.log1p(Math.exp(-Math.abs(z))) +
    (z > 0 ? (1 - y) * z : -y * z),
  regression: ([z]: readonly number[], y: number) => (z - y) * (z - y),
  categorical: (z: readonly number[], y: number) => {
    const top = Math.max(...z);
    let total = 0;
    for (const logit of z) total += Math.exp(logit - top);
    return Math.log(total) + top - z[y];
  },
  count: ([z]: readonly number[], y: number) => Math.exp(z) - y * z,
  crossEntropy: ([z], y, { positive }) => -positive * y * logSigmoid(z) - (1 - y) * logSigmoid(-z),
  focal: ([z], y, { gamma, alpha }) => {
    const [one, zero] = alpha === undefined ? [1, 1] : [alpha, 1 - alpha];
    const of = (z: number) => (1 - 1 / (1 + Math.exp(-z))) ** gamma * -logSigmoid(z); // of a row whose label is 1
    return y * one * of(z) + (1 - y) * zero * of(-z);
  },
  huber: ([z], y, { delta }) => {
    const error = Math.abs(z - y);
    return error <= delta ? error * error / 2 : delta * error - delta * delta / 2;
  },
  quantile: ([z], y, { level }) => Math.max(level * (y - z), (level - 1) * (y - z)),
};

type Settings = Readonly<Record<string, number>>;

/** `log(1 / (1 + e ** -z))`. */
function logSigmoid(z: number): number {
  return Math.min(z, 0) - Math.log1p(Math.exp(-Math.abs(z)));
}

const source = random("losses");
const draw = (count: number) => Array.from({ length: count }, () => Math.fround(3 * source.normal()));

const cases: Readonly<Record<string, Case>> = {
  "binary, one row": { task: binary(), logits: [[0.5]], labels: [1] },
  "binary, all kinds of labels": {
    task: binary(),
    logits: draw(8).map((z) => [z]),
    labels: [0, 1, true, false, null, undefined, NaN, 1],
  },
  "binary, soft labels": { task: binary(), logits: draw(5).map((z) => [z]), labels: [0, 0.25, 0.5, 0.75, 1] },
  "binary, weights": {
    task: binary(),
    logits: draw(5).map((z) => [z]),
    labels: [0, 1, null, 1, 0],
    weights: [1, 0.5, 7, 0, 2.25],
  },
  "binary, far logits": {
    task: binary(),
    logits: [[100], [100], [-100], [-100], [1000], [-1000], [1000], [-1000], [100], [0]],
    labels: [1, 0, 1, 0, 1, 0, 0, 1, 0.5, 0.5],
  },
  "binary, nothing labelled": { task: binary(), logits: [[100], [-1]], labels: [null, NaN] },
  "binary, nothing weighs": { task: binary(), logits: [[100], [-1]], labels: [0, 1], weights: [0, 0] },
  "regression, one row": { task: regression(), logits: [[0.5]], labels: [-2] },
  "regression, weights and missing labels": {
    task: regression(),
    logits: draw(6).map((z) => [z]),
    labels: [0, 1e4, null, -3.5, NaN, 2],
    weights: [1, 1e-4, 3, 0.5, 1, 0],
  },
  "regression, nothing labelled": { task: regression(), logits: [[1e4]], labels: [undefined] },
  "categorical, two classes, one row": { task: categorical(2), logits: [[0.5, -1]], labels: [1] },
  "categorical, weights and missing labels": {
    task: categorical(4),
    logits: Array.from({ length: 7 }, () => draw(4)),
    labels: [0, 1, 2, 3, null, 3, 0],
    weights: [1, 2, 0.5, 0, 1, 1, 3],
  },
  "categorical, far logits": {
    task: categorical(3),
    logits: [[100, -100, 0], [100, -100, 0], [1000, 999, -1000], [-1000, -1000, -1000], [0, 0, 1000]],
    labels: [0, 1, 1, 2, 0],
  },
  "positive 10, soft labels, weights and missing labels": {
    task: binary(undefined, { positive: 10 }),
    logits: draw(8).map((z) => [z]),
    labels: [0, 0.25, 0.5, 1, null, 1, 0, NaN],
    weights: [1, 0.5, 7, 2.25, 3, 0, 1, 1],
  },
  "positive 0.01, far logits": {
    task: binary(undefined, { positive: 0.01 }),
    logits: [[100], [100], [-100], [-100], [1000], [-1000], [1000], [-1000], [100], [0]],
    labels: [1, 0, 1, 0, 1, 0, 0, 1, 0.5, 0.5],
  },
  "positive 10, nothing labelled": { task: binary(undefined, { positive: 10 }), logits: [[100]], labels: [null] },
  "focal, gamma 0 is cross-entropy": {
    task: binary(undefined, { loss: focal({ gamma: 0 }) }),
    logits: draw(4).map((z) => [z]),
    labels: [0, 1, null, 0.25],
  },
  "focal, weights and missing labels": {
    task: binary(undefined, { loss: focal() }),
    logits: draw(7).map((z) => [z]),
    labels: [0, 1, null, 1, 0, 0.5, 1],
    weights: [1, 0.5, 7, 0, 2.25, 1, 1],
  },
  "focal, alpha": {
    task: binary(undefined, { loss: focal({ gamma: 1.5, alpha: 0.25 }) }),
    logits: draw(5).map((z) => [z]),
    labels: [0, 1, 1, 0, 0.75],
  },
  "focal, far logits": {
    task: binary(undefined, { loss: focal({ gamma: 2, alpha: 0.75 }) }),
    logits: [[30], [30], [-30], [-30], [1000], [-1000], [1000], [-1000]],
    labels: [1, 0, 1, 0, 1, 0, 0, 1],
  },
  "focal, nothing labelled": { task: binary(undefined, { loss: focal() }), logits: [[100], [-1]], labels: [null, NaN] },
  "huber, near and far, weights and missing labels": {
    task: regression(undefined, { loss: huber(1.5) }),
    logits: [[0], [1], [-3], [5], [5], [15], [2]],
    labels: [0.5, -2, 3, 4, null, -40, 7],
    weights: [1, 0.25, 2, 1, 5, 1, 0],
  },
  "huber, nothing labelled": { task: regression(undefined, { loss: huber(1) }), logits: [[1]], labels: [null] },
  "quantile, above and below, weights and missing labels": {
    task: regression(undefined, { loss: quantile(0.9) }),
    logits: [[0], [1], [-3], [5], [5], [15], [2]],
    labels: [0.5, -2, 3, 4, null, -40, 7],
    weights: [1, 0.25, 2, 1, 5, 1, 0],
  },
  "quantile, nothing weighs": {
    task: regression(undefined, { loss: quantile(0.5) }),
    logits: [[1]],
    labels: [2],
    weights: [0],
  },
  "count, weights and missing labels": {
    task: count(),
    logits: draw(7).map((z) => [z]),
    labels: [0, 3, null, 1.5, 0, 20, 1],
    weights: [1, 0.5, 7, 0, 2.25, 1, 1],
  },
  "count, far logits": { task: count(), logits: [[-1000], [-1000], [50], [0]], labels: [0, 2, 1e6, 0] },
  "count, nothing labelled": { task: count(), logits: [[50]], labels: [null] },
  "count, infinite rates that do not count": {
    task: count(),
    logits: [[1000], [0], [1000]],
    labels: [null, 2, 3],
    weights: [1, 1, 0],
  },
  "ranking, one row": { task: ranking(), logits: [[3]], labels: [1] },
  "ranking, equal labels": { task: ranking(), logits: [[3], [1], [2]], labels: [1, 1, null] },
  "ranking, labels of any order, weights and missing labels": {
    task: ranking(),
    logits: draw(9).map((z) => [z]),
    labels: [0, 1, 1, null, -2, 3.5, 0, 1, 2],
    weights: [1, 0.5, 2, 3, 1, 0, 1, 1.25, 4],
  },
  "ranking, far logits": {
    task: ranking(),
    logits: [[1000], [-1000], [1000], [-1000], [999]],
    labels: [1, 0, 0, 1, 1],
  },
  "ranking, within groups": {
    task: ranking(undefined, { within: "search" }),
    logits: draw(10).map((z) => [z]),
    labels: [0, 1, 1, null, 0, 1, 0, 1, 2, 1],
    groups: [7, 7, 7, 7, 8, 8, null, null, 9, 9],
    weights: [1, 0.5, 2, 3, 1, 1, 1, 1, 0.5, 1],
  },
  "ranking, within groups of one row": {
    task: ranking(undefined, { within: "search" }),
    logits: [[1], [2]],
    labels: [0, 1],
    groups: [-1, 0],
  },
  "categorical, nothing labelled": { task: categorical(3), logits: [[100, -100, 0]], labels: [null] },
};

Deno.test("losses() are the weighted means of the formulas over the labelled rows", async () => {
  for (const [name, row] of Object.entries(cases)) {
    const { loss } = await run({ only: row });
    near(loss.only, wantedLoss(row), name);
    assert(Number.isFinite(loss.only), name);
  }
});

Deno.test("losses() sum up with the weights of the tasks", async () => {
  const labels = { a: [1, 0, null], b: [0.5, null, -2], c: [2, 2, 0], d: [null, null, null] };
  for (const weights of [[1, 1, 1, 1], [0.25, 2, 0.5, 1], [0, 3, 0, 5], [0, 0, 0, 0]]) {
    const tasks: Record<string, Case> = {
      a: { task: binary(undefined, { weight: weights[0] }), logits: [[0.25], [1], [2]], labels: labels.a },
      b: { task: regression(undefined, { weight: weights[1] }), logits: [[0.25], [1], [2]], labels: labels.b },
      c: {
        task: categorical(3, undefined, { weight: weights[2] }),
        logits: [[0, 1, 2], [1, 1, 1], [5, -5, 0]],
        labels: labels.c,
      },
      d: { task: binary(undefined, { weight: weights[3] }), logits: [[0.25], [1], [2]], labels: labels.d },
    };
    const { total } = await run(tasks);
    near(total, Object.values(tasks).reduce((sum, row, k) => sum + weights[k] * wantedLoss(row), 0), `${weights}`);
  }
});

Deno.test("losses() have finite gradients, and none where a label is missing", async () => {
  for (const [name, row] of Object.entries(cases)) {
    const { gradient } = await run({ only: row });
    const width = row.logits[0].length;
    gradient.forEach((number, i) => {
      assert(Number.isFinite(number), `${name}: ${number}`);
      const at = Math.floor(i / width);
      const grouped = row.groups === undefined || !missing(row.groups[at]);
      const counts = !missing(row.labels[at]) && row.weights?.[at] !== 0 && grouped;
      if (!counts) assertEquals(number, 0, `${name}: row ${at}`);
    });
  }
  const { gradient } = await run({ only: cases["binary, far logits"] }); // (sigmoid(z) - y) / rows
  [0, 1, -1, 0, 0, 0, 1, -1, 0.5, 0].forEach((wanted, row) => near(gradient[row], wanted / 10, `row ${row}`));
});

Deno.test("losses() far from 0 are the same on every engine", async () => {
  for (const engine of [await cpu(), await wasm(), await onnx()]) {
    for (const [name, row] of Object.entries(cases)) {
      if (!/far|infinite/.test(name)) continue;
      const wanted = await run({ only: row });
      const found = await run({ only: row }, engine);
      const text = `${name} on ${engine.name}`;
      near(found.loss.only, wanted.loss.only, text, 1e-6);
      found.gradient.forEach((number, at) => near(number, wanted.gradient[at], `${text}: ${at}`, 1e-6));
    }
  }
});

Deno.test("losses() have the gradients that finite differences give", async () => {
  for (const [name, row] of Object.entries(cases)) {
    if (row.logits.flat().some((z) => Math.abs(z) > 20)) continue;
    const { gradient } = await run({ only: row });
    for (let at = 0; at < gradient.length; at++) {
      const moved = (by: number) => {
        const width = row.logits[0].length;
        const logits = row.logits.map((z, i) => z.map((z, j) => z + (i * width + j === at ? by : 0)));
        return run({ only: { ...row, logits } });
      };
      const slope = ((await moved(1e-5)).loss.only - (await moved(-1e-5)).loss.only) / 2e-5;
      assertLess(Math.abs(gradient[at] - slope), 1e-7 * Math.max(1, Math.abs(slope)), `${name}: ${at}`);
    }
  }
});

Deno.test("losses() that are of one family agree", async () => {
  const [logits, labels] = [draw(6).map((z) => [z]), [0, 1, 1, 0, 0.25, 1]];
  const loss = async (task: Task, given = labels) => (await run({ only: { task, logits, labels: given } })).loss.only;
  const of = (task: Task) => loss(task, labels);
  near(await of(binary(undefined, { loss: focal({ gamma: 0 }) })), await of(binary()), "focal without gamma");
  assertEquals(await of(binary(undefined, { positive: 1 })), await of(binary()), "positive rows that count once");
  const whole = { logits: [[0.5], [-1], [2], [-3]], labels: [1, 0, 1, 0] };
  const copies = { logits: [...whole.logits, [0.5], [2], [0.5], [2]], labels: [...whole.labels, 1, 1, 1, 1] };
  const [once] = [await run({ only: { task: binary(undefined, { positive: 3 }), ...whole } })];
  const thrice = await run({ only: { task: binary(), ...copies } });
  near(4 * once.loss.only, 8 * thrice.loss.only, "positive rows that count three times");
  const [even, plain] = [focal({ gamma: 2, alpha: 0.5 }), focal({ gamma: 2 })];
  near(
    2 * await of(binary(undefined, { loss: even })),
    await of(binary(undefined, { loss: plain })),
    "focal, alpha 1/2",
  );
  near(2 * await of(regression(undefined, { loss: huber(1e6) })), await of(regression()), "huber far out");
  const [low, high] = [await of(regression(undefined, { loss: quantile(0.1) })), quantile(0.9)];
  const absolute = labels.reduce((sum, y, row) => sum + Math.abs(y - logits[row][0]), 0) / 6;
  near(low + await of(regression(undefined, { loss: high })), absolute, "quantiles of both sides");
  near(2 * await of(regression(undefined, { loss: quantile(0.5) })), absolute, "quantile of the middle");
  const pair = await loss(ranking(), [1, 0, NaN, NaN, NaN, NaN]); // a pair is a row whose logit is the difference
  const difference = { task: binary(), logits: [[logits[0][0] - logits[1][0]]], labels: [1] };
  near(pair, (await run({ only: difference })).loss.only, "a pair");
});

Deno.test("losses() are least at what the heads are said to predict", async () => {
  const labels = [0, 0, 1, 1, 1, 2, 3, 5, 8, 13, 21];
  const yes = labels.map((label) => Math.min(label, 1));
  const mean = labels.reduce((sum, y) => sum + y, 0) / 11;
  const table: [task: Task, labels: number[], least: number][] = [
    [regression(), labels, mean],
    [regression(undefined, { loss: huber(1e6) }), labels, mean],
    [regression(undefined, { loss: huber(0.01) }), labels, 2], // the median, but for delta
    [regression(undefined, { loss: quantile(0.5) }), labels, 2],
    [regression(undefined, { loss: quantile(0.8) }), labels, 8],
    [regression(undefined, { loss: quantile(0.05) }), labels, 0],
    [count(), labels, Math.log(mean)],
    [binary(), yes, Math.log(9 / 2)],
    [binary(undefined, { positive: 10 }), yes, Math.log(9 / 2 * 10)],
    [binary(undefined, { positive: 2 / 9 }), yes, 0],
    [binary(undefined, { loss: focal({ gamma: 0, alpha: 0.25 }) }), yes, Math.log(9 / 2 / 3)],
    [binary(undefined, { loss: focal({ gamma: 2 }) }), [0, 1, 1, 0], 0],
  ];
  for (const [task, labels, least] of table) {
    const at = async (z: number) => (await run({ only: { task, logits: labels.map(() => [z]), labels } })).loss.only;
    const lowest = await at(least);
    for (const by of [0.02, 0.3, 2]) {
      const text = `${JSON.stringify(task.loss ?? task.kind)} ${by}`;
      assertLess(lowest, await at(least + by), text);
      assertLess(lowest, await at(least - by), text);
    }
  }
});

/** The losses of tasks, on the reference engine by default; the logits of all lie side by side in one input. */
async function run(tasks: Readonly<Record<string, Case>>, engine: Engine = reference()) {
  const all = Object.entries(tasks);
  const width = all.reduce((sum, [, { task }]) => sum + task.units, 0);
  const spec = define({ input: width, tasks: Object.fromEntries(all.map(([name, { task }]) => [name, task])) });
  const input = apply("input", [], { name: "input", shape: ["batch", width], type: "float" });
  let start = 0;
  const logits = all.map(([name, { task: { units } }]) => {
    start += units;
    return [name, slice(input, start - units, units)] as const;
  });
  const { byTask, total } = losses(spec.tasks, { logits: Object.fromEntries(logits), auxiliary: {} });
  const [gradient] = gradients(total, [input]);
  const graph = graphOf({ ...byTask, " total": total, " gradient": gradient });
  const program = engine.load(graph, engine.store({}));
  const numbers = all[0][1].logits.map((_, row) => all.flatMap(([, { logits }]) => logits[row]));
  const groups = all.flatMap(([, { groups }]) => groups === undefined ? [] : [["search", groups] as const]);
  const data = rows(numbers, {
    labels: Object.fromEntries([...all.map(([name, { labels }]) => [name, labels] as const), ...groups]),
    weights: Object.fromEntries(all.flatMap(([name, { weights }]) => weights === undefined ? [] : [[name, weights]])),
  });
  const exact = { input: { shape: [data.count, width], data: Float64Array.from(numbers.flat()) } };
  const found = await program.run(readBy(graph, { ...batchTensors(spec, data), ...exact }));
  const loss = Object.fromEntries(all.map(([name]) => [name, found[name].data[0]]));
  return { loss, total: found[" total"].data[0], gradient: [...found[" gradient"].data] };
}

function wantedLoss(row: Case): number {
  const { task: { kind, loss }, logits, labels } = row;
  if (kind === "ranking") return wantedPairs(row);
  const { kind: name, ...settings } = loss ?? { kind };
  let [sum, count] = [0, 0];
  labels.forEach((label, at) => {
    if (missing(label) || weightOf(row, at) === 0) return;
    sum += weightOf(row, at) * formulas[name](logits[at], Math.fround(Number(label)), settings as Settings);
    count += weightOf(row, at);
  });
  return count === 0 ? 0 : sum / count;
}

function wantedPairs(row: Case): number {
  const { logits, labels, groups } = row;
  let [sum, count] = [0, 0];
  labels.forEach((better, i) =>
    labels.forEach((worse, j) => {
      if (missing(better) || missing(worse) || !(Number(better) > Number(worse))) return;
      if (groups !== undefined && (missing(groups[i]) || groups[i] !== groups[j])) return;
      sum -= weightOf(row, i) * weightOf(row, j) * logSigmoid(logits[i][0] - logits[j][0]);
      count += weightOf(row, i) * weightOf(row, j);
    })
  );
  return count === 0 ? 0 : sum / count;
}

function weightOf({ weights }: Case, row: number): number {
  return Math.fround(weights?.[row] ?? 1);
}

function missing(label: Label): boolean {
  return label === null || label === undefined || Number.isNaN(label);
}

function near(found: number, wanted: number, message: string, precision = 1e-12): void {
  assertAlmostEquals(found, wanted, precision * Math.max(1, Math.abs(wanted)), message);
}
