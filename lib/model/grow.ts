import { places } from "../data/places.ts";
import { optionsOf } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";
import { growthOf } from "../features/growth.ts";
import type { Features } from "../features/input.ts";
import { checkFeatures, checkRelations, isFitted, kinds } from "../features/table.ts";
import type { Parameter } from "../graph/layout.ts";
import type { Tensor } from "../ops/tensor.ts";
import { sizeOf } from "../ops/shape.ts";
import { grownSpec } from "../spec/grow.ts";
import { parametersOf } from "../trace/parameters.ts";
import { compiled } from "./compile.ts";
import { initialised } from "./initialise.ts";
import { insidesOf } from "./insides.ts";
import type { Model } from "./model.ts";

/** The options of {@linkcode grow}. */
export interface GrowOptions {
  /** True if words may be gone, as {@linkcode evict} leaves them out: their vectors go too. Default false. */
  readonly evicted?: boolean;
}

/**
 * Returns a model of the same table whose features know more words: what `fit(features, rows, { after })` returns, with the
 * model's features as `after`. Old vectors stay bit for bit, and so do all other parameters; a new word's vector begins by
 * the model's seed, its path and the word, as it would have begun in the model.
 *
 * The given model stays as it is: dispose it once it is no longer needed.
 *
 * @param features The features now.
 * @throws {TypeError} if a feature of the model is not there, of another kind or encoded differently, or a word is gone or
 * has another place, naming the feature and the first such word.
 * @throws {SpecError} if a net reads a feature that grew as one-hot columns: only tables of vectors grow, those of `embed`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { category, compile, define, embed, featuresOf, fit, grow, reference, regression } from "@gatehouse/gatehouse";
 *
 * const kinds = { user: category() };
 * const input = fit(kinds, { user: ["ann", "bob"] });
 * const model = await compile(define({ input, tasks: { y: regression(embed(2)) } }), { engine: reference() });
 * const grown = await grow(model, fit(kinds, { user: ["zoe", "ann"] }, { after: featuresOf(model.spec) }));
 * const [before, now] = [await model.parameters(), await grown.parameters()].map((all) => all["tasks/y/tower/0/user"]);
 * assertEquals([before.shape, now.shape], [[3, 2], [4, 2]]); // unknown, "ann", "bob", "zoe"
 * assertEquals(now.data.slice(0, 6), before.data);
 * [model, grown].forEach((model) => model.dispose());
 * ```
 */
export async function grow<Tasks extends string>(
  model: Model<Tasks>,
  features: Features,
  options: GrowOptions = {},
): Promise<Model<Tasks>> {
  const action = "grow model";
  const { evicted = false } = optionsOf(action, options, [], ["evicted"]);
  insidesOf(model, action);
  const { spec, seed, engine } = model;
  if ("width" in spec.input) {
    throw new TypeError(`Cannot ${action}: it reads ${spec.input.width} numbers a row, without names`);
  }
  checkFeatures(action, features, isFitted, "what fit() returns");
  checkRelations(action, features);
  const before = spec.input.features;
  if (evicted) checkSame(action, before, features);
  else growthOf(action, before, features);
  const grown = grownSpec(spec, features);
  const old = await model.parameters();
  const parameters = parametersOf(grown).map((parameter): [string, Tensor] => {
    const { path, shape, feature } = parameter;
    const known = old[path];
    if (feature === undefined || known === undefined) return [path, known];
    const rows = evicted ? rowsByText(before, features, feature) : undefined;
    if (rows === undefined && sizeOf(shape) === known.data.length) return [path, known];
    return [path, moved(parameter, known, rows, initialised([parameter], seed, grown.input)[path])];
  });
  return await compiled(grown, { engine, seed, parameters: Object.fromEntries(parameters) }, true);
}

/** Returns a table whose first rows, or those of some numbers, are those of another. */
function moved(
  { shape }: Parameter,
  { data: old }: Tensor,
  rows: Int32Array | undefined,
  { data }: Tensor,
): Tensor {
  if (rows === undefined) data.set(old);
  else {
    rows.forEach((row, at) => {
      if (row >= 0) data.set(old.subarray(row * shape[1], (row + 1) * shape[1]), at * shape[1]);
    });
  }
  return { shape, data };
}

/** Makes sure that features are those of a model, but for their words. */
function checkSame(action: string, before: Features, now: Features): void {
  const rest = (feature: object) => JSON.stringify({ ...feature, words: undefined });
  for (const [name, feature] of Object.entries(before)) {
    if (Object.hasOwn(now, name) && rest(now[name]) === rest(feature)) continue;
    const found = Object.hasOwn(now, name) ? "more than its words has changed" : "it is gone";
    throw new TypeError(`Cannot ${action}\n  at feature ${quoted(name)}: ${found}: wanted what evict() returns`);
  }
}

/** Returns the row that each row of a feature's table was, by its text; -1 of none. */
export function rowsByText(before: Features, now: Features, name: string): Int32Array {
  const texts = (features: Features): readonly (string | undefined)[] => {
    const feature = features[name];
    const kind = kinds[feature.kind];
    const [range] = kind.inputs([[name, feature]]).flatMap(({ codes = [] }) => codes);
    const first = range.missing === undefined ? 0 : 1;
    return Array.from({ length: range.size - first }, (_, row) => kind.textOf?.(feature, row + first));
  };
  const old = texts(before);
  const first = old.findIndex((text) => text !== undefined); // those of unknown words come before
  const known = places(old.slice(first < 0 ? old.length : first) as string[]);
  return Int32Array.from(texts(now), (text, row) => {
    if (text === undefined) return row;
    const place = known.find(text);
    return place === undefined ? -1 : first + place;
  });
}
