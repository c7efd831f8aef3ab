import type { Rows } from "../data/rows.ts";
import { isRecord, kindOf } from "../errors/kinds.ts";
import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import { check } from "../spec/check.ts";
import type { Expression, Spec, TaskSpec } from "../spec/spec.ts";
import { mapEntries } from "../trace/entries.ts";
import { classWeights } from "./balance.ts";
import { checkRows } from "./check_rows.ts";

/**
 * Returns a spec whose binary tasks begin at their base rates: the bias of each head starts at the log odds of its positive
 * rows, `log(p / (1 - p))`, where it is 0 otherwise, which is a probability of 0.5.
 *
 * A rare label is then predicted as rare from the first step on, as for rows that a short training says little of, such as
 * those of new users. It stands in the spec, as other initial values do, so that a run that is resumed begins alike. With
 * `positive`, p is that of the weighted rows. Tasks that are not binary, and products of others, stay as they are.
 *
 * @param spec The spec.
 * @param data The training rows, in memory, whose rates are those of the rows that count for the task; or the rates by task,
 * such as `{ like: 0.02 }`, if the rows are a stream; other tasks then stay as they are.
 * @throws {TypeError | RangeError} if the rows do not fit the spec, a task of a rate is unknown or not binary, or a rate is
 * not between 0 and 1.
 * @see Lin et al., Focal loss for dense object detection, 2017, section 4.1.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { binary, compile, define, reference, rows, startAtBaseRates } from "@gatehouse/gatehouse";
 *
 * const data = rows([[0], [0], [0], [0]], { labels: { like: [0, 0, 0, 1] } });
 * const spec = startAtBaseRates(define({ input: 1, tasks: { like: binary() } }), data);
 * const model = await compile(spec, { engine: reference() });
 * assertAlmostEquals((await model.predict(data)).like[0], 1 / 4, 1e-6);
 * model.dispose();
 * ```
 */
export function startAtBaseRates<Tasks extends string>(
  spec: Spec<Tasks>,
  data: Rows | Readonly<Partial<Record<Tasks, number>>>,
): Spec<Tasks> {
  const given = check(spec) as Spec<Tasks>;
  const rateOf = isRows(data) ? ratesIn(given, data) : givenRates(given, data);
  const tasks = mapEntries(given.tasks, (name, task): TaskSpec => {
    const rate = isOwn(task) ? rateOf(name) : undefined;
    if (rate === undefined) return task;
    const { loss, net } = task.head;
    const positive = loss?.kind === "crossEntropy" ? loss.positive : 1;
    const logit = positive === "balanced" ? 0 : Math.log(positive * rate / (1 - rate));
    return { ...task, head: { ...task.head, net: biasedBy(net, logit) } };
  });
  return check({ ...given, tasks }) as Spec<Tasks>;
}

const action = "start at base rates";

/** Returns true of a binary task that has a bias of its own. */
function isOwn({ of, head }: TaskSpec): boolean {
  return head.kind === "binary" && of === undefined;
}

function isRows(data: unknown): data is Rows {
  return isRecord(data) && isRecord(data.inputs);
}

/** Returns the function from a task to the share of its rows that are positive. */
function ratesIn(spec: Spec, data: Rows): (task: string) => number {
  checkRows(spec, data, action);
  return (task) => {
    const [positive, negative] = classWeights(spec, data, task);
    if (positive > 0 && negative > 0) return positive / (positive + negative);
    const found = `found rows of weight ${positive} that are positive and ${negative} that are not`;
    throw new RangeError(`Cannot ${action}\n  at task ${quoted(task)}: ${found}, wanted some of both`);
  };
}

/** Returns the function from a task to the rate that is given, undefined if none is. */
function givenRates({ tasks }: Spec, rates: unknown): (task: string) => number | undefined {
  if (!isRecord(rates) || Object.values(rates).some((rate) => typeof rate !== "number")) {
    throw new TypeError(`Cannot ${action}: found ${kindOf(rates)}, wanted rows in memory, or rates: { like: 0.02 }`);
  }
  const given = new Map(Object.entries(rates) as [string, number][]);
  for (const [name, rate] of given) {
    const at = `Cannot ${action}\n  at task ${quoted(name)}`;
    if (!Object.hasOwn(tasks, name)) {
      throw new TypeError(`${at}: there is no such task${advice(name, Object.keys(tasks))}`);
    }
    if (!isOwn(tasks[name])) throw new TypeError(`${at}: it has no rate: wanted a binary task that is no product`);
    if (!(rate > 0 && rate < 1)) throw new RangeError(`${at}: found ${rate}, wanted a rate between 0 and 1`);
  }
  return (task) => given.get(task);
}

/** Returns the net of a head whose bias begins at a number. */
function biasedBy(net: Expression, value: number): Expression {
  const nodes = net.nodes.map((node) => {
    const isBias = node.op === "parameter" && String(node.attrs.name).endsWith("bias");
    return isBias ? { ...node, attrs: { ...node.attrs, init: { kind: "constant", value } } } : node;
  });
  return { ...net, nodes };
}
