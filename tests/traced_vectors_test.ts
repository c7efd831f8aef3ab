import { assert, assertEquals } from "@std/assert";
import { random } from "../lib/data/random.ts";
import { graphOf } from "../lib/graph/graph.ts";
import { input } from "../lib/ops/functions.ts";
import type { VectorOptimiser } from "../lib/optimisers/optimiser.ts";
import { adagrad, cpu, lazyAdam, reference, rowwiseAdagrad, sgd } from "../mod.ts";

const optimisers: Readonly<Record<string, VectorOptimiser>> = {
  "rowwiseAdagrad": rowwiseAdagrad(0.1),
  "rowwiseAdagrad with decay": rowwiseAdagrad(0.1, { touchedDecay: 0.2, initial: 0.5, epsilon: 1e-3 }),
  "lazyAdam": lazyAdam(0.01),
  "lazyAdam with decay": lazyAdam(0.01, { touchedDecay: 0.3, beta1: 0.5, beta2: 0.9 }),
  "adagrad": adagrad(0.1),
  "sgd": sgd(0.1),
};

/** Some vectors and gradients, of sizes from `small` to `large`, some of which are 0. */
function sample(seed: string, units: number, [small, large]: readonly [number, number]) {
  const source = random(seed);
  const numbers = (count: number) =>
    Float32Array.from({ length: count }, () => {
      const size = small * (large / small) ** source.uniform();
      return source.uniform() < 0.2 ? 0 : source.normal() * size;
    });
  return { table: numbers(5 * units), gradients: Array.from({ length: 6 }, () => numbers(5 * units)) };
}

for (const [name, { vectors: rule }] of Object.entries(optimisers)) {
  Deno.test(`the update of ${name} as values is that of its loop, and finite where that is`, async () => {
    for (const engine of [reference(), await cpu()]) {
      for (const [units, range] of [[1, [0.1, 1]], [4, [0.1, 1]], [3, [1e-12, 1e12]]] as const) {
        const { table, gradients } = sample(name, units, range);
        const state = new Float32Array(5 * rule.state(units)).fill(rule.initial);
        const [own, ownState] = [table.slice(), state.slice()];
        const rows = Int32Array.from({ length: 5 }, (_, row) => row);
        for (const [at, gradient] of gradients.entries()) {
          const [step, rate, scale] = [at + 1, 0.1 / (at + 1), at % 2 === 0 ? 1 : 0.25];
          rule.update({ table, state, rows, count: 5, units, gradient, scale, rate, step });
          const numbers = { rate, scale, ...rule.traced!.scalars(step, rate) };
          const arrays = {
            table: [own, units],
            gradient: [gradient, units],
            ...rule.state(units) > 0 && { state: [ownState, rule.state(units)] },
          } as unknown as Record<string, [Float32Array, number]>;
          const given = Object.fromEntries(
            Object.entries(arrays).map(([name, [, width]]) => [name, input(name, ["batch", width])]),
          );
          const scalars = Object.fromEntries(Object.keys(numbers).map((name) => [name, input(name, [])]));
          const after = rule.traced!.update({ ...given as { table: never; gradient: never }, scalars });
          const graph = graphOf({ table: after.table, ...after.state && { state: after.state } });
          const read = new Set(graph.nodes.flatMap(({ op, attrs }) => op === "input" ? [attrs.name as string] : []));
          const fed = [
            ...Object.entries(arrays).map(([name, [data, width]]) => [name, { shape: [5, width], data }] as const),
            ...Object.entries(numbers).map(([name, value]) =>
              [name, { shape: [], data: Float32Array.of(value) }] as const
            ),
          ].filter(([name]) => read.has(name));
          const store = engine.store({});
          const found = await engine.load(graph, store).run(Object.fromEntries(fed));
          store.dispose();
          assertClose(found.table.data, table, `${name}: vectors after step ${step}`);
          if (rule.state(units) > 0) assertClose(found.state.data, state, `${name}: state after step ${step}`);
          own.set(table);
          ownState.set(state);
        }
      }
    }
  });
}

function assertClose(found: ArrayLike<number>, wanted: Float32Array, message: string): void {
  assertEquals(found.length, wanted.length);
  const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  wanted.forEach((value, at) => {
    assert(Number.isFinite(value) && Number.isFinite(found[at]), `${message}: ${found[at]} is not finite`);
    const far = Math.abs(found[at] - value);
    assert(
      far <= 1e-6 * Math.max(Math.abs(value), Math.min(largest, 1)),
      `${message}: at ${at} ${found[at]}, wanted ${value}`,
    );
  });
}
