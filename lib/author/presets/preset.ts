import { kindOf } from "../../errors/kinds.ts";
import type { Task } from "../heads.ts";
import type { Gate, Net } from "../net.ts";
import type { Input } from "../table.ts";

/** The parts of a preset. */
export interface Preset<Tasks extends string> {
  /** A width, or fitted features. */
  readonly input: Input;
  /** The net of each expert. */
  readonly expert: Net;
  /** The tasks by name. */
  readonly tasks: Readonly<Record<Tasks, Task>>;
}

/** A preset with several experts. */
export interface MixturePreset<Tasks extends string> extends Preset<Tasks> {
  /** The number of experts. Default 8, as in the paper. */
  readonly experts?: number;
  /** The gate. Default `softmax`. */
  readonly gate?: Gate;
}

/** A preset with levels of experts, one above the other. */
export interface LevelsPreset<Tasks extends string> extends Omit<Preset<Tasks>, "expert"> {
  /** The net of each expert; a list holds one for each level, from the input up. */
  readonly expert: Net | readonly Net[];
  /** The number of levels. Default 2, or as many as `expert` lists. */
  readonly levels?: number;
}

/** The most levels of a preset: more could only exhaust the machine. */
const mostLevels = 1000;

/**
 * Returns the net of each level.
 *
 * @throws {RangeError} if the number of levels is not a whole number of at least 1, or is not that of the nets.
 */
export function netsOf(action: string, expert: Net | readonly Net[], levels?: number): readonly Net[] {
  const nets = Array.isArray(expert) ? expert as readonly Net[] : undefined;
  const count = levels ?? nets?.length ?? 2;
  if (!Number.isSafeInteger(count) || count < 1 || count > mostLevels) {
    throw new RangeError(
      `Cannot ${action}: levels must be a whole number from 1 to ${mostLevels}, found ${kindOf(count)}`,
    );
  }
  if (nets !== undefined && nets.length !== count) {
    throw new RangeError(`Cannot ${action}: ${count} levels need as many nets, found ${nets.length}`);
  }
  return nets ?? Array.from({ length: count }, () => expert as Net);
}

/** The most experts that each have a stream of their own: the gates of a level grow with its square. */
const mostNumbered = 1000;

/**
 * Returns the names `0`, `1`, ... of experts that each have a stream of their own.
 *
 * @throws {RangeError} if the number of experts is not a whole number of at least 1.
 */
export function numbered(action: string, what: string, count: number): readonly string[] {
  if (!Number.isSafeInteger(count) || count < 1 || count > mostNumbered) {
    throw new RangeError(
      `Cannot ${action}: ${what} must be a whole number from 1 to ${mostNumbered}, found ${kindOf(count)}`,
    );
  }
  return Array.from({ length: count }, (_, at) => String(at));
}

/** Returns a record of something for every name. */
export function recordOf<T>(names: readonly string[], of: (name: string, at: number) => T): Record<string, T> {
  return Object.fromEntries(names.map((name, at) => [name, of(name, at)]));
}

/** Returns a record of something for every task; `define` reports tasks that are not a record. */
export function forEvery<T>(
  tasks: Readonly<Record<string, Task>> | undefined,
  of: (task: string) => T,
): Record<string, T> {
  return recordOf(Object.keys(tasks ?? {}), of);
}

/**
 * Makes sure that no task has a name that the preset gives a bank or a stream of its own.
 *
 * @throws {TypeError} if one has.
 */
export function untaken(action: string, tasks: Readonly<Record<string, Task>> | undefined, ...names: string[]): void {
  const taken = names.find((name) => Object.hasOwn(tasks ?? {}, name));
  if (taken !== undefined) {
    throw new TypeError(`Cannot ${action}: a task is named ${kindOf(taken)}, as what others read: wanted another name`);
  }
}
