import { checkCount, checkWord, kindOf, optionsOf } from "../errors/kinds.ts";
import { groupedJudge, labelsOf, positivesOf, tiesDown, weightOf, width } from "./by_group.ts";
import type { Judge } from "./judge.ts";
import { areaUnder } from "./metrics.ts";

/** The options of {@linkcode gauc}. */
export interface GaucOptions {
  /** The name of the rows' keys that group them, such as `"user"`. */
  readonly by: string;
  /**
   * The weight of a group in the mean: its rows (the sum of their weights), its positive rows, or 1 for each group. Default
   * `"rows"`.
   */
  readonly weight?: "rows" | "positives" | "groups";
}

/** The options of {@linkcode mrr}. */
export interface RankedOptions {
  /** The name of the rows' keys that group them, such as `"user"` or `"search"`. */
  readonly by: string;
  /** The number of first ranks that count. Default: all. */
  readonly at?: number;
}

/** The options of {@linkcode recall}. */
export interface RecallOptions {
  /** The name of the rows' keys that group them, such as `"user"` or `"search"`. */
  readonly by: string;
  /** The number of first ranks that count. */
  readonly at: number;
}

/** The options of {@linkcode ndcg}. */
export interface NdcgOptions extends RankedOptions {
  /** The gain of a label y: `2 ** y - 1`, or `"linear"`, y itself; labels of 0 and 1 have the same. Default `"exponential"`. */
  readonly gain?: "exponential" | "linear";
}

/**
 * Returns the judge by grouped AUC: the mean over groups, such as users, of the AUC among the rows of the group. It asks
 * whether each user's rows are in the right order, where {@linkcode auc} also compares rows of different users.
 *
 * `sum_g w_g AUC_g / sum_g w_g` over the groups with both classes; those of one class, and rows without a key, are left out
 * and counted. Ties of scores count half. A row is positive where its label is above 0.5; weights of rows count within a
 * group as in {@linkcode auc}. Its standard error takes groups as drawn independently.
 *
 * By rows it is DIN's and FuxiCTR's `gAUC`, torch-rechub's `gauc_score` (which fails at a group of one class) and EasyRec's
 * `mean_by_sample_num`; by positives EasyRec's `mean_by_positive_num`; by groups FuxiCTR's `avgAUC`, TorchEasyRec's
 * `grouped_auc` and EasyRec's `mean`.
 *
 * @throws {TypeError} if an option is unknown or of another type.
 * @see Zhou et al., Deep Interest Network for Click-Through Rate Prediction, 2018, equation 7.
 *
 * @example Two users that count, one of three rows; the third has one class
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { gauc } from "@gatehouse/gatehouse/metrics";
 *
 * const [scores, labels] = [[0.1, 0.9, 0.4, 0.8, 0.3, 0.7], [0, 1, 1, 0, 0, 1]];
 * const users = ["ann", "ann", "bob", "bob", "bob", "eve"]; // AUC 1, 0.5 * 0 + 0.5 * 1 = 0.5
 * const judge = gauc({ by: "user" });
 * assertEquals(judge(scores, labels, undefined, users), (2 * 1 + 3 * 0.5) / 5);
 * const { groups, left } = judge.judge(scores, labels, undefined, users);
 * assertEquals([groups, left], [2, { groups: 1, rows: 1 }]);
 * ```
 */
export function gauc(options: GaucOptions): Judge {
  const action = "judge by grouped AUC";
  const { by, weight = "rows" } = optionsOf(action, options, ["by", "weight"]);
  checkBy(action, by);
  checkWord(action, "weight", weight, ["rows", "positives", "groups"]);
  return groupedJudge({
    ...{ title: "grouped AUC", by, best: "most", settings: { kind: "gauc", by, weight } },
    ofGroup: (group) => {
      const area = areaUnder();
      let [rows, positives] = [0, 0];
      for (let at = 0; at < group.length; at += width) {
        const [, score, label, own] = group.subarray(at, at + width);
        area.addRow(score, label > 0.5, own);
        rows += own;
        if (label > 0.5) positives += own;
      }
      if (positives === 0 || positives === rows) return undefined;
      return { value: area.end(), weight: weight === "rows" ? rows : weight === "positives" ? positives : 1 };
    },
  });
}

/**
 * Returns the judge by normalised discounted cumulative gain: the mean over groups of `DCG / ideal DCG`, with
 * `DCG = sum_r gain(y_r) / log2(r + 1)` over the ranks r of the group's rows by score, from 1 to `at`; the ideal is that of
 * the rows by label.
 *
 * Rows of equal scores share their ranks' mean discount: it is the mean over all orders of ties, whatever the order of rows.
 * Groups without a label above 0 have no ideal; they are left out and counted, where FuxiCTR, torch-rechub and
 * scikit-learn's `ndcg_score` count them as 0. scikit-learn has the linear gain, and the same rule of ties.
 *
 * Rows of one group have one weight, which is the group's.
 *
 * @throws {TypeError | RangeError} if an option is unknown, of another type or out of range.
 * @throws {RangeError} when it judges, if a label is below 0 or its gain not finite, or weights of one group differ.
 * @see Järvelin and Kekäläinen, Cumulated gain-based evaluation of IR techniques, 2002.
 * @see McSherry and Najork, Computing information retrieval performance measures efficiently in the presence of tied scores,
 * 2008.
 *
 * @example One group whose best row ties with another
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { ndcg } from "@gatehouse/gatehouse/metrics";
 *
 * const found = ndcg({ by: "search", at: 2 })([0.9, 0.9, 0.1], [1, 0, 0], undefined, [7, 7, 7]);
 * assertAlmostEquals(found, (1 + 1 / Math.log2(3)) / 2, 1e-12);
 * ```
 */
export function ndcg(options: NdcgOptions): Judge {
  const action = "judge by NDCG";
  const { by, at = Infinity, gain = "exponential" } = optionsOf(action, options, ["by", "at", "gain"]);
  checkRanked(action, by, at);
  checkWord(action, "gain", gain, ["exponential", "linear"]);
  const gainOf = (label: number) => {
    const found = gain === "linear" ? label : 2 ** label - 1;
    if (label >= 0 && found < Infinity) return found;
    const wanted = label >= 0 ? 'a finite gain: gain: "linear" takes larger labels' : "at least 0";
    throw new RangeError(`Cannot compute NDCG: the label of a row is ${label}, wanted ${wanted}`);
  };
  return groupedJudge({
    ...{ title: "NDCG", by, best: "most", settings: { kind: "ndcg", by, ...ranks(at), gain } },
    ofGroup: (group) => {
      const gains = labelsOf(group).map(gainOf);
      const ideal = gains.toSorted().reverse().reduce(
        (sum, gain, rank) => sum + (rank < at ? gain * discount(rank) : 0),
        0,
      );
      if (ideal === 0) return undefined;
      let found = 0;
      for (const { first, start, end } of tiesDown(group, at)) {
        let [total, shares] = [0, 0];
        for (let row = start; row < end; row++) total += gains[row];
        for (let rank = first; rank < Math.min(first + end - start, at); rank++) shares += discount(rank);
        found += total / (end - start) * shares;
      }
      return { value: found / ideal, weight: weightOf(group, "NDCG") };
    },
  });
}

/**
 * Returns the judge by recall at a rank: the mean over groups of the share of the group's positive rows that are among its
 * first `at` rows by score.
 *
 * Rows of equal scores count by their chance to be among these, the mean over all orders of ties. Groups without a positive
 * row are left out and counted. A row is positive where its label is above 0.5. Rows of one group have one weight, which is
 * the group's. torch-rechub's `Hit` is the same hits over the positive rows of all groups.
 *
 * @throws {TypeError | RangeError} if an option is unknown, of another type or out of range.
 * @throws {RangeError} when it judges, if weights of one group differ.
 *
 * @example One of two positive rows is first; the other ties for the second rank
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { recall } from "@gatehouse/gatehouse/metrics";
 *
 * const users = ["ann", "ann", "ann"];
 * assertEquals(recall({ by: "user", at: 2 })([0.9, 0.4, 0.4], [1, 1, 0], undefined, users), (1 + 0.5) / 2);
 * ```
 */
export function recall(options: RecallOptions): Judge {
  const action = "judge by recall";
  const { by, at } = optionsOf(action, options, ["by", "at"]);
  checkRanked(action, by, at);
  return groupedJudge({
    ...{ title: "recall", by, best: "most", settings: { kind: "recall", by, at } },
    ofGroup: (group) => {
      let [found, all] = [0, 0];
      for (const label of labelsOf(group)) if (label > 0.5) all++;
      if (all === 0) return undefined;
      for (const { first, start, end } of tiesDown(group, at)) {
        const chance = Math.min(1, (at - first) / (end - start));
        found += chance * positivesOf(group, start, end);
      }
      return { value: found / all, weight: weightOf(group, "recall") };
    },
  });
}

/**
 * Returns the judge by mean reciprocal rank: the mean over groups of 1 over the rank of the first positive row by score, 0
 * where none is among the first `at`.
 *
 * Rows of equal scores count by the mean over all orders of ties. Groups without a positive row are left out and counted. A
 * row is positive where its label is above 0.5. Rows of one group have one weight, which is the group's. It is torch-rechub's
 * `MRR`; FuxiCTR's is the mean over all positive rows of 1 over their rank.
 *
 * @throws {TypeError | RangeError} if an option is unknown, of another type or out of range.
 * @throws {RangeError} when it judges, if weights of one group differ.
 * @see Voorhees, The TREC-8 question answering track report, 1999.
 *
 * @example The second rank, and a tie for the first
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { mrr } from "@gatehouse/gatehouse/metrics";
 *
 * const users = ["ann", "ann", "bob", "bob"];
 * const found = mrr({ by: "user" })([0.9, 0.4, 0.5, 0.5], [0, 1, 1, 0], undefined, users);
 * assertEquals(found, (1 / 2 + (1 + 1 / 2) / 2) / 2);
 * ```
 */
export function mrr(options: RankedOptions): Judge {
  const action = "judge by reciprocal rank";
  const { by, at = Infinity } = optionsOf(action, options, ["by", "at"]);
  checkRanked(action, by, at);
  return groupedJudge({
    ...{ title: "reciprocal rank", by, best: "most", settings: { kind: "mrr", by, ...ranks(at) } },
    ofGroup: (group) => {
      if (positivesOf(group, 0, group.length / width) === 0) return undefined;
      const weight = weightOf(group, "reciprocal rank");
      for (const { first, start, end } of tiesDown(group, at)) {
        const positives = positivesOf(group, start, end);
        if (positives > 0) return { value: meanReciprocal(first, positives, end - start, at), weight };
      }
      return { value: 0, weight };
    },
  });
}

/** The mean of 1 over the rank of the first of some positive rows among tied ones, over all orders; ranks from 0. */
function meanReciprocal(first: number, positives: number, tied: number, at: number): number {
  let mean = 0;
  let none = 1; // the chance that no positive row came before
  for (let place = 0; place <= tied - positives && first + place < at; place++) {
    const chance = positives / (tied - place);
    mean += none * chance / (first + place + 1);
    none *= 1 - chance;
  }
  return mean;
}

/** The discount of a rank, from 0. */
function discount(rank: number): number {
  return 1 / Math.log2(rank + 2);
}

function ranks(at: number): { readonly at?: number } {
  return at === Infinity ? {} : { at };
}

function checkRanked(action: string, by: unknown, at: unknown): void {
  checkBy(action, by);
  if (at !== Infinity) checkCount(action, "at", at, 1);
}

function checkBy(action: string, by: unknown): void {
  if (typeof by === "string") return;
  throw new TypeError(`Cannot ${action}: by must be the name of keys of the rows, such as "user", found ${kindOf(by)}`);
}
