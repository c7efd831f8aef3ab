import { isRecord, kindOf } from "../../errors/kinds.ts";
import { vocabularySize } from "../../features/vocabulary.ts";
import { embed as embedding } from "../embed.ts";
import type { Task } from "../heads.ts";
import type { Gate, Net } from "../net.ts";
import { bank, type Input, level, mix, type Table } from "../table.ts";

/** The vectors of ids that a preset begins with. */
export interface IdsPreset {
  /**
   * The vectors that all nets and gates read instead of the columns of the features: of a size, or of a net such as
   * `embed({ user: 32, video: 16 })`, in a level below the others whose bank is named `ids`; `"none"` for the columns as
   * they are. Default: vectors of size 8 where a feature has more than 1,000 words or buckets, else the columns.
   */
  readonly embed?: number | Net | "none";
}

/** The parts of a preset. */
export interface Preset<Tasks extends string> extends IdsPreset {
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

/** The words of a feature above which presets read vectors: one-hot columns then cost far more than they learn. */
const mostColumns = 1000;

/**
 * The size of vectors where none is given. Of KuaiRand's ids 8, 12 and 16 are the same within what two seeds show, and 8
 * trains in half the time of 16.
 */
const usualSize = 8;

/** Returns the net of a preset's vectors, if it has any. */
export function vectorsOf(action: string, input: Input, embed?: IdsPreset["embed"]): Net | undefined {
  if (embed === "none") return undefined;
  if (typeof embed === "function") return embed;
  if (typeof embed === "number") return embedding(embed);
  if (embed !== undefined) {
    const wanted = 'embed must be a size, a net such as embed({ user: 32 }), or "none"';
    throw new TypeError(`Cannot ${action}: ${wanted}, found ${kindOf(embed)}`);
  }
  const large = isRecord(input) && Object.values(input).some((feature) => vocabularySize(feature) > mostColumns);
  return large ? embedding(usualSize) : undefined;
}

/** Returns a table over vectors of ids: its levels read the stream `shared`, which a level below writes. */
export function overIds<Tasks extends string>(
  action: string,
  embed: IdsPreset["embed"],
  table: Table<Tasks>,
): Table<Tasks> {
  const ids = vectorsOf(action, table.input, embed);
  if (ids === undefined) return table;
  return { ...table, levels: [level({ ids: bank(1, ids) }, { shared: mix("ids") }), ...table.levels ?? []] };
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
