import { type Graph, graphOf } from "../../graph/graph.ts";
import type { Tensor } from "../../ops/tensor.ts";
import type { Value } from "../../ops/value.ts";
import type { Engine, Program } from "../engine.ts";
import { reference } from "../reference/reference.ts";
import { flagged } from "./backend.ts";
import { inputsOfTrials, trials } from "./trials.ts";

/**
 * Compares the ops of an engine with the plain loops of the reference engine. Returns what the first that differs does, or
 * undefined if none does. An op that the engine refuses is left out: so it does with every model that has it.
 *
 * Every op has its first trial, and they have others in turn as long as there is time: webgl writes a new kernel for each.
 *
 * @param time The milliseconds after which no other trials begin.
 */
export async function faultOf(engine: Engine, time = 500): Promise<string | undefined> {
  const end = performance.now() + time;
  const all = Object.entries(trials).map(([op, values]) => [op, values()] as const);
  const most = Math.max(...all.map(([, values]) => values.length));
  for (let turn = 0; turn < most && (turn === 0 || performance.now() < end); turn++) {
    const having = all.filter(([, values]) => turn < values.length);
    // All begin at once, so that results are waited for together. Small arrays, which backends compute on the processor
    // if they may, go where large ones go.
    const begun = flagged(
      { WEBGPU_CPU_FORWARD: false, WEBGL_CPU_FORWARD: false },
      () => having.map(([, values]) => faultIn(values[turn], engine)),
    );
    const faults = await Promise.all(begun);
    const wrong = faults.findIndex((fault) => fault !== undefined);
    if (wrong >= 0) return `its ${having[wrong][0]} ${faults[wrong]}`;
  }
}

/** Returns what is wrong with a value, undefined if nothing is. Begins before it returns. */
async function faultIn(value: Value, engine: Engine): Promise<string | undefined> {
  const graph = graphOf({ value });
  const read = new Set(graph.nodes.map(({ attrs }) => attrs.name));
  const inputs = Object.fromEntries(Object.entries(inputsOfTrials).filter(([name]) => read.has(name)));
  try {
    const program = loaded(graph, engine);
    if (program === undefined) return undefined;
    const found = await program.run(inputs).finally(program.dispose);
    const wanted = await loaded(graph, reference())!.run(inputs);
    return difference(wanted.value, found.value);
  } catch (error) {
    return `fails: ${(error as Error).message}`;
  }
}

/** A graph on an engine; undefined if it has no kernel for one of the ops. */
function loaded(graph: Graph, engine: Engine): Program | undefined {
  try {
    return engine.load(graph, engine.store({}));
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

/** The most by which a result may be off, as a part of the right one: more than rounding to 16 bits is. */
const tolerance = 1e-3;

/** Numbers below are 0 on many backends. */
const least = 1e-30;

/** Returns the first number that differs, undefined if none does. */
function difference({ data: wanted }: Tensor, { data: found }: Tensor): string | undefined {
  const fits = (right: number, number: number) =>
    Object.is(right, number) || Math.abs(number - right) <= tolerance * Math.abs(right) + least;
  const at = wanted.findIndex((right, at) => !fits(right, found[at]));
  return at < 0
    ? undefined
    : `is ${Number(found[at].toPrecision(6))} where ${Number(wanted[at].toPrecision(6))} is right`;
}
