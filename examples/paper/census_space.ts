import { random } from "@gatehouse/gatehouse/datasets";

/** The methods of tables 1 and 2, in the order in which the paper prints them. */
export const methods = [
  "single-task",
  "shared-bottom",
  "l2-constrained",
  "cross-stitch",
  "tensor-factorisation",
  "omoe",
  "mmoe",
] as const;

/** One of them. */
export type Method = typeof methods[number];

/** A range of a hyper-parameter: some values, or bounds on whose logarithmic scale all are equally likely. */
export type Choice = readonly number[] | { readonly from: number; readonly to: number };

/** Hyper-parameters by name. */
export type Trial = Readonly<Record<string, number>>;

/** The settings that all methods share. */
const common = {
  /** The learning rate of Adam. */
  rate: { from: 5e-4, to: 1e-2 },
  /** The rows of a step. */
  batch: [1024, 2048],
  /** The hidden units of the lowest layer, those of all experts together. The paper allows 2048; we 512, for time. */
  hidden: [64, 128, 256, 512],
  /** The units of the one layer of each tower. */
  tower: [8, 16, 32],
} as const satisfies Readonly<Record<string, Choice>>;

/** The layers of an expert, the second half as wide as the first; in cross-stitch networks the levels. */
const layers: Choice = [1, 2];

/** The settings that are searched, by method: as many hidden units for each of them, divided among their experts. */
export const space: Readonly<Record<Method, Readonly<Record<string, Choice>>>> = {
  "single-task": { ...common, layers },
  "shared-bottom": { ...common, layers },
  "l2-constrained": { ...common, layers, near: { from: 1e-5, to: 1e-1 } },
  "cross-stitch": { ...common, layers, same: [0.5, 0.7, 0.9, 0.99] },
  "tensor-factorisation": { ...common, rank: [1, 2] },
  omoe: { ...common, layers, experts: [2, 4, 8] },
  mmoe: { ...common, layers, experts: [2, 4, 8] },
};

/** The hyper-parameters of a trial, which method and number determine: three digits of what a range gives. */
export function trialOf(method: Method, trial: number): Trial {
  return Object.fromEntries(
    Object.entries(space[method]).map(([name, choice]) => [
      name,
      drawn(choice, random(`trial:${method}:${trial}:${name}`).uniform()),
    ]),
  );
}

/** Hyper-parameters as text. */
export function trialText(trial: Trial): string {
  return Object.entries(trial).map(([name, value]) => `${name} ${value}`).join(", ");
}

function drawn(choice: Choice, at: number): number {
  if (!("from" in choice)) return choice[Math.floor(at * choice.length)];
  return Number((choice.from * (choice.to / choice.from) ** at).toPrecision(3));
}
