import { heads, labelScaleForm } from "../heads/heads.ts";
import { mostUnits, streamForm } from "../features/input.ts";
import { type Feature, featuresForm, isFitted, isUnfitted } from "../features/table.ts";
import { type Issue, keyText, SpecError } from "../errors/issues.ts";
import type { Draft } from "../spec/draft.ts";
import { asStored, known } from "../spec/known.ts";
import { resolve } from "../spec/resolve.ts";
import { lossForm } from "../heads/loss_form.ts";
import type { Spec } from "../spec/spec.ts";
import { fitting, type Form, list, number, object, record, text, whole, word } from "../errors/forms.ts";
import { isRecord } from "../errors/kinds.ts";
import type { BankLoss } from "./bank_losses.ts";
import { express, expressLoss } from "./express.ts";
import type { Task } from "./heads.ts";
import type { Gate, Net } from "./net.ts";
import { dense, pipe } from "./nets.ts";

/** The input of a model: a width of real numbers, or fitted features by name. */
export type Input = number | Readonly<Record<string, Feature>>;

/** A table: the input of a model, its levels, and its tasks. */
export interface Table<Tasks extends string> {
  /** A width, or features as `fit` returns them. */
  readonly input: Input;
  /**
   * Streams beside `input` that are parts of it, by name: lists of features, or of column numbers where the input is a
   * width. Like all streams, a part is read by who names it, by who has its name, and by all others if it is named
   * `shared`.
   */
  readonly streams?: Readonly<Record<string, readonly string[] | readonly number[]>>;
  /** The levels from the input up. Without levels the towers read the input. */
  readonly levels?: readonly Level[];
  /** The tasks by name. */
  readonly tasks: Readonly<Record<Tasks, Task>>;
}

/** Experts by bank and gates by stream; see {@linkcode level}. */
export interface Level {
  /** The banks by name. */
  readonly experts: Readonly<Record<string, Bank>>;
  /** The mixtures, by the stream that each writes. */
  readonly gates: Readonly<Record<string, Mix>>;
  /** The streams that are others side by side, by the stream that is written. Default: none. */
  readonly beside?: Readonly<Record<string, readonly string[]>>;
}

/** The options of a bank. */
export interface BankOptions extends ReadOptions {
  /**
   * Another bank of the level, whose parameters these experts have, so that the same experts read two streams. Both
   * have as many experts of one net. Default: parameters of their own.
   */
  readonly ties?: string;
  /**
   * Banks of the level by whose parameters theirs are held: the squared distance between the parameters of the one and
   * the other, times the number, is added to the trained loss, and reported as
   * `levels/<level>/experts/<bank>/near/<other>`. Both have as many experts of one net. Default: none.
   */
  readonly near?: Readonly<Record<string, number>>;
  /**
   * The most rows that an expert takes in a training step, as a multiple c of an even share, at least 1, such as 1.25:
   * `ceil(c * k * batch / experts)`, where k is the number of experts that a row uses, summed over all gates over the
   * bank (Lepikhin et al. 2021, GShard, algorithm 1; Fedus et al. 2022, Switch Transformer, eq. 3). Rows find room in
   * the order of the batch, the gates of a row together, the last row even if it needs more than is left; for those
   * that come too late the expert weighs 0, and their other weights stay as they are. Losses of the bank see what was
   * chosen before.
   *
   * Predictions and evaluations drop nothing, so that a row's depend on that row alone. Where all gates over the bank
   * use all experts, as `softmax` does, their load is even, and nothing is dropped. Default: no row is dropped.
   */
  readonly capacity?: number;
  /**
   * Losses of the bank by name, such as {@linkcode loadBalance}: functions of the routing of all gates over the bank.
   * They are added to the trained loss, and reported as `levels/<level>/experts/<bank>/<name>`.
   */
  readonly losses?: Readonly<Record<string, BankLoss>>;
}

/** Experts of one shape; see {@linkcode bank}. */
export interface Bank extends BankOptions {
  /** The number of experts. */
  readonly count: number;
  /** The net of each. */
  readonly net: Net;
}

/** Experts mixed into a stream; see {@linkcode mix}. */
export interface Mix extends ReadOptions {
  /** The banks. */
  readonly mix: readonly string[];
  /** The gate that weighs their experts. */
  readonly gate?: Gate;
}

/** The options of a bank and of a mix. */
export interface ReadOptions {
  /** The stream that is read. Default: the one of the reader's own name, else `shared`, else the input. */
  readonly reads?: string;
}

/**
 * Returns the spec of a table, deeply frozen: every function is traced once, who reads what is resolved, and all of it
 * is checked.
 *
 * @throws {SpecError} if anything is wrong: all issues at once, each with its path.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { bank, binary, define, dense, level, mix, softmax } from "@gatehouse/gatehouse";
 *
 * const mmoe = define({
 *   input: 100,
 *   levels: [level({ shared: bank(8, dense(16)) }, { click: mix("shared", softmax), like: mix("shared", softmax) })],
 *   tasks: { click: binary(dense(8)), like: binary(dense(8)) },
 * });
 * const { experts, gates } = mmoe.levels[0];
 * assertEquals([experts.shared.count, gates.click.reads, mmoe.tasks.click.reads], [8, "input", "click"]);
 * ```
 */
export function define<const Tasks extends string>(table: Table<Tasks>): Spec<Tasks> {
  const issues = malformed(table);
  if (issues.length > 0) throw new SpecError("define model", issues);
  const draft: Draft<Net | Gate, BankLoss> = {
    input: typeof table.input === "number" ? { width: table.input } : { features: table.input },
    streams: table.streams,
    levels: table.levels ?? [],
    tasks: mapValues(
      table.tasks,
      ({ kind, units, loss, standardise, tower, weight = 1, reads, of, only, adds }: Task) => {
        const net = of === undefined ? dense(units, { bias: heads[kind].bias }) : pipe();
        return { tower, weight, reads, of, only, adds, head: { kind, units, loss, standardise, net } };
      },
    ),
  };
  const { spec, issues: found } = resolve(draft, express, expressLoss);
  if (spec === undefined) throw new SpecError("define model", found);
  return known(asStored(spec)) as Spec<Tasks>;
}

/**
 * A level: expert banks by name, and what is mixed of them, by the name of the stream that is written.
 *
 * @param beside Streams that are others side by side, by the name of the stream that is written: `{ shared: ["ids", "age"] }`.
 * Each part is a bank of the level, with all its experts, or a stream that is written below; a bank comes before a stream
 * of its name. Default: none.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { bank, define, dense, level, mix, regression, softmax } from "@gatehouse/gatehouse";
 *
 * const experts = { shared: bank(4, dense(8)), click: bank(1, dense(8)) };
 * const { levels } = define({
 *   input: 5,
 *   levels: [level(experts, { click: mix(["shared", "click"], softmax) })],
 *   tasks: { click: regression() },
 * });
 * assertEquals(levels[0].experts.shared.count, 4);
 * assertEquals(levels[0].gates.click.mix, ["shared", "click"]);
 * ```
 *
 * @example An embedding and a net of numbers side by side
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { bank, category, define, dense, embed, fit, level, numeric, regression } from "@gatehouse/gatehouse";
 * import { parametersOf } from "@gatehouse/gatehouse/graph";
 *
 * const input = fit({ user: category(), age: numeric() }, { user: ["ann", "bob"], age: [20, 30] });
 * const spec = define({
 *   input,
 *   streams: { age: ["age"] },
 *   levels: [level({ ids: bank(1, embed(4, { features: ["user"] })), old: bank(1, dense(2), { reads: "age" }) }, {}, {
 *     y: ["ids", "old", "age"],
 *   })],
 *   tasks: { y: regression() },
 * });
 * const { shape } = parametersOf(spec).find(({ path }) => path === "tasks/y/head/0/kernel")!;
 * assertEquals(shape, [4 + 2 + 1, 1]);
 * ```
 */
export function level(
  experts: Readonly<Record<string, Bank>>,
  gates: Readonly<Record<string, Mix>>,
  beside?: Readonly<Record<string, readonly string[]>>,
): Level {
  return beside === undefined ? { experts, gates } : { experts, gates, beside };
}

/**
 * A bank of experts: `count` copies of a net, each with its own parameters. Other nets of the same output width go into
 * other banks of the level.
 *
 * @example The parameters of each expert
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { bank, define, dense, level, mix, regression, softmax } from "@gatehouse/gatehouse";
 * import { parametersOf } from "@gatehouse/gatehouse/graph";
 *
 * const spec = define({
 *   input: 5,
 *   levels: [level({ shared: bank(2, dense(3, { bias: false })) }, { shared: mix("shared", softmax) })],
 *   tasks: { y: regression() },
 * });
 * const experts = parametersOf(spec).filter(({ path }) => path.includes("experts"));
 * assertEquals(experts.map(({ path, shape }) => [path, shape]), [
 *   ["levels/0/experts/shared/0/0/kernel", [5, 3]],
 *   ["levels/0/experts/shared/1/0/kernel", [5, 3]],
 * ]);
 * ```
 *
 * @example Experts that take no more than a quarter above an even share of a batch
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { bank, compile, define, dense, level, mix, reference, regression, rows, topK, train } from "@gatehouse/gatehouse";
 *
 * const shared = bank(4, dense(2), { capacity: 1.25 });
 * const spec = define({
 *   input: 1,
 *   levels: [level({ shared }, { y: mix("shared", topK(1)) })],
 *   tasks: { y: regression() },
 * });
 * const model = await compile(spec, { engine: reference() });
 * const same = rows(Array(16).fill([1]), { labels: { y: Array(16).fill(1) } }); // all 16 rows choose one expert
 * for await (const { dropped } of train(model, same, { steps: 1 })) {
 *   assertAlmostEquals(dropped["0/y"], 11 / 16, 1e-6); // which takes ceil(1.25 * 16 / 4)
 * }
 * model.dispose();
 * ```
 */
export function bank(count: number, net: Net, options: BankOptions = {}): Bank {
  return { count, net, ...options };
}

/**
 * A stream: the experts of one or more banks, weighted by a gate, `h = sum_e g(x)_e f_e(x)` (Ma et al. 2018, eq. 7).
 * A single expert needs no gate: its weight is 1, with a gate too.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { bank, compile, define, level, mix, reference, regression, rows } from "@gatehouse/gatehouse";
 * import { mul } from "@gatehouse/gatehouse/ops";
 * import { initialise } from "@gatehouse/gatehouse/graph";
 *
 * const experts = { plain: bank(1, (x) => x), double: bank(1, (x) => mul(x, 2)) };
 * const spec = define({
 *   input: 2,
 *   levels: [level(experts, { y: mix(["plain", "double"], (x) => x) })], // the inputs are the weights
 *   tasks: { y: regression() },
 * });
 * const kernel = { shape: [2, 1], data: Float32Array.of(1, 1) };
 * const parameters = { ...initialise(spec, 0), "tasks/y/head/0/kernel": kernel };
 * const model = await compile(spec, { engine: reference(), parameters });
 * const { predictions, gates } = await model.inspect(rows([[3, 4]]));
 * assertEquals(gates["0/y"], Float32Array.of(3, 4));
 * assertEquals(predictions.y, Float32Array.of(3 * (3 + 4) + 4 * (6 + 8)));
 * model.dispose();
 * ```
 */
export function mix(banks: string | readonly string[], gate?: Gate, options: ReadOptions = {}): Mix {
  return { mix: Array.isArray(banks) ? [...banks] : [banks], gate, ...options };
}

/** Returns the issues of a table before anything is traced: keys, and kinds of values. */
function malformed(table: unknown): Issue[] {
  const issues = tableForm(table, "");
  return issues.map(({ path, message }) => ({ path: path || "the table", message }));
}

const entry: Form = fitting("a function", (found) => typeof found === "function");

const tableForm: Form = object({
  input: (found, path) => {
    if (!isRecord(found)) return whole(1, mostUnits)(found, path);
    if (Object.keys(found).length === 0) return [{ path, message: "a model needs at least one feature" }];
    const unfitted = Object.keys(found).filter((name) => isUnfitted(found[name]) && !isFitted(found[name]));
    if (unfitted.length === 0) return featuresForm(found, path);
    const message = "the feature is not fitted: wanted what fit(features, training columns) returns";
    return unfitted.map((name) => ({ path: path + keyText(name), message }));
  },
  tasks: record(object(
    { kind: word(...Object.keys(heads)), units: whole(1, mostUnits), tower: entry },
    {
      loss: lossForm,
      standardise: labelScaleForm,
      weight: number,
      reads: text,
      of: list(text),
      only: text,
      adds: record(entry),
    },
  )),
}, {
  streams: record(streamForm),
  levels: list(object({
    experts: record(
      object({ count: number, net: entry }, {
        reads: text,
        ties: text,
        near: record(number),
        capacity: number,
        losses: record(entry),
      }),
    ),
    gates: record(object({ mix: list(text) }, { gate: entry, reads: text })),
  }, { beside: record(list(text)) })),
});

function mapValues<A, B>(values: Readonly<Record<string, A>>, change: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, change(value)]));
}
