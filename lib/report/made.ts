import { gather, isSparse } from "../graph/gather.ts";
import { valuesOf } from "../graph/graph.ts";
import { inOrder } from "../graph/walk.ts";
import { columnsIn, cut } from "../features/columns.ts";
import { concat } from "../ops/functions.ts";
import type { Value } from "../ops/value.ts";
import type { Expression, Spec } from "../spec/spec.ts";
import type { Plan } from "../trace/plan.ts";

/**
 * Returns the entries of a model whose nets need one-hot columns of features themselves, so that these are made, however
 * many they are, from 32 for a feature on: nets that do anything with them but cut some out and multiply them with a table. Each with the op and
 * the number of columns: `levels/0/experts/crossed (mul of 14)`; an empty text if there are none.
 */
export function madeText({ spec, evaluation: { parts } }: Plan): string {
  const runsOf = columnsIn(spec.input);
  const named = Object.entries(spec.streams ?? {}).map(([name, part]) => [name, cut(parts, runsOf(part))] as const);
  const streams = new Map<string, Value>(
    Object.entries(gather(Object.fromEntries([["input", concat(parts)], ...named]), 1)),
  );
  const found = readersIn(spec).flatMap(([path, reads, net]) => {
    const x = streams.get(reads);
    const use = x === undefined || net === null || !isSparse(x) ? undefined : madeBy(net, x);
    return use === undefined ? [] : [`${path} (${use})`];
  });
  return found.slice(0, 8).join(", ") + (found.length > 8 ? ` and ${found.length - 8} more` : "");
}

/** Returns the first op of a net that is applied to one-hot columns, and the number of them. */
function madeBy(net: Expression, x: Value): string | undefined {
  const { outputs } = valuesOf(net, ({ op }) => op === "input" ? x : undefined);
  for (const { op, of, attrs } of inOrder(Object.values(gather(outputs, 1)))) {
    const made = op === "concat" && attrs.axis === 1 ? undefined : of.find((argument) => columnsOf(argument) > 0);
    if (made !== undefined) return `${op} of ${columnsOf(made)}`;
  }
  return undefined;
}

/** Returns the number of one-hot columns among those of a value, of codes that are many. */
function columnsOf(value: Value): number {
  if (value.op !== "multiHot") return isSparse(value) ? value.of.reduce((sum, part) => sum + columnsOf(part), 0) : 0;
  return (value.attrs.sizes as number[]).some((size) => size >= many) ? value.shape[1] as number : 0;
}

/** The codes of a feature from which on its columns cost more than to look up a row, about. */
const many = 32;

/** The nets and gates of a model with their paths and the streams that they read. */
function readersIn({ levels, tasks }: Spec): (readonly [path: string, reads: string, net: Expression | null])[] {
  return [
    ...levels.flatMap(({ experts, gates }, at) => [
      ...Object.entries(experts).map(([name, { reads, net }]) => [`levels/${at}/experts/${name}`, reads, net] as const),
      ...Object.entries(gates).map(([name, { reads, gate }]) => [`levels/${at}/gates/${name}`, reads, gate] as const),
    ]),
    ...Object.entries(tasks).flatMap(([task, { reads, of, tower, adds = {} }]) => [
      ...(of === undefined ? [[`tasks/${task}/tower`, reads, tower] as const] : []),
      ...Object.entries(adds).map(([stream, net]) => [`tasks/${task}/adds/${stream}`, stream, net] as const),
    ]),
  ];
}
