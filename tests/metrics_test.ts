import { assert, assertAlmostEquals, assertEquals, assertLess, assertThrows } from "@std/assert";
import { permutation, random } from "../lib/data/random.ts";
import {
  accuracy,
  auc,
  categoricalAccuracy,
  categoricalLogLoss,
  logLoss,
  mae,
  type Metric,
  mse,
  r2,
} from "../lib/heads/metrics.ts";
import { heads, measuresOf } from "../lib/heads/heads.ts";
import { huberLoss, logitLoss, pinballLoss, poissonDeviance } from "../lib/heads/loss_metrics.ts";
import { pairAuc } from "../lib/heads/pair_auc.ts";
import type { HeadSpec } from "../lib/graph.ts";

type Head = Pick<HeadSpec, "kind" | "loss">;

/** Every head by its kind, and every loss that can be chosen. */
const own = Object.fromEntries(Object.keys(heads).map((kind) => [kind, { kind } as Head]));
const chosen = {
  crossEntropy: { kind: "binary", loss: { kind: "crossEntropy", positive: 10 } },
  focal: { kind: "binary", loss: { kind: "focal", gamma: 2 } },
  huber: { kind: "regression", loss: { kind: "huber", delta: 0.1 } },
  quantile: { kind: "regression", loss: { kind: "quantile", level: 0.9 } },
} as const;

const NONE = NaN;
const LOG = Math.log;
const CLIP = 2 ** -23;

/** Values worked out by hand: predictions, labels, weights, result. */
const known: [string, Metric, number[], number[], number[] | undefined, number][] = [
  ["auc", auc, [0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], undefined, 0.75],
  ["auc, all right", auc, [1, 2, 3], [0, 0, 1], undefined, 1],
  ["auc, all wrong", auc, [3, 2, 1], [0, 1, 1], undefined, 0],
  ["auc, all tied", auc, [5, 5, 5, 5], [0, 1, 0, 1], undefined, 0.5],
  ["auc, one tie", auc, [1, 2, 2], [0, 0, 1], undefined, 0.75],
  ["auc, zero and minus zero tie", auc, [0, -0], [0, 1], undefined, 0.5],
  ["auc, infinite scores", auc, [-Infinity, Infinity, Infinity], [0, 1, 0], undefined, 0.75],
  ["auc, weights", auc, [1, 2, 3], [0, 1, 0], [3, 5, 1], 0.75],
  ["auc, one class", auc, [1, 2], [1, 1], undefined, NaN],
  ["auc, other class", auc, [1, 2], [0, 0], undefined, NaN],
  ["auc, one class left", auc, [1, 2, 3], [0, 1, 1], [0, 1, 1], NaN],
  ["auc, missing", auc, [9, 1, 2], [NONE, 0, 1], undefined, 1],
  ["auc, NaN score of a missing label", auc, [NaN, 1, 2], [NONE, 0, 1], undefined, 1],
  ["auc, NaN score", auc, [NaN, 1, 2], [0, 0, 1], undefined, NaN],
  ["auc, no rows", auc, [], [], undefined, NaN],
  ["logLoss", logLoss, [0.5, 0.25], [1, 0], undefined, (LOG(2) + LOG(4 / 3)) / 2],
  ["logLoss, soft label", logLoss, [0.25], [0.25], undefined, -0.25 * LOG(0.25) - 0.75 * LOG(0.75)],
  ["logLoss, weights", logLoss, [0.5, 0.25], [1, 0], [1, 3], (LOG(2) + 3 * LOG(4 / 3)) / 4],
  ["logLoss, saturated and right", logLoss, [1, 0], [1, 0], undefined, -LOG(1 - CLIP)],
  ["logLoss, saturated and wrong", logLoss, [0], [1], undefined, -LOG(CLIP)],
  ["logLoss, missing", logLoss, [0.5, 0], [1, NONE], undefined, LOG(2)],
  ["logLoss, NaN", logLoss, [NaN, 0.5], [1, 0], undefined, NaN],
  ["logLoss, nothing left", logLoss, [0.5], [NONE], undefined, NaN],
  ["accuracy", accuracy, [0.6, 0.4, 0.6, 0.4], [1, 0, 0, 0], undefined, 0.75],
  ["accuracy, at the threshold", accuracy, [0.5, 0.5], [1, 0], [3, 1], 0.25],
  ["accuracy, NaN", accuracy, [NaN, 0.4], [0, 0], undefined, NaN],
  ["accuracy, missing", accuracy, [0.6, 0.4], [NONE, 0], undefined, 1],
  ["categoricalLogLoss", categoricalLogLoss, [0.5, 0.25, 0.25, 0, 1, 0], [1, 0], undefined, -LOG(0.25 * CLIP) / 2],
  ["categoricalLogLoss, missing", categoricalLogLoss, [0.5, 0.5, 0.1, 0.9], [0, NONE], undefined, LOG(2)],
  ["categoricalAccuracy", categoricalAccuracy, [0.1, 0.7, 0.2, 0.6, 0.3, 0.1], [1, 2], undefined, 0.5],
  ["categoricalAccuracy, tie", categoricalAccuracy, [0.4, 0.4, 0.2, 0.2, 0.4, 0.4], [0, 2], [3, 1], 0.75],
  ["categoricalAccuracy, NaN", categoricalAccuracy, [0.4, NaN], [0], undefined, NaN],
  ["mse", mse, [1, 2, 5], [1, 4, 2], undefined, 13 / 3],
  ["mse, weights", mse, [1, 2, 5], [1, 4, 2], [1, 2, 0], 8 / 3],
  ["mse, missing", mse, [1, 7], [2, NONE], undefined, 1],
  ["mae", mae, [1, 2, 5], [1, 4, 2], undefined, 5 / 3],
  ["mae, weights", mae, [1, 2, 5], [1, 4, 2], [1, 2, 1], 7 / 4],
  ["r2, perfect", r2, [1, 2, 3], [1, 2, 3], undefined, 1],
  ["r2, the mean", r2, [2, 2, 2], [1, 2, 3], undefined, 0],
  ["r2", r2, [1, 2, 4], [1, 2, 3], undefined, 0.5],
  ["r2, weights", r2, [1, 1, 9], [0, 2, 5], [3, 1, 0], 1 - 4 / 3],
  ["r2, equal labels", r2, [1, 2, 3], [0.1, 0.1, 0.1], undefined, NaN],
  ["r2, missing", r2, [1, 9, 2], [1, NONE, 2], undefined, 1],
  ["huberLoss, near, at the bend, far", huberLoss(2), [1, 2, -3], [0, 0, 0], undefined, (0.5 + 2 + 4) / 3],
  ["huberLoss, weights", huberLoss(0.5), [1, 1], [0, 1], [1, 3], 0.375 / 4],
  ["huberLoss, missing", huberLoss(1), [1, 7], [2, NONE], undefined, 0.5],
  ["pinballLoss, below, above, at", pinballLoss(0.75), [1, 1, 1], [3, -1, 1], undefined, (1.5 + 0.5 + 0) / 3],
  ["pinballLoss, weights", pinballLoss(0.25), [1, 1], [3, -1], [3, 1], (3 * 0.5 + 1.5) / 4],
  ["pinballLoss, missing", pinballLoss(0.5), [1, 7], [2, NONE], undefined, 0.5],
  ["poissonDeviance", poissonDeviance, [2, 3, 1], [0, 3, 2], undefined, (4 + 0 + 2 * (2 * LOG(2) - 1)) / 3],
  ["poissonDeviance, weights", poissonDeviance, [2, 3], [0, 3], [1, 3], 1],
  ["poissonDeviance, missing", poissonDeviance, [2, 3], [0, NONE], undefined, 4],
  ["poissonDeviance, a rate of 0", poissonDeviance, [0, 0], [0, 1], undefined, Infinity],
  ["logitLoss", logitLoss, [0, LOG(3)], [1, 0], undefined, (LOG(2) + LOG(4)) / 2],
  ["logitLoss, saturated", logitLoss, [1000, -1000, 1000], [1, 0, 0.5], undefined, 500 / 3],
  ["logitLoss, missing", logitLoss, [1, 0], [NONE, 0.5], undefined, LOG(2)],
  ["pairAuc, three labels", pairAuc, [1, 3, 2], [0, 1, 2], undefined, 2 / 3],
  ["pairAuc, ties of scores", pairAuc, [1, 1, 2], [0, 1, 2], undefined, 2.5 / 3],
  ["pairAuc, ties of labels", pairAuc, [5, 1, 2], [0, 1, 1], undefined, 0],
  ["pairAuc, weights", pairAuc, [1, 3, 2], [0, 1, 2], [1, 2, 3], 5 / 11],
  ["pairAuc, no pair", pairAuc, [1, 2], [3, 3], undefined, NaN],
  ["pairAuc, NaN score", pairAuc, [NaN, 2], [1, 2], undefined, NaN],
  ["pairAuc, NaN score of a missing label", pairAuc, [NaN, 1, 2], [NONE, 0, 1], undefined, 1],
];

for (const [name, metric, predictions, labels, weights, wanted] of known) {
  Deno.test(`metrics: ${name} is as worked out by hand`, () => {
    const found = metric(predictions, labels, weights);
    if (Number.isNaN(wanted)) assertEquals(found, NaN);
    else assertAlmostEquals(found, wanted, 1e-12);
  });
}

Deno.test("auc() equals the share of pairs in the right order, with ties, weights and missing labels", () => {
  for (let seed = 0; seed < 60; seed++) {
    const { uniform } = random(`auc:${seed}`);
    const rows = 2 + Math.floor(uniform() * 60);
    const levels = seed % 3 === 0 ? 1e9 : 1 + Math.floor(uniform() * 8);
    const scores = Float32Array.from({ length: rows }, () => Math.floor(uniform() * levels) / 10 - 1);
    const labels = Float32Array.from({ length: rows }, () => uniform() < 0.1 ? NaN : uniform() < 0.4 ? 1 : 0);
    const weights = seed % 2 === 0 ? undefined : Float32Array.from(
      { length: rows },
      () => uniform() < 0.1 ? 0 : uniform() * 3,
    );
    assertNear(auc(scores, labels, weights), pairs(scores, labels, weights));
  }
});

Deno.test("pairAuc() equals the share of pairs in the right order, with ties, weights, groups and missing labels", () => {
  for (let seed = 0; seed < 60; seed++) {
    const { uniform } = random(`pairs:${seed}`);
    const rows = 2 + Math.floor(uniform() * 60);
    const whole = (below: number) => Math.floor(uniform() * below);
    const scores = Float32Array.from({ length: rows }, () => whole(seed % 3 === 0 ? 1e9 : 8) / 10);
    const labels = Float32Array.from({ length: rows }, () => uniform() < 0.1 ? NaN : whole(1 + seed % 5) - 1);
    const weights = seed % 2 === 0 ? undefined : scores.map(() => uniform() < 0.1 ? 0 : uniform() * 3);
    const groups = seed % 4 < 2 ? undefined : scores.map(() => uniform() < 0.1 ? NaN : whole(4));
    let [right, all] = [0, 0];
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < rows; j++) {
        if (!(labels[i] > labels[j]) || groups !== undefined && groups[i] !== groups[j]) continue;
        const weight = (weights?.[i] ?? 1) * (weights?.[j] ?? 1);
        all += weight;
        right += weight * (scores[i] > scores[j] ? 1 : scores[i] === scores[j] ? 0.5 : 0);
      }
    }
    assertNear(pairAuc(scores, labels, weights, groups), right / all, `${seed}`);
    const yes = labels.map((label) => Number.isNaN(label) ? NaN : Number(label > 0));
    assertNear(pairAuc(scores, yes, weights), auc(scores, yes, weights), `${seed}`);
  }
});

Deno.test("heads have the metrics that their docs name, AUC of logits, and log losses that are the loss itself", () => {
  const metricsOf = (head: Head) =>
    Object.fromEntries(Object.entries(measuresOf(head)).map(([name, { metric }]) => [name, metric]));
  assertEquals(metricsOf({ kind: "binary" }), { auc, logloss: logLoss, accuracy });
  assertEquals(metricsOf({ kind: "regression" }), { mse, mae, r2 });
  assertEquals(metricsOf({ kind: "categorical" }), { logloss: categoricalLogLoss, accuracy: categoricalAccuracy });
  assertEquals(metricsOf({ kind: "count" }), { deviance: poissonDeviance, mse, mae });
  assertEquals(metricsOf({ kind: "ranking" }), { auc: pairAuc });
  assertEquals(metricsOf(chosen.focal), { auc, logloss: logitLoss, accuracy });
  assertEquals(metricsOf(chosen.crossEntropy), { auc, logloss: logitLoss, accuracy });
  assertEquals(Object.keys(metricsOf(chosen.huber)), ["mse", "mae", "r2", "huber"]);
  assertEquals(Object.keys(metricsOf(chosen.quantile)), ["mse", "mae", "r2", "pinball"]);
  for (const [head, kind] of Object.entries({ ...own, ...chosen })) {
    for (const [name, { of, best }] of Object.entries(measuresOf(kind))) {
      const logits = name === "auc" || ["focal", "crossEntropy"].includes(head) && name === "logloss";
      assertEquals(of, logits ? "logits" : name === "logloss" ? "loss" : "predictions", `${name} of ${head}`);
      assertEquals(best, ["auc", "accuracy", "r2"].includes(name) ? "most" : "least", name);
    }
  }
});

for (const [head, kind] of Object.entries({ ...own, ...chosen })) {
  const classes = head === "categorical" ? 3 : 1;

  Deno.test(`metrics of ${head}: the order of the rows does not matter`, () => {
    const { predictions, labels, weights } = sample(head, classes, 200);
    const order = [...permutation(200, random("order"))];
    for (const [name, { metric }] of Object.entries(measuresOf(kind))) {
      const permuted = metric(
        order.flatMap((row) => predictions.slice(row * classes, (row + 1) * classes)),
        order.map((row) => labels[row]),
        order.map((row) => weights[row]),
      );
      assertNear(permuted, metric(predictions, labels, weights), name);
    }
  });

  Deno.test(`metrics of ${head}: a weight counts as that many rows, and 0 or a missing label as none`, () => {
    const { predictions, labels } = sample(head, classes, 60);
    const times = labels.map((_, row) => row % 4);
    const repeated = times.flatMap((count, row) => Array<number>(Number.isNaN(labels[row]) ? 0 : count).fill(row));
    for (const [name, { metric }] of Object.entries(measuresOf(kind))) {
      const weighted = metric(predictions, labels, times);
      const written = metric(
        repeated.flatMap((row) => predictions.slice(row * classes, (row + 1) * classes)),
        repeated.map((row) => labels[row]),
      );
      assertNear(weighted, written, name);
      assertNear(metric(predictions, labels, times.map((count) => count * 7)), weighted, name);
    }
  });
}

Deno.test("metrics of lengths that do not fit throw", () => {
  const cases: [() => number, string][] = [
    [() => auc([1, 2], [1]), "Cannot compute AUC: 2 predictions for 1 labels"],
    [() => mse([1], [1], [1, 1]), "Cannot compute MSE: 2 weights for 1 labels"],
    [() => categoricalAccuracy([1, 0, 0], [1, 0]), "3 predictions for 2 labels, wanted one a row and class"],
    [() => categoricalLogLoss([1], []), "1 predictions for 0 labels"],
    [() => categoricalLogLoss([0.5, 0.5], [0], []), "0 weights for 1 labels"],
    [() => categoricalLogLoss([0.5, 0.5], [2]), "the label of row 0 is 2, wanted a class from 0 to 1"],
    [() => categoricalAccuracy([0.5, 0.5, 0, 1], [1, 0.5]), "the label of row 1 is 0.5"],
    [() => huberLoss(1)([1, 2], [1]), "Cannot compute Huber loss: 2 predictions for 1 labels"],
    [() => pinballLoss(0.5)([1], [1], []), "Cannot compute pinball loss: 0 weights for 1 labels"],
    [() => poissonDeviance([], [1]), "Cannot compute Poisson deviance: 0 predictions for 1 labels"],
    [() => pairAuc([1], [1, 2]), "Cannot compute AUC: 1 predictions for 2 labels"],
    [() => pairAuc([1], [1], [1], [1, 2]), "Cannot compute AUC: 2 groups for 1 labels"],
  ];
  for (const [run, message] of cases) assertThrows(run, RangeError, message);
});

Deno.test("auc() of 10,000 rows reads each a few times, not once for every other", () => {
  const { uniform } = random("speed");
  let reads = 0;
  const counted = (list: Float32Array) =>
    new Proxy(list, {
      get: (target, key) => {
        reads++;
        const found = Reflect.get(target, key, target);
        return typeof found === "function" ? found.bind(target) : found;
      },
    });
  const scores = Float32Array.from({ length: 10_000 }, uniform);
  const labels = scores.map((score) => uniform() < score ? 1 : 0);
  assertAlmostEquals(auc(counted(scores), counted(labels)), 5 / 6, 0.01);
  assertLess(reads, 100 * scores.length);
});

/** The definition: every pair of a positive and a negative row. */
function pairs(scores: ArrayLike<number>, labels: ArrayLike<number>, weights?: ArrayLike<number>): number {
  let wins = 0;
  let all = 0;
  for (let i = 0; i < scores.length; i++) {
    for (let j = 0; j < scores.length; j++) {
      if (labels[i] !== 1 || labels[j] !== 0) continue;
      const weight = (weights?.[i] ?? 1) * (weights?.[j] ?? 1);
      all += weight;
      if (scores[i] > scores[j]) wins += weight;
      if (scores[i] === scores[j]) wins += weight / 2;
    }
  }
  return wins / all;
}

/** Predictions, labels (some missing) and weights for a head. */
function sample(head: string, classes: number, rows: number) {
  const { uniform } = random(head);
  const predictions: number[] = [];
  for (let row = 0; row < rows; row++) {
    const scores = Array.from({ length: classes }, uniform);
    const total = classes === 1 ? 1 : scores.reduce((a, b) => a + b);
    const least = head === "count" ? 0.05 : 0; // a rate is above 0
    predictions.push(...scores.map((score) => Math.max(least, Math.round(score / total * 20) / 20)));
  }
  const label = () =>
    ["regression", "huber", "quantile", "count"].includes(head)
      ? uniform()
      : Math.floor(uniform() * Math.max(2, classes));
  const labels = Array.from({ length: rows }, () => uniform() < 0.1 ? NaN : label());
  const weights = Array.from({ length: rows }, () => uniform() * 2);
  return { predictions, labels, weights };
}

function assertNear(found: number, wanted: number, name = ""): void {
  assert(
    Number.isNaN(wanted) ? Number.isNaN(found) : Math.abs(found - wanted) < 1e-12,
    `${name}: ${found}, not ${wanted}`,
  );
}
