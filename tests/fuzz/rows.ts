import {
  adam,
  binary,
  categorical,
  compile,
  count,
  define,
  dense,
  evaluate,
  mmoe,
  type Model,
  ranking,
} from "../../mod.ts";
import { regression, type Rows, softmax, train } from "../../mod.ts";
import type { Engine } from "../../mod.ts";
import type { Random } from "../../lib/data/random.ts";
import { attempt, type End, ensure, type Kind, pick, several } from "./kind.ts";
import { textOf, withWrong } from "./wrong.ts";

/** Rows that a model predicts, is judged by, and is trained on, with options. */
export const rowsOfModels: Kind = { share: 120, run };

const spec = define(mmoe({
  input: 3,
  experts: 2,
  expert: dense(2),
  gate: softmax,
  tasks: {
    click: binary(undefined, { positive: 3 }),
    kind: categorical(3),
    price: regression(undefined, { only: "click" }),
    visits: count(),
    place: ranking(undefined, { within: "search" }),
  },
}));

async function run(source: Random, engine: Engine): Promise<End> {
  const many = 1 + source.bits() % 6;
  const column = (of: readonly number[]) => Float32Array.from(several(many, () => pick(source, of)));
  const data: Rows = {
    count: many,
    inputs: { input: column([0, 1, -2, 0.5].concat(several(many, () => source.normal()))) },
    labels: {
      click: column([0, 1, 0.5, NaN]),
      kind: column([0, 1, 2]),
      price: column([-3, 10, NaN]),
      visits: column([0, 4]),
      place: column([0, 1, 2]),
      search: column([1, 2]),
    },
    weights: { click: column([0, 1, 2.5]) },
  };
  const whole = { ...data, inputs: { input: Float32Array.from(several(3 * many, () => source.normal())) } };
  const options = {
    steps: 2,
    batch: 1 + source.bits() % 8,
    optimiser: Object.freeze(adam(0.01)),
    shuffle: source.uniform() < 0.5,
  };
  const damaged = source.uniform() < 0.9;
  const given = { data: whole, options };
  const used = (damaged ? withWrong(given, source) : given) as typeof given;
  if (!(typeof used === "object" && used !== null)) return "refused";
  const input = textOf(used);
  const does = pick(source, ["predict", "evaluate", "train"] as const);
  const model = await compile(spec, { engine, seed: 1 });
  try {
    const place = /^Cannot (?:predict|evaluate|train)\b/;
    const done = await attempt(`${does} ${input}`, place, async () => await uses[does](model, used.data, used.options));
    ensure(done !== undefined || damaged, `valid rows were refused by ${does}`, input);
    return done === undefined ? "refused" : "valid";
  } finally {
    model.dispose();
  }
}

type Options = Parameters<typeof train>[2];

const uses: Readonly<Record<string, (model: Model, data: Rows, options: Options) => Promise<true>>> = {
  predict: async (model, data) => {
    const predictions = Object.values(await model.predict(data));
    ensure(predictions.every((of) => of.every(Number.isFinite)), "predictions are not finite", textOf(data));
    return true;
  },
  evaluate: async (model, data) => {
    await evaluate(model, data);
    return true;
  },
  train: async (model, data, options) => {
    for await (const { loss } of train(model, data, options)) {
      ensure(Object.values(loss).every(Number.isFinite), "a loss is not finite", textOf(data));
    }
    return true;
  },
};
