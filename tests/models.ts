import { random } from "../lib/data/random.ts";
import {
  adatt,
  after,
  bank,
  binary,
  categorical,
  cgc,
  compile,
  count,
  crossStitch,
  define,
  dense,
  dselectK,
  type Engine,
  entropy,
  fixed,
  focal,
  gateDropout,
  hardConcrete,
  home,
  huber,
  importance,
  l2Constrained,
  level,
  loadBalance,
  mix,
  mmoe,
  multiLevelMmoe,
  omoe,
  pipe,
  ple,
  product,
  quantile,
  ranking,
  reference,
  regression,
  relu,
  type Rows,
  rows,
  sharedBottom,
  singleTask,
  smoothLoad,
  snr,
  softmax,
  type Spec,
  tanh,
  tensorFactorisation,
  topK,
  youtube,
  zLoss,
} from "../mod.ts";
import type { HeadKind, Tensor } from "../lib/graph.ts";

/** The architectures over one small expert, tower and pair of tasks. */
export const expert = pipe(dense(6), relu, dense(4), relu);
export const tower = pipe(dense(3), relu);
export const tasks = { income: binary(tower), marital: binary(tower) };
export const base = { input: 5, expert, tasks };

/** All architectures. */
export const architectures = architecturesOver(5, [1, 4]);

/** All architectures over an input, of which one reads a part, the position, apart. */
export function architecturesOver(
  input: Parameters<typeof singleTask>[0]["input"],
  position: Parameters<typeof youtube>[0]["position"],
): Readonly<Record<string, Spec<"income" | "marital">>> {
  const base = { input, expert, tasks };
  return {
    "single-task": define(singleTask(base)),
    "shared-bottom": define(sharedBottom(base)),
    omoe: define(omoe({ ...base, experts: 3 })),
    mmoe: define(mmoe({ ...base, experts: 3 })),
    cgc: define(cgc({ ...base, shared: 2 })),
    ple: define(ple({ ...base, own: 2 })),
    "multi-level mmoe": define(multiLevelMmoe({ ...base, experts: 2 })),
    "cross-stitch": define(crossStitch(base)),
    adatt: define(adatt({ ...base, own: 2, shared: 1 })),
    snr: define(snr({ ...base, levels: 1, gate: hardConcrete({ penalty: 0.1 }) })),
    "snr average": define(snr({ ...base, ways: "average" })),
    home: define(home({ ...base, expert: dense(4), groups: { work: ["income"], life: ["marital"] }, rank: 2 })),
    youtube: define(youtube({ ...base, experts: 2, position, shallow: tower, drop: 0.5, biased: ["income"] })),
    "tensor factorisation": define(tensorFactorisation({ input, units: 4, ranks: [3, 2, 3], tasks })),
    "l2-constrained": define(l2Constrained({ ...base, near: 0.1 })),
    linear: define({ input, tasks: { income: binary(), marital: binary() } }),
    "sparse mmoe": define(mmoe({ ...base, experts: 4, gate: zLoss(0.01, topK(2)) })),
    switch: define(omoe({ ...base, experts: 3, gate: entropy(0.01, after(dense(4), topK(1))) })),
    "noisy mmoe": define({
      input,
      levels: [
        level({
          shared: bank(4, expert, { losses: { balance: loadBalance(0.1), load: smoothLoad() } }),
          wide: bank(1, dense(4), { losses: { importance: importance(), balance: loadBalance() } }),
        }, {
          income: mix("shared", topK(2, { noise: true })),
          marital: mix(["wide", "shared"], gateDropout(0.3, topK(3, { noise: true }))),
        }),
      ],
      tasks,
    }),
    "dselect-k": define(mmoe({ ...base, experts: 5, gate: dselectK(2, { entropy: 0.1 }) })),
    still: define({
      input,
      levels: [
        level({ shared: bank(3, expert, { losses: { importance: importance() } }) }, {
          shared: mix("shared", dselectK(2, { entropy: 0.1, static: true, gamma: 2 })),
          income: mix("shared", fixed()),
          marital: mix("shared", entropy(0.1, fixed({ softmax: false }))),
        }),
        level({ shared: bank(2, dense(3)) }, {
          income: mix("shared", softmax, { reads: "shared" }),
          marital: mix("shared", fixed()),
        }),
      ],
      tasks,
    }),
    "balanced mmoe": define(mmoe({ ...base, experts: 4, gate: topK(2, { balance: 0.01 }) })),
    "two banks": define({
      input,
      levels: [level({ deep: bank(2, expert), wide: bank(1, dense(4)) }, {
        income: mix(["deep", "wide"], softmax),
        marital: mix("wide"),
      })],
      tasks,
    }),
    "two levels": define({
      input,
      levels: [
        level({ shared: bank(2, expert), income: bank(1, expert) }, {
          shared: mix(["shared", "income"], softmax),
          income: mix(["shared", "income"], softmax),
        }),
        level({ shared: bank(2, dense(3)), income: bank(1, dense(3)) }, {
          income: mix(["shared", "income"], softmax),
          marital: mix("shared", softmax),
        }),
      ],
      tasks,
    }),
  };
}

/** A tower of which no constant is lost in a difference of two rows. */
const smooth = pipe(dense(3), tanh);

/** A model with every head, and every loss that can be chosen. */
export const everyHead = define(mmoe({
  input: 5,
  experts: 2,
  expert,
  tasks: {
    click: binary(tower),
    bought: binary(tower, { only: "click" }),
    both: product(["click", "bought"]),
    rare: binary(tower, { loss: focal({ alpha: 0.25 }) }),
    price: regression(tower),
    tax: regression(tower, { loss: huber(0.5) }),
    most: regression(tower, { loss: quantile(0.9) }),
    kind: categorical(3, tower),
    visits: count(tower),
    order: ranking(smooth),
    place: ranking(smooth, { within: "search" }),
  },
}));

/** Rows with labels that fit the heads of a model, each missing now and then. */
export function sampleFor(spec: Spec, count: number): Rows {
  const data = sample(count);
  const source = random("labels");
  const shapes: Record<HeadKind, (x: number, units: number) => number> = {
    binary: (x) => Number(x > 0.3),
    regression: (x) => 2 * x + 1,
    categorical: (x, units) => Math.abs(Math.round(5 * x)) % units,
    count: (x) => Math.floor(Math.exp(x)),
    ranking: (x) => Math.round(x),
  };
  const column = (of: (x: number) => number) => {
    const noisy = (row: number) => data.inputs.input[5 * row] + 0.3 * source.normal();
    return Float32Array.from({ length: count }, (_, row) => source.uniform() < 0.1 ? NaN : of(noisy(row)));
  };
  const labels = Object.entries(spec.tasks).map(([task, { head }]) => {
    return [task, column((x) => shapes[head.kind](x, head.units))] as const;
  });
  return { ...data, labels: { ...Object.fromEntries(labels), search: column((x) => Math.round(x / 2)) } };
}

/** Rows of normal numbers with labels for both tasks. */
export function sample(count: number, width = 5, seed = "rows"): Rows {
  const source = random(seed);
  const lists = Array.from({ length: count }, () => Array.from({ length: width }, () => source.normal()));
  return rows(lists, {
    labels: {
      income: lists.map((list) => list[0] + list[width - 1] > 0),
      marital: lists.map((list) => Math.sin(3 * list[0]) > 0.2),
    },
  });
}

/** The predictions of a spec with the given parameters, or its initial ones. */
export async function predictions<Tasks extends string>(
  spec: Spec<Tasks>,
  data: Rows,
  options: { readonly parameters?: Record<string, Tensor>; readonly engine?: Engine; readonly seed?: number } = {},
): Promise<Record<Tasks, Float32Array>> {
  const model = await compile(spec, { engine: options.engine ?? reference(), ...options });
  try {
    return await model.predict(data);
  } finally {
    model.dispose();
  }
}
