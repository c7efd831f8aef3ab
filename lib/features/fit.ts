import { isRecord, kindOf, optionsOf } from "../errors/kinds.ts";
import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import type { Features } from "./input.ts";
import type { Fitting } from "./kind.ts";
import { authors, checkFeatures, checkRelations, columnsOfEach, type Feature, isFitted, isUnfitted } from "./table.ts";
import { kinds, type UnfittedFeature } from "./table.ts";
import { type Records, recordsOf, type Tabular } from "./tabular.ts";

/** Rows that come piece by piece, each piece as `fit` and `encode` take rows: a stream, or a function that starts one. */
export type Tables = AsyncIterable<Tabular> | (() => AsyncIterable<Tabular>);

/** Options of {@linkcode fit}. */
export interface FitOptions {
  /**
   * The features of an older model, whose codes stay. New words come after its words; `minCount` and `most` are about new
   * words alone. All else that was fitted, such as means, boundaries and collisions, stays as it was; features that it lacks
   * are fitted.
   */
  readonly after?: Features;
  /** The features of `after` that are left out on purpose. Default: none. */
  readonly removed?: readonly string[];
  /**
   * The columns of the rows that are known after a row alone, such as labels, which no feature may read: those of a history
   * are its `outcomes`. Default: none.
   */
  readonly outcomes?: readonly string[];
}

/**
 * Fits the encoding of features to rows, which should be the training rows and no others.
 *
 * Means and scales (standard deviations, divisor: the number of rows) are those of the transformed numbers, summed in
 * float64; a constant column gets scale 1. As models compute in float32, a column whose deviation is below 1e-5 of its
 * mean is refused, and one without transform in which two whole numbers of at least 2 ** 24 would become equal. Words are
 * sorted by their UTF-16 code units; a missing text is not a word.
 *
 * A stream is read once, and what is kept of it are sums, distinct words, and at most: 4,194,304 numbers (2 ** 22) for
 * quantiles, a sample where there are more; as many distinct large whole numbers, the first ones, that are compared; and
 * 16,777,216 distinct words (2 ** 24) of each hashed feature and cross, the first ones, whose collisions are counted. In
 * how many pieces rows come changes nothing, to the last bit.
 *
 * @param features The features by the name of their column.
 * @param rows The training rows.
 * @param options The features of an older model, `after`, whose codes stay, and columns that no feature may read.
 * @returns The features as a Spec stores them, in the same order, frozen.
 * @throws {TypeError | RangeError} if there is no row, no such column, or a value is not what the feature needs (rows
 * are counted from 0, over all pieces), or numbers differ too little from their mean or from each other, or a feature of
 * `after` is of another kind, has other options, or is not there and not named in `removed`, or one reads an outcome, or an
 * outcome is no column.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { category, fit, numeric } from "@gatehouse/gatehouse";
 *
 * const rows = { age: [1, 3], job: ["smith", "clerk"] };
 * assertEquals(fit({ age: numeric(), job: category() }, rows), {
 *   age: { kind: "numeric", transform: "none", mean: 2, scale: 1 },
 *   job: { kind: "category", words: ["clerk", "smith"] },
 * });
 * ```
 *
 * @example A file of any length, and new words after the old ones
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { category, fit, streamCsv } from "@gatehouse/gatehouse";
 *
 * const file = (text: string) => streamCsv(new Blob([text]).stream(), { columns: { job: "text" }, rows: 2 });
 * const features = await fit({ job: category() }, file("job\nsmith\nclerk\nsmith\n"));
 * assertEquals(features.job, { kind: "category", words: ["clerk", "smith"] });
 * const grown = await fit({ job: category() }, file("job\ncook\nbaker\nsmith\n"), { after: features });
 * assertEquals(grown.job, { kind: "category", words: ["clerk", "smith", "baker", "cook"] });
 * ```
 */
export function fit(
  features: Readonly<Record<string, UnfittedFeature>>,
  rows: Tabular,
  options?: FitOptions,
): Features;
/**
 * Fits the encoding of features to rows that come piece by piece, in one pass, as {@linkcode fit} does to a table.
 *
 * @param features The features by the name of their column.
 * @param rows The training rows, as a stream of tables, or a function that starts one.
 * @param options The features of an older model, `after`, whose codes stay, and columns that no feature may read.
 * @returns The features as a Spec stores them, in the same order, frozen.
 * @throws {TypeError | RangeError} as for a table.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { fit, numeric } from "@gatehouse/gatehouse";
 *
 * async function* pieces() {
 *   yield { age: [1, 2] };
 *   yield { age: [3, 6] };
 * }
 * const { age } = await fit({ age: numeric() }, pieces);
 * assertEquals(age, { kind: "numeric", transform: "none", mean: 3, scale: Math.sqrt(3.5) });
 * ```
 */
export function fit(
  features: Readonly<Record<string, UnfittedFeature>>,
  rows: Tables,
  options?: FitOptions,
): Promise<Features>;
export function fit(
  features: Readonly<Record<string, UnfittedFeature>>,
  rows: Tabular | Tables,
  options: FitOptions = {},
): Features | Promise<Features> {
  const fits = started(features, options);
  if (isStream(rows)) return fitEach(fits, typeof rows === "function" ? begun(rows) : rows);
  fits.add(rows);
  return fits.end();
}

const action = "fit features";

function isStream(rows: Tabular | Tables): rows is Tables {
  return typeof rows === "function" || isRecord(rows) && Symbol.asyncIterator in rows;
}

/** Returns the stream that a function starts. */
function begun(rows: () => unknown): AsyncIterable<Tabular> {
  const stream = rows();
  if (isRecord(stream) && Symbol.asyncIterator in stream) return stream as unknown as AsyncIterable<Tabular>;
  throw new TypeError(`Cannot ${action}: the function for rows must return a stream of them, found ${kindOf(stream)}`);
}

async function fitEach(fits: Fits, stream: AsyncIterable<Tabular>): Promise<Features> {
  for await (const piece of stream) fits.add(piece);
  return fits.end();
}

/** The fit of all features, which goes on. */
interface Fits {
  add(rows: Tabular): void;
  end(): Features;
}

function started(features: Readonly<Record<string, UnfittedFeature>>, given: FitOptions): Fits {
  checkFeatures(action, features, isUnfitted, authors);
  const { after = {}, removed = [], outcomes = [] } = optionsOf(action, given, ["after", "removed", "outcomes"]);
  checkFeatures(`${action} after others`, after, isFitted, "what fit() returns");
  checkKept(features, after, removed);
  checkRelations(action, features);
  checkInputs(features, outcomes);
  const fits = Object.entries(features).map(([name, feature]): [string, Fitting<Feature>] => {
    const before = Object.hasOwn(after, name) ? after[name] : undefined;
    return [name, fittingOf(name, feature, before)];
  });
  const together = Object.entries(kinds).flatMap(([name, kind]) => {
    const alike = Object.entries(features).filter(([, feature]) => feature.kind === name);
    return kind.together === undefined ? [] : [(records: Records) => kind.together!(alike, records)];
  });
  const wanted = columnsOfEach(features);
  let count = 0;
  return {
    add: (rows) => {
      const records = recordsOf(action, wanted, rows, count);
      checkThere(outcomes, records);
      fits.forEach(([, fitting]) => fitting.add(records));
      together.forEach((check) => check(records));
      count += records.count;
    },
    end: () => {
      if (count === 0) throw new RangeError(`Cannot ${action}\n  at rows: found none, wanted at least one`);
      const all: Features = Object.freeze(
        Object.fromEntries(fits.map(([name, { end }]) => [name, Object.freeze(end(action))])),
      );
      checkRelations(action, all);
      return all;
    },
  };
}

/** Makes sure that no feature reads a column that is known after the row alone. */
function checkInputs(features: Readonly<Record<string, UnfittedFeature>>, outcomes: readonly string[]): void {
  if (!Array.isArray(outcomes)) {
    throw new TypeError(
      `Cannot ${action}\n  at outcomes: found ${kindOf(outcomes)}, wanted a list of names of columns`,
    );
  }
  for (const [name, columns] of columnsOfEach(features)) {
    const leak = columns.find((column) => outcomes.includes(column));
    if (leak === undefined) continue;
    const found = `it reads ${
      quoted(leak)
    }, which is known after the row alone: wanted its past, as history() computes it`;
    throw new TypeError(`Cannot ${action}\n  at feature ${quoted(name)}: ${found}`);
  }
}

/** Makes sure that outcomes are columns of the rows, so that none is left unguarded by a slip of its name. */
function checkThere(outcomes: readonly string[], { columns }: Records): void {
  const lost = outcomes.find((name) => typeof name !== "string" || !Object.hasOwn(columns, name));
  if (lost === undefined) return;
  const hint = advice(`${lost}`, Object.keys(columns));
  throw new TypeError(`Cannot ${action}\n  at outcomes: no column of the rows is named ${kindOf(lost)}${hint}`);
}

/** Makes sure that the features before are there, or are named as removed. */
function checkKept(features: Readonly<Record<string, unknown>>, after: Features, removed: readonly string[]): void {
  if (!Array.isArray(removed)) {
    throw new TypeError(`Cannot ${action}\n  at removed: found ${kindOf(removed)}, wanted a list of names of features`);
  }
  for (const name of removed) {
    if (typeof name === "string" && Object.hasOwn(after, name) && !Object.hasOwn(features, name)) continue;
    const found = typeof name === "string" && Object.hasOwn(features, name)
      ? `${quoted(name)} is fitted: wanted one that is left out`
      : `no feature of after is named ${kindOf(name)}${advice(name, Object.keys(after))}`;
    throw new TypeError(`Cannot ${action}\n  at removed: ${found}`);
  }
  const lost = Object.keys(after).find((name) => !Object.hasOwn(features, name) && !removed.includes(name));
  if (lost === undefined) return;
  const wanted = `wanted it, or removed: [${quoted(lost)}]`;
  throw new TypeError(`Cannot ${action}\n  at feature ${quoted(lost)}: it is one of after and is not there: ${wanted}`);
}

/** Returns the fit of a feature, after one of the same name if there is one before. */
function fittingOf(name: string, feature: UnfittedFeature, before: Feature | undefined): Fitting<Feature> {
  const kind = kinds[feature.kind];
  if (before === undefined) return kind.fitting(feature, name);
  const changed = before.kind === feature.kind
    ? kind.changed(feature, before)
    : `found kind ${quoted(feature.kind)}, wanted ${quoted(before.kind)}`;
  if (changed !== undefined) {
    const advice = "as it is in after: a feature of another name is fitted anew";
    throw new TypeError(`Cannot ${action}\n  at feature ${quoted(name)}: ${changed}, ${advice}`);
  }
  return kind.grown === undefined ? { add: () => {}, end: () => before } : kind.fitting(feature, name, before);
}
