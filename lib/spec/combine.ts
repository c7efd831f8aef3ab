import { type Issue, keyText, SpecError } from "../errors/issues.ts";
import { graphOf, valuesOf } from "../graph/graph.ts";
import { add, mul } from "../ops/functions.ts";
import { apply } from "../ops/table.ts";
import type { Value } from "../ops/value.ts";
import { issuesOf } from "./check.ts";
import { present } from "./resolving.ts";
import type { Expression, LevelSpec, Spec, TaskSpec } from "./spec.ts";
import { alive } from "./unread.ts";

/** One spec that several are parts of, and the places that their parameters have in it. */
export interface Combined<Tasks extends string = string> {
  readonly spec: Spec<Tasks>;
  /** The path and the number of the part that each parameter of the one spec has in its own, by its path there. */
  readonly from: ReadonlyMap<string, { readonly part: number; readonly path: string }>;
}

/** The parameters of the one spec, by path, as they are found. */
type From = Map<string, { readonly part: number; readonly path: string }>;

/**
 * Returns one spec that computes several side by side: the logits of a task are the sum of theirs, each times its weight.
 *
 * Banks and streams of part 2 are named `shared@2`. The tower and the head of a task are those of its first part; those of
 * others add to the logits. What only a weight of 0 would read is left out. A task that is made of the logits of others,
 * such as a product, is made of their sums.
 *
 * @param specs Specs of one input and the same tasks.
 * @param weights The weights of each task, one a spec.
 * @param action The action, for errors.
 * @throws {SpecError} if they cannot be combined.
 */
export function combinedSpec<Tasks extends string>(
  specs: readonly Spec<Tasks>[],
  weights: Readonly<Record<Tasks, readonly number[]>>,
  action: string,
): Combined<Tasks> {
  const [first] = specs;
  const from: From = new Map();
  const parts = specs.map((spec, part) => renamed(spec, part, from));
  const issues: Issue[] = [];
  const tasks = Object.fromEntries(
    Object.entries<TaskSpec>(first.tasks).map(([name, task]) => {
      if (task.of !== undefined) {
        issues.push(...ownRule(name, task, specs.map(({ tasks }) => tasks[name as Tasks])));
        return [name, task];
      }
      const terms = parts.flatMap((part, at) => termsOf(name, part, at, weights[name as Tasks][at]));
      return [name, combinedTask(name, task, terms, from)];
    }),
  );
  if (issues.length > 0) throw new SpecError(action, issues);
  const depth = Math.max(...specs.map(({ levels }) => levels.length));
  const levels = Array.from({ length: depth }, (_, at) => sideBySide(parts.flatMap(({ levels }) => levels[at] ?? [])));
  const streams = Object.assign({}, ...specs.map(({ streams }) => streams));
  const found = issuesOf(present({
    ...first,
    streams: Object.keys(streams).length === 0 ? undefined : streams,
    levels: alive(levels, tasks),
    tasks,
  }));
  if (found.spec === undefined) throw new SpecError(action, found.issues);
  return { spec: found.spec as Spec<Tasks>, from };
}

/** Returns true if two tasks are made of logits of the same others by the same rule, without parameters. */
function isSameRule(one: TaskSpec, other: TaskSpec): boolean {
  const [rule, same] = [one, other].map(({ of, tower, head, adds }) => JSON.stringify([of, tower, head.net, adds]));
  return rule === same && one.adds === undefined &&
    parameterNames(one.tower).length + parameterNames(one.head.net).length === 0;
}

/**
 * Makes sure that a spec can be a part of a combined one.
 *
 * @throws {SpecError} if a task reads logits of others by parameters of its own.
 */
export function checkCombined({ tasks }: Spec, action: string): void {
  const issues = Object.entries(tasks).flatMap(([name, task]) => ownRule(name, task, [task]));
  if (issues.length > 0) throw new SpecError(action, issues);
}

/** Returns the issue of a task that reads logits of others, and is not made of them alone by one rule; none of others. */
function ownRule(name: string, task: TaskSpec, all: readonly TaskSpec[]): Issue[] {
  if (task.of === undefined || all.every((one) => isSameRule(task, one))) return [];
  const message = "it reads logits of others with parameters of its own: wanted one that is made of them alone";
  return [{ path: `tasks${keyText(name)}.of`, message }];
}

/** A part, whose banks and streams have names of their own. */
interface RenamedPart {
  readonly levels: readonly LevelSpec[];
  readonly tasks: Readonly<Record<string, TaskSpec>>;
  /** Returns the name of a stream that tasks read. */
  readonly streamOf: (name: string) => string;
}

/** Returns a part whose banks and streams have names of their own; streams that are parts of the input keep theirs. */
function renamed({ levels, tasks }: Spec, part: number, from: From): RenamedPart {
  const own = (name: string) => `${name}@${part + 1}`;
  const written = new Set<string>();
  const streamOf = (name: string) => written.has(name) ? own(name) : name;
  const keys = <T>(record: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(Object.entries(record).map(([name, entry]) => [own(name), entry]));
  const changed = levels.map(({ experts, gates, beside }, at): LevelSpec => {
    const level = present({
      experts: keys(mapped(experts, ({ reads, ties, near, ...bank }) => {
        return present({ ...bank, reads: streamOf(reads), ties: ties && own(ties), near: near && keys(near) });
      })),
      gates: keys(mapped(gates, ({ reads, mix, ...gate }) => ({ ...gate, reads: streamOf(reads), mix: mix.map(own) }))),
      beside: beside && keys(mapped(beside, (names) => {
        return names.map((name) => Object.hasOwn(experts, name) ? own(name) : streamOf(name));
      })),
    });
    for (const [bank, { net }] of Object.entries(experts)) {
      for (let expert = 0; expert < experts[bank].count; expert++) {
        place(from, part, `levels/${at}/experts`, bank, own(bank), net, `/${expert}`);
      }
    }
    for (const [stream, { gate }] of Object.entries(gates)) {
      if (gate !== null) place(from, part, `levels/${at}/gates`, stream, own(stream), gate);
    }
    for (const name of [...Object.keys(gates), ...Object.keys(beside ?? {})]) written.add(name);
    return level;
  });
  return { levels: changed, tasks, streamOf };
}

/** Remembers the parameters of an entry that has another name. */
function place(from: From, part: number, under: string, old: string, now: string, net: Expression, of = ""): void {
  for (const name of parameterNames(net)) {
    from.set(`${under}/${now}${of}/${name}`, { part, path: `${under}/${old}${of}/${name}` });
  }
}

function parameterNames({ nodes }: Expression): string[] {
  return nodes.flatMap(({ op, attrs }) => op === "parameter" ? [attrs.name as string] : []);
}

/** Returns levels side by side. */
function sideBySide(levels: readonly LevelSpec[]): LevelSpec {
  const all = <T>(records: readonly (Readonly<Record<string, T>> | undefined)[]): Record<string, T> =>
    Object.assign({}, ...records);
  const beside = all(levels.map(({ beside }) => beside));
  return {
    experts: all(levels.map(({ experts }) => experts)),
    gates: all(levels.map(({ gates }) => gates)),
    ...Object.keys(beside).length > 0 && { beside },
  };
}

/** A term of the logits of a task: nets one after the other, each with the path of its parameters in the part. */
interface Term {
  readonly part: number;
  readonly stream: string;
  readonly weight: number;
  readonly nets: readonly (readonly [path: string, net: Expression])[];
}

/** Returns the terms that a part adds to the logits of a task, its tower and head first; none of a weight of 0. */
function termsOf(name: string, { tasks, streamOf }: RenamedPart, part: number, weight: number): Term[] {
  if (weight === 0) return [];
  const { reads, tower, head, adds = {} } = tasks[name];
  const top = [[`tasks/${name}/tower`, tower], [`tasks/${name}/head`, head.net]] as const;
  const added = Object.entries(adds).map(([stream, net]): Term => {
    return { part, weight, stream: streamOf(stream), nets: [[`tasks/${name}/adds/${stream}`, net]] };
  });
  return [{ part, weight, stream: streamOf(reads), nets: top }, ...added];
}

/** Returns a task whose logits are a sum of terms: the first one is its tower and head. */
function combinedTask(name: string, task: TaskSpec, [top, ...others]: readonly Term[], from: From): TaskSpec {
  const [[towerPath, tower], [headPath, head]] = top.nets;
  for (const [path, net] of [[towerPath, tower], [headPath, head]] as const) {
    for (const own of parameterNames(net)) from.set(`${path}/${own}`, { part: top.part, path: `${path}/${own}` });
  }
  const streams = [...new Set(others.map(({ stream }) => stream))];
  const adds = Object.fromEntries(streams.map((stream) => {
    return [stream, summed(`tasks/${name}/adds/${stream}`, others.filter((term) => term.stream === stream), from)];
  }));
  return present({
    ...task,
    reads: top.stream,
    tower,
    head: { ...task.head, net: expressionOf(times(valuesOf(head).outputs.output, top.weight)) },
    adds: streams.length > 0 ? adds : undefined,
  });
}

/** Returns the sum of terms that read one stream as a net, whose layers are numbered on from term to term. */
function summed(under: string, terms: readonly Term[], from: From): Expression {
  let end = 0;
  const values = terms.map(({ part, weight, nets }) => {
    const value = nets.reduce<Value | undefined>((x, [path, net]) => {
      const [start, own] = [end, new Set<string>()];
      const numbered = (name: string) => {
        const [, before, layer, after] = /^(noise\/)?(\d+)(.*)$/s.exec(name)!;
        end = Math.max(end, start + Number(layer) + 1);
        return `${before ?? ""}${start + Number(layer)}${after}`;
      };
      const { output } = valuesOf(net, ({ op, attrs }) => {
        if (op === "input") return x;
        if (op !== "parameter" && op !== "noise") return undefined;
        const name = numbered(attrs.name as string);
        if (op === "parameter" && !own.has(name)) from.set(`${under}/${name}`, { part, path: `${path}/${attrs.name}` });
        own.add(name);
        return apply(op, [], { ...attrs, name });
      }).outputs;
      return output;
    }, undefined);
    return times(value!, weight);
  });
  return expressionOf(values.reduce((sum, value) => add(sum, value)));
}

/** Returns a value times a weight; itself for 1. */
function times(value: Value, weight: number): Value {
  return weight === 1 ? value : mul(value, weight);
}

function expressionOf(output: Value): Expression {
  const { nodes, outputs } = graphOf({ output });
  return { nodes: nodes.map(({ op, of, attrs }) => ({ op, of, attrs })), outputs };
}

function mapped<T, U>(record: Readonly<Record<string, T>>, change: (entry: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([name, entry]) => [name, change(entry)]));
}
