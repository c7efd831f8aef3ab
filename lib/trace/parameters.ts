import { check } from "../spec/check.ts";
import { inOrder } from "../graph/walk.ts";
import type { Parameter } from "../graph/layout.ts";
import { partsOf } from "../features/parts.ts";
import { reservedRows } from "./reserved.ts";
import type { Init } from "../ops/init.ts";
import type { Spec } from "../spec/spec.ts";
import { trace, type Traced } from "./trace.ts";

/**
 * Returns the parameters of a model: level by level from the input up, experts before gates, then task by task.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, define, dense } from "@gatehouse/gatehouse";
 * import { parametersOf } from "@gatehouse/gatehouse/graph";
 *
 * const spec = define({ input: 5, tasks: { click: binary(dense(3)) } });
 * assertEquals(parametersOf(spec).map(({ path }) => path), [
 *   "tasks/click/tower/0/kernel",
 *   "tasks/click/tower/0/bias",
 *   "tasks/click/head/0/kernel",
 *   "tasks/click/head/0/bias",
 * ]);
 * ```
 */
export function parametersOf(given: Spec): Parameter[] {
  const spec = check(given);
  return parametersIn(spec, [trace(spec, true), trace(spec, false)]);
}

/** Returns the parameters of the values of all phases, in the order of the model. */
export function parametersIn({ input }: Spec, phases: readonly Traced[]): Parameter[] {
  const reserved = partsOf(input).map((part) => part.reserved);
  const parts = phases.flatMap((phase) => phase.parts.map((part, at) => [part, reserved[at]] as const));
  const sections = new Map<number, Map<string, Parameter>>();
  const results = (["logits", "gates", "auxiliary"] as const).flatMap((part) =>
    phases.flatMap((phase) => Object.values(phase[part]))
  );
  const values = inOrder(results);
  const rows = reservedRows(values, new Map(parts));
  for (const value of values) {
    if (value.op !== "parameter") continue;
    const { name, shape, init, feature } = value.attrs as unknown as Settings;
    const section = sectionOf(name);
    if (!sections.has(section)) sections.set(section, new Map());
    const zeros = rows.get(name);
    sections.get(section)!.set(name, { path: name, shape, init, ...(zeros && { zeros }), ...(feature && { feature }) });
  }
  const inModel = [...sections.keys()].sort((a, b) => a - b);
  return inModel.flatMap((section) => [...sections.get(section)!.values()]);
}

/** The settings of a parameter that a model reads. */
interface Settings {
  readonly name: string;
  readonly shape: number[];
  readonly init: Init;
  readonly feature?: string;
}

/** Returns the number of a parameter's part of the model: experts before gates, level by level, then the tasks. */
function sectionOf(path: string): number {
  const [part, at, kind] = path.split("/");
  return part === "tasks" ? Infinity : Number(at) * 2 + (kind === "gates" ? 1 : 0);
}
