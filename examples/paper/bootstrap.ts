import { random } from "@gatehouse/gatehouse/datasets";
import { quantileSorted, sampleStandardDeviation } from "simple-statistics";

/** A difference of two methods, how far it would differ on other rows, and its interval of 95 %. */
export interface Difference {
  readonly difference: number;
  /** The standard deviation over resamples. */
  readonly sd: number;
  readonly low: number;
  readonly high: number;
}

/**
 * The paired bootstrap over rows: how far the AUC of each method is from that of one of them, with the quantiles of that
 * difference where rows are drawn anew, with replacement, the same rows for all methods. Resamples that lack a class are
 * left out; where hardly one has both, only the difference is a number.
 *
 * @param scores The scores of the rows, by method.
 * @param labels 0 or 1.
 * @see Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
 */
export function pairedBootstrap(
  scores: Readonly<Record<string, ArrayLike<number>>>,
  labels: ArrayLike<number>,
  { against, resamples, seed }: {
    readonly against: string;
    readonly resamples: number;
    readonly seed: number | string;
  },
): Record<string, Difference> {
  const names = Object.keys(scores);
  const aucs = names.map((name) => weightedAuc(scores[name], labels));
  const other = names.indexOf(against);
  const differences = (weights: ArrayLike<number>) => {
    const found = aucs.map((auc) => auc(weights));
    return found.map((each) => each - found[other]);
  };
  const source = random(seed);
  const counts = new Uint16Array(labels.length);
  const samples: number[][] = [];
  for (let sample = 0; sample < resamples; sample++) {
    counts.fill(0);
    for (let i = 0; i < counts.length; i++) counts[Math.floor(source.uniform() * counts.length)]++;
    const found = differences(counts);
    if (!found.some(Number.isNaN)) samples.push(found);
  }
  const whole = differences(new Uint16Array(labels.length).fill(1));
  return Object.fromEntries(names.map((name, at) => {
    const sorted = samples.map((sample) => sample[at]).sort((a, b) => a - b);
    const [sd, low, high] = samples.length < 2
      ? [NaN, NaN, NaN]
      : [sampleStandardDeviation(sorted), quantileSorted(sorted, 0.025), quantileSorted(sorted, 0.975)];
    return [name, { difference: whole[at], sd, low, high }];
  }));
}

/**
 * The area under the ROC curve of rows that count more than once, or not at all: what is sorted is sorted once, and each
 * set of counts costs one pass. Equal to `auc` of the rows as often as they count.
 */
export function weightedAuc(
  scores: ArrayLike<number>,
  labels: ArrayLike<number>,
): (counts: ArrayLike<number>) => number {
  const order = Uint32Array.from({ length: labels.length }, (_, row) => row).sort((a, b) => scores[a] - scores[b]);
  const positive = Uint8Array.from(order, (row) => labels[row] > 0.5 ? 1 : 0);
  const starts = Uint8Array.from(order, (row, i) => i === 0 || scores[row] !== scores[order[i - 1]] ? 1 : 0);
  return (counts) => {
    let [wins, negatives, positives] = [0, 0, 0];
    let [tiedNegatives, tiedPositives] = [0, 0];
    for (let i = 0; i < order.length; i++) {
      if (starts[i] === 1) {
        wins += tiedPositives * (negatives + tiedNegatives / 2);
        negatives += tiedNegatives;
        positives += tiedPositives;
        tiedNegatives = tiedPositives = 0;
      }
      if (positive[i] === 1) tiedPositives += counts[order[i]];
      else tiedNegatives += counts[order[i]];
    }
    wins += tiedPositives * (negatives + tiedNegatives / 2);
    return wins / ((positives + tiedPositives) * (negatives + tiedNegatives));
  };
}
