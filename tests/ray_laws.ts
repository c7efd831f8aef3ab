/** Trainings that a cluster takes the same steps of as `train` does. */
import {
  adagrad,
  adam,
  bag,
  bank,
  binary,
  categorical,
  category,
  cosineDecay,
  define,
  dense,
  dropout,
  dwa,
  embed,
  encode,
  fit,
  lazyAdam,
  level,
  loadBalance,
  mix,
  mmoe,
  numeric,
  pipe,
  regression,
  relu,
  type Rows,
  rows,
  rowwiseAdagrad,
  sequence,
  sgd,
  type Spec,
  topK,
  type TrainOptions,
  uncertainty,
} from "../mod.ts";
import { random } from "../lib/data/random.ts";

const source = random("ray");
const uniform = () => source.bits() / 2 ** 32;
const size = 400;
const some = <T>(of: (row: number) => T, labelled = 0.5) =>
  Array.from({ length: size }, (_, row) => uniform() < labelled ? of(row) : null);

// Of the task "kind" the row groups from 200 on have no label: whole batches of a worker lack one.
const labels = {
  click: some(() => source.bits() % 2),
  price: some(uniform),
  kind: some((row) => row < 200 ? source.bits() % 3 : null),
};
const weights = { price: Array.from({ length: size }, () => 0.5 + uniform()) };
const tasks = {
  click: binary(pipe(dense(3), relu)),
  price: regression(undefined, { weight: 0.7 }),
  kind: categorical(3),
};

const numbers = rows(Array.from({ length: size }, () => [uniform(), uniform() - 0.5, uniform()]), { labels, weights });
const plain = define(
  mmoe({ input: 3, experts: 3, expert: pipe(dense(6), relu, dropout(0.2)), gate: topK(2, { noise: true }), tasks }),
);
const balanced = define({
  input: 3,
  tasks,
  levels: [level({ shared: bank(3, pipe(dense(4), relu), { losses: { even: loadBalance(0.1) }, capacity: 1.5 }) }, {
    click: mix("shared", topK(2)),
    price: mix("shared", topK(2)),
    kind: mix("shared", topK(2)),
  })],
});

const users = Array.from({ length: size }, () => `u${source.bits() % 50}`);
const items = Array.from(
  { length: size },
  () => Array.from({ length: source.bits() % 4 }, () => `i${source.bits() % 30}`),
);
const table = { user: users, items, age: Array.from({ length: size }, uniform) };
const features = fit({ user: category(), items: sequence(), age: numeric() }, table);
const ids = rows(encode(features, table), { labels, weights });
const looked = define(
  mmoe({ input: features, experts: 2, expert: pipe(embed(4), dense(6), relu, dropout(0.1)), tasks }),
);

const even = define(
  mmoe({ input: 3, experts: 4, expert: pipe(dense(4), relu), gate: topK(2, { balance: 0.01 }), tasks }),
);

const shares = items.map((row) => row.map(() => 1 + source.bits() % 3));
const weighed = { ...table, shares };
const weighedFeatures = fit({ user: category(), items: bag({ weights: "shares" }), age: numeric() }, weighed);
const bags = rows(encode(weighedFeatures, weighed), { labels, weights });
const frozen = define(mmoe({
  input: weighedFeatures,
  experts: 2,
  expert: pipe(embed(4, { frozen: ["user"] }), dense(6), relu),
  tasks,
}));

/** Specs, rows and options by name. */
export const laws: Readonly<Record<string, readonly [Spec, Rows, TrainOptions]>> = {
  "dropout and noisy gates": [plain, numbers, {
    optimiser: adam(cosineDecay(3e-3, 200), { weightDecay: 1e-3, clipNorm: 0.5 }),
  }],
  "losses of banks": [balanced, numbers, { optimiser: sgd(0.05) }],
  "biases that even out gates": [even, numbers, { optimiser: sgd(0.05) }],
  "parts, each with its optimiser": [plain, numbers, { optimiser: sgd(0.05), parts: { tasks: adagrad(0.01) } }],
  "uncertainty": [plain, numbers, { optimiser: adam(1e-3), weighting: uncertainty() }],
  "dwa": [plain, numbers, { optimiser: adam(1e-3), weighting: dwa() }],
  "vectors, clipped": [looked, ids, {
    optimiser: adam(1e-3, { clipNorm: 0.3 }),
    vectors: rowwiseAdagrad(0.02, { touchedDecay: 0.01 }),
  }],
  "vectors of two optimisers": [looked, ids, {
    optimiser: adam(1e-3),
    vectors: { default: lazyAdam(1e-3), user: adagrad((step) => step % 3 === 0 ? 0 : 0.01) },
  }],
  "weighted bags and a frozen table": [frozen, bags, { optimiser: adam(1e-3), vectors: sgd(0.1) }],
};
