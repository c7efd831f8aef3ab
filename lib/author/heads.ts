import { constant, logSumExp, matmul, neg, reshape } from "../ops/functions.ts";
import type { Value } from "../ops/value.ts";
import type { FocalSpec, HeadForm, HuberSpec, LabelScale, QuantileSpec } from "../heads/spec.ts";
import { type Net, widthOf } from "./net.ts";
import { pipe, wholeNumber } from "./nets.ts";
import { misapplied } from "../errors/misapplied.ts";

/**
 * A tower and a head; see {@linkcode binary}, {@linkcode regression}, {@linkcode categorical}, {@linkcode count},
 * {@linkcode ranking} and {@linkcode product}.
 */
export interface Task extends TaskOptions, HeadForm {
  /** The net before the head. */
  readonly tower: Net;
  /** The binary tasks whose logits the tower reads instead of a stream. */
  readonly of?: readonly string[];
}

/** The options of a task. */
export interface TaskOptions {
  /** The weight of the task's loss in the sum. Default 1. */
  readonly weight?: number;
  /** The stream that the tower reads. Default: the one of the task's name, else `shared`, else the input. */
  readonly reads?: string;
  /**
   * Nets that add to the logits, by the stream that each reads, to `[batch, units]`, one unit but for classes: a wide
   * part beside a deep one, or a bias that depends on some features alone. Default: none.
   */
  readonly adds?: Readonly<Record<string, Net>>;
  /**
   * The sample space: a binary task whose label is 1 in the rows that count for this one, in training and in
   * evaluation. Where its label is missing, a row does not count. Default: all labelled rows count.
   */
  readonly only?: string;
}

/** The options of a binary task. */
export interface BinaryOptions extends TaskOptions {
  /** The loss that it is trained by: {@linkcode focal}. Default: cross-entropy. */
  readonly loss?: FocalSpec;
  /**
   * The factor of the loss of positive rows, above 0, where they are rare; with `"balanced"`, {@linkcode balance} fits it
   * to the training rows before the model is compiled. Default 1: all rows count alike. Not beside a `loss`.
   */
  readonly positive?: number | "balanced";
  /**
   * The binary tasks whose logits the tower reads, `[batch, tasks]`, instead of a stream; it yields the logit
   * `[batch, 1]` itself. See {@linkcode product}.
   */
  readonly of?: readonly string[];
}

/** The options of a regression. */
export interface RegressionOptions extends TaskOptions {
  /** The loss that it is trained by: {@linkcode huber} or {@linkcode quantile}. Default: the squared error. */
  readonly loss?: HuberSpec | QuantileSpec;
  /**
   * True if the labels are learned as `(y - mean) / scale`, which {@linkcode standardise} fits to the training rows before
   * the model is compiled, or the two numbers themselves. Predictions and metrics stay in the label's units; losses are
   * those of the scaled labels, so that they compare with those of other tasks, and so is `delta` of {@linkcode huber}.
   * Default: labels are learned as they are.
   */
  readonly standardise?: true | LabelScale;
}

/** The options of a ranking. */
export interface RankingOptions extends TaskOptions {
  /**
   * A column of labels with the number of each row's group, such as a search, which {@linkcode labels} numbers if it is
   * text: only rows of one group are compared. Default: all rows of a batch are.
   */
  readonly within?: string;
}

/**
 * A task with a yes-or-no label (0 or 1): predicts a probability, trained by cross-entropy, or by {@linkcode focal}.
 * Without a tower: a linear one.
 *
 * With `positive`, the loss of a row is `-positive y log p - (1 - y) log (1 - p)`. The loss of a batch is the sum over its
 * labelled rows divided by their number (or their weights), as of `BCEWithLogitsLoss` and its `pos_weight` in PyTorch,
 * not by the sum of the factors: a factor k has the sum of k copies of each positive row. Metrics stay those of the rows
 * as they are. The probabilities that a model then learns are those of the weighted rows, whose odds are `positive` times
 * as high: `p / (p + positive (1 - p))` is that of the rows themselves.
 *
 * @throws {TypeError} if both `positive` and `loss` are given: {@linkcode focal} has its own weight, `alpha`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { binary, compile, define, reference, rows } from "@gatehouse/gatehouse";
 * import { initialise } from "@gatehouse/gatehouse/graph";
 *
 * const spec = define({ input: 1, tasks: { y: binary() } });
 * const kernel = { shape: [1, 1], data: Float32Array.of(1) };
 * const parameters = { ...initialise(spec, 0), "tasks/y/head/0/kernel": kernel };
 * const model = await compile(spec, { engine: reference(), parameters });
 * const { y } = await model.predict(rows([[Math.log(3)]]));
 * assertAlmostEquals(y[0], 0.75, 1e-6);
 * model.dispose();
 * ```
 *
 * @example Clicks that are rare
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { balance, binary, compile, define, evaluate, reference, rows } from "@gatehouse/gatehouse";
 *
 * const data = rows([[1], [1], [1], [1]], { labels: { click: [0, 0, 0, 1] } });
 * const spec = balance(define({ input: 1, tasks: { click: binary(undefined, { positive: "balanced" }) } }), data);
 * assertEquals(spec.tasks.click.head.loss, { kind: "crossEntropy", positive: 3 });
 * const model = await compile(spec, { engine: reference() });
 * model.assign({ "tasks/click/head/0/kernel": { shape: [1, 1], data: Float32Array.of(0) }, "tasks/click/head/0/bias": { shape: [1], data: Float32Array.of(0) } });
 * const { loss, metrics } = await evaluate(model, data);
 * assertEquals(loss.click.toFixed(4), ((3 + 3) * Math.log(2) / 4).toFixed(4));
 * assertEquals(metrics.click.logloss.toFixed(4), Math.log(2).toFixed(4));
 * model.dispose();
 * ```
 */
export function binary(tower: Net = pipe(), options: BinaryOptions = {}): Task {
  const { positive, ...rest } = { ...options };
  if (!isGiven(positive)) return { kind: "binary", units: 1, tower, ...rest };
  if (isGiven(rest.loss)) {
    throw misapplied(new TypeError("Cannot apply binary: both positive and loss are given, wanted one of them"));
  }
  return { kind: "binary", units: 1, tower, ...rest, loss: { kind: "crossEntropy", positive } };
}

/** Returns true if an option is given: a condition may have left it out as null, undefined or false. */
function isGiven<T>(option: T | undefined): option is T {
  return option !== undefined && option !== null && (option as unknown) !== false;
}

/**
 * A binary task whose probability is the product of other binary tasks', `p = p_1 p_2 ...`: what happens only after
 * something else has, such as a click and then an order. It has no parameters; its loss trains those of the others.
 *
 * From two logits `a, b` it makes the logit `-log(e ** -a + e ** -b + e ** (-a - b))`, that of `sigmoid(a) sigmoid(b)`;
 * of more, the sum has a term for every choice of some of them. Probabilities are never multiplied, so nothing rounds
 * to 0 or 1 on the way, and the loss is exact for large logits.
 *
 * @param tasks The tasks that are multiplied, products among them too, at most 8.
 * @see Ma et al., Entire space multi-task model, 2018, eq. 1.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { binary, compile, define, product, reference, rows } from "@gatehouse/gatehouse";
 *
 * const tasks = { click: binary(), order: binary(), both: product(["click", "order"]) };
 * const model = await compile(define({ input: 2, tasks }), { engine: reference() });
 * const { click, order, both } = await model.predict(rows([[1, -2], [3, 4]]));
 * both.forEach((p, row) => assertAlmostEquals(p, click[row] * order[row], 1e-6));
 * model.dispose();
 * ```
 */
export function product(tasks: readonly string[], options: Omit<BinaryOptions, "of" | "reads"> = {}): Task {
  return { ...binary(logitOfAll, options), of: tasks };
}

/** The most tasks that one product multiplies. */
const mostFactors = 8;

/** Returns, from logits `[batch, tasks]`, the logit of the product of their probabilities, `[batch, 1]`. */
function logitOfAll(logits: Value): Value {
  const tasks = widthOf(logits);
  if (tasks > mostFactors) {
    const wanted = `wanted at most ${mostFactors}, such as a product of products`;
    throw misapplied(new RangeError(`Cannot apply product: ${tasks} tasks are multiplied, ${wanted}`));
  }
  const terms = 2 ** tasks - 1; // 1 / p - 1 is a sum over all choices of some tasks
  const chosen = Array.from(
    { length: tasks },
    (_, task) => Array.from({ length: terms }, (_, at) => -(at + 1 >> task & 1)),
  );
  const sums = matmul(logits, constant(chosen.flat(), [tasks, terms])); // [batch, terms]
  return neg(reshape(logSumExp(sums), ["batch", 1]));
}

/**
 * A task with a real label: predicts a number, trained by the squared error `(p - y) ** 2`, or by {@linkcode huber} or
 * {@linkcode quantile}.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compile, define, reference, regression, rows } from "@gatehouse/gatehouse";
 * import { square } from "@gatehouse/gatehouse/ops";
 * import { initialise } from "@gatehouse/gatehouse/graph";
 *
 * const spec = define({ input: 1, tasks: { y: regression(square) } });
 * const kernel = { shape: [1, 1], data: Float32Array.of(1) };
 * const parameters = { ...initialise(spec, 0), "tasks/y/head/0/kernel": kernel };
 * const model = await compile(spec, { engine: reference(), parameters });
 * assertEquals((await model.predict(rows([[3], [-2]]))).y, Float32Array.of(9, 4));
 * model.dispose();
 * ```
 *
 * @example Labels of large numbers
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compile, define, evaluate, reference, regression, rows, standardise } from "@gatehouse/gatehouse";
 *
 * const data = rows([[1], [2]], { labels: { watched: [3000, 5000] } }); // milliseconds
 * const spec = standardise(define({ input: 1, tasks: { watched: regression(undefined, { standardise: true }) } }), data);
 * assertEquals(spec.tasks.watched.head.standardise, { mean: 4000, scale: 1000 });
 * const zeros = { "tasks/watched/head/0/kernel": { shape: [1, 1], data: Float32Array.of(0) }, "tasks/watched/head/0/bias": { shape: [1], data: Float32Array.of(0) } };
 * const model = await compile(spec, { engine: reference(), parameters: zeros });
 * assertEquals((await model.predict(data)).watched, Float32Array.of(4000, 4000));
 * const { loss, metrics } = await evaluate(model, data);
 * assertEquals([loss.watched, metrics.watched.mse], [1, 1000 ** 2]);
 * model.dispose();
 * ```
 */
export function regression(tower: Net = pipe(), options: RegressionOptions = {}): Task {
  const { standardise, ...rest } = { ...options };
  return { kind: "regression", units: 1, tower, ...rest, ...(isGiven(standardise) && { standardise }) };
}

/**
 * A task with one of several classes as its label (0 to `classes - 1`): predicts a probability for each, trained by
 * cross-entropy.
 *
 * @throws {RangeError} if `classes` is not a whole number of at least 2.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { categorical, compile, define, reference, rows } from "@gatehouse/gatehouse";
 * import { initialise } from "@gatehouse/gatehouse/graph";
 *
 * const spec = define({ input: 1, tasks: { y: categorical(3) } });
 * const kernel = { shape: [1, 3], data: Float32Array.of(0, Math.log(2), Math.log(5)) };
 * const parameters = { ...initialise(spec, 0), "tasks/y/head/0/kernel": kernel };
 * const model = await compile(spec, { engine: reference(), parameters });
 * const { y } = await model.predict(rows([[1]]));
 * [1 / 8, 2 / 8, 5 / 8].forEach((probability, at) => assertAlmostEquals(y[at], probability, 1e-6));
 * model.dispose();
 * ```
 */
export function categorical(classes: number, tower: Net = pipe(), options: TaskOptions = {}): Task {
  wholeNumber("categorical", "classes", classes);
  if (classes < 2) {
    throw misapplied(new RangeError(`Cannot apply categorical: classes must be at least 2, found ${classes}`));
  }
  return { kind: "categorical", units: classes, tower, ...options };
}

/**
 * A task whose label is a count, or any number of at least 0: predicts its mean `p = e ** z`, above 0, trained by the
 * negative log likelihood of a Poisson distribution.
 *
 * The loss is `e ** z - y z`, without the constant `log y!` of the label, as in PyTorch and TensorFlow; it may be
 * negative. The metric `deviance` has all terms, `2 (y log(y / p) - y + p)`. Logits above 88 are rates that no float32
 * holds.
 *
 * @see McCullagh and Nelder, Generalized linear models, 1989, chapter 6.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { compile, count, define, reference, rows } from "@gatehouse/gatehouse";
 * import { initialise } from "@gatehouse/gatehouse/graph";
 *
 * const spec = define({ input: 1, tasks: { visits: count() } });
 * const kernel = { shape: [1, 1], data: Float32Array.of(1) };
 * const parameters = { ...initialise(spec, 0), "tasks/visits/head/0/kernel": kernel };
 * const model = await compile(spec, { engine: reference(), parameters });
 * const { visits } = await model.predict(rows([[0], [Math.log(3)]]));
 * [1, 3].forEach((mean, row) => assertAlmostEquals(visits[row], mean, 1e-6));
 * model.dispose();
 * ```
 */
export function count(tower: Net = pipe(), options: TaskOptions = {}): Task {
  return { kind: "count", units: 1, tower, ...options };
}

/**
 * A task whose labels say which of two rows comes first, the larger one: predicts a score, trained on pairs of rows.
 *
 * The loss is that of Bayesian personalised ranking (BPR), `-log sigmoid(z_i - z_j)`, as `softplus(z_j - z_i)`, its
 * mean over all pairs `y_i > y_j` of the batch, each weighted by the product of the weights of its rows; 0 if
 * there are none. With `within`, both rows have the same number in that column of labels, and rows without one are in
 * no pair. The published BPR draws one pair at a time; all pairs of a batch have the same mean.
 *
 * Pairs form within a batch alone: with `within`, `train` keeps the rows of a group in one batch (of its piece, where
 * data come in pieces), groups of more rows than a batch in parts. A batch of n rows takes memory for n x n numbers.
 * Evaluation takes the loss, and the metric `auc`, the share of pairs in the right order, over all pairs of a group
 * whatever the order of rows. A score means nothing but order, so the head has no bias.
 *
 * @see Rendle et al., BPR: Bayesian personalized ranking from implicit feedback, 2009, section 4.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compile, define, evaluate, ranking, reference, rows } from "@gatehouse/gatehouse";
 * import { initialise } from "@gatehouse/gatehouse/graph";
 *
 * const spec = define({ input: 1, tasks: { bought: ranking(undefined, { within: "search" }) } });
 * const kernel = { shape: [1, 1], data: Float32Array.of(1) };
 * const parameters = { ...initialise(spec, 0), "tasks/bought/head/0/kernel": kernel };
 * const model = await compile(spec, { engine: reference(), parameters });
 * const data = rows([[1], [2], [3], [4]], { labels: { bought: [0, 1, 1, 0], search: [7, 7, 8, 8] } });
 * const { loss, metrics } = await evaluate(model, data);
 * assertEquals(metrics.bought.auc, 1 / 2);
 * assertEquals(loss.bought.toFixed(4), ((Math.log1p(Math.exp(-1)) + Math.log1p(Math.exp(1))) / 2).toFixed(4));
 * model.dispose();
 * ```
 */
export function ranking(tower: Net = pipe(), options: RankingOptions = {}): Task {
  const { within, ...rest } = { ...options };
  const loss = within === undefined ? undefined : { kind: "pairwise", within } as const;
  return { kind: "ranking", units: 1, tower, loss, ...rest };
}
