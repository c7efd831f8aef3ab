import { mean, min, sampleStandardDeviation } from "simple-statistics";
import { digits } from "./html.ts";

/** The numbers of final losses that are shown. */
export const lossColumns = ["runs", "mean", "sd", "least", "above 0.4"] as const;

/** {@linkcode lossColumns} of final losses. */
export function lossCells(losses: readonly number[]): string[] {
  const all = [...losses];
  return [
    String(all.length),
    digits(meanOf(all)),
    digits(all.length < 2 ? undefined : sampleStandardDeviation(all)),
    digits(all.length === 0 ? undefined : min(all)),
    percent(all.length === 0 ? undefined : all.filter((loss) => loss > 0.4).length / all.length),
  ];
}

/** The mean of some, undefined of none. */
export function meanOf(losses: readonly number[]): number | undefined {
  return losses.length === 0 ? undefined : mean([...losses]);
}

/** A share in percent. */
export function percent(share: number | undefined): string {
  return share === undefined ? "–" : `${digits(100 * share, 1)} %`;
}
