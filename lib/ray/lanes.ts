import type { CodedGroup, Job } from "./form.ts";
import type { JobSettings } from "./settings.ts";

/** The order in which a job goes through its rows. */
export type Lanes = Pick<Job, "lanes" | "seeds" | "batch" | "window" | "epochs" | "steps" | "stepsPerEpoch" | "rows">;

/**
 * Deals row groups to lanes, one after the other, and returns the steps that this makes.
 *
 * @throws {RangeError} if there are fewer row groups than lanes.
 */
export function dealt(
  groups: readonly CodedGroup[],
  { given: { batch, epochs, most }, lanes: wanted, window }: Pick<JobSettings, "given" | "lanes" | "window">,
  seed: number,
): Lanes {
  const count = wanted ?? mostLanes(batch, groups.length);
  if (groups.length < count) {
    const way = `wanted at least one for each of ${count} lanes: give fewer lanes, or groupRows below their rows`;
    throw new RangeError(`Cannot write job: the rows are in ${groups.length} row groups, ${way}`);
  }
  const lanes = Array.from({ length: count }, (_, lane) => {
    return Array.from(groups.keys()).filter((group) => group % count === lane);
  });
  const each = batch / count;
  const rowsOf = (lane: readonly number[]) => lane.reduce((sum, group) => sum + groups[group].rows, 0);
  const stepsPerEpoch = Math.max(...lanes.map((lane) => Math.ceil(rowsOf(lane) / each)));
  const steps = Math.min(most, epochs * stepsPerEpoch);
  return {
    lanes,
    seeds: count === 1 ? [`${seed}`] : lanes.map((_, lane) => `${seed}:lane:${lane}`),
    batch,
    window: Math.ceil(window / each) * each,
    epochs: Math.ceil(steps / stepsPerEpoch),
    steps,
    stepsPerEpoch,
    rows: groups.reduce((sum, { rows }) => sum + rows, 0),
  };
}

/** Returns the most lanes up to 8 of which a step takes as many rows each, and which have a row group each. */
function mostLanes(batch: number, groups: number): number {
  let lanes = Math.min(8, groups, batch);
  while (batch % lanes !== 0) lanes--;
  return lanes;
}
