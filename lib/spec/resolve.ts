import { groupsOf, heads } from "../heads/heads.ts";
import { ordered } from "./order.ts";
import { type Shape, shapeText } from "../ops/shape.ts";
import { columnsOf } from "../features/columns.ts";
import { inputWidth } from "../features/input.ts";
import { type Issue, keyText } from "../errors/issues.ts";
import { inputsOf, isLossName } from "./expression.ts";
import { quoted } from "../errors/quoted.ts";
import { advice, nearest } from "../errors/nearest.ts";
import {
  type BankSpec,
  type Expression,
  type GateSpec,
  type LevelSpec,
  type Spec,
  type TaskSpec,
  version,
} from "./spec.ts";
import type { InputSpec, StreamSpec } from "../features/input.ts";
import type { HeadKind, LossSpec } from "../heads/spec.ts";

/**
 * A table before its names are resolved. `N` is how its nets and gates are given, `L` how the losses of its banks are: as
 * functions, or as expressions.
 */
export interface Draft<N, L> {
  readonly input: InputSpec;
  readonly streams?: Readonly<Record<string, StreamSpec>>;
  readonly levels: readonly DraftLevel<N, L>[];
  readonly tasks: Readonly<Record<string, DraftTask<N>>>;
}

/** A level of a {@linkcode Draft}. */
interface DraftLevel<N, L> {
  readonly experts: Readonly<Record<string, DraftBank<N, L>>>;
  readonly gates: Readonly<
    Record<string, DraftGate<N, L>>
  >;
}

/** A bank of a {@linkcode Draft}. */
interface DraftBank<N, L> {
  readonly count: number;
  readonly reads?: string;
  readonly ties?: string;
  readonly near?: Readonly<Record<string, number>>;
  readonly net: N;
  readonly capacity?: number;
  readonly losses?: Readonly<Record<string, L>>;
}

/** A gate of a {@linkcode Draft}, whose function tells its moves. */
interface DraftGate<N, L> {
  readonly mix: readonly string[];
  readonly reads?: string;
  readonly gate?: N | null;
  readonly moves?: Readonly<Record<string, L>>;
}

/** A task of a {@linkcode Draft}. */
interface DraftTask<N> {
  readonly reads?: string;
  readonly of?: readonly string[];
  readonly tower: N;
  readonly adds?: Readonly<Record<string, N>>;
  readonly only?: string;
  readonly weight: number;
  readonly head: { readonly kind: HeadKind; readonly units: number; readonly loss?: LossSpec; readonly net: N };
}

/**
 * Turns a function of the table into an expression, given the width that it reads, and says the shape of its result.
 * Throws where that is not possible; the error's message becomes the issue.
 */
type Express<N> = (entry: N, width: number, experts?: number) => Expressed & {
  readonly moves?: Readonly<Record<string, Expressed>>;
};

/** An expression, and the shape of its result. */
interface Expressed {
  readonly expression: Expression;
  readonly shape: Shape;
}

const inputIsTaken = '"input" is the stream that the model reads: wanted another name';

/** The names that are legal for banks, streams and tasks. */
const nameRule = "a name of 1 to 100 characters without / and control characters";

/** Whether a name is legal for a bank, a stream or a task. */
function isLegalName(name: string): boolean {
  // deno-lint-ignore no-control-regex
  return /^[^/\x00-\x1f\x7f]{1,100}$/.test(name) && name.isWellFormed() && name !== "__proto__";
}

const mostExperts = 65536;

/**
 * Resolves a table: who reads which stream, which gates are constant, what nothing reads and so is not built. Reports
 * every issue, and returns the normal form if there is none.
 *
 * A reader takes the stream that it names, else the stream of its own name, else `shared`, else the input.
 */
export function resolve<N, L>(
  draft: Draft<N, L>,
  express: Express<N>,
  expressLoss: (entry: L, experts: number) => Expressed,
): { readonly spec?: Spec; readonly issues: readonly Issue[] } {
  const issues: Issue[] = [];
  const report = (path: string, message: string) => {
    issues.push({ path, message });
    return undefined;
  };
  const named = (path: string, name: string) => {
    if (!isLegalName(name)) report(path, `${quoted(name)} is no name: wanted ${nameRule}`);
  };
  const attempted = <T>(path: string, express: () => T) => {
    try {
      return express();
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
      issues.push({ path, message: error.message, cause: error.cause ?? error });
      return undefined;
    }
  };
  const expressed = (path: string, entry: N, width: number | undefined, experts?: number) => {
    if (width === undefined) return undefined;
    return attempted(path, () => {
      const { expression, shape, moves } = express(entry, width, experts);
      const [rows, units] = shape;
      const wanted = experts === undefined ? "[batch, units]" : `[batch, ${experts}], one weight an expert`;
      const fits = shape.length === 2 && rows === "batch" && typeof units === "number" &&
        (experts === undefined || units === experts);
      return fits
        ? { expression, units: units as number, moves }
        : report(path, `the result must be ${wanted}, found ${shapeText(shape)}`);
    });
  };
  const expressedLosses = (path: string, losses: Readonly<Record<string, L>>, experts: number) => {
    const found: Record<string, Expression> = {};
    for (const [name, loss] of Object.entries(losses)) {
      const where = `${path}${keyText(name)}`;
      if (!isLossName(name)) report(where, `${quoted(name)} is no name of a loss: wanted letters, digits, _ and -`);
      attempted(where, () => {
        const { expression, shape } = expressLoss(loss, experts);
        if (shape.length > 0) report(where, `the loss must be a number [], found ${shapeText(shape)}`);
        found[name] = expression;
      });
    }
    return found;
  };

  /** The moves that a gate's function told, or those that were read. */
  const movesOf = (
    path: string,
    gate: Expression,
    told: Readonly<Record<string, Expressed>> | undefined,
    read: Readonly<Record<string, L>>,
    experts: number,
  ) => {
    const found = Object.entries(read).flatMap(([name, rule]) => {
      const made = attempted(`${path}.moves${keyText(name)}`, () => expressLoss(rule, experts));
      return made === undefined ? [] : [[name, made] as const];
    });
    const all = [...Object.entries(told ?? {}), ...found];
    for (const [name, { shape }] of all) {
      const held = gate.nodes.find(({ op, attrs }) => op === "parameter" && attrs.name === name);
      const where = `${path}.moves${keyText(name)}`;
      const wanted = shapeText([experts]);
      if (held === undefined) report(where, `the gate has no parameter ${quoted(name)}`);
      else if (String(held.attrs.shape) !== String(experts)) report(where, `the parameter must be ${wanted}`);
      if (shapeText(shape) !== wanted) report(where, `what is added must be ${wanted}, found ${shapeText(shape)}`);
    }
    return all.length > 0 ? Object.fromEntries(all.map(([name, { expression }]) => [name, expression])) : undefined;
  };

  // Looking for the nearest name takes time, which a hostile file could multiply.
  const near = (name: string, names: Iterable<string>) => issues.length < 100 ? advice(name, names) : "";
  // A stream whose width is not known, because of an issue already reported, is undefined.
  const streams = new Map<string, number | undefined>([["input", inputWidth(draft.input)]]);
  for (const [name, part] of Object.entries(draft.streams ?? {})) {
    const path = `streams${keyText(name)}`;
    named(path, name);
    if (name === "input") report(path, inputIsTaken);
    else {
      try {
        streams.set(name, columnsOf(draft.input, part).reduce((width, [, length]) => width + length, 0));
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        streams.set(name, report(path, error.message));
      }
    }
  }
  const chosen = (path: string, own: string, reads: string | undefined) => {
    if (reads !== undefined && !streams.has(reads)) {
      const writer = draft.levels.findIndex(({ gates }) => Object.hasOwn(gates, reads));
      const advised = writer < 0
        ? near(reads, streams.keys())
        : `, but levels[${writer}] does: wanted a level below that writes it, since streams go up and never in a circle`;
      report(`${path}.reads`, `nothing below writes stream ${quoted(reads)}${advised}`);
      return undefined;
    }
    const stream = reads ?? [own, "shared", "input"].find((name) => streams.has(name))!;
    asked.add(stream);
    return stream;
  };
  const asked = new Set<string>();
  const widthAt = (stream: string | undefined) => stream === undefined ? undefined : streams.get(stream);

  const levels = draft.levels.map((level, at): LevelSpec => {
    const here = `levels[${at}]`;
    const experts: Record<string, BankSpec> = {};
    const units = new Map<string, number | undefined>();
    for (const [name, bank] of Object.entries(level.experts)) {
      const path = `${here}.experts${keyText(name)}`;
      named(path, name);
      const counted = Number.isSafeInteger(bank.count) && bank.count >= 1 && bank.count <= mostExperts;
      if (!counted) {
        report(`${path}.count`, `the number of experts must be 1 to ${mostExperts}, found ${bank.count}`);
      }
      const losses = counted ? expressedLosses(`${path}.losses`, bank.losses ?? {}, bank.count) : {};
      if (bank.capacity !== undefined && !(Number.isFinite(Math.fround(bank.capacity)) && bank.capacity >= 1)) {
        const wanted = "wanted a number of at least 1, or none to drop no row";
        report(`${path}.capacity`, `the capacity is a multiple of an even share, found ${bank.capacity}: ${wanted}`);
      }
      const reads = chosen(path, name, bank.reads);
      const net = expressed(path, bank.net, widthAt(reads));
      units.set(name, net?.units);
      if (reads !== undefined && net !== undefined) {
        const stream = readBy(reads, net.expression);
        const own = present({
          reads: stream,
          count: bank.count,
          ties: bank.ties,
          near: bank.near,
          net: net.expression,
          capacity: bank.capacity,
        });
        experts[name] = Object.keys(losses).length > 0 ? { ...own, losses } : own;
      }
    }
    const fellow = (path: string, name: string, wanted: string) => {
      const [bank, other] = [experts[name], experts[wanted]];
      if (!Object.hasOwn(level.experts, wanted)) {
        report(path, `no expert bank is named ${quoted(wanted)}${near(wanted, Object.keys(level.experts))}`);
      } else if (wanted === name) {
        report(path, "it is the bank itself: wanted another");
      } else if (bank !== undefined && other !== undefined) {
        if (bank.count !== other.count) {
          report(path, `expert bank ${quoted(wanted)} has ${other.count} experts, found ${bank.count}: wanted as many`);
        } else if (parametersText(bank.net) !== parametersText(other.net)) {
          report(path, `the experts need other parameters than those of ${quoted(wanted)}: wanted the same`);
        }
      }
    };
    for (const [name, { ties, near: others = {} }] of Object.entries(level.experts)) {
      const path = `${here}.experts${keyText(name)}`;
      const further = ties === undefined ? undefined : level.experts[ties]?.ties;
      if (further !== undefined && ties !== name) {
        report(`${path}.ties`, `expert bank ${quoted(ties!)} is tied itself: wanted ${quoted(further)}`);
      } else if (ties !== undefined) fellow(`${path}.ties`, name, ties);
      for (const [other, weight] of Object.entries(others)) {
        fellow(`${path}.near${keyText(other)}`, name, other);
        if (!(Number.isFinite(Math.fround(weight)) && weight >= 0)) {
          report(`${path}.near${keyText(other)}`, `the weight of a distance must be at least 0, found ${weight}`);
        }
      }
    }

    const gates: Record<string, GateSpec> = {};
    const written = new Map<string, number | undefined>();
    for (const [stream, entry] of Object.entries(level.gates)) {
      const path = `${here}.gates${keyText(stream)}`;
      named(path, stream);
      if (stream === "input") report(path, inputIsTaken);
      if (entry.mix.length === 0) report(`${path}.mix`, "nothing is mixed: wanted at least one expert bank");
      const mixed = new Set<string>();
      const known = entry.mix.filter((bank, position) => {
        const where = `${path}.mix[${position}]`;
        if (!Object.hasOwn(level.experts, bank)) {
          report(where, `no expert bank is named ${quoted(bank)}${near(bank, Object.keys(level.experts))}`);
          return false;
        }
        if (mixed.has(bank)) {
          report(where, `expert bank ${quoted(bank)} is mixed twice`);
          return false;
        }
        mixed.add(bank);
        return true;
      });
      const widths = known.map((bank) => units.get(bank));
      const other = widths.findIndex((width) => width !== undefined && widths[0] !== undefined && width !== widths[0]);
      if (other > 0) {
        const found = `${quoted(known[other])} yields ${widths[other]} units`;
        report(`${path}.mix[${other}]`, `${found}, ${quoted(known[0])} ${widths[0]}: wanted one width`);
      }
      const count = known.reduce((total, bank) => total + level.experts[bank].count, 0);
      const reads = chosen(path, stream, entry.reads);
      const complete = known.length === entry.mix.length && known.length > 0;
      const gate = entry.gate ?? undefined;
      let weights: Expression | null = null;
      let moves: Readonly<Record<string, Expression>> | undefined;
      if (complete && count > 1 && gate === undefined) {
        report(path, `${count} experts are mixed without a gate: wanted one, such as mix("${known[0]}", softmax)`);
      } else if (complete && gate !== undefined) {
        const given = expressed(path, gate, widthAt(reads), count); // also for a single expert: its errors are found
        weights = count > 1 ? given?.expression ?? null : null;
        if (weights !== null) moves = movesOf(path, weights, given?.moves, entry.moves ?? {}, count);
      }
      written.set(stream, complete ? widths[0] : undefined);
      if (reads !== undefined) {
        gates[stream] = present({ reads: readBy(reads, weights), mix: entry.mix, gate: weights, moves });
      }
    }
    for (const { path, message } of loadless({ experts, gates })) report(here + path, message);
    for (const [stream, width] of written) streams.set(stream, width);
    return { experts, gates };
  });

  const yesNo = (path: string, name: string): boolean => {
    if (!Object.hasOwn(draft.tasks, name)) {
      report(path, `no task is named ${quoted(name)}${near(name, Object.keys(draft.tasks))}`);
      return false;
    }
    const { kind } = draft.tasks[name].head;
    if (!heads[kind].yesNo) report(path, `task ${quoted(name)} has a ${kind} head: wanted a binary one`);
    return heads[kind].yesNo;
  };
  /** The width of the logits that a tower reads instead of a stream. */
  const logitsOf = (path: string, { head, reads = "input" }: DraftTask<N>, of: readonly string[]) => {
    if (reads !== "input") report(`${path}.reads`, "the tower reads the logits of other tasks: wanted no stream");
    if (!heads[head.kind].yesNo) return report(`${path}.of`, `wanted a binary head, found a ${head.kind} one`);
    if (of.length === 0) return report(`${path}.of`, "the logits of no task are read: wanted at least one");
    const known = of.filter((name, position) => yesNo(`${path}.of[${position}]`, name));
    return known.length < of.length ? undefined : of.length;
  };

  const tasks: Record<string, TaskSpec> = {};
  for (const [name, task] of Object.entries(draft.tasks)) {
    const path = `tasks${keyText(name)}`;
    named(path, name);
    if (name === "input") report(path, inputIsTaken);
    if (!(Number.isFinite(Math.fround(task.weight)) && task.weight >= 0)) {
      report(`${path}.weight`, `the weight of a loss must be a number of at least 0, found ${task.weight}`);
    }
    const reads = task.of === undefined ? chosen(path, name, task.reads) : "input";
    const width = task.of === undefined ? widthAt(reads) : logitsOf(path, task, task.of);
    const tower = expressed(path, task.tower, width);
    const head = expressed(`${path}.head`, task.head.net, tower?.units);
    const { kind, units, loss } = task.head;
    const adds = Object.entries(task.adds ?? {}).map(([stream, entry]) => {
      const where = `${path}.adds${keyText(stream)}`;
      const net = expressed(where, entry, widthAt(chosen(where, stream, stream)));
      if (net !== undefined && net.units !== units) {
        report(where, `${units} logits are added to, found ${net.units}: wanted as many`);
      }
      return [stream, net?.expression] as const;
    });
    if (!heads[kind].units.fits(units)) {
      report(`${path}.head`, `a ${kind} head has ${heads[kind].units.wanted} units, found ${units}`);
    } else if (head !== undefined && head.units !== units) {
      report(`${path}.head`, `a ${kind} head needs ${units} logits, found ${head.units}`);
    }
    if (loss !== undefined) unfit(kind, loss, name).forEach((message) => report(`${path}.loss`, message));
    if (task.only !== undefined) yesNo(`${path}.only`, task.only);
    if (reads !== undefined && tower !== undefined && head !== undefined) {
      tasks[name] = present({
        reads: readBy(reads, tower.expression, head.expression),
        of: task.of,
        tower: tower.expression,
        head: present({ kind, units, loss, net: head.expression }),
        adds: adds.length === 0 ? undefined : Object.fromEntries(adds) as Record<string, Expression>,
        only: task.only,
        weight: task.weight,
      });
    }
  }
  for (const { path, message } of circles(draft.tasks)) report(path, message);
  if (Object.keys(draft.tasks).length === 0) report("tasks", "a model needs at least one task");
  if (issues.length > 0) return { issues };

  [...misread(levels, tasks), ...unread(levels, asked, tasks)].forEach(({ path, message }) => report(path, message));
  const spec: Spec = present({
    gatehouse: version,
    input: draft.input,
    streams: readParts(draft.streams, alive(levels, tasks), tasks),
    levels: alive(levels, tasks),
    tasks,
  });
  if (!hasParameters(spec)) report("tasks", "nothing of the model has parameters: wanted something to learn");
  return issues.length > 0 ? { issues } : { spec, issues };
}

/** Tasks that are made of themselves, or are their own sample space, by way of others too. */
function circles(tasks: Readonly<Record<string, Pick<TaskSpec, "of" | "only">>>): Issue[] {
  const found = (key: "of" | "only", message: (task: string, need: string) => string): Issue[] => {
    const needs = (name: string) => [tasks[name][key] ?? []].flat().filter((need) => Object.hasOwn(tasks, need));
    return ordered(Object.keys(tasks), needs).circles
      .map(([task, need]) => ({ path: `tasks${keyText(task)}.${key}`, message: message(quoted(task), quoted(need)) }));
  };
  return [
    ...found("of", (task, need) => `the logits of ${need} are made of those of ${task}: wanted no circle`),
    ...found("only", (task, need) => `${need} counts only where ${task} does: wanted no circle`),
  ];
}

/** The names and shapes of an expression's parameters, to tell whether another has the same. */
function parametersText({ nodes }: Expression): string {
  const parameters = nodes.filter(({ op }) => op === "parameter");
  return JSON.stringify(
    parameters.map(({ attrs: { name, shape, init } }) => JSON.stringify([name, shape, init])).sort(),
  );
}

/** The parts of the input that something reads; undefined if there are none. */
function readParts(
  parts: Readonly<Record<string, StreamSpec>> | undefined,
  levels: readonly LevelSpec[],
  tasks: Readonly<Record<string, TaskSpec>>,
): Readonly<Record<string, StreamSpec>> | undefined {
  const read = new Set([
    ...levels.flatMap(({ experts, gates }) => [...Object.values(experts), ...Object.values(gates)].map((x) => x.reads)),
    ...Object.values(tasks).flatMap(({ reads, adds = {} }) => [reads, ...Object.keys(adds)]),
  ]);
  const kept = Object.entries(parts ?? {}).filter(([name]) => read.has(name));
  return kept.length === 0 ? undefined : Object.fromEntries(kept);
}

/** A record without one of its keys. */
function without<T extends object, K extends keyof T>(record: T, key: K): Omit<T, K> {
  const { [key]: _, ...rest } = record;
  return rest;
}

/** A record without what is absent. */
function present<T extends object>(record: T): T {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as T;
}

/** Why a head cannot be trained by a loss. */
function unfit(kind: HeadKind, loss: LossSpec, task: string): string[] {
  const known = heads[kind].losses;
  if (!known.includes(loss.kind)) {
    const wanted = known.length === 0 ? ": it is trained by its own alone" : advice(loss.kind, known);
    return [`a ${kind} head has no loss ${quoted(loss.kind)}${wanted}`];
  }
  return groupsOf({ loss }) === task ? ["a task cannot be ranked within its own labels: wanted another column"] : [];
}

/** Losses of banks that read the load where a gate over the bank tells none. */
function loadless({ experts, gates }: LevelSpec): Issue[] {
  return Object.entries(experts).flatMap(([bank, { losses = {} }]) =>
    Object.entries(losses).filter(([, loss]) => inputsOf(loss).includes("load")).flatMap(([name]) => {
      const silent = Object.entries(gates).find(([, { mix, gate }]) =>
        mix.includes(bank) && gate !== null && !Object.hasOwn(gate.outputs, "load")
      );
      const wanted = "tells no load: wanted topK(k, { noise: true })";
      const path = `.experts${keyText(bank)}.losses${keyText(name)}`;
      return silent === undefined ? [] : [{ path, message: `gate ${quoted(silent[0])} ${wanted}` }];
    })
  );
}

/** The stream that expressions read one after the other; the input if one of them reads nothing: none is kept for it. */
function readBy(stream: string, ...expressions: readonly (Expression | null)[]): string {
  return expressions.every((expression) => expression?.nodes.some(({ op }) => op === "input")) ? stream : "input";
}

/** Levels that write nothing of what is asked for, so that the towers would read past them. */
function unread(
  levels: readonly LevelSpec[],
  asked: ReadonlySet<string>,
  tasks: Readonly<Record<string, TaskSpec>>,
): Issue[] {
  const wanted = [...Object.keys(tasks).slice(0, 5).map(quoted), '"shared"'].join(", ");
  return levels.flatMap(({ gates }, at) => {
    const streams = Object.keys(gates);
    if (streams.length === 0 || streams.some((stream) => asked.has(stream))) return [];
    const message = `nothing reads what the level writes, ${streams.slice(0, 5).map(quoted).join(", ")}`;
    return [{
      path: `levels[${at}]`,
      message: `${message}: towers read the stream of their task, else "shared": wanted one of ${wanted}`,
    }];
  });
}

/** Banks that no gate mixes and streams that nothing reads, but whose name is so like that of a task without a stream that it must be meant. */
function misread(levels: readonly LevelSpec[], tasks: Readonly<Record<string, TaskSpec>>): Issue[] {
  const written = new Set(levels.flatMap((level) => Object.keys(level.gates)));
  const read = new Set([
    ...Object.values(tasks).flatMap(({ reads, adds = {} }) => [reads, ...Object.keys(adds)]),
    ...levels.flatMap(({ experts, gates }) => [...Object.values(experts), ...Object.values(gates)].map((x) => x.reads)),
  ]);
  const without = [...Object.keys(tasks), "shared"].filter((name) => !written.has(name));
  const strays = levels.flatMap((level, at) =>
    Object.keys(level.gates).filter((stream) => !read.has(stream)).map((stream) => ({ at, stream }))
  );
  const banks = levels.flatMap(({ experts, gates }, at) => {
    const mixed = new Set(Object.values(gates).flatMap(({ mix }) => mix));
    const tied = new Set(Object.values(experts).map(({ ties }) => ties));
    const unmixed = Object.keys(experts).filter((bank) => !mixed.has(bank) && !tied.has(bank));
    return unmixed.slice(0, 100).flatMap((bank) => {
      const meant = nearest(bank, Object.keys(tasks).slice(0, 100).filter((task) => !Object.hasOwn(experts, task)));
      const message = `no gate mixes expert bank ${quoted(bank)}: did you mean ${quoted(String(meant))}?`;
      return meant === undefined ? [] : [{ path: `levels[${at}].experts${keyText(bank)}`, message }];
    });
  });
  return [
    ...banks.slice(0, 100),
    ...strays.slice(0, 100).flatMap(({ at, stream }) => { // as many as can be compared in no time
      const meant = nearest(stream, [...without.slice(0, 100), ...without.slice(-1)]);
      const path = `levels[${at}].gates${keyText(stream)}`;
      return meant === undefined
        ? []
        : [{ path, message: `nothing reads stream ${quoted(stream)}: did you mean ${quoted(meant)}?` }];
    }),
  ];
}

function hasParameters({ levels, tasks }: Spec): boolean {
  const nets = [
    ...levels.flatMap(({ experts }) => Object.values(experts).map(({ net }) => net)),
    ...levels.flatMap(({ gates }) => Object.values(gates).map(({ gate }) => gate)),
    ...Object.values(tasks).flatMap(({ tower, head, adds = {} }) => [tower, head.net, ...Object.values(adds)]),
  ];
  return nets.some((net) => net?.nodes.some(({ op }) => op === "parameter"));
}

/** The levels without the gates whose streams nobody reads, and without the experts that no gate mixes. */
function alive(levels: readonly LevelSpec[], tasks: Readonly<Record<string, TaskSpec>>): readonly LevelSpec[] {
  const wanted = new Set(Object.values(tasks).flatMap(({ reads, adds = {} }) => [reads, ...Object.keys(adds)]));
  const kept: LevelSpec[] = [];
  for (const level of [...levels].reverse()) {
    const gates = Object.entries(level.gates).filter(([stream]) => wanted.has(stream));
    const mixed = new Set(gates.flatMap(([, gate]) => gate.mix));
    for (const [bank, { ties }] of Object.entries(level.experts)) {
      if (ties !== undefined && mixed.has(bank)) mixed.add(ties);
    }
    const experts = Object.entries(level.experts).filter(([bank]) => mixed.has(bank)).map(([name, bank]) => {
      const near = Object.entries(bank.near ?? {}).filter(([other]) => mixed.has(other));
      return [name, near.length === 0 ? without(bank, "near") : { ...bank, near: Object.fromEntries(near) }] as const;
    });
    gates.forEach(([stream]) => wanted.delete(stream));
    for (const [, gate] of gates) if (gate.gate !== null) wanted.add(gate.reads);
    for (const [, bank] of experts) wanted.add(bank.reads);
    kept.unshift({ experts: Object.fromEntries(experts), gates: Object.fromEntries(gates) });
  }
  return kept;
}
