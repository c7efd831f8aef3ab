import { textTable } from "@gatehouse/gatehouse";
import { gauc, ndcg } from "@gatehouse/gatehouse/metrics";

/** The parts that the rows of both standard logs are split into. */
export type Part = "train" | "validation" | "test";

/**
 * The protocol of TikTok's TechJam 2026 on KuaiRand-Pure: `long_view` is ranked among the videos that a user was shown.
 * Both standard logs are split by their column `date`; these are the first and the last day of each part, and its rows.
 *
 * Source: its problem statement, sections 2.3 and 2.4.
 */
export const techjam: {
  readonly task: "long_view";
  readonly days: Readonly<Record<Part, { readonly first: string; readonly last: string; readonly rows: number }>>;
} = {
  task: "long_view",
  days: {
    train: { first: "20220408", last: "20220421", rows: 1_141_112 },
    validation: { first: "20220422", last: "20220428", rows: 124_909 },
    test: { first: "20220429", last: "20220508", rows: 170_588 },
  },
};

/** The scores of a model by the protocol, between 0 and 1. */
export interface TechjamScores {
  /** The AUC of every user who has rows of both classes, weighted by the number of positive ones; NaN if none has. */
  readonly gauc: number;
  /** The nDCG of the five highest rows of a user, the mean over all users; 0 for those without a positive row. */
  readonly ndcg: number;
  /** The mean of both. */
  readonly primary: number;
}

/** The scores that were published of the protocol's test rows; `seeds` where the numbers are means over that many. */
export const published: readonly (TechjamScores & { readonly model: string; readonly seeds?: number })[] = [
  { model: "random", gauc: 0.4996, ndcg: 0.4511, primary: 0.4753 },
  { model: "popularity of the video", gauc: 0.6308, ndcg: 0.5121, primary: 0.5715 },
  { model: "FM, k 16, 5 fields (the official baseline)", gauc: 0.661, ndcg: 0.5282, primary: 0.5946, seeds: 5 },
  { model: "FM, BPR loss", gauc: 0.6638, ndcg: 0.5304, primary: 0.5971, seeds: 5 },
  { model: "FM, BPR, 7 fields, watch time", gauc: 0.6702, ndcg: 0.5333, primary: 0.6017, seeds: 5 },
  { model: "ensemble of BST and two FMs", gauc: 0.6724, ndcg: 0.5344, primary: 0.6034 },
  { model: "the labels themselves", gauc: 1, ndcg: 0.7289, primary: 0.8645 },
];

/**
 * Returns the scores of predictions. Rows of a user that are predicted alike are ranked in every order, of which the mean
 * is taken: for the AUC a tie is half a win, for nDCG each of them has the mean of their labels.
 *
 * @param users A number for every row that is the same for the rows of a user alone `[rows]`.
 * @param labels 0 or 1 for every row `[rows]`.
 * @param predictions A number for every row, the higher the earlier in the list `[rows]`.
 * @throws {RangeError} if there is no row, if the lengths differ, or if a prediction is not finite.
 */
export function techjamScores(
  users: ArrayLike<number>,
  labels: ArrayLike<number>,
  predictions: ArrayLike<number>,
): TechjamScores {
  const count = users.length;
  if (count === 0 || labels.length !== count || predictions.length !== count) {
    const found = [count, labels.length, predictions.length].join(", ");
    throw new RangeError(`Cannot score predictions: wanted a user, a label and a prediction a row, found ${found}`);
  }
  const wrong = Array.from(predictions).findIndex((prediction) => !Number.isFinite(prediction));
  if (wrong >= 0) throw new RangeError(`Cannot score predictions\n  at row ${wrong + 1}: it is ${predictions[wrong]}`);
  const area = areaOfUsers(predictions, labels, undefined, users);
  const { value, groups = 0, left } = gainOfUsers.judge(predictions, labels, undefined, users);
  const gain = groups === 0 ? 0 : value * groups / (groups + left!.groups); // 0 for users without a positive row
  return { gauc: area, ndcg: gain, primary: (area + gain) / 2 };
}

const areaOfUsers = gauc({ by: "user", weight: "positives" });
const gainOfUsers = ndcg({ by: "user", at: 5 });

/** Returns scores of the protocol's test rows beside those that were published, as a table for people. */
export function techjamTable(ours: Readonly<Record<string, TechjamScores>>): string {
  const mine = Object.entries(ours).map(([model, scores]) => ({ model, seeds: undefined, ...scores, whose: "ours" }));
  const rows = [...published.map((row) => ({ seeds: undefined, ...row, whose: "published" })), ...mine];
  return textTable(
    rows.toSorted((a, b) => a.primary - b.primary).map(({ whose, model, seeds, gauc, ndcg, primary }) => ({
      "": whose,
      model: seeds === undefined ? model : `${model}, mean of ${seeds} seeds`,
      GAUC: gauc.toFixed(4),
      "nDCG@5": ndcg.toFixed(4),
      mean: primary.toFixed(4),
    })),
  );
}
