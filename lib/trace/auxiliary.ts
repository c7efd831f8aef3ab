import {
  add,
  broadcast,
  concat,
  constant,
  div,
  greater,
  mul,
  select,
  slice,
  square,
  stopGradient,
  sub,
  sum,
} from "../ops/functions.ts";
import type { Value } from "../ops/value.ts";
import type { Expression, LevelSpec } from "../spec/spec.ts";
import { valuesOf } from "../graph/graph.ts";
import { inOrder } from "../graph/walk.ts";
import { used } from "./capacity.ts";
import { lossesOf, type Routing, routingNames, startOf } from "../spec/routing.ts";

/** The results of a level's gates, by stream and by the names within a gate; none of a gate over a single expert. */
export type GateResults = Readonly<Record<string, Readonly<Record<string, Value>>>>;

/**
 * Returns the losses of a level's gates and banks over a batch, `[]` each, by `experts/<bank>/<name>` and
 * `gates/<stream>/<name>`.
 */
export function auxiliaryOf(level: LevelSpec, gates: GateResults, training: boolean): Record<string, Value> {
  const penalties: Record<string, Value> = {};
  for (const [bank, { losses = {} }] of Object.entries(level.experts)) {
    const routing = Object.keys(losses).length > 0 ? routingOf(level, bank, gates) : undefined;
    if (routing === undefined) continue;
    for (const [name, loss] of Object.entries(losses)) {
      penalties[`experts/${bank}/${name}`] = outputOf(loss, routing, training);
    }
  }
  for (const [stream, results] of Object.entries(gates)) {
    for (const [name, loss] of Object.entries(lossesOf(results))) {
      penalties[`gates/${stream}/${name}`] = loss.shape.length > 0 ? meanOfRows(loss) : loss;
    }
  }
  return penalties;
}

/**
 * Returns the weighted squared distances between the parameters of banks that are held together, `[]` each, by
 * `experts/<bank>/near/<other>`.
 *
 * @param experts The outputs of each bank's experts; the names of their parameters begin with `<path>/<bank>/`.
 */
export function distancesOf(
  level: LevelSpec,
  path: string,
  experts: Readonly<Record<string, readonly Value[]>>,
): Record<string, Value> {
  const distances: Record<string, Value> = {};
  for (const [bank, { ties = bank, near = {} }] of Object.entries(level.experts)) {
    for (const [other, weight] of Object.entries(near)) {
      const [own, theirs] = [`${path}/${ties}/`, `${path}/${level.experts[other].ties ?? other}/`];
      const fellows = parametersUnder(theirs, experts[other]);
      const terms = [...parametersUnder(own, experts[bank])].flatMap(([name, value]) => {
        const fellow = fellows.get(name);
        if (fellow === undefined) return []; // it is needed in the other phase alone
        return [sum(square(sub(value, fellow)), { axes: value.shape.map((_, axis) => axis) })];
      });
      if (terms.length === 0) continue;
      distances[`experts/${bank}/near/${other}`] = mul(terms.reduce((total, term) => add(total, term)), weight);
    }
  }
  return distances;
}

/** Returns the parameters of values whose names begin with a prefix, by the rest of their names. */
function parametersUnder(prefix: string, values: readonly Value[]): Map<string, Value> {
  const parameters = new Map<string, Value>();
  for (const value of inOrder(values)) {
    const name = String(value.attrs.name);
    if (value.op === "parameter" && name.startsWith(prefix)) parameters.set(name.slice(prefix.length), value);
  }
  return parameters;
}

/**
 * Returns the numbers that a step adds to parameters of a level's gates, by the rules of their moves, by
 * `gates/<stream>/<parameter>`.
 * The routing of a bank is a mean over all gates that mix it, as for its losses.
 */
export function movesOf(level: LevelSpec, gates: GateResults, training: boolean): Record<string, Value> {
  const added: Record<string, Value> = {};
  for (const stream of Object.keys(gates)) {
    const { mix, moves = {} } = level.gates[stream];
    if (Object.keys(moves).length === 0) continue;
    const banks = mix.map((bank) => routingOf(level, bank, gates)!);
    const routing = mapped(banks[0], (_, name) => stopGradient(concat(banks.map((bank) => bank[name]))));
    for (const [parameter, rule] of Object.entries(moves)) {
      added[`gates/${stream}/${parameter}`] = outputOf(rule, routing, training);
    }
  }
  return added;
}

/** Returns the routing of a bank, `[experts]` each: means over the rows and gates; undefined if no gate weighs the bank. */
function routingOf(level: LevelSpec, bank: string, gates: GateResults): Routing | undefined {
  const { count } = level.experts[bank];
  const parts = Object.entries(gates).filter(([stream]) => level.gates[stream].mix.includes(bank)).map(
    ([stream, results]) => {
      const start = startOf(level, stream, bank);
      const { weights, scores = weights, load } = results;
      const routed = routedOf(weights);
      return mapped(
        { routed, scores, weights, load: load ?? routed },
        (value) => slice(meanOfRows(value), start, count),
      );
    },
  );
  if (parts.length === 0) return undefined;
  const total = parts.reduce((total, part) => mapped(total, (value, name) => add(value, part[name])));
  return parts.length === 1 ? total : mapped(total, (value) => div(value, parts.length));
}

/** Returns `1 / k` for each of the k experts that a row uses, those with a weight: `[batch, experts]`. */
function routedOf(weights: Value): Value {
  const uses = used(weights);
  const count = sum(uses, { keep: true }); // [batch, 1]
  return div(uses, select(greater(count, 0), count, 1));
}

/** Returns the mean over rows `[...]` of a value `[batch, ...]`. */
function meanOfRows(value: Value): Value {
  const rows = sum(broadcast(constant(1), ["batch"]), { axes: [0] }); // []
  return div(sum(value, { axes: [0] }), rows);
}

function mapped(routing: Routing, change: (value: Value, name: keyof Routing) => Value): Routing {
  return Object.fromEntries(routingNames.map((name) => [name, change(routing[name], name)])) as unknown as Routing;
}

/** Returns the result of an expression over a bank's routing. */
function outputOf(expression: Expression, routing: Routing, training: boolean): Value {
  return valuesOf(expression, ({ op, attrs }, of) => {
    if (op === "inTraining") return of[training ? 0 : 1];
    return op === "input" ? routing[attrs.name as keyof Routing] : undefined;
  }).outputs.output;
}
