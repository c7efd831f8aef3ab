import { mean, sampleStandardDeviation } from "simple-statistics";

/** The mean, NaN of none. */
export function meanOf(sample: readonly number[]): number {
  return sample.length === 0 ? NaN : mean([...sample]);
}

/** The standard deviation of a sample, NaN of fewer than two. */
export function deviationOf(sample: readonly number[]): number {
  return sample.length < 2 ? NaN : sampleStandardDeviation([...sample]);
}
