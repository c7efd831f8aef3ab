import { sideBySide, textTable } from "@gatehouse/gatehouse";
import { deviationOf, meanOf } from "../paper/moments.ts";
import { studentReach } from "../paper/welch.ts";
import { type ModelName, modelNames } from "./models.ts";

/** The results of the runs at one learning rate. */
export interface Findings {
  readonly rate: number;
  /** The mean held-out loss of both tasks, by model and seed; a run that was not completed has none. */
  readonly losses: Readonly<Record<ModelName, ReadonlyMap<number, number>>>;
}

/** A model's loss less that of the first model, over the seeds of both. */
export interface Difference {
  readonly model: ModelName;
  readonly seeds: number;
  readonly difference: number;
  /** The interval of 95 %; absent if there is one seed alone. */
  readonly interval?: readonly [low: number, high: number];
}

/** The model that the others are compared with. */
export const [baseline] = modelNames;

/**
 * The differences of each model from the first. They are taken seed by seed, for the models of a seed learn from the
 * same rows; the interval is that of Student's t.
 */
export function differencesOf({ losses }: Findings): Difference[] {
  return modelNames.filter((model) => model !== baseline).flatMap((model) => {
    const seeds = [...losses[model].keys()].filter((seed) => losses[baseline].has(seed));
    if (seeds.length === 0) return [];
    const found = seeds.map((seed) => losses[model].get(seed)! - losses[baseline].get(seed)!);
    const difference = meanOf(found);
    if (seeds.length === 1) return [{ model, seeds: 1, difference }];
    const reach = studentReach(seeds.length - 1) * deviationOf(found) / Math.sqrt(seeds.length);
    return [{ model, seeds: seeds.length, difference, interval: [difference - reach, difference + reach] }];
  });
}

/** The losses of every seed, their mean and spread, and the differences, the rates beside one another. */
export function comparisonText(all: readonly Findings[]): string {
  const seeds = [...new Set(all.flatMap(({ losses }) => modelNames.flatMap((model) => [...losses[model].keys()])))];
  const heads = [...seeds.map(String), ...seeds.length > 1 ? summaryHeads : []];
  const first = `\n${textTable(heads.map((seed) => ({ seed })))}`;
  return sideBySide([first, ...all.map((findings) => `rate ${findings.rate}\n${rateTable(findings, seeds)}`)]);
}

/** The lines below those of the seeds. */
const summaryHeads = ["", "mean", "standard deviation", `less ${baseline}`, "95 % interval from", "95 % interval to"];

/** The losses at one rate, a line for each seed, and of several seeds the lines that sum them up. */
function rateTable(findings: Findings, seeds: readonly number[]): string {
  const { losses } = findings;
  const differences = new Map(differencesOf(findings).map((difference) => [difference.model, difference]));
  const line = (cell: (model: ModelName) => number | undefined) =>
    Object.fromEntries(modelNames.map((model) => {
      const value = cell(model);
      return [model, value === undefined || Number.isNaN(value) ? "" : value];
    }));
  const summary = () => [
    line(() => undefined),
    line((model) => meanOf([...losses[model].values()])),
    line((model) => deviationOf([...losses[model].values()])),
    line((model) => differences.get(model)?.difference),
    line((model) => differences.get(model)?.interval?.[0]),
    line((model) => differences.get(model)?.interval?.[1]),
  ];
  return textTable(
    [...seeds.map((seed) => line((model) => losses[model].get(seed))), ...seeds.length > 1 ? summary() : []],
    { digits: 3 },
  );
}

/** Returns sentences on the differences. */
export function verdicts(all: readonly Findings[]): string[] {
  const differences = all.flatMap((findings) => differencesOf(findings));
  const single = differences.some(({ interval }) => interval === undefined);
  return [
    ...all.flatMap((findings) => differencesOf(findings).map((difference) => verdict(findings.rate, difference))),
    ...modelNames.filter((model) => dependsOnRate(differences.filter((one) => one.model === model)))
      .map((model) => `How far ${model} is from ${baseline} depends on the rate: its intervals do not meet.`),
    ...(single ? ["One seed gives no interval, and another may end otherwise: --seeds 8 shows how sure this is."] : []),
  ];
}

function verdict(rate: number, { model, seeds, difference, interval }: Difference): string {
  const at = `At rate ${rate} ${model}`;
  const ends = `${at} ends ${number(Math.abs(difference))} ${difference < 0 ? "below" : "above"} ${baseline}`;
  if (interval === undefined) return `${ends} with one seed.`;
  const [low, high] = interval;
  if (low > 0 || high < 0) {
    const [least, most] = [Math.abs(low), Math.abs(high)].sort((a, b) => a - b).map(number);
    return `${ends}, mean of ${seeds} seeds (95 % interval ${least} to ${most}).`;
  }
  const range = `${number(low)} to ${number(high)}`;
  return `${at} and ${baseline} are undecided: the 95 % interval of the difference, ${range}, includes 0.`;
}

/** Returns true if two of a model's intervals, at different rates, do not meet. */
function dependsOnRate(differences: readonly Difference[]): boolean {
  const intervals = differences.flatMap(({ interval }) => interval === undefined ? [] : [interval]);
  return Math.max(...intervals.map(([low]) => low)) > Math.min(...intervals.map(([, high]) => high));
}

function number(value: number): string {
  return value.toFixed(3);
}
