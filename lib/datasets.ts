/**
 * Gatehouse's data sets: Census-Income, two tasks of a known correlation, and the seeded random numbers that they are
 * made of.
 *
 * @example Ten rows of two related tasks
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { random, synthetic } from "@gatehouse/gatehouse/datasets";
 *
 * const { count, inputs, labels } = synthetic({ correlation: 0.5, rows: 10, seed: 7 });
 * assertEquals([count, inputs.input.length, Object.keys(labels!)], [10, 1000, ["first", "second"]]);
 * assertEquals(random(7).bits(), random("7").bits());
 * ```
 *
 * @module
 */
export { type Census, census, type CensusOptions } from "./datasets/census.ts";
export { downloadCensus, type DownloadOptions } from "./datasets/census_download.ts";
export type { CensusFile } from "./datasets/census_files.ts";
export {
  labelCorrelation,
  labelMoments,
  type LabelOptions,
  synthetic,
  type SyntheticOptions,
} from "./datasets/synthetic.ts";
export { fillNormal, fillUniform, permutation, type Random, random } from "./data/random.ts";
