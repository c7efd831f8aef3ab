import { assertEquals, assertStrictEquals } from "@std/assert";
import { architectures } from "./models.ts";
import {
  check,
  compile,
  describe,
  evaluate,
  gradNorm,
  type Model,
  pcgrad,
  reference,
  rows,
  type Spec,
  train,
  uncertainty,
  type Weighting,
} from "../mod.ts";
import { plan } from "../lib/graph.ts";

/** Returns how often a spec is traced while something runs: `trace` goes through the levels of a frozen spec once. */
async function tracesOf(spec: Spec, run: () => unknown): Promise<number> {
  const original = Array.prototype.forEach;
  let count = 0;
  Array.prototype.forEach = function (...args): void {
    if (this === spec.levels && /\bat trace \(/.test(new Error().stack!)) count++;
    return original.apply(this, args);
  };
  try {
    await run();
  } finally {
    Array.prototype.forEach = original;
  }
  return count;
}

const data = rows([[1, 2, 3, 4, 5], [5, 4, 3, 2, 1]], { labels: { income: [1, 0], marital: [0, 1] } });

async function trained(model: Model<"income" | "marital">, weighting?: Weighting): Promise<void> {
  for await (const _ of train(model, data, { steps: 2, weighting })) { /* no more than that */ }
}

Deno.test("plan() traces a spec once for each phase, and nothing traces it again", async () => {
  for (const name of ["mmoe", "ple", "noisy mmoe", "balanced mmoe", "l2-constrained"]) {
    const spec = architectures[name];
    const model = await compile(spec, { engine: reference() });
    const twice: Readonly<Record<string, () => unknown>> = {
      plan: () => plan(spec),
      describe: () => describe(spec),
      "describe on an engine": () => describe(spec, reference()),
      compile: async () => (await compile(spec, { engine: reference() })).dispose(),
    };
    for (const [what, run] of Object.entries(twice)) assertEquals(await tracesOf(spec, run), 2, `${what}: ${name}`);
    for (const weighting of [undefined, pcgrad(), gradNorm(), uncertainty()]) {
      const found = await tracesOf(spec, () => trained(model, weighting));
      assertEquals(found, 0, `train by ${weighting?.name ?? "static weights"}: ${name}`);
    }
    assertEquals(await tracesOf(spec, () => model.inspect(data)), 0, `inspect: ${name}`);
    assertEquals(await tracesOf(spec, () => evaluate(model, data)), 0, `evaluate: ${name}`);
    model.dispose();
  }
});

Deno.test("check() returns what define() returned, so that a spec is resolved once", () => {
  const spec: Spec = architectures.mmoe;
  assertStrictEquals(check(spec), spec);
  assertStrictEquals(plan(spec).spec, spec);
});

Deno.test("plan() holds what its parts are for: parameters of both phases, and where they lie", () => {
  const { parameters, layout } = plan(architectures.mmoe);
  assertEquals(layout.extents.map(({ path }) => path), parameters.map(({ path }) => path));
  assertEquals(layout.size, parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0));
});
