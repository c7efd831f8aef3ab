import { compile, define, dense, load, mmoe, type Model, reference, regression } from "../mod.ts";

/** One of two models of different specs: every parameter and the seed are its number. */
export async function numbered(number: number): Promise<Model> {
  const spec = define(mmoe({ input: 2, experts: number, expert: dense(3 * number), tasks: { y: regression() } }));
  const model = await compile(spec, { engine: reference(), seed: number });
  const values = Object.entries(await model.parameters()).map(([path, { shape, data }]) =>
    [path, { shape, data: data.map(() => number) }] as const
  );
  model.assign(Object.fromEntries(values));
  return model;
}

/** Loads a model and returns its number; an error if its spec, its seed and its parameters are of different ones. */
export async function numberAt(path: string): Promise<number> {
  const model = await load(path, { engine: reference() });
  const numbers = new Set(Object.values(await model.parameters()).flatMap(({ data }) => [...data]));
  const experts = model.spec.levels[0].experts.shared.count;
  if (numbers.size !== 1 || !numbers.has(model.seed) || experts !== model.seed) throw new Error("a mixed model");
  model.dispose();
  return model.seed;
}
