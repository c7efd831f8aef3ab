import type { CodedGroup, Job } from "./form.ts";
import { type JobSettings, mostLanes } from "./settings.ts";

/** The order in which a job goes through its rows. */
export type Lanes = Pick<
  Job,
  "lanes" | "seeds" | "batch" | "window" | "shuffleGroups" | "epochs" | "steps" | "stepsPerEpoch" | "rows"
>;

/**
 * Deals row groups to lanes, each to the one that has the fewest rows so far, and returns the steps that this makes.
 *
 * @param isWhole True if all rows are in memory: those of one lane are then shuffled at once, if no window was asked for.
 * @throws {RangeError} if there are fewer row groups than lanes.
 */
export function dealt(
  groups: readonly CodedGroup[],
  { given: { batch, epochs, most, shuffle }, wanted, window }: Pick<JobSettings, "given" | "wanted" | "window">,
  seed: number,
  isWhole: boolean,
): Lanes {
  const count = wanted ?? mostLanes(batch, Math.min(8, groups.length));
  if (groups.length < count) {
    const way = `wanted at least one for each of ${count} lanes: give lanes: ${mostLanes(batch, groups.length)}`;
    throw new RangeError(`Cannot write job: the rows are in ${groups.length} row groups, ${way}`);
  }
  const lanes: number[][] = Array.from({ length: count }, () => []);
  const rowsOf = Array<number>(count).fill(0);
  groups.forEach(({ rows }, group) => {
    const lane = rowsOf.indexOf(Math.min(...rowsOf));
    lanes[lane].push(group);
    rowsOf[lane] += rows;
  });
  const each = batch / count;
  const rows = groups.reduce((sum, { rows }) => sum + rows, 0);
  const atOnce = shuffle && isWhole && count === 1 && window === undefined;
  const stepsPerEpoch = Math.max(...rowsOf.map((rows) => Math.ceil(rows / each)));
  const steps = Math.min(most, epochs * stepsPerEpoch);
  return {
    lanes,
    seeds: count === 1 ? [`${seed}`] : lanes.map((_, lane) => `${seed}:lane:${lane}`),
    batch,
    window: Math.ceil((atOnce ? rows : window ?? 2 ** 17) / each) * each,
    shuffleGroups: shuffle && !atOnce,
    epochs: Math.ceil(steps / stepsPerEpoch),
    steps,
    stepsPerEpoch,
    rows,
  };
}
