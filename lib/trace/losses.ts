import { groupsOf, heads, lossOf } from "../heads/heads.ts";
import { add, div, greater, mul, select, sum } from "../ops/functions.ts";
import { apply } from "../ops/table.ts";
import type { Type, Value } from "../ops/value.ts";
import type { Shape } from "../ops/shape.ts";
import type { TaskSpec } from "../spec/spec.ts";

/** The losses of a batch. */
export interface Losses {
  /** The mean loss over the labelled rows, by task, shape `[]`; 0 where no row is labelled. */
  readonly byTask: Readonly<Record<string, Value>>;
  /** What each is the mean over, shape `[]`: the weight of the labelled rows, or of the pairs. */
  readonly weights: Readonly<Record<string, Value>>;
  /** The losses of gates and banks as `auxiliary/<path>`, shape `[]`. */
  readonly auxiliary: Readonly<Record<string, Value>>;
  /** The sum of all, those of tasks each times its task's weight, shape `[]`. */
  readonly total: Value;
}

/**
 * The losses of logits against labels, beside those of gates and banks, which are given as they are. Labels, the weights of rows and their groups are inputs of the graph,
 * `labels/<task>`, `weights/<task>` and `groups/<task>`, `[batch]` each; a row that does not count has weight 0 (and any
 * finite label).
 *
 * The loss of a task is `sum_r w_r l_r / sum_r w_r`, or the like over pairs of rows, and 0 if all weights are 0.
 */
export function losses(tasks: Readonly<Record<string, TaskSpec>>, traced: Readonly<Record<string, Value>>): Losses {
  const found = Object.entries(tasks).map(([task, { head }]) => {
    const { totals, weights } = lossOf(head)({
      logits: traced[task],
      labels: heads[head.kind].label.codes
        ? input(`labels/${task}`, ["batch", 1], "int")
        : input(`labels/${task}`, ["batch"]),
      weights: input(`weights/${task}`, ["batch"]),
      groups: groupsOf(head) === undefined ? undefined : input(`groups/${task}`, ["batch"]),
    });
    const weight = sum(weights, { axes: [0] });
    const divisor = select(greater(weight, 0), weight, 1);
    return { task, loss: div(sum(totals, { axes: [0] }), divisor), weight };
  });
  const auxiliary = Object.entries(traced).filter(([name]) => name.startsWith(auxiliaryPrefix));
  const terms = [...found.map(({ task, loss }) => mul(loss, tasks[task].weight)), ...auxiliary.map(([, loss]) => loss)];
  return {
    byTask: Object.fromEntries(found.map(({ task, loss }) => [task, loss])),
    weights: Object.fromEntries(found.map(({ task, weight }) => [task, weight])),
    auxiliary: Object.fromEntries(auxiliary),
    total: terms.reduce((total, value) => add(total, value)),
  };
}

/** What the names of losses of gates and banks begin with, which no task's does. */
export const auxiliaryPrefix = "auxiliary/";

/** The losses of gates and banks among the outputs of a graph, by path. */
export function auxiliaryIn<T>(outputs: Readonly<Record<string, T>>): [path: string, output: T][] {
  const found = Object.entries(outputs).filter(([name]) => name.startsWith(auxiliaryPrefix));
  return found.map(([name, output]) => [name.slice(auxiliaryPrefix.length), output]);
}

function input(name: string, shape: Shape, type: Type = "float"): Value {
  return apply("input", [], { name, shape, type });
}
