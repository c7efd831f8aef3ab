import { reference } from "../engines/reference/reference.ts";
import { graphOf } from "../graph/graph.ts";
import { input } from "../ops/leaves.ts";
import type { Optimiser } from "./optimiser.ts";

/** Numbers that are trained beside the parameters, after some steps. A step returns the next and changes nothing. */
export interface Descent {
  /** The numbers. */
  readonly values: readonly number[];
  /**
   * Takes a step by the rule of the optimiser.
   *
   * @param gradient One number for each, or undefined for those that stay as they are.
   * @param step The step whose learning rate is taken, from 1.
   * @param epoch Its epoch, from 1.
   */
  readonly next: (gradient: readonly (number | undefined)[], step: number, epoch?: number) => Promise<Descent>;
  /** The state, of which {@linkcode descent} goes on. */
  readonly saved: DescentState;
}

/** The state of a descent, as JSON holds it. */
export type DescentState = {
  readonly values: readonly number[];
  /** The arrays that the optimiser keeps, by name. */
  readonly slots: { readonly [name: string]: readonly number[] };
  /** The number of steps so far. */
  readonly count: number;
};

/**
 * Returns the numbers with which a descent begins. It runs in float64, without decay and clipping.
 *
 * @param first The numbers.
 * @param settled Maps the numbers after each step. Default: they stay as they are.
 * @param saved The state to go on from. Default: no step was taken.
 */
export function descent(
  optimiser: Optimiser,
  first: readonly number[],
  settled: (values: readonly number[]) => readonly number[] = (values) => values,
  saved?: DescentState,
): Descent {
  const shape = [first.length];
  const slots = Object.keys(optimiser.slots);
  const given = Object.fromEntries(slots.map((name) => [name, input(`slot/${name}`, shape)]));
  const scalars = ["rate", ...Object.keys(optimiser.scalars(1, 1))].map((name) => [name, input(name, [])] as const);
  const rule = optimiser.update(input("gradient", shape), given, Object.fromEntries(scalars));
  const after = Object.entries(rule.slots).map(([name, value]) => [`slot/${name}`, value] as const);
  const graph = graphOf({ change: rule.change, ...Object.fromEntries(after) });
  const read = new Set(graph.nodes.flatMap(({ op, attrs }) => op === "input" ? [attrs.name as string] : []));
  const engine = reference();
  const program = engine.load(graph, engine.store({}));

  const state = (values: readonly number[], kept: Slots, count: number): Descent => ({
    values,
    next: async (gradient, step, epoch) => {
      const rate = optimiser.rate(step, epoch);
      const numbers = { rate, ...optimiser.scalars(count + 1, rate) };
      const inputs = {
        gradient: { shape, data: Float64Array.from(gradient, (number) => number ?? 0) },
        ...Object.fromEntries(Object.entries(kept).map(([name, data]) => [name, { shape, data }])),
        ...Object.fromEntries(
          Object.entries(numbers).map(([name, number]) => [name, { shape: [], data: Float64Array.of(number) }]),
        ),
      };
      const fed = Object.entries(inputs).filter(([name]) => read.has(name));
      const { change, ...written } = await program.run(Object.fromEntries(fed));
      const next = Object.entries(written).map(([name, { data }]) => {
        return [name, kept[name].map((number, i) => gradient[i] === undefined ? number : data[i])];
      });
      const moved = values.map((number, i) => gradient[i] === undefined ? number : number - change.data[i]);
      return state(settled(moved), Object.fromEntries(next), count + 1);
    },
    saved: { values, slots: Object.fromEntries(slots.map((name) => [name, [...kept[`slot/${name}`]]])), count },
  });
  const kept = slots.map((name) => {
    const begun = saved?.slots[name] ?? first.map(() => optimiser.slots[name]);
    return [`slot/${name}`, Float64Array.from(begun)];
  });
  return state(saved?.values ?? first, Object.fromEntries(kept), saved?.count ?? 0);
}

type Slots = Readonly<Record<string, Float64Array>>;
