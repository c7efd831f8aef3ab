import { gather, isSparse } from "../graph/gather.ts";
import { valuesOf } from "../graph/graph.ts";
import { inOrder } from "../graph/walk.ts";
import { columnsIn, cut } from "../features/columns.ts";
import { concat } from "../ops/functions.ts";
import { apply } from "../ops/table.ts";
import type { Value } from "../ops/value.ts";
import type { Expression, LevelSpec, Spec } from "../spec/spec.ts";
import type { Plan } from "../trace/plan.ts";

/**
 * Returns the entries of a model whose nets need one-hot columns of features themselves, so that these are made, however
 * many they are, from 32 for a feature on: nets that do anything with them but cut some out and multiply them with a table. Each with the op and
 * the number of columns: `levels/0/experts/crossed (mul of 14)`; an empty text if there are none.
 */
export function madeText(plan: Plan): string {
  return usesText(plan, ([, , net], x) => madeBy(net, x));
}

/**
 * Returns the entries of a model that multiply one-hot columns of more than 1,000 words or buckets with parameters of their
 * own, which every training step moves as wholes, whatever ids a batch has; each with the number of these parameters:
 * `levels/0/experts/shared (2,560,000 parameters)`; an empty text if there are none.
 */
export function movedText(plan: Plan): string {
  return usesText(plan, ([, , net, count], x) => {
    const moved = count * movedBy(net, x);
    return moved === 0 ? undefined : `${moved.toLocaleString("en")} parameters`;
  });
}

/** Returns the entries that use one-hot columns in some way, each with the text of it. */
function usesText(
  { spec, evaluation: { parts } }: Plan,
  useOf: (reader: Reader, x: Value) => string | undefined,
): string {
  const runsOf = columnsIn(spec.input);
  const named = Object.entries(spec.streams ?? {}).map(([name, part]) => [name, cut(parts, runsOf(part))] as const);
  const streams = new Map<string, Value>(
    Object.entries(gather(Object.fromEntries([["input", concat(parts)], ...named]), 1)),
  );
  const usesIn = (readers: readonly Reader[]) =>
    readers.flatMap((reader) => {
      const [path, reads] = reader;
      const x = streams.get(reads);
      const use = x === undefined || !isSparse(x) ? undefined : useOf(reader, x);
      return use === undefined ? [] : [`${path} (${use})`];
    });
  const found = spec.levels.flatMap((level, at) => {
    const uses = usesIn(readersOf(level, at));
    for (const [stream, value] of writtenBy(level, streams)) streams.set(stream, value);
    return uses;
  });
  found.push(...usesIn(readersOfTasks(spec)));
  return found.slice(0, 8).join(", ") + (found.length > 8 ? ` and ${found.length - 8} more` : "");
}

/** Returns the streams that a level writes: what its banks make of theirs is any numbers. */
function writtenBy(
  { experts, gates, beside = {} }: LevelSpec,
  streams: ReadonlyMap<string, Value>,
): Map<string, Value> {
  const numbers = (bank: string, count: number) => {
    const units = valuesOf(experts[bank].net).outputs.output.shape[1] as number;
    return apply("input", [], { name: "numbers", shape: ["batch", count * units], type: "float" });
  };
  const partOf = (name: string) =>
    Object.hasOwn(experts, name) ? numbers(name, experts[name].count) : streams.get(name)!;
  return new Map([
    ...Object.entries(gates).map(([stream, { mix }]) => [stream, numbers(mix[0], 1)] as const),
    ...Object.entries(beside).map(([stream, parts]) => [stream, concat(parts.map(partOf))] as const),
  ]);
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

/** Returns the elements of the tables that a net multiplies with one-hot columns of large vocabularies. */
function movedBy(net: Expression, x: Value): number {
  const { outputs } = valuesOf(net, ({ op }) => op === "input" ? x : undefined);
  const tables = new Map<Value, number>();
  for (const { op, of: [rows], attrs } of inOrder(Object.values(gather(outputs, 1)))) {
    if (op !== "gatherSum") continue;
    const large = (attrs.sizes as number[]).filter((size) => size > mostColumns).reduce((sum, size) => sum + size, 0);
    const table = rows.op === "slice" ? rows.of[0] : rows;
    const isOwn = table.op === "parameter" && table.attrs.rows !== "looked up" && table.attrs.frozen !== true;
    if (large > 0 && isOwn) tables.set(rows, large * (rows.shape[1] as number));
  }
  return [...tables.values()].reduce((sum, size) => sum + size, 0);
}

/** The words of a feature above which its tables are better looked up, as presets have it. */
const mostColumns = 1000;

/** Returns the number of one-hot columns among those of a value, of codes that are many. */
function columnsOf(value: Value): number {
  if (value.op !== "multiHot") return isSparse(value) ? value.of.reduce((sum, part) => sum + columnsOf(part), 0) : 0;
  return (value.attrs.sizes as number[]).some((size) => size >= many) ? value.shape[1] as number : 0;
}

/** The codes of a feature from which on its columns cost more than to look up a row, about. */
const many = 32;

/** A net or a gate, its path, the stream that it reads, and the number of its copies. */
type Reader = readonly [path: string, reads: string, net: Expression, count: number];

function readersOf({ experts, gates }: LevelSpec, at: number): Reader[] {
  return [
    ...Object.entries(experts).map(([name, { reads, net, count }]): Reader => {
      return [`levels/${at}/experts/${name}`, reads, net, count];
    }),
    ...Object.entries(gates).flatMap(([name, { reads, gate }]): Reader[] => {
      return gate === null ? [] : [[`levels/${at}/gates/${name}`, reads, gate, 1]];
    }),
  ];
}

function readersOfTasks({ tasks }: Spec): Reader[] {
  return Object.entries(tasks).flatMap(([task, { reads, of, tower, head, adds = {} }]): Reader[] => [
    ...(of === undefined ? [[`tasks/${task}/tower`, reads, tower, 1] as const] : []),
    ...(of === undefined && isIdentity(tower) ? [[`tasks/${task}/head`, reads, head.net, 1] as const] : []),
    ...Object.entries(adds).map(([stream, net]): Reader => [`tasks/${task}/adds/${stream}`, stream, net, 1]),
  ]);
}

function isIdentity({ nodes }: Expression): boolean {
  return nodes.length === 1 && nodes[0].op === "input";
}
