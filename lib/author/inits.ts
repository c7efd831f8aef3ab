import type { Init } from "../ops/init.ts";

/**
 * The ways in which parameters can begin. Each is drawn for its own matrix `[width, units]`, never for a stack of
 * experts, from the seed and the parameter's path alone; but rows that reserved columns of the input are multiplied with,
 * those of missing texts, unknown words and indicators of missing numbers, begin at 0 unless `values` gives them.
 *
 * - `glorotUniform`: uniform in ±sqrt(6 / (width + units)) (Glorot and Bengio 2010, eq. 16); the default of `dense`.
 * - `glorotNormal`: normal, variance 2 / (width + units).
 * - `heUniform`: uniform in ±sqrt(6 / width); `heNormal`: normal, variance 2 / width (He et al. 2015, eq. 10).
 * - `lecunNormal`: normal, variance 1 / width.
 * - `zeros`, `ones`, `value(number)`: constant. `normal(deviation)`, `uniform(limit)`: of the given size.
 * - `values(numbers)`: the given numbers, row by row.
 *
 * The normal ones are not truncated.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { define, dense, inits, regression } from "@gatehouse/gatehouse";
 * import { initialise } from "@gatehouse/gatehouse/graph";
 *
 * const layer = dense(2, { init: inits.value(0.5), biasInit: inits.ones });
 * const begun = initialise(define({ input: 1, tasks: { y: regression(layer) } }), 7);
 * assertEquals(begun["tasks/y/tower/0/kernel"].data, Float32Array.of(0.5, 0.5));
 * assertEquals(begun["tasks/y/tower/0/bias"].data, Float32Array.of(1, 1));
 * ```
 */
export const inits: {
  readonly zeros: Init;
  readonly ones: Init;
  readonly glorotUniform: Init;
  readonly glorotNormal: Init;
  readonly heUniform: Init;
  readonly heNormal: Init;
  readonly lecunNormal: Init;
  readonly value: (value: number) => Init;
  readonly values: (values: readonly number[]) => Init;
  readonly normal: (deviation: number) => Init;
  readonly uniform: (limit: number) => Init;
} = {
  zeros: { kind: "constant", value: 0 },
  ones: { kind: "constant", value: 1 },
  glorotUniform: { kind: "glorotUniform" },
  glorotNormal: { kind: "glorotNormal" },
  heUniform: { kind: "heUniform" },
  heNormal: { kind: "heNormal" },
  lecunNormal: { kind: "lecunNormal" },
  value: (value) => ({ kind: "constant", value }),
  values: (values) => ({ kind: "values", values: [...values] }),
  normal: (deviation) => ({ kind: "normal", deviation }),
  uniform: (limit) => ({ kind: "uniform", limit }),
};
