import { type Issue, keyText, SpecError } from "../errors/issues.ts";
import { quoted } from "../errors/quoted.ts";
import { fieldsIn } from "../features/columns.ts";
import type { Features } from "../features/input.ts";
import { graphOf, valuesOf } from "../graph/graph.ts";
import { apply } from "../ops/table.ts";
import type { Field, Value } from "../ops/value.ts";
import { issuesOf } from "./check.ts";
import type { Expression, LevelSpec, Spec, TaskSpec } from "./spec.ts";

/**
 * Returns a spec whose features have other numbers of columns: expressions read the columns of each feature where they are
 * now, and tables of vectors have as many rows.
 *
 * @param features The features now, with those of the spec among them.
 * @throws {SpecError} naming the entry, if one reads columns of such a feature in any other way than by a table.
 */
export function grownSpec<Tasks extends string>(spec: Spec<Tasks>, features: Features): Spec<Tasks> {
  const now = { features };
  const issues: Issue[] = [];
  const moving = movingBetween(spec, now);
  const added = new Map(moving.get("input")!.map(({ name, blocks, before, now }) => [name, (now - before) / blocks]));
  const grown = (path: string, stream: string, expression: Expression): Expression => {
    const streams = moving.get(stream)!;
    try {
      return { ...expressionOf(expression, streams, added) };
    } catch (error) {
      const names = streams.flatMap(({ name, before, now }) =>
        before === now || name === undefined ? [] : [quoted(name)]
      );
      if (names.length === 0) throw error;
      const found = `it reads columns of ${names.join(", ")}, of which there are others now`;
      issues.push({ path, message: `${found}: only tables of vectors grow, such as embed() has` });
      return expression;
    }
  };
  const entries = <T, U>(record: Readonly<Record<string, T>>, change: (name: string, entry: T) => U) =>
    Object.fromEntries(Object.entries(record).map(([name, entry]) => [name, change(name, entry)]));
  const levels = spec.levels.map((level, at): LevelSpec => ({
    ...level,
    experts: entries(level.experts, (name, bank) => {
      return { ...bank, net: grown(`levels[${at}].experts${keyText(name)}.net`, bank.reads, bank.net) };
    }),
    gates: entries(level.gates, (name, gate) => {
      const path = `levels[${at}].gates${keyText(name)}.gate`;
      return { ...gate, gate: gate.gate && grown(path, gate.reads, gate.gate) };
    }),
  }));
  const tasks = entries<TaskSpec, TaskSpec>(spec.tasks, (name, task) => {
    const path = `tasks${keyText(name)}`;
    const { reads, of, tower, adds } = task;
    return {
      ...task,
      tower: of === undefined ? grown(`${path}.tower`, reads, tower) : tower,
      ...(adds && { adds: entries(adds, (stream, net) => grown(`${path}.adds${keyText(stream)}`, stream, net)) }),
    };
  });
  if (issues.length > 0) throw new SpecError("grow model", issues);
  const found = issuesOf({ ...spec, input: now, levels, tasks });
  if (found.spec === undefined) throw new SpecError("grow model", found.issues);
  return found.spec as Spec<Tasks>;
}

/** Some columns of a stream, before and after: in as many blocks as they have places. */
interface Moving {
  /** The feature whose columns they are, if there is one. */
  readonly name?: string;
  readonly blocks: number;
  readonly before: number;
  readonly now: number;
}

/** Returns the columns of each stream by its name. */
function movingBetween(spec: Spec, now: { readonly features: Features }): ReadonlyMap<string, readonly Moving[]> {
  const [before, after] = [fieldsIn(spec.input), fieldsIn(now)];
  const own = new Map(after()!.map((field) => [field.name, field]));
  const fields = (fields: readonly Field[]): readonly Moving[] =>
    fields.map(({ name, width, codes }) => ({
      name,
      blocks: codes?.items ?? 1,
      before: width,
      now: own.get(name)!.width,
    }));
  const found = new Map<string, readonly Moving[]>();
  found.set("input", inOrder(fields(before()!), after()!));
  for (const [name, part] of Object.entries(spec.streams ?? {})) found.set(name, fields(before(part)!));
  for (const level of spec.levels) {
    const outputs = new Map(
      Object.entries(level.experts).map(([name, { net, count }]) => [name, widthOf(net) * count]),
    );
    for (const [stream, { mix }] of Object.entries(level.gates)) {
      found.set(stream, fixed(widthOf(level.experts[mix[0]].net)));
    }
    const beside = Object.entries(level.beside ?? {}).map(([stream, parts]) =>
      [stream, parts.flatMap((part) => outputs.has(part) ? fixed(outputs.get(part)!) : found.get(part)!)] as const
    );
    for (const [stream, parts] of beside) found.set(stream, parts);
  }
  return found;
}

/** Returns columns that are the same before and after. */
function fixed(width: number): readonly Moving[] {
  return [{ blocks: 1, before: width, now: width }];
}

/** Returns columns in the order that features have now, with those of features that were not there. */
function inOrder(moving: readonly Moving[], now: readonly Field[]): readonly Moving[] {
  const known = new Map(moving.map((columns) => [columns.name, columns]));
  return now.map(({ name, width }) => known.get(name) ?? { name, blocks: 1, before: 0, now: width });
}

/** Returns the number of units that an expression yields. */
function widthOf(expression: Expression): number {
  return valuesOf(expression).outputs.output.shape[1] as number;
}

/** Returns an expression over a stream whose columns have moved. */
function expressionOf(
  expression: Expression,
  streams: readonly Moving[],
  added: ReadonlyMap<string | undefined, number>,
): Expression {
  const place = placeIn(streams);
  const width = streams.reduce((sum, { now }) => sum + now, 0);
  const { outputs } = valuesOf(expression, ({ op, attrs }, of): Value | undefined => {
    if (op === "input") return apply(op, of, { ...attrs, shape: ["batch", width] });
    if (op === "slice" && attrs.axis === 1 && of[0].op === "input") {
      const [start, size] = [attrs.start as number, attrs.size as number];
      return apply(op, of, { ...attrs, start: place(start), size: place(start + size, true) - place(start) });
    }
    if (op !== "parameter" || attrs.rows !== "looked up") return undefined;
    const [rows, units] = attrs.shape as number[];
    return apply(op, of, { ...attrs, shape: [rows + (added.get(attrs.feature as string) ?? 0), units] });
  });
  const { nodes, outputs: positions } = graphOf(outputs);
  return { nodes: nodes.map(({ op, of, attrs }) => ({ op, of, attrs })), outputs: positions };
}

/** Returns a function from a column, or the end of some, to where it is now; a new feature begins after such an end. */
function placeIn(streams: readonly Moving[]): (column: number, end?: boolean) => number {
  return (column, end = false) => {
    let [from, to] = [0, 0];
    for (const { blocks, before, now } of streams) {
      if (before > 0 && (column < from + before || end && column === from + before)) {
        const [block, inside] = [Math.floor((column - from) / (before / blocks)), (column - from) % (before / blocks)];
        return to + block * (now / blocks) + inside;
      }
      from += before;
      to += now;
    }
    return to;
  };
}
