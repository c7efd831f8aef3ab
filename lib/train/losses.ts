import {
  add,
  div,
  greater,
  logSumExp,
  mul,
  multiHot,
  reshape,
  select,
  softplus,
  square,
  sub,
  sum,
} from "../ops/functions.ts";
import { apply } from "../ops/table.ts";
import type { Value } from "../ops/value.ts";
import type { HeadSpec, TaskSpec } from "../spec/spec.ts";

/** The losses of a batch. */
export interface Losses {
  /** The mean loss over the labelled rows, by task, shape `[]`; 0 where no row is labelled. */
  readonly byTask: Readonly<Record<string, Value>>;
  /** Their sum, each times its task's weight, shape `[]`. */
  readonly total: Value;
}

/**
 * The losses of logits against labels. Labels and the weights of rows are inputs of the graph, `labels/<task>` and
 * `weights/<task>`, `[batch]` each; a row without a label has weight 0 (and any finite label).
 *
 * The loss of a task is `sum_r w_r l_r / sum_r w_r`, and 0 if all weights are 0.
 */
export function losses(tasks: Readonly<Record<string, TaskSpec>>, logits: Readonly<Record<string, Value>>): Losses {
  const byTask = Object.fromEntries(
    Object.entries(tasks).map(([task, { head }]) => {
      const weights = apply("input", [], { name: `weights/${task}`, shape: ["batch"], type: "float" });
      const rows = mul(rowLosses(head, logits[task], task), weights);
      const count = sum(weights, { axes: [0] });
      const divisor = select(greater(count, 0), count, 1);
      return [task, div(sum(rows, { axes: [0] }), divisor)] as const;
    }),
  );
  const weighted = Object.entries(tasks).map(([task, { weight }]) => mul(byTask[task], weight));
  return { byTask, total: weighted.reduce((total, value) => add(total, value)) };
}

/** The loss of every row, `[batch]`, from logits `[batch, units]`. */
function rowLosses(head: HeadSpec, logits: Value, task: string): Value {
  switch (head.kind) {
    case "binary":
      return crossEntropy(reshape(logits, ["batch"]), labels(task));
    case "regression":
      return square(sub(reshape(logits, ["batch"]), labels(task)));
    case "categorical": {
      const codes = apply("input", [], { name: `labels/${task}`, shape: ["batch", 1], type: "int" });
      const chosen = sum(mul(logits, multiHot(codes, [head.units])));
      return sub(logSumExp(logits), chosen);
    }
  }
}

/** `-y log p - (1 - y) log (1 - p)` with `p = sigmoid(z)`, as `softplus(z) - y z`: exact for large logits too. */
function crossEntropy(logits: Value, labels: Value): Value {
  return sub(softplus(logits), mul(labels, logits));
}

function labels(task: string): Value {
  return apply("input", [], { name: `labels/${task}`, shape: ["batch"], type: "float" });
}
