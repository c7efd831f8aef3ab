import type { Engine } from "@gatehouse/gatehouse";
import { random } from "@gatehouse/gatehouse/datasets";
import type { Keeping } from "../resumable.ts";

/** A value as JSON has it. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/** The settings that distinguish the cells of a study: a model, a correlation, a learning rate. */
export type Setting = Readonly<Record<string, string | number>>;

/** One run of a cell. */
export interface Job {
  /** The name of the study. */
  readonly study: string;
  readonly setting: Setting;
  /** The number of the run in its cell, from 0. */
  readonly run: number;
}

/** The result of a run: a line of the study's file of results. */
export interface Result extends Job {
  /** The base seed, which with study, setting and run gives the seed of the run. */
  readonly seed: number;
  /** The name of the engine. */
  readonly engine: string;
  /** The time that the run took, on one of the workers. */
  readonly seconds: number;
  /** The digest of the models that it trained; absent if it trained none, or was made before digests were kept. */
  readonly sha256?: string;
  readonly found: Readonly<Record<string, Json>>;
}

/** The budget of a study. */
export interface Budget {
  /** True if it is only shown that everything runs: tiny data, few steps. */
  readonly smoke: boolean;
  /** The runs of a cell, where they are not the study's own number. */
  readonly runs?: number;
}

/** The tools that a run is given. */
export interface Tools {
  readonly engine: Engine;
  /** The seed of data, initial values and order: independent between runs. */
  readonly seed: number;
  readonly budget: Budget;
  /** The folder of the real data, where it is given. */
  readonly data: string | undefined;
  /** The way in which its trainings are kept, each in a folder of its own; absent if they are not. */
  readonly keeping?: Keeping;
  /** Stops its trainings. */
  readonly signal?: AbortSignal;
  /** Called with each model that was trained. */
  readonly trained?: (name: string, digest: string) => void;
}

/** A figure or a table of the paper as runs and a summary of what they found. */
export interface Study {
  /** Its name, and that of its file of results. */
  readonly name: string;
  /** The result that it shows, in a sentence. */
  readonly about: string;
  /**
   * The runs that are wanted, as far as they follow from what is known: those of a later stage, such as the seeds of the
   * best trial of a search, follow from the results of an earlier one. Once all of them have results, nothing is left.
   */
  jobs(results: readonly Result[], budget: Budget): readonly Job[];
  /** One run, in a worker. What it returns is kept as JSON. */
  run(job: Job, tools: Tools): Promise<Result["found"]>;
  /** The results as text: tables as wide as a terminal. */
  summary(results: readonly Result[], budget: Budget): string;
}

/** Returns the key of a job: equal for equal settings, in whatever order their keys are. */
export function keyOf({ study, setting, run }: Job): string {
  return `${cellOf({ study, setting })}#${run}`;
}

/** Returns the key of a cell. */
export function cellOf({ study, setting }: Pick<Job, "study" | "setting">): string {
  const parts = Object.keys(setting).sort().map((name) => `${name}=${setting[name]}`);
  return `${study}(${parts.join(" ")})`;
}

/** The seed of a run, a whole number that study, setting, run and base seed determine. */
export function seedOf(job: Job, seed: number): number {
  return random(`${seed}:${keyOf(job)}`).bits();
}

/** Runs `from` to `to` of a cell. */
export function runsOf(study: string, setting: Setting, to: number, from = 0): Job[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => ({ study, setting, run: from + i }));
}

/** The results of one cell, by run. */
export function resultsOf(results: readonly Result[], study: string, setting: Setting): Result[] {
  const cell = cellOf({ study, setting });
  return results.filter((result) => cellOf(result) === cell).sort((a, b) => a.run - b.run);
}
