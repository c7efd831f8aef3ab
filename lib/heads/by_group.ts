import { byGroup, type Records, type Walk } from "./folds.ts";
import { type Judge, type Judgement, judgeOf, type Seen } from "./judge.ts";

/** A rule by which groups are judged: the result is a weighted mean over them. */
export interface GroupedRule {
  readonly title: string;
  readonly settings: Judge["settings"];
  readonly by: string;
  readonly best: "most" | "least";
  /** Returns the value and the weight of a group, whose records come by growing score; undefined: it is left out. */
  readonly ofGroup: (group: Float64Array) => { readonly value: number; readonly weight: number } | undefined;
}

/** Returns the judge by a rule of groups. */
export function groupedJudge({ ofGroup, ...rule }: GroupedRule): Judge {
  const walk = (seen: Seen): Walk<Judgement> => {
    let [groups, lost, lostRows] = [0, 0, 0];
    const mean = groupMean();
    return byGroup(width, {
      add: (group) => {
        const found = ofGroup(group);
        if (found !== undefined) {
          groups++;
          mean.add(found.value, found.weight);
        } else {
          lost++;
          lostRows += group.length / width;
        }
      },
      end: () => {
        const left = { groups: lost, rows: lostRows + seen.outside };
        return { ...mean.end(), rows: seen.rows - lostRows, groups, left };
      },
    });
  };
  return judgeOf({ ...rule, of: "logits", heads: ["binary", "ranking"], reading: { records, walk } });
}

/** The numbers of a record: the group, the score, the label and the weight of a row, one after the other. */
export const width = 4;

const records: Records = {
  width,
  keys: 2,
  write: ({ predictions, labels, weights, groups }, row, to, at) => {
    to[at] = groups?.[row] ?? NaN;
    to[at + 1] = predictions[row];
    to[at + 2] = labels[row];
    to[at + 3] = weights?.[row] ?? 1;
    return !Number.isNaN(to[at]);
  },
};

/** A weighted mean over groups, and its standard error as a ratio of two means over groups that are drawn independently. */
function groupMean() {
  let [count, sum, total] = [0, 0, 0];
  let [squares, center, spread] = [0, 0, 0]; // about the mean by squared weights, as West (1979) updates it
  return {
    add: (value: number, weight: number) => {
      count++;
      sum += weight * value;
      total += weight;
      squares += weight ** 2;
      const off = value - center;
      center += off * (weight ** 2 / squares);
      spread += weight ** 2 * off * (value - center);
    },
    end: (): { readonly value: number; readonly error: number } => {
      const value = sum / total;
      const about = spread + squares * (center - value) ** 2;
      return { value, error: Math.sqrt(about * (count / (count - 1))) / total };
    },
  };
}

/** Yields the runs of equal scores of a group, best first, that begin before a rank: its rows, and its first rank, from 0. */
export function* tiesDown(
  group: Float64Array,
  at: number,
): Generator<{ readonly first: number; readonly start: number; readonly end: number }> {
  const rows = group.length / width;
  for (let end = rows, start = rows; end > 0 && rows - end < at; end = start) {
    while (start > 0 && group[(start - 1) * width + 1] === group[(end - 1) * width + 1]) start--;
    yield { first: rows - end, start, end };
  }
}

/** Returns the labels of a group. */
export function labelsOf(group: Float64Array): Float64Array {
  return Float64Array.from({ length: group.length / width }, (_, row) => group[row * width + 2]);
}

/** Returns the number of positive rows of a group, from one row to another. */
export function positivesOf(group: Float64Array, start: number, end: number): number {
  let count = 0;
  for (let row = start; row < end; row++) if (group[row * width + 2] > 0.5) count++;
  return count;
}

/**
 * Returns the weight of a group, which all of its rows have.
 *
 * @param title The title of the judge, for errors.
 * @throws {RangeError} if they differ.
 */
export function weightOf(group: Float64Array, title: string): number {
  for (let at = 3; at < group.length; at += width) {
    if (group[at] === group[3]) continue;
    const found = `rows of one group have the weights ${group[3]} and ${group[at]}`;
    throw new RangeError(`Cannot compute ${title}: ${found}, wanted one for each group, 0 for rows to leave out`);
  }
  return group[3];
}
