import { random } from "@gatehouse/gatehouse/datasets";
import { quantileSorted, sampleWithReplacement } from "simple-statistics";

/** An estimate and the interval that holds the true value with a chance of `level`. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly level: number;
}

/** Numbers of runs, one list for each cell. */
export type Samples = readonly (readonly number[])[];

/**
 * A statistic of independent samples with its percentile bootstrap interval: every sample is drawn anew, with
 * replacement and on its own, as often as `resamples` says.
 *
 * Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.
 */
export function bootstrap(
  samples: Samples,
  statistic: (samples: Samples) => number,
  { level, resamples = 4000, seed }: { readonly level: number; readonly resamples?: number; readonly seed: string },
): Estimate {
  const source = random(seed);
  const uniform = () => source.uniform();
  const drawn = Array.from(
    { length: resamples },
    () => statistic(samples.map((sample) => sampleWithReplacement(sample as number[], sample.length, uniform))),
  );
  return { value: statistic(samples), ...middle(drawn, level), level };
}

/** A verdict on an estimate that is wanted within bounds. */
export type Verdict = "holds" | "does not hold" | "undecided";

/** Bounds of a claim: the value is above one, below the other. */
export interface Bounds {
  readonly above?: number;
  readonly below?: number;
}

/** A claim holds if the whole interval is within its bounds, does not if none of it is, and is else undecided. */
export function verdictOf({ low, high }: Pick<Estimate, "low" | "high">, bounds: Bounds): Verdict {
  const { above = -Infinity, below = Infinity } = bounds;
  if (low > above && high < below) return "holds";
  return high <= above || low >= below ? "does not hold" : "undecided";
}

/** A claim of several parts holds if all of them do, and does not if one does not. */
export function together(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.includes("does not hold")) return "does not hold";
  return verdicts.length > 0 && verdicts.every((verdict) => verdict === "holds") ? "holds" : "undecided";
}

/** The level of each of several intervals that all hold at once with a chance of 0.95 at least (Bonferroni). */
export function levelOf(parts: number): number {
  return 1 - 0.05 / Math.max(1, parts);
}

/** The middle of the numbers, of which it holds a share. */
function middle(numbers: readonly number[], share: number): { readonly low: number; readonly high: number } {
  const sorted = Float64Array.from(numbers).sort() as unknown as number[];
  const tail = (1 - share) / 2;
  return { low: quantileSorted(sorted, tail), high: quantileSorted(sorted, 1 - tail) };
}
