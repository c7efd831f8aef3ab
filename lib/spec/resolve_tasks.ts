import { type Issue, keyText } from "../errors/issues.ts";
import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import { groupsOf, heads } from "../heads/heads.ts";
import type { HeadKind, LossSpec } from "../heads/spec.ts";
import type { Draft, DraftTask, Read } from "./draft.ts";
import { ordered } from "./order.ts";
import {
  adviceOn,
  checkName,
  chosen,
  expressed,
  inputIsTaken,
  isAtLeast,
  present,
  readAt,
  readBy,
  report,
  type Resolving,
  type SizedExpression,
} from "./resolving.ts";
import type { Expression, TaskSpec } from "./spec.ts";

/** Resolves the tasks, each by itself and then those that need each other. */
export function resolveTasks<N, L>(at: Resolving<N, L>): Readonly<Record<string, TaskSpec>> {
  const tasks: Record<string, TaskSpec> = {};
  for (const [name, task] of Object.entries(at.draft.tasks)) {
    const spec = resolveTask(at, `tasks${keyText(name)}`, name, task);
    if (spec !== undefined) tasks[name] = spec;
  }
  checkCircles(at.issues, at.draft.tasks);
  if (Object.keys(at.draft.tasks).length === 0) report(at.issues, "tasks", "a model needs at least one task");
  return tasks;
}

function resolveTask<N, L>(at: Resolving<N, L>, path: string, name: string, task: DraftTask<N>): TaskSpec | undefined {
  const { draft, issues } = at;
  const { of, only, weight, head: { kind, units, loss, standardise } } = task;
  checkName(issues, path, name);
  if (name === "input") report(issues, path, inputIsTaken);
  if (!isAtLeast(0, weight)) {
    report(issues, `${path}.weight`, `the weight of a loss must be a number of at least 0, found ${weight}`);
  }
  const reads = of === undefined ? chosen(at, path, name, task.reads) : "input";
  const read = of === undefined ? readAt(at, reads) : logitsRead(issues, path, draft.tasks, task, of);
  const tower = expressed(at, path, task.tower, read);
  const net = expressed(at, `${path}.head`, task.head.net, tower && { width: tower.units });
  const adds = expressedAdds(at, `${path}.adds`, task);
  checkHead(issues, path, name, task, net);
  if (only !== undefined) checkYesNo(issues, `${path}.only`, draft.tasks, only);
  if (reads === undefined || tower === undefined || net === undefined) return undefined;
  const head = present({ kind, units, loss, standardise, net: net.expression });
  const stream = readBy(reads, tower.expression, net.expression);
  return present({ reads: stream, of, tower: tower.expression, head, adds, only, weight });
}

/** Returns the logits that a tower reads instead of a stream; undefined if some cannot be read. */
function logitsRead<N>(
  issues: Issue[],
  path: string,
  tasks: Draft<N, unknown>["tasks"],
  { head: { kind }, reads = "input" }: DraftTask<N>,
  of: readonly string[],
): Read | undefined {
  if (reads !== "input") report(issues, `${path}.reads`, "the tower reads the logits of other tasks: wanted no stream");
  if (!heads[kind].yesNo) return report(issues, `${path}.of`, `wanted a binary head, found a ${kind} one`);
  if (of.length === 0) return report(issues, `${path}.of`, "the logits of no task are read: wanted at least one");
  const known = of.filter((name, position) => checkYesNo(issues, `${path}.of[${position}]`, tasks, name));
  return known.length < of.length ? undefined : { width: of.length };
}

/** Makes sure that a name is that of a task whose labels are yes or no; returns true if it is. */
function checkYesNo<N>(issues: Issue[], path: string, tasks: Draft<N, unknown>["tasks"], name: string): boolean {
  if (!Object.hasOwn(tasks, name)) {
    report(issues, path, `no task is named ${quoted(name)}${adviceOn(issues, name, () => Object.keys(tasks))}`);
    return false;
  }
  const { kind } = tasks[name].head;
  if (!heads[kind].yesNo) report(issues, path, `task ${quoted(name)} has a ${kind} head: wanted a binary one`);
  return heads[kind].yesNo;
}

/** Returns the nets that add to the logits of a task, by the stream that each reads; undefined if there are none. */
function expressedAdds<N, L>(
  at: Resolving<N, L>,
  path: string,
  { adds = {}, head: { units } }: DraftTask<N>,
): Readonly<Record<string, Expression>> | undefined {
  const found: Record<string, Expression> = {};
  for (const [stream, entry] of Object.entries(adds)) {
    const where = path + keyText(stream);
    const net = expressed(at, where, entry, readAt(at, chosen(at, where, stream, stream)));
    if (net === undefined) continue;
    if (net.units !== units) {
      report(at.issues, where, `${units} logits are added to, found ${net.units}: wanted as many`);
    }
    found[stream] = net.expression;
  }
  return Object.keys(adds).length > 0 ? found : undefined;
}

/** Makes sure that a head has the number of logits that its kind needs, and a loss that can train it. */
function checkHead<N>(
  issues: Issue[],
  path: string,
  name: string,
  { head: { kind, units, loss, standardise } }: DraftTask<N>,
  net: SizedExpression | undefined,
): void {
  if (!heads[kind].units.fits(units)) {
    report(issues, `${path}.head`, `a ${kind} head has ${heads[kind].units.wanted} units, found ${units}`);
  } else if (net !== undefined && net.units !== units) {
    report(issues, `${path}.head`, `a ${kind} head needs ${units} logits, found ${net.units}`);
  }
  if (loss !== undefined) checkLoss(issues, `${path}.loss`, name, kind, loss);
  if (standardise !== undefined && kind !== "regression") {
    report(issues, `${path}.standardise`, `labels of a ${kind} head have no scale: wanted a regression`);
  }
}

/** Makes sure that a head can be trained by a loss. */
function checkLoss(issues: Issue[], path: string, task: string, kind: HeadKind, loss: LossSpec): void {
  const known = heads[kind].losses;
  if (!known.includes(loss.kind)) {
    const wanted = known.length === 0 ? ": it is trained by its own alone" : advice(loss.kind, known);
    report(issues, path, `a ${kind} head has no loss ${quoted(loss.kind)}${wanted}`);
  } else if (groupsOf({ loss }) === task) {
    report(issues, path, "a task cannot be ranked within its own labels: wanted another column");
  }
}

/** Makes sure that no task is made of itself, or is its own sample space, by way of others too. */
function checkCircles<N>(issues: Issue[], tasks: Draft<N, unknown>["tasks"]): void {
  const circlesOf = (key: "of" | "only") =>
    ordered(Object.keys(tasks), (name) => {
      return [tasks[name][key] ?? []].flat().filter((need) => Object.hasOwn(tasks, need));
    }).circles;
  for (const [task, need] of circlesOf("of")) {
    const message = `the logits of ${quoted(need)} are made of those of ${quoted(task)}: wanted no circle`;
    report(issues, `tasks${keyText(task)}.of`, message);
  }
  for (const [task, need] of circlesOf("only")) {
    const message = `${quoted(need)} counts only where ${quoted(task)} does: wanted no circle`;
    report(issues, `tasks${keyText(task)}.only`, message);
  }
}
