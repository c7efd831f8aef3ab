import type { Features, Rows } from "../../mod.ts";
import type { Feature } from "../../lib/graph.ts";
import { census as read, random } from "../../lib/datasets.ts";

/** Rows of Census-Income with its features, or invented ones of the same widths. */
export interface Census {
  /** The rows, with the labels `income` and `marital`. */
  readonly train: Rows;
  /** 7 numbers and 31 categories, 517 columns where one-hot. */
  readonly features: Features;
  /** True if the rows are invented. */
  readonly invented: boolean;
}

/** Census-Income with the paper's inputs, from where `GATEHOUSE_DATA` says; invented rows where there is none. */
export async function readCensus(): Promise<Census> {
  try {
    const { train, features } = await read();
    return { train, features, invented: false };
  } catch (error) {
    if (!(error as Error).message.startsWith("Cannot find Census-Income")) throw error;
    return inventedCensus();
  }
}

/** As many rows and words as Census-Income has, drawn at random. */
export function inventedCensus(count = 199_523): Census {
  const source = random("bench:census");
  const category = new Int32Array(count * sizes.length);
  for (let at = 0; at < category.length; at++) category[at] = Math.floor(source.uniform() * sizes[at % sizes.length]);
  const column = (below: number) => Float32Array.from({ length: count }, () => source.uniform() < below ? 1 : 0);
  const numeric = Float32Array.from(
    { length: count * numbers },
    () => Math.log1p(Math.floor(90 * source.uniform())) - 3,
  );
  const train = { count, inputs: { numeric, category }, labels: { income: column(0.06), marital: column(0.43) } };
  return { train, features: inventedFeatures(), invented: true };
}

/** The number of numeric features. */
const numbers = 7;

/** The lengths of the one-hot vectors of Census-Income's categories, the slot for unknown words among them. */
export const sizes: readonly number[] = [
  ...[10, 53, 48, 4, 25, 16, 6, 11, 3, 4, 7, 9, 7, 7, 52],
  ...[39, 9, 11, 10, 11, 4, 5, 6, 44, 44, 44, 6, 4, 4, 4, 3],
];

function inventedFeatures(): Features {
  const numeric: Feature = { kind: "numeric", transform: "log1p", mean: 3, scale: 1 };
  const category = (length: number): Feature => ({
    kind: "category",
    missing: "unknown",
    words: Array.from({ length: length - 1 }, (_, word) => `word ${String(word).padStart(3, "0")}`),
  });
  return Object.fromEntries([
    ...Array.from({ length: numbers }, (_, at) => [`number ${at}`, numeric]),
    ...sizes.map((length, at) => [`category ${at}`, category(length)]),
  ]);
}
