import { isRecord, kindOf, optionsOf } from "../errors/kinds.ts";
import { misapplied } from "../errors/misapplied.ts";
import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import { concat, div, greater, matmul, reshape, select, slice, stopGradient, sub, sum } from "../ops/functions.ts";
import type { Init } from "../ops/init.ts";
import { shapeText } from "../ops/shape.ts";
import { apply, isValue } from "../ops/table.ts";
import type { Field, Value } from "../ops/value.ts";
import type { Pooling } from "./attend.ts";
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
  /**
   * The features whose vectors training leaves as they are, by name, or true for all; of one that shares another's
   * vectors the name is the other's. No gradient reaches them, and they do not decay. Default: none.
   */
  readonly frozen?: readonly string[] | boolean;
  /**
   * The pooling of sequences, of all or by name: the mean of the places that are there, their sum, or a function such as
   * {@linkcode attend} returns. Default `"mean"`. A bag's is the feature's own.
   */
  readonly pool?: Pool | Readonly<Record<string, Pool>>;
}

/** The pooling of a sequence: the mean or the sum of its vectors, or a function. */
export type Pool = "mean" | "sum" | Pooling;

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
 * On KuaiRand-Pure ±0.001 and ±0.01 learn as well within what two seeds show, ±0.25 less well.
 *
 * A sequence is one vector by its pooling, and a bag one by its own; a place where nothing is counts nowhere, and an empty
 * list has the vector 0. A feature that shares another's vocabulary shares its vectors too.
 *
 * Parameters: for each feature with codes one of its name, or of the name of the one that it is like, `[codes, k]`, a
 * missing id not counted. Output:
 * `[batch, fields * k + numbers]`, or `[batch, fields, k]` if stacked.
 *
 * @param k The size of a vector, for all features or by name: `{ user: 32, device: 4 }`. Features that share vectors have
 * one size, given once.
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
  const { init = inits.uniform(0.05), features, stacked = false, frozen = false, pool = {} } = optionsOf(
    "apply embed",
    options,
    ["init", "features", "frozen", "pool"],
    ["stacked"],
  );
  checkNameList("features", features);
  if (typeof frozen !== "boolean") checkNameList("frozen", frozen);
  checkPool(pool);
  const owner = {};
  const tableOf = ({ name, width, codes }: Id, size: number): Value => {
    const { table = name, items = 1 } = codes;
    const attrs = {
      name: parameterName(table),
      shape: [width / items - firstOf(codes), size],
      init: { ...init },
      rows: "looked up",
      feature: table,
      ...((isArray(frozen) ? frozen.includes(table) : frozen) && { frozen: true }),
    };
    return apply("parameter", [], attrs, owner);
  };
  return (x) => {
    const places = chosen(placesOf(x), features);
    const [ids, numbers] = [places.filter(isId), places.filter((place) => !isId(place))];
    if (ids.length === 0) throw wrong(`a feature that has codes is needed, found ${listed(places)}`);
    if (isArray(frozen)) checkFrozen(frozen, ids);
    const poolings = poolingsOf(pool, ids);
    const sizes = sizesOf(k, ids);
    const codedAs = (at: number) => lookedUp(x, ids[at], tableOf(ids[at], sizes[at]));
    const vectors = ids.map(({ name, codes }, at) => {
      if (codes.items === undefined) return codedAs(at)[0];
      const query = (feature: string) => codedAs(queried(ids, name, feature))[0];
      return pooled(name, poolings.get(name) ?? "mean", codedAs(at), thereOf(x, ids[at]), query);
    });
    if (!stacked) return concat([...vectors, ...runsOf(numbers).map(({ start, width }) => columns(x, start, width))]);
    const units = vectors.map(({ shape }) => shape[1] as number);
    checkStacked(ids, numbers, units);
    return reshape(concat(vectors), ["batch", ids.length, units[0]]); // [batch, fields, k]
  };
}

const isArray: (found: unknown) => found is readonly string[] = Array.isArray;

/** A feature, and its first column. */
interface Place extends Field {
  readonly start: number;
}

/** A feature that has codes. */
type Id = Place & Required<Pick<Place, "codes">>;

function isId(place: Place): place is Id {
  return place.codes !== undefined;
}

/** Returns the first code that has a vector. */
function firstOf({ missing, items }: Id["codes"]): number {
  return missing || items !== undefined ? 1 : 0;
}

/** Returns the vectors of a feature, `[batch, k]` each: one, or of a sequence one for each place. */
function lookedUp(x: Value, { start, width, codes }: Id, table: Value): readonly Value[] {
  const { items = 1 } = codes;
  const [size, first] = [width / items, firstOf(codes)];
  return Array.from({ length: items }, (_, place) => {
    const vector = matmul(columns(x, start + place * size + first, size - first), table);
    return table.attrs.frozen === true ? stopGradient(vector) : vector;
  });
}

/** Returns 1 for each place of a sequence where something is, else 0: `[batch, places]`. */
function thereOf(x: Value, { start, width, codes: { items = 1 } }: Id): Value {
  const absent = Array.from({ length: items }, (_, place) => columns(x, start + place * (width / items), 1));
  return sub(1, concat(absent));
}

/** Returns the vectors of a sequence's places, `[batch, k]` each, as one. */
function pooled(
  name: string,
  pool: Pool,
  places: readonly Value[],
  there: Value,
  vectorOf: (feature: string) => Value,
): Value {
  if (typeof pool !== "string") {
    const vectors = reshape(concat(places), ["batch", places.length, places[0].shape[1]]);
    const vector = pool({ vectors, there, vectorOf });
    if (isValue(vector) && vector.shape.length === 2 && vector.shape[0] === "batch") return vector;
    const found = isValue(vector) ? shapeText(vector.shape) : kindOf(vector);
    throw wrong(`the pooling of ${quoted(name)} must return [batch, units], found ${found}`);
  }
  const total = sum(reshape(concat(places), ["batch", places.length, places[0].shape[1]]), { axes: [1] });
  if (pool === "sum") return total;
  const count = sum(there, { axes: [1], keep: true }); // [batch, 1]
  return div(total, select(greater(count, 0), count, 1));
}

/** Returns the place among features of the one that a pooling compares a sequence with. */
function queried(ids: readonly Id[], sequence: string, query: string): number {
  const at = ids.findIndex(({ name }) => name === query);
  const known = ids.filter(({ codes }) => codes.items === undefined).map(({ name }) => name);
  if (at >= 0 && ids[at].codes.items === undefined) return at;
  const found = at >= 0 ? "which is a sequence" : `but it reads no feature of that name${advice(query, known)}`;
  throw wrong(`the pooling of ${quoted(sequence)} asks for the vector of ${quoted(query)}, ${found}`);
}

/** Returns the features of what a net is applied to, with their places. */
function placesOf(x: Value): readonly Place[] {
  if (!isValue(x)) throw misapplied(new TypeError(`Cannot apply embed: a stream is needed, found ${kindOf(x)}`));
  if (x.fields === undefined) {
    const wanted = 'wanted it first in a net that reads "input", of features, or a part of it named in ' +
      'streams; a preset over vectors of your own takes embed: "none"';
    throw wrong(`it reads features as they come, found other numbers ${shapeText(x.shape)}: ${wanted}`);
  }
  let end = 0;
  return x.fields.map((field) => ({ ...field, start: (end += field.width) - field.width }));
}

/** Returns the features that are wanted, in the order of the stream. */
function chosen(places: readonly Place[], wanted: readonly string[] | undefined): readonly Place[] {
  if (wanted === undefined) return places;
  checkNames("features", wanted, new Set(places.map(({ name }) => name)));
  return places.filter(({ name }) => wanted.includes(name));
}

/** Returns the size of the vectors of each feature: one that shares a table has the size of all who do. */
function sizesOf(k: number | Readonly<Record<string, number>>, ids: readonly Id[]): readonly number[] {
  if (typeof k === "number") return ids.map(() => k);
  checkNames("k", Object.keys(k), tableNames(ids));
  const sized = new Map<string, string>(); // the feature whose size is that of each table
  const named = ids.flatMap(({ name, codes: { table = name } }) => [[table, table], [table, name]]);
  for (const [table, name] of named) {
    if (!Object.hasOwn(k, name)) continue;
    const other = sized.get(table) ?? name;
    if (k[other] !== k[name]) {
      const found = `${quoted(name)} has ${k[name]}, ${quoted(other)} ${k[other]}`;
      throw wrong(`features that share vectors have one size, found in k that ${found}`);
    }
    sized.set(table, name);
  }
  return ids.map(({ name, codes: { table = name } }) => {
    const of = sized.get(table);
    if (of !== undefined) return k[of];
    throw wrong(`k has no size for feature ${quoted(name)}: wanted one, or features without it`);
  });
}

/** Returns the names of features and of those whose tables they share. */
function tableNames(ids: readonly Id[]): ReadonlySet<string> {
  return new Set(ids.flatMap(({ name, codes: { table = name } }) => [name, table]));
}

/** Makes sure that each name is that of a table: one that shares a table is frozen with it or not at all. */
function checkFrozen(frozen: readonly string[], ids: readonly Id[]): void {
  const sharing = ids.find(({ name, codes: { table = name } }) => table !== name && frozen.includes(name));
  if (sharing !== undefined) {
    const { name, codes: { table = name } } = sharing;
    throw wrong(`frozen has ${quoted(name)}, which has the vectors of ${quoted(table)}: wanted ${quoted(table)}`);
  }
  checkNames("frozen", frozen, tableNames(ids));
}

/** Returns the pooling of each sequence that is named. */
function poolingsOf(pool: EmbedOptions["pool"] & object | Pool, ids: readonly Id[]): ReadonlyMap<string, Pool> {
  const sequences = ids.filter(({ codes }) => codes.items !== undefined).map(({ name }) => name);
  if (!isRecord(pool)) return new Map(sequences.map((name) => [name, pool as Pool]));
  checkNames("pool", Object.keys(pool), new Set(sequences));
  return new Map(Object.entries(pool) as [string, Pool][]);
}

function checkPool(pool: unknown): void {
  const wrongOne = (found: unknown) => found !== "mean" && found !== "sum" && typeof found !== "function";
  const found = isRecord(pool) ? Object.values(pool).filter(wrongOne) : wrongOne(pool) ? [pool] : [];
  if (found.length === 0) return;
  const wanted = '"mean", "sum" or a function such as attend() returns, or these by feature';
  throw misapplied(new TypeError(`Cannot apply embed: pool must be ${wanted}, found ${kindOf(found[0])}`));
}

function checkNameList(option: string, names: unknown): void {
  if (names === undefined || Array.isArray(names) && names.every((name) => typeof name === "string")) return;
  throw misapplied(new TypeError(`Cannot apply embed: ${option} must be a list of names, found ${kindOf(names)}`));
}

function checkNames(option: string, names: readonly string[], known: ReadonlySet<string>): void {
  const strange = names.find((name) => !known.has(name));
  if (strange === undefined) return;
  throw wrong(`${option} has ${quoted(strange)}, but no ${meant[option]} is named so${advice(strange, known)}`);
}

/** The thing that each option names. */
const meant: Readonly<Record<string, string>> = {
  features: "feature of the stream",
  k: "feature with codes",
  frozen: "feature with codes",
  pool: "feature that is a sequence",
};

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
