/**
 * Measures dense against sparse execution of experts behind top-k gates: milliseconds of a prediction and of a training
 * step. Both models of a row take turns, and the least time of each counts, so that other programs disturb little;
 * with `--busy` it is the time of all processors, which other programs do not add to (give `--threads 1` then).
 *
 * Arguments: `--engine onnx|wasm|cpu`, `--threads 2` for onnx, `--experts 8,64`, `--k 1,2`, `--tasks 1,2`, `--units 256`, `--input 512`,
 * `--batch 1024`, `--seconds 2` a cell, `--forced` to route whatever the engine's rules say.
 */
import { cpuUsage } from "node:process";
import {
  adam,
  bank,
  compile,
  cpu,
  define,
  dense,
  type Engine,
  level,
  mix,
  type Model,
  pipe,
  regression,
  relu,
  type Rows,
  type Spec,
  topK,
  train,
  wasm,
} from "../../mod.ts";
import { route, trace } from "../../lib/graph.ts";
import { onnx } from "../../lib/onnx.ts";
import { cautious, everything, type Rules } from "../../lib/graph/rules.ts";
import { fillNormal, random } from "../../lib/data/random.ts";

const engines: Readonly<Record<string, () => Promise<Engine>>> = {
  onnx: () => onnx({ threads: numbers("threads", String(navigator.hardwareConcurrency))[0] }),
  wasm,
  cpu,
};

if (import.meta.main) {
  const engine = await engines[word("engine", "onnx")]();
  console.log("engine experts units input batch k tasks: predict dense, sparse, ratio; train dense, sparse, ratio");
  for (const experts of numbers("experts", "64")) {
    for (const k of numbers("k", "2").filter((k) => k < experts)) {
      for (const tasks of numbers("tasks", "1")) {
        for (const units of numbers("units", "256")) {
          for (const batch of numbers("batch", "1024")) {
            for (const input of numbers("input", "512")) {
              await compare(engine, { experts, k, tasks, units, input, batch }, numbers("seconds", "2")[0]);
            }
          }
        }
      }
    }
  }
}

/** A model of one bank whose gates, one a task, are top-k. */
export interface Size {
  /** The experts of the bank. */
  readonly experts: number;
  /** Those that a row's gate chooses. */
  readonly k: number;
  /** The tasks, each with a gate. */
  readonly tasks: number;
  /** The units of an expert, a dense layer with relu. */
  readonly units: number;
  /** The width of the input. */
  readonly input: number;
  /** The rows of a step. */
  readonly batch: number;
}

async function compare(engine: Engine, size: Size, seconds: number): Promise<void> {
  const { dense, sparse } = await modelsOf(engine, size, Deno.args.includes("--forced"));
  const models = [dense, sparse];
  const data = rowsOf(size);
  const predicted = await leastOf(models.map((model) => () => model.predict(data)), seconds);
  const steps = models.map((model) => {
    const running = train(model, data, { steps: 100_000, batch: size.batch, optimiser: adam() })
      [Symbol.asyncIterator]();
    return { step: () => running.next(), end: () => running.return?.(undefined as never) };
  });
  const trained = await leastOf(steps.map(({ step }) => step), seconds);
  for (const { end } of steps) await end();
  models.forEach((model) => model.dispose());
  const { experts, units, input, batch, k, tasks } = size;
  const cells = [predicted, trained].map(([dense, sparse]) =>
    `${dense.toFixed(2)} ${sparse.toFixed(2)} ${(dense / sparse).toFixed(2)}`
  );
  console.log(`${engine.name} ${experts} ${units} ${input} ${batch} ${k} ${tasks}: ${cells.join("; ")}`);
}

/** The model with all experts computed, and with the chosen ones alone: by the engine's rules, or whatever they say. */
export async function modelsOf(engine: Engine, size: Size, forced: boolean): Promise<{ dense: Model; sparse: Model }> {
  const rules = (routeFrom: Rules["routeFrom"]) => ({ ...cautious, ...engine.rules, routeFrom });
  const dense = await modelOf({ ...engine, rules: rules(cautious.routeFrom) }, size);
  const sparse = await modelOf(forced ? { ...engine, rules: rules(everything.routeFrom) } : engine, size);
  return { dense, sparse };
}

/** Returns true if rules have the chosen experts computed alone. */
export function routes(size: Size, rules: Rules = cautious): boolean {
  return route(trace(specOf(size), true).logits, rules.routeFrom).stacks.length > 0;
}

async function modelOf(engine: Engine, size: Size): Promise<Model> {
  return await compile(specOf(size), { engine });
}

function specOf({ experts, k, tasks, units, input }: Size): Spec {
  const names = Array.from({ length: tasks }, (_, task) => `task${task}`);
  const shared = bank(experts, pipe(dense(units), relu));
  const gates = Object.fromEntries(
    names.map((name) => [name, mix("shared", topK(k))]),
  );
  return define({
    input,
    levels: [level({ shared }, gates)],
    tasks: Object.fromEntries(names.map((name) => [name, regression()])),
  });
}

/** Normal numbers. */
export function rowsOf({ batch, input, tasks }: Size): Rows {
  const values = fillNormal(new Float32Array(batch * input), random("rows"));
  const labels = Object.fromEntries(
    Array.from({ length: tasks }, (_, task) => [`task${task}`, values.slice(task * batch, (task + 1) * batch)]),
  );
  return { count: batch, inputs: { input: values }, labels } as Rows;
}

/** The least milliseconds of each of some actions, which take turns. */
async function leastOf(actions: readonly (() => Promise<unknown>)[], seconds: number): Promise<number[]> {
  const least = actions.map(() => Infinity);
  for (const action of actions) await action();
  for (let round = 0, start = performance.now(); round < 3 || performance.now() - start < seconds * 1000; round++) {
    for (const [at, action] of actions.entries()) {
      const before = clock();
      await action();
      least[at] = Math.min(least[at], clock() - before);
    }
  }
  return least;
}

/** Milliseconds of the clock, or of all processors. */
function clock(): number {
  if (!Deno.args.includes("--busy")) return performance.now();
  const { user, system } = cpuUsage();
  return (user + system) / 1000;
}

function word(name: string, fallback: string): string {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? fallback : Deno.args[at + 1];
}

function numbers(name: string, fallback: string): number[] {
  return word(name, fallback).split(",").map(Number);
}
