import type { Optimiser, VectorOptimiser } from "../optimisers/optimiser.ts";
import type { Tensor } from "../ops/tensor.ts";
import { rateOf, scalarsOf, vectorRatesOf } from "../train/rates.ts";
import { ratesAt } from "../train/run.ts";
import type { Settings } from "../train/settings.ts";
import type { JobRate, JobScalar } from "./form.ts";
import type { Lanes } from "./lanes.ts";

/** The numbers of steps by name, and the arrays of those that change. */
export interface StepNumbers {
  readonly scalars: Readonly<Record<string, JobScalar>>;
  /** `[steps]`, by the name that a scalar gives. */
  readonly arrays: Readonly<Record<string, Tensor>>;
}

/** The optimisers of a job beside those of parameters. */
export interface Followers {
  /** The optimisers of trained tables, by path, in their order. */
  readonly tables: ReadonlyMap<string, VectorOptimiser>;
  readonly weighting: Optimiser | undefined;
}

/** Returns the optimisers of tables, each once. */
export function followers(tables: Followers["tables"]): VectorOptimiser[] {
  return [...new Set(tables.values())];
}

/** Returns the name of a scalar of the n-th of them. */
export function vectorScalar(place: number, name: string): string {
  return `vectors/${place}/${name}`;
}

/**
 * Returns the rates and scalars of every step: those of parameters by the names of the inputs that they are, those of the
 * n-th optimiser of vectors as `vectors/<n>/<scalar>`, those of a weighting as `weighting/<scalar>`.
 *
 * @throws {RangeError} if a rate is out of range.
 */
export function stepNumbers(
  given: Settings,
  { tables, weighting }: Followers,
  { steps, stepsPerEpoch }: Pick<Lanes, "steps" | "stepsPerEpoch">,
): StepNumbers {
  const numbersAt = (step: number): Record<string, number> => {
    const at = { step, epoch: Math.ceil(step / stepsPerEpoch) };
    const dense = Object.entries(scalarsOf(given, step, at)).map(([name, { data: [value] }]) => [name, value]);
    const { rates } = vectorRatesOf(given.vectors, tables, at);
    const pathOf = new Map([...tables].map(([path, optimiser]) => [optimiser, path]));
    const ofTables = followers(tables).flatMap((optimiser, place) => {
      const rate = rates.get(pathOf.get(optimiser)!)!;
      const all = Object.entries({ rate, ...optimiser.vectors.traced!.scalars(step, rate) });
      return all.map(([name, value]) => [vectorScalar(place, name), value]);
    });
    const rate = weighting && rateOf(weighting, at, " of the weighting");
    const ofWeighting = rate === undefined ? {} : { rate, ...weighting!.scalars(step, rate) };
    const others = Object.entries(ofWeighting).map(([name, value]) => [`weighting/${name}`, value]);
    return Object.fromEntries([...dense, ...ofTables, ...others]);
  };
  const columns = new Map(Object.keys(numbersAt(1)).map((name) => [name, new Float32Array(steps)]));
  for (let step = 1; step <= steps; step++) {
    for (const [name, value] of Object.entries(numbersAt(step))) columns.get(name)![step - 1] = value;
  }
  const scalars: Record<string, JobScalar> = {};
  const arrays: Record<string, Tensor> = {};
  for (const [name, data] of columns) {
    const array = `scalars/${name}`;
    if (data.every((value) => value === data[0])) scalars[name] = { constant: data[0] };
    else [scalars[name], arrays[array]] = [{ array }, { shape: [steps], data }];
  }
  return { scalars, arrays };
}

/** Returns the rates of every step as `train`'s checkpoints have them, and the arrays of those that change. */
export function stepRates(
  given: Settings,
  { steps, stepsPerEpoch }: Pick<Lanes, "steps" | "stepsPerEpoch">,
): { readonly rates: readonly JobRate[]; readonly arrays: Readonly<Record<string, Tensor>> } {
  const flat = (rates: object, path: readonly string[] = []): [readonly string[], number][] =>
    Object.entries(rates).flatMap(([name, rate]) => {
      return typeof rate === "number" ? [[[...path, name], rate]] : flat(rate, [...path, name]);
    });
  const ratesOf = (step: number) => {
    const epoch = Math.ceil(step / stepsPerEpoch);
    return flat(ratesAt(given, { step, epoch: epoch + 1, position: undefined }));
  };
  const columns = ratesOf(1).map(([path]) => ({ path, data: new Float64Array(steps) }));
  for (let step = 1; step <= steps; step++) ratesOf(step).forEach(([, rate], at) => columns[at].data[step - 1] = rate);
  const isEven = (data: Float64Array) => data.every((rate) => rate === data[0]);
  const all = columns.map(({ path, data }) => ({ path, data, array: `rates/${path.join("/")}` }));
  return {
    rates: all.map(({ path, data, array }) => isEven(data) ? { path, constant: data[0] } : { path, array }),
    arrays: Object.fromEntries(
      all.filter(({ data }) => !isEven(data)).map(({ data, array }) => {
        return [array, { shape: [steps, 2], data: new Int32Array(data.buffer) }];
      }),
    ),
  };
}
