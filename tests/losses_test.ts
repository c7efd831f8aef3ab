import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { apply } from "../lib/ops/table.ts";
import { slice } from "../lib/ops/functions.ts";
import { graphOf } from "../lib/graph/graph.ts";
import { gradients } from "../lib/graph/differentiate.ts";
import { random } from "../lib/data/random.ts";
import { batchTensors } from "../lib/train/feed.ts";
import { losses } from "../lib/train/losses.ts";
import { binary, categorical, define, type Label, reference, regression, rows, type Task } from "../mod.ts";

/** Logits and labels of a task, and what else counts. */
interface Case {
  readonly task: Task;
  readonly logits: readonly (readonly number[])[];
  readonly labels: readonly Label[];
  readonly weights?: readonly number[];
}

/** The loss of one row, from its logits `z` and its label `y`. */
const formulas = {
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
};

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
      const counts = !missing(row.labels[at]) && row.weights?.[at] !== 0;
      if (!counts) assertEquals(number, 0, `${name}: row ${at}`);
    });
  }
  const { gradient } = await run({ only: cases["binary, far logits"] }); // (sigmoid(z) - y) / rows
  [0, 1, -1, 0, 0, 0, 1, -1, 0.5, 0].forEach((wanted, row) => near(gradient[row], wanted / 10, `row ${row}`));
});

/** The losses of tasks on the reference engine; the logits of all lie side by side in one input. */
async function run(tasks: Readonly<Record<string, Case>>) {
  const all = Object.entries(tasks);
  const width = all.reduce((sum, [, { task }]) => sum + task.units, 0);
  const spec = define({ input: width, tasks: Object.fromEntries(all.map(([name, { task }]) => [name, task])) });
  const input = apply("input", [], { name: "input", shape: ["batch", width], type: "float" });
  let start = 0;
  const logits = all.map(([name, { task: { units } }]) => {
    start += units;
    return [name, slice(input, start - units, units)] as const;
  });
  const { byTask, total } = losses(spec.tasks, Object.fromEntries(logits));
  const [gradient] = gradients(total, [input]);
  const engine = reference();
  const program = engine.load(graphOf({ ...byTask, " total": total, " gradient": gradient }), engine.store({}));
  const data = rows(all[0][1].logits.map((_, row) => all.flatMap(([, { logits }]) => logits[row])), {
    labels: Object.fromEntries(all.map(([name, { labels }]) => [name, labels])),
    weights: Object.fromEntries(all.flatMap(([name, { weights }]) => weights === undefined ? [] : [[name, weights]])),
  });
  const found = await program.run(batchTensors(spec, data));
  const loss = Object.fromEntries(all.map(([name]) => [name, found[name].data[0]]));
  return { loss, total: found[" total"].data[0], gradient: [...found[" gradient"].data] };
}

function wantedLoss({ task, logits, labels, weights }: Case): number {
  let [sum, count] = [0, 0];
  labels.forEach((label, row) => {
    if (missing(label)) return;
    const weight = Math.fround(weights?.[row] ?? 1);
    sum += weight * formulas[task.kind](logits[row], Math.fround(Number(label)));
    count += weight;
  });
  return count === 0 ? 0 : sum / count;
}

function missing(label: Label): boolean {
  return label === null || label === undefined || Number.isNaN(label);
}

function near(found: number, wanted: number, message: string): void {
  assertAlmostEquals(found, wanted, 1e-12 * Math.max(1, Math.abs(wanted)), message);
}
