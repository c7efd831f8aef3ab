import { type Issue, keyText } from "../errors/issues.ts";
import { quoted } from "../errors/quoted.ts";
import { sameShape, type Shape, shapeText } from "../ops/shape.ts";
import type { DraftGate, Read } from "./draft.ts";
import { inputsOf } from "./expression.ts";
import type { Banks } from "./resolve_banks.ts";
import {
  adviceOn,
  attempted,
  checkName,
  chosen,
  expressed,
  inputIsTaken,
  present,
  readAt,
  readBy,
  report,
  type Resolving,
  type SizedExpression,
} from "./resolving.ts";
import type { Expression, GateSpec, LevelSpec } from "./spec.ts";

/** The gates of a level without issues, and the width of the stream that each of all writes, if it is known. */
export interface Gates {
  readonly gates: Readonly<Record<string, GateSpec>>;
  readonly written: ReadonlyMap<string, number | undefined>;
}

/** Resolves the gates of a level over its banks. */
export function resolveGates<N, L>(
  at: Resolving<N, L>,
  level: string,
  entries: Readonly<Record<string, DraftGate<N, L>>>,
  banks: Banks,
): Gates {
  const gates: Record<string, GateSpec> = {};
  const written = new Map<string, number | undefined>();
  for (const [stream, entry] of Object.entries(entries)) {
    const path = `${level}.gates${keyText(stream)}`;
    checkName(at.issues, path, stream);
    if (stream === "input") report(at.issues, path, inputIsTaken);
    const mixed = resolveMix(at.issues, path, entry.mix, banks);
    const spec = resolveGate(at, path, stream, entry, mixed?.count);
    written.set(stream, mixed?.width);
    if (spec !== undefined) gates[stream] = spec;
  }
  checkLoads(at.issues, level, { experts: banks.experts, gates });
  return { gates, written };
}

/** Returns the number of experts that are mixed, and their width; undefined if there is none, or a name is wrong. */
function resolveMix(
  issues: Issue[],
  path: string,
  mix: readonly string[],
  { given, units }: Banks,
): { readonly count: number; readonly width: number | undefined } | undefined {
  if (mix.length === 0) report(issues, `${path}.mix`, "nothing is mixed: wanted at least one expert bank");
  const known = new Set<string>();
  mix.forEach((bank, position) => {
    const where = `${path}.mix[${position}]`;
    if (!Object.hasOwn(given, bank)) {
      report(
        issues,
        where,
        `no expert bank is named ${quoted(bank)}${adviceOn(issues, bank, () => Object.keys(given))}`,
      );
    } else if (known.has(bank)) {
      report(issues, where, `expert bank ${quoted(bank)} is mixed twice`);
    } else known.add(bank);
  });
  const width = commonWidth(issues, path, [...known], units);
  if (known.size < mix.length || known.size === 0) return undefined;
  return { count: mix.reduce((total, bank) => total + given[bank].count, 0), width };
}

/** Returns the width of the first bank; it is an issue if that of another is not the same. */
function commonWidth(issues: Issue[], path: string, banks: readonly string[], units: Banks["units"]) {
  const widths = banks.map((bank) => units.get(bank));
  const other = widths.findIndex((width) => width !== undefined && widths[0] !== undefined && width !== widths[0]);
  if (other >= 0) {
    const found = `${quoted(banks[other])} yields ${widths[other]} units, ${quoted(banks[0])} ${widths[0]}`;
    report(issues, `${path}.mix[${other}]`, `${found}: wanted one width`);
  }
  return widths[0];
}

/** Resolves a gate over `count` experts; if they are not known, only the stream that it reads is. */
function resolveGate<N, L>(
  at: Resolving<N, L>,
  path: string,
  stream: string,
  entry: DraftGate<N, L>,
  count: number | undefined,
): GateSpec | undefined {
  const reads = chosen(at, path, stream, entry.reads);
  const found = count === undefined ? undefined : expressedGate(at, path, entry, readAt(at, reads), count);
  if (reads === undefined) return undefined;
  const { expression: gate = null, moves } = found ?? {};
  return present({ reads: readBy(reads, gate), mix: entry.mix, gate, moves });
}

/** Returns the weights of a gate, and how its parameters move; undefined for a single expert, whose weight is 1. */
function expressedGate<N, L>(
  at: Resolving<N, L>,
  path: string,
  { mix, gate, moves }: DraftGate<N, L>,
  read: Read | undefined,
  count: number,
): { readonly expression: Expression; readonly moves?: GateSpec["moves"] } | undefined {
  const several = count > 1; // a count that is wrong is not
  if (gate === undefined || gate === null) {
    if (!several) return undefined;
    const advised = `wanted one, such as mix(${quoted(mix[0])}, softmax)`;
    return report(at.issues, path, `${count} experts are mixed without a gate: ${advised}`);
  }
  const found = expressed(at, path, gate, read, count); // also for a single expert: its errors are found
  if (found === undefined || !several) return undefined;
  return { expression: found.expression, moves: expressedMoves(at, `${path}.moves`, found, moves, count) };
}

/** Returns the rules by which parameters of a gate move: those that its function gave, or those that were read. */
function expressedMoves<N, L>(
  { expressLoss, issues }: Resolving<N, L>,
  path: string,
  { expression: gate, moves: given = {} }: SizedExpression,
  read: Readonly<Record<string, L>> | undefined,
  experts: number,
): Readonly<Record<string, Expression>> | undefined {
  const replayed = Object.entries(read ?? {}).flatMap(([name, rule]) => {
    const made = attempted(issues, path + keyText(name), () => expressLoss(rule, experts));
    return made === undefined ? [] : [[name, made] as const];
  });
  const all = [...Object.entries(given), ...replayed];
  const held = new Map(gate.nodes.flatMap(({ op, attrs }) => op === "parameter" ? [[attrs.name, attrs.shape]] : []));
  for (const [name, { shape }] of all) checkMove(issues, path + keyText(name), name, held.get(name), shape, experts);
  return all.length > 0 ? Object.fromEntries(all.map(([name, { expression }]) => [name, expression])) : undefined;
}

/** Makes sure that a gate has the parameter that moves, one number for each expert, and that as many are added. */
function checkMove(issues: Issue[], path: string, name: string, held: unknown, added: Shape, experts: number): void {
  const wanted = shapeText([experts]);
  if (held === undefined) report(issues, path, `the gate has no parameter ${quoted(name)}`);
  else if (String(held) !== String(experts)) report(issues, path, `the parameter must be ${wanted}`);
  if (sameShape(added, [experts])) return;
  report(issues, path, `what is added must be ${wanted}, found ${shapeText(added)}`);
}

/** Makes sure that every gate over a bank yields a load if a loss of the bank reads it. */
function checkLoads(issues: Issue[], level: string, { experts, gates }: LevelSpec): void {
  const silent = new Map<string, string>(); // the first gate without a load over each bank
  for (const [stream, { mix, gate }] of Object.entries(gates)) {
    if (gate === null || Object.hasOwn(gate.outputs, "load")) continue;
    for (const bank of mix) if (!silent.has(bank)) silent.set(bank, stream);
  }
  for (const [bank, { losses = {} }] of Object.entries(experts)) {
    const gate = silent.get(bank);
    if (gate === undefined) continue;
    const reading = Object.keys(losses).filter((name) => inputsOf(losses[name]).includes("load"));
    for (const name of reading) {
      const path = `${level}.experts${keyText(bank)}.losses${keyText(name)}`;
      report(issues, path, `gate ${quoted(gate)} returns no load: wanted topK(k, { noise: true })`);
    }
  }
}
