import { checkFlag } from "../errors/kinds.ts";
import { check } from "../spec/check.ts";
import { add, concat, mul, reshape, sum } from "../ops/functions.ts";
import { predictedBy } from "../heads/heads.ts";
import { ordered } from "../spec/order.ts";
import { apply } from "../ops/table.ts";
import type { Value } from "../ops/value.ts";
import { columnsIn, cut } from "../features/columns.ts";
import { inputValues } from "../features/parts.ts";
import type { Expression, LevelSpec, Spec } from "../spec/spec.ts";
import { mapEntries } from "./entries.ts";
import { auxiliaryOf, distancesOf, type GateResults, movesOf } from "./auxiliary.ts";
import { withinCapacity } from "./capacity.ts";
import { valuesOf } from "../graph/graph.ts";

/** The values that a model computes over one batch. */
export interface Traced {
  /** Logits by task, `[batch, units]`. */
  readonly logits: Readonly<Record<string, Value>>;
  /** Predictions by task: probabilities `[batch]`, numbers `[batch]`, or class probabilities `[batch, classes]`. */
  readonly predictions: Readonly<Record<string, Value>>;
  /** The parts of the stream `input`, side by side: `[batch, width]` for numbers, and for each kind of features. */
  readonly parts: readonly Value[];
  /** Gate weights `[batch, experts]` by `level/stream`; in training 0 for rows that an expert has no room for. */
  readonly gates: Readonly<Record<string, Value>>;
  /** The outputs of the experts of a bank, `[batch, units]` each, by `level/bank`. */
  readonly experts: Readonly<Record<string, readonly Value[]>>;
  /** The share of a gate's uses that are dropped `[]`, by `level/stream`; in training, over banks with a capacity. */
  readonly dropped: Readonly<Record<string, Value>>;
  /**
   * Losses of gates and banks `[]`, by path: `levels/<level>/gates/<stream>/<name>` and
   * `levels/<level>/experts/<bank>/<name>`.
   */
  readonly auxiliary: Readonly<Record<string, Value>>;
  /** The changes of gate parameters that no gradient moves, which a training step adds, by the parameter's path. */
  readonly moves: Readonly<Record<string, Value>>;
}

/**
 * Returns the values of a spec: every expression is copied once for each expert, gate and tower, its parameters named by
 * their paths.
 *
 * @param training True for the training side of `inTraining`, and for banks with their capacity.
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
export function trace(given: Spec, training: boolean): Traced {
  const spec = check(given);
  checkFlag("trace model", "training", training);
  const copy: Copy = (entry, x, path) => instantiate(entry, x, path, training);
  const parts = inputValues(spec.input);
  const streams = inputStreams(spec, parts);
  const levels: TracedLevel[] = [];
  spec.levels.forEach((level, at) => {
    const traced = traceLevel(level, `levels/${at}`, streams, copy, training);
    for (const [stream, value] of Object.entries(traced.streams)) streams.set(stream, value);
    levels.push(traced);
  });
  const logits = traceTasks(spec, streams, copy);
  return {
    parts,
    logits,
    predictions: mapEntries(logits, (task, value) => predictedBy(spec.tasks[task].head, value)),
    gates: byLevel(levels.map(({ gates }) => gates)),
    experts: byLevel(levels.map(({ experts }) => experts)),
    dropped: byLevel(levels.map(({ dropped }) => dropped)),
    auxiliary: byLevel(levels.map(({ auxiliary }) => auxiliary), "levels/"),
    moves: byLevel(levels.map(({ moves }) => moves), "levels/"),
  };
}

/** Returns the copy of an expression at a path: its results by name. */
type Copy = (entry: Expression, x: Value, path: string) => Readonly<Record<string, Value>>;

/** Returns the streams before the first level, by name: `input`, and parts of it. */
function inputStreams({ input, streams = {} }: Spec, parts: readonly Value[]): Map<string, Value> {
  const columnsOf = columnsIn(input);
  const cuts = Object.entries(streams).map(([name, part]) => [name, cut(parts, columnsOf(part))] as const);
  return new Map([["input", concat(parts)], ...cuts]);
}

/** The values of a level, as {@linkcode Traced} has them for all; banks and streams by their names. */
interface TracedLevel extends Pick<Traced, "gates" | "experts" | "dropped" | "auxiliary" | "moves"> {
  /** The streams that the level writes, `[batch, units]`. */
  readonly streams: Readonly<Record<string, Value>>;
}

/** Returns the values of a level; it reads the streams written before it. */
function traceLevel(
  level: LevelSpec,
  path: string,
  streams: ReadonlyMap<string, Value>,
  copy: Copy,
  training: boolean,
): TracedLevel {
  const experts = traceExperts(level, `${path}/experts`, streams, copy);
  const results = traceGates(level, `${path}/gates`, streams, copy);
  const chosen = mapEntries(results, (_, { weights }) => weights);
  const { weights, dropped } = training ? withinCapacity(level, chosen) : { weights: chosen, dropped: {} };
  return {
    experts,
    gates: weights,
    streams: {
      ...mapEntries(level.gates, (stream, { mix, gate }) => {
        const mixed = mix.flatMap((bank) => experts[bank]);
        return gate === null ? mixed[0] : combine(weights[stream], mixed);
      }),
      ...mapEntries(
        level.beside ?? {},
        (_, parts) =>
          concat(parts.flatMap((name) => Object.hasOwn(experts, name) ? experts[name] : [streams.get(name)!])),
      ),
    },
    dropped,
    auxiliary: { ...distancesOf(level, `${path}/experts`, experts), ...auxiliaryOf(level, results, training) },
    moves: movesOf(level, results, training),
  };
}

/** Returns the outputs of a level's experts, `[batch, units]` each, by bank. */
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

/** Returns the results of a level's gates by stream; none of a gate over a single expert, which has weight 1. */
function traceGates(
  { gates }: LevelSpec,
  path: string,
  streams: ReadonlyMap<string, Value>,
  copy: Copy,
): GateResults {
  return Object.fromEntries(
    Object.entries(gates).flatMap(([stream, { reads, gate }]) =>
      gate === null ? [] : [[stream, copy(gate, streams.get(reads)!, `${path}/${stream}`)]]
    ),
  );
}

/** Returns `h = sum_e G[:, e] f_e` `[batch, units]` of weights `[batch, experts]` and experts `[batch, units]`. */
function combine(weights: Value, experts: readonly Value[]): Value {
  const units = experts[0].shape[1];
  const stacked = reshape(concat(experts), ["batch", experts.length, units]); // [batch, experts, units]
  const factors = reshape(weights, ["batch", experts.length, 1]); // [batch, experts, 1]
  return sum(mul(stacked, factors), { axes: [1] });
}

/** Returns the logits by task, `[batch, units]`; a task that is made of others comes after them. */
function traceTasks({ tasks }: Spec, streams: ReadonlyMap<string, Value>, copy: Copy): Record<string, Value> {
  const logits = new Map<string, Value>();
  for (const task of ordered(Object.keys(tasks), (name) => tasks[name].of ?? []).order) {
    const { reads, of, tower, head, adds = {} } = tasks[task];
    const x = of === undefined ? streams.get(reads)! : concat(of.map((name) => logits.get(name)!));
    const { output: top } = copy(tower, x, `tasks/${task}/tower`);
    const added = Object.entries(adds).map(([stream, net]) =>
      copy(net, streams.get(stream)!, `tasks/${task}/adds/${stream}`).output
    );
    const own = copy(head.net, top, `tasks/${task}/head`).output;
    logits.set(task, added.reduce((sum, term) => add(sum, term), own));
  }
  return mapEntries(tasks, (task) => logits.get(task)!);
}

/** Returns the entries of all levels in one record, by `<prefix><level>/<key>`. */
function byLevel<V>(levels: readonly Readonly<Record<string, V>>[], prefix = ""): Record<string, V> {
  return Object.fromEntries(
    levels.flatMap((values, at) => Object.entries(values).map(([key, value]) => [`${prefix}${at}/${key}`, value])),
  );
}

/** Returns a copy of an expression: its input replaced, its parameters and noise named by their place in the model. */
function instantiate(entry: Expression, x: Value, path: string, training: boolean): Record<string, Value> {
  return valuesOf(entry, ({ op, attrs }, of) => {
    if (op === "input") return x;
    if (op === "inTraining") return of[training ? 0 : 1];
    if (op !== "parameter" && op !== "noise") return undefined;
    return apply(op, [], { ...attrs, name: `${path}/${attrs.name}` });
  }).outputs;
}
