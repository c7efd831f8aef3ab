import { adagrad, adam, attend, bag, bank, binary, category, compile, cross, define, dense } from "../../mod.ts";
import { embed, encode, evict, type Features, featuresOf, fit, grow, hashed, lazyAdam } from "../../mod.ts";
import { level, mix, type Model, numeric, type Rows, rowwiseAdagrad } from "../../mod.ts";
import { sequence, sgd, softmax, train, type TrainOptions } from "../../mod.ts";
import type { Engine } from "../../mod.ts";
import type { Random } from "../../lib/data/random.ts";
import { attempt, type End, ensure, type Kind, pick, several } from "./kind.ts";
import { textOf, withWrong } from "./wrong.ts";

/** Models of every kind of features, as one-hot columns or as vectors: rows that they predict or train on, and growth. */
export const rowsOfLists: Kind = { share: 60, run };

const kinds = {
  age: numeric(),
  image: numeric({ width: 2, indicator: true }),
  band: numeric({ boundaries: [0.5] }),
  job: category({ unknowns: 2 }),
  user: hashed(5),
  both: cross(["job", "user"], { buckets: 7 }),
  tags: bag({ like: "job", weights: "shares" }),
  seen: sequence({ like: "user", group: "seen" }),
  when: sequence({ group: "seen" }),
};
const table = {
  age: [20, 30, 40, 50],
  image: [[1, 2], [3, 1], null, [0, 0]],
  band: [0, 1, 0, 1],
  job: ["a", "b", "c", "d"],
  user: ["a", "b", "c", "d"],
  tags: [["a", "b"], [], ["c"], ["a", "a", "d"]],
  shares: [[1, 2], [], [0], [1, 1, 1]],
  seen: [["a"], ["b", "c"], [], ["d"]],
  when: [["x"], ["y", "x"], [], ["x"]],
};
const features = fit(kinds, table);
const grown = fit(kinds, { ...table, job: ["e", "a", "0", "b"], when: [["z"], ["x", "x"], [], ["x"]] }, {
  after: features,
});

const nets = [dense(2), embed(2), embed(2, { pool: { seen: attend({ query: "user" }) } })];
const specs = nets.map((net) =>
  define({
    input: features,
    levels: [
      level({ ids: bank(1, net) }, { shared: mix("ids") }),
      level({ experts: bank(2, dense(2)) }, { click: mix("experts", softmax) }),
    ],
    tasks: { click: binary() },
  })
);

async function run(source: Random, engine: Engine): Promise<End> {
  const drawn = several(1 + source.bits() % 5, () => source.bits() % 4);
  const columns = Object.fromEntries(
    Object.entries(table).map(([name, list]) => [name, drawn.map((row) => list[row])]),
  );
  const encoded = encode(features, columns as typeof table);
  const does = pick(source, ["predict", "train", "grow", "evict"] as const);
  const { encoding, ...plain } = encoded;
  const data = {
    ...plain,
    ...(does === "evict" && { encoding }),
    ...(does === "train" && { labels: { click: Float32Array.from(drawn, (row) => row % 2) } }),
  };
  const given: Given = { data, ...(does === "train" && { options: optionsOf(source) }), features: grown };
  const damaged = source.uniform() < 0.9;
  const used = (damaged ? { ...given, ...withWrong(partOf(given, does), source) as object } : given) as Given;
  const input = textOf(used);
  const at = source.bits() % specs.length;
  const model = await compile(specs[at], { engine, seed: pick(source, [1, 2]) });
  try {
    const place = /^Cannot (?:predict|train|grow model|evict words)\b/;
    const done = await attempt(`${does} ${input}`, place, () => uses[does](model, used));
    const mayNot = at === 0 && (does === "grow" || does === "evict"); // one-hot columns are of one vocabulary
    ensure(done !== undefined || damaged || mayNot, `what is valid was refused by ${does}`, input);
    return done === undefined ? "refused" : "valid";
  } finally {
    model.dispose();
  }
}

/** What a case uses. */
interface Given {
  readonly data: Rows;
  readonly features: Features;
  readonly options?: TrainOptions;
}

/** Returns the part of it that a use reads. */
function partOf({ data, features, options }: Given, does: keyof typeof uses): object {
  return does === "grow" ? { features: copyOf(features) } : { data, ...(options && { options }) };
}

/** Returns a copy that is not frozen, in which something can be wrong. */
function copyOf(features: Features): Features {
  return JSON.parse(JSON.stringify(features));
}

function optionsOf(source: Random): TrainOptions {
  const vectors = pick(source, [rowwiseAdagrad(), lazyAdam(0.1, { touchedDecay: 0.1 }), adagrad(0.1), sgd(0.1)]);
  const optimiser = pick(source, [adam(0.01), adam(0.01, { clipNorm: 0.1 })]);
  return {
    from: { epoch: 0, step: 1 }, // without notes of words that no row has
    steps: 2,
    batch: 1 + source.bits() % 8,
    vectors: Object.freeze(vectors),
    optimiser: Object.freeze(optimiser),
  };
}

const uses: Readonly<Record<"predict" | "train" | "grow" | "evict", (model: Model, given: Given) => Promise<true>>> = {
  predict: async (model, { data }) => {
    const { click } = await model.predict(data) as Record<string, Float32Array>;
    ensure(click.every(Number.isFinite), "predictions are not finite", textOf(data));
    return true;
  },
  train: async (model, { data, options }) => {
    for await (const { total } of train(model, data, options)) {
      ensure(Number.isFinite(total), "a loss is not finite", textOf(data));
    }
    return true;
  },
  grow: async (model, { features: now }) => {
    const larger = await grow(model, now);
    const [before, after] = [
      await model.predict(encode(features, table)),
      await larger.predict(encode(featuresOf(larger.spec), table)),
    ] as Record<string, Float32Array>[];
    ensure(before.click.every((number, row) => number === after.click[row]), "it predicts otherwise", textOf(now));
    larger.dispose();
    return true;
  },
  evict: async (model, { data }) => {
    const fewer = evict(features, data);
    const smaller = await grow(model, fewer, { evicted: true });
    smaller.dispose();
    return true;
  },
};
