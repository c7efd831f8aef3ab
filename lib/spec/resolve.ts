import type { Issue } from "../errors/issues.ts";
import type { Draft, DraftLevel, Express, ExpressLoss } from "./draft.ts";
import { resolveBanks } from "./resolve_banks.ts";
import { resolveBeside } from "./resolve_beside.ts";
import { resolveGates } from "./resolve_gates.ts";
import { resolveTasks } from "./resolve_tasks.ts";
import { present, report, type Resolving, resolving } from "./resolving.ts";
import { type LevelSpec, type Spec, version } from "./spec.ts";
import { alive, hasParameters, misread, readParts, unread } from "./unread.ts";

/**
 * Returns the normal form of a table, or every issue if there are any: who reads which stream, which gates are
 * constant, and what nothing reads, so that it is not built.
 *
 * A reader takes the stream that it names, else the stream of its own name, else `shared`, else the input.
 */
export function resolve<N, L>(
  draft: Draft<N, L>,
  express: Express<N>,
  expressLoss: ExpressLoss<L>,
): { readonly spec?: Spec; readonly issues: readonly Issue[] } {
  const at = resolving(draft, express, expressLoss);
  const { issues } = at;
  const levels = draft.levels.map((level, number) => resolveLevel(at, `levels[${number}]`, level));
  const tasks = resolveTasks(at);
  if (issues.length > 0) return { issues };

  for (const issue of [...misread(levels, tasks), ...unread(levels, at.asked, tasks)]) issues.push(issue);
  const kept = alive(levels, tasks);
  const spec: Spec = present({
    gatehouse: version,
    input: draft.input,
    streams: readParts(draft.streams, kept, tasks),
    levels: kept,
    tasks,
  });
  if (!hasParameters(spec)) report(issues, "tasks", "nothing of the model has parameters: wanted something to learn");
  return issues.length > 0 ? { issues } : { spec, issues };
}

/** Resolves a level; what its gates write can be read by all that comes after. */
function resolveLevel<N, L>(at: Resolving<N, L>, path: string, level: DraftLevel<N, L>): LevelSpec {
  const banks = resolveBanks(at, path, level.experts);
  const { gates, written } = resolveGates(at, path, level.gates, banks);
  const joined = resolveBeside(at, path, level, banks);
  for (const [stream, width] of written) at.streams.set(stream, width === undefined ? undefined : { width });
  for (const [stream, read] of joined) at.streams.set(stream, read);
  return present({ experts: banks.experts, gates, beside: level.beside });
}
