// What authors write values with, by kind.
export { constant, input, type Operand } from "./leaves.ts";
export { add, div, matmul, mul, neg, square, sub } from "./arithmetic.ts";
export { abs, exp, log, normalCdf, relu, sigmoid, softplus, sqrt, swish, tanh } from "./unary.ts";
export { equal, greater, select, topMask } from "./choices.ts";
export { logSumExp, max, mean, type ReduceOptions, softmax, sum } from "./reductions.ts";
export { broadcast, concat, pad, reshape, slice, transpose } from "./rearrangements.ts";
export { gatherSum, multiHot, weightedHot, weightedSum } from "./rows.ts";
export { inTraining, stopGradient } from "./phases.ts";
