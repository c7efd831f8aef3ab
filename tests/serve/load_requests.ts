import { compile, encode, type Features, type Model, save, saveGraphModel } from "../../mod.ts";
import { random } from "../../lib/datasets.ts";
import { saveOnnx } from "../../lib/onnx.ts";
import { cases, specOf } from "../bench/cases.ts";
import { readCensus } from "../bench/census.ts";

/** Where what the servers read is. */
export const folder = "out/serve-load";

/** A kind of request: its body, a file of it, and what the model predicts for its rows. */
export interface Kind {
  readonly name: string;
  readonly body: string;
  readonly file: string;
  readonly wanted: Readonly<Record<string, Float32Array>>;
}

/**
 * Saves W4, the census model, in the forms that the servers read, and requests with values that its features know: of one
 * row, of 100, and of 100 as a ranker sends them, by columns, where every other feature is the user's and is given once.
 */
export async function prepared(): Promise<readonly Kind[]> {
  await Deno.remove(`${folder}/models`, { recursive: true }).catch(() => {}); // a soak that was ended leaves versions
  await Deno.mkdir(folder, { recursive: true });
  const model = await compile(specOf({ name: "W4", ...cases.W4 }, (await readCensus()).features), { seed: 1 });
  await save(model, `${folder}/models/census/1`);
  await saveOnnx(model, `${folder}/census.onnx`);
  await saveGraphModel(model, `${folder}/graph-model`);
  if (!("features" in model.spec.input)) throw new Error("W4 has features");
  const { features } = model.spec.input;
  await Deno.writeTextFile(`${folder}/features.json`, JSON.stringify(features));
  const names = Object.keys(features);
  const drawn = (name: string, count: number, user: readonly string[] = []) => ({
    name,
    columns: columnsOf(features, count, user),
    user,
  });
  const kinds = await Promise.all([
    written(model, features, drawn("1 row", 1)),
    written(model, features, drawn("100 rows", 100)),
    written(model, features, drawn("100 by columns", 100, names.filter((_, at) => at % 2 === 0))),
  ]);
  model.dispose();
  return kinds;
}

/** Columns of values, and the names of those whose values are all the same, which a request by columns has once. */
interface Drawn {
  readonly name: string;
  readonly columns: Readonly<Record<string, readonly (string | number)[]>>;
  readonly user: readonly string[];
}

/** Draws values that features know. */
function columnsOf(features: Features, count: number, user: readonly string[]): Drawn["columns"] {
  const source = random(`load:${count}`);
  const value = (feature: Features[string]) =>
    feature.kind === "category"
      ? feature.words[source.bits() % feature.words.length]
      : Math.floor(90 * source.uniform());
  return Object.fromEntries(
    Object.entries(features).map(([name, feature]) => {
      const first = value(feature);
      return [
        name,
        Array.from({ length: count }, (_, row) => row === 0 || user.includes(name) ? first : value(feature)),
      ];
    }),
  );
}

/** Writes a request of columns: row by row, but by columns where some are a user's. */
async function written(model: Model, features: Features, drawn: Drawn): Promise<Kind> {
  const { name, columns, user } = drawn;
  const all = Object.entries(columns);
  const rows = all[0][1].map((_, row) => Object.fromEntries(all.map(([name, values]) => [name, values[row]])));
  const once = Object.fromEntries(all.map(([name, values]) => [name, user.includes(name) ? values[0] : values]));
  const body = JSON.stringify(user.length === 0 ? { instances: rows } : { inputs: once });
  const file = `${folder}/${name.replaceAll(" ", "-")}.json`;
  await Deno.writeTextFile(file, body);
  return { name, body, file, wanted: await model.predict(encode(features, columns)) };
}
