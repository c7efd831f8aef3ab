import type { ColumnKeys } from "./keys.ts";
import { type NumberPlaces, numberPlaces } from "./number_places.ts";
import type { Group, Plan } from "./plan.ts";
import { type Recent, recentOf } from "./recent.ts";
import { type Sums, sumsOf } from "./sums.ts";

/** The knowledge of the rows so far, which goes on. */
export interface Run {
  readonly plan: Plan;
  readonly clock: Clock;
  readonly columns: readonly ColumnKeys[];
  readonly groups: readonly GroupRun[];
  /** The number of rows. */
  rows: number;
  /** The time of the last one; NaN before the first. */
  time: number;
}

/** The reading of time. */
export interface Clock {
  /** The column of times. */
  readonly time: string;
  /** Returns the moment of a time: rows see those of earlier moments alone. */
  readonly momentOf: (time: number) => number;
  /** True if a row must have each key. */
  readonly strict: boolean;
}

/** The knowledge of the keys of a group. */
export interface GroupRun {
  readonly group: Group;
  /** The pairs of the first two columns, those of such a pair and the third column, and so on. */
  readonly pairs: readonly NumberPlaces[];
  readonly sums: Sums;
  readonly recent: readonly Recent[];
}

/** Returns a run before its first row. */
export function runOf(plan: Plan, clock: Clock): Run {
  return {
    plan,
    clock,
    columns: plan.columns.map((column) => ({ ...column })),
    groups: plan.groups.map((group) => ({
      group,
      pairs: group.columns.slice(1).map(() => numberPlaces()),
      sums: sumsOf(group.sums.map((at) => plan.addends[at].kind === "time")),
      recent: group.lists.map(({ most }) => recentOf(most)),
    })),
    rows: 0,
    time: NaN,
  };
}
