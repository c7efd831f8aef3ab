import { textTable } from "../../mod.ts";

/** What became of a run. */
export interface SeedRun {
  readonly begin: string;
  readonly rate: number;
  readonly warm: number;
  readonly clip: boolean;
  readonly seed: number;
  /** AUC on the validation rows, by task. */
  readonly auc: Readonly<Record<string, number>>;
  /** The share of units that are 0 for each of 1,024 rows, of each layer. */
  readonly towers: readonly number[];
  readonly experts: readonly number[];
  readonly seconds: number;
}

/** The setting of a run, as lines of the table have it. */
const settingOf = ({ begin, rate, warm, clip }: SeedRun) => ({
  "initial values": begin,
  rate: String(rate),
  "warm-up": warm === 0 ? (clip ? "clip 1" : "") : `${warm} steps`,
});

/**
 * The table of runs by setting, in order: those with a tower of which 6 of 8 units or more are dead, those that lost a task
 * (its AUC is below .93 or .993, where others have .94 and .994), and how good they are.
 */
export function seedTable(runs: readonly SeedRun[]): string {
  const groups = Map.groupBy(runs, (run) => JSON.stringify(settingOf(run)));
  const order = [...groups.keys()].sort();
  return textTable(
    order.map((key) => groups.get(key)!).map((some) => {
      const income = some.map(({ auc }) => auc.income);
      const mean = meanOf(income);
      return {
        ...settingOf(some[0]),
        runs: some.length,
        "6 of 8 dead": some.filter(({ towers }) => towers.some((dead) => dead >= 0.75)).length,
        "lost a task": some.filter(({ auc }) => auc.income < 0.93 || auc.marital < 0.993).length,
        "dead units of towers": percent(meanOf(some.flatMap(({ towers }) => towers))),
        "of experts": percent(meanOf(some.flatMap(({ experts }) => experts))),
        "income AUC": `${digits(mean)} ± ${digits(deviationOf(income))}`,
        lowest: digits(Math.min(...income)),
        "marital AUC": digits(meanOf(some.map(({ auc }) => auc.marital))),
      };
    }),
  );
}

const percent = (share: number) => Number.isNaN(share) ? "" : `${(100 * share).toFixed(1)} %`;
const digits = (number: number) => number.toFixed(4);

function meanOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}

function deviationOf(numbers: readonly number[]): number {
  const mean = meanOf(numbers);
  return Math.sqrt(numbers.reduce((sum, number) => sum + (number - mean) ** 2, 0) / Math.max(1, numbers.length - 1));
}
