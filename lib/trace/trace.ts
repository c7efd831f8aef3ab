import { add, concat, mul, reshape, sum } from "../ops/functions.ts";
import { heads } from "../heads/heads.ts";
import { ordered } from "../spec/order.ts";
import { apply } from "../ops/table.ts";
import type { Value } from "../ops/value.ts";
import { columnsOf, cut } from "../features/columns.ts";
import { inputValues } from "../features/parts.ts";
import type { Expression, LevelSpec, Spec } from "../spec/spec.ts";
import { mapEntries } from "./entries.ts";
import { auxiliaryOf, distancesOf, movesOf } from "./auxiliary.ts";
import { withinCapacity } from "./capacity.ts";
import { valuesOf } from "../graph/graph.ts";

/** The values that a model computes over one batch. */
export interface Traced {
  /** Logits by task, `[batch, units]`. */
  readonly logits: Readonly<Record<string, Value>>;
  /** Predictions by task: probabilities `[batch]`, numbers `[batch]`, or class probabilities `[batch, classes]`. */
  readonly predictions: Readonly<Record<string, Value>>;
  /** Gate weights `[batch, experts]` by `level/stream`; in training 0 for rows that an expert has no room for. */
  readonly gates: Readonly<Record<string, Value>>;
  /** The outputs of the experts of a bank, `[batch, units]` each, by `level/bank`. */
  readonly experts: Readonly<Record<string, readonly Value[]>>;
  /** The share of a gate's uses that are dropped `[]`, by `level/stream`; in training, over banks with a capacity. */
  readonly dropped: Readonly<Record<string, Value>>;
  /** Losses of gates and banks `[]`, by path: `levels/<level>/gates/<stream>/<name>`, `levels/<level>/experts/<bank>/<name>`. */
  readonly auxiliary: Readonly<Record<string, Value>>;
  /** The changes of gate parameters that no gradient moves, which a training step adds, by the parameter's path. */
  readonly moves: Readonly<Record<string, Value>>;
}

/**
 * Spec to values: every expression is copied once for each expert, gate and tower, its parameters named by their paths.
 *
 * @param training Which side of `inTraining` is taken, and whether banks have their capacity.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, categorical, define, dense, mmoe } from "@gatehouse/gatehouse";
 * import { trace } from "@gatehouse/gatehouse/graph";
 *
 * const tasks = { click: binary(), kind: categorical(4) };
 * const { logits, predictions, gates } = trace(define(mmoe({ input: 5, experts: 3, expert: dense(2), tasks })), false);
 * assertEquals([logits.click.shape, logits.kind.shape], [["batch", 1], ["batch", 4]]);
 * assertEquals([predictions.click.op, predictions.kind.op], ["sigmoid", "softmax"]);
 * assertEquals(gates["0/kind"].shape, ["batch", 3]);
 * ```
 */
export function trace(spec: Spec, training: boolean): Traced {
  const parts = inputValues(spec.input);
  const streams = new Map<string, Value>([["input", concat(parts)]]);
  for (const [name, part] of Object.entries(spec.streams ?? {})) {
    streams.set(name, cut(parts, columnsOf(spec.input, part)));
  }
  const gates: Record<string, Value> = {};
  const banks: Record<string, readonly Value[]> = {};
  const dropped: Record<string, Value> = {};
  const auxiliary: Record<string, Value> = {};
  const moves: Record<string, Value> = {};
  const copy: Copy = (entry, x, path) => instantiate(entry, x, path, training);
  spec.levels.forEach((level, at) => {
    const experts = traceExperts(level, `levels/${at}/experts`, streams, copy);
    for (const [bank, values] of Object.entries(experts)) banks[`${at}/${bank}`] = values;
    const results: Record<string, Readonly<Record<string, Value>>> = {};
    for (const [stream, { reads, gate }] of Object.entries(level.gates)) {
      if (gate !== null) results[stream] = copy(gate, streams.get(reads)!, `levels/${at}/gates/${stream}`);
    }
    const chosen = mapEntries(results, (_, { weights }) => weights);
    const { weights, dropped: shares } = training ? withinCapacity(level, chosen) : { weights: chosen, dropped: {} };
    const written = Object.entries(level.gates).map(([stream, { mix, gate }]) => {
      const mixed = mix.flatMap((bank) => experts[bank]);
      if (gate === null) return [stream, mixed[0]] as const;
      gates[`${at}/${stream}`] = weights[stream];
      return [stream, combine(weights[stream], mixed)] as const;
    });
    for (const [stream, share] of Object.entries(shares)) dropped[`${at}/${stream}`] = share;
    const penalties = { ...distancesOf(level, `levels/${at}/experts`, experts), ...auxiliaryOf(level, results) };
    for (const [path, loss] of Object.entries(penalties)) auxiliary[`levels/${at}/${path}`] = loss;
    for (const [path, move] of Object.entries(movesOf(level, results))) moves[`levels/${at}/${path}`] = move;
    for (const [stream, value] of written) streams.set(stream, value);
  });
  const found = new Map<string, Value>();
  for (const task of ordered(Object.keys(spec.tasks), (name) => spec.tasks[name].of ?? []).order) {
    const { reads, of, tower, head, adds = {} } = spec.tasks[task];
    const x = of === undefined ? streams.get(reads)! : concat(of.map((name) => found.get(name)!));
    const { output: top } = copy(tower, x, `tasks/${task}/tower`);
    const added = Object.entries(adds).map(([stream, net]) =>
      copy(net, streams.get(stream)!, `tasks/${task}/adds/${stream}`).output
    );
    found.set(
      task,
      added.reduce((logits, more) => add(logits, more), copy(head.net, top, `tasks/${task}/head`).output),
    );
  }
  const logits = mapEntries(spec.tasks, (task) => found.get(task)!);
  const predictions = mapEntries(logits, (task, value) => heads[spec.tasks[task].head.kind].predicted(value));
  return { logits, predictions, gates, experts: banks, dropped, auxiliary, moves };
}

/** `h = sum_e G[:, e] f_e`: weights `[batch, experts]` and experts `[batch, units]` to `[batch, units]`. */
function combine(weights: Value, experts: readonly Value[]): Value {
  const units = experts[0].shape[1];
  const stacked = reshape(concat(experts), ["batch", experts.length, units]); // [batch, experts, units]
  const factors = reshape(weights, ["batch", experts.length, 1]); // [batch, experts, 1]
  return sum(mul(stacked, factors), { axes: [1] });
}

function traceExperts(
  level: LevelSpec,
  path: string,
  streams: ReadonlyMap<string, Value>,
  copy: Copy,
): Record<string, Value[]> {
  return mapEntries(level.experts, (name, { reads, count, ties = name, net }) => {
    const x = streams.get(reads)!;
    return Array.from({ length: count }, (_, expert) => copy(net, x, `${path}/${ties}/${expert}`).output);
  });
}

/** The results of an expression's copy at a path, by name. */
type Copy = (entry: Expression, x: Value, path: string) => Readonly<Record<string, Value>>;

/** One copy of an expression: its input replaced, its parameters and noise named by their place in the model. */
function instantiate(entry: Expression, x: Value, path: string, training: boolean): Record<string, Value> {
  return valuesOf(entry, ({ op, attrs }, of) => {
    if (op === "input") return x;
    if (op === "inTraining") return of[training ? 0 : 1];
    if (op !== "parameter" && op !== "noise") return undefined;
    return apply(op, [], { ...attrs, name: `${path}/${attrs.name}` });
  }).outputs;
}
