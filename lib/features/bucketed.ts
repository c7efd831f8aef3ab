import { kindOf } from "../errors/kinds.ts";
import { fitting, type Form, list, object, word } from "../errors/forms.ts";
import { coded, mostBuckets } from "./coded.ts";
import type { FeatureKind } from "./kind.ts";
import { sample } from "./sample.ts";
import { type Domain, numbersOf } from "./tabular.ts";

/** A number in buckets before their boundaries are known. */
export interface UnfittedBucketed {
  /** The kind of the feature. */
  readonly kind: "bucketed";
  /** The boundaries, or the number of quantiles that are fitted. */
  readonly by: readonly number[] | number;
}

/**
 * A number of which the model reads the bucket it lies in, as a one-hot vector.
 *
 * Code 0 stands for a missing number; code `1 + n` for a number that is at least as large as `n` of the boundaries. A
 * boundary belongs to the bucket above it, as in Keras (`Discretization`), NumPy (`digitize`) and
 * `torch.bucketize(..., right=True)`. The model's weights of code 0 begin at 0.
 */
export interface BucketedFeature {
  /** The kind of the feature. */
  readonly kind: "bucketed";
  /** Finite numbers, each greater than the one before. */
  readonly boundaries: readonly number[];
}

/**
 * Options of {@linkcode numeric} that make buckets of a number. `boundaries` are finite numbers, each greater than the one
 * before, and each the least number of the bucket above it; `quantiles` is the number of buckets, at least 2, that share the
 * numbers of the training rows evenly.
 */
export type BucketOptions = { readonly boundaries: readonly number[] } | { readonly quantiles: number };

/** Returns a number in buckets; the action and all options of {@linkcode numeric} are those of its errors. */
export function bucketed(action: string, options: Readonly<Record<string, unknown>>): UnfittedBucketed {
  const { boundaries, quantiles, ...others } = options;
  const [one, both] = [
    boundaries === undefined ? "quantiles" : "boundaries",
    boundaries !== undefined && quantiles !== undefined,
  ];
  const [other] = both ? ["quantiles"] : Object.keys(others);
  if (other !== undefined) {
    throw new TypeError(
      `Cannot ${action}\n  at ${other}: ${whyNot[other] ?? "it changes no bucket"}: wanted ${one} alone`,
    );
  }
  if (quantiles === undefined) return { kind: "bucketed", by: checked(action, boundaries) };
  if (typeof quantiles === "number" && isCount(quantiles)) return { kind: "bucketed", by: quantiles };
  const text = `Cannot ${action}\n  at quantiles: found ${kindOf(quantiles)}, wanted ${quantilesWanted}`;
  throw typeof quantiles === "number" ? new RangeError(text) : new TypeError(text);
}

/** The reasons why options are refused beside boundaries or quantiles. */
const whyNot: Readonly<Record<string, string>> = {
  quantiles: "boundaries make the buckets",
  missing: "missing numbers have a bucket of their own",
  indicator: "missing numbers have a bucket of their own",
};

const quantilesWanted = `a whole number from 2 to ${mostBuckets}`;

function isCount(found: unknown): boolean {
  return Number.isSafeInteger(found) && (found as number) >= 2 && (found as number) <= mostBuckets;
}

/** Returns boundaries as a frozen list of numbers, where 0 has no sign. */
function checked(action: string, boundaries: unknown): readonly number[] {
  const [issue] = boundariesForm(boundaries, "boundaries");
  const none = Array.isArray(boundaries) && boundaries.length === 0;
  if (issue === undefined && !none) return Object.freeze((boundaries as number[]).map((boundary) => boundary + 0));
  const { path, message } = issue ?? { path: "boundaries", message: "found none, wanted at least one" };
  const numbers = Array.isArray(boundaries) && boundaries.every((boundary) => typeof boundary === "number");
  throw new (numbers ? RangeError : TypeError)(`Cannot ${action}\n  at ${path}: ${message}`);
}

/** The form of finite numbers, each greater than the one before. */
const boundariesForm: Form = (found, path) => {
  const issues = list(fitting("a finite number", Number.isFinite))(found, path);
  if (issues.length > 0) return issues;
  const boundaries = found as number[];
  const at = boundaries.findIndex((boundary, at) => boundary <= boundaries[at - 1]);
  if (at < 0) {
    const most = mostBuckets - 1;
    if (boundaries.length <= most) return [];
    return [{ path, message: `found ${boundaries.length} boundaries, wanted at most ${most}` }];
  }
  return [{ path: `${path}[${at}]`, message: `found ${boundaries[at]}, wanted more than ${boundaries[at - 1]}` }];
};

/** Numbers in buckets: one code each of the int input `bucketed`, one-hot in the stream `input`. */
export const bucketedKind: FeatureKind<UnfittedBucketed, BucketedFeature> = {
  unfitted: object({
    kind: word("bucketed"),
    by: (found, path) => {
      if (Array.isArray(found)) return boundariesForm(found, path);
      return fitting(`boundaries or ${quantilesWanted}`, isCount)(found, path);
    },
  }),
  fitted: object({ kind: word("bucketed"), boundaries: boundariesForm }),
  columns: (name) => ({ [name]: "number" }),
  fitting: ({ by }, name) => {
    const kept = sample();
    return {
      add: (records) => {
        const numbers = numbersOf(records, name, anyNumber);
        if (typeof by === "number") { for (const number of numbers) if (!Number.isNaN(number)) kept.add(number); }
      },
      end: (action) => {
        if (typeof by !== "number") return { kind: "bucketed", boundaries: Object.freeze([...by]) };
        const numbers = kept.end();
        if (numbers.length === 0) {
          const found = "found no number, as all are missing: wanted at least one";
          throw new RangeError(`Cannot ${action}\n  at feature ${JSON.stringify(name)}: ${found}`);
        }
        return { kind: "bucketed", boundaries: Object.freeze(quantilesOf(numbers, by)) };
      },
    };
  },
  changed: ({ by }, { boundaries }) => {
    if (typeof by === "number") {
      const found = `found ${by} quantiles, wanted at least ${boundaries.length + 1}`;
      return boundaries.length < by ? undefined : found;
    }
    const same = by.length === boundaries.length && by.every((boundary, at) => boundary === boundaries[at]);
    return same ? undefined : `found boundaries ${by.join(", ")}, wanted ${boundaries.join(", ")}`;
  },
  differs: "other boundaries",
  about: ({ boundaries }) => `${boundaries.length + 1} buckets`,
  ...coded<BucketedFeature>({
    input: "bucketed",
    codes: ({ boundaries }) => ({ size: boundaries.length + 2, missing: 0, unknown: 0 }),
    reserved: () => 1,
    encode: ({ boundaries }, name, records) => {
      const numbers = numbersOf(records, name, anyNumber);
      const [codes, sorted] = [new Int32Array(numbers.length), Float64Array.from(boundaries)];
      numbers.forEach((number, row) => codes[row] = Number.isNaN(number) ? 0 : 1 + notAbove(number, sorted));
      return codes;
    },
    textOf: ({ boundaries }, code) => {
      if (boundaries.length === 0) return "any";
      if (code === 1) return `< ${boundaries[0]}`;
      const least = boundaries[code - 2];
      return code > boundaries.length ? `>= ${least}` : `[${least}, ${boundaries[code - 1]})`;
    },
  }),
};

/** All numbers, also infinite ones, which lie in the first and the last bucket; missing ones have one of their own. */
const anyNumber: Domain = { above: -Infinity, wanted: "a number", refused: undefined, infinite: true };

/** Returns the number of boundaries that a number is not below. */
function notAbove(number: number, boundaries: Float64Array): number {
  let [from, to] = [0, boundaries.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (boundaries[middle] <= number) from = middle + 1;
    else to = middle;
  }
  return from;
}

/**
 * Returns the boundaries between so many parts of numbers, at least one: quantiles with linear interpolation, as NumPy's.
 * Equal ones are one, and those that have no number below them are left out, as are infinite ones.
 */
function quantilesOf(numbers: Float64Array, parts: number): number[] {
  const sorted = numbers.toSorted();
  const boundaries: number[] = [];
  let last = sorted[0];
  for (let part = 1; part < parts; part++) {
    const place = (sorted.length - 1) * part / parts;
    const [low, high] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
    const share = place - Math.floor(place);
    const boundary = low === high ? low : low * (1 - share) + high * share;
    if (!(Number.isFinite(boundary) && boundary > last)) continue;
    boundaries.push(boundary);
    last = boundary;
  }
  return boundaries;
}
