import { groupsOf, heads, lossOf } from "../heads/heads.ts";
import { add, div, greater, mul, select, sum } from "../ops/functions.ts";
import { apply } from "../ops/table.ts";
import type { Type, Value } from "../ops/value.ts";
import type { Shape } from "../ops/shape.ts";
import type { HeadSpec, TaskSpec } from "../spec/spec.ts";
import { mapEntries } from "./entries.ts";
import type { Traced } from "./trace.ts";

/** The losses of a batch. */
export interface Losses {
  /** The mean loss over the labelled rows, by task, shape `[]`; 0 where no row is labelled. */
  readonly byTask: Readonly<Record<string, Value>>;
  /** The weights that each loss is a mean over, shape `[]`: their sum over the labelled rows, or over the pairs. */
  readonly weights: Readonly<Record<string, Value>>;
  /** The losses of tasks as they are added to the total: times their weight, and any factor, shape `[]`. */
  readonly weighted: Readonly<Record<string, Value>>;
  /** The losses of gates and banks by path, shape `[]`. */
  readonly auxiliary: Readonly<Record<string, Value>>;
  /** The sum of all, those of tasks each times its task's weight, shape `[]`. */
  readonly total: Value;
}

/**
 * Returns the losses of logits against labels, beside those of gates and banks. Labels, the weights of rows and their
 * groups are inputs of the graph, `labels/<task>`, `weights/<task>` and `groups/<task>`, `[batch]` each; a row that does
 * not count has weight 0 (and any finite label).
 *
 * The loss of a task is `sum_r w_r l_r / sum_r w_r`, or the like over pairs of rows, and 0 if all weights are 0.
 *
 * @param logits The logits by task, `[batch, units]`.
 * @param auxiliary The losses of gates and banks by path, `[]`, which are passed on as they are.
 * @param factors The factor of each task's loss beside its weight, by task, `[]`. Default: none.
 */
export function losses(
  tasks: Readonly<Record<string, TaskSpec>>,
  { logits, auxiliary }: Pick<Traced, "logits" | "auxiliary">,
  factors?: Readonly<Record<string, Value>>,
): Losses {
  const means = mapEntries(tasks, (task, { head }) => lossOfTask(task, head, logits[task]));
  const weighted = mapEntries(means, (task, { loss }) => {
    const fixed = mul(loss, tasks[task].weight);
    return factors === undefined ? fixed : mul(fixed, factors[task]);
  });
  return {
    byTask: mapEntries(means, (_, { loss }) => loss),
    weights: mapEntries(means, (_, { weight }) => weight),
    weighted,
    auxiliary,
    total: [...Object.values(weighted), ...Object.values(auxiliary)].reduce((total, loss) => add(total, loss)),
  };
}

/** Returns the mean loss of one task, `[]`, and the sum of weights that it is the mean over, `[]`. */
function lossOfTask(task: string, head: HeadSpec, logits: Value): { readonly loss: Value; readonly weight: Value } {
  const { totals, weights } = lossOf(head)({
    logits,
    labels: heads[head.kind].label.codes
      ? input(`labels/${task}`, ["batch", 1], "int")
      : input(`labels/${task}`, ["batch"]),
    weights: input(`weights/${task}`, ["batch"]),
    groups: groupsOf(head) === undefined ? undefined : input(`groups/${task}`, ["batch"]),
  });
  const weight = sum(weights, { axes: [0] });
  const divisor = select(greater(weight, 0), weight, 1);
  return { loss: div(sum(totals, { axes: [0] }), divisor), weight };
}

function input(name: string, shape: Shape, type: Type = "float"): Value {
  return apply("input", [], { name, shape, type });
}
