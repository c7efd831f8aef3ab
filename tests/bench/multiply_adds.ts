import type { Spec } from "../../mod.ts";
import { optimise, trace } from "../../lib/graph.ts";
import { graphOf } from "../../lib/graph/graph.ts";

/** Multiply-adds of a row. */
export interface MultiplyAdds {
  /** Of a training step: forward, and the gradients of weights and of what they are applied to. */
  readonly train: number;
  /** Of a prediction. */
  readonly predict: number;
}

/**
 * The multiply-adds of a row, counted in the products of the model's own layers as its table says them, whatever an
 * engine makes of them. A product with `[width, units]` weights takes `width x units` of them: once forward, once for
 * the gradient of the weights, and once for the gradient of what the weights are applied to, which the input does not
 * need. A named feature counts as one column of the input: the zeros of one-hot vectors do not count. Vectors that are
 * looked up are no product.
 */
export function multiplyAdds(spec: Spec): MultiplyAdds {
  const { nodes } = optimise(graphOf(trace(spec, false).predictions));
  const features = "features" in spec.input ? Object.keys(spec.input.features).length : undefined;
  const learnt: boolean[] = [];
  let [train, predict] = [0, 0];
  for (const { op, of } of nodes) {
    learnt.push(op === "parameter" || of.some((argument) => learnt[argument]));
    if (op !== "matmul" || nodes[of[1]].op !== "parameter" || nodes[of[1]].attrs.rows === "looked up") continue;
    const [width, units] = nodes[of[1]].shape as readonly number[];
    const first = !learnt[of[0]];
    const size = (first && features !== undefined ? features : width) * units;
    predict += size;
    train += (first ? 2 : 3) * size;
  }
  return { train, predict };
}

/**
 * The share of a peak that a run reaches.
 *
 * @param work The run's multiply-adds, two floating-point operations each.
 * @param milliseconds The duration of the run.
 * @param gflops The peak, in 10^9 floating-point operations a second.
 */
export function peakShare(work: number, milliseconds: number, gflops: number): number {
  return 2 * work / (milliseconds * 1e-3) / (gflops * 1e9);
}
