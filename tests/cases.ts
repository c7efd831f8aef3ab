import * as f from "../lib/ops/functions.ts";
import { apply } from "../lib/ops/table.ts";
import { type Dim, sizeOf, withBatch } from "../lib/ops/shape.ts";
import type { Tensor } from "../lib/ops/tensor.ts";
import type { Value } from "../lib/ops/value.ts";
import { fillUniform, random } from "../lib/data/random.ts";

/** An expression and numbers to run it on. The numbers are float32, and so is every result within about 1e-6. */
export interface Case {
  /** The name of the case, unique. */
  readonly name: string;
  /** The expression, made anew by each call. */
  readonly build: () => Value;
  /** Its inputs and noise by name, made anew by each call: exactly those that the expression reads. */
  readonly inputs: () => Readonly<Record<string, Tensor>>;
  /** Its parameters by name; absent: none. */
  readonly store?: Readonly<Record<string, Tensor>>;
  /** True if the numbers lie on a kink or a jump, where finite differences say nothing. */
  readonly kink?: boolean;
}

/** A leaf of a case: its declared shape, and how its numbers are drawn or which they are. */
interface Leaf {
  readonly op: "input" | "parameter" | "noise";
  readonly shape: readonly Dim[];
  readonly numbers: readonly number[] | { readonly from: number; readonly to: number };
  readonly int?: boolean;
}

/** Every op over sampled sizes, the composed functions, and the numbers at which an engine may go wrong. */
export const cases: readonly Case[] = [
  ...leaves(),
  ...products(),
  ...arithmetic(),
  ...unaries(),
  ...choices(),
  ...reductions(),
  ...softmaxes(),
  ...topMasks(),
  ...runningSums(),
  ...rearrangements(),
  ...rows(),
  ...routes(),
  ...composed(),
];

function leaves(): Case[] {
  return [
    of("input [batch, 3]", 2, [some("batch", 3)], ([x]) => x),
    of("input [batch]", 1, [some("batch")], ([x]) => x),
    of("parameter [2, 3]", 1, [held(2, 3)], ([x]) => x),
    of("parameter []", 1, [held()], ([x]) => x),
    of("noise uniform", 3, [drawn("batch", 2)], ([x]) => x),
    of("constant [2, 2]", 1, [], () => f.constant([1, -2, 0.5, 4], [2, 2])),
    of("constant []", 1, [], () => f.constant(-3)),
    of("one input read twice", 2, [some("batch", 3)], ([x]) => f.sub(f.mul(x, x), x)),
    of("one parameter read twice", 2, [some("batch", 3), held(3)], ([x, w]) => f.mul(f.add(x, w), w)),
  ];
}

function products(): Case[] {
  const sizes: [batch: number, a: Dim[], b: Dim[]][] = [
    [5, ["batch", 3], [3, 4]],
    [1, ["batch", 1], [1, 1]],
    [1, ["batch", 7], [7, 1]],
    [3, ["batch", 1], [1, 5]],
    [1, [2, 3], [3, 2]],
    [5, [3, "batch"], ["batch", 2]],
    [3, ["batch", 2], [2, "batch"]],
    [3, [2, "batch", 3], [2, 3, 4]],
    [1, [1, "batch", 1], [1, 1, 1]],
    [1, [3, "batch", 5], [3, 5, 1]],
    [5, ["batch", 1, 3], ["batch", 3, 2]],
    [3, [2, 3, "batch"], [2, "batch", 3]],
    [17, ["batch", 33], [33, 9]],
  ];
  return sizes.map(([batch, a, b]) =>
    of(`matmul [${a}] x [${b}], batch ${batch}`, batch, [some(...a), some(...b)], ([a, b]) => f.matmul(a, b))
  );
}

function arithmetic(): Case[] {
  const both = { add: f.add, sub: f.sub, mul: f.mul };
  return pairs().flatMap(([batch, a, b]) => {
    const place = `[${a}] and [${b}], batch ${batch}`;
    return [
      ...Object.entries(both).map(([name, op]) =>
        of(`${name} ${place}`, batch, [some(...a), some(...b)], ([a, b]) => op(a, b))
      ),
      of(`div ${place}`, batch, [some(...a), positive(...b)], ([a, b]) => f.div(a, b)),
      of(`div by negatives ${place}`, batch, [some(...a), positive(...b)], ([a, b]) => f.div(a, f.neg(b))),
    ];
  });
}

/** Two shapes that broadcast, stretching neither, the left, the right, or both. */
function pairs(): [batch: number, a: Dim[], b: Dim[]][] {
  return [
    [1, [], []],
    [3, ["batch", 3], ["batch", 3]],
    [1, ["batch", 1], ["batch", 1]],
    [5, ["batch", 3], []],
    [5, [], ["batch", 3]],
    [5, ["batch", 3], [3]],
    [1, [3], ["batch", 3]],
    [3, ["batch", 3], [1]],
    [3, [1], ["batch"]],
    [3, ["batch", 4], ["batch", 1]],
    [3, ["batch", 1], ["batch", 4]],
    [1, ["batch", 4], [1, 4]],
    [5, ["batch", 1], [1, 3]],
    [5, [2, "batch", 3], [2, 1, 3]],
    [3, ["batch", 1, 3], [2, 1]],
    [3, [1, 1], [2, "batch", 3]],
    [2, [3, 1, 2], ["batch", 1]],
    [7, [1, "batch"], [2, 1]],
  ];
}

function unaries(): Case[] {
  const shapes: [batch: number, shape: Dim[]][] = [
    [5, ["batch", 3]],
    [1, ["batch", 1]],
    [3, ["batch"]],
    [1, []],
    [3, [2, "batch", 5]],
    [1, [7]],
  ];
  const any = { neg: f.neg, exp: f.exp, relu: f.relu, sigmoid: f.sigmoid, tanh: f.tanh, softplus: f.softplus };
  const far = [-80, -20, -5, 0.25, 5, 20, 80];
  return [
    ...shapes.flatMap(([batch, shape]) => {
      const place = `[${shape}], batch ${batch}`;
      return [
        ...Object.entries(any).map(([name, op]) => of(`${name} ${place}`, batch, [some(...shape)], ([x]) => op(x))),
        of(`log ${place}`, batch, [positive(...shape)], ([x]) => f.log(x)),
        of(`sqrt ${place}`, batch, [positive(...shape)], ([x]) => f.sqrt(x)),
        of(`stopGradient ${place}`, batch, [some(...shape)], ([x]) => f.stopGradient(x), true),
      ];
    }),
    of("relu at 0", 1, [exact([-1, 0, 1], 3)], ([x]) => f.relu(x), true),
    of("sigmoid far from 0", 1, [exact(far, 7)], ([x]) => f.sigmoid(x)),
    of("tanh far from 0", 1, [exact(far, 7)], ([x]) => f.tanh(x)),
    of("softplus far from 0", 1, [exact(far, 7)], ([x]) => f.softplus(x)),
    of("exp underflows", 1, [exact([-1000, -200, 0, 10], 4)], ([x]) => f.exp(x)),
    of("sqrt of 0", 1, [exact([0, 4], 2)], ([x]) => f.sqrt(x), true),
  ];
}

function choices(): Case[] {
  const triples: [batch: number, condition: Dim[], a: Dim[], b: Dim[]][] = [
    [5, ["batch", 3], ["batch", 3], ["batch", 3]],
    [1, ["batch", 1], ["batch", 1], ["batch", 1]],
    [5, ["batch", 1], ["batch", 3], []],
    [5, ["batch", 3], [], ["batch", 1]],
    [3, [3], ["batch", 1], [1]],
    [3, [1], [2, "batch", 1], [1, 3]],
    [3, [2, 1, 3], ["batch", 3], [1]],
    [1, [], ["batch", 2], ["batch", 2]],
  ];
  return [
    ...pairs().flatMap(([batch, a, b]) => {
      const place = `[${a}] and [${b}], batch ${batch}`;
      return [
        of(`greater ${place}`, batch, [some(...a), some(...b)], ([a, b]) => f.greater(a, b)),
        of(`equal ${place}`, batch, [some(...a), some(...b)], ([a, b]) => f.equal(a, b)),
      ];
    }),
    ...triples.map(([batch, condition, a, b]) =>
      of(
        `select [${condition}], [${a}], [${b}], batch ${batch}`,
        batch,
        [some(...condition), some(...a), some(...b)],
        ([condition, a, b]) => f.select(f.greater(condition, 0), a, b),
      )
    ),
    of(
      "greater of equals",
      1,
      [exact([-1, 0, 0.1, 3], 4), exact([-1, 0, 0.1, 2], 4)],
      ([a, b]) => f.greater(a, b),
      true,
    ),
    of("equal of equals", 1, [exact([-1, 0, 0.1, 3], 4), exact([-1, -0, 0.1, 2], 4)], ([a, b]) => f.equal(a, b), true),
    of("equal finds NaN", 1, [exact([NaN, 0, NaN, 2], 4)], ([x]) => f.equal(x, x), true),
    of(
      "select where any number but 0 chooses the first",
      1,
      [exact([-2, 0, 0.5, -0, 1], 5), some(5), some(5)],
      ([condition, a, b]) => f.select(condition, a, b),
      true,
    ),
    of(
      "select leaves out NaN",
      1,
      [exact([NaN, 0.5, NaN, 2], 4)],
      ([x]) => f.select(f.equal(x, x), x, 0),
      true,
    ),
  ];
}

function reductions(): Case[] {
  const sizes: [batch: number, shape: Dim[], axes: number[]][] = [
    [5, ["batch", 3], [0]],
    [5, ["batch", 3], [1]],
    [5, ["batch", 3], [0, 1]],
    [1, ["batch", 1], [0]],
    [1, ["batch", 1], [0, 1]],
    [5, ["batch", 3], []],
    [3, ["batch"], [0]],
    [3, [2, "batch", 5], [0]],
    [3, [2, "batch", 5], [1]],
    [3, [2, "batch", 5], [0, 2]],
    [3, [2, "batch", 5], [0, 1]],
    [1, ["batch", 2, 3, 2], [1, 3]],
    [1, [], []],
    [1, [7], [0]],
    [257, ["batch", 2], [0]],
  ];
  return [
    ...sizes.flatMap(([batch, shape, axes]) =>
      [false, true].flatMap((keep) => {
        const place = `[${shape}] over ${axes.length === 0 ? "no axis" : axes}${keep ? ", kept" : ""}, batch ${batch}`;
        return [
          of(`sum ${place}`, batch, [some(...shape)], ([x]) => f.sum(x, { axes, keep })),
          of(`max ${place}`, batch, [some(...shape)], ([x]) => f.max(x, { axes, keep })),
        ];
      })
    ),
    of("max of ties", 1, [exact([1, 1, 0, 2, 2, 2], 2, 3)], ([x]) => f.max(x), true),
    of("max of negatives", 2, [exact([-3, -1, -2, -0.5, -8, -0.25], "batch", 3)], ([x]) => f.max(x)),
  ];
}

function softmaxes(): Case[] {
  return [
    of("softmax [batch, 4], batch 5", 5, [some("batch", 4)], ([x]) => f.softmax(x)),
    of("softmax [batch, 1], batch 1", 1, [some("batch", 1)], ([x]) => f.softmax(x)),
    of("softmax [3]", 1, [some(3)], ([x]) => f.softmax(x)),
    of("softmax [2, batch, 3], batch 5", 5, [some(2, "batch", 3)], ([x]) => f.softmax(x)),
    of("softmax [2, batch], batch 3", 3, [some(2, "batch")], ([x]) => f.softmax(x)),
    of("softmax of large numbers", 1, [exact([1000, 999, -1000, 0, 80, -80], 2, 3)], ([x]) => f.softmax(x)),
  ];
}

function topMasks(): Case[] {
  const sizes: [batch: number, shape: Dim[], k: number][] = [
    [5, ["batch", 4], 2],
    [1, ["batch", 1], 1],
    [3, ["batch", 3], 3],
    [1, [7], 4],
    [3, [2, "batch", 5], 1],
    [1, ["batch", 64], 3],
    [17, ["batch", 9], 4],
  ];
  const tied = [1, 1, 1, 0, 2, 2, 2, 2, -1, -0.5, -1, -1, 0, -0, 0, 5];
  return [
    ...sizes.map(([batch, shape, k]) =>
      of(`topMask ${k} of [${shape}], batch ${batch}`, batch, [some(...shape)], ([x]) => f.topMask(x, k))
    ),
    ...[1, 2, 3, 4].map((k) =>
      of(`topMask ${k} of ties`, 4, [exact(tied, "batch", 4)], ([x]) => f.topMask(x, k), true)
    ),
    of("topMask of many ties", 1, [exact(Array(64).fill(0), "batch", 64)], ([x]) => f.topMask(x, 5), true),
    of("topMask of a half", 5, [some("batch", 4)], ([x]) => f.topMask(f.mul(x, 0.5), 2)),
  ];
}

function runningSums(): Case[] {
  const shapes: [batch: number, shape: Dim[]][] = [
    [5, ["batch", 3]],
    [1, ["batch", 2]],
    [7, ["batch"]],
    [3, ["batch", 2, 4]],
    [3, [4, "batch"]],
    [1, [6]],
    [33, ["batch", 1]],
  ];
  return [
    ...shapes.map(([batch, shape]) =>
      of(`runningSum of [${shape}], batch ${batch}`, batch, [some(...shape)], ([x]) => apply("runningSum", [x]))
    ),
    of(
      "runningSum of marks",
      4,
      [exact([1, 0, 1, 1, 0, 0, 1, 1], "batch", 2)],
      ([x]) => f.mul(x, f.greater(1.5, apply("runningSum", [x]))),
    ),
  ];
}

function rearrangements(): Case[] {
  const reshapes: [batch: number, from: Dim[], to: Dim[]][] = [
    [5, ["batch", 6], ["batch", 2, 3]],
    [5, ["batch", 2, 3], ["batch", 6]],
    [1, ["batch", 1], ["batch"]],
    [3, ["batch"], [1, "batch", 1]],
    [3, [2, "batch"], ["batch", 2]],
    [1, [2, 3], [3, 2]],
    [1, [1], []],
  ];
  const stretches: [batch: number, from: Dim[], to: Dim[]][] = [
    [5, ["batch", 1], ["batch", 3]],
    [1, ["batch", 1], ["batch", 1]],
    [3, ["batch"], [2, "batch"]],
    [3, ["batch", 4], [2, "batch", 4]],
    [3, [1, "batch", 1], [2, "batch", 5]],
    [1, [], [2, 3]],
    [1, [3], [1, 3]],
  ];
  const orders: [batch: number, shape: Dim[], order: number[]][] = [
    [5, ["batch", 3], [1, 0]],
    [1, ["batch", 1], [1, 0]],
    [3, [2, "batch", 5], [1, 0, 2]],
    [3, [2, "batch", 5], [1, 2, 0]],
    [3, [2, "batch", 5], [2, 0, 1]],
    [3, [2, "batch", 5], [0, 1, 2]],
    [2, ["batch", 3, 4, 5], [3, 1, 0, 2]],
    [1, [4], [0]],
    [1, [], []],
  ];
  return [
    ...reshapes.map(([batch, from, to]) =>
      of(`reshape [${from}] to [${to}], batch ${batch}`, batch, [some(...from)], ([x]) => f.reshape(x, to))
    ),
    ...stretches.map(([batch, from, to]) =>
      of(`broadcast [${from}] to [${to}], batch ${batch}`, batch, [some(...from)], ([x]) => f.broadcast(x, to))
    ),
    ...orders.map(([batch, shape, order]) =>
      of(`transpose [${shape}] by [${order}], batch ${batch}`, batch, [some(...shape)], ([x]) => f.transpose(x, order))
    ),
    ...pairs().flatMap(([batch, a, b]) => {
      const place = `[${b}] to the shape of [${a}] and it, batch ${batch}`;
      return [of(`broadcast ${place}`, batch, [some(...a), some(...b)], ([a, b]) => {
        const sum = f.add(a, b);
        return f.mul(f.broadcast(b, sum.shape), sum);
      })];
    }),
    ...joins(),
  ];
}

function joins(): Case[] {
  return [
    of("concat of one along the last axis", 3, [some("batch", 2)], ([x]) => apply("concat", [x], { axis: 1 })),
    of(
      "concat of three along the last axis",
      3,
      [some("batch", 2), some("batch", 1), some("batch", 3)],
      (all) => f.concat(all),
    ),
    of("concat along the first axis, batch 1", 1, [some(1, "batch"), some(2, "batch")], (all) => f.concat(all, 0)),
    of("concat along a middle axis", 3, [some("batch", 2, 3), some("batch", 1, 3)], (all) => f.concat(all, 1)),
    of("concat of one value twice", 2, [some("batch", 2)], ([x]) => f.concat([x, f.neg(x), x])),
    of("slice of the last axis", 5, [some("batch", 5)], ([x]) => f.slice(x, 1, 3)),
    of("slice of one column, batch 1", 1, [some("batch", 3)], ([x]) => f.slice(x, 2, 1)),
    of("slice of all", 3, [some("batch", 3)], ([x]) => f.slice(x, 0, 3)),
    of("slice of the first axis", 3, [some(4, "batch", 2)], ([x]) => f.slice(x, 1, 2, 0)),
    of("slice of a middle axis", 3, [some("batch", 4, 2)], ([x]) => f.slice(x, 1, 2, 1)),
    of("slice of a vector", 1, [some(7)], ([x]) => f.slice(x, 6, 1)),
    of("pad of the last axis", 5, [some("batch", 3)], ([x]) => f.pad(x, 1, 2)),
    of("pad before only, batch 1", 1, [some("batch", 1)], ([x]) => f.pad(x, 3, 0)),
    of("pad by nothing", 3, [some("batch", 2)], ([x]) => f.pad(x, 0, 0)),
    of("pad of the first axis", 3, [some(2, "batch", 3)], ([x]) => f.pad(x, 0, 1, 0)),
    of("pad of a middle axis", 3, [some("batch", 2, 3)], ([x]) => f.pad(x, 2, 1, 1)),
  ];
}

function rows(): Case[] {
  const pick = (c: Value, columns: number[], first: number[]) => apply("pick", [c], { columns, first });
  const scatter = (...sizes: number[]) => ([codes, x]: readonly Value[]) => apply("scatterAdd", [codes, x], { sizes });
  return [
    of("pick of one column", 3, [codes([0, 1, 2, 1, 0, 2], "batch", 2)], ([c]) => pick(c, [1], [0])),
    of("pick of some, from other codes on", 2, [codes([4, 9, -1, 0, 5, 2], "batch", 3)], ([c]) => {
      return pick(c, [2, 0, 2], [1, 5, 0]);
    }),
    of(
      "multiHot of picked columns",
      4,
      [codes([0, 2, 1, 3, 2, 1, -1, 0], "batch", 2)],
      ([c]) => f.multiHot(pick(c, [1, 0], [1, 0]), [2, 3]),
    ),
    of(
      "gatherSum of picked columns",
      4,
      [some(5, 3), codes([0, 2, 1, 3, 2, 1, -1, 0], "batch", 2)],
      ([t, c]) => f.gatherSum(t, pick(c, [1, 0], [1, 0]), [3, 2]),
    ),
    of(
      "gatherSum of columns picked twice, of rows cut from a table",
      4,
      [some(7, 3), codes([0, 2, 1, 3, 2, 1, -1, 0], "batch", 2)],
      ([t, c]) => f.gatherSum(f.slice(t, 2, 4, 0), pick(pick(c, [1, 0], [0, 1]), [1, 0], [0, 1]), [2, 2]),
    ),
    of(
      "scatterAdd of picked columns",
      4,
      [codes([0, 2, 1, 3, 2, 1, -1, 0], "batch", 2), some("batch", 3)],
      ([c, x]) => apply("scatterAdd", [pick(c, [1, 0], [1, 0]), x], { sizes: [3, 2] }),
    ),
    of("multiHot of one column", 5, [codes([0, 1, 2, 1, 0], "batch", 1)], ([c]) => f.multiHot(c, [3])),
    of("multiHot of three columns", 2, [codes([0, 1, 3, 1, 0, 0], "batch", 3)], ([c]) => f.multiHot(c, [2, 3, 4])),
    of("multiHot of one row, size 1", 1, [codes([0], "batch", 1)], ([c]) => f.multiHot(c, [1])),
    of(
      "multiHot of codes out of range",
      4,
      [codes([-1, 2, 2, -2, 1, 1, 1000, 0], "batch", 2)],
      ([c]) => f.multiHot(c, [2, 2]),
    ),
    of(
      "multiHot under a kernel",
      3,
      [codes([0, 2, 1], "batch", 1), held(3, 2)],
      ([c, w]) => f.matmul(f.multiHot(c, [3]), w),
    ),
    of(
      "gatherSum of one column",
      5,
      [some(4, 3), codes([3, 0, 0, 2, 3], "batch", 1)],
      ([t, c]) => f.gatherSum(t, c, [4]),
    ),
    of("gatherSum of one row of one", 1, [some(1, 1), codes([0], "batch", 1)], ([t, c]) => f.gatherSum(t, c, [1])),
    of(
      "gatherSum of codes out of range",
      3,
      [some(5, 2), codes([-1, 3, 2, 1, 1, -7, 0, 99, 0, 2, 1, 0], "batch", 4)],
      ([t, c]) => f.gatherSum(t, c, [1, 2, 1, 1]),
    ),
    of(
      "gatherSum of six columns",
      3,
      [some(15, 3), codes([0, 1, 2, 3, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 2], "batch", 6)],
      ([t, c]) => f.gatherSum(t, c, [1, 2, 3, 4, 3, 2]),
    ),
    of(
      "gatherSum of rows cut from a table",
      4,
      [held(9, 2), codes([0, 1, 2, 3, -1, 4, 3, 0], "batch", 2)],
      ([t, c]) => f.gatherSum(f.slice(t, 1, 6, 0), c, [2, 4]),
    ),
    of(
      "gatherSum of a padded table, of some columns",
      3,
      [held(5, 2), codes([0, 1, 2, 3, 0, 1, 0, 4, 0, 2, 1, 0, -1, 0, 9], "batch", 5)],
      ([t, c]) => f.gatherSum(f.pad(f.slice(t, 1, 4, 0), 3, 4, 0), c, [2, 3, 1, 4, 1]),
    ),
    of(
      "gatherSum of what is cut from a padded table",
      2,
      [held(3, 2), codes([0, 2, 1, 1], "batch", 2)],
      ([t, c]) => f.gatherSum(f.slice(f.pad(t, 2, 2, 0), 1, 5, 0), c, [2, 3]),
    ),
    of(
      "gatherSum of padding alone",
      2,
      [held(2, 2), codes([0, 1], "batch", 1)],
      ([t, c]) => f.gatherSum(f.slice(f.pad(t, 3, 0, 0), 0, 3, 0), c, [3]),
    ),
    of("scatterAdd of one column", 5, [codes([3, 0, 0, 2, 3], "batch", 1), some("batch", 3)], scatter(4)),
    of("scatterAdd of one row to one", 1, [codes([0], "batch", 1), some("batch", 1)], scatter(1)),
    of(
      "scatterAdd of codes out of range",
      3,
      [codes([-1, 3, 2, 1, 1, -7, 0, 99, 0, 2, 1, 0], "batch", 4), some("batch", 2)],
      scatter(1, 2, 1, 1),
    ),
    of(
      "scatterAdd of six columns",
      3,
      [codes([0, 1, 2, 3, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 2], "batch", 6), some("batch", 3)],
      scatter(1, 2, 3, 4, 3, 2),
    ),
    ...weighted(),
    of("scatterAdd of all rows to one", 7, [codes([1, 1, 1, 1, 1, 1, 1], "batch", 1), some("batch", 2)], scatter(3)),
  ];
}

/** Lists of codes with weights, some twice, some out of range, some empty. */
function weighted(): Case[] {
  const scatter = (size: number) => ([codes, weights, x]: readonly Value[]) =>
    apply("weightedScatter", [codes, weights, x], { size });
  const lists = codes([0, 2, 2, 1, 3, 0, 0, 0, 0, -1, 4, 7, 3, 1, 1], "batch", 3);
  const one = codes([0], "batch", 1);
  const weights = exact([0.5, 1, 2, 3, 0.25, 0, 0, 0, 0, 1, 1, 1, -2, 0.75, 1], "batch", 3);
  return [
    of("weightedHot of lists", 5, [lists, weights], ([c, w]) => f.weightedHot(c, w, 4)),
    of("weightedHot of one row, size 1", 1, [one, some("batch", 1)], ([c, w]) => f.weightedHot(c, w, 1)),
    of("weightedHot under a kernel", 5, [lists, weights, held(4, 2)], ([c, w, k]) => {
      return f.matmul(f.weightedHot(c, w, 4), k);
    }),
    of("weightedHot of picked codes", 5, [lists, weights], ([c, w]) => {
      const own = apply("pick", [c], { columns: [2, 1], first: [1, 1] });
      return f.weightedHot(own, f.slice(w, 1, 2), 3);
    }),
    of("weightedSum of lists", 5, [some(4, 3), lists, weights], ([t, c, w]) => f.weightedSum(t, c, w)),
    of("weightedSum of lists, rows of eight", 5, [held(4, 8), lists, some("batch", 3)], ([t, c, w]) => {
      return f.weightedSum(t, c, w);
    }),
    of("weightedSum of one row of one", 1, [some(1, 1), one, some("batch", 1)], ([t, c, w]) => f.weightedSum(t, c, w)),
    of("weightedSum of rows cut from a table", 5, [held(7, 2), lists, weights], ([t, c, w]) => {
      return f.weightedSum(f.slice(t, 2, 4, 0), c, w);
    }),
    of("weightedSum by weights that are computed", 5, [some(4, 3), lists, some("batch", 3)], ([t, c, w]) => {
      return f.weightedSum(t, c, f.softmax(w));
    }),
    of("weightedScatter of lists", 5, [lists, weights, some("batch", 3)], scatter(4)),
    of("weightedScatter of rows of eight", 5, [lists, weights, some("batch", 8)], scatter(5)),
    of("weightedScatter of one row to one", 1, [one, some("batch", 1), some("batch", 1)], scatter(1)),
  ];
}

function routes(): Case[] {
  const places = (k: number, ...of: Value[]) => apply("topPlaces", of, { k });
  const tied = [1, 1, 1, 0, 2, 2, 2, 2, -1, -0.5, -1, -1, 0, -0, 0, 5];
  const uneven = exact([3, 0, 0, 2, 0, 0, 0, 0, 0, 3, 0, 2, 3, 0, 0, 0, 0, 2], "batch", 6);
  const sizes: [name: string, batch: number, x: Dim[], kernels: number[], k: number, logits: Leaf][] = [
    ["two experts each, some of none", 3, ["batch", 4], [6, 4, 2], 2, uneven],
    ["a row for each of two experts", 3, ["batch", 2, 4], [6, 4, 2], 2, uneven],
    ["all rows to one expert", 3, ["batch", 4], [3, 4, 2], 1, exact([0, 0, 1, 2, 1, 3, 0, 1, 2], "batch", 3)],
    ["one row", 1, ["batch", 2], [3, 2, 1], 2, some("batch", 3)],
    ["one expert", 2, ["batch", 3], [1, 3, 2], 1, some("batch", 1)],
    ["one number", 3, ["batch", 1], [6, 1, 3], 2, uneven],
    ["a number for each expert", 3, ["batch", 2, 1], [6, 1, 3], 2, uneven],
    ["all experts", 3, ["batch", 2], [3, 2, 3], 3, some("batch", 3)],
    ["wide rows", 4, ["batch", 17], [3, 17, 16], 2, some("batch", 3)],
    ["wide rows for each expert", 2, ["batch", 2, 17], [5, 17, 16], 2, some("batch", 5)],
  ];
  return [
    of("topPlaces 2 of [batch, 4]", 5, [some("batch", 4)], ([x]) => places(2, x)),
    of("topPlaces 1 of one", 1, [some("batch", 1)], ([x]) => places(1, x)),
    of("topPlaces 3 of [batch, 64]", 33, [some("batch", 64)], ([x]) => places(3, x)),
    of("topPlaces of two values", 3, [some("batch", 5), some("batch", 5)], ([a, b]) => places(2, a, b)),
    of("topPlaces of all, tied", 4, [exact(tied, "batch", 4)], ([x]) => places(4, x), true),
    of("topPlaces as columns", 4, [some("batch", 4)], ([x]) => f.multiHot(places(2, x), [4, 4])),
    ...sizes.flatMap(([name, batch, x, kernels, k, logits]) => [
      of(
        `routed, ${name}`,
        batch,
        [some(...x), held(...kernels), logits],
        ([x, kernels, logits]) => apply("routed", [x, kernels, places(k, logits)]),
      ),
      of(
        `routedKernels, ${name}`,
        batch,
        [some(...x), some("batch", k, kernels[2]), logits],
        ([x, g, logits]) => apply("routedKernels", [x, g, places(k, logits)], { experts: kernels[0] }),
      ),
    ]),
    of(
      "routed to an expert twice",
      5,
      [some("batch", 3), held(2, 3, 2), some("batch", 2)],
      ([x, kernels, logits]) => apply("routed", [x, kernels, places(1, logits, f.mul(logits, 2))]),
    ),
  ];
}

function composed(): Case[] {
  return [
    of("mean of the last axis", 3, [some("batch", 5)], ([x]) => f.mean(x)),
    of("mean over two axes, kept", 2, [some("batch", 3, 4)], ([x]) => f.mean(x, { axes: [1, 2], keep: true })),
    of("logSumExp", 5, [some("batch", 4)], ([x]) => f.logSumExp(x)),
    of("logSumExp of width 1, batch 1", 1, [some("batch", 1)], ([x]) => f.logSumExp(x)),
    of(
      "logSumExp of large numbers",
      2,
      [exact([500, 501, 499, -500, -501, -500.5], "batch", 3)],
      ([x]) => f.logSumExp(x),
    ),
    of("normalCdf", 5, [some("batch", 3)], ([x]) => f.normalCdf(x)),
    of("normalCdf far from 0", 1, [exact([-80, -6, -1, 0.25, 1, 6, 80], 7)], ([x]) => f.normalCdf(x)),
    of("normalCdf at 0", 1, [exact([0], 1)], ([x]) => f.normalCdf(x), true),
    of("abs", 5, [some("batch", 3)], ([x]) => f.abs(x)),
    of("abs at 0", 1, [exact([-1, 0, 1], 3)], ([x]) => f.abs(x), true),
    of("square", 5, [some("batch", 3)], ([x]) => f.square(x)),
    of("swish", 5, [some("batch", 3)], ([x]) => f.swish(x)),
    of("a constant added, subtracted, divided by", 3, [some("batch", 2)], ([x]) => f.div(f.sub(3, f.add(x, 1)), 4)),
    of("0 less x", 3, [some("batch", 2)], ([x]) => f.sub(0, x)),
    of("1 divided by x", 3, [positive("batch", 2)], ([x]) => f.div(1, x)),
    of(
      "transpose of a transpose",
      5,
      [some("batch", 2, 3)],
      ([x]) => f.transpose(f.transpose(x, [1, 0, 2]), [0, 2, 1]),
    ),
    of(
      "slices padded and joined",
      5,
      [some("batch", 4)],
      ([x]) => f.concat([f.pad(f.slice(x, 1, 2), 1, 0), f.slice(x, 3, 1)]),
    ),
    of("dense layer", 5, [some("batch", 3), held(3, 4), held(4)], ([x, w, b]) => f.relu(f.add(f.matmul(x, w), b))),
    of(
      "experts mixed by a gate",
      3,
      [some("batch", 4), held(2, 4, 3), held(4, 2)],
      ([x, experts, gate]) => {
        const outputs = f.tanh(f.matmul(f.broadcast(x, [2, "batch", 4]), experts)); // [experts, batch, units]
        const weights = f.reshape(f.transpose(f.softmax(f.matmul(x, gate))), [2, "batch", 1]); // [experts, batch, 1]
        return f.sum(f.mul(weights, outputs), { axes: [0] });
      },
    ),
    of(
      "logistic loss of labels",
      7,
      [some("batch"), exact([0, 1, 1, 0, 1, 0, 0], "batch")],
      ([logit, label]) => f.sub(f.softplus(logit), f.mul(label, logit)),
    ),
    of("normalised rows", 3, [some("batch", 5)], ([x]) => {
      const centred = f.sub(x, f.mean(x, { keep: true }));
      return f.div(centred, f.sqrt(f.add(f.mean(f.square(centred), { keep: true }), 1e-5)));
    }),
    of(
      "ratio of sums over the batch",
      5,
      [some("batch", 2), positive("batch", 1)],
      ([x, w]) => f.div(f.sum(f.mul(x, w), { axes: [0] }), f.sum(w, { axes: [0] })),
    ),
  ];
}

// Leaves.

/** An input with numbers in [-2, 2). */
function some(...shape: Dim[]): Leaf {
  return { op: "input", shape, numbers: { from: -2, to: 2 } };
}

/** An input with numbers in [0.5, 2.5). */
function positive(...shape: Dim[]): Leaf {
  return { op: "input", shape, numbers: { from: 0.5, to: 2.5 } };
}

/** A parameter with numbers in [-1, 1). */
function held(...shape: number[]): Leaf {
  return { op: "parameter", shape, numbers: { from: -1, to: 1 } };
}

/** Uniform noise. */
function drawn(...shape: Dim[]): Leaf {
  return { op: "noise", shape, numbers: { from: 0, to: 1 } };
}

/** An input with these numbers. */
function exact(numbers: readonly number[], ...shape: Dim[]): Leaf {
  return { op: "input", shape, numbers };
}

/** An input with these codes. */
function codes(numbers: readonly number[], ...shape: Dim[]): Leaf {
  return { op: "input", shape, numbers, int: true };
}

/** A case of leaves named `a`, `b`, `c`, whose numbers depend on the case's name and their own. */
function of(
  name: string,
  batch: number,
  leaves: readonly Leaf[],
  expression: (leaves: readonly Value[]) => Value,
  kink = false,
): Case {
  const named = leaves.map((leaf, i) => ["abc"[i], leaf] as const);
  const tensors = (held: boolean) =>
    Object.fromEntries(
      named.filter(([, leaf]) => (leaf.op === "parameter") === held)
        .map(([key, leaf]) => [key, tensorOf(leaf, batch, `${name}:${key}`)]),
    );
  return {
    name,
    build: () => expression(named.map(([key, leaf]) => valueOf(leaf, key))),
    inputs: () => tensors(false),
    store: tensors(true),
    kink,
  };
}

function valueOf({ op, shape, int }: Leaf, name: string): Value {
  if (op === "parameter") return apply(op, [], { name, shape, init: { kind: "constant", value: 0 } });
  if (op === "noise") return apply(op, [], { name, shape, kind: "uniform" });
  return apply(op, [], { name, shape, type: int ? "int" : "float" });
}

function tensorOf({ shape, numbers, int }: Leaf, batch: number, seed: string): Tensor {
  const lengths = withBatch(shape, batch);
  if (!("from" in numbers)) {
    return { shape: lengths, data: int ? Int32Array.from(numbers) : Float32Array.from(numbers) };
  }
  const { from, to } = numbers;
  const data = fillUniform(new Float32Array(sizeOf(lengths)), random(seed));
  return { shape: lengths, data: data.map((number) => from + number * (to - from)) };
}
