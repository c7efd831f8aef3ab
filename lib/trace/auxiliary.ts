import {
  add,
  broadcast,
  concat,
  constant,
  div,
  equal,
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
import type { LevelSpec } from "../spec/spec.ts";
import { valuesOf } from "../graph/graph.ts";
import { inOrder } from "../graph/walk.ts";
import { lossesOf, type Routing, routingNames, startOf } from "../spec/routing.ts";

/**
 * The losses of a level's gates and banks over a batch, `[]` each: `experts/<bank>/<name>` and `gates/<stream>/<name>`.
 *
 * @param gates What the copies of the gates' expressions yield, by stream; none where a single expert has weight 1.
 */
export function auxiliaryOf(
  level: LevelSpec,
  gates: Readonly<Record<string, Readonly<Record<string, Value>>>>,
): Record<string, Value> {
  const found: Record<string, Value> = {};
  for (const [bank, { losses = {} }] of Object.entries(level.experts)) {
    const routing = Object.keys(losses).length > 0 ? routingOf(level, bank, gates) : undefined;
    if (routing === undefined) continue;
    for (const [name, loss] of Object.entries(losses)) {
      const { output } = valuesOf(loss, ({ op, attrs }) =>
        op === "input" ? routing[attrs.name as keyof Routing] : undefined).outputs;
      found[`experts/${bank}/${name}`] = output;
    }
  }
  for (const [stream, results] of Object.entries(gates)) {
    for (const [name, loss] of Object.entries(lossesOf(results))) {
      found[`gates/${stream}/${name}`] = loss.shape.length > 0 ? meanOfRows(loss) : loss;
    }
  }
  return found;
}

/**
 * The weighted squared distances between the parameters of banks that are held together, `[]` each:
 * `experts/<bank>/near/<other>`.
 *
 * @param experts What the experts of each bank yield; the names of their parameters begin with `<path>/<bank>/`.
 */
export function distancesOf(
  level: LevelSpec,
  path: string,
  experts: Readonly<Record<string, readonly Value[]>>,
): Record<string, Value> {
  const found: Record<string, Value> = {};
  for (const [bank, { ties = bank, near = {} }] of Object.entries(level.experts)) {
    for (const [other, weight] of Object.entries(near)) {
      const [own, theirs] = [`${path}/${ties}/`, `${path}/${level.experts[other].ties ?? other}/`];
      const fellows = parametersUnder(theirs, experts[other]);
      const terms = [...parametersUnder(own, experts[bank])].flatMap(([name, value]) => {
        const fellow = fellows.get(name); // none if it is needed in the other phase alone
        return fellow === undefined
          ? []
          : [sum(square(sub(value, fellow)), { axes: value.shape.map((_, axis) => axis) })];
      });
      if (terms.length === 0) continue;
      found[`experts/${bank}/near/${other}`] = mul(terms.reduce((total, term) => add(total, term)), weight);
    }
  }
  return found;
}

/** The parameters of values whose names begin alike, by the rest of their names. */
function parametersUnder(prefix: string, values: readonly Value[]): Map<string, Value> {
  const found = new Map<string, Value>();
  for (const value of inOrder(values)) {
    const name = String(value.attrs.name);
    if (value.op === "parameter" && name.startsWith(prefix)) found.set(name.slice(prefix.length), value);
  }
  return found;
}

/**
 * Returns what a step adds to parameters of a level's gates, by the rules of their moves: `gates/<stream>/<parameter>`.
 * What is known of a bank is a mean over all gates that mix it, as for its losses.
 */
export function movesOf(
  level: LevelSpec,
  gates: Readonly<Record<string, Readonly<Record<string, Value>>>>,
): Record<string, Value> {
  const found: Record<string, Value> = {};
  for (const stream of Object.keys(gates)) {
    const { mix, moves = {} } = level.gates[stream];
    if (Object.keys(moves).length === 0) continue;
    const banks = mix.map((bank) => routingOf(level, bank, gates)!);
    const routing = mapped(banks[0], (_, name) => stopGradient(concat(banks.map((bank) => bank[name]))));
    for (const [parameter, rule] of Object.entries(moves)) {
      found[`gates/${stream}/${parameter}`] = valuesOf(rule, ({ op, attrs }) =>
        op === "input" ? routing[attrs.name as keyof Routing] : undefined).outputs.output;
    }
  }
  return found;
}

/** Means over the rows of a batch and the gates over a bank; undefined where no gate weighs the bank. */
function routingOf(
  level: LevelSpec,
  bank: string,
  gates: Readonly<Record<string, Readonly<Record<string, Value>>>>,
): Routing | undefined {
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

/** `1 / k` for each of the k experts that a row uses, `[batch, experts]`: those whose weight is not 0. */
function routedOf(weights: Value): Value {
  const used = sub(1, equal(weights, 0));
  const count = sum(used, { keep: true });
  return div(used, select(greater(count, 0), count, 1));
}

/** `[batch, ...]` to `[...]`. */
function meanOfRows(value: Value): Value {
  const rows = sum(broadcast(constant(1), ["batch"]), { axes: [0] });
  return div(sum(value, { axes: [0] }), rows);
}

function mapped(routing: Routing, change: (value: Value, name: keyof Routing) => Value): Routing {
  return Object.fromEntries(routingNames.map((name) => [name, change(routing[name], name)])) as unknown as Routing;
}
