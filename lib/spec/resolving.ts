import { columnsIn, fieldsIn, type Run } from "../features/columns.ts";
import { inputWidth } from "../features/input.ts";
import { type Issue, keyText } from "../errors/issues.ts";
import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import { shapeText } from "../ops/shape.ts";
import type { Draft, Express, Expressed, ExpressLoss, Read } from "./draft.ts";
import type { Expression } from "./spec.ts";

/** The state of a table that is being resolved, from the input up. */
export interface Resolving<N, L> {
  readonly draft: Draft<N, L>;
  readonly express: Express<N>;
  readonly expressLoss: ExpressLoss<L>;
  /** The issues so far, in the order of the table. */
  readonly issues: Issue[];
  /** The streams that can be read; undefined where an issue already reported hides the width. */
  readonly streams: Map<string, Read | undefined>;
  /** The first level that writes each stream. */
  readonly writers: ReadonlyMap<string, number>;
  /** The streams that something reads. */
  readonly asked: Set<string>;
}

/** A net or a gate of the table as an expression, and the width of its result. */
export interface SizedExpression {
  readonly expression: Expression;
  readonly units: number;
  /** The rules by which parameters of a gate move, if its function gave any. */
  readonly moves?: Readonly<Record<string, Expressed>>;
}

/** Returns the state before any level is resolved: the input and its parts can be read. */
export function resolving<N, L>(
  draft: Draft<N, L>,
  express: Express<N>,
  expressLoss: ExpressLoss<L>,
): Resolving<N, L> {
  const fieldsOf = fieldsIn(draft.input);
  const input: Read = { width: inputWidth(draft.input), fields: fieldsOf() };
  const streams = new Map<string, Read | undefined>([["input", input]]);
  const written = draft.levels.flatMap(({ gates, beside = {} }, level) =>
    Object.keys({ ...gates, ...beside }).map((name) => [name, level] as const)
  );
  const writers = new Map(written.reverse()); // of equal names the first level's comes last, and stays
  const at: Resolving<N, L> = { draft, express, expressLoss, issues: [], streams, writers, asked: new Set() };
  const columnsOf = columnsIn(draft.input, (name, known) => adviceOn(at.issues, name, known));
  for (const [name, part] of Object.entries(draft.streams ?? {})) {
    resolvePart(at, name, () => ({ width: widthOf(columnsOf(part)), fields: fieldsOf(part) }));
  }
  return at;
}

/** Adds a stream that is a part of the input. */
function resolvePart<N, L>({ issues, streams }: Resolving<N, L>, name: string, part: () => Read): void {
  const path = `streams${keyText(name)}`;
  checkName(issues, path, name);
  if (name === "input") return report(issues, path, inputIsTaken);
  try {
    streams.set(name, part());
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    streams.set(name, report(issues, path, error.message));
  }
}

function widthOf(runs: readonly Run[]): number {
  return runs.reduce((width, [, length]) => width + length, 0);
}

/** Returns the stream of a reader: the one that it names, else that of its own name, else `shared`, else the input. */
export function chosen<N, L>(
  { issues, streams, writers, asked }: Resolving<N, L>,
  path: string,
  own: string,
  reads: string | undefined,
): string | undefined {
  if (reads !== undefined && !streams.has(reads)) {
    const writer = writers.get(reads);
    const advised = writer === undefined
      ? adviceOn(issues, reads, () => streams.keys())
      : `, but levels[${writer}] does: wanted a level below that writes it, since streams go up and never in a circle`;
    return report(issues, `${path}.reads`, `nothing below writes stream ${quoted(reads)}${advised}`);
  }
  const stream = reads ?? [own, "shared", "input"].find((name) => streams.has(name))!;
  asked.add(stream);
  return stream;
}

/** Returns what a reader of a stream reads; undefined if the stream or its width is not known. */
export function readAt<N, L>({ streams }: Resolving<N, L>, stream: string | undefined): Read | undefined {
  return stream === undefined ? undefined : streams.get(stream);
}

/** Returns a net, or a gate over so many experts, as an expression; undefined if that fails or no width is known. */
export function expressed<N, L>(
  { express, issues }: Resolving<N, L>,
  path: string,
  entry: N,
  read: Read | undefined,
  experts?: number,
): SizedExpression | undefined {
  if (read === undefined) return undefined;
  return attempted(issues, path, () => {
    const { expression, shape, moves } = express(entry, read, experts);
    const [rows, units] = shape;
    const isWide = shape.length === 2 && rows === "batch" && typeof units === "number";
    if (isWide && (experts === undefined || units === experts)) return { expression, units, moves };
    const wanted = experts === undefined ? "[batch, units]" : `[batch, ${experts}], one weight an expert`;
    return report(issues, path, `the result must be ${wanted}, found ${shapeText(shape)}`);
  });
}

/** Returns what a function of the table yields; undefined if it throws, which is an issue. */
export function attempted<T>(issues: Issue[], path: string, express: () => T): T | undefined {
  try {
    return express();
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
    issues.push({ path, message: error.message, cause: error.cause ?? error });
    return undefined;
  }
}

/** Adds an issue, and returns undefined, which stands for whatever is wrong. */
export function report(issues: Issue[], path: string, message: string): undefined {
  issues.push({ path, message });
}

/** Makes sure that a name is legal for a bank, a stream or a task. */
export function checkName(issues: Issue[], path: string, name: string): void {
  if (isLegalName(name)) return;
  report(
    issues,
    path,
    `${quoted(name)} cannot be a name: wanted a name of 1 to 100 characters without / and control characters`,
  );
}

function isLegalName(name: string): boolean {
  // deno-lint-ignore no-control-regex
  return /^[^/\x00-\x1f\x7f]{1,100}$/.test(name) && name.isWellFormed() && name !== "__proto__";
}

/** Returns the end of an issue about an unknown name, but not of more than are shown: the nearest name takes time to find. */
export function adviceOn(issues: readonly Issue[], name: string, known: () => Iterable<string>): string {
  return issues.length < mostAdvised ? advice(name, known()) : "";
}

/** The issues that are advised on: as many as errors show. */
const mostAdvised = 20;

/** Returns true if a number is finite, as a float32 too, and not below a limit. */
export function isAtLeast(least: number, found: number): boolean {
  return Number.isFinite(Math.fround(found)) && found >= least;
}

/** Returns the stream that a chain of expressions reads; the input if one of them reads nothing, to keep no other. */
export function readBy(stream: string, ...expressions: readonly (Expression | null)[]): string {
  return expressions.every((expression) => expression?.nodes.some(({ op }) => op === "input")) ? stream : "input";
}

/** Returns a record without its undefined values. */
export function present<T extends object>(record: T): T {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as T;
}

/** The issue of a stream or a task named `input`. */
export const inputIsTaken = '"input" is the stream that the model reads: wanted another name';
