import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { permutation, random } from "../lib/data/random.ts";
import { judgementOf, judgeRule, tallyOf } from "../lib/heads/judge.ts";
import { normalAbove, normalWithin } from "../lib/heads/normal.ts";
import {
  auc,
  aucInterval,
  calibrationCurve,
  compareAuc,
  compareGauc,
  delong,
  expectedCalibrationError,
  gauc,
  type Judge,
  logLoss,
  mrr,
  ndcg,
  normalisedEntropy,
  predictedOverObserved,
  recall,
} from "../lib/metrics.ts";
import { withTemp } from "./temp.ts";

/** Rows with ties, missing labels, missing keys, rows of weight 0 and groups of one class. */
interface Drawn {
  readonly scores: number[];
  readonly labels: number[];
  readonly weights: number[] | undefined;
  readonly groups: number[];
}

function drawn(seed: number, count: number, weighted: "rows" | "groups" | "no", levels = 5): Drawn {
  const source = random(`judges:${seed}`);
  const groups = Array.from({ length: count }, () => source.uniform() < 0.1 ? NaN : source.bits() % 7 - 3);
  const own = Array.from({ length: 7 }, () => source.uniform() * 3);
  return {
    scores: Array.from({ length: count }, () => (1 + source.bits() % levels) / (levels + 1)),
    labels: groups.map((group) => source.uniform() < 0.1 ? NaN : group > 1 ? 0 : source.uniform() < 0.4 ? 1 : 0),
    weights: weighted === "no" ? undefined : groups.map((group) => {
      if (source.uniform() < 0.1) return 0;
      return weighted === "rows" ? source.uniform() * 3 : own[(group || 0) + 3];
    }),
    groups,
  };
}

/** The rows that count, by their group. */
function grouped({ labels, weights, groups }: Drawn): number[][] {
  const counted = labels.map((_, row) => row).filter((row) => !Number.isNaN(labels[row]) && weights?.[row] !== 0);
  return [...new Set(groups)].filter((group) => !Number.isNaN(group)).map((group) =>
    counted.filter((row) => groups[row] === group)
  ).filter((rows) => rows.length > 0);
}

/** All orders of a group's rows in which none comes before one of a larger score. */
function orders(rows: readonly number[], scores: readonly number[]): number[][] {
  if (rows.length === 0) return [[]];
  const most = Math.max(...rows.map((row) => scores[row]));
  return rows.filter((row) => scores[row] === most).flatMap((first) =>
    orders(rows.filter((row) => row !== first), scores).map((rest) => [first, ...rest])
  );
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The value of one order of a group's labels. */
const ofOrder: Readonly<Record<string, (labels: readonly number[], at: number) => number>> = {
  ndcg: (labels, at) => {
    const dcg = (some: readonly number[]) =>
      some.slice(0, at).reduce((sum, label, rank) => sum + (2 ** label - 1) / Math.log2(rank + 2), 0);
    return dcg(labels) / dcg(labels.toSorted((a, b) => b - a));
  },
  recall: (labels, at) =>
    labels.slice(0, at).filter((label) => label > 0.5).length / labels.filter((y) => y > 0.5).length,
  mrr: (labels, at) => {
    const first = labels.findIndex((label) => label > 0.5);
    return first < at ? 1 / (first + 1) : 0;
  },
};

Deno.test("ndcg(), recall() and mrr() are the means over all orders of ties, over groups with a positive row", () => {
  for (let seed = 0; seed < 40; seed++) {
    const rows = drawn(seed, 30, seed % 2 === 0 ? "no" : "groups", 3);
    for (const at of [1, 2, 4, Infinity]) {
      const cut = at === Infinity ? {} : { at };
      const judges: Record<string, Judge> = {
        ndcg: ndcg({ by: "user", ...cut }),
        recall: recall({ by: "user", at: Math.min(at, 1000) }),
        mrr: mrr({ by: "user", ...cut }),
      };
      for (const [name, judge] of Object.entries(judges)) {
        const all = grouped(rows);
        const some = all.filter((group) => group.some((row) => rows.labels[row] > 0.5));
        const values = some.map((group) =>
          meanOf(orders(group, rows.scores).map((order) => ofOrder[name](order.map((row) => rows.labels[row]), at)))
        );
        const weights = some.map((group) => rows.weights?.[group[0]] ?? 1);
        const found = judge.judge(rows.scores, rows.labels, rows.weights, rows.groups);
        assertNear(found.value, ratio(values, weights), `${name} at ${at} of ${seed}`);
        assertEquals([found.groups, found.left?.groups], [some.length, all.length - some.length]);
        assertNear(found.error!, errorOf(values, weights));
      }
    }
  }
});

Deno.test("gauc() is the weighted mean of auc() over groups of both classes, and counts the others", () => {
  for (let seed = 0; seed < 60; seed++) {
    const rows = drawn(seed, 80, seed % 2 === 0 ? "no" : "rows");
    const { scores, labels, weights, groups } = rows;
    const pick = (of: readonly number[], some: readonly number[]) => some.map((row) => of[row]);
    const all = grouped(rows);
    const both = all.filter((some) => new Set(pick(labels, some)).size === 2);
    const aucs = both.map((some) => auc(pick(scores, some), pick(labels, some), weights && pick(weights, some)));
    const total = (some: readonly number[]) => some.reduce((sum, row) => sum + (weights?.[row] ?? 1), 0);
    const weighed = {
      rows: both.map(total),
      positives: both.map((some) => total(some.filter((row) => labels[row] === 1))),
      groups: both.map(() => 1),
    };
    const counted = labels.filter((label, row) => !Number.isNaN(label) && weights?.[row] !== 0).length;
    for (const weight of ["rows", "positives", "groups"] as const) {
      const found = gauc({ by: "user", weight }).judge(scores, labels, weights, groups);
      assertNear(found.value, ratio(aucs, weighed[weight]));
      assertNear(found.error!, errorOf(aucs, weighed[weight]));
      const inside = both.flat().length;
      assertEquals(found.rows, inside);
      assertEquals([found.groups, found.left], [both.length, {
        groups: all.length - both.length,
        rows: counted - inside,
      }]);
    }
    assertNear(gauc({ by: "user" })(scores, labels, weights, groups), ratio(aucs, weighed.rows));
  }
});

Deno.test("judges in pieces, sorted in files, give the same bits as at once, and depend on no order of rows", async () => {
  await withTemp(async (folder) => {
    for (const [name, judge, weighted] of every) {
      for (const seed of [1, 2, 3]) {
        const rows = drawn(seed, 120, weighted);
        const rule = judgeRule(judge, name);
        const given = {
          predictions: rows.scores,
          labels: rows.labels,
          weights: rows.weights,
          groups: rule.by === undefined ? undefined : rows.groups,
        };
        const wanted = judgementOf(rule, given, rule.of);
        const tally = tallyOf(rule, { most: 7, folder });
        for (let start = 0; start < 120; start += 11) {
          const cut = <T>(of: ArrayLike<T> | undefined) => of && Array.from(of).slice(start, start + 11);
          await tally.add({
            predictions: cut(given.predictions)!,
            labels: cut(given.labels)!,
            weights: cut(given.weights),
            groups: cut(given.groups),
          });
        }
        assertEquals(await tally.end(), wanted, `${name} of ${seed}`);
        await tally.dispose?.();
        const order = permutation(120, random(seed));
        const moved = <T>(of: readonly T[] | undefined) => of && Array.from(order, (row) => of[row]);
        const again = judgementOf(rule, {
          predictions: moved(rows.scores)!,
          labels: moved(rows.labels)!,
          weights: moved(rows.weights),
          groups: moved(given.groups),
        }, rule.of);
        assertNear(again.value, wanted.value, name);
        assertEquals([again.rows, again.groups, again.left], [wanted.rows, wanted.groups, wanted.left]);
      }
    }
    assertEquals([...Deno.readDirSync(folder)], []);
  });
});

/** Every judge, and the weights that it takes. */
const every: readonly (readonly [string, Judge, "rows" | "groups" | "no"])[] = [
  ["gauc", gauc({ by: "user" }), "rows"],
  ["gauc by positives", gauc({ by: "user", weight: "positives" }), "no"],
  ["ndcg", ndcg({ by: "user", at: 3 }), "groups"],
  ["linear ndcg", ndcg({ by: "user", gain: "linear" }), "no"],
  ["recall", recall({ by: "user", at: 2 }), "groups"],
  ["mrr", mrr({ by: "user" }), "groups"],
  ["delong", delong(), "no"],
  ["predictedOverObserved", predictedOverObserved, "rows"],
  ["normalisedEntropy", normalisedEntropy, "rows"],
  ["expectedCalibrationError", expectedCalibrationError(), "rows"],
  ["expectedCalibrationError by mass", expectedCalibrationError({ bins: 4, equal: "mass" }), "rows"],
];

Deno.test("judges of no rows, of one class and of NaN predictions are NaN", () => {
  for (const [name, judge] of every) {
    assertEquals(judge([], [], undefined, []), NaN, name);
    assertEquals(judge([0.5, NaN, 0.5], [1, 0, 0], undefined, [7, 7, 7]), NaN, name);
    assertEquals(judge([0.5, 0.5], [NaN, NaN], undefined, [7, 7]), NaN, name);
    const finite = judge([0.5, NaN, 0.5], [1, NaN, 0], undefined, [7, 7, 7]);
    assert(Number.isFinite(finite), `${name}: a prediction without a label does not count`);
  }
  for (const judge of [gauc({ by: "user" }), delong(), normalisedEntropy]) {
    assertEquals(judge([0.5, 0.4], [1, 1], undefined, [7, 7]), NaN);
  }
});

Deno.test("compareGauc() is the difference of gauc(), and its error that of users drawn with all their rows", () => {
  for (const weight of ["rows", "positives", "groups"] as const) {
    const { scores, labels, groups } = drawn(5, 200, "no");
    const other = drawn(6, 200, "no").scores;
    const judge = gauc({ by: "user", weight });
    const options = { weight, resamples: 150, seed: 3, level: 0.8 };
    const found = compareGauc(scores, other, labels, groups, options);
    const both = [scores, other].map((some) => judge(some, labels, undefined, groups));
    found.gaucs.forEach((value, model) => assertAlmostEquals(value, both[model], 1e-12));
    assertAlmostEquals(found.difference, both[0] - both[1], 1e-12);
    const users = grouped({ scores, labels, weights: undefined, groups }).filter((rows) =>
      new Set(rows.map((row) => labels[row])).size === 2
    ).sort((a, b) => groups[a[0]] - groups[b[0]]);
    assertEquals(found.groups, users.length);
    const source = random("compare GAUC:3");
    const differences = Array.from({ length: 150 }, () => {
      const rows = users.flatMap((_, copy) => {
        return users[Math.floor(source.uniform() * users.length)].map((row) => ({ row, copy }));
      });
      const [one, two] = [scores, other].map((some) =>
        judge(
          rows.map(({ row }) => some[row]),
          rows.map(({ row }) => labels[row]),
          undefined,
          rows.map(({ copy }) => copy),
        )
      );
      return one - two;
    }).sort((a, b) => a - b);
    const mean = differences.reduce((sum, one) => sum + one, 0) / 150;
    const variance = differences.reduce((sum, one) => sum + (one - mean) ** 2, 0) / 149;
    assertAlmostEquals(found.error, Math.sqrt(variance), 1e-12);
    const at = (place: number) =>
      differences[Math.floor(place)] * (1 - place % 1) + differences[Math.ceil(place)] * (place % 1);
    assertAlmostEquals(found.interval[0], at(14.9), 1e-12);
    assertAlmostEquals(found.interval[1], at(134.1), 1e-12);
    assertEquals(compareGauc(scores, other, labels, groups, options), found);
  }
});

Deno.test("compareGauc() is NaN of no group of both classes, and of a score that is NaN", () => {
  const none = compareGauc([1, 2], [2, 1], [0, 1], ["ann", "bob"]);
  assertEquals([none.groups, none.difference, none.error], [0, NaN, NaN]);
  const lost = compareGauc([NaN, 2], [2, 1], [0, 1], ["ann", "ann"]);
  assertEquals([lost.groups, lost.gaucs, lost.difference], [1, [NaN, 0], NaN]);
  assertThrows(() => compareGauc([1], [1], [1], ["ann"], { resamples: 0 }), RangeError, "resamples must be");
  assertThrows(() => compareGauc([1, 2], [1, 2], [0, 1], ["ann"]), RangeError, "groups need one a row");
});

Deno.test("aucInterval() and compareAuc() are DeLong's, by their definition over all pairs", () => {
  for (let seed = 0; seed < 40; seed++) {
    const source = random(`delong:${seed}`);
    const count = 8 + source.bits() % 60;
    const labels = Array.from({ length: count }, (_, row) => {
      return row < 2 ? 1 : row < 4 ? 0 : source.uniform() < 0.1 ? NaN : source.uniform() < 0.3 ? 1 : 0;
    });
    const levels = seed % 3 === 0 ? 1e9 : 6;
    const [a, b] = [1, 0.3].map((share) =>
      labels.map((y) => Math.floor((source.uniform() + share * (y || 0)) * levels))
    );
    const [one, other] = [placements(a, labels), placements(b, labels)];
    const error = Math.sqrt(
      variance(one.positive) / one.positive.length + variance(one.negative) / one.negative.length,
    );
    const found = aucInterval(a, labels, { level: 0.9 });
    assertNear(found.auc, auc(a, labels));
    assertNear(found.error, error);
    const reach = 1.6448536269514722 * error;
    assertNear(found.interval[0], Math.max(0, found.auc - reach));
    assertNear(found.interval[1], Math.min(1, found.auc + reach));

    const compared = compareAuc(a, b, labels);
    const [m, n] = [one.positive.length, one.negative.length];
    const both = (p: readonly number[], q: readonly number[]) => variance(p) + variance(q) - 2 * covariance(p, q);
    const spread = Math.sqrt(both(one.positive, other.positive) / m + both(one.negative, other.negative) / n);
    assertNear(compared.aucs[0], auc(a, labels));
    assertNear(compared.aucs[1], auc(b, labels));
    assertAlmostEquals(compared.error, spread, 1e-9);
    assertNear(compared.difference, compared.aucs[0] - compared.aucs[1]);
    assertNear(compared.z, compared.difference / compared.error);
    assertNear(compared.p, 2 * normalAbove(Math.abs(compared.z)));
    assertNear(compared.interval[1] - compared.difference, 1.959963984540054 * compared.error);
    const back = compareAuc(b, a, labels);
    assertNear(back.difference, -compared.difference);
    assertNear(back.p, compared.p);
  }
  const same = compareAuc([1, 2, 3, 4], [10, 20, 30, 40], [0, 1, 0, 1]);
  assertEquals([same.difference, same.error, same.z, same.p], [0, 0, 0, 1]);
});

Deno.test("the normal distribution is that of its tables, in its tails too", () => {
  const known = [
    [0, 0.5],
    [1, 0.15865525393145707],
    [1.959963984540054, 0.025],
    [3, 0.0013498980316300933],
    [
      6,
      9.865876450376946e-10,
    ],
    [10, 7.61985302416047e-24],
    [-1, 0.8413447460685429],
  ];
  for (const [z, wanted] of known) assertAlmostEquals(normalAbove(z) / wanted, 1, 1e-12, `${z}`);
  for (const [level, wanted] of [[0.9, 1.6448536269514722], [0.95, 1.959963984540054], [0.99, 2.5758293035489004]]) {
    assertAlmostEquals(normalWithin(level), wanted, 1e-9);
  }
});

Deno.test("calibration is that of plain sums over bins", () => {
  for (let seed = 0; seed < 40; seed++) {
    const { scores, labels, weights } = drawn(seed, 100, seed % 2 === 0 ? "no" : "rows", seed % 3 === 0 ? 1000 : 9);
    const rows = labels.map((_, row) => row).filter((row) => !Number.isNaN(labels[row]) && weights?.[row] !== 0);
    const weightOf = (row: number) => weights?.[row] ?? 1;
    const sum = (some: readonly number[], of: (row: number) => number) =>
      some.reduce((total, row) => total + weightOf(row) * of(row), 0);
    const share = sum(rows, (row) => labels[row]) / sum(rows, () => 1);
    const entropy = -share * Math.log(share) - (1 - share) * Math.log(1 - share);
    assertNear(
      predictedOverObserved(scores, labels, weights),
      sum(rows, (r) => scores[r]) / sum(rows, (r) => labels[r]),
    );
    assertNear(normalisedEntropy(scores, labels, weights), logLoss(scores, labels, weights) / entropy);

    const bins = 1 + seed % 6;
    const whole = sum(rows, () => 1);
    const middle = (row: number) => {
      const below = sum(rows.filter((other) => scores[other] < scores[row]), () => 1);
      return (below + sum(rows.filter((other) => scores[other] === scores[row]), () => 1) / 2) / whole;
    };
    const binOf = {
      width: (row: number) => Array.from({ length: bins }, (_, at) => at).find((at) => scores[row] <= (at + 1) / bins)!,
      mass: (row: number) => Math.min(bins - 1, Math.floor(bins * middle(row))),
    };
    for (const equal of ["width", "mass"] as const) {
      const cut = Array.from({ length: bins }, (_, at) => rows.filter((row) => binOf[equal](row) === at))
        .filter((some) => some.length > 0);
      const wanted = cut.map((some) => ({
        predicted: sum(some, (row) => scores[row]) / sum(some, () => 1),
        observed: sum(some, (row) => labels[row]) / sum(some, () => 1),
        rows: some.length,
      }));
      const found = calibrationCurve(scores, labels, { bins, equal, weights });
      assertEquals(found.map(({ rows }) => rows), wanted.map(({ rows }) => rows));
      found.forEach(({ predicted, observed }, at) => {
        assertNear(predicted, wanted[at].predicted);
        assertNear(observed, wanted[at].observed);
      });
      const error = found.reduce(
        (sum, { weight, predicted, observed }) => sum + weight * Math.abs(predicted - observed),
        0,
      );
      assertNear(expectedCalibrationError({ bins, equal })(scores, labels, weights), error / whole);
    }
  }
});

Deno.test("calibration: a prediction on the edge of two bins is in the lower one, 0 in the first", () => {
  const bins = 10;
  const edges = Array.from({ length: bins + 1 }, (_, at) => at / bins);
  const rows = calibrationCurve(edges, edges.map(() => 0), { bins }).map(({ rows }) => rows);
  assertEquals(rows, [2, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
});

Deno.test("ndcg() of graded labels is as published, and as scikit-learn has it", () => {
  const labels = [3, 2, 3, 0, 1, 2]; // the example of Wikipedia's page of DCG, in the order of its ranks
  const scores = [6, 5, 4, 3, 2, 1];
  const user = labels.map(() => "one");
  const linear = ndcg({ by: "user", gain: "linear" })(scores, labels, undefined, user);
  assertAlmostEquals(linear, 0.96081, 1e-5); // of its six documents: 6.861 / 7.141
  const one = labels.map(() => 7);
  const sklearn = ndcg({ by: "user", gain: "linear" })(
    [0.1, 0.2, 0.3, 4, 70],
    [10, 0, 0, 1, 5],
    undefined,
    one.slice(1),
  );
  assertAlmostEquals(sklearn, 0.69569, 1e-5); // ndcg_score's own example: 0.69...
});

Deno.test("judges refuse weights and labels that they have no number for, by name", () => {
  const two = [[0.5, 0.4], [1, 0]] as const;
  assertThrows(
    () => ndcg({ by: "user" })(...two, [1, 2], [7, 7]),
    RangeError,
    "Cannot compute NDCG: rows of one group",
  );
  assertThrows(
    () => delong()(...two, [1, 2]),
    RangeError,
    "Cannot compute the error of AUC: rows have the weights 2 and 1",
  );
  assertEquals(delong()(...two, [2, 2]), 1);
  assertThrows(() => ndcg({ by: "user" })([1], [-1], undefined, [7]), RangeError, "the label of a row is -1");
  assertThrows(() => ndcg({ by: "user" })([1], [2000], undefined, [7]), RangeError, 'gain: "linear"');
  assertThrows(() => expectedCalibrationError()([1.5], [1]), RangeError, "a prediction is 1.5");
  assertThrows(() => gauc({ by: "user" })([1, 2], [0, 1]), TypeError, "groups are missing");
  assertThrows(() => gauc({ by: "user" })([1, 2], [0, 1], undefined, [1]), RangeError, "found 1 for 2 rows");
  assertThrows(() => gauc({ by: "user", weight: "row" as "rows" }), TypeError, 'did you mean "rows"?');
  assertThrows(() => gauc({ by: 3 as unknown as string }), TypeError, "by must be the name of keys");
  assertThrows(() => recall({ by: "user", at: 0 }), RangeError, "at must be a whole number of at least 1");
  assertThrows(() => delong({ level: 95 }), RangeError, "level must be between 0 and 1");
});

/** Of each positive row the share of negative ones below, and of each negative one that of positive ones above. */
function placements(scores: readonly number[], labels: readonly number[]) {
  const [positives, negatives] = [1, 0].map((label) => scores.filter((_, row) => labels[row] === label));
  const above = (a: number, b: number) => a > b ? 1 : a === b ? 0.5 : 0;
  return {
    positive: positives.map((a) => meanOf(negatives.map((b) => above(a, b)))),
    negative: negatives.map((b) => meanOf(positives.map((a) => above(a, b)))),
  };
}

function covariance(a: readonly number[], b: readonly number[]): number {
  const [one, other] = [meanOf(a), meanOf(b)];
  return a.reduce((sum, value, at) => sum + (value - one) * (b[at] - other), 0) / (a.length - 1);
}

function variance(a: readonly number[]): number {
  return covariance(a, a);
}

function ratio(values: readonly number[], weights: readonly number[]): number {
  return values.reduce((sum, value, at) => sum + weights[at] * value, 0) /
    weights.reduce((sum, weight) => sum + weight, 0);
}

/** The standard error of a weighted mean as the ratio of two means over groups. */
function errorOf(values: readonly number[], weights: readonly number[]): number {
  const [mean, count] = [ratio(values, weights), values.length];
  const squares = values.reduce((sum, value, at) => sum + (weights[at] * (value - mean)) ** 2, 0);
  return Math.sqrt(squares * count / (count - 1)) / weights.reduce((sum, weight) => sum + weight, 0);
}

function assertNear(found: number, wanted: number, message?: string): void {
  if (Number.isNaN(wanted)) assertEquals(found, NaN, message);
  else assertAlmostEquals(found, wanted, 1e-11 * Math.max(1, Math.abs(wanted)), message);
}
