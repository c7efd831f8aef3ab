import { abs, add, constant, greater, select, sum } from "../ops/functions.ts";
import { sizeOf, withBatch } from "../ops/shape.ts";
import { apply } from "../ops/table.ts";
import type { Op, Value } from "../ops/value.ts";
import { type Graph, graphOf, valuesOf } from "./graph.ts";
import { usersOf } from "./users.ts";
import { inOrder } from "./walk.ts";

/** The largest number that float32 holds, less what rounding may add. */
export const mostFloat = 3.4e38;

/** The numbers among which those of an array are. */
interface Range {
  readonly least: number;
  readonly most: number;
}

/**
 * Returns the values that some outputs of a graph are made of, in order.
 *
 * @param names The names of the outputs.
 */
export function insideOf(graph: Graph, names: readonly string[]): readonly Value[] {
  const { outputs } = valuesOf(graph);
  return inOrder(names.map((name) => outputs[name]));
}

/**
 * Returns a size that no sum or product in some values exceeds, however far it has come; infinite if none is known.
 *
 * @param values The values, each after those that it is made of.
 * @param inputs The largest size of a number in the inputs.
 * @param parameters The largest size of a parameter.
 * @param rows The most rows of a batch.
 */
export function mostInside(values: readonly Value[], inputs: number, parameters: number, rows: number): number {
  const ranges = new Map<Value, Range>();
  const chosen = chosenAlone(values);
  let most = 0;
  const known = (value: Value, of: readonly Range[], counts: boolean): Range => {
    const found = ranged[value.op](of, value, rows);
    const range = Number.isNaN(found.least) || Number.isNaN(found.most) ? anything : found;
    if (counts && adding.has(value.op)) most = Math.max(most, -range.least, range.most);
    return range;
  };
  // The range of a branch where x is limited, along the few ops that lead from x to it.
  const limited = (value: Value, x: Value, limit: Range, depth = deepest): Range => {
    const range = ranges.get(value)!;
    if (value === x) return within(range, limit);
    if (depth === 0 || value.of.length === 0) return range;
    return known(value, value.of.map((argument) => limited(argument, x, limit, depth - 1)), true);
  };
  for (const value of values) {
    const branches = branchesOf(value);
    const of = value.of.map((argument, at) =>
      branches.filter(({ branch }) => branch === at)
        .reduce((range, { x, limit }) => within(range, limited(argument, x, limit)), ranges.get(argument)!)
    );
    const leaf = value.op === "parameter" ? parameters : inputs;
    ranges.set(value, value.of.length === 0 ? leafRange(value, leaf) : known(value, of, !chosen.has(value)));
  }
  return most;
}

/** The branch of a choice, by its position, and the limit of a value x where it is chosen. */
interface Branch {
  readonly branch: number;
  readonly x: Value;
  readonly limit: Range;
}

/** Returns the branches of a choice by whether a value is greater than a constant, or less. */
function branchesOf({ op, of: [condition] }: Value): readonly Branch[] {
  if (op !== "select" || condition.op !== "greater") return [];
  const [left, right] = condition.of;
  if (right.op === "constant") {
    const { least, most } = leafRange(right, 0);
    return [
      { branch: 1, x: left, limit: { least, most: Infinity } },
      { branch: 2, x: left, limit: { least: -Infinity, most } },
    ];
  }
  if (left.op !== "constant") return [];
  const { least, most } = leafRange(left, 0);
  return [
    { branch: 1, x: right, limit: { least: -Infinity, most } },
    { branch: 2, x: right, limit: { least, most: Infinity } },
  ];
}

/**
 * Returns the values that count for nothing but a branch of a choice, such as `exp(x) - 1` of an ELU: however large they
 * are where it is not chosen.
 */
function chosenAlone(values: readonly Value[]): ReadonlySet<Value> {
  const users = usersOf(values);
  const found = new Set<Value>();
  const walk = (value: Value, user: Value, x: Value, depth: number): void => {
    if (depth === 0 || value === x || value.of.length === 0) return;
    if (users.get(value)!.some((use) => use.value !== user)) return;
    found.add(value);
    for (const argument of value.of) walk(argument, value, x, depth - 1);
  };
  for (const choice of values) {
    for (const { branch, x } of branchesOf(choice)) walk(choice.of[branch], choice, x, deepest);
  }
  return found;
}

/** The most ops that are followed from a choice to the value that it is by. */
const deepest = 5;

/** The range of what is in both of two ranges. */
function within(range: Range, limit: Range): Range {
  if (range.least >= limit.least && range.most <= limit.most) return range;
  return { least: Math.max(range.least, limit.least), most: Math.min(range.most, limit.most) };
}

/**
 * Returns a graph whose output `beyond` is the number of sums and products in some values that exceed float32, though
 * all that they are made of does not, or could if they were begun in another order. Other ops that exceed it are as they
 * should be: infinite.
 */
export function guarded(values: readonly Value[]): Graph {
  const sizes = values.filter(({ op }) => adding.has(op)).map(({ op, of, attrs }) => {
    return apply(op === "sub" ? "add" : op, of.map((x) => x.type === "int" ? x : sizeOfFinite(x)), attrs);
  });
  const counts = sizes.map((size) => sum(greater(size, mostFloat), { axes: size.shape.map((_, axis) => axis) }));
  return graphOf({ beyond: counts.reduce((total, count) => add(total, count), constant(0)) });
}

/** The ops that add up or multiply. */
const adding: ReadonlySet<Op> = new Set<Op>([
  ...["matmul", "add", "sub", "mul", "sum", "runningSum"] as const,
  ...["gatherSum", "scatterAdd", "routed", "routedKernels"] as const,
  ...["weightedHot", "weightedSum", "weightedScatter"] as const,
]);

/** The size of each number, 0 where it is beyond float32 or none. */
function sizeOfFinite(x: Value): Value {
  const size = abs(x);
  return select(greater(mostFloat, size), size, 0);
}

const part: Range = { least: 0, most: 1 };
const anything: Range = { least: -Infinity, most: Infinity };

/** The range of each op's result by those of its arguments: leaves apart, of which nothing is known here. */
const ranged: Readonly<Record<Op, (of: readonly Range[], value: Value, rows: number) => Range>> = {
  input: () => anything,
  parameter: () => anything,
  noise: () => anything,
  constant: () => anything,

  matmul: ([a, b], { of: [left] }, rows) => times(product(a, b), lengthOf(left, [left.shape.length - 1], rows)),

  add: ([a, b]) => ({ least: a.least + b.least, most: a.most + b.most }),
  sub: ([a, b], { of: [left, right] }) => ({
    least: a.least - b.most,
    most: isMaxOf(right, left) ? 0 : a.most - b.least,
  }),
  mul: ([a, b], { of: [left, right] }) => {
    const found = product(a, b);
    return left === right ? { least: 0, most: found.most } : found;
  },
  div: ([a, b]) => b.least > 0 || b.most < 0 ? product(a, { least: 1 / b.most, most: 1 / b.least }) : anything,

  neg: ([x]) => ({ least: -x.most, most: -x.least }),
  exp: ([x]) => ({ least: Math.exp(x.least), most: Math.exp(x.most) }),
  log: ([x]) => ({ least: -1e3, most: Math.log(Math.max(x.most, 1)) }), // or infinite, of 0
  sqrt: ([x]) => ({ least: Math.sqrt(Math.max(x.least, 0)), most: Math.sqrt(Math.max(x.most, 0)) }),
  relu: ([x]) => ({ least: Math.max(x.least, 0), most: Math.max(x.most, 0) }),
  sigmoid: () => part,
  tanh: () => ({ least: -1, most: 1 }),
  softplus: ([x]) => ({ least: 0, most: Math.max(x.most, 0) + 1 }),

  greater: () => part,
  equal: () => part,
  select: ([, a, b]) => joined([a, b]),

  sum: ([x], { of: [from], attrs }, rows) => times(x, lengthOf(from, attrs.axes as number[], rows)),
  max: joined,
  softmax: () => part,
  topMask: () => part,
  runningSum: ([x], { of: [from] }, rows) => times(x, lengthOf(from, [0], rows)),

  reshape: joined,
  broadcast: joined,
  transpose: joined,
  concat: joined,
  slice: joined,
  pad: ([x]) => joined([x, { least: 0, most: 0 }]),

  pick: () => anything,
  multiHot: () => part,
  gatherSum: ([table], { of: [, codes] }, rows) => times(table, lengthOf(codes, [1], rows)),
  scatterAdd: ([, x], { of: [codes] }, rows) => times(x, lengthOf(codes, [0, 1], rows)),

  weightedHot: ([, weights], { of: [codes] }, rows) => joined([part, times(weights, lengthOf(codes, [1], rows))]),
  weightedSum: ([table, , weights], { of: [, codes] }, rows) =>
    times(product(table, weights), lengthOf(codes, [1], rows)),
  weightedScatter: ([, weights, x], { of: [codes] }, rows) => times(product(weights, x), lengthOf(codes, [0, 1], rows)),

  topPlaces: (_, { of: [x] }, rows) => ({ least: 0, most: lengthOf(x, [1], rows) }),
  routed: ([x, kernels], { of: [from] }, rows) =>
    times(product(x, kernels), lengthOf(from, [from.shape.length - 1], rows)),
  routedKernels: ([x, g], { of: [, , codes] }, rows) => times(product(x, g), lengthOf(codes, [0, 1], rows)),

  stopGradient: joined,
  inTraining: joined,
};

function leafRange({ op, attrs }: Value, size: number): Range {
  if (op !== "constant") return { least: -size, most: size };
  const data = attrs.data as readonly number[];
  return { least: data.reduce((a, b) => Math.min(a, b)), most: data.reduce((a, b) => Math.max(a, b)) };
}

/** True if a value is the maximum of another, over whatever axes. */
function isMaxOf(value: Value, x: Value): boolean {
  const found = value.op === "reshape" || value.op === "broadcast" ? value.of[0] : value;
  return found.op === "max" && found.of[0] === x;
}

function product(a: Range, b: Range): Range {
  const ends = [a.least * b.least, a.least * b.most, a.most * b.least, a.most * b.most];
  return ends.some(Number.isNaN) ? anything : { least: Math.min(...ends), most: Math.max(...ends) };
}

/** So many numbers added up. */
function times({ least, most }: Range, count: number): Range {
  return { least: least * count, most: most * count };
}

function joined(of: readonly Range[]): Range {
  return { least: Math.min(...of.map(({ least }) => least)), most: Math.max(...of.map(({ most }) => most)) };
}

/** The number of places along some axes. */
function lengthOf({ shape }: Value, axes: readonly number[], rows: number): number {
  const lengths = withBatch(shape, rows);
  return sizeOf(axes.map((axis) => lengths[axis]));
}
