import { areFinite } from "../ops/finite.ts";
import { fitting, type Form, list, object, text, whole, word } from "../errors/forms.ts";
import { kindOf } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";
import type { FeatureKind, Named } from "./kind.ts";
import { moments } from "./moments.ts";
import { standard } from "./standard.ts";
import { numberListsOf, numbersOf, type Records } from "./tabular.ts";

/** Several numbers a row before their means and scales are known. */
export interface UnfittedVector extends Omit<VectorFeature, "mean" | "scale"> {
  /** True if each number is brought to mean 0 and variance 1. */
  readonly standardise: boolean;
}

/** Several numbers a row, in the model side by side: `(x - mean) / scale` each, in float64 and then rounded. */
export interface VectorFeature {
  /** The kind of the feature. */
  readonly kind: "vector";
  /** The number of numbers. */
  readonly width: number;
  /** The columns that hold one number each; absent: a column of lists or texts. */
  readonly columns?: readonly string[];
  /** The text between the numbers of a text; absent: texts are refused. */
  readonly separator?: string;
  /** Present if a missing vector is encoded as zeros; absent: there may be none. */
  readonly missing?: "zeros";
  /** True if a column of 0 and 1 marks the missing ones. */
  readonly indicator?: true;
  /** The mean of each number in the training rows; absent: they are read as they are. */
  readonly mean?: readonly number[];
  /** The standard deviation of each, greater than 0; present beside the mean. */
  readonly scale?: readonly number[];
}

/** The place and the form of the numbers, the same before they are fitted and after. */
type Read = Omit<VectorFeature, "kind" | "mean" | "scale">;

/** The options of {@linkcode numeric} for several numbers a row. */
export interface WidthOptions {
  /** The number of numbers. */
  readonly width: number;
  /** The columns that hold one number each, as many as the width. Default: one column, of lists or of texts. */
  readonly columns?: readonly string[];
  /** The text between the numbers where a vector is a text, such as `" "`. Default: texts are refused. */
  readonly separator?: string;
  /** True, the default, if each number is brought to mean 0 and variance 1 by the training rows. */
  readonly standardise?: boolean;
  /** `"zeros"` if a missing vector is encoded as zeros. By default missing ones are errors or, with an indicator, zeros. */
  readonly missing?: "zeros";
  /** True if the model reads whether a vector is missing too, as a column of 0 and 1. */
  readonly indicator?: boolean;
}

/** Returns the feature that options of {@linkcode numeric} with a width ask for. */
export function vector(action: string, given: Readonly<Record<string, unknown>>): UnfittedVector {
  const { width, columns, separator, standardise = true, indicator = false, ...others } = given;
  const { missing = indicator ? "zeros" : undefined, ...strange } = others;
  const wrong = (option: string, wanted: string, found: unknown) =>
    new TypeError(`Cannot ${action}\n  at ${option}: found ${kindOf(found)}, wanted ${wanted}`);
  const [other] = Object.keys(strange);
  if (other !== undefined) throw wrong(other, "nothing beside width", strange[other]);
  if (!Number.isSafeInteger(width) || (width as number) < 1 || (width as number) > mostNumbers) {
    const text = `Cannot ${action}\n  at width: found ${kindOf(width)}, wanted a whole number from 1 to ${mostNumbers}`;
    throw typeof width === "number" ? new RangeError(text) : new TypeError(text);
  }
  if (columns !== undefined && list(text)(columns, "").length > 0) {
    throw wrong("columns", "a list of the names of columns", columns);
  }
  if (columns !== undefined && (columns as string[]).length !== width) {
    const found = `found ${(columns as string[]).length}, wanted ${width} as the width is`;
    throw new RangeError(`Cannot ${action}\n  at columns: ${found}`);
  }
  if (separator !== undefined && (typeof separator !== "string" || separator === "")) {
    throw wrong("separator", "a text that is not empty", separator);
  }
  if (separator !== undefined && columns !== undefined) throw wrong("separator", "none beside columns", separator);
  if (missing !== undefined && missing !== "zeros") throw wrong("missing", '"zeros" or nothing', missing);
  const options = { columns, separator, missing, indicator: indicator || undefined };
  const present = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  return { kind: "vector", width: width as number, standardise: standardise as boolean, ...present };
}

/** The most numbers of a vector. */
const mostNumbers = 2 ** 20;

const isTrue: Form = fitting("true", (found) => found === true);
const own = { kind: word("vector"), width: whole(1, mostNumbers) };
const optional = { columns: list(text), separator: text, missing: word("zeros"), indicator: isTrue };
const unfittedForm = object(
  { ...own, standardise: fitting("true or false", (found) => typeof found === "boolean") },
  optional,
);
const fittedForm = object(own, {
  ...optional,
  mean: list(fitting("a finite number", Number.isFinite)),
  scale: list(fitting("a finite number above 0", (found) => Number.isFinite(found) && (found as number) > 0)),
});

/** Vectors of numbers: side by side in the float input `vector`, which is a part of the stream `input` as it is. */
export const vectorKind: FeatureKind<UnfittedVector, VectorFeature> = {
  unfitted: (found, path) => {
    const issues = unfittedForm(found, path);
    return issues.length > 0 ? issues : lengthIssues(found as UnfittedVector, ["columns"], path);
  },
  fitted: (found, path) => {
    const issues = fittedForm(found, path);
    if (issues.length > 0) return issues;
    const { mean, scale, indicator, missing } = found as VectorFeature;
    if (indicator && missing === undefined) return [{ path, message: '"indicator" is given without "missing"' }];
    if ((mean === undefined) !== (scale === undefined)) return [{ path, message: "wanted mean and scale, or neither" }];
    return lengthIssues(found as VectorFeature, ["columns", "mean", "scale"], path);
  },
  columns: (name, { columns }) =>
    columns === undefined
      ? { [name]: "text" }
      : Object.fromEntries(columns.map((column) => [column, "number" as const])),
  lists: (name, { columns }) => columns === undefined ? { [name]: "numbers" } : {},
  fitting: ({ standardise, ...read }, name) => {
    const sums = standardise ? Array.from({ length: read.width }, moments) : [];
    let count = 0;
    return {
      add: (records) => {
        const { numbers, absent } = numbersByRow(read, name, records);
        for (let row = 0, at = 0; row < absent.length; row++, at += read.width) {
          if (absent[row] === 1) continue;
          count++;
          sums.forEach(({ add }, place) => add(numbers[at + place]));
        }
      },
      end: (action) => {
        const where = `Cannot ${action}\n  at feature ${quoted(name)}`;
        if (count === 0) throw new RangeError(`${where}: found no vector, as all are missing: wanted at least one`);
        if (!standardise) return { ...read };
        const all = sums.map(({ end }, at) => standard(end(), `${where}, number ${at}`));
        return {
          ...read,
          mean: Object.freeze(all.map(({ mean }) => mean)),
          scale: Object.freeze(all.map(({ scale }) => scale)),
        };
      },
    };
  },
  changed: ({ standardise, ...read }, before) => {
    for (const name of ["width", "columns", "separator", "missing", "indicator"] as const) {
      const [found, wanted] = [read[name], before[name]].map((value) => JSON.stringify(value) ?? "nothing");
      if (found !== wanted) return `found ${name} ${found}, wanted ${wanted}`;
    }
    const wanted = before.mean !== undefined;
    return standardise === wanted ? undefined : `found standardise: ${standardise}, wanted ${wanted}`;
  },
  width: widthOf,
  reserved: ({ width, indicator }) => indicator ? [width] : [],
  inputs: (features) => [{ name: "vector", type: "float", width: totalOf(features) }],
  encode: (features, records) => {
    const total = totalOf(features);
    const rows = new Float32Array(records.count * total);
    let start = 0;
    for (const [name, feature] of features) {
      encodeInto(rows, start, total, name, feature, records);
      start += widthOf(feature);
    }
    return { inputs: { vector: rows } };
  },
  value: (_, { vector }) => vector,
  wrong: (features, { inputs: { vector } }) => {
    if (areFinite(vector as Float32Array)) return undefined;
    const at = vector.findIndex((number) => !Number.isFinite(number));
    const names = features.flatMap(([name, feature]) => Array<string>(widthOf(feature)).fill(name));
    return {
      row: Math.floor(at / names.length),
      at: `feature ${quoted(names[at % names.length])}`,
      message: `${vector[at]} is not a finite number`,
    };
  },
  differs: "another width, mean, scale, separator, column or indicator",
  about: ({ width, missing, indicator }) =>
    `${width} numbers${missing === undefined ? "" : `, missing: ${missing}`}${indicator ? ", indicator" : ""}`,
};

function widthOf({ width, indicator }: VectorFeature): number {
  return indicator ? width + 1 : width;
}

function totalOf(features: readonly Named<VectorFeature>[]): number {
  return features.reduce((total, [, feature]) => total + widthOf(feature), 0);
}

/** Returns the issues of lists that are not as long as a vector is wide. */
function lengthIssues(
  found: Readonly<Record<string, unknown>> | Read,
  names: readonly string[],
  path: string,
): { path: string; message: string }[] {
  const { width, ...lists } = found as Read & Readonly<Record<string, unknown>>;
  return names.flatMap((name) => {
    const given = (lists as Readonly<Record<string, unknown>>)[name];
    if (!Array.isArray(given) || given.length === width) return [];
    return [{ path: `${path}.${name}`, message: `found ${given.length}, wanted ${width} as the width is` }];
  });
}

/** The numbers of rows, `[rows x width]`, and 1 for each row whose vector is missing: its numbers are 0. */
interface Numbers {
  readonly numbers: Float64Array;
  readonly absent: Uint8Array;
}

/** Returns the vectors of a feature. */
function numbersByRow({ width, columns, separator, missing }: Read, name: string, records: Records): Numbers {
  const where = `Cannot ${records.action}\n  at feature ${quoted(name)}`;
  const numbers = new Float64Array(records.count * width);
  const absent = new Uint8Array(records.count);
  const found = columns === undefined
    ? numberListsOf(records, name, separator)
    : fromColumns(columns.map((column) => numbersOf(records, column, anyNumber)));
  for (let row = 0; row < records.count; row++) {
    const vector = found(row);
    if (vector.length === width) numbers.set(vector, row * width);
    else if (vector.length > 0) {
      throw new RangeError(`${where}, row ${records.first + row}: found ${vector.length} numbers, wanted ${width}`);
    } else if (missing === undefined) {
      throw new TypeError(
        `${where}, row ${
          records.first + row
        }: found no numbers: numeric({ width, missing: "zeros" }) takes missing ones`,
      );
    } else absent[row] = 1;
  }
  return { numbers, absent };
}

/** The domain of numbers in columns of their own, of which some may be missing. */
const anyNumber = { above: -Infinity, wanted: "a finite number", refused: undefined };

/** Returns a function from a row to its numbers that are there. */
function fromColumns(columns: readonly Float64Array[]): (row: number) => readonly number[] {
  return (row) => columns.map((column) => column[row]).filter((number) => !Number.isNaN(number));
}

/** Writes the encoded vectors of a feature into rows, from a column on. */
function encodeInto(
  rows: Float32Array,
  start: number,
  total: number,
  name: string,
  feature: VectorFeature,
  records: Records,
): void {
  const { width, mean, scale, indicator } = feature;
  const { numbers, absent } = numbersByRow(feature, name, records);
  for (let row = 0; row < records.count; row++) {
    const first = row * total + start;
    if (indicator) rows[first + width] = absent[row];
    if (absent[row] === 1) continue;
    for (let at = 0; at < width; at++) {
      const number = numbers[row * width + at];
      const encoded = Math.fround(mean === undefined ? number : (number - mean[at]) / scale![at]);
      if (!Number.isFinite(encoded)) {
        const where = `Cannot ${records.action}\n  at feature ${quoted(name)}, row ${row}, number ${at}`;
        throw new RangeError(`${where}: found ${number}, wanted a number whose encoding is finite in float32`);
      }
      rows[first + at] = encoded;
    }
  }
}
