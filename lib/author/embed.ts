import { isRecord, kindOf, optionsOf } from "../errors/kinds.ts";
import { misapplied } from "../errors/misapplied.ts";
import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import { concat, matmul, reshape, slice } from "../ops/functions.ts";
import type { Init } from "../ops/init.ts";
import { shapeText } from "../ops/shape.ts";
import { apply, isValue } from "../ops/table.ts";
import type { Field, Value } from "../ops/value.ts";
import { inits } from "./inits.ts";
import type { Net } from "./net.ts";
import { wholeNumber } from "./nets.ts";

/** The options of {@linkcode embed}. */
export interface EmbedOptions {
  /** The values that the tables begin with. Default `inits.uniform(0.05)`. */
  readonly init?: Init;
  /** The features of the stream that are read, in whatever order. Default: all. */
  readonly features?: readonly string[];
  /** If true, the vectors lie behind one another, `[batch, fields, k]`, for nets such as {@linkcode fm}. Default false. */
  readonly stacked?: boolean;
}

/**
 * A net that turns the features of a stream into vectors: of each feature that has codes the one of its code, from a
 * table of its own, side by side in the order of the stream; then its numbers, as they are. The stream is `input`, or a
 * part of it that the table names in `streams`.
 *
 * It is `dense(k, { bias: false })` of the one-hot columns of each feature, but for a missing id, which has no row: its
 * vector is 0 and stays so. The row of unknown ids is one like others; it begins at 0, and moves where rows have them.
 * What reads one embedding or several is a matter of the table: a bank of one embedding, mixed into a stream, is shared
 * by all that read the stream, and every other entry has tables of its own.
 *
 * The vectors begin uniform in ±0.05, as in Keras and NVTabular. That depends neither on the number of ids, so that a
 * vocabulary can grow, nor on k, and products of vectors ({@linkcode fm}) learn from the first step: DeepCTR, FuxiCTR and
 * torch-rechub begin with a deviation of 1e-4, from which they hardly move at first, TorchRec at ±1 / sqrt(number of ids).
 *
 * Parameters: for each feature with codes one of its name, `[codes, k]`, a missing id not counted. Output:
 * `[batch, fields * k + numbers]`, or `[batch, fields, k]` if stacked.
 *
 * @param k The size of a vector, for all features or by name: `{ user: 32, device: 4 }`.
 * @throws {RangeError} if a size is not a whole number of at least 1; while defining, if the net is not applied to
 * features, if a name is that of none, or if vectors to be stacked have several sizes or numbers beside them.
 * @throws {TypeError} if an option is unknown.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { category, compile, define, embed, encode, fit, numeric, reference, regression, rows } from "@gatehouse/gatehouse";
 * import { initialise } from "@gatehouse/gatehouse/graph";
 *
 * const input = fit({ user: category(), age: numeric({ standardise: false }) }, { user: ["ann", "bob"], age: [20, 30] });
 * const spec = define({ input, tasks: { y: regression(embed(2)) } });
 * const parameters = {
 *   ...initialise(spec, 0),
 *   "tasks/y/tower/0/user": { shape: [3, 2], data: Float32Array.of(0, 0, 1, 2, 3, 4) }, // unknown, "ann", "bob"
 *   "tasks/y/head/0/kernel": { shape: [3, 1], data: Float32Array.of(100, 10, 1) },
 * };
 * const model = await compile(spec, { engine: reference(), parameters });
 * const { y } = await model.predict(rows(encode(input, { user: ["bob", "eve", null], age: [5, 6, 7] })));
 * assertEquals(y, Float32Array.of(345, 6, 7));
 * model.dispose();
 * ```
 */
export function embed(k: number | Readonly<Record<string, number>>, options: EmbedOptions = {}): Net {
  const sizes = isRecord(k) ? Object.entries(k) : [["k", k] as const];
  sizes.forEach(([name, size]) => wholeNumber("embed", isRecord(k) ? `k of ${quoted(name)}` : name, size as number));
  const { init = inits.uniform(0.05), features, stacked = false } = optionsOf("apply embed", options, [
    "init",
    "features",
  ], ["stacked"]);
  if (features !== undefined && !(Array.isArray(features) && features.every((name) => typeof name === "string"))) {
    throw misapplied(new TypeError(`Cannot apply embed: features must be a list of names, found ${kindOf(features)}`));
  }
  const owner = {};
  const vectorOf = (x: Value, { name, start, width, codes }: Place, size: number): Value => {
    const first = codes?.missing ? 1 : 0;
    const attrs = {
      name: parameterName(name),
      shape: [width - first, size],
      init: { ...init },
      rows: "looked up",
      feature: name,
    };
    return matmul(columns(x, start + first, width - first), apply("parameter", [], attrs, owner));
  };
  return (x) => {
    const places = chosen(placesOf(x), features);
    const [ids, numbers] = [true, false].map((coded) => places.filter(({ codes }) => (codes !== undefined) === coded));
    if (ids.length === 0) throw wrong(`a feature that has codes is needed, found ${listed(places)}`);
    const units = sizesOf(k, ids);
    const vectors = ids.map((place, at) => vectorOf(x, place, units[at]));
    if (!stacked) return concat([...vectors, ...runsOf(numbers).map(({ start, width }) => columns(x, start, width))]);
    checkStacked(ids, numbers, units);
    return reshape(concat(vectors), ["batch", ids.length, units[0]]); // [batch, fields, k]
  };
}

/** A feature, and its first column. */
interface Place extends Field {
  readonly start: number;
}

/** Returns the features of what a net is applied to, with their places. */
function placesOf(x: Value): readonly Place[] {
  if (!isValue(x)) throw misapplied(new TypeError(`Cannot apply embed: a stream is needed, found ${kindOf(x)}`));
  if (x.fields === undefined) {
    const wanted = 'wanted it first in a net that reads "input", of features, or a part of it named in streams';
    throw wrong(`it reads features as they come, found other numbers ${shapeText(x.shape)}: ${wanted}`);
  }
  let end = 0;
  return x.fields.map((field) => ({ ...field, start: (end += field.width) - field.width }));
}

/** Returns the features that are wanted, in the order of the stream. */
function chosen(places: readonly Place[], wanted: readonly string[] | undefined): readonly Place[] {
  if (wanted === undefined) return places;
  checkNames("features", wanted, places);
  return places.filter(({ name }) => wanted.includes(name));
}

/** Returns the size of the vectors of each feature. */
function sizesOf(k: number | Readonly<Record<string, number>>, ids: readonly Place[]): readonly number[] {
  if (typeof k === "number") return ids.map(() => k);
  checkNames("k", Object.keys(k), ids);
  const absent = ids.find(({ name }) => !Object.hasOwn(k, name));
  if (absent === undefined) return ids.map(({ name }) => k[name]);
  throw wrong(`k has no size for feature ${quoted(absent.name)}: wanted one, or features without it`);
}

function checkNames(option: string, names: readonly string[], places: readonly Place[]): void {
  const known = new Set(places.map(({ name }) => name));
  const strange = names.find((name) => !known.has(name));
  if (strange === undefined) return;
  const what = option === "k" ? "feature with codes" : "feature of the stream";
  throw wrong(`${option} has ${quoted(strange)}, but no ${what} is named so${advice(strange, known)}`);
}

/** Makes sure that vectors can lie behind one another. */
function checkStacked(ids: readonly Place[], numbers: readonly Place[], units: readonly number[]): void {
  if (numbers.length > 0) {
    const way = "wanted features with codes alone, such as by the option features, or a stream of them";
    throw wrong(`numbers cannot be stacked with vectors, found ${listed(numbers)}: ${way}`);
  }
  const other = units.findIndex((size) => size !== units[0]);
  if (other < 0) return;
  const found = `${quoted(ids[other].name)} has ${units[other]}, ${quoted(ids[0].name)} ${units[0]}`;
  throw wrong(`vectors of one size alone can be stacked, found that ${found}: wanted one k`);
}

/** Returns the runs of columns that features make which lie side by side. */
function runsOf(places: readonly Place[]): readonly Pick<Place, "start" | "width">[] {
  const runs: { start: number; width: number }[] = [];
  for (const { start, width } of places) {
    const last = runs.at(-1);
    if (last !== undefined && last.start + last.width === start) last.width += width;
    else runs.push({ start, width });
  }
  return runs;
}

/** Returns some columns of a value `[batch, width]`. */
function columns(x: Value, start: number, size: number): Value {
  return size === x.shape[1] ? x : slice(x, start, size);
}

/** Returns the name of a feature as it can be part of a path. */
function parameterName(feature: string): string {
  return feature.replace(/[%/\p{Cc}]/gu, encodeURIComponent);
}

function listed(places: readonly Place[]): string {
  const names = places.slice(0, 5).map(({ name }) => quoted(name)).join(", ");
  return places.length > 5 ? `${names} and ${places.length - 5} more` : names || "none";
}

function wrong(what: string): RangeError {
  return misapplied(new RangeError(`Cannot apply embed: ${what}`));
}
