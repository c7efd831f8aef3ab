import { cutBy } from "../graph/layout.ts";
import { add, concat, matmul, reshape, slice, transpose } from "../ops/functions.ts";
import { sizeOf } from "../ops/shape.ts";
import type { Value } from "../ops/value.ts";
import type { Plan } from "../trace/plan.ts";
import { tasksOf } from "../trace/sharing.ts";
import { type Between, type Cut, flattened } from "./step.ts";

/**
 * Returns the function between gradients and update that weighs gradients; undefined if tasks share no parameters. It asks
 * for the gradients of vectors that are looked up too, `gradient/<input>/<task>` of each task and `gradient/<input>` of the
 * losses of gates and banks, which are weighed beside the engine.
 *
 * Three arrays stay on the engine: the gradients of the tasks' losses with respect to the shared parameters, one row a
 * task; the gradient of their sum with respect to all other parameters, which is that of the one task that has them; and
 * the gradient of the losses of gates and banks, which is not weighed. The inner products of the rows leave the first
 * half as `products` `[tasks, tasks]`; the second half takes `weights` `[1, tasks]`, which make one gradient of the rows.
 */
export function weighted(plan: Plan): Between | undefined {
  const runs = runsOf(plan);
  const shared = runs.filter((run) => run.shared);
  const own = runs.filter((run) => !run.shared);
  const byPath = tasksOf(plan);
  if (shared.length === 0 && !plan.tables.some(({ path }) => byPath[path].length > 1)) return undefined;
  return ({ tasks, others, of, flat, vectors }, { keep, soFar, ask, give }) => {
    const losses = Object.values(tasks);
    for (const [task, loss] of Object.entries(tasks)) askVectors(ask, vectors(loss), (name) => `${name}/${task}`);
    if (others.length > 0) askVectors(ask, vectors(summed(others)));
    if (shared.length === 0) return keep("all", flat(summed([...losses, ...others])));
    const gradient = (loss: Value, some: readonly Run[]) => {
      const pieces = of(loss);
      return flattened(some.map(({ piece, start, size, axis }) => slice(pieces[piece], start, size, axis)));
    };
    const rows = losses.map((loss) => reshape(gradient(loss, shared), [1, lengthOf(shared)])); // [1, shared]
    const stacked = concat(rows, 0); // [tasks, shared]
    const whole = soFar("shared", stacked);
    ask("products", matmul(whole, transpose(whole)));
    const mixed = matmul(give("weights", [1, rows.length]), keep("shared", stacked)); // [1, shared]
    const parts = cutInto(shared, reshape(mixed, [lengthOf(shared)]));
    if (own.length > 0) {
      cutInto(own, keep("own", gradient(summed(losses), own))).forEach((part, run) => parts.set(run, part));
    }
    const pieces = plan.layout.pieces.map((_, at) => runs.filter(({ piece }) => piece === at));
    const weighed = flattened(pieces.map((runs) => concat(runs.map((run) => parts.get(run)!), runs[0].axis)));
    return others.length === 0 ? weighed : add(weighed, keep("others", flat(summed(others))));
  };
}

/** Asks for gradients of vectors that are looked up. */
export function askVectors(
  ask: Cut["ask"],
  gradients: Readonly<Record<string, Value>>,
  named: (input: string) => string = (input) => input,
): void {
  for (const [input, gradient] of Object.entries(gradients)) ask(`gradient/${named(input)}`, gradient);
}

/** A run of parameters in a piece of the flat array: all shared, or none of them. */
interface Run {
  /** The position of the piece in the layout. */
  readonly piece: number;
  /** The axis along which the piece is cut. */
  readonly axis: number;
  /** The place of the run along it. */
  readonly start: number;
  /** Its length along it. */
  readonly size: number;
  /** Its shape. */
  readonly shape: readonly number[];
  readonly shared: boolean;
}

/** Returns the runs of all pieces, in the order of the layout. */
function runsOf(plan: Plan): Run[] {
  const byPath = tasksOf(plan);
  return cutBy(plan.layout, (path) => byPath[path].length > 1).flatMap(({ shape, axis, runs }, piece) =>
    runs.map(({ label, ...run }) => {
      return { ...run, shared: label, piece, axis, shape: shape.map((length, at) => at === axis ? run.size : length) };
    })
  );
}

/** Returns each run as its place in an array of them all, one after the other. */
function cutInto(runs: readonly Run[], whole: Value): Map<Run, Value> {
  let end = 0;
  return new Map(runs.map((run) => {
    const size = sizeOf(run.shape);
    return [run, reshape(slice(whole, (end += size) - size, size, 0), run.shape)];
  }));
}

/** Returns the sum of values, of which there is at least one. */
function summed(values: readonly Value[]): Value {
  return values.reduce((sum, value) => add(sum, value));
}

/** Returns the number of elements of some runs. */
function lengthOf(runs: readonly Run[]): number {
  return runs.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}
