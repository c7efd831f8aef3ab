import type { Evaluation, Model, Rows, Spec } from "@gatehouse/gatehouse";

/** The kind of a label: one of two, one of some classes, or a number. */
export type LabelKind = "binary" | "categorical" | "regression";

/** The knowledge of a label without a model. */
export interface Base {
  readonly kind: LabelKind;
  /** The share of rows that count as 1, or of those of the most frequent class, or the mean. */
  readonly mean: number;
  /** The measure of a model that knows this alone: AUC, accuracy, or the root of the mean squared error. */
  readonly base: number;
  /** The most frequent class. */
  readonly most?: string;
}

/** The same for every label. */
export type Bases = Readonly<Record<string, Base>>;

/** A judgement of one label on held-out rows. */
export interface Judged extends Base {
  readonly task: string;
  /** AUC, accuracy, or the root of the mean squared error. */
  readonly model: number;
}

/**
 * The knowledge of each label by the rows of training, and how well that predicts the held-out ones.
 *
 * @param wordsOf The classes of a task in their order.
 */
export function basesOf(
  { tasks }: Spec,
  { labels: trained = {} }: Pick<Rows, "labels">,
  { labels: held = {} }: Pick<Rows, "labels">,
  wordsOf: (task: string) => readonly string[],
): Bases {
  return Object.fromEntries(
    Object.entries(tasks).map(([task, { head }]) => {
      const [known, others] = [trained[task], held[task]].map((labels) => Array.from(labels).filter(isKnown));
      return [task, baseOf(head.kind as LabelKind, known, others, wordsOf(task))];
    }),
  );
}

function baseOf(kind: LabelKind, known: readonly number[], held: readonly number[], words: readonly string[]): Base {
  if (kind === "categorical") {
    const counts = words.map((_, code) => known.filter((label) => label === code).length);
    const most = counts.indexOf(Math.max(...counts));
    const share = (labels: readonly number[]) => meanOf(labels.map((label) => Number(label === most)));
    return { kind, mean: share(known), base: share(held), most: words[most] };
  }
  const mean = meanOf(known);
  return { kind, mean, base: kind === "binary" ? 0.5 : Math.sqrt(meanOf(held.map((label) => (label - mean) ** 2))) };
}

/** Judgements of a model by its metrics on held-out rows. */
export function judgedBy(
  { spec }: Pick<Model, "spec">,
  { metrics }: Pick<Evaluation, "metrics">,
  bases: Bases,
): Judged[] {
  return Object.keys(spec.tasks).map((task) => {
    const { auc, accuracy, mse } = metrics[task];
    const base = bases[task];
    return { task, ...base, model: { binary: auc, categorical: accuracy, regression: Math.sqrt(mse) }[base.kind] };
  });
}

function isKnown(label: number): boolean {
  return !Number.isNaN(label);
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
