/**
 * Gatehouse's ops: what nets, gates and losses of your own are made of. An op takes values and returns a value, an
 * immutable expression of known shape; nothing is computed until a model runs, or `compute` is asked.
 *
 * @example A net and a gate of ops
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { bank, binary, define, dense, describe, type Gate, level, mix, type Net } from "@gatehouse/gatehouse";
 * import { add, mul, softmax } from "@gatehouse/gatehouse/ops";
 *
 * const cross: Net = (x) => add(mul(x, dense(1)(x)), x);
 * const cooled: Gate = (x, experts) => softmax(mul(dense(experts, { bias: false })(x), 0.5));
 * const levels = [level({ crossed: bank(3, cross) }, { click: mix("crossed", cooled) })];
 * const text = describe(define({ input: 4, levels, tasks: { click: binary() } }));
 * assertEquals(text.split("\n").filter((line) => line.includes("3 x add(mul(x, dense(1)), x)")).length, 1);
 * ```
 *
 * @example Numbers
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { add, compute, constant } from "@gatehouse/gatehouse/ops";
 *
 * assertEquals(await compute(add(constant([1, 2]), 3)), [4, 5]);
 * ```
 *
 * @module
 */
export {
  abs,
  add,
  broadcast,
  concat,
  constant,
  div,
  equal,
  exp,
  gatherSum,
  greater,
  input,
  inTraining,
  log,
  logSumExp,
  matmul,
  max,
  mean,
  mul,
  multiHot,
  neg,
  normalCdf,
  type Operand,
  pad,
  type ReduceOptions,
  relu,
  reshape,
  select,
  sigmoid,
  slice,
  softmax,
  softplus,
  sqrt,
  square,
  stopGradient,
  sub,
  sum,
  swish,
  tanh,
  topMask,
  transpose,
  weightedHot,
  weightedSum,
} from "./ops/functions.ts";
export type { Init } from "./ops/init.ts";
export type { Dim, Shape } from "./ops/shape.ts";
export type { Attrs, Field, FieldCodes, Json, Op, Type, Value } from "./ops/value.ts";
export { compute, type ComputeOptions, type Nested } from "./engines/reference/compute.ts";
